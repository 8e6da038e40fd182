//===- ConvPlan.h - How a convolution is cut --------------------*- C++ -*-===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef QUANTC_CONVERSION_QGRAPHTOQKERNEL_CONVPLAN_H
#define QUANTC_CONVERSION_QGRAPHTOQKERNEL_CONVPLAN_H

#include "ConvShape.h"
#include "quantc/Numerics/PackPanels.h"

namespace quantc::qkernel {

/// How the result is cut: decided at compile time.
struct ConvPlan {
  ConvShape shape;
  numerics::PanelLayout layout;
  bool isFloat, copies;
  bool takesUnsigned, copiesUnsigned; // the image's bytes, and the copy's
  bool cutsRows;                      // rows are cut into parts of `width`
  int64_t width;                      // pixels of a row of a block
  int64_t rows;                       // rows of a block
  int64_t stepH, stepW; // from pixel to pixel of the result, in the copy
  int64_t copyWidth, copyRows;
  int64_t pitch;                // from pixel to pixel of the copy
  int64_t tileRows, tilePanels; // the most that a tile has
  int64_t runLength, runs;

  /// Bytes that may be read behind the last run of the copy.
  static constexpr int64_t kSlack = 64;

  explicit ConvPlan(ConvOp op);
  int64_t elementBytes() const { return isFloat ? 4 : 1; }
  /// The copy is x + 128 or x - 128: its highest bit is another.
  bool flips() const { return !isFloat && takesUnsigned != copiesUnsigned; }
  /// Elements of the copy of one plane.
  int64_t copyPlane() const { return copyRows * copyWidth * pitch; }
  int64_t scratchBytes() const {
    return copies ? shape.taps[0] * copyPlane() * elementBytes() + kSlack : 0;
  }
  int64_t rowsOfCopy(int64_t rows) const {
    return (rows - 1) * stepH + (shape.taps[1] - 1) * shape.dilations[1] + 1;
  }
};

} // namespace quantc::qkernel

#endif // QUANTC_CONVERSION_QGRAPHTOQKERNEL_CONVPLAN_H
