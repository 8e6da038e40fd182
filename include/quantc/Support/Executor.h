//===- Executor.h - Compiles and runs a piece of IR -------------*- C++ -*-===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The service by which passes run what they rewrite: calibration is
// compilation. It is declared here, where passes may know it, and implemented
// where the whole compiler is known (lib/Pipelines/CompiledExecutor.cpp).
//
//===----------------------------------------------------------------------===//

#ifndef QUANTC_SUPPORT_EXECUTOR_H
#define QUANTC_SUPPORT_EXECUTOR_H

#include "quantc/Support/WeightStore.h"

#include "llvm/ADT/ArrayRef.h"
#include "llvm/Support/Error.h"

#include <memory>
#include <vector>

namespace mlir {
class ModuleOp;
} // namespace mlir

namespace quantc {

/// A tensor in memory: row-major, elements of less than 8 bits packed as in a
/// store.
struct TensorView {
  WeightType type; ///< its shape is the tensor's of this run
  llvm::ArrayRef<char> bytes;
};

/// A compiled function.
class Executable {
public:
  virtual ~Executable();
  /// Calls it. `outputs` are valid until the next run. Errors: inputs that do
  /// not fit the signature or each other, a check in the function that fails.
  virtual llvm::Error run(llvm::ArrayRef<TensorView> inputs,
                          std::vector<TensorView> &outputs) = 0;
};

class Executor {
public:
  virtual ~Executor();
  /// Compiles the only function of a module as quantization passes see it, for
  /// this machine. The module is not changed and may go away afterwards. What
  /// is like an earlier module but for the weights is not compiled again.
  virtual llvm::Expected<std::unique_ptr<Executable>>
  compile(mlir::ModuleOp module) = 0;
};

/// Says who makes executors; by `registerAllDialects`.
void setExecutorFactory(std::unique_ptr<Executor> (*create)());

/// A new executor, or null where nobody has said how to make one.
std::unique_ptr<Executor> createExecutor();

} // namespace quantc

#endif // QUANTC_SUPPORT_EXECUTOR_H
