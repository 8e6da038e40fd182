//===- FuseEpilogue.cpp - Elementwise consumers into the layer --*- C++ -*-===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "mlir/IR/BuiltinOps.h"
#include "quantc/Analysis/DimensionEquality.h"
#include "quantc/Conversion/Passes.h"
#include "quantc/Dialect/ONNX/Elementwise.h"
#include "quantc/Dialect/QGraph/QGraphDialect.h"

#define DEBUG_TYPE "qgraph-fuse-epilogue"

using namespace mlir;
using namespace quantc::qgraph;

namespace quantc {
#define GEN_PASS_DEF_FUSEEPILOGUE
#include "quantc/Conversion/Passes.h.inc"

namespace {

/// One step as it will stand in the epilogue; `operand` is null for a unary
/// one.
struct Step {
  onnx_ir::NodeOp node;
  Value operand;
};

bool isF32(Value value) {
  auto type = dyn_cast<RankedTensorType>(value.getType());
  return type && type.getElementType().isF32();
}

/// True for what a kernel can read beside the layer's tile: a tensor of the
/// same shape (a residual), one row for all, or one number.
bool isEpilogueOperand(Value operand, Value result) {
  auto type = cast<RankedTensorType>(operand.getType());
  if (type == result.getType())
    return classifyBroadcast(operand, result) == Broadcast::None;
  int64_t columns = cast<RankedTensorType>(result.getType()).getShape().back();
  if (!type.hasStaticShape() ||
      classifyBroadcast(operand, result) == Broadcast::Unknown)
    return false;
  int64_t count = type.getNumElements();
  return count == 1 || (count == columns && type.getShape().back() == columns);
}

/// The step that `node` is for `value`, its only use being there; nothing if it
/// must stay an op of its own.
std::optional<Step> asStep(onnx_ir::NodeOp node, Value value) {
  if (!node.getDomain().empty() || node->getNumResults() != 1 ||
      node->getNumRegions() != 0)
    return std::nullopt;
  const onnx_ir::ElementwiseOp *row =
      onnx_ir::lookupElementwise(node.getOpType());
  Value result = node->getResult(0);
  OperandRange inputs = node.getInputs();
  if (!row || inputs.empty() || inputs.size() > 2 || !isF32(result) ||
      !llvm::all_of(inputs, isF32) ||
      (row->operands != 0 && row->operands != inputs.size()))
    return std::nullopt;
  SmallVector<Type> types(
      inputs.size() + 1,
      cast<RankedTensorType>(result.getType()).getElementType());
  if (!row->accepts(types) || value.getType() != result.getType() ||
      classifyBroadcast(value, result) != Broadcast::None)
    return std::nullopt;
  if (inputs.size() == 1)
    return Step{node, Value()};

  bool second = inputs[0] != value;
  if (second && node.getOpType() != "Add" && node.getOpType() != "Mul")
    return std::nullopt;
  Value other = inputs[second ? 0 : 1];
  if (!isEpilogueOperand(other, result))
    return std::nullopt;
  return Step{node, other};
}

class FuseEpiloguePass : public impl::FuseEpilogueBase<FuseEpiloguePass> {
public:
  void runOnOperation() override {
    SmallVector<LayerOpInterface> layers;
    getOperation().walk(
        [&](LayerOpInterface layer) { layers.push_back(layer); });
    for (LayerOpInterface layer : layers)
      fuse(layer);
  }

private:
  void fuse(LayerOpInterface layer) {
    while (layer->hasOneUse()) {
      auto node = dyn_cast<onnx_ir::NodeOp>(*layer->user_begin());
      if (!node || node->getBlock() != layer->getBlock() ||
          !isF32(layer.getResult()))
        return;
      std::optional<Step> step = asStep(node, layer.getResult());
      if (!step)
        return;
      append(layer, *step);
    }
  }

  /// The layer moves to where the node stands: its only reader, so nothing
  /// between the two notices, and the node's other operand is there.
  void append(LayerOpInterface layer, Step step) {
    int64_t place = -1;
    if (step.operand) {
      place = layer.getEpilogueOperands().size();
      layer.getEpilogueOperandsMutable().append(step.operand);
    }
    SmallVector<Attribute> steps(layer.getEpilogue().getValue());
    DictionaryAttr attributes = step.node.getNodeAttributes();
    if (attributes.empty())
      attributes = {};
    steps.push_back(StepAttr::get(&getContext(), step.node.getOpType(), place,
                                  /*scale=*/-1, /*zero_point=*/-1, attributes));
    layer.setEpilogueAttr(ArrayAttr::get(&getContext(), steps));
    layer->moveBefore(step.node);
    step.node->getResult(0).replaceAllUsesWith(layer.getResult());
    step.node->erase();
    ++this->steps;
  }
};

} // namespace
} // namespace quantc
