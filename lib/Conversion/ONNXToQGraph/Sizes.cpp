//===- Sizes.cpp - Operators whose results' sizes are values --------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Nodes that stay as they are, but whose results the schema's inference does
// not type: their sizes follow from values of the inputs, or from a product of
// a dimension and a scale; or a result has no name, and its kernel writes it
// all the same.
//
//===----------------------------------------------------------------------===//

#include "Walk.h"

#include <cmath>
#include <numeric>

using namespace mlir;
using namespace quantc;
using namespace quantc::onnx_to_qgraph;

LogicalResult onnx_to_qgraph::keep(Node &node, ArrayRef<Dims> dims,
                                   Type elementType) {
  Walk &walk = node.walk;
  SmallVector<Type> types;
  SmallVector<Value> operands, sizes;
  for (const Dims &result : dims) {
    types.push_back(walk.typeOf(result, elementType));
    for (Dim dim : result)
      if (!DimArithmetic::getConstant(dim))
        sizes.push_back(cast<Value>(dim));
  }
  for (Value operand : node.op.getInputs()) {
    TensorInfo &known = walk.info(operand);
    operands.push_back(known
                           ? walk.materialize(known)
                           : onnx_ir::NoneOp::create(walk.builder).getResult());
  }
  auto op = onnx_ir::NodeOp::create(
      walk.builder, types, operands, sizes, node.type(), node.op.getDomain(),
      node.version(), node.op.getNodeAttributes(), node.op.getNameAttr(),
      /*subgraph_names=*/ArrayAttr(), /*subgraphsCount=*/0);
  for (auto [i, result] : llvm::enumerate(op.getOutputs()))
    node.set(i, walk.tensor(result, dims[i]));
  return success();
}

//===----------------------------------------------------------------------===//
// RNN, GRU, LSTM
//===----------------------------------------------------------------------===//

/// All states of the sequence, the last one, and the last cell.
static LogicalResult handleRecurrent(Node &node) {
  TensorInfo &x = node.in(0), &w = node.in(1), &r = node.in(2);
  if (x.rank() != 3 || w.rank() != 3 || r.rank() != 3)
    return node.unsupported("its input and weights must have three dimensions");
  bool layout = node.integer("layout", 0);
  Dim steps = x.dims[layout ? 1 : 0], batch = x.dims[layout ? 0 : 1];
  Dim directions = w.dims[0], hidden = r.dims[2];
  Dims all = layout ? Dims{batch, steps, directions, hidden}
                    : Dims{steps, directions, batch, hidden};
  Dims last = layout ? Dims{batch, directions, hidden}
                     : Dims{directions, batch, hidden};
  SmallVector<Dims> dims{all, last, last};
  return keep(node, ArrayRef(dims).take_front(node.op.getNumResults()),
              x.elementType);
}

//===----------------------------------------------------------------------===//
// Resize
//===----------------------------------------------------------------------===//

/// floor(dim * scale) where no product is rounded: the scale is a fraction of a
/// small power of two; else null.
static Dim scaled(DimArithmetic &arith, Dim dim, double scale) {
  constexpr int64_t kParts = 64;
  double parts = scale * kParts;
  if (!(parts > 0) || parts != std::floor(parts) || parts > 1e6)
    return {};
  int64_t divisor = std::gcd(int64_t(parts), kParts);
  Dim product = arith.mul(dim, arith.constant(int64_t(parts) / divisor));
  return arith.div(product, arith.constant(kParts / divisor));
}

/// The sizes where the input keeps its proportions: all are scaled by the
/// smallest, resp. largest, scale, and rounded.
static void keepProportions(Walk &walk, TensorInfo &input,
                            ArrayRef<int64_t> axes, ArrayRef<Element> sizes,
                            bool smallest, Dims &dims) {
  ImplicitLocOpBuilder &b = walk.builder;
  Value common;
  for (auto [axis, size] : llvm::zip(axes, sizes)) {
    Value scale = arith::DivFOp::create(b, walk.toReal(size),
                                        walk.toReal(input.dims[axis]));
    if (!common)
      common = scale;
    else if (smallest)
      common = arith::MinNumFOp::create(b, common, scale);
    else
      common = arith::MaxNumFOp::create(b, common, scale);
  }
  Value half = arith::ConstantOp::create(b, b.getF64FloatAttr(0.5));
  for (int64_t axis : axes) {
    Value size =
        arith::MulFOp::create(b, common, walk.toReal(input.dims[axis]));
    dims[axis] = walk.floorOf(arith::AddFOp::create(b, size, half));
  }
}

