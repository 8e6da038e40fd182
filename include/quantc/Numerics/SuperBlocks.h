//===- SuperBlocks.h - K-quants: scales in blocks of their own --*- C++ -*-===//
//
// GGML's Q4_K, Q5_K and Q6_K hold 256 values of a row together. Its groups of
// 32 or 16 have a scale each, and for unsigned codes an offset that is not
// positive; these are integers again, with two f16 for all of them:
//
//     real   = scale code + offset
//     scale  = d scaleCode            ui6, or si8 where codes are signed
//     offset = -(dmin offsetCode)     ui6; with unsigned codes only
//
// all in f32, which is what `dequantize` of a `dequantize` is. What is stored
// is GGML's, and so is what it stands for; how it is found is ours:
//
// 1. Of each group alone, scale and offset of least squared error. For scales
//    around the one that covers the range, and the codes each gives, the best
//    pair is a regression of x on the codes (as in ScaleSearch.h, and in
//    llama.cpp's `make_qkx2_quants`); then scales around the best.
// 2. d is the largest scale over the largest code (63 or 127), dmin likewise.
// 3. Codes of scale and offset near the quotients: those with the least error
//    that values have when they are rounded with what is stored.
//
// d and dmin are rounded up to as few bits (5, or 4 for si8) as leave their
// products with 6- or 7-bit codes exact in f16, so that packed panels can hold
// every scale in 16 bits. It costs the codes of scales up to a sixteenth (an
// eighth) of their range, and values nearly nothing.
//
// Squared errors of all values count alike; llama.cpp gives larger ones more
// weight.
//
//===----------------------------------------------------------------------===//
#ifndef QUANTC_NUMERICS_SUPERBLOCKS_H
#define QUANTC_NUMERICS_SUPERBLOCKS_H

#include "quantc/Numerics/Formats.h"

#include <array>

namespace quantc::numerics {

/// Values of a row in a super-block; a row's last may be short.
constexpr int64_t kSuperBlock = 256;

/// What a super-block stores.
struct SuperBlockFormat {
  Format stored = Format::UI4; ///< UI4, UI5; or SI6: without offsets
  int64_t group = 32;          ///< values that share a scale: 16 or 32

  bool hasOffsets() const { return !info(stored).isSigned; }
  /// How the scales are stored; offsets always are UI6.
  Format scaleCodes() const { return hasOffsets() ? Format::UI6 : Format::SI8; }
  /// Groups of a whole super-block.
  int64_t groups() const { return kSuperBlock / group; }
};

/// The parameters of one super-block.
struct SuperBlockScales {
  float scale = 0;  ///< d, a value of f16 that is not negative
  float offset = 0; ///< -dmin, a value of f16; 0 without offsets
  /// Of each group, one a byte (two's complement where signed).
  std::array<uint8_t, kSuperBlock / 16> scaleCodes = {}, offsetCodes = {};
};

/// Encodes 1 <= `length` <= 256 finite values: `codes`, one a byte, and what is
/// returned. The last group may be short. A group whose scale is 0 has codes
/// of 0.
SuperBlockScales encodeSuperBlock(const SuperBlockFormat &format,
                                  const float *real, int64_t length,
                                  uint8_t *codes);

} // namespace quantc::numerics

#endif // QUANTC_NUMERICS_SUPERBLOCKS_H
