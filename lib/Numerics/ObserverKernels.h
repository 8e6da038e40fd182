//===- ObserverKernels.h - The inner loops of the observers -----*- C++ -*-===//
#ifndef QUANTC_NUMERICS_OBSERVERKERNELS_H
#define QUANTC_NUMERICS_OBSERVERKERNELS_H

#include <cstdint>

namespace quantc::numerics {

bool areFinite(const float *x, int64_t count);

/// Rows of finite values, and what they are added to.
struct ObserveRows {
  const float *rows; ///< [count, channels]
  int64_t count, channels;
  float *least, *most;          ///< [channels]
  double *x, *abs, *squares;    ///< [channels], in the order of the rows
  float *rowLeast, *rowMost;    ///< [count], results
  int64_t *histogram = nullptr; ///< by HistogramBins; null: not asked for
};
void observeRows(const ObserveRows &work);

} // namespace quantc::numerics

#endif // QUANTC_NUMERICS_OBSERVERKERNELS_H
