//===- Weights.h - Weight references of a module -*- C++ -*-===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef QUANTC_DIALECT_QGRAPH_WEIGHTS_H
#define QUANTC_DIALECT_QGRAPH_WEIGHTS_H

#include "quantc/Dialect/QGraph/QGraphDialect.h"

namespace quantc::qgraph {

/// The weights of the context of `op`.
WeightStores &getWeights(mlir::Operation *op);

/// Where passes on `op` keep what they have finished.
Journal &getJournal(mlir::Operation *op);

/// True if anything under `root` refers to an entry that is in no file yet.
bool refersToNewWeights(mlir::Operation *root);

/// Writes the entries that are in no file yet, as far as `root` refers to them,
/// to the safetensors file `path`, and makes the references name that file as
/// seen from `directory`, where the IR is going to be. Does nothing if there
/// are none.
llvm::Error saveNewWeights(mlir::Operation *root, llvm::StringRef path,
                           llvm::StringRef directory);

/// Renames the references to files, which are relative to `from`, so that they
/// are relative to `to`.
void moveWeightReferences(mlir::Operation *root, llvm::StringRef from,
                          llvm::StringRef to);

} // namespace quantc::qgraph

#endif // QUANTC_DIALECT_QGRAPH_WEIGHTS_H
