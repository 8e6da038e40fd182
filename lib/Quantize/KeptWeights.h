//===- KeptWeights.h - Rounded weights in a journal -------------*- C++ -*-===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef QUANTC_LIB_QUANTIZE_KEPTWEIGHTS_H
#define QUANTC_LIB_QUANTIZE_KEPTWEIGHTS_H

#include "RoundWeights.h"
#include "quantc/Support/Journal.h"

namespace quantc::qgraph {

/// Adds a weight to a record; the names of what it adds begin with `prefix`.
llvm::Error saveWeight(const RoundedWeight &weight, llvm::StringRef prefix,
                       Record &record);

/// Makes the constants of a weight that was added with that prefix, under the
/// names that they had; none if the record has no such weight.
llvm::Expected<std::optional<RoundedWeight>>
loadWeight(mlir::MLIRContext *context, llvm::StringRef prefix,
           const Record &record);

/// What `round` gives, or has given in a run of the same command that was
/// interrupted. `step` tells it from all other steps.
llvm::Expected<RoundedWeight>
roundOnce(mlir::MLIRContext *context, llvm::StringRef step,
          llvm::function_ref<llvm::Expected<RoundedWeight>()> round);

} // namespace quantc::qgraph

#endif // QUANTC_LIB_QUANTIZE_KEPTWEIGHTS_H
