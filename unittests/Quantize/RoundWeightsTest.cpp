//===- RoundWeightsTest.cpp - One weight, rounded to nearest --------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The oracle works on the whole weight in one piece, element by element, with
// numerics::chooseParams and quantizeOne; roundWeight cuts it into tasks.
//
//===----------------------------------------------------------------------===//

#include "../../lib/Quantize/RoundWeights.h"

#include "quantc/Dialect/QGraph/QGraphDialect.h"
#include "quantc/Numerics/Packing.h"
#include "quantc/Numerics/SuperBlocks.h"

#include "mlir/IR/Builders.h"
#include "gtest/gtest.h"

#include <cmath>
#include <random>

using namespace mlir;
using namespace quantc;
using namespace quantc::qgraph;
using numerics::Format;
using numerics::Scheme;

namespace {

class RoundWeightsTest : public ::testing::Test {
protected:
  RoundWeightsTest() : builder(&context) {
    context.loadDialect<QGraphDialect>();
    builder.setInsertionPointToEnd(&block);
  }

  /// A constant's value, as an operand.
  ConstantTensor tensor(TypedAttr value) {
    auto op = ConstantOp::create(builder, builder.getUnknownLoc(), value);
    return llvm::cantFail(ConstantTensor::get(op.getResult()));
  }

  ConstantTensor weight(ArrayRef<int64_t> shape, ArrayRef<float> values) {
    auto type = RankedTensorType::get(shape, builder.getF32Type());
    return tensor(llvm::cantFail(
        makeConstant(type, "w", [&](MutableArrayRef<char> bytes) {
          ASSERT_EQ(bytes.size(), values.size() * sizeof(float));
          std::memcpy(bytes.data(), values.data(), bytes.size());
        })));
  }

  /// One code an element.
  std::vector<uint8_t> codes(TypedAttr value, Format format) {
    ConstantTensor constant = tensor(value);
    std::vector<uint8_t> result(constant.getType().getNumElements());
    const auto *bytes =
        reinterpret_cast<const uint8_t *>(constant.getBytes().data());
    unsigned bits = numerics::packedBits(format);
    uint8_t mask = static_cast<uint8_t>((1u << bits) - 1);
    for (size_t i = 0; i < result.size(); ++i)
      result[i] = (bytes[i * bits / 8] >> (i * bits % 8)) & mask;
    return result;
  }

