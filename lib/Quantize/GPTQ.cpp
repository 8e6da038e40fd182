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
#include "RoundWeights.h"
#include "SequentialDriver.h"
#include "mlir/IR/Threading.h"
#include "quantc/Analysis/Layers.h"
#include "quantc/Numerics/Observers.h"
#include "quantc/Quantize/Passes.h"

using namespace mlir;

namespace quantc::qgraph {
#define GEN_PASS_DEF_GPTQ
#include "quantc/Quantize/Passes.h.inc"

namespace {

/// A layer whose weight can be found again.
struct Target {
  LinearOp layer;
  DequantizeOp weight;
  TypedAttr original;
};

class GPTQPass : public impl::GPTQBase<GPTQPass> {
public:
  using GPTQBase::GPTQBase;

  LogicalResult initialize(MLIRContext *context) override;
  void runOnOperation() override;

  llvm::Error solve(ObserveOp site, const std::vector<float> &gram);

private:
  llvm::Error solve(const Target &target, const numerics::GPTQSolver &solver,
                    const RoundingFormat &format);
  std::string formatOf(DequantizeOp weight, RoundingFormat &format,
                       numerics::GPTQOptions &wanted) const;
  void skip(Operation *layer, const Twine &why);

  numerics::GPTQOptions defaults;
};

/// Sums XᵀX at the sites of a segment.
class Hessians : public SequentialMethod {
public:
  explicit Hessians(GPTQPass &pass) : pass(pass) {}

