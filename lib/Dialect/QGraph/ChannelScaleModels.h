//===- ChannelScaleModels.h - What the models of the ops share --*- C++ -*-===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef QUANTC_LIB_DIALECT_QGRAPH_CHANNELSCALEMODELS_H
#define QUANTC_LIB_DIALECT_QGRAPH_CHANNELSCALEMODELS_H

#include "quantc/Dialect/QGraph/QGraphDialect.h"

namespace quantc::qgraph {

inline mlir::RankedTensorType tensorType(mlir::Value value) {
  return mlir::cast<mlir::RankedTensorType>(value.getType());
}

/// Binds the factors along all dimensions but these to be equal, and returns
/// the map without those dimensions.
ChannelMap shareAllBut(ChannelAnswer &answer, ChannelEnd end,
                       const ChannelMap &map, llvm::ArrayRef<unsigned> dims);

/// Gives operand `index`, which broadcasts to a tensor with this map, the same
/// factors: a constant absorbs them (and grows where it broadcasts), any other
/// value is passed them.
void bindOperand(ChannelAnswer &answer, mlir::Operation *op, unsigned index,
                 const ChannelMap &map);

/// Passes the operand, which broadcasts to a tensor with this map, the factors:
/// where it has one element for several, theirs are bound to be equal.
void passOperand(ChannelAnswer &answer, mlir::Operation *op, unsigned index,
                 const ChannelMap &map);

/// A constant operand absorbs the map.
inline void absorb(ChannelAnswer &answer, mlir::Operation *op, unsigned index,
                   ChannelMap map) {
  answer.absorbs.push_back({&op->getOpOperand(index), std::move(map)});
}

/// Gives the qgraph ops their models, and `onnx.node` (ChannelScaleNodes.cpp).
void attachChannelScaleModels(mlir::MLIRContext *context);
void attachChannelScaleNodeModel(mlir::MLIRContext *context);

} // namespace quantc::qgraph

#endif // QUANTC_LIB_DIALECT_QGRAPH_CHANNELSCALEMODELS_H
