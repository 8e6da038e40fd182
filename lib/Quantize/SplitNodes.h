//===- SplitNodes.h - What a layer that is split is made of -----*- C++ -*-===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef QUANTC_LIB_QUANTIZE_SPLITNODES_H
#define QUANTC_LIB_QUANTIZE_SPLITNODES_H

#include "quantc/Dialect/QGraph/QGraphDialect.h"

namespace quantc::qgraph {

/// The dynamic dimensions of a result of this type, whose leading dimensions
/// are those of `like`.
llvm::SmallVector<mlir::Value> dynamicDims(mlir::OpBuilder &builder,
                                           mlir::RankedTensorType type,
                                           mlir::Value like);

/// The result of a standard operator in the walk's canonical form.
mlir::Value makeNode(mlir::OpBuilder &builder, mlir::Location loc,
                     llvm::StringRef opType, mlir::RankedTensorType type,
                     mlir::ValueRange operands, mlir::ValueRange dims,
                     mlir::DictionaryAttr attributes);

/// A constant of one 1.0, [1, 1]: the scale of halves.
mlir::Value makeOne(mlir::OpBuilder &builder, mlir::Location loc);

/// A part of `linear`, in its place: other operands, `suffix` behind its name.
LinearOp makePart(LinearOp linear, mlir::Value input, mlir::Value weight,
                  mlir::Value bias, llvm::StringRef suffix);

} // namespace quantc::qgraph

#endif // QUANTC_LIB_QUANTIZE_SPLITNODES_H
