//===- MathEmitter.cpp - Elementary functions as float operations ---------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The f32 functions transcribe the steps of Numerics/MathTables.h. The f64 ones
// are the usual reductions with Taylor polynomials: on the small intervals used
// here these converge to f64 within a few terms.
//
//===----------------------------------------------------------------------===//

#include "quantc/Dialect/ONNX/MathEmitter.h"

#include "quantc/Numerics/MathTables.h"

#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

#include <cstring>
#include <limits>

using namespace mlir;

namespace quantc::onnx_ir {

using arith::CmpFPredicate;
using arith::CmpIPredicate;
namespace tables = numerics;

namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
// As kLn2Hi and kRoundMagic of MathTables.h, for f64. The high part of ln 2 has
// 33 significant bits.
constexpr double kLog2E64 = 0x1.71547652b82fep+0;
constexpr double kLn2Hi64 = 0x1.62e42feep-1;
constexpr double kLn2Lo64 = 0x1.a39ef35793c76p-33;
constexpr double kRoundMagic64 = 0x1.8p+52;
constexpr double kSqrtHalf64 = 0x1.6a09e667f3bcdp-1;
constexpr double kHalfPiHi = 0x1.921fb54442d18p+0;
constexpr double kHalfPiLo = 0x1.1a62633145c07p-54;
/// Above, n = round(2x / pi) and its low bits leave the integers of f64.
constexpr double kTrigLimit = 0x1p+50;

uint64_t pattern(double x) {
  uint64_t i;
  static_assert(sizeof(i) == sizeof(x));
  std::memcpy(&i, &x, sizeof(i));
  return i;
}
uint32_t pattern(float x) {
  uint32_t i;
  std::memcpy(&i, &x, sizeof(i));
  return i;
}

/// 1/n!, 1/(n + step)!, ... with alternating signs if `alternate`.
SmallVector<double> inverseFactorials(int first, int step, int terms,
                                      bool alternate) {
  SmallVector<double> out;
  double factorial = 1;
  for (int n = 2; n <= first; ++n)
    factorial *= n;
  for (int i = 0, n = first; i < terms; ++i) {
    out.push_back((alternate && i % 2 ? -1.0 : 1.0) / factorial);
    for (int s = 0; s < step; ++s)
      factorial *= ++n;
  }
  return out;
}

} // namespace

//===----------------------------------------------------------------------===//
// Single operations
//===----------------------------------------------------------------------===//

Type MathEmitter::shaped(Type element) {
  return shape ? Type(shape.clone(element)) : element;
}
Type MathEmitter::intType(unsigned width) {
  return shaped(builder.getIntegerType(width));
}

Value MathEmitter::constant(double value, Type type) {
  auto element = cast<FloatType>(getElementTypeOrSelf(type));
  APFloat number(value);
  bool lost = false;
  number.convert(element.getFloatSemantics(), APFloat::rmNearestTiesToEven,
                 &lost);
  TypedAttr attribute = FloatAttr::get(element, number);
  if (auto vector = dyn_cast<VectorType>(type))
    attribute = SplatElementsAttr::get(vector, cast<Attribute>(attribute));
  return arith::ConstantOp::create(builder, loc, attribute);
}

Value MathEmitter::constantInt(int64_t value, Type type) {
  Type element = getElementTypeOrSelf(type);
  APInt number(element.getIntOrFloatBitWidth(), uint64_t(value),
               /*isSigned=*/true,
               /*implicitTrunc=*/true);
  TypedAttr attribute = IntegerAttr::get(element, number);
  if (auto vector = dyn_cast<VectorType>(type))
    attribute = SplatElementsAttr::get(vector, cast<Attribute>(attribute));
  return arith::ConstantOp::create(builder, loc, attribute);
}

#define QUANTC_BINARY(name, op)                                                \
  Value MathEmitter::name(Value a, Value b) {                                  \
    return op::create(builder, loc, a, b);                                     \
  }
