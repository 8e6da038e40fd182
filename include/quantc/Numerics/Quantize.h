//===- Quantize.h - The one formula, over arrays ----------------*- C++ -*-===//
//
//     real   = scale * (decode(stored) - zero_point) + offset
//     stored = clamp(round((real - offset) / scale) + zero_point, qmin, qmax)
//
// for any rank and granularity. This is the definition that the plain lowering
// and the kernels are compared with, and what the compiler uses on weights.
//
// Dequantize: integers subtract exactly, convert to f32 (rounding to nearest),
// multiply, add; a codebook or float format decodes to f32 instead.
// Quantize: subtract the offset, divide, round half to even and clamp with the
// zero point (integers; NaN gives qmin), or take the nearest code (floats,
// codebooks). A codebook's tie takes the lower index and NaN index 0; what lies
// outside takes the nearest end.
// With precision f16 or bf16 each real operation, the conversion included, is
// rounded to that format; its operands already are values of it.
//
//===----------------------------------------------------------------------===//
#ifndef QUANTC_NUMERICS_QUANTIZE_H
#define QUANTC_NUMERICS_QUANTIZE_H

#include "quantc/Numerics/ChooseParams.h"
#include "quantc/Numerics/Granularity.h"

#include <string>
#include <vector>

namespace quantc::numerics {

/// 2^bits values, by code; need not be sorted. NF4, IQ4, binary.
struct Codebook {
  std::vector<float> values;

  /// Index of the nearest value: of those with the least |x - v| in f32, the
  /// lowest, after x has been clamped to [min, max] of the values.
  uint32_t nearest(float x) const;
};

/// What a stored value means.
struct Encoding {
  Format format = Format::SI8;
  const Codebook *codebook = nullptr; ///< with an unsigned integer `format`
  Format precision = Format::F32;     ///< F32, F16 or BF16
  bool saturate = true;               ///< FP8 only

  /// Range for chooseParams: the format's, or the codebook's [-max|c|, max|c|].
  StoredRange range() const;
};

/// One element; `code` as in Formats.h. `offset` is ignored with `hasOffset`
/// false, so that -0 survives.
uint32_t quantizeOne(const Encoding &encoding, float real, float scale,
                     int32_t zeroPoint, bool hasOffset, float offset);
float dequantizeOne(const Encoding &encoding, uint32_t code, float scale,
                    int32_t zeroPoint, bool hasOffset, float offset);

/// Arrays of scales and what goes with them, of shape scaleShape(shape, block).
/// `zeroPoint` and `offset` may be null; at most one is not.
struct ScaleArrays {
  const float *scale = nullptr;
  const int32_t *zeroPoint = nullptr;
  const float *offset = nullptr;
};

/// Quantizes a row-major array. `stored` has storageBytes(format) bytes an
/// element, in the machine's byte order. The block must fit (checkBlock).
void quantize(const Encoding &encoding, const Extents &shape,
              const Extents &block, const ScaleArrays &scales,
              const float *real, void *stored);

/// The reverse.
void dequantize(const Encoding &encoding, const Extents &shape,
                const Extents &block, const ScaleArrays &scales,
                const void *stored, float *real);

/// Weights after rounding to nearest.
struct QuantizedWeights {
  std::vector<uint8_t> stored; ///< one element in storageBytes(format) bytes
  Extents scaleShape;
  std::vector<float> scale;       ///< values of `scaleFormat`
  std::vector<int32_t> zeroPoint; ///< empty unless Asymmetric
  std::vector<float> offset;      ///< empty unless AsymmetricOffset
};

/// Chooses parameters for every group of `real` by `scheme` and rounds to
/// nearest. `clip` multiplies the extrema. Symmetric keeps to [-qmax, qmax] by
/// construction.
QuantizedWeights quantizeWeights(const Encoding &encoding, const Extents &shape,
                                 const Extents &block, Scheme scheme,
                                 const float *real, float clip = 1,
                                 Format scaleFormat = Format::F32);

/// The parameters alone, for every group.
QuantizedWeights chooseGroupParams(const Encoding &encoding,
                                   const Extents &shape, const Extents &block,
                                   Scheme scheme, const float *real,
                                   float clip = 1,
                                   Format scaleFormat = Format::F32);

} // namespace quantc::numerics

#endif // QUANTC_NUMERICS_QUANTIZE_H
