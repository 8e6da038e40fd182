//===- RunTime.cpp - Elements that the inputs give at run time ------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Shapes, axes and starts may be inputs of the model. Their elements are read
// before the run (`qgraph.element`), and what is computed from them by nodes
// that are already in the new body is computed once more, as index values.
// Where other nodes compute them they are read when they are there. All of this
// only happens where a handler asks for it: most small integer tensors are
// data.
//
//===----------------------------------------------------------------------===//

#include "Walk.h"

#include "quantc/Dialect/ONNX/Elementwise.h"

#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/Utils/IndexingUtils.h"

using namespace mlir;
using namespace quantc;
using namespace quantc::onnx_to_qgraph;

/// Values beyond are taken for this one, so that a few sums of them and of
/// dimensions do not overflow. ONNX writes "to the end" as the greatest int64.
static constexpr int64_t kFarAway = int64_t(1) << 60;

/// The elements of a tensor, by reading them: of an argument before the run, of
/// what the model computes when it is there.
static Elements readTensor(Walk &walk, Value tensor, int64_t count) {
  auto type = cast<RankedTensorType>(tensor.getType());
  auto element = cast<IntegerType>(type.getElementType());
  unsigned width = element.getWidth();
  Bounds range;
  if (width < 64) {
    bool isUnsigned = element.isUnsigned() || width == 1;
    range = isUnsigned ? Bounds{0, int64_t((uint64_t(1) << width) - 1)}
                       : Bounds{-(int64_t(1) << (width - 1)),
                                (int64_t(1) << (width - 1)) - 1};
  }
  Elements elements;
  DimArithmetic &arith = walk.arith;
  for (int64_t i = 0; i < count; ++i) {
    Dim value =
        arith.symbol(qgraph::ElementOp::create(walk.builder, tensor, i), range);
    elements.push_back(arith.clamp(value, arith.constant(-kFarAway),
                                   arith.constant(kFarAway)));
  }
  return elements;
}

/// The elements of what a node makes from tensors whose elements can be read.
static std::optional<Elements> readNode(Walk &walk, onnx_ir::NodeOp op) {
  if (!op.getDomain().empty() || op.getNumResults() != 1)
    return std::nullopt;
  StringRef name = op.getOpType();
  TensorInfo result = walk.lookup(op.getResult(0));
  SmallVector<TensorInfo> inputs;
  for (Value operand : op.getInputs()) {
    if (!isa<RankedTensorType>(operand.getType()))
      return std::nullopt;
    TensorInfo &input = inputs.emplace_back(walk.lookup(operand));
    std::optional<Elements> elements = walk.readElements(input);
    if (!elements)
      return std::nullopt;
    input.elements = std::move(elements);
    input.value = {};
  }
  SmallVector<TensorInfo *> operands;
  for (TensorInfo &input : inputs)
    operands.push_back(&input);
  if (name == "Reshape" || name == "Identity")
    return inputs[0].elements;
  if (name == "Expand")
    return walk.expand(inputs[0], result.dims).elements;
  if (name == "Transpose")
    return walk.transpose(inputs[0], op.getIntsAttr("perm")).elements;
  if (name == "Concat" && result.rank() == 1) {
    Elements list;
    for (TensorInfo &input : inputs)
      llvm::append_range(list, *input.elements);
    return list;
  }
  if (name == "Gather" && inputs[0].rank() == 1) {
    Elements list;
    for (Element index : *inputs[1].elements) {
      std::optional<int64_t> number = DimArithmetic::getConstant(index);
      int64_t position =
          number ? normalizeAxis(*number, inputs[0].elements->size()) : -1;
      if (position < 0)
        return std::nullopt;
      list.push_back((*inputs[0].elements)[position]);
    }
    return list;
  }
  if (name == "Slice" && result.rank() == 1 && op.getNodeAttr("starts")) {
    int64_t start = op.getIntsAttr("starts")[0],
            step = op.getIntsAttr("steps")[0];
    Elements list;
    std::optional<int64_t> length = DimArithmetic::getConstant(result.dims[0]);
    for (int64_t i = 0; i < length.value_or(0); ++i)
      list.push_back((*inputs[0].elements)[start + i * step]);
    return list;
  }
  if (name != "Cast" && !onnx_ir::lookupElementwise(name))
    return std::nullopt;
  std::optional<TensorInfo> folded =
      foldElementwise(walk, name, operands, result.elementType, result.dims);
  return folded ? folded->elements : std::nullopt;
}