static LogicalResult handleResize(Node &node) {
  Walk &walk = node.walk;
  DimArithmetic &arith = walk.arith;
  TensorInfo &input = node.in(0);
  bool old = node.type() == "Upsample" || node.version() < 11;
  unsigned scales = old ? 1 : 2;
  SmallVector<int64_t> axes(input.rank());
  std::iota(axes.begin(), axes.end(), 0);
  if (auto given = node.integers("axes"))
    axes = *given;
  for (int64_t &axis : axes)
    if ((axis = normalizeAxis(axis, input.rank())) < 0)
      return node.unsupported("an axis is out of range");
  Dims dims = input.dims;
  auto isGiven = [&](unsigned i) {
    return node.has(i) && !(node.in(i).rank() == 1 &&
                            DimArithmetic::isConstant(node.in(i).dims[0], 0));
  };
  if (isGiven(scales)) {
    TensorInfo &factors = node.in(scales);
    for (auto [i, axis] : llvm::enumerate(axes)) {
      if (!factors.elements || i >= factors.elements->size())
        break;
      std::optional<double> number = numberOf((*factors.elements)[i]);
      if (!number)
        return failure();
      Dim dim = scaled(arith, dims[axis], *number);
      std::optional<int64_t> known = DimArithmetic::getConstant(dims[axis]);
      if (!dim && known) {
        dim =
            arith.constant(int64_t(std::floor(float(*known) * float(*number))));
      } else if (!dim) {
        Value scale = arith::ConstantOp::create(
            walk.builder, walk.builder.getF64FloatAttr(*number));
        Value product =
            arith::MulFOp::create(walk.builder, walk.toReal(dims[axis]), scale);
        dim = walk.floorOf(walk.roundToF32(product));
      }
      dims[axis] = dim;
    }
    if (!factors.elements) {
      auto reals = walk.readReals(factors);
      if (!reals || reals->size() != axes.size())
        return node.unsupported("its scales are computed from data");
      // The product is rounded once, as that of f32 numbers.
      for (auto [axis, real] : llvm::zip(axes, *reals)) {
        Value product =
            arith::MulFOp::create(walk.builder, walk.toReal(dims[axis]), real);
        dims[axis] = walk.floorOf(walk.roundToF32(product));
      }
    }
  } else if (!old && isGiven(3)) {
    StringRef policy = node.string("keep_aspect_ratio_policy", "stretch");
    if (policy != "stretch" && node.constants(3) && staticShape(input.dims))
      return failure();
    std::optional<Elements> sizes = node.elements(3);
    if (!sizes || sizes->size() != axes.size())
      return node.unsupported("its sizes are computed from data, or not one "
                              "for each axis");
    // Nothing can be made from an empty input but an empty result.
    Dim zero = arith.constant(0);
    for (auto [axis, size] : llvm::zip(axes, *sizes)) {
      Dim empty = arith.compare(arith::CmpIPredicate::eq, dims[axis], zero);
      if (!arith.require(arith.choose(empty, size, zero), zero,
                         /*orOne=*/false,
                         "a dimension of 0 cannot become %a long"))
        return node.unsupported("it resizes an empty dimension");
    }
    if (policy != "stretch") {
      keepProportions(walk, input, axes, *sizes, policy == "not_larger", dims);
      return keep(node, dims, input.elementType);
    }
    for (auto [axis, size] : llvm::zip(axes, *sizes))
      dims[axis] = size;
  } else {
    return failure();
  }
  return keep(node, dims, input.elementType);
}

//===----------------------------------------------------------------------===//
// Col2Im, MaxUnpool
//===----------------------------------------------------------------------===//

