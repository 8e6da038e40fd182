//===- ConvShape.h - The extents of a convolution ---------------*- C++ -*-===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef QUANTC_CONVERSION_QGRAPHTOQKERNEL_CONVSHAPE_H
#define QUANTC_CONVERSION_QGRAPHTOQKERNEL_CONVSHAPE_H

#include "quantc/Dialect/QKernel/QKernelDialect.h"
#include <array>

namespace quantc::qkernel {

/// What is static of a convolution, with three spatial dimensions: those it
/// does not have come first, with an extent and a tap of 1. If pixels go to
/// pixels one by one, a static image is one row of them.
struct ConvShape {
  enum Dim { kDepth, kHeight, kWidth };
  std::array<int64_t, 3> taps{1, 1, 1}, strides{1, 1, 1}, dilations{1, 1, 1};
  std::array<int64_t, 3> padsBefore{0, 0, 0}, padsAfter{0, 0, 0};
  /// Of the image and of the result; may be dynamic.
  std::array<int64_t, 3> in{1, 1, 1}, out{1, 1, 1};
  int64_t channels, columns, groups;
  bool isOneRow = false; // made one

  explicit ConvShape(ConvOp op);
  /// True if no position outside the image is read.
  bool isInside() const;
  int64_t tapCount() const { return taps[0] * taps[1] * taps[2]; }
};

/// The extents as values, in the same order.
struct ConvExtents {
  mlir::Value batch;
  std::array<mlir::Value, 3> in, out;

  ConvExtents(const ConvShape &shape, KernelBody &body, mlir::Value input,
              mlir::Value output);
};

} // namespace quantc::qkernel

#endif // QUANTC_CONVERSION_QGRAPHTOQKERNEL_CONVSHAPE_H
