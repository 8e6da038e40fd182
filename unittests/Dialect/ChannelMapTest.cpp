//===- ChannelMapTest.cpp ---------------------------------------*- C++ -*-===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Every way of moving elements is held to moving the elements of a tensor that
// has the map's factors written out.
//
//===----------------------------------------------------------------------===//

#include "quantc/Dialect/QGraph/ChannelScale.h"
#include "gtest/gtest.h"

#include <numeric>
#include <random>

using namespace quantc::qgraph;
using mlir::ShapedType;

namespace {

using Shape = std::vector<int64_t>;

int64_t count(const Shape &shape) {
  return std::accumulate(shape.begin(), shape.end(), int64_t(1),
                         std::multiplies<>());
}

/// The indices of a box in row-major order.
std::vector<Shape> indices(const Shape &shape) {
  std::vector<Shape> all;
  for (int64_t i = 0; i < count(shape); ++i) {
    Shape index(shape.size());
    int64_t rest = i;
    for (size_t d = shape.size(); d-- > 0; rest /= shape[d])
      index[d] = rest % shape[d];
    all.push_back(index);
  }
  return all;
}

/// The factor of each element of a tensor.
std::vector<int32_t> written(const ChannelMap &map, const Shape &shape) {
  std::vector<int32_t> all;
  for (const Shape &index : indices(shape))
    all.push_back(map.at(index));
  return all;
}

/// A map that varies along some of the dimensions.
ChannelMap randomMap(const Shape &shape, std::mt19937 &random) {
  Shape extents;
  for (int64_t extent : shape)
    extents.push_back(random() % 2 ? extent : 1);
  ChannelMap map(extents);
  for (size_t i = 0; i < map.factors.size(); ++i)
    map.factors[i] = i;
  return map;
}

TEST(ChannelMap, Reshape) {
  const std::pair<Shape, Shape> shapes[] = {
      {{2, 3, 8}, {2, 3, 4, 2}}, {{2, 3, 4, 2}, {2, 3, 8}},
      {{6, 4}, {2, 3, 4}},       {{4}, {1, 4, 1}},
      {{1, 5, 1}, {5}},          {{2, 3, 4}, {4, 3, 2}},
      {{2, 2, 3}, {12}},         {{12}, {3, 4}}};
  std::mt19937 random(1);
  for (const auto &[from, to] : shapes)
    for (int i = 0; i < 8; ++i) {
      ChannelMap map = randomMap(from, random);
      std::optional<ChannelMap> moved = map.reshaped(from, to);
      ASSERT_TRUE(moved);
      EXPECT_EQ(written(map, from), written(*moved, to));
    }
}

TEST(ChannelMap, ReshapeOfDynamicDimensions) {
  int64_t any = ShapedType::kDynamic;
  ChannelMap last = ChannelMap::along(2, 3, {0, 2, 4, 6});
  auto heads = last.reshaped({any, any, 4}, {any, any, 2, 2});
  ASSERT_TRUE(heads);
  EXPECT_EQ(heads->extents, (llvm::SmallVector<int64_t>{1, 1, 2, 2}));
  EXPECT_EQ(heads->factors, last.factors);
  EXPECT_TRUE(last.reshaped({any, 3, 4}, {any, 4}));
  // Channels that are joined with a dimension that is not known.
  EXPECT_FALSE(last.reshaped({2, any, 4}, {2, any}));
  EXPECT_FALSE(last.reshaped({any, 2, 4}, {4, any}));
}

TEST(ChannelMap, Transpose) {
  std::mt19937 random(2);
  Shape shape{2, 3, 4}, moved{4, 2, 3};
  for (int i = 0; i < 8; ++i) {
    ChannelMap map = randomMap(shape, random);
    ChannelMap result = map.transposed({2, 0, 1});
    for (const Shape &index : indices(moved))
      EXPECT_EQ(result.at(index), map.at({index[1], index[2], index[0]}));
  }
}

TEST(ChannelMap, SelectAndPlace) {
  ChannelMap map = ChannelMap::along(1, 2, {0, 2, 4, 6});
  ChannelMap odd = map.selected(1, {3, 1});
  EXPECT_EQ(odd.factors, (std::vector<int32_t>{6, 2}));
  ChannelMap back = odd.placed(1, {3, 1}, 4);
  int32_t free = ChannelMap::kFree;
  EXPECT_EQ(back.factors, (std::vector<int32_t>{free, 2, free, 6}));
}

TEST(ChannelMap, Inverse) {
  EXPECT_EQ(ChannelMap::inverse(ChannelMap::kFree), ChannelMap::kFree);
  EXPECT_EQ(ChannelMap::inverse(4), 5);
  EXPECT_EQ(ChannelMap::inverse(5), 4);
}

} // namespace
