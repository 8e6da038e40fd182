//===- GPTQ.cpp - Weights that make up for each other's errors --*- C++ -*-===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What format a layer has is not decided here: this takes the weights that
// `--qgraph-quantize-weights` has rounded to nearest, and finds better codes of
// the same format. A layer's inputs are what the layers before it give once
// they have been rewritten.
//
//===----------------------------------------------------------------------===//

#include "quantc/Numerics/GPTQ.h"
#include "KeptWeights.h"
#include "LayerSums.h"
#include "RoundWeights.h"
#include "SequentialDriver.h"
#include "quantc/Analysis/Layers.h"
#include "quantc/Dialect/QGraph/Weights.h"
#include "quantc/Quantize/Passes.h"

using namespace mlir;

namespace quantc::qgraph {
#define GEN_PASS_DEF_GPTQ
#include "quantc/Quantize/Passes.h.inc"

namespace {

class GPTQPass : public impl::GPTQBase<GPTQPass> {
public:
  using GPTQBase::GPTQBase;

  LogicalResult initialize(MLIRContext *context) override;
  void runOnOperation() override;

  llvm::Error solve(const LayerSums &sums, Record &found);
  /// False if nothing is known of the layer.
  llvm::Expected<bool> apply(const QuantizedLayer &layer, const Record &found);

private:
  llvm::Error solve(const LayerSums &sums, size_t layer,
                    const numerics::GPTQSolver &solver,
                    const RoundingFormat &format, Record &found);
  /// Why a layer stays as it is.
  void note(const QuantizedLayer &layer, std::string why, Record &found) {
    found.texts[numbers->prefix(layer.op) + "why"] = std::move(why);
  }
  numerics::GPTQOptions optionsFor(const RoundingFormat &format) const;
  void skip(Operation *layer, const Twine &why);

  numerics::GPTQOptions defaults;
  LayerSumsOptions sumsOptions;
  std::vector<QuantizedLayer> solved;
  std::optional<LayerNumbers> numbers;
};

/// Sums XᵀX, and what else is asked for, at the sites of a segment.
class Hessians : public SequentialMethod {
public:
  Hessians(GPTQPass &pass, const LayerSumsOptions &options)
      : pass(pass), options(options) {}