  MLIRContext context;
  OpBuilder builder;
  Block block;
};

std::vector<float> randoms(int64_t n) {
  std::mt19937 random(11);
  std::normal_distribution<float> distribution(0.1f, 1.0f);
  std::vector<float> values(n);
  for (float &x : values)
    x = distribution(random);
  return values;
}

uint8_t bitsOf(Format format, uint32_t code) {
  return static_cast<uint8_t>(code &
                              ((1u << numerics::packedBits(format)) - 1));
}

/// Rounds by the formulas and compares codes, scales, zero points and error.
struct Case {
  Format stored;
  Scheme scheme;
  std::array<int64_t, 2> block;
  Format scaleType;
  int64_t rows, columns;
};

class AgainstFormulas : public RoundWeightsTest,
                        public ::testing::WithParamInterface<Case> {};

TEST_P(AgainstFormulas, Bits) {
  const Case &c = GetParam();
  std::vector<float> x = randoms(c.rows * c.columns);
  RoundingFormat format;
  format.stored = c.stored;
  format.scheme = c.scheme;
  format.block = c.block;
  format.scaleType = c.scaleType;
  ConstantTensor input = weight({c.rows, c.columns}, x);
  RoundedWeight rounded = llvm::cantFail(roundWeight(input, format, "w@test"));

  int64_t height = c.block[0] == 0 ? c.rows : 1,
          width = c.block[1] == 0 ? c.columns : c.block[1];
  int64_t groups = (c.columns + width - 1) / width;
  EXPECT_EQ(cast<RankedTensorType>(rounded.scale.getType()).getShape(),
            ArrayRef<int64_t>({c.rows / height, groups}));
  std::vector<float> scales = tensor(rounded.scale).readFloats();
  std::vector<uint8_t> stored = codes(rounded.stored, c.stored), zeros;
  EXPECT_EQ(bool(rounded.zeroPoint), c.scheme == Scheme::Asymmetric);
  if (rounded.zeroPoint)
    zeros = codes(rounded.zeroPoint, c.stored);

  numerics::Encoding encoding;
  encoding.format = c.stored;
  double error = 0, norm = 0;
  for (int64_t top = 0; top < c.rows; top += height)
    for (int64_t g = 0; g < groups; ++g) {
      int64_t left = g * width, right = std::min(left + width, c.columns);
      numerics::Extrema extrema;
      for (int64_t i = top; i < top + height; ++i)
        for (int64_t j = left; j < right; ++j)
          extrema.add(x[i * c.columns + j]);
      numerics::Params params = numerics::chooseParams(
          c.scheme, encoding.range(), extrema, 1, c.scaleType);
      int64_t at = top / height * groups + g;
      ASSERT_EQ(scales[at], params.scale);
      if (rounded.zeroPoint)
        ASSERT_EQ(zeros[at],
                  bitsOf(c.stored, static_cast<uint32_t>(params.zeroPoint)));
      for (int64_t i = top; i < top + height; ++i)
        for (int64_t j = left; j < right; ++j) {
          float real = x[i * c.columns + j];
          uint32_t code = numerics::quantizeOne(encoding, real, params.scale,
                                                params.zeroPoint, false, 0);
          ASSERT_EQ(stored[i * c.columns + j], bitsOf(c.stored, code))
              << "row " << i << ", column " << j;
          double difference = double(real) - numerics::dequantizeOne(
                                                 encoding, code, params.scale,
                                                 params.zeroPoint, false, 0);
          error += difference * difference;
          norm += double(real) * real;
        }
    }
  EXPECT_NEAR(rounded.error, std::sqrt(error / norm), 1e-9);
}

// Rows enough for several tasks (of about 65,536 values, and whole bytes of
// packed elements), short last groups.
INSTANTIATE_TEST_SUITE_P(
    Formats, AgainstFormulas,
    ::testing::Values(
        Case{Format::SI8, Scheme::Symmetric, {1, 0}, Format::F32, 700, 333},
        Case{Format::SI8, Scheme::Symmetric, {0, 0}, Format::F32, 700, 333},
        Case{Format::UI8, Scheme::Asymmetric, {1, 0}, Format::F32, 19, 40},
        Case{Format::SI4, Scheme::SignedScale, {1, 32}, Format::F16, 2100, 65},
        Case{Format::UI4, Scheme::Asymmetric, {1, 32}, Format::F32, 2100, 33},
        Case{Format::SI2, Scheme::SignedScale, {1, 16}, Format::F32, 9, 50},
        Case{Format::F8E5M2, Scheme::Symmetric, {1, 0}, Format::F32, 700, 333},
        Case{Format::F4E2M1FN, Scheme::Symmetric, {1, 8}, Format::F16, 9, 50}));

TEST_F(RoundWeightsTest, SearchedScalesAreNoWorse) {
  RoundingFormat format;
  format.stored = Format::SI4;
  format.scheme = Scheme::SignedScale;
  format.block = {1, 32};
  ConstantTensor input = weight({64, 256}, randoms(64 * 256));
  double extremes = llvm::cantFail(roundWeight(input, format, "a")).error;
  format.searchScales = true;
  double searched = llvm::cantFail(roundWeight(input, format, "b")).error;
  EXPECT_LT(searched, extremes);
}

/// As the pass fills it in.
RoundingFormat formatOf(const char *name, int64_t group) {
  numerics::WeightFormat row = *numerics::parseWeightFormat(name);
  RoundingFormat format;
  format.stored = row.stored;
  format.codebook = row.codebook;
  format.ggml = row.ggml;
  format.scales = row.scales;
  format.hasScale = row.hasScale;
  format.scaleType = row.scaleType.value_or(Format::F32);
  format.block = {row.hasScale ? 1 : 0, group};
  return format;
}

// Blocks of 256 scales know nothing of tasks.
TEST_F(RoundWeightsTest, ScalesOfAllRowsAreQuantizedTogether) {
  constexpr int64_t rows = 700, columns = 333, group = 64, groups = 6;
  std::vector<float> x = randoms(rows * columns), scales;
  RoundingFormat format = formatOf("nf4", group);
  RoundedWeight rounded =
      llvm::cantFail(roundWeight(weight({rows, columns}, x), format, "w@test"));
  for (int64_t i = 0; i < rows; ++i)
    for (int64_t g = 0; g < groups; ++g) {
      float most = 0;
      for (int64_t j = g * group; j < std::min((g + 1) * group, columns); ++j)
        most = std::max(most, std::fabs(x[i * columns + j]));
      scales.push_back(most);
    }
  numerics::QuantizedScales twice = numerics::quantizeScales(
      numerics::ScaleCoding::Centred, {rows, groups}, scales);
  EXPECT_EQ(ArrayRef<int64_t>(rounded.scaleBlock), ArrayRef<int64_t>({42, 0}));
  EXPECT_EQ(codes(rounded.scale, Format::F8E4M3FN), twice.codes);
  EXPECT_EQ(tensor(rounded.scaleScale).readFloats(), twice.scale);
  EXPECT_EQ(tensor(rounded.scaleOffset).readFloats(), twice.offset);
  EXPECT_EQ(tensor(rounded.codebook).readFloats(), format.codebook->values);
  std::vector<uint8_t> stored = codes(rounded.stored, Format::UI4);
  for (int64_t i = 0; i < rows; ++i)
    for (int64_t j = 0; j < columns; ++j)
      ASSERT_EQ(stored[i * columns + j],
                format.codebook->nearest(x[i * columns + j] /
                                         scales[i * groups + j / group]))
          << "row " << i << ", column " << j;
}

TEST_F(RoundWeightsTest, HalvesAndOffsetsInTasks) {
  constexpr int64_t rows = 700, columns = 333;
  std::vector<float> x = randoms(rows * columns);
  ConstantTensor input = weight({rows, columns}, x);
  RoundedWeight halves =
      llvm::cantFail(roundWeight(input, formatOf("bf16", 0), "w@halves"));
  EXPECT_EQ(tensor(halves.scale).readFloats(), std::vector<float>{1.0f});
  std::vector<float> real = tensor(halves.stored).readFloats();
  for (size_t i = 0; i < x.size(); ++i)
    ASSERT_EQ(real[i], numerics::bf16ToF32(numerics::f32ToBF16(x[i])));

  RoundedWeight offsets =
      llvm::cantFail(roundWeight(input, formatOf("q5_1", 32), "w@offsets"));
  std::vector<float> scale = tensor(offsets.scale).readFloats(),
                     offset = tensor(offsets.offset).readFloats();
  std::vector<uint8_t> stored = codes(offsets.stored, Format::UI5);
  for (int64_t i = 0; i < rows; ++i)
    for (int64_t j = 0; j < columns; ++j) {
      int64_t at = i * 11 + j / 32;
      ASSERT_NEAR(scale[at] * stored[i * columns + j] + offset[at],
                  x[i * columns + j], 0.51f * scale[at] + 2e-3f);
    }
}

// Super-blocks are of rows, the last of a row short; tasks put theirs side by
// side.
TEST_F(RoundWeightsTest, SuperBlocksInTasks) {
  constexpr int64_t rows = 700, columns = 333;
  std::vector<float> x = randoms(rows * columns);
  for (const char *name : {"q4_k", "q5_k", "q6_k"}) {
    numerics::WeightFormat row = *numerics::parseWeightFormat(name);
    numerics::SuperBlockFormat super{row.stored, *row.groupSize};
    RoundedWeight rounded = llvm::cantFail(roundWeight(
        weight({rows, columns}, x), formatOf(name, super.group), name));
    EXPECT_EQ(ArrayRef<int64_t>(rounded.scaleBlock),
              ArrayRef<int64_t>({1, super.groups()}));
    int64_t groups = (columns + super.group - 1) / super.group;
    std::vector<uint8_t> stored = codes(rounded.stored, row.stored),
                         scale = codes(rounded.scale, super.scaleCodes()),
                         offset;
    std::vector<float> d = tensor(rounded.scaleScale).readFloats(), dmin;
    ASSERT_EQ(static_cast<bool>(rounded.offset), super.hasOffsets());
    if (super.hasOffsets()) {
      offset = codes(rounded.offset, Format::UI6);
      dmin = tensor(rounded.offsetScale).readFloats();
    }
    uint8_t mask = (1 << numerics::info(row.stored).bits) - 1;
    for (int64_t i = 0; i < rows; ++i)
      for (int64_t begin = 0; begin < columns; begin += 256) {
        int64_t length = std::min<int64_t>(256, columns - begin);
        std::vector<uint8_t> expected(length);
        numerics::SuperBlockScales scales = numerics::encodeSuperBlock(
            super, &x[i * columns + begin], length, expected.data());
        int64_t block = i * 2 + begin / 256;
        ASSERT_EQ(d[block], scales.scale);
        if (super.hasOffsets())
          ASSERT_EQ(dmin[block], scales.offset);
        for (int64_t j = 0; j < length; ++j) {
          int64_t g = j / super.group,
                  group = i * groups + begin / super.group + g;
          ASSERT_EQ(stored[i * columns + begin + j] & mask, expected[j] & mask);
          ASSERT_EQ(scale[group], scales.scaleCodes[g]);
          if (super.hasOffsets())
            ASSERT_EQ(offset[group], scales.offsetCodes[g]);
        }
      }
  }
}

TEST_F(RoundWeightsTest, WhatIsTooLargeHasAnInfiniteError) {
  EXPECT_TRUE(std::isinf(llvm::cantFail(roundWeight(weight({1, 2}, {1, 7e4f}),
                                                    formatOf("f16", 0), "w"))
                             .error));
}

TEST_F(RoundWeightsTest, ZerosHaveNoError) {
  RoundedWeight rounded = llvm::cantFail(roundWeight(
      weight({8, 16}, std::vector<float>(128, 0)), RoundingFormat(), "w"));
  EXPECT_EQ(rounded.error, 0);
  for (float scale : tensor(rounded.scale).readFloats())
    EXPECT_EQ(scale, 1);
}

TEST_F(RoundWeightsTest, Finite) {
  std::vector<float> values = randoms(300 * 300);
  EXPECT_TRUE(isFinite(weight({300, 300}, values)));
  values[299 * 300 + 7] = NAN;
  EXPECT_FALSE(isFinite(weight({300, 300}, values)));
  values[299 * 300 + 7] = -INFINITY;
  EXPECT_FALSE(isFinite(weight({300, 300}, values)));
}

TEST_F(RoundWeightsTest, KeysDiffer) {
  RoundingFormat a, b;
  EXPECT_EQ(a.key(), b.key());
  b.searchScales = true;
  EXPECT_NE(a.key(), b.key());
  b = a;
  b.block = {1, 32};
  EXPECT_NE(a.key(), b.key());
  b = a;
  b.scaleType = Format::F16;
  EXPECT_NE(a.key(), b.key());
  EXPECT_NE(formatOf("nf4", 64).key(), formatOf("fp4", 64).key());
  EXPECT_NE(formatOf("q8_0", 32).key(), formatOf("si8", 32).key());
}

} // namespace
