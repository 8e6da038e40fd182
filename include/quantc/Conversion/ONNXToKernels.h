//===- ONNXToKernels.h - ONNX nodes as plain and fast loops -----*- C++ -*-===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef QUANTC_CONVERSION_ONNXTOKERNELS_H
#define QUANTC_CONVERSION_ONNXTOKERNELS_H

#include "mlir/IR/DialectRegistry.h"

namespace quantc {

/// Attaches `KernelOpInterface` to `onnx.node` and `tensor.from_elements`: the
/// nodes that stay ONNX down to the kernels (elementwise, reductions, movement
/// of data) become loops over memrefs.
void registerONNXKernelModels(mlir::DialectRegistry &registry);

} // namespace quantc

#endif // QUANTC_CONVERSION_ONNXTOKERNELS_H
