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
