//===- GroupScales.cpp - The scale of one group of a row ------------------===//

#include "GroupScales.h"

#include <cmath>
#include <limits>

namespace quantc::numerics {
namespace {

/// Scales tried, as a fraction of the one with which the extreme value takes
/// the extreme code.
constexpr double kLargest = 1.15, kSmallest = 0.42;
constexpr int kSteps = 24;
/// Ranges tried, as a fraction of the whole.
constexpr double kClipStep = 0.945;

} // namespace

void GroupScales::attempt(const std::vector<Params> &candidates) {
  float scale[kCandidates], zeroPoint[kCandidates], errors[kCandidates];
  for (size_t begin = 0; begin < candidates.size(); begin += kCandidates) {
    auto at = [&](int64_t c) -> const Params & {
      return candidates[std::min(begin + c, candidates.size() - 1)];
    };
    for (int64_t c = 0; c < kCandidates; ++c) {
      scale[c] = at(c).scale;
      zeroPoint[c] = static_cast<float>(at(c).zeroPoint);
    }
    scratch.resize(length * kCandidates);
    tryCandidates(levels, {w,
                           length,
                           cost.U,
                           cost.ldU,
                           cost.importance,
                           {scale, zeroPoint},
                           scratch.data(),
                           errors});
    for (int64_t c = 0; c < kCandidates; ++c)
      if (errors[c] < leastError) {
        leastError = errors[c];
        best = at(c);
      }
  }
}

/// Symmetric and signed scales: first coarsely over the range, then finely
/// around the best.
void GroupScales::searchScale(float absmax) {
  float unit = absmax / std::max(-range.qmin, range.qmax);
  std::vector<Params> candidates;
  auto add = [&](double scale) {
    Params params;
    params.scale = finishScale(static_cast<float>(scale), scaleFormat);
    candidates.push_back(params);
  };
  double ratio = std::pow(kSmallest / kLargest, 1.0 / (kSteps - 1));
  for (int sign : {1, -1}) {
    if (sign < 0 && scheme != Scheme::SignedScale)
      break;
    for (int i = 0; i < kSteps; ++i)
      add(sign * unit * kLargest * std::pow(ratio, i));
  }
  attempt(candidates);
  candidates.clear();
  double center = best.scale;
  for (int i = 1; i <= kCandidates / 2; ++i)
    for (int sign : {1, -1})
      add(center * (1 + sign * (1 - ratio) * i / (kCandidates / 2 + 1)));
  attempt(candidates);
}

/// Asymmetric: both ends alike, then each for itself.
void GroupScales::searchRange(const Extrema &extrema) {
  std::vector<Params> candidates;
  std::vector<std::pair<double, double>> clips;
  auto add = [&](double lo, double hi) {
    Extrema clipped{static_cast<float>(extrema.lo * lo),
                    static_cast<float>(extrema.hi * hi)};
    candidates.push_back(chooseParams(scheme, range, clipped, 1, scaleFormat));
    clips.emplace_back(lo, hi);
  };
  for (int i = 0; i < kCandidates; ++i)
    add(std::pow(kClipStep, i), std::pow(kClipStep, i));
  attempt(candidates);
  double center = 1;
  for (size_t c = 0; c < candidates.size(); ++c)
    if (candidates[c].scale == best.scale &&
        candidates[c].zeroPoint == best.zeroPoint) {
      center = clips[c].first;
      break;
    }
  candidates.clear();
  clips.clear();
  for (double lo : {1.03, 1.0, 0.97, 0.92})
    for (double hi : {1.03, 1.0, 0.97, 0.92})
      add(center * lo, center * hi);
  attempt(candidates);
}

Params GroupScales::choose(const float *values, int64_t count,
                           const GroupCost &how) {
  w = values;
  length = count;
  cost = how;
  Extrema extrema;
  for (int64_t j = 0; j < length; ++j)
    extrema.add(w[j]);
  best = chooseParams(scheme, range, extrema, 1, scaleFormat);
  float absmax = std::max(-extrema.lo, extrema.hi);
  if (!cost.search || !(absmax > 0) || !std::isfinite(absmax))
    return best;
  leastError = std::numeric_limits<float>::infinity();
  attempt({best});
  switch (scheme) {
  case Scheme::Symmetric:
  case Scheme::SignedScale:
    searchScale(absmax);
    break;
  case Scheme::Asymmetric:
    searchRange(extrema);
    break;
  default: {
    // Powers of two: the neighbours.
    std::vector<Params> candidates(3, best);
    candidates[0].scale = finishScale(best.scale * 2, scaleFormat);
    candidates[1].scale = finishScale(best.scale / 2, scaleFormat);
    candidates[2].scale = finishScale(best.scale / 4, scaleFormat);
    attempt(candidates);
  }
  }
  return best;
}

} // namespace quantc::numerics
