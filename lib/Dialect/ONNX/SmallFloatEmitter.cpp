//===- SmallFloatEmitter.cpp - Code of the f8, f6 and f4 formats ----------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The integer code of numerics::decode and encode. Read as the top bits of an
// f32, a code is its value times a power of two, denormals included: so one
// exact product decodes all finite codes.
//
//===----------------------------------------------------------------------===//

#include "quantc/Dialect/ONNX/MathEmitter.h"

#include <cmath>

using namespace mlir;

namespace quantc::onnx_ir {

using arith::CmpIPredicate;
using numerics::Format;
using numerics::FormatInfo;
using numerics::PowerRounding;
using numerics::Specials;

namespace {

constexpr int64_t kInfinityBits = 0x7f800000, kNaNBits = 0x7fc00000;

int64_t magnitudeMask(const FormatInfo &row) {
  return (int64_t(1) << (row.bits - 1)) - 1;
}
/// The largest finite code without its sign.
int64_t lastFinite(const FormatInfo &row) {
  int64_t all = magnitudeMask(row);
  if (row.specials == Specials::IEEE)
    return all - (int64_t(1) << row.mantissaBits);
  return row.specials == Specials::AllOnes ? all - 1 : all;
}

} // namespace

Value MathEmitter::decode(Value codes, Format format) {
  const FormatInfo &row = numerics::info(format);
  Value code = arith::ExtUIOp::create(builder, loc, intType(32), codes);
  auto is = [&](Value a, int64_t b) {
    return compare(CmpIPredicate::eq, a, i32(b));
  };
  if (format == Format::F8E8M0FNU) {
    Value power = select(is(code, 0), i32(0x400000), shl(code, 23));
    return fromBits(select(is(code, 0xff), i32(kNaNBits), power), f32());
  }
  Value magnitude = andi(code, i32(magnitudeMask(row)));
  Value top = fromBits(shl(magnitude, 23 - row.mantissaBits), f32());
  Value value =
      bits(mul(top, constant(std::ldexp(1.0, 127 - row.bias), f32())));
  if (row.specials == Specials::IEEE)
    value =
        select(is(magnitude, lastFinite(row) + 1), i32(kInfinityBits), value);
  int64_t firstNaN = lastFinite(row) + (row.specials == Specials::IEEE ? 2 : 1);
  if (row.specials == Specials::IEEE || row.specials == Specials::AllOnes)
    value = select(compare(CmpIPredicate::uge, magnitude, i32(firstNaN)),
                   i32(kNaNBits), value);
  Value sign = andi(shru(code, row.bits - 1), i32(1));
  value = ori(value, shl(sign, 31));
  if (row.specials == Specials::NegativeZero)
    value = select(is(andi(code, i32(0xff)), 0x80), i32(kNaNBits), value);
  return fromBits(value, f32());
}

/// f32 bits without sign → the f8E8M0FNU code.
static Value encodePower(MathEmitter &m, Value magnitude, bool saturate,
                         PowerRounding rounding) {
  auto is = [&](CmpIPredicate p, Value a, int64_t b) {
    return m.compare(p, a, m.i32(b));
  };
  Value code = m.shru(magnitude, 23);
  Value denormal = is(CmpIPredicate::eq, code, 0);
  Value rest =
      m.select(denormal, magnitude, m.andi(magnitude, m.i32(0x7fffff)));
  // 2^-127 is f32's 0x400000, and half way up from it is 0x600000.
  if (rounding != PowerRounding::Down) {
    bool up = rounding == PowerRounding::Up;
    Value limit = m.select(denormal, m.i32(up ? 0x400001 : 0x600000),
                           m.i32(up ? 1 : 0x400000));
    Value carry = m.compare(CmpIPredicate::uge, rest, limit);
    code = m.addi(code, m.select(carry, m.i32(1), m.i32(0)));
  }
  Value large = is(CmpIPredicate::uge, code, 0xff);
  code = m.select(large, m.i32(saturate ? 0xfe : 0xff), code);
  code = m.select(is(CmpIPredicate::eq, magnitude, 0),
                  m.i32(saturate ? 0 : 0xff), code);
  return m.select(is(CmpIPredicate::ugt, magnitude, kInfinityBits), m.i32(0xff),
                  code);
}

Value MathEmitter::encode(Value x, Format format, bool saturate,
                          PowerRounding rounding) {
  const FormatInfo &row = numerics::info(format);
  Value pattern = bits(x);
  Value magnitude = andi(pattern, i32(0x7fffffff));
  if (format == Format::F8E8M0FNU)
    return arith::TruncIOp::create(
        builder, loc, intType(8),
        encodePower(*this, magnitude, saturate, rounding));
  int drop = 23 - row.mantissaBits;
  // Normal codes: half to even on the pattern, then the exponent's other bias.
  Value odd = andi(shru(magnitude, drop), i32(1));
  Value rounded =
      addi(magnitude, addi(odd, i32((int64_t(1) << (drop - 1)) - 1)));
  int64_t rebias = int64_t(127 - row.bias) << row.mantissaBits;
  Value normal = subi(shru(rounded, drop), i32(rebias));
  // Denormal codes count steps of 2^(1 - bias - mantissa bits): the magic
  // number rounds.
  Value magic = f32(0x1.8p+23f);
  Value scaled =
      mul(fromBits(magnitude, f32()),
          constant(std::ldexp(1.0, row.bias - 1 + row.mantissaBits), f32()));
  Value denormal = subi(bits(add(scaled, magic)), bits(magic));
  int64_t leastNormal = int64_t(128 - row.bias) << 23;
  Value small = compare(CmpIPredicate::ult, magnitude, i32(leastNormal));
  Value code = select(small, denormal, normal);

  int64_t last = lastFinite(row), all = magnitudeMask(row);
  bool none = row.specials == Specials::None,
       fnuz = row.specials == Specials::NegativeZero;
  int64_t overflow = saturate || none                 ? last
                     : row.specials == Specials::IEEE ? last + 1
                                                      : all;
  Value over = compare(CmpIPredicate::ugt, code, i32(last));
  Value sign = shl(shru(pattern, 31), row.bits - 1);
  Value isNaN = compare(CmpIPredicate::ugt, magnitude, i32(kInfinityBits));
  code = select(over, i32(overflow), code);
  if (fnuz) {
    // No -0: that pattern is NaN.
    sign = select(compare(CmpIPredicate::eq, code, i32(0)), i32(0), sign);
    Value lost = saturate ? isNaN : ori(isNaN, over);
    code = select(lost, i32(0x80), ori(code, sign));
  } else if (none) {
    code = select(isNaN, i32(0), ori(code, sign));
  } else {
    bool ieee = row.specials == Specials::IEEE;
    int64_t nan =
        ieee ? last + 1 + (int64_t(1) << (row.mantissaBits - 1)) : all;
    code = ori(select(isNaN, i32(nan), code), sign);
  }
  return arith::TruncIOp::create(builder, loc, intType(8), code);
}

} // namespace quantc::onnx_ir
