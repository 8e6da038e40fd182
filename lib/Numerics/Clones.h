//===- Clones.h - Inner loops for each level of x86 -------------*- C++ -*-===//
//
// QUANTC_CLONES makes one function for each level of x86, the best of which the
// dynamic linker takes. No operation is fused or reordered in any of them, so
// all give the same bits. What they call is to be QUANTC_INLINE.
//
//===----------------------------------------------------------------------===//
#ifndef QUANTC_NUMERICS_CLONES_H
#define QUANTC_NUMERICS_CLONES_H

#include <cstdint>
#include <features.h>

#if defined(__x86_64__) && defined(__linux__) && defined(__GLIBC__)
#define QUANTC_CLONES                                                          \
  __attribute__((target_clones("default", "avx2", "avx512f")))
#else
#define QUANTC_CLONES
#endif
#define QUANTC_INLINE inline __attribute__((always_inline))

namespace quantc::numerics {

constexpr int64_t kLaneCount = 16;
/// Sixteen floats, at any address of floats.
typedef float Lane __attribute__((vector_size(64), aligned(4), may_alias));

QUANTC_INLINE Lane &at(float *p) { return *reinterpret_cast<Lane *>(p); }
QUANTC_INLINE const Lane &at(const float *p) {
  return *reinterpret_cast<const Lane *>(p);
}

} // namespace quantc::numerics

#endif // QUANTC_NUMERICS_CLONES_H
