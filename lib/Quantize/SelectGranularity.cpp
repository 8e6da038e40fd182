//===- SelectGranularity.cpp - What gets how many bits ----------*- C++ -*-===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Layers are measured one segment after another, in the model as it was before
// quantization: of each there stay the losses of its candidates. Then one
// selection is made for all.
//
//===----------------------------------------------------------------------===//

#include "KeptWeights.h"
#include "LayerSums.h"
#include "PackedBytes.h"
#include "RoundWeights.h"
#include "quantc/Analysis/Layers.h"
#include "quantc/Dialect/QGraph/Weights.h"
#include "quantc/Dialect/QKernel/QKernelDialect.h"
#include "quantc/Numerics/Knapsack.h"
#include "quantc/Quantize/LayerFormats.h"
#include "quantc/Quantize/Passes.h"
#include "llvm/ADT/MapVector.h"
#include "llvm/Support/FormatVariadic.h"

using namespace mlir;

namespace quantc::qgraph {
#define GEN_PASS_DEF_SELECTGRANULARITY
#include "quantc/Quantize/Passes.h.inc"

namespace {

/// A format that a layer may get, and what shares a scale.
struct Candidate {
  std::string text;
  numerics::Format stored;
  ScaleBlock block;
};

/// What has been measured of a layer.
struct Measured {
  QuantizedLayer layer;
  RoundingFormat format; // as it is; candidates change type and block
  int64_t n = 0, k = 0;
  /// Of each candidate: |X (W - Q)ᵀ|² / |X Wᵀ|².
  std::vector<double> errors;
  /// |X Wᵀ|² / |R|² over the weighted tokens, for layers that write to a
  /// residual stream R.
  std::optional<double> share;
  /// What the errors count by: `weightOf`.
  double weight = 1;

  double loss(size_t candidate) const { return weight * errors[candidate]; }
  numerics::Extents shape() const { return {n, k}; }
};

class SelectGranularityPass
    : public impl::SelectGranularityBase<SelectGranularityPass> {
public:
  using SelectGranularityBase::SelectGranularityBase;

  LogicalResult initialize(MLIRContext *context) override;
  void runOnOperation() override;

  /// Whether a layer's format may be chosen.
  bool isFree(const QuantizedLayer &layer) const;
  llvm::Error measure(const LayerSums &sums, Record &found);
  /// Takes up what was measured of a layer, if it was.
  void add(const QuantizedLayer &layer, const Record &found);

private:
  llvm::Error measure(const QuantizedLayer &layer, const LayerSums &sums,
                      Record &found);
  double weightOf(const Measured &layer) const;
  /// What a candidate costs a layer, and what the layers may cost together.
  int64_t costOf(const Measured &layer, const Candidate &candidate) const;
  int64_t budget(int64_t values);
  llvm::Error overBudget(int64_t least, int64_t values);
  double secondsOf(const Measured &layer, const Candidate &candidate) const;
  numerics::Selection
  weighTimes(std::vector<std::vector<numerics::Choice>> items, int64_t budget,
             numerics::Selection best) const;
  llvm::Error select();
  llvm::Error assign(Measured &layer, const Candidate &candidate);

  std::vector<Candidate> options;
  std::vector<LayerFormat> fixed;
  numerics::Scheme schemeValue = numerics::Scheme::SignedScale;
  llvm::MapVector<Operation *, Measured> layers;
  std::optional<LayerNumbers> numbers;
  std::shared_ptr<CostModel> costs;
  std::string section; // of the journal
};

/// Sums XᵀX of the original model at the sites of a segment.
class OriginalSums : public SequentialMethod {
public:
  explicit OriginalSums(SelectGranularityPass &pass) : pass(pass) {}

