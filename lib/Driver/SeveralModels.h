//===- SeveralModels.h - Several models in one library ----------*- C++ -*-===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Each model goes through the graph pipeline by itself. Then they become the
// functions of one module, so that kernels and equal weights are shared, and
// the entries of one library.
//
//===----------------------------------------------------------------------===//

#ifndef QUANTC_LIB_DRIVER_SEVERALMODELS_H
#define QUANTC_LIB_DRIVER_SEVERALMODELS_H

#include "Internal.h"
#include "Lock.h"

#include "mlir/IR/OwningOpRef.h"

namespace quantc::driver {

/// A model on its way to the library.
struct ImportedModel {
  std::string path;
  std::string entry; ///< its name in the library
  mlir::OwningOpRef<mlir::ModuleOp> module;
  std::vector<ModelTensor> tensors;  ///< as imported
  std::vector<TensorReport> reports; ///< what became of them
  std::vector<LockedLayer> layers;   ///< where there are locks
  /// Of several models: what of --dim it has, and what of --keep-float and
  /// --set matches none of its layers.
  std::vector<std::string> dims, unmatched;
};

/// Names of the entries: `main` for one model, else the files' names without
/// folder and ending, made different from each other.
std::vector<std::string> entryNames(llvm::ArrayRef<std::string> paths);

/// What a function of a merged module is called; no kernel has such a name.
std::string entrySymbol(llvm::StringRef entry);
/// The reverse.
llvm::StringRef entryOfSymbol(llvm::StringRef symbol);

/// Gives the weights that were made for model `number` a store of their own,
/// since models may have different weights of one name; one that an earlier
/// model has too, with the same bytes, is shared.
llvm::Error separateWeights(mlir::ModuleOp module, unsigned number);

/// Those of the texts `NAME=...` whose dimension the model has.
std::vector<std::string> dimsOf(mlir::ModuleOp module,
                                llvm::ArrayRef<std::string> texts);

/// An error if a --dim, --keep-float or --set is about none of several models.
llvm::Error checkOptionsUsed(llvm::ArrayRef<std::string> dims,
                             llvm::ArrayRef<ImportedModel> models);

/// One module with the functions of all.
mlir::OwningOpRef<mlir::ModuleOp>
mergeModules(std::vector<ImportedModel> &models);

} // namespace quantc::driver

#endif // QUANTC_LIB_DRIVER_SEVERALMODELS_H
