//===- Formats.cpp - Stored types: one row a format -----------------------===//

#include "quantc/Numerics/Formats.h"

#include <cmath>
#include <limits>

namespace quantc::numerics {
namespace {

constexpr FormatInfo signedRow(Format format, const char *name, uint8_t bits) {
  double half = 1;
  for (int i = 1; i < bits; ++i)
    half *= 2;
  return {format, name, bits,           true,  true,    0,
          0,      0,    Specials::None, -half, half - 1};
}

constexpr FormatInfo unsignedRow(Format format, const char *name,
                                 uint8_t bits) {
  double full = 1;
  for (int i = 0; i < bits; ++i)
    full *= 2;
  return {format, name, bits,           true, false,   0,
          0,      0,    Specials::None, 0,    full - 1};
}

constexpr FormatInfo floatRow(Format format, const char *name, uint8_t exponent,
                              uint8_t mantissa, int16_t bias, Specials specials,
                              double qmax) {
  return {format,   name, static_cast<uint8_t>(1 + exponent + mantissa),
          false,    true, exponent,
          mantissa, bias, specials,
          -qmax,    qmax};
}

// In the order of the enum.
constexpr FormatInfo kTable[kFormatCount] = {
    signedRow(Format::SI1, "si1", 1),
    signedRow(Format::SI2, "si2", 2),
    signedRow(Format::SI3, "si3", 3),
    signedRow(Format::SI4, "si4", 4),
    signedRow(Format::SI5, "si5", 5),
    signedRow(Format::SI6, "si6", 6),
    signedRow(Format::SI7, "si7", 7),
    signedRow(Format::SI8, "si8", 8),
    unsignedRow(Format::UI1, "ui1", 1),
    unsignedRow(Format::UI2, "ui2", 2),
    unsignedRow(Format::UI3, "ui3", 3),
    unsignedRow(Format::UI4, "ui4", 4),
    unsignedRow(Format::UI5, "ui5", 5),
    unsignedRow(Format::UI6, "ui6", 6),
    unsignedRow(Format::UI7, "ui7", 7),
    unsignedRow(Format::UI8, "ui8", 8),
    signedRow(Format::SI16, "si16", 16),
    unsignedRow(Format::UI16, "ui16", 16),
    signedRow(Format::SI32, "si32", 32),
    floatRow(Format::F32, "f32", 8, 23, 127, Specials::IEEE,
             std::numeric_limits<float>::max()),
    floatRow(Format::F16, "f16", 5, 10, 15, Specials::IEEE, 65504),
    floatRow(Format::BF16, "bf16", 8, 7, 127, Specials::IEEE, 0x1.fep+127),
    floatRow(Format::F8E4M3FN, "f8E4M3FN", 4, 3, 7, Specials::AllOnes, 448),
    floatRow(Format::F8E4M3FNUZ, "f8E4M3FNUZ", 4, 3, 8, Specials::NegativeZero,
             240),
    floatRow(Format::F8E5M2, "f8E5M2", 5, 2, 15, Specials::IEEE, 57344),
    floatRow(Format::F8E5M2FNUZ, "f8E5M2FNUZ", 5, 2, 16, Specials::NegativeZero,
             57344),
    floatRow(Format::F6E2M3FN, "f6E2M3FN", 2, 3, 1, Specials::None, 7.5),
    floatRow(Format::F6E3M2FN, "f6E3M2FN", 3, 2, 3, Specials::None, 28),
    floatRow(Format::F4E2M1FN, "f4E2M1FN", 2, 1, 1, Specials::None, 6),
    {Format::F8E8M0FNU, "f8E8M0FNU", 8, false, false, 8, 0, 127,
     Specials::PowerOfTwo, 0x1p-127, 0x1p+127},
};

uint32_t bitsOf(float x) {
  uint32_t bits;
  std::memcpy(&bits, &x, sizeof(bits));
  return bits;
}

float fromBits(uint32_t bits) {
  float x;
  std::memcpy(&x, &bits, sizeof(x));
  return x;
}

uint32_t lowBits(unsigned bits) { return bits == 32 ? ~0u : (1u << bits) - 1; }

uint32_t encodeInteger(const FormatInfo &row, float x) {
  // NaN fails the first comparison and takes qmin.
  if (!(static_cast<double>(x) > row.qmin))
    return static_cast<uint32_t>(static_cast<int64_t>(row.qmin));
  if (static_cast<double>(x) >= row.qmax)
    return static_cast<uint32_t>(static_cast<int64_t>(row.qmax));
  return static_cast<uint32_t>(static_cast<int64_t>(roundEven(x)));
}

/// Magnitude code of the greatest finite value.
uint32_t maxFiniteCode(const FormatInfo &row) {
  uint32_t all = lowBits(row.bits - 1u);
  switch (row.specials) {
  case Specials::IEEE:
    return all - (1u << row.mantissaBits);
  case Specials::AllOnes:
    return all - 1;
  default:
    return all;
  }
}

/// NaN's code; only for formats that have one.
uint32_t nanCode(const FormatInfo &row, uint32_t sign) {
  switch (row.specials) {
  case Specials::IEEE:
    return sign | (lowBits(row.exponentBits) << row.mantissaBits) |
           (1u << (row.mantissaBits - 1));
  case Specials::AllOnes:
    return sign | lowBits(row.bits - 1u);
  default:
    return 1u << (row.bits - 1);
  }
}

uint32_t encodeFloat(const FormatInfo &row, float x, bool saturate) {
  uint32_t pattern = bitsOf(x);
  uint32_t magnitude = pattern & 0x7fffffffu;
  uint32_t sign = (pattern >> 31) << (row.bits - 1);
  if (magnitude > 0x7f800000u)
    return row.specials == Specials::None ? 0 : nanCode(row, sign);

  // |x| = mantissa * 2^(exponent - 150), rounded to a multiple of the quantum
  // 2^(e - mantissaBits), where e is clamped to the exponent of denormals. A
  // carry out of the mantissa lands in the exponent field, as it should.
  int exponent = static_cast<int>(magnitude >> 23);
  uint32_t mantissa = magnitude & 0x7fffffu;
  if (exponent == 0)
    exponent = 1;
  else
    mantissa |= 0x800000u;
  int e = exponent - 127;
  if (e < 1 - row.bias)
    e = 1 - row.bias;
  int shift = e - row.mantissaBits - (exponent - 150);
  uint32_t q = 0;
  if (shift <= 0) {
    q = mantissa;
  } else if (shift <= 25) {
    uint32_t half = 1u << (shift - 1);
    uint32_t rest = mantissa & ((half << 1) - 1);
    q = mantissa >> shift;
    q += rest > half || (rest == half && (q & 1));
  }
  uint32_t code = (static_cast<uint32_t>(e + row.bias - 1) << row.mantissaBits);
  code += q;

  uint32_t most = maxFiniteCode(row);
  if (code > most) {
    bool infinite =
        row.specials == Specials::IEEE && !(saturate && row.bits == 8);
    if (infinite)
      code = most + 1;
    else if (saturate || row.specials == Specials::None)
      code = most;
    else
      return nanCode(row, sign);
  }
  if (code == 0 && row.specials == Specials::NegativeZero)
    return 0;
  return sign | code;
}

} // namespace

const FormatInfo &info(Format format) {
  return kTable[static_cast<int>(format)];
}

std::optional<Format> parseFormat(std::string_view name) {
  for (const FormatInfo &row : kTable)
    if (name == row.name)
      return row.format;
  return std::nullopt;
}

std::optional<Format> integerFormat(unsigned bits, bool isSigned) {
  for (const FormatInfo &row : kTable)
    if (row.isInteger && row.bits == bits && row.isSigned == isSigned)
      return row.format;
  return std::nullopt;
}

int maxExponent(Format format) { return std::ilogb(info(format).qmax); }

int64_t decodeInteger(Format format, uint32_t code) {
  const FormatInfo &row = info(format);
  code &= lowBits(row.bits);
  int64_t value = code;
  if (row.isSigned && (code >> (row.bits - 1)) != 0)
    value -= int64_t(1) << row.bits;
  return value;
}

float decode(Format format, uint32_t code) {
  const FormatInfo &row = info(format);
  if (row.isInteger)
    return static_cast<float>(decodeInteger(format, code));
  constexpr float nan = std::numeric_limits<float>::quiet_NaN();
  code &= lowBits(row.bits);
  switch (format) {
  case Format::F32:
    return fromBits(code);
  case Format::F16:
    return f16ToF32(static_cast<uint16_t>(code));
  case Format::BF16:
    return bf16ToF32(static_cast<uint16_t>(code));
  case Format::F8E8M0FNU:
    return code == 0xff ? nan : std::ldexp(1.0f, static_cast<int>(code) - 127);
  default:
    break;
  }
  bool negative = (code >> (row.bits - 1)) != 0;
  uint32_t magnitude = code & lowBits(row.bits - 1u);
  float value;
  if (row.specials == Specials::NegativeZero && negative && magnitude == 0)
    return nan;
  if (magnitude > maxFiniteCode(row)) {
    bool infinite =
        row.specials == Specials::IEEE && magnitude == maxFiniteCode(row) + 1;
    value = infinite ? std::numeric_limits<float>::infinity() : nan;
  } else {
    int exponent = static_cast<int>(magnitude >> row.mantissaBits);
    uint32_t mantissa = magnitude & lowBits(row.mantissaBits);
    if (exponent == 0)
      exponent = 1;
    else
      mantissa |= 1u << row.mantissaBits;
    value = std::ldexp(static_cast<float>(mantissa),
                       exponent - row.bias - row.mantissaBits);
  }
  return negative ? -value : value;
}

uint32_t encodeE8M0(float x, PowerRounding rounding, bool saturate) {
  uint32_t magnitude = bitsOf(x) & 0x7fffffffu;
  if (magnitude > 0x7f800000u)
    return 0xff;
  if (magnitude == 0x7f800000u)
    return saturate ? 0xfe : 0xff;
  if (magnitude == 0)
    return saturate ? 0 : 0xff;
  uint32_t code = magnitude >> 23;
  // Above 2^-126 a code's power has mantissa 0; 2^-127 is f32's 0x400000, and
  // half way up from it is 0x600000.
  uint32_t above = code == 0 ? magnitude : magnitude & 0x7fffffu;
  uint32_t power = code == 0 ? 0x400000u : 0;
  uint32_t half = code == 0 ? 0x600000u : 0x400000u;
  bool up = (rounding == PowerRounding::Up && above > power) ||
            (rounding == PowerRounding::Nearest && above >= half);
  code += up;
  if (code == 0xff)
    return saturate ? 0xfe : 0xff;
  return code;
}

uint32_t encode(Format format, float x, bool saturate) {
  const FormatInfo &row = info(format);
  if (row.isInteger)
    return encodeInteger(row, x);
  if (format == Format::F32)
    return bitsOf(x);
  if (format == Format::F8E8M0FNU)
    return encodeE8M0(x, PowerRounding::Nearest, saturate);
  return encodeFloat(row, x, saturate);
}

std::vector<float> decodeTable(Format format) {
  std::vector<float> table(size_t(1) << info(format).bits);
  for (size_t code = 0; code < table.size(); ++code)
    table[code] = decode(format, static_cast<uint32_t>(code));
  return table;
}

} // namespace quantc::numerics
