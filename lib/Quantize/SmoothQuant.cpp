//===- SmoothQuant.cpp - Activations that are easy to quantize ------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Chooses a factor for each channel of the inputs of layers, and has them
// applied by Analysis/ChannelFactors.h, which knows how far they reach. The
// float model stays what it was, up to rounding.
//
//===----------------------------------------------------------------------===//

#include "quantc/Numerics/SmoothQuant.h"
#include "InputFactors.h"
#include "mlir/IR/Threading.h"
#include "quantc/Analysis/Calibration.h"
#include "quantc/Analysis/LayerPrecision.h"
#include "quantc/Analysis/Layers.h"
#include "quantc/Quantize/Passes.h"

#include <cmath>

#define DEBUG_TYPE "qgraph-smooth-quant"

using namespace mlir;

namespace quantc::qgraph {
#define GEN_PASS_DEF_SMOOTHQUANT
#include "quantc/Quantize/Passes.h.inc"

namespace {

/// What alpha=auto tries: multiples of 1 / kAlphaSteps.
constexpr int kAlphaSteps = 20;

/// What is known of the channels of one layer input.
struct SiteChannels {
  Value tensor;
  std::vector<int32_t> groups; ///< -1: the factor is 1
  std::vector<float> absMax, meanSquare;
  std::vector<numerics::Tail> tails;

  /// s of each channel, from those of the groups.
  std::vector<float> ofChannels(ArrayRef<float> s) const {
    std::vector<float> all;
    for (int32_t group : groups)
      all.push_back(group < 0 ? 1.0f : s[group]);
    return all;
  }
};

class SmoothQuantPass : public impl::SmoothQuantBase<SmoothQuantPass> {
public:
  using SmoothQuantBase::SmoothQuantBase;

  LogicalResult initialize(MLIRContext *context) override;
  void runOnOperation() override;

private:
  LogicalResult smooth(LayerOpInterface layer);
  std::string observe(const ChannelFactors &found,
                      std::vector<SiteChannels> &sites);
  /// s of each group.
  llvm::Expected<std::vector<float>> choose(const ChannelFactors &found,
                                            ArrayRef<SiteChannels> sites);
  std::vector<float> scales(ArrayRef<float> inputs, ArrayRef<float> weights,
                            double strength) const;
  LogicalResult skip(LayerOpInterface layer, const Twine &why) {
    ++skipped;
    layer.emitRemark() << describeOp(layer) << " is not smoothed: " << why;
    return success();
  }

