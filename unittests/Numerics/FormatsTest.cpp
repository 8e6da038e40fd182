//===- FormatsTest.cpp - Codes and values of every stored type ------------===//

#include "quantc/Numerics/Formats.h"

#include "quantc/Numerics/Packing.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <random>

using namespace quantc::numerics;

namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();
const float kNaN = std::numeric_limits<float>::quiet_NaN();

std::vector<Format> allFormats() {
  std::vector<Format> formats;
  for (int i = 0; i < kFormatCount; ++i)
    formats.push_back(static_cast<Format>(i));
  return formats;
}

const Format kSmallFloats[] = {
    Format::F8E4M3FN, Format::F8E4M3FNUZ, Format::F8E5M2,  Format::F8E5M2FNUZ,
    Format::F6E2M3FN, Format::F6E3M2FN,   Format::F4E2M1FN};

float fromBits(uint32_t bits) {
  float x;
  std::memcpy(&x, &bits, sizeof(x));
  return x;
}

/// What a float code means, written from the definition and apart from the
/// library's own way of doing it.
double meaning(Format format, uint32_t code) {
  const FormatInfo &row = info(format);
  uint32_t sign = (code >> (row.exponentBits + row.mantissaBits)) & 1;
  uint32_t e = (code >> row.mantissaBits) & ((1u << row.exponentBits) - 1);
  uint32_t m = code & ((1u << row.mantissaBits) - 1);
  bool ones = e == (1u << row.exponentBits) - 1;
  switch (format) {
  case Format::F8E4M3FN:
    if (ones && m == 7)
      return kNaN;
    break;
  case Format::F8E5M2:
  case Format::F16:
  case Format::BF16:
    if (ones)
      return m != 0 ? kNaN : sign ? -kInf : kInf;
    break;
  case Format::F8E4M3FNUZ:
  case Format::F8E5M2FNUZ:
    if (code == 0x80)
      return kNaN;
    break;
  default:
    break;
  }
  double fraction = m / std::pow(2.0, row.mantissaBits);
  double value = e == 0 ? fraction * std::pow(2.0, 1 - row.bias)
                        : (1 + fraction) * std::pow(2.0, double(e) - row.bias);
  return sign ? -value : value;
}

TEST(Formats, TableIsInOrderAndNamesParse) {
  for (Format format : allFormats()) {
    EXPECT_EQ(info(format).format, format);
    EXPECT_EQ(parseFormat(formatName(format)), format);
  }
  EXPECT_FALSE(parseFormat("i8").has_value());
  EXPECT_FALSE(parseFormat("").has_value());
  EXPECT_EQ(integerFormat(4, true), Format::SI4);
  EXPECT_EQ(integerFormat(16, false), Format::UI16);
  EXPECT_FALSE(integerFormat(9, false).has_value());
}

TEST(Formats, KnownLimits) {
  // OFP8 table 1, MX v1.0 section 5.3, arXiv:2206.02915.
  EXPECT_EQ(info(Format::F8E4M3FN).qmax, 448);
  EXPECT_EQ(info(Format::F8E4M3FNUZ).qmax, 240);
  EXPECT_EQ(info(Format::F8E5M2).qmax, 57344);
  EXPECT_EQ(info(Format::F8E5M2FNUZ).qmax, 57344);
  EXPECT_EQ(decode(Format::F8E4M3FN, 1), 0x1p-9f);
  EXPECT_EQ(decode(Format::F8E5M2, 1), 0x1p-16f);
  EXPECT_EQ(decode(Format::F8E4M3FNUZ, 1), 0x1p-10f);
  EXPECT_EQ(decode(Format::F8E5M2FNUZ, 1), 0x1p-17f);
  std::vector<float> fp4 = decodeTable(Format::F4E2M1FN);
  const float want[] = {0, .5f, 1, 1.5f, 2, 3, 4, 6};
  for (int i = 0; i < 8; ++i) {
    EXPECT_EQ(fp4[i], want[i]);
    EXPECT_EQ(fp4[i + 8], -want[i]);
  }
  EXPECT_EQ(maxExponent(Format::F4E2M1FN), 2);
  EXPECT_EQ(maxExponent(Format::F6E3M2FN), 4);
  EXPECT_EQ(maxExponent(Format::F8E4M3FN), 8);
  EXPECT_EQ(maxExponent(Format::F8E5M2), 15);
}

