//===- Quantization.cpp - QuantizeLinear and its kin ----------------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// ONNX says with the rank of the scale and with `axis` and `block_size` what
// qgraph says with `block`. A zero point that is 0 everywhere is none.
//
//===----------------------------------------------------------------------===//

#include "StoredConstants.h"

#include "quantc/Dialect/QGraph/Shapes.h"

using namespace mlir;
using namespace quantc;
using namespace quantc::onnx_to_qgraph;

/// The blocks that the scale's shape and the attributes mean, and the shape
/// that qgraph wants the scale in.
static LogicalResult blocksOf(Node &node, SmallVectorImpl<int64_t> &block,
                              Dims &scaleDims) {
  Walk &walk = node.walk;
  TensorInfo &input = node.in(0), &scale = node.in(1);
  int64_t rank = input.rank();
  block.assign(rank, 0);
  scaleDims.assign(rank, walk.arith.constant(1));
  int64_t size = node.integer("block_size", 0);
  bool single = scale.rank() == 0 ||
                (scale.rank() == 1 && walk.arith.isConstant(scale.dims[0], 1));
  if (single && size == 0)
    return success();
  int64_t axis = normalizeAxis(node.integer("axis", 1), rank);
  if (axis < 0)
    return node.unsupported("axis is out of range");
  if (size == 0) {
    if (scale.rank() != 1)
      return node.unsupported("a scale of rank " + Twine(scale.rank()) +
                              " needs a block_size");
    block[axis] = 1;
    scaleDims[axis] = scale.dims[0];
    return success();
  }
  if (scale.rank() != rank || size < 0)
    return node.unsupported("a scale in blocks must have the data's rank");
  block.assign(rank, 1);
  block[axis] = size;
  scaleDims = scale.dims;
  return success();
}

static Type typeAttribute(Node &node, StringRef name) {
  // TensorProto.DataType; what the type of the result says anyhow.
  switch (node.integer(name, 0)) {
  case 1:
    return node.walk.builder.getF32Type();
  case 10:
    return node.walk.builder.getF16Type();
  case 16:
    return node.walk.builder.getBF16Type();
  default:
    return {};
  }
}

/// The element type of the first result by the schema.
static Type inferElementType(Node &node) {
  SmallVector<onnx_ir::ValueInfo> inputs(node.numInputs());
  for (unsigned i = 0; i < node.numInputs(); ++i)
    inputs[i].type = node.has(i)
                         ? Type(node.walk.typeOf(node.in(i)))
                         : NoneType::get(node.walk.builder.getContext());
  FailureOr<SmallVector<onnx_ir::ValueInfo>> results =
      onnx_ir::inferNodeTypes(node.op, inputs);
  auto type = succeeded(results) && !results->empty()
                  ? dyn_cast_or_null<TensorType>(results->front().type)
                  : TensorType();
  return type ? type.getElementType() : Type();
}

/// The zero point in the shape of the scale; null where there is none, or 0.
static Value zeroPointOf(Node &node, ArrayRef<Dim> scaleDims) {
  if (!node.has(2) || node.scalar(2) == 0.0)
    return {};
  TensorInfo &zero = node.in(2);
  if (!isa<IntegerType>(zero.elementType))
    return {}; // of the FP8 types only 0 is allowed
  if (isUniform(zero.value, 0))
    return {};
  TensorInfo shaped = node.walk.reshape(zero, scaleDims);
  return node.walk.materialize(shaped);
}

static LogicalResult handleQuantize(Node &node) {
  Walk &walk = node.walk;
  // Integers of 32 bits are rounded as f32.
  TensorInfo input = node.in(0).elementType.isSignedInteger(32)
                         ? walk.convert(node.in(0), walk.builder.getF32Type())
                         : node.in(0);
  SmallVector<int64_t> block;
  Dims scaleDims;
  if (failed(blocksOf(node, block, scaleDims)))
    return failure();
  Type stored = node.has(2) ? node.in(2).elementType : inferElementType(node);
  if (!stored || !qgraph::isStoredType(stored))
    return node.unsupported("the type it quantizes to is not supported");
  if (!isReal(input.elementType))
    return node.unsupported("its data must be f32, f16 or bf16");
  TensorInfo scale = walk.reshape(node.in(1), scaleDims);
  Type precision = typeAttribute(node, "precision");
  Value result = qgraph::QuantizeOp::create(
      walk.builder, walk.typeOf(input.dims, stored), walk.materialize(input),
      walk.materialize(scale), zeroPointOf(node, scaleDims), Value(), Value(),
      walk.builder.getDenseI64ArrayAttr(block),
      walk.builder.getBoolAttr(node.integer("saturate", 1)),
      precision ? TypeAttr::get(precision) : TypeAttr());
  node.set(0, walk.tensor(result, input.dims));
  return success();
}

static LogicalResult handleDequantize(Node &node) {
  Walk &walk = node.walk;
  TensorInfo &input = node.in(0);
  SmallVector<int64_t> block;
  Dims scaleDims;
  if (failed(blocksOf(node, block, scaleDims)))
    return failure();
  if (!qgraph::isStoredType(input.elementType))
    return node.unsupported(
        "its data are of no type that values are stored in");
  Type real = typeAttribute(node, "output_dtype");
  if (!real)
    real = node.in(1).elementType;
  if (!isReal(real))
    return node.unsupported("its result must be f32, f16 or bf16");
  TensorInfo scale = walk.reshape(node.in(1), scaleDims);
  Value result = qgraph::DequantizeOp::create(
      walk.builder, walk.typeOf(input.dims, real), walk.materialize(input),
      walk.materialize(scale), zeroPointOf(node, scaleDims), Value(), Value(),
      walk.builder.getDenseI64ArrayAttr(block), TypeAttr());
  node.set(0, walk.tensor(result, input.dims));
  return success();
}

