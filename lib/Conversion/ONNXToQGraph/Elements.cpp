//===- Elements.cpp - Small tensors known by their elements ---------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Shape computations run here, at compile time, on numbers and on dimensions
// that are only known by name. Floats are folded where they are numbers: the
// scale of an attention is often written as a computation.
//
//===----------------------------------------------------------------------===//

#include "Walk.h"

#include "mlir/Dialect/Utils/IndexingUtils.h"
#include "llvm/ADT/StringSwitch.h"

#include <cmath>

using namespace mlir;
using namespace quantc::onnx_to_qgraph;

namespace quantc::onnx_to_qgraph {

std::optional<double> numberOf(Element element) {
  auto attribute = dyn_cast_if_present<Attribute>(element);
  if (auto integer = dyn_cast_or_null<IntegerAttr>(attribute))
    return double(integer.getInt());
  if (auto real = dyn_cast_or_null<FloatAttr>(attribute))
    return real.getValueAsDouble();
  return std::nullopt;
}

SmallVector<int64_t> stridesOf(ArrayRef<int64_t> shape) {
  return computeStrides(shape);
}

std::optional<SmallVector<int64_t>> staticShape(ArrayRef<Dim> dims) {
  SmallVector<int64_t> shape;
  for (Dim dim : dims) {
    std::optional<int64_t> number = DimArithmetic::getConstant(dim);
    if (!number)
      return std::nullopt;
    shape.push_back(*number);
  }
  return shape;
}

std::optional<SmallVector<int64_t>> smallShape(ArrayRef<Dim> dims) {
  std::optional<SmallVector<int64_t>> shape = staticShape(dims);
  if (!shape || llvm::is_contained(*shape, 0))
    return shape;
  // Extents of bad models are negative, or their product overflows.
  int64_t count = 1;
  for (int64_t extent : *shape) {
    if (extent < 0 || extent > kSmall)
      return std::nullopt;
    count = std::min(count * extent, kSmall + 1);
  }
  if (count > kSmall)
    return std::nullopt;
  return shape;
}

Element uniform(const TensorInfo &info) {
  if (info.splat)
    return info.splat;
  if (info.elements && !info.elements->empty() &&
      llvm::all_equal(*info.elements))
    return info.elements->front();
  return {};
}

Elements elementsOf(DenseElementsAttr dense, Builder &builder) {
  Elements elements;
  if (auto type = dyn_cast<IntegerType>(dense.getElementType())) {
    bool isSigned = type.isSigned() && type.getWidth() > 1;
    for (const APInt &value : dense.getValues<APInt>())
      elements.push_back(builder.getIndexAttr(
          isSigned ? value.getSExtValue() : int64_t(value.getZExtValue())));
    return elements;
  }
  for (APFloat value : dense.getValues<APFloat>()) {
    bool losesInfo;
    value.convert(APFloat::IEEEdouble(), APFloat::rmNearestTiesToEven,
                  &losesInfo);
    elements.push_back(builder.getF64FloatAttr(value.convertToDouble()));
  }
  return elements;
}

DenseElementsAttr denseOf(RankedTensorType type, ArrayRef<Element> elements) {
  SmallVector<Attribute> values;
  for (Element element : elements) {
    auto attribute = dyn_cast<Attribute>(element);
    if (!attribute)
      return {};
    if (auto real = dyn_cast<FloatAttr>(attribute)) {
      auto format = cast<FloatType>(type.getElementType());
      APFloat value = real.getValue();
      bool losesInfo;
      value.convert(format.getFloatSemantics(), APFloat::rmNearestTiesToEven,
                    &losesInfo);
      values.push_back(FloatAttr::get(format, value));
    } else {
      unsigned width = type.getElementTypeBitWidth();
      APInt value(64, cast<IntegerAttr>(attribute).getInt(), true);
      values.push_back(
          IntegerAttr::get(type.getElementType(), value.sextOrTrunc(width)));
    }
  }
  return DenseElementsAttr::get(type, values);
}

} // namespace quantc::onnx_to_qgraph

//===----------------------------------------------------------------------===//
// Scalars
//===----------------------------------------------------------------------===//

