//===- ConvTest.cpp - The values of convolution kernels -------------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Plain and fast, every level of this CPU, one to three threads: all give the
// bits of Numerics/Order.h over the gathered window. Images are around the
// tiles and blocks; strides, dilations, borders and groups of every kind.
//
//===----------------------------------------------------------------------===//

#include "AMXEmulator.h"
#include "Values.h"
#include "quantc/Numerics/PackPanels.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/MathExtras.h"

using namespace quantc;
using namespace quantc::testing;
using namespace quantc::numerics;
using llvm::formatv;

namespace {

using Dims = std::vector<int64_t>;

int64_t product(const Dims &dims) {
  int64_t result = 1;
  for (int64_t dim : dims)
    result *= dim;
  return result;
}

/// Counts through all indices below `limits`, the last fastest.
bool next(Dims &index, const Dims &limits) {
  for (size_t d = index.size(); d-- > 0;) {
    if (++index[d] < limits[d])
      return true;
    index[d] = 0;
  }
  return false;
}

/// What follows the sum.
enum class After {
  Nothing,
  Relu,
  /// Relu, + a stored residual, stored again.
  Quantized,
};

struct Conv {
  int64_t batch;
  Dims image;
  int64_t channels, columns;
  Dims taps, strides, dilations, pads;
  int64_t groups = 1;
  bool isFloat = true, isDynamic = false, isAsymmetric = true,
       scalesOfImages = false, isUnsigned = false;
  After after = After::Nothing;

  std::vector<float> x = {}, w = {}, bias = {}, weightScale = {},
                     inputScale = {};
  std::vector<int8_t> xi = {}, wi = {}, zeroPoint = {}, residual = {};
  float residualScale = 0.031f, resultScale = 0.047f;
  int8_t residualZero = -7, resultZero = 11;

  size_t spatial() const { return image.size(); }
  int64_t groupChannels() const { return channels / groups; }
  int64_t k() const { return product(taps) * groupChannels(); }

  Dims out() const {
    Dims result;
    for (size_t d = 0; d < spatial(); ++d)
      result.push_back((image[d] + pads[d] + pads[d + spatial()] -
                        (taps[d] - 1) * dilations[d] - 1) /
                           strides[d] +
                       1);
    return result;
  }
  Dims shape(const Dims &middle, int64_t first, int64_t last) const {
    Dims result = {first};
    result.insert(result.end(), middle.begin(), middle.end());
    result.push_back(last);
    return result;
  }
  bool isDepthwise() const {
    return groups == channels && groups == columns && groups > 1;
  }
  bool sideBySide() const { return groups == 1 && dilations.back() == 1; }
  int64_t runLength() const {
    return groupChannels() * (sideBySide() ? taps.back() : 1);
  }

  void fill() {
    unsigned seed = unsigned(channels * 1000 + columns);
    int64_t pixels = product(image);
    bias = floats(columns, seed + 1);
    if (isFloat) {
      x = floats(batch * pixels * channels, seed + 2);
      w = floats(columns * k(), seed + 3);
    } else {
      xi = integers<int8_t>(batch * pixels * channels, seed + 2, -128, 127);
      wi = integers<int8_t>(columns * k(), seed + 3, -128, 127);
      std::fill_n(wi.begin(), k(), int8_t(-128));
      weightScale = floats(columns, seed + 4, -0.01f, 0.01f);
      int64_t scales = scalesOfImages ? batch : 1;
      inputScale = floats(scales, seed + 5, 0.001f, 0.1f);
      zeroPoint = integers<int8_t>(scales, seed + 6, -128, 127);
    }
    residual =
        integers<int8_t>(batch * product(out()) * columns, seed + 7, -128, 127);
  }

  /// The sum of one result and what the epilogue makes of it; `out` is
  /// [n, p.., column].
  float value(const Dims &out) const {
    int64_t column = out.back(), group = column / (columns / groups);
    std::vector<float> a, b;
    int64_t sum = 0, position = column * k();
    Dims tap(spatial(), 0);
    do {
      int64_t at = out[0];
      bool inside = true;
      for (size_t d = 0; d < spatial(); ++d) {
        int64_t place =
            out[d + 1] * strides[d] + tap[d] * dilations[d] - pads[d];
        inside &= place >= 0 && place < image[d];
        at = at * image[d] + place;
      }
      at = at * channels + group * groupChannels();
      for (int64_t c = 0; c < groupChannels(); ++c, ++position) {
        if (isFloat) {
          a.push_back(inside ? x[at + c] : 0.0f);
          b.push_back(w[position]);
        } else if (inside) {
          sum += (code(xi[at + c]) - zero(out[0])) * wi[position];
        }
      }
    } while (next(tap, taps));
    if (isFloat)
      return dotOverK(k(), a.data(), b.data()) + bias[column];
    return std::fma(float(int32_t(sum)),
                    inputScale[scalesOfImages ? out[0] : 0] *
                        weightScale[column],
                    bias[column]);
  }
  int64_t zero(int64_t n) const {
    return isAsymmetric ? code(zeroPoint[scalesOfImages ? n : 0]) : 0;
  }
  /// What a byte of the image stands for.
  int64_t code(int8_t byte) const {
    return isUnsigned ? static_cast<uint8_t>(byte) : byte;
  }

