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
#include "KeptWeights.h"
#include "LayerSums.h"
#include "RoundWeights.h"
#include "SequentialDriver.h"
#include "quantc/Analysis/Layers.h"
#include "quantc/Dialect/QGraph/Weights.h"
#include "quantc/Numerics/Gram.h"
#include "quantc/Quantize/Passes.h"
#include "quantc/Support/Progress.h"

#include <cmath>
#include <map>
#include <set>

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
  /// Chooses the factors of a site's tensor. What is found gets names that
  /// begin with `prefix`.
  llvm::Error solve(ObserveOp site, numerics::InputStatistics input,
                    const std::string &prefix, Record &found);
  /// Takes up what was found of a site, once.
  llvm::Error apply(ObserveOp site, const std::string &prefix,
                    const Record &found);

private:
  void restoreOriginals();
  void skip(Operation *layer, const Twine &how, const Twine &why) {
    ++skipped;
    layer->emitRemark() << describeOp(layer) << how << why;
  }
  /// What can be done at a site.
  struct Plan {
    bool isApplied = false;
    std::vector<Target *> readers; ///< that are rounded again
    ChannelFactors factors;
    std::vector<Target *> scaled; ///< empty: nothing is
    std::string why;              ///< nothing is, if that is to be told
  };
  Plan &planFor(ObserveOp site);
  void addFactors(const Plan &plan, ArrayRef<float> s);
  llvm::Error round(Target &target);

  numerics::Scheme schemeValue = numerics::Scheme::SignedScale;
  numerics::ScaleChoice choice = numerics::ScaleChoice::Block;
  llvm::MapVector<Operation *, Target> targets;
  std::optional<InputFactors> inputs;
  std::optional<ChannelFactorRewriter> rewriter;
  std::map<Operation *, Plan> plans; // only looked up
  std::optional<LayerNumbers> numbers;
  std::string section; // of the journal
};

/// Sums |x| at the sites of a segment, and XᵀX: X itself as long as it is
/// smaller.
class InputSums : public SequentialMethod {
public:
  explicit InputSums(AWQPass &pass) : pass(pass) {}

  llvm::Error observe(ObserveOp site, const SampleTensors &tensors) override;
  llvm::Error solve(ArrayRef<ObserveOp> sites, Record &found) override;
  llvm::Error apply(ArrayRef<ObserveOp> sites, const Record &found) override;

private:
  struct Sums {
    int64_t tokens = 0;
    std::vector<double> abs;
    std::vector<float> rows; // empty from the first product on
    std::vector<float> gram;

