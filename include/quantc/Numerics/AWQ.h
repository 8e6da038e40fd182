//===- AWQ.h - Scales by which weights that matter round better -*- C++ -*-===//
//
// J. Lin et al., "AWQ: activation-aware weight quantization for LLM compression
// and acceleration", arXiv:2306.00978. The channels of a tensor x are divided
// by a factor s, and the weights W [N, K] of all that read x are multiplied by
// it:
//
//     x Wᵀ = (x / s) (W s)ᵀ
//
// What has large inputs is then rounded on a finer grid. s = mean|x|^ratio, and
// the ratio is the one with the least error of the layers' outputs, measured by
// H = XᵀX on the format that will be stored:
//
//     tr((W - V) H (W - V)ᵀ),  V = quantize(W s) / s
//
//===----------------------------------------------------------------------===//
#ifndef QUANTC_NUMERICS_AWQ_H
#define QUANTC_NUMERICS_AWQ_H

#include "quantc/Numerics/GPTQ.h"

#include <cstdint>
#include <vector>

namespace quantc::numerics {

/// A layer that reads the tensor: W [N, K].
struct Consumer {
  int64_t N;
  const float *W;
};

/// How the weights will be stored.
struct WeightFormat {
  Encoding encoding;
  int64_t groupSize = 0; ///< columns; 0 = the row; the last may be short
  Scheme scheme = Scheme::Symmetric; ///< any but MeanAbs
  Format scaleFormat = Format::F32;
};

/// What is known of the tensor.
struct InputStatistics {
  int64_t K = 0;
  const float *absMean = nullptr;    ///< mean|x| [K]
  const float *H = nullptr;          ///< XᵀX [K, K], or null:
  const float *meanSquare = nullptr; ///< mean x² [K], H's diagonal alone
  /// Which factor each channel has [K], from 0 on without gaps, where channels
  /// must share one (heads of a group, the pairs of a rotary embedding); empty:
  /// its own.
  std::vector<int32_t> factorOf;
};

struct AWQOptions {
  WeightFormat format;
  /// Ratios tried: 0, 1/steps, ... (steps - 1)/steps.
  int steps = 20;
  /// Also tries mean|x|^ratio / mean|w|^(1 - ratio), with w relative to its
  /// group's largest.
  bool useWeights = false;
  /// Of each consumer at most so many rows, evenly spaced, are measured; 0 =
  /// all.
  int64_t sampleRows = 0;
};

struct AWQResult {
  /// [K], positive; with geometric mean of the least and greatest 1. All 1 if
  /// nothing is better.
  std::vector<float> factor;
  double ratio = 0;
  bool usesWeights = false;
  double error = 0;      ///< of the rows measured, with the factor
  double plainError = 0; ///< without one; never less
};

/// One factor for all consumers.
AWQResult awqSearch(const AWQOptions &options, const InputStatistics &input,
                    const std::vector<Consumer> &consumers,
                    const ParallelFor &parallel = runInOrder);

/// AWQ's clipping: rounds W [N, K] to nearest with the scales that have the
/// least error by `choice` (Plain, Diagonal or Block; Formula searches
/// nothing). `H` as above, of the tensor as the layer reads it (after a factor:
/// H / s sᵀ). With H null, `meanSquare` is its diagonal and Block is Diagonal;
/// with both null, Plain. Scheme AsymmetricOffset searches nothing.
QuantizedWeights clipWeights(const WeightFormat &format, ScaleChoice choice,
                             int64_t N, int64_t K, const float *W,
                             const float *H, const float *meanSquare,
                             const ParallelFor &parallel = runInOrder);

/// tr((W - V) H (W - V)ᵀ) for V = quantize(W s) / s by the scheme's formula, of
/// all consumers' rows or a sample, as in AWQOptions. With H null, the sum of
/// meanSquare_j |w_j - v_j|². `s` [K].
double scaledWeightError(const WeightFormat &format,
                         const InputStatistics &input,
                         const std::vector<Consumer> &consumers,
                         const std::vector<float> &s, int64_t sampleRows = 0,
                         const ParallelFor &parallel = runInOrder);

} // namespace quantc::numerics

#endif // QUANTC_NUMERICS_AWQ_H