QUANTC_BINARY(add, arith::AddFOp)
QUANTC_BINARY(sub, arith::SubFOp)
QUANTC_BINARY(mul, arith::MulFOp)
QUANTC_BINARY(div, arith::DivFOp)
QUANTC_BINARY(copysign, math::CopySignOp)
QUANTC_BINARY(minimum, arith::MinimumFOp)
QUANTC_BINARY(maximum, arith::MaximumFOp)
QUANTC_BINARY(addi, arith::AddIOp)
QUANTC_BINARY(subi, arith::SubIOp)
QUANTC_BINARY(muli, arith::MulIOp)
QUANTC_BINARY(andi, arith::AndIOp)
QUANTC_BINARY(ori, arith::OrIOp)
QUANTC_BINARY(xori, arith::XOrIOp)
#undef QUANTC_BINARY
#define QUANTC_UNARY(name, op)                                                 \
  Value MathEmitter::name(Value a) { return op::create(builder, loc, a); }
QUANTC_UNARY(neg, arith::NegFOp)
QUANTC_UNARY(abs, math::AbsFOp)
QUANTC_UNARY(sqrt, math::SqrtOp)
QUANTC_UNARY(floor, math::FloorOp)
QUANTC_UNARY(ceil, math::CeilOp)
QUANTC_UNARY(trunc, math::TruncOp)
QUANTC_UNARY(roundEven, math::RoundEvenOp)
#undef QUANTC_UNARY

Value MathEmitter::fma(Value a, Value b, Value c) {
  return math::FmaOp::create(builder, loc, a, b, c);
}
Value MathEmitter::compare(CmpFPredicate predicate, Value a, Value b) {
  return arith::CmpFOp::create(builder, loc, predicate, a, b);
}
Value MathEmitter::compare(CmpIPredicate predicate, Value a, Value b) {
  return arith::CmpIOp::create(builder, loc, predicate, a, b);
}
Value MathEmitter::select(Value condition, Value a, Value b) {
  return arith::SelectOp::create(builder, loc, condition, a, b);
}
Value MathEmitter::bits(Value a) {
  unsigned width = getElementTypeOrSelf(a).getIntOrFloatBitWidth();
  return arith::BitcastOp::create(builder, loc, intType(width), a);
}
Value MathEmitter::fromBits(Value a, Type type) {
  return arith::BitcastOp::create(builder, loc, type, a);
}
Value MathEmitter::shl(Value a, int64_t amount) {
  return arith::ShLIOp::create(builder, loc, a,
                               constantInt(amount, a.getType()));
}
Value MathEmitter::shrs(Value a, int64_t amount) {
  return arith::ShRSIOp::create(builder, loc, a,
                                constantInt(amount, a.getType()));
}
Value MathEmitter::shru(Value a, int64_t amount) {
  return arith::ShRUIOp::create(builder, loc, a,
                                constantInt(amount, a.getType()));
}

//===----------------------------------------------------------------------===//
// Float formats
//===----------------------------------------------------------------------===//

Value MathEmitter::widen(Value a) {
  Type element = getElementTypeOrSelf(a);
  if (element.isBF16()) {
    Value wide = arith::ExtUIOp::create(builder, loc, intType(32), bits(a));
    return fromBits(shl(wide, 16), f32());
  }
  if (element.isF16())
    return arith::ExtFOp::create(builder, loc, f32(), a);
  return a;
}

Value MathEmitter::narrow(Value a, Type element) {
  Type from = getElementTypeOrSelf(a);
  if (from == element)
    return a;
  if (element.isF64())
    return arith::ExtFOp::create(builder, loc, f64(), widen(a));
  if (from.isF64()) {
    Value nearest = arith::TruncFOp::create(builder, loc, f32(), a);
    if (element.isF32())
      return nearest;
    // Round to odd first, so that the second rounding is that of the f64 value.
    Value back = arith::ExtFOp::create(builder, loc, f64(), nearest);
    Value pattern = bits(nearest);
    Value away = compare(CmpFPredicate::OGT, abs(back), abs(a));
    Value toZero = select(away, subi(pattern, i32(1)), pattern);
    Value inexact = compare(CmpFPredicate::ONE, back, a);
    a = fromBits(select(inexact, ori(toZero, i32(1)), pattern), f32());
  }
  if (element.isF16())
    return arith::TruncFOp::create(builder, loc, shaped(element), a);
  assert(element.isBF16() && "narrow: not a float type of ONNX");
  Value pattern = bits(a);
  Value odd = andi(shru(pattern, 16), i32(1));
  Value rounded = addi(pattern, addi(odd, i32(0x7fff)));
  Value quiet = ori(pattern, i32(0x400000));
  Value chosen = select(compare(CmpFPredicate::UNO, a, a), quiet, rounded);
  Value half =
      arith::TruncIOp::create(builder, loc, intType(16), shru(chosen, 16));
  return fromBits(half, shaped(element));
}

