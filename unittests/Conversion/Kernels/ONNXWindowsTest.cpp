//===- ONNXWindowsTest.cpp - The values of products and windows -----------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "NodeRunner.h"

#include "quantc/Numerics/Order.h"

#include "gtest/gtest.h"

#include <cmath>
#include <functional>
#include <random>

using namespace quantc;
using namespace quantc::testing;

namespace {

template <typename T>
std::vector<T> randoms(int64_t n, int low, int high, float step) {
  std::mt19937 random(unsigned(n) + 3);
  std::uniform_int_distribution<int> distribution(low, high);
  std::vector<T> values(n);
  for (T &x : values)
    x = T(float(distribution(random)) * step);
  return values;
}

/// Runs the plain and the fast body and compares the first output.
template <typename T>
void expectAll(const std::string &text, const std::vector<Buffer> &inputs,
               const std::vector<int64_t> &shape,
               const std::vector<T> &expected) {
  for (int threads : {0, 1, 3}) {
    Outcome outcome =
        runNode(text, inputs, {shape}, threads > 0, std::max(threads, 1));
    ASSERT_EQ(outcome.failure, "");
    EXPECT_EQ(outcome.outputs[0].as<T>(), expected) << text;
  }
}

TEST(Contraction, MatMulIntegerTakesZeroPoints) {
  std::vector<uint8_t> a = randoms<uint8_t>(2 * 70, 0, 255, 1);
  std::vector<int8_t> b = randoms<int8_t>(70 * 3, -128, 127, 1);
  std::vector<int32_t> y(6, 0);
  const int zeroA = 131, zeroB[3] = {-7, 0, 100};
  for (int i = 0; i < 2; ++i)
    for (int j = 0; j < 3; ++j)
      for (int k = 0; k < 70; ++k)
        y[i * 3 + j] += (a[i * 70 + k] - zeroA) * (b[k * 3 + j] - zeroB[j]);
  expectAll(
      "func.func @f(%a: tensor<?x70xui8>, %b: tensor<70x3xsi8>, %p: "
      "tensor<ui8>, "
      "%q: tensor<3xsi8>) {\n %0 = onnx.node \"MatMulInteger\"(%a, %b, %p, %q) "
      "{version = 10 : i64} : (tensor<?x70xui8>, tensor<70x3xsi8>, "
      "tensor<ui8>, "
      "tensor<3xsi8>) -> tensor<?x3xsi32>\n return\n}",
      {Buffer::of<uint8_t>({2, 70}, a), Buffer::of<int8_t>({70, 3}, b),
       Buffer::of<uint8_t>({}, {131}), Buffer::of<int8_t>({3}, {-7, 0, 100})},
      {2, 3}, y);
}

// 2 groups, stride 2, dilation 2, padding: the sum is numerics::dotOverK's over
// the positions that the input has.
TEST(Contraction, ConvInTheOrderOfDots) {
  const int n = 1, c = 4, h = 7, w = 6, m = 6, group = 2, kernel = 3;
  const int stride = 2, dilation = 2, pad = 1, outH = 3, outW = 2;
  std::vector<float> x = randoms<float>(n * c * h * w, -999, 999, 0.01f);
  std::vector<float> weight =
      randoms<float>(m * c / group * kernel * kernel, -999, 999, 0.003f);
  std::vector<float> bias = randoms<float>(m, -10, 10, 0.1f);
  std::vector<float> y;
  for (int o = 0; o < m; ++o)
    for (int i = 0; i < outH; ++i)
      for (int j = 0; j < outW; ++j) {
        std::vector<float> a, b;
        for (int ci = 0; ci < c / group; ++ci)
          for (int ki = 0; ki < kernel; ++ki)
            for (int kj = 0; kj < kernel; ++kj) {
              int r = i * stride + ki * dilation - pad,
                  s = j * stride + kj * dilation - pad;
              if (r < 0 || r >= h || s < 0 || s >= w)
                continue;
              int channel = o / (m / group) * (c / group) + ci;
              a.push_back(x[(channel * h + r) * w + s]);
              b.push_back(
                  weight[((o * (c / group) + ci) * kernel + ki) * kernel + kj]);
            }
        y.push_back(numerics::dotOverK(a.size(), a.data(), b.data()) + bias[o]);
      }
  expectAll(
      "func.func @f(%x: tensor<?x4x7x6xf32>, %w: tensor<6x2x3x3xf32>, %b: "
      "tensor<6xf32>) "
      "{\n %0 = onnx.node \"Conv\"(%x, %w, %b) {version = 11 : i64, "
      "node_attributes = "
      "{group = 2 : si64, strides = [2 : si64, 2 : si64], dilations = [2 : "
      "si64, 2 : si64], "
      "pads = [1 : si64, 1 : si64, 1 : si64, 1 : si64]}} : "
      "(tensor<?x4x7x6xf32>, "
      "tensor<6x2x3x3xf32>, tensor<6xf32>) -> tensor<?x6x?x?xf32>\n return\n}",
      {Buffer::of<float>({n, c, h, w}, x),
       Buffer::of<float>({6, 2, 3, 3}, weight), Buffer::of<float>({6}, bias)},
      {1, 6, outH, outW}, y);
}

TEST(Contraction, Einsum) {
  std::vector<float> a = randoms<float>(2 * 3 * 300, -99, 99, 0.1f);
  std::vector<float> b = randoms<float>(5 * 300, -99, 99, 0.1f), y;
  for (int n = 0; n < 2; ++n)
    for (int o = 0; o < 5; ++o)
      for (int i = 0; i < 3; ++i)
        y.push_back(
            numerics::dotOverK(300, &a[(n * 3 + i) * 300], &b[o * 300]));
  expectAll(
      "func.func @f(%a: tensor<2x3x300xf32>, %b: tensor<5x300xf32>) {\n %0 = "
      "onnx.node "
      "\"Einsum\"(%a, %b) {version = 12 : i64, node_attributes = {equation = "
      "\"...ik, ok -> ...oi\"}} : (tensor<2x3x300xf32>, tensor<5x300xf32>) -> "
      "tensor<2x5x3xf32>\n return\n}",
      {Buffer::of<float>({2, 3, 300}, a), Buffer::of<float>({5, 300}, b)},
      {2, 5, 3}, y);
}

TEST(Pooling, PaddingDoesNotCount) {
  std::vector<float> x = {-1, -2, -3, -4, -5};
  auto text = [](const char *name, const char *more) {
    return std::string(
               "func.func @f(%x: tensor<1x1x5xf32>) {\n %0 = onnx.node \"") +
           name +
           "\"(%x) {version = 22 : i64, node_attributes = {kernel_shape = [3 : "
           "si64], strides = "
           "[2 : si64], pads = [1 : si64, 1 : si64]" +
           more + "}} : (tensor<1x1x5xf32>) -> tensor<1x1x3xf32>\n return\n}";
  };
  std::vector<Buffer> in = {Buffer::of<float>({1, 1, 5}, x)};
  expectAll<float>(text("MaxPool", ""), in, {1, 1, 3}, {-1, -2, -4});
  expectAll<float>(text("AveragePool", ""), in, {1, 1, 3}, {-1.5f, -3, -4.5f});
  expectAll<float>(text("AveragePool", ", count_include_pad = 1 : si64"), in,
                   {1, 1, 3}, {-1, -3, -3});
}

TEST(Sorting, TopKTakesTheLowerIndexOfEqualOnes) {
  std::vector<float> x = {1, 7, 3, 7, 2, 5, 0, 5, 5, -1};
  std::string text =
      "func.func @f(%x: tensor<2x5xf32>) {\n %0:2 = onnx.node \"TopK\"(%x) "
      "{version = 11 : i64, node_attributes = {axis = 1 : si64}} : "
      "(tensor<2x5xf32>) -> (tensor<2x3xf32>, tensor<2x3xsi64>)\n return\n}";
  for (bool fast : {false, true}) {
    Outcome outcome = runNode(text, {Buffer::of<float>({2, 5}, x)},
                              {{2, 3}, {2, 3}}, fast, 2);
    ASSERT_EQ(outcome.failure, "");
    EXPECT_EQ(outcome.outputs[0].as<float>(),
              (std::vector<float>{7, 7, 3, 5, 5, 5}));
    EXPECT_EQ(outcome.outputs[1].as<int64_t>(),
              (std::vector<int64_t>{1, 3, 2, 0, 2, 3}));
  }
}

} // namespace