/// A double rounded to the values of a float type.
static Element makeReal(Walk &walk, double value, Type type) {
  APFloat rounded(value);
  bool losesInfo;
  rounded.convert(cast<FloatType>(type).getFloatSemantics(),
                  APFloat::rmNearestTiesToEven, &losesInfo);
  rounded.convert(APFloat::IEEEdouble(), APFloat::rmNearestTiesToEven,
                  &losesInfo);
  return walk.builder.getF64FloatAttr(rounded.convertToDouble());
}

/// Operands f32 or narrower are exact in double, and +, -, *, / and the square
/// root of these, rounded once more, are the correctly rounded f32 results.
static Element foldReal(Walk &walk, StringRef op, ArrayRef<Element> operands,
                        Type resultType) {
  SmallVector<double> x;
  for (Element element : operands) {
    std::optional<double> number = numberOf(element);
    if (!number)
      return {};
    x.push_back(*number);
  }
  auto truth = [&](bool value) -> Element {
    return walk.arith.constant(value);
  };
  if (op == "Cast") {
    // What the small formats do beyond their range is the node's own.
    unsigned width = resultType.getIntOrFloatBitWidth();
    if (resultType.isInteger(1))
      return truth(x[0] != 0);
    if (isa<FloatType>(resultType))
      return width >= 16 ? makeReal(walk, x[0], resultType) : Element();
    return width >= 32 && std::abs(x[0]) < 9e18
               ? walk.arith.constant(int64_t(x[0]))
               : Dim();
  }
  if (x.size() == 2 && resultType.isInteger(1)) {
    if (op == "Equal")
      return truth(x[0] == x[1]);
    if (op == "Less")
      return truth(x[0] < x[1]);
    if (op == "LessOrEqual")
      return truth(x[0] <= x[1]);
    if (op == "Greater")
      return truth(x[0] > x[1]);
    if (op == "GreaterOrEqual")
      return truth(x[0] >= x[1]);
    return {};
  }
  if (!isa<FloatType>(resultType))
    return {};
  std::optional<double> value;
  if (x.size() == 1)
    value = llvm::StringSwitch<std::optional<double>>(op)
                .Case("Identity", x[0])
                .Case("Neg", -x[0])
                .Case("Abs", std::fabs(x[0]))
                .Case("Sqrt", std::sqrt(x[0]))
                .Case("Reciprocal", 1 / x[0])
                .Case("Floor", std::floor(x[0]))
                .Case("Ceil", std::ceil(x[0]))
                .Default(std::nullopt);
  else if (x.size() == 2)
    value = llvm::StringSwitch<std::optional<double>>(op)
                .Case("Add", x[0] + x[1])
                .Case("Sub", x[0] - x[1])
                .Case("Mul", x[0] * x[1])
                .Case("Div", x[0] / x[1])
                .Case("Min", std::fmin(x[0], x[1]))
                .Case("Max", std::fmax(x[0], x[1]))
                .Case("Pow", std::pow(x[0], x[1]))
                .Default(std::nullopt);
  return value ? makeReal(walk, *value, resultType) : Element();
}

static Element foldLogic(Walk &walk, StringRef op, ArrayRef<Element> x) {
  DimArithmetic &arith = walk.arith;
  auto is = [&](Element e, int64_t v) { return arith.isConstant(e, v); };
  if (op == "Not")
    return arith.sub(arith.constant(1), x[0]);
  if (op == "And")
    return is(x[0], 0) || is(x[1], 1)   ? x[0]
           : is(x[1], 0) || is(x[0], 1) ? x[1]
                                        : arith.mul(x[0], x[1]);
  if (op == "Or")
    return is(x[0], 1) || is(x[1], 0)   ? x[0]
           : is(x[1], 1) || is(x[0], 0) ? x[1]
                                        : arith.max(x[0], x[1]);
  return {};
}

