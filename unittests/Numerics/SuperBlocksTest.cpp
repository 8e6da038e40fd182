//===- SuperBlocksTest.cpp - K-quants -------------------------------------===//

#include "quantc/Numerics/SuperBlocks.h"
#include "quantc/Numerics/Quantize.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

using namespace quantc::numerics;

namespace {

constexpr SuperBlockFormat kFormats[] = {
    {Format::UI4, 32}, {Format::UI5, 32}, {Format::SI6, 16}};

float valueOf(Format format, uint8_t code) {
  return info(format).isSigned ? static_cast<float>(static_cast<int8_t>(code))
                               : static_cast<float>(code);
}

/// A super-block, and what it stands for by the formula.
struct Encoded {
  Encoded(const SuperBlockFormat &format, const std::vector<float> &x)
      : codes(x.size()), back(x.size()) {
    scales = encodeSuperBlock(format, x.data(), x.size(), codes.data());
    for (size_t i = 0; i < x.size(); ++i) {
      scale.push_back(
          scales.scale *
          valueOf(format.scaleCodes(), scales.scaleCodes[i / format.group]));
      offset.push_back(scales.offset *
                       float(scales.offsetCodes[i / format.group]));
      back[i] = scale[i] * valueOf(format.stored, codes[i]) + offset[i];
    }
  }

  double error(const std::vector<float> &x, size_t begin, size_t end) const {
    double sum = 0;
    for (size_t i = begin; i < end; ++i)
      sum += std::pow(double(x[i]) - back[i], 2);
    return sum;
  }

  SuperBlockScales scales;
  std::vector<uint8_t> codes;
  std::vector<float> scale, offset, back;
};

std::vector<float> normals(size_t count, unsigned seed, float mean = 0) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(mean, 0.02f);
  std::vector<float> x(count);
  for (float &v : x)
    v = normal(random);
  return x;
}

/// What holds for every super-block.
void check(const SuperBlockFormat &format, const std::vector<float> &x) {
  Encoded made(format, x);
  auto isHalf = [](float v) { return f16ToF32(f32ToF16(v)) == v; };
  EXPECT_TRUE(made.scales.scale >= 0 && made.scales.offset <= 0);
  EXPECT_TRUE(isHalf(made.scales.scale) && isHalf(made.scales.offset));
  for (size_t g = 0; g < made.scales.scaleCodes.size(); ++g) {
    EXPECT_LT(made.scales.offsetCodes[g], format.hasOffsets() ? 64 : 1);
    if (format.hasOffsets()) {
      EXPECT_LT(made.scales.scaleCodes[g], 64);
    }
  }
  for (size_t i = 0; i < x.size(); ++i) {
    // No other code is nearer.
    float q = valueOf(format.stored, made.codes[i]), s = made.scale[i];
    double reached = std::fabs(double(x[i]) - made.back[i]);
    if (s == 0)
      EXPECT_EQ(q, 0);
    for (float by : {-1.0f, 1.0f})
      if (q + by >= info(format.stored).qmin &&
          q + by <= info(format.stored).qmax) {
        EXPECT_LE(reached,
                  std::fabs(x[i] - (double(s) * (q + by) + made.offset[i])) *
                      (1 + 1e-5))
            << "value " << i;
      }
  }
}

TEST(SuperBlocks, CodesAreTheNearest) {
  for (const SuperBlockFormat &format : kFormats)
    for (size_t length : {1, 15, 16, 17, 31, 33, 100, 255, 256}) {
      check(format, normals(length, length));
      check(format, normals(length, length, 0.3f));
      check(format, normals(length, length, -0.3f));
    }
}

