//===- ScaleSearch.cpp - Scales that lose least ---------------------------===//

#include "quantc/Numerics/ScaleSearch.h"

#include <algorithm>
#include <cmath>

namespace quantc::numerics {
namespace {

/// Scales tried for each sign: amax / (t |qmin|) for t from kFirst on.
constexpr int kSteps = 20;
constexpr float kFirst = 0.85f, kStep = 0.03f;

/// What a set of codes makes of a group.
struct Fit {
  double xq = 0, qq = 0;
};

Fit fit(const std::vector<float> &values, float scale, float qmin, float qmax) {
  Fit sums;
  for (float x : values) {
    float q = std::nearbyintf(x / scale);
    q = q > qmin ? q : qmin;
    q = q < qmax ? q : qmax;
    sums.xq += static_cast<double>(x) * q;
    sums.qq += static_cast<double>(q) * q;
  }
  return sums;
}

/// The squared error less the sum of squares, which no scale changes.
double excess(const Fit &sums, double scale) {
  return scale * (scale * sums.qq - 2 * sums.xq);
}

float search(const std::vector<float> &values, float scale, bool eitherSign,
             StoredRange range, Format scaleFormat) {
  float amax = 0;
  for (float x : values)
    amax = std::max(amax, std::fabs(x));
  if (!(amax > 0) || !std::isfinite(amax))
    return scale;
  double best = excess(fit(values, scale, range.qmin, range.qmax), scale);
  float found = scale;
  for (int sign : {1, -1}) {
    if (sign < 0 && !eitherSign)
      break;
    for (int i = 0; i < kSteps; ++i) {
      float steps = (kFirst + kStep * static_cast<float>(i)) *
                    static_cast<float>(sign) * -range.qmin;
      Fit sums = fit(values, amax / steps, range.qmin, range.qmax);
      if (sums.qq == 0)
        continue;
      float candidate =
          finishScale(static_cast<float>(sums.xq / sums.qq), scaleFormat);
      double error = excess(sums, candidate);
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
