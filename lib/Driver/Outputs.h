//===- Outputs.h - The outputs of a run -------------------------*- C++ -*-===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef QUANTC_LIB_DRIVER_OUTPUTS_H
#define QUANTC_LIB_DRIVER_OUTPUTS_H

#include "Session.h"

namespace quantc::driver {

/// The outputs of the last run for a person, long ones shortened, on standard
/// output.
void printOutputs(const Session &session);
/// All of their elements, as JSON.
void printOutputsJSON(const Session &session);

/// Whether `writeOutputs` can write there, before the run.
llvm::Error checkOutputs(const Session &session, llvm::StringRef output);
/// Writes them to FILE.npz, FILE.npy (one tensor) or a folder. Item i of the
/// sequence `y` is `y/i` of FILE.npz, y/i.npy of the folder; an optional that
/// is missing is left out.
llvm::Error writeOutputs(const Session &session, llvm::StringRef output);

} // namespace quantc::driver

#endif // QUANTC_LIB_DRIVER_OUTPUTS_H
