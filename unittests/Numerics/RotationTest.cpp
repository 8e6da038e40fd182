//===- RotationTest.cpp - Hadamard and other orthogonal matrices ----------===//

#include "quantc/Numerics/Rotation.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

using namespace quantc::numerics;

namespace {

void expectOrthogonal(int64_t n, const std::vector<float> &R) {
  double worst = 0;
  for (int64_t i = 0; i < n; ++i)
    for (int64_t j = 0; j <= i; ++j) {
      double sum = 0;
      for (int64_t k = 0; k < n; ++k)
        sum += double(R[i * n + k]) * R[j * n + k];
      worst = std::max(worst, std::fabs(sum - (i == j)));
    }
  EXPECT_LT(worst, 1e-6) << n;
}

TEST(Rotation, HadamardMatricesWhereThereAreSome) {
  struct {
    int64_t n, core;
  } cases[] = {{1, 1},    {2, 1},    {4, 1},    {64, 1},   {12, 12},
               {20, 20},  {24, 12},  {28, 28},  {36, 36},  {44, 44},
               {48, 12},  {60, 60},  {76, 76},  {112, 28}, {160, 20},
               {576, 36}, {768, 12}, {320, 20}, {960, 60}};
  for (auto [n, core] : cases) {
    Rotation rotation(n, 7);
    EXPECT_TRUE(rotation.isHadamard()) << n;
    EXPECT_TRUE(Rotation::hasHadamardMatrix(n)) << n;
    EXPECT_EQ(rotation.coreSize(), core);
    std::vector<float> R = rotation.matrix();
    for (float entry : R)
      ASSERT_NEAR(std::fabs(entry), 1 / std::sqrt(double(n)), 1e-6) << n;
    if (n <= 160 || n == 576)
      expectOrthogonal(n, R);
  }
}

TEST(Rotation, RandomCoresElsewhere) {
  for (int64_t n : {3, 6, 7, 10, 14, 46, 50, 92}) {
    Rotation rotation(n, 3);
    EXPECT_FALSE(rotation.isHadamard()) << n;
    EXPECT_FALSE(Rotation::hasHadamardMatrix(n)) << n;
    std::vector<float> R = rotation.matrix();
    expectOrthogonal(n, R);
    EXPECT_EQ(R, Rotation(n, 3).matrix());
    EXPECT_NE(R, Rotation(n, 4).matrix());
  }
}

TEST(Rotation, AppliesItsMatrixAndUndoesIt) {
  std::mt19937 random(1);
  std::normal_distribution<float> normal;
  for (int64_t n : {1, 8, 12, 14, 24, 56, 72}) {
    Rotation rotation(n, 11);
    std::vector<float> R = rotation.matrix(), x(70 * n);
    for (float &v : x)
      v = normal(random);
    std::vector<float> y = x, z = x;
    rotation.apply(70, y.data());
    ParallelFor backwards = [](int64_t count,
                               const std::function<void(int64_t)> &part) {
      for (int64_t i = count; i-- > 0;)
        part(i);
    };
    rotation.apply(70, z.data(), backwards);
    EXPECT_EQ(y, z);
    for (int64_t r : {0, 33, 69})
      for (int64_t j = 0; j < n; ++j) {
        double sum = 0;
        for (int64_t k = 0; k < n; ++k)
          sum += double(x[r * n + k]) * R[k * n + j];
        EXPECT_NEAR(y[r * n + j], sum, 1e-5) << n;
      }
    rotation.applyTransposed(70, y.data());
    for (size_t i = 0; i < x.size(); ++i)
      ASSERT_NEAR(y[i], x[i], 1e-5) << n;
  }
}

TEST(Rotation, SpreadsAnOutlier) {
  std::vector<float> x(576, 0.01f);
  x[100] = 50;
  Rotation(576, 1).apply(1, x.data());
  for (float v : x)
    EXPECT_LT(std::fabs(v), 2.5);
  EXPECT_EQ(Rotation(16).matrix()[17], 0.25f * -1);
}

} // namespace