//===----------------------------------------------------------------------===//
// f32, as in MathTables.h
//===----------------------------------------------------------------------===//

template <size_t N>
Value MathEmitter::horner(const float (&coefficients)[N], Value x) {
  Value p = f32(coefficients[N - 1]);
  for (size_t i = N - 1; i-- > 0;)
    p = fma(p, x, f32(coefficients[i]));
  return p;
}

Value MathEmitter::horner(ArrayRef<double> coefficients, Value x) {
  Value p = constant(coefficients.back(), x.getType());
  for (double c : llvm::reverse(coefficients.drop_back()))
    p = fma(p, x, constant(c, x.getType()));
  return p;
}

/// 2^k of an integer k in the range of normal exponents.
Value MathEmitter::powerOfTwo(Value k, Type type) {
  bool wide = getElementTypeOrSelf(type).isF64();
  Value biased = addi(k, constantInt(wide ? 1023 : 127, k.getType()));
  return fromBits(shl(biased, wide ? 52 : 23), type);
}

/// p * 2^k in two factors, so that denormal results are rounded once.
Value MathEmitter::scaleByPowerOfTwo(Value p, Value k) {
  Value k1 = shrs(k, 1);
  Value k2 = subi(k, k1);
  p = mul(p, powerOfTwo(k1, p.getType()));
  return mul(p, powerOfTwo(k2, p.getType()));
}

Value MathEmitter::exp(Value x) {
  if (getElementTypeOrSelf(x).isF64())
    return expF64(x, /*minusOne=*/false);
  Value low = f32(tables::kExpLow), high = f32(tables::kExpHigh);
  Value y = select(compare(CmpFPredicate::OLT, x, low), low, x);
  y = select(compare(CmpFPredicate::OGT, y, high), high, y);
  Value magic = f32(tables::kRoundMagic);
  Value t = fma(y, f32(tables::kLog2E), magic);
  Value n = sub(t, magic);
  Value k = subi(bits(t), i32(pattern(tables::kRoundMagic)));
  Value r = fma(n, f32(-tables::kLn2Hi), y);
  r = fma(n, f32(-tables::kLn2Lo), r);
  return scaleByPowerOfTwo(horner(tables::kExp, r), k);
}

Value MathEmitter::tanh(Value x) {
  Value a = abs(x);
  if (getElementTypeOrSelf(x).isF64()) {
    Value e = expF64(mul(a, constant(-2, f64())), /*minusOne=*/true);
    return copysign(div(neg(e), add(e, constant(2, f64()))), x);
  }
  Value s = mul(a, a);
  Value u = mul(a, s);
  Value q = fma(horner(tables::kTanh, s), u, a);
  Value d = add(exp(add(a, a)), f32(1.0f));
  Value b = sub(f32(1.0f), div(f32(2.0f), d));
  Value large = compare(CmpFPredicate::OGT, a, f32(tables::kTanhSplit));
  return copysign(select(large, b, q), x);
}

Value MathEmitter::erf(Value x) {
  if (getElementTypeOrSelf(x).isF64())
    return erfF64(x);
  Value a = abs(x);
  Value s = mul(a, a);
  Value q = fma(horner(tables::kErfSmall, s), a, a);
  Value high = f32(tables::kErfHigh);
  Value c = select(compare(CmpFPredicate::OGT, a, high), high, a);
  Value v = horner(tables::kErfLarge, c);
  v = fma(v, c, neg(c));
  Value b = sub(f32(1.0f), exp(v));
  Value large = compare(CmpFPredicate::OGT, a, f32(tables::kErfSplit));
  return copysign(select(large, b, q), x);
}

