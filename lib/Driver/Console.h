//===- Console.h - What verbs print -----------------------------*- C++ -*-===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Results go to standard output, everything else to standard error.
//
//===----------------------------------------------------------------------===//

#ifndef QUANTC_LIB_DRIVER_CONSOLE_H
#define QUANTC_LIB_DRIVER_CONSOLE_H

#include "quantc/Driver/Driver.h"

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"
#include "llvm/Support/raw_ostream.h"

#include <chrono>
#include <mutex>
#include <string>
#include <vector>

namespace quantc::driver {

/// Prints `quantc: error: TEXT` and returns `code`.
int fail(const llvm::Twine &text, ExitCode code = ExitBadInput);
/// The same for an error; a DefectError returns ExitDefect, a UsageError
/// ExitBadUsage, and an empty text prints nothing.
int fail(llvm::Error error);

/// `quantc: SEVERITY: TEXT`, the progress bar being out of the way.
void say(llvm::StringRef severity, const llvm::Twine &text);

/// Ends a verb that has written to standard output: `code`, or ExitBadInput if
/// not all of it could be written (a full disk; a closed pipe is not reported).
int finishOutput(int code = ExitDone);

/// A number of bytes for people: `1.5 MB` (powers of 1000).
std::string bytesText(double bytes);
/// A time for people: `12.3 ms`, `4.56 s`.
std::string secondsText(double seconds);

/// The last part of a word list that is nearest to `word`, as ` (did you mean
/// 'x'?)`, or empty where none is near.
std::string didYouMean(llvm::StringRef word,
                       llvm::ArrayRef<std::string> choices);

/// A table with columns as wide as their widest cell. A column whose cells are
/// numbers is aligned to the right.
class Table {
public:
  explicit Table(std::vector<std::string> heads) : rows{std::move(heads)} {}
  void add(std::vector<std::string> cells) { rows.push_back(std::move(cells)); }
  void print(llvm::raw_ostream &os) const;

private:
  std::vector<std::vector<std::string>> rows;
};

/// How far long work is: a bar with the time left on a terminal, else a line
/// now and then, nothing if `quiet`. Safe to use from several threads.
class Progress {
public:
  explicit Progress(bool quiet);
  ~Progress();
  Progress(const Progress &) = delete;
  Progress &operator=(const Progress &) = delete;

  /// `done` is a share of the work, 0..1.
  void update(llvm::StringRef what, double done);
  /// Removes the bar; the next update draws it again.
  void clear();

private:
  using Clock = std::chrono::steady_clock;

  std::mutex mutex;
  bool quiet, terminal, drawn = false;
  Clock::time_point start, lastLine;
};

} // namespace quantc::driver

#endif // QUANTC_LIB_DRIVER_CONSOLE_H
