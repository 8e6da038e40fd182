//===- Windows.cpp - Convolution and pooling of dynamic images ------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Nodes that stay as they are. The schema's inference types them where the
// image's extents are numbers; here they are dimensions of the inputs.
//
//===----------------------------------------------------------------------===//

#include "Windows.h"

using namespace mlir;
using namespace quantc;
using namespace quantc::onnx_to_qgraph;

Dim onnx_to_qgraph::slide(DimArithmetic &arith, Dim in, const WindowAxis &axis,
                          bool ceil) {
  int64_t pads = axis.before + axis.after;
  int64_t room =
      pads - axis.reach() + axis.stride + (ceil ? axis.stride - 1 : 0);
  Dim steps = arith.div(
      arith.max(arith.add(in, arith.constant(room)), arith.constant(0)),
      arith.constant(axis.stride));
  if (!ceil)
    return steps;
  Dim last = arith.mul(arith.sub(steps, arith.constant(1)),
                       arith.constant(axis.stride));
  Dim image = arith.add(in, arith.constant(axis.before));
  return arith.sub(steps,
                   arith.compare(arith::CmpIPredicate::sge, last, image));
}

std::optional<SmallVector<WindowAxis>>
onnx_to_qgraph::windows(Node &node, unsigned weight, int64_t spatial) {
  SmallVector<int64_t> kernel;
  if (auto given = node.integers("kernel_shape"))
    kernel = *given;
  else if (weight && node.in(weight).rank() == spatial + 2)
    for (Dim dim : ArrayRef(node.in(weight).dims).drop_front(2)) {
      auto number = DimArithmetic::getConstant(dim);
      if (!number)
        return std::nullopt;
      kernel.push_back(*number);
    }
  auto list = [&](StringRef name, size_t length, int64_t otherwise) {
    auto given = node.integers(name);
    return given ? *given : SmallVector<int64_t>(length, otherwise);
  };
  auto strides = list("strides", spatial, 1),
       pads = list("pads", 2 * spatial, 0),
       dilations = list("dilations", spatial, 1),
       extra = list("output_padding", spatial, 0);
  size_t n = spatial;
  if (kernel.size() != n || strides.size() != n || pads.size() != 2 * n ||
      dilations.size() != n || extra.size() != n ||
      llvm::any_of(strides, [](int64_t stride) { return stride < 1; }))
    return std::nullopt;
  bool valid = node.string("auto_pad", "NOTSET") == "VALID";
  SmallVector<WindowAxis> axes;
  for (size_t i = 0; i < n; ++i)
    axes.push_back({kernel[i], strides[i], dilations[i], valid ? 0 : pads[i],
                    valid ? 0 : pads[n + i], extra[i]});
  return axes;
}

LogicalResult onnx_to_qgraph::handleWindow(Node &node) {
  Walk &walk = node.walk;
  DimArithmetic &arith = walk.arith;
  TensorInfo &input = node.in(0);
  bool isConvolution = node.type().starts_with("Conv"),
       isTransposed = node.type() == "ConvTranspose";
  if (input.rank() < 3 || staticShape(ArrayRef(input.dims).drop_front(2)) ||
      node.resultUsed(1) || node.integers("output_shape"))
    return failure();
  auto axes = windows(node, isConvolution ? 1 : 0, input.rank() - 2);
  if (!axes)
    return failure();
  bool same = node.string("auto_pad", "NOTSET").starts_with("SAME");
  bool ceil = node.integer("ceil_mode", 0);
  Dims dims{input.dims[0], input.dims[1]};
  if (isTransposed)
    dims[1] =
        arith.mul(node.in(1).dims[1], arith.constant(node.integer("group", 1)));
  else if (isConvolution)
    dims[1] = node.in(1).dims[0];
  for (auto [axis, in] : llvm::zip(*axes, ArrayRef(input.dims).drop_front(2))) {
    Dim stride = arith.constant(axis.stride);
    if (same)
      dims.push_back(isTransposed ? arith.mul(in, stride)
                                  : arith.ceilDiv(in, axis.stride));
    else if (isTransposed)
      dims.push_back(
          arith.add(arith.mul(in, stride),
                    arith.constant(axis.reach() - axis.stride - axis.before -
                                   axis.after + axis.extra)));
    else
      dims.push_back(slide(arith, in, axis, ceil));
  }
  return keep(node, dims, input.elementType);
}

/// The window is the image: a reduction.
static LogicalResult handleGlobalPool(Node &node) {
  Walk &walk = node.walk;
  TensorInfo &input = node.in(0);
  Dims dims = input.dims;
  SmallVector<int64_t> axes;
  for (int64_t d = 2; d < input.rank(); ++d) {
    axes.push_back(d);
    dims[d] = walk.arith.constant(1);
  }
  if (axes.empty())
    return node.unsupported("its input has no spatial dimensions");
  StringRef reduction =
      node.type() == "GlobalMaxPool" ? "ReduceMax" : "ReduceMean";
  node.set(0, walk.node(reduction, {&input}, input.elementType, dims,
                        {{"axes", walk.integersAttr(axes)},
                         {"keepdims", walk.integerAttr(1)}}));
  return success();
}

ArrayRef<Handler> onnx_to_qgraph::windowHandlers() {
  static constexpr Handler table[] = {
      {"", "MaxPool", 1, kNewest, handleWindow},
      {"", "AveragePool", 1, kNewest, handleWindow},
      {"", "LpPool", 2, kNewest, handleWindow},
      {"", "GlobalAveragePool", 1, kNewest, handleGlobalPool},
      {"", "GlobalMaxPool", 1, kNewest, handleGlobalPool},
  };
  return table;
}
