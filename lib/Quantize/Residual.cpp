//===- Residual.cpp - Where a layer's output is added -----------*- C++ -*-===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Residual.h"

#include "quantc/Dialect/ONNX/ONNXDialect.h"

using namespace mlir;

namespace quantc {

/// The sum of `value` and another of its type that is the only reader of
/// `value`, or null.
static onnx_ir::NodeOp sumOf(Value value) {
  if (!value.hasOneUse())
    return {};
  auto sum = dyn_cast<onnx_ir::NodeOp>(*value.user_begin());
  if (!sum || !sum.is("Add") || sum->getNumOperands() < 2 ||
      sum->getResult(0).getType() != value.getType() ||
      sum->getOperand(0).getType() != sum->getOperand(1).getType())
    return {};
  return sum;
}

Residual findResidual(qgraph::LinearOp layer) {
  Value value = layer.getResult();
  if (!cast<RankedTensorType>(value.getType()).getElementType().isF32())
    return {};
  Value before;
  for (unsigned sums = 1; onnx_ir::NodeOp sum = sumOf(value); ++sums) {
    before = sums == 1 ? sum->getOperand(sum->getOperand(0) == value) : Value();
    value = sum->getResult(0);
    if (llvm::any_of(value.getUsers(), llvm::IsaPred<qgraph::NormOp>))
      return {before, value};
  }
  return {};
}

} // namespace quantc
