/*===-- builtins_test.c - The compiler built-ins --------------------*- C
 * -*-===*
 *
 * Built with builtins.c under other names (test/Runtime/builtins.test). The
 * definition is the oracle: the nearest value, of two equally near ones the
 * even.
 *
 *===----------------------------------------------------------------------===*/
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

_Float16 our_truncsfhf2(float x);
_Float16 our_truncdfhf2(double x);
float our_extendhfsf2(_Float16 x);
__bf16 our_truncsfbf2(float x);
__bf16 our_truncdfbf2(double x);
float our_fmodf(float x, float y);
double our_fmod(double x, double y);

static int failures;

static void expect(int good, const char *what, double x, double y) {
  if (!good && ++failures < 20)
    printf("%s(%a, %a)\n", what, x, y);
}

static uint16_t half_bits(_Float16 h) {
  uint16_t b;
  memcpy(&b, &h, 2);
  return b;
}

static uint16_t bf16_bits(__bf16 h) {
  uint16_t b;
  memcpy(&b, &h, 2);
  return b;
}

/* The value of a 16-bit float that is no NaN; infinity counts as the next value
 * after the largest, as rounding does. */
static double value(uint16_t b, int fraction, int bias) {
  int field = (b & 0x7fff) >> fraction, rest = b & ((1 << fraction) - 1);
  double v = field == 0
                 ? ldexp(rest, 1 - bias - fraction)
                 : ldexp(rest + (1 << fraction), field - bias - fraction);
  return b & 0x8000 ? -v : v;
}

/* Whether `b` is x rounded to nearest, ties to even. */
static int nearest(uint16_t b, double x, int fraction, int bias) {
  uint16_t magnitude = b & 0x7fff, top = (uint16_t)((2 * bias + 1) << fraction);
  double v = fabs(value(b, fraction, bias)), a = fabs(x), next, last;
  if (signbit(x) != (b >> 15))
    return 0;
  if (isinf(x))
    return magnitude == top;
  if (magnitude > top)
    return 0;
  next = value((uint16_t)(magnitude + 1), fraction, bias);
  last = magnitude ? value((uint16_t)(magnitude - 1), fraction, bias) : -1;
  if (a > v)
    return magnitude == top || next - a > a - v ||
           (next - a == a - v && magnitude % 2 == 0);
  return last < 0 || v - a < a - last ||
         (v - a == a - last && magnitude % 2 == 0);
}

static double random_double(void) {
  static uint64_t state = 1;
  double x;
  uint64_t b;
  state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
  b = state ^ state >> 29;
  /* Exponents near those of the small types. */
  b = (b & UINT64_C(0x800fffffffffffff)) | (uint64_t)(990 + b % 60) << 52;
  memcpy(&x, &b, 8);
  return x;
}

static void check_narrow(double x) {
  float f = (float)x;
  expect(nearest(half_bits(our_truncdfhf2(x)), x, 10, 15), "truncdfhf2", x, 0);
  expect(nearest(half_bits(our_truncsfhf2(f)), f, 10, 15), "truncsfhf2", f, 0);
  expect(nearest(bf16_bits(our_truncdfbf2(x)), x, 7, 127), "truncdfbf2", x, 0);
  expect(nearest(bf16_bits(our_truncsfbf2(f)), f, 7, 127), "truncsfbf2", f, 0);
}

static void check_fmod(double x, double y) {
  double mine = our_fmod(x, y), theirs = fmod(x, y);
  float fx = (float)x, fy = (float)y;
  expect(memcmp(&mine, &theirs, 8) == 0 || (isnan(mine) && isnan(theirs)),
         "fmod", x, y);
  expect(our_fmodf(fx, fy) == fmodf(fx, fy) || isnan(fmodf(fx, fy)), "fmodf",
         fx, fy);
}

int main(void) {
  const double special[] = {
      0.0,      -0.0,      1,       -1.5,      65504,     65519.99,      65520,
      1e300,    -1e300,    0x1p-24, 0x1p-25,   0x1.8p-25, 0x1p-26,       3e-320,
      INFINITY, -INFINITY, 5.25,    0x1p-1074, 7,         0x1.fffffep127};
  const int n = sizeof special / sizeof *special;
  int i, j;
  for (i = 0; i < 65536; ++i) {
    uint16_t b = (uint16_t)i;
    _Float16 h;
    float f;
    memcpy(&h, &b, 2);
    f = our_extendhfsf2(h);
    if ((b & 0x7fff) > 0x7c00) {
      expect(isnan(f) && (half_bits(our_truncsfhf2(f)) | 0x200) == (b | 0x200),
             "nan", i, 0);
      continue;
    }
    expect((b & 0x7fff) == 0x7c00 ? isinf(f) : f == value(b, 10, 15),
           "extendhfsf2", i, 0);
    expect(half_bits(our_truncsfhf2(f)) == b, "round trip", i, 0);
    if ((b & 0x7fff) < 0x7c00) { /* half-way to the next, and beside it */
      double middle = (value(b, 10, 15) + value((uint16_t)(b + 1), 10, 15)) / 2;
      check_narrow(middle);
      check_narrow(nextafter(middle, 0));
      check_narrow(nextafter(middle, INFINITY));
    }
  }
  for (i = 0; i < n; ++i) {
    check_narrow(special[i]);
    for (j = 0; j < n; ++j)
      check_fmod(special[i], special[j]);
  }
  for (i = 0; i < 300000; ++i) {
    check_narrow(random_double());
    check_fmod(random_double(), random_double());
  }
  if (!failures)
    printf("passed\n");
  return failures != 0;
}