Element quantc::onnx_to_qgraph::foldScalar(Walk &walk, StringRef op,
                                           ArrayRef<Element> operands,
                                           Type operandType, Type resultType) {
  DimArithmetic &arith = walk.arith;
  if (op == "Where") {
    if (arith.isConstant(operands[0], 1))
      return operands[1];
    if (arith.isConstant(operands[0], 0))
      return operands[2];
    // Not as a polynomial: one of several conditions has as many terms as all
    // their combinations.
    return isa<IntegerType>(resultType)
               ? arith.choose(operands[0], operands[1], operands[2])
               : Element();
  }
  if (isa<FloatType>(operandType) || isa<FloatType>(resultType))
    return foldReal(walk, op, operands, resultType);
  if (operandType.isInteger(1))
    return op == "Cast" || op == "Identity" ? operands[0]
                                            : foldLogic(walk, op, operands);
  if (op == "Cast" && resultType.isInteger(1) &&
      arith.boundsOf(operands[0]).low >= 0 &&
      arith.boundsOf(operands[0]).high <= 1)
    return operands[0];
  if (op == "Cast" && resultType.isInteger(1))
    return arith.sub(arith.constant(1),
                     arith.compare(arith::CmpIPredicate::eq, operands[0],
                                   arith.constant(0)));
  // Narrow integers may wrap around; dimensions fit.
  if (op == "Cast" || op == "Identity")
    return resultType.getIntOrFloatBitWidth() >= 32 ? operands[0] : Element();
  using Predicate = arith::CmpIPredicate;
  if (operands.size() == 1) {
    if (op == "Neg")
      return arith.sub(arith.constant(0), operands[0]);
    if (op == "Abs")
      return arith.max(operands[0], arith.sub(arith.constant(0), operands[0]));
    return {};
  }
  Element a = operands[0], b = operands[1];
  std::optional<Predicate> predicate =
      llvm::StringSwitch<std::optional<Predicate>>(op)
          .Case("Equal", Predicate::eq)
          .Case("Less", Predicate::slt)
          .Case("LessOrEqual", Predicate::sle)
          .Case("Greater", Predicate::sgt)
          .Case("GreaterOrEqual", Predicate::sge)
          .Default(std::nullopt);
  if (predicate)
    return arith.compare(*predicate, a, b);
  if (operandType.getIntOrFloatBitWidth() < 32)
    return {};
  if (op == "Add")
    return arith.add(a, b);
  if (op == "Sub")
    return arith.sub(a, b);
  if (op == "Mul")
    return arith.mul(a, b);
  if (op == "Div")
    return arith.div(a, b);
  if (op == "Mod")
    return arith.mod(a, b);
  if (op == "Min")
    return arith.min(a, b);
  if (op == "Max")
    return arith.max(a, b);
  return {};
}

//===----------------------------------------------------------------------===//
// Tensors
//===----------------------------------------------------------------------===//

std::optional<TensorInfo>
quantc::onnx_to_qgraph::foldElementwise(Walk &walk, StringRef op,
                                        ArrayRef<TensorInfo *> inputs,
                                        Type resultType, ArrayRef<Dim> dims) {
  if (!isa<IntegerType, FloatType>(resultType))
    return std::nullopt;
  Type operandType = inputs.front()->elementType;
  SmallVector<Element> operands;
  for (TensorInfo *input : inputs)
    operands.push_back(uniform(*input));
  if (llvm::all_of(operands, [](Element e) { return bool(e); }))
    if (Element value = foldScalar(walk, op, operands, operandType, resultType))
      return walk.fromSplat(resultType, dims, value);
  if (inputs.size() == 2)
    if (Element value = compareRamp(walk, op, *inputs[0], *inputs[1]))
      return walk.fromSplat(resultType, dims, value);

  std::optional<SmallVector<int64_t>> shape = smallShape(dims);
  if (!shape || !llvm::all_of(inputs, [](TensorInfo *input) {
        return bool(input->elements);
      })) {
    if (std::optional<TensorInfo::Ramp> ramp =
            foldRamps(walk, op, inputs, dims))
      return walk.fromRamp(resultType, dims, *ramp);
    return std::nullopt;
  }
  SmallVector<TensorInfo> expanded;
  for (TensorInfo *input : inputs)
    expanded.push_back(walk.expand(*input, dims));
  Elements result;
  for (int64_t i = 0, e = computeProduct(*shape); i < e; ++i) {
    operands.clear();
    for (TensorInfo &input : expanded) {
      if (!input.elements)
        return std::nullopt;
      operands.push_back((*input.elements)[i]);
    }
    Element value = foldScalar(walk, op, operands, operandType, resultType);
    if (!value)
      return std::nullopt;
    result.push_back(value);
  }
  return walk.fromElements(resultType, dims, std::move(result));
}
