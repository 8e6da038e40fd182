//===- Math.cpp - Our own exp, tanh, erf, log -----------------------------===//
//
// A transcription of the steps in MathTables.h. Compiled with
// -ffp-contract=off: a fused operation stands only where std::fma is written.
//
//===----------------------------------------------------------------------===//
#include "quantc/Numerics/Math.h"

#include "quantc/Numerics/MathTables.h"

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>

namespace quantc::numerics {
namespace {

int32_t bits(float x) {
  int32_t i;
  std::memcpy(&i, &x, sizeof(i));
  return i;
}

float fromBits(uint32_t i) {
  float x;
  std::memcpy(&x, &i, sizeof(x));
  return x;
}

// Wrapping difference: a NaN argument makes these patterns arbitrary.
int32_t wrapSub(int32_t a, int32_t b) {
  return static_cast<int32_t>(static_cast<uint32_t>(a) -
                              static_cast<uint32_t>(b));
}

template <size_t N>
float horner(const float (&c)[N], float x) {
  float p = c[N - 1];
  for (size_t i = N - 1; i-- > 0;)
    p = std::fma(p, x, c[i]);
  return p;
}

/// 2^k for k in [-126, 127].
float powerOfTwo(int32_t k) {
  return fromBits((static_cast<uint32_t>(k) + 127u) << 23);
}

} // namespace

float expF32(float x) {
  float y = x < kExpLow ? kExpLow : x;
  y = y > kExpHigh ? kExpHigh : y;
  float t = std::fma(y, kLog2E, kRoundMagic);
  float n = t - kRoundMagic;
  int32_t k = wrapSub(bits(t), bits(kRoundMagic));
  float r = std::fma(n, -kLn2Hi, y);
  r = std::fma(n, -kLn2Lo, r);
  float p = horner(kExp, r);
  int32_t k1 = k >> 1;
  int32_t k2 = wrapSub(k, k1);
  p = p * powerOfTwo(k1);
  return p * powerOfTwo(k2);
}

float tanhF32(float x) {
  float a = std::fabs(x);
  float s = a * a;
  float u = a * s;
  float q = std::fma(horner(kTanh, s), u, a);
  float d = expF32(a + a) + 1.0f;
  float b = 1.0f - 2.0f / d;
  return std::copysign(a > kTanhSplit ? b : q, x);
}

float erfF32(float x) {
  float a = std::fabs(x);
  float s = a * a;
  float q = std::fma(horner(kErfSmall, s), a, a);
  float c = a > kErfHigh ? kErfHigh : a;
  float v = horner(kErfLarge, c);
  v = std::fma(v, c, -c);
  float b = 1.0f - expF32(v);
  return std::copysign(a > kErfSplit ? b : q, x);
}

float logF32(float x) {
  constexpr float inf = std::numeric_limits<float>::infinity();
  bool small = x < kMinNormal;
  float y = small ? x * kTwo23 : x;
  int32_t e0 = small ? -23 : 0;
  int32_t e = wrapSub(bits(y), bits(kSqrtHalf)) >> 23;
  float f = fromBits(static_cast<uint32_t>(bits(y)) -
                     (static_cast<uint32_t>(e) << 23)) -
            1.0f;
  float n = static_cast<float>(e + e0);
  float s = f * f;
  float q = horner(kLog, f) * f;
  float r = n * kLn2Lo;
  r = std::fma(q, s, r);
  r = std::fma(-0.5f, s, r);
  r = r + f;
  r = std::fma(n, kLn2Hi, r);
  r = x == inf ? inf : r;
  r = x == 0.0f ? -inf : r;
  return x >= 0.0f ? r : std::numeric_limits<float>::quiet_NaN();
}

float sigmoidF32(float x) {
  float e = expF32(-std::fabs(x));
  return (x < 0.0f ? e : 1.0f) / (e + 1.0f);
}

float geluF32(float x) {
  float a = std::fabs(x);
  float p = horner(kGelu, a);
  float t = std::fma(p, a, kRoundMagic);
  float n = t - kRoundMagic;
  float r = std::fma(p, a, -n);
  float e = fromBits(static_cast<uint32_t>(bits(horner(kExp2Half, r))) +
                     (static_cast<uint32_t>(bits(t)) << 23));
  float u = a < kGeluHigh ? a * e : 0.0f;
  return (x < 0.0f ? 0.0f : x) - u;
}

} // namespace quantc::numerics