  bool usesOriginal() const override { return options.needsOriginal(); }
  SmallVector<Value> wantedOriginals(ObserveOp site) const override {
    return residualsOf(site);
  }
  llvm::Error observe(ObserveOp site, const SampleTensors &tensors) override;
  llvm::Error solve(ArrayRef<ObserveOp> sites, Record &found) override;
  llvm::Error apply(ArrayRef<ObserveOp> sites, const Record &found) override;

private:
  GPTQPass &pass;
  LayerSumsOptions options;
  DenseMap<Operation *, std::vector<LayerSums>> sums;
};

} // namespace

llvm::Error Hessians::observe(ObserveOp site, const SampleTensors &tensors) {
  auto [at, isNew] = sums.try_emplace(site);
  if (isNew) {
    llvm::Expected<std::vector<LayerSums>> made =
        LayerSums::create(site, options, tensors);
    if (!made)
      return made.takeError();
    at->second = std::move(*made);
  }
  for (LayerSums &group : at->second)
    if (llvm::Error error = group.add(tensors, parallelIn(site.getContext())))
      return error;
  return llvm::Error::success();
}

llvm::Error Hessians::solve(ArrayRef<ObserveOp> sites, Record &found) {
  for (ObserveOp site : sites) {
    std::vector<LayerSums> groups = std::move(sums[site]);
    sums.erase(site);
    for (LayerSums &group : groups) {
      if (group.tokens() == 0)
        break;
      group.finish();
      if (llvm::Error error = pass.solve(group, found))
        return error;
    }
  }
  return llvm::Error::success();
}

llvm::Error Hessians::apply(ArrayRef<ObserveOp> sites, const Record &found) {
  for (ObserveOp site : sites)
    for (const QuantizedLayer &layer : quantizedReaders(site)) {
      llvm::Expected<bool> known = pass.apply(layer, found);
      if (!known)
        return known.takeError();
      if (*known)
        continue;
      site.emitWarning()
          << "no sample has reached the site '" << site.getSite()
          << "'; the layers that read it stay rounded to nearest";
      break;
    }
  return llvm::Error::success();
}

LogicalResult GPTQPass::initialize(MLIRContext *context) {
  auto fail = [&](const Twine &message) {
    return emitError(UnknownLoc::get(context)) << "qgraph-gptq: " << message;
  };
  std::optional<numerics::Scheme> parsed = parseSymmetricScheme(scheme);
  if (!parsed)
    return fail("scheme '" + scheme + "' is not symmetric or signed_scale");
  defaults.scheme = *parsed;
  auto order = llvm::StringSwitch<std::optional<numerics::ActOrder>>(actOrder)
                   .Case("none", numerics::ActOrder::None)
                   .Case("columns", numerics::ActOrder::Columns)
                   .Case("groups", numerics::ActOrder::Groups)
                   .Default(std::nullopt);
  if (!order)
    return fail("act-order '" + actOrder + "' is not none, columns or groups");
  defaults.order = *order;
  std::optional<numerics::ScaleChoice> choice = parseScaleChoice(scales);
  if (!choice)
    return fail("scales '" + scales +
                "' is not formula, plain, diagonal, block or sequential");
  defaults.scaleChoice = *choice;
  if (!(damping >= 0 && damping <= 1))
    return fail("damping must be between 0 and 1");
  if (refinements < 0)
    return fail("refinements must not be negative");
  auto held = llvm::StringSwitch<std::optional<OutputTarget>>(target)
                  .Case("weights", OutputTarget::Weights)
                  .Case("inputs", OutputTarget::Inputs)
                  .Case("residual", OutputTarget::Residual)
                  .Default(std::nullopt);
  if (!held)
    return fail("target '" + target + "' is not weights, inputs or residual");
  sumsOptions.target = *held;
  sumsOptions.weighTokens = weighTokens;
  defaults.damping = damping;
  defaults.refinements = refinements;
  return success();
}

void GPTQPass::skip(Operation *layer, const Twine &why) {
  ++skipped;
  layer->emitRemark() << describeOp(layer)
                      << " stays rounded to nearest: " << why;
}

/// What is asked of GPTQ for weights of a format.
numerics::GPTQOptions GPTQPass::optionsFor(const RoundingFormat &format) const {
  numerics::GPTQOptions wanted = defaults;
  wanted.encoding.format = format.stored;
  wanted.groupSize = format.block[1];
  wanted.scheme = format.scheme;
  wanted.scaleFormat = format.scaleType;
  return wanted;
}

llvm::Error GPTQPass::solve(const LayerSums &sums, Record &found) {
  std::string solverKey;
  numerics::GPTQSolver solver;
  for (auto [i, layer] : llvm::enumerate(sums.layers())) {
    llvm::Expected<RoundingFormat> format =
        getRoundingFormat(layer.weight, defaults.scheme);
    if (!format) {
      note(layer, llvm::toString(format.takeError()), found);
      continue;
    }
    // Layers that read one tensor mostly have one format, too.
    if (solverKey != format->key()) {
      std::string why = numerics::GPTQSolver::create(
          optionsFor(*format), sums.width(), sums.gram().data(), solver);
      if (!why.empty()) {
        note(layer, why, found);
        continue;
      }
      solverKey = format->key();
    }
    if (llvm::Error error = solve(sums, i, solver, *format, found))
      return error;
  }
  return llvm::Error::success();
}

/// Scales that rows share are chosen before, for rounding to nearest.
static numerics::GPTQResult solveCodes(const numerics::GPTQSolver &solver,
                                       const RoundingFormat &format, int64_t n,
                                       const std::vector<float> &wanted,
                                       const numerics::ParallelFor &parallel) {
  if (format.isRowwise())
    return solver.solve(n, wanted.data(), parallel);
  auto k = static_cast<int64_t>(wanted.size()) / n;
  numerics::QuantizedWeights shared =
      searchBlockScales(format, n, k, wanted.data());
  int64_t groups = shared.scaleShape[1],
          sharing = format.block[0] ? format.block[0] : n;
  std::vector<float> scale;
  std::vector<int32_t> zeroPoint;
  for (int64_t row = 0; row < n; ++row)
    for (int64_t at = row / sharing * groups, end = at + groups; at < end;
         ++at) {
      scale.push_back(shared.scale[at]);
      if (!shared.zeroPoint.empty())
        zeroPoint.push_back(shared.zeroPoint[at]);
    }
  numerics::ScaleArrays fixed{
      scale.data(), zeroPoint.empty() ? nullptr : zeroPoint.data(), nullptr};
  numerics::GPTQResult result =
      solver.solve(n, wanted.data(), parallel, &fixed);
  result.weights.scale = std::move(shared.scale);
  result.weights.zeroPoint = std::move(shared.zeroPoint);
  result.weights.scaleShape = std::move(shared.scaleShape);
  return result;
}

llvm::Error GPTQPass::solve(const LayerSums &sums, size_t i,
                            const numerics::GPTQSolver &solver,
                            const RoundingFormat &format, Record &found) {
  const QuantizedLayer &layer = sums.layers()[i];
  llvm::Expected<ConstantTensor> original = ConstantTensor::get(layer.original);
  if (!original)
    return original.takeError();
  numerics::ParallelFor parallel = parallelIn(&getContext());
  llvm::Expected<std::vector<float>> wanted =
      sums.target(i, original->readFloats(), parallel);
  if (!wanted) {
    note(layer, llvm::toString(wanted.takeError()), found);
    return llvm::Error::success();
  }
  numerics::GPTQResult result = solveCodes(
      solver, format, original->getType().getDimSize(0), *wanted, parallel);
  llvm::Expected<RoundedWeight> kept =
      keepWeight(original->getType(), format, result.weights,
                 entryBaseName(*original, getLayerName(layer.op)) + "@gptq");
  if (!kept)
    return kept.takeError();
  kept->error = result.relativeError();
  return saveWeight(*kept, numbers->prefix(layer.op), found);
}

llvm::Expected<bool> GPTQPass::apply(const QuantizedLayer &layer,
                                     const Record &found) {
  std::string prefix = numbers->prefix(layer.op);
  if (std::string why = found.text(prefix + "why"); !why.empty()) {
    skip(layer.op, why);
    return true;
  }
  llvm::Expected<std::optional<RoundedWeight>> kept =
      loadWeight(&getContext(), prefix, found);
  if (!kept)
    return kept.takeError();
  if (!*kept)
    return false;
  replaceOperands(layer.weight, **kept);
  // A weight that several layers have is solved for the first.
  layer.weight->removeAttr(kOriginalAttr);
  solved.push_back(layer);
  ++matched;
  worstError.updateMax(static_cast<uint64_t>((*kept)->error * 1e6 + 0.5));
  return true;
}

void GPTQPass::runOnOperation() {
  ModuleOp module = getOperation();
  auto fail = [&](const Twine &text) {
    module.emitError() << "qgraph-gptq: " << text;
    signalPassFailure();
  };
  if (data.empty())
    return fail("needs data=FILE, the samples to run the model on");
  solved.clear();
  numbers.emplace(module);
  Hessians hessians(*this, sumsOptions);
  SequentialOptions options;
  options.data = data;
  options.firstSample = firstSample;
  options.samples = samples;
  if (llvm::Error error = runSequentially(
          module, options, getJournal(module).begin("gptq"), hessians))
    return fail(llvm::toString(std::move(error)));
  if (!keepOriginal)
    module.walk([](DequantizeOp weight) { weight->removeAttr(kOriginalAttr); });
  else
    for (QuantizedLayer &layer : solved)
      layer.weight->setDiscardableAttr(kOriginalAttr, layer.original);
}

} // namespace quantc::qgraph
