//===- AWQ.cpp - Scales by which weights that matter round better ---------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What format a layer has is not decided here: the weights that
// `--qgraph-quantize-weights` has rounded are floats again while the model runs
// on the samples, and are rounded to the same formats in the end, with factors
// on their columns. The factors change nothing that passes through the model,
// so they are only collected on the way: all is rewritten after the last
// segment, each weight once.
//
//===----------------------------------------------------------------------===//

#include "quantc/Numerics/AWQ.h"
#include "InputFactors.h"
#include "LayerSums.h"
#include "RoundWeights.h"
#include "SequentialDriver.h"
#include "quantc/Analysis/Layers.h"
#include "quantc/Numerics/Gram.h"
#include "quantc/Quantize/Passes.h"

#include <cmath>

using namespace mlir;

namespace quantc::qgraph {
#define GEN_PASS_DEF_AWQ
#include "quantc/Quantize/Passes.h.inc"

namespace {

/// What ratios are measured with at most: to choose scales by blocks takes a
/// hundred times as long, and hardly changes which ratio is the best.
constexpr numerics::ScaleChoice kMeasured = numerics::ScaleChoice::Diagonal;

/// A layer that is rounded again.
struct Target {
  LinearOp layer;
  DequantizeOp weight; ///< what it reads before and after this pass
  TypedAttr original;
  RoundingFormat format;
  /// Of its input, divided by the factors; null where no sample came.
  std::shared_ptr<const numerics::GroupStatistics> input;
};

class AWQPass : public impl::AWQBase<AWQPass> {
public:
  using AWQBase::AWQBase;

  LogicalResult initialize(MLIRContext *context) override;
  void runOnOperation() override;

  /// True if a layer that is rounded again reads it.
  bool isRead(ObserveOp site) const;
  /// Chooses the factors of a site's tensor.
  llvm::Error solve(ObserveOp site, numerics::InputStatistics input);

private:
  void restoreOriginals();
  void skip(Operation *layer, const Twine &how, const Twine &why) {
    ++skipped;
    layer->emitRemark() << describeOp(layer) << how << why;
  }
  llvm::Expected<std::vector<float>>
  chooseFactors(ObserveOp site, LinearOp layer,
                numerics::InputStatistics &input);
  llvm::Error round(Target &target);

  numerics::Scheme schemeValue = numerics::Scheme::SignedScale;
  numerics::ScaleChoice choice = numerics::ScaleChoice::Block;
  llvm::MapVector<Operation *, Target> targets;
  std::optional<InputFactors> inputs;
  std::optional<ChannelFactorRewriter> rewriter;
};

/// Sums |x| and XᵀX at the sites of a segment.
class InputSums : public SequentialMethod {
public:
  explicit InputSums(AWQPass &pass) : pass(pass) {}