std::optional<Elements> Walk::readElements(TensorInfo &info) {
  if (info.elements)
    return info.elements;
  std::optional<SmallVector<int64_t>> shape = smallShape(info.dims);
  if (!info.value || !shape || !isa<IntegerType>(info.elementType))
    return std::nullopt;
  auto known = read.find(info.value);
  if (known != read.end())
    return known->second;
  std::optional<Elements> result;
  Operation *op = info.value.getDefiningOp();
  if (!op) {
    result = readTensor(*this, info.value, computeProduct(*shape));
  } else if (auto value = dyn_cast<qgraph::ConstantOp>(op)) {
    if (auto dense = dyn_cast<DenseElementsAttr>(value.getValue()))
      result = elementsOf(dense, builder);
  } else if (isa<qgraph::ReinterpretOp, tensor::FromElementsOp>(op)) {
    // What fromIndices has made.
    auto list = dyn_cast<tensor::FromElementsOp>(op);
    if (auto sign = dyn_cast<qgraph::ReinterpretOp>(op))
      list = sign.getInput().getDefiningOp<tensor::FromElementsOp>();
    if (list) {
      result.emplace();
      for (Value element : list.getElements()) {
        auto cast = element.getDefiningOp<arith::IndexCastOp>();
        if (cast)
          result->push_back(cast.getIn());
      }
      if (result->size() != list.getElements().size())
        result.reset();
    }
  } else if (auto node = dyn_cast<onnx_ir::NodeOp>(op)) {
    result = readNode(*this, node);
  }
  // What data computes is read when it is there.
  if (!result)
    result = readTensor(*this, info.value, computeProduct(*shape));
  read[info.value] = result;
  return result;
}

std::optional<Elements> Node::elements(unsigned i) {
  return has(i) ? walk.readElements(in(i)) : std::nullopt;
}

Dim Node::element(unsigned i) {
  std::optional<Elements> list = elements(i);
  return list && list->size() == 1 ? list->front() : Dim();
}

//===----------------------------------------------------------------------===//
// Reals
//===----------------------------------------------------------------------===//

std::optional<SmallVector<Value>> Walk::readReals(TensorInfo &info) {
  Type f64 = builder.getF64Type();
  std::optional<SmallVector<int64_t>> shape = smallShape(info.dims);
  if (!shape)
    return std::nullopt;
  SmallVector<Value> reals;
  if (isa<IntegerType>(info.elementType) || info.elements) {
    std::optional<Elements> elements = readElements(info);
    if (!elements)
      return std::nullopt;
    for (Element element : *elements) {
      if (std::optional<double> number = numberOf(element))
        reals.push_back(arith::ConstantOp::create(
            builder, builder.getF64FloatAttr(*number)));
      else
        reals.push_back(toReal(element));
    }
    return reals;
  }
  if (!isa<Float32Type, Float64Type, BFloat16Type>(info.elementType) ||
      !info.value)
    return std::nullopt;
  std::optional<SmallVector<Value>> result;
  auto node = info.value.getDefiningOp<onnx_ir::NodeOp>();
  if (node && node.getDomain().empty() &&
      (node.is("Reshape") || node.is("Cast"))) {
    TensorInfo from = lookup(node.getInputs()[0]);
    bool exact = from.elementType == info.elementType ||
                 (isa<IntegerType>(from.elementType) &&
                  info.elementType.getIntOrFloatBitWidth() >= 32);
    if (exact)
      result = readReals(from);
    if (result && info.elementType.isF32() && from.elementType != f64)
      for (Value &real : *result)
        real = roundToF32(real);
  }
  if (result)
    return result;
  for (int64_t i = 0, e = computeProduct(*shape); i < e; ++i) {
    Value real = qgraph::ElementOp::create(builder, info.value, i);
    if (info.elementType.isBF16())
      real = arith::ExtFOp::create(builder, builder.getF32Type(), real);
    if (real.getType() != f64)
      real = arith::ExtFOp::create(builder, f64, real);
    reals.push_back(real);
  }
  return reals;
}

