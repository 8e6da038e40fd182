//===- WeightFormats.h - What weights may be stored as, by name -*- C++ -*-===//
//
// A weight format is a stored type and what goes with it: a codebook, the group
// that shares a scale, how the scale is found and what it is stored as. A plain
// stored type (`si4`, `f8E4M3FN`) leaves all of that open; the others are rows:
//
//   f16, bf16   each value rounded; one scale of 1
//   nf4         QLoRA's NormalFloat (arXiv:2305.14314, appendix E), in 64s
//   fp4         bitsandbytes' 4-bit float, groups of 64
//   q4_0 ...    GGML's blocks of 32, bit for bit (llama.cpp, ggml-quants.c)
//   q4_k ...    what GGML's K-quants hold, found by SuperBlocks.h
//   mxfp4       f4E2M1FN in groups of 32 with a power of two (OCP MX v1.0)
//   nvfp4       f4E2M1FN in groups of 16 with an f8E4M3FN (NVIDIA)
//   binary      -1 or 1 times the mean of |w| (XNOR-Net, arXiv:1603.05279)
//
// The scales of nf4, fp4 and nvfp4 are stored as numbers of 8 bits themselves,
// scales and offsets of K-quants as numbers of 6 or 8.
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

/// How scales are stored.
enum class ScaleCoding : uint8_t {
  Plain,
  /// QLoRA's double quantization, section 3: blocks of at most 256 scales (rows
  /// together, or a part of a row) lose their mean and become f8E4M3FN.
  Centred,
  /// NVFP4: f8E4M3FN with one f32 scale for the tensor.
  Tensor,
  /// K-quants: integers, with an f16 for the scales and one for the offsets of
  /// a super-block (SuperBlocks.h).
  SuperBlock,
};

struct WeightFormat {
  std::string_view name;
  Format stored = Format::SI8;
  const Codebook *codebook = nullptr; ///< lives as long as the program
  GGMLKind ggml = GGMLKind::None;
  std::optional<Format> scaleType;  ///< none: what is asked for
  std::optional<int64_t> groupSize; ///< the usual one; none: what is asked for
  bool groupIsFixed = false;        ///< there is no other
  ScaleCoding scales = ScaleCoding::Plain;
  std::optional<Scheme> scheme; ///< none: what is asked for, or Symmetric
  bool hasScale = true;         ///< false: one scale of 1

  /// A stored integer and nothing else.
  bool isPlainInteger() const { return isInteger() && !isGGML(); }
  /// GGML's blocks and super-blocks, each encoded as a whole.
  bool isGGML() const {
    return ggml != GGMLKind::None || scales == ScaleCoding::SuperBlock;
  }
  /// Whether groups have a real offset.
  bool hasOffsets() const {
    return ggml == GGMLKind::Offset ||
           (scales == ScaleCoding::SuperBlock && !info(stored).isSigned);
  }
  /// Whether products of the codes with integers can be summed as integers and
  /// scaled afterwards: no codebook, no float.
  bool isInteger() const { return info(stored).isInteger && !codebook; }
};

/// Looks a format up: a row, or a stored type's own name of 1 to 8 bits.
std::optional<WeightFormat> parseWeightFormat(std::string_view name);

/// Quantizes `length` finite values that share a scale, as GGML does it:
/// `codes` one a byte (two's complement where `stored` is signed), `scale` and
/// `offset` the values of the f16 that GGML stores. `offset` is written for
/// Offset only. A block whose 1 / d is infinite counts as one of d = 0.
void encodeGGML(GGMLKind kind, Format stored, const float *real, int64_t length,
                uint8_t *codes, float *scale, float *offset);

/// Scales [N, G] that are stored themselves:
///   scale' = (max |s - mean| / 448) decode(code) + mean
/// in blocks, or for Tensor without the mean, in one.
struct QuantizedScales {
  Extents block;
  std::vector<uint8_t> codes; ///< f8E4M3FN, [N, G]
  std::vector<float> scale;   ///< of the codes, in blocks
  std::vector<float> offset;  ///< the means; empty for Tensor
};

/// `scale` becomes what the result stands for. `coding` is Centred or Tensor.
QuantizedScales quantizeScales(ScaleCoding coding, const Extents &shape,
                               std::vector<float> &scale);

} // namespace quantc::numerics

#endif // QUANTC_NUMERICS_WEIGHTFORMATS_H
