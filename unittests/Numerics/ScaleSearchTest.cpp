//===- ScaleSearchTest.cpp - Scales that lose least -----------------------===//

#include "quantc/Numerics/ScaleSearch.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

using namespace quantc::numerics;

namespace {

Encoding si4() {
  Encoding encoding;
  encoding.format = Format::SI4;
  return encoding;
}

/// Squared error of rounding to nearest with these scales, in groups of 32.
std::vector<double> errors(const Extents &shape, const Extents &block,
                           const std::vector<float> &real,
                           const std::vector<float> &scale) {
  std::vector<uint8_t> stored(real.size());
  std::vector<float> back(real.size());
  ScaleArrays scales{scale.data(), nullptr, nullptr};
  quantize(si4(), shape, block, scales, real.data(), stored.data());
  dequantize(si4(), shape, block, scales, stored.data(), back.data());
  std::vector<double> result(scale.size());
  for (size_t i = 0; i < real.size(); ++i)
    result[i / block[1]] += std::pow(double(real[i]) - back[i], 2);
  return result;
}

TEST(ScaleSearch, NeverWorseAndNearTheBestScaleThereIs) {
  const Extents shape{4, 96}, block{1, 32};
  std::mt19937 random(7);
  std::normal_distribution<float> normal;
  std::vector<float> real(4 * 96);
  for (float &v : real)
    v = normal(random);
  QuantizedWeights weights = chooseGroupParams(
      si4(), shape, block, Scheme::SignedScale, real.data());
  std::vector<float> searched = weights.scale;
  searchScales(si4(), shape, block, true, Format::F32, real.data(), searched);
  std::vector<double> before = errors(shape, block, real, weights.scale);
  std::vector<double> after = errors(shape, block, real, searched);
  // Brute force: a fine grid of scales of both signs.
  std::vector<double> best(before.size(), INFINITY);
  for (int sign : {1, -1})
    for (int i = 0; i < 2000; ++i) {
      std::vector<float> tried(searched.size(), sign * (0.05f + 0.0005f * i));
      std::vector<double> found = errors(shape, block, real, tried);
      for (size_t g = 0; g < best.size(); ++g)
        best[g] = std::min(best[g], found[g]);
    }
  double sumBefore = 0, sumAfter = 0, sumBest = 0;
  for (size_t g = 0; g < best.size(); ++g) {
    EXPECT_LE(after[g], before[g] * (1 + 1e-6)) << g;
    sumBefore += before[g], sumAfter += after[g], sumBest += best[g];
  }
  EXPECT_LT(sumAfter, 0.9 * sumBefore);
  EXPECT_LT(sumAfter, 1.03 * sumBest);
}

TEST(ScaleSearch, KeepsGroupsItCannotImprove) {
  const Extents shape{1, 64}, block{1, 32};
  std::vector<float> real(64, 0.0f);
  // Exact already: codes -8 ... 7 of scale 0.5, twice.
  for (int i = 0; i < 32; ++i)
    real[32 + i] = 0.5f * static_cast<float>(i % 16 - 8);
  std::vector<float> scale{1.0f, 0.5f};
  searchScales(si4(), shape, block, true, Format::F16, real.data(), scale);
  EXPECT_EQ(scale[0], 1.0f);
  EXPECT_EQ(scale[1], 0.5f);
}

TEST(ScaleSearch, OneSignOnly) {
  const Extents shape{1, 32}, block{1, 32};
  std::mt19937 random(3);
  std::normal_distribution<float> normal(-0.5f);
  std::vector<float> real(32);
  for (float &v : real)
    v = normal(random);
  std::vector<float> scale{0.4f};
  searchScales(si4(), shape, block, false, Format::F32, real.data(), scale);
  EXPECT_GT(scale[0], 0.0f);
}

} // namespace
