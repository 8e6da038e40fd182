//===- MathTables.h - Polynomials of exp, erf, tanh, log --------*- C++ -*-===//
//
// Coefficients and exact evaluation steps of the elementary functions. The
// scalar functions of Math.h and the vector code that the compiler emits read
// the same tables and do the same float operations in the same order, so they
// agree bit for bit (NaN payloads apart) on every machine.
//
// Notation of the steps: every line is one f32 operation, rounded to nearest
// even. `fma(a, b, c)` is one operation with one rounding; `*`, `+`, `-`, `/`
// are never contracted. `bits(x)` is the pattern as i32, `float(i)` the
// reverse; integer operations wrap. `horner(C, x)` of a table C[0..n-1] of
// rising powers:
//     p = C[n-1];  p = fma(p, x, C[i])  for i = n-2 ... 0
// `select(c, a, b)` evaluates both sides; comparisons are false on NaN, and the
// operands are written so that a NaN argument gives a NaN.
//
// The coefficients were fitted here for quantc: Remez exchange with relative
// weight on the interval named, one coefficient after the other rounded to f32
// and the rest fitted again. utils/fit_polynomials.py does it anew.
//
// exp(x)                                                    at most 1 ulp
//     y  = select(x < kExpLow,  kExpLow,  x)
//     y  = select(y > kExpHigh, kExpHigh, y)
//     t  = fma(y, kLog2E, kRoundMagic)      the low bits of t hold round(y/ln
//     2) n  = t - kRoundMagic k  = bits(t) - bits(kRoundMagic)      i32, in
//     [-150, 128] r  = fma(n, -kLn2Hi, y) r  = fma(n, -kLn2Lo, r) p  =
//     horner(kExp, r) k1 = k >> 1 (arithmetic) k2 = k - k1 p  = p * float((k1 +
//     127) << 23)      exact p  = p * float((k2 + 127) << 23)      rounds once:
//     denormals, 0, infinity
//   exp(-inf) = 0, exp(inf) = inf, exp(0) = 1.
//
// tanh(x)                                                   at most 1.5 ulp
//     a  = |x|
//     s  = a * a
//     u  = a * s
//     q  = fma(horner(kTanh, s), u, a)      small arguments
//     d  = exp(a + a) + 1
//     b  = 1 - 2 / d                        two operations
//     y  = copysign(select(a > kTanhSplit, b, q), x)
//
// erf(x)                                                    at most 1.1 ulp
//     a  = |x|
//     s  = a * a
//     q  = fma(horner(kErfSmall, s), a, a)  small arguments
//     c  = select(a > kErfHigh, kErfHigh, a)
//     v  = horner(kErfLarge, c)
//     v  = fma(v, c, -c)                    log(erfc(c))
//     b  = 1 - exp(v)
//     y  = copysign(select(a > kErfSplit, b, q), x)
//
// log(x)                                                    at most 1 ulp
//     small = x < kMinNormal                true for 0 and negatives too
//     y  = select(small, x * kTwo23, x)
//     e0 = select(small, -23, 0)            i32
//     i  = bits(y) - bits(kSqrtHalf)
//     e  = (i >> 23) (arithmetic)
//     f  = float(bits(y) - (e << 23)) - 1   mantissa in [sqrt(1/2), sqrt(2)) -
//     1 n  = i32 to f32 of (e + e0)           exact s  = f * f q  =
//     horner(kLog, f) * f r  = n * kLn2Lo r  = fma(q, s, r) r  = fma(-0.5, s,
//     r) r  = r + f r  = fma(n, kLn2Hi, r) r  = select(x == inf, inf, r) r  =
//     select(x == 0, -inf, r) r  = select(x >= 0, r, NaN)           negatives
//     and NaN
//
// sigmoid(x) = 1 / (1 + exp(-x))                            at most 2.5 ulp
//     e  = exp(-|x|)
//     y  = select(x < 0, e, 1) / (e + 1)    NaN: exp(NaN) in the denominator
//
// gelu(x) = x Phi(x) = max(x, 0) - |x| Phi(-|x|), absolutely to 3e-8 max(1,
// |x|)
//     a  = |x|
//     p  = horner(kGelu, a)
//     t  = fma(p, a, kRoundMagic)           Phi(-a) = 2^(p a) / 2
//     n  = t - kRoundMagic
//     r  = fma(p, a, -n)
//     e  = float(bits(horner(kExp2Half, r)) + (bits(t) << 23))
//     u  = select(a < kGeluHigh, a * e, 0)
//     y  = select(x < 0, 0, x) - u
//   gelu(-inf) = 0. No division, no second polynomial near zero: it costs half
//   of 0.5 x (1 + erf(x / sqrt(2))).
//
//===----------------------------------------------------------------------===//
#ifndef QUANTC_NUMERICS_MATHTABLES_H
#define QUANTC_NUMERICS_MATHTABLES_H

