//===- AttentionTest.cpp - The values of attention and matmul -------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Values.h"
#include "quantc/Numerics/Math.h"
#include "quantc/Numerics/Order.h"
#include "llvm/Support/FormatVariadic.h"

using namespace quantc;
using namespace quantc::testing;
using namespace quantc::numerics;
using llvm::formatv;

namespace {

const float kNone = -std::numeric_limits<float>::infinity();

enum class Mask { None, Bool, Float };

struct Case {
  int64_t batch, queries, keys, heads, groups, depth, valueDepth;
  Mask mask = Mask::None;
  std::vector<int64_t> maskShape = {}; ///< of rank 1 to 4, broadcast
  bool causal = false;

  std::vector<float> q, k, v, floatMask;
  std::vector<uint8_t> boolMask;
  float scale = 0.37f;

  void fill() {
    q = floats(batch * queries * heads * depth, 1);
    k = floats(batch * keys * groups * depth, 2);
    v = floats(batch * keys * groups * valueDepth, 3);
    int64_t count = 1;
    for (int64_t dim : maskShape)
      count *= dim;
    floatMask = floats(count, 4, -3, 1);
    for (int64_t i = 0; i < count; ++i) {
      boolMask.push_back(floatMask[i] > -1);
      if (i % 7 == 0)
        floatMask[i] = kNone;
    }
    // The first row of the mask keeps nothing.
    for (int64_t i = 0;
         !maskShape.empty() && i < maskShape.back() && maskShape.back() > 1;
         ++i)
      boolMask[i] = 0, floatMask[i] = kNone;
  }

  int64_t maskIndex(std::vector<int64_t> at) const {
    int64_t index = 0, skip = 4 - maskShape.size();
    for (size_t d = 0; d < maskShape.size(); ++d)
      index = index * maskShape[d] + (maskShape[d] == 1 ? 0 : at[d + skip]);
    return index;
  }

  /// One row of one head: online softmax over blocks of 64 keys.
  void row(int64_t b, int64_t i, int64_t h, float *out) const {
    int64_t g = h / (heads / groups);
    std::vector<float> scaled(depth), sums(valueDepth, 0.0f);
    for (int64_t d = 0; d < depth; ++d)
      scaled[d] = q[((b * queries + i) * heads + h) * depth + d] * scale;
    float maximum = kNone, total = 0;
    for (int64_t begin = 0; begin < keys; begin += kSoftmaxBlock) {
      int64_t size = std::min(kSoftmaxBlock, keys - begin);
      std::vector<float> p(size);
      float largest = maximum;
      for (int64_t j = 0; j < size; ++j) {
        int64_t key = begin + j;
        float s = dotOverK(depth, scaled.data(),
                           &k[((b * keys + key) * groups + g) * depth]);
        if (mask == Mask::Bool)
          s = boolMask[maskIndex({b, h, i, key})] ? s : kNone;
        if (mask == Mask::Float)
          s = s + floatMask[maskIndex({b, h, i, key})];
        if (causal && key + queries > i + keys)
          s = kNone;
        p[j] = s;
        largest = s > largest ? s : largest;
      }
      float base = largest == kNone ? 0 : largest;
      float decay = expF32(maximum - base);
      maximum = largest;
      for (float &s : p)
        s = expF32(s - base);
      total = total * decay + sumRow(size, [&](int64_t j) { return p[j]; });
      for (int64_t e = 0; e < valueDepth; ++e) {
        sums[e] *= decay;
        for (int64_t j = 0; j < size; ++j)
          sums[e] = std::fma(
              p[j], v[((b * keys + begin + j) * groups + g) * valueDepth + e],
              sums[e]);
      }
    }
    for (int64_t e = 0; e < valueDepth; ++e)
      out[e] = sums[e] / (total == 0 ? 1 : total);
  }

  std::vector<float> expected() const {
    std::vector<float> y(batch * queries * heads * valueDepth);
    for (int64_t b = 0; b < batch; ++b)
      for (int64_t i = 0; i < queries; ++i)
        for (int64_t h = 0; h < heads; ++h)
          row(b, i, h, &y[((b * queries + i) * heads + h) * valueDepth]);
    return y;
  }