Value MathEmitter::log(Value x) {
  if (getElementTypeOrSelf(x).isF64())
    return logF64(x);
  Value small = compare(CmpFPredicate::OLT, x, f32(tables::kMinNormal));
  Value y = select(small, mul(x, f32(tables::kTwo23)), x);
  Value e0 = select(small, i32(-23), i32(0));
  Value e = shrs(subi(bits(y), i32(pattern(tables::kSqrtHalf))), 23);
  Value f = sub(fromBits(subi(bits(y), shl(e, 23)), f32()), f32(1.0f));
  Value n = arith::SIToFPOp::create(builder, loc, f32(), addi(e, e0));
  Value s = mul(f, f);
  Value q = mul(horner(tables::kLog, f), f);
  Value r = mul(n, f32(tables::kLn2Lo));
  r = fma(q, s, r);
  r = fma(f32(-0.5f), s, r);
  r = add(r, f);
  r = fma(n, f32(tables::kLn2Hi), r);
  Value inf = constant(kInfinity, f32()), zero = f32(0.0f);
  r = select(compare(CmpFPredicate::OEQ, x, inf), inf, r);
  r = select(compare(CmpFPredicate::OEQ, x, zero), neg(inf), r);
  return select(compare(CmpFPredicate::OGE, x, zero), r, constant(kNaN, f32()));
}

Value MathEmitter::gelu(Value x) {
  if (getElementTypeOrSelf(x).isF64()) {
    Value half = mul(constant(0.5, f64()), x);
    Value scaled = mul(constant(0x1.6a09e667f3bcdp-1, f64()), x); // / sqrt(2)
    return fma(half, erfF64(scaled), half);
  }
  Value a = abs(x), magic = f32(tables::kRoundMagic), zero = f32(0.0f);
  Value p = horner(tables::kGelu, a);
  Value t = fma(p, a, magic);
  Value n = sub(t, magic);
  Value r = fma(p, a, neg(n));
  Value e = addi(bits(horner(tables::kExp2Half, r)), shl(bits(t), 23));
  Value within = compare(CmpFPredicate::OLT, a, f32(tables::kGeluHigh));
  Value u = select(within, mul(a, fromBits(e, f32())), zero);
  return sub(select(compare(CmpFPredicate::OLT, x, zero), zero, x), u);
}

Value MathEmitter::sigmoid(Value x) {
  Type type = x.getType();
  Value one = constant(1, type);
  Value e = exp(neg(abs(x)));
  Value negative = compare(CmpFPredicate::OLT, x, constant(0, type));
  return div(select(negative, e, one), add(e, one));
}

//===----------------------------------------------------------------------===//
// f64
//===----------------------------------------------------------------------===//

Value MathEmitter::toF64(Value x) {
  return getElementTypeOrSelf(x).isF64()
             ? x
             : arith::ExtFOp::create(builder, loc, f64(), x);
}

Value MathEmitter::expF64(Value x, bool minusOne) {
  // Below -40, e^x - 1 rounds to -1; so 2^-k stays finite.
  Value low = constant(minusOne ? -40 : -746, f64()),
        high = constant(710, f64());
  Value y = select(compare(CmpFPredicate::OLT, x, low), low, x);
  y = select(compare(CmpFPredicate::OGT, y, high), high, y);
  Value magic = constant(kRoundMagic64, f64());
  Value t = fma(y, constant(kLog2E64, f64()), magic);
  Value n = sub(t, magic);
  Value k = subi(bits(t), constantInt(pattern(kRoundMagic64), intType(64)));
  Value r = fma(n, constant(-kLn2Hi64, f64()), y);
  r = fma(n, constant(-kLn2Lo64, f64()), r);
  // e^r - 1 = r + r^2 (1/2! + r/3! + ...), |r| <= ln(2)/2.
  Value q = fma(horner(inverseFactorials(2, 1, 12, false), r), mul(r, r), r);
  Value one = constant(1, f64());
  if (!minusOne)
    return scaleByPowerOfTwo(add(q, one), k);
  // 2^k (e^r - 1) + 2^k - 1; for large k, 2^-k is far below an ulp of 1.
  Value limit = constantInt(64, intType(64));
  Value kept = select(compare(CmpIPredicate::sgt, k, limit), limit, k);
  Value inverse = powerOfTwo(subi(constantInt(0, intType(64)), kept), f64());
  Value scaled = scaleByPowerOfTwo(add(q, sub(one, inverse)), k);
  // Keeps the sign of -0, and tiny arguments exact.
  Value tiny = compare(CmpFPredicate::OLT, abs(x), constant(0x1p-60, f64()));
  return select(tiny, x, scaled);
}

