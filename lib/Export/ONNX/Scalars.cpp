//===- Scalars.cpp - Arithmetic on dimensions as ONNX nodes ---------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// An index value, and a number or truth value that one depends on, is a tensor
// [1]: of INT64, FLOAT, DOUBLE, INT32 or BOOL. The operators are those that the
// walk takes apart again.
//
//===----------------------------------------------------------------------===//

#include "Writer.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace quantc;
using namespace quantc::onnx_export;

/// The element type of the tensor that stands for a scalar.
static Type elementFor(Builder &builder, Type type) {
  if (type.isIndex() || type.isSignlessInteger(64))
    return builder.getIntegerType(64, /*isSigned=*/true);
  if (type.isSignlessInteger(32))
    return builder.getIntegerType(32, /*isSigned=*/true);
  return type;
}

/// The ONNX operator of two operands of one type that an op is, or "".
static StringRef binaryOperator(Operation *op) {
  return llvm::TypeSwitch<Operation *, StringRef>(op)
      .Case<arith::AddIOp, arith::AddFOp>([](auto) { return "Add"; })
      .Case<arith::SubIOp, arith::SubFOp>([](auto) { return "Sub"; })
      .Case<arith::MulIOp, arith::MulFOp>([](auto) { return "Mul"; })
      // Of integers both round towards zero.
      .Case<arith::DivSIOp, arith::DivUIOp, arith::DivFOp>(
          [](auto) { return "Div"; })
      .Case<arith::MinSIOp, arith::MinUIOp, arith::MinNumFOp>(
          [](auto) { return "Min"; })
      .Case<arith::MaxSIOp, arith::MaxUIOp, arith::MaxNumFOp>(
          [](auto) { return "Max"; })
      .Case<arith::AndIOp>([](auto) { return "And"; })
      .Case<arith::OrIOp>([](auto) { return "Or"; })
      .Default([](auto) { return ""; });
}

/// The operator of a comparison; "" and `negated` for "not equal".
static StringRef comparison(arith::CmpIPredicate predicate) {
  using Predicate = arith::CmpIPredicate;
  switch (predicate) {
  case Predicate::slt:
  case Predicate::ult:
    return "Less";
  case Predicate::sle:
  case Predicate::ule:
    return "LessOrEqual";
  case Predicate::sgt:
  case Predicate::ugt:
    return "Greater";
  case Predicate::sge:
  case Predicate::uge:
    return "GreaterOrEqual";
  case Predicate::eq:
  case Predicate::ne:
    return "Equal";
  }
  return "";
}

/// The same of floats; "" for one that ONNX has not.
static StringRef comparison(arith::CmpFPredicate predicate) {
  using Predicate = arith::CmpFPredicate;
  switch (predicate) {
  case Predicate::OLT:
    return "Less";
  case Predicate::OLE:
    return "LessOrEqual";
  case Predicate::OGT:
    return "Greater";
  case Predicate::OGE:
    return "GreaterOrEqual";
  case Predicate::OEQ:
    return "Equal";
  default:
    return "";
  }
}

bool onnx_export::isExtent(OpFoldResult value, bool ofDims) {
  if (std::optional<int64_t> number = getConstantIntValue(value))
    return *number >= 0;
  Operation *op = llvm::cast<Value>(value).getDefiningOp();
  auto operand = [&](unsigned i) {
    return isExtent(op->getOperand(i), ofDims);
  };
  if (isa_and_nonnull<tensor::DimOp>(op))
    return true;
  if (isa_and_nonnull<arith::MaxSIOp>(op) && !ofDims)
    return operand(0) || operand(1);
  return isa_and_nonnull<arith::AddIOp, arith::MulIOp, arith::MinSIOp,
                         arith::MaxSIOp, arith::DivSIOp, arith::CeilDivSIOp,
                         arith::CeilDivUIOp>(op) &&
         operand(0) && operand(1);
}

/// A truth value of which a comparison asks whether it, made a number, is not
/// 0; null for other comparisons.
static Value truthValue(arith::CmpIOp compare) {
  auto number = compare.getLhs().getDefiningOp<arith::IndexCastUIOp>();
  bool asks = number && number.getIn().getType().isInteger(1) &&
              compare.getPredicate() == arith::CmpIPredicate::ne &&
              isConstantIntValue(compare.getRhs(), 0);
  return asks ? number.getIn() : Value();
}

