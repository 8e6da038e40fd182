//===- NormalizationTest.cpp - Norms, embeddings and rows -----------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Values.h"
#include "quantc/Numerics/Math.h"
#include "quantc/Numerics/Order.h"
#include "quantc/Numerics/Quantize.h"
#include "llvm/Support/FormatVariadic.h"

using namespace quantc;
using namespace quantc::testing;
using namespace quantc::numerics;
using llvm::formatv;

namespace {

constexpr float kEpsilon = 1e-5f;

/// One row, as the op's description has it.
std::vector<float> norm(bool layer, int64_t n, const float *x,
                        const float *weight, const float *bias) {
  float mean =
      layer ? sumRow(n, [&](int64_t i) { return x[i]; }) / float(n) : 0;
  std::vector<float> centred(n);
  for (int64_t i = 0; i < n; ++i)
    centred[i] = layer ? x[i] - mean : x[i];
  float variance = sumSquaresRow(n, centred.data()) / float(n);
  float factor = 1 / std::sqrt(variance + kEpsilon);
  for (int64_t i = 0; i < n; ++i) {
    float y = centred[i] * factor;
    centred[i] = weight && bias ? std::fma(y, weight[i], bias[i])
                 : weight       ? y * weight[i]
                 : bias         ? y + bias[i]
                                : y;
  }
  return centred;
}

/// Columns below, at and above 16; leading dimensions; weight and bias or not.
TEST(Norm, Columns) {
  for (int64_t n : {1, 3, 15, 16, 17, 48, 77})
    for (bool layer : {true, false})
      for (int operands = 0; operands < 4; ++operands) {
        bool hasWeight = operands & 1, hasBias = operands & 2;
        std::string text =
            formatv(R"(
func.func @main(%x: tensor<2x?x{0}xf32>, %w: tensor<{0}xf32>, %b: tensor<{0}xf32>) -> tensor<2x?x{0}xf32> {{
  %y = qgraph.norm {1} %x {2} {3} {{epsilon = 1.0e-5 : f32} : (tensor<2x?x{0}xf32>{4}{5}) -> tensor<2x?x{0}xf32>
  return %y : tensor<2x?x{0}xf32>
})",
                    n, layer ? "layer" : "rms", hasWeight ? "weight %w" : "",
                    hasBias ? "bias %b" : "",
                    hasWeight ? formatv(", tensor<{0}xf32>", n).str() : "",
                    hasBias ? formatv(", tensor<{0}xf32>", n).str() : "");
        std::vector<float> x = floats(2 * 7 * n, n + 1), w = floats(n, n + 2),
                           b = floats(n, n + 3);
        x[0] = 300;
        std::vector<float> expected;
        for (int64_t m = 0; m < 14; ++m) {
          std::vector<float> row =
              norm(layer, n, &x[m * n], hasWeight ? w.data() : nullptr,
                   hasBias ? b.data() : nullptr);
          expected.insert(expected.end(), row.begin(), row.end());
        }
        for (const Way &way : allWays()) {
          Model model(text, way);
          ASSERT_EQ(model.failure(), "");
          for (int threads : {1, 3}) {
            std::vector<Buffer> y = model.run({Buffer::of<float>({2, 7, n}, x),
                                               Buffer::of<float>({n}, w),
                                               Buffer::of<float>({n}, b)},
                                              threads);
            ASSERT_TRUE(sameBits(
                y[0], expected,
                formatv("{0}, {1} columns", describe(way, threads), n)));
          }
        }
      }
}

/// f16 data is normalized in f32 and rounded once; the fast rows leave it to
/// the loops.
TEST(Norm, HalfPrecision) {
  constexpr int64_t n = 21;
  std::vector<float> x = floats(2 * n, 4), w = floats(n, 5);
  std::vector<uint16_t> half, expected;
  for (float &v : x)
    half.push_back(f32ToF16(v)), v = f16ToF32(half.back());
  for (int64_t m = 0; m < 2; ++m)
    for (float y : norm(true, n, &x[m * n], w.data(), nullptr))
      expected.push_back(f32ToF16(y));
  for (const Way &way : allWays()) {
    Model model(R"(
func.func @main(%x: tensor<2x21xf16>, %w: tensor<21xf32>) -> tensor<2x21xf16> {
  %y = qgraph.norm layer %x weight %w {epsilon = 1.0e-5 : f32} : (tensor<2x21xf16>, tensor<21xf32>) -> tensor<2x21xf16>
  return %y : tensor<2x21xf16>
})",
                way);
    ASSERT_EQ(model.failure(), "");
    std::vector<Buffer> y = model.run(
        {Buffer::of<uint16_t>({2, n}, half), Buffer::of<float>({n}, w)});
    EXPECT_TRUE(sameBits(y[0], expected, way.name()));
  }
}

TEST(Embedding, IndicesAndScales) {
  constexpr int64_t rows = 9, n = 21;
  std::vector<float> table = floats(rows * n, 1), scale = floats(rows, 2);
  std::vector<int8_t> codes = integers<int8_t>(rows * n, 3, -128, 127);
  std::vector<int64_t> indices = {0, 8, -1, -9, 3};
  std::vector<float> plain, scaled;
  for (int64_t i : indices)
    for (int64_t c = 0; c < n; ++c) {
      int64_t row = i < 0 ? i + rows : i;
      plain.push_back(table[row * n + c]);
      scaled.push_back(float(codes[row * n + c]) * scale[row]);
    }
  for (const Way &way : allWays()) {
    Model model(R"(
func.func @main(%t: tensor<9x21xf32>, %q: tensor<9x21xsi8>, %s: tensor<9x1xf32>, %i: tensor<1x?xsi64>) -> (tensor<1x?x21xf32>, tensor<1x?x21xf32>) {
  %0 = qgraph.embedding %t, %i : (tensor<9x21xf32>, tensor<1x?xsi64>) -> tensor<1x?x21xf32>
  %1 = qgraph.embedding %q, %i scale %s : (tensor<9x21xsi8>, tensor<1x?xsi64>, tensor<9x1xf32>) -> tensor<1x?x21xf32>
  return %0, %1 : tensor<1x?x21xf32>, tensor<1x?x21xf32>
})",
                way);
    ASSERT_EQ(model.failure(), "");
    auto inputs = [&](std::vector<int64_t> i) {
      return std::vector<Buffer>{
          Buffer::of<float>({rows, n}, table),
          Buffer::of<int8_t>({rows, n}, codes),
          Buffer::of<float>({rows, 1}, scale),
          Buffer::of<int64_t>({1, int64_t(i.size())}, i)};
    };
    std::vector<Buffer> y = model.run(inputs(indices), 2);
    EXPECT_EQ(model.error, 0);
    EXPECT_TRUE(sameBits(y[0], plain, way.name()));
    EXPECT_TRUE(sameBits(y[1], scaled, way.name()));
    // Outside: reported, and nothing is read there.
    for (int64_t outside :
         {int64_t(9), int64_t(-10), std::numeric_limits<int64_t>::min(),
          std::numeric_limits<int64_t>::max()}) {
      model.run(inputs({outside}));
      EXPECT_EQ(model.error, 1) << way.name() << ", index " << outside;
    }
  }
}

