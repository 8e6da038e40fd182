//===- Layers.cpp - What passes ask about layers ----------------*- C++ -*-===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "quantc/Analysis/Layers.h"
#include "llvm/Support/FormatVariadic.h"

using namespace mlir;

namespace quantc {

StringRef getLayerName(Operation *op) {
  if (auto name = op->getAttrOfType<StringAttr>("name"))
    return name.getValue();
  if (auto loc = dyn_cast<NameLoc>(op->getLoc()))
    return loc.getName().getValue();
  return {};
}

std::string describeOp(Operation *op) {
  std::string kind = op->getName().getStringRef().str();
  if (auto node = dyn_cast<onnx_ir::NodeOp>(op))
    kind += llvm::formatv(" \"{0}\"", node.getOpType()).str();
  StringRef name = getLayerName(op);
  if (name.empty())
    return kind;
  return llvm::formatv("'{0}' ({1})", name, kind).str();
}

std::string describeValue(Value value) {
  if (Operation *op = value.getDefiningOp())
    return describeOp(op);
  return llvm::formatv("argument #{0}",
                       cast<BlockArgument>(value).getArgNumber())
      .str();
}

std::string whyNotInteger(qgraph::DequantizeOp op) {
  if (op.getCodebook())
    return "its values are looked up in a codebook";
  if (op.getOffset())
    return "it has a real offset";
  if (op.getPrecision())
    return llvm::formatv("each operation rounds to {0}", *op.getPrecision())
        .str();
  Type stored = op.getInput().getType().getElementType();
  auto integer = dyn_cast<IntegerType>(stored);
  if (!integer || integer.getWidth() > 8)
    return llvm::formatv("{0} is no integer of at most 8 bits", stored).str();
  Type real = op.getType().getElementType();
  if (!real.isF32())
    return llvm::formatv("it gives {0}, not f32", real).str();
  return {};
}

bool isPerIndex(RankedTensorType type, ArrayRef<int64_t> block, unsigned dim) {
  return block[dim] == 1 || type.getDimSize(dim) == 1;
}

bool isWhole(RankedTensorType type, ArrayRef<int64_t> block, unsigned dim) {
  int64_t size = type.getDimSize(dim);
  return block[dim] == 0 ||
         (!ShapedType::isDynamic(size) && block[dim] >= size);
}

} // namespace quantc
