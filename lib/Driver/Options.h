//===- Options.h - The verbs of quantc --------------------------*- C++ -*-===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Each verb is one file with a function `add...`, which declares its options
// and returns what runs it.
//
//===----------------------------------------------------------------------===//

#ifndef QUANTC_LIB_DRIVER_OPTIONS_H
#define QUANTC_LIB_DRIVER_OPTIONS_H

#include "llvm/ADT/StringRef.h"

#include "quantc/Driver/Compile.h"

#include <CLI/CLI.hpp>

#include <functional>
#include <string>

namespace quantc::driver {

/// Does what the verb's options say; returns the exit code.
using RunVerb = std::function<int()>;

RunVerb addCalibrate(CLI::App &program);
RunVerb addCompile(CLI::App &program);
RunVerb addRun(CLI::App &program);
RunVerb addBench(CLI::App &program);
RunVerb addEval(CLI::App &program);
RunVerb addInspect(CLI::App &program);
RunVerb addRecipes(CLI::App &program);
RunVerb addOperators(CLI::App &program);
RunVerb addCompletion(CLI::App &program);

/// What a graph becomes: `--recipe`, and what belongs to recipes.
void addRecipeOptions(CLI::App &verb, GraphOptions &graph);

/// `--samples`.
void addSamplesOption(CLI::App &verb, std::string &text);
/// Reads its text: `N`, the first N samples, or `LO..HI`, both ends included.
/// Errors: UsageError.
llvm::Error readSamples(llvm::StringRef text, int64_t &firstSample,
                        int64_t &count);

/// `--dim` and `--plugin`, which verbs that read a model take.
void addModelOptions(CLI::App &verb, CompileRequest &request);

/// compileModel, with its messages and, unless `quietProgress`, its progress on
/// the terminal. `quiet`: errors only.
/// With Emit::Switches, `graph` takes the graph.
llvm::Expected<CompileResult> compileAtTerminal(
    const CompileRequest &request, bool quiet, bool quietProgress,
    std::function<llvm::Error(mlir::ModuleOp, CompileListener &)> graph =
        nullptr);

/// Where an interrupted command of that output leaves what it had finished;
/// empty: nowhere.
std::string partialFolder(llvm::StringRef output);

/// A word of a command line, quoted for a shell where it has to be.
std::string shellQuoted(llvm::StringRef text);

/// The command line as the user gave it, quoted for a shell.
const std::string &commandLine();

/// quantc's version, as 0.1.0.
const char *version();

} // namespace quantc::driver

#endif // QUANTC_LIB_DRIVER_OPTIONS_H
