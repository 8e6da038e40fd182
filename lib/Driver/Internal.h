//===- Internal.h - What the steps of a compile share -----------*- C++ -*-===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef QUANTC_LIB_DRIVER_INTERNAL_H
#define QUANTC_LIB_DRIVER_INTERNAL_H

#include "quantc/Driver/Compile.h"
#include "quantc/Package/Package.h"

#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/BuiltinOps.h"

#include <map>

namespace quantc::driver {

/// A tensor of the model, for the manifest and `inspect`.
struct ModelTensor {
  std::string name, type; ///< `2x3xf32`
  uint64_t bytes = 0;
};

/// Manifest.cpp: the constants of a module that have names, each once, in
/// order.
std::vector<ModelTensor> tensorsOf(mlir::ModuleOp module);

/// What became of the model's tensors: a row each.
struct TensorReport {
  std::string name, type;
  std::string format;      ///< `si8`
  std::string granularity; ///< `channel`, `group 32`; empty: not quantized
  std::string layer;
  uint64_t bytesBefore = 0, bytesAfter = 0;
};

/// `before`: the imported tensors; `module`: after the graph pipeline.
std::vector<TensorReport> reportTensors(const std::vector<ModelTensor> &before,
                                        mlir::ModuleOp module);

struct ImportedModel;

/// The text of PREFIX.json. The same for the same input. `entries` are those of
/// `models`, in their order; `lock` is the text of --lock, or empty. Errors: a
/// model's file can no longer be read.
llvm::Expected<std::string>
manifestText(const CompileRequest &request, const std::vector<Level> &levels,
             const std::vector<ImportedModel> &models,
             const std::vector<PackageEntry> &entries, uint64_t weightsHash,
             llvm::StringRef lock);

} // namespace quantc::driver

#endif // QUANTC_LIB_DRIVER_INTERNAL_H