  bool usesCurrent() const override { return false; }
  bool usesOriginal() const override { return true; }
  SmallVector<Value> wantedOriginals(ObserveOp site) const override {
    return residualsOf(site);
  }
  llvm::Error observe(ObserveOp site, const SampleTensors &tensors) override;
  llvm::Error solve(ArrayRef<ObserveOp> sites, Record &found) override;
  llvm::Error apply(ArrayRef<ObserveOp> sites, const Record &found) override;

private:
  SelectGranularityPass &pass;
  DenseMap<Operation *, std::vector<LayerSums>> sums;
};

} // namespace

//===----------------------------------------------------------------------===//
// Measuring
//===----------------------------------------------------------------------===//

llvm::Error OriginalSums::observe(ObserveOp site,
                                  const SampleTensors &tensors) {
  auto [at, isNew] = sums.try_emplace(site);
  if (isNew &&
      llvm::any_of(quantizedReaders(site), [&](const QuantizedLayer &layer) {
        return pass.isFree(layer);
      })) {
    LayerSumsOptions options;
    options.weighTokens = true;
    options.readsOriginal = true;
    llvm::Expected<std::vector<LayerSums>> made =
        LayerSums::create(site, options, tensors);
    if (!made)
      return made.takeError();
    at->second = std::move(*made);
  }
  for (LayerSums &sum : at->second)
    if (llvm::Error error = sum.add(tensors, parallelIn(site.getContext())))
      return error;
  return llvm::Error::success();
}

llvm::Error OriginalSums::solve(ArrayRef<ObserveOp> sites, Record &found) {
  for (ObserveOp site : sites) {
    for (LayerSums &sum : sums[site]) {
      if (sum.tokens() == 0)
        continue; // `select` tells
      sum.finish();
      if (llvm::Error error = pass.measure(sum, found))
        return error;
    }
    sums.erase(site);
  }
  return llvm::Error::success();
}

llvm::Error OriginalSums::apply(ArrayRef<ObserveOp> sites,
                                const Record &found) {
  for (ObserveOp site : sites)
    for (const QuantizedLayer &layer : quantizedReaders(site))
      pass.add(layer, found);
  return llvm::Error::success();
}

bool SelectGranularityPass::isFree(const QuantizedLayer &layer) const {
  llvm::Expected<ConstantTensor> weight = ConstantTensor::get(layer.original);
  StringRef name = weight ? weight->getName() : StringRef();
  llvm::consumeError(weight.takeError());
  return llvm::none_of(fixed, [&](const LayerFormat &made) {
    return made.pattern.matches(getLayerName(layer.op), name);
  });
}

/// A layer's format with the candidate's type and groups.
static RoundingFormat formatOf(const Measured &layer,
                               const Candidate &candidate) {
  RoundingFormat format = layer.format;
  format.stored = candidate.stored;
  auto [rows, columns] = candidate.block;
  format.block = {rows > 1 && rows >= layer.n ? 0 : rows,
                  columns >= layer.k ? 0 : columns};
  return format;
}

static numerics::Extents blockOf(const RoundingFormat &format) {
  return {format.block.begin(), format.block.end()};
}

static numerics::ScaleArrays scalesOf(const numerics::QuantizedWeights &codes) {
  return {codes.scale.data(),
          codes.zeroPoint.empty() ? nullptr : codes.zeroPoint.data(), nullptr};
}

/// Codes and scales of least squared error, which are those that are kept.
static numerics::QuantizedWeights
roundTo(const RoundingFormat &format, const Measured &layer,
        const std::vector<float> &weight,
        const numerics::ParallelFor &parallel) {
  if (format.isRowwise())
    return numerics::clipWeights(
        groupFormat(format, numerics::ScaleChoice::Plain), layer.n, layer.k,
        weight.data(), /*input=*/nullptr, parallel);
  numerics::QuantizedWeights codes =
      searchBlockScales(format, layer.n, layer.k, weight.data());
  numerics::Encoding encoding;
  encoding.format = format.stored;
  codes.stored.resize(weight.size() * numerics::storageBytes(format.stored));
  numerics::quantize(encoding, layer.shape(), blockOf(format), scalesOf(codes),
                     weight.data(), codes.stored.data());
  return codes;
}

llvm::Error SelectGranularityPass::measure(const LayerSums &sums,
                                           Record &found) {
  for (const QuantizedLayer &layer : sums.layers())
    if (isFree(layer))
      if (llvm::Error error = measure(layer, sums, found))
        return error;
  return llvm::Error::success();
}

/// What is measured of all candidates.
static Measured unmeasured(const QuantizedLayer &layer,
                           const RoundingFormat &format) {
  Measured measured;
  measured.layer = layer;
  measured.format = format;
  auto type = cast<RankedTensorType>(layer.original.getType());
  measured.n = type.getDimSize(0);
  measured.k = type.getDimSize(1);
  return measured;
}

void SelectGranularityPass::add(const QuantizedLayer &layer,
                                const Record &found) {
  std::string prefix = numbers->prefix(layer.op);
  if (std::string why = found.text(prefix + "why"); !why.empty()) {
    layer.op->emitRemark() << describeOp(layer.op)
                           << " keeps its format: " << why;
    return;
  }
  std::optional<std::vector<double>> errors =
      found.get<double>(prefix + "errors");
  llvm::Expected<RoundingFormat> format =
      getRoundingFormat(layer.weight, schemeValue);
  if (!errors || !format)
    return llvm::consumeError(format.takeError());
  Measured measured = unmeasured(layer, *format);
  measured.errors = std::move(*errors);
  if (auto share = found.get<double>(prefix + "share"))
    measured.share = share->front();
  layers[layer.op] = std::move(measured);
}

llvm::Error SelectGranularityPass::measure(const QuantizedLayer &layer,
                                           const LayerSums &sums,
                                           Record &found) {
  std::string prefix = numbers->prefix(layer.op);
  llvm::Expected<RoundingFormat> format =
      getRoundingFormat(layer.weight, schemeValue);
  if (!format) {
    found.texts[prefix + "why"] = llvm::toString(format.takeError());
    return llvm::Error::success();
  }
  llvm::Expected<ConstantTensor> original = ConstantTensor::get(layer.original);
  if (!original)
    return original.takeError();
  std::vector<float> weight = original->readFloats();
  Measured measured = unmeasured(layer, *format);
  numerics::ParallelFor parallel = parallelIn(&getContext());
  double energy = numerics::quadraticError(
      measured.n, measured.k, weight.data(), sums.gram().data(), parallel);
  if (sums.isWeighted())
    if (llvm::Error error = found.add<double>(
            prefix + "share", energy / (static_cast<double>(sums.tokens()) *
                                        static_cast<double>(measured.n))))
      return error;
  std::vector<float> rounded(weight.size());
  for (const Candidate &candidate : options) {
    RoundingFormat wanted = formatOf(measured, candidate);
    numerics::QuantizedWeights codes =
        roundTo(wanted, measured, weight, parallel);
    numerics::Encoding encoding;
    encoding.format = candidate.stored;
    numerics::dequantize(encoding, measured.shape(), blockOf(wanted),
                         scalesOf(codes), codes.stored.data(), rounded.data());
    for (auto [q, w] : llvm::zip_equal(rounded, weight))
      q -= w;
    double error = numerics::quadraticError(
        measured.n, measured.k, rounded.data(), sums.gram().data(), parallel);
    measured.errors.push_back(energy > 0 ? error / energy : 0);
  }
  return found.add<double>(prefix + "errors", measured.errors);
}

//===----------------------------------------------------------------------===//
// Selecting
//===----------------------------------------------------------------------===//

/// The first layers behind a value that write to a residual stream.
static SmallVector<Operation *> writersBehind(Value value) {
  SmallVector<Operation *> writers;
  llvm::SetVector<Operation *> ops;
  ops.insert(value.user_begin(), value.user_end());
  for (size_t i = 0; i < ops.size(); ++i) {
    if (isa<NormOp>(ops[i]))
      continue;
    if (auto layer = dyn_cast<LinearOp>(ops[i]);
        layer && findResidual(layer).sum) {
      writers.push_back(layer);
      continue;
    }
    for (Value result : ops[i]->getResults())
      ops.insert(result.user_begin(), result.user_end());
  }
  return writers;
}

/// A layer's relative error counts by the part of the residual stream that it
/// goes into.
double SelectGranularityPass::weightOf(const Measured &layer) const {
  if (layer.share)
    return *layer.share;
  QuantizedLayer member = layer.layer;
  std::optional<double> sum;
  for (Operation *writer : writersBehind(member.op.getResult()))
    if (auto at = layers.find(writer); at != layers.end() && at->second.share)
      sum = sum.value_or(0) + *at->second.share;
  return sum.value_or(1);
}

/// Bits that a layer's weight takes with its scales.
static int64_t bitsOf(const Measured &layer, const Candidate &candidate) {
  int64_t scales = numerics::elementCount(
      numerics::scaleShape(layer.shape(), blockOf(formatOf(layer, candidate))));
  int64_t bits = numerics::info(candidate.stored).bits,
          scaleBits = numerics::info(layer.format.scaleType).bits;
  if (layer.format.scheme == numerics::Scheme::Asymmetric)
    scaleBits += bits;
  return layer.n * layer.k * bits + scales * scaleBits;
}

/// As the cost model has it, of one core and one token.
double SelectGranularityPass::secondsOf(const Measured &layer,
                                        const Candidate &candidate) const {
  return costs
      ->linear({1, layer.n, layer.k}, kernelFormat(formatOf(layer, candidate)))
      .seconds;
}

int64_t SelectGranularityPass::costOf(const Measured &layer,
                                      const Candidate &candidate) const {
  return size ? packedBytes(formatOf(layer, candidate), layer.n, layer.k)
              : bitsOf(layer, candidate);
}

/// Negative if what is not chosen takes more already.
int64_t SelectGranularityPass::budget(int64_t values) {
  if (size)
    return static_cast<int64_t>(size) -
           packedBytesOfOthers(getOperation(), [&](Operation *layer) {
             return layers.contains(layer);
           });
  return static_cast<int64_t>(bitsPerWeight * static_cast<double>(values));
}

llvm::Error SelectGranularityPass::overBudget(int64_t least, int64_t values) {
  if (size)
    return llvm::createStringError(llvm::formatv(
        "no choice takes {0} bytes or less; the least possible is {1}",
        size.getValue(), static_cast<int64_t>(size) - budget(values) + least));
  return llvm::createStringError(llvm::formatv(
      "no choice has {0:f2} bits per weight or less; the least possible is "
      "{1:f2}",
      bitsPerWeight.getValue(),
      static_cast<double>(least) / static_cast<double>(values)));
}

llvm::Error SelectGranularityPass::assign(Measured &layer,
                                          const Candidate &candidate) {
  llvm::Expected<ConstantTensor> original =
      ConstantTensor::get(layer.layer.original);
  if (!original)
    return original.takeError();
  RoundingFormat format = formatOf(layer, candidate);
  DequantizeOp weight = layer.layer.weight;
  std::string name =
      entryBaseName(*original, getLayerName(layer.layer.op)) + "@select";
  llvm::Expected<RoundedWeight> rounded = roundOnce(
      &getContext(), section + ".weight-" + numbers->prefix(layer.layer.op),
      [&] {
        return keepWeight(original->getType(), format,
                          roundTo(format, layer, original->readFloats(),
                                  parallelIn(&getContext())),
                          name);
      });
  if (!rounded)
    return rounded.takeError();
  replaceOperands(weight, *rounded);
  weight.setBlock(format.block);
  return llvm::Error::success();
}

/// Selects again, so that to take the share x more time than `best` does must
/// lower its loss by the share time-weight x.
numerics::Selection SelectGranularityPass::weighTimes(
    std::vector<std::vector<numerics::Choice>> items, int64_t budget,
    numerics::Selection best) const {
  std::vector<std::vector<double>> seconds;
  double loss = 0, time = 0;
  for (auto [entry, choices, chosen] :
       llvm::zip_equal(layers, items, best.chosen)) {
    std::vector<double> &of = seconds.emplace_back();
    for (const Candidate &candidate : options)
      of.push_back(secondsOf(entry.second, candidate));
    loss += choices[chosen].loss;
    time += of[chosen];
  }
  if (!(timeWeight > 0) || !(time > 0))
    return best;
  for (auto [choices, of] : llvm::zip_equal(items, seconds))
    for (auto [choice, s] : llvm::zip_equal(choices, of))
      choice.loss += timeWeight * loss * s / time;
  return numerics::selectChoices(items, budget);
}

llvm::Error SelectGranularityPass::select() {
  std::vector<std::vector<numerics::Choice>> items;
  int64_t values = 0;
  for (auto &[op, layer] : layers) {
    layer.weight = weightOf(layer);
    std::vector<numerics::Choice> &choices = items.emplace_back();
    for (auto [i, candidate] : llvm::enumerate(options))
      choices.push_back({costOf(layer, candidate), layer.loss(i)});
    values += layer.n * layer.k;
  }
  numerics::Selection selection =
      numerics::selectChoices(items, budget(values));
  if (!selection.fits)
    return overBudget(selection.leastCost, values);
  selection =
      weighTimes(std::move(items), budget(values), std::move(selection));
  int64_t bits = 0;
  for (auto [entry, chosen] : llvm::zip_equal(layers, selection.chosen)) {
    Measured &layer = entry.second;
    const Candidate &candidate = options[chosen];
    if (llvm::Error error = assign(layer, candidate))
      return error;
    bits += bitsOf(layer, candidate);
    entry.first->emitRemark()
        << describeOp(entry.first) << " is " << candidate.text << ": error "
        << llvm::formatv("{0:e4}", layer.errors[chosen]).str() << ", loss "
        << llvm::formatv("{0:e4}", layer.loss(chosen)).str() << ", foretold "
        << llvm::formatv("{0:f4} us", secondsOf(layer, candidate) * 1e6).str();
  }
  milliBits = values ? bits * 1000 / values : 0;
  selected = items.size();
  return llvm::Error::success();
}

//===----------------------------------------------------------------------===//
// The pass
//===----------------------------------------------------------------------===//

LogicalResult SelectGranularityPass::initialize(MLIRContext *context) {
  auto fail = [&](const Twine &message) {
    return emitError(UnknownLoc::get(context))
           << "qgraph-select-granularity: " << message;
  };
  std::optional<numerics::Scheme> parsed = parseSymmetricScheme(scheme);
  if (!parsed)
    return fail("scheme '" + scheme + "' is not symmetric or signed_scale");
  schemeValue = *parsed;
  options.clear();
  SmallVector<StringRef> texts;
  StringRef(candidates).split(texts, ';', -1, /*KeepEmpty=*/false);
  for (StringRef text : texts) {
    // As an entry of `set`.
    llvm::Expected<LayerFormat> made =
        parseLayerFormat((".=" + text).str(), /*withUnsigned=*/false);
    if (!made)
      return fail("candidates: " + llvm::toString(made.takeError()));
    if (!made->format || !made->format->isPlainInteger())
      return fail("candidates: '" + text + "' is no integer format");
    options.push_back({text.str(), made->format->stored,
                       made->block.value_or(ScaleBlock{1, 0})});
  }
  if (options.empty())
    return fail("candidates are needed");
  if (!(bitsPerWeight > 0))
    return fail("bits-per-weight must be more than 0");
  if (!(timeWeight >= 0))
    return fail("time-weight must not be negative");
  llvm::Expected<std::vector<LayerFormat>> entries =
      parseLayerFormats(set, /*withUnsigned=*/false);
  if (!entries)
    return fail("set: " + llvm::toString(entries.takeError()));
  fixed = std::move(*entries);
  return success();
}

void SelectGranularityPass::runOnOperation() {
  ModuleOp module = getOperation();
  layers.clear();
  auto fail = [&](const Twine &text) {
    module.emitError() << "qgraph-select-granularity: " << text;
    signalPassFailure();
  };
  if (data.empty())
    return fail("needs data=FILE, the samples to run the model on");
  bool anyFree = false, anyFixed = false;
  module.walk([&](LinearOp op) {
    if (std::optional<QuantizedLayer> layer = getQuantizedLayer(op))
      (isFree(*layer) ? anyFree : anyFixed) = true;
  });
  if (!anyFree && !anyFixed)
    return fail("there is no layer whose format can be chosen: "
                "qgraph-quantize-weights{keep-original=true} comes before "
                "this");
  numbers.emplace(module);
  auto target = module->getAttrOfType<qkernel::TargetAttr>(
      qkernel::TargetAttr::kAttrName);
  costs = createRooflineCostModel(coreRates(target ? target.getLevel() : ""));
  section = getJournal(module).begin("select-granularity");
  OriginalSums sums(*this);
  SequentialOptions sequential;
  sequential.data = data;
  sequential.firstSample = firstSample;
  sequential.samples = samples;
  sequential.mostSamples = mostSamples;
  if (anyFree)
    if (llvm::Error error = runSequentially(module, sequential, section, sums))
      return fail(llvm::toString(std::move(error)));
  if (llvm::Error error = select())
    return fail(llvm::toString(std::move(error)));
}

} // namespace quantc::qgraph
