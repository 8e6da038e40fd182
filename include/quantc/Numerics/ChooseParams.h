//===- ChooseParams.h - Scales and zero points, as exact formulas *- C++
//-*-===//
//
// Every scheme is a formula over the least and greatest value of a group (and
// for one scheme the mean), in f32, one rounding an operation, in the order
// written; no operation is fused. A kernel that does the same operations has
// the same bits: comparisons are exact, so extrema may be found in any order.
//
// Shared by all schemes:
//   * Extrema ignore NaN: they are updated by `v < lo`, `v > hi`. A group with
//     no number at all has lo = hi = 0.
//   * `lo` and `hi` are first multiplied by `clip` (1 = no clipping).
//   * After its formula the scale is rounded to the scale's format; a finite
//     scale that overflows there becomes the greatest finite value. If it is
//     then zero, whether from a group of zeros or from underflow, it becomes 1.
//     So the stored values are the zero point and dequantize to 0.
//   * Infinities make the scale infinite; the results are defined (IEEE) but
//     useless.
//
//===----------------------------------------------------------------------===//
#ifndef QUANTC_NUMERICS_CHOOSEPARAMS_H
#define QUANTC_NUMERICS_CHOOSEPARAMS_H

#include "quantc/Numerics/Formats.h"

#include <optional>
#include <string_view>

namespace quantc::numerics {

enum class Scheme : uint8_t {
  /// absmax = max(-lo, hi); scale = absmax / qmax, for formats with qmax > 0.
  /// Without clipping stored values lie in [-qmax, qmax]: si8 does not use
  /// -128.
  Symmetric,
  /// The value of greatest magnitude maps to qmin = -2^(b-1), so all codes are
  /// used (llama.cpp's q4_0, q5_0): e = -lo >= hi ? lo : hi; scale = e / qmin,
  /// negative if e is positive. On a tie the negative value decides.
  SignedScale,
  /// lo = min(lo, 0); hi = max(hi, 0); scale = (hi - lo) / (qmax - qmin);
  /// zero_point = roundEven(clamp(qmin - lo / scale, qmin, qmax)), the division
  /// by the rounded scale. With ui8 this is ONNX DynamicQuantizeLinear, where
  /// the specification leaves a tensor of zeros open: ours is scale 1, zero
  /// point 0, as in ONNX Runtime.
  Asymmetric,
  /// scale = (hi - lo) / (qmax - qmin); offset = lo - qmin * scale (two
  /// operations), with the rounded scale: q4_1, q5_1. Zero need not be exact; a
  /// constant group is.
  AsymmetricOffset,
  /// scale = 2^(floor(log2(absmax)) - emax), at least 2^-127, where 2^emax is
  /// the greatest power of two <= qmax: OCP MX v1.0, section 6.3. Denormal
  /// absmax counts as 2^-127.
  PowerOfTwo,
  /// scale = mean(|x|), the sum in row order (Order.h) divided by the count:
  /// binary weights (XNOR-Net, arXiv:1603.05279) and ternary ones (BitNet
  /// b1.58, arXiv:2402.17764). `clip` does not apply.
  MeanAbs,
};

/// `symmetric`, `signed_scale`, `asymmetric`, `asymmetric_offset`,
/// `power_of_two`, `mean_abs`: the spelling of the IR.
std::string_view schemeName(Scheme scheme);
std::optional<Scheme> parseScheme(std::string_view name);

/// Least and greatest value of a group; start from the default and `add`.
struct Extrema {
  float lo = __builtin_inff();
  float hi = -__builtin_inff();

  void add(float v) {
    lo = v < lo ? v : lo;
    hi = v > hi ? v : hi;
  }
  void add(const Extrema &other) {
    lo = other.lo < lo ? other.lo : lo;
    hi = other.hi > hi ? other.hi : hi;
  }
};

/// The least and greatest stored value: of a format, or of a codebook.
struct StoredRange {
  float qmin;
  float qmax;
};
StoredRange storedRange(Format format);

struct Params {
  float scale = 1;
  int32_t zeroPoint = 0; ///< Asymmetric only
  float offset = 0;      ///< AsymmetricOffset only
};

/// The formulas above. MeanAbs is no function of the extrema: its scale is
/// `finishScale(mean, scaleFormat)`, and here it gives the default Params.
Params chooseParams(Scheme scheme, StoredRange range, Extrema extrema,
                    float clip = 1, Format scaleFormat = Format::F32);

/// The last step of every scheme: rounds to `scaleFormat` (a float format) and
/// replaces zero by 1.
float finishScale(float scale, Format scaleFormat);

} // namespace quantc::numerics

#endif // QUANTC_NUMERICS_CHOOSEPARAMS_H
