//===- SmoothQuant.h - How much of activations weights take -----*- C++ -*-===//
//
// G. Xiao et al., "SmoothQuant: accurate and efficient post-training
// quantization for large language models", arXiv:2211.10438.
//
//===----------------------------------------------------------------------===//
#ifndef QUANTC_NUMERICS_SMOOTHQUANT_H
#define QUANTC_NUMERICS_SMOOTHQUANT_H

#include <vector>

namespace quantc::numerics {

/// The paper's equation 4, for each channel (or group of channels with one
/// factor):
///
///     s = max|x|^alpha / max|w|^(1 - alpha)
///
/// x is divided by it and w multiplied. Computed in double and rounded once; 1
/// where a maximum is 0 or not finite. Both lists have one entry a channel;
/// 0 <= alpha <= 1.
std::vector<float> smoothingScales(const std::vector<float> &inputAbsMax,
                                   const std::vector<float> &weightAbsMax,
                                   double alpha);

/// How large the values of a channel get, from two of its means: |x| as a
/// Weibull distribution, P(|x| > t) = exp(-(t / scale)^shape). A shape of 1 is
/// an exponential tail; activations behind a gate have shapes below.
struct Tail {
  double scale = 0, shape = 1;
};

/// The distribution with this mean of |x| and of x^2 (a shape from 0.1 to 20).
Tail fitTail(double absMean, double meanSquare);

/// E[max_j (x_j / s_j)^2] over the channels of a token, taken as independent:
/// what decides the step of a scale for each token. `absMax` is the largest |x|
/// that was seen of each channel, beyond which nothing is.
double expectedMaxSquare(const std::vector<Tail> &tails,
                         const std::vector<float> &absMax,
                         const std::vector<float> &s);

} // namespace quantc::numerics

#endif // QUANTC_NUMERICS_SMOOTHQUANT_H