static LogicalResult handleDynamicQuantize(Node &node) {
  Walk &walk = node.walk;
  TensorInfo &input = node.in(0);
  Type stored = walk.builder.getIntegerType(8, /*isSigned=*/false);
  if (!input.elementType.isF32())
    return node.unsupported("its data must be f32");
  auto block =
      walk.builder.getDenseI64ArrayAttr(SmallVector<int64_t>(input.rank(), 0));
  Dims ones(input.rank(), walk.arith.constant(1));
  auto params = qgraph::ChooseParamsOp::create(
      walk.builder, walk.typeOf(ones, input.elementType),
      walk.typeOf(ones, stored), /*offset=*/Type(), walk.materialize(input),
      qgraph::Formula::Asymmetric, stored, block, APFloat(1.0f),
      DenseF32ArrayAttr());
  Value result = qgraph::QuantizeOp::create(
      walk.builder, walk.typeOf(input.dims, stored), walk.materialize(input),
      params.getScale(), params.getZeroPoint(), Value(), Value(), block,
      walk.builder.getBoolAttr(true), TypeAttr());
  node.set(0, walk.tensor(result, input.dims));
  TensorInfo scale = walk.tensor(params.getScale(), ones),
             zero = walk.tensor(params.getZeroPoint(), ones);
  node.set(1, walk.reshape(scale, {}));
  node.set(2, walk.reshape(zero, {}));
  return success();
}

//===----------------------------------------------------------------------===//
// QLinearConcat
//===----------------------------------------------------------------------===//

/// A scale or zero point of one element in the shape of a tensor of that rank;
/// null for a zero point of 0.
static Value singleOf(Node &node, unsigned input, int64_t rank) {
  TensorInfo &info = node.in(input);
  if (isa<IntegerType>(info.elementType) &&
      isUniform(node.walk.materialize(info), 0))
    return {};
  Dims ones(rank, node.walk.arith.constant(1));
  TensorInfo shaped = node.walk.reshape(info, ones);
  return node.walk.materialize(shaped);
}

/// Inputs are the scale and the zero point of the result, then values, scale
/// and zero point of each part.
static LogicalResult handleQLinearConcat(Node &node) {
  Walk &walk = node.walk;
  unsigned count = node.numInputs();
  if (count < 5 || (count - 2) % 3 != 0)
    return node.unsupported("each of its parts needs a scale and a zero point");
  int64_t rank = node.in(2).rank();
  int64_t axis = normalizeAxis(node.integer("axis", 0), rank);
  if (axis < 0)
    return node.unsupported("axis is out of range");
  Type f32 = walk.builder.getF32Type();
  auto block = walk.builder.getDenseI64ArrayAttr(SmallVector<int64_t>(rank, 0));
  SmallVector<TensorInfo> parts;
  Dims dims;
  for (unsigned i = 2; i < count; i += 3) {
    TensorInfo &stored = node.in(i);
    if (stored.rank() != rank)
      return node.unsupported("its parts differ in rank");
    Value real = qgraph::DequantizeOp::create(
        walk.builder, walk.typeOf(stored.dims, f32), walk.materialize(stored),
        singleOf(node, i + 1, rank), singleOf(node, i + 2, rank), Value(),
        Value(), block, TypeAttr());
    parts.push_back(walk.tensor(real, stored.dims));
    if (i == 2) {
      dims = stored.dims;
      continue;
    }
    for (int64_t d = 0; d < rank; ++d)
      if (d != axis && !walk.arith.require(dims[d], stored.dims[d]))
        return node.unsupported("its parts differ in other dimensions");
    dims[axis] = walk.arith.add(dims[axis], stored.dims[axis]);
  }
  SmallVector<TensorInfo *> pointers;
  for (TensorInfo &part : parts)
    pointers.push_back(&part);
  TensorInfo all = walk.node("Concat", pointers, f32, dims,
                             {{"axis", walk.integerAttr(axis)}});
  Value result = qgraph::QuantizeOp::create(
      walk.builder, walk.typeOf(dims, node.in(1).elementType),
      walk.materialize(all), singleOf(node, 0, rank), singleOf(node, 1, rank),
      Value(), Value(), block, walk.builder.getBoolAttr(true), TypeAttr());
  node.set(0, walk.tensor(result, dims));
  return success();
}

ArrayRef<Handler> onnx_to_qgraph::quantizationHandlers() {
  static const Handler table[] = {
      {"", "QuantizeLinear", 10, kNewest, handleQuantize},
      {"", "DequantizeLinear", 10, kNewest, handleDequantize},
      {"", "DynamicQuantizeLinear", 11, kNewest, handleDynamicQuantize},
      {"com.microsoft", "QuantizeLinear", 1, kNewest, handleQuantize},
      {"com.microsoft", "DequantizeLinear", 1, kNewest, handleDequantize},
      {"com.microsoft", "QLinearConcat", 1, kNewest, handleQLinearConcat},
  };
  return table;
}
