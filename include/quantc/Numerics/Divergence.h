//===- Divergence.h - How far a result is from another ----------*- C++ -*-===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Sums over many arrays, in double, and what is told from them.
//
//===----------------------------------------------------------------------===//

#ifndef QUANTC_NUMERICS_DIVERGENCE_H
#define QUANTC_NUMERICS_DIVERGENCE_H

#include <cstdint>

namespace quantc::numerics {

/// Of tensors and what is found in their place.
struct SignalSums {
  double signal = 0;  ///< of reference²
  double noise = 0;   ///< of (found - reference)²
  double found = 0;   ///< of found²
  double product = 0; ///< of found · reference

  /// Adds `count` elements of each.
  void add(int64_t count, const float *reference, const float *found);

  /// Signal-to-quantization-noise ratio, 10 log10(signal / noise), in dB:
  /// infinite without noise, minus infinite for noise without a signal; NaN
  /// where an element was.
  double snr() const;
  /// found · reference / (|found| |reference|); 1 if both are 0.
  double cosine() const;
};

/// Of logits: unnormalized log-probabilities over the last dimension.
struct LogitSums {
  double kl = 0; ///< of KL(reference || found), in nats
  /// Of -log p(next), over the rows whose next token is known.
  double referenceNLL = 0, foundNLL = 0;
  int64_t rows = 0, predictions = 0;
  int64_t agreed = 0; ///< rows of which both have the same greatest logit

  /// Adds [rows, classes] of both. `next` [rows] has the class that followed
  /// each row, negative for unknown or outside of the classes; null: none is
  /// known. Softmax is taken in double, less the row's greatest.
  void add(int64_t rows, int64_t classes, const float *reference,
           const float *found, const int64_t *next);

  double meanKL() const { return kl / static_cast<double>(rows); }
  double agreement() const {
    return static_cast<double>(agreed) / static_cast<double>(rows);
  }
  /// exp of the mean of -log p(next).
  double referencePerplexity() const;
  double foundPerplexity() const;
};

} // namespace quantc::numerics

#endif // QUANTC_NUMERICS_DIVERGENCE_H
