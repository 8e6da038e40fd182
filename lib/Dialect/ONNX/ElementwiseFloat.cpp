//===- ElementwiseFloat.cpp - Functions of one float ----------------------===//
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

namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

Value isBelow(Row &row, Value x, double limit) {
  return row.m.compare(CmpFPredicate::OLT, x, row.number(limit));
}

/// min(max(x, 0), 1); NaN stays.
Value clampToUnit(Row &row, Value x) {
  MathEmitter &m = row.m;
  Value zero = row.number(0), one = row.number(1);
  x = m.select(m.compare(CmpFPredicate::OLT, x, zero), zero, x);
  return m.select(m.compare(CmpFPredicate::OGT, x, one), one, x);
}

/// 0.5 x (1 + y).
Value halfOnePlus(Row &row, Value x, Value y) {
  return row.m.mul(row.m.mul(row.number(0.5), x), row.m.add(row.number(1), y));
}

/// The tanh form: y = sqrt(2 / pi) (x + 0.044715 x^3).
Value geluTanh(Row &row, Value x) {
  MathEmitter &m = row.m;
  Value cube = m.mul(m.mul(x, x), x);
  Value inner = m.add(x, m.mul(row.number(0.044715), cube));
  return halfOnePlus(row, x,
                     m.tanh(m.mul(row.number(0.7978845608028654), inner)));
}

Value timesSigmoid(Row &row, double alpha) {
  MathEmitter &m = row.m;
  Value x = row.x[0];
  Value scaled = alpha == 1 ? x : m.mul(row.number(alpha), x);
  return m.mul(x, m.sigmoid(scaled));
}

/// The functions below are evaluated in f64 and rounded once.
Value wide(Row &row) {
  return row.m.narrow(row.x[0], row.m.builder.getF64Type());
}
Value rounded(Row &row, Value y) {
  return row.m.narrow(y, getElementTypeOrSelf(row.x[0]));
}
Value f64(Row &row, double value) { return row.m.constant(value, row.m.f64()); }

} // namespace

Value sqrt(Row &row) { return row.m.sqrt(row.x[0]); }
Value reciprocal(Row &row) { return row.m.div(row.number(1), row.x[0]); }
Value exp(Row &row) { return row.m.exp(row.x[0]); }
Value log(Row &row) { return row.m.log(row.x[0]); }
Value erf(Row &row) { return row.m.erf(row.x[0]); }
Value tanh(Row &row) { return row.m.tanh(row.x[0]); }
Value sigmoid(Row &row) { return row.m.sigmoid(row.x[0]); }
Value floor(Row &row) { return row.m.floor(row.x[0]); }
Value ceil(Row &row) { return row.m.ceil(row.x[0]); }
Value round(Row &row) { return row.m.roundEven(row.x[0]); }
Value sin(Row &row) { return row.m.sin(row.x[0]); }
Value cos(Row &row) { return row.m.cos(row.x[0]); }
Value atan(Row &row) { return row.m.atan(row.x[0]); }

Value leakyRelu(Row &row) {
  Value x = row.x[0];
  return row.m.select(isBelow(row, x, 0),
                      row.m.mul(row.number(row.real("alpha", 0.01)), x), x);
}

Value elu(Row &row) {
  Value x = row.x[0];
  Value low = row.m.sub(row.m.exp(x), row.number(1));
  return row.m.select(isBelow(row, x, 0),
                      row.m.mul(row.number(row.real("alpha", 1)), low), x);
}

Value selu(Row &row) {
  MathEmitter &m = row.m;
  Value x = row.x[0],
        alpha = row.number(row.real("alpha", 1.67326319217681884765625));
  Value gamma = row.number(row.real("gamma", 1.05070102214813232421875));
  Value low = m.sub(m.mul(alpha, m.exp(x)), alpha);
  Value positive = m.compare(CmpFPredicate::OGT, x, row.number(0));
  return m.mul(gamma, m.select(positive, x, low));
}

Value celu(Row &row) {
  MathEmitter &m = row.m;
  Value x = row.x[0], alpha = row.number(row.real("alpha", 1));
  Value low = m.mul(alpha, m.sub(m.exp(m.div(x, alpha)), row.number(1)));
  return m.select(isBelow(row, x, 0), low, x);
}

Value hardSigmoid(Row &row) {
  Value scaled = row.m.mul(row.number(row.real("alpha", 0.2)), row.x[0]);
  return clampToUnit(row, row.m.add(scaled, row.number(row.real("beta", 0.5))));
}

Value hardSwish(Row &row) {
  Value scaled = row.m.mul(row.number(1.0 / 6), row.x[0]);
  return row.m.mul(row.x[0],
                   clampToUnit(row, row.m.add(scaled, row.number(0.5))));
}

Value thresholdedRelu(Row &row) {
  Value alpha = row.number(row.real("alpha", 1));
  Value above = row.m.compare(CmpFPredicate::OGT, row.x[0], alpha);
  return row.m.select(above, row.x[0], row.number(0));
}

Value softplus(Row &row) {
  MathEmitter &m = row.m;
  Value x = row.x[0], zero = row.number(0);
  Value part = m.log1p(m.exp(m.neg(m.abs(x))));
  return m.add(m.select(isBelow(row, x, 0), zero, x), part);
}

Value softsign(Row &row) {
  return row.m.div(row.x[0], row.m.add(row.number(1), row.m.abs(row.x[0])));
}