/// [N, C, image...] of [N, C * block, columns].
static LogicalResult handleCol2Im(Node &node) {
  DimArithmetic &arith = node.walk.arith;
  TensorInfo &input = node.in(0);
  std::optional<Elements> image = node.elements(1), block = node.elements(2);
  if (!image || !block)
    return node.unsupported("its image's or block's shape is computed from "
                            "data");
  if (input.rank() != 3 || image->size() != block->size())
    return node.unsupported("its shapes do not fit each other");
  // The kernel goes by the image and the block: they must be those of the
  // columns.
  Dim one = arith.constant(1),
      most = arith.constant(std::numeric_limits<int16_t>::max());
  auto attribute = [&](StringRef name, size_t i, int64_t otherwise) {
    auto list = node.integers(name);
    return list && i < list->size() ? (*list)[i] : otherwise;
  };
  Dim size = one, columns = one;
  for (size_t i = 0; i < block->size(); ++i) {
    if (!arith.requireRange((*block)[i], one, most,
                            "a block cannot be %a long"))
      return node.unsupported("its block is empty");
    if (!arith.requireRange((*image)[i], one, most,
                            "an image cannot be %a long"))
      return node.unsupported("its image is empty");
    Dim side = arith.clamp((*block)[i], one, most);
    size = arith.mul(size, side);
    int64_t dilation = attribute("dilations", i, 1),
            stride = attribute("strides", i, 1),
            pads = attribute("pads", i, 0) +
                   attribute("pads", i + block->size(), 0);
    if (stride < 1)
      return node.unsupported("a stride is not positive");
    Dim reach = arith.mul(arith.sub(side, one), arith.constant(dilation));
    Dim room = arith.add(arith.sub(arith.clamp((*image)[i], one, most), reach),
                         arith.constant(pads - 1));
    Dim steps = arith.div(arith.max(room, arith.constant(-stride)),
                          arith.constant(stride));
    columns = arith.mul(columns, arith.add(steps, one));
  }
  Dim channels = arith.div(input.dims[1], size);
  if (!arith.require(arith.mul(channels, size), input.dims[1],
                     /*orOne=*/false, "%b rows are no whole blocks") ||
      !arith.require(columns, input.dims[2], /*orOne=*/false,
                     "its image has %a places for a block, and there are %b"))
    return node.unsupported("its image and block do not fit the columns");
  Dims dims{input.dims[0], channels};
  llvm::append_range(dims, *image);
  return keep(node, dims, input.elementType);
}

static LogicalResult handleMaxUnpool(Node &node) {
  if (!node.has(2))
    return failure();
  std::optional<Elements> shape = node.elements(2);
  if (!shape || int64_t(shape->size()) != node.in(0).rank())
    return node.unsupported("its output's shape is computed from data");
  return keep(node, Dims(shape->begin(), shape->end()), node.in(0).elementType);
}

//===----------------------------------------------------------------------===//
// AffineGrid
//===----------------------------------------------------------------------===//

/// [N, spatial.., k] of maps [N, k, k + 1] and a size [N, C, spatial..].
static LogicalResult handleAffineGrid(Node &node) {
  DimArithmetic &arith = node.walk.arith;
  TensorInfo &maps = node.in(0);
  std::optional<Elements> size = node.elements(1);
  if (!size)
    return node.unsupported("its size is computed from data");
  int64_t spatial = int64_t(size->size()) - 2;
  if (maps.rank() != 3 || (spatial != 2 && spatial != 3))
    return node.unsupported("it is no grid of two or three dimensions");
  if (!arith.require(maps.dims[1], arith.constant(spatial)) ||
      !arith.require(maps.dims[2], arith.constant(spatial + 1)) ||
      !arith.require(maps.dims[0], (*size)[0], /*orOne=*/false,
                     "there are %a maps for a batch of %b"))
    return node.unsupported("its size does not fit its maps");
  Dims dims{maps.dims[0]};
  for (Element extent : ArrayRef(*size).drop_front(2)) {
    if (!requireSize(node, extent))
      return node.unsupported("no tensor can have its size");
    dims.push_back(extent);
  }
  dims.push_back(arith.constant(spatial));
  return keep(node, dims, maps.elementType);
}

//===----------------------------------------------------------------------===//
// DFT, STFT, MelWeightMatrix
//===----------------------------------------------------------------------===//

/// n / 2 + 1.
static Dim half(DimArithmetic &arith, Dim n) {
  return arith.add(arith.div(n, arith.constant(2)), arith.constant(1));
}

