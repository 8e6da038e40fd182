//===- Equalize.h - Cross-layer equalization, bias correction ---*- C++ -*-===//
//
// M. Nagel et al., "Data-free quantization through weight equalization and bias
// correction", arXiv:1906.04721.
//
//===----------------------------------------------------------------------===//
#ifndef QUANTC_NUMERICS_EQUALIZE_H
#define QUANTC_NUMERICS_EQUALIZE_H

#include <cstddef>
#include <cstdint>
#include <vector>

namespace quantc::numerics {

/// The paper's equation 11: with r1 the greatest magnitudes of what makes each
/// channel (rows of W1) and r2 of what reads it (columns of W2),
///
///     s = sqrt(r1 / r2)
///
/// divides the first and multiplies the second, and both become sqrt(r1 r2). 1
/// where one of them is 0 or not finite.
std::vector<float> equalizationScales(const std::vector<float> &r1,
                                      const std::vector<float> &r2);

/// A layer's weights [outputs, positions, inputs / groups], row-major: linear
/// layers have one position, convolutions as many as their kernel.
struct EqualizedLayer {
  const float *W;
  int64_t outputs;
  int64_t positions;
  int64_t inputs;
  int64_t groups = 1;
};

/// The outputs of `layers[first]` are, through what a positive factor passes,
/// the inputs of `layers[second]`.
struct EqualizedPair {
  std::size_t first, second;
};

/// Equalizes all pairs in turn, until no factor changes by more than
/// `tolerance` (relatively) or `maxRounds` are over. Returns for each pair s
/// [channels]: the first's rows, and its bias, are to be divided by it, the
/// second's columns multiplied. An output with several readers is one pair with
/// each, which must have one factor: name such pairs in `shared`, lists of
/// indices of pairs.
std::vector<std::vector<float>>
equalize(const std::vector<EqualizedLayer> &layers,
         const std::vector<EqualizedPair> &pairs,
         const std::vector<std::vector<std::size_t>> &shared = {},
         int maxRounds = 20, double tolerance = 1e-3);

/// What rounding W [N, K] to V has taken from the mean output, to be added to
/// the bias: (W - V) E[x] [N], `mean` = E[x] [K]. For a convolution the mean of
/// a channel stands at each of its positions.
std::vector<float> biasCorrection(int64_t N, int64_t K, const float *W,
                                  const float *V, const float *mean);

} // namespace quantc::numerics

#endif // QUANTC_NUMERICS_EQUALIZE_H