  template <typename T>
  std::vector<T> expected() const {
    std::vector<T> result;
    Dims limits = shape(out(), batch, columns), index(limits.size(), 0);
    do {
      float y = value(index);
      if (after != After::Nothing)
        y = y > 0 ? y : 0;
      if (after == After::Quantized) {
        y += residualScale * float(residual[result.size()] - residualZero);
        y = std::nearbyint(y * (1 / resultScale)) + resultZero;
        y = std::min(127.0f, std::max(-128.0f, y));
      }
      result.push_back(static_cast<T>(y));
    } while (next(index, limits));
    return result;
  }

  PanelLayout layout(bool isUnsigned = false) const {
    PanelLayout layout;
    layout.format = isFloat ? Format::F32 : Format::SI8;
    layout.columnSums = !isFloat;
    layout.unsignedWeights = isUnsigned;
    layout.n = isDepthwise() ? columns : columns / groups;
    layout.k = k();
    if (!isDepthwise() && !isFloat)
      layout.k = k() / runLength() * llvm::alignTo(runLength(), 4);
    return layout;
  }

  std::vector<uint8_t> packed() const {
    PanelLayout panels = layout();
    std::vector<int8_t> padded;
    int64_t run = isDepthwise() ? k() : runLength();
    for (size_t i = 0; i < wi.size(); ++i) {
      padded.push_back(wi[i]);
      if ((i + 1) % run == 0 && !isDepthwise())
        padded.resize(llvm::alignTo(padded.size(), 4), 0);
    }
    std::vector<uint8_t> result;
    int64_t count = isDepthwise() ? 1 : groups;
    for (int64_t group = 0; group < count; ++group) {
      PanelSource source;
      int64_t first = group * panels.n;
      source.weights = isFloat ? static_cast<const void *>(&w[first * panels.k])
                               : &padded[first * panels.k];
      source.strideN = panels.k;
      source.scales = isFloat ? nullptr : &weightScale[first];
      source.bias = &bias[first];
      for (int64_t panel = 0; panel < panels.panels(); ++panel) {
        result.resize(result.size() + panels.panelBytes());
        packPanel(panels, source, panel,
                  result.data() + result.size() - panels.panelBytes());
      }
    }
    return result;
  }

  std::string tensor(const Dims &dims, const std::string &element) const {
    std::string text = "tensor<";
    for (int64_t dim : dims)
      text += (dim < 0 ? "?" : std::to_string(dim)) + "x";
    return text + element + ">";
  }
  std::string list(const Dims &values) const {
    std::string text = "array<i64: ";
    for (size_t i = 0; i < values.size(); ++i)
      text += (i ? ", " : "") + std::to_string(values[i]);
    return text + ">";
  }

