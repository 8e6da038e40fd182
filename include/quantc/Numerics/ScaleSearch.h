//===- ScaleSearch.h - Scales that lose least ------------------*- C++ -*-===//
//
// A scale taken from the extreme value spends codes on it that the other values
// of a group could use. The search tries scales that clip more or less, and of
// either sign, and for each the one that is best for the codes it gives:
//
//     s* = sum(x q) / sum(q q)          minimizes sum (x - s q)^2
//
// It is the method of llama.cpp's quantizers (`make_qx_quants`), without their
// importance weights. Rounding stays to nearest.
//
//===----------------------------------------------------------------------===//
#ifndef QUANTC_NUMERICS_SCALESEARCH_H
#define QUANTC_NUMERICS_SCALESEARCH_H

#include "quantc/Numerics/Quantize.h"

#include <vector>

namespace quantc::numerics {

/// Replaces the scales [scaleShape] of a symmetric or signed-scale integer
/// encoding (no zero points, no offsets) by those with the least squared error
/// found, values of `scaleFormat`; a group for which none is better keeps its
/// own. `eitherSign`: negative scales are tried too. The sums are in double, in
/// the order of the elements.
void searchScales(const Encoding &encoding, const Extents &shape,
                  const Extents &block, bool eitherSign, Format scaleFormat,
                  const float *real, std::vector<float> &scale);

} // namespace quantc::numerics

#endif // QUANTC_NUMERICS_SCALESEARCH_H
