//===- ElementwiseArithmetic.cpp - Arithmetic on integers and floats ------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ElementwiseRow.h"

#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;

namespace quantc::onnx_ir::rows {

using arith::CmpFPredicate;
using arith::CmpIPredicate;

namespace {

/// Folds all operands from the left.
template <typename FloatOp, typename SignedOp, typename UnsignedOp>
Value fold(Row &row) {
  OpBuilder &b = row.m.builder;
  Location loc = row.m.loc;
  Value all = row.x[0];
  for (Value next : llvm::drop_begin(row.x)) {
    if (row.isFloat())
      all = FloatOp::create(b, loc, all, next);
    else if (row.isUnsigned())
      all = UnsignedOp::create(b, loc, all, next);
    else
      all = SignedOp::create(b, loc, all, next);
  }
  return all;
}

Value isNegative(Row &row, Value x) {
  return row.m.compare(CmpIPredicate::slt, x,
                       row.m.constantInt(0, x.getType()));
}

/// Quotient and remainder of division towards zero. Dividing by zero gives
/// (0, 0), and by -1 the wrapped negative: neither may trap.
std::pair<Value, Value> divideIntegers(Row &row, Value a, Value b) {
  MathEmitter &m = row.m;
  Value zero = m.constantInt(0, a.getType()),
        one = m.constantInt(1, a.getType());
  Value byZero = m.compare(CmpIPredicate::eq, b, zero);
  Value safe = m.select(byZero, one, b);
  Value q;
  if (row.isUnsigned()) {
    q = arith::DivUIOp::create(m.builder, m.loc, a, safe);
  } else {
    Value minusOne =
        m.compare(CmpIPredicate::eq, b, m.constantInt(-1, a.getType()));
    safe = m.select(minusOne, one, safe);
    q = arith::DivSIOp::create(m.builder, m.loc, a, safe);
    q = m.select(minusOne, m.subi(zero, a), q);
  }
  Value r = m.subi(a, m.muli(q, b));
  return {m.select(byZero, zero, q), m.select(byZero, zero, r)};
}

/// base^exponent of integers by squaring; the product wraps. A negative
/// exponent gives the truncated reciprocal.
Value powIntegers(Row &row, Value base, Value exponent, bool signedExponent) {
  MathEmitter &m = row.m;
  Type type = base.getType();
  unsigned width = getElementTypeOrSelf(exponent).getIntOrFloatBitWidth();
  Value one = m.constantInt(1, type), zero = m.constantInt(0, type);
  Value lo = arith::ConstantIndexOp::create(m.builder, m.loc, 0);
  Value hi = arith::ConstantIndexOp::create(m.builder, m.loc, width);
  Value step = arith::ConstantIndexOp::create(m.builder, m.loc, 1);
  auto loop = scf::ForOp::create(
      m.builder, m.loc, lo, hi, step, ValueRange{one, base, exponent},
      [&](OpBuilder &b, Location loc, Value, ValueRange args) {
        MathEmitter in(b, loc, type);
        Value bit = in.andi(args[2], in.constantInt(1, exponent.getType()));
        Value set = in.compare(CmpIPredicate::ne, bit,
                               in.constantInt(0, exponent.getType()));
        Value product = in.select(set, in.muli(args[0], args[1]), args[0]);
        scf::YieldOp::create(b, loc,
                             ValueRange{product, in.muli(args[1], args[1]),
                                        in.shru(args[2], 1)});
      });
  Value r = loop.getResult(0);
  if (!signedExponent)
    return r;
  Value isOne = m.compare(CmpIPredicate::eq, base, one);
  Value unit = isOne;
  if (!row.isUnsigned())
    unit = m.ori(unit,
                 m.compare(CmpIPredicate::eq, base, m.constantInt(-1, type)));
  // For base 1 and -1 the reciprocal power is the power itself.
  return m.select(m.andi(isNegative(row, exponent),
                         m.compare(CmpIPredicate::eq, unit,
                                   m.constantInt(0, unit.getType()))),
                  zero, r);
}

/// An integer operand of Pow as f64.
Value integerToF64(Row &row, Value x, bool isUnsigned) {
  MathEmitter &m = row.m;
  if (isUnsigned)
    return arith::UIToFPOp::create(m.builder, m.loc, m.f64(), x);
  return arith::SIToFPOp::create(m.builder, m.loc, m.f64(), x);
}

} // namespace

Value add(Row &row) {
  return fold<arith::AddFOp, arith::AddIOp, arith::AddIOp>(row);
}
Value sub(Row &row) {
  return fold<arith::SubFOp, arith::SubIOp, arith::SubIOp>(row);
}
Value mul(Row &row) {
  return fold<arith::MulFOp, arith::MulIOp, arith::MulIOp>(row);
}
Value sum(Row &row) { return add(row); }
Value min(Row &row) {
  return fold<arith::MinimumFOp, arith::MinSIOp, arith::MinUIOp>(row);
}
Value max(Row &row) {
  return fold<arith::MaximumFOp, arith::MaxSIOp, arith::MaxUIOp>(row);
}

Value mean(Row &row) {
  Value total = add(row);
  return row.m.div(total, row.number(double(row.x.size())));
}

Value div(Row &row) {
  return row.isFloat() ? row.m.div(row.x[0], row.x[1])
                       : divideIntegers(row, row.x[0], row.x[1]).first;
}

Value mod(Row &row) {
  MathEmitter &m = row.m;
  Value a = row.x[0], b = row.x[1];
  // fmod = 1: the sign of the dividend; 0: the sign of the divisor, as Python's
  // %.
  bool likeC = row.integer("fmod", 0) != 0;
  Value r = row.isFloat() ? m.fmod(a, b) : divideIntegers(row, a, b).second;
  if (likeC || row.isUnsigned())
    return r;
  if (!row.isFloat()) {
    Value zero = m.constantInt(0, a.getType());
    Value other = m.andi(m.compare(CmpIPredicate::ne, r, zero),
                         isNegative(row, m.xori(r, b)));
    return m.select(other, m.addi(r, b), r);
  }
  Value zero = row.number(0);
  Value nonZero = m.compare(CmpFPredicate::ONE, r, zero);
  Value signs = m.xori(m.compare(CmpFPredicate::OLT, r, zero),
                       m.compare(CmpFPredicate::OLT, b, zero));
  Value moved = m.select(m.andi(nonZero, signs), m.add(r, b), r);
  return m.select(nonZero, moved, m.copysign(moved, b));
}

Value pow(Row &row) {
  MathEmitter &m = row.m;
  Value x = row.x[0], y = row.x[1];
  if (!row.isFloat(0) && !row.isFloat(1))
    return powIntegers(row, x, y, !row.isUnsigned(1));
  if (!row.isFloat(1)) {
    y = integerToF64(row, y, row.isUnsigned(1));
    return m.narrow(m.pow(m.narrow(x, m.builder.getF64Type()), y),
                    getElementTypeOrSelf(x));
  }
  if (row.isFloat(0)) {
    // One type for both; the result has that of the base.
    Type type = getElementTypeOrSelf(x);
    if (type == getElementTypeOrSelf(y))
      return m.pow(x, y);
    Type wide = m.builder.getF64Type();
    return m.narrow(m.pow(m.narrow(x, wide), m.narrow(y, wide)), type);
  }
  Value power = m.pow(integerToF64(row, x, row.isUnsigned(0)),
                      m.narrow(y, m.builder.getF64Type()));
  // The power of an integer is often one; rounding must not make it less.
  Value whole = m.roundEven(power);
  Value slack = m.mul(m.abs(whole), m.constant(0x1p-40, m.f64()));
  Value close =
      m.compare(CmpFPredicate::OLE, m.abs(m.sub(power, whole)), slack);
  power = m.select(close, whole, power);
  Type types[] = {m.builder.getF64Type(), row.types[0]};
  Row conversion{m, {power}, types, {}};
  return cast(conversion);
}

Value neg(Row &row) {
  return row.isFloat() ? row.m.neg(row.x[0])
                       : row.m.subi(row.number(0), row.x[0]);
}

Value abs(Row &row) {
  if (row.isFloat())
    return row.m.abs(row.x[0]);
  if (row.isUnsigned())
    return row.x[0];
  return row.m.select(isNegative(row, row.x[0]), neg(row), row.x[0]);
}

Value sign(Row &row) {
  MathEmitter &m = row.m;
  Value x = row.x[0], zero = row.number(0), one = row.number(1);
  if (row.isFloat()) {
    Value lower =
        m.select(m.compare(CmpFPredicate::OLT, x, zero), row.number(-1), x);
    return m.select(m.compare(CmpFPredicate::OGT, x, zero), one, lower);
  }
  if (row.isUnsigned())
    return m.select(m.compare(CmpIPredicate::ne, x, zero), one, zero);
  Value lower = m.select(isNegative(row, x), row.number(-1), zero);
  return m.select(m.compare(CmpIPredicate::sgt, x, zero), one, lower);
}

Value relu(Row &row) {
  Value x = row.x[0], zero = row.number(0);
  if (!row.isFloat())
    return row.isUnsigned() ? x
                            : Value(arith::MaxSIOp::create(row.m.builder,
                                                           row.m.loc, x, zero));
  return row.m.select(row.m.compare(CmpFPredicate::OLT, x, zero), zero, x);
}

Value prelu(Row &row) {
  MathEmitter &m = row.m;
  Value x = row.x[0], slope = row.x[1];
  if (row.isFloat())
    return m.select(m.compare(CmpFPredicate::OLT, x, row.number(0)),
                    m.mul(slope, x), x);
  return row.isUnsigned() ? x
                          : m.select(isNegative(row, x), m.muli(slope, x), x);
}

Value clip(Row &row) {
  MathEmitter &m = row.m;
  Value x = row.x[0];
  auto bound = [&](unsigned i, StringRef attribute) -> Value {
    if (i < row.x.size() && row.x[i])
      return row.x[i];
    // Up to version 6 the bounds are attributes.
    if (row.attributes && row.attributes.get(attribute))
      return row.number(row.real(attribute, 0));
    return {};
  };
  Type types[] = {row.types[0], row.types[0], row.types[0]};
  if (Value low = bound(1, "min")) {
    Row pair{m, {x, low}, types, {}};
    x = max(pair);
  }
  if (Value high = bound(2, "max")) {
    Row pair{m, {x, high}, types, {}};
    x = min(pair);
  }
  return x;
}

} // namespace quantc::onnx_ir::rows
