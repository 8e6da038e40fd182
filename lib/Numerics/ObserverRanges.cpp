//===- ObserverRanges.cpp - The range to quantize in ----------------------===//
//
// What the observers make of a site's histogram: inside a bin values count as
// evenly spread, and the bins at the ends reach to the least and greatest
// value.
//
//===----------------------------------------------------------------------===//

#include "quantc/Numerics/Observers.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace quantc::numerics {
namespace {

/// Values spread evenly over [begin, end]; a single value if they are equal.
struct Segment {
  double begin, end;
  double count;
};

/// The bins that are not empty, by rising value.
std::vector<Segment> segments(const std::vector<int64_t> &histogram,
                              const Extrema &extrema) {
  std::vector<Segment> result;
  for (int bin = 0; bin < HistogramBins::kCount; ++bin)
    if (histogram[bin] != 0)
      result.push_back({std::max(HistogramBins::lower(bin), extrema.lo),
                        std::min(HistogramBins::upper(bin), extrema.hi),
                        static_cast<double>(histogram[bin])});
  return result;
}

Extrema clipped(const Extrema &extrema, double lo, double hi) {
  return {static_cast<float>(extrema.lo * lo),
          static_cast<float>(extrema.hi * hi)};
}

bool isSymmetric(Scheme scheme) {
  return scheme != Scheme::Asymmetric && scheme != Scheme::AsymmetricOffset;
}

//===----------------------------------------------------------------------===//
// Mean squared error
//===----------------------------------------------------------------------===//

/// The squared distance of u from the nearest stored value, integrated.
class RoundingError {
public:
  RoundingError(const Encoding &encoding, int32_t zeroPoint) {
    const FormatInfo &row = info(encoding.format);
    if (!encoding.codebook && row.isInteger) {
      least = row.qmin - zeroPoint;
      most = row.qmax - zeroPoint;
      return;
    }
    std::vector<float> table = encoding.codebook ? encoding.codebook->values
                                                 : decodeTable(encoding.format);
    for (float value : table)
      if (std::isfinite(value))
        values.push_back(value);
    std::sort(values.begin(), values.end());
    values.erase(std::unique(values.begin(), values.end()), values.end());
    before.push_back(0);
    for (size_t i = 1; i < values.size(); ++i) {
      double half = (values[i] - values[i - 1]) / 2;
      // From values[i - 1] over the midpoint to values[i].
      before.push_back(before.back() + 2 * half * half * half / 3);
    }
  }

  /// The mean over [a, b], a <= b.
  double mean(double a, double b) const {
    // A range of a rounding error's width is a point.
    if (!(b - a > 1e-9 * (std::fabs(a) + std::fabs(b)))) {
      double distance = a - nearest(a).value;
      return distance * distance;
    }
    return (integral(b) - integral(a)) / (b - a);
  }

private:
  struct Nearest {
    double value;
    double before; ///< the integral up to that value
  };

  Nearest nearest(double u) const {
    if (values.empty()) {
      double value = std::clamp(std::nearbyint(u), least, most);
      return {value, (value - least) / 12};
    }
    size_t i =
        std::lower_bound(values.begin(), values.end(), u) - values.begin();
    if (i == values.size() || (i > 0 && u - values[i - 1] < values[i] - u))
      --i;
    return {values[i], before[i]};
  }

  /// Over [the least value, u].
  double integral(double u) const {
    Nearest found = nearest(u);
    double distance = u - found.value;
    return found.before + distance * distance * distance / 3;
  }

  double least = 0, most = 0; // of integers
  std::vector<double> values; // of what is no integer, sorted
  std::vector<double> before; // integral from values[0] to values[i]
};

double squaredError(const std::vector<Segment> &segments,
                    const Encoding &encoding, const Params &params) {
  RoundingError rounding(encoding, params.zeroPoint);
  double scale = params.scale, total = 0;
  for (const Segment &segment : segments) {
    double a = (segment.begin - params.offset) / scale;
    double b = (segment.end - params.offset) / scale;
    total += segment.count * rounding.mean(std::min(a, b), std::max(a, b));
  }
  return total * scale * scale;
}

/// Clipping factors tried: kRatio^0, kRatio^1, ...
constexpr int kClips = 200;
const double kRatio = std::exp2(-1.0 / 16);

//===----------------------------------------------------------------------===//
// Divergence
//===----------------------------------------------------------------------===//

/// Fine bins of one quantization level.
constexpr int kFine = 8;
/// Clipping factors tried, down to 2^-8.
constexpr int kEntropyClips = 129;

/// The Kullback-Leibler divergence of what `params` make of the values from
/// the values, both clipped: TensorRT's procedure with fine bins that fit the
/// levels. The reference P has what is clipped in its outermost bins; Q spreads
/// the values inside each level evenly over the fine bins that are not empty.
double divergence(const std::vector<Segment> &segments, StoredRange range,
                  const Params &params) {
  double scale = std::fabs(params.scale);
  int levels = static_cast<int>(range.qmax - range.qmin) + 1;
  int bins = levels * kFine;
  double lowest = params.scale < 0 ? -range.qmax : range.qmin;
  double begin = (lowest - params.zeroPoint - 0.5) * scale + params.offset;
  double width = scale / kFine;
  std::vector<double> inside(bins);
  double below = 0, above = 0;
  for (const Segment &segment : segments) {
    double from = (segment.begin - begin) / width;
    double to = (segment.end - begin) / width;
    if (!(to - from > 1e-9)) {
      if (from < 0)
        below += segment.count;
      else if (from >= bins)
        above += segment.count;
      else
        inside[static_cast<int>(from)] += segment.count;
      continue;
    }
    double density = segment.count / (to - from);
    below += density * std::max(0.0, std::min(to, 0.0) - from);
    above += density * std::max(0.0, to - std::max(from, double(bins)));
    double first = std::max(from, 0.0), last = std::min(to, double(bins));
    for (double at = first; at < last;) {
      int bin = static_cast<int>(at);
      double end = std::min(last, bin + 1.0);
      inside[bin] += density * (end - at);
      at = end;
    }
  }
  std::vector<double> spread(bins);
  double total = 0, totalInside = 0;
  for (int level = 0; level < levels; ++level) {
    double sum = 0;
    int used = 0;
    for (int i = level * kFine; i < (level + 1) * kFine; ++i) {
      sum += inside[i];
      used += inside[i] != 0;
    }
    for (int i = level * kFine; i < (level + 1) * kFine; ++i)
      spread[i] = inside[i] != 0 ? sum / used : 0;
    totalInside += sum;
  }
  total = totalInside + below + above;
  inside.front() += below;
  inside.back() += above;
  // A bin that Q lacks would make it infinite.
  constexpr double kFloor = 1e-9;
  double result = 0;
  for (int i = 0; i < bins; ++i) {
    if (inside[i] == 0)
      continue;
    double p = inside[i] / total;
    double q = totalInside == 0 ? 0 : spread[i] / totalInside;
    result += p * std::log(p / std::max(q, kFloor));
  }
  return result;
}

} // namespace

