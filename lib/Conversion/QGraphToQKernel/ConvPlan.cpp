//===- ConvPlan.cpp - How a convolution is cut ----------------------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ConvPlan.h"
#include "Tiles.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;

namespace quantc::qkernel {

/// Pixels of a block: their part of the image stays in the second-level cache
/// while all panels go by.
static constexpr int64_t kBlockPixels = 448;
/// The same as bytes of the image; more where the weights are so large that
/// each block reads them from beyond that cache.
static constexpr int64_t kBlockBytes = 192 * 1024, kMostBytes = 512 * 1024;
/// Rows of a tile this far apart fall on each other in the first-level cache.
static constexpr int64_t kCacheStep = 2048, kCacheLine = 64;
/// A row of the result that is longer, or of unknown length, is cut.
static constexpr int64_t kPartWidth = 224;
/// Most panels of a tile.
static constexpr int64_t kMostPanels = 8;

ConvPlan::ConvPlan(ConvOp op) : shape(op), layout(op.getPanelLayout()) {
  auto module = op->getParentOfType<ModuleOp>();
  auto target = module->getAttrOfType<TargetAttr>(TargetAttr::kAttrName);
  isFloat = layout.format == numerics::Format::F32;
  bool skips = shape.taps[2] == 1 && shape.strides[2] > 1;
  copies = !isFloat || !shape.isInside() || skips;
  takesUnsigned =
      tensorType(op.getInput()).getElementType().isUnsignedInteger();
  copiesUnsigned = !isFloat && target && target.getUnsignedWeights();
  runLength = op.getRunLength();
  runs = op.getRuns();

  int64_t outWidth = shape.out[2];
  cutsRows = ShapedType::isDynamic(outWidth) || outWidth > 2 * kPartWidth;
  width = cutsRows ? kPartWidth : outWidth;
  // Of single taps only what is used is copied.
  stepH = copies && shape.taps[1] == 1 ? 1 : shape.strides[1];
  stepW = copies && shape.taps[2] == 1 ? 1 : shape.strides[2];
  copyWidth = std::max<int64_t>(width - 1, 0) * stepW +
              (shape.taps[2] - 1) * shape.dilations[2] + 1;
  rows = cutsRows ? 1
                  : llvm::divideCeil(kBlockPixels, std::max<int64_t>(width, 1));
  if (!ShapedType::isDynamic(shape.out[1]))
    rows = std::min(rows, std::max<int64_t>(shape.out[1], 1));
  pitch = shape.channels;
  if (copies && shape.taps[2] == 1 && pitch * elementBytes() % kCacheStep == 0)
    pitch += kCacheLine / elementBytes();
  int64_t bytes = shape.taps[0] * copyWidth * pitch * elementBytes();
  int64_t most =
      layout.bytes() * shape.groups > kMostBytes ? kMostBytes : kBlockBytes;
  while (rows > 1 && rowsOfCopy(rows) * bytes > most)
    --rows;
  if (!cutsRows && !ShapedType::isDynamic(shape.out[1]) && shape.out[1] > 0)
    rows = llvm::divideCeil(shape.out[1], llvm::divideCeil(shape.out[1], rows));
  copyRows = rowsOfCopy(rows);

  // Rows of equal length, as few as the registers allow; then as many panels.
  auto [mostRows, mostPanels] = registerTile(op, op.getFormat());
  tileRows = mostRows;
  if (!cutsRows && width > 0)
    tileRows = llvm::divideCeil(width, llvm::divideCeil(width, mostRows));
  int64_t registers = mostRows * mostPanels + mostPanels;
  tilePanels = std::clamp<int64_t>(registers / (tileRows + 1), 1, kMostPanels);
  tilePanels = llvm::divideCeil(layout.panels(),
                                llvm::divideCeil(layout.panels(), tilePanels));
}

} // namespace quantc::qkernel
