//===- ChannelBasis.h - Rotations that move through the graph ---*- C++ -*-===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Factors reach as far as ChannelFactors.h says; an orthogonal matrix that
// mixes channels reaches less far: through what is linear in all channels alike
// (residual additions, the values of an attention), through what only moves
// whole rows of channels, and through an RMS norm, which does not change a
// vector's length, once its gain is part of the weights that read it (QuaRot,
// arXiv:2404.00456). Layers and embedding tables take it into their weights.
//
//===----------------------------------------------------------------------===//

#ifndef QUANTC_ANALYSIS_CHANNELBASIS_H
#define QUANTC_ANALYSIS_CHANNELBASIS_H

#include "quantc/Dialect/QGraph/QGraphDialect.h"

#include "llvm/ADT/MapVector.h"
#include "llvm/ADT/SetVector.h"

#include <string>

namespace quantc {

/// The tensors that have to be in another basis together: the last dimension of
/// each is blocks of `size` channels, each of which becomes x R.
struct ChannelBasis {
  int64_t size = 0;
  /// What is in the way; empty: all that is listed here can be rewritten.
  std::string blocked;
  llvm::SetVector<mlir::Value> tensors;
  /// `qgraph.linear`s with constant float weights [N, K]: W R for those that
  /// read a tensor, Rᵀ W (and the bias times R) for those that make one.
  llvm::SetVector<mlir::Operation *> readers, producers;
  /// `qgraph.embedding`s with constant float tables: table R.
  llvm::SetVector<mlir::Operation *> tables;
  /// `qgraph.norm`s whose gain goes, before the rotation, into the columns of
  /// the `qgraph.linear`s that read their result, and no others do.
  llvm::MapVector<mlir::Operation *, llvm::SetVector<mlir::Operation *>> gains;
};

/// Follows a tensor. With `rotateCaches`, keys and values that are kept for the
/// next run (a model's inputs and outputs) may be in another basis, too.
ChannelBasis findChannelBasis(mlir::Value tensor, int64_t size,
                              bool rotateCaches);

} // namespace quantc

#endif // QUANTC_ANALYSIS_CHANNELBASIS_H
