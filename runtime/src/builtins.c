/*===-- builtins.c - What LLVM calls where an ISA lacks an instruction
 * ------===*
 *
 * The library may need nothing but the C library, so the few compiler built-ins
 * that generated code can come to need are here: conversions to and from the
 * 16-bit floats, and the remainder that `frem` becomes. Names and meaning are
 * those of compiler-rt and C11.
 *
 *===----------------------------------------------------------------------===*/
#include <stdint.h>
#include <string.h>

_Float16 __truncsfhf2(float x);
_Float16 __truncdfhf2(double x);
float __extendhfsf2(_Float16 x);
__bf16 __truncsfbf2(float x);
__bf16 __truncdfbf2(double x);
float fmodf(float x, float y);
double fmod(double x, double y);

static uint64_t bits_of(double x) {
  uint64_t b;
  memcpy(&b, &x, 8);
  return b;
}

/* A float of 16 bits with `fraction` bits of fraction and `bias`, rounded once
 * and to even from a double, which holds every float exactly. */
static uint16_t narrow(double x, int fraction, int bias) {
  uint64_t b = bits_of(x);
  uint16_t sign = (uint16_t)(b >> 48 & 0x8000);
  uint16_t infinity = (uint16_t)((2 * bias + 1) << fraction);
  int exponent = (int)(b >> 52 & 0x7ff) - 1023;
  uint64_t significand = (b & 0xfffffffffffffull) | 1ull << 52;
  uint64_t kept, rest, half;
  int drop = 52 - fraction, field = exponent + bias;
  if (exponent == 1024) {
    if (significand != 1ull << 52) /* NaN: quiet, payload's top kept */
      return (uint16_t)(sign | infinity | 1u << (fraction - 1) |
                        (significand >> drop & ((1u << fraction) - 1)));
    return sign | infinity;
  }
  if (exponent > bias)
    return sign | infinity;
  if (field <= 0) { /* subnormal or zero */
    drop += 1 - field;
    field = 0;
    if (drop > 54)
      return sign;
  }
  kept = significand >> drop;
  rest = significand & ((1ull << drop) - 1);
  half = 1ull << (drop - 1);
  kept += rest > half || (rest == half && (kept & 1));
  /* The leading one adds to the exponent field; so does a carry. */
  if (field > 0)
    kept += (uint64_t)(field - 1) << fraction;
  return (uint16_t)(sign | kept);
}

_Float16 __truncdfhf2(double x) {
  uint16_t b = narrow(x, 10, 15);
  _Float16 h;
  memcpy(&h, &b, 2);
  return h;
}

_Float16 __truncsfhf2(float x) { return __truncdfhf2((double)x); }

__bf16 __truncdfbf2(double x) {
  uint16_t b = narrow(x, 7, 127);
  __bf16 h;
  memcpy(&h, &b, 2);
  return h;
}

__bf16 __truncsfbf2(float x) { return __truncdfbf2((double)x); }

float __extendhfsf2(_Float16 x) {
  uint16_t h;
  uint32_t sign, exponent, fraction, b;
  float result;
  memcpy(&h, &x, 2);
  sign = (uint32_t)(h & 0x8000) << 16;
  exponent = h >> 10 & 31;
  fraction = h & 1023;
  if (exponent == 31) {
    b = 0x7f800000 | fraction << 13 | (fraction ? 0x400000 : 0);
  } else if (exponent == 0) { /* fraction * 2^-24, exact */
    result = (float)fraction * 0x1p-24f;
    memcpy(&b, &result, 4);
  } else {
    b = (exponent + 112) << 23 | fraction << 13;
  }
  b |= sign;
  memcpy(&result, &b, 4);
  return result;
}

/* x - n * y for the integer n that rounds x / y towards zero; exact. */
double fmod(double x, double y) {
  const uint64_t one = 1ull << 52, fraction = one - 1;
  uint64_t a = bits_of(x), b = bits_of(y), sign = a & 1ull << 63;
  int ea, eb;
  double result;
  a &= ~(1ull << 63);
  b &= ~(1ull << 63);
  if (b == 0 || a >= 0x7ffull << 52 || b > 0x7ffull << 52)
    return (x * y) / (x * y);
  if (a < b)
    return x;
  ea = (int)(a >> 52);
  eb = (int)(b >> 52);
  a = ea ? (a & fraction) | one : a;
  b = eb ? (b & fraction) | one : b;
  ea += ea == 0;
  eb += eb == 0;
  for (a %= b; ea > eb; --ea) {
    a <<= 1;
    if (a >= b)
      a -= b;
  }
  if (a == 0) {
    a = sign;
  } else {
    while (a < one && ea > 1) {
      a <<= 1;
      --ea;
    }
    a = sign | (a < one ? a : ((uint64_t)ea << 52 | (a & fraction)));
  }
  memcpy(&result, &a, 8);
  return result;
}

/* The remainder of two floats is a float: nothing is rounded. */
float fmodf(float x, float y) { return (float)fmod(x, y); }
