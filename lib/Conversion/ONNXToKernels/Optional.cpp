//===- Optional.cpp - Kernels of optional values --------------------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Where an operand is a tensor, or absent, what the operators of optionals say
// is known when the model is compiled.
//
//===----------------------------------------------------------------------===//

#include "NodeKernels.h"

using namespace mlir;

namespace quantc::onnx_kernels {

static LogicalResult acceptsOptional(NodeOp op, std::string &why) {
  if (inputType(op, 0) || op.is("OptionalHasElement"))
    return success();
  why = "OptionalGetElement has nothing to get";
  return failure();
}

static void emitHasElement(NodeOp op, KernelBody &body) {
  Value has = body.constant(body.builder.getI8IntegerAttr(
      !body.inputs.empty() && body.inputs[0] ? 1 : 0));
  emitPointwise(body, body.flatten(body.outputs[0]), Type(),
                [&](ArrayRef<Value>) { return has; });
}

static void emitGetElement(NodeOp op, KernelBody &body) {
  Value output = body.flatten(body.outputs[0]);
  emitCopy(body, sizesOf(body, output),
           denseAccess(body, body.flatten(body.inputs[0])),
           denseAccess(body, output));
}

ArrayRef<NodeKernel> optionalKernels() {
  static const NodeKernel kernels[] = {
      {"OptionalHasElement", acceptsOptional, emitHasElement},
      {"OptionalGetElement", acceptsOptional, emitGetElement},
  };
  return kernels;
}

} // namespace quantc::onnx_kernels
