//===- DivergenceTest.cpp - How far a result is from another --------------===//

#include "quantc/Numerics/Divergence.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

using namespace quantc::numerics;

namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

TEST(SignalSums, RatioOfSquares) {
  // |(3, 4)|² = 25, |(0.3, -0.4)|² = 0.25: 20 dB.
  std::vector<float> reference = {3, 4}, found = {3.25f, 4};
  SignalSums sums;
  sums.add(2, reference.data(), found.data());
  EXPECT_DOUBLE_EQ(sums.signal, 25);
  EXPECT_DOUBLE_EQ(sums.noise, 0.0625);
  EXPECT_NEAR(sums.snr(), 10 * std::log10(400.0), 1e-12);
  EXPECT_NEAR(sums.cosine(), (9.75 + 16) / (5 * std::sqrt(3.25 * 3.25 + 16)),
              1e-12);
}

TEST(SignalSums, AddsUp) {
  std::vector<float> reference = {1, -2, 3}, found = {1.5f, -2, 2};
  SignalSums whole, parts;
  whole.add(3, reference.data(), found.data());
  for (int i = 0; i < 3; ++i)
    parts.add(1, &reference[i], &found[i]);
  EXPECT_DOUBLE_EQ(whole.noise, 1.25);
  EXPECT_DOUBLE_EQ(whole.noise, parts.noise);
  EXPECT_DOUBLE_EQ(whole.product, parts.product);
}

TEST(SignalSums, Extremes) {
  std::vector<float> zeros = {0, 0}, ones = {1, 1};
  SignalSums none, equal, loud, broken;
  none.add(2, zeros.data(), zeros.data());
  EXPECT_EQ(none.cosine(), 1);
  equal.add(2, ones.data(), ones.data());
  EXPECT_EQ(equal.snr(), kInfinity);
  loud.add(2, zeros.data(), ones.data());
  EXPECT_EQ(loud.snr(), -kInfinity);
  std::vector<float> nan = {1, std::numeric_limits<float>::quiet_NaN()};
  broken.add(2, ones.data(), nan.data());
  EXPECT_TRUE(std::isnan(broken.snr()));
  // What is infinite in both is no error.
  std::vector<float> masked = {-std::numeric_limits<float>::infinity()};
  SignalSums mask;
  mask.add(1, masked.data(), masked.data());
  EXPECT_EQ(mask.noise, 0);
}

TEST(LogitSums, KLByHand) {
  // p = (1/2, 1/2), q = (1/4, 3/4); logits may have any constant added.
  std::vector<float> p = {7, 7}, q = {0, std::log(3.0f)};
  std::vector<int64_t> next = {1};
  LogitSums sums;
  sums.add(1, 2, p.data(), q.data(), next.data());
  EXPECT_NEAR(sums.meanKL(), 0.5 * std::log(2.0) + 0.5 * std::log(2.0 / 3),
              1e-7);
  EXPECT_NEAR(sums.referencePerplexity(), 2, 1e-7);
  EXPECT_NEAR(sums.foundPerplexity(), 4.0 / 3, 1e-7);
}

TEST(LogitSums, AgreementAndUnknownTokens) {
  std::vector<float> p = {1, 2, 3, 9, 1, 1}, q = {0, 1, 5, 0, 4, 1};
  std::vector<int64_t> next = {-1, 3}; // unknown; no such class
  LogitSums sums;
  sums.add(2, 3, p.data(), q.data(), next.data());
  EXPECT_EQ(sums.agreement(), 0.5);
  EXPECT_EQ(sums.predictions, 0);
}

TEST(LogitSums, LargeLogitsAndImpossibleClasses) {
  float no = -std::numeric_limits<float>::infinity();
  std::vector<float> p = {1e4f, 1e4f, no}, q = {-1e4f, -1e4f, no};
  LogitSums sums;
  sums.add(1, 3, p.data(), q.data(), nullptr);
  EXPECT_NEAR(sums.meanKL(), 0, 1e-12);
}

} // namespace