Extrema SiteStatistics::movingAverage(double constant) const {
  bool isFirst = true;
  double lo = 0, hi = 0;
  for (const Sample &sample : seen) {
    if (!(sample.extrema.lo <= sample.extrema.hi))
      continue;
    if (isFirst) {
      lo = sample.extrema.lo;
      hi = sample.extrema.hi;
      isFirst = false;
      continue;
    }
    lo += constant * (sample.extrema.lo - lo);
    hi += constant * (sample.extrema.hi - hi);
  }
  if (isFirst)
    return minMax();
  return {static_cast<float>(lo), static_cast<float>(hi)};
}

Extrema SiteStatistics::percentile(double percent) const {
  Extrema extrema = minMax();
  if (!hasHistogram() || !(extrema.lo <= extrema.hi))
    return extrema;
  std::vector<Segment> parts = segments(valueHistogram, extrema);
  double total = 0;
  for (const Segment &segment : parts)
    total += segment.count;
  double cut = total * (100 - percent) / 200;
  auto inside = [cut](const Segment &segment, double passed, double from,
                      double to) {
    return static_cast<float>(from +
                              (to - from) * (cut - passed) / segment.count);
  };
  Extrema result = extrema;
  double passed = 0;
  for (const Segment &segment : parts) {
    if (passed + segment.count > cut) {
      result.lo = inside(segment, passed, segment.begin, segment.end);
      break;
    }
    passed += segment.count;
  }
  passed = 0;
  for (auto it = parts.rbegin(); it != parts.rend(); ++it) {
    if (passed + it->count > cut) {
      result.hi = inside(*it, passed, it->end, it->begin);
      break;
    }
    passed += it->count;
  }
  return result;
}

Extrema SiteStatistics::entropy(StoredRange range, Scheme scheme) const {
  Extrema extrema = minMax();
  float levels = range.qmax - range.qmin + 1;
  if (!hasHistogram() || !(extrema.lo <= extrema.hi) ||
      extrema.lo == extrema.hi || !(levels >= 3 && levels <= 256) ||
      scheme == Scheme::MeanAbs)
    return extrema;
  std::vector<Segment> parts = segments(valueHistogram, extrema);
  double least = std::numeric_limits<double>::infinity();
  Extrema best = extrema;
  for (int i = 0; i < kEntropyClips; ++i) {
    double clip = std::exp2(-i / 16.0);
    Extrema tried = clipped(extrema, clip, clip);
    double found = divergence(parts, range, chooseParams(scheme, range, tried));
    if (found < least) {
      least = found;
      best = tried;
    }
  }
  return best;
}

Extrema SiteStatistics::leastSquares(const Encoding &encoding,
                                     Scheme scheme) const {
  Extrema extrema = minMax();
  bool hasTable = encoding.codebook || info(encoding.format).isInteger ||
                  info(encoding.format).bits <= 8;
  if (!hasHistogram() || !(extrema.lo <= extrema.hi) || !hasTable ||
      scheme == Scheme::MeanAbs)
    return extrema;
  std::vector<Segment> parts = segments(valueHistogram, extrema);
  StoredRange range = encoding.range();
  double least = std::numeric_limits<double>::infinity();
  double bestLo = 1, bestHi = 1;
  auto attempt = [&](double lo, double hi) {
    Params params = chooseParams(scheme, range, clipped(extrema, lo, hi));
    double found = squaredError(parts, encoding, params);
    if (found < least) {
      least = found;
      bestLo = lo;
      bestHi = hi;
    }
  };
  for (int i = 0; i < kClips; ++i)
    attempt(std::pow(kRatio, i), std::pow(kRatio, i));
  // Then finer, and the ends for themselves where each has its own effect.
  for (double step : {2.0, 1.0, 0.5, 0.25, 0.125}) {
    double lo = bestLo, hi = bestHi;
    for (double factor : {std::pow(kRatio, step), std::pow(kRatio, -step)}) {
      attempt(std::min(1.0, lo * factor), std::min(1.0, hi * factor));
      if (!isSymmetric(scheme)) {
        attempt(std::min(1.0, lo * factor), hi);
        attempt(lo, std::min(1.0, hi * factor));
      }
    }
  }
  return clipped(extrema, bestLo, bestHi);
}

} // namespace quantc::numerics
