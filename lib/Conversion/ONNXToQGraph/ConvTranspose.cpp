//===- ConvTranspose.cpp - Transposed convolution as convolution ----------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Along one axis, with stride s and K taps, result position s * q + r (before
// its pads are cut off) is the sum over the input positions i of
//
//     x[i] * w[s * (q - i) + r]
//
// For each phase r this is a convolution with T = ceil(K / s) taps. So one
// convolution computes all phases of a position as further columns, and a
// reshape, a transpose and a reshape put them side by side. No product with a
// stuffed zero is computed. With stride 1 there is one phase, and the pads are
// the convolution's.
//
//===----------------------------------------------------------------------===//

#include "Convolution.h"
#include "StoredConstants.h"

#include "mlir/Dialect/Utils/IndexingUtils.h"

using namespace mlir;
using namespace quantc;
using namespace quantc::onnx_to_qgraph;

namespace {
/// One spatial axis.
struct Axis {
  WindowAxis window;
  Dim in, out;
  /// Full positions [before, before + out) are the result; `need` of them lie
  /// from that of the last input position on.
  int64_t before, need;

  int64_t phases() const { return window.stride; }
  /// Taps of a phase.
  int64_t taps() const {
    return llvm::divideCeil(window.kernel, window.stride);
  }
};
} // namespace

/// Nothing where a pad is not known as a number.
static std::optional<Axis> axisOf(Node &node, Dim in, const WindowAxis &window,
                                  std::optional<int64_t> wanted) {
  DimArithmetic &arith = node.walk.arith;
  StringRef automatic = node.string("auto_pad", "NOTSET");
  bool same = automatic.starts_with("SAME");
  Axis axis{window, in, {}, window.before, 0};
  int64_t stride = window.stride;
  if (!same && !wanted) {
    axis.need = window.reach() - window.after + window.extra;
    axis.out = arith.add(
        arith.mul(arith.sub(in, arith.constant(1)), arith.constant(stride)),
        arith.constant(axis.need - axis.before));
    return axis;
  }
  // The pads follow from the result's extent: half of them on each side.
  int64_t total;
  std::optional<int64_t> extent = DimArithmetic::getConstant(in);
  if (wanted) {
    if (!extent)
      return std::nullopt;
    axis.out = arith.constant(*wanted);
    total = stride * (*extent - 1) + window.extra + window.reach() - *wanted;
  } else {
    axis.out = arith.mul(in, arith.constant(stride));
    total = window.extra + window.reach() - stride;
  }
  total = std::max<int64_t>(total, 0);
  axis.before = automatic == "SAME_UPPER" ? total / 2 : total - total / 2;
  axis.need =
      axis.before + (wanted ? *wanted - (*extent - 1) * stride : stride);
  return axis;
}

/// The weight [C, O / groups, taps..] as that of the convolution,
/// [groups * phases * O / groups, taps.., C / groups].
static Value phaseWeight(Walk &walk, const ConstantTensor &weight,
                         ArrayRef<Axis> axes, int64_t groups) {
  RankedTensorType type = weight.getType();
  int64_t channels = type.getDimSize(0) / groups, columns = type.getDimSize(1);
  SmallVector<int64_t> phases, taps, kernel;
  for (const Axis &axis : axes) {
    phases.push_back(axis.phases());
    taps.push_back(axis.taps());
    kernel.push_back(axis.window.kernel);
  }
  int64_t phaseCount = computeProduct(phases), tapCount = computeProduct(taps);
  SmallVector<int64_t> phaseStrides = stridesOf(phases),
                       tapStrides = stridesOf(taps),
                       kernelStrides = stridesOf(kernel);
  int64_t kernelCount = computeProduct(kernel);
  std::vector<float> from = weight.readFloats();
  std::vector<float> to(groups * phaseCount * columns * tapCount * channels);
  for (int64_t phase = 0; phase < phaseCount; ++phase)
    for (int64_t tap = 0; tap < tapCount; ++tap) {
      int64_t place = 0;
      bool inside = true;
      for (size_t d = 0; d < axes.size(); ++d) {
        int64_t r = phase / phaseStrides[d] % phases[d];
        int64_t t = tap / tapStrides[d] % taps[d];
        int64_t k = r + phases[d] * (taps[d] - 1 - t);
        inside &= k < kernel[d];
        place += k * kernelStrides[d];
      }
      if (!inside)
        continue;
      for (int64_t g = 0; g < groups; ++g)
        for (int64_t o = 0; o < columns; ++o) {
          int64_t column = (g * phaseCount + phase) * columns + o;
          float *row = to.data() + (column * tapCount + tap) * channels;
          for (int64_t c = 0; c < channels; ++c)
            row[c] =
                from[((g * channels + c) * columns + o) * kernelCount + place];
        }
    }
  SmallVector<int64_t> shape{groups * phaseCount * columns};
  llvm::append_range(shape, taps);
  shape.push_back(channels);
  return newReals(walk, RankedTensorType::get(shape, type.getElementType()),
                  entryBaseName(weight, "") + "@phases", to);
}

/// [N, q.., groups * phases * columns] as [N, q * phases.., groups * columns].
static TensorInfo interleave(Walk &walk, TensorInfo conv, ArrayRef<Axis> axes,
                             int64_t groups, int64_t columns) {
  DimArithmetic &arith = walk.arith;
  int64_t spatial = axes.size(), rank = conv.rank();
  Dims apart(ArrayRef(conv.dims).drop_back());
  apart.push_back(arith.constant(groups));
  for (const Axis &axis : axes)
    apart.push_back(arith.constant(axis.phases()));
  apart.push_back(arith.constant(columns));
  SmallVector<int64_t> permutation{0};
  Dims together{conv.dims[0]};
  for (int64_t d = 0; d < spatial; ++d) {
    permutation.append({d + 1, rank + d});
    together.push_back(
        arith.mul(conv.dims[d + 1], arith.constant(axes[d].phases())));
  }
  permutation.append({rank - 1, rank + spatial});
  together.push_back(arith.constant(groups * columns));
  TensorInfo result = walk.reshape(conv, apart);
  result = walk.transpose(result, permutation);
  return walk.reshape(result, together);
}

