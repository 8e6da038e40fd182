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
  Value x = row.x[0], amount = row.x[1], zero = row.number(0);
  unsigned width = getElementTypeOrSelf(x).getIntOrFloatBitWidth();
  // All bits leave the value; in LLVM such a shift is undefined.
  Value fits = m.compare(CmpIPredicate::ult, amount, row.number(width));
  Value safe = m.select(fits, amount, zero);
  Value shifted =
      row.string("direction", "LEFT") == "LEFT"
          ? Value(arith::ShLIOp::create(m.builder, m.loc, x, safe))
          : Value(arith::ShRUIOp::create(m.builder, m.loc, x, safe));
  return m.select(fits, shifted, zero);
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
