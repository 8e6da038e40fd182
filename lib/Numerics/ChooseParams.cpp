//===- ChooseParams.cpp - Scales and zero points, as exact formulas -------===//

#include "quantc/Numerics/ChooseParams.h"

#include <cmath>
#include <cstring>
#include <limits>

namespace quantc::numerics {
namespace {

constexpr std::string_view kSchemeNames[] = {
    "symmetric",         "signed_scale", "asymmetric",
    "asymmetric_offset", "power_of_two", "mean_abs"};

/// floor(log2(x)) from the exponent field: -127 for zero and denormals, 128 for
/// infinity.
int floorLog2(float x) {
  uint32_t bits;
  std::memcpy(&bits, &x, sizeof(bits));
  return static_cast<int>((bits >> 23) & 0xff) - 127;
}

float clamp(float x, float lo, float hi) {
  x = x > lo ? x : lo;
  return x < hi ? x : hi;
}

} // namespace

std::string_view schemeName(Scheme scheme) {
  return kSchemeNames[static_cast<int>(scheme)];
}

std::optional<Scheme> parseScheme(std::string_view name) {
  for (int i = 0; i <= static_cast<int>(Scheme::MeanAbs); ++i)
    if (kSchemeNames[i] == name)
      return static_cast<Scheme>(i);
  return std::nullopt;
}

StoredRange storedRange(Format format) {
  return {static_cast<float>(info(format).qmin),
          static_cast<float>(info(format).qmax)};
}

float finishScale(float scale, Format scaleFormat) {
  if (scaleFormat != Format::F32) {
    float most = static_cast<float>(info(scaleFormat).qmax);
    bool finite = std::isfinite(scale);
    scale = decode(scaleFormat, encode(scaleFormat, scale));
    if (finite && std::isinf(scale))
      scale = std::copysign(most, scale);
  }
  return scale == 0 ? 1.0f : scale;
}

Params chooseParams(Scheme scheme, StoredRange range, Extrema extrema,
                    float clip, Format scaleFormat) {
  float lo = extrema.lo, hi = extrema.hi;
  if (!(lo <= hi))
    lo = hi = 0;
  lo = lo * clip;
  hi = hi * clip;
  float absmax = -lo > hi ? -lo : hi;

  Params params;
  switch (scheme) {
  case Scheme::Symmetric:
    params.scale = finishScale(absmax / range.qmax, scaleFormat);
    break;
  case Scheme::SignedScale:
    params.scale = finishScale((-lo >= hi ? lo : hi) / range.qmin, scaleFormat);
    break;
  case Scheme::Asymmetric: {
    lo = lo < 0 ? lo : 0;
    hi = hi > 0 ? hi : 0;
    params.scale =
        finishScale((hi - lo) / (range.qmax - range.qmin), scaleFormat);
    float zeroPoint = range.qmin - lo / params.scale;
    params.zeroPoint = static_cast<int32_t>(
        roundEven(clamp(zeroPoint, range.qmin, range.qmax)));
    break;
  }
  case Scheme::AsymmetricOffset: {
    params.scale =
        finishScale((hi - lo) / (range.qmax - range.qmin), scaleFormat);
    float step = range.qmin * params.scale;
    params.offset = lo - step;
    break;
  }
  case Scheme::PowerOfTwo: {
    if (absmax == 0)
      break;
    int exponent = floorLog2(absmax) - std::ilogb(range.qmax);
    if (exponent < -127)
      exponent = -127;
    params.scale = finishScale(std::ldexp(1.0f, exponent), scaleFormat);
    break;
  }
  case Scheme::MeanAbs:
    break; // Not a function of the extrema; see the header.
  }
  return params;
}

} // namespace quantc::numerics
