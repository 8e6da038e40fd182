//===- ReciprocalTest.cpp - Rounded products against rounded divisions ----===//

#include "quantc/Numerics/Reciprocal.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <cstring>
#include <random>

using namespace quantc::numerics;

namespace {

float fromBits(uint32_t bits) {
  float x;
  std::memcpy(&x, &bits, sizeof(x));
  return x;
}

/// Compares the floats around each product of the scale with half a number,
/// where quotients change the number that they round to.
void compareAround(float scale) {
  ASSERT_TRUE(roundsAsDivision(scale)) << std::hexfloat << scale;
  Reciprocal reciprocal(scale);
  for (int n = 0; n < 256; ++n) {
    float y = (float(n) + 0.5f) * scale;
    for (int i = 0; i < 4; ++i)
      y = std::nextafter(y, 0.0f);
    for (int i = 0; i < 9; ++i, y = std::nextafter(y, INFINITY))
      for (float signedY : {y, -y})
        ASSERT_EQ(std::nearbyint(reciprocal.times(signedY)),
                  std::nearbyint(signedY / scale))
            << std::hexfloat << signedY << " / " << scale;
  }
}

TEST(Reciprocal, RoundsAsTheDivision) {
  std::mt19937 random(1);
  for (int i = 0; i < 1000; ++i) {
    uint32_t significand = random() & 0x7fffff, exponent = 27 + random() % 200;
    float scale = fromBits(exponent << 23 | significand);
    if (roundsAsDivision(scale))
      compareAround(scale);
  }
}

TEST(Reciprocal, RoundsAsTheDivisionWhereItIsClosest) {
  for (uint32_t high = 0; high < 128; ++high)
    for (int32_t low : {-10, -9, 0, 9, 10})
      compareAround(fromBits((127u << 23 | high << 16) + uint32_t(low)));
}

TEST(Reciprocal, LeavesScalesOutThatAreTooCloseOrTooLarge) {
  for (uint32_t low : {1u, 8u, 0xffffu, 0xfff8u})
    EXPECT_FALSE(roundsAsDivision(fromBits(127u << 23 | low)));
  for (float scale : {0.0f, -1.0f, 0x1p-101f, 0x1p101f, INFINITY, NAN})
    EXPECT_FALSE(roundsAsDivision(scale));
  for (float scale : {1.0f, 0x1p-100f, 0x1p100f})
    EXPECT_TRUE(roundsAsDivision(scale));
}

} // namespace