  llvm::Error observe(ObserveOp site, const SampleTensors &tensors) override;
  llvm::Error solve(ArrayRef<ObserveOp> sites) override;

private:
  struct Sums {
    int64_t tokens = 0;
    std::vector<double> abs;
    std::vector<float> gram;
  };
  AWQPass &pass;
  DenseMap<Operation *, Sums> sums;
};

} // namespace

//===----------------------------------------------------------------------===//
// What passes the sites
//===----------------------------------------------------------------------===//

llvm::Error InputSums::observe(ObserveOp site, const SampleTensors &tensors) {
  if (!pass.isRead(site))
    return llvm::Error::success();
  llvm::Expected<TensorView> tensor = tensors.current(site.getInput());
  if (!tensor)
    return tensor.takeError();
  int64_t channels = tensor->type.shape.back(),
          values = tensor->bytes.size() / sizeof(float);
  ArrayRef<float> x(reinterpret_cast<const float *>(tensor->bytes.data()),
                    values);
  if (!llvm::all_of(x, [](float value) { return std::isfinite(value); }))
    return llvm::createStringError(
        "site '" + site.getSite() + "': sample " +
        std::to_string(tensors.sample()) +
        " gives NaN or infinities there; take it out of the data");
  Sums &sum = sums[site];
  sum.abs.resize(channels);
  sum.gram.resize(channels * channels);
  for (auto [i, value] : llvm::enumerate(x))
    sum.abs[i % channels] += std::fabs(value);
  int64_t tokens = channels ? values / channels : 0;
  sum.tokens += tokens;
  numerics::addGram(tokens, channels, x.data(), /*weights=*/nullptr,
                    sum.gram.data(), parallelIn(site.getContext()));
  return llvm::Error::success();
}

llvm::Error InputSums::solve(ArrayRef<ObserveOp> sites) {
  for (ObserveOp site : sites) {
    if (!pass.isRead(site))
      continue;
    auto at = sums.find(site);
    if (at == sums.end() || at->second.tokens == 0) {
      site.emitWarning() << "no sample has reached the site '" << site.getSite()
                         << "'; the layers that read it are not scaled";
      continue;
    }
    Sums sum = std::move(at->second);
    sums.erase(at);
    numerics::InputStatistics input;
    input.K = sum.abs.size();
    std::vector<float> absMean;
    for (double one : sum.abs)
      absMean.push_back(one / static_cast<double>(sum.tokens));
    input.absMean = absMean.data();
    numerics::mirrorUpper(input.K, sum.gram.data());
    input.H = sum.gram.data();
    if (llvm::Error error = pass.solve(site, std::move(input)))
      return error;
  }
  return llvm::Error::success();
}

//===----------------------------------------------------------------------===//
// Factors
//===----------------------------------------------------------------------===//

bool AWQPass::isRead(ObserveOp site) const {
  return llvm::any_of(site->getUsers(), [&](Operation *reader) {
    return targets.contains(reader);
  });
}

/// s of each channel of the site's tensor; empty: all are 1.
llvm::Expected<std::vector<float>>
AWQPass::chooseFactors(ObserveOp site, LinearOp layer,
                       numerics::InputStatistics &input) {
  auto keep = [&](const Twine &why) {
    skip(layer, " is not scaled: ", why);
    return std::vector<float>();
  };
  llvm::Expected<ChannelFactors> found = inputs->find(layer);
  if (!found)
    return keep(llvm::toString(found.takeError()));
  if (found->groupCount == 0)
    return std::vector<float>();
  std::vector<std::vector<float>> weights;
  std::vector<numerics::Consumer> consumers;
  for (const ChannelFactors::Layer &one : found->layers) {
    auto target = targets.find(one.op);
    if (target == targets.end())
      continue;
    LinearOp reader = target->second.layer;
    if (reader.getInput() != site.getResult())
      return keep("its factors would reach " + describeOp(reader) +
                  ", too, which reads another tensor");
    llvm::Expected<ScaledWeight> weight = rewriter->weight(one.op);
    if (!weight)
      return weight.takeError();
    weights.push_back(weight->readAll());
    consumers.push_back(
        {reader.getWeight().getType().getDimSize(0), weights.back().data(),
         groupFormat(target->second.format, std::min(choice, kMeasured))});
  }
  input.factorOf = found->groups;
  numerics::AWQOptions options;
  options.steps = ratios;
  options.useWeights = useWeights;
  options.sampleRows = rows;
  numerics::AWQResult result =
      numerics::awqSearch(options, input, consumers, parallelIn(&getContext()));
  if (result.ratio == 0 && !result.usesWeights)
    return std::vector<float>();

  std::vector<float> factors(found->groupCount, 1.0f);
  for (auto [group, s] : llvm::zip_equal(found->groups, result.factor))
    if (group >= 0)
      factors[group] = 1.0f / s;
  rewriter->add(*found, factors);
  scaled += consumers.size();
  if (found->multiplies) {
    ++products;
    layer.emitRemark() << "the input of " << describeOp(layer)
                       << " is multiplied while the model runs: "
                       << found->blocked;
  }
  return result.factor;
}

llvm::Error AWQPass::solve(ObserveOp site, numerics::InputStatistics input) {
  SmallVector<Target *> readers;
  for (auto &[op, target] : targets)
    if (target.layer.getInput() == site.getResult())
      readers.push_back(&target);
  llvm::Expected<std::vector<float>> s =
      chooseFactors(site, readers.front()->layer, input);
  if (!s)
    return s.takeError();
  std::map<int64_t, std::shared_ptr<const numerics::GroupStatistics>> known;
  for (Target *target : readers) {
    int64_t group = target->format.block[1];
    auto &statistics = known[group];
    if (!statistics) {
      numerics::GroupStatistics found = numerics::groupStatistics(
          input, group, s->empty() ? nullptr : s->data());
      // They are kept for all layers until the end.
      if (choice != numerics::ScaleChoice::Block)
        found.blocks = {};
      statistics =
          std::make_shared<numerics::GroupStatistics>(std::move(found));
    }
    target->input = statistics;
  }
  return llvm::Error::success();
}

//===----------------------------------------------------------------------===//
// The pass
//===----------------------------------------------------------------------===//

LogicalResult AWQPass::initialize(MLIRContext *context) {
  auto fail = [&](const Twine &message) {
    return emitError(UnknownLoc::get(context)) << "qgraph-awq: " << message;
  };
  std::optional<numerics::Scheme> parsed = parseSymmetricScheme(scheme);
  if (!parsed)
    return fail("scheme '" + scheme + "' is not symmetric or signed_scale");
  schemeValue = *parsed;
  std::optional<numerics::ScaleChoice> wanted = parseScaleChoice(scales);
  if (!wanted || *wanted == numerics::ScaleChoice::Sequential)
    return fail("scales '" + scales +
                "' is not formula, plain, diagonal or block");
  choice = *wanted;
  if (ratios < 1)
    return fail("ratios must be at least 1");
  if (rows < 0)
    return fail("rows must not be negative");
  return success();
}

/// Layers read the weights from before rounding.
void AWQPass::restoreOriginals() {
  targets.clear();
  getOperation().walk([&](LinearOp layer) {
    std::optional<QuantizedLayer> quantized = getQuantizedLayer(layer);
    if (!quantized)
      return;
    DequantizeOp weight = quantized->weight;
    TypedAttr original = quantized->original;
    llvm::Expected<RoundingFormat> format =
        getRoundingFormat(weight, schemeValue);
    if (!format)
      return skip(layer, " stays rounded to nearest: ",
                  llvm::toString(format.takeError()));
    OpBuilder builder(weight);
    if (!weight->hasOneUse())
      weight = cast<DequantizeOp>(builder.clone(*weight));
    weight->removeAttr(kOriginalAttr);
    layer.getWeightMutable().assign(
        ConstantOp::create(builder, weight.getLoc(), original));
    targets[layer] = {layer, weight, original, *format, nullptr};
  });
}

/// Rounds a weight with the factors that have been found.
llvm::Error AWQPass::round(Target &target) {
  llvm::Expected<ConstantTensor> original =
      ConstantTensor::get(target.original);
  if (!original)
    return original.takeError();
  std::string name =
      entryBaseName(*original, getLayerName(target.layer)) + "@awq";
  llvm::Expected<ScaledWeight> weight = rewriter->take(target.layer);
  if (!weight)
    return weight.takeError();
  std::vector<float> real = weight->readAll();
  RankedTensorType type = original->getType();
  int64_t n = type.getDimSize(0), k = type.getDimSize(1);
  numerics::GroupFormat format = groupFormat(target.format, choice);
  numerics::QuantizedWeights codes = numerics::clipWeights(
      format, n, k, real.data(), target.input.get(), parallelIn(&getContext()));
  llvm::Expected<RoundedWeight> kept =
      keepWeight(type, target.format, codes, name);
  if (!kept)
    return kept.takeError();
  replaceOperands(target.weight, *kept);
  Operation *constant = target.layer.getWeight().getDefiningOp();
  target.layer.getWeightMutable().assign(target.weight);
  constant->erase();
  if (keepOriginal) {
    TypedAttr scaled = target.original;
    if (weight->hasFactors()) {
      llvm::Expected<TypedAttr> made = weight->toConstant(name + ".original");
      if (!made)
        return made.takeError();
      scaled = *made;
    }
    target.weight->setDiscardableAttr(kOriginalAttr, scaled);
  }
  ++matched;
  return llvm::Error::success();
}

void AWQPass::runOnOperation() {
  ModuleOp module = getOperation();
  auto fail = [&](const Twine &text) {
    module.emitError() << "qgraph-awq: " << text;
    signalPassFailure();
  };
  if (data.empty())
    return fail("needs data=FILE, the samples to run the model on");
  restoreOriginals();
  ChannelFactorOptions factorOptions;
  factorOptions.cloneShared = cloneShared;
  factorOptions.scaleCaches = scaleCache;
  inputs.emplace(module, factorOptions, insertMultiply);
  rewriter.emplace("awq");
  InputSums sums(*this);
  SequentialOptions options;
  options.data = data;
  options.firstSample = firstSample;
  options.samples = samples;
  if (llvm::Error error = runSequentially(module, options, sums))
    return fail(llvm::toString(std::move(error)));
  for (auto &[op, target] : targets)
    if (llvm::Error error = round(target))
      return fail(llvm::toString(std::move(error)));
  if (llvm::Error error = rewriter->apply())
    return fail(llvm::toString(std::move(error)));
  if (!keepOriginal)
    module.walk([](DequantizeOp weight) { weight->removeAttr(kOriginalAttr); });
}

} // namespace quantc::qgraph
