//===- DimensionEquality.h - Which dimensions are the same number -*- C++
//-*-===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef QUANTC_ANALYSIS_DIMENSIONEQUALITY_H
#define QUANTC_ANALYSIS_DIMENSIONEQUALITY_H

#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Value.h"

namespace quantc {

/// What a dimension is traced back to: a number, a dimension of a tensor that
/// nothing more is known about, or an index value.
struct DimensionRoot {
  mlir::Value value; ///< null for a number
  int64_t number =
      -1; ///< the number, or the dimension of `value`; -1 for an index value

  bool operator==(const DimensionRoot &other) const {
    return value == other.value && number == other.number;
  }
};

/// Traces dimension `dim` of `tensor` through the ops that hand it on
/// (elementwise along that dimension, or an `onnx.node` whose `dims` say it)
/// and through `tensor.dim`.
DimensionRoot traceDimension(mlir::Value tensor, unsigned dim);
/// The same for an index value.
DimensionRoot traceIndex(mlir::Value index);

/// True if the two dimensions are known to be equal in every run. Differently
/// named dimensions of the model's inputs are never assumed equal.
bool sameDimension(mlir::Value a, unsigned dimA, mlir::Value b, unsigned dimB);

/// How `operand` is broadcast to `result` when both are aligned at their last
/// dimension.
enum class Broadcast {
  None,     ///< the same shape
  Trailing, ///< equal in its own dimensions; the result has more in front, or
            ///< the operand's leading dimensions are 1
  Other,    ///< a 1 is stretched behind a dimension that is not 1
  Unknown,  ///< a dynamic dimension may be 1 or may be equal
};
Broadcast classifyBroadcast(mlir::Value operand, mlir::Value result);

} // namespace quantc

#endif // QUANTC_ANALYSIS_DIMENSIONEQUALITY_H
