//===- Order.h - The one order of every float sum ---------------*- C++ -*-===//
//
// The result of a quantized model is a function of the model and its input,
// not of the machine. Integer sums are exact and need no order; every sum of
// floats has the order that is stated here, and the plain lowering, the fast
// kernels of every ISA and the solvers' oracles all follow it. A tile may have
// any size; it may not change one of these constants.
//
// The functions below are the definition. They are written for clarity: a
// kernel produces the same bits with vectors.
//
//===----------------------------------------------------------------------===//
#ifndef QUANTC_NUMERICS_ORDER_H
#define QUANTC_NUMERICS_ORDER_H

#include <cmath>
#include <cstdint>

namespace quantc::numerics {

/// Virtual lanes of a reduction along one row (norms, softmax, means): element
/// `i` belongs to lane `i % kLanes`, whatever vector width the machine has.
inline constexpr int64_t kLanes = 16;

/// Terms of one block of a float sum over K (linear, matmul, conv). Each block
/// starts from zero and is then added to the total.
inline constexpr int64_t kBlockK = 256;

/// Keys of one step of the online softmax in attention.
inline constexpr int64_t kSoftmaxBlock = 64;

/// Output columns of one panel of packed weights.
inline constexpr int64_t kPanel = 16;

/// The fixed tree over the lanes: halves are added, upper onto lower, until
/// one value is left (8, 4, 2, 1). `combine(a, b)` gets the lower lane first.
/// Overwrites `lanes`.
template <typename T, typename Combine>
inline T reduceLanes(T (&lanes)[kLanes], Combine combine) {
  for (int64_t half = kLanes / 2; half != 0; half /= 2)
    for (int64_t l = 0; l < half; ++l)
      lanes[l] = combine(lanes[l], lanes[l + half]);
  return lanes[0];
}

/// Sum of `term(0) ... term(n - 1)` in row order: every lane starts from +0 and
/// adds its terms by rising index; then the tree. A short last step leaves the
/// lanes past the end as they are (it does not add zeros).
template <typename Term>
inline float sumRow(int64_t n, Term term) {
  float lanes[kLanes] = {};
  for (int64_t i = 0; i < n; ++i)
    lanes[i % kLanes] += term(i);
  return reduceLanes(lanes, [](float a, float b) { return a + b; });
}

/// Sum of squares in row order: lane = fma(x, x, lane).
inline float sumSquaresRow(int64_t n, const float *x) {
  float lanes[kLanes] = {};
  for (int64_t i = 0; i < n; ++i)
    lanes[i % kLanes] = std::fma(x[i], x[i], lanes[i % kLanes]);
  return reduceLanes(lanes, [](float a, float b) { return a + b; });
}

/// Float dot product over K: inside a block of kBlockK the accumulator starts
/// from +0 and takes `acc = fma(a[k], b[k], acc)` by rising k; the blocks are
/// added to the total, which starts from +0, by rising index. `strideA` and
/// `strideB` are in elements.
inline float dotOverK(int64_t n, const float *a, const float *b,
                      int64_t strideA = 1, int64_t strideB = 1) {
  float total = 0;
  for (int64_t begin = 0; begin < n; begin += kBlockK) {
    int64_t end = begin + kBlockK < n ? begin + kBlockK : n;
    float acc = 0;
    for (int64_t k = begin; k < end; ++k)
      acc = std::fma(a[k * strideA], b[k * strideB], acc);
    total += acc;
  }
  return total;
}

/// Quantized dot product over K with one pair of scales a group: each group's
/// integer sum is exact and converted to f32, then
/// `acc = fma(f32(sum_g), scaleA_g * scaleB_g, acc)` by rising g, from +0.
/// `sums` holds the integer sums after zero points have been taken off.
inline float scaleGroups(int64_t groups, const int32_t *sums,
                         const float *scaleA, const float *scaleB,
                         int64_t strideA = 1, int64_t strideB = 1) {
  float acc = 0;
  for (int64_t g = 0; g < groups; ++g)
    acc = std::fma(static_cast<float>(sums[g]),
                   scaleA[g * strideA] * scaleB[g * strideB], acc);
  return acc;
}

} // namespace quantc::numerics

#endif // QUANTC_NUMERICS_ORDER_H
