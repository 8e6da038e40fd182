//===- Elementwise.cpp - Operators on each element ------------------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Rows of the elementwise table stay `onnx.node`, typed. Clip becomes Max and
// Min, the variadic operators become pairs, and GELU is recognised.
//
//===----------------------------------------------------------------------===//

#include "Walk.h"

#include "quantc/Dialect/ONNX/Elementwise.h"
#include "llvm/ADT/StringSwitch.h"

#include <cmath>

using namespace mlir;
using namespace quantc;
using namespace quantc::onnx_to_qgraph;

//===----------------------------------------------------------------------===//
// Broadcasting
//===----------------------------------------------------------------------===//

std::optional<Dims> Walk::broadcast(ArrayRef<TensorInfo *> infos) {
  size_t rank = 0;
  for (TensorInfo *info : infos)
    rank = std::max(rank, info->dims.size());
  Dims dims(rank, arith.constant(1));
  for (TensorInfo *info : infos)
    for (auto [i, dim] : llvm::enumerate(info->dims)) {
      Dim &result = dims[rank - info->dims.size() + i];
      result = arith.broadcast(result, dim);
      if (!result)
        return std::nullopt;
    }
  return dims;
}

/// The operand with all elements the same number is neutral: the result is the
/// other one, expanded.
static bool isNeutral(StringRef op, const TensorInfo &info, bool right) {
  std::optional<double> value = numberOf(uniform(info));
  if (!value)
    return false;
  return llvm::StringSwitch<bool>(op)
      .Case("And", *value == 1)
      .Case("Or", *value == 0)
      // x + 0 is not x for x = -0, but 0 is what a mask adds.
      .Case("Mul", *value == 1)
      .Case("Div", right && *value == 1)
      .Default(false);
}

FailureOr<TensorInfo> Walk::elementwise(StringRef opType,
                                        ArrayRef<TensorInfo *> inputs,
                                        Type elementType,
                                        Attributes attributes) {
  std::optional<Dims> dims = broadcast(inputs);
  if (!dims)
    return failure();
  if (std::optional<TensorInfo> folded =
          foldElementwise(*this, opType, inputs, elementType, *dims))
    return *folded;
  if (inputs.size() == 2)
    for (int side : {0, 1})
      if (isNeutral(opType, *inputs[side], side == 1))
        return expand(*inputs[1 - side], *dims);
  if (opType == "Where" && uniform(*inputs[0]))
    if (std::optional<double> condition = numberOf(uniform(*inputs[0])))
      return expand(*inputs[*condition ? 1 : 2], *dims);

  // Operands are taken as they are before they are expanded. Where the others
  // do not have all of the dimensions, the result is expanded instead.
  SmallVector<TensorInfo> narrow;
  for (TensorInfo *input : inputs) {
    onnx_ir::NodeOp op = nodeOf(input->value, "Expand");
    if (op)
      narrow.push_back(lookup(op.getInputs()[0]));
    else if (!input->value && input->splat)
      narrow.push_back(fromElements(input->elementType, {}, {input->splat}));
    else
      narrow.push_back(*input);
  }
  SmallVector<TensorInfo *> pointers;
  for (TensorInfo &operand : narrow)
    pointers.push_back(&operand);
  std::optional<Dims> without = broadcast(pointers);
  if (!without)
    return failure();
  TensorInfo result = node(opType, pointers, elementType, *without, attributes);
  return expand(result, *dims);
}

//===----------------------------------------------------------------------===//
// GELU
//===----------------------------------------------------------------------===//

/// The operands of a nested product, at most eight.
static void factors(Value value, SmallVectorImpl<Value> &result,
                    unsigned depth = 0) {
  auto op = value.getDefiningOp<onnx_ir::NodeOp>();
  if (op && op.is("Mul") && depth < 3) {
    factors(op.getInputs()[0], result, depth + 1);
    factors(op.getInputs()[1], result, depth + 1);
  } else {
    result.push_back(value);
  }
}

/// The product of the numbers among the factors, which are removed. x / c
/// counts as x * (1 / c), x^n as n factors.
static double takeNumbers(SmallVectorImpl<Value> &values) {
  double product = 1;
  SmallVector<Value> rest;
  for (size_t i = 0; i < values.size(); ++i) {
    Value value = values[i];
    if (std::optional<double> number = constantNumber(value)) {
      product *= *number;
      continue;
    }
    auto op = value.getDefiningOp<onnx_ir::NodeOp>();
    std::optional<double> second = op && op.getInputs().size() == 2
                                       ? constantNumber(op.getInputs()[1])
                                       : std::nullopt;
    if (second && op.is("Div")) {
      product /= *second;
      values.push_back(op.getInputs()[0]);
    } else if (second && op.is("Pow") && (*second == 2 || *second == 3)) {
      for (int n = 0; n < *second; ++n)
        values.push_back(op.getInputs()[0]);
    } else {
      rest.push_back(value);
    }
  }
  values.assign(rest.begin(), rest.end());
  return product;
}

