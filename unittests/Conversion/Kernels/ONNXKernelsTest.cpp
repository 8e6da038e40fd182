//===- ONNXKernelsTest.cpp - The values of node kernels -------------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Every case runs with the plain body, and with the fast one on one, two and
// five threads: all give the oracle's bits.
//
//===----------------------------------------------------------------------===//

#include "NodeRunner.h"
#include "Values.h"

#include "quantc/Numerics/Math.h"
#include "quantc/Numerics/Order.h"

#include "gtest/gtest.h"

#include <cmath>
#include <functional>
#include <numeric>

using namespace quantc;
using namespace quantc::testing;

namespace {

using Shape = std::vector<int64_t>;

int64_t count(const Shape &shape) {
  return std::accumulate(shape.begin(), shape.end(), int64_t(1),
                         std::multiplies<>());
}

/// The indices of element `i`.
Shape indicesOf(int64_t i, const Shape &shape) {
  Shape at(shape.size());
  for (size_t d = shape.size(); d-- > 0; i /= shape[d])
    at[d] = i % shape[d];
  return at;
}
int64_t offsetOf(const Shape &at, const Shape &shape) {
  int64_t offset = 0;
  for (size_t d = 0; d < shape.size(); ++d)
    offset = offset * shape[d] + at[d];
  return offset;
}

std::vector<float> randoms(int64_t n, float low = -4, float high = 4) {
  return floats(n, unsigned(n) + 7, low, high);
}

/// Runs all bodies and compares the first output.
template <typename T>
void expectAll(const std::string &text, const std::vector<Buffer> &inputs,
               const Shape &shape, const std::vector<T> &expected) {
  for (int threads : {0, 1, 2, 5}) {
    Outcome outcome =
        runNode(text, inputs, {shape}, threads > 0, std::max(threads, 1));
    ASSERT_EQ(outcome.failure, "");
    EXPECT_EQ(outcome.error, 0);
    std::vector<T> y = outcome.outputs[0].as<T>();
    ASSERT_EQ(y.size(), expected.size());
    for (size_t i = 0; i < y.size(); ++i)
      ASSERT_EQ(std::memcmp(&y[i], &expected[i], sizeof(T)), 0)
          << "element " << i << " is " << +y[i] << ", not " << +expected[i]
          << " (" << threads << " threads)\n"
          << text;
  }
}

/// `func` with one node of these operand and result types.
std::string
function(const std::string &name, const std::vector<std::string> &types,
         const std::string &result, const std::string &attributes = "",
         const std::string &prelude = "", const std::string &more = "",
         const std::string &moreTypes = "", int version = 18) {
  std::string arguments, operands, list;
  for (size_t i = 0; i < types.size(); ++i) {
    std::string separator = i ? ", " : "";
    arguments += separator + "%a" + std::to_string(i) + ": " + types[i];
    operands += separator + "%a" + std::to_string(i);
    list += separator + types[i];
  }
  return "func.func @f(" + arguments + ") {\n" + prelude +
         "\n  %r = onnx.node \"" + name + "\"(" + operands + more +
         ") {version = " + std::to_string(version) +
         " : i64, node_attributes = {" + attributes + "}} : (" + list +
         moreTypes + ") -> " + result + "\n  return\n}";
}

//===----------------------------------------------------------------------===//
// Broadcasts
//===----------------------------------------------------------------------===//

struct Broadcast {
  Shape a, b;
  std::string typeA, typeB, typeOut;
};

TEST(Elementwise, Broadcasts) {
  const Broadcast cases[] = {
      {{3, 37}, {3, 37}, "3x37x", "3x37x", "3x37x"},
      {{3, 37}, {37}, "?x37x", "37x", "?x37x"},
      {{3, 37}, {}, "?x?x", "", "?x?x"},
      {{}, {}, "", "", ""},
      {{2, 1, 1, 19}, {2, 3, 19, 19}, "?x1x1x?x", "?x3x?x?x", "?x3x?x?x"},
      {{2, 5, 40}, {2, 5, 1}, "?x?x40x", "?x?x1x", "?x?x40x"},
      {{2, 5, 40}, {1, 5, 1}, "?x?x?x", "?x?x?x", "?x?x?x"},
      {{2, 5, 40}, {2, 5, 40}, "?x?x?x", "?x?x?x", "?x?x?x"},
      {{5, 1}, {1, 33}, "?x1x", "1x?x", "?x?x"},
      {{0, 4}, {1, 4}, "?x4x", "?x4x", "?x4x"},
      {{7, 1, 3}, {7, 4, 1}, "7x1x3x", "7x4x1x", "7x4x3x"},
  };
  for (const Broadcast &row : cases) {
    Shape out(std::max(row.a.size(), row.b.size()), 1);
    auto pad = [&](Shape shape) {
      shape.insert(shape.begin(), out.size() - shape.size(), 1);
      return shape;
    };
    Shape a = pad(row.a), b = pad(row.b);
    for (size_t d = 0; d < out.size(); ++d)
      out[d] = a[d] == 1 ? b[d] : a[d];
    std::vector<float> x = randoms(count(a)), y = randoms(count(b) + 1);
    y.pop_back();
    std::vector<float> expected(count(out));
    for (int64_t i = 0; i < count(out); ++i) {
      Shape at = indicesOf(i, out), atA = at, atB = at;
      for (size_t d = 0; d < out.size(); ++d) {
        atA[d] = a[d] == 1 ? 0 : at[d];
        atB[d] = b[d] == 1 ? 0 : at[d];
      }
      expected[i] = x[offsetOf(atA, a)] - y[offsetOf(atB, b)];
    }
    expectAll(function("Sub",
                       {"tensor<" + row.typeA + "f32>",
                        "tensor<" + row.typeB + "f32>"},
                       "tensor<" + row.typeOut + "f32>"),
              {Buffer::of(row.a, x), Buffer::of(row.b, y)}, out, expected);
  }
}

TEST(Elementwise, BooleansAreBytes) {
  std::vector<float> x = randoms(50), y = randoms(51);
  y.pop_back();
  std::vector<uint8_t> less(50);
  std::vector<float> chosen(50);
  for (int i = 0; i < 50; ++i) {
    less[i] = x[i] < y[i];
    chosen[i] = less[i] ? x[i] : y[0];
  }
  expectAll(
      function("Less", {"tensor<?xf32>", "tensor<?xf32>"}, "tensor<?xi1>"),
      {Buffer::of<float>({50}, x), Buffer::of<float>({50}, y)}, {50}, less);
  expectAll(function("Where", {"tensor<?xi1>", "tensor<?xf32>", "tensor<f32>"},
                     "tensor<?xf32>"),
            {Buffer::of<uint8_t>({50}, less), Buffer::of<float>({50}, x),
             Buffer::of<float>({}, {y[0]})},
            {50}, chosen);
}

TEST(Elementwise, AbsentOperands) {
  std::vector<float> x = randoms(40), y(40);
  for (int i = 0; i < 40; ++i)
    y[i] = std::min(x[i], 1.0f);
  expectAll(
      function("Clip", {"tensor<?xf32>"}, "tensor<?xf32>", "",
               "%n = onnx.none\n %m = qgraph.constant dense<1.0> : tensor<f32>",
               ", %n, %m", ", none, tensor<f32>"),
      {Buffer::of<float>({40}, x)}, {40}, y);
}

TEST(Elementwise, RefusesByName) {
  Outcome outcome =
      runNode(function("BitwiseNot", {"tensor<?xf64>"}, "tensor<?xf64>"),
              {Buffer::of<double>({1}, {0.0})}, {{1}}, true);
  EXPECT_NE(outcome.failure.find("BitwiseNot"), std::string::npos)
      << outcome.failure;
  EXPECT_NE(outcome.failure.find("f64"), std::string::npos) << outcome.failure;
}

//===----------------------------------------------------------------------===//
// Movement
//===----------------------------------------------------------------------===//

TEST(Movement, Transpose) {
  const Shape in = {2, 3, 5, 17};
  std::vector<float> x = randoms(count(in));
  for (const Shape &perm :
       {Shape{0, 2, 1, 3}, Shape{3, 2, 1, 0}, Shape{0, 1, 3, 2},
        Shape{2, 0, 1, 3}, Shape{0, 1, 2, 3}}) {
    Shape out;
    std::string list;
    for (int64_t p : perm) {
      out.push_back(in[p]);
      list += (list.empty() ? "" : ", ") + std::to_string(p) + " : si64";
    }
    std::vector<float> y(x.size());
    for (size_t i = 0; i < y.size(); ++i) {
      Shape at = indicesOf(i, out), from(4);
      for (int d = 0; d < 4; ++d)
        from[perm[d]] = at[d];
      y[i] = x[offsetOf(from, in)];
    }
    expectAll(function("Transpose", {"tensor<?x3x?x17xf32>"},
                       "tensor<?x?x?x?xf32>", "perm = [" + list + "]"),
              {Buffer::of(in, x)}, out, y);
  }
}

TEST(Movement, Slice) {
  const Shape in = {4, 6, 33};
  std::vector<float> x = randoms(count(in));
  struct Case {
    Shape starts, axes, steps, out;
  };
  const Case cases[] = {
      {{1, -20}, {1, 2}, {1, 1}, {4, 5, 20}},
      {{-1}, {1}, {-2}, {4, 3, 33}},
      {{100, 2}, {2, 0}, {-1, 1}, {2, 6, 33}},
      {{1}, {-1}, {3}, {4, 6, 11}},
  };
  auto list = [](const Shape &values) {
    std::string text;
    for (int64_t v : values)
      text += (text.empty() ? "" : ", ") + std::to_string(v);
    return text;
  };
  for (const Case &row : cases) {
    std::vector<float> y(count(row.out));
    for (size_t i = 0; i < y.size(); ++i) {
      Shape at = indicesOf(i, row.out);
      for (size_t k = 0; k < row.axes.size(); ++k) {
        int64_t d = (row.axes[k] + 3) % 3, start = row.starts[k];
        start = std::min(start < 0 ? start + in[d] : start,
                         in[d] - (row.steps[k] < 0));
        at[d] = start + at[d] * row.steps[k];
      }
      y[i] = x[offsetOf(at, in)];
    }
    int64_t n = row.axes.size();
    std::string type = "tensor<" + std::to_string(n) + "xsi64>";
    std::string axes = "%axes = qgraph.constant dense<[" + list(row.axes) +
                       "]> : " + type + "\n";
    std::string rest = "%starts = qgraph.constant dense<[" + list(row.starts) +
                       "]> : " + type + "\n%steps = qgraph.constant dense<[" +
                       list(row.steps) + "]> : " + type;
    // Constants.
    expectAll(function("Slice", {"tensor<?x?x?xf32>"}, "tensor<?x?x?xf32>", "",
                       axes + rest, ", %starts, %starts, %axes, %steps",
                       ", " + type + ", " + type + ", " + type + ", " + type),
              {Buffer::of(in, x)}, row.out, y);
    // Starts and steps as data.
    expectAll("func.func @f(%x: tensor<?x?x?xf32>, %s: " + type +
                  ", %t: " + type + ") {\n" + axes +
                  "%r = onnx.node \"Slice\"(%x, %s, %s, %axes, %t) {version = "
                  "13 : i64} : "
                  "(tensor<?x?x?xf32>, " +
                  type + ", " + type + ", " + type + ", " + type +
                  ") -> tensor<?x?x?xf32>\n return\n}",
              {Buffer::of(in, x), Buffer::of<int64_t>({n}, row.starts),
               Buffer::of<int64_t>({n}, row.steps)},
              row.out, y);
  }
}

TEST(Movement, ConcatAndExpandAndTile) {
  std::vector<float> a = randoms(2 * 3 * 5), b = randoms(2 * 4 * 5), y;
  for (int i = 0; i < 2; ++i) {
    y.insert(y.end(), a.begin() + i * 15, a.begin() + (i + 1) * 15);
    y.insert(y.end(), b.begin() + i * 20, b.begin() + (i + 1) * 20);
  }
  expectAll(function("Concat", {"tensor<?x?x5xf32>", "tensor<?x4x5xf32>"},
                     "tensor<?x?x5xf32>", "axis = -2 : si64"),
            {Buffer::of<float>({2, 3, 5}, a), Buffer::of<float>({2, 4, 5}, b)},
            {2, 7, 5}, y);

  std::vector<float> row = randoms(21), expanded;
  for (int i = 0; i < 6; ++i)
    expanded.insert(expanded.end(), row.begin(), row.end());
  expectAll(function("Expand", {"tensor<?x?xf32>"}, "tensor<?x?x?xf32>"),
            {Buffer::of<float>({1, 21}, row)}, {2, 3, 21}, expanded);
  expectAll(function("Tile", {"tensor<?x?xf32>"}, "tensor<?x?xf32>"),
            {Buffer::of<float>({1, 21}, row)}, {6, 21}, expanded);
  std::vector<float> tiled;
  for (int i = 0; i < 3; ++i)
    for (int r = 0; r < 2; ++r)
      tiled.insert(tiled.end(), row.begin() + 7 * i, row.begin() + 7 * i + 7);
  expectAll(function("Tile", {"tensor<3x7xf32>"}, "tensor<3x14xf32>"),
            {Buffer::of<float>({3, 7}, row)}, {3, 14}, tiled);
}

TEST(Movement, Identity) {
  std::vector<int64_t> x(100);
  std::iota(x.begin(), x.end(), 0);
  expectAll(function("Identity", {"tensor<?x?xsi64>"}, "tensor<?x?xsi64>"),
            {Buffer::of<int64_t>({4, 25}, x)}, {4, 25}, x);
}

//===----------------------------------------------------------------------===//
// Indexing
//===----------------------------------------------------------------------===//

TEST(Indexing, Gather) {
  for (Shape data : {Shape{3, 5, 20}, Shape{3, 5, 1}}) {
    std::vector<float> x = randoms(count(data)), y;
    std::vector<int64_t> indices = {4, -1, 0, 2, 2, -5};
    for (int64_t o = 0; o < 3; ++o)
      for (int64_t i : indices)
        for (int64_t j = 0; j < data[2]; ++j)
          y.push_back(x[(o * 5 + (i + 5) % 5) * data[2] + j]);
    std::string inner = std::to_string(data[2]);
    expectAll(function("Gather",
                       {"tensor<?x5x" + inner + "xf32>", "tensor<2x?xsi64>"},
                       "tensor<?x2x?x" + inner + "xf32>", "axis = 1 : si64"),
              {Buffer::of(data, x), Buffer::of<int64_t>({2, 3}, indices)},
              {3, 2, 3, data[2]}, y);
  }
  Outcome outcome =
      runNode(function("Gather", {"tensor<5x4xf32>", "tensor<?xsi64>"},
                       "tensor<?x4xf32>"),
              {Buffer::of<float>({5, 4}, randoms(20)),
               Buffer::of<int64_t>({2}, {1, 5})},
              {{2, 4}}, true);
  EXPECT_EQ(outcome.error, 1);
}

TEST(Indexing, GatherElementsGatherNDScatter) {
  std::vector<float> x = randoms(12);
  std::vector<int64_t> indices = {0, 2, -1, 1, 1, 0, 2, 2};
  std::vector<float> y(8);
  for (int i = 0; i < 2; ++i)
    for (int j = 0; j < 4; ++j)
      y[i * 4 + j] = x[(indices[i * 4 + j] + 3) % 3 * 4 + j];
  expectAll(
      function("GatherElements", {"tensor<3x4xf32>", "tensor<2x4xsi64>"},
               "tensor<2x4xf32>"),
      {Buffer::of<float>({3, 4}, x), Buffer::of<int64_t>({2, 4}, indices)},
      {2, 4}, y);

  std::vector<float> rows(x.begin() + 8, x.begin() + 12);
  rows.insert(rows.end(), x.begin(), x.begin() + 4);
  expectAll(
      function("GatherND", {"tensor<3x4xf32>", "tensor<?x1xsi64>"},
               "tensor<?x4xf32>"),
      {Buffer::of<float>({3, 4}, x), Buffer::of<int64_t>({2, 1}, {-1, 0})},
      {2, 4}, rows);

  std::vector<float> updates = randoms(8), scattered = x;
  for (int j = 0; j < 4; ++j) {
    scattered[8 + j] += updates[j];
    scattered[j] += updates[4 + j];
  }
  expectAll(function("ScatterND",
                     {"tensor<3x4xf32>", "tensor<?x1xsi64>", "tensor<?x4xf32>"},
                     "tensor<3x4xf32>", "reduction = \"add\""),
            {Buffer::of<float>({3, 4}, x), Buffer::of<int64_t>({2, 1}, {-1, 0}),
             Buffer::of<float>({2, 4}, updates)},
            {3, 4}, scattered);
  std::vector<float> placed = x;
  for (int i = 0; i < 2; ++i)
    for (int j = 0; j < 4; ++j)
      placed[(indices[i * 4 + j] + 3) % 3 * 4 + j] = updates[i * 4 + j];
  expectAll(function("ScatterElements",
                     {"tensor<3x4xf32>", "tensor<2x4xsi64>", "tensor<2x4xf32>"},
                     "tensor<3x4xf32>"),
            {Buffer::of<float>({3, 4}, x), Buffer::of<int64_t>({2, 4}, indices),
             Buffer::of<float>({2, 4}, updates)},
            {3, 4}, placed);
}

TEST(Indexing, PadTriluRange) {
  std::vector<float> x = {1, 2, 3, 4};
  struct Case {
    const char *mode;
    std::vector<float> y;
  };
  const Case cases[] = {{"constant", {9, 9, 1, 2, 3, 4, 9}},
                        {"edge", {1, 1, 1, 2, 3, 4, 4}},
                        {"reflect", {3, 2, 1, 2, 3, 4, 3}},
                        {"wrap", {3, 4, 1, 2, 3, 4, 1}}};
  for (const Case &row : cases)
    expectAll(function("Pad", {"tensor<?xf32>"}, "tensor<?xf32>",
                       std::string("mode = \"") + row.mode + "\"",
                       "%p = qgraph.constant dense<[2, 1]> : tensor<2xsi64>\n"
                       "%v = qgraph.constant dense<9.0> : tensor<f32>",
                       ", %p, %v", ", tensor<2xsi64>, tensor<f32>"),
              {Buffer::of<float>({4}, x)}, {7}, row.y);
  std::vector<float> m = randoms(2 * 5 * 6), upper = m;
  for (int i = 0; i < 60; ++i)
    if (i % 6 < i / 6 % 5 + 1)
      upper[i] = 0;
  expectAll(function("Trilu", {"tensor<?x5x6xf32>"}, "tensor<?x5x6xf32>", "",
                     "%k = qgraph.constant dense<1> : tensor<si64>", ", %k",
                     ", tensor<si64>"),
            {Buffer::of<float>({2, 5, 6}, m)}, {2, 5, 6}, upper);
  std::vector<int64_t> range(40);
  for (int i = 0; i < 40; ++i)
    range[i] = 3 + 2 * i;
  expectAll(function("Range", {}, "tensor<?xsi64>",
                     "start = 3 : si64, delta = 2 : si64"),
            {}, {40}, range);
}

//===----------------------------------------------------------------------===//
// Reductions
//===----------------------------------------------------------------------===//

struct Reduction {
  Shape shape, axes;
  std::string type;
};

/// What each reduction makes of one row, in the order of Numerics/Order.h.
using RowFunction = float (*)(const std::vector<float> &);
float sum(const std::vector<float> &x) {
  return numerics::sumRow(x.size(), [&](int64_t i) { return x[i]; });
}
float mean(const std::vector<float> &x) { return sum(x) / float(x.size()); }
float most(const std::vector<float> &x) {
  return *std::max_element(x.begin(), x.end());
}
float norm(const std::vector<float> &x) {
  return std::sqrt(numerics::sumSquaresRow(x.size(), x.data()));
}
float logSumExp(const std::vector<float> &x) {
  float m = most(x);
  float s = numerics::sumRow(
      x.size(), [&](int64_t i) { return numerics::expF32(x[i] - m); });
  return numerics::logF32(s) + m;
}

TEST(Reductions, InTheOneOrder) {
  const Reduction cases[] = {
      {{5, 384}, {1}, "?x384x"},      {{5, 37}, {1}, "?x?x"},
      {{2, 40, 35}, {1}, "?x?x35x"},  {{2, 40, 35}, {1}, "?x?x?x"},
      {{3, 20, 7}, {0, 2}, "?x?x?x"}, {{4, 5, 6}, {0, 1, 2}, "?x?x?x"},
      {{3, 1, 18}, {2}, "?x1x?x"},    {{2, 3, 4, 33}, {1, 2}, "?x3x4x33x"},
      {{6, 3}, {0}, "?x?x"},          {{7}, {0}, "?x"},
  };
  const std::pair<const char *, RowFunction> reductions[] = {
      {"ReduceSum", sum},
      {"ReduceMean", mean},
      {"ReduceMax", most},
      {"ReduceL2", norm},
      {"ReduceLogSumExp", logSumExp}};
  for (const Reduction &row : cases)
    for (auto [name, function_] : reductions) {
      std::vector<float> x = randoms(count(row.shape));
      Shape out = row.shape;
      std::string axes;
      for (int64_t a : row.axes) {
        out[a] = 1;
        axes += (axes.empty() ? "" : ", ") + std::to_string(a) + " : si64";
      }
      std::vector<std::vector<float>> rows(count(out));
      for (int64_t i = 0; i < count(row.shape); ++i) {
        Shape at = indicesOf(i, row.shape);
        for (int64_t a : row.axes)
          at[a] = 0;
        rows[offsetOf(at, out)].push_back(x[i]);
      }
      std::vector<float> y;
      for (const std::vector<float> &elements : rows)
        y.push_back(function_(elements));
      std::string result = "tensor<";
      for (size_t d = 0; d < out.size(); ++d)
        result += out[d] == 1 ? "1x" : "?x";
      expectAll(function(name, {"tensor<" + row.type + "f32>"}, result + "f32>",
                         "axes = [" + axes + "]"),
                {Buffer::of(row.shape, x)}, out, y);
    }
}

TEST(Reductions, IntegersAndBooleans) {
  std::vector<int64_t> x(6 * 50), sums(6, 0), means(6);
  std::vector<uint8_t> flags(6 * 50, 0), any(6, 0);
  for (int i = 0; i < 300; ++i) {
    x[i] = i * 7 % 31 - 20;
    sums[i / 50] += x[i];
    flags[i] = i == 123;
    any[i / 50] |= flags[i];
  }
  for (int i = 0; i < 6; ++i)
    means[i] = sums[i] / 50;
  auto text = [](const char *name, const char *element) {
    std::string e = element;
    return function(name, {"tensor<?x?x" + e + ">"}, "tensor<?x" + e + ">",
                    "axes = [-1 : si64], keepdims = 0 : si64");
  };
  expectAll(text("ReduceSum", "si64"), {Buffer::of<int64_t>({6, 50}, x)}, {6},
            sums);
  expectAll(text("ReduceMean", "si64"), {Buffer::of<int64_t>({6, 50}, x)}, {6},
            means);
  expectAll(text("ReduceMax", "i1"), {Buffer::of<uint8_t>({6, 50}, flags)}, {6},
            any);
}

TEST(Reductions, Softmax) {
  for (int64_t axis : {2, 1}) {
    Shape shape = {2, 19, 37};
    std::vector<float> x = randoms(count(shape), -10, 10), y(x.size());
    int64_t n = shape[axis], step = axis == 2 ? 1 : 37;
    for (int64_t i = 0; i < count(shape); ++i) {
      if (i / step % n != 0)
        continue;
      std::vector<float> row;
      for (int64_t k = 0; k < n; ++k)
        row.push_back(x[i + k * step]);
      float m = most(row);
      float s = numerics::sumRow(
          n, [&](int64_t k) { return numerics::expF32(row[k] - m); });
      for (int64_t k = 0; k < n; ++k)
        y[i + k * step] = numerics::expF32(row[k] - m) / s;
    }
    expectAll(function("Softmax", {"tensor<?x19x?xf32>"}, "tensor<?x19x?xf32>",
                       "axis = " + std::to_string(axis) + " : si64"),
              {Buffer::of(shape, x)}, shape, y);
  }
}

TEST(Scans, ArgMaxAndCumSum) {
  std::vector<float> x = {1, 5, 5, -2, 3, NAN, 7, 0};
  std::vector<int64_t> first = {1, 1}, last = {2, 1};
  auto arg = [](const char *more) {
    return function("ArgMax", {"tensor<?x4xf32>"}, "tensor<?xsi64>",
                    std::string("axis = 1 : si64, keepdims = 0 : si64") + more);
  };
  expectAll(arg(""), {Buffer::of<float>({2, 4}, x)}, {2}, first);
  expectAll(arg(", select_last_index = 1 : si64"),
            {Buffer::of<float>({2, 4}, x)}, {2}, last);
  std::vector<int64_t> v = {1, 2, 3, 4, 5, 6}, inclusive = {1, 2, 4, 6, 9, 12};
  std::vector<int64_t> reversed = {8, 10, 5, 6, 0, 0};
  std::string axis = "%axis = qgraph.constant dense<0> : tensor<si64>";
  expectAll(function("CumSum", {"tensor<?x2xsi64>"}, "tensor<?x2xsi64>", "",
                     axis, ", %axis", ", tensor<si64>"),
            {Buffer::of<int64_t>({3, 2}, v)}, {3, 2}, inclusive);
  expectAll(function("CumSum", {"tensor<?x2xsi64>"}, "tensor<?x2xsi64>",
                     "exclusive = 1 : si64, reverse = 1 : si64", axis,
                     ", %axis", ", tensor<si64>"),
            {Buffer::of<int64_t>({3, 2}, v)}, {3, 2}, reversed);
}

} // namespace
