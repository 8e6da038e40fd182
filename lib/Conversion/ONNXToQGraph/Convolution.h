//===- Convolution.h - Convolutions, channels last --------------*- C++ -*-===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef QUANTC_LIB_CONVERSION_ONNXTOQGRAPH_CONVOLUTION_H
#define QUANTC_LIB_CONVERSION_ONNXTOQGRAPH_CONVOLUTION_H

#include "Windows.h"

namespace quantc::onnx_to_qgraph {

/// [N, C, spatial..] as [N, spatial.., C], and back.
TensorInfo toChannelsLast(Walk &walk, TensorInfo &info);
TensorInfo fromChannelsLast(Walk &walk, TensorInfo &info);

/// What `qgraph.conv` is told of its windows.
struct ConvShape {
  llvm::SmallVector<int64_t> strides, dilations, pads; // begin.., end..
  int64_t groups = 1;

  /// True if every window is one position of the image, with weights of these
  /// taps.
  bool isPointwise(llvm::ArrayRef<int64_t> taps) const;
};

/// What a Conv's attributes amount to.
struct ConvGeometry {
  ConvShape shape;
  llvm::SmallVector<int64_t> taps;
  Dims dims; ///< of the result, channels last
};

/// The geometry of a Conv node, whose weight [O, C / groups, taps..] is input
/// `weight`; nothing where qgraph has no such convolution (more than three
/// spatial dimensions, pads that depend on the image's extents).
std::optional<ConvGeometry> geometryOf(Node &node, unsigned weight);

/// The index operands that say the dynamic ones of the spatial dimensions of a
/// convolution's result.
llvm::SmallVector<mlir::Value> spatialSizes(llvm::ArrayRef<Dim> dims);

/// `qgraph.conv`, everything channels last.
TensorInfo buildConv(Walk &walk, TensorInfo &input, mlir::Value weight,
                     mlir::Value bias, const ConvShape &shape,
                     llvm::ArrayRef<Dim> dims, mlir::StringAttr name);

mlir::LogicalResult handleConvTranspose(Node &node);
mlir::LogicalResult handleQLinearConv(Node &node);
mlir::LogicalResult handleConvInteger(Node &node);

} // namespace quantc::onnx_to_qgraph

#endif // QUANTC_LIB_CONVERSION_ONNXTOQGRAPH_CONVOLUTION_H
