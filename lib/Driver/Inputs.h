//===- Inputs.h - The inputs of a run ---------------------------*- C++ -*-===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What --input says: files, or values that are made up.
//
//===----------------------------------------------------------------------===//

#ifndef QUANTC_LIB_DRIVER_INPUTS_H
#define QUANTC_LIB_DRIVER_INPUTS_H

#include "Arrays.h"
#include "quantc/runtime.h"

#include <optional>

namespace quantc::driver {

/// The arrays behind an input: one of a tensor, any number of a sequence.
struct Input {
  std::vector<Array> arrays;
  bool isSequence = false, isNone = false;

  /// What quantc_run takes. Points into this object, also after it was moved.
  quantc_value value();

private:
  std::vector<quantc_value> items;
};

/// A made-up source: `zeros`, `random` or `random:SEED`; with a number and an
/// x before it (`3xzeros`) so many items of a sequence.
struct MadeUp {
  std::optional<int64_t> count;
  bool random = false;
  uint64_t seed = 0;
};

/// Reads one; none if it is something else, the name of a file. Errors:
/// UsageError for a seed that is none.
llvm::Expected<std::optional<MadeUp>> parseMadeUp(llvm::StringRef source);

/// True if no file has to be read for this source.
bool isInvented(llvm::StringRef source);

/// An array for the input `info`; the seed of random elements depends on its
/// name and `item`. Errors: a shape beyond any memory.
llvm::Expected<Array> invent(const quantc_tensor_info &info,
                             std::vector<int64_t> shape, const MadeUp &how,
                             int64_t item = 0);

/// The input that `source` describes: FILE, a made-up one, `none` of an
/// optional; of a sequence `empty`, a folder, FILE.npz, or items divided by
/// commas. `shape` is that of made-up arrays, none if the model leaves the rank
/// open and nobody said it. Errors name the input.
llvm::Expected<Input>
makeInput(const quantc_tensor_info &info, llvm::StringRef source,
          const std::optional<std::vector<int64_t>> &shape);

} // namespace quantc::driver

#endif // QUANTC_LIB_DRIVER_INPUTS_H
