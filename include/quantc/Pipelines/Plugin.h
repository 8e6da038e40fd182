//===- Plugin.h - Libraries that add operators and passes -------*- C++ -*-===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A plugin is a shared library that `quantc compile --plugin FILE.so` and
// `quant-opt --plugin=FILE.so` load. It defines
//
//   extern "C" const quantc::PluginInfo *quantcGetPluginInfo();
//
// and is built against the headers of the quantc that loads it; nothing of
// quantc is linked in, for the program that loads it has it all. See
// examples/custom-operator.
//
//===----------------------------------------------------------------------===//

#ifndef QUANTC_PIPELINES_PLUGIN_H
#define QUANTC_PIPELINES_PLUGIN_H

#include "quantc/Pipelines/Version.h"

#include "llvm/ADT/StringRef.h"
#include "llvm/Config/llvm-config.h"
#include "llvm/Support/Error.h"

#include <cstdint>

namespace mlir {
class DialectRegistry;
} // namespace mlir

namespace quantc {

/// Counts the changes of PluginInfo.
#define QUANTC_PLUGIN_API_VERSION 1
/// What a plugin and its program must have in common.
#define QUANTC_PLUGIN_BUILD                                                    \
  "quantc " QUANTC_VERSION_STRING ", LLVM " LLVM_VERSION_STRING

struct PluginInfo {
  uint32_t apiVersion = QUANTC_PLUGIN_API_VERSION;
  const char *build = QUANTC_PLUGIN_BUILD;
  const char *name = nullptr;
  /// Adds operators: schemas (`onnx_ir::addSchema`), by which models are
  /// checked and typed and function bodies expanded, and kernels
  /// (`addNodeKernel`) for those without a body. May be null.
  llvm::Error (*registerOperators)() = nullptr;
  /// Adds dialects, interfaces of ops, extensions. Called for each context;
  /// may be null.
  void (*registerDialects)(mlir::DialectRegistry &registry) = nullptr;
  /// Registers passes and pipelines with MLIR. May be null.
  void (*registerPasses)() = nullptr;
};

/// Loads a plugin, once, and has it register its operators and passes; to be
/// called before the first context is made and before threads are. Errors name
/// the file: it cannot be loaded, is no plugin, or was built for another
/// quantc.
llvm::Error loadPlugin(llvm::StringRef path);

/// What the loaded plugins add to a context. `registerAllDialects` does it.
void registerPluginDialects(mlir::DialectRegistry &registry);

} // namespace quantc

#endif // QUANTC_PIPELINES_PLUGIN_H
