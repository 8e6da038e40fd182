//===- TileKernels.h - The inner loops of GPTQ ------------------*- C++ -*-===//
//
// A tile is kTileRows rows of a layer, transposed: [columns][kTileRows], so
// that what is done to one row is done to all of them by vector instructions.
// Each element's operations and their order do not depend on the vectors'
// width, nor do the results.
//
//===----------------------------------------------------------------------===//
#ifndef QUANTC_NUMERICS_TILEKERNELS_H
#define QUANTC_NUMERICS_TILEKERNELS_H

#include "Levels.h"

#include <cstdint>

namespace quantc::numerics {

constexpr int64_t kTileRows = 64;
/// Sets of parameters that are tried at once.
constexpr int64_t kCandidates = 16;

/// A scale and a zero point for each row of a tile (or each candidate); zero
/// points are whole numbers in f32.
struct LaneParams {
  const float *scale;
  const float *zeroPoint;
};

/// Rounds the columns [begin, end) of a tile in turn; the error of each goes to
/// the columns up to `blockEnd`.
struct RoundColumns {
  float *T;       ///< the tile [columns][kTileRows], updated
  const float *U; ///< [columns][ldU]
  int64_t ldU;
  int64_t begin, end, blockEnd;
  const LaneParams *params; ///< of each of the columns [begin, end)
  float *levels;            ///< [end - begin][kTileRows], result
  float *errors; ///< [end - begin][kTileRows], (w - ŵ) / U_jj, result
};
void roundColumns(const Levels &levels, const RoundColumns &work);

/// One pass of coordinate descent over the columns [begin, end): each is set to
/// the level that minimizes the error given all others.
struct DescendColumns {
  float *gradient; ///< H (ŵ - w) [columns][kTileRows]; kept up in the block
  const float *H;  ///< [columns][ldH]
  int64_t ldH;
  int64_t begin, end;
  const LaneParams *params; ///< of each of the columns [begin, end)
  float *levels;            ///< [columns][kTileRows], updated
  float *changes;           ///< [end - begin][kTileRows], change of ŵ, result
};
void descendColumns(const Levels &levels, const DescendColumns &work);

/// The error of a row's group for kCandidates sets of parameters.
struct TryCandidates {
  const float *w; ///< [length]
  int64_t length;
  /// The factor U of the group, [length][ldU], to round as GPTQ does; or null:
  /// to nearest.
  const float *U;
  int64_t ldU;
  /// With U null, B in eᵀ B e, symmetric [length][ldBlock]; or null.
  const float *block;
  int64_t ldBlock;
  /// With both null: weights of the squared errors [length]; null: 1.
  const float *importance;
  LaneParams params; ///< [kCandidates]
  float *scratch;    ///< [length][kCandidates]
  float *errors;     ///< [kCandidates], result
};
void tryCandidates(const Levels &levels, const TryCandidates &work);

} // namespace quantc::numerics

#endif // QUANTC_NUMERICS_TILEKERNELS_H
