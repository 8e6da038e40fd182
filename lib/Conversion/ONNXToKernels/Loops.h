//===- Loops.h - Loops over strided memory ----------------------*- C++ -*-===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef QUANTC_LIB_CONVERSION_ONNXTOKERNELS_LOOPS_H
#define QUANTC_LIB_CONVERSION_ONNXTOKERNELS_LOOPS_H

#include "quantc/Dialect/QKernel/KernelBody.h"

namespace quantc::onnx_kernels {

using qkernel::KernelBody;

/// How loops of given sizes walk over one buffer: element [i, j, ...] of the
/// loops is at `offset + i * strides[0] + j * strides[1] + ...`.
struct Access {
  mlir::Value memory; // memref<?x...>, rank 1
  mlir::Value offset; // null: 0
  llvm::SmallVector<mlir::Value> strides;
  /// joined[d]: strides[d] is sizes[d + 1] * strides[d + 1], so the two loops
  /// can be one.
  llvm::SmallVector<bool> joined;
  /// The tensor's element type if elements are to be computed with (see
  /// onnx_ir::valueType); null to move them as they are stored.
  mlir::Type element;
};

/// The sizes of a buffer's dimensions, constants where static.
llvm::SmallVector<mlir::Value> sizesOf(KernelBody &body, mlir::Value memref);
/// Row-major strides of dimensions of these sizes.
llvm::SmallVector<mlir::Value> stridesOf(KernelBody &body,
                                         llvm::ArrayRef<mlir::Value> sizes);
/// The whole of a buffer, in order.
Access denseAccess(KernelBody &body, mlir::Value memref,
                   mlir::Type element = {});
/// True if `value` is the constant `number`.
bool isConstant(mlir::Value value, int64_t number);

/// One element, or 16 from there on; converts between storage and value.
mlir::Value loadElement(KernelBody &body, mlir::Value memory, mlir::Value index,
                        mlir::Type element, bool vector = false);
void storeElement(KernelBody &body, mlir::Value value, mlir::Value memory,
                  mlir::Value index, mlir::Type element);

/// write[...] = compute(read[...] of every access), over all of `sizes`. In a
/// fast body the elements are shared among the threads, and 16 at a time are
/// computed where the innermost strides allow it: `compute` is called once with
/// scalars and perhaps once with vectors.
void emitLoops(
    KernelBody &body, llvm::ArrayRef<mlir::Value> sizes,
    llvm::ArrayRef<Access> reads, Access write,
    llvm::function_ref<mlir::Value(llvm::ArrayRef<mlir::Value>)> compute);
/// The same for a copy of stored elements.
void emitCopy(KernelBody &body, llvm::ArrayRef<mlir::Value> sizes, Access read,
              Access write);

/// Elements of which a thread takes whole runs, so that two of them seldom
/// write to one cache line.
inline constexpr int64_t kGrain = 64;

/// For each row of the innermost dimension, or this thread's part of it:
/// `row(indices of the outer dimensions, begin, end)`. Threads share runs of
/// `grain` elements.
void forEachRow(KernelBody &body, llvm::ArrayRef<mlir::Value> sizes,
                llvm::function_ref<void(llvm::ArrayRef<mlir::Value>,
                                        mlir::Value begin, mlir::Value end)>
                    row,
                int64_t grain = kGrain);

/// output[indices] = value(indices), one element at a time, shared among the
/// threads. `element` as in Access.
void emitPointwise(
    KernelBody &body, mlir::Value output, mlir::Type element,
    llvm::function_ref<mlir::Value(llvm::ArrayRef<mlir::Value>)> value);

/// Index arithmetic the short way.
mlir::Value select(KernelBody &body, mlir::Value condition, mlir::Value a,
                   mlir::Value b);
mlir::Value equals(KernelBody &body, mlir::Value a, mlir::Value b);
mlir::Value lessThan(KernelBody &body, mlir::Value a, mlir::Value b); // signed
mlir::Value both(KernelBody &body, mlir::Value a, mlir::Value b);
mlir::Value quotient(KernelBody &body, mlir::Value a,
                     mlir::Value b); // not negative
mlir::Value remainder(KernelBody &body, mlir::Value a,
                      mlir::Value b); // not negative
/// min(max(value, low), high), signed.
mlir::Value clamp(KernelBody &body, mlir::Value value, mlir::Value low,
                  mlir::Value high);
/// sum of indices[d] * strides[d].
mlir::Value linearize(KernelBody &body, llvm::ArrayRef<mlir::Value> indices,
                      llvm::ArrayRef<mlir::Value> strides);

} // namespace quantc::onnx_kernels

#endif // QUANTC_LIB_CONVERSION_ONNXTOKERNELS_LOOPS_H
