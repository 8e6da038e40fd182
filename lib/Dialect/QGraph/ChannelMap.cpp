//===- ChannelMap.cpp - Which factor each element has -----------*- C++ -*-===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "quantc/Dialect/QGraph/ChannelScale.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/Sequence.h"

using namespace mlir;
using namespace quantc::qgraph;

static int64_t product(ArrayRef<int64_t> extents) {
  int64_t count = 1;
  for (int64_t extent : extents)
    count *= extent;
  return count;
}

/// Steps to the next index of a box in row-major order.
static void advance(MutableArrayRef<int64_t> index, ArrayRef<int64_t> extents) {
  for (size_t d = extents.size(); d-- > 0;) {
    if (++index[d] < extents[d])
      return;
    index[d] = 0;
  }
}

ChannelMap::ChannelMap(ArrayRef<int64_t> extents)
    : extents(extents), factors(product(extents), kFree) {}

ChannelMap ChannelMap::along(unsigned dim, unsigned rank,
                             std::vector<Factor> factors) {
  ChannelMap map;
  map.extents.assign(rank, 1);
  map.extents[dim] = factors.size();
  map.factors = std::move(factors);
  return map;
}

bool ChannelMap::isFree() const {
  return llvm::all_of(factors, [](Factor f) { return f == kFree; });
}

bool ChannelMap::variesOnlyAlong(ArrayRef<unsigned> dims) const {
  for (auto [d, extent] : llvm::enumerate(extents))
    if (extent != 1 && !llvm::is_contained(dims, d))
      return false;
  return true;
}

ChannelMap ChannelMap::inverse() const {
  ChannelMap map(*this);
  for (Factor &factor : map.factors)
    factor = inverse(factor);
  return map;
}

ChannelMap::Factor ChannelMap::at(ArrayRef<int64_t> index) const {
  int64_t place = 0;
  for (auto [extent, i] : llvm::zip_equal(extents, index))
    place = place * extent + (extent == 1 ? 0 : i);
  return factors[place];
}

ChannelMap ChannelMap::transposed(ArrayRef<int64_t> perm) const {
  SmallVector<int64_t> shape;
  for (int64_t d : perm)
    shape.push_back(extents[d]);
  ChannelMap map(shape);
  SmallVector<int64_t> index(shape.size(), 0), source(shape.size(), 0);
  for (Factor &factor : map.factors) {
    for (auto [d, from] : llvm::enumerate(perm))
      source[from] = index[d];
    factor = at(source);
    advance(index, shape);
  }
  return map;
}

ChannelMap ChannelMap::expanded(unsigned dim, int64_t extent) const {
  if (extents[dim] == extent)
    return *this;
  return selected(dim, SmallVector<int64_t>(extent, 0));
}

ChannelMap ChannelMap::selected(unsigned dim, ArrayRef<int64_t> indices) const {
  SmallVector<int64_t> shape(extents);
  shape[dim] = indices.size();
  ChannelMap map(shape);
  SmallVector<int64_t> index(shape.size(), 0);
  for (Factor &factor : map.factors) {
    SmallVector<int64_t> source(index);
    source[dim] = indices[index[dim]];
    factor = at(source);
    advance(index, shape);
  }
  return map;
}

ChannelMap ChannelMap::placed(unsigned dim, ArrayRef<int64_t> indices,
                              int64_t extent) const {
  // Which of `indices` each index of the result is.
  SmallVector<int64_t> of(extent, -1);
  for (auto [i, place] : llvm::enumerate(indices))
    of[place] = i;
  SmallVector<int64_t> shape(extents);
  shape[dim] = extent;
  ChannelMap map(shape);
  SmallVector<int64_t> index(shape.size(), 0);
  for (Factor &factor : map.factors) {
    SmallVector<int64_t> source(index);
    source[dim] = of[index[dim]];
    if (source[dim] >= 0)
      factor = at(source);
    advance(index, shape);
  }
  return map;
}

std::vector<ChannelMap> ChannelMap::split(unsigned dim) const {
  std::vector<ChannelMap> parts;
  for (int64_t i = 0; i < extents[dim]; ++i)
    parts.push_back(selected(dim, i));
  return parts;
}

ChannelMap ChannelMap::toRank(unsigned rank) const {
  ChannelMap map(*this);
  while (map.extents.size() < rank)
    map.extents.insert(map.extents.begin(), 1);
  while (map.extents.size() > rank) {
    assert(map.extents.front() == 1 && "the map varies along the dimension");
    map.extents.erase(map.extents.begin());
  }
  return map;
}

/// Gives dimensions along which nothing varies an extent of 1.
static void collapse(ChannelMap &map) {
  for (unsigned d = 0; d < map.rank(); ++d) {
    if (map.extents[d] == 1)
      continue;
    int64_t inner = product(ArrayRef(map.extents).drop_front(d + 1)),
            extent = map.extents[d],
            outer = map.factors.size() / inner / extent;
    auto slice = [&](int64_t o, int64_t i) {
      return ArrayRef(map.factors).slice((o * extent + i) * inner, inner);
    };
    bool same = true;
    for (int64_t o = 0; same && o < outer; ++o)
      for (int64_t i = 1; same && i < extent; ++i)
        same = slice(o, i) == slice(o, 0);
    if (same)
      map = map.selected(d, int64_t(0));
  }
}

std::optional<ChannelMap> ChannelMap::reshaped(ArrayRef<int64_t> from,
                                               ArrayRef<int64_t> to) const {
  // From the right, the shortest groups of dimensions that have equal numbers
  // of elements; what is left of the first dynamic one is a single group, along
  // which nothing may vary.
  ChannelMap map;
  size_t i = from.size(), j = to.size();
  // The groups, as (begin, end) in `from` and in `to`, from the right.
  SmallVector<std::array<size_t, 4>> groups;
  while (i > 0 && j > 0) {
    size_t a = i, b = j;
    int64_t sizeA = 1, sizeB = 1;
    auto isOpen = [&](ArrayRef<int64_t> shape, size_t place) {
      return place == 0 || ShapedType::isDynamic(shape[place - 1]);
    };
    if (isOpen(from, a) || isOpen(to, b))
      break;
    sizeA = from[--a];
    sizeB = to[--b];
    bool open = false;
    while (sizeA != sizeB && !open) {
      bool left = sizeA < sizeB;
      open = left ? isOpen(from, a) : isOpen(to, b);
      if (!open)
        (left ? sizeA *= from[--a] : sizeB *= to[--b]);
    }
    if (open)
      break;
    groups.push_back({a, i, b, j});
    i = a;
    j = b;
  }
  for (size_t d = 0; d < i; ++d)
    if (extents[d] != 1)
      return std::nullopt;

  // Elements in row-major order stay in it, so only the extents change, once
  // each group that varies is complete.
  ChannelMap full(*this);
  SmallVector<int64_t> shape(to.size(), 1);
  for (auto [a, aEnd, b, bEnd] : groups) {
    if (llvm::all_of(ArrayRef(extents).slice(a, aEnd - a),
                     [](int64_t extent) { return extent == 1; }))
      continue;
    for (size_t d = a; d < aEnd; ++d)
      full = full.expanded(d, from[d]);
    llvm::copy(to.slice(b, bEnd - b), shape.begin() + b);
  }
  map.extents = shape;
  map.factors = std::move(full.factors);
  collapse(map);
  return map;
}
