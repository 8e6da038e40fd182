//===- Window.h - Windows that slide over spatial dimensions ----*- C++ -*-===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef QUANTC_LIB_CONVERSION_ONNXTOKERNELS_WINDOW_H
#define QUANTC_LIB_CONVERSION_ONNXTOKERNELS_WINDOW_H

#include "NodeKernels.h"

namespace quantc::onnx_kernels {

/// The attributes of Conv and the pools, for tensors whose spatial dimensions
/// begin at `spatial`: [N, C, spatial...], or with 1 [N, spatial.., C].
/// Position k of the window at output o lies at input o * stride + k * dilation
/// - before.
struct Window {
  Window(NodeOp op, KernelBody &body, mlir::Value input, mlir::Value output,
         llvm::ArrayRef<mlir::Value> kernel, bool transposed = false,
         int64_t spatial = 2);

  llvm::SmallVector<mlir::Value> kernel, before;
  llvm::SmallVector<int64_t> strides, dilations;
  /// Positions of the window.
  mlir::Value count;

  /// The window's position number `k`, as an index for each spatial dimension.
  llvm::SmallVector<mlir::Value> position(KernelBody &body,
                                          mlir::Value k) const;
  /// Where position `at` of the window at output `o` lies in the input; may be
  /// outside.
  llvm::SmallVector<mlir::Value> source(KernelBody &body,
                                        llvm::ArrayRef<mlir::Value> o,
                                        llvm::ArrayRef<mlir::Value> at) const;
};

/// True if every index is in [0, size).
mlir::Value inside(KernelBody &body, llvm::ArrayRef<mlir::Value> at,
                   llvm::ArrayRef<mlir::Value> sizes);
/// `condition ? then() : otherwise`, where `then` may read memory.
mlir::Value ifInside(KernelBody &body, mlir::Value condition,
                     mlir::Value otherwise,
                     llvm::function_ref<mlir::Value()> then);

/// A sum over `count` products: `step(k, acc)` adds one. Floats in the order of
/// numerics::dotOverK, integers as they come; both start from 0 of `type`.
mlir::Value
dotOverK(KernelBody &body, mlir::Value count, mlir::Type type,
         llvm::function_ref<mlir::Value(mlir::Value k, mlir::Value acc)> step);

} // namespace quantc::onnx_kernels

#endif // QUANTC_LIB_CONVERSION_ONNXTOKERNELS_WINDOW_H