TEST(Formats, EveryFloatCodeDecodesByDefinition) {
  std::vector<Format> formats(std::begin(kSmallFloats), std::end(kSmallFloats));
  formats.push_back(Format::F16);
  formats.push_back(Format::BF16);
  for (Format format : formats) {
    double least = 0, most = 0;
    for (uint32_t code = 0; code < (1u << info(format).bits); ++code) {
      double want = meaning(format, code);
      float got = decode(format, code);
      if (std::isnan(want)) {
        EXPECT_TRUE(std::isnan(got)) << formatName(format) << " " << code;
        continue;
      }
      EXPECT_EQ(got, want) << formatName(format) << " " << code;
      EXPECT_EQ(std::signbit(got), std::signbit(want));
      // Going round: every finite or infinite code is its own encoding.
      EXPECT_EQ(encode(format, got, false), code) << formatName(format);
      if (std::isfinite(want)) {
        EXPECT_EQ(encode(format, got), code) << formatName(format);
        least = std::min(least, want);
        most = std::max(most, want);
      }
    }
    EXPECT_EQ(info(format).qmin, least) << formatName(format);
    EXPECT_EQ(info(format).qmax, most) << formatName(format);
  }
}

TEST(Formats, EncodeTakesTheNearestAndEvenCode) {
  std::mt19937 random(7);
  for (Format format : kSmallFloats) {
    const FormatInfo &row = info(format);
    std::vector<float> values = decodeTable(format);
    uint32_t sign = 1u << (row.bits - 1);
    std::vector<float> inputs;
    // Every value, every midpoint and their neighbours, and random ones.
    for (uint32_t code = 0; code + 1 < sign; ++code) {
      if (!std::isfinite(values[code]) || !std::isfinite(values[code + 1]))
        continue;
      float middle = (values[code] + values[code + 1]) / 2;
      for (float x : {values[code], middle, std::nextafter(middle, kInf),
                      std::nextafter(middle, 0.0f)})
        inputs.push_back(x);
    }
    for (int i = 0; i < 20000; ++i) {
      float x = fromBits(random() & 0x7fffffffu);
      if (x < row.qmax)
        inputs.push_back(x);
    }
    for (float x : inputs) {
      double best = kInf;
      uint32_t want = 0;
      for (uint32_t code = 0; code < sign; ++code) {
        double distance = std::fabs(double(values[code]) - x);
        if (distance < best || (distance == best && code % 2 == 0)) {
          best = distance;
          want = code;
        }
      }
      EXPECT_EQ(encode(format, x), want) << formatName(format) << " " << x;
      if (want != 0 || row.specials != Specials::NegativeZero)
        EXPECT_EQ(encode(format, -x), want | sign) << formatName(format);
      else
        EXPECT_EQ(encode(format, -x), 0u) << formatName(format);
    }
  }
}

TEST(Formats, OnnxTableOfSpecialValues) {
  struct Row {
    Format format;
    uint32_t nan, most, overflow, infinity, minusZero;
  };
  // ONNX Cast: saturate true gives `most`, false gives the other two.
  const Row rows[] = {
      {Format::F8E4M3FN, 0x7f, 0x7e, 0x7f, 0x7f, 0x80},
      {Format::F8E4M3FNUZ, 0x80, 0x7f, 0x80, 0x80, 0x00},
      {Format::F8E5M2, 0x7e, 0x7b, 0x7c, 0x7c, 0x80},
      {Format::F8E5M2FNUZ, 0x80, 0x7f, 0x80, 0x80, 0x00},
  };
  for (const Row &row : rows) {
    SCOPED_TRACE(info(row.format).name);
    for (bool saturate : {true, false}) {
      EXPECT_EQ(encode(row.format, kNaN, saturate), row.nan);
      EXPECT_EQ(encode(row.format, -0.0f, saturate), row.minusZero);
      EXPECT_EQ(encode(row.format, 0.0f, saturate), 0u);
    }
    EXPECT_EQ(encode(row.format, 1e6f), row.most);
    EXPECT_EQ(encode(row.format, kInf), row.most);
    EXPECT_EQ(encode(row.format, -kInf), row.most | 0x80);
    EXPECT_EQ(encode(row.format, 1e6f, false), row.overflow);
    EXPECT_EQ(encode(row.format, kInf, false), row.infinity);
    EXPECT_EQ(encode(row.format, -kInf, false), row.infinity | 0x80);
  }
  // [x] is the value rounded: 464 is half way to 480 and rounds to 448.
  EXPECT_EQ(encode(Format::F8E4M3FN, 464.0f, false), 0x7eu);
  EXPECT_EQ(encode(Format::F8E4M3FN, 464.1f, false), 0x7fu);
  for (Format format : {Format::F4E2M1FN, Format::F6E2M3FN, Format::F6E3M2FN}) {
    EXPECT_EQ(decode(format, encode(format, kInf)), info(format).qmax);
    EXPECT_EQ(decode(format, encode(format, -1e9f, false)), info(format).qmin);
    EXPECT_EQ(encode(format, kNaN), 0u);
    EXPECT_EQ(encode(format, -kNaN), 0u);
  }
}

