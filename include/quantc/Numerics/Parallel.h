//===- Parallel.h - Work that the caller may spread -------------*- C++ -*-===//
//
// The solvers cut their work into parts that do not depend on how many threads
// there are, so neither do the results; the caller says who runs the parts.
//
//===----------------------------------------------------------------------===//
#ifndef QUANTC_NUMERICS_PARALLEL_H
#define QUANTC_NUMERICS_PARALLEL_H

#include <cstdint>
#include <functional>

namespace quantc::numerics {

/// Calls `part(i)` for every i in [0, count), in any order and from any
/// threads, and returns when all have returned.
using ParallelFor = std::function<void(
    int64_t count, const std::function<void(int64_t)> &part)>;

/// One part after another, on this thread.
inline void runInOrder(int64_t count,
                       const std::function<void(int64_t)> &part) {
  for (int64_t i = 0; i < count; ++i)
    part(i);
}

} // namespace quantc::numerics

#endif // QUANTC_NUMERICS_PARALLEL_H
