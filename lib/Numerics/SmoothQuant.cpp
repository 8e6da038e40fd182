//===- SmoothQuant.cpp - How much of activations weights take ---*- C++ -*-===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "quantc/Numerics/SmoothQuant.h"

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

} // namespace quantc::numerics
