//===- PassOptions.h - What a user says, as options of passes ---*- C++ -*-===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A pipeline is text, and regular expressions and names of dimensions may have
// any characters. What MLIR's pipeline syntax cannot carry is refused by name,
// and so is what the passes would refuse: before the long work, as UsageError.
//
//===----------------------------------------------------------------------===//

#ifndef QUANTC_LIB_PIPELINES_PASSOPTIONS_H
#define QUANTC_LIB_PIPELINES_PASSOPTIONS_H

#include "quantc/Pipelines/Pipelines.h"

namespace quantc {

/// `name='value'` of a value that has been found quotable; plain where no
/// character of it could be of the pipeline syntax.
std::string passOption(llvm::StringRef name, llvm::StringRef value);

/// The option `dims` of convert-onnx-to-qgraph: `dims='batch=1,seq=1..512'`;
/// empty if there are none. Errors: text that is not NAME=N or NAME=LO..HI, a
/// dimension that is given twice.
llvm::Expected<std::string> dimsOption(llvm::ArrayRef<std::string> dims);

/// An error if a path that the command line's `option` gives cannot be told a
/// pass.
llvm::Error checkFileOption(llvm::StringRef option, llvm::StringRef path);

/// An option that is such a path, as `data='a b.npz'`.
std::string fileOption(llvm::StringRef name, llvm::StringRef path);

/// What `set` is told: the entries by name after those of the user.
std::vector<std::string> allEntries(const GraphOptions &options);

/// The options `keep-float`, `set` and `require-match` of
/// qgraph-quantize-weights, each with a space before it. `withUnsigned`: the
/// recipe's scheme has unsigned formats. Errors: regular expressions, formats
/// and group sizes that are none.
llvm::Expected<std::string> layerOptions(const GraphOptions &options,
                                         bool withUnsigned);

} // namespace quantc

#endif // QUANTC_LIB_PIPELINES_PASSOPTIONS_H
