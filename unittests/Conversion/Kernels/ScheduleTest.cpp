//===- ScheduleTest.cpp - Whole schedules, on several threads -------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Models of several layers: the plain way on one thread says what comes out,
// and every level and number of threads gives the same bits, whatever the
// sizes.
//
//===----------------------------------------------------------------------===//

#include "Values.h"
#include "llvm/Support/FormatVariadic.h"

using namespace quantc::testing;

namespace {

/// A layer of a transformer, with a residual, a view, results that are an
/// argument, a constant and a value that is read further on.
const char *kLayer = R"(
func.func @main(%x: tensor<?x?x32xf32>, %m: tensor<?x1x1x?xi1>, %w: tensor<32x32xf32>, %g: tensor<32xf32>)
    -> (tensor<?x?x32xf32>, tensor<?x?x32xf32>, tensor<32xf32>, tensor<?x?x32xsi8>, tensor<?x?x1xf32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %b = tensor.dim %x, %c0 : tensor<?x?x32xf32>
  %s = tensor.dim %x, %c1 : tensor<?x?x32xf32>
  %heads = qgraph.constant dense<[0, 0, 2, 16]> : tensor<4xsi64>
  %flat = qgraph.constant dense<[0, 0, 32]> : tensor<3xsi64>
  %bias = qgraph.constant dense<0.125> : tensor<32xf32>
  %n = qgraph.norm rms %x weight %g {epsilon = 1.0e-5 : f32} : (tensor<?x?x32xf32>, tensor<32xf32>) -> tensor<?x?x32xf32>
  %q = qgraph.matmul %n, %w : (tensor<?x?x32xf32>, tensor<32x32xf32>) -> tensor<?x?x32xf32>
  %k = qgraph.matmul %n, %w {transpose_rhs} : (tensor<?x?x32xf32>, tensor<32x32xf32>) -> tensor<?x?x32xf32>
  %qh = onnx.node "Reshape"(%q, %heads) dims(%b, %s) {version = 14 : i64} : (tensor<?x?x32xf32>, tensor<4xsi64>) -> tensor<?x?x2x16xf32>
  %kh = onnx.node "Reshape"(%k, %heads) dims(%b, %s) {version = 14 : i64} : (tensor<?x?x32xf32>, tensor<4xsi64>) -> tensor<?x?x2x16xf32>
  %a = qgraph.attention %qh, %kh, %kh mask %m {scale = 0.25 : f32} : (tensor<?x?x2x16xf32>, tensor<?x?x2x16xf32>, tensor<?x?x2x16xf32>, tensor<?x1x1x?xi1>) -> tensor<?x?x2x16xf32>
  %af = onnx.node "Reshape"(%a, %flat) dims(%b, %s) {version = 14 : i64} : (tensor<?x?x2x16xf32>, tensor<3xsi64>) -> tensor<?x?x32xf32>
  %o = qgraph.matmul %af, %w : (tensor<?x?x32xf32>, tensor<32x32xf32>) -> tensor<?x?x32xf32>
  %r:3 = qgraph.rows {
    %0 = onnx.node "Add"(%o, %x) dims(%b, %s) {version = 14 : i64} : (tensor<?x?x32xf32>, tensor<?x?x32xf32>) -> tensor<?x?x32xf32>
    %1 = qgraph.norm layer %0 weight %g bias %bias {epsilon = 1.0e-5 : f32} : (tensor<?x?x32xf32>, tensor<32xf32>, tensor<32xf32>) -> tensor<?x?x32xf32>
    %2 = qgraph.choose_params symmetric %1 {block = array<i64: 1, 1, 0>, stored = si8} : tensor<?x?x32xf32> -> tensor<?x?x1xf32>
    %3 = qgraph.quantize %1 scale %2 {block = array<i64: 1, 1, 0>} : (tensor<?x?x32xf32>, tensor<?x?x1xf32>) -> tensor<?x?x32xsi8>
    qgraph.yield %1, %2, %3 : tensor<?x?x32xf32>, tensor<?x?x1xf32>, tensor<?x?x32xsi8>
  } : tensor<?x?x32xf32>, tensor<?x?x1xf32>, tensor<?x?x32xsi8>
  %z = qgraph.matmul %r#0, %w : (tensor<?x?x32xf32>, tensor<32x32xf32>) -> tensor<?x?x32xf32>
  return %z, %x, %g, %r#2, %r#1 : tensor<?x?x32xf32>, tensor<?x?x32xf32>, tensor<32xf32>, tensor<?x?x32xsi8>, tensor<?x?x1xf32>
})";

TEST(Schedule, ALayerOnAnyNumberOfThreads) {
  Model plain(kLayer, allWays().front());
  ASSERT_EQ(plain.failure(), "");
  std::vector<float> w = floats(32 * 32, 1, -0.3f, 0.3f), g = floats(32, 2);
  for (auto [batch, length] :
       {std::pair<int64_t, int64_t>{1, 1}, {2, 7}, {1, 130}, {3, 64}}) {
    std::vector<float> x = floats(batch * length * 32, batch * length);
    std::vector<uint8_t> mask(batch * length);
    for (size_t i = 0; i < mask.size(); ++i)
      mask[i] = i % 5 != 3;
    std::vector<Buffer> inputs = {
        Buffer::of<float>({batch, length, 32}, x),
        Buffer::of<uint8_t>({batch, 1, 1, length}, mask),
        Buffer::of<float>({32, 32}, w), Buffer::of<float>({32}, g)};
    std::vector<Buffer> expected = plain.run(inputs);
    EXPECT_TRUE(sameBits(expected[1], x, "the argument"));
    EXPECT_TRUE(sameBits(expected[2], g, "the argument"));
    for (const Way &way : allWays()) {
      Model model(kLayer, way);
      ASSERT_EQ(model.failure(), "");
      for (int threads : {1, 2, 3, 8}) {
        std::vector<Buffer> y = model.run(inputs, threads);
        ASSERT_EQ(model.failure(), "");
        for (size_t i = 0; i < y.size(); ++i) {
          EXPECT_EQ(y[i].shape, expected[i].shape);
          EXPECT_EQ(y[i].bytes, expected[i].bytes)
              << describe(way, threads) << ", batch " << batch << " of "
              << length << ", result " << i;
        }
      }
    }
  }
}

/// A chain takes two places in the arena, however long it is.
TEST(Schedule, ArenaOfAChain) {
  std::string text =
      "func.func @main(%v0: tensor<?x16xf32>) -> tensor<?x16xf32> {\n";
  constexpr int kLength = 12;
  for (int i = 0; i < kLength; ++i)
    text += llvm::formatv(
        "  %v{1} = qgraph.norm layer %v{0} {{epsilon = 1.0e-5 : f32} : "
        "(tensor<?x16xf32>) -> tensor<?x16xf32>\n",
        i, i + 1);
  text += llvm::formatv("  return %v{0} : tensor<?x16xf32>\n}", kLength);
  std::vector<uint8_t> expected;
  for (const Way &way : allWays()) {
    Model model(text, way);
    ASSERT_EQ(model.failure(), "");
    std::vector<Buffer> y =
        model.run({Buffer::of<float>({7, 16}, floats(7 * 16, 3))}, 4);
    EXPECT_EQ(model.arenaBytes, 2 * 7 * 64);
    if (expected.empty())
      expected = y[0].bytes;
    EXPECT_EQ(y[0].bytes, expected) << way.name();
  }
}

} // namespace
