//===- LinearPlan.cpp - How a linear layer is cut -------------------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "LinearPlan.h"
#include "Tiles.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;

namespace quantc::qkernel {

/// Rows that are worked on together, and their bytes: their activations stay in
/// the second-level cache while all panels pass by.
static constexpr int64_t kBlockRows = 240, kBlockBytes = 448 * 1024;
/// What rows that fill no tile cost, in rows.
static constexpr int64_t kTailRows = 4;
/// Rows this many bytes apart fall on each other in the first-level cache.
static constexpr int64_t kCacheStep = 4096, kCacheLine = 64;

static numerics::PanelLayout layoutOf(LinearOp op) {
  numerics::PanelLayout layout;
  layout.format = *numerics::parseFormat(op.getFormat().str());
  layout.n = op.getN();
  layout.k = op.getK();
  layout.group = op.getGroup();
  if (op.getScaleType() && op.getScaleType()->isF16())
    layout.scaleType = numerics::Format::F16;
  auto module = op->getParentOfType<ModuleOp>();
  auto target = module->getAttrOfType<TargetAttr>(TargetAttr::kAttrName);
  layout.unsignedWeights = target && target.getUnsignedWeights();
  layout.zeroPoints = op.getWeightZeroPoints();
  layout.columnSums = op.getColumnSums();
  layout.offsets = op.getWeightOffsets();
  return layout;
}

/// The register tile; shorter where that leaves fewer rows over of a number
/// that is known. Stored weights beside a float input are unpacked to floats
/// first.
static std::pair<int64_t, int64_t> tileOf(LinearOp op) {
  auto [most, panels] =
      registerTile(op, op.getInputScale() ? op.getFormat() : "f32");
  int64_t rows = 1;
  for (int64_t size : tensorType(op.getInput()).getShape().drop_back())
    rows = ShapedType::isDynamic(size) || rows == 0 ? 0 : rows * size;
  // What is left over costs as many rows and, for its short tiles, some more.
  auto cost = [&](int64_t tile) {
    return rows + (rows % tile ? kTailRows : 0);
  };
  int64_t best = most;
  for (int64_t tile = most - 1; tile > 0 && tile >= most * 3 / 4; --tile)
    if (100 * cost(tile) < 99 * cost(best))
      best = tile;
  return {best, panels};
}

LinearPlan::LinearPlan(LinearOp op)
    : layout(layoutOf(op)), isFloat(layout.format == numerics::Format::F32),
      unpacks(!isFloat && !op.getInputScale()) {
  std::tie(rowsPerTile, panelsPerTile) = tileOf(op);
  int64_t group = layout.group ? layout.group : layout.k;
  groupLength = llvm::alignTo(group, layout.grain());
  paddedK = layout.groups() * groupLength;
  groupStride = layout.groupBytes() + layout.paramBytes();
  bool stored = !isFloat && !unpacks;
  unsignedInput =
      stored && tensorType(op.getInput()).getElementType().isUnsignedInteger();
  needsSums = stored && (layout.unsignedWeights || layout.zeroPoints);
  needsCopy = stored && (unsignedInput || paddedK != layout.k);
  needsSpread = isFloat && layout.k * 4 % kCacheStep == 0;
  spreadK = layout.k + kCacheLine / 4;
  int64_t rows =
      std::min(kBlockRows, kBlockBytes / (paddedK * (isFloat ? 4 : 1)));
  blockRows = std::max(rows / rowsPerTile, int64_t(1)) * rowsPerTile;
}

} // namespace quantc::qkernel
