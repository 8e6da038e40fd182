//===- Convolution.cpp - Conv and BatchNormalization ----------------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// qgraph computes channels last, so a Conv is a `qgraph.conv` between two
// transposes; where two convolutions meet, these cancel, and
// --qgraph-propagate-layout sees to the rest. A convolution whose windows are
// single positions is a `qgraph.linear`. A BatchNormalization by constant
// statistics goes into the weights before it, or is a product and a sum.
//
//===----------------------------------------------------------------------===//

#include "Convolution.h"
#include "StoredConstants.h"

#include <cmath>

using namespace mlir;
using namespace quantc;
using namespace quantc::onnx_to_qgraph;

//===----------------------------------------------------------------------===//
// Channels last
//===----------------------------------------------------------------------===//

TensorInfo onnx_to_qgraph::toChannelsLast(Walk &walk, TensorInfo &info) {
  SmallVector<int64_t> permutation{0};
  for (int64_t d = 2; d < info.rank(); ++d)
    permutation.push_back(d);
  permutation.push_back(1);
  return walk.transpose(info, permutation);
}

/// 0, last, 1, 2, ...: what fromChannelsLast does.
static SmallVector<int64_t> channelsFirst(int64_t rank) {
  SmallVector<int64_t> permutation{0, rank - 1};
  for (int64_t d = 1; d + 1 < rank; ++d)
    permutation.push_back(d);
  return permutation;
}

TensorInfo onnx_to_qgraph::fromChannelsLast(Walk &walk, TensorInfo &info) {
  return walk.transpose(info, channelsFirst(info.rank()));
}

bool ConvShape::isPointwise(ArrayRef<int64_t> taps) const {
  auto all = [](ArrayRef<int64_t> list, int64_t number) {
    return llvm::all_of(list, [=](int64_t i) { return i == number; });
  };
  return groups == 1 && all(taps, 1) && all(strides, 1) && all(pads, 0);
}

SmallVector<Value> onnx_to_qgraph::spatialSizes(ArrayRef<Dim> dims) {
  SmallVector<Value> sizes;
  for (Dim dim : dims.drop_front().drop_back())
    if (!DimArithmetic::getConstant(dim))
      sizes.push_back(cast<Value>(dim));
  return sizes;
}

TensorInfo onnx_to_qgraph::buildConv(Walk &walk, TensorInfo &input,
                                     Value weight, Value bias,
                                     const ConvShape &shape, ArrayRef<Dim> dims,
                                     StringAttr name) {
  ImplicitLocOpBuilder &b = walk.builder;
  Value result = qgraph::ConvOp::create(
      b, walk.typeOf(dims, input.elementType), walk.materialize(input), weight,
      bias, /*epilogue_operands=*/ValueRange(), spatialSizes(dims),
      shape.strides, shape.dilations, shape.pads, shape.groups,
      b.getArrayAttr({}), name);
  return walk.tensor(result, dims);
}

//===----------------------------------------------------------------------===//
// Conv
//===----------------------------------------------------------------------===//

/// auto_pad SAME: what the windows reach beyond the image, half on each side,
/// an odd one at the end (UPPER) or the start. False where that depends on an
/// extent that is no number.
static bool resolveSame(Node &node, ArrayRef<Dim> image,
                        MutableArrayRef<WindowAxis> axes) {
  StringRef automatic = node.string("auto_pad", "NOTSET");
  if (!automatic.starts_with("SAME"))
    return true;
  for (auto [axis, dim] : llvm::zip_equal(axes, image)) {
    int64_t total = axis.reach() - 1;
    if (std::optional<int64_t> extent = DimArithmetic::getConstant(dim))
      total = (llvm::divideCeil(*extent, axis.stride) - 1) * axis.stride +
              axis.reach() - *extent;
    else if (axis.stride != 1)
      return false;
    total = std::max<int64_t>(total, 0);
    axis.before = automatic == "SAME_LOWER" ? total - total / 2 : total / 2;
    axis.after = total - axis.before;
  }
  return true;
}

