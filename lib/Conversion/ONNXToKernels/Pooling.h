//===- Pooling.h - What the kernels of pools share --------------*- C++ -*-===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef QUANTC_LIB_CONVERSION_ONNXTOKERNELS_POOLING_H
#define QUANTC_LIB_CONVERSION_ONNXTOKERNELS_POOLING_H

#include "Reduce.h"
#include "Window.h"

namespace quantc::onnx_kernels {

/// The window's extents.
llvm::SmallVector<mlir::Value> kernelOf(NodeOp op, KernelBody &body);

/// The number of positions that count for the window at `at` (spatial indices
/// of the result): those in the padded image.
mlir::Value paddedCount(NodeOp op, KernelBody &body, const Window &window,
                        llvm::ArrayRef<mlir::Value> image,
                        llvm::ArrayRef<mlir::Value> at);

/// LpPool: |x|^p, and the p-th root of the sum. `type` is the scalar type.
mlir::Value lpTerm(MathEmitter &m, mlir::Value x, int64_t p, mlir::Type type);
mlir::Value lpRoot(MathEmitter &m, mlir::Value sum, int64_t p, mlir::Type type);

/// MaxPool (without indices), AveragePool and LpPool of [N, spatial.., C].
void emitChannelsLastPool(NodeOp op, KernelBody &body);

} // namespace quantc::onnx_kernels

#endif // QUANTC_LIB_CONVERSION_ONNXTOKERNELS_POOLING_H
