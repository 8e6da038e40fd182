//===- QuantizeTest.cpp - The one formula, at every granularity -----------===//

#include "quantc/Numerics/Quantize.h"

#include "quantc/Numerics/Order.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <random>

using namespace quantc::numerics;

namespace {

const float kNaN = std::numeric_limits<float>::quiet_NaN();
constexpr float kInf = std::numeric_limits<float>::infinity();

std::vector<float> normals(int64_t count, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0.1f, 1);
  std::vector<float> values(count);
  for (float &v : values)
    v = normal(random);
  return values;
}

/// Scale index of an element, straight from the definition.
int64_t groupOf(int64_t element, const Extents &shape, const Extents &block) {
  Extents scales = scaleShape(shape, block);
  int64_t group = 0, stride = 1;
  for (size_t d = shape.size(); d-- > 0;) {
    int64_t index = element % shape[d];
    element /= shape[d];
    group += stride * (block[d] == 0 ? 0 : index / block[d]);
    stride *= scales[d];
  }
  return group;
}

ScaleArrays arraysOf(const QuantizedWeights &w) {
  return {w.scale.data(), w.zeroPoint.empty() ? nullptr : w.zeroPoint.data(),
          w.offset.empty() ? nullptr : w.offset.data()};
}

TEST(Granularity, ShapesAndCanonicalForm) {
  EXPECT_EQ(scaleShape({5, 300}, {1, 128}), (Extents{5, 3}));
  EXPECT_EQ(scaleShape({5, 300}, {0, 0}), (Extents{1, 1}));
  EXPECT_EQ(scaleShape({200, 300}, {128, 128}), (Extents{2, 3}));
  EXPECT_EQ(canonicalBlock({5, 300}, {5, 512}), (Extents{0, 0}));
  EXPECT_EQ(canonicalBlock({5, 300}, {1, 128}), (Extents{1, 128}));
  EXPECT_EQ(scaleShape({}, {}), Extents{});
  EXPECT_EQ(checkBlock({2, 3}, {1, 0}), "");
  EXPECT_NE(checkBlock({2, 3}, {1}), "");
  EXPECT_NE(checkBlock({2, 3}, {1, -1}), "");
}

TEST(Granularity, RunsCoverEveryElementOnce) {
  const Extents shapes[] = {{}, {1}, {7}, {3, 5}, {4, 6, 5}, {2, 3, 2, 9}};
  for (const Extents &shape : shapes) {
    // Every combination of blocks 0..4, so short last blocks too.
    int64_t combinations = 1;
    for (size_t d = 0; d < shape.size(); ++d)
      combinations *= 5;
    for (int64_t c = 0; c < combinations; ++c) {
      Extents block;
      for (int64_t rest = c; block.size() < shape.size(); rest /= 5)
        block.push_back(rest % 5);
      int64_t next = 0;
      forEachRun(shape, block,
                 [&](int64_t begin, int64_t length, int64_t group) {
                   EXPECT_EQ(begin, next);
                   for (int64_t i = begin; i < begin + length; ++i)
                     EXPECT_EQ(group, groupOf(i, shape, block));
                   next = begin + length;
                 });
      EXPECT_EQ(next, elementCount(shape));
    }
  }
  forEachRun({3, 0}, {1, 0}, [](int64_t, int64_t, int64_t) { FAIL(); });
}

TEST(Quantize, ErrorIsHalfAStepAtEveryGranularity) {
  Extents shape = {6, 37};
  std::vector<float> real = normals(elementCount(shape), 3);
  for (Format format : {Format::SI2, Format::UI4, Format::SI4, Format::UI5,
                        Format::SI8, Format::UI8, Format::SI16, Format::UI16})
    for (Scheme scheme : {Scheme::Symmetric, Scheme::SignedScale,
                          Scheme::Asymmetric, Scheme::AsymmetricOffset})
      for (Extents block : {Extents{0, 0}, Extents{1, 0}, Extents{1, 8},
                            Extents{4, 16}, Extents{0, 1}}) {
        bool isSigned = info(format).isSigned;
        if (!isSigned && scheme < Scheme::Asymmetric)
          continue;
        Encoding encoding;
        encoding.format = format;
        QuantizedWeights w =
            quantizeWeights(encoding, shape, block, scheme, real.data());
        std::vector<float> back(real.size());
        dequantize(encoding, shape, block, arraysOf(w), w.stored.data(),
                   back.data());
        EXPECT_EQ(w.scaleShape, scaleShape(shape, block));
        for (size_t i = 0; i < real.size(); ++i) {
          float scale = std::fabs(w.scale[groupOf(i, shape, block)]);
          // A value of the other sign than the extreme one may lie one step
          // beyond the last code of a signed scale, and the rounded zero point
          // may push an end out by half a step.
          double steps = scheme == Scheme::SignedScale  ? 1.0
                         : scheme == Scheme::Asymmetric ? 1.0
                                                        : 0.5;
          EXPECT_LE(std::fabs(back[i] - real[i]), scale * steps * 1.0001 + 1e-6)
              << formatName(format) << " " << schemeName(scheme);
        }
        // What came back quantizes to the same codes.
        std::vector<uint8_t> again(w.stored.size());
        quantize(encoding, shape, block, arraysOf(w), back.data(),
                 again.data());
        EXPECT_EQ(again, w.stored)
            << formatName(format) << " " << schemeName(scheme);
      }
}