std::optional<ConvGeometry> onnx_to_qgraph::geometryOf(Node &node,
                                                       unsigned weight) {
  Walk &walk = node.walk;
  TensorInfo &input = node.in(0), &taps = node.in(weight);
  int64_t spatial = input.rank() - 2;
  if (spatial < 1 || spatial > 3 || taps.rank() != input.rank())
    return std::nullopt;
  auto axes = windows(node, weight, spatial);
  ArrayRef<Dim> image = ArrayRef(input.dims).drop_front(2);
  if (!axes || !resolveSame(node, image, *axes))
    return std::nullopt;
  ConvGeometry geometry;
  ConvShape &shape = geometry.shape;
  shape.groups = node.integer("group", 1);
  geometry.dims.push_back(input.dims[0]);
  SmallVector<int64_t> after;
  for (auto [axis, in] : llvm::zip_equal(*axes, image)) {
    shape.strides.push_back(axis.stride);
    shape.dilations.push_back(axis.dilation);
    shape.pads.push_back(axis.before);
    after.push_back(axis.after);
    geometry.taps.push_back(axis.kernel);
    geometry.dims.push_back(slide(walk.arith, in, axis, /*ceil=*/false));
  }
  llvm::append_range(shape.pads, after);
  geometry.dims.push_back(taps.dims[0]);
  Dim channels =
      walk.arith.mul(taps.dims[1], walk.arith.constant(shape.groups));
  if (shape.groups < 1 || !walk.arith.require(input.dims[1], channels))
    return std::nullopt;
  return geometry;
}

/// The bias, a constant if it is known.
static Value biasOf(Walk &walk, TensorInfo &info) {
  std::optional<double> number = numberOf(uniform(info));
  std::optional<SmallVector<int64_t>> shape = staticShape(info.dims);
  if (info.value || !number || !shape || shape->size() != 1)
    return walk.materialize(info);
  std::vector<float> values(shape->front(), static_cast<float>(*number));
  return newReals(walk, RankedTensorType::get(*shape, info.elementType),
                  "filled", values);
}

static LogicalResult handleConv(Node &node) {
  Walk &walk = node.walk;
  TensorInfo &input = node.in(0), &weight = node.in(1);
  std::optional<ConvGeometry> geometry;
  if (isReal(input.elementType))
    geometry = geometryOf(node, 1);
  if (!geometry)
    return handleWindow(node);
  const ConvShape &shape = geometry->shape;
  TensorInfo x = toChannelsLast(walk, input);
  Value given = walk.materialize(weight);
  Value bias = node.has(2) ? biasOf(walk, node.in(2)) : Value();
  StringAttr name = walk.nameOf(node.op);
  TensorInfo result;
  Value matrix =
      shape.isPointwise(geometry->taps) ? walk.matrixWeight(given) : Value();
  if (matrix) {
    result = walk.linear(x, matrix, bias, name);
  } else {
    Value last = walk.channelsLastWeight(given);
    if (!last) {
      TensorInfo moved = toChannelsLast(walk, weight);
      last = walk.materialize(moved);
    }
    result = buildConv(walk, x, last, bias, shape, geometry->dims, name);
  }
  node.set(0, fromChannelsLast(walk, result));
  return success();
}

//===----------------------------------------------------------------------===//
// BatchNormalization
//===----------------------------------------------------------------------===//

namespace {
/// y[c] = x[c] * factor[c] + shift[c].
struct Affine {
  std::vector<float> factor, shift;
};
} // namespace

/// What the constant statistics amount to; nothing if one is computed.
static std::optional<Affine> affineOf(Node &node) {
  std::vector<float> values[4];
  for (unsigned i = 0; i < 4; ++i) {
    TensorInfo &info = node.in(i + 1);
    if (!isReal(info.elementType) || info.rank() != 1)
      return std::nullopt;
    if (std::optional<double> number = numberOf(uniform(info))) {
      values[i].assign(DimArithmetic::getConstant(info.dims[0]).value_or(0),
                       static_cast<float>(*number));
    } else {
      std::optional<ConstantTensor> constant =
          readConstant(node.walk.materialize(info));
      if (!constant)
        return std::nullopt;
      values[i] = constant->readFloats();
    }
    if (values[i].size() != values[0].size())
      return std::nullopt;
  }
  auto &[scale, offset, mean, variance] = values;
  double epsilon = node.real("epsilon", 1e-5);
  Affine affine;
  for (size_t c = 0; c < scale.size(); ++c) {
    double factor = scale[c] / std::sqrt(variance[c] + epsilon);
    affine.factor.push_back(static_cast<float>(factor));
    affine.shift.push_back(static_cast<float>(offset[c] - mean[c] * factor));
  }
  return affine;
}

/// The layer whose columns are the channels of input 0, if nobody else reads
/// it.
static qgraph::LayerOpInterface layerBefore(Node &node) {
  TensorInfo &input = node.in(0);
  if (!input.value || !node.onlyUse(0))
    return {};
  Value value = input.value;
  if (onnx_ir::NodeOp moved = nodeOf(value, "Transpose")) {
    if (moved.getIntsAttr("perm") != channelsFirst(input.rank()))
      return {};
    value = moved.getInputs()[0];
    if (!value.hasOneUse())
      return {};
  } else if (input.rank() != 2) {
    return {};
  }
  return value.getDefiningOp<qgraph::LayerOpInterface>();
}

