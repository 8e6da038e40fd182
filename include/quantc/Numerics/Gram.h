//===- Gram.h - XᵀX and what is like it -------------------------*- C++ -*-===//
//
// Sums of products over the rows (tokens) of activations, as the solvers want
// them, in f32 by BLAS. The rows may have weights: a layer that writes to the
// residual stream is better rounded with 1 / mean(r²) of the stream that the
// next norm divides by, since a few tokens of huge activations would otherwise
// be all that counts.
//
// The sums depend on the order in which rows are added, not on `parallel`.
//
//===----------------------------------------------------------------------===//
#ifndef QUANTC_NUMERICS_GRAM_H
#define QUANTC_NUMERICS_GRAM_H

#include "quantc/Numerics/Parallel.h"

#include <cstdint>
#include <vector>

namespace quantc::numerics {

/// G [K, K] += Xᵀ diag(weights) X for X [count, K]; only the upper triangle
/// (and some of the lower one) is right until `mirrorUpper`. `weights` [count]
/// or null for ones.
void addGram(int64_t count, int64_t K, const float *X, const float *weights,
             float *G, const ParallelFor &parallel = runInOrder);

/// The lower triangle of G [K, K] becomes the upper one's mirror image.
void mirrorUpper(int64_t K, float *G);

/// G [K, M] += Xᵀ diag(weights) Y for X [count, K] and Y [count, M].
void addProduct(int64_t count, int64_t K, const float *X, int64_t M,
                const float *Y, const float *weights, float *G,
                const ParallelFor &parallel = runInOrder);

/// Y [count, N] += X Wᵀ for X [count, K] and W [N, K].
void addOutputs(int64_t count, int64_t K, const float *X, int64_t N,
                const float *W, float *Y,
                const ParallelFor &parallel = runInOrder);

/// 1 / mean(r²) of each row of R [count, width]; 0 for a row of zeros, and for
/// one that is not finite.
std::vector<float> rowWeights(int64_t count, int64_t width, const float *R);

} // namespace quantc::numerics

#endif // QUANTC_NUMERICS_GRAM_H
