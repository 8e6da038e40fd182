//===- ElementwiseCast.cpp - Cast between all element types ---------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// As the tables of ONNX Cast say. Where they leave a float out of an integer's
// range undefined, it becomes the nearest end of the range, and NaN becomes 0;
// for integers of less than 8 bits, as in ONNX's own tests, the low bits of
// what it is as a 32-bit integer.
//
//===----------------------------------------------------------------------===//

#include "ElementwiseRow.h"

#include <cmath>

using namespace mlir;

namespace quantc::onnx_ir {

using arith::CmpFPredicate;
using arith::CmpIPredicate;
using numerics::Format;
using numerics::PowerRounding;

namespace {

/// The format of an f8, f6 or f4 type.
std::optional<Format> smallFloat(Type type) {
  if (!isa<FloatType>(type) || type.getIntOrFloatBitWidth() > 8)
    return std::nullopt;
  std::string name;
  llvm::raw_string_ostream(name) << type;
  return numerics::parseFormat(name);
}

bool isSignedInteger(Type type) {
  return !type.isUnsignedInteger() && !type.isInteger(1);
}

Value integerToFloat(MathEmitter &m, Value x, Type from, Type to) {
  // One rounding: f64 holds 32 bits; LLVM converts 64 bits to f32 directly.
  bool direct = to.isF32() || to.isF64();
  Type type = m.shaped(direct ? to : m.builder.getF64Type());
  Value y = isSignedInteger(from)
                ? Value(arith::SIToFPOp::create(m.builder, m.loc, type, x))
                : Value(arith::UIToFPOp::create(m.builder, m.loc, type, x));
  return direct ? y : m.narrow(y, to);
}

Value integerToInteger(MathEmitter &m, Value x, Type from, Type to) {
  unsigned have = getElementTypeOrSelf(x).getIntOrFloatBitWidth();
  unsigned width = to.getIntOrFloatBitWidth(), stored = std::max(8u, width);
  Type type = m.intType(stored);
  if (stored < have)
    x = arith::TruncIOp::create(m.builder, m.loc, type, x);
  else if (stored > have)
    x = isSignedInteger(from)
            ? Value(arith::ExtSIOp::create(m.builder, m.loc, type, x))
            : Value(arith::ExtUIOp::create(m.builder, m.loc, type, x));
  if (width == stored)
    return x;
  // The low bits, with the sign of the narrow type.
  Value top = m.shl(x, stored - width);
  return isSignedInteger(to) ? m.shrs(top, stored - width)
                             : m.shru(top, stored - width);
}

Value floatToInteger(MathEmitter &m, Value x, Type to) {
  if (to.getIntOrFloatBitWidth() < 8) {
    Type si32 = IntegerType::get(m.builder.getContext(), 32,
                                 IntegerType::SignednessSemantics::Signed);
    return integerToInteger(m, floatToInteger(m, x, si32), si32, to);
  }
  bool isSigned = isSignedInteger(to);
  unsigned width = to.getIntOrFloatBitWidth();
  unsigned computed = std::max(32u, width);
  Type wide = m.intType(computed);
  double low = isSigned ? -std::ldexp(1.0, width - 1) : 0;
  double end = std::ldexp(1.0, isSigned ? width - 1 : width);
  Value t = m.trunc(x);
  Value below = m.compare(CmpFPredicate::OLT, t, m.constant(low, x.getType()));
  Value above = m.compare(CmpFPredicate::OGE, t, m.constant(end, x.getType()));
  Value number = m.compare(CmpFPredicate::ORD, t, t);
  Value outside = m.ori(below, above);
  Value safe = m.select(outside, m.constant(0, x.getType()), t);
  safe = m.select(number, safe, m.constant(0, x.getType()));
  Value y = isSigned
                ? Value(arith::FPToSIOp::create(m.builder, m.loc, wide, safe))
                : Value(arith::FPToUIOp::create(m.builder, m.loc, wide, safe));
  APInt least = isSigned ? APInt::getSignedMinValue(width).sext(computed)
                         : APInt::getZero(computed);
  APInt greatest = isSigned ? APInt::getSignedMaxValue(width).sext(computed)
                            : APInt::getMaxValue(width).zext(computed);
  y = m.select(below, m.constantInt(least.getSExtValue(), wide), y);
  y = m.select(above, m.constantInt(greatest.getSExtValue(), wide), y);
  return width == computed ? y
                           : Value(arith::TruncIOp::create(
                                 m.builder, m.loc, m.intType(width), y));
}

PowerRounding powerRounding(const Row &row) {
  StringRef mode = row.string("round_mode", "up");
  return mode == "up"     ? PowerRounding::Up
         : mode == "down" ? PowerRounding::Down
                          : PowerRounding::Nearest;
}

bool castable(Type type) {
  if (type.isF16() || type.isBF16() || type.isF32() || type.isF64())
    return true;
  auto integer = dyn_cast<IntegerType>(type);
  return integer ? integer.getWidth() <= 64 : smallFloat(type).has_value();
}

} // namespace

bool acceptsCast(ArrayRef<Type> types) {
  return castable(types.front()) && castable(types.back());
}

Value rows::cast(Row &row) {
  MathEmitter &m = row.m;
  Value x = row.x[0];
  Type from = row.types[0], to = row.resultType();
  if (from == to)
    return x;
  if (std::optional<Format> format = smallFloat(from)) {
    x = m.decode(x, *format);
    from = m.builder.getF32Type();
  } else if (isa<FloatType>(from)) {
    x = m.widen(x);
    from = getElementTypeOrSelf(x);
  }
  if (to.isInteger(1) && !to.isUnsignedInteger() && !to.isSignedInteger()) {
    if (isa<FloatType>(from))
      return m.compare(CmpFPredicate::UNE, x, m.constant(0, x.getType()));
    return m.compare(CmpIPredicate::ne, x, m.constantInt(0, x.getType()));
  }
  if (std::optional<Format> format = smallFloat(to)) {
    Type f32 = m.builder.getF32Type();
    x = isa<FloatType>(from) ? m.narrow(x, f32)
                             : integerToFloat(m, x, from, f32);
    return m.encode(x, *format, row.integer("saturate", 1) != 0,
                    powerRounding(row));
  }
  if (isa<FloatType>(to))
    return isa<FloatType>(from) ? m.narrow(x, to)
                                : integerToFloat(m, x, from, to);
  return isa<FloatType>(from) ? floatToInteger(m, x, to)
                              : integerToInteger(m, x, from, to);
}

} // namespace quantc::onnx_ir
