//===- GroupScales.cpp - The scale of one group of a row ------------------===//

#include "GroupScales.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace quantc::numerics {
namespace {

/// Scales tried, as a fraction of the one with which the extreme value takes
/// the extreme code.
constexpr double kLargest = 1.3, kSmallest = 0.3;
constexpr int kSteps = 32;
/// Ranges tried, as a fraction of the whole.
constexpr double kSmallestClip = 0.4;
constexpr int kClips = 16;

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
    TryCandidates work;
    work.w = w;
    work.length = length;
    work.U = cost.U;
    work.ldU = cost.ldU;
    work.block = cost.block;
    work.ldBlock = cost.ldBlock;
    work.importance = cost.importance;
    work.params = {scale, zeroPoint};
    work.scratch = scratch.data();
    work.errors = errors;
    tryCandidates(levels, work);
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
  int steps = kSteps * effort;
  double ratio = std::pow(kSmallest / kLargest, 1.0 / (steps - 1));
  if (fractions.empty())
    for (int i = 0; i < steps; ++i)
      fractions.push_back(std::pow(ratio, i));
  for (int sign : {1, -1}) {
    if (sign < 0 && scheme != Scheme::SignedScale)
      break;
    for (double fraction : fractions)
      add(sign * unit * kLargest * fraction);
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
  int clipCount = kClips * effort;
  double ratio = std::pow(kSmallestClip, 1.0 / (clipCount - 1));
  for (int i = 0; i < clipCount; ++i)
    add(std::pow(ratio, i), std::pow(ratio, i));
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
  // From 3 % wider to 8 % narrower.
  int sides = 4 * effort;
  auto side = [&](int i) { return center * (1.03 - 0.11 * i / (sides - 1)); };
  for (int lo = 0; lo < sides; ++lo)
    for (int hi = 0; hi < sides; ++hi)
      add(side(lo), side(hi));
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
