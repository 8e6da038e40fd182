//===- ScaleSearch.cpp - Scales that lose least ---------------------------===//

#include "quantc/Numerics/ScaleSearch.h"

#include "Clones.h"

#include <algorithm>
#include <cmath>

namespace quantc::numerics {
namespace {

/// Scales tried for each sign: amax / (t |qmin|) for t from kFirst on.
constexpr int kSteps = 20;
constexpr float kFirst = 0.85f, kStep = 0.03f;

/// Scales that are tried together: each has sums of its own, in the order of
/// the values, so the bits are those of one at a time.
constexpr int kTogether = 8;
typedef float Floats __attribute__((vector_size(4 * kTogether)));
typedef double Doubles __attribute__((vector_size(8 * kTogether)));

/// What the codes of each scale make of a group.
struct Fits {
  Doubles xq = {}, qq = {};

  /// The squared error less the sum of squares, which no scale changes.
  double excess(int which, double scale) const {
    return scale * (scale * qq[which] - 2 * xq[which]);
  }
};

QUANTC_CLONES void fit(const float *values, size_t count, const Floats *scales,
                       float qmin, float qmax, Fits *result) {
  // Below 2^22, to add it and take it away rounds to nearest even.
  constexpr float kRound = 12582912.0f;
  Floats by = *scales, least = qmin - Floats{}, most = qmax - Floats{};
  Doubles xq = {}, qq = {};
  for (size_t i = 0; i < count; ++i) {
    Floats q = values[i] / by;
    q = q > least ? q : least;
    q = q < most ? q : most;
    q = (q + kRound) - kRound;
    Doubles wide = __builtin_convertvector(q, Doubles);
    xq += static_cast<double>(values[i]) * wide;
    qq += wide * wide;
  }
  result->xq = xq;
  result->qq = qq;
}

float search(const std::vector<float> &values, float scale, bool eitherSign,
             StoredRange range, Format scaleFormat) {
  float amax = 0;
  for (float x : values)
    amax = std::max(amax, std::fabs(x));
  if (!(amax > 0) || !std::isfinite(amax))
    return scale;
  // The first is the one that is there already.
  int count = 1 + (eitherSign ? 2 : 1) * kSteps;
  double best = 0;
  float found = scale;
  for (int begin = 0; begin < count; begin += kTogether) {
    Floats scales;
    for (int c = 0; c < kTogether; ++c) {
      int i = std::max(begin + c - 1, 0), sign = i < kSteps ? 1 : -1;
      float steps = (kFirst + kStep * static_cast<float>(i % kSteps)) *
                    static_cast<float>(sign) * -range.qmin;
      scales[c] = begin + c == 0 ? scale : amax / steps;
    }
    Fits sums;
    fit(values.data(), values.size(), &scales, range.qmin, range.qmax, &sums);
    if (begin == 0)
      best = sums.excess(0, scale);
    for (int c = begin == 0; c < kTogether && begin + c < count; ++c) {
      if (sums.qq[c] == 0)
        continue;
      float candidate =
          finishScale(static_cast<float>(sums.xq[c] / sums.qq[c]), scaleFormat);
      double error = sums.excess(c, candidate);
      if (error < best) {
        best = error;
        found = candidate;
      }
    }
  }
  return found;
}

} // namespace

void searchScales(const Encoding &encoding, const Extents &shape,
                  const Extents &block, bool eitherSign, Format scaleFormat,
                  const float *real, std::vector<float> &scale) {
  StoredRange range = encoding.range();
  std::vector<std::vector<float>> groups(scale.size());
  forEachRun(shape, block, [&](int64_t begin, int64_t length, int64_t group) {
    groups[group].insert(groups[group].end(), real + begin,
                         real + begin + length);
  });
  for (size_t g = 0; g < groups.size(); ++g)
    scale[g] = search(groups[g], scale[g], eitherSign, range, scaleFormat);
}

} // namespace quantc::numerics
