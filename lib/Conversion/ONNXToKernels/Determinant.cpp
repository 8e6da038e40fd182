//===- Determinant.cpp - Kernel of Det ------------------------------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Gaussian elimination with row pivots, in f64 (rounded once), on a copy of the
// matrix in scratch memory.
//
//===----------------------------------------------------------------------===//

#include "Coordinates.h"
#include "NodeKernels.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"

using namespace mlir;

namespace quantc::onnx_kernels {

namespace {

int64_t orderOf(NodeOp op) { return inputType(op, 0).getShape().back(); }

LogicalResult acceptsDet(NodeOp op, std::string &why) {
  RankedTensorType type = inputType(op, 0);
  Type element = type.getElementType();
  llvm::raw_string_ostream os(why);
  if (!isa<FloatType>(element) || element.getIntOrFloatBitWidth() < 16)
    os << "Det is not there for " << element;
  else if (type.getRank() < 2 || ShapedType::isDynamic(orderOf(op)))
    os << "Det needs a size of its matrices known when it is compiled";
  else
    return success();
  return failure();
}

Value scratchDet(NodeOp op, OpBuilder &builder) {
  return arith::ConstantIndexOp::create(
      builder, op.getLoc(),
      std::max<int64_t>(8 * orderOf(op) * orderOf(op), 8));
}

void emitDet(NodeOp op, KernelBody &body) {
  Type element = inputElement(op, 0), f64 = body.builder.getF64Type();
  MathEmitter m(body.builder, body.loc, f64);
  int64_t order = orderOf(op);
  Value n = body.index(order), zero = body.index(0), one = body.index(1);
  Value matrix = memref::ViewOp::create(body.builder, body.loc,
                                        MemRefType::get({order * order}, f64),
                                        body.scratch, zero, ValueRange{});
  Value input = body.flatten(body.inputs[0]);
  auto at = [&](Value i, Value j) { return body.add(body.mul(i, n), j); };
  auto load = [&](Value i, Value j) {
    return loadElement(body, matrix, at(i, j), Type());
  };
  Value output = body.flatten(body.outputs[0]);
  emitPointwise(body, output, element, [&](ArrayRef<Value> index) {
    Value base = body.mul(index[0], body.index(order * order));
    body.loop(zero, body.index(order * order), 1, [&](Value i) {
      Value x = loadReal(body, input, body.add(base, i), element);
      storeElement(body, convertReal(body, x, f64), matrix, i, Type());
    });
    Value det = body.loop(
        zero, n, 1, ValueRange{m.constant(1, f64)},
        [&](Value k, ValueRange product) {
          // The largest of the column comes to the diagonal.
          Value init[] = {m.abs(load(k, k)), k};
          Value pivot = body.loop(
              body.add(k, one), n, 1, init, [&](Value i, ValueRange best) {
                Value x = m.abs(load(i, k));
                Value more = m.compare(arith::CmpFPredicate::OGT, x, best[0]);
                return SmallVector<Value>{m.select(more, x, best[0]),
                                          select(body, more, i, best[1])};
              })[1];
          body.loop(k, n, 1, [&](Value j) {
            Value a = load(k, j), c = load(pivot, j);
            storeElement(body, c, matrix, at(k, j), Type());
            storeElement(body, a, matrix, at(pivot, j), Type());
          });
          Value diagonal = load(k, k);
          Value isZero = m.compare(arith::CmpFPredicate::OEQ, diagonal,
                                   m.constant(0, f64));
          body.loop(body.add(k, one), n, 1, [&](Value i) {
            Value factor = m.select(isZero, m.constant(0, f64),
                                    m.div(load(i, k), diagonal));
            body.loop(k, n, 1, [&](Value j) {
              Value x = m.sub(load(i, j), m.mul(factor, load(k, j)));
              storeElement(body, x, matrix, at(i, j), Type());
            });
          });
          Value next = m.mul(product[0], diagonal);
          return SmallVector<Value>{
              m.select(equals(body, pivot, k), next, m.neg(next))};
        })[0];
    return fromReal(body, convertReal(body, det, realType(element)), element);
  });
}

} // namespace

ArrayRef<NodeKernel> determinantKernels() {
  static const NodeKernel kernels[] = {
      {"Det", acceptsDet, emitDet, 0, scratchDet},
  };
  return kernels;
}

} // namespace quantc::onnx_kernels
