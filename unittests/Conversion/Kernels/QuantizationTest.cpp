//===- QuantizationTest.cpp - quantize, dequantize and choose_params ------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Every stored type, scale type and formula against Numerics, bit for bit.
// Codes are decoded exhaustively; encoding is tried on all values, all
// midpoints and the numbers next to them.
//
//===----------------------------------------------------------------------===//

#include "Values.h"
#include "quantc/Numerics/Quantize.h"
#include "llvm/Support/FormatVariadic.h"

using namespace quantc;
using namespace quantc::testing;
using namespace quantc::numerics;
using llvm::formatv;

namespace {

constexpr Format kSmallFloats[] = {
    Format::F8E4M3FN, Format::F8E4M3FNUZ, Format::F8E5M2,  Format::F8E5M2FNUZ,
    Format::F6E2M3FN, Format::F6E3M2FN,   Format::F4E2M1FN};
constexpr Format kIntegers[] = {
    Format::SI1, Format::SI2,  Format::SI3,  Format::SI4, Format::SI5,
    Format::SI6, Format::SI7,  Format::SI8,  Format::UI1, Format::UI2,
    Format::UI3, Format::UI4,  Format::UI5,  Format::UI6, Format::UI7,
    Format::UI8, Format::SI16, Format::UI16, Format::SI32};
constexpr Format kScaleTypes[] = {Format::F32, Format::F16, Format::BF16,
                                  Format::F8E8M0FNU, Format::F8E4M3FN};
constexpr Format kReals[] = {Format::F32, Format::F16, Format::BF16};
const float kInfinity = std::numeric_limits<float>::infinity();
const float kNaN = std::numeric_limits<float>::quiet_NaN();

const char *nameOf(Format format) { return info(format).name; }

/// Numbers as elements of a format, in its storage.
Buffer stored(Format format, std::vector<int64_t> shape,
              const std::vector<uint32_t> &codes) {
  Buffer buffer{std::move(shape), {}};
  for (uint32_t code : codes)
    for (unsigned i = 0; i < storageBytes(format); ++i)
      buffer.bytes.push_back(static_cast<uint8_t>(code >> (8 * i)));
  return buffer;
}
Buffer storedReals(Format format, std::vector<int64_t> shape,
                   const std::vector<float> &values) {
  std::vector<uint32_t> codes;
  for (float value : values)
    codes.push_back(encode(format, value));
  return stored(format, std::move(shape), codes);
}
/// The nearest value of a format.
float nearest(Format format, float x) {
  return decode(format, encode(format, x));
}

uint32_t codeAt(const Buffer &buffer, Format format, size_t i) {
  uint32_t code = 0;
  std::memcpy(&code, &buffer.bytes[i * storageBytes(format)],
              storageBytes(format));
  return code;
}

/// The elements of `buffer` are these codes; for a format of floats every NaN
/// is one.
::testing::AssertionResult sameCodes(const Buffer &buffer, Format format,
                                     const std::vector<uint32_t> &expected,
                                     const std::vector<float> &from,
                                     const std::string &where) {
  uint32_t mask =
      storageBytes(format) == 4 ? ~0u : (1u << (8 * storageBytes(format))) - 1;
  for (size_t i = 0; i < expected.size(); ++i) {
    uint32_t actual = codeAt(buffer, format, i), wanted = expected[i] & mask;
    if (actual != wanted)
      return ::testing::AssertionFailure()
             << where << ": element " << i << " (" << std::hexfloat << from[i]
             << ") is code " << actual << ", not " << wanted;
  }
  return ::testing::AssertionSuccess();
}

/// The plain way, and what the highest level makes of the op.
std::vector<Way> twoWays() {
  std::vector<Way> ways = allWays();
  return {ways.front(), ways.back()};
}

/// What is hard to round to `format`: its values, the midpoints and their
/// neighbours, and the ends of f32.
std::vector<float> boundaries(Format format) {
  std::vector<float> sorted;
  for (float value : decodeTable(format))
    if (std::isfinite(value))
      sorted.push_back(value);
  std::sort(sorted.begin(), sorted.end());
  std::vector<float> all = {0.0f,
                            -0.0f,
                            kInfinity,
                            -kInfinity,
                            kNaN,
                            -kNaN,
                            0x1p-149f,
                            -0x1p-149f,
                            0x1p-126f,
                            0x1.fffffep+127f,
                            -0x1.fffffep+127f,
                            1e6f,
                            -1e6f};
  auto add = [&](float x) {
    all.insert(all.end(), {x, std::nextafter(x, kInfinity),
                           std::nextafter(x, -kInfinity)});
  };
  for (size_t i = 0; i < sorted.size(); ++i) {
    add(sorted[i]);
    if (i + 1 < sorted.size())
      add((sorted[i] + sorted[i + 1]) / 2);
  }
  // Where rounding to nearest would leave the range.
  float last = sorted.back() + (sorted.back() - sorted[sorted.size() - 2]) / 2;
  add(last);
  add(-last);
  return all;
}

TEST(Dequantize, EveryCodeOfSmallFloats) {
  for (Format format : kSmallFloats)
    for (Format scaleType : kScaleTypes)
      for (Format result : kReals) {
        int64_t codes = int64_t(1) << info(format).bits;
        std::string text =
            formatv(R"(
func.func @main(%x: tensor<{0}x{1}>, %s: tensor<1x{2}>) -> tensor<{0}x{3}> {{
  %y = qgraph.dequantize %x scale %s {{block = array<i64: 0>} : (tensor<{0}x{1}>, tensor<1x{2}>) -> tensor<{0}x{3}>
  return %y : tensor<{0}x{3}>
})",
                    codes, nameOf(format), nameOf(scaleType), nameOf(result));
        std::vector<uint32_t> all(codes);
        for (int64_t i = 0; i < codes; ++i)
          all[i] = i;
        float scale = nearest(scaleType, 0.3f);
        Encoding encoding;
        encoding.format = format;
        std::vector<uint32_t> expected;
        std::vector<float> from;
        for (uint32_t code : all) {
          from.push_back(dequantizeOne(encoding, code, scale, 0, false, 0));
          expected.push_back(encode(result, from.back()));
        }
        Model model(text, allWays().front());
        ASSERT_EQ(model.failure(), "");
        std::vector<Buffer> y =
            model.run({stored(format, {codes}, all),
                       storedReals(scaleType, {1}, {scale})});
        for (int64_t i = 0; i < codes; ++i) {
          float actual = decode(result, codeAt(y[0], result, i));
          float wanted = decode(result, expected[i]);
          ASSERT_TRUE(sameBits(&actual, &wanted, 1,
                               formatv("code {0} of {1} by {2} to {3}", i,
                                       nameOf(format), nameOf(scaleType),
                                       nameOf(result))));
        }
      }
}

TEST(Quantize, BoundariesOfSmallFloats) {
  for (Format format : kSmallFloats)
    for (bool saturate : {true, false}) {
      std::vector<float> x = boundaries(format);
      std::string text =
          formatv(R"(
func.func @main(%x: tensor<{0}xf32>, %s: tensor<1xf32>) -> tensor<{0}x{1}> {{
  %y = qgraph.quantize %x scale %s {{block = array<i64: 0>, saturate = {2}} : (tensor<{0}xf32>, tensor<1xf32>) -> tensor<{0}x{1}>
  return %y : tensor<{0}x{1}>
})",
                  x.size(), nameOf(format), saturate ? "true" : "false");
      std::vector<uint32_t> expected;
      for (float value : x)
        expected.push_back(encode(format, value, saturate));
      for (const Way &way : twoWays()) {
        Model model(text, way);
        ASSERT_EQ(model.failure(), "");
        std::vector<Buffer> y =
            model.run({Buffer::of<float>({int64_t(x.size())}, x),
                       Buffer::of<float>({1}, {1})});
        EXPECT_TRUE(sameCodes(y[0], format, expected, x,
                              formatv("{0}, {1}, saturate {2}", way.name(),
                                      nameOf(format), saturate)));
      }
    }
}

TEST(Quantize, FromHalfAndBFloat) {
  for (Format real : {Format::F16, Format::BF16})
    for (Format format : {Format::F8E4M3FN, Format::SI8}) {
      std::vector<float> x = boundaries(Format::F8E4M3FN);
      for (float &value : x)
        value = nearest(real, value);
      std::string text = formatv(R"(
func.func @main(%x: tensor<{0}x{1}>, %s: tensor<1x{1}>) -> tensor<{0}x{2}> {{
  %y = qgraph.quantize %x scale %s {{block = array<i64: 0>} : (tensor<{0}x{1}>, tensor<1x{1}>) -> tensor<{0}x{2}>
  return %y : tensor<{0}x{2}>
})",
                                 x.size(), nameOf(real), nameOf(format));
      float scale = nearest(real, 1.7f);
      Encoding encoding;
      encoding.format = format;
      std::vector<uint32_t> expected;
      for (float value : x)
        expected.push_back(quantizeOne(encoding, value, scale, 0, false, 0));
      Model model(text, allWays().front());
      ASSERT_EQ(model.failure(), "");
      std::vector<Buffer> y =
          model.run({storedReals(real, {int64_t(x.size())}, x),
                     storedReals(real, {1}, {scale})});
      EXPECT_TRUE(sameCodes(y[0], format, expected, x, nameOf(real)));
    }
}

/// Numbers whose quotients by 0.5 or 0 fall on ties, outside, nowhere.
std::vector<float> hard() {
  std::vector<float> x = {0.0f,  -0.0f,  kInfinity, -kInfinity, kNaN,
                          1e30f, -1e30f, 3e9f,      -3e9f};
  for (int i = -600; i <= 600; ++i)
    x.push_back(i * 0.25f + (i % 3 == 0 ? 0.0f : 0x1p-20f));
  for (float end :
       {127.5f, 128.5f, 32767.5f, 32768.5f, 65535.5f, 2147483647.0f})
    x.insert(x.end(), {end / 2, -end / 2});
  return x;
}

/// [groups, elements]: the scale and zero point of a group are those of its
/// row.
TEST(Quantize, IntegersWithZeroPoints) {
  std::vector<float> row = hard();
  int64_t n = row.size(), groups = 4;
  std::vector<float> scale = {0.5f, -0.5f, 0.0f, kNaN}, x;
  for (int64_t g = 0; g < groups; ++g)
    x.insert(x.end(), row.begin(), row.end());
  for (Format format : kIntegers)
    for (bool hasZeroPoint : {false, true}) {
      const FormatInfo &row = info(format);
      std::vector<int32_t> zeroPoint = {int32_t(row.qmin), int32_t(row.qmax), 0,
                                        int32_t(row.qmax / 2)};
      std::string scaleType = formatv("tensor<{0}x1xf32>", groups);
      std::string zeroType =
          formatv("tensor<{0}x1x{1}>", groups, nameOf(format));
      std::string text = formatv(R"(
func.func @main(%x: tensor<{0}x{1}xf32>, %s: {2}, %z: {3}) -> (tensor<{0}x{1}x{4}>, tensor<{0}x{1}xf32>) {{
  %q = qgraph.quantize %x scale %s {5} {{block = array<i64: 1, 0>} : (tensor<{0}x{1}xf32>, {2}{6}) -> tensor<{0}x{1}x{4}>
  %y = qgraph.dequantize %q scale %s {5} {{block = array<i64: 1, 0>} : (tensor<{0}x{1}x{4}>, {2}{6}) -> tensor<{0}x{1}xf32>
  return %q, %y : tensor<{0}x{1}x{4}>, tensor<{0}x{1}xf32>
})",
                                 groups, n, scaleType, zeroType, nameOf(format),
                                 hasZeroPoint ? "zero_point %z" : "",
                                 hasZeroPoint ? ", " + zeroType : "");
      Encoding encoding;
      encoding.format = format;
      std::vector<uint32_t> expected,
          zeroCodes(zeroPoint.begin(), zeroPoint.end());
      std::vector<float> back;
      for (int64_t g = 0; g < groups; ++g)
        for (int64_t i = 0; i < n; ++i) {
          int32_t z = hasZeroPoint ? zeroPoint[g] : 0;
          expected.push_back(
              quantizeOne(encoding, x[g * n + i], scale[g], z, false, 0));
          back.push_back(
              dequantizeOne(encoding, expected.back(), scale[g], z, false, 0));
        }
      for (const Way &way : storageBytes(format) == 1 ? allWays() : twoWays()) {
        Model model(text, way);
        ASSERT_EQ(model.failure(), "");
        std::vector<Buffer> y =
            model.run({Buffer::of<float>({groups, n}, x),
                       Buffer::of<float>({groups, 1}, scale),
                       stored(format, {groups, 1}, zeroCodes)},
                      way.plain ? 1 : 2);
        std::string where = formatv("{0}, {1}", way.name(), nameOf(format));
        EXPECT_TRUE(sameCodes(y[0], format, expected, x, where));
        EXPECT_TRUE(sameBits(y[1], back, where));
      }
    }
}

TEST(Quantize, OffsetAndPrecision) {
  std::vector<float> x = hard();
  int64_t n = x.size();
  for (Format precision : kReals)
    for (Format format : {Format::SI8, Format::UI4, Format::F8E5M2}) {
      std::vector<float> rounded;
      for (float value : x)
        rounded.push_back(nearest(precision, value));
      std::string text = formatv(R"(
func.func @main(%x: tensor<{0}x{1}>, %s: tensor<1x{1}>, %o: tensor<1x{1}>) -> (tensor<{0}x{2}>, tensor<{0}x{1}>) {{
  %q = qgraph.quantize %x scale %s offset %o {{block = array<i64: 0>, precision = {1}} : (tensor<{0}x{1}>, tensor<1x{1}>, tensor<1x{1}>) -> tensor<{0}x{2}>
  %y = qgraph.dequantize %q scale %s offset %o {{block = array<i64: 0>, precision = {1}} : (tensor<{0}x{2}>, tensor<1x{1}>, tensor<1x{1}>) -> tensor<{0}x{1}>
  return %q, %y : tensor<{0}x{2}>, tensor<{0}x{1}>
})",
                                 n, nameOf(precision), nameOf(format));
      float scale = nearest(precision, 0.3f),
            offset = nearest(precision, -1.1f);
      Encoding encoding;
      encoding.format = format;
      encoding.precision = precision;
      std::vector<uint32_t> expected;
      for (float value : rounded)
        expected.push_back(
            quantizeOne(encoding, value, scale, 0, true, offset));
      Model model(text, allWays().front());
      ASSERT_EQ(model.failure(), "");
      std::vector<Buffer> y =
          model.run({storedReals(precision, {n}, rounded),
                     storedReals(precision, {1}, {scale}),
                     storedReals(precision, {1}, {offset})});
      std::string where =
          formatv("{0} in {1}", nameOf(format), nameOf(precision));
      EXPECT_TRUE(sameCodes(y[0], format, expected, rounded, where));
      for (int64_t i = 0; i < n; ++i) {
        float actual = decode(precision, codeAt(y[1], precision, i));
        float wanted =
            dequantizeOne(encoding, expected[i], scale, 0, true, offset);
        ASSERT_TRUE(sameBits(&actual, &wanted, 1, where));
      }
    }
}

/// Unsorted, with equal entries; a code past the end is the last.
TEST(Quantize, Codebooks) {
  std::vector<float> x = hard();
  for (int i = -80; i <= 80; ++i)
    x.push_back(i * 0.01f);
  int64_t n = x.size();
  for (Format element : kReals)
    for (int64_t size : {2, 3, 16}) {
      Codebook codebook;
      for (int64_t i = 0; i < size; ++i)
        codebook.values.push_back(
            nearest(element, ((i * 7) % size - size * 0.4f) * 0.13f));
      codebook.values.back() = codebook.values.front();
      std::string text = formatv(R"(
func.func @main(%x: tensor<{0}xf32>, %s: tensor<1xf32>, %c: tensor<{1}x{2}>, %all: tensor<16xui4>) -> (tensor<{0}xui4>, tensor<16xf32>) {{
  %q = qgraph.quantize %x scale %s codebook %c {{block = array<i64: 0>} : (tensor<{0}xf32>, tensor<1xf32>, tensor<{1}x{2}>) -> tensor<{0}xui4>
  %y = qgraph.dequantize %all scale %s codebook %c {{block = array<i64: 0>} : (tensor<16xui4>, tensor<1xf32>, tensor<{1}x{2}>) -> tensor<16xf32>
  return %q, %y : tensor<{0}xui4>, tensor<16xf32>
})",
                                 n, size, nameOf(element));
      std::vector<uint32_t> expected, all;
      for (float value : x)
        expected.push_back(codebook.nearest(value / 0.5f));
      std::vector<float> values;
      for (uint32_t code = 0; code < 16; ++code) {
        all.push_back(code);
        values.push_back(codebook.values[std::min<size_t>(code, size - 1)] *
                         0.5f);
      }
      Model model(text, allWays().front());
      ASSERT_EQ(model.failure(), "");
      std::vector<Buffer> y =
          model.run({Buffer::of<float>({n}, x), Buffer::of<float>({1}, {0.5f}),
                     storedReals(element, {size}, codebook.values),
                     stored(Format::UI4, {16}, all)});
      EXPECT_TRUE(sameCodes(y[0], Format::UI4, expected, x, nameOf(element)));
      EXPECT_TRUE(sameBits(y[1], values, nameOf(element)));
    }
}

//===----------------------------------------------------------------------===//
// choose_params
//===----------------------------------------------------------------------===//

/// Rows of 37: ordinary, positive, negative, a tie, zeros, -0, NaNs alone and
/// among numbers, tiny, huge, infinite.
constexpr int64_t kRows = 13, kColumns = 37;
std::vector<float> groupsOfAllKinds() {
  std::vector<float> x = floats(kRows * kColumns, 5, -3, 4);
  auto row = [&](int64_t r,
                 const std::function<float(float, int64_t)> &change) {
    for (int64_t i = 0; i < kColumns; ++i)
      x[r * kColumns + i] = change(x[r * kColumns + i], i);
  };
  row(1, [](float v, int64_t) { return std::fabs(v) + 1; });
  row(2, [](float v, int64_t) { return -std::fabs(v) - 1; });
  row(3, [](float v, int64_t i) { return i == 5 ? 6.0f : i == 9 ? -6.0f : v; });
  row(4, [](float, int64_t) { return 0.0f; });
  row(5, [](float, int64_t i) { return i % 2 ? -0.0f : 0.0f; });
  row(6, [](float, int64_t) { return kNaN; });
  row(7, [](float v, int64_t i) { return i % 5 == 0 ? kNaN : v; });
  row(8, [](float v, int64_t) { return v * 0x1p-147f; });
  row(9, [](float v, int64_t) { return v * 0x1p+120f; });
  row(10, [](float v, int64_t i) { return i == 3 ? kInfinity : v; });
  row(11, [](float v, int64_t i) { return i == 3 ? -kInfinity : v; });
  row(12, [](float, int64_t) { return 2.5f; });
  return x;
}

void checkParams(Scheme scheme, Format format, Format scaleType, Extents block,
                 float ratio) {
  std::vector<float> x = groupsOfAllKinds();
  Extents shape = {kRows, kColumns}, scales = scaleShape(shape, block);
  Encoding encoding;
  encoding.format = format;
  QuantizedWeights expected = chooseGroupParams(encoding, shape, block, scheme,
                                                x.data(), ratio, scaleType);
  bool zeroPoint = scheme == Scheme::Asymmetric,
       offset = scheme == Scheme::AsymmetricOffset;
  std::string dims = formatv("{0}x{1}", scales[0], scales[1]);
  std::string second =
      zeroPoint ? formatv("tensor<{0}x{1}>", dims, nameOf(format)).str()
                : formatv("tensor<{0}xf32>", dims).str();
  bool two = zeroPoint || offset;
  std::string text = formatv(R"(
func.func @main(%x: tensor<{0}x{1}xf32>) -> (tensor<{2}x{3}>{4}) {{
  %s{5} = qgraph.choose_params {6} %x {{block = array<i64: {7}, {8}>, stored = {9}, clip_ratio = {10} : f32}
       : tensor<{0}x{1}xf32> -> tensor<{2}x{3}>{11}
  return %s{5} : tensor<{2}x{3}>{4}
})",
                             kRows, kColumns, dims, nameOf(scaleType),
                             two ? ", " + second : "", two ? ", %z" : "",
                             schemeName(scheme).data(), block[0], block[1],
                             nameOf(format), formatv("{0:f6}", ratio).str(),
                             zeroPoint ? ", " + second
                             : offset  ? " offset " + second
                                       : "");
  bool fast = (scheme == Scheme::Symmetric || zeroPoint) &&
              scaleType == Format::F32 && storageBytes(format) == 1 &&
              info(format).isInteger;
  for (const Way &way :
       fast ? allWays() : std::vector<Way>{allWays().front()}) {
    Model model(text, way);
    ASSERT_EQ(model.failure(), "") << text;
    std::vector<Buffer> y =
        model.run({Buffer::of<float>(shape, x)}, way.plain ? 1 : 3);
    std::string where =
        formatv("{0}: {1}, {2}, scales {3}, block {4}x{5}", way.name(),
                schemeName(scheme).data(), nameOf(format), nameOf(scaleType),
                block[0], block[1]);
    for (size_t i = 0; i < expected.scale.size(); ++i) {
      float actual = decode(scaleType, codeAt(y[0], scaleType, i));
      ASSERT_TRUE(sameBits(&actual, &expected.scale[i], 1,
                           formatv("{0}, group {1}", where, i)));
    }
    if (zeroPoint) {
      std::vector<uint32_t> codes(expected.zeroPoint.begin(),
                                  expected.zeroPoint.end());
      ASSERT_TRUE(sameCodes(y[1], format, codes, expected.scale,
                            where + ", zero point"));
    }
    if (offset)
      ASSERT_TRUE(sameBits(y[1], expected.offset, where + ", offset"));
  }
}

const Extents kBlocks[] = {{0, 0}, {1, 0}, {0, 1}, {1, 16}, {1, 5}, {4, 10}};

TEST(ChooseParams, Integers) {
  for (Scheme scheme :
       {Scheme::Symmetric, Scheme::SignedScale, Scheme::Asymmetric,
        Scheme::AsymmetricOffset, Scheme::PowerOfTwo, Scheme::MeanAbs})
    for (Format format :
         {Format::SI8, Format::SI4, Format::UI8, Format::UI4, Format::SI16}) {
      if (scheme == Scheme::SignedScale && !info(format).isSigned)
        continue;
      for (const Extents &block : kBlocks)
        checkParams(scheme, format, Format::F32, block, 1);
    }
  checkParams(Scheme::Symmetric, Format::SI8, Format::F32, {1, 0}, 0.75f);
  checkParams(Scheme::Asymmetric, Format::UI8, Format::F32, {1, 0}, 0.75f);
  checkParams(Scheme::Asymmetric, Format::SI2, Format::F32, {1, 16}, 1);
}

TEST(ChooseParams, ScaleTypesAndFloats) {
  for (Format scaleType : kScaleTypes)
    for (Scheme scheme :
         {Scheme::Symmetric, Scheme::SignedScale, Scheme::Asymmetric,
          Scheme::AsymmetricOffset, Scheme::PowerOfTwo, Scheme::MeanAbs})
      checkParams(scheme, Format::SI8, scaleType, {1, 16}, 1);
  for (Format format : kSmallFloats)
    for (Scheme scheme :
         {Scheme::Symmetric, Scheme::PowerOfTwo, Scheme::MeanAbs})
      checkParams(scheme, format, Format::F8E8M0FNU, {1, 16}, 1);
}

/// Values beyond `clip` count as its ends; NaN is still ignored.
TEST(ChooseParams, Clip) {
  Model model(R"(
func.func @main(%x: tensor<2x4xf32>) -> (tensor<2x1xf32>, tensor<2x1xui8>) {
  %s, %z = qgraph.choose_params asymmetric %x {block = array<i64: 1, 0>, stored = ui8, clip = array<f32: -1.0, 2.0>}
       : tensor<2x4xf32> -> tensor<2x1xf32>, tensor<2x1xui8>
  return %s, %z : tensor<2x1xf32>, tensor<2x1xui8>
})",
              allWays().front());
  ASSERT_EQ(model.failure(), "");
  std::vector<Buffer> y = model.run(
      {Buffer::of<float>({2, 4}, {-9, 9, 0, kNaN, 0.5f, 0.25f, kNaN, kNaN})});
  EXPECT_TRUE(
      sameBits(y[0], std::vector<float>{3.0f / 255, 0.5f / 255}, "scale"));
  EXPECT_EQ(y[1].as<uint8_t>(), (std::vector<uint8_t>{85, 0}));
}

/// A dynamic last dimension, which the fast rows do not take.
TEST(ChooseParams, DynamicColumns) {
  for (const Way &way : allWays()) {
    Model model(R"(
func.func @main(%x: tensor<3x?xf32>) -> tensor<3x1xf32> {
  %s = qgraph.choose_params symmetric %x {block = array<i64: 1, 0>, stored = si8} : tensor<3x?xf32> -> tensor<3x1xf32>
  return %s : tensor<3x1xf32>
})",
                way);
    ASSERT_EQ(model.failure(), "");
    std::vector<Buffer> y =
        model.run({Buffer::of<float>({3, 2}, {1, -127, 254, 0, 3, 127})});
    EXPECT_TRUE(sameBits(y[0], std::vector<float>{1, 2, 1}, way.name()));
  }
}

} // namespace
