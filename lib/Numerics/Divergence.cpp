//===- Divergence.cpp - How far a result is from another ------------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "quantc/Numerics/Divergence.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace quantc::numerics {

void SignalSums::add(int64_t count, const float *reference,
                     const float *other) {
  for (int64_t i = 0; i < count; ++i) {
    double r = reference[i], f = other[i];
    // Infinities that are equal differ by nothing.
    double difference = r == f ? 0 : f - r;
    signal += r * r;
    noise += difference * difference;
    found += f * f;
    product += r * f;
  }
}

double SignalSums::snr() const {
  if (noise == 0)
    return std::numeric_limits<double>::infinity();
  return 10 * std::log10(signal / noise);
}

double SignalSums::cosine() const {
  if (signal == 0 && found == 0)
    return 1;
  return product / std::sqrt(signal * found);
}

/// The log of the sum of exp over a row of logits.
static double logSum(int64_t classes, const float *logits) {
  double greatest = *std::max_element(logits, logits + classes);
  double sum = 0;
  for (int64_t i = 0; i < classes; ++i)
    sum += std::exp(logits[i] - greatest);
  return greatest + std::log(sum);
}

void LogitSums::add(int64_t count, int64_t classes, const float *reference,
                    const float *found, const int64_t *next) {
  for (int64_t row = 0; row < count; ++row) {
    const float *p = reference + row * classes, *q = found + row * classes;
    double pSum = logSum(classes, p), qSum = logSum(classes, q), sum = 0;
    for (int64_t i = 0; i < classes; ++i) {
      double logP = p[i] - pSum;
      // A class that cannot be has no part in the mean.
      if (double weight = std::exp(logP); weight > 0)
        sum += weight * (logP - (q[i] - qSum));
    }
    kl += sum;
    agreed += std::max_element(p, p + classes) - p ==
              std::max_element(q, q + classes) - q;
    if (next && next[row] >= 0 && next[row] < classes) {
      referenceNLL += pSum - p[next[row]];
      foundNLL += qSum - q[next[row]];
      ++predictions;
    }
  }
  rows += count;
}

double LogitSums::referencePerplexity() const {
  return std::exp(referenceNLL / static_cast<double>(predictions));
}

double LogitSums::foundPerplexity() const {
  return std::exp(foundNLL / static_cast<double>(predictions));
}

} // namespace quantc::numerics
