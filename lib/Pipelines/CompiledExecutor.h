//===- CompiledExecutor.h - Runs IR as a user's library -*- C++ -*-===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef QUANTC_LIB_PIPELINES_COMPILEDEXECUTOR_H
#define QUANTC_LIB_PIPELINES_COMPILEDEXECUTOR_H

#include "quantc/Support/Executor.h"

namespace quantc {

/// Compiles by the pipelines of `quantc compile`, for the highest instruction
/// set level of this machine, and loads the library as a user would. Libraries
/// live in a folder of their own in TMPDIR, which goes away with the executor.
std::unique_ptr<Executor> createCompiledExecutor();

} // namespace quantc

#endif // QUANTC_LIB_PIPELINES_COMPILEDEXECUTOR_H
