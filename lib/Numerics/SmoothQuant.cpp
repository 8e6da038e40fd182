//===- SmoothQuant.cpp - How much of activations weights take ---*- C++ -*-===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "quantc/Numerics/SmoothQuant.h"

#include <algorithm>
#include <cmath>

namespace quantc::numerics {

std::vector<float> smoothingScales(const std::vector<float> &inputAbsMax,
                                   const std::vector<float> &weightAbsMax,
                                   double alpha) {
  std::vector<float> scales(inputAbsMax.size(), 1.0f);
  for (std::size_t j = 0; j < scales.size(); ++j) {
    double x = inputAbsMax[j], w = weightAbsMax[j];
    if (!(x > 0 && w > 0 && std::isfinite(x) && std::isfinite(w)))
      continue;
    // As logarithms, which do not overflow where the quotient would not.
    float scale = static_cast<float>(
        std::exp(alpha * std::log(x) - (1 - alpha) * std::log(w)));
    if (scale > 0 && std::isfinite(scale))
      scales[j] = scale;
  }
  return scales;
}

Tail fitTail(double absMean, double meanSquare) {
  if (!(meanSquare > 0) || !(absMean > 0))
    return {};
  // mean / root mean square rises with the shape.
  double wanted = absMean / std::sqrt(meanSquare), low = 0.1, high = 20;
  auto ratio = [](double shape) {
    return std::tgamma(1 + 1 / shape) / std::sqrt(std::tgamma(1 + 2 / shape));
  };
  for (int i = 0; i < 50; ++i) {
    double middle = std::sqrt(low * high);
    (ratio(middle) < wanted ? low : high) = middle;
  }
  return {std::sqrt(meanSquare / std::tgamma(1 + 2 / low)), low};
}

/// Steps an octave, and octaves, of the integral over t.
static constexpr int kSteps = 8, kOctaves = 12;

double expectedMaxSquare(const std::vector<Tail> &tails,
                         const std::vector<float> &absMax,
                         const std::vector<float> &s) {
  double top = 0;
  for (std::size_t j = 0; j < tails.size(); ++j)
    top = std::max(top, double(absMax[j]) / s[j]);
  if (!(top > 0) || !std::isfinite(top))
    return 0;
  // E[max^2] = the integral of P(max > t) over t^2, from the top down; where
  // some channel is sure to be larger, all that is left counts.
  std::vector<double> logs(tails.size());
  for (std::size_t j = 0; j < tails.size(); ++j)
    logs[j] = tails[j].scale > 0 ? std::log(tails[j].scale / s[j]) : -1e300;
  double sum = 0, above = 0, last = top * top;
  for (int i = 1; i <= kSteps * kOctaves; ++i) {
    double t = top * std::exp2(-double(i) / kSteps), log = std::log(t);
    double none = 0; // log P(all are at most t)
    for (std::size_t j = 0; j < tails.size() && none > -40; ++j) {
      double power = tails[j].shape * (log - logs[j]);
      if (power > 4)
        continue; // exp(-exp(4)) is nothing
      double larger = std::exp(-std::exp(power));
      none += larger < 1 ? std::log1p(-larger) : -40;
    }
    double larger = -std::expm1(none);
    sum += (above + larger) / 2 * (last - t * t);
    above = larger;
    last = t * t;
    if (none <= -40)
      break;
  }
  return sum + above * last;
}

} // namespace quantc::numerics
