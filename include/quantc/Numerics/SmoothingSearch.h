//===- SmoothingSearch.h - The best migration strength ----------*- C++ -*-===//
//
// SmoothQuant (arXiv:2211.10438; SmoothQuant.h) divides the channels of a
// tensor x by s and multiplies the weights of all that read it: how much is
// moved is said by alpha. Here alpha is the one with which the layers' outputs,
// both sides quantized, have the least squared error. The extremes by which the
// paper measures channels may be replaced by root mean squares, which often do
// better.
//
//===----------------------------------------------------------------------===//
#ifndef QUANTC_NUMERICS_SMOOTHINGSEARCH_H
#define QUANTC_NUMERICS_SMOOTHINGSEARCH_H

#include "quantc/Numerics/AWQ.h"

#include <functional>
#include <optional>
#include <vector>

namespace quantc::numerics {

/// What s is made of; all are divided by their geometric mean.
enum class SmoothingFormula : uint8_t {
  Max,            ///< max|x|^alpha / max|w|^(1 - alpha), the paper's
  RootMeanSquare, ///< rms(x)^alpha / rms(w)^(1 - alpha)
  Mixed,          ///< (max|x| rms(x))^(alpha / 2)
};

struct SmoothingOptions {
  GroupFormat weight;
  Encoding input;                         ///< of x
  Scheme inputScheme = Scheme::Symmetric; ///< any but MeanAbs
  bool perToken = true; ///< a scale for each row of x, else one for all
  std::vector<SmoothingFormula> formulas = {SmoothingFormula::Max};
  int steps = 20; ///< alphas tried: 0, 1/steps, ... 1
};

/// What is known of x.
struct SmoothingInput {
  int64_t K = 0;
  const float *absMax = nullptr; ///< [K]
  /// Mean x² [K]; for the formulas with rms(x).
  const float *meanSquare = nullptr;
  /// As InputStatistics::factorOf.
  std::vector<int32_t> factorOf;
  /// A sample of x [count, K]: the error is that of its outputs. If null:
  const float *rows = nullptr;
  int64_t count = 0;
  /// What the squared error of each row counts [count] (Gram.h); null: 1.
  const float *weights = nullptr;
  /// H = XᵀX [K, K] over `tokens` rows. The error is then the weights' plus
  /// that of evenly distributed rounding errors of x, with one scale for all
  /// rows, which is more than with one a token.
  const float *H = nullptr;
  int64_t tokens = 0;
};

struct SmoothingResult {
  /// None if no alpha is better than leaving x alone; `factor` is 1 then.
  std::optional<double> alpha;
  SmoothingFormula formula = SmoothingFormula::Max;
  std::vector<float> factor; ///< x is divided by it, W multiplied [K]
  double error = 0;
  double plainError = 0; ///< without smoothing; never less
};

/// s for all consumers of one tensor: max|w| and rms(w) are over all their
/// rows; channels that share a factor have the greatest of what their members
/// have. 1 where a channel has only zeros.
std::vector<float> jointSmoothingScales(const SmoothingInput &input,
                                        const std::vector<Consumer> &consumers,
                                        SmoothingFormula formula, double alpha);

/// The error with x / s and W s quantized.
double smoothingError(const SmoothingOptions &options,
                      const SmoothingInput &input,
                      const std::vector<Consumer> &consumers,
                      const std::vector<float> &s,
                      const ParallelFor &parallel = runInOrder);

/// One formula and alpha for all consumers. `error`, if given, replaces
/// smoothingError.
SmoothingResult searchSmoothing(
    const SmoothingOptions &options, const SmoothingInput &input,
    const std::vector<Consumer> &consumers,
    const ParallelFor &parallel = runInOrder,
    const std::function<double(const std::vector<float> &s)> &error = nullptr);

} // namespace quantc::numerics

#endif // QUANTC_NUMERICS_SMOOTHINGSEARCH_H
