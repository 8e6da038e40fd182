//===- QLinearConv.cpp - QLinearConv and ConvInteger ----------------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// With constant parameters and weights a QLinearConv is a `quantized_conv` (or
// `quantized_linear`, where its windows are single positions) between f32 and
// `quantize`: the sum is the same integer, and what it is scaled by is equal
// over the reals. ConvInteger is one with scales of 1, if all that reads its
// sums is a Cast to f32, which is what their f32 is. Others stay as they are.
//
//===----------------------------------------------------------------------===//

#include "Convolution.h"
#include "StoredConstants.h"

#include "mlir/Dialect/Utils/IndexingUtils.h"

using namespace mlir;
using namespace quantc;
using namespace quantc::onnx_to_qgraph;

namespace {
/// Scale and zero point of one side, in the shape that qgraph wants.
struct Side {
  Value scale, zeroPoint; // no zero point: null
  SmallVector<int64_t> block;
};
} // namespace

/// The parameters of a tensor of this rank: one, or (`columns`) one for each
/// index of the first dimension. Nothing if they are no such constants.
static std::optional<Side> sideOf(Node &node, unsigned scale,
                                  unsigned zeroPoint, int64_t rank,
                                  int64_t columns) {
  Walk &walk = node.walk;
  TensorInfo real = widened(walk, node.in(scale));
  std::optional<SmallVector<int64_t>> dims = staticShape(real.dims);
  if (!dims)
    return std::nullopt;
  int64_t count = computeProduct(*dims);
  if (count != 1 && count != columns)
    return std::nullopt;
  SmallVector<int64_t> shape(rank, 1);
  shape[0] = count;
  Side side;
  side.block.assign(rank, 0);
  side.block[0] = count != 1;
  side.scale = walk.reshapedConstant(walk.materialize(real), shape);
  if (!side.scale)
    return std::nullopt;
  if (!node.has(zeroPoint))
    return side;
  Value zero = walk.materialize(node.in(zeroPoint));
  if (!isConstant(zero))
    return std::nullopt;
  if (isUniform(zero, 0))
    return side;
  auto type = cast<RankedTensorType>(zero.getType());
  if (type.getNumElements() != count)
    return std::nullopt;
  side.zeroPoint = walk.reshapedConstant(zero, shape);
  return side;
}

/// The integer bias as f32: times both scales.
static Value scaledBias(Node &node, const Side &x, const Side &w,
                        int64_t columns) {
  std::optional<ConstantTensor> sums =
      readConstant(node.walk.materialize(node.in(8)));
  std::optional<ConstantTensor> sx = readConstant(x.scale),
                                sw = readConstant(w.scale);
  if (!sums || !sx || !sw || sums->getType().getNumElements() != columns)
    return {};
  std::vector<float> factors = sw->readFloats(), bias;
  float first = sx->readFloats().front();
  for (auto [i, sum] : llvm::enumerate(sums->readIntegers()))
    bias.push_back(static_cast<float>(sum) *
                   (first * factors[factors.size() == 1 ? 0 : i]));
  auto type = RankedTensorType::get({columns}, node.walk.builder.getF32Type());
  return newReals(node.walk, type, entryBaseName(*sums, "bias") + "@scaled",
                  bias);
}

/// `quantized_conv`, or `quantized_linear` where the weight is a matrix, of
/// input 0, with f32 sums.
static Value buildSum(Node &node, const ConvGeometry &geometry, Value weight,
                      const Side &x, const Side &w, Value bias) {
  Walk &walk = node.walk;
  ImplicitLocOpBuilder &b = walk.builder;
  const ConvShape &shape = geometry.shape;
  TensorInfo codes = toChannelsLast(walk, node.in(0));
  RankedTensorType real = walk.typeOf(geometry.dims, b.getF32Type());
  if (cast<RankedTensorType>(weight.getType()).getRank() == 2)
    return qgraph::QuantizedLinearOp::create(
        b, real, walk.materialize(codes), x.scale, x.zeroPoint, weight, w.scale,
        w.zeroPoint, bias, ValueRange(), b.getDenseI64ArrayAttr(x.block),
        b.getDenseI64ArrayAttr(w.block), b.getArrayAttr({}),
        walk.nameOf(node.op));
  return qgraph::QuantizedConvOp::create(
      b, real, walk.materialize(codes), x.scale, x.zeroPoint, weight, w.scale,
      w.zeroPoint, bias, ValueRange(), spatialSizes(geometry.dims), x.block,
      w.block, shape.strides, shape.dilations, shape.pads, shape.groups,
      b.getArrayAttr({}), walk.nameOf(node.op));
}

/// The node stays as it is, and is computed by plain loops.
static LogicalResult stays(Node &node, StringRef why) {
  node.op.emitRemark() << "'" << node.op.getName().value_or("") << "' ("
                       << node.type() << ") is left to plain loops: " << why;
  return failure();
}