Value Walk::toReal(Dim dim) {
  Value integer = arith::IndexCastOp::create(builder, builder.getI64Type(),
                                             arith.materialize(dim));
  return arith::SIToFPOp::create(builder, builder.getF64Type(), integer);
}

Value Walk::roundToF32(Value real) {
  real = arith::TruncFOp::create(builder, builder.getF32Type(), real);
  return arith::ExtFOp::create(builder, builder.getF64Type(), real);
}

Dim Walk::floorOf(Value real) {
  // NaN becomes the lower bound; what is too long for a tensor stays that.
  auto constant = [&](double value) -> Value {
    return arith::ConstantOp::create(builder, builder.getF64FloatAttr(value));
  };
  constexpr int64_t limit = int64_t(1) << 40;
  real = arith::MaxNumFOp::create(builder, real, constant(-double(limit)));
  real = arith::MinNumFOp::create(builder, real, constant(double(limit)));
  // Towards zero, then down where that was up: floor itself may be a call.
  Value integer = arith::FPToSIOp::create(builder, builder.getI64Type(), real);
  Value back = arith::SIToFPOp::create(builder, builder.getF64Type(), integer);
  Value above =
      arith::CmpFOp::create(builder, arith::CmpFPredicate::OGT, back, real);
  Value excess = arith::ExtUIOp::create(builder, builder.getI64Type(), above);
  integer = arith::SubIOp::create(builder, integer, excess);
  Value index =
      arith::IndexCastOp::create(builder, builder.getIndexType(), integer);
  return arith.symbol(index, {-limit - 1, limit});
}

//===----------------------------------------------------------------------===//
// Axes
//===----------------------------------------------------------------------===//

std::optional<Dims> Node::axisFlags(ArrayRef<Element> axes, int64_t rank) {
  DimArithmetic &arith = walk.arith;
  using Predicate = arith::CmpIPredicate;
  Dim zero = arith.constant(0);
  Dims flags(rank, zero);
  for (Dim axis : axes) {
    axis = normalizedAxis(axis, rank);
    if (!axis)
      return std::nullopt;
    for (int64_t d = 0; d < rank; ++d)
      flags[d] = arith.max(
          flags[d], arith.compare(Predicate::eq, axis, arith.constant(d)));
  }
  Dim count = zero;
  for (Dim flag : flags)
    count = arith.add(count, flag);
  if (!arith.require(count, arith.constant(axes.size()), /*orOne=*/false,
                     "of %b axes only %a differ"))
    return std::nullopt;
  return flags;
}

Dim Node::normalizedAxis(Dim axis, int64_t rank) {
  DimArithmetic &arith = walk.arith;
  if (!arith.requireRange(axis, arith.constant(-rank), arith.constant(rank - 1),
                          "axis %a is out of range"))
    return {};
  Dim negative =
      arith.compare(arith::CmpIPredicate::slt, axis, arith.constant(0));
  axis = arith.choose(negative, arith.add(axis, arith.constant(rank)), axis);
  return arith.clamp(axis, arith.constant(0), arith.constant(rank - 1));
}

Dims Node::kept(ArrayRef<Dim> dims, ArrayRef<Dim> flags, int64_t count) {
  DimArithmetic &arith = walk.arith;
  Dim before = arith.constant(0);
  Dims result(count, arith.constant(0));
  for (auto [dim, flag] : llvm::zip(dims, flags)) {
    for (auto [k, chosen] : llvm::enumerate(result)) {
      Dim here = arith.mul(
          arith.sub(arith.constant(1), flag),
          arith.compare(arith::CmpIPredicate::eq, before, arith.constant(k)));
      chosen = arith.choose(here, dim, chosen);
    }
    before = arith.add(before, arith.sub(arith.constant(1), flag));
  }
  return result;
}
