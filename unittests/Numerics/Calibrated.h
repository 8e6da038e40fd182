//===- Calibrated.h - Layers with calibration data, for tests ---*- C++ -*-===//
#ifndef QUANTC_UNITTESTS_NUMERICS_CALIBRATED_H
#define QUANTC_UNITTESTS_NUMERICS_CALIBRATED_H

#include "quantc/Numerics/Quantize.h"

#include <cmath>
#include <cstdint>
#include <random>
#include <vector>

namespace quantc::numerics {

/// W [N, K] and H = XᵀX [K, K] of inputs that are correlated and differ in
/// size, as activations do.
struct Calibrated {
  int64_t N, K;
  std::vector<float> W, X, H;

  Calibrated(int64_t N, int64_t K, unsigned seed, int64_t tokens = 0)
      : N(N), K(K), W(N * K), H(K * K) {
    if (tokens == 0)
      tokens = 4 * K;
    std::mt19937 random(seed);
    std::normal_distribution<float> normal;
    X.resize(tokens * K);
    std::vector<float> size(K);
    for (float &s : size)
      s = std::exp(normal(random));
    for (int64_t t = 0; t < tokens; ++t) {
      float common = normal(random), last = 0;
      for (int64_t j = 0; j < K; ++j) {
        last = 0.7f * last + normal(random) + 0.3f * common;
        X[t * K + j] = last * size[j];
      }
    }
    for (float &w : W)
      w = 0.1f * normal(random);
    for (int64_t i = 0; i < K; ++i)
      for (int64_t j = 0; j < K; ++j) {
        double sum = 0;
        for (int64_t t = 0; t < tokens; ++t)
          sum += static_cast<double>(X[t * K + i]) * X[t * K + j];
        H[i * K + j] = static_cast<float>(sum);
      }
  }

  /// tr((W - V) H (W - V)ᵀ), directly.
  double error(const std::vector<float> &V) const {
    double total = 0;
    for (int64_t n = 0; n < N; ++n)
      for (int64_t i = 0; i < K; ++i)
        for (int64_t j = 0; j < K; ++j)
          total += (double(W[n * K + i]) - V[n * K + i]) * H[i * K + j] *
                   (double(W[n * K + j]) - V[n * K + j]);
    return total;
  }
};

/// The real values of `weights`, of `N` rows in groups of `groupSize` columns
/// (0 = all).
inline std::vector<float> dequantized(const Encoding &encoding, int64_t N,
                                      int64_t K, int64_t groupSize,
                                      const QuantizedWeights &weights) {
  std::vector<float> real(N * K);
  ScaleArrays scales{weights.scale.data(),
                     weights.zeroPoint.empty() ? nullptr
                                               : weights.zeroPoint.data(),
                     weights.offset.empty() ? nullptr : weights.offset.data()};
  dequantize(encoding, {N, K}, {1, groupSize}, scales, weights.stored.data(),
             real.data());
  return real;
}

} // namespace quantc::numerics

#endif // QUANTC_UNITTESTS_NUMERICS_CALIBRATED_H
