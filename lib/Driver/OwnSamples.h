//===- OwnSamples.h - Samples that a language model writes ------*- C++ -*-===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Where there is no data, a language model writes its own: the idea of LLM-QAT
// (Z. Liu et al., arXiv:2305.17888, section 2.1). A sample begins with a token
// that is drawn evenly, goes on with the most likely ones, and then with ones
// that are drawn from the model's distribution.
//
//===----------------------------------------------------------------------===//

#ifndef QUANTC_LIB_DRIVER_OWNSAMPLES_H
#define QUANTC_LIB_DRIVER_OWNSAMPLES_H

#include "quantc/Driver/Compile.h"

#include "llvm/Support/FileUtilities.h"

#include <optional>

namespace quantc::driver {

/// `self[:SAMPLES[xLENGTH]]` instead of a file of samples.
struct OwnSamples {
  int64_t samples = 32, length = 256;
};

/// Reads it; none for the path of a file. Errors: UsageError for numbers that
/// are none.
llvm::Expected<std::optional<OwnSamples>> parseOwnSamples(llvm::StringRef text);

/// Where `request.graph.calibration` asks for own samples, has the model write
/// them to a temporary file and names that instead; `remover` takes it away.
/// Errors: a model that is no decoder of tokens whose inputs are known: tokens
/// `input_ids`, `attention_mask`, `position_ids`, caches; what compiling says.
llvm::Error makeOwnSamples(CompileRequest &request, bool quiet,
                           std::optional<llvm::FileRemover> &remover);

} // namespace quantc::driver

#endif // QUANTC_LIB_DRIVER_OWNSAMPLES_H
