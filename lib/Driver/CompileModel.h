//===- CompileModel.h - The state of one compile ----------------*- C++ -*-===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef QUANTC_LIB_DRIVER_COMPILEMODEL_H
#define QUANTC_LIB_DRIVER_COMPILEMODEL_H

#include "Lock.h"
#include "SeveralModels.h"
#include "quantc/Driver/Compile.h"
#include "quantc/Support/AtomicFile.h"
#include "quantc/Support/Journal.h"

#include "mlir/IR/MLIRContext.h"
#include "mlir/Pass/PassManager.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/Support/ThreadPool.h"

#include <mutex>

namespace quantc::driver {

class Compiler {
public:
  Compiler(const CompileRequest &request, const CompileListener &listener);
  llvm::Expected<CompileResult> run();

private:
  // CompileModel.cpp
  mlir::LogicalResult handle(mlir::Diagnostic &diag);
  void report(llvm::StringRef what, double done);
  llvm::Error import(ImportedModel &model);
  llvm::Error runGraph(ImportedModel &model, GraphStage stage);
  /// Builds a pipeline and loads its dialects.
  llvm::Error preparePasses(mlir::PassManager &manager,
                            const std::string &pipeline);
  /// Runs it; the progress goes from one share of the work to another.
  llvm::Error runPasses(mlir::PassManager &manager, mlir::ModuleOp module,
                        const std::string &what, double from, double to);
  /// Prints IR, with its new weights beside it, to `-o`.
  llvm::Error printModule(mlir::ModuleOp printed);
  llvm::Error writeText(llvm::StringRef text);
  /// Reads the locks that there are, and finds out whether one can be written.
  llvm::Error openLocks();
  /// Holds the layers to the locks, and makes the text of a new one.
  llvm::Error checkLocks();

  // Resume.cpp
  std::string journalKey(const ImportedModel &model,
                         llvm::StringRef pipeline) const;
  /// Lets the passes of a model's graph keep what they have finished, and take
  /// up what they had.
  void openJournal(const ImportedModel &model, llvm::StringRef pipeline);
  void setJournal(std::unique_ptr<Journal> journal);
  void removeJournals();

  // CompileLevels.cpp
  /// The module lowered for a level, in place.
  llvm::Error lower(mlir::ModuleOp module, mlir::PassManager &manager,
                    const Level &level, double from, double to);
  /// One level's text or object, of the highest level.
  llvm::Error emitOneLevel();

  // Library.cpp
  struct LevelWork;
  llvm::Error compileLevels(std::vector<LevelWork> &works);
  /// All levels side by side, then the library.
  llvm::Error makeLibrary();
  llvm::Error package(std::vector<PackageEntry> entries,
                      std::vector<WeightHandle> weights);

  /// Shares of the work after import, the graph pipeline and the levels.
  static constexpr double kImported = 0.05, kGraphDone = 0.25,
                          kLevelsDone = 0.95;

  const CompileRequest &request;
  const CompileListener &listener;
  unsigned jobs;
  llvm::DefaultThreadPool pool;
  mlir::MLIRContext context;
  std::vector<Level> levels;
  mlir::OwningOpRef<mlir::ModuleOp> module;
  std::vector<ImportedModel> models;
  std::optional<Lock> followed, checked; ///< of --lock and --check-lock
  std::unique_ptr<AtomicFile> newLock;   ///< where --lock is to be written
  std::string lockContents;              ///< of --lock, read or to be written
  std::vector<std::unique_ptr<Journal>> journals; ///< but the one in use
  std::vector<std::string> errors; ///< texts of the errors that were reported
  llvm::StringSet<> told;          ///< all messages
  std::mutex mutex;                ///< of errors, told, progressDone
  double progressDone = 0;
  CompileResult result;
};

} // namespace quantc::driver

#endif // QUANTC_LIB_DRIVER_COMPILEMODEL_H
