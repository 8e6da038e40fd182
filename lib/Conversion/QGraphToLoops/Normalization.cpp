//===- Normalization.cpp - Plain norm -------------------------------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Loops.h"

using namespace mlir;
using namespace quantc::qgraph;

namespace quantc::qkernel {

void Plain::emit(NormOp op) {
  Value input = body.asRows(body.inputs[0]),
        output = body.asRows(body.outputs[0]);
  unsigned next = 1;
  Value weight = op.getWeight() ? body.inputs[next++] : Value();
  Value bias = op.getBias() ? body.inputs[next++] : Value();
  Value columns = body.dim(output, 1);
  Type f32 = builder.getF32Type();
  Type x = tensorType(op.getInput()).getElementType();
  auto vectorAt = [&](Value memref, Value c, Value operand) {
    return toFloat(load(memref, {c}), tensorType(operand).getElementType());
  };
  body.loop(body.index(0), body.dim(output, 0), 1, [&](Value m) {
    Value count = arith::UIToFPOp::create(
        builder, loc, f32,
        arith::IndexCastOp::create(builder, loc, builder.getI64Type(),
                                   columns));
    Value mean;
    if (op.getKind() == NormKind::Layer) {
      Value total = sumRow(columns, /*square=*/false, [&](Value c) {
        return toFloat(load(input, {m, c}), x);
      });
      mean = arith::DivFOp::create(builder, loc, total, count);
    }
    auto centred = [&](Value c) {
      Value value = toFloat(load(input, {m, c}), x);
      return mean ? Value(arith::SubFOp::create(builder, loc, value, mean))
                  : value;
    };
    Value squares = sumRow(columns, /*square=*/true, centred);
    Value variance = arith::DivFOp::create(builder, loc, squares, count);
    variance = arith::AddFOp::create(
        builder, loc, variance, body.f32(op.getEpsilon().convertToFloat()));
    Value factor =
        arith::DivFOp::create(builder, loc, body.f32(1),
                              math::SqrtOp::create(builder, loc, variance));
    body.loop(body.index(0), columns, 1, [&](Value c) {
      Value y = arith::MulFOp::create(builder, loc, centred(c), factor);
      if (weight && bias)
        y = math::FmaOp::create(builder, loc, y,
                                vectorAt(weight, c, op.getWeight()),
                                vectorAt(bias, c, op.getBias()));
      else if (weight)
        y = arith::MulFOp::create(builder, loc, y,
                                  vectorAt(weight, c, op.getWeight()));
      else if (bias)
        y = arith::AddFOp::create(builder, loc, y,
                                  vectorAt(bias, c, op.getBias()));
      store(fromFloat(y, x), output, {m, c});
    });
  });
}

} // namespace quantc::qkernel
