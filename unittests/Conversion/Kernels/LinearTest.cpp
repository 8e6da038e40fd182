//===- LinearTest.cpp - The values of linear kernels ----------------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Plain and fast, every level of this CPU, one to three threads: all give the
// bits of Numerics/Order.h. Numbers of rows run through all row tiles and their
// tails; columns and K are chosen around the panels, the vectors and the
// blocks.
//
//===----------------------------------------------------------------------===//

#include "AMXEmulator.h"
#include "Values.h"
#include "quantc/Numerics/Math.h"
#include "quantc/Numerics/PackPanels.h"
#include "llvm/Support/FormatVariadic.h"

using namespace quantc;
using namespace quantc::testing;
using namespace quantc::numerics;

namespace {

/// A linear layer: weights, scales, bias, and what comes out for `kRows` rows.
constexpr int64_t kRows = 40;

struct Layer {
  PanelLayout layout;
  bool groupedInput = false, tensorScale = false;
  std::string epilogue; // of IR
  std::vector<float> x, w, bias, weightScale, inputScale, residual;
  std::vector<int8_t> xi, wi;

  bool isFloat() const { return layout.format == Format::F32; }
  int64_t inputGroups() const { return groupedInput ? layout.groups() : 1; }

  void fill() {
    int64_t n = layout.n, k = layout.k;
    unsigned seed = unsigned(n * 1000 + k);
    bias = floats(n, seed + 1);
    residual = floats(kRows * n, seed + 2);
    if (isFloat()) {
      x = floats(kRows * k, seed + 3);
      w = floats(n * k, seed + 4);
      return;
    }
    xi = integers<int8_t>(kRows * k, seed + 3, -128, 127);
    int64_t half = layout.format == Format::SI8 ? 128 : 8;
    wi = integers<int8_t>(n * k, seed + 4, -half, half - 1);
    // Row 0 and column 0 are all at the ends: the largest sums there are.
    std::fill_n(xi.begin(), k, int8_t(-128));
    std::fill_n(wi.begin(), k, int8_t(-half));
    if (n > 1)
      std::fill_n(wi.begin() + k, k, int8_t(half - 1));
    weightScale = floats(n * layout.groups(), seed + 5, -0.5, 0.5);
    if (layout.scaleType == Format::F16)
      for (float &scale : weightScale)
        scale = f16ToF32(f32ToF16(scale));
    inputScale =
        floats(tensorScale ? 1 : kRows * inputGroups(), seed + 6, 0.001, 0.1);
  }

  std::vector<uint8_t> packed() const {
    std::vector<uint8_t> nibbles;
    PanelSource source;
    source.weights =
        isFloat() ? static_cast<const void *>(w.data()) : wi.data();
    if (layout.format == Format::SI4) {
      nibbles.resize((wi.size() + 1) / 2);
      for (size_t i = 0; i < wi.size(); ++i)
        nibbles[i / 2] |= (wi[i] & 15) << (i % 2 * 4);
      source.weights = nibbles.data();
    }
    source.strideN = layout.k;
    source.scales = isFloat() ? nullptr : weightScale.data();
    source.bias = bias.data();
    std::vector<uint8_t> out(layout.bytes());
    for (int64_t panel = 0; panel < layout.panels(); ++panel)
      packPanel(layout, source, panel,
                out.data() + panel * layout.panelBytes());
    return out;
  }

  /// y[m, n] before the epilogue, by Numerics/Order.h; integers by a sum of 64
  /// bits.
  float value(int64_t m, int64_t column) const {
    int64_t k = layout.k;
    if (isFloat())
      return dotOverK(k, &x[m * k], &w[column * k]) + bias[column];
    int64_t group = layout.group ? layout.group : k;
    std::vector<int32_t> sums;
    for (int64_t lo = 0; lo < k; lo += group) {
      int64_t sum = 0;
      for (int64_t i = lo; i < std::min(k, lo + group); ++i)
        sum += int64_t(xi[m * k + i]) * wi[column * k + i];
      sums.push_back(static_cast<int32_t>(sum));
    }
    const float *scale = &inputScale[tensorScale ? 0 : m * inputGroups()];
    const float *columnScale = &weightScale[column * layout.groups()];
    if (layout.group == 0)
      return std::fma(float(sums[0]), scale[0] * columnScale[0], bias[column]);
    return scaleGroups(layout.groups(), sums.data(), scale, columnScale,
                       groupedInput, 1) +
           bias[column];
  }

  std::vector<float>
  expected(const std::function<float(float, int64_t, int64_t)> &after) const {
    std::vector<float> y(kRows * layout.n);
    for (int64_t m = 0; m < kRows; ++m)
      for (int64_t n = 0; n < layout.n; ++n)
        y[m * layout.n + n] = after(value(m, n), m, n);
    return y;
  }

