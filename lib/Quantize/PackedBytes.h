//===- PackedBytes.h - What constants take in the packed model --*- C++ -*-===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Before anything is packed: what qgraph-pack-weights and the weights section
// of a library (Support/WeightLayout.h) will make of it, or a little more.
//
//===----------------------------------------------------------------------===//

#ifndef QUANTC_LIB_QUANTIZE_PACKEDBYTES_H
#define QUANTC_LIB_QUANTIZE_PACKEDBYTES_H

#include "RoundWeights.h"

#include "quantc/Support/CostModel.h"

#include "mlir/IR/BuiltinOps.h"
#include "llvm/ADT/STLFunctionalExtras.h"

namespace quantc::qgraph {

/// Bytes of the panels of a weight [n, k] of integers, its bias with it.
int64_t packedBytes(const RoundingFormat &format, int64_t n, int64_t k);

/// What the kernels of a linear layer read of a weight, and of an input that is
/// quantized where there are integer sums.
LinearFormat kernelFormat(const RoundingFormat &format);

/// Bytes of all constants of a module but those that only layers read of which
/// `isApart` says so. Constants that will be folded or shared count as they
/// are.
int64_t
packedBytesOfOthers(mlir::ModuleOp module,
                    llvm::function_ref<bool(mlir::Operation *)> isApart);

} // namespace quantc::qgraph

#endif // QUANTC_LIB_QUANTIZE_PACKEDBYTES_H