LogicalResult onnx_to_qgraph::handleQLinearConv(Node &node) {
  Walk &walk = node.walk;
  ImplicitLocOpBuilder &b = walk.builder;
  TensorInfo &input = node.in(0), &weightInfo = node.in(3);
  Value given = walk.materialize(weightInfo);
  std::optional<ConvGeometry> geometry;
  if (isConstant(given))
    geometry = geometryOf(node, 3);
  if (!geometry)
    return stays(node, "its weight is no constant, or its pads are not known");
  const ConvShape &shape = geometry->shape;
  bool matrix = shape.isPointwise(geometry->taps);
  int64_t rank = input.rank();
  int64_t columns = cast<RankedTensorType>(given.getType()).getDimSize(0);
  std::optional<Side> x = sideOf(node, 1, 2, rank, 1),
                      w = sideOf(node, 4, 5, matrix ? 2 : rank, columns),
                      y = sideOf(node, 6, 7, rank, 1);
  Value weight =
      matrix ? walk.matrixWeight(given) : walk.channelsLastWeight(given);
  if (!x || !w || !y || !weight)
    return stays(node, "a scale or zero point is no constant, or of a shape "
                       "that ONNX does not give it");
  Value bias;
  if (node.has(8) && !(bias = scaledBias(node, *x, *w, columns)))
    return stays(node, "its bias is no constant");

  Value sum = buildSum(node, *geometry, weight, *x, *w, bias);
  Type stored = node.in(7).elementType;
  Value result = qgraph::QuantizeOp::create(
      b, walk.typeOf(geometry->dims, stored), sum, y->scale, y->zeroPoint,
      Value(), Value(), b.getDenseI64ArrayAttr(y->block), b.getBoolAttr(true),
      TypeAttr());
  TensorInfo last = walk.tensor(result, geometry->dims);
  node.set(0, fromChannelsLast(walk, last));
  return success();
}

//===----------------------------------------------------------------------===//
// ConvInteger
//===----------------------------------------------------------------------===//

/// Scales of 1 beside the zero points of a tensor of this rank: one, or
/// (`columns`) one for each index of the first dimension. Nothing if they have
/// another shape.
static std::optional<Side> unscaled(Node &node, unsigned zeroPoint,
                                    int64_t rank, int64_t columns) {
  Walk &walk = node.walk;
  SmallVector<int64_t> shape(rank, 1);
  Side side;
  side.block.assign(rank, 0);
  if (node.has(zeroPoint) &&
      !isUniform(walk.materialize(node.in(zeroPoint)), 0)) {
    TensorInfo &zero = node.in(zeroPoint);
    std::optional<SmallVector<int64_t>> dims = staticShape(zero.dims);
    if (!dims)
      return std::nullopt;
    shape[0] = computeProduct(*dims);
    if (shape[0] != 1 && shape[0] != columns)
      return std::nullopt;
    side.block[0] = shape[0] != 1;
    Dims wanted;
    for (int64_t extent : shape)
      wanted.push_back(walk.arith.constant(extent));
    TensorInfo shaped = walk.reshape(zero, wanted);
    side.zeroPoint = walk.materialize(shaped);
  }
  auto type = RankedTensorType::get(shape, walk.builder.getF32Type());
  side.scale = newReals(walk, type, "ones",
                        std::vector<float>(type.getNumElements(), 1.0f));
  return side.scale ? std::optional(side) : std::nullopt;
}

LogicalResult onnx_to_qgraph::handleConvInteger(Node &node) {
  Walk &walk = node.walk;
  // The sums are only wanted as f32 (TensorProto.FLOAT).
  bool real = llvm::all_of(node.op.getResult(0).getUsers(), [](Operation *op) {
    auto user = dyn_cast<onnx_ir::NodeOp>(op);
    return user && user.is("Cast") && user.getIntAttr("to", 0) == 1;
  });
  Value given = walk.materialize(node.in(1));
  std::optional<ConvGeometry> geometry;
  if (!real)
    return stays(node, "its sums are read as integers");
  if (isConstant(given))
    geometry = geometryOf(node, 1);
  if (!geometry)
    return stays(node, "its weight is no constant, or its pads are not known");
  bool matrix = geometry->shape.isPointwise(geometry->taps);
  int64_t rank = node.in(0).rank();
  int64_t columns = cast<RankedTensorType>(given.getType()).getDimSize(0);
  std::optional<Side> x = unscaled(node, 2, rank, 1),
                      w = unscaled(node, 3, matrix ? 2 : rank, columns);
  Value weight =
      matrix ? walk.matrixWeight(given) : walk.channelsLastWeight(given);
  if (!x || !w || !weight)
    return stays(node, "a zero point is none that ONNX allows");
  TensorInfo sum = walk.tensor(
      buildSum(node, *geometry, weight, *x, *w, Value()), geometry->dims);
  node.set(0, fromChannelsLast(walk, sum));
  return success();
}
