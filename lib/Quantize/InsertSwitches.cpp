//===- InsertSwitches.cpp - Layers beside themselves in float -------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A layer is any op of qgraph that reads what a `dequantize` gives. Its copy
// reads what was there before: the weight that rounding has kept, the
// activation before it was quantized. Both are computed, and an element of a
// new input says which goes on.
//
//===----------------------------------------------------------------------===//

#include "SplitNodes.h"
#include "quantc/Analysis/ConstantTensor.h"
#include "quantc/Analysis/LayerPrecision.h"
#include "quantc/Analysis/Layers.h"
#include "quantc/Quantize/Passes.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/ADT/StringSet.h"

#define DEBUG_TYPE "qgraph-insert-switches"

using namespace mlir;

namespace quantc::qgraph {
#define GEN_PASS_DEF_INSERTSWITCHES
#include "quantc/Quantize/Passes.h.inc"

namespace {

class InsertSwitchesPass : public impl::InsertSwitchesBase<InsertSwitchesPass> {
public:
  using InsertSwitchesBase::InsertSwitchesBase;
  void runOnOperation() override;

private:
  /// A quantized layer: its result, and that of its copy in float.
  struct Layer {
    std::string name;
    OpResult quantized, real;
  };

  Value realOf(DequantizeOp op, StringRef layer);
  /// Puts a copy in float behind `op`; none where no operand was quantized, or
  /// what it was is not known.
  std::optional<Layer> copy(Operation *op);
  std::string nameOf(Operation *op);
  /// Who reads the layer reads it where switch `index` is set, else the copy:
  /// the value that does so.
  Value choose(const Layer &layer, Value switches, int64_t index);
  void addResults(func::FuncOp function, ArrayRef<Layer> layers,
                  ArrayRef<Value> chosen);

