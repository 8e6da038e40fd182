//===- Gram.cpp - XᵀX and what is like it ---------------------------------===//

#include "quantc/Numerics/Gram.h"

#include "LinearAlgebra.h"

#include <algorithm>
#include <cmath>

namespace quantc::numerics {
namespace {

/// Columns of X of one part of the work, and rows that are weighted at once.
constexpr int64_t kColumns = 128, kRows = 512;

/// The columns [begin, begin + width) of Xᵀ diag(weights) Y; of Y those from
/// `first` on.
void addPanel(int64_t count, int64_t K, const float *X, int64_t begin,
              int64_t width, int64_t M, const float *Y, int64_t first,
              const float *weights, float *G) {
  std::vector<float> weighted;
  for (int64_t r = 0; r < count; r += kRows) {
    int64_t rows = std::min(kRows, count - r);
    const float *panel = X + r * K + begin;
    int64_t ld = K;
    if (weights) {
      weighted.resize(rows * width);
      for (int64_t i = 0; i < rows; ++i)
        for (int64_t j = 0; j < width; ++j)
          weighted[i * width + j] = panel[i * K + j] * weights[r + i];
      panel = weighted.data();
      ld = width;
    }
    gemm(true, false, width, M - first, rows, 1.0f, panel, ld,
         Y + r * M + first, M, 1.0f, G + begin * M + first, M);
  }
}

} // namespace

void addGram(int64_t count, int64_t K, const float *X, const float *weights,
             float *G, const ParallelFor &parallel) {
  parallel((K + kColumns - 1) / kColumns, [&](int64_t part) {
    int64_t begin = part * kColumns;
    addPanel(count, K, X, begin, std::min(kColumns, K - begin), K, X, begin,
             weights, G);
  });
}

void mirrorUpper(int64_t K, float *G) {
  for (int64_t i = 0; i < K; ++i)
    for (int64_t j = 0; j < i; ++j)
      G[i * K + j] = G[j * K + i];
}

void addProduct(int64_t count, int64_t K, const float *X, int64_t M,
                const float *Y, const float *weights, float *G,
                const ParallelFor &parallel) {
  parallel((K + kColumns - 1) / kColumns, [&](int64_t part) {
    int64_t begin = part * kColumns;
    addPanel(count, K, X, begin, std::min(kColumns, K - begin), M, Y, 0,
             weights, G);
  });
}

void addOutputs(int64_t count, int64_t K, const float *X, int64_t N,
                const float *W, float *Y, const ParallelFor &parallel) {
  parallel((N + kColumns - 1) / kColumns, [&](int64_t part) {
    int64_t begin = part * kColumns;
    gemm(false, true, count, std::min(kColumns, N - begin), K, 1.0f, X, K,
         W + begin * K, K, 1.0f, Y + begin, N);
  });
}

std::vector<float> rowWeights(int64_t count, int64_t width, const float *R) {
  std::vector<float> result(count);
  for (int64_t r = 0; r < count; ++r) {
    double sum = 0;
    for (int64_t j = 0; j < width; ++j)
      sum += static_cast<double>(R[r * width + j]) * R[r * width + j];
    auto weight = static_cast<float>(static_cast<double>(width) / sum);
    result[r] =
        sum > 0 && std::isfinite(sum) && std::isfinite(weight) ? weight : 0;
  }
  return result;
}

} // namespace quantc::numerics
