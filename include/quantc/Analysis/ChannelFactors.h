//===- ChannelFactors.h - Factors that move through the graph ---*- C++ -*-===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The one place that knows how far factors on the channels of a tensor reach:
// SmoothQuant, AWQ and equalization choose the factors, this finds who has to
// be multiplied by them, and does it. The ops answer for themselves
// (Dialect/QGraph/ChannelScale.h).
//
// The float model computes what it did, up to rounding; with factors that are
// powers of two, the same bits.
//
//===----------------------------------------------------------------------===//

#ifndef QUANTC_ANALYSIS_CHANNELFACTORS_H
#define QUANTC_ANALYSIS_CHANNELFACTORS_H

#include "quantc/Analysis/ConstantTensor.h"
#include "llvm/ADT/MapVector.h"

#include <string>
#include <vector>

namespace quantc {

struct ChannelFactorOptions {
  /// A weight that others read too is copied; else factors end there. Constants
  /// of up to kDenseElements elements are always copied.
  bool cloneShared = false;
  /// Keys and values that are kept for the next run may be scaled: what the
  /// model takes as past is then what the same model has given, and of no
  /// other.
  bool scaleCaches = false;
};

/// Who has to be multiplied when the channels of a tensor (its last dimension)
/// are. Channels that must have the same factor are one group; maps hold 2 * g
/// for the factor of group g, 2 * g + 1 for its inverse, kFree for 1.
struct ChannelFactors {
  mlir::Value tensor;
  /// Why the factors of some channels, or (groupCount = 0) of all, must be 1:
  /// the first op that is in the way.
  std::string blocked;
  /// For each channel its group, or -1: its factor is 1.
  std::vector<int32_t> groups;
  int32_t groupCount = 0;
  /// True if an op on the way needs positive factors.
  bool positive = false;
  /// Nothing absorbs the factors: the tensor is multiplied, for `layers` only.
  bool multiplies = false;

  /// A constant that is multiplied by a map; see ChannelAnswer::Absorb.
  struct Constant {
    mlir::Operation *op;
    qgraph::ChannelAnswer::Absorb absorb;
  };
  std::vector<Constant> constants;

  /// A calibration site whose tensor is multiplied.
  struct Site {
    qgraph::ObserveOp op;
    qgraph::ChannelMap map; ///< varies along the last dimension only
  };
  std::vector<Site> sites;

  /// A layer whose weight is multiplied because its input is (by the inverse),
  /// or because its result is.
  struct Layer {
    qgraph::LayerOpInterface op;
    qgraph::ChannelMap weight; ///< of the weight's shape
  };
  std::vector<Layer> layers, producers;
};

/// Finds the factors that tensors under `root` can have. Nothing under it may
/// change while this is in use.
class ChannelFactorSolver {
public:
  explicit ChannelFactorSolver(mlir::Operation *root,
                               ChannelFactorOptions options = {});

  /// The factors that the channels of `tensor` can have with all that is
  /// multiplied being constants.
  ChannelFactors solve(mlir::Value tensor) const;

  /// The same with an explicit product: `tensor` is multiplied for the layers
  /// that read it and have constant weights, nobody else sees it.
  ChannelFactors multiply(mlir::Value tensor) const;

private:
  friend class ChannelFactorRun;
  /// The constants that have this absorbed; else why not.
  std::string
  resolve(mlir::Operation *op, qgraph::ChannelAnswer::Absorb absorb,
          llvm::SmallVectorImpl<ChannelFactors::Constant> &into) const;

  ChannelFactorOptions options;
  /// How many ops refer to an entry of a store.
  llvm::DenseMap<mlir::Attribute, unsigned> references;
};

/// Which channels of layers' inputs have been given factors. Two tensors can
/// have channels in common that another one has not (concatenations): whoever
/// gives factors to several tensors claims their groups one tensor after the
/// other.
class ClaimedChannels {
public:
  /// Takes those groups out of `found` (their factors are 1) that reach a
  /// channel which was claimed before, and claims the others. Returns how many
  /// there are.
  int32_t claim(ChannelFactors &found);

private:
  /// For each layer, the elements of its weight's map.
  llvm::DenseMap<mlir::Operation *, std::vector<bool>> claimed;
};

/// A map with numbers put in for its factors; broadcasts to a tensor.
struct ChannelProduct {
  llvm::SmallVector<int64_t> extents;
  std::vector<float> factors;
};

/// A weight as it is with factors that are still to be put into it, read row by
/// row: a row is its last dimension, and all others count as one.
class ScaledWeight {
public:
  ScaledWeight(ConstantTensor constant, llvm::ArrayRef<int64_t> shape,
               std::vector<ChannelProduct> products);

