//===- FuseEpilogue.cpp - Elementwise consumers into the layer --*- C++ -*-===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/Matchers.h"
#include "quantc/Analysis/ConstantTensor.h"
#include "quantc/Analysis/DimensionEquality.h"
#include "quantc/Analysis/Layers.h"
#include "quantc/Conversion/Passes.h"
#include "quantc/Dialect/ONNX/Elementwise.h"
#include "quantc/Dialect/QGraph/QGraphDialect.h"
#include "quantc/Numerics/Reciprocal.h"

#define DEBUG_TYPE "qgraph-fuse-epilogue"

using namespace mlir;
using namespace quantc::qgraph;

namespace quantc {
#define GEN_PASS_DEF_FUSEEPILOGUE
#include "quantc/Conversion/Passes.h.inc"

namespace {

/// One step as it will stand in the epilogue; the operands that it has not are
/// null.
struct Step {
  Operation *last; ///< the op whose result the step makes
  StringRef op;
  DictionaryAttr attributes;
  Value operand, scale, zeroPoint;
};

/// True for one constant f32 scale for which a step, which has no division,
/// gives the codes that a division would. ONNX asks for positive scales.
bool isStepScale(Value scale) {
  DenseFPElementsAttr values;
  return matchPattern(scale, m_Constant(&values)) &&
         values.getNumElements() == 1 && values.getElementType().isF32() &&
         numerics::roundsAsDivision(values.getValues<float>()[0]);
}

/// True if all that is negative gets the code of 0.
bool startsAtZero(Value zeroPoint) {
  DenseIntElementsAttr values;
  return zeroPoint && matchPattern(zeroPoint, m_Constant(&values)) &&
         values.getNumElements() == 1 &&
         values.getValues<APInt>()[0].isMinSignedValue();
}

/// True for a quantization to si8 with one constant scale: what a step can do.
template <typename OpT>
bool isStatic(OpT op, Value stored) {
  return cast<RankedTensorType>(stored.getType())
             .getElementType()
             .isSignedInteger(8) &&
         isStepScale(op.getScale()) && !op.getOffset() && !op.getCodebook() &&
         !op.getPrecision() &&
         (!op.getZeroPoint() || isConstant(op.getZeroPoint()));
}

bool isF32(Value value) {
  auto type = dyn_cast<RankedTensorType>(value.getType());
  return type && type.getElementType().isF32();
}

/// True for what a kernel can read beside the layer's tile: a tensor of the
/// same shape (a residual), one row for all, or one number.
bool isEpilogueOperand(Value operand, Value result) {
  auto type = cast<RankedTensorType>(operand.getType());
  int64_t columns = cast<RankedTensorType>(result.getType()).getShape().back();
  // Beside the edge of a matrix of unknown width only a number can be read.
  if (ShapedType::isDynamic(columns))
    return type.hasStaticShape() && type.getNumElements() == 1;
  if (type == result.getType())
    return classifyBroadcast(operand, result) == Broadcast::None;
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
    return Step{node, node.getOpType(), node.getNodeAttributes()};

  bool second = inputs[0] != value;
  if (second && node.getOpType() != "Add" && node.getOpType() != "Mul")
    return std::nullopt;
  Value other = inputs[second ? 0 : 1];
  if (!isEpilogueOperand(other, result))
    return std::nullopt;
  Step step{node, node.getOpType(), node.getNodeAttributes(), other};
  // A residual that is stored is read as it is.
  auto stored = other.getDefiningOp<DequantizeOp>();
  if (stored && other.getType() == result.getType() &&
      isStatic(stored, stored.getInput())) {
    step.operand = stored.getInput();
    step.scale = stored.getScale();
    step.zeroPoint = stored.getZeroPoint();
  }
  return step;
}

/// The steps that `quantize` is for the result of a layer: the last one, or,
/// where all that reads the codes is a dequantize by the same parameters before
/// a step, one in between.
Step asStep(QuantizeOp quantize) {
  Step step{quantize, StepAttr::kQuantize, {},
            {},       quantize.getScale(), quantize.getZeroPoint()};
  auto back = quantize->hasOneUse()
                  ? dyn_cast<DequantizeOp>(*quantize->user_begin())
                  : DequantizeOp();
  if (!back || back.getScale() != quantize.getScale() ||
      back.getZeroPoint() != quantize.getZeroPoint() || !back->hasOneUse() ||
      !isF32(back.getResult()))
    return step;
  auto node = dyn_cast<onnx_ir::NodeOp>(*back->user_begin());
  if (!node || node->getBlock() != quantize->getBlock() ||
      !asStep(node, back.getResult()))
    return step;
  step.op = StepAttr::kQuantizeDequantize;
  step.last = back;
  return step;
}

/// More than any layer is followed by. Every register tile of the kernel
/// repeats the steps.
constexpr size_t kMostSteps = 16;

class FuseEpiloguePass : public impl::FuseEpilogueBase<FuseEpiloguePass> {
public:
  void runOnOperation() override {
    SmallVector<EpilogueOpInterface> layers;
    getOperation().walk(
        [&](EpilogueOpInterface layer) { layers.push_back(layer); });
    for (EpilogueOpInterface layer : layers) {
      fuse(layer);
      remarkOnQuantize(layer);
    }
    getOperation().walk([&](DequantizeOp op) { remarkOnDequantize(op); });
  }

private:
  void fuse(EpilogueOpInterface layer) {
    while (layer->hasOneUse() && isF32(layer.getResult()) &&
           layer.getEpilogue().size() < kMostSteps) {
      Operation *user = *layer->user_begin();
      if (user->getBlock() != layer->getBlock())
        return;
      std::optional<Step> step;
      if (auto node = dyn_cast<onnx_ir::NodeOp>(user))
        step = asStep(node, layer.getResult());
      else if (auto quantize = dyn_cast<QuantizeOp>(user);
               quantize && isStatic(quantize, quantize.getResult()))
        step = asStep(quantize);
      if (!step)
        return;
      append(layer, *step);
    }
  }

