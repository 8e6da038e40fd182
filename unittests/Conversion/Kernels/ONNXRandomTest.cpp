//===- ONNXRandomTest.cpp - Kernels of random numbers ---------------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// No other implementation gives these numbers: what is tested is their
// distribution, and that they depend on the seed or name alone.
//
//===----------------------------------------------------------------------===//

#include "NodeRunner.h"

#include "gtest/gtest.h"

#include <cmath>

using namespace quantc::testing;

namespace {

constexpr int kCount = 20000;

/// A node without inputs that makes kCount numbers.
std::string generator(const std::string &op, const std::string &attributes,
                      const std::string &name = "") {
  return "func.func @f() {\n %0 = onnx.node \"" + op +
         "\"() {version = 22 : i64, name = \"" + name +
         "\", node_attributes = {shape = [100 : si64, 200 : si64]" +
         attributes + "}} : () -> tensor<100x200xf32>\n return\n}";
}

std::vector<float> generate(const std::string &text, bool fast = false,
                            int threads = 1) {
  Outcome outcome = runNode(text, {}, {{100, 200}}, fast, threads);
  EXPECT_EQ(outcome.failure, "");
  if (outcome.outputs.empty())
    return {};
  return outcome.outputs[0].as<float>();
}

struct Moments {
  double mean = 0, variance = 0, neighbours = 0; // the last: a correlation
};
Moments momentsOf(const std::vector<float> &x) {
  Moments m;
  for (float v : x)
    m.mean += v / double(x.size());
  for (size_t i = 0; i < x.size(); ++i) {
    m.variance += (x[i] - m.mean) * (x[i] - m.mean) / double(x.size());
    if (i > 0)
      m.neighbours += (x[i] - m.mean) * (x[i - 1] - m.mean) / double(x.size());
  }
  m.neighbours /= m.variance;
  return m;
}

// The bounds are five standard deviations of the estimates.

TEST(Random, Uniform) {
  std::vector<float> x = generate(
      generator("RandomUniform", ", low = -2.0 : f32, high = 6.0 : f32"));
  ASSERT_EQ(x.size(), size_t(kCount));
  for (float v : x) {
    EXPECT_GE(v, -2);
    EXPECT_LT(v, 6);
  }
  Moments m = momentsOf(x);
  EXPECT_NEAR(m.mean, 2, 5 * std::sqrt(64 / 12.0 / kCount));
  EXPECT_NEAR(m.variance, 64 / 12.0, 64 * 5 * std::sqrt(1 / 180.0 / kCount));
  EXPECT_NEAR(m.neighbours, 0, 5 / std::sqrt(double(kCount)));
}

TEST(Random, Normal) {
  std::vector<float> x = generate(
      generator("RandomNormal", ", mean = 3.0 : f32, scale = 0.5 : f32"));
  ASSERT_EQ(x.size(), size_t(kCount));
  Moments m = momentsOf(x);
  EXPECT_NEAR(m.mean, 3, 5 * 0.5 / std::sqrt(double(kCount)));
  EXPECT_NEAR(m.variance, 0.25, 5 * 0.25 * std::sqrt(2.0 / kCount));
  EXPECT_NEAR(m.neighbours, 0, 5 / std::sqrt(double(kCount)));
  int beyond = 0; // two standard deviations: 4.55 %
  for (float v : x)
    beyond += std::abs(v - 3) > 1;
  EXPECT_NEAR(beyond, 0.0455 * kCount, 5 * std::sqrt(0.0455 * kCount));
}

TEST(Random, SeedOrNameDecide) {
  std::string seven = generator("RandomUniform", ", seed = 7.0 : f32");
  std::vector<float> x = generate(seven);
  EXPECT_EQ(x, generate(seven, /*fast=*/true, /*threads=*/3));
  EXPECT_EQ(x, generate(generator("RandomUniform", ", seed = 7.0 : f32", "a")));
  EXPECT_NE(x, generate(generator("RandomUniform", ", seed = 8.0 : f32")));
  std::vector<float> a = generate(generator("RandomUniform", "", "a"));
  EXPECT_EQ(a, generate(generator("RandomUniform", "", "a")));
  EXPECT_NE(a, generate(generator("RandomUniform", "", "b")));
}

TEST(Random, Multinomial) {
  // Probabilities 1/8, 5/8, 0, 2/8.
  float none = -INFINITY;
  std::vector<float> logs = {std::log(1.0f), std::log(5.0f), none,
                             std::log(2.0f)};
  std::string text = "func.func @f(%x: tensor<1x4xf32>) {\n %0 = onnx.node "
                     "\"Multinomial\"(%x) "
                     "{version = 22 : i64, node_attributes = {sample_size = "
                     "20000 : si64, seed "
                     "= 1.0 : f32, dtype = 6 : si64}} : (tensor<1x4xf32>) -> "
                     "tensor<1x20000xsi32>\n return\n}";
  Outcome outcome =
      runNode(text, {Buffer::of<float>({1, 4}, logs)}, {{1, kCount}}, true, 2);
  ASSERT_EQ(outcome.failure, "");
  int counts[4] = {};
  for (int32_t draw : outcome.outputs[0].as<int32_t>()) {
    ASSERT_GE(draw, 0);
    ASSERT_LT(draw, 4);
    ++counts[draw];
  }
  double expected[4] = {0.125, 0.625, 0, 0.25};
  for (int i = 0; i < 4; ++i)
    EXPECT_NEAR(counts[i], expected[i] * kCount,
                5 * std::sqrt(expected[i] * (1 - expected[i]) * kCount));
}

TEST(Optional, KnownWhenCompiled) {
  auto run = [](const std::string &operand, const std::string &type) {
    Outcome outcome = runNode("func.func @f(%x: tensor<3xf32>) {\n %none = "
                              "onnx.none\n %0 = onnx.node "
                              "\"OptionalHasElement\"(" +
                                  operand + ") {version = 18 : i64} : (" +
                                  type + ") -> tensor<i1>\n return\n}",
                              {Buffer::of<float>({3}, {1, 2, 3})}, {{}}, true);
    EXPECT_EQ(outcome.failure, "");
    return outcome.outputs[0].as<uint8_t>();
  };
  EXPECT_EQ(run("%x", "tensor<3xf32>"), std::vector<uint8_t>{1});
  EXPECT_EQ(run("%none", "none"), std::vector<uint8_t>{0});
  EXPECT_EQ(run("", ""), std::vector<uint8_t>{0});
}

} // namespace