  llvm::Error observe(ObserveOp site, int64_t sample,
                      const TensorView &tensor) override;
  llvm::Error solve(ArrayRef<ObserveOp> sites) override;

private:
  GPTQPass &pass;
  DenseMap<Operation *, numerics::SiteStatistics> sums;
};

} // namespace

static numerics::ParallelFor parallelIn(MLIRContext *context) {
  return [context](int64_t count, const std::function<void(int64_t)> &part) {
    parallelFor(context, 0, count, [&](size_t i) { part(i); });
  };
}

llvm::Error Hessians::observe(ObserveOp site, int64_t sample,
                              const TensorView &tensor) {
  int64_t channels = tensor.type.shape.back();
  auto [at, isNew] = sums.try_emplace(site);
  if (isNew) {
    numerics::SiteOptions options;
    options.histogram = false;
    options.gram = true;
    at->second = numerics::SiteStatistics(channels, options);
  }
  int64_t count = tensor.bytes.size() / sizeof(float);
  std::string problem = at->second.add(
      sample, reinterpret_cast<const float *>(tensor.bytes.data()),
      channels ? count / channels : 0, parallelIn(site.getContext()));
  if (!problem.empty())
    return llvm::createStringError("site '" + site.getSite() + "': " + problem);
  return llvm::Error::success();
}

llvm::Error Hessians::solve(ArrayRef<ObserveOp> sites) {
  for (ObserveOp site : sites) {
    auto at = sums.find(site);
    if (at == sums.end() || at->second.tokens() == 0) {
      site.emitWarning()
          << "no sample has reached the site '" << site.getSite()
          << "'; the layers that read it stay rounded to nearest";
      continue;
    }
    std::vector<float> gram = at->second.gram();
    sums.erase(at);
    if (llvm::Error error = pass.solve(site, gram))
      return error;
  }
  return llvm::Error::success();
}

LogicalResult GPTQPass::initialize(MLIRContext *context) {
  auto fail = [&](const Twine &message) {
    return emitError(UnknownLoc::get(context)) << "qgraph-gptq: " << message;
  };
  std::optional<numerics::Scheme> parsed =
      numerics::parseScheme(scheme.getValue());
  if (!parsed || (*parsed != numerics::Scheme::Symmetric &&
                  *parsed != numerics::Scheme::SignedScale))
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
  using numerics::ScaleChoice;
  auto choice = llvm::StringSwitch<std::optional<ScaleChoice>>(scales)
                    .Case("formula", ScaleChoice::Formula)
                    .Case("plain", ScaleChoice::Plain)
                    .Case("diagonal", ScaleChoice::Diagonal)
                    .Case("block", ScaleChoice::Block)
                    .Case("sequential", ScaleChoice::Sequential)
                    .Default(std::nullopt);
  if (!choice)
    return fail("scales '" + scales +
                "' is not formula, plain, diagonal, block or sequential");
  defaults.scaleChoice = *choice;
  if (!(damping >= 0 && damping <= 1))
    return fail("damping must be between 0 and 1");
  if (refinements < 0)
    return fail("refinements must not be negative");
  defaults.damping = damping;
  defaults.refinements = refinements;
  return success();
}

void GPTQPass::skip(Operation *layer, const Twine &why) {
  ++skipped;
  layer->emitRemark() << describeOp(layer)
                      << " stays rounded to nearest: " << why;
}

/// The format of a weight, or why GPTQ does not know it.
std::string GPTQPass::formatOf(DequantizeOp weight, RoundingFormat &format,
                               numerics::GPTQOptions &wanted) const {
  std::string name;
  llvm::raw_string_ostream(name)
      << weight.getInput().getType().getElementType();
  std::optional<numerics::Format> stored = numerics::parseFormat(name);
  if (!stored || !numerics::info(*stored).isInteger || weight.getCodebook())
    return "its weight is " + name + "; integers can be solved for";
  if (weight.getOffset())
    return "its weight has an offset";
  ArrayRef<int64_t> block = weight.getBlock();
  if (block.size() != 2 || block[0] != 1)
    return "its rows share scales";
  format.stored = *stored;
  format.scheme =
      weight.getZeroPoint() ? numerics::Scheme::Asymmetric : defaults.scheme;
  format.block = {block[0], block[1]};
  format.scaleType =
      cast<ShapedType>(weight.getScale().getType()).getElementType().isF16()
          ? numerics::Format::F16
          : numerics::Format::F32;
  wanted = defaults;
  wanted.encoding.format = *stored;
  wanted.groupSize = block[1];
  wanted.scheme = format.scheme;
  wanted.scaleFormat = format.scaleType;
  return {};
}

llvm::Error GPTQPass::solve(ObserveOp site, const std::vector<float> &gram) {
  int64_t k = cast<RankedTensorType>(site.getType()).getShape().back();
  std::string solverKey;
  numerics::GPTQSolver solver;
  for (Operation *reader : llvm::to_vector(site->getUsers())) {
    auto layer = dyn_cast<LinearOp>(reader);
    auto weight = layer ? layer.getWeight().getDefiningOp<DequantizeOp>()
                        : DequantizeOp();
    auto original =
        weight ? weight->getAttrOfType<TypedAttr>(kOriginalAttr) : TypedAttr();
    if (!original)
      continue;
    RoundingFormat format;
    numerics::GPTQOptions wanted;
    if (std::string why = formatOf(weight, format, wanted); !why.empty()) {
      skip(layer, why);
      continue;
    }
    // Layers that read one tensor mostly have one format, too.
    if (solverKey != format.key()) {
      std::string why =
          numerics::GPTQSolver::create(wanted, k, gram.data(), solver);
      if (!why.empty()) {
        skip(layer, why);
        continue;
      }
      solverKey = format.key();
    }
    if (llvm::Error error = solve({layer, weight, original}, solver, format))
      return error;
  }
  return llvm::Error::success();
}

llvm::Error GPTQPass::solve(const Target &target,
                            const numerics::GPTQSolver &solver,
                            const RoundingFormat &format) {
  llvm::Expected<ConstantTensor> original =
      ConstantTensor::get(target.original);
  if (!original)
    return original.takeError();
  std::vector<float> real = original->readFloats();
  numerics::GPTQResult found =
      solver.solve(original->getType().getDimSize(0), real.data(),
                   parallelIn(&getContext()));
  llvm::Expected<RoundedWeight> kept = keepWeight(
      original->getType(), format, found.weights,
      entryBaseName(*original, getLayerName(target.layer)) + "@gptq");
  if (!kept)
    return kept.takeError();
  replaceOperands(target.weight, *kept);
  target.weight->removeAttr(kOriginalAttr);
  ++matched;
  worstError.updateMax(
      static_cast<uint64_t>(found.relativeError() * 1e6 + 0.5));
  return llvm::Error::success();
}

void GPTQPass::runOnOperation() {
  ModuleOp module = getOperation();
  auto fail = [&](const Twine &text) {
    module.emitError() << "qgraph-gptq: " << text;
    signalPassFailure();
  };
  if (data.empty())
    return fail("needs data=FILE, the samples to run the model on");
  Hessians hessians(*this);
  SequentialOptions options;
  options.data = data;
  options.firstSample = firstSample;
  options.samples = samples;
  if (llvm::Error error = runSequentially(module, options, hessians))
    return fail(llvm::toString(std::move(error)));
  module.walk([&](DequantizeOp weight) { weight->removeAttr(kOriginalAttr); });
}

} // namespace quantc::qgraph