/// A float layer with constant weights gets new ones: each column times its
/// factor. Nothing if it is no such layer.
static std::optional<TensorInfo> foldIntoLayer(Node &node,
                                               const Affine &affine) {
  Walk &walk = node.walk;
  qgraph::LayerOpInterface layer = layerBefore(node);
  if (!layer || !isa<qgraph::ConvOp, qgraph::LinearOp>(*layer) ||
      !layer.getEpilogue().empty())
    return std::nullopt;
  std::optional<ConstantTensor> weight = readConstant(layer.getWeight());
  std::optional<ConstantTensor> bias = readConstant(layer.getBias());
  if (!weight || (layer.getBias() && !bias) ||
      !weight->getType().getElementType().isF32() ||
      weight->getType().getDimSize(0) != int64_t(affine.factor.size()))
    return std::nullopt;
  std::vector<float> weights = weight->readFloats(), sums = affine.shift;
  size_t columns = sums.size(), terms = weights.size() / columns;
  for (size_t i = 0; i < weights.size(); ++i)
    weights[i] *= affine.factor[i / terms];
  if (bias) {
    std::vector<float> old = bias->readFloats();
    for (size_t c = 0; c < columns; ++c)
      sums[c] += old[c] * affine.factor[c];
  }
  std::string name = entryBaseName(*weight, "") + "@batchnorm";
  auto biasType =
      RankedTensorType::get({int64_t(columns)}, walk.builder.getF32Type());
  Value newWeight = newReals(walk, weight->getType(), name, weights),
        newBias = newReals(walk, biasType, name + "-bias", sums);
  if (!newWeight || !newBias)
    return std::nullopt;

  Value old = layer.getResult();
  Dims dims = walk.lookup(old).dims;
  TensorInfo input = walk.lookup(layer.getInput());
  TensorInfo result;
  if (auto conv = dyn_cast<qgraph::ConvOp>(*layer)) {
    ConvShape shape{llvm::to_vector(conv.getStrides()),
                    llvm::to_vector(conv.getDilations()),
                    llvm::to_vector(conv.getPads()), int64_t(conv.getGroups())};
    result = buildConv(walk, input, newWeight, newBias, shape, dims,
                       conv.getNameAttr());
  } else {
    result = walk.linear(input, newWeight, newBias, layer.getNameAttr());
  }
  return old == node.in(0).value ? result : fromChannelsLast(walk, result);
}

static LogicalResult handleBatchNormalization(Node &node) {
  Walk &walk = node.walk;
  TensorInfo &input = node.in(0);
  for (unsigned i = 1; i < node.op.getNumResults(); ++i)
    if (node.resultUsed(i))
      return failure();
  if (node.integer("training_mode", 0) || node.integer("spatial", 1) != 1 ||
      !input.elementType.isF32() || input.rank() < 2)
    return failure();
  std::optional<Affine> affine = affineOf(node);
  if (!affine)
    return failure();
  if (std::optional<TensorInfo> folded = foldIntoLayer(node, *affine)) {
    node.set(0, *folded);
    return success();
  }
  SmallVector<int64_t> shape(input.rank() - 1, 1);
  shape[0] = affine->factor.size();
  auto type = RankedTensorType::get(shape, input.elementType);
  std::string name = "batchnorm";
  if (walk.nameOf(node.op))
    name = walk.nameOf(node.op).str() + "@batchnorm";
  Value factor = newReals(walk, type, name, affine->factor),
        shift = newReals(walk, type, name + "-bias", affine->shift);
  if (!factor || !shift)
    return failure();
  TensorInfo result = input;
  for (auto [opType, value] :
       {std::pair<StringRef, Value>{"Mul", factor}, {"Add", shift}}) {
    TensorInfo other = walk.lookup(value);
    FailureOr<TensorInfo> next =
        walk.elementwise(opType, {&result, &other}, input.elementType);
    if (failed(next))
      return node.unsupported("its statistics do not have the input's "
                              "channels");
    result = *next;
  }
  node.set(0, result);
  return success();
}

ArrayRef<Handler> onnx_to_qgraph::convolutionHandlers() {
  static constexpr Handler table[] = {
      {"", "Conv", 1, kNewest, handleConv},
      {"", "ConvTranspose", 1, kNewest, handleConvTranspose},
      {"", "QLinearConv", 10, kNewest, handleQLinearConv},
      {"", "ConvInteger", 10, kNewest, handleConvInteger},
      {"", "BatchNormalization", 7, kNewest, handleBatchNormalization},
  };
  return table;
}
