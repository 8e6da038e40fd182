//===- Granularity.h - Which scale an element has ---------------*- C++ -*-===//
//
// A granularity is one block size a dimension: 0 = the whole dimension, 1 =
// every index, B = groups of B, the last of which may be short. Scales (and
// zero points, and offsets) have the operand's rank and ceil(D / B) entries in
// a dimension of D (1 for a block of 0).
//
// Shapes are row-major; every extent is at least 0.
//
//===----------------------------------------------------------------------===//
#ifndef QUANTC_NUMERICS_GRANULARITY_H
#define QUANTC_NUMERICS_GRANULARITY_H

#include <cstdint>
#include <string>
#include <vector>

namespace quantc::numerics {

using Extents = std::vector<int64_t>;

/// Empty if `block` fits `shape` (same rank, no negative entry); otherwise says
/// what does not.
inline std::string checkBlock(const Extents &shape, const Extents &block) {
  if (shape.size() != block.size())
    return "block has " + std::to_string(block.size()) +
           " entries for a tensor of rank " + std::to_string(shape.size());
  for (size_t d = 0; d < block.size(); ++d)
    if (block[d] < 0)
      return "block entry " + std::to_string(d) + " is negative (" +
             std::to_string(block[d]) + ")";
  return {};
}

/// The canonical form: a block that covers its dimension is 0.
inline Extents canonicalBlock(const Extents &shape, Extents block) {
  for (size_t d = 0; d < block.size(); ++d)
    if (block[d] >= shape[d])
      block[d] = 0;
  return block;
}

/// Shape of the scales.
inline Extents scaleShape(const Extents &shape, const Extents &block) {
  Extents result(shape.size());
  for (size_t d = 0; d < shape.size(); ++d)
    result[d] = block[d] == 0 ? 1 : (shape[d] + block[d] - 1) / block[d];
  return result;
}

inline int64_t elementCount(const Extents &shape) {
  int64_t count = 1;
  for (int64_t extent : shape)
    count *= extent;
  return count;
}

/// Calls `visit(begin, length, group)` for the runs of neighbouring elements
/// that share a scale: elements [begin, begin + length) belong to scale `group`
/// (both row-major indices). Runs come in memory order; a group in several rows
/// is visited several times.
template <typename Visit>
void forEachRun(const Extents &shape, const Extents &block, Visit visit) {
  int64_t total = elementCount(shape);
  if (total == 0)
    return;
  if (shape.empty()) {
    visit(int64_t(0), int64_t(1), int64_t(0));
    return;
  }
  size_t last = shape.size() - 1;
  Extents scales = scaleShape(shape, block);
  int64_t width = shape[last];
  int64_t step = block[last] == 0 ? width : block[last];
  Extents index(shape.size(), 0);
  for (int64_t begin = 0; begin < total; begin += width) {
    int64_t group = 0;
    for (size_t d = 0; d < last; ++d)
      group = group * scales[d] + (block[d] == 0 ? 0 : index[d] / block[d]);
    group *= scales[last];
    for (int64_t k = 0; k < width; k += step, ++group)
      visit(begin + k, k + step < width ? step : width - k, group);
    for (size_t d = last; d-- > 0;) {
      if (++index[d] < shape[d])
        break;
      index[d] = 0;
    }
  }
}

} // namespace quantc::numerics

#endif // QUANTC_NUMERICS_GRANULARITY_H