Value MathEmitter::logF64(Value x) {
  Type f = f64(), i = intType(64);
  Value small = compare(CmpFPredicate::OLT, x, constant(0x1p-1022, f));
  Value y = select(small, mul(x, constant(0x1p54, f)), x);
  Value e = shrs(subi(bits(y), constantInt(pattern(kSqrtHalf64), i)), 52);
  Value m = sub(fromBits(subi(bits(y), shl(e, 52)), f), constant(1, f));
  e = addi(e, select(small, constantInt(-54, i), constantInt(0, i)));
  // Small integers become floats by the magic number: AVX2 has no conversion.
  Value n = sub(fromBits(addi(e, constantInt(pattern(kRoundMagic64), i)), f),
                constant(kRoundMagic64, f));
  // log(1 + m) = 2 atanh(s), s = m / (2 + m), |s| < 0.172.
  Value s = div(m, add(m, constant(2, f)));
  Value z = mul(s, s);
  SmallVector<double> odd;
  for (int d = 3; d <= 23; d += 2)
    odd.push_back(2.0 / d);
  Value tail = mul(mul(s, z), horner(odd, z));
  tail = fma(n, constant(kLn2Lo64, f), tail);
  // 2s = m - m s, whose first term is exact.
  tail = fma(neg(m), s, tail);
  Value r = fma(n, constant(kLn2Hi64, f), add(tail, m));
  Value inf = constant(kInfinity, f), zero = constant(0, f);
  r = select(compare(CmpFPredicate::OEQ, x, inf), inf, r);
  r = select(compare(CmpFPredicate::OEQ, x, zero), neg(inf), r);
  return select(compare(CmpFPredicate::OGE, x, zero), r, constant(kNaN, f));
}

Value MathEmitter::erfF64(Value x) {
  Type f = f64();
  Value a = abs(x), one = constant(1, f), split = constant(3, f);
  // e^(-a^2), with what rounding the square lost.
  Value limit = constant(6, f); // from where on erf rounds to 1
  Value c = select(compare(CmpFPredicate::OGT, a, limit), limit, a);
  Value s = mul(c, c);
  Value lost = fma(c, c, neg(s));
  Value e = expF64(neg(s), /*minusOne=*/false);
  e = fma(neg(lost), e, e);
  // Up to 3: 2/sqrt(pi) a e^(-a^2) (1 + 2a^2/3 (1 + 2a^2/5 (...))), whose terms
  // are all positive.
  Value low = select(compare(CmpFPredicate::OGT, c, split), split, c);
  Value twice = mul(low, add(low, low));
  Value sum = one;
  for (int n = 64; n >= 1; --n)
    sum = fma(mul(twice, constant(1.0 / (2 * n + 1), f)), sum, one);
  Value small = mul(mul(mul(constant(0x1.20dd750429b6dp+0, f), a), e), sum);
  // Above: erfc = e^(-a^2) / sqrt(pi) / (a + 1/2 / (a + 1 / (a + 3/2 / ...))).
  Value high = select(compare(CmpFPredicate::OGT, c, split), c, split);
  Value fraction = high;
  for (int n = 40; n >= 1; --n)
    fraction = add(high, div(constant(n / 2.0, f), fraction));
  Value tail = div(mul(constant(0x1.20dd750429b6dp-1, f), e), fraction);
  Value y =
      select(compare(CmpFPredicate::OGT, a, split), sub(one, tail), small);
  // NaN is no more than 3 by any comparison, and stays.
  return copysign(y, x);
}

Value MathEmitter::expm1(Value x) {
  return narrow(expF64(toF64(x), /*minusOne=*/true), getElementTypeOrSelf(x));
}

Value MathEmitter::log1p(Value x) {
  Value y = toF64(x);
  Value one = constant(1, f64());
  Value u = add(y, one);
  // What rounding u lost; not a number of use at the ends of the range.
  Value lost = div(sub(y, sub(u, one)), u);
  Value usable = compare(CmpFPredicate::OLT, abs(lost), one);
  Value r = add(logF64(u), select(usable, lost, constant(0, f64())));
  Value tiny = compare(CmpFPredicate::OLT, abs(y), constant(0x1p-60, f64()));
  return narrow(select(tiny, y, r), getElementTypeOrSelf(x));
}