  llvm::StringSet<> names;
};

} // namespace

static bool isLayer(Operation *op) {
  return isa<QGraphDialect>(op->getDialect()) && op->getNumResults() == 1 &&
         isa<RankedTensorType>(op->getResult(0).getType()) &&
         !isa<QuantizeOp, DequantizeOp, ChooseParamsOp, ObserveOp,
              ReinterpretOp>(op) &&
         llvm::any_of(op->getOperands(), [](Value operand) {
           return operand.getDefiningOp<DequantizeOp>();
         });
}

/// What a `dequantize` stands for; null where that is not known.
Value InsertSwitchesPass::realOf(DequantizeOp op, StringRef layer) {
  OpBuilder builder(op);
  if (auto original =
          dyn_cast_or_null<TypedAttr>(op->getDiscardableAttr(kOriginalAttr)))
    return ConstantOp::create(builder, op.getLoc(), original);
  if (auto quantize = op.getInput().getDefiningOp<QuantizeOp>())
    return quantize.getInput().getType() == op.getType() ? quantize.getInput()
                                                         : Value();
  // A weight that was stored in the model: there is nothing better.
  llvm::Expected<TypedAttr> stored = dequantizeConstant(op, layer);
  if (stored)
    return ConstantOp::create(builder, op.getLoc(), *stored);
  llvm::consumeError(stored.takeError());
  return {};
}

std::string InsertSwitchesPass::nameOf(Operation *op) {
  std::string base = getLayerName(op).str();
  if (base.empty())
    base = op->getName().stripDialect().str();
  std::string name = base;
  for (int64_t count = 2; !names.insert(name).second; ++count)
    name = base + "#" + std::to_string(count);
  return name;
}

std::optional<InsertSwitchesPass::Layer>
InsertSwitchesPass::copy(Operation *op) {
  IRMapping mapping;
  for (Value operand : op->getOperands())
    if (auto dequantize = operand.getDefiningOp<DequantizeOp>()) {
      Value real = realOf(dequantize, getLayerName(op));
      if (!real) {
        ++skipped;
        op->emitRemark() << describeOp(op) << " has no switch: what "
                         << describeValue(operand)
                         << " was before it was quantized is not known";
        return std::nullopt;
      }
      mapping.map(operand, real);
    }
  OpBuilder builder(op->getContext());
  builder.setInsertionPointAfter(op);
  Operation *real = builder.clone(*op, mapping);
  real->setDiscardableAttr(kPartAttr, builder.getUnitAttr());
  return Layer{nameOf(op), op->getResult(0), real->getResult(0)};
}

Value InsertSwitchesPass::choose(const Layer &layer, Value switches,
                                 int64_t index) {
  SmallVector<OpOperand *> readers(
      llvm::make_pointer_range(layer.quantized.getUses()));
  OpBuilder builder(layer.real.getContext());
  builder.setInsertionPointAfter(layer.real.getOwner());
  Location loc = layer.real.getLoc();
  auto type = cast<RankedTensorType>(layer.quantized.getType());
  Value at = ConstantOp::create(
      builder, loc,
      DenseElementsAttr::get(RankedTensorType::get({}, builder.getI64Type()),
                             index));
  Value one = makeNode(builder, loc, "Gather",
                       RankedTensorType::get({}, builder.getI1Type()),
                       {switches, at}, {}, builder.getDictionaryAttr({}));
  Value chosen =
      makeNode(builder, loc, "Where", type, {one, layer.quantized, layer.real},
               dynamicDims(builder, type, layer.quantized),
               builder.getDictionaryAttr({}));
  for (OpOperand *reader : readers)
    reader->set(chosen);
  return chosen;
}

void InsertSwitchesPass::addResults(func::FuncOp function,
                                    ArrayRef<Layer> layers,
                                    ArrayRef<Value> chosen) {
  Operation *end = function.getBody().front().getTerminator();
  SmallVector<Type> types(function.getResultTypes());
  SmallVector<Attribute> attributes;
  for (unsigned i = 0; i < types.size(); ++i)
    attributes.push_back(function.getResultAttrDict(i)
                             ? function.getResultAttrDict(i)
                             : DictionaryAttr::get(&getContext()));
  Builder builder(&getContext());
  auto add = [&](Value value, StringRef prefix, const Layer &layer) {
    end->insertOperands(end->getNumOperands(), value);
    types.push_back(value.getType());
    attributes.push_back(builder.getDictionaryAttr(builder.getNamedAttr(
        "onnx.name", builder.getStringAttr(prefix + layer.name))));
  };
  for (auto [layer, value] : llvm::zip_equal(layers, chosen)) {
    add(value, kChosenPrefix, layer);
    add(layer.quantized, kQuantizedPrefix, layer);
  }
  function.setFunctionType(
      builder.getFunctionType(function.getArgumentTypes(), types));
  function.setResAttrsAttr(builder.getArrayAttr(attributes));
}

void InsertSwitchesPass::runOnOperation() {
  names.clear();
  ModuleOp module = getOperation();
  auto functions = module.getOps<func::FuncOp>();
  if (!llvm::hasSingleElement(functions)) {
    module.emitError("qgraph-insert-switches needs a module with one function");
    return signalPassFailure();
  }
  func::FuncOp function = *functions.begin();
  std::vector<Layer> layers;
  for (Operation &op : llvm::make_early_inc_range(function.getBody().front()))
    if (isLayer(&op))
      if (std::optional<Layer> layer = copy(&op))
        layers.push_back(std::move(*layer));
  switched = layers.size();
  if (layers.empty())
    return;
  Builder builder(&getContext());
  auto type = RankedTensorType::get({static_cast<int64_t>(layers.size())},
                                    builder.getI1Type());
  unsigned place = function.getNumArguments();
  if (failed(function.insertArgument(
          place, type,
          builder.getDictionaryAttr(builder.getNamedAttr(
              "onnx.name", builder.getStringAttr(kSwitches))),
          function.getLoc())))
    return signalPassFailure();
  std::vector<Value> chosen;
  for (auto [i, layer] : llvm::enumerate(layers))
    chosen.push_back(choose(layer, function.getArgument(place), i));
  addResults(function, layers, chosen);
}

} // namespace quantc::qgraph
