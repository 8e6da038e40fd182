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

} // namespace quantc::numerics

#endif // QUANTC_NUMERICS_SMOOTHQUANT_H