Value MathEmitter::pow(Value base, Value exponent) {
  Value x = toF64(base), y = toF64(exponent);
  Value one = constant(1, f64()), zero = constant(0, f64());
  Value a = abs(x);
  Value magnitude = exp(mul(y, log(a)));
  // |x| = 1 with an infinite y: the product above was 0 * inf.
  magnitude = select(compare(CmpFPredicate::OEQ, a, one), one, magnitude);
  Value whole = compare(CmpFPredicate::OEQ, trunc(y), y);
  Value half = mul(y, constant(0.5, f64()));
  Value uneven = compare(CmpFPredicate::ONE, trunc(half), half);
  Value odd = andi(whole, uneven);
  Value r = select(odd, copysign(magnitude, x), magnitude);
  Value negative = compare(CmpFPredicate::OLT, x, zero);
  Value finite = compare(CmpFPredicate::OLT, a, constant(kInfinity, f64()));
  Value fraction = compare(CmpFPredicate::ONE, trunc(y), y);
  r = select(andi(andi(negative, finite), fraction), constant(kNaN, f64()), r);
  r = select(compare(CmpFPredicate::UNO, x, y), add(x, y), r);
  r = select(compare(CmpFPredicate::OEQ, x, one), one, r);
  r = select(compare(CmpFPredicate::OEQ, y, zero), one, r);
  return narrow(r, getElementTypeOrSelf(base));
}

Value MathEmitter::sine(Value argument, int64_t quarter) {
  Type f = f64(), i = intType(64);
  Value given = toF64(argument);
  Value usable =
      compare(CmpFPredicate::OLT, abs(given), constant(kTrigLimit, f));
  Value x = select(usable, given, constant(0, f));
  Value magic = constant(kRoundMagic64, f);
  Value t = fma(x, constant(0x1.45f306dc9c883p-1, f), magic); // 2/pi
  Value n = sub(t, magic);
  Value r = fma(n, constant(-kHalfPiHi, f), x);
  r = fma(n, constant(-kHalfPiLo, f), r);
  Value s = mul(r, r);
  SmallVector<double> sines = inverseFactorials(3, 2, 7, true);
  for (double &c : sines)
    c = -c;
  Value sin = copysign(fma(horner(sines, s), mul(r, s), r), r);
  Value cos = horner(inverseFactorials(0, 2, 9, true), s);
  Value q = addi(bits(t), constantInt(quarter, i));
  Value zero = constantInt(0, i);
  Value odd = compare(CmpIPredicate::ne, andi(q, constantInt(1, i)), zero);
  Value y = select(odd, cos, sin);
  Value lower = compare(CmpIPredicate::ne, andi(q, constantInt(2, i)), zero);
  y = select(lower, neg(y), y);
  // sin(inf) and sin(NaN) are NaN.
  Value finite =
      compare(CmpFPredicate::OLT, abs(given), constant(kInfinity, f));
  y = select(finite, y, constant(kNaN, f));
  return narrow(y, getElementTypeOrSelf(argument));
}
Value MathEmitter::sin(Value x) { return sine(x, 0); }
Value MathEmitter::cos(Value x) { return sine(x, 1); }

Value MathEmitter::atan(Value argument) {
  Type f = f64();
  Value x = toF64(argument);
  Value a = abs(x);
  Value one = constant(1, f);
  // atan(a) = pi/2 - atan(1/a); then atan(z) = pi/4 + atan((z - 1) / (z + 1)).
  Value inverted = compare(CmpFPredicate::OGT, a, one);
  Value z = select(inverted, div(one, a), a);
  Value upper = compare(CmpFPredicate::OGT, z, constant(0.41421356, f));
  z = select(upper, div(sub(z, one), add(z, one)), z);
  // 0.4143^d / d is below half an ulp of the type.
  int terms = getElementTypeOrSelf(argument).isF64() ? 43 : 23;
  SmallVector<double> odd;
  for (int d = 3; d <= terms; d += 2)
    odd.push_back((d / 2 % 2 ? -1.0 : 1.0) / d);
  Value s = mul(z, z);
  Value r = fma(horner(odd, s), mul(z, s), z);
  r = select(upper, add(r, constant(kHalfPiHi / 2, f)), r);
  r = select(inverted, sub(constant(kHalfPiHi, f), r), r);
  return narrow(copysign(r, x), getElementTypeOrSelf(argument));
}