/// The scalars that one is made of.
static SmallVector<Value> scalarOperands(Value value) {
  Operation *op = value.getDefiningOp();
  SmallVector<Value> operands;
  if (!op || !isa<arith::ArithDialect>(op->getDialect()))
    return operands;
  if (auto compare = dyn_cast<arith::CmpIOp>(op))
    if (Value truth = truthValue(compare))
      return {truth};
  llvm::append_range(operands, op->getOperands());
  return operands;
}

Name Writer::makeScalar(Value value) {
  Operation *op = value.getDefiningOp();
  Type element = elementFor(builder, value.getType());
  if (!op) {
    // The counter of a loop, which is a scalar there.
    Name name = lookup(value);
    return name.empty() ? name : reshape(name, element, intList({1}));
  }
  auto in = [&](unsigned i) { return scalar(op->getOperand(i)); };
  if (auto constant = dyn_cast<arith::ConstantOp>(op)) {
    if (auto number = dyn_cast<IntegerAttr>(constant.getValue()))
      return dense(DenseElementsAttr::get(
          RankedTensorType::get({1}, element),
          ArrayRef<Attribute>(
              IntegerAttr::get(element, number.getValue().getSExtValue()))));
    return dense(
        DenseElementsAttr::get(RankedTensorType::get({1}, element),
                               ArrayRef<Attribute>(constant.getValue())));
  }
  if (auto dimension = dyn_cast<tensor::DimOp>(op)) {
    std::optional<int64_t> d = dimension.getConstantIndex();
    if (d)
      return node("Shape", {use(dimension.getSource())}, element,
                  {{"start", integer(*d)}, {"end", integer(*d + 1)}});
  }
  if (auto read = dyn_cast<qgraph::ElementOp>(op)) {
    auto type = cast<RankedTensorType>(read.getInput().getType());
    Type stored = type.getElementType();
    Name from = use(read.getInput());
    if (type.getRank() != 1)
      from = reshape(from, stored, intList({-1}));
    if (type.getRank() != 1 || type.getDimSize(0) != 1)
      from = node("Gather", {from, intList({int64_t(read.getElement())})},
                  stored, {{"axis", integer(0)}});
    return castTo(from, isa<FloatType>(stored) ? stored : element);
  }
  if (StringRef name = binaryOperator(op); !name.empty())
    return node(name, {in(0), in(1)}, element);
  if (isa<arith::RemSIOp, arith::RemUIOp>(op))
    return node("Mod", {in(0), in(1)}, element, {{"fmod", integer(1)}});
  auto floorDiv = [&](Name a, Name b) {
    Name rest = node("Mod", {a, b}, element);
    return node("Div", {node("Sub", {a, rest}, element), b}, element);
  };
  if (isa<arith::FloorDivSIOp>(op))
    return floorDiv(in(0), in(1));
  if (isa<arith::CeilDivSIOp>(op))
    return node("Neg", {floorDiv(node("Neg", {in(0)}, element), in(1))},
                element);
  if (isa<arith::CeilDivUIOp>(op)) {
    Name more = node("Sub", {in(1), intList({1})}, element);
    return node("Div", {node("Add", {in(0), more}, element), in(1)}, element);
  }
  if (auto compare = dyn_cast<arith::CmpIOp>(op)) {
    if (Value truth = truthValue(compare))
      return scalar(truth);
    if (compare.getPredicate() == arith::CmpIPredicate::ne &&
        isConstantIntValue(compare.getRhs(), 0))
      return castTo(in(0), builder.getI1Type());
    Name result = node(comparison(compare.getPredicate()), {in(0), in(1)},
                       builder.getI1Type());
    if (compare.getPredicate() == arith::CmpIPredicate::ne)
      result = node("Not", {result}, builder.getI1Type());
    return result;
  }
  if (auto compare = dyn_cast<arith::CmpFOp>(op))
    if (StringRef name = comparison(compare.getPredicate()); !name.empty())
      return node(name, {in(0), in(1)}, builder.getI1Type());
  if (isa<arith::SelectOp>(op))
    return node("Where", {in(0), in(1), in(2)}, element);
  if (isa<arith::NegFOp>(op))
    return node("Neg", {in(0)}, element);
  if (isa<arith::IndexCastOp, arith::IndexCastUIOp, arith::ExtUIOp,
          arith::ExtSIOp, arith::TruncIOp, arith::ExtFOp, arith::TruncFOp,
          arith::FPToSIOp, arith::SIToFPOp>(op))
    return castTo(in(0), element);
  (void)unsupported(op, "ONNX has no such arithmetic on dimensions");
  return "";
}

