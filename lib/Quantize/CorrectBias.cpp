//===- CorrectBias.cpp - What rounding weights adds on average ------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Looks at each layer whose weight is rounded and still has with it what it was
// before, and lowers the bias by the mean of what the difference adds.
//
//===----------------------------------------------------------------------===//

#include "quantc/Analysis/Calibration.h"
#include "quantc/Analysis/ChannelFactors.h"
#include "quantc/Analysis/Layers.h"
#include "quantc/Numerics/Equalize.h"
#include "quantc/Quantize/Passes.h"

#define DEBUG_TYPE "qgraph-correct-bias"

using namespace mlir;

namespace quantc::qgraph {
#define GEN_PASS_DEF_CORRECTBIAS
#include "quantc/Quantize/Passes.h.inc"

namespace {

class CorrectBiasPass : public impl::CorrectBiasBase<CorrectBiasPass> {
public:
  using CorrectBiasBase::CorrectBiasBase;

  LogicalResult initialize(MLIRContext *context) override;
  void runOnOperation() override;

private:
  /// Corrects a layer; why not, or an empty text.
  std::string correct(LayerOpInterface layer, DequantizeOp weight,
                      TypedAttr original);
  /// E[x] of the channels of a layer's input.
  llvm::Expected<std::vector<float>> meanInput(LayerOpInterface layer);

  Statistics file;
};

} // namespace

LogicalResult CorrectBiasPass::initialize(MLIRContext *context) {
  if (statistics.empty())
    return emitError(UnknownLoc::get(context))
           << "qgraph-correct-bias: statistics=FILE is missing: the mean of "
              "the activations is not known without it";
  return success();
}

llvm::Expected<std::vector<float>>
CorrectBiasPass::meanInput(LayerOpInterface layer) {
  Value input = layer.getInput();
  if (auto dequantize = input.getDefiningOp<DequantizeOp>())
    if (auto quantize = dequantize.getInput().getDefiningOp<QuantizeOp>())
      input = quantize.getInput();
  auto site = input.getDefiningOp<ObserveOp>();
  if (!site)
    return llvm::createStringError(
        "its input has no calibration site; --qgraph-insert-observers puts one "
        "there");
  llvm::Expected<numerics::SiteStatistics> known =
      quantc::getStatistics(file, site);
  if (!known)
    return known.takeError();
  return known->channelMean();
}

/// (before - after) E[x] for each column of a weight [N, ..., K], of which
/// column n reads the channels from n / (N / groups) * K on.
static std::vector<double> corrections(const ScaledWeight &before,
                                       const ScaledWeight &after,
                                       ArrayRef<float> mean, int64_t columns,
                                       int64_t groups) {
  std::vector<double> sums(columns, 0.0);
  before.forTasks([&](size_t, int64_t begin, int64_t end) {
    std::vector<float> w, rounded;
    for (int64_t row = begin; row < end; ++row) {
      before.read(row, w);
      after.read(row, rounded);
      int64_t column = row / before.rowsPerColumn();
      int64_t first = column / (columns / groups) * before.width();
      sums[column] += numerics::biasCorrection(
          1, before.width(), w.data(), rounded.data(), mean.data() + first)[0];
    }
  });
  return sums;
}

std::string CorrectBiasPass::correct(LayerOpInterface layer,
                                     DequantizeOp weight, TypedAttr original) {
  llvm::Expected<std::vector<float>> mean = meanInput(layer);
  if (!mean)
    return llvm::toString(mean.takeError());
  llvm::Expected<TypedAttr> rounded =
      dequantizeConstant(weight, getLayerName(layer));
  if (!rounded)
    return llvm::toString(rounded.takeError());
  llvm::Expected<ConstantTensor> before = ConstantTensor::get(original),
                                 after = ConstantTensor::get(*rounded);
  for (llvm::Expected<ConstantTensor> *read : {&before, &after})
    if (!*read) {
      std::string why = llvm::toString(read->takeError());
      llvm::consumeError(before.takeError());
      llvm::consumeError(after.takeError());
      return why;
    }
  auto type = cast<RankedTensorType>(weight.getType());
  int64_t columns = type.getDimSize(0);
  auto conv = dyn_cast<ConvOp>(*layer);
  std::vector<double> sums =
      corrections(ScaledWeight(std::move(*before), type.getShape(), {}),
                  ScaledWeight(std::move(*after), type.getShape(), {}), *mean,
                  columns, conv ? conv.getGroups() : 1);

  std::vector<float> bias(columns, 0.0f);
  std::string name = (getLayerName(layer) + ".bias").str();
  auto element =
      cast<RankedTensorType>(layer.getResult().getType()).getElementType();
  if (Value old = layer.getBias()) {
    llvm::Expected<ConstantTensor> constant = ConstantTensor::get(old);
    if (!constant)
      return "its bias: " + llvm::toString(constant.takeError());
    bias = constant->readFloats();
    if (!constant->getName().empty())
      name = constant->getName().str();
    element = constant->getType().getElementType();
  }
  if (!element.isF32())
    return llvm::formatv("its bias is {0}; f32 can be corrected", element);
  for (auto [b, sum] : llvm::zip_equal(bias, sums))
    b = float(b + sum);
  llvm::Expected<TypedAttr> made =
      makeConstant(RankedTensorType::get(columns, element),
                   name + "@correct-bias", [&](MutableArrayRef<char> bytes) {
                     std::memcpy(bytes.data(), bias.data(), bytes.size());
                   });
  if (!made)
    return llvm::toString(made.takeError());
  OpBuilder builder(layer);
  Value old = layer.getBias();
  layer.getBiasMutable().assign(
      ConstantOp::create(builder, layer.getLoc(), *made));
  if (old && old.use_empty())
    old.getDefiningOp()->erase();
  return {};
}

void CorrectBiasPass::runOnOperation() {
  ModuleOp module = getOperation();
  llvm::Expected<Statistics> read = readStatistics(module, statistics);
  if (!read) {
    module.emitError() << "qgraph-correct-bias: "
                       << llvm::toString(read.takeError());
    return signalPassFailure();
  }
  file = std::move(*read);
  module.walk([&](LayerOpInterface layer) {
    auto weight = layer.getWeight().getDefiningOp<DequantizeOp>();
    if (!weight || !isa<LinearOp, ConvOp>(*layer))
      return;
    auto original =
        dyn_cast_or_null<TypedAttr>(weight->getDiscardableAttr(kOriginalAttr));
    std::string why = "what its weight was is not known any more; "
                      "--qgraph-quantize-weights=keep-original=true leaves it";
    if (original)
      why = correct(layer, weight, original);
    if (why.empty()) {
      ++corrected;
      return;
    }
    ++skipped;
    layer.emitRemark() << describeOp(layer) << " keeps its bias: " << why;
  });
  module.walk(
      [](DequantizeOp op) { op->removeDiscardableAttr(kOriginalAttr); });
}

} // namespace quantc::qgraph
