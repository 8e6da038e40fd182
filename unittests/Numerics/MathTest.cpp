//===- MathTest.cpp - exp, tanh, erf, log against double precision --------===//

#include "quantc/Numerics/Math.h"

#include "quantc/Numerics/Order.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <vector>

using namespace quantc::numerics;

namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();
const float kNaN = std::numeric_limits<float>::quiet_NaN();

float fromBits(uint32_t bits) {
  float x;
  std::memcpy(&x, &bits, sizeof(x));
  return x;
}

/// Distance in units of the last place of the f32 nearest to `want`.
double ulps(float got, double want) {
  if (std::isnan(want))
    return std::isnan(got) ? 0 : kInf;
  float rounded = static_cast<float>(want);
  if (std::isinf(rounded) || std::isinf(got))
    return rounded == got ? 0 : kInf;
  int exponent;
  std::frexp(std::fabs(want), &exponent);
  exponent = exponent - 24 < -149 ? -149 : exponent - 24;
  return std::fabs(got - want) / std::ldexp(1.0, exponent);
}

/// Worst error over every `stride`-th bit pattern, NaNs and infinities
/// included.
double worst(float (*f)(float), double (*reference)(double), float *at) {
  double most = 0;
  for (uint64_t bits = 0; bits < (uint64_t(1) << 32); bits += 1499) {
    float x = fromBits(static_cast<uint32_t>(bits));
    double error = ulps(f(x), reference(x));
    if (error > most) {
      most = error;
      *at = x;
    }
  }
  return most;
}

TEST(Math, Accuracy) {
  struct Case {
    const char *name;
    float (*f)(float);
    double (*reference)(double);
    double bound;
  } cases[] = {
      {"exp", expF32, [](double x) { return std::exp(x); }, 1.0},
      {"log", logF32, [](double x) { return std::log(x); }, 1.0},
      {"tanh", tanhF32, [](double x) { return std::tanh(x); }, 1.5},
      {"erf", erfF32, [](double x) { return std::erf(x); }, 1.1},
      {"sigmoid", sigmoidF32,
       [](double x) {
         return x < 0 ? std::exp(x) / (1 + std::exp(x))
                      : 1 / (1 + std::exp(-x));
       },
       2.5},
  };
  for (const Case &c : cases) {
    float at = 0;
    EXPECT_LE(worst(c.f, c.reference, &at), c.bound) << c.name << " at " << at;
  }
}

TEST(Math, SpecialValues) {
  EXPECT_EQ(expF32(0.0f), 1.0f);
  EXPECT_EQ(expF32(-0.0f), 1.0f);
  EXPECT_EQ(expF32(-kInf), 0.0f);
  EXPECT_EQ(expF32(kInf), kInf);
  EXPECT_EQ(expF32(88.73f), kInf);
  EXPECT_LT(expF32(88.72f), kInf);
  EXPECT_EQ(expF32(-103.2f), fromBits(1)) << "the smallest denormal";
  EXPECT_EQ(logF32(1.0f), 0.0f);
  EXPECT_EQ(logF32(0.0f), -kInf);
  EXPECT_EQ(logF32(-0.0f), -kInf);
  EXPECT_EQ(logF32(kInf), kInf);
  EXPECT_TRUE(std::isnan(logF32(-1.0f)));
  EXPECT_EQ(tanhF32(kInf), 1.0f);
  EXPECT_EQ(tanhF32(-kInf), -1.0f);
  EXPECT_TRUE(std::signbit(tanhF32(-0.0f)));
  EXPECT_EQ(erfF32(kInf), 1.0f);
  EXPECT_EQ(erfF32(-kInf), -1.0f);
  EXPECT_TRUE(std::signbit(erfF32(-0.0f)));
  EXPECT_EQ(sigmoidF32(0.0f), 0.5f);
  EXPECT_EQ(sigmoidF32(-kInf), 0.0f);
  EXPECT_EQ(sigmoidF32(kInf), 1.0f);
  for (auto f : {expF32, logF32, tanhF32, erfF32, sigmoidF32})
    EXPECT_TRUE(std::isnan(f(kNaN)));
}

TEST(Math, OddAndBounded) {
  for (uint64_t bits = 0; bits < 0x7f800000u; bits += 7919) {
    float x = fromBits(static_cast<uint32_t>(bits));
    EXPECT_EQ(tanhF32(-x), -tanhF32(x)) << x;
    EXPECT_EQ(erfF32(-x), -erfF32(x)) << x;
    EXPECT_LE(tanhF32(x), 1.0f) << x;
    EXPECT_LE(erfF32(x), 1.0f) << x;
  }
}

TEST(Order, LanesAreAddedByHalves) {
  float lanes[kLanes];
  std::vector<std::pair<float, float>> seen;
  for (int i = 0; i < kLanes; ++i)
    lanes[i] = static_cast<float>(i);
  reduceLanes(lanes, [&](float a, float b) {
    seen.emplace_back(a, b);
    return a;
  });
  ASSERT_EQ(seen.size(), 15u);
  EXPECT_EQ(seen.front(), std::make_pair(0.0f, 8.0f));
  EXPECT_EQ(seen[8], std::make_pair(0.0f, 4.0f));
  EXPECT_EQ(seen.back(), std::make_pair(0.0f, 1.0f));
}

TEST(Order, RowSumsAndDotsAreExactOnIntegers) {
  std::vector<float> a, b;
  double sum = 0, squares = 0, dot = 0;
  for (int i = 0; i < 777; ++i) {
    a.push_back(static_cast<float>(i % 13 - 6));
    b.push_back(static_cast<float>(i % 7 - 3));
    sum += a.back();
    squares += a.back() * a.back();
    dot += a.back() * b.back();
  }
  auto n = static_cast<int64_t>(a.size());
  EXPECT_EQ(sumRow(n, [&](int64_t i) { return a[i]; }), sum);
  EXPECT_EQ(sumSquaresRow(n, a.data()), squares);
  EXPECT_EQ(dotOverK(n, a.data(), b.data()), dot);
}

TEST(Order, BlocksStartFromZero) {
  // In one running sum the ones would vanish beside 2^25; in blocks they add up
  // to 256 first.
  std::vector<float> a(512, 1.0f), b(512, 1.0f);
  a[0] = 0x1p+25f;
  EXPECT_EQ(dotOverK(512, a.data(), b.data()), 0x1p+25f + 256.0f);
}

} // namespace
