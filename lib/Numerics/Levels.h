//===- Levels.h - Rounding in units of the scale ----------------*- C++ -*-===//
//
// A *level* is what a code stands for before the scale: decode(code) - zero
// point. The solvers work on levels, in f32, and make codes of them at the end.
//
//===----------------------------------------------------------------------===//
#ifndef QUANTC_NUMERICS_LEVELS_H
#define QUANTC_NUMERICS_LEVELS_H

#include "quantc/Numerics/Quantize.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace quantc::numerics {

class Levels {
public:
  explicit Levels(const Encoding &encoding) : encoding(encoding) {
    const FormatInfo &row = info(encoding.format);
    if (!encoding.codebook && row.isInteger) {
      qmin = static_cast<float>(row.qmin);
      qmax = static_cast<float>(row.qmax);
      return;
    }
    std::vector<float> all = encoding.codebook ? encoding.codebook->values
                                               : decodeTable(encoding.format);
    for (float value : all)
      if (std::isfinite(value))
        table.push_back(value + 0.0f);
    std::sort(table.begin(), table.end());
    table.erase(std::unique(table.begin(), table.end()), table.end());
    qmin = table.front();
    qmax = table.back();
  }

  /// Integers: every whole number in [qmin - zero point, qmax - zero point] is
  /// a level. Otherwise there are no zero points, and levels are few.
  bool isInteger() const { return table.empty(); }
  float least() const { return qmin; }
  float most() const { return qmax; }

  /// The level nearest to x, for what is no integer.
  float nearest(float x) const {
    auto above = std::lower_bound(table.begin(), table.end(), x);
    if (above == table.end())
      return table.back();
    if (above == table.begin())
      return table.front();
    return x - above[-1] < *above - x ? above[-1] : *above;
  }

  uint32_t code(float level, int32_t zeroPoint) const {
    if (isInteger())
      return static_cast<uint32_t>(static_cast<int32_t>(level) + zeroPoint);
    return quantizeOne(encoding, level, 1, 0, false, 0);
  }

private:
  Encoding encoding;
  float qmin, qmax;
  std::vector<float> table; // sorted; empty for integers
};

} // namespace quantc::numerics

#endif // QUANTC_NUMERICS_LEVELS_H