  std::string text(bool plain) const {
    Dims any(spatial(), -1);
    std::string format = isFloat ? "f32" : "si8";
    std::string element = isFloat ? "f32" : isUnsigned ? "ui8" : "si8";
    std::string input = tensor(isDynamic ? shape(any, -1, channels)
                                         : shape(image, batch, channels),
                               element);
    Dims outDims =
        isDynamic ? shape(any, -1, columns) : shape(out(), batch, columns);
    std::string result =
        tensor(outDims, after == After::Quantized ? "si8" : "f32");
    std::string stored = tensor(outDims, "si8");
    Dims ones(spatial(), 1);
    std::string scale =
        tensor(shape(ones, scalesOfImages ? batch : 1, 1), "f32");
    std::string zero =
        tensor(shape(ones, scalesOfImages ? batch : 1, 1), element);
    std::string weight = tensor(shape(taps, columns, groupChannels()), format);
    std::string weightScales = tensor(shape(ones, columns, 1), "f32");
    std::string columnType = tensor({columns}, "f32");
    std::string packedType =
        tensor({layout().bytes() * (isDepthwise() ? 1 : groups)}, "ui8");

    std::string text = "func.func @main(%x: " + input + ", ";
    std::string use = "%x", types = input;
    auto operand = [&](const std::string &before, const std::string &name,
                       const std::string &type) {
      text += name + ": " + type + ", ";
      use += before + name;
      types += ", " + type;
    };
    if (!isFloat) {
      operand(" scale ", "%s", scale);
      if (isAsymmetric)
        operand(" zero_point ", "%z", zero);
    }
    if (plain) {
      operand(", ", "%w", weight);
      if (!isFloat)
        operand(" scale ", "%t", weightScales);
      operand(" bias ", "%b", columnType);
    } else {
      operand(", ", "%p", packedType);
    }
    std::string steps;
    text += "%r: " + stored +
            ", %rs: tensor<1xf32>, %rz: tensor<1xsi8>, %ys: "
            "tensor<1xf32>, %yz: tensor<1xsi8>) -> " +
            result + " {\n";
    if (after == After::Quantized) {
      use += " epilogue(%r, %rs, %rz, %ys, %yz)";
      types += ", " + stored +
               ", tensor<1xf32>, tensor<1xsi8>, tensor<1xf32>, tensor<1xsi8>";
      steps = ", #qgraph.step<\"Add\", operand = 0, scale = 1, zero_point = "
              "2>, #qgraph.step<\"Quantize\", scale = 3, zero_point = 4>";
    }
    if (after != After::Nothing)
      steps = ", epilogue = [#qgraph.step<\"Relu\">" + steps + "]";
    if (isDynamic) {
      use += " dims(";
      for (size_t d = 0; d < spatial(); ++d) {
        text += formatv("  %c{0} = arith.constant {1} : index\n  %i{0} = "
                        "tensor.dim %x, %c{0} : {2}\n",
                        d, d + 1, input);
        int64_t add =
            pads[d] + pads[d + spatial()] - (taps[d] - 1) * dilations[d] - 1;
        text += formatv("  %a{0} = arith.constant {1} : index\n  %b{0} = "
                        "arith.addi %i{0}, %a{0} : index\n",
                        d, add);
        text += formatv("  %e{0} = arith.constant {1} : index\n  %f{0} = "
                        "arith.divui %b{0}, %e{0} : index\n",
                        d, strides[d]);
        text += formatv("  %g{0} = arith.constant 1 : index\n  %h{0} = "
                        "arith.addi %f{0}, %g{0} : index\n",
                        d);
        use += (d ? ", %h" : "%h") + std::to_string(d);
        types += ", index";
      }
      use += ")";
    }
    std::string attributes =
        formatv("strides = {0}, dilations = {1}, pads = {2}, groups = {3}{4}",
                list(strides), list(dilations), list(pads), groups, steps);
    std::string op = "qkernel.conv";
    if (!plain)
      attributes += formatv(", format = \"{0}\", n = {1}, taps = {2}", format,
                            columns, list(taps));
    else
      op = isFloat ? "qgraph.conv" : "qgraph.quantized_conv";
    if (plain && !isFloat) {
      Dims zeros(spatial() + 2, 0), byColumn = zeros, byImage = zeros;
      byColumn[0] = 1;
      byImage[0] = scalesOfImages;
      attributes += ", input_block = " + list(byImage) +
                    ", weight_block = " + list(byColumn);
    }
    return text + "  %y = " + op + " " + use + " {" + attributes + "} : (" +
           types + ") -> " + result + "\n  return %y : " + result + "\n}\n";
  }

