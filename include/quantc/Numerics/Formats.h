//===- Formats.h - Stored types: one row a format ---------------*- C++ -*-===//
//
// What a low-bit value may be stored as, and the two functions that give the
// bits a meaning. A new stored type is a new row of the table in Formats.cpp.
//
// Integers are two's complement. The small floats are those of OCP "8-bit
// Floating Point (OFP8)" and "Microscaling Formats (MX) v1.0", the FNUZ ones of
// arXiv:2206.02915; conversions follow the tables of ONNX Cast.
//
// A *code* is the value's bits: the low `bits` bits count, those above are the
// sign extension of a signed integer and zero otherwise, so that a code
// truncated to the storage width (8, 16 or 32 bits) is what is stored.
//
//===----------------------------------------------------------------------===//
#ifndef QUANTC_NUMERICS_FORMATS_H
#define QUANTC_NUMERICS_FORMATS_H

#include <cstdint>
#include <cstring>
#include <optional>
#include <string_view>
#include <vector>

namespace quantc::numerics {

enum class Format : uint8_t {
  SI1,
  SI2,
  SI3,
  SI4,
  SI5,
  SI6,
  SI7,
  SI8,
  UI1,
  UI2,
  UI3,
  UI4,
  UI5,
  UI6,
  UI7,
  UI8,
  SI16,
  UI16,
  SI32,
  F32,
  F16,
  BF16,
  F8E4M3FN,
  F8E4M3FNUZ,
  F8E5M2,
  F8E5M2FNUZ,
  F6E2M3FN,
  F6E3M2FN,
  F4E2M1FN,
  F8E8M0FNU,
};
inline constexpr int kFormatCount = static_cast<int>(Format::F8E8M0FNU) + 1;

/// Which codes of a float are not finite.
enum class Specials : uint8_t {
  None,         ///< every code is a finite value
  IEEE,         ///< exponent of ones: infinity (mantissa 0) or NaN
  AllOnes,      ///< exponent and mantissa of ones: NaN; no infinity (FN)
  NegativeZero, ///< only 0x80 is NaN; no infinity, no -0 (FNUZ)
  PowerOfTwo,   ///< f8E8M0FNU: no sign, no zero, 0xff is NaN
};

struct FormatInfo {
  Format format;
  const char *name; ///< MLIR's spelling: si4, f8E4M3FN
  uint8_t bits;
  bool isInteger;
  bool isSigned;
  uint8_t exponentBits; ///< 0 for integers
  uint8_t mantissaBits; ///< 0 for integers
  int16_t bias;
  Specials specials;
  double qmin; ///< least finite value; exact for every format
  double qmax; ///< greatest finite value
};

/// The row of a format.
const FormatInfo &info(Format format);

/// Looks a format up by MLIR's spelling (`si4`, `f8E4M3FN`). A bare `i8` is no
/// format: signedness is always explicit.
std::optional<Format> parseFormat(std::string_view name);
inline std::string_view formatName(Format format) { return info(format).name; }

/// The integer format of that width and signedness, if there is one.
std::optional<Format> integerFormat(unsigned bits, bool isSigned);

/// Bytes of one element in unpacked storage: 1 up to 8 bits, then 2 and 4.
inline unsigned storageBytes(Format format) {
  return (info(format).bits + 7) / 8;
}

/// Largest exponent e with 2^e <= qmax: the `emax` of the MX specification.
int maxExponent(Format format);

/// The value of a code. Exact, except that si32 beyond 2^24 rounds to nearest.
float decode(Format format, uint32_t code);

/// The value of an integer code, exact.
int64_t decodeInteger(Format format, uint32_t code);

/// The code nearest to `x`, ties to the even code.
///
/// Integers: rounded, then clamped to [qmin, qmax]; NaN gives qmin.
/// f32, f16, bf16: IEEE conversion, overflow is infinity.
/// FP8: ONNX's table; with `saturate` everything too large and infinity become
/// +-qmax, without it NaN (infinity for f8E5M2). NaN keeps its sign.
/// FP6, FP4: always saturate; NaN gives +0, for they have none.
/// f8E8M0FNU: see encodeE8M0 with Nearest.
uint32_t encode(Format format, float x, bool saturate = true);

/// Rounding of a scale to a power of two, ONNX Cast's `round_mode`. A tie of
/// Nearest goes to the larger power.
enum class PowerRounding : uint8_t { Up, Down, Nearest };

/// Code of |x| as a power of two in [2^-127, 2^127]. With `saturate`, what is
/// smaller or zero gives 2^-127 and what is larger or infinite 2^127; without
/// it zero, infinity and overflow give NaN (0xff). NaN stays NaN.
uint32_t encodeE8M0(float x, PowerRounding rounding, bool saturate = true);

/// The 2^bits values of a format of at most 8 bits, by code.
std::vector<float> decodeTable(Format format);

// Conversions that weights need by the billion.

inline float bf16ToF32(uint16_t code) {
  uint32_t bits = static_cast<uint32_t>(code) << 16;
  float x;
  std::memcpy(&x, &bits, sizeof(x));
  return x;
}
inline uint16_t f32ToBF16(float x) {
  return static_cast<uint16_t>(encode(Format::BF16, x));
}
inline uint16_t f32ToF16(float x) {
  return static_cast<uint16_t>(encode(Format::F16, x));
}
inline float f16ToF32(uint16_t code) {
  // Shifts the exponent by a multiplication, which is exact and also right for
  // denormals; infinity and NaN get their exponent back afterwards.
  uint32_t magnitude = static_cast<uint32_t>(code & 0x7fffu) << 13;
  float x;
  std::memcpy(&x, &magnitude, sizeof(x));
  x *= 0x1p+112f;
  uint32_t bits;
  std::memcpy(&bits, &x, sizeof(bits));
  if ((code & 0x7c00u) == 0x7c00u)
    bits |= 0x7f800000u;
  bits |= static_cast<uint32_t>(code & 0x8000u) << 16;
  std::memcpy(&x, &bits, sizeof(x));
  return x;
}

/// Round half to even to an integer value; infinities and NaN stay.
inline float roundEven(float x) {
  float a = x < 0 ? -x : x;
  if (!(a < 0x1p+23f))
    return x;
  float r = (a + 0x1p+23f) - 0x1p+23f;
  return x < 0 ? -r : r;
}

} // namespace quantc::numerics

#endif // QUANTC_NUMERICS_FORMATS_H
