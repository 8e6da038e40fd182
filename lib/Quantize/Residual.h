//===- Residual.h - Where a layer's output is added -------------*- C++ -*-===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef QUANTC_LIB_QUANTIZE_RESIDUAL_H
#define QUANTC_LIB_QUANTIZE_RESIDUAL_H

#include "quantc/Dialect/QGraph/QGraphDialect.h"

namespace quantc {

/// The residual stream that a layer writes to, both [..., N]; null where there
/// is none.
struct Residual {
  /// What the layer's output is added to, if that alone.
  mlir::Value before;
  /// The sum, which a normalization reads: an error of the layer matters in
  /// relation to its rows.
  mlir::Value sum;

  bool operator==(const Residual &other) const {
    return before == other.before && sum == other.sum;
  }
};

/// Follows the output of a layer through additions, until a normalization reads
/// the sum.
Residual findResidual(qgraph::LinearOp layer);

} // namespace quantc

#endif // QUANTC_LIB_QUANTIZE_RESIDUAL_H
