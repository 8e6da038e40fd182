//===- ChannelScale.h - What factors on channels mean for an op -*- C++ -*-===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Smoothing, activation-aware scales and equalization multiply a tensor's
// channels by factors, and undo that elsewhere. What an op does to such factors
// is told by `ChannelScaleOpInterface`, in the terms of this file; who puts the
// answers together is Analysis/ChannelFactors.h.
//
// The factors are positive unknowns s[1], s[2], ...; s[0] is 1. A *channel map*
// says for each element of a tensor which of them, or whose inverse, it is
// multiplied by. So that channels stay identified through reshapes and
// transposes, there is no channel dimension: a map is like a tensor that
// broadcasts to the other.
//
//===----------------------------------------------------------------------===//

#ifndef QUANTC_DIALECT_QGRAPH_CHANNELSCALE_H
#define QUANTC_DIALECT_QGRAPH_CHANNELSCALE_H

#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Operation.h"
#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/SmallVector.h"

#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace quantc::qgraph {

class ChannelMap {
public:
  /// 2 * n: s[n]; 2 * n + 1: 1 / s[n]; kFree: nothing is known yet, 1 in the
  /// end.
  using Factor = int32_t;
  static constexpr Factor kFree = -1, kOne = 0;
  static Factor inverse(Factor factor) {
    return factor == kFree ? kFree : factor ^ 1;
  }

  /// Nothing known of a tensor of rank `extents.size()`. An extent is 1 (the
  /// factor does not depend on this index) or the tensor's, which is static.
  explicit ChannelMap(llvm::ArrayRef<int64_t> extents = {});
  /// factors[i] for index i of dimension `dim` of a tensor of this rank.
  static ChannelMap along(unsigned dim, unsigned rank,
                          std::vector<Factor> factors);

  unsigned rank() const { return extents.size(); }
  bool isFree() const;
  /// True if no dimension but these has an extent other than 1.
  bool variesOnlyAlong(llvm::ArrayRef<unsigned> dims) const;

  ChannelMap inverse() const;
  /// Dimension d of the result is dimension perm[d].
  ChannelMap transposed(llvm::ArrayRef<int64_t> perm) const;
  /// Of a tensor of shape `from` that is reshaped to `to`; nothing if the map
  /// varies along dimensions that are dynamic or take part in dynamic ones.
  std::optional<ChannelMap> reshaped(llvm::ArrayRef<int64_t> from,
                                     llvm::ArrayRef<int64_t> to) const;
  /// Index i of `dim` of the result is indices[i].
  ChannelMap selected(unsigned dim, llvm::ArrayRef<int64_t> indices) const;
  /// The reverse: index indices[i] of `dim`, whose extent is `extent`, of the
  /// result is index i here; the others are free.
  ChannelMap placed(unsigned dim, llvm::ArrayRef<int64_t> indices,
                    int64_t extent) const;
  /// The map of each index of `dim` by itself, with an extent of 1.
  std::vector<ChannelMap> split(unsigned dim) const;
  /// With dimensions of 1 put before, or without those (which must be 1).
  ChannelMap toRank(unsigned rank) const;
  /// With this extent where it is 1 now.
  ChannelMap expanded(unsigned dim, int64_t extent) const;

  /// The factor at an index of the tensor (of `rank()` entries).
  Factor at(llvm::ArrayRef<int64_t> index) const;

  llvm::SmallVector<int64_t> extents;
  std::vector<Factor> factors; ///< row-major over `extents`
};

/// An operand or a result of an op.
struct ChannelEnd {
  bool isResult;
  unsigned index;

  static ChannelEnd operand(unsigned index) { return {false, index}; }
  static ChannelEnd result(unsigned index = 0) { return {true, index}; }
  bool operator==(const ChannelEnd &other) const {
    return isResult == other.isResult && index == other.index;
  }
  mlir::Value in(mlir::Operation *op) const {
    return isResult ? op->getResult(index) : op->getOperand(index);
  }
};

/// What a factor on one end of an op asks for, so that the op computes what it
/// did, with the other ends multiplied as said.
struct ChannelAnswer {
  /// The tensor at another end has this map (at the same end: its factors are
  /// bound to be equal).
  struct Pass {
    ChannelEnd end;
    ChannelMap map;
  };
  /// A constant is multiplied elementwise by this map: `operand`, or, where the
  /// op has none (a norm without a gain), a new operand of `type`, 1 now, which
  /// `create` sets.
  struct Absorb {
    mlir::OpOperand *operand = nullptr;
    ChannelMap map;
    mlir::RankedTensorType type = {};
    std::function<void(mlir::Value)> create = nullptr;
  };

  /// Not empty: why no factor but 1 may be at this end.
  std::string blocks;
  llvm::SmallVector<Pass, 2> passes;
  llvm::SmallVector<Absorb, 2> absorbs;
  /// The factors must be positive.
  bool positive = false;

  static ChannelAnswer blocked(const llvm::Twine &why) {
    ChannelAnswer answer;
    answer.blocks = why.str();
    return answer;
  }
};

/// The ways in which an op can be given factors, best first: a product of two
/// activations passes those of its result to the one or to the other. At least
/// one; equally many, and in the same order, whichever end is asked about, for
/// one of them is taken for the whole op.
using ChannelAnswers = llvm::SmallVector<ChannelAnswer, 2>;

} // namespace quantc::qgraph

#endif // QUANTC_DIALECT_QGRAPH_CHANNELSCALE_H
