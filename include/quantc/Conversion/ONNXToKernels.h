//===- ONNXToKernels.h - ONNX nodes as plain and fast loops -----*- C++ -*-===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef QUANTC_CONVERSION_ONNXTOKERNELS_H
#define QUANTC_CONVERSION_ONNXTOKERNELS_H

#include "mlir/IR/DialectRegistry.h"
#include "llvm/ADT/StringRef.h"

namespace quantc {

/// Attaches `KernelOpInterface` to `onnx.node` and `tensor.from_elements`: the
/// nodes that stay ONNX down to the kernels (elementwise, reductions, movement
/// of data) become loops over memrefs.
void registerONNXKernelModels(mlir::DialectRegistry &registry);

/// Whether an operator ("": of the standard domain) has loops of its own, if
/// not for all types and attributes.
bool hasNodeKernel(llvm::StringRef domain, llvm::StringRef opType);

} // namespace quantc

#endif // QUANTC_CONVERSION_ONNXTOKERNELS_H
