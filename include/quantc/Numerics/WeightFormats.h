//===- WeightFormats.h - What weights may be stored as, by name -*- C++ -*-===//
//
// A weight format is a stored type and what goes with it: a codebook, the group
// that shares a scale, how the scale is found and what it is stored as. A plain
// stored type (`si4`, `f8E4M3FN`) leaves all of that open; the others are rows:
//
//   f16, bf16   each value rounded; one scale of 1
//   nf4         QLoRA's NormalFloat (arXiv:2305.14314, appendix E): 16
//   quantiles
//               of the normal distribution; groups of 64, scale = max |x|
//   fp4         bitsandbytes' 4-bit float, the same way
//   q4_0 ...    GGML's blocks of 32 (llama.cpp, ggml/src/ggml-quants.c), bit
//   for
//               bit: see encodeGGML
//
// nf4 and fp4 quantize their scales again ("double quantization"): see
// quantizeScales.
//
//===----------------------------------------------------------------------===//
#ifndef QUANTC_NUMERICS_WEIGHTFORMATS_H
#define QUANTC_NUMERICS_WEIGHTFORMATS_H

#include "quantc/Numerics/Quantize.h"

#include <optional>
#include <string>
#include <string_view>

namespace quantc::numerics {

/// How GGML finds scale and codes of a block of 32 values x. id = 1 / d (0 for
/// d = 0), all in f32; only then d (and m) is rounded to f16. The value of
/// greatest magnitude is the first of several.
enum class GGMLKind : uint8_t {
  None,
  /// q4_0, q5_0: d = (value of greatest magnitude) / -2^(b-1);
  /// code = min(trunc(x id + 2^(b-1) + 0.5), 2^b - 1) - 2^(b-1).
  Signed,
  /// q4_1, q5_1: m = min x, d = (max x - m) / (2^b - 1);
  /// code = min(trunc((x - m) id + 0.5), 2^b - 1), offset m.
  Offset,
  /// q8_0: d = max |x| / 127; code = x id, rounded half away from zero.
  Symmetric,
};

struct WeightFormat {
  std::string_view name;
  Format stored = Format::SI8;
  const Codebook *codebook = nullptr; ///< lives as long as the program
  GGMLKind ggml = GGMLKind::None;
  std::optional<Format> scaleType;  ///< none: what is asked for
  std::optional<int64_t> groupSize; ///< the usual one; none: what is asked for
  bool groupIsFixed = false;        ///< there is no other
  bool quantizesScales = false;     ///< double quantization
  bool hasScale = true;             ///< false: one scale of 1

  /// A stored integer and nothing else.
  bool isPlainInteger() const {
    return info(stored).isInteger && !codebook && ggml == GGMLKind::None;
  }
  /// Whether products of the codes with integers can be summed as integers and
  /// scaled afterwards: no codebook, no float, no offset.
  bool isInteger() const {
    return info(stored).isInteger && !codebook && ggml != GGMLKind::Offset;
  }
};

/// Looks a format up: a row, or a stored type's own name of 1 to 8 bits.
std::optional<WeightFormat> parseWeightFormat(std::string_view name);

/// Quantizes `length` finite values that share a scale, as GGML does it:
/// `codes` one a byte (two's complement where `stored` is signed), `scale` and
/// `offset` the values of the f16 that GGML stores. `offset` is written for
/// Offset only. A block whose 1 / d is infinite counts as one of d = 0.
void encodeGGML(GGMLKind kind, Format stored, const float *real, int64_t length,
                uint8_t *codes, float *scale, float *offset);

/// Scales [N, G] after double quantization (QLoRA, section 3): blocks of at
/// most 256 scales (rows together, or a part of a row) lose their mean and
/// become f8E4M3FN:
///   scale' = (max |s - mean| / 448) decode(code) + mean.
struct QuantizedScales {
  Extents block;
  std::vector<uint8_t> codes; ///< f8E4M3FN, [N, G]
  std::vector<float> scale;   ///< of the codes, in blocks
  std::vector<float> offset;  ///< the means
};

/// `scale` becomes what the result stands for.
QuantizedScales quantizeScales(const Extents &shape, std::vector<float> &scale);

} // namespace quantc::numerics

#endif // QUANTC_NUMERICS_WEIGHTFORMATS_H
