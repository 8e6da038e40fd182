//===- SmoothQuantTest.cpp --------------------------------------*- C++ -*-===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "quantc/Numerics/SmoothQuant.h"
#include "gtest/gtest.h"

#include <cmath>
#include <limits>
#include <random>

using namespace quantc::numerics;

TEST(SmoothQuant, Scales) {
  // The ends of alpha, and the middle, which makes both sides equal.
  EXPECT_EQ(smoothingScales({8}, {4}, 1), std::vector<float>{8});
  EXPECT_EQ(smoothingScales({8}, {4}, 0), std::vector<float>{0.25f});
  EXPECT_FLOAT_EQ(smoothingScales({8}, {2}, 0.5)[0], 2);
  float s = smoothingScales({3}, {7}, 0.8)[0];
  EXPECT_FLOAT_EQ(s, std::pow(3.0, 0.8) / std::pow(7.0, 0.2));
}

TEST(SmoothQuant, NothingToGoBy) {
  float infinity = std::numeric_limits<float>::infinity(),
        nan = std::numeric_limits<float>::quiet_NaN();
  EXPECT_EQ(smoothingScales({0, 1, infinity, nan, 1}, {1, 0, 1, 1, nan}, 0.5),
            std::vector<float>(5, 1.0f));
  EXPECT_TRUE(std::isfinite(smoothingScales({1e38f}, {1e-38f}, 0.5)[0]));
}

TEST(SmoothQuant, Tails) {
  // Exponential: mean 3, mean square 2 * 9.
  Tail tail = fitTail(3, 18);
  EXPECT_NEAR(tail.shape, 1, 1e-6);
  EXPECT_NEAR(tail.scale, 3, 1e-5);
  // |x| of a normal distribution is near a Weibull of shape 1.3.
  EXPECT_NEAR(fitTail(std::sqrt(2 / 3.14159265), 1).shape, 1.3, 0.1);
  // Nothing seen; all values equal.
  EXPECT_EQ(fitTail(0, 0).scale, 0);
  EXPECT_NEAR(fitTail(2, 4).scale, 2, 0.1);
}

TEST(SmoothQuant, LargestOfAToken) {
  // Against a simulation of the distributions.
  std::mt19937_64 random(1);
  for (double shape : {0.5, 1.0, 2.0}) {
    std::vector<Tail> tails;
    std::vector<float> absMax(40, 0.0f), s;
    for (int j = 0; j < 40; ++j) {
      tails.push_back({0.2 + j % 7, shape});
      s.push_back(1.0f + j % 3);
    }
    double sum = 0;
    int tokens = 20000;
    for (int i = 0; i < tokens; ++i) {
      double most = 0;
      for (int j = 0; j < 40; ++j) {
        double x =
            std::weibull_distribution<double>(shape, tails[j].scale)(random);
        absMax[j] = std::max<double>(absMax[j], x);
        most = std::max(most, x / s[j]);
      }
      sum += most * most;
    }
    EXPECT_NEAR(expectedMaxSquare(tails, absMax, s) / (sum / tokens), 1, 0.05);
  }
  EXPECT_EQ(expectedMaxSquare({Tail()}, {0}, {1}), 0);
}