Name Writer::scalar(OpFoldResult value) {
  if (auto attribute = dyn_cast<Attribute>(value))
    return intList({cast<IntegerAttr>(attribute).getInt()});
  auto known = [&](Value scalar) -> Name {
    for (const auto &scope : llvm::reverse(scopes)) {
      auto it = scope->scalars.find(scalar);
      if (it != scope->scalars.end())
        return it->second;
    }
    return "";
  };
  // What it is made of comes first; without recursion, for it may be long.
  SmallVector<Value> stack{cast<Value>(value)};
  while (!stack.empty()) {
    Value next = stack.back();
    size_t before = stack.size();
    SmallVector<Value> operands = scalarOperands(next);
    if (known(next).empty())
      for (Value operand : llvm::reverse(operands))
        if (known(operand).empty())
          stack.push_back(operand);
    if (stack.size() != before)
      continue;
    stack.pop_back();
    if (!known(next).empty())
      continue;
    Name name = makeScalar(next);
    if (name.empty())
      return name;
    scopes.back()->scalars[next] = name;
  }
  return known(cast<Value>(value));
}

Name Writer::shape(ArrayRef<OpFoldResult> dims) {
  // Numbers that stand together are one constant.
  SmallVector<Name> parts;
  SmallVector<int64_t> numbers;
  auto flush = [&] {
    if (!numbers.empty())
      parts.push_back(intList(numbers));
    numbers.clear();
  };
  Type si64 = builder.getIntegerType(64, /*isSigned=*/true);
  for (OpFoldResult dim : dims) {
    if (std::optional<int64_t> number = getConstantIntValue(dim)) {
      numbers.push_back(*number);
      continue;
    }
    flush();
    parts.push_back(castTo(scalar(dim), si64));
  }
  if (parts.empty())
    return intList(numbers);
  flush();
  if (parts.size() == 1)
    return parts.front();
  return node("Concat", parts, si64, {{"axis", integer(0)}});
}

SmallVector<OpFoldResult> Writer::dimsOf(Value tensor) {
  auto type = cast<RankedTensorType>(tensor.getType());
  SmallVector<OpFoldResult> dims(type.getRank());
  Operation *op = tensor.getDefiningOp();
  if (auto node = dyn_cast_if_present<onnx_ir::NodeOp>(op)) {
    auto size = node.getDims().begin();
    for (Value result : node.getOutputs()) {
      auto ranked = dyn_cast<RankedTensorType>(result.getType());
      if (!ranked || node.getDims().empty())
        break;
      for (int64_t d = 0; d < ranked.getRank(); ++d)
        if (ranked.isDynamicDim(d)) {
          if (result == tensor)
            dims[d] = *size;
          ++size;
        }
    }
  } else if (isa_and_nonnull<qgraph::QuantizeOp, qgraph::DequantizeOp,
                             qgraph::ObserveOp, qgraph::ReinterpretOp,
                             qgraph::NormOp, qgraph::AttentionOp>(op)) {
    dims = dimsOf(op->getOperand(0));
  } else if (auto linear = dyn_cast_if_present<qgraph::LinearOp>(op)) {
    dims = dimsOf(linear.getInput());
  }
  // A dimension that somebody asks for.
  for (Operation *user : tensor.getUsers())
    if (auto dimension = dyn_cast<tensor::DimOp>(user))
      if (std::optional<int64_t> d = dimension.getConstantIndex())
        if (!dims[*d])
          dims[*d] = dimension.getResult();
  for (int64_t d = 0; d < type.getRank(); ++d)
    if (!type.isDynamicDim(d))
      dims[d] = builder.getIndexAttr(type.getDimSize(d));
  return dims;
}

Name Writer::dim(Value tensor, int64_t d) {
  auto type = cast<RankedTensorType>(tensor.getType());
  if (!type.isDynamicDim(d))
    return intList({type.getDimSize(d)});
  return node("Shape", {use(tensor)},
              builder.getIntegerType(64, /*isSigned=*/true),
              {{"start", integer(d)}, {"end", integer(d + 1)}});
}

Name Writer::shapeOf(Value tensor) {
  auto type = cast<RankedTensorType>(tensor.getType());
  if (type.hasStaticShape())
    return intList(type.getShape());
  return node("Shape", {use(tensor)},
              builder.getIntegerType(64, /*isSigned=*/true));
}
