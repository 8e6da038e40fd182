//===- GroupScales.h - The scale of one group of a row ----------*- C++ -*-===//
#ifndef QUANTC_NUMERICS_GROUPSCALES_H
#define QUANTC_NUMERICS_GROUPSCALES_H

#include "TileKernels.h"

#include <vector>

namespace quantc::numerics {

/// Groups larger than this get no `U` or `block`: to try a scale by them takes
/// the square of it.
constexpr int64_t kMaxSearched = 256;

/// What an error of the group costs: the first that is given.
struct GroupCost {
  bool search = false; ///< false: the scheme's formula, whatever the error
  /// U of the group [length][ldU]: the error after GPTQ. Else null.
  const float *U = nullptr;
  int64_t ldU = 0;
  /// The group's block of H [length][ldBlock]: eᵀ H e. Else null.
  const float *block = nullptr;
  int64_t ldBlock = 0;
  /// Of the squares [length]; null: 1 each.
  const float *importance = nullptr;
};

/// Chooses scales and zero points. Keeps buffers: one object a thread.
class GroupScales {
public:
  /// `effort`: how many times the usual number of candidates are tried.
  GroupScales(const Levels &levels, StoredRange range, Scheme scheme,
              Format scaleFormat, int effort = 1)
      : levels(levels), range(range), scheme(scheme), scaleFormat(scaleFormat),
        effort(effort) {}

  /// The parameters with the least error found for the values w [length].
  Params choose(const float *w, int64_t length, const GroupCost &cost);

private:
  void attempt(const std::vector<Params> &candidates);
  void searchScale(float absmax);
  void searchRange(const Extrema &extrema);

  const Levels &levels;
  StoredRange range;
  Scheme scheme;
  Format scaleFormat;
  int effort;
  std::vector<double> fractions; ///< of the scale, that are tried

  // Of the group at hand.
  const float *w = nullptr;
  int64_t length = 0;
  GroupCost cost;
  Params best;
  float leastError = 0;
  std::vector<float> scratch;
};

} // namespace quantc::numerics

#endif // QUANTC_NUMERICS_GROUPSCALES_H