TEST(Formats, HalfAndBrainFloat) {
  EXPECT_EQ(f32ToF16(65519.0f), 0x7bffu);
  EXPECT_EQ(f32ToF16(65520.0f), 0x7c00u) << "overflow is infinity";
  EXPECT_EQ(f32ToF16(0x1p-25f), 0u) << "half of the smallest, to even";
  EXPECT_EQ(f32ToF16(std::nextafter(0x1p-25f, 1.0f)), 1u);
  EXPECT_EQ(f32ToF16(2049.0f), f32ToF16(2048.0f));
  EXPECT_EQ(f32ToF16(-kInf), 0xfc00u);
  EXPECT_EQ(f32ToBF16(1.0f), 0x3f80u);
  EXPECT_EQ(f32ToBF16(fromBits(0x3f808000)), 0x3f80u);
  EXPECT_EQ(f32ToBF16(fromBits(0x3f818000)), 0x3f82u);
  EXPECT_EQ(f32ToBF16(std::numeric_limits<float>::max()), 0x7f80u);
  EXPECT_EQ(f32ToBF16(fromBits(1)), 0u);
  EXPECT_EQ(f32ToBF16(fromBits(0x8001)), 1u) << "denormals round too";
  EXPECT_TRUE(std::isnan(bf16ToF32(f32ToBF16(kNaN))));
  EXPECT_TRUE(std::isnan(f16ToF32(f32ToF16(kNaN))));
}

TEST(Formats, IntegersClampAndRoundHalfToEven) {
  for (Format format : allFormats()) {
    const FormatInfo &row = info(format);
    if (!row.isInteger)
      continue;
    SCOPED_TRACE(row.name);
    auto value = [&](float x) {
      return decodeInteger(format, encode(format, x));
    };
    EXPECT_EQ(value(kInf), row.qmax);
    EXPECT_EQ(value(-kInf), row.qmin);
    EXPECT_EQ(value(kNaN), row.qmin);
    EXPECT_EQ(value(0.5f), 0);
    EXPECT_EQ(value(3e9f), row.qmax);
    if (row.bits >= 3) {
      EXPECT_EQ(value(1.5f), 2);
      EXPECT_EQ(value(2.5f), 2);
    }
    if (row.isSigned) {
      EXPECT_EQ(value(-0.5f), 0);
      EXPECT_EQ(value(-1.0f), -1);
    }
    if (row.bits > 16)
      continue;
    for (int64_t v = int64_t(row.qmin); v <= int64_t(row.qmax); ++v) {
      EXPECT_EQ(value(float(v)), v);
      // The code, cut to the storage width, is the value itself.
      uint32_t code = encode(format, float(v));
      EXPECT_EQ(code, static_cast<uint32_t>(v));
    }
  }
  EXPECT_EQ(decodeInteger(Format::SI32, 0x80000000u), -2147483648ll);
}