TEST(Quantize, OneElementByHand) {
  Encoding si4;
  si4.format = Format::SI4;
  auto q = [&](float x, float scale, int32_t zp) {
    return static_cast<int32_t>(quantizeOne(si4, x, scale, zp, false, 0));
  };
  EXPECT_EQ(q(0.5f, 1, 0), 0);
  EXPECT_EQ(q(1.5f, 1, 0), 2);
  EXPECT_EQ(q(2.5f, 1, 0), 2);
  EXPECT_EQ(q(-2.5f, 1, 0), -2);
  EXPECT_EQ(q(2.5f, 1, 1), 3) << "rounded before the zero point is added";
  EXPECT_EQ(q(100, 1, -8), 7);
  EXPECT_EQ(q(-kInf, 1, 7), -8);
  EXPECT_EQ(q(kInf, 1, -8), 7);
  EXPECT_EQ(q(kNaN, 1, 0), -8);
  EXPECT_EQ(q(3, -1, 0), -3) << "a negative scale is legal";
  EXPECT_EQ(dequantizeOne(si4, uint32_t(-8), 0.5f, 3, false, 0), -5.5f);
  EXPECT_EQ(dequantizeOne(si4, 15, 0.5f, 0, true, 2), 1.5f);
}

TEST(Quantize, ArraysAgreeWithOneElementAtATime) {
  Codebook book{{-1, -0.3f, 0.2f, 1}};
  std::vector<float> real = normals(61, 17);
  real.insert(real.end(), {kNaN, kInf, -kInf, 0.0f, -0.0f, 1e30f, 0.5f, 1.5f});
  auto count = static_cast<int64_t>(real.size());
  for (int f = 0; f < kFormatCount; ++f)
    for (int variant = 0; variant < 5; ++variant) {
      Encoding encoding;
      encoding.format = static_cast<Format>(f);
      if (variant == 4)
        encoding.precision = Format::F16;
      bool isInteger = info(encoding.format).isInteger;
      if (variant == 3) {
        encoding.format = Format::UI2;
        encoding.codebook = &book;
      }
      float scale = variant == 2 ? -0.37f : 0.25f, offset = 0.3f;
      int32_t zeroPoint = variant == 1 && isInteger ? 3 : 0;
      ScaleArrays scales;
      scales.scale = &scale;
      if (variant == 1 && isInteger)
        scales.zeroPoint = &zeroPoint;
      if (variant == 2)
        scales.offset = &offset;
      unsigned bytes = storageBytes(encoding.format);
      std::vector<uint32_t> storage(count);
      std::vector<float> back(count);
      quantize(encoding, {count}, {0}, scales, real.data(), storage.data());
      dequantize(encoding, {count}, {0}, scales, storage.data(), back.data());
      for (int64_t i = 0; i < count; ++i) {
        uint32_t want = quantizeOne(encoding, real[i], scale, zeroPoint,
                                    variant == 2, offset);
        uint32_t got = 0;
        std::memcpy(&got, reinterpret_cast<char *>(storage.data()) + i * bytes,
                    bytes);
        uint32_t kept = bytes == 4 ? ~0u : (1u << (8 * bytes)) - 1;
        EXPECT_EQ(got, want & kept)
            << formatName(encoding.format) << " " << real[i];
        float value = dequantizeOne(encoding, want, scale, zeroPoint,
                                    variant == 2, offset);
        if (std::isnan(value)) {
          EXPECT_TRUE(std::isnan(back[i]));
          continue;
        }
        EXPECT_EQ(back[i], value) << formatName(encoding.format);
        EXPECT_EQ(std::signbit(back[i]), std::signbit(value));
      }
    }
}

TEST(Quantize, ZeroPointOfWideTypesCannotOverflow) {
  Encoding si32;
  si32.format = Format::SI32;
  auto q = [&](float x, int32_t zp) {
    return static_cast<int32_t>(quantizeOne(si32, x, 1, zp, false, 0));
  };
  EXPECT_EQ(q(3e9f, 100), 2147483647);
  EXPECT_EQ(q(-3e9f, 100), -2147483647 - 1);
  EXPECT_EQ(dequantizeOne(si32, 0x80000000u, 1, 2147483647, false, 0),
            -4294967295.0f);
}

