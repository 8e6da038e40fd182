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

/// How a weight will be stored.
struct GroupFormat {
  Encoding encoding;
  int64_t groupSize = 0; ///< columns; 0 = the row; the last may be short
  Scheme scheme = Scheme::Symmetric; ///< any but MeanAbs
  Format scaleFormat = Format::F32;
  /// How scales are chosen: Formula, or by the least error, Plain, Diagonal or
  /// Block. Scheme AsymmetricOffset knows Formula only.
  ScaleChoice choice = ScaleChoice::Formula;
};

/// A layer that reads the tensor: W [N, K].
struct Consumer {
  int64_t N;
  const float *W;
  GroupFormat format = {};
};

/// What is known of the tensor.
struct InputStatistics {
  int64_t K = 0;
  const float *absMean = nullptr;    ///< mean|x| [K]
  const float *H = nullptr;          ///< XᵀX [K, K], or null:
  const float *X = nullptr;          ///< X itself [tokens, K], or null:
  const float *meanSquare = nullptr; ///< mean x² [K], H's diagonal alone
  /// Of X: an error E costs |X Eᵀ|², which with less tokens than channels is
  /// less work than tr(E H Eᵀ).
  int64_t tokens = 0;
  /// Which factor each channel has [K], from 0 on without gaps, where channels
  /// must share one (heads of a group, the pairs of a rotary embedding), or -1
  /// where it must be 1; empty: its own.
  std::vector<int32_t> factorOf;
};

struct AWQOptions {
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
  /// [K], positive; with geometric mean of the least and greatest 1, but for
  /// those that must be 1. All 1 if nothing is better.
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

/// What the choice of a group's scale asks of H; far smaller than all of it.
struct GroupStatistics {
  std::vector<float> diagonal; ///< of H [K]
  /// Of H [K, groupSize]: row j has the columns of j's group. Empty without H
  /// and X, and for groups of more than 256, for which Block is Diagonal.
  std::vector<float> blocks;
};

/// With `s` [K], those of x / s.
GroupStatistics groupStatistics(const InputStatistics &input, int64_t groupSize,
                                const float *s = nullptr);

/// AWQ's clipping: rounds W [N, K] to nearest with scales of the format's
/// choice; with `input` null, Plain instead of those that need it.
QuantizedWeights clipWeights(const GroupFormat &format, int64_t N, int64_t K,
                             const float *W, const GroupStatistics *input,
                             const ParallelFor &parallel = runInOrder);

/// tr((W - V) H (W - V)ᵀ) for V = quantize(W s) / s, of all consumers' rows or
/// a sample, as in AWQOptions. With H and X null, the sum of
/// meanSquare_j |w_j - v_j|². `s` [K].
double scaledWeightError(const InputStatistics &input,
                         const std::vector<Consumer> &consumers,
                         const std::vector<float> &s, int64_t sampleRows = 0,
                         const ParallelFor &parallel = runInOrder);

} // namespace quantc::numerics

#endif // QUANTC_NUMERICS_AWQ_H