namespace quantc::numerics {

// Shared constants.
inline constexpr float kLog2E = 0x1.715476p+0f;
/// ln 2 in two parts: the high one has 16 significant bits.
inline constexpr float kLn2Hi = 0x1.62e4p-1f;
inline constexpr float kLn2Lo = 0x1.7f7d1cp-20f;
/// 1.5 * 2^23: adding it rounds a small float to an integer, half to even.
inline constexpr float kRoundMagic = 0x1.8p+23f;
inline constexpr float kMinNormal = 0x1p-126f;
inline constexpr float kTwo23 = 0x1p+23f;
inline constexpr float kSqrtHalf = 0x1.6a09e6p-1f;

// exp: below kExpLow the result is 0, above kExpHigh it is infinity. The
// polynomial is exp(r) on |r| <= ln(2)/2, error 2^-28.2.
inline constexpr float kExpLow = -104.0f;
inline constexpr float kExpHigh = 89.0f;
inline constexpr float kExp[] = {1.0f,           1.0f,           0x1.fffffcp-2f,
                                 0x1.55548cp-3f, 0x1.555858p-5f, 0x1.123de2p-7f,
                                 0x1.6ac6e2p-10f};

// tanh: (tanh(a) / a - 1) / a^2 in s = a^2, error 2^-31.4 for a <= kTanhSplit.
inline constexpr float kTanhSplit = 0x1.5p-1f;
inline constexpr float kTanh[] = {-0x1.555552p-2f, 0x1.110fe8p-3f,
                                  -0x1.b9d632p-5f, 0x1.62873ep-6f,
                                  -0x1.071316p-7f, 0x1.078ad6p-9f};

// erf: erf(a) / a - 1 in s = a^2, error 2^-30.0 for a <= kErfSplit;
// above, log(erfc(c)) / c + 1 in c, error 2^-28.4 of the result. erf(kErfHigh)
// rounds to 1.
inline constexpr float kErfSplit = 0x1.ep-1f;
inline constexpr float kErfHigh = 4.0f;
inline constexpr float kErfSmall[] = {
    0x1.06eba8p-3f, -0x1.812740p-2f,  0x1.ce2d64p-4f, -0x1.b80120p-6f,
    0x1.544aa8p-8f, -0x1.a6126ep-11f, 0x1.4f8e58p-14f};
inline constexpr float kErfLarge[] = {-0x1.072f7cp-3f, -0x1.457f70p-1f,
                                      -0x1.af0c1ep-4f, 0x1.76c2acp-6f,
                                      -0x1.a4b8dcp-9f, 0x1.bf76c2p-13f};

// log: (log(1 + f) - f + f^2 / 2) / f^3, error 2^-27.9 of the result.
inline constexpr float kLog[] = {
    0x1.555554p-2f, -0x1.ffffd0p-3f, 0x1.999ab4p-3f, -0x1.5564d2p-3f,
    0x1.2479d4p-3f, -0x1.fc9f76p-4f, 0x1.c64134p-4f, -0x1.bf8712p-4f,
    0x1.ab717ap-4f, -0x1.c725d8p-5f};

// gelu: (log2(Phi(-a)) + 1) / a for a <= kGeluHigh, error 2^-26.2 of the
// result; 2^r / 2 on |r| <= 1/2, error 2^-27.4.
inline constexpr float kGeluHigh = 6.0f;
inline constexpr float kGelu[] = {
    -0x1.26af36p+0f,  -0x1.d62ea8p-2f,  -0x1.af1f2ep-5f, 0x1.dace5cp-8f,
    -0x1.1d059ep-12f, -0x1.13e304p-13f, 0x1.d6ed8cp-16f, -0x1.fec9aep-20f};
inline constexpr float kExp2Half[] = {
    0x1.000000p-1f, 0x1.62e432p-2f,  0x1.ebfbe6p-4f, 0x1.c6ada8p-6f,
    0x1.3b21cap-8f, 0x1.5fbba8p-11f, 0x1.4b9e4ap-14f};

} // namespace quantc::numerics

#endif // QUANTC_NUMERICS_MATHTABLES_H