/// The axis may be known at run time only.
static LogicalResult handleDFT(Node &node) {
  DimArithmetic &arith = node.walk.arith;
  TensorInfo &input = node.in(0);
  int64_t rank = input.rank();
  if (rank < 2)
    return node.unsupported("its signal must have two dimensions at least");
  Dim axis;
  if (node.version() < 20)
    axis = arith.constant(normalizeAxis(node.integer("axis", 1), rank));
  else if (!node.has(2))
    axis = arith.constant(rank - 2);
  else if (Dim given = node.element(2))
    axis = node.normalizedAxis(given, rank);
  else
    return node.unsupported("its axis is computed from data");
  if (!axis || DimArithmetic::getConstant(axis).value_or(0) < 0)
    return node.unsupported("axis is out of range");
  auto isAxis = [&](int64_t d) {
    return arith.compare(arith::CmpIPredicate::eq, axis, arith.constant(d));
  };
  Dim size = input.dims[0];
  for (int64_t d = 1; d < rank; ++d)
    size = arith.select(isAxis(d), input.dims[d], size);
  bool inverse = node.integer("inverse", 0),
       oneSided = node.integer("onesided", 0);
  Dim length = size;
  if (node.has(1)) {
    length = node.element(1);
    if (!length)
      return node.unsupported("its length is computed from data");
  } else if (inverse && oneSided) {
    length = arith.mul(arith.sub(size, arith.constant(1)), arith.constant(2));
  }
  Dim bins = oneSided && !inverse ? half(arith, length) : length;
  Dims dims = input.dims;
  for (int64_t d = 0; d + 1 < rank; ++d)
    dims[d] = arith.select(isAxis(d), bins, dims[d]);
  dims.back() = arith.constant(inverse && oneSided ? 1 : 2);
  return keep(node, dims, input.elementType);
}

/// [batch, frames, bins, 2].
static LogicalResult handleSTFT(Node &node) {
  DimArithmetic &arith = node.walk.arith;
  TensorInfo &input = node.in(0);
  if (input.rank() < 2 || input.rank() > 3)
    return node.unsupported("its signal must have two or three dimensions");
  if (node.has(2) && node.in(2).rank() != 1)
    return node.unsupported("its window must have one dimension");
  Dim step = node.element(1), samples = input.dims[1], length = samples;
  if (node.has(2))
    length = node.in(2).dims[0];
  else if (node.has(3))
    length = node.element(3);
  if (!step || !length)
    return node.unsupported("its step or length is computed from data");
  Dim one = arith.constant(1),
      most = arith.constant(std::numeric_limits<int32_t>::max());
  if (!arith.requireRange(step, one, most, "its step is %a") ||
      !arith.requireRange(length, arith.constant(0), samples,
                          "its frames are %a long, the nearest possible is %b"))
    return node.unsupported("its step or its length is out of range");
  Dim frames = arith.div(arith.sub(samples, length), step);
  if (!frames)
    return node.unsupported("its step is 0");
  Dim bins = node.integer("onesided", 1) ? half(arith, length) : length;
  Dims dims{input.dims[0], arith.add(frames, arith.constant(1)), bins,
            arith.constant(2)};
  return keep(node, dims, input.elementType);
}

/// [bins of the spectrum, bands].
static LogicalResult handleMel(Node &node) {
  Dim bands = node.element(0), length = node.element(1);
  if (!bands || !length)
    return node.unsupported("its numbers of bands and samples are computed "
                            "from data");
  constexpr int64_t kFloat = 1; // TensorProto.FLOAT
  if (node.integer("output_datatype", kFloat) != kFloat)
    return failure();
  return keep(node, Dims{half(node.walk.arith, length), bands},
              node.walk.builder.getF32Type());
}

ArrayRef<Handler> onnx_to_qgraph::sizeHandlers() {
  static constexpr Handler table[] = {
      {"", "RNN", 7, kNewest, handleRecurrent},
      {"", "GRU", 7, kNewest, handleRecurrent},
      {"", "LSTM", 7, kNewest, handleRecurrent},
      {"", "Resize", 10, kNewest, handleResize},
      {"", "Upsample", 9, kNewest, handleResize},
      {"", "Col2Im", 18, kNewest, handleCol2Im},
      {"", "MaxUnpool", 9, kNewest, handleMaxUnpool},
      {"", "AffineGrid", 20, kNewest, handleAffineGrid},
      {"", "DFT", 17, kNewest, handleDFT},
      {"", "STFT", 17, kNewest, handleSTFT},
      {"", "MelWeightMatrix", 17, kNewest, handleMel},
  };
  return table;
}
