//===- RoundWeights.h - One weight, rounded to nearest ----------*- C++ -*-===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef QUANTC_LIB_QUANTIZE_ROUNDWEIGHTS_H
#define QUANTC_LIB_QUANTIZE_ROUNDWEIGHTS_H

#include "quantc/Analysis/ConstantTensor.h"
#include "quantc/Numerics/Quantize.h"

namespace quantc::qgraph {

/// How a weight [N, K], or [N, ..] with K all other dimensions, is to be
/// stored.
struct RoundingFormat {
  numerics::Format stored = numerics::Format::SI8;
  numerics::Scheme scheme = numerics::Scheme::Symmetric;
  /// [0, 0] one scale, [1, 0] one a row, [1, g] one for g values of a row.
  std::array<int64_t, 2> block = {1, 0};
  numerics::Format scaleType = numerics::Format::F32;
  /// Scales of least squared error instead of those from the extrema.
  bool searchScales = false;

  /// Two weights of one key and one entry have the same result.
  std::string key() const;
};

/// A rounded weight: what the operands of its `dequantize` are constants of.
struct RoundedWeight {
  mlir::TypedAttr stored, scale,
      zeroPoint; ///< `zeroPoint` null unless asymmetric
  /// Frobenius norm of what rounding changed, relative to the weight's.
  double error = 0;
};

/// True if no value is infinite or NaN. Works in parallel.
bool isFinite(const ConstantTensor &weight);

/// Rounds a weight of rank 2, or of a higher rank with one group, in parallel
/// over rows, into new constants `<name>`, `<name>.scale` and
/// `<name>.zero_point`. The values do not depend on the number of threads.
llvm::Expected<RoundedWeight> roundWeight(const ConstantTensor &weight,
                                          const RoundingFormat &format,
                                          llvm::StringRef name);

/// Makes constants of codes that are known already, [N, K] of `type`.
llvm::Expected<RoundedWeight> keepWeight(mlir::RankedTensorType type,
                                         const RoundingFormat &format,
                                         const numerics::QuantizedWeights &codes,
                                         llvm::StringRef name);

/// Has a `dequantize` read these constants; drops those it read if nothing else
/// does.
void replaceOperands(DequantizeOp op, const RoundedWeight &weight);

} // namespace quantc::qgraph

#endif // QUANTC_LIB_QUANTIZE_ROUNDWEIGHTS_H
