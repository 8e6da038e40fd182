//===- PackPanels.h - The packed layout of linear weights -------*- C++ -*-===//
//
// The weights [N, K] of a linear layer in panels of kPanel = 16 output columns,
// panel after panel; N is padded to whole panels by columns whose weights,
// scales and biases are zero. A panel is one stream that a kernel reads from
// front to back exactly once:
//
//   f32            K x 16 f32 (row k holds w[column, k]); 16 f32 biases.
//   si8, one       ceil(K/4) x 64 bytes, byte 4*column + j of row r being
//   scale/column   w[column, 4r + j]; 16 f32 scales; 16 f32 biases.
//   si8, groups    for each group of g: ceil(g/4) x 64 bytes as above, k
//   counted
//                  from the group's start, then the group's 16 f32 scales; at
//                  the end 16 f32 biases.
//   si4, groups    for each group of g: ceil(g/8) x 64 bytes, byte 4*column + j
//   of
//                  row r holding w[column, 8r + j] in its low nibble and
//                  w[column, 8r + 4 + j] in its high one; then the group's 16
//                  scales (f16 or f32); at the end 16 f32 biases.
//   si4, one       as one group of K, then 16 f32 scales and 16 f32 biases.
//   scale/column
//   f8, f6         the codes, one a byte, as si8.
//   f4, ui4        the codes, as si4; those of ui4 are indices into 16 values,
//                  which are not in the panels.
//   f16, bf16      for each group of g: g x 16 codes of 2 bytes (row k holds
//                  w[column, k]); then as si8.
//
// The last group is as long as the others: what lies beyond K is the stored
// value of 0. With `unsignedWeights` the stored value is w + 2^(bits-1), so
// that the weight can be the unsigned operand of x86's vpdpbusd; otherwise it
// is w in two's complement; the codes of floats and codebooks are as they are.
// Everything is little endian.
//
// What zero points need stands behind the scales of each group (of the column):
// with `zeroPoints` 16 bytes, the zero points in the form of the weights (so
// that their difference is w - z); with `columnSums` 16 i32, the sums over the
// group of w - z; with `offsets` the 16 offsets that are added to scale * w, in
// the type of the scales. Then
//   sum_k (x - zx) (w - z) = sum_k x w  -  z sum_k x  -  zx columnSum.
//
//===----------------------------------------------------------------------===//
#ifndef QUANTC_NUMERICS_PACKPANELS_H
#define QUANTC_NUMERICS_PACKPANELS_H

#include "quantc/Numerics/Formats.h"
#include "quantc/Numerics/Order.h"

#include <cstdint>
#include <optional>

namespace quantc::numerics {

/// What the bytes of packed panels mean. `format` is F32, SI8 or SI4, or beside
/// float inputs also UI4 (a codebook's indices) or a float of at most 16 bits.
struct PanelLayout {
  Format format = Format::F32;
  int64_t n = 0;     ///< output columns
  int64_t k = 0;     ///< inputs
  int64_t group = 0; ///< values of k that share a scale; 0: all of K
  Format scaleType = Format::F32; ///< F16 or F32; F16 only in groups
  bool unsignedWeights = false;
  bool zeroPoints = false; ///< each group of a column has a zero point
  bool columnSums = false; ///< and the sum of its weights
  bool offsets = false;    ///< each group of a column has an offset

  /// Whether codes are kept as they are: those of floats and codebooks.
  bool keepsCodes() const {
    return format != Format::SI8 && format != Format::SI4;
  }
  /// Values of k that stand side by side for a column: 8 of 4 bits, 4 of 8, 1
  /// of 16 and 32.
  int64_t grain() const;
  /// Panels of 16 columns.
  int64_t panels() const { return (n + kPanel - 1) / kPanel; }
  /// Groups along K; 1 for f32.
  int64_t groups() const;
  /// Bytes of one group's values, padding included.
  int64_t groupBytes() const;
  /// Bytes of what follows a group's values: scales, zero points, sums.
  int64_t paramBytes() const;
  /// Bytes of one panel; all are alike.
  int64_t panelBytes() const;
  /// Bytes of the whole packed weight.
  int64_t bytes() const { return panels() * panelBytes(); }
};

/// Where the values come from.
struct PanelSource {
  /// f32: floats. Integers: codes, packed as `packedBits` says, the
  /// lower-indexed one in the lower bits, rows of K not padded.
  const void *weights = nullptr;
  /// The integers' format; by default the layout's.
  std::optional<Format> codes;
  /// Distance in elements from w[n, k] to w[n + 1, k] and to w[n, k + 1], so
  /// that a transposed weight is packed without a copy.
  int64_t strideN = 0, strideK = 1;
  /// [N, groups] values of `scaleSource`, row-major; null for f32.
  const void *scales = nullptr;
  Format scaleSource = Format::F32; ///< F32 or F16
  /// [N, groups], or null. With `layout.zeroPoints` they are kept beside the
  /// weights, and unsigned codes and zero points are lowered by half their
  /// range; otherwise they are subtracted from the codes, and the difference
  /// must fit the layout's format.
  const int32_t *zeroPoints = nullptr;
  /// [N, groups] floats, or null; with `layout.offsets`.
  const float *offsets = nullptr;
  /// [N] floats, or null. -0 is stored as +0, so that sum + bias is what 0 +
  /// sum + bias is, the order of numerics::dotOverK, for a sum of -0 too.
  const float *bias = nullptr;
};

/// Writes panel `panel` (its `panelBytes()` bytes) to `out`. Panels are
/// independent, so they may be written by several threads. Scales change type
/// only without loss (f16 to f32) or as `layout.scaleType` says.
void packPanel(const PanelLayout &layout, const PanelSource &source,
               int64_t panel, uint8_t *out);

} // namespace quantc::numerics

#endif // QUANTC_NUMERICS_PACKPANELS_H