TEST(Quantize, CodebookNearestLowerOnTies) {
  Codebook book{{-1, 1, 0, 0.5f}};
  EXPECT_EQ(book.nearest(-0.5f), 0u) << "a tie of 0 and 2";
  EXPECT_EQ(book.nearest(0.75f), 1u) << "a tie of 1 and 3";
  EXPECT_EQ(book.nearest(0.25f), 2u);
  EXPECT_EQ(book.nearest(kInf), 1u);
  EXPECT_EQ(book.nearest(-kInf), 0u);
  EXPECT_EQ(book.nearest(kNaN), 0u);

  Codebook binary{{-1, 1}};
  Encoding encoding;
  encoding.format = Format::UI1;
  encoding.codebook = &binary;
  std::vector<float> real = {1, -2, 3, -4}, back(4);
  QuantizedWeights w =
      quantizeWeights(encoding, {1, 4}, {1, 0}, Scheme::MeanAbs, real.data());
  EXPECT_EQ(w.scale[0], 2.5f);
  EXPECT_EQ(w.stored, (std::vector<uint8_t>{1, 0, 1, 0}));
  dequantize(encoding, {1, 4}, {1, 0}, arraysOf(w), w.stored.data(),
             back.data());
  EXPECT_EQ(back, (std::vector<float>{2.5f, -2.5f, 2.5f, -2.5f}));
}

TEST(Quantize, MeanIsInRowOrder) {
  std::vector<float> real = normals(200, 9);
  Encoding encoding;
  encoding.format = Format::SI2;
  QuantizedWeights w = chooseGroupParams(encoding, {2, 100}, {1, 0},
                                         Scheme::MeanAbs, real.data());
  for (int row = 0; row < 2; ++row)
    EXPECT_EQ(w.scale[row], sumRow(100, [&](int64_t i) {
                              return std::fabs(real[row * 100 + i]);
                            }) / 100.0f);
}

TEST(Quantize, FloatFormatsTakeTheirNearestValue) {
  std::vector<float> real = normals(64, 5);
  for (Format format : {Format::F8E4M3FN, Format::F8E5M2, Format::F8E4M3FNUZ,
                        Format::F6E2M3FN, Format::F4E2M1FN}) {
    Encoding encoding;
    encoding.format = format;
    for (Scheme scheme : {Scheme::Symmetric, Scheme::PowerOfTwo}) {
      QuantizedWeights w =
          quantizeWeights(encoding, {2, 32}, {1, 32}, scheme, real.data());
      for (int i = 0; i < 64; ++i)
        EXPECT_EQ(w.stored[i], encode(format, real[i] / w.scale[i / 32]));
    }
  }
}

TEST(Quantize, PrecisionRoundsEveryOperation) {
  Encoding encoding;
  encoding.format = Format::SI16;
  encoding.precision = Format::F16;
  // 2049 is no f16: the conversion alone rounds it to 2048.
  EXPECT_EQ(dequantizeOne(encoding, 2049, 1, 0, false, 0), 2048.0f);
  // 1024 + 0.25 rounds back to 1024.
  EXPECT_EQ(dequantizeOne(encoding, 1024, 1, 0, true, 0.25f), 1024.0f);
  // 2047 / 2 = 1023.5 is an f16 and rounds to even; 4095 / 2 = 2047.5 is none.
  EXPECT_EQ(quantizeOne(encoding, 2047, 2, 0, false, 0), 1024u);
  encoding.precision = Format::BF16;
  EXPECT_EQ(dequantizeOne(encoding, 257, 1, 0, false, 0), 256.0f);
}

TEST(Quantize, ZerosAndScalarsWork) {
  Encoding encoding;
  std::vector<float> zeros(16, 0.0f), back(16, 1.0f);
  for (Scheme scheme :
       {Scheme::Symmetric, Scheme::SignedScale, Scheme::Asymmetric,
        Scheme::AsymmetricOffset, Scheme::PowerOfTwo, Scheme::MeanAbs}) {
    QuantizedWeights w =
        quantizeWeights(encoding, {2, 8}, {1, 4}, scheme, zeros.data());
    dequantize(encoding, {2, 8}, {1, 4}, arraysOf(w), w.stored.data(),
               back.data());
    EXPECT_EQ(back, zeros) << schemeName(scheme);
  }
  float value = -3;
  QuantizedWeights w =
      quantizeWeights(encoding, {}, {}, Scheme::Symmetric, &value);
  EXPECT_EQ(static_cast<int8_t>(w.stored[0]), -127);
}

} // namespace