/// A small float table with scales of its own kind, and f16 scales: plain
/// loops.
TEST(Embedding, StoredTables) {
  for (Format format : {Format::F8E4M3FN, Format::SI4, Format::UI8}) {
    std::vector<uint8_t> codes;
    for (int i = 0; i < 5 * 3; ++i)
      codes.push_back(
          uint8_t(format == Format::SI4 ? i % 16 - 8 : i * 13 % 120));
    std::vector<uint16_t> scale;
    for (float s : floats(5, 2))
      scale.push_back(f32ToF16(s));
    std::string text = formatv(R"(
func.func @main(%t: tensor<5x3x{0}>, %s: tensor<5x1xf16>, %i: tensor<2xsi32>) -> tensor<2x3xf32> {{
  %0 = qgraph.embedding %t, %i scale %s : (tensor<5x3x{0}>, tensor<2xsi32>, tensor<5x1xf16>) -> tensor<2x3xf32>
  return %0 : tensor<2x3xf32>
})",
                               info(format).name);
    std::vector<float> expected;
    for (int row : {4, 1})
      for (int c = 0; c < 3; ++c)
        expected.push_back(decode(format, codes[row * 3 + c]) *
                           f16ToF32(scale[row]));
    for (const Way &way : {allWays().front(), allWays().back()}) {
      Model model(text, way);
      ASSERT_EQ(model.failure(), "");
      std::vector<Buffer> y = model.run({Buffer::of<uint8_t>({5, 3}, codes),
                                         Buffer::of<uint16_t>({5, 1}, scale),
                                         Buffer::of<int32_t>({2}, {-1, 1})});
      EXPECT_TRUE(
          sameBits(y[0], expected, way.name() + ", " + info(format).name));
    }
  }
}

