//===- LinearPlan.h - How a linear layer is cut -----------------*- C++ -*-===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef QUANTC_CONVERSION_QGRAPHTOQKERNEL_LINEARPLAN_H
#define QUANTC_CONVERSION_QGRAPHTOQKERNEL_LINEARPLAN_H

#include "quantc/Dialect/QKernel/QKernelDialect.h"
#include "quantc/Numerics/PackPanels.h"

namespace quantc::qkernel {

/// What is decided about a qkernel.linear at compile time.
struct LinearPlan {
  numerics::PanelLayout layout;
  bool isFloat;
  bool unpacks; // stored weights, a float input
  int64_t rowsPerTile, panelsPerTile;
  int64_t paddedK; // what the panels hold for k, all groups together
  int64_t groupLength, groupStride;
  /// What the kernel makes of its input beforehand: a copy, padded or made
  /// signed; the sums of its groups.
  bool unsignedInput, needsSums, needsCopy;
  /// Floats a row apart by a multiple of what the first-level cache tells
  /// apart: a block of them is copied to rows of `spreadK`, a cache line more.
  bool needsSpread;
  int64_t spreadK;
  int64_t blockRows; // a multiple of the tile's

  explicit LinearPlan(LinearOp op);
};

} // namespace quantc::qkernel

#endif // QUANTC_CONVERSION_QGRAPHTOQKERNEL_LINEARPLAN_H
