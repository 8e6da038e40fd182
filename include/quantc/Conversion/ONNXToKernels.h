//===- ONNXToKernels.h - ONNX nodes as plain and fast loops -----*- C++ -*-===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef QUANTC_CONVERSION_ONNXTOKERNELS_H
#define QUANTC_CONVERSION_ONNXTOKERNELS_H

#include "quantc/Dialect/ONNX/ONNXDialect.h"
#include "quantc/Dialect/QKernel/KernelBody.h"

#include "mlir/IR/DialectRegistry.h"
#include "llvm/ADT/StringRef.h"

namespace quantc {

/// Attaches `KernelOpInterface` to `onnx.node` and `tensor.from_elements`: the
/// nodes that stay ONNX down to the kernels (elementwise, reductions, movement
/// of data) become loops over memrefs.
void registerONNXKernelModels(mlir::DialectRegistry &registry);

/// The kernel of an operator of another domain. The names must live as long as
/// the program.
struct CustomNodeKernel {
  llvm::StringLiteral domain, opType;
  /// Fails, with the reason, for a node that `emit` cannot do: types,
  /// attributes, operands that are absent.
  llvm::LogicalResult (*accepts)(onnx_ir::NodeOp op, std::string &why);
  /// Emits the body: scalar loops on one thread, or (`body.fast`) this thread's
  /// share of the work. It may read the node's types and attributes only, for
  /// nodes that agree in them share a kernel.
  void (*emit)(onnx_ir::NodeOp op, qkernel::KernelBody &body);
};

/// Adds a kernel; to be called before the first context is made. An error if
/// the operator has one.
llvm::Error addNodeKernel(const CustomNodeKernel &kernel);

/// Whether an operator ("": of the standard domain) has loops of its own, if
/// not for all types and attributes.
bool hasNodeKernel(llvm::StringRef domain, llvm::StringRef opType);

} // namespace quantc

#endif // QUANTC_CONVERSION_ONNXTOKERNELS_H
