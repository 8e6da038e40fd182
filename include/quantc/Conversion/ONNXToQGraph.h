//===- ONNXToQGraph.h - What the forward walk knows -------------*- C++ -*-===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef QUANTC_CONVERSION_ONNXTOQGRAPH_H
#define QUANTC_CONVERSION_ONNXTOQGRAPH_H

#include "llvm/ADT/StringRef.h"

namespace quantc {

/// Whether the walk has a handler of its own for this version of an operator
/// ("" or "ai.onnx": the standard domain). Others are replaced by the function
/// bodies of their schemas, or stay as they are.
bool hasWalkHandler(llvm::StringRef domain, llvm::StringRef opType,
                    int64_t version);

} // namespace quantc

#endif // QUANTC_CONVERSION_ONNXTOQGRAPH_H
