//===- Compile.h - From a model file to a native library --------*- C++ -*-===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Import, the graph pipeline once, the kernel pipeline and code generation once
// a level and side by side, packaging. What is called here runs in the calling
// process; `quantc compile` calls it in a worker.
//
//===----------------------------------------------------------------------===//

#ifndef QUANTC_DRIVER_COMPILE_H
#define QUANTC_DRIVER_COMPILE_H

#include "quantc/Pipelines/Pipelines.h"

#include "llvm/ADT/STLFunctionalExtras.h"
#include "llvm/Support/Error.h"

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace quantc {

/// Where a compile stops.
enum class Emit {
  Statistics, ///< of calibration; nothing is compiled
  Switches,   ///< CompileListener::graph takes a graph with switches
  ONNX,
  QGraph,
  Fused,
  Kernel,
  LLVM,
  Assembly,
  Object,
  Library
};

/// The stage of the interface's name (`onnx`, `qgraph`, `fused`, `kernel`, `llvm`, `asm`,
/// `object`, `library`).
std::optional<Emit> emitFromName(llvm::StringRef name);

struct CompileRequest {
  /// Paths of the ONNX files. Several make one library with an entry each;
  /// they share kernels and equal weights.
  std::vector<std::string> models;
  /// A library: the prefix of its files. Else the file, `-` for standard
  /// output.
  std::string output;
  GraphOptions graph;
  std::string target = "native";
  Emit emit = Emit::Library;
  bool embedWeights = false;
  /// A lock, the precision of each layer: followed if the file is there, else
  /// written; empty: none. Not for Emit::ONNX and Emit::Statistics.
  std::string lock;
  /// A lock that layers may not fall behind.
  std::string checkLock;
  /// Threads; 0: as many as this process may use.
  unsigned jobs = 0;
  /// A page on what became of the model, of a library (`--report`): what it
  /// needs to know is found out.
  std::string report;
  /// Where new weights of printed IR go; empty: beside `output`.
  std::string weightsOut;
  /// Libraries with operators of other domains (Pipelines/Plugin.h).
  std::vector<std::string> plugins;
  /// Options of MLIR's pass manager and printer (`--mlir-timing`).
  std::vector<std::string> passOptions;
};

struct CompileResult {
  /// What was written, the library first.
  std::vector<std::string> files;
  /// Instruction set levels in the library, lowest first.
  std::vector<std::string> levels;
  std::string manifest; ///< its text, of a library
  uint64_t libraryBytes = 0, weightsBytes = 0;
  /// Of each model what qgraph-describe-layers has written, with
  /// CompileRequest::report.
  std::vector<std::string> descriptions;
  /// Remarks and warnings: what was not done, and why.
  std::vector<std::string> remarks;
};

/// What a compile tells its caller meanwhile. Called from several threads, one
/// at a time.
struct CompileListener {
  /// An error (`severity` "error"), "warning" or "remark", in one line; notes
  /// follow in lines of their own.
  std::function<void(llvm::StringRef severity, const std::string &text)>
      message;
  /// What is being done, and the share of the work that is done, 0..1.
  std::function<void(llvm::StringRef what, double done)> progress;
  /// Takes the graph of Emit::Switches, which is gone after the call.
  std::function<llvm::Error(mlir::ModuleOp)> graph;
};

/// Compiles `request.models`. An error whose text is empty has been told to the
/// listener already. After an error no file is left.
llvm::Expected<CompileResult> compileModel(const CompileRequest &request,
                                           const CompileListener &listener);

} // namespace quantc

#endif // QUANTC_DRIVER_COMPILE_H
