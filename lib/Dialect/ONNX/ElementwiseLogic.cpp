//===- ElementwiseLogic.cpp - Comparisons, selection, bits ----------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ElementwiseRow.h"

#include <limits>

using namespace mlir;

namespace quantc::onnx_ir::rows {

using arith::CmpFPredicate;
using arith::CmpIPredicate;

namespace {

Value compare(Row &row, CmpFPredicate real, CmpIPredicate ofSigned,
              CmpIPredicate ofUnsigned) {
  if (row.isFloat())
    return row.m.compare(real, row.x[0], row.x[1]);
  return row.m.compare(row.isUnsigned() ? ofUnsigned : ofSigned, row.x[0],
                       row.x[1]);
}

} // namespace

Value equal(Row &row) {
  return compare(row, CmpFPredicate::OEQ, CmpIPredicate::eq, CmpIPredicate::eq);
}
Value less(Row &row) {
  return compare(row, CmpFPredicate::OLT, CmpIPredicate::slt,
                 CmpIPredicate::ult);
}
Value lessOrEqual(Row &row) {
  return compare(row, CmpFPredicate::OLE, CmpIPredicate::sle,
                 CmpIPredicate::ule);
}
Value greater(Row &row) {
  return compare(row, CmpFPredicate::OGT, CmpIPredicate::sgt,
                 CmpIPredicate::ugt);
}
Value greaterOrEqual(Row &row) {
  return compare(row, CmpFPredicate::OGE, CmpIPredicate::sge,
                 CmpIPredicate::uge);
}

Value bitAnd(Row &row) { return row.m.andi(row.x[0], row.x[1]); }
Value bitOr(Row &row) { return row.m.ori(row.x[0], row.x[1]); }
Value bitXor(Row &row) { return row.m.xori(row.x[0], row.x[1]); }
Value bitNot(Row &row) { return row.m.xori(row.x[0], row.number(-1)); }

Value bitShift(Row &row) {
  MathEmitter &m = row.m;
  OpBuilder &b = m.builder;
  Value x = row.x[0], amount = row.x[1];
  unsigned width = getElementTypeOrSelf(x).getIntOrFloatBitWidth();
  // Past the width (negative amounts are, unsigned) all bits leave the value,
  // which in LLVM is undefined; to the right, a signed one keeps its sign.
  Value fits = m.compare(CmpIPredicate::ult, amount, row.number(width));
  bool left = row.string("direction", "LEFT") == "LEFT";
  if (!left && !row.isUnsigned()) {
    Value most = m.select(fits, amount, row.number(width - 1));
    return arith::ShRSIOp::create(b, m.loc, x, most);
  }
  Value safe = m.select(fits, amount, row.number(0));
  Value shifted = left ? Value(arith::ShLIOp::create(b, m.loc, x, safe))
                       : Value(arith::ShRUIOp::create(b, m.loc, x, safe));
  return m.select(fits, shifted, row.number(0));
}

Value where(Row &row) { return row.m.select(row.x[0], row.x[1], row.x[2]); }

Value isNaN(Row &row) {
  return row.m.compare(CmpFPredicate::UNO, row.x[0], row.x[0]);
}

Value isInf(Row &row) {
  MathEmitter &m = row.m;
  Value inf = row.number(std::numeric_limits<double>::infinity());
  bool positive = row.integer("detect_positive", 1),
       negative = row.integer("detect_negative", 1);
  if (positive && negative)
    return m.compare(CmpFPredicate::OEQ, m.abs(row.x[0]), inf);
  if (!positive && !negative)
    return m.constantInt(0, m.intType(1));
  return m.compare(CmpFPredicate::OEQ, row.x[0], positive ? inf : m.neg(inf));
}

} // namespace quantc::onnx_ir::rows
