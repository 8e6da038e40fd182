//===- RoundWeights.h - One weight, rounded to nearest ----------*- C++ -*-===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef QUANTC_LIB_QUANTIZE_ROUNDWEIGHTS_H
#define QUANTC_LIB_QUANTIZE_ROUNDWEIGHTS_H

#include "quantc/Analysis/ConstantTensor.h"
#include "quantc/Numerics/AWQ.h"
#include "quantc/Numerics/GPTQ.h"
#include "quantc/Numerics/WeightFormats.h"

namespace quantc::qgraph {

/// How a weight [N, K], or [N, ..] with K all other dimensions, is to be
/// stored.
struct RoundingFormat {
  numerics::Format stored = numerics::Format::SI8;
  numerics::Scheme scheme = numerics::Scheme::Symmetric;
  /// [0, 0] one scale, [1, 0] one a row, [1, g] one for g values of a row,
  /// [r, g] one for g values of each of r rows.
  std::array<int64_t, 2> block = {1, 0};
  numerics::Format scaleType = numerics::Format::F32;
  /// Scales of least squared error instead of those from the extrema.
  bool searchScales = false;
  // As in numerics::WeightFormat. GGML's ways, super-blocks among them, need a
  // block of [1, g].
  const numerics::Codebook *codebook = nullptr;
  numerics::GGMLKind ggml = numerics::GGMLKind::None;
  numerics::ScaleCoding scales = numerics::ScaleCoding::Plain;
  bool hasScale = true;
  /// True if the scales of a row are its own.
  bool isRowwise() const { return block[0] == 1; }
  /// The format's name where what is stored does not tell it (GGML's); lives as
  /// long as the program.
  llvm::StringRef name = {};

  /// Two weights of one key and one entry have the same result.
  std::string key() const;
};

/// The format of a layer's weight that has been rounded already, so that other
/// codes of it can be sought. A weight without zero points does not tell its
/// scheme: it is `scheme`. An error says why there is none (no integers, a
/// codebook, an offset).
llvm::Expected<RoundingFormat> getRoundingFormat(DequantizeOp weight,
                                                 numerics::Scheme scheme);

/// The same, for rounding with scales by this choice.
numerics::GroupFormat groupFormat(const RoundingFormat &format,
                                  numerics::ScaleChoice choice);

/// The scheme of weights without zero points, as passes that seek codes have it
/// as an option: `symmetric` or `signed_scale`.
std::optional<numerics::Scheme> parseSymmetricScheme(llvm::StringRef name);

/// `formula`, `plain`, `diagonal`, `block` or `sequential`.
std::optional<numerics::ScaleChoice> parseScaleChoice(llvm::StringRef name);

/// Work in parts, on the threads of a context.
numerics::ParallelFor parallelIn(mlir::MLIRContext *context);

/// A rounded weight: what the operands of its `dequantize` are constants of.
struct RoundedWeight {
  mlir::TypedAttr stored, scale;
  mlir::TypedAttr zeroPoint, offset, codebook; ///< null where there is none
  /// With double quantization `scale` is itself stored, and is to be
  /// dequantized by these in blocks of `scaleBlock`.
  mlir::TypedAttr scaleScale, scaleOffset;
  /// With super-blocks `offset` is too, by this.
  mlir::TypedAttr offsetScale;
  llvm::SmallVector<int64_t> scaleBlock;
  /// Frobenius norm of what rounding changed, relative to the weight's;
  /// infinite if the format cannot hold a value.
  double error = 0;
};

/// True if no value is infinite or NaN. Works in parallel.
bool isFinite(const ConstantTensor &weight);

/// Rounds a weight of rank 2, or of a higher rank with one group, in parallel
/// over rows, into new constants `<name>`, `<name>.scale` and so on. The values
/// do not depend on the number of threads.
llvm::Expected<RoundedWeight> roundWeight(const ConstantTensor &weight,
                                          const RoundingFormat &format,
                                          llvm::StringRef name);

/// The scales of integers [N, K] in the blocks of the format, of least squared
/// error. The result has no codes.
numerics::QuantizedWeights searchBlockScales(const RoundingFormat &format,
                                             int64_t n, int64_t k,
                                             const float *values);

/// Makes constants of codes that are known already, [N, K] of `type`.
llvm::Expected<RoundedWeight>
keepWeight(mlir::RankedTensorType type, const RoundingFormat &format,
           const numerics::QuantizedWeights &codes, llvm::StringRef name);

/// Has a `dequantize` read these constants; drops those it read if nothing else
/// does.
void replaceOperands(DequantizeOp op, const RoundedWeight &weight);

} // namespace quantc::qgraph

#endif // QUANTC_LIB_QUANTIZE_ROUNDWEIGHTS_H
