//===- Coordinates.cpp - Real positions in tensors ------------------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Coordinates.h"

#include "quantc/Dialect/ONNX/Elementwise.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;

namespace quantc::onnx_kernels {

Value toReal(KernelBody &body, Value index, Type type) {
  OpBuilder &b = body.builder;
  Value i = arith::IndexCastOp::create(b, body.loc, b.getI64Type(), index);
  return arith::SIToFPOp::create(b, body.loc, type, i);
}

Value toIndex(KernelBody &body, Value real) {
  OpBuilder &b = body.builder;
  Type type = real.getType();
  MathEmitter m(b, body.loc, type);
  constexpr double kFar = 1 << 30;
  // In this order a NaN loses.
  Value low = body.larger(real, m.constant(-kFar, type));
  Value safe = body.smaller(low, m.constant(kFar, type));
  Value i = arith::FPToSIOp::create(b, body.loc, b.getI64Type(), safe);
  return arith::IndexCastOp::create(b, body.loc, b.getIndexType(), i);
}

Value convertReal(KernelBody &body, Value real, Type type) {
  OpBuilder &b = body.builder;
  if (real.getType() == type)
    return real;
  return type.isF64() ? Value(arith::ExtFOp::create(b, body.loc, type, real))
                      : Value(arith::TruncFOp::create(b, body.loc, type, real));
}

Type realType(Type element) {
  return element.isF64() ? element
                         : Type(Float32Type::get(element.getContext()));
}

Value loadReal(KernelBody &body, Value memory, Value index, Type element) {
  OpBuilder &b = body.builder;
  Value x = loadElement(body, memory, index, element);
  if (isa<FloatType>(element))
    return MathEmitter(b, body.loc, x.getType()).widen(x);
  return element.isUnsignedInteger() || element.isInteger(1)
             ? Value(arith::UIToFPOp::create(b, body.loc, b.getF32Type(), x))
             : Value(arith::SIToFPOp::create(b, body.loc, b.getF32Type(), x));
}

Value fromReal(KernelBody &body, Value real, Type element) {
  OpBuilder &b = body.builder;
  if (isa<FloatType>(element))
    return MathEmitter(b, body.loc, real.getType()).narrow(real, element);
  real = MathEmitter(b, body.loc, real.getType()).roundEven(real);
  Type types[] = {real.getType(), element};
  return onnx_ir::lookupElementwise("Cast")->build(b, body.loc, {real}, types,
                                                   {});
}

Value cubicWeight(MathEmitter &m, Value distance, double a) {
  Value d = m.abs(distance);
  Type type = d.getType();
  auto number = [&](double value) { return m.constant(value, type); };
  // ((a + 2) d - (a + 3)) d^2 + 1, and ((a d - 5 a) d + 8 a) d - 4 a.
  Value near = m.sub(m.mul(number(a + 2), d), number(a + 3));
  near = m.add(m.mul(m.mul(near, d), d), number(1));
  Value far = m.sub(m.mul(number(a), d), number(5 * a));
  far = m.add(m.mul(far, d), number(8 * a));
  far = m.sub(m.mul(far, d), number(4 * a));
  Value rest = m.select(m.compare(arith::CmpFPredicate::OLT, d, number(2)), far,
                        number(0));
  return m.select(m.compare(arith::CmpFPredicate::OLE, d, number(1)), near,
                  rest);
}

} // namespace quantc::onnx_kernels
