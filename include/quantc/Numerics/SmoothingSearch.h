//===- SmoothingSearch.h - The best migration strength ----------*- C++ -*-===//
//
// SmoothQuant (arXiv:2211.10438; SmoothQuant.h) divides the channels of a
// tensor x by s and multiplies the weights of all that read it: how much is
// moved is said by alpha. Here alpha is the one with which the layers' outputs,
// both sides quantized, have the least squared error.
//
//===----------------------------------------------------------------------===//
#ifndef QUANTC_NUMERICS_SMOOTHINGSEARCH_H
#define QUANTC_NUMERICS_SMOOTHINGSEARCH_H

#include "quantc/Numerics/AWQ.h"

#include <functional>
#include <optional>
#include <vector>

namespace quantc::numerics {

struct SmoothingOptions {
  WeightFormat weight;
  Encoding input;                         ///< of x
  Scheme inputScheme = Scheme::Symmetric; ///< any but MeanAbs
  bool perToken = true; ///< a scale for each row of x, else one for all
  int steps = 20;       ///< alphas tried: 0, 1/steps, ... 1
};

/// What is known of x.
struct SmoothingInput {
  int64_t K = 0;
  const float *absMax = nullptr; ///< [K]
  /// As InputStatistics::factorOf.
  std::vector<int32_t> factorOf;
  /// A sample of x [count, K]: the error is that of its outputs. If null:
  const float *rows = nullptr;
  int64_t count = 0;
  /// H = XᵀX [K, K] over `tokens` rows. The error is then the weights' plus
  /// that of evenly distributed rounding errors of x, with one scale for all
  /// rows, which is more than with one a token.
  const float *H = nullptr;
  int64_t tokens = 0;
};

struct SmoothingResult {
  /// None if no alpha is better than leaving x alone; `factor` is 1 then.
  std::optional<double> alpha;
  std::vector<float> factor; ///< x is divided by it, W multiplied [K]
  double error = 0;
  double plainError = 0; ///< without smoothing; never less
};

/// smoothingScales for all consumers of one tensor: max|w| is over all their
/// rows; channels that share a factor, and their maxima, count as one.
std::vector<float> jointSmoothingScales(const SmoothingInput &input,
                                        const std::vector<Consumer> &consumers,
                                        double alpha);

/// The error with x / s and W s quantized.
double smoothingError(const SmoothingOptions &options,
                      const SmoothingInput &input,
                      const std::vector<Consumer> &consumers,
                      const std::vector<float> &s,
                      const ParallelFor &parallel = runInOrder);

/// One alpha for all consumers. `error`, if given, replaces smoothingError.
SmoothingResult searchSmoothing(
    const SmoothingOptions &options, const SmoothingInput &input,
    const std::vector<Consumer> &consumers,
    const ParallelFor &parallel = runInOrder,
    const std::function<double(const std::vector<float> &s)> &error = nullptr);

} // namespace quantc::numerics

#endif // QUANTC_NUMERICS_SMOOTHINGSEARCH_H