Value gelu(Row &row) {
  Value x = row.x[0];
  if (row.string("approximate", "none") == "tanh")
    return geluTanh(row, x);
  return row.m.gelu(x);
}

Value swish(Row &row) { return timesSigmoid(row, row.real("alpha", 1)); }
Value mish(Row &row) { return row.m.mul(row.x[0], row.m.tanh(softplus(row))); }

Value shrink(Row &row) {
  MathEmitter &m = row.m;
  Value x = row.x[0], bias = row.number(row.real("bias", 0)),
        zero = row.number(0);
  Value limit = row.number(row.real("lambd", 0.5));
  Value upper =
      m.select(m.compare(CmpFPredicate::OGT, x, limit), m.sub(x, bias), zero);
  return m.select(m.compare(CmpFPredicate::OLT, x, m.neg(limit)),
                  m.add(x, bias), upper);
}

Value tan(Row &row) {
  Value x = wide(row);
  return rounded(row, row.m.div(row.m.sin(x), row.m.cos(x)));
}

// atan(x / sqrt((1 - x)(1 + x))); outside [-1, 1] the root is NaN.
Value asin(Row &row) {
  MathEmitter &m = row.m;
  Value x = wide(row), one = f64(row, 1);
  Value root = m.sqrt(m.mul(m.sub(one, x), m.add(one, x)));
  return rounded(row, m.atan(m.div(x, root)));
}

// 2 atan(sqrt((1 - x) / (1 + x))), which keeps its accuracy near 1.
Value acos(Row &row) {
  MathEmitter &m = row.m;
  Value x = wide(row), one = f64(row, 1);
  Value root = m.sqrt(m.div(m.sub(one, x), m.add(one, x)));
  return rounded(row, m.mul(f64(row, 2), m.atan(root)));
}

/// e^|x| / 2 for an f64 |x| above 700, where e^|x| may be infinite before it
/// is halved; else `y`.
static Value hugeHyperbolic(Row &row, Value y) {
  MathEmitter &m = row.m;
  Value a = m.abs(row.x[0]), half = f64(row, 0.5);
  Value root = m.exp(m.mul(a, half));
  return m.select(m.compare(CmpFPredicate::OGT, a, f64(row, 700)),
                  m.mul(m.mul(half, root), root), y);
}

/// log(2 a) for an f64 `a` whose square might overflow; else `y`.
static Value hugeArea(Row &row, Value a, Value y) {
  MathEmitter &m = row.m;
  if (!getElementTypeOrSelf(row.x[0]).isF64())
    return y;
  Value log = m.add(m.log(a), f64(row, 0x1.62e42fefa39efp-1));
  return m.select(m.compare(CmpFPredicate::OGT, a, f64(row, 0x1p60)), log, y);
}

// u = e^|x| - 1: (u + u / (u + 1)) / 2. Past 700 the f32 result is infinite
// anyway.
Value sinh(Row &row) {
  MathEmitter &m = row.m;
  Value x = wide(row), limit = f64(row, 700);
  Value a = m.abs(x);
  a = m.select(m.compare(CmpFPredicate::OGT, a, limit), limit, a);
  Value u = m.expm1(a);
  Value y = m.mul(f64(row, 0.5), m.add(u, m.div(u, m.add(u, f64(row, 1)))));
  if (getElementTypeOrSelf(row.x[0]).isF64())
    y = hugeHyperbolic(row, y);
  return rounded(row, m.copysign(y, x));
}

Value cosh(Row &row) {
  MathEmitter &m = row.m;
  Value e = m.exp(m.abs(wide(row)));
  Value y = m.mul(f64(row, 0.5), m.add(e, m.div(f64(row, 1), e)));
  if (getElementTypeOrSelf(row.x[0]).isF64())
    y = hugeHyperbolic(row, y);
  return rounded(row, y);
}

// log1p(a + a^2 / (1 + sqrt(a^2 + 1))).
Value asinh(Row &row) {
  MathEmitter &m = row.m;
  Value x = wide(row), one = f64(row, 1);
  Value a = m.abs(x), s = m.mul(a, a);
  Value part = m.div(s, m.add(one, m.sqrt(m.add(s, one))));
  Value y = hugeArea(row, a, m.log1p(m.add(a, part)));
  Value finite = m.compare(CmpFPredicate::OLT, a, f64(row, kInfinity));
  return rounded(row, m.select(finite, m.copysign(y, x), x));
}

// t = x - 1: log1p(t + sqrt(2 t + t^2)); NaN below 1.
Value acosh(Row &row) {
  MathEmitter &m = row.m;
  Value t = m.sub(wide(row), f64(row, 1));
  t = m.select(m.compare(CmpFPredicate::OGE, t, f64(row, 0)), t,
               f64(row, std::numeric_limits<double>::quiet_NaN()));
  Value root = m.sqrt(m.add(m.mul(f64(row, 2), t), m.mul(t, t)));
  return rounded(row, hugeArea(row, t, m.log1p(m.add(t, root))));
}

// log1p(2 a / (1 - a)) / 2.
Value atanh(Row &row) {
  MathEmitter &m = row.m;
  Value x = wide(row);
  Value a = m.abs(x);
  Value y = m.log1p(m.div(m.add(a, a), m.sub(f64(row, 1), a)));
  return rounded(row, m.copysign(m.mul(f64(row, 0.5), y), x));
}

} // namespace quantc::onnx_ir::rows
