//===- Worker.h - Work in a process of its own ------------------*- C++ -*-===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A fatal error, a stack overflow or a bad pointer in what we call must not be
// the death of the command: the work is done in a child, and the parent turns
// its end into an exit code and a message.
//
//===----------------------------------------------------------------------===//

#ifndef QUANTC_LIB_DRIVER_WORKER_H
#define QUANTC_LIB_DRIVER_WORKER_H

#include "llvm/ADT/STLFunctionalExtras.h"
#include "llvm/ADT/StringRef.h"

#include <functional>
#include <string>
#include <vector>

namespace quantc::driver {

struct WorkerOptions {
  /// Files that the work writes with AtomicFile: what it leaves of them when it
  /// is killed is removed.
  std::vector<std::string> outputs;
  /// Where work that is interrupted leaves what it had finished; empty:
  /// nowhere.
  std::string partialFolder;
  /// The text of a reproducer (a shell script without its first line); null if
  /// this verb writes none.
  std::function<std::string()> reproducer;
  /// Where it goes, if that can be written; else to the temporary folder.
  std::string reproducerPath;
};

/// Those of a verb whose reproducer is its command line.
WorkerOptions commandWorker(llvm::StringRef verb);

/// Runs `work` in a child process and returns its exit code. To be called
/// before any thread is started.
///
/// A child that dies by a signal or returns ExitDefect: a reproducer is
/// written, ExitDefect. One that is killed from outside (no memory) or whose
/// mapped file shrinks: ExitBadInput. SIGINT, SIGTERM or SIGHUP to this process
/// ends the child: ExitInterrupted. The child's temporary files are removed in
/// any case.
int runInWorker(const WorkerOptions &options, llvm::function_ref<int()> work);

/// Notes what the worker is doing, for the message about its death. Safe to
/// call from several threads.
void noteStage(const llvm::Twine &stage);

} // namespace quantc::driver

#endif // QUANTC_LIB_DRIVER_WORKER_H