  int64_t rows() const;
  int64_t width() const { return shape.back(); }
  /// Rows of one index of the first dimension: a layer's column of the result.
  int64_t rowsPerColumn() const {
    return rows() / std::max<int64_t>(shape[0], 1);
  }
  /// The tasks that `forTasks` has.
  size_t tasks() const;
  /// Calls `each(task, begin, end)` for ranges of rows, which are whole columns
  /// (of rank 2 and more), in parallel.
  void forTasks(llvm::function_ref<void(size_t, int64_t, int64_t)> each) const;
  void read(int64_t row, std::vector<float> &values) const;
  /// Where a row begins in a tensor of these extents, which broadcasts to the
  /// weight, and by how much its elements are apart (0 or 1).
  int64_t offset(int64_t row, llvm::ArrayRef<int64_t> extents) const;
  static int64_t step(llvm::ArrayRef<int64_t> extents) {
    return extents.empty() || extents.back() == 1 ? 0 : 1;
  }

  /// All rows, one after another.
  std::vector<float> readAll() const;

  bool hasFactors() const { return !products.empty(); }
  /// A constant of its own, of the weight's element type.
  llvm::Expected<mlir::TypedAttr> toConstant(llvm::StringRef name) const;

  /// For each group of `map` (of the weight's shape) the largest |w|.
  std::vector<float> absMax(const qgraph::ChannelMap &map,
                            int32_t groupCount) const;

private:
  int64_t rowsPerTask() const;

  ConstantTensor constant;
  llvm::SmallVector<int64_t> shape;
  std::vector<ChannelProduct> products;
};

/// Applies factors. They are collected first, and every constant is rewritten
/// once, in parallel and without holding it in memory, however many factors it
/// takes.
class ChannelFactorRewriter {
public:
  /// `pass` is what new constants are called after: `<tensor>@<pass>`.
  explicit ChannelFactorRewriter(llvm::StringRef pass) : pass(pass.str()) {}

  /// Multiplies channel c of `found.tensor` by factors[found.groups[c]], which
  /// are positive and finite.
  void add(const ChannelFactors &found, llvm::ArrayRef<float> factors);

  /// The weight of a layer of `ChannelFactors`, with the factors that were
  /// added so far.
  llvm::Expected<ScaledWeight> weight(qgraph::LayerOpInterface layer) const;

  /// The same for a caller that puts it into the IR in a form of its own:
  /// `apply` leaves this weight as it is.
  llvm::Expected<ScaledWeight> take(qgraph::LayerOpInterface layer);

  /// Rewrites the IR. An error says what could not be written; the IR is valid
  /// then, but only partly rewritten.
  llvm::Error apply();

private:
  struct Pending {
    mlir::Operation *op = nullptr;
    qgraph::ChannelAnswer::Absorb absorb;
    std::vector<ChannelProduct> products;
  };
  struct Multiplied {
    mlir::Value tensor;
    std::vector<ChannelFactors::Layer> layers;
    std::vector<float> factors; ///< one a channel
  };

  llvm::Error rewrite(const Pending &pending);
  llvm::Error create(const Pending &pending);
  llvm::Error record(qgraph::ObserveOp site, const ChannelProduct &product);
  llvm::Error insertProduct(const Multiplied &product);

  std::string pass;
  llvm::MapVector<mlir::OpOperand *, Pending> operands;
  llvm::MapVector<mlir::Operation *, Pending> created;
  llvm::MapVector<mlir::Operation *, ChannelProduct> sites;
  std::vector<Multiplied> multiplied;
};

} // namespace quantc

#endif // QUANTC_ANALYSIS_CHANNELFACTORS_H
