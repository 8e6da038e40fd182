//===- QGraphToQKernel.h - Kernels of the qgraph ops ------------*- C++ -*-===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef QUANTC_CONVERSION_QGRAPHTOQKERNEL_H
#define QUANTC_CONVERSION_QGRAPHTOQKERNEL_H

#include "mlir/IR/DialectRegistry.h"

namespace quantc {

/// Attaches KernelOpInterface to the qgraph ops and to qkernel.linear: the fast
/// body where there is one, else the plain one.
void registerQGraphKernelModels(mlir::DialectRegistry &registry);

} // namespace quantc

#endif // QUANTC_CONVERSION_QGRAPHTOQKERNEL_H