/// Positions [before, before + out) of each axis.
static TensorInfo cut(Walk &walk, TensorInfo full, ArrayRef<Axis> axes) {
  DimArithmetic &arith = walk.arith;
  SmallVector<int64_t> cutAxes, starts, steps;
  Dims dims = full.dims;
  for (auto [d, axis] : llvm::enumerate(axes)) {
    if (axis.before == 0 && arith.equal(axis.out, full.dims[d + 1]))
      continue;
    cutAxes.push_back(d + 1);
    starts.push_back(axis.before);
    steps.push_back(1);
    dims[d + 1] = axis.out;
  }
  if (cutAxes.empty())
    return full;
  return walk.node("Slice", {&full}, full.elementType, dims,
                   {{"axes", walk.integersAttr(cutAxes)},
                    {"starts", walk.integersAttr(starts)},
                    {"steps", walk.integersAttr(steps)}});
}

LogicalResult onnx_to_qgraph::handleConvTranspose(Node &node) {
  Walk &walk = node.walk;
  DimArithmetic &arith = walk.arith;
  TensorInfo &input = node.in(0), &weightInfo = node.in(1);
  int64_t spatial = input.rank() - 2, groups = node.integer("group", 1);
  std::optional<ConstantTensor> weight = readConstant(weightInfo.value);
  auto given = windows(node, 1, spatial);
  if (spatial < 1 || spatial > 3 || !isReal(input.elementType) || !weight ||
      weightInfo.rank() != input.rank() || !given || groups < 1 ||
      weight->getType().getDimSize(0) % groups)
    return handleWindow(node);
  std::optional<SmallVector<int64_t>> wanted = node.integers("output_shape");
  if (wanted && int64_t(wanted->size()) != spatial)
    return handleWindow(node);

  SmallVector<Axis> axes;
  bool interleaved = false, dilated = false;
  for (auto [d, window] : llvm::enumerate(*given)) {
    std::optional<Axis> axis =
        axisOf(node, input.dims[d + 2], window,
               wanted ? std::optional((*wanted)[d]) : std::nullopt);
    // Phases without weights cost as much as others.
    if (!axis || window.stride > 2 * window.kernel)
      return handleWindow(node);
    axes.push_back(*axis);
    interleaved |= window.stride != 1;
    dilated |= window.dilation != 1;
  }
  std::optional<ConstantTensor> bias =
      node.has(2) ? readConstant(walk.materialize(node.in(2))) : std::nullopt;
  if ((node.has(2) && !bias) || (interleaved && dilated))
    return handleWindow(node);
  if (!arith.require(input.dims[1], weightInfo.dims[0]))
    return node.unsupported("its weight does not have the input's channels");

  int64_t columns = weight->getType().getDimSize(1), phases = 1;
  ConvShape shape;
  shape.groups = groups;
  SmallVector<int64_t> after, taps;
  Dims dims{input.dims[0]};
  for (const Axis &axis : axes) {
    int64_t stride = axis.window.stride, last = axis.taps() - 1;
    shape.strides.push_back(1);
    shape.dilations.push_back(axis.window.dilation);
    taps.push_back(axis.taps());
    phases *= stride;
    if (interleaved) {
      // All full positions, and what the result has beyond them.
      int64_t beyond = std::max<int64_t>(
          llvm::divideCeilSigned(axis.need - axis.taps() * stride, stride), 0);
      shape.pads.push_back(last);
      after.push_back(last + beyond);
      dims.push_back(arith.add(axis.in, arith.constant(last + beyond)));
    } else {
      shape.pads.push_back(axis.window.reach() - 1 - axis.before);
      after.push_back(axis.need - 1);
      dims.push_back(axis.out);
    }
  }
  llvm::append_range(shape.pads, after);
  dims.push_back(arith.constant(groups * phases * columns));

  Value packed = phaseWeight(walk, *weight, axes, groups);
  Value sums;
  if (bias) {
    std::vector<float> old = bias->readFloats(), all;
    for (int64_t g = 0; g < groups; ++g)
      for (int64_t p = 0; p < phases; ++p)
        all.insert(all.end(), old.begin() + g * columns,
                   old.begin() + (g + 1) * columns);
    auto type = RankedTensorType::get({int64_t(all.size())},
                                      bias->getType().getElementType());
    sums =
        newReals(walk, type, entryBaseName(*weight, "") + "@phases-bias", all);
  }
  if (!packed || (bias && !sums))
    return failure();

  TensorInfo x = toChannelsLast(walk, input);
  StringAttr name = walk.nameOf(node.op);
  TensorInfo result;
  if (shape.isPointwise(taps))
    result = walk.linear(
        x,
        walk.reshapedConstant(packed, {groups * phases * columns,
                                       weight->getType().getDimSize(0)}),
        sums, name);
  else
    result = buildConv(walk, x, packed, sums, shape, dims, name);
  if (interleaved) {
    result = interleave(walk, result, axes, groups, columns);
    result = cut(walk, result, axes);
  }
  node.set(0, fromChannelsLast(walk, result));
  return success();
}