static bool near(double a, double b) { return std::fabs(a - b) < 1e-3 * b; }

/// `1 + y` of an `onnx.node "Add"`: y.
static Value addedToOne(Value value) {
  auto op = value.getDefiningOp<onnx_ir::NodeOp>();
  if (!op || !op.is("Add"))
    return {};
  for (int side : {0, 1})
    if (constantNumber(op.getInputs()[side]) == 1.0)
      return op.getInputs()[1 - side];
  return {};
}

/// sqrt(2/pi) * (x + 0.044715 x^3), or sqrt(2/pi) * x * (1 + 0.044715 x^2).
static bool isTanhArgument(Value value, Value x) {
  SmallVector<Value> outer;
  factors(value, outer);
  if (!near(takeNumbers(outer), std::sqrt(2 / M_PI)))
    return false;
  auto isCubic = [&](Value term, size_t power) {
    SmallVector<Value> inner;
    factors(term, inner);
    return near(takeNumbers(inner), 0.044715) && inner.size() == power &&
           llvm::all_equal(inner) && inner.front() == x;
  };
  if (outer.size() == 1) {
    auto sum = outer[0].getDefiningOp<onnx_ir::NodeOp>();
    if (!sum || !sum.is("Add"))
      return false;
    for (int side : {0, 1})
      if (sum.getInputs()[side] == x && isCubic(sum.getInputs()[1 - side], 3))
        return true;
    return false;
  }
  if (outer.size() != 2)
    return false;
  for (int side : {0, 1})
    if (outer[side] == x)
      if (Value term = addedToOne(outer[1 - side]))
        return isCubic(term, 2);
  return false;
}

/// 0.5 * x * (1 + erf(x / sqrt(2))), the factors in any order and nesting, and
/// the same with tanh: Gelu. Called with the factors of a product about to be
/// built.
std::optional<TensorInfo> Walk::recognizeActivation(Node &node) {
  if (node.type() != "Mul" || !isa<FloatType>(node.in(0).elementType))
    return std::nullopt;
  SmallVector<Value> product;
  for (unsigned side : {0, 1})
    factors(materialize(node.in(side)), product);
  if (!near(takeNumbers(product), 0.5) || product.size() != 2)
    return std::nullopt;
  for (int side : {0, 1}) {
    Value x = product[side], inner = addedToOne(product[1 - side]);
    auto op =
        inner ? inner.getDefiningOp<onnx_ir::NodeOp>() : onnx_ir::NodeOp();
    if (!op || op.getInputs().size() != 1)
      continue;
    bool tanh = op.is("Tanh") && isTanhArgument(op.getInputs()[0], x);
    bool erf = false;
    if (op.is("Erf")) {
      SmallVector<Value> argument;
      factors(op.getInputs()[0], argument);
      erf = near(takeNumbers(argument), M_SQRT1_2) && argument.size() == 1 &&
            argument.front() == x;
    }
    if (!tanh && !erf)
      continue;
    std::optional<Dims> dims = broadcast({&node.in(0), &node.in(1)});
    TensorInfo input = tensor(x, *dims);
    if (x.getType() != typeOf(input))
      return std::nullopt;
    ++counts.recognized;
    return this->node(
        "Gelu", {&input}, input.elementType, *dims,
        {{"approximate", builder.getStringAttr(tanh ? "tanh" : "none")}});
  }
  return std::nullopt;
}

//===----------------------------------------------------------------------===//
// Handlers
//===----------------------------------------------------------------------===//

static Type resultTypeOf(Node &node) {
  bool logical =
      llvm::StringSwitch<bool>(node.type())
          .Cases({"Equal", "Less", "LessOrEqual", "Greater", "GreaterOrEqual",
                  "And", "Or", "Xor", "Not", "IsNaN", "IsInf"},
                 true)
          .Default(false);
  if (logical)
    return node.walk.builder.getI1Type();
  return node.in(node.type() == "Where" ? 1 : 0).elementType;
}