  std::vector<Buffer> inputs(bool plain) const {
    std::vector<Buffer> all;
    Dims ones(spatial(), 1);
    Dims imageShape = shape(image, batch, channels);
    Dims scaleShape = shape(ones, scalesOfImages ? batch : 1, 1);
    all.push_back(isFloat ? Buffer::of<float>(imageShape, x)
                          : Buffer::of<int8_t>(imageShape, xi));
    if (!isFloat) {
      all.push_back(Buffer::of<float>(scaleShape, inputScale));
      if (isAsymmetric)
        all.push_back(Buffer::of<int8_t>(scaleShape, zeroPoint));
    }
    if (plain) {
      Dims weightShape = shape(taps, columns, groupChannels());
      all.push_back(isFloat ? Buffer::of<float>(weightShape, w)
                            : Buffer::of<int8_t>(weightShape, wi));
      if (!isFloat)
        all.push_back(Buffer::of<float>(shape(ones, columns, 1), weightScale));
      all.push_back(Buffer::of<float>({columns}, bias));
    } else {
      std::vector<uint8_t> bytes = packed();
      all.push_back(Buffer::of<uint8_t>({int64_t(bytes.size())}, bytes));
    }
    all.push_back(Buffer::of<int8_t>(shape(out(), batch, columns), residual));
    all.push_back(Buffer::of<float>({1}, {residualScale}));
    all.push_back(Buffer::of<int8_t>({1}, {residualZero}));
    all.push_back(Buffer::of<float>({1}, {resultScale}));
    all.push_back(Buffer::of<int8_t>({1}, {resultZero}));
    return all;
  }
};

template <typename T>
void compare(const Conv &conv) {
  std::vector<T> expected = conv.expected<T>();
  for (const Way &way : allWays()) {
    std::string text = conv.text(way.plain);
    Model model(text, way);
    ASSERT_EQ(model.failure(), "") << text;
    for (int threads : {1, 2, 3}) {
      if (way.plain && threads != 1)
        continue;
      std::vector<Buffer> y = model.run(conv.inputs(way.plain), threads);
      ASSERT_EQ(model.failure(), "") << text;
      ASSERT_TRUE(sameBits(y[0], expected, describe(way, threads))) << text;
    }
  }
}

/// As f32 and as si8, as they are and with an epilogue.
void check(Conv conv) {
  for (bool isFloat : {true, false}) {
    conv.isFloat = isFloat;
    conv.fill();
    compare<float>(conv);
  }
  conv.after = After::Quantized;
  compare<int8_t>(conv);
}

TEST(Conv, Borders) {
  check({1, {9, 30}, 5, 20, {3, 3}, {1, 1}, {1, 1}, {1, 1, 1, 1}});
}

TEST(Conv, WholeVectors) {
  check({2, {7, 7}, 64, 80, {3, 3}, {1, 1}, {1, 1}, {1, 1, 1, 1}});
}

TEST(Conv, NoBorders) {
  check({2, {8, 20}, 6, 33, {3, 2}, {1, 1}, {1, 1}, {0, 0, 0, 0}});
}

TEST(Conv, FirstLayer) {
  check({1, {23, 31}, 3, 32, {7, 7}, {2, 2}, {1, 1}, {3, 3, 3, 3}});
}

/// One tap, every second pixel; a border too.
TEST(Conv, SubsampledPoints) {
  check({1, {15, 27}, 9, 17, {1, 1}, {2, 2}, {1, 1}, {0, 0, 0, 0}});
  check({1, {6, 7}, 4, 5, {1, 1}, {2, 3}, {1, 1}, {1, 2, 0, 1}});
  check({1, {11, 12}, 4, 16, {3, 1}, {1, 2}, {1, 1}, {1, 0, 1, 0}});
}

/// Pixels one by one, as one row; also a row so long that it is cut, and pixels
/// so long that their rows are spread.
TEST(Conv, Points) {
  check({2, {5, 9}, 7, 33, {1, 1}, {1, 1}, {1, 1}, {0, 0, 0, 0}});
  check({1, {18, 26}, 6, 16, {1, 1}, {1, 1}, {1, 1}, {0, 0, 0, 0}});
  check({1, {3, 5}, 2048, 18, {1, 1}, {1, 1}, {1, 1}, {0, 0, 0, 0}});
  check({1,
         {5, 3, 5},
         512,
         5,
         {2, 1, 1},
         {1, 1, 2},
         {1, 1, 1},
         {0, 0, 0, 0, 0, 0}});
  Conv conv{2, {4, 6}, 8, 20, {1, 1}, {1, 1}, {1, 1}, {0, 0, 0, 0}};
  conv.isDynamic = conv.scalesOfImages = true;
  check(conv);
}

TEST(Conv, Dilations) {
  check({1, {12, 13}, 7, 18, {3, 3}, {1, 2}, {2, 2}, {2, 2, 2, 2}});
  check({1, {12, 13}, 7, 18, {3, 3}, {2, 1}, {3, 1}, {3, 1, 3, 1}});
}

/// More above than below; and an image that is cut.
TEST(Conv, UnequalPads) {
  check({1, {6, 9}, 3, 16, {3, 4}, {1, 1}, {1, 1}, {3, 0, 1, 5}});
  check({1, {9, 12}, 3, 16, {2, 3}, {1, 1}, {1, 1}, {-2, 1, 0, -3}});
  check({1, {9, 12}, 3, 16, {2, 3}, {1, 1}, {1, 1}, {-2, -1, 0, 0}});
}

TEST(Conv, Groups) {
  check({2, {6, 9}, 12, 40, {3, 3}, {1, 1}, {1, 1}, {1, 1, 1, 1}, 2});
  check({1, {6, 9}, 15, 9, {2, 3}, {1, 2}, {1, 1}, {0, 1, 1, 1}, 3});
  check({1, {5, 5}, 4, 8, {3, 3}, {1, 1}, {1, 1}, {1, 1, 1, 1}, 4});
}

TEST(Conv, OneDimension) {
  check({2, {37}, 6, 19, {5}, {1}, {1}, {2, 2}});
  check({1, {500}, 2, 16, {3}, {1}, {1}, {1, 1}});
}

TEST(Conv, ThreeDimensions) {
  check({1,
         {5, 6, 7},
         4,
         18,
         {3, 2, 3},
         {1, 2, 1},
         {1, 1, 1},
         {1, 0, 1, 1, 1, 1}});
  check({2,
         {4, 3, 15},
         3,
         5,
         {2, 1, 1},
         {2, 1, 1},
         {1, 1, 1},
         {0, 0, 0, 0, 0, 0}});
}

/// K longer than a block of sums, runs that do and do not divide one.
TEST(Conv, Blocks) {
  for (int64_t channels : {32, 256, 37})
    check({1, {3, 15}, channels, 17, {3, 3}, {1, 1}, {1, 1}, {1, 1, 1, 1}});
  check({1, {4, 5}, 600, 3, {1, 2}, {2, 1}, {1, 1}, {0, 0, 0, 0}});
  check({1, {4, 5}, 70, 3, {2, 2}, {1, 1}, {1, 2}, {0, 0, 0, 0}});
}

TEST(Conv, DynamicImages) {
  Conv conv{2, {9, 30}, 5, 20, {3, 3}, {1, 1}, {1, 1}, {1, 1, 1, 1}};
  conv.isDynamic = true;
  check(conv);
  conv.pads = {0, 0, 0, 0};
  check(conv);
  // Rows longer than a part.
  Conv line{1, {2, 300}, 3, 17, {1, 4}, {1, 1}, {1, 1}, {0, 2, 0, 1}};
  line.isDynamic = true;
  check(line);
}

TEST(Conv, ScalesOfImages) {
  Conv conv{3, {4, 5}, 8, 16, {3, 3}, {1, 1}, {1, 1}, {1, 1, 1, 1}};
  conv.scalesOfImages = true;
  check(conv);
  conv.isAsymmetric = false;
  check(conv);
}

TEST(Conv, UnsignedImages) {
  Conv conv{1, {4, 17}, 6, 18, {3, 3}, {1, 1}, {1, 1}, {1, 1, 1, 1}};
  conv.isUnsigned = true;
  check(conv);
  conv.columns = conv.groups = 6;
  check(conv);
  conv.isAsymmetric = false;
  check(conv);
  conv.groups = 2;
  check(conv);
}

TEST(Conv, Depthwise) {
  check({1, {9, 30}, 32, 32, {3, 3}, {1, 1}, {1, 1}, {1, 1, 1, 1}, 32});
  check({2, {9, 14}, 21, 21, {3, 3}, {2, 2}, {1, 1}, {0, 0, 1, 1}, 21});
  check({1, {12, 9}, 16, 16, {5, 3}, {1, 2}, {2, 1}, {4, 1, 4, 1}, 16});
  check({1, {9, 9}, 5, 5, {3, 2}, {1, 1}, {1, 3}, {-1, 3, 2, 0}, 5});
  // Wider than the image.
  check({1, {2, 3}, 16, 16, {5, 5}, {1, 1}, {1, 1}, {2, 2, 2, 2}, 16});
  check({1, {17}, 18, 18, {3}, {1}, {1}, {1, 1}, 18});
  check({1,
         {3, 4, 9},
         4,
         4,
         {2, 3, 3},
         {1, 1, 1},
         {1, 1, 1},
         {1, 1, 1, 0, 1, 1},
         4});
  Conv conv{2, {9, 30}, 32, 32, {3, 3}, {1, 1}, {1, 1}, {1, 1, 1, 1}, 32};
  conv.isDynamic = true;
  check(conv);
}

/// Tiles of AMX: 64 values of K, 8 to 16 rows.
TEST(Conv, WholeTilesOfAMX) {
  if (!llvm::is_contained(hostLevels(), "amx"))
    GTEST_SKIP() << "this CPU has no AMX, nor AVX-512 VNNI to emulate it on";
  bool emulates = llvm::is_contained(missingLevels(), "amx");
  int64_t before = emulatedAMXInstructions();
  for (int64_t width : {9, 14, 16})
    check({1, {3, width}, 64, 32, {3, 3}, {1, 1}, {1, 1}, {1, 1, 1, 1}});
  if (emulates)
    EXPECT_GT(emulatedAMXInstructions(), before);
}

} // namespace
