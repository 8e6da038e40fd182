//===- EqualizeTest.cpp - Cross-layer equalization, bias correction -------===//

#include "quantc/Numerics/Equalize.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

using namespace quantc::numerics;

namespace {

std::vector<float> weights(int64_t count, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> result(count);
  for (float &w : result)
    w = normal(random) * std::exp(normal(random));
  return result;
}

TEST(Equalize, BothSidesGetTheGeometricMean) {
  std::vector<float> s = equalizationScales({8, 1, 0, 3, INFINITY, 1e-30f},
                                            {2, 4, 5, 0, 1, 1e30f});
  EXPECT_EQ(s, (std::vector<float>{2, 0.5f, 1, 1, 1, 1e-30f}));
}

/// A chain of three layers, the second of two groups and four positions.
TEST(Equalize, ChainsEndWithEqualRanges) {
  std::vector<float> a = weights(6 * 5, 1), b = weights(4 * 4 * 3, 2),
                     c = weights(7 * 4, 3);
  std::vector<std::vector<float>> s = equalize(
      {{a.data(), 6, 1, 5}, {b.data(), 4, 4, 6, 2}, {c.data(), 7, 1, 4}},
      {{0, 1}, {1, 2}}, {}, 200, 1e-6);
  ASSERT_EQ(s[0].size(), 6u);
  ASSERT_EQ(s[1].size(), 4u);
  // Applied as the header says.
  for (int o = 0; o < 6; ++o)
    for (int i = 0; i < 5; ++i)
      a[o * 5 + i] /= s[0][o];
  for (int o = 0; o < 4; ++o)
    for (int p = 0; p < 4; ++p)
      for (int i = 0; i < 3; ++i)
        b[(o * 4 + p) * 3 + i] *= s[0][o / 2 * 3 + i] / s[1][o];
  for (int o = 0; o < 7; ++o)
    for (int i = 0; i < 4; ++i)
      c[o * 4 + i] *= s[1][i];
  for (int j = 0; j < 6; ++j) {
    float made = 0, read = 0;
    for (int i = 0; i < 5; ++i)
      made = std::max(made, std::fabs(a[j * 5 + i]));
    for (int o = j / 3 * 2; o < j / 3 * 2 + 2; ++o)
      for (int p = 0; p < 4; ++p)
        read = std::max(read, std::fabs(b[(o * 4 + p) * 3 + j % 3]));
    EXPECT_NEAR(made, read, 1e-3 * read) << j;
  }
  for (int j = 0; j < 4; ++j) {
    float made = 0, read = 0;
    for (int i = 0; i < 12; ++i)
      made = std::max(made, std::fabs(b[j * 12 + i]));
    for (int o = 0; o < 7; ++o)
      read = std::max(read, std::fabs(c[o * 4 + j]));
    EXPECT_NEAR(made, read, 1e-3 * read) << j;
  }
}

TEST(Equalize, ReadersOfOneTensorShareAFactor) {
  std::vector<float> a = weights(4 * 3, 4), b = weights(5 * 4, 5),
                     c = weights(2 * 4, 6);
  std::vector<std::vector<float>> s =
      equalize({{a.data(), 4, 1, 3}, {b.data(), 5, 1, 4}, {c.data(), 2, 1, 4}},
               {{0, 1}, {0, 2}}, {{0, 1}});
  EXPECT_EQ(s[0], s[1]);
  for (int j = 0; j < 4; ++j) {
    float made = 0, read = 0;
    for (int i = 0; i < 3; ++i)
      made = std::max(made, std::fabs(a[j * 3 + i]));
    for (int o = 0; o < 5; ++o)
      read = std::max(read, std::fabs(b[o * 4 + j]));
    for (int o = 0; o < 2; ++o)
      read = std::max(read, std::fabs(c[o * 4 + j]));
    EXPECT_NEAR(s[0][j], std::sqrt(made / read), 1e-5 * s[0][j]);
  }
}

TEST(BiasCorrection, TheMeanOutputIsWhatItWas) {
  std::vector<float> W = weights(3 * 8, 7), V = W;
  for (float &v : V)
    v = std::nearbyint(v * 4) / 4;
  std::vector<float> X = weights(50 * 8, 8), mean(8);
  for (size_t i = 0; i < X.size(); ++i) {
    X[i] += 1;
    mean[i % 8] += X[i] / 50;
  }
  std::vector<float> add =
      biasCorrection(3, 8, W.data(), V.data(), mean.data());
  for (int n = 0; n < 3; ++n) {
    double before = 0, after = 0;
    for (size_t i = 0; i < X.size(); ++i) {
      before += double(X[i]) * W[n * 8 + i % 8] / 50;
      after += double(X[i]) * V[n * 8 + i % 8] / 50;
    }
    EXPECT_NEAR(after + add[n], before, 1e-5);
    EXPECT_GT(std::fabs(after - before), 1e-3);
  }
}

} // namespace
