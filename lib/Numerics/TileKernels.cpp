//===- TileKernels.cpp - The inner loops of GPTQ --------------------------===//

#include "TileKernels.h"

#include "Clones.h"

namespace quantc::numerics {
namespace {

/// Half to even, then clamped; NaN becomes the least.
struct IntegerRound {
  float qmin, qmax;

  QUANTC_INLINE void operator()(Lane &x, const float *zeroPoint) const {
    Lane zero = at(zeroPoint);
    Lane least = qmin - zero, most = qmax - zero;
    x = x > least ? x : least;
    x = x < most ? x : most;
    // Formats of up to 16 bits: |x| < 2^22. Wider ones are exact already where
    // adding would not round.
    Lane magic = x < 0 ? (Lane{} - 0x1p+23f) : (Lane{} + 0x1p+23f);
    Lane rounded = (x + magic) - magic;
    Lane isSmall = x * x;
    x = isSmall < 0x1p+46f ? rounded : x;
  }
};

struct TableRound {
  const Levels &levels;

  QUANTC_INLINE void operator()(Lane &x, const float *) const {
    for (int64_t l = 0; l < kLaneCount; ++l)
      x[l] = levels.nearest(x[l]);
  }
};

template <typename Round>
QUANTC_INLINE void roundBody(const RoundColumns &work, Round round) {
  for (int64_t lane = 0; lane < kTileRows; lane += kLaneCount)
    for (int64_t j = work.begin; j < work.end; ++j) {
      const LaneParams &params = work.params[j - work.begin];
      const float *row = work.U + j * work.ldU;
      float *T = work.T + lane;
      Lane scale = at(params.scale + lane), w = at(T + j * kTileRows);
      Lane level = w / scale;
      round(level, params.zeroPoint + lane);
      Lane error = (w - level * scale) / row[j];
      int64_t out = (j - work.begin) * kTileRows + lane;
      at(work.levels + out) = level;
      at(work.errors + out) = error;
      for (int64_t k = j + 1; k < work.blockEnd; ++k)
        at(T + k * kTileRows) -= error * row[k];
    }
}

template <typename Round>
QUANTC_INLINE void descendBody(const DescendColumns &work, Round round) {
  for (int64_t lane = 0; lane < kTileRows; lane += kLaneCount)
    for (int64_t j = work.begin; j < work.end; ++j) {
      const LaneParams &params = work.params[j - work.begin];
      const float *row = work.H + j * work.ldH;
      float *gradient = work.gradient + lane;
      Lane scale = at(params.scale + lane);
      Lane &old = at(work.levels + j * kTileRows + lane);
      Lane level = old - at(gradient + j * kTileRows) / (row[j] * scale);
      round(level, params.zeroPoint + lane);
      Lane change = (level - old) * scale;
      old = level;
      at(work.changes + (j - work.begin) * kTileRows + lane) = change;
      for (int64_t k = work.begin; k < work.end; ++k)
        at(gradient + k * kTileRows) += change * row[k];
    }
}

template <typename Round>
QUANTC_INLINE void tryBody(const TryCandidates &work, Round round) {
  static_assert(kCandidates == kLaneCount);
  Lane scale = at(work.params.scale);
  Lane total = {};
  if (!work.U && work.block) {
    for (int64_t j = 0; j < work.length; ++j) {
      const float *row = work.block + j * work.ldBlock;
      Lane w = Lane{} + work.w[j];
      Lane level = w / scale;
      round(level, work.params.zeroPoint);
      Lane error = w - level * scale;
      at(work.scratch + j * kCandidates) = error;
      Lane product = error * (0.5f * row[j]);
      for (int64_t k = 0; k < j; ++k)
        product += at(work.scratch + k * kCandidates) * row[k];
      total += 2.0f * (error * product);
    }
    at(work.errors) = total;
    return;
  }
  if (!work.U) {
    for (int64_t j = 0; j < work.length; ++j) {
      Lane w = Lane{} + work.w[j];
      Lane level = w / scale;
      round(level, work.params.zeroPoint);
      Lane error = w - level * scale;
      total += (work.importance ? work.importance[j] : 1.0f) * (error * error);
    }
    at(work.errors) = total;
    return;
  }
  for (int64_t j = 0; j < work.length; ++j)
    at(work.scratch + j * kCandidates) = Lane{} + work.w[j];
  for (int64_t j = 0; j < work.length; ++j) {
    const float *row = work.U + j * work.ldU;
    Lane w = at(work.scratch + j * kCandidates);
    Lane level = w / scale;
    round(level, work.params.zeroPoint);
    Lane error = (w - level * scale) / row[j];
    total += error * error;
    for (int64_t k = j + 1; k < work.length; ++k)
      at(work.scratch + k * kCandidates) -= error * row[k];
  }
  at(work.errors) = total;
}

QUANTC_CLONES void roundIntegers(const RoundColumns &work, float qmin,
                                 float qmax) {
  roundBody(work, IntegerRound{qmin, qmax});
}
QUANTC_CLONES void descendIntegers(const DescendColumns &work, float qmin,
                                   float qmax) {
  descendBody(work, IntegerRound{qmin, qmax});
}
QUANTC_CLONES void tryIntegers(const TryCandidates &work, float qmin,
                               float qmax) {
  tryBody(work, IntegerRound{qmin, qmax});
}

} // namespace

void roundColumns(const Levels &levels, const RoundColumns &work) {
  if (levels.isInteger())
    roundIntegers(work, levels.least(), levels.most());
  else
    roundBody(work, TableRound{levels});
}

void descendColumns(const Levels &levels, const DescendColumns &work) {
  if (levels.isInteger())
    descendIntegers(work, levels.least(), levels.most());
  else
    descendBody(work, TableRound{levels});
}

void tryCandidates(const Levels &levels, const TryCandidates &work) {
  if (levels.isInteger())
    tryIntegers(work, levels.least(), levels.most());
  else
    tryBody(work, TableRound{levels});
}

} // namespace quantc::numerics