  std::string text() const {
    std::string query = formatv("tensor<?x?x{0}x{1}xf32>", heads, depth);
    std::string key = formatv("tensor<?x?x{0}x{1}xf32>", groups, depth);
    std::string value = formatv("tensor<?x?x{0}x{1}xf32>", groups, valueDepth);
    std::string result = formatv("tensor<?x?x{0}x{1}xf32>", heads, valueDepth);
    std::string type = "tensor<";
    for (int64_t dim : maskShape)
      type += dim == 1 ? "1x" : "?x";
    type += mask == Mask::Bool ? "i1>" : "f32>";
    bool masked = mask != Mask::None;
    return formatv(R"(
func.func @main(%q: {0}, %k: {1}, %v: {2}{3}) -> {4} {{
  %y = qgraph.attention %q, %k, %v {5} {{scale = 0.37 : f32{6}} : ({0}, {1}, {2}{7}) -> {4}
  return %y : {4}
})",
                   query, key, value, masked ? ", %m: " + type : "", result,
                   masked ? "mask %m" : "", causal ? ", causal" : "",
                   masked ? ", " + type : "");
  }
};

void check(Case c) {
  c.fill();
  std::vector<float> expected = c.expected();
  std::vector<Buffer> inputs = {
      Buffer::of<float>({c.batch, c.queries, c.heads, c.depth}, c.q),
      Buffer::of<float>({c.batch, c.keys, c.groups, c.depth}, c.k),
      Buffer::of<float>({c.batch, c.keys, c.groups, c.valueDepth}, c.v)};
  if (c.mask == Mask::Bool)
    inputs.push_back(Buffer::of<uint8_t>(c.maskShape, c.boolMask));
  if (c.mask == Mask::Float)
    inputs.push_back(Buffer::of<float>(c.maskShape, c.floatMask));
  for (const Way &way : allWays()) {
    Model model(c.text(), way);
    ASSERT_EQ(model.failure(), "") << c.text();
    for (int threads : {1, 3}) {
      std::vector<Buffer> y = model.run(inputs, threads);
      ASSERT_EQ(model.failure(), "");
      ASSERT_TRUE(
          sameBits(y[0], expected,
                   formatv("{0}: {1} queries, {2} keys, depth {3}/{4}\n{5}",
                           describe(way, threads), c.queries, c.keys, c.depth,
                           c.valueDepth, c.text())));
    }
  }
}

TEST(Attention, Shapes) {
  check({1, 1, 1, 1, 1, 1, 1});
  check({2, 3, 17, 2, 2, 32, 32});
  check({1, 41, 64, 2, 1, 16, 16});
  check({1, 5, 65, 4, 2, 20,
         12}); // grouped heads, depths that are no multiple of 16
  check({1, 13, 200, 3, 1, 33, 50});
}

TEST(Attention, BoolMasks) {
  check({2, 5, 70, 2, 2, 16, 16, Mask::Bool, {2, 1, 1, 70}});
  check({2, 5, 70, 2, 1, 16, 16, Mask::Bool, {2, 2, 5, 70}});
  check({1, 5, 33, 2, 2, 16, 16, Mask::Bool, {5, 1}}); // one for all keys
  check({1, 5, 33, 2, 2, 16, 16, Mask::Bool, {33}});
}

TEST(Attention, FloatMasks) {
  check({2, 5, 130, 2, 2, 16, 16, Mask::Float, {2, 1, 5, 130}});
  check({2, 5, 31, 2, 2, 16, 16, Mask::Float, {2, 1, 31}});
  check({1, 4, 9, 2, 2, 8, 8, Mask::Float, {1}});
}

/// More keys than queries (a cache), fewer (the first queries see nothing), and
/// a mask with it.
TEST(Attention, Causal) {
  for (auto [queries, keys] :
       {std::pair<int64_t, int64_t>{37, 37}, {3, 70}, {9, 4}, {1, 100}})
    check({1, queries, keys, 2, 1, 16, 16, Mask::None, {}, true});
  check({2, 20, 70, 2, 2, 16, 16, Mask::Bool, {2, 1, 1, 70}, true});
}

/// No keys at all: zeros.
TEST(Attention, NoKeys) { check({1, 3, 0, 2, 2, 16, 16}); }

//===----------------------------------------------------------------------===//
// matmul
//===----------------------------------------------------------------------===//

using Shape = std::vector<int64_t>;

void checkMatmul(Shape a, Shape b, bool transposed) {
  int64_t m = a[a.size() - 2], k = a.back(),
          n = transposed ? b[b.size() - 2] : b.back();
  auto count = [](const Shape &shape) {
    int64_t total = 1;
    for (int64_t dim : shape)
      total *= dim;
    return total;
  };
  Shape y(std::max(a.size(), b.size()), 1);
  auto dimOf = [&](const Shape &shape, size_t d) {
    size_t skip = y.size() - shape.size();
    return d < skip ? 1 : shape[d - skip];
  };
  for (size_t d = 0; d + 2 < y.size(); ++d)
    y[d] = std::max(dimOf(a, d), dimOf(b, d));
  y[y.size() - 2] = m, y.back() = n;
  std::vector<float> x = floats(count(a), 1), w = floats(count(b), 2),
                     expected(count(y));
  int64_t batches = count(y) / (m * n);
  for (int64_t batch = 0; batch < batches; ++batch) {
    int64_t left = 0, right = 0, rest = batch, volume = batches;
    for (size_t d = 0; d + 2 < y.size(); ++d) {
      volume /= y[d];
      int64_t at = rest / volume;
      rest %= volume;
      left = left * dimOf(a, d) + (dimOf(a, d) == 1 ? 0 : at);
      right = right * dimOf(b, d) + (dimOf(b, d) == 1 ? 0 : at);
    }
    for (int64_t i = 0; i < m; ++i)
      for (int64_t j = 0; j < n; ++j)
        expected[(batch * m + i) * n + j] =
            transposed
                ? dotOverK(k, &x[(left * m + i) * k], &w[(right * n + j) * k])
                : dotOverK(k, &x[(left * m + i) * k], &w[right * k * n + j], 1,
                           n);
  }
  auto type = [](const Shape &shape) {
    std::string text = "tensor<";
    for (int64_t dim : shape)
      text += dim == 1 ? "1x" : "?x";
    return text + "f32>";
  };
  std::string text =
      formatv(R"(
func.func @main(%a: {0}, %b: {1}) -> {2} {{
  %y = qgraph.matmul %a, %b {3} : ({0}, {1}) -> {2}
  return %y : {2}
})",
              type(a), type(b), type(y), transposed ? "{transpose_rhs}" : "");
  for (const Way &way : allWays()) {
    Model model(text, way);
    ASSERT_EQ(model.failure(), "") << text;
    for (int threads : {1, 2, 5}) {
      if (way.plain && threads > 1)
        continue;
      std::vector<Buffer> result = model.run(
          {Buffer::of<float>(a, x), Buffer::of<float>(b, w)}, threads);
      ASSERT_EQ(model.failure(), "");
      ASSERT_EQ(result[0].shape, y);
      ASSERT_TRUE(sameBits(result[0], expected, describe(way, threads) + text));
    }
  }
}

TEST(Matmul, RowsAndColumns) {
  for (int64_t m : {1, 2, 3, 5, 12, 13, 31})
    checkMatmul({m, 19}, {19, 37}, false);
  for (int64_t n : {1, 15, 16, 17, 32, 33, 70})
    checkMatmul({5, 7}, {n, 7}, true);
}

TEST(Matmul, LengthsOfK) {
  for (int64_t k : {1, 2, 255, 256, 257, 515})
    for (bool transposed : {false, true})
      checkMatmul({3, k}, transposed ? Shape{18, k} : Shape{k, 18}, transposed);
}

TEST(Matmul, Batches) {
  checkMatmul({2, 3, 4, 5}, {2, 3, 5, 6}, false);
  checkMatmul({2, 1, 4, 5}, {1, 3, 5, 6}, false);
  checkMatmul({4, 5}, {2, 3, 5, 6}, false);
  checkMatmul({3, 4, 5}, {5, 6}, false);
  checkMatmul({2, 3, 4, 5}, {3, 6, 5}, true);
}

} // namespace
