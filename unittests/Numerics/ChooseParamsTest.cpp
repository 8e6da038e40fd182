//===- ChooseParamsTest.cpp - The formulas of scales and zero points ------===//

#include "quantc/Numerics/ChooseParams.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

using namespace quantc::numerics;

namespace {

const float kNaN = std::numeric_limits<float>::quiet_NaN();

Extrema extremaOf(std::initializer_list<float> values) {
  Extrema extrema;
  for (float v : values)
    extrema.add(v);
  return extrema;
}

const StoredRange kSI8 = storedRange(Format::SI8);
const StoredRange kUI8 = storedRange(Format::UI8);
const StoredRange kSI4 = storedRange(Format::SI4);
const StoredRange kUI4 = storedRange(Format::UI4);

const Scheme kAll[] = {Scheme::Symmetric,  Scheme::SignedScale,
                       Scheme::Asymmetric, Scheme::AsymmetricOffset,
                       Scheme::PowerOfTwo, Scheme::MeanAbs};

TEST(ChooseParams, NamesParse) {
  for (Scheme scheme : kAll)
    EXPECT_EQ(parseScheme(schemeName(scheme)), scheme);
  EXPECT_FALSE(parseScheme("minmax").has_value());
}

TEST(ChooseParams, SymmetricAndSigned) {
  Extrema extrema = extremaOf({-3.0f, 12.7f, 0.5f});
  EXPECT_EQ(chooseParams(Scheme::Symmetric, kSI8, extrema).scale,
            12.7f / 127.0f);
  EXPECT_EQ(chooseParams(Scheme::SignedScale, kSI4, extrema).scale,
            12.7f / -8.0f);
  EXPECT_EQ(chooseParams(Scheme::SignedScale, kSI4, extremaOf({-4, 4})).scale,
            0.5f)
      << "a tie takes the negative value";
  EXPECT_EQ(chooseParams(Scheme::Symmetric, kSI8, extrema, 0.5f).scale,
            6.35f / 127.0f);
}

TEST(ChooseParams, DynamicQuantizeLinearOfOnnx) {
  // The examples of the operator's own test: test_dynamicquantizelinear,
  // ..._max_adjusted and ..._min_adjusted.
  Params p = chooseParams(Scheme::Asymmetric, kUI8,
                          extremaOf({0, 2, -3, -2.5f, 1.34f, 0.5f}));
  EXPECT_FLOAT_EQ(p.scale, 0.0196078438f);
  EXPECT_EQ(p.zeroPoint, 153);
  p = chooseParams(Scheme::Asymmetric, kUI8,
                   extremaOf({-1.0f, -2.1f, -1.3f, -2.5f, -3.34f, -4.0f}));
  EXPECT_FLOAT_EQ(p.scale, 0.0156862754f);
  EXPECT_EQ(p.zeroPoint, 255);
  p = chooseParams(Scheme::Asymmetric, kUI8,
                   extremaOf({1, 2.1f, 1.3f, 2.5f, 3.34f, 4, 1.5f}));
  EXPECT_FLOAT_EQ(p.scale, 0.0156862754f);
  EXPECT_EQ(p.zeroPoint, 0);
}

TEST(ChooseParams, OffsetKeepsTheMinimum) {
  Params p = chooseParams(Scheme::AsymmetricOffset, kUI4, extremaOf({2, 17}));
  EXPECT_EQ(p.scale, 1.0f);
  EXPECT_EQ(p.offset, 2.0f);
  p = chooseParams(Scheme::AsymmetricOffset, kUI4, extremaOf({5, 5}));
  EXPECT_EQ(p.scale, 1.0f);
  EXPECT_EQ(p.offset, 5.0f);
  p = chooseParams(Scheme::AsymmetricOffset, kSI4, extremaOf({2, 17}));
  EXPECT_EQ(p.offset, 10.0f);
}

TEST(ChooseParams, PowerOfTwoIsThatOfMX) {
  StoredRange fp4 = storedRange(Format::F4E2M1FN);
  EXPECT_EQ(chooseParams(Scheme::PowerOfTwo, fp4, extremaOf({-6})).scale, 1.0f);
  EXPECT_EQ(chooseParams(Scheme::PowerOfTwo, fp4, extremaOf({7.9f})).scale,
            1.0f);
  EXPECT_EQ(chooseParams(Scheme::PowerOfTwo, fp4, extremaOf({8})).scale, 2.0f);
  EXPECT_EQ(chooseParams(Scheme::PowerOfTwo, fp4, extremaOf({0.3f})).scale,
            0x1p-4f);
  Params tiny = chooseParams(Scheme::PowerOfTwo, fp4, extremaOf({1e-40f}), 1,
                             Format::F8E8M0FNU);
  EXPECT_EQ(tiny.scale, 0x1p-127f);
}

TEST(ChooseParams, ZerosAndNothingGiveScaleOne) {
  for (Scheme scheme : kAll)
    for (Extrema extrema :
         {extremaOf({0, 0}), extremaOf({}), extremaOf({kNaN})}) {
      Params p = chooseParams(
          scheme, scheme == Scheme::Asymmetric ? kUI8 : kSI8, extrema);
      EXPECT_EQ(p.scale, 1.0f) << schemeName(scheme);
      EXPECT_EQ(p.zeroPoint, 0) << schemeName(scheme);
      EXPECT_EQ(p.offset, scheme == Scheme::AsymmetricOffset ? 128.0f : 0.0f);
    }
  Params signedZero = chooseParams(Scheme::Asymmetric, kSI8, extremaOf({0}));
  EXPECT_EQ(signedZero.zeroPoint, -128);
}

TEST(ChooseParams, NaNIsIgnoredAndUnderflowIsOne) {
  EXPECT_EQ(chooseParams(Scheme::Symmetric, kSI8, extremaOf({kNaN, -254, kNaN}))
                .scale,
            2.0f);
  EXPECT_EQ(chooseParams(Scheme::Symmetric, kSI8, extremaOf({0x1p-149f})).scale,
            1.0f);
  EXPECT_EQ(
      chooseParams(Scheme::Symmetric, kSI8, extremaOf({1e-6f}), 1, Format::F16)
          .scale,
      1.0f)
      << "zero in f16";
}

TEST(ChooseParams, ScaleIsAValueOfItsFormat) {
  for (Format format :
       {Format::F16, Format::BF16, Format::F8E4M3FN, Format::F8E8M0FNU}) {
    for (float absmax : {0.1f, 3.0f, 1e5f, 1e30f}) {
      float scale =
          chooseParams(Scheme::Symmetric, kSI8, extremaOf({absmax}), 1, format)
              .scale;
      EXPECT_EQ(decode(format, encode(format, scale)), scale);
      EXPECT_TRUE(std::isfinite(scale)) << formatName(format) << " " << absmax;
    }
  }
}

TEST(ChooseParams, ZeroIsExactWhenAsymmetric) {
  for (float lo = -5; lo < 3; lo += 0.37f)
    for (float width = 0.01f; width < 9; width *= 1.7f) {
      Params p =
          chooseParams(Scheme::Asymmetric, kUI8, extremaOf({lo, lo + width}));
      EXPECT_GE(p.zeroPoint, 0);
      EXPECT_LE(p.zeroPoint, 255);
    }
}

} // namespace