    void addProducts(ArrayRef<float> x, const numerics::ParallelFor &parallel);
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
  for (auto [i, value] : llvm::enumerate(x))
    sum.abs[i % channels] += std::fabs(value);
  sum.tokens += channels ? values / channels : 0;
  sum.addProducts(x, parallelIn(site.getContext()));
  return llvm::Error::success();
}

void InputSums::Sums::addProducts(ArrayRef<float> x,
                                  const numerics::ParallelFor &parallel) {
  auto channels = static_cast<int64_t>(abs.size());
  if (gram.empty() && tokens < channels) {
    rows.insert(rows.end(), x.begin(), x.end());
    return;
  }
  auto add = [&](ArrayRef<float> some) {
    numerics::addGram(channels ? some.size() / channels : 0, channels,
                      some.data(), /*weights=*/nullptr, gram.data(), parallel);
  };
  gram.resize(channels * channels);
  add(rows);
  rows = {};
  add(x);
}

llvm::Error InputSums::solve(ArrayRef<ObserveOp> sites, Record &found) {
  for (auto [i, site] : llvm::enumerate(sites)) {
    auto at = sums.find(site);
    if (at == sums.end() || at->second.tokens == 0)
      continue;
    Sums sum = std::move(at->second);
    sums.erase(at);
    numerics::InputStatistics input;
    input.K = sum.abs.size();
    std::vector<float> absMean;
    for (double one : sum.abs)
      absMean.push_back(one / static_cast<double>(sum.tokens));
    input.absMean = absMean.data();
    input.tokens = sum.tokens;
    if (sum.gram.empty()) {
      input.X = sum.rows.data();
    } else {
      numerics::mirrorUpper(input.K, sum.gram.data());
      input.H = sum.gram.data();
    }
    std::string prefix = std::to_string(i) + ".";
    if (llvm::Error error = pass.solve(site, std::move(input), prefix, found))
      return error;
    // The next site's weights have this one's factors.
    if (llvm::Error error = pass.apply(site, prefix, found))
      return error;
  }
  return llvm::Error::success();
}

llvm::Error InputSums::apply(ArrayRef<ObserveOp> sites, const Record &found) {
  for (auto [i, site] : llvm::enumerate(sites))
    if (pass.isRead(site))
      if (llvm::Error error = pass.apply(site, std::to_string(i) + ".", found))
        return error;
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

AWQPass::Plan &AWQPass::planFor(ObserveOp site) {
  auto [at, isNew] = plans.try_emplace(site);
  Plan &plan = at->second;
  if (!isNew)
    return plan;
  for (auto &[op, target] : targets)
    if (target.layer.getInput() == site.getResult())
      plan.readers.push_back(&target);
  llvm::Expected<ChannelFactors> found =
      inputs->find(plan.readers.front()->layer);
  if (!found) {
    plan.why = llvm::toString(found.takeError());
    return plan;
  }
  plan.factors = std::move(*found);
  if (plan.factors.groupCount == 0)
    return plan;
  for (const ChannelFactors::Layer &one : plan.factors.layers) {
    auto target = targets.find(one.op);
    if (target == targets.end())
      continue;
    if (target->second.layer.getInput() != site.getResult()) {
      plan.why = "its factors would reach " + describeOp(one.op) +
                 ", too, which reads another tensor";
      plan.scaled.clear();
      return plan;
    }
    plan.scaled.push_back(&target->second);
  }
  return plan;
}

llvm::Error AWQPass::solve(ObserveOp site, numerics::InputStatistics input,
                           const std::string &prefix, Record &found) {
  Plan &plan = planFor(site);
  std::vector<std::vector<float>> weights;
  std::vector<numerics::Consumer> consumers;
  for (Target *target : plan.scaled) {
    llvm::Expected<ScaledWeight> weight = rewriter->weight(target->layer);
    if (!weight)
      return weight.takeError();
    weights.push_back(weight->readAll());
    consumers.push_back(
        {target->layer.getWeight().getType().getDimSize(0),
         weights.back().data(),
         groupFormat(target->format, std::min(choice, kMeasured))});
  }
  std::vector<float> s;
  if (!consumers.empty()) {
    input.factorOf = plan.factors.groups;
    numerics::AWQOptions options;
    options.steps = ratios;
    options.useWeights = useWeights;
    options.sampleRows = rows;
    numerics::AWQResult result = numerics::awqSearch(options, input, consumers,
                                                     parallelIn(&getContext()));
    if (result.ratio != 0 || result.usesWeights)
      s = std::move(result.factor);
  }
  if (!s.empty())
    if (llvm::Error error = found.add<float>(prefix + "factor", s))
      return error;
  std::set<int64_t> groups;
  for (Target *target : plan.readers) {
    int64_t group = target->format.block[1];
    if (!groups.insert(group).second)
      continue;
    numerics::GroupStatistics statistics =
        numerics::groupStatistics(input, group, s.empty() ? nullptr : s.data());
    std::string suffix = std::to_string(group);
    if (llvm::Error error = found.add<float>(prefix + "diagonal." + suffix,
                                             statistics.diagonal))
      return error;
    // They are kept for all layers until the end.
    if (choice == numerics::ScaleChoice::Block)
      if (llvm::Error error =
              found.add<float>(prefix + "blocks." + suffix, statistics.blocks))
        return error;
  }
  return llvm::Error::success();
}

/// Has the model multiplied by 1 / s where the plan says.
void AWQPass::addFactors(const Plan &plan, ArrayRef<float> s) {
  std::vector<float> factors(plan.factors.groupCount, 1.0f);
  for (auto [group, scale] : llvm::zip_equal(plan.factors.groups, s))
    if (group >= 0)
      factors[group] = 1.0f / scale;
  rewriter->add(plan.factors, factors);
  scaled += plan.scaled.size();
  if (!plan.factors.multiplies)
    return;
  ++products;
  LinearOp layer = plan.readers.front()->layer;
  layer.emitRemark() << "the input of " << describeOp(layer)
                     << " is multiplied while the model runs: "
                     << plan.factors.blocked;
}

llvm::Error AWQPass::apply(ObserveOp site, const std::string &prefix,
                           const Record &found) {
  auto diagonal = [&](const Target *target) {
    return found.get<float>(prefix + "diagonal." +
                            std::to_string(target->format.block[1]));
  };
  bool reached = llvm::any_of(targets, [&](auto &entry) {
    Target &target = entry.second;
    return target.layer.getInput() == site.getResult() && diagonal(&target);
  });
  if (!reached) {
    site.emitWarning() << "no sample has reached the site '" << site.getSite()
                       << "'; the layers that read it are not scaled";
    return llvm::Error::success();
  }
  Plan &plan = planFor(site);
  if (plan.isApplied)
    return llvm::Error::success();
  plan.isApplied = true;
  if (!plan.why.empty())
    skip(plan.readers.front()->layer, " is not scaled: ", plan.why);
  if (auto s = found.get<float>(prefix + "factor"))
    addFactors(plan, *s);
  for (Target *target : plan.readers) {
    auto statistics = std::make_shared<numerics::GroupStatistics>();
    statistics->diagonal = *diagonal(target);
    statistics->blocks =
        found
            .get<float>(prefix + "blocks." +
                        std::to_string(target->format.block[1]))
            .value_or(std::vector<float>());
    target->input = std::move(statistics);
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
    if (!format->isRowwise())
      return skip(layer,
                  " stays rounded to nearest: ", "its rows share scales");
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
  RankedTensorType type = original->getType();
  auto clip = [&] {
    std::vector<float> real = weight->readAll();
    return keepWeight(type, target.format,
                      numerics::clipWeights(
                          groupFormat(target.format, choice),
                          type.getDimSize(0), type.getDimSize(1), real.data(),
                          target.input.get(), parallelIn(&getContext())),
                      name);
  };
  llvm::Expected<RoundedWeight> kept =
      roundOnce(&getContext(),
                section + ".weight-" + numbers->prefix(target.layer), clip);
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
  numbers.emplace(module);
  section = getJournal(module).begin("awq");
  plans.clear();
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
  if (llvm::Error error = runSequentially(module, options, section, sums))
    return fail(llvm::toString(std::move(error)));
  for (auto [i, entry] : llvm::enumerate(targets)) {
    reportProgress("layer", i, targets.size());
    if (llvm::Error error = round(entry.second))
      return fail(llvm::toString(std::move(error)));
  }
  if (llvm::Error error = rewriter->apply())
    return fail(llvm::toString(std::move(error)));
  if (!keepOriginal)
    module.walk([](DequantizeOp weight) { weight->removeAttr(kOriginalAttr); });
}

} // namespace quantc::qgraph