/// Before version 7 operands are aligned at `axis`, and broadcast only if told.
static LogicalResult alignOld(Node &node, TensorInfo &second) {
  TensorInfo &first = node.in(0);
  // One slope for each channel, the second dimension.
  if (node.type() == "PRelu" && second.rank() == 1 && first.rank() > 2 &&
      !node.walk.arith.isConstant(second.dims[0], 1)) {
    Dims dims(first.rank() - 1, node.walk.arith.constant(1));
    dims[0] = second.dims[0];
    second = node.walk.reshape(second, dims);
    return success();
  }
  if (!node.op.getNodeAttr("axis") || !node.integer("broadcast", 0))
    return success();
  int64_t axis = normalizeAxis(node.integer("axis", 0), first.rank());
  int64_t behind = first.rank() - axis - second.rank();
  if (axis < 0 || behind < 0)
    return node.unsupported("axis is out of range");
  Dims dims = second.dims;
  dims.append(behind, node.walk.arith.constant(1));
  second = node.walk.reshape(second, dims);
  return success();
}

static LogicalResult handleElementwise(Node &node) {
  Walk &walk = node.walk;
  Type type = resultTypeOf(node);
  if (auto recognized = walk.recognizeBias(node)) {
    node.set(0, *recognized);
    return success();
  }
  if (auto recognized = walk.recognizeStored(node)) {
    node.set(0, *recognized);
    return success();
  }
  if (auto recognized = walk.recognizeNormalization(node)) {
    node.set(0, *recognized);
    return success();
  }
  if (auto recognized = walk.recognizeActivation(node)) {
    node.set(0, *recognized);
    return success();
  }
  SmallVector<TensorInfo> operands;
  for (unsigned i = 0; i < node.numInputs(); ++i) {
    if (!node.has(i))
      return node.unsupported("input " + Twine(i) + " is absent");
    operands.push_back(node.in(i));
  }
  if (node.version() < 7 && operands.size() == 2 &&
      failed(alignOld(node, operands[1])))
    return failure();
  SmallVector<TensorInfo *> pointers;
  SmallVector<Type> types;
  for (TensorInfo &operand : operands) {
    pointers.push_back(&operand);
    types.push_back(operand.elementType);
  }
  types.push_back(type);
  const onnx_ir::ElementwiseOp *row = onnx_ir::lookupElementwise(node.type());
  if (row && !row->accepts(types))
    return failure(); // perhaps its function body does
  SmallVector<std::pair<StringRef, Attribute>> attributes;
  for (NamedAttribute attribute : node.op.getNodeAttributes())
    if (attribute.getName() != "axis" && attribute.getName() != "broadcast" &&
        attribute.getName() != "consumed_inputs")
      attributes.push_back({attribute.getName(), attribute.getValue()});
  FailureOr<TensorInfo> result =
      walk.elementwise(node.type(), pointers, type, attributes);
  if (failed(result))
    return node.unsupported("its operands cannot be broadcast together");
  node.set(0, *result);
  return success();
}

/// Min, Max and Sum of any number of operands: pairs.
static LogicalResult handleVariadic(Node &node) {
  StringRef name = node.type() == "Sum" ? "Add" : node.type();
  TensorInfo result = node.in(0);
  for (unsigned i = 1; i < node.numInputs(); ++i) {
    FailureOr<TensorInfo> next =
        node.walk.elementwise(name, {&result, &node.in(i)}, result.elementType);
    if (failed(next))
      return node.unsupported("its operands cannot be broadcast together");
    result = *next;
  }
  node.set(0, result);
  return success();
}

/// Min(max, Max(min, x)), which is ONNX's definition, NaN included.
static LogicalResult handleClip(Node &node) {
  Walk &walk = node.walk;
  TensorInfo result = node.in(0);
  Type type = result.elementType;
  for (auto [i, name, attribute] :
       {std::tuple(1u, "Max", "min"), std::tuple(2u, "Min", "max")}) {
    TensorInfo bound;
    if (node.has(i))
      bound = node.in(i);
    else if (node.op.getNodeAttr(attribute) && node.version() < 11)
      bound = walk.scalar(node.real(attribute, 0), type);
    else
      continue;
    FailureOr<TensorInfo> limited =
        walk.elementwise(name, {&result, &bound}, type);
    if (failed(limited))
      return node.unsupported("a bound is no scalar");
    result = *limited;
  }
  node.set(0, result);
  return success();
}

ArrayRef<Handler> onnx_to_qgraph::elementwiseHandlers() {
  static const Handler table[] = {
      {"", "Min", 1, kNewest, handleVariadic},
      {"", "Max", 1, kNewest, handleVariadic},
      {"", "Sum", 1, kNewest, handleVariadic},
      {"", "Clip", 6, kNewest, handleClip},
      // Without a name: every other row of the elementwise table.
      {"", "", 1, kNewest, handleElementwise},
  };
  return table;
}
