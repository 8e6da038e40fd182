//===- ONNXMathTest.cpp - The values of elementwise kernels ---------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "NodeRunner.h"

#include "quantc/Numerics/Formats.h"
#include "quantc/Numerics/Math.h"

#include "gtest/gtest.h"

#include <cmath>
#include <limits>
#include <random>

using namespace quantc;
using namespace quantc::testing;

namespace {

/// Every 2^16-th bit pattern and more of them near zero and one, with the
/// special ones: about 70,000 floats.
std::vector<float> denseSample() {
  std::vector<float> values;
  auto put = [&](uint32_t bits) {
    float x;
    std::memcpy(&x, &bits, sizeof(x));
    values.push_back(x);
  };
  for (uint64_t bits = 0; bits <= 0xffffffffu; bits += 65521)
    put(uint32_t(bits));
  for (uint32_t bits :
       {0x0u, 0x80000000u, 0x7f800000u, 0xff800000u, 0x7fc00000u, 0x1u,
        0x80000001u, 0x7fffffu, 0x800000u, 0x3f800000u, 0xbf800000u})
    put(bits);
  for (int i = -2000; i <= 2000; ++i)
    values.push_back(float(i) * 0.05f);
  return values;
}

/// Distance in representable values; NaNs are equal, and so are zeros.
double ulps(float got, double expected) {
  if (std::isnan(got) || std::isnan(expected))
    return std::isnan(got) == std::isnan(expected) ? 0 : 1e30;
  float nearest = float(expected);
  if (got == nearest)
    return 0;
  if (std::isinf(got) || std::isinf(nearest))
    return 1e30;
  float ulp = std::nextafter(std::fabs(nearest), INFINITY) - std::fabs(nearest);
  return std::fabs(double(got) - expected) / ulp;
}

std::string unary(const std::string &name, const std::string &attributes = "",
                  const std::string &from = "f32",
                  const std::string &to = "f32") {
  std::string in = "tensor<?x" + from + ">", out = "tensor<?x" + to + ">";
  return "func.func @f(%x: " + in + ") {\n %0 = onnx.node \"" + name +
         "\"(%x) {version = 23 : i64, node_attributes = {" + attributes +
         "}} : (" + in + ") -> " + out + "\n return\n}";
}

template <typename To, typename From>
std::vector<To> runUnary(const std::string &text, const std::vector<From> &x,
                         bool fast) {
  int64_t n = x.size();
  Outcome outcome = runNode(text, {Buffer::of<From>({n}, x)}, {{n}}, fast, 3);
  EXPECT_EQ(outcome.failure, "");
  return outcome.outputs.empty() ? std::vector<To>(x.size())
                                 : outcome.outputs[0].as<To>();
}

struct Exact {
  const char *name;
  float (*function)(float);
};
class ExactMath : public ::testing::TestWithParam<Exact> {};

// The compiled code and Numerics/Math.h agree bit for bit.
TEST_P(ExactMath, Bits) {
  std::vector<float> x = denseSample();
  for (bool fast : {false, true}) {
    std::vector<float> y = runUnary<float>(unary(GetParam().name), x, fast);
    unsigned wrong = 0;
    for (size_t i = 0; i < x.size(); ++i) {
      float expected = GetParam().function(x[i]);
      bool same = std::isnan(expected)
                      ? std::isnan(y[i])
                      : std::memcmp(&expected, &y[i], sizeof(float)) == 0;
      if (!same && wrong++ < 5)
        ADD_FAILURE() << GetParam().name << "(" << x[i] << ") = " << y[i]
                      << ", not " << expected;
    }
    EXPECT_EQ(wrong, 0u);
  }
}
INSTANTIATE_TEST_SUITE_P(Functions, ExactMath,
                         ::testing::Values(Exact{"Exp", numerics::expF32},
                                           Exact{"Log", numerics::logF32},
                                           Exact{"Erf", numerics::erfF32},
                                           Exact{"Gelu", numerics::geluF32},
                                           Exact{"Tanh", numerics::tanhF32},
                                           Exact{"Sigmoid",
                                                 numerics::sigmoidF32}),
                         [](const auto &info) { return info.param.name; });

struct Close {
  const char *name;
  double (*function)(double);
  double ulps;
  float limit = INFINITY;
  const char *attributes = "";
};
class CloseMath : public ::testing::TestWithParam<Close> {};

TEST_P(CloseMath, Ulps) {
  const Close &row = GetParam();
  std::vector<float> x;
  for (float value : denseSample())
    if (!(std::fabs(value) > row.limit))
      x.push_back(value);
  for (bool fast : {false, true}) {
    std::vector<float> y =
        runUnary<float>(unary(row.name, row.attributes), x, fast);
    double worst = 0, at = 0;
    for (size_t i = 0; i < x.size(); ++i) {
      double e = ulps(y[i], row.function(x[i]));
      if (e > worst)
        worst = e, at = x[i];
    }
    EXPECT_LE(worst, row.ulps) << row.name << " at " << at;
  }
}
INSTANTIATE_TEST_SUITE_P(
    Functions, CloseMath,
    ::testing::Values(
        Close{"Sin", [](double x) { return std::sin(x); }, 0.51, 0x1p49f},
        Close{"Cos", [](double x) { return std::cos(x); }, 0.51, 0x1p49f},
        Close{"Tan", [](double x) { return std::tan(x); }, 0.51, 0x1p49f},
        Close{"Atan", [](double x) { return std::atan(x); }, 0.51},
        Close{"Asin", [](double x) { return std::asin(x); }, 0.51},
        Close{"Acos", [](double x) { return std::acos(x); }, 0.51},
        Close{"Sinh", [](double x) { return std::sinh(x); }, 0.51},
        Close{"Cosh", [](double x) { return std::cosh(x); }, 0.51},
        Close{"Asinh", [](double x) { return std::asinh(x); }, 0.51},
        Close{"Acosh", [](double x) { return std::acosh(x); }, 0.51},
        Close{"Atanh", [](double x) { return std::atanh(x); }, 0.51},
        Close{"Softplus",
              [](double x) {
                return x > 0 ? x + std::log1p(std::exp(-x))
                             : std::log1p(std::exp(x));
              },
              2},
        Close{"Sqrt", [](double x) { return std::sqrt(x); }, 0.5},
        Close{"Reciprocal", [](double x) { return 1 / x; }, 0.5},
        Close{"Floor", [](double x) { return std::floor(x); }, 0},
        Close{"Ceil", [](double x) { return std::ceil(x); }, 0},
        Close{"Round", [](double x) { return std::nearbyint(x); }, 0},
        Close{"Abs", [](double x) { return std::fabs(x); }, 0},
        Close{"Neg", [](double x) { return -x; }, 0},
        Close{"Relu", [](double x) { return x < 0 ? 0 : x; }, 0},
        Close{"LeakyRelu",
              [](double x) { return x < 0 ? double(0.01f) * x : x; }, 0.5},
        Close{"Softsign", [](double x) { return x / (1 + std::fabs(x)); }, 1.5,
              1e30f},
        Close{"Sign",
              [](double x) {
                return std::isnan(x) ? x : double((x > 0) - (x < 0));
              },
              0}),
    [](const auto &info) { return info.param.name; });

double gelu(double x) { return 0.5 * x * std::erfc(-x / std::sqrt(2.0)); }

// Both forms of Gelu and Swish, absolutely: they cross zero.
TEST(Activations, NearTheirFormulas) {
  std::vector<float> x;
  for (int i = -1200; i <= 1200; ++i)
    x.push_back(float(i) / 100);
  struct Case {
    const char *name, *attributes;
    double (*function)(double);
  };
  const Case cases[] = {
      {"Gelu", "", gelu},
      {"Gelu", "approximate = \"tanh\"",
       [](double x) {
         return 0.5 * x *
                (1 +
                 std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
       }},
      {"Swish", "alpha = 1.5 : f32",
       [](double x) { return x / (1 + std::exp(-1.5 * x)); }},
      {"Mish", "",
       [](double x) { return x * std::tanh(std::log1p(std::exp(x))); }},
      {"Elu", "alpha = 2.0 : f32",
       [](double x) { return x < 0 ? 2 * std::expm1(x) : x; }},
      {"Celu", "alpha = 2.0 : f32",
       [](double x) { return x < 0 ? 2 * std::expm1(x / 2) : x; }},
      {"Selu", "",
       [](double x) {
         return 1.0507010221481323 *
                (x > 0 ? x : 1.6732631921768188 * std::expm1(x));
       }},
      {"HardSigmoid", "",
       [](double x) { return std::fmin(1, std::fmax(0, 0.2 * x + 0.5)); }},
      {"HardSwish", "",
       [](double x) { return x * std::fmin(1, std::fmax(0, x / 6 + 0.5)); }},
      {"ThresholdedRelu", "alpha = 2.0 : f32",
       [](double x) { return x > 2 ? x : 0; }},
      {"Shrink", "bias = 0.25 : f32",
       [](double x) { return x > 0.5    ? x - 0.25
                             : x < -0.5 ? x + 0.25
                                        : 0; }},
  };
  for (const Case &row : cases) {
    std::vector<float> y =
        runUnary<float>(unary(row.name, row.attributes), x, true);
    for (size_t i = 0; i < x.size(); ++i)
      ASSERT_NEAR(y[i], row.function(x[i]),
                  1e-6 * std::fmax(1, std::fabs(x[i])))
          << row.name << " at " << x[i];
  }
}

std::vector<float> runBinary(const std::string &name,
                             const std::vector<float> &a,
                             const std::vector<float> &b,
                             const std::string &attributes = "") {
  std::string t = "tensor<?xf32>";
  int64_t n = a.size();
  Outcome outcome = runNode(
      "func.func @f(%a: " + t + ", %b: " + t + ") {\n %0 = onnx.node \"" +
          name + "\"(%a, %b) {version = 15 : i64, node_attributes = {" +
          attributes + "}} : (" + t + ", " + t + ") -> " + t + "\n return\n}",
      {Buffer::of<float>({n}, a), Buffer::of<float>({n}, b)}, {{n}}, true);
  EXPECT_EQ(outcome.failure, "");
  return outcome.outputs.empty() ? a : outcome.outputs[0].as<float>();
}

TEST(Pow, AsInC) {
  const float inf = INFINITY, nan = NAN;
  std::vector<float> special = {
      0.0f, -0.0f, 1,   -1,   2,   -2,     0.5f,        -0.5f,  3,   -3,
      1.5f, -1.5f, inf, -inf, nan, 1e-40f, 16777217.0f, -1e30f, 100, -7};
  std::vector<float> a, b;
  for (float x : special)
    for (float y : special)
      a.push_back(x), b.push_back(y);
  std::mt19937 random(1);
  std::uniform_real_distribution<float> base(0, 30), exponent(-20, 20);
  for (int i = 0; i < 5000; ++i)
    a.push_back(base(random)), b.push_back(exponent(random));
  std::vector<float> y = runBinary("Pow", a, b);
  for (size_t i = 0; i < a.size(); ++i) {
    double expected = std::pow(double(a[i]), double(b[i]));
    EXPECT_LE(ulps(y[i], expected), 0.51)
        << a[i] << " ^ " << b[i] << " = " << y[i];
    if (float(expected) == 0) {
      EXPECT_EQ(std::signbit(y[i]), std::signbit(expected))
          << a[i] << " ^ " << b[i];
    }
  }
}

TEST(Mod, OfFloats) {
  std::vector<float> values = {0.0f,     -0.0f,     1,      -1,         5.5f,
                               -5.5f,    3,         -3,     0.1f,       -0.1f,
                               1e30f,    -1e30f,    1e-40f, 3e38f,      7.25f,
                               INFINITY, -INFINITY, NAN,    123456.789f};
  std::vector<float> a, b;
  for (float x : values)
    for (float y : values)
      a.push_back(x), b.push_back(y);
  std::vector<float> likeC = runBinary("Mod", a, b, "fmod = 1 : si64");
  for (size_t i = 0; i < a.size(); ++i) {
    float expected = std::fmod(a[i], b[i]);
    EXPECT_EQ(std::isnan(expected), std::isnan(likeC[i]))
        << a[i] << " mod " << b[i];
    if (!std::isnan(expected))
      EXPECT_EQ(expected, likeC[i]) << a[i] << " mod " << b[i];
  }
}

TEST(Integers, DivisionNeverTraps) {
  const int32_t least = std::numeric_limits<int32_t>::min();
  std::vector<int32_t> a = {7,  -7, 7,  -7, least, 5, 0, least, 6,
                            -6, 1,  -1, 9,  9,     9, 9, 9};
  std::vector<int32_t> b = {2,  2, -2, -2, -1, 0, 0, 0, 3,
                            -3, 5, 5,  9,  8,  7, 6, 5};
  std::string t = "tensor<17xsi32>";
  for (std::string name : {"Div", "Mod"}) {
    Outcome outcome = runNode(
        "func.func @f(%a: " + t + ", %b: " + t + ") {\n %0 = onnx.node \"" +
            name + "\"(%a, %b) {version = 14 : i64} : (" + t + ", " + t +
            ") -> " + t + "\n return\n}",
        {Buffer::of<int32_t>({17}, a), Buffer::of<int32_t>({17}, b)}, {{17}},
        true);
    ASSERT_EQ(outcome.failure, "");
    std::vector<int32_t> y = outcome.outputs[0].as<int32_t>();
    for (size_t i = 0; i < a.size(); ++i) {
      int64_t q = b[i] == 0 ? 0 : int64_t(a[i]) / b[i],
              r = b[i] == 0 ? 0 : int64_t(a[i]) % b[i];
      if (r != 0 && (r < 0) != (b[i] < 0))
        r += b[i];
      EXPECT_EQ(y[i], int32_t(name == "Div" ? q : r))
          << a[i] << " " << name << " " << b[i];
    }
  }
}

//===----------------------------------------------------------------------===//
// Cast
//===----------------------------------------------------------------------===//

TEST(Cast, SmallFloatsAsInNumerics) {
  using numerics::Format;
  std::vector<float> x = denseSample();
  for (int i = -4096; i <= 4096; ++i)
    x.push_back(float(i) / 64);
  for (Format format : {Format::F8E4M3FN, Format::F8E4M3FNUZ, Format::F8E5M2,
                        Format::F8E5M2FNUZ, Format::F6E2M3FN, Format::F6E3M2FN,
                        Format::F4E2M1FN}) {
    std::string name(numerics::formatName(format));
    for (bool saturate : {true, false}) {
      std::string attributes =
          "saturate = " + std::to_string(int(saturate)) + " : si64";
      auto y =
          runUnary<uint8_t>(unary("Cast", attributes, "f32", name), x, true);
      for (size_t i = 0; i < x.size(); ++i)
        ASSERT_EQ(int(y[i]),
                  int(numerics::encode(format, x[i], saturate) & 0xff))
            << name << " of " << x[i] << (saturate ? " saturating" : "");
    }
    std::vector<uint8_t> codes;
    for (int code = 0; code < (1 << numerics::info(format).bits); ++code)
      codes.push_back(uint8_t(code));
    auto back = runUnary<float>(unary("Cast", "", name, "f32"), codes, true);
    for (size_t i = 0; i < codes.size(); ++i) {
      float expected = numerics::decode(format, codes[i]);
      ASSERT_TRUE(std::isnan(expected)
                      ? std::isnan(back[i])
                      : std::memcmp(&expected, &back[i], 4) == 0)
          << name << " code " << i << ": " << back[i] << ", not " << expected;
    }
  }
}

TEST(Cast, HalvesRoundOnce) {
  using numerics::Format;
  std::vector<float> x = denseSample();
  for (Format format : {Format::F16, Format::BF16}) {
    std::string name(numerics::formatName(format));
    auto y = runUnary<uint16_t>(unary("Cast", "", "f32", name), x, true);
    for (size_t i = 0; i < x.size(); ++i)
      if (!std::isnan(x[i]))
        ASSERT_EQ(y[i], uint16_t(numerics::encode(format, x[i])))
            << name << " of " << x[i];
    // Halfway cases that only the f64 value breaks.
    double above = 1.0 + 0x1p-11 + 0x1p-40, tie = 1.0 + 0x1p-11;
    if (format == Format::BF16)
      above = 1.0 + 0x1p-8 + 0x1p-40, tie = 1.0 + 0x1p-8;
    std::vector<double> d(16, above);
    d[1] = tie;
    auto z = runUnary<uint16_t>(unary("Cast", "", "f64", name), d, true);
    EXPECT_EQ(numerics::decode(format, z[0]),
              format == Format::F16 ? 1 + 0x1p-10f : 1 + 0x1p-7f);
    EXPECT_EQ(numerics::decode(format, z[1]), 1.0f);
  }
}

TEST(Cast, FloatsToIntegersStayInRange) {
  std::vector<float> x = {0.5f,    -0.5f,  1.5f,     -1.5f,     300,  -300,
                          1e10f,   -1e10f, INFINITY, -INFINITY, NAN,  127.9f,
                          -128.9f, 255.9f, 3e9f,     7.9f,      -8.9f};
  auto clamp = [](float v, double low, double high) {
    return std::isnan(v) ? 0.0 : std::fmin(std::fmax(std::trunc(v), low), high);
  };
  auto i8 = runUnary<int8_t>(unary("Cast", "", "f32", "si8"), x, true);
  auto u8 = runUnary<uint8_t>(unary("Cast", "", "f32", "ui8"), x, true);
  auto i32 = runUnary<int32_t>(unary("Cast", "", "f32", "si32"), x, true);
  auto u32 = runUnary<uint32_t>(unary("Cast", "", "f32", "ui32"), x, true);
  auto i4 = runUnary<int8_t>(unary("Cast", "", "f32", "si4"), x, true);
  auto boolean = runUnary<uint8_t>(unary("Cast", "", "f32", "i1"), x, true);
  for (size_t i = 0; i < x.size(); ++i) {
    EXPECT_EQ(i8[i], clamp(x[i], -128, 127)) << x[i];
    EXPECT_EQ(u8[i], clamp(x[i], 0, 255)) << x[i];
    EXPECT_EQ(i32[i], clamp(x[i], -2147483648.0, 2147483647.0)) << x[i];
    EXPECT_EQ(u32[i], clamp(x[i], 0, 4294967295.0)) << x[i];
    // Less than 8 bits: the low ones of a 32-bit integer, as in ONNX's suite.
    uint32_t low = int32_t(clamp(x[i], -2147483648.0, 2147483647.0)) & 15;
    EXPECT_EQ(i4[i], int32_t(low ^ 8) - 8) << x[i];
    EXPECT_EQ(boolean[i], x[i] != 0) << x[i];
  }
  std::vector<int64_t> wide(17, 300);
  wide[1] = -1, wide[2] = 8, wide[3] = int64_t(1) << 40;
  auto narrow = runUnary<int8_t>(unary("Cast", "", "si64", "si4"), wide, true);
  EXPECT_EQ(narrow[0], -4); // 300 = 0b100101100
  EXPECT_EQ(narrow[1], -1);
  EXPECT_EQ(narrow[2], -8);
  EXPECT_EQ(narrow[3], 0);
}

} // namespace
