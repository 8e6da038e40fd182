//===- QGraphToLoops.h - The plain lowering of qgraph -----------*- C++ -*-===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The obvious loop nest of every qgraph op: scalar, one thread, the rounding
// and the order of sums that the op's description states. Recipe `reference` is
// made of these; the fast kernels give the same bits.
//
//===----------------------------------------------------------------------===//

#ifndef QUANTC_CONVERSION_QGRAPHTOLOOPS_H
#define QUANTC_CONVERSION_QGRAPHTOLOOPS_H

#include "quantc/Dialect/QKernel/QKernelDialect.h"

namespace quantc::qkernel {

/// Succeeds if there is a plain body for `op` (any qgraph op but `rows`, whose
/// ops are lowered one by one); otherwise says why not.
llvm::LogicalResult canEmitPlain(mlir::Operation *op, std::string &why);
/// Emits it. The caller has asked canEmitPlain.
void emitPlain(mlir::Operation *op, KernelBody &body);

} // namespace quantc::qkernel

#endif // QUANTC_CONVERSION_QGRAPHTOLOOPS_H