/// Words and positions added, normalized, quantized: one kernel, with values
/// that stay in scratch and one that another op reads.
TEST(Rows, EmbeddingsNormAndQuantization) {
  for (int64_t n : {16, 40, 45}) {
    constexpr int64_t batch = 3, length = 5;
    std::vector<float> words = floats(20 * n, 1),
                       positions = floats(length * n, 2), gain = floats(n, 3),
                       shift = floats(n, 4);
    std::vector<int64_t> indices = integers<int64_t>(batch * length, 5, 0, 19);
    std::string text = formatv(R"(
func.func @main(%t: tensor<20x{0}xf32>, %p: tensor<5x{0}xf32>, %g: tensor<{0}xf32>, %b: tensor<{0}xf32>, %i: tensor<?x5xsi64>)
    -> (tensor<?x5x{0}xf32>, tensor<?x5x1xf32>, tensor<?x5x{0}xsi8>) {{
  %0:3 = qgraph.rows {{
    %e = qgraph.embedding %t, %i : (tensor<20x{0}xf32>, tensor<?x5xsi64>) -> tensor<?x5x{0}xf32>
    %d = arith.constant 0 : index
    %dim = tensor.dim %i, %d : tensor<?x5xsi64>
    %a = onnx.node "Add"(%e, %p) dims(%dim) {{version = 14 : i64} : (tensor<?x5x{0}xf32>, tensor<5x{0}xf32>) -> tensor<?x5x{0}xf32>
    %n = qgraph.norm layer %a weight %g bias %b {{epsilon = 1.0e-5 : f32} : (tensor<?x5x{0}xf32>, tensor<{0}xf32>, tensor<{0}xf32>) -> tensor<?x5x{0}xf32>
    %s = qgraph.choose_params symmetric %n {{block = array<i64: 1, 1, 0>, stored = si8} : tensor<?x5x{0}xf32> -> tensor<?x5x1xf32>
    %q = qgraph.quantize %n scale %s {{block = array<i64: 1, 1, 0>} : (tensor<?x5x{0}xf32>, tensor<?x5x1xf32>) -> tensor<?x5x{0}xsi8>
    qgraph.yield %n, %s, %q : tensor<?x5x{0}xf32>, tensor<?x5x1xf32>, tensor<?x5x{0}xsi8>
  } : tensor<?x5x{0}xf32>, tensor<?x5x1xf32>, tensor<?x5x{0}xsi8>
  return %0#0, %0#1, %0#2 : tensor<?x5x{0}xf32>, tensor<?x5x1xf32>, tensor<?x5x{0}xsi8>
})",
                               n);
    // The index arithmetic stands outside.
    std::string inner = formatv(
        "    %d = arith.constant 0 : index\n    %dim = tensor.dim %i, %d : "
        "tensor<?x5xsi64>\n");
    text.erase(text.find(inner), inner.size());
    text.insert(text.find("  %0:3"), inner);

    std::vector<float> normed, scales;
    std::vector<int8_t> codes;
    Encoding encoding;
    for (int64_t m = 0; m < batch * length; ++m) {
      std::vector<float> x(n);
      for (int64_t c = 0; c < n; ++c)
        x[c] = words[indices[m] * n + c] + positions[m % length * n + c];
      x = norm(true, n, x.data(), gain.data(), shift.data());
      QuantizedWeights q = quantizeWeights(encoding, {1, n}, {1, 0},
                                           Scheme::Symmetric, x.data());
      normed.insert(normed.end(), x.begin(), x.end());
      scales.push_back(q.scale[0]);
      codes.insert(codes.end(), q.stored.begin(), q.stored.end());
    }
    for (const Way &way : allWays()) {
      Model model(text, way);
      ASSERT_EQ(model.failure(), "") << text;
      for (int threads : {1, 2}) {
        std::vector<Buffer> y = model.run(
            {Buffer::of<float>({20, n}, words),
             Buffer::of<float>({length, n}, positions),
             Buffer::of<float>({n}, gain), Buffer::of<float>({n}, shift),
             Buffer::of<int64_t>({batch, length}, indices)},
            threads);
        std::string where = describe(way, threads);
        EXPECT_TRUE(sameBits(y[0], normed, where));
        EXPECT_TRUE(sameBits(y[1], scales, where));
        EXPECT_TRUE(sameBits(y[2], codes, where));
      }
    }
  }
}

/// A mask per row, a single number and a bias broadcast against rows.
TEST(Rows, Broadcasts) {
  constexpr int64_t m = 6, n = 19;
  std::vector<float> x = floats(m * n, 1), column = floats(m, 2),
                     row = floats(n, 3);
  std::vector<float> expected;
  for (int64_t i = 0; i < m; ++i)
    for (int64_t c = 0; c < n; ++c)
      expected.push_back(std::fmax(x[i * n + c] * column[i] + row[c], 0.0f) -
                         0.25f);
  for (const Way &way : allWays()) {
    Model model(R"(
func.func @main(%x: tensor<6x19xf32>, %c: tensor<6x1xf32>, %r: tensor<19xf32>, %o: tensor<f32>) -> tensor<6x19xf32> {
  %0 = qgraph.rows {
    %1 = onnx.node "Mul"(%x, %c) {version = 14 : i64} : (tensor<6x19xf32>, tensor<6x1xf32>) -> tensor<6x19xf32>
    %2 = onnx.node "Add"(%1, %r) {version = 14 : i64} : (tensor<6x19xf32>, tensor<19xf32>) -> tensor<6x19xf32>
    %3 = onnx.node "Relu"(%2) {version = 14 : i64} : (tensor<6x19xf32>) -> tensor<6x19xf32>
    %4 = onnx.node "Sub"(%3, %o) {version = 14 : i64} : (tensor<6x19xf32>, tensor<f32>) -> tensor<6x19xf32>
    qgraph.yield %4 : tensor<6x19xf32>
  } : tensor<6x19xf32>
  return %0 : tensor<6x19xf32>
})",
                way);
    ASSERT_EQ(model.failure(), "");
    std::vector<Buffer> y = model.run(
        {Buffer::of<float>({m, n}, x), Buffer::of<float>({m, 1}, column),
         Buffer::of<float>({n}, row), Buffer::of<float>({}, {0.25f})},
        way.plain ? 1 : 3);
    EXPECT_TRUE(sameBits(y[0], expected, way.name()));
  }
}

} // namespace
