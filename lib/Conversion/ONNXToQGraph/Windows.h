//===- Windows.h - Windows that slide over an image -------------*- C++ -*-===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef QUANTC_LIB_CONVERSION_ONNXTOQGRAPH_WINDOWS_H
#define QUANTC_LIB_CONVERSION_ONNXTOQGRAPH_WINDOWS_H

#include "Walk.h"

namespace quantc::onnx_to_qgraph {

/// A window along one spatial axis.
struct WindowAxis {
  int64_t kernel, stride, dilation, before, after, extra;

  /// What a window covers.
  int64_t reach() const { return (kernel - 1) * dilation + 1; }
};

/// The windows along the spatial axes by the attributes of Conv or a pool, and
/// input `weight` of a convolution (0: `kernel_shape` says it). auto_pad VALID
/// is in them, SAME is not. Nothing if an attribute is missing or has another
/// length.
std::optional<llvm::SmallVector<WindowAxis>>
windows(Node &node, unsigned weight, int64_t spatial);

/// floor((in + pads - reach) / stride) + 1, or with ceil, but no window that
/// starts behind the image; 0 for an image that is too small.
Dim slide(DimArithmetic &arith, Dim in, const WindowAxis &axis, bool ceil);

/// Conv, ConvTranspose, pools, [N, channels, image...], that stay nodes. A
/// failure where the image's extents are numbers: the schema types these.
mlir::LogicalResult handleWindow(Node &node);

} // namespace quantc::onnx_to_qgraph

#endif // QUANTC_LIB_CONVERSION_ONNXTOQGRAPH_WINDOWS_H