TEST(Formats, PowersOfTwo) {
  Format format = Format::F8E8M0FNU;
  for (uint32_t code = 0; code < 255; ++code) {
    float value = decode(format, code);
    EXPECT_EQ(value, std::ldexp(1.0, int(code) - 127));
    for (auto rounding :
         {PowerRounding::Up, PowerRounding::Down, PowerRounding::Nearest})
      EXPECT_EQ(encodeE8M0(value, rounding), code);
    if (code == 254)
      continue;
    EXPECT_EQ(encodeE8M0(value * 1.25f, PowerRounding::Up), code + 1);
    EXPECT_EQ(encodeE8M0(value * 1.25f, PowerRounding::Down), code);
    EXPECT_EQ(encodeE8M0(value * 1.25f, PowerRounding::Nearest), code);
    EXPECT_EQ(encodeE8M0(value * 1.5f, PowerRounding::Nearest), code + 1);
  }
  EXPECT_TRUE(std::isnan(decode(format, 0xff)));
  EXPECT_EQ(encode(format, kNaN), 0xffu);
  EXPECT_EQ(encode(format, kInf), 0xfeu);
  EXPECT_EQ(encode(format, 0.0f), 0u);
  EXPECT_EQ(encode(format, kInf, false), 0xffu);
  EXPECT_EQ(encode(format, 0.0f, false), 0xffu);
  EXPECT_EQ(encodeE8M0(fromBits(1), PowerRounding::Up), 0u);
  EXPECT_EQ(encodeE8M0(std::numeric_limits<float>::max(), PowerRounding::Up),
            0xfeu);
  EXPECT_EQ(encodeE8M0(std::numeric_limits<float>::max(),
                       PowerRounding::Nearest, false),
            0xffu);
}

TEST(Formats, EncodeIsMonotonic) {
  for (Format format : allFormats()) {
    if (format == Format::F8E8M0FNU)
      continue;
    float previous = -kInf;
    for (int i = -4000; i <= 4000; ++i) {
      float x = std::copysign(std::exp2(std::fabs(float(i)) / 200.0f - 8), i);
      float value = decode(format, encode(format, x));
      EXPECT_GE(value, previous) << formatName(format) << " " << x;
      previous = value;
    }
  }
}

TEST(Packing, OnnxOrder) {
  // Low nibble first; an odd count pads with zero.
  uint8_t codes[] = {1, 2, 0xff, 4, 5}, packed[3];
  packBits(codes, 5, 4, packed);
  EXPECT_EQ(packed[0], 0x21);
  EXPECT_EQ(packed[1], 0x4f);
  EXPECT_EQ(packed[2], 0x05);
  uint8_t back[5];
  unpackBits(packed, 5, 4, true, back);
  EXPECT_EQ(static_cast<int8_t>(back[2]), -1);
  unpackBits(packed, 5, 4, false, back);
  EXPECT_EQ(back[2], 15);
  // Four 6-bit codes in three bytes.
  uint8_t six[] = {0x3f, 0x01, 0x20, 0x15}, three[3];
  packBits(six, 4, 6, three);
  EXPECT_EQ(three[0], 0x7f);
  EXPECT_EQ(three[1], 0x00);
  EXPECT_EQ(three[2], 0x56);
}

TEST(Packing, RoundTripAtEveryWidthAndLength) {
  std::mt19937 random(11);
  for (unsigned bits = 1; bits <= 8; ++bits)
    for (int64_t count = 0; count < 40; ++count)
      for (bool isSigned : {false, true}) {
        std::vector<uint8_t> codes(count), back(count);
        for (uint8_t &code : codes) {
          uint32_t raw = random() & ((1u << bits) - 1);
          uint32_t signBit = isSigned ? 1u << (bits - 1) : 0;
          code = static_cast<uint8_t>((raw ^ signBit) - signBit);
        }
        std::vector<uint8_t> packed(packedSize(count, bits));
        packBits(codes.data(), count, bits, packed.data());
        unpackBits(packed.data(), count, bits, isSigned, back.data());
        EXPECT_EQ(codes, back) << bits << " bits, " << count << " elements";
      }
  EXPECT_EQ(packedBits(Format::SI4), 4u);
  EXPECT_EQ(packedBits(Format::UI3), 8u);
  EXPECT_EQ(packedBits(Format::F6E2M3FN), 8u);
  EXPECT_EQ(packedBits(Format::SI32), 32u);
}

} // namespace