  std::optional<double> strength; // none: auto
  bool perToken = true;
  Statistics file;
  std::optional<InputFactors> inputs;
  std::optional<ChannelFactorRewriter> rewriter;
  DenseSet<Operation *> done;
};

} // namespace

LogicalResult SmoothQuantPass::initialize(MLIRContext *context) {
  auto fail = [&](const Twine &message) {
    return emitError(UnknownLoc::get(context))
           << "qgraph-smooth-quant: " << message;
  };
  if (statistics.empty())
    return fail("statistics=FILE is missing: what the activations are is not "
                "known without it");
  double given;
  strength.reset();
  if (alpha != "auto") {
    if (StringRef(alpha).getAsDouble(given) || !(given >= 0 && given <= 1))
      return fail("alpha '" + alpha + "' is not a number from 0 to 1, or auto");
    strength = given;
  }
  if (activations != "token" && activations != "tensor")
    return fail("activations '" + activations + "' is not token or tensor");
  perToken = activations == "token";
  if (!(maxFactor >= 1 && std::isfinite(maxFactor)))
    return fail("max-factor must be a number of at least 1");
  return success();
}

/// Reads what the sites say; why there is nothing, or an empty text.
std::string SmoothQuantPass::observe(const ChannelFactors &found,
                                     std::vector<SiteChannels> &sites) {
  std::string problem = "its input has no calibration site; "
                        "--qgraph-insert-observers puts one there";
  for (ChannelFactors::Site site : found.sites) {
    bool isRead = llvm::any_of(found.layers, [&](ChannelFactors::Layer layer) {
      return layer.op.getInput() == site.op.getResult();
    });
    if (!isRead)
      continue;
    llvm::Expected<numerics::SiteStatistics> known =
        quantc::getStatistics(file, site.op);
    if (!known) {
      problem = llvm::toString(known.takeError());
      continue;
    }
    SiteChannels channels;
    channels.tensor = site.op.getResult();
    channels.absMax = known->channelAbsMax();
    channels.meanSquare = known->channelMeanSquare();
    std::vector<float> mean = known->channelAbsMean();
    for (size_t c = 0; c < channels.absMax.size(); ++c) {
      ChannelMap::Factor factor =
          site.map.factors[site.map.factors.size() == 1 ? 0 : c];
      channels.groups.push_back(factor == ChannelMap::kFree ? -1 : factor >> 1);
      channels.tails.push_back(
          numerics::fitTail(mean[c], channels.meanSquare[c]));
    }
    sites.push_back(std::move(channels));
  }
  return sites.empty() ? problem : std::string();
}

std::vector<float> SmoothQuantPass::scales(ArrayRef<float> inputs,
                                           ArrayRef<float> weights,
                                           double strength) const {
  std::vector<float> s =
      numerics::smoothingScales(inputs.vec(), weights.vec(), strength);
  for (float &scale : s)
    scale = std::clamp<double>(scale, 1.0 / maxFactor, maxFactor);
  return s;
}

/// S^2 of the pass's documentation for each candidate s.
static std::vector<double>
largestSquares(const SiteChannels &site, bool perToken,
               ArrayRef<std::vector<float>> candidates, MLIRContext *context) {
  std::vector<double> squares(candidates.size());
  parallelFor(context, 0, candidates.size(), [&](size_t k) {
    std::vector<float> s = site.ofChannels(candidates[k]);
    if (perToken) {
      squares[k] = numerics::expectedMaxSquare(site.tails, site.absMax, s);
      return;
    }
    double top = 0;
    for (auto [most, scale] : llvm::zip_equal(site.absMax, s))
      top = std::max(top, double(most) / scale);
    squares[k] = top * top;
  });
  return squares;
}

/// E[x^2] of each group, the mean over its channels, and of the others.
static std::pair<std::vector<double>, double>
meanSquares(const SiteChannels &site, int32_t groupCount) {
  std::vector<double> sums(groupCount + 1, 0.0), counts(groupCount + 1, 0.0);
  for (auto [group, square] : llvm::zip_equal(site.groups, site.meanSquare)) {
    size_t place = group < 0 ? groupCount : group;
    sums[place] += square;
    ++counts[place];
  }
  for (auto [sum, count] : llvm::zip_equal(sums, counts))
    sum /= std::max(count, 1.0);
  double others = sums.back();
  sums.pop_back();
  return {std::move(sums), others};
}

/// Adds the expected squared error of a layer's results, times 12 * 127^2, for
/// each candidate s (see the pass's documentation).
static void addErrors(const ScaledWeight &weight, const ChannelMap &map,
                      const SiteChannels &site, ArrayRef<double> largest,
                      ArrayRef<std::vector<float>> candidates,
                      std::vector<double> &errors) {
  auto [squaresOf, others] = meanSquares(site, candidates.front().size());
  std::vector<std::vector<double>> parts(
      weight.tasks(), std::vector<double>(candidates.size(), 0.0));
  weight.forTasks([&, &squaresOf = squaresOf,
                   &others = others](size_t task, int64_t begin, int64_t end) {
    std::vector<float> values;
    int64_t step = ScaledWeight::step(map.extents),
            column = weight.rowsPerColumn();
    // Of one column of the result, for each candidate.
    std::vector<double> squares(candidates.size()), tops(candidates.size()),
        inputs(candidates.size());
    for (int64_t row = begin; row < end; ++row) {
      weight.read(row, values);
      const ChannelMap::Factor *factor =
          map.factors.data() + weight.offset(row, map.extents);
      for (auto [k, s] : llvm::enumerate(candidates)) {
        double square = 0, top = tops[k], input = 0;
        for (auto [i, value] : llvm::enumerate(values)) {
          ChannelMap::Factor f = factor[i * step];
          bool free = f == ChannelMap::kFree;
          double scale = free ? 1.0 : s[f >> 1], w = value * scale;
          square += w * w;
          top = std::max(top, std::fabs(w));
          input += (free ? others : squaresOf[f >> 1]) / (scale * scale);
        }
        squares[k] += square;
        tops[k] = top;
        inputs[k] += input;
      }
      if ((row + 1) % column != 0)
        continue;
      for (size_t k = 0; k < candidates.size(); ++k) {
        parts[task][k] +=
            largest[k] * squares[k] + tops[k] * tops[k] * inputs[k];
        squares[k] = tops[k] = inputs[k] = 0;
      }
    }
  });
  for (const std::vector<double> &part : parts)
    for (auto [all, one] : llvm::zip_equal(errors, part))
      all += one;
}

llvm::Expected<std::vector<float>>
SmoothQuantPass::choose(const ChannelFactors &found,
                        ArrayRef<SiteChannels> sites) {
  std::vector<float> inputs(found.groupCount, 0.0f);
  for (const SiteChannels &site : sites)
    for (auto [group, most] : llvm::zip_equal(site.groups, site.absMax))
      if (group >= 0)
        inputs[group] = std::max(inputs[group], most);
  std::vector<ScaledWeight> weights;
  std::vector<float> absMax(found.groupCount, 0.0f);
  for (const ChannelFactors::Layer &layer : found.layers) {
    llvm::Expected<ScaledWeight> weight = rewriter->weight(layer.op);
    if (!weight)
      return weight.takeError();
    for (auto [all, one] : llvm::zip_equal(
             absMax, weight->absMax(layer.weight, found.groupCount)))
      all = std::max(all, one);
    weights.push_back(std::move(*weight));
  }
  if (strength)
    return scales(inputs, absMax, *strength);

  std::vector<std::vector<float>> candidates;
  for (int i = 0; i <= kAlphaSteps; ++i)
    candidates.push_back(scales(inputs, absMax, double(i) / kAlphaSteps));
  candidates.emplace_back(found.groupCount, 1.0f);
  std::vector<std::vector<double>> largest;
  for (const SiteChannels &site : sites)
    largest.push_back(
        largestSquares(site, perToken, candidates, &getContext()));
  std::vector<double> errors(candidates.size(), 0.0);
  for (auto [layer, weight] : llvm::zip_equal(found.layers, weights)) {
    // A layer whose site is not on file counts as one of the others.
    Value input = LayerOpInterface(layer.op).getInput();
    size_t site = 0;
    for (auto [i, one] : llvm::enumerate(sites))
      if (one.tensor == input)
        site = i;
    addErrors(weight, layer.weight, sites[site], largest[site], candidates,
              errors);
  }
  return candidates[std::min_element(errors.begin(), errors.end()) -
                    errors.begin()];
}

LogicalResult SmoothQuantPass::smooth(LayerOpInterface layer) {
  llvm::Expected<ChannelFactors> factors = inputs->find(layer);
  if (!factors)
    return skip(layer, llvm::toString(factors.takeError()));
  const ChannelFactors &found = *factors;
  if (found.groupCount == 0)
    return success(); // smoothed with another one
  std::vector<SiteChannels> sites;
  if (std::string why = observe(found, sites); !why.empty())
    return skip(layer, why);
  llvm::Expected<std::vector<float>> s = choose(found, sites);
  if (!s)
    return skip(layer, llvm::toString(s.takeError()));
  for (float &scale : *s)
    scale = 1.0f / scale;
  rewriter->add(found, *s);
  if (found.multiplies) {
    ++products;
    layer.emitRemark() << "the input of " << describeOp(layer)
                       << " is multiplied while the model runs: "
                       << found.blocked;
  }
  for (ChannelFactors::Layer one : found.layers)
    done.insert(one.op);
  return success();
}

void SmoothQuantPass::runOnOperation() {
  ModuleOp module = getOperation();
  llvm::Expected<Statistics> read = readStatistics(module, statistics);
  if (!read) {
    module.emitError() << "qgraph-smooth-quant: "
                       << llvm::toString(read.takeError());
    return signalPassFailure();
  }
  file = std::move(*read);
  ChannelFactorOptions options;
  options.cloneShared = cloneShared;
  options.scaleCaches = scaleCache;
  inputs.emplace(module, options, insertMultiply);
  rewriter.emplace("smooth-quant");
  done.clear();

  SmallVector<LayerOpInterface> layers;
  module.walk([&](LayerOpInterface layer) {
    if (isa<LinearOp, ConvOp>(*layer) && !layer->hasAttr(kPartAttr))
      layers.push_back(layer);
  });
  for (LayerOpInterface layer : layers)
    if (failed(smooth(layer)))
      return signalPassFailure();
  smoothed += done.size();
  if (llvm::Error error = rewriter->apply()) {
    module.emitError() << "qgraph-smooth-quant: "
                       << llvm::toString(std::move(error));
    signalPassFailure();
  }
}

} // namespace quantc::qgraph
