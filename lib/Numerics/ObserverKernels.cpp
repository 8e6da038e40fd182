//===- ObserverKernels.cpp - The inner loops of the observers -------------===//

#include "ObserverKernels.h"

#include "Clones.h"
#include "quantc/Numerics/Observers.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

namespace quantc::numerics {
namespace {

typedef int32_t IntLane __attribute__((vector_size(64), aligned(4), may_alias));
typedef double Doubles __attribute__((vector_size(128), aligned(8), may_alias));
typedef int64_t Longs __attribute__((vector_size(128)));

constexpr float kInfinity = std::numeric_limits<float>::infinity();

QUANTC_INLINE Doubles &doublesAt(double *p) {
  return *reinterpret_cast<Doubles *>(p);
}

/// HistogramBins::of for each lane.
QUANTC_INLINE void findBins(const Lane &x, IntLane &bins) {
  constexpr int kPerOctave = 32, kShift = 23 - 5;
  static_assert(HistogramBins::kPerOctave == kPerOctave);
  constexpr int kFirst = (127 + HistogramBins::kLeast) * kPerOctave - 1;
  IntLane bits = (IntLane)x;
  IntLane magnitude = bits & 0x7fffffff;
  IntLane side = (magnitude >> kShift) - kFirst;
  side = side > 0 ? side : IntLane{};
  side = side < HistogramBins::kSide - 1
             ? side
             : IntLane{} + (HistogramBins::kSide - 1);
  bins = bits < 0 ? HistogramBins::kZero - 1 - side
                  : HistogramBins::kZero + 1 + side;
  bins = magnitude == 0 ? IntLane{} + HistogramBins::kZero : bins;
}

QUANTC_CLONES bool testFinite(const float *x, int64_t count) {
  IntLane most = {};
  int64_t i = 0;
  for (; i + kLaneCount <= count; i += kLaneCount) {
    IntLane bits = (IntLane)at(x + i) & 0x7fffffff;
    most = most > bits ? most : bits;
  }
  bool result = true;
  for (int64_t l = 0; l < kLaneCount; ++l)
    result &= most[l] < 0x7f800000;
  for (; i < count; ++i)
    result &= std::isfinite(x[i]);
  return result;
}

QUANTC_CLONES void observe(const ObserveRows &work, float *laneLeast,
                           float *laneMost) {
  int64_t K = work.channels;
  for (int64_t r = 0; r < work.count * kLaneCount; r += kLaneCount) {
    at(laneLeast + r) = Lane{} + kInfinity;
    at(laneMost + r) = Lane{} - kInfinity;
  }
  for (int64_t c = 0; c + kLaneCount <= K; c += kLaneCount) {
    Doubles sum = doublesAt(work.x + c), abs = doublesAt(work.abs + c),
            squares = doublesAt(work.squares + c);
    Lane least = at(work.least + c), most = at(work.most + c);
    for (int64_t r = 0; r < work.count; ++r) {
      // No -0: it would be the order that decides which zero is the extreme.
      Lane x = at(work.rows + r * K + c) + 0.0f;
      least = x < least ? x : least;
      most = x > most ? x : most;
      Lane &rowLeast = at(laneLeast + r * kLaneCount);
      Lane &rowMost = at(laneMost + r * kLaneCount);
      rowLeast = x < rowLeast ? x : rowLeast;
      rowMost = x > rowMost ? x : rowMost;
      Doubles wide = __builtin_convertvector(x, Doubles);
      sum += wide;
      abs += (Doubles)((Longs)wide & INT64_MAX);
      squares += wide * wide;
      if (work.histogram) {
        IntLane bins;
        findBins(x, bins);
        for (int64_t l = 0; l < kLaneCount; ++l)
          ++work.histogram[bins[l]];
      }
    }
    doublesAt(work.x + c) = sum;
    doublesAt(work.abs + c) = abs;
    doublesAt(work.squares + c) = squares;
    at(work.least + c) = least;
    at(work.most + c) = most;
  }
}

} // namespace

bool areFinite(const float *x, int64_t count) { return testFinite(x, count); }

void observeRows(const ObserveRows &work) {
  std::vector<float> least(work.count * kLaneCount), most(least.size());
  observe(work, least.data(), most.data());
  int64_t first = work.channels / kLaneCount * kLaneCount;
  for (int64_t r = 0; r < work.count; ++r) {
    float lo = kInfinity, hi = -kInfinity;
    for (int64_t l = r * kLaneCount; l < (r + 1) * kLaneCount; ++l) {
      lo = std::min(lo, least[l]);
      hi = std::max(hi, most[l]);
    }
    for (int64_t c = first; c < work.channels; ++c) {
      float x = work.rows[r * work.channels + c] + 0.0f;
      double wide = x;
      lo = std::min(lo, x);
      hi = std::max(hi, x);
      work.least[c] = std::min(work.least[c], x);
      work.most[c] = std::max(work.most[c], x);
      work.x[c] += wide;
      work.abs[c] += std::fabs(wide);
      work.squares[c] += wide * wide;
      if (work.histogram)
        ++work.histogram[HistogramBins::of(x)];
    }
    work.rowLeast[r] = lo;
    work.rowMost[r] = hi;
  }
}

} // namespace quantc::numerics
