//===- Driver.h - The command line of quantc --------------------*- C++ -*-===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef QUANTC_DRIVER_DRIVER_H
#define QUANTC_DRIVER_DRIVER_H

namespace quantc {

/// What a program returns.
enum ExitCode : int {
  ExitDone = 0,
  ExitBadInput = 1, ///< the input cannot be processed; the message says why
  ExitBadUsage = 2, ///< the command line is wrong
  ExitDefect = 3,   ///< a defect of ours; there is a reproducer
  ExitInterrupted = 130,
};

/// The whole of `quantc`: reads the command line, does what it says and returns
/// the exit code. Never throws, never exits by a signal.
int runDriver(int argc, char **argv);

} // namespace quantc

#endif // QUANTC_DRIVER_DRIVER_H