  /// The layer moves to where the last of the step's ops stands: its only
  /// reader, so nothing between the two notices, and the other operands are
  /// there.
  void append(EpilogueOpInterface layer, const Step &step) {
    auto placeOf = [&](Value operand) -> int64_t {
      if (!operand)
        return -1;
      OperandRange known = layer.getEpilogueOperands();
      int64_t count = known.size();
      for (auto [i, value] : llvm::enumerate(known))
        if (value == operand)
          return i;
      layer.getEpilogueOperandsMutable().append(operand);
      return count;
    };
    int64_t operand = placeOf(step.operand), scale = placeOf(step.scale),
            zeroPoint = placeOf(step.zeroPoint);
    SmallVector<Attribute> steps(layer.getEpilogue().getValue());
    // A Relu leaves the codes alone that begin at 0.
    if ((step.op == StepAttr::kQuantize ||
         step.op == StepAttr::kQuantizeDequantize) &&
        startsAtZero(step.zeroPoint) && !steps.empty() &&
        cast<StepAttr>(steps.back()).getOp() == "Relu")
      steps.pop_back();
    DictionaryAttr attributes = step.attributes;
    if (attributes && attributes.empty())
      attributes = {};
    steps.push_back(StepAttr::get(&getContext(), step.op, operand, scale,
                                  zeroPoint, attributes));
    layer.setEpilogueAttr(ArrayAttr::get(&getContext(), steps));
    Operation *last = step.last;
    Operation *before = *layer->user_begin();
    layer->moveBefore(last);
    layer.getResult().setType(
        cast<RankedTensorType>(last->getResult(0).getType()));
    last->getResult(0).replaceAllUsesWith(layer.getResult());
    last->erase();
    // A quantize before the dequantize that went.
    if (before != last)
      before->erase();
    ++this->steps;
  }

  /// Says why the result of a layer is quantized by an op of its own.
  void remarkOnQuantize(EpilogueOpInterface layer) {
    for (Operation *user : layer->getUsers()) {
      auto quantize = dyn_cast<QuantizeOp>(user);
      if (!quantize || !isStatic(quantize, quantize.getResult()))
        continue;
      auto remark = layer->emitRemark()
                    << describeOp(layer)
                    << " does not store its result by itself: ";
      if (!layer->hasOneUse())
        remark << "other ops read the float values too";
      else
        remark << "its result is "
               << cast<RankedTensorType>(layer.getResult().getType())
                      .getElementType()
               << ", or it is quantized in another block";
    }
  }

  /// Says who needs the float values of stored activations.
  void remarkOnDequantize(DequantizeOp op) {
    if (isConstant(op.getInput()) || !isStatic(op, op.getInput()))
      return;
    for (Operation *user : op->getUsers())
      if (!user->hasTrait<OpTrait::IsTerminator>())
        op.emitRemark() << "the codes of " << describeValue(op.getInput())
                        << " are dequantized for " << describeOp(user)
                        << ", which is no step of a layer";
  }
};

} // namespace
} // namespace quantc
