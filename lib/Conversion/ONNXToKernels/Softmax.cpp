//===- Softmax.cpp - Kernels of Softmax, LogSoftmax, Hardmax --------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
//   m = max x;  s = sum exp(x - m);  y = exp(x - m) / s,  or (x - m) - log s
//
// with the sum in the order of Numerics/Order.h.
//
//===----------------------------------------------------------------------===//

#include "NodeKernels.h"
#include "Reduce.h"

#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;

namespace quantc::onnx_kernels {

static LogicalResult acceptsSoftmax(NodeOp op, std::string &why) {
  Type element = inputElement(op, 0);
  if (isa<FloatType>(element) && element.getIntOrFloatBitWidth() >= 16)
    return success();
  llvm::raw_string_ostream(why)
      << op.getOpType() << " is not there for " << element;
  return failure();
}

static Value like(KernelBody &body, Value x, Value shape) {
  if (x.getType() == shape.getType())
    return x;
  return vector::BroadcastOp::create(body.builder, body.loc, shape.getType(),
                                     x);
}

static void emitSoftmax(NodeOp op, KernelBody &body) {
  Type element = inputElement(op, 0);
  int64_t rank = inputType(op, 0).getRank();
  bool flattens =
      op.getVersion() < 13; // all dimensions from the axis on count as one
  int64_t axis = normalizeAxis(op.getIntAttr("axis", flattens ? 1 : -1), rank);
  llvm::SmallBitVector reduced(rank);
  reduced.set(axis, flattens ? rank : axis + 1);
  ReduceLayout layout(body, body.inputs[0], reduced);
  Value memory = body.flatten(body.inputs[0]),
        output = body.flatten(body.outputs[0]);
  bool isLog = op.is("LogSoftmax");

  forEachResult(body, layout, [&](Walk walk, Value base, Value) {
    Value most = reduceElements(body, layout, walk, memory, element, base,
                                maximumReducer(element));
    Reducer sum;
    sum.type = accumulatorType(element);
    sum.initial = [&](MathEmitter &m) {
      return m.constant(0, m.shaped(sum.type));
    };
    sum.combine = [](MathEmitter &m, Value a, Value b) { return m.add(a, b); };
    sum.step = [&](MathEmitter &m, Value acc, Value x, Value, Value) {
      return m.add(acc, m.exp(m.sub(x, like(body, most, x))));
    };
    Value total =
        reduceElements(body, layout, walk, memory, element, base, sum);
    if (isLog)
      total = MathEmitter(body.builder, body.loc, total.getType()).log(total);
    forEachElement(body, layout, walk, base, [&](Value offset, bool vector) {
      Value x = loadElement(body, memory, offset, element, vector);
      MathEmitter m(body.builder, body.loc, x.getType());
      x = m.widen(x);
      Value shifted = m.sub(x, like(body, most, x));
      Value by = like(body, total, x);
      Value y = isLog ? m.sub(shifted, by) : m.div(m.exp(shifted), by);
      storeElement(body, m.narrow(y, element), output, offset, element);
    });
  });
}

ArrayRef<NodeKernel> softmaxKernels() {
  static const NodeKernel kernels[] = {
      {"Softmax", acceptsSoftmax, emitSoftmax},
      {"LogSoftmax", acceptsSoftmax, emitSoftmax},
  };
  return kernels;
}

} // namespace quantc::onnx_kernels
