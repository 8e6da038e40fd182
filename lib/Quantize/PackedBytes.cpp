//===- PackedBytes.cpp - What constants take in the packed model ----------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "PackedBytes.h"

#include "quantc/Analysis/Layers.h"
#include "quantc/Dialect/QGraph/Shapes.h"
#include "quantc/Numerics/PackPanels.h"
#include "quantc/Numerics/Packing.h"
#include "quantc/Support/WeightLayout.h"

#include "llvm/Support/MathExtras.h"

using namespace mlir;

namespace quantc::qgraph {
namespace {

int64_t aligned(int64_t bytes) {
  return static_cast<int64_t>(WeightLayout::align(bytes));
}

/// Panels have nibbles or bytes, whatever the integers are.
numerics::Format heldIntegers(numerics::Format stored, int64_t group) {
  return numerics::info(stored).bits <= 4 && group % 8 == 0
             ? numerics::Format::SI4
             : numerics::Format::SI8;
}

/// The panels of what a `dequantize` makes, offsets that are still to be split
/// off included.
numerics::PanelLayout layoutOf(DequantizeOp op) {
  auto type = cast<RankedTensorType>(op.getType());
  numerics::PanelLayout layout;
  layout.n = type.getDimSize(0);
  layout.k = type.getDimSize(1);
  layout.group = isWhole(type, op.getBlock(), 1) ? 0 : op.getBlock()[1];
  std::optional<numerics::Format> stored =
      getFormat(op.getInput().getType().getElementType());
  if (!stored)
    return layout; // as floats
  if (!numerics::info(*stored).isInteger)
    layout.format = *stored;
  else if (op.getCodebook())
    layout.format = numerics::Format::UI4;
  else
    layout.format = heldIntegers(*stored, layout.group);
  if (layout.group && op.getScale().getType().getElementType().isF16())
    layout.scaleType = numerics::Format::F16;
  layout.zeroPoints = static_cast<bool>(op.getZeroPoint());
  layout.offsets = static_cast<bool>(op.getOffset());
  return layout;
}

/// Bytes of a layer's packed weight.
int64_t layerBytes(LayerOpInterface layer) {
  Value weight = layer.getWeight();
  auto type = cast<RankedTensorType>(weight.getType());
  auto dequantize = weight.getDefiningOp<DequantizeOp>();
  if (isa<LinearOp>(*layer)) {
    if (dequantize)
      return aligned(layoutOf(dequantize).bytes());
    numerics::PanelLayout layout;
    layout.n = type.getDimSize(0);
    layout.k = type.getDimSize(1);
    return aligned(layout.bytes());
  }
  // Of a convolution, the columns of each group are whole panels of their own,
  // and runs of K are whole words.
  auto conv = cast<ConvOp>(*layer);
  numerics::PanelLayout layout;
  int64_t channels = type.getShape().back(),
          taps = type.getNumElements() / type.getDimSize(0) / channels;
  layout.n = llvm::divideCeil(type.getDimSize(0), conv.getGroups());
  layout.k = taps * llvm::alignTo(channels, 4);
  if (dequantize) {
    layout.format = numerics::Format::SI8;
    layout.columnSums = true;
  }
  return aligned(conv.getGroups() * layout.bytes());
}

/// Bytes of a constant that is not packed; less than a byte becomes one.
int64_t constantBytes(ConstantOp constant) {
  auto type = cast<RankedTensorType>(constant.getType());
  Type element = type.getElementType();
  int64_t width = element.isIntOrFloat() ? element.getIntOrFloatBitWidth() : 64;
  return aligned(type.getNumElements() * llvm::divideCeil(width, 8));
}

bool isPackedLayer(Operation *op) {
  if (!isa<LinearOp, ConvOp>(op))
    return false;
  Value weight = cast<LayerOpInterface>(op).getWeight();
  if (auto dequantize = weight.getDefiningOp<DequantizeOp>())
    return llvm::all_of(dequantize->getOperands(), [](Value operand) {
      auto scales =
          operand ? operand.getDefiningOp<DequantizeOp>() : DequantizeOp();
      return isConstant(operand) ||
             (scales && llvm::all_of(scales->getOperands(), isConstant));
    });
  return isConstant(weight);
}

/// Whether what reads a value is packed together with it.
bool isPackedUse(OpOperand &use) {
  Operation *op = use.getOwner();
  if (auto dequantize = dyn_cast<DequantizeOp>(op))
    return !dequantize->use_empty() &&
           llvm::all_of(dequantize->getUses(), isPackedUse);
  if (!isPackedLayer(op))
    return false;
  auto layer = cast<LayerOpInterface>(op);
  return use.get() == layer.getWeight() || use.get() == layer.getBias();
}

} // namespace

int64_t packedBytes(const RoundingFormat &format, int64_t n, int64_t k) {
  numerics::PanelLayout layout;
  layout.n = n;
  layout.k = k;
  layout.group = format.block[1];
  layout.format = heldIntegers(format.stored, layout.group);
  if (layout.group)
    layout.scaleType = format.scaleType;
  layout.zeroPoints = format.scheme == numerics::Scheme::Asymmetric;
  return aligned(layout.bytes());
}

LinearFormat kernelFormat(const RoundingFormat &format) {
  bool isInteger = numerics::info(format.stored).isInteger && !format.codebook;
  LinearFormat held;
  held.group = format.block[1];
  held.weightBits =
      isInteger ? numerics::info(heldIntegers(format.stored, held.group)).bits
                : numerics::packedBits(format.stored);
  held.scaleBits = numerics::info(format.scaleType).bits;
  held.activationBits = isInteger ? 8 : 32;
  return held;
}

int64_t packedBytesOfOthers(ModuleOp module,
                            llvm::function_ref<bool(Operation *)> isApart) {
  int64_t bytes = 0;
  module.walk([&](Operation *op) {
    if (auto constant = dyn_cast<ConstantOp>(op)) {
      if (!llvm::all_of(constant->getUses(), isPackedUse))
        bytes += constantBytes(constant);
    } else if (isPackedLayer(op) && !isApart(op)) {
      bytes += layerBytes(cast<LayerOpInterface>(op));
    }
  });
  return bytes;
}

} // namespace quantc::qgraph