Value MathEmitter::fmod(Value argument, Value divisor) {
  if (getElementTypeOrSelf(argument).isF64())
    return fmodF64(argument, divisor);
  Type f = f64();
  Value x = toF64(argument), y = abs(toF64(divisor));
  Value r = abs(x);
  // Quotients of two f32 values are below 2^277. Each step takes off a quotient
  // cut to 28 bits: its product with y (24 bits) and the difference are exact.
  Value mask = constantInt(-(int64_t(1) << 25), intType(64));
  for (int step = 0; step < 11; ++step) {
    Value q = fromBits(andi(bits(div(r, y)), mask), f);
    // A rounded quotient may be one too large just below an integer.
    Value whole = trunc(q);
    Value rest = fma(neg(whole), y, r);
    Value over = compare(CmpFPredicate::OLT, rest, constant(0, f));
    r = select(over, fma(neg(sub(whole, constant(1, f))), y, r), rest);
  }
  // x mod inf = x; inf mod y and x mod 0 are NaN.
  Value inf = constant(kInfinity, f);
  Value infinite = compare(CmpFPredicate::OEQ, y, inf);
  Value finite = compare(CmpFPredicate::OLT, abs(x), inf);
  r = select(andi(infinite, finite), abs(x), r);
  Value valid = compare(CmpFPredicate::OGT, y, constant(0, f));
  r = select(andi(valid, finite), r, constant(kNaN, f));
  return narrow(copysign(r, x), getElementTypeOrSelf(argument));
}

Value MathEmitter::fmodF64(Value x, Value divisor) {
  Type f = f64();
  Value y = abs(divisor), a = abs(x), r = a;
  Value zero = constant(0, f), inf = constant(kInfinity, f);
  // The bits of a quotient that are taken off at a time, so that its product
  // with y and the difference are exact; it is made smaller before that, so
  // that it is never more than the true one.
  Value mask = constantInt(-(int64_t(1) << 25), intType(64));
  Value below = constant(1 - 0x1p-50, f);
  auto reduce = [&](Value modulus, int bits) {
    Value lo = arith::ConstantIndexOp::create(builder, loc, 0);
    Value hi = arith::ConstantIndexOp::create(builder, loc, bits / 26 + 2);
    Value step = arith::ConstantIndexOp::create(builder, loc, 1);
    auto loop = scf::ForOp::create(
        builder, loc, lo, hi, step, ValueRange{r},
        [&](OpBuilder &b, Location loc, Value, ValueRange args) {
          MathEmitter in(b, loc, x.getType());
          Value q = in.mul(in.div(args[0], modulus), below);
          Value cut = in.fromBits(in.andi(in.bits(q), mask), f);
          Value rest = in.fma(in.neg(in.trunc(cut)), modulus, args[0]);
          scf::YieldOp::create(b, loc, rest);
        });
    r = loop.getResult(0);
    // What was made smaller may be one modulus too much.
    Value over = compare(CmpFPredicate::OGE, r, modulus);
    r = select(over, sub(r, modulus), r);
  };
  // r mod y = (r mod (2^k y)) mod y: so no quotient overflows.
  Value large = mul(mul(y, constant(0x1p537, f)), constant(0x1p537, f));
  reduce(select(compare(CmpFPredicate::OLT, large, inf), large, y), 1024);
  large = mul(y, constant(0x1p537, f));
  reduce(select(compare(CmpFPredicate::OLT, large, inf), large, y), 538);
  reduce(y, 538);
  // x mod inf = x; inf mod y and x mod 0 are NaN.
  Value infinite = compare(CmpFPredicate::OEQ, y, inf);
  Value finite = compare(CmpFPredicate::OLT, a, inf);
  r = select(andi(infinite, finite), a, r);
  Value valid = compare(CmpFPredicate::OGT, y, zero);
  r = select(andi(valid, finite), r, constant(kNaN, f));
  return copysign(r, x);
}

} // namespace quantc::onnx_ir
