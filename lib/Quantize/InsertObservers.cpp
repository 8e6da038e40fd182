//===- InsertObservers.cpp - Calibration sites ------------------*- C++ -*-===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Calibration and compilation are two runs of one pipeline, so what a run of
// the one has found is looked up in the other by the names of the sites. They
// come from the layers' names, and the fingerprint from what does not change
// with the bounds of dimensions.
//
//===----------------------------------------------------------------------===//

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"
#include "quantc/Analysis/Calibration.h"
#include "quantc/Analysis/ConstantTensor.h"
#include "quantc/Analysis/LayerPrecision.h"
#include "quantc/Analysis/Layers.h"
#include "quantc/Quantize/Passes.h"
#include "quantc/hash.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSet.h"

using namespace mlir;

namespace quantc::qgraph {
#define GEN_PASS_DEF_INSERTOBSERVERS
#include "quantc/Quantize/Passes.h.inc"

namespace {

class InsertObserversPass
    : public impl::InsertObserversBase<InsertObserversPass> {
public:
  using InsertObserversBase::InsertObserversBase;
  void runOnOperation() override;

private:
  void observe(OpOperand &operand);
  LogicalResult addToFingerprint(LayerOpInterface layer);

  StringSet<> names;
  DenseMap<Value, Value> observed;
  /// Names of the layers and hashes of their weights.
  std::string layers;
};

} // namespace

/// What tells a weight from others without reading all of it: its type, and
/// pages that lie evenly in it.
static llvm::Expected<uint64_t> hashWeight(Value weight) {
  constexpr size_t kPage = 4096, kPages = 16;
  llvm::Expected<ConstantTensor> tensor = ConstantTensor::get(weight);
  if (!tensor)
    return tensor.takeError();
  std::string text;
  llvm::raw_string_ostream(text) << tensor->getType();
  ArrayRef<char> bytes = tensor->getBytes();
  size_t step = std::max(bytes.size() / kPages, kPage);
  for (size_t at = 0; at < bytes.size(); at += step)
    text.append(bytes.data() + at, std::min(kPage, bytes.size() - at));
  return quantc_hash(text.data(), text.size());
}

void InsertObserversPass::observe(OpOperand &operand) {
  Operation *layer = operand.getOwner();
  Value value = operand.get();
  Value &result = observed[value];
  if (!result) {
    StringRef name = getLayerName(layer);
    std::string base =
        (name.empty() ? layer->getName().getStringRef() : name).str();
    std::string site = base + "/input";
    for (unsigned i = 2; !names.insert(site).second; ++i)
      site = base + "/input-" + std::to_string(i);
    OpBuilder builder(layer->getContext());
    builder.setInsertionPointAfterValue(value);
    result = ObserveOp::create(builder, layer->getLoc(), value.getType(), value,
                               builder.getStringAttr(site),
                               /*factor=*/TypedAttr());
    ++sites;
  }
  operand.set(result);
}

/// Dimensions have no part in it: they may be bound otherwise when the model is
/// compiled than they were when it was calibrated.
LogicalResult InsertObserversPass::addToFingerprint(LayerOpInterface layer) {
  Value weight = layer.getWeight();
  if (auto dequantize = weight.getDefiningOp<DequantizeOp>())
    weight = dequantize.getInput();
  layers += getLayerName(layer);
  layers += '\n';
  if (!isConstant(weight))
    return success();
  llvm::Expected<uint64_t> hash = hashWeight(weight);
  if (!hash)
    return layer.emitError()
           << describeOp(layer) << ": " << toString(hash.takeError());
  layers += llvm::utohexstr(*hash);
  return success();
}

void InsertObserversPass::runOnOperation() {
  names.clear();
  observed.clear();
  layers.clear();
  WalkResult walked = getOperation().walk([&](LayerOpInterface layer) {
    if (!isa<LinearOp, ConvOp>(*layer) || layer->hasAttr(kPartAttr))
      return WalkResult::advance();
    if (failed(addToFingerprint(layer)))
      return WalkResult::interrupt();
    auto type = cast<RankedTensorType>(layer.getInput().getType());
    if (!type.getElementType().isF32() ||
        layer.getInput().getDefiningOp<ObserveOp>())
      return WalkResult::advance();
    if (!isa<func::FuncOp>(layer->getParentOp())) {
      layer->emitRemark() << describeOp(layer)
                          << " is in a branch or loop: its input is not "
                             "observed, and no statistics are used for it";
      return WalkResult::advance();
    }
    observe(layer->getOpOperand(0));
    return WalkResult::advance();
  });
  if (walked.wasInterrupted())
    return signalPassFailure();
  std::string text = llvm::utohexstr(quantc_hash(layers.data(), layers.size()));
  getOperation()->setAttr(kFingerprintAttr,
                          StringAttr::get(&getContext(), text));
}

} // namespace quantc::qgraph
