//===- GramTest.cpp - XᵀX and what is like it -----------------------------===//

#include "quantc/Numerics/Gram.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

using namespace quantc::numerics;

namespace {

std::vector<float> random(int64_t count, unsigned seed) {
  std::mt19937 generator(seed);
  std::normal_distribution<float> normal;
  std::vector<float> result(count);
  for (float &x : result)
    x = normal(generator);
  return result;
}

TEST(Gram, SumsOfProductsWithAndWithoutWeights) {
  constexpr int64_t kCount = 700, K = 300, M = 5;
  std::vector<float> X = random(kCount * K, 1), Y = random(kCount * M, 2);
  std::vector<float> w = random(kCount, 3);
  ParallelFor backwards = [](int64_t count,
                             const std::function<void(int64_t)> &part) {
    for (int64_t i = count; i-- > 0;)
      part(i);
  };
  for (const float *weights : {static_cast<float *>(nullptr), w.data()}) {
    std::vector<float> G(K * K), P(K * M, 1.0f), again(K * K);
    addGram(kCount, K, X.data(), weights, G.data());
    mirrorUpper(K, G.data());
    addGram(kCount, K, X.data(), weights, again.data(), backwards);
    mirrorUpper(K, again.data());
    EXPECT_EQ(G, again);
    addProduct(kCount, K, X.data(), M, Y.data(), weights, P.data());
    for (int64_t i : {0, 7, 255, 256, 299}) {
      for (int64_t j : {0, 3, 200, 256, 298}) {
        double sum = 0;
        for (int64_t t = 0; t < kCount; ++t)
          sum += double(X[t * K + i]) * X[t * K + j] * (weights ? w[t] : 1);
        EXPECT_NEAR(G[i * K + j], sum, 1e-3) << i << ' ' << j;
      }
      for (int64_t j = 0; j < M; ++j) {
        double sum = 1;
        for (int64_t t = 0; t < kCount; ++t)
          sum += double(X[t * K + i]) * Y[t * M + j] * (weights ? w[t] : 1);
        EXPECT_NEAR(P[i * M + j], sum, 1e-3);
      }
    }
  }
}

TEST(Gram, RowWeights) {
  EXPECT_EQ(
      rowWeights(4, 2, std::vector<float>{1, 1, 0, 0, 2, 0, NAN, 1}.data()),
      (std::vector<float>{1, 0, 0.5f, 0}));
}

} // namespace