  std::string scaleTensor() const {
    return llvm::formatv("tensor<{0}x{1}xf32>", tensorScale ? "1" : "?",
                         inputGroups());
  }

  std::string fastText() const {
    std::string operands = isFloat() ? "" : "%s: " + scaleTensor() + ", ";
    std::string type = isFloat() ? "" : scaleTensor() + ", ";
    std::string residualType = llvm::formatv("tensor<?x{0}xf32>", layout.n);
    return llvm::formatv(
        R"(
func.func @main(%x: tensor<?x{0}x{1}>, {2}%p: tensor<{3}xui8>, %r: {4}) -> {4} {{
  %y = qkernel.linear %x {5}, %p {6} {{format = "{7}", group = {8}, input_group = {9}, k = {0},
       n = {10}{11}{12}} : (tensor<?x{0}x{1}>, {13}tensor<{3}xui8>{14}) -> {4}
  return %y : {4}
})",
        layout.k, isFloat() ? "f32" : "si8", operands, layout.bytes(),
        residualType, isFloat() ? "" : "scale %s",
        epilogue.empty() ? "" : "epilogue(%r)",
        formatName(layout.format).data(), layout.group,
        groupedInput ? layout.group : 0, layout.n,
        layout.scaleType == Format::F16 ? ", scale_type = f16" : "",
        epilogue.empty() ? "" : ", epilogue = " + epilogue, type,
        epilogue.empty() ? "" : ", " + residualType);
  }

  std::string plainText() const {
    std::string residualType = llvm::formatv("tensor<?x{0}xf32>", layout.n);
    std::string steps = epilogue.empty() ? "" : "epilogue(%r)";
    std::string stepsType = epilogue.empty() ? "" : ", " + residualType;
    std::string stepsAttr = epilogue.empty() ? "" : "epilogue = " + epilogue;
    if (isFloat())
      return llvm::formatv(R"(
func.func @main(%x: tensor<?x{0}xf32>, %w: tensor<{1}x{0}xf32>, %b: tensor<{1}xf32>, %r: {2}) -> {2} {{
  %y = qgraph.linear %x, %w bias %b {3} {{{4}} : (tensor<?x{0}xf32>, tensor<{1}x{0}xf32>, tensor<{1}xf32>{5}) -> {2}
  return %y : {2}
})",
                           layout.k, layout.n, residualType, steps, stepsAttr,
                           stepsType);
    std::string weight =
        llvm::formatv("tensor<{0}x{1}x{2}>", layout.n, layout.k,
                      formatName(layout.format).data());
    std::string weightScales =
        llvm::formatv("tensor<{0}x{1}xf32>", layout.n, layout.groups());
    return llvm::formatv(R"(
func.func @main(%x: tensor<?x{0}xsi8>, %s: {1}, %w: {2}, %t: {3}, %b: tensor<{4}xf32>, %r: {5}) -> {5} {{
  %y = qgraph.quantized_linear %x scale %s, %w scale %t bias %b {6}
       {{input_block = array<i64: {7}, {8}>, weight_block = array<i64: 1, {9}>{10}}
       : (tensor<?x{0}xsi8>, {1}, {2}, {3}, tensor<{4}xf32>{11}) -> {5}
  return %y : {5}
})",
                         layout.k, scaleTensor(), weight, weightScales,
                         layout.n, residualType, steps, tensorScale ? 0 : 1,
                         groupedInput ? layout.group : 0, layout.group,
                         stepsAttr.empty() ? "" : ", " + stepsAttr, stepsType);
  }

  std::vector<Buffer> inputs(int64_t m, bool plain) const {
    int64_t n = layout.n, k = layout.k;
    std::vector<Buffer> all;
    auto rows = [&](const auto &values, int64_t columns) {
      using T = std::decay_t<decltype(values[0])>;
      all.push_back(Buffer::of<T>(
          {m, columns}, {values.begin(), values.begin() + m * columns}));
    };
    if (isFloat()) {
      rows(x, k);
    } else {
      rows(xi, k);
      if (tensorScale)
        all.push_back(Buffer::of<float>({1, 1}, inputScale));
      else
        rows(inputScale, inputGroups());
    }
    if (!plain) {
      all.push_back(Buffer::of<uint8_t>({layout.bytes()}, packed()));
    } else {
      if (isFloat()) {
        all.push_back(Buffer::of<float>({n, k}, w));
      } else {
        all.push_back(Buffer::of<int8_t>({n, k}, wi));
        all.push_back(Buffer::of<float>({n, layout.groups()}, weightScale));
      }
      all.push_back(Buffer::of<float>({n}, bias));
    }
    rows(residual, n);
    return all;
  }
};

void check(
    Layer layer, const std::function<float(float, int64_t, int64_t)> &after =
                     [](float y, int64_t, int64_t) { return y; }) {
  layer.fill();
  std::vector<float> expected = layer.expected(after);
  for (const Way &way : allWays()) {
    layer.layout.unsignedWeights =
        way.level != "neon" && way.level != "dotprod";
    Model model(way.plain ? layer.plainText() : layer.fastText(), way);
    ASSERT_EQ(model.failure(), "");
    for (int64_t m = 1; m <= kRows; ++m)
      for (int threads : {1, 2, 3}) {
        // The plain way knows neither tiles nor threads.
        if (way.plain && (m != 7 || threads != 1))
          continue;
        std::string where = llvm::formatv(
            "{0}, {1} of n {2} k {3} group {4}, {5} rows",
            describe(way, threads), formatName(layer.layout.format).data(),
            layer.layout.n, layer.layout.k, layer.layout.group, m);
        std::vector<Buffer> y = model.run(layer.inputs(m, way.plain), threads);
        ASSERT_EQ(model.failure(), "") << where;
        ASSERT_EQ(y[0].shape, (std::vector<int64_t>{m, layer.layout.n}));
        std::vector<float> rows(expected.begin(),
                                expected.begin() + m * layer.layout.n);
        ASSERT_TRUE(sameBits(y[0], rows, where));
      }
  }
}

Layer layerOf(Format format, int64_t n, int64_t k, int64_t group = 0) {
  Layer layer;
  layer.layout.format = format;
  layer.layout.n = n;
  layer.layout.k = k;
  layer.layout.group = group;
  return layer;
}

/// K and rows that fill whole tiles, with full and half-full pairs of panels.
TEST(Linear, WholeTilesOfAMX) {
  if (!llvm::is_contained(hostLevels(), "amx"))
    GTEST_SKIP() << "this CPU has no AMX, nor AVX-512 VNNI to emulate it on";
  bool emulates = llvm::is_contained(missingLevels(), "amx");
  int64_t before = emulatedAMXInstructions();
  check(layerOf(Format::SI8, 32, 64));
  check(layerOf(Format::SI8, 70, 192));
  check(layerOf(Format::SI8, 48, 128, 64));
  if (emulates)
    EXPECT_GT(emulatedAMXInstructions(), before);
}

TEST(Linear, LevelsOfThisMachine) {
  ASSERT_FALSE(hostLevels().empty());
  std::string missing;
  for (const std::string &level : missingLevels())
    if (!llvm::is_contained(hostLevels(), level)) // else it is emulated
      missing += " " + level;
  if (!missing.empty())
    GTEST_SKIP() << "this CPU has not the level(s)" << missing
                 << ": their values are not tested";
}

TEST(Linear, Floats) {
  for (auto [n, k] : {std::pair<int64_t, int64_t>{1, 1},
                      {16, 7},
                      {31, 255},
                      {33, 256},
                      {70, 259},
                      {17, 1024}})
    check(layerOf(Format::F32, n, k));
}

TEST(Linear, BytesAndColumnScales) {
  for (auto [n, k] :
       {std::pair<int64_t, int64_t>{1, 1}, {15, 64}, {32, 77}, {70, 128}})
    check(layerOf(Format::SI8, n, k));
}

TEST(Linear, BytesAndOneInputScale) {
  Layer layer = layerOf(Format::SI8, 48, 33);
  layer.tensorScale = true;
  check(layer);
}

TEST(Linear, BytesInGroups) {
  Layer layer = layerOf(Format::SI8, 35, 44, 16);
  check(layer);
  layer.groupedInput = true;
  check(layer);
}

TEST(Linear, NibblesInGroups) {
  for (auto [n, k, group] : {std::tuple<int64_t, int64_t, int64_t>{17, 64, 32},
                             {70, 70, 32},
                             {48, 31, 8}})
    for (Format scale : {Format::F32, Format::F16}) {
      Layer layer = layerOf(Format::SI4, n, k, group);
      layer.layout.scaleType = scale;
      layer.groupedInput = scale == Format::F16;
      check(layer);
    }
}

TEST(Linear, NibblesAndColumnScales) { check(layerOf(Format::SI4, 33, 45)); }

/// gelu(y) + residual, as Numerics/Math.h and ONNX have it.
TEST(Linear, Epilogue) {
  for (Format format : {Format::F32, Format::SI8}) {
    Layer layer = layerOf(format, 21, 32);
    layer.epilogue = "[#qgraph.step<\"Relu\">, #qgraph.step<\"Tanh\">, "
                     "#qgraph.step<\"Add\", operand = 0>]";
    Layer filled = layer;
    filled.fill();
    check(layer, [&](float y, int64_t m, int64_t n) {
      y = y > 0 ? y : 0;
      return tanhF32(y) + filled.residual[m * 21 + n];
    });
  }
}

/// Operands of an epilogue: a row, a number of rank 0 and one of rank 2.
TEST(Linear, EpilogueOperands) {
  constexpr int64_t n = 37, k = 5, batch = 2, rows = 9;
  Layer layer = layerOf(Format::F32, n, k);
  layer.fill();
  std::vector<float> row = floats(n, 1), expected;
  for (int64_t m = 0; m < batch * rows; ++m)
    for (int64_t c = 0; c < n; ++c)
      expected.push_back((layer.value(m, c) * row[c] - 0.5f) * 3.0f);
  for (const Way &way : allWays()) {
    std::string steps = "epilogue = [#qgraph.step<\"Mul\", operand = 1>, "
                        "#qgraph.step<\"Sub\", operand = 0>, "
                        "#qgraph.step<\"Mul\", operand = 2>]";
    std::string types = "tensor<f32>, tensor<1x37xf32>, tensor<1x1xf32>";
    std::string text = way.plain
                           ? llvm::formatv(R"(
func.func @main(%x: tensor<?x9x5xf32>, %w: tensor<37x5xf32>, %b: tensor<37xf32>, %o: tensor<f32>, %r: tensor<1x37xf32>, %t: tensor<1x1xf32>) -> tensor<?x9x37xf32> {{
  %y = qgraph.linear %x, %w bias %b epilogue(%o, %r, %t) {{{0}} : (tensor<?x9x5xf32>, tensor<37x5xf32>, tensor<37xf32>, {1}) -> tensor<?x9x37xf32>
  return %y : tensor<?x9x37xf32>
})",
                                           steps, types)
                                 .str()
                           : llvm::formatv(R"(
func.func @main(%x: tensor<?x9x5xf32>, %p: tensor<{2}xui8>, %o: tensor<f32>, %r: tensor<1x37xf32>, %t: tensor<1x1xf32>) -> tensor<?x9x37xf32> {{
  %y = qkernel.linear %x, %p epilogue(%o, %r, %t) {{format = "f32", group = 0, input_group = 0, k = 5, n = 37, {0}} : (tensor<?x9x5xf32>, tensor<{2}xui8>, {1}) -> tensor<?x9x37xf32>
  return %y : tensor<?x9x37xf32>
})",
                                           steps, types, layer.layout.bytes())
                                 .str();
    Model model(text, way);
    ASSERT_EQ(model.failure(), "") << text;
    std::vector<Buffer> inputs = {Buffer::of<float>(
        {batch, rows, k},
        {layer.x.begin(), layer.x.begin() + batch * rows * k})};
    if (way.plain) {
      inputs.push_back(Buffer::of<float>({n, k}, layer.w));
      inputs.push_back(Buffer::of<float>({n}, layer.bias));
    } else {
      inputs.push_back(
          Buffer::of<uint8_t>({layer.layout.bytes()}, layer.packed()));
    }
    inputs.push_back(Buffer::of<float>({}, {0.5f}));
    inputs.push_back(Buffer::of<float>({1, n}, row));
    inputs.push_back(Buffer::of<float>({1, 1}, {3.0f}));
    for (int threads : {1, 2}) {
      std::vector<Buffer> y = model.run(inputs, threads);
      EXPECT_TRUE(sameBits(y[0], expected, describe(way, threads)));
    }
  }
}

/// The largest K that an i32 sum of bytes holds: the sum with the weights'
/// offset on it wraps, and wraps back.
TEST(Linear, LargestSums) {
  constexpr int64_t k = 131071; // k * 128 * 128 < 2^31
  Layer layer = layerOf(Format::SI8, 16, k);
  layer.fill();
  std::fill(layer.xi.begin(), layer.xi.end(), int8_t(-128));
  std::fill(layer.wi.begin(), layer.wi.end(), int8_t(-128));
  for (const Way &way : allWays()) {
    if (way.plain)
      continue;
    layer.layout.unsignedWeights =
        way.level != "neon" && way.level != "dotprod";
    Model model(layer.fastText(), way);
    ASSERT_EQ(model.failure(), "");
    std::vector<Buffer> y = model.run(layer.inputs(1, false));
    std::vector<float> expected;
    for (int64_t n = 0; n < 16; ++n)
      expected.push_back(layer.value(0, n));
    EXPECT_TRUE(sameBits(y[0], expected, way.name()));
  }
}

} // namespace