// The least error that any scale and offset give a group alone, over a fine
// grid, is a bound for what 6 or 8 bits of them can reach.
TEST(SuperBlocks, NearlyTheBestScalesAndOffsets) {
  for (const SuperBlockFormat &format : kFormats) {
    std::vector<float> x = normals(kSuperBlock, 7);
    Encoded made(format, x);
    StoredRange range = storedRange(format.stored);
    double reached = made.error(x, 0, x.size()), bound = 0;
    for (int64_t begin = 0; begin < kSuperBlock; begin += format.group) {
      float lo = INFINITY, hi = -INFINITY;
      for (int64_t i = begin; i < begin + format.group; ++i) {
        lo = std::min(lo, x[i]);
        hi = std::max(hi, x[i]);
      }
      double best = INFINITY;
      double whole = format.hasOffsets() ? (hi - lo) / range.qmax
                                         : std::max(hi, -lo) / range.qmax;
      for (int sign : {1, -1})
        for (int a = 0; a < 120; ++a)
          for (int b = 0; b < (format.hasOffsets() ? 60 : 1); ++b) {
            double s = sign * whole * (0.7 + 0.005 * a);
            double o = format.hasOffsets() ? lo + whole * (b - 15) / 15.0 : 0;
            double error = 0;
            for (int64_t i = begin; i < begin + format.group; ++i) {
              double q = std::clamp<double>(std::nearbyint((x[i] - o) / s),
                                            range.qmin, range.qmax);
              error += std::pow(x[i] - (s * q + o), 2);
            }
            best = std::min(best, error);
          }
      bound += best;
    }
    EXPECT_LT(reached, 1.08 * bound) << formatName(format.stored);
    EXPECT_GT(reached, 0.9 * bound) << formatName(format.stored);
  }
}

// So that packed panels hold them in 16 bits.
TEST(SuperBlocks, ScalesAndOffsetsAreHalves) {
  for (const SuperBlockFormat &format : kFormats)
    for (int exponent : {-40, -22, -12, -3, 0, 4})
      for (unsigned seed = 0; seed < 20; ++seed) {
        std::vector<float> x = normals(kSuperBlock, seed);
        for (float &v : x)
          v = std::ldexp(v, exponent);
        Encoded made(format, x);
        for (const std::vector<float> *values : {&made.scale, &made.offset})
          for (float v : *values)
            ASSERT_EQ(f16ToF32(f32ToF16(v)), v) << exponent;
      }
}

TEST(SuperBlocks, UnusualGroups) {
  for (const SuperBlockFormat &format : kFormats) {
    // Nothing but zeros, beside groups that are not.
    Encoded zeros(format, std::vector<float>(kSuperBlock, 0));
    EXPECT_EQ(zeros.scales.scale, 0);
    std::vector<float> x = normals(kSuperBlock, 3);
    std::fill(x.begin(), x.begin() + format.group, 0.0f);
    Encoded some(format, x);
    for (int64_t i = 0; i < format.group; ++i)
      EXPECT_EQ(some.back[i], 0);
    check(format, x);
    // Constants, of either sign.
    for (float constant : {0.25f, -0.25f}) {
      Encoded made(format, std::vector<float>(kSuperBlock, constant));
      for (float v : made.back)
        EXPECT_NEAR(v, constant, 0.25f / 128) << formatName(format.stored);
    }
    // One value larger than all others together, and what f16 cannot hold.
    x = normals(kSuperBlock, 4);
    x[5] = 30;
    check(format, x);
    EXPECT_NEAR(Encoded(format, x).back[5], 30, 0.5);
    x[5] = 3e38f;
    check(format, x);
    for (float v : Encoded(format, x).back)
      EXPECT_TRUE(std::isfinite(v));
    for (float &v : x)
      v = 1e-30f;
    check(format, x);
  }
}

TEST(SuperBlocks, GroupsDoNotKnowWhatFollowsTheRow) {
  for (const SuperBlockFormat &format : kFormats) {
    std::vector<float> x = normals(70, 9);
    Encoded made(format, x);
    x.resize(kSuperBlock, 0);
    Encoded padded(format, x);
    EXPECT_EQ(made.scales.scale, padded.scales.scale);
    // Up to the group that zeros were added to.
    for (int i = 0; i < 64; ++i)
      EXPECT_EQ(made.codes[i], padded.codes[i]);
  }
}

} // namespace
