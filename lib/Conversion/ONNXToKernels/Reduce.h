//===- Reduce.h - Reductions in the one order of sums -----------*- C++ -*-===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef QUANTC_LIB_CONVERSION_ONNXTOKERNELS_REDUCE_H
#define QUANTC_LIB_CONVERSION_ONNXTOKERNELS_REDUCE_H

#include "Loops.h"
#include "quantc/Dialect/ONNX/MathEmitter.h"

#include "llvm/ADT/SmallBitVector.h"

namespace quantc::onnx_kernels {

using onnx_ir::MathEmitter;

/// Three ways to walk over the elements that make one result. All give the same
/// bits: element i (row-major over the reduced dimensions) goes to lane i % 16,
/// and the lanes are combined by the tree of Numerics/Order.h.
enum class Walk {
  Scalar,     ///< one result, one element at a time
  Contiguous, ///< one result; the elements lie one after the other: a vector of
              ///< lanes
  Columns,    ///< 16 neighbouring results, whose elements are neighbours too
};

/// Where the elements lie: the kept dimensions, and the reduced ones.
/// Dimensions of 1 are left out, and neighbours are joined.
struct ReduceLayout {
  ReduceLayout(KernelBody &body, mlir::Value input,
               const llvm::SmallBitVector &reduced);
  /// The same where only the run knows: `reduced` has an i1 for each dimension.
  ReduceLayout(KernelBody &body, mlir::Value input,
               llvm::ArrayRef<mlir::Value> reduced);

  llvm::SmallVector<mlir::Value> keptSizes, keptStrides, sizes, strides;
  /// The number of elements of one result.
  mlir::Value count;
  /// The best way for the full groups of results, and the way for the rest.
  Walk best = Walk::Scalar, rest = Walk::Scalar;
};

/// A reduction. Values are scalars or vectors of 16 of `type`, the type of the
/// accumulator.
struct Reducer {
  mlir::Type type;
  std::function<mlir::Value(MathEmitter &)> initial;
  /// acc with the element(s) x at `offset` in memory (in the walk Contiguous,
  /// under `mask` at the end of a row; otherwise that is null).
  std::function<mlir::Value(MathEmitter &, mlir::Value acc, mlir::Value x,
                            mlir::Value offset, mlir::Value mask)>
      step;
  std::function<mlir::Value(MathEmitter &, mlir::Value, mlir::Value)> combine;
};

/// Reduces the elements at `base` of `memory`; floats are loaded as f32 or f64.
mlir::Value reduceElements(KernelBody &body, const ReduceLayout &layout,
                           Walk walk, mlir::Value memory, mlir::Type element,
                           mlir::Value base, const Reducer &reducer);

/// For each result (or 16 of them: Columns): `result(walk, base of its
/// elements, its index)`, shared among the threads.
void forEachResult(
    KernelBody &body, const ReduceLayout &layout,
    llvm::function_ref<void(Walk, mlir::Value base, mlir::Value index)> result);

/// Calls `element(offset, vector)` for every element of a result: in the walk
/// Contiguous first with vectors of 16, then with scalars; in Columns with
/// vectors.
void forEachElement(
    KernelBody &body, const ReduceLayout &layout, Walk walk, mlir::Value base,
    llvm::function_ref<void(mlir::Value offset, bool vector)> element);

/// The accumulator type for elements of this type: f16 and bf16 are summed in
/// f32.
mlir::Type accumulatorType(mlir::Type element);
/// Lane-wise maximum or minimum, for all walks; NaN wins.
Reducer maximumReducer(mlir::Type element);
Reducer minimumReducer(mlir::Type element);

} // namespace quantc::onnx_kernels

#endif // QUANTC_LIB_CONVERSION_ONNXTOKERNELS_REDUCE_H
