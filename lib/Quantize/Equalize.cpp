//===- Equalize.cpp - Ranges of weights, across layers ----------*- C++ -*-===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Chooses a factor for each channel between layers from the weights alone, and
// has them applied by Analysis/ChannelFactors.h, which knows how far they
// reach. The float model stays what it was, up to rounding.
//
//===----------------------------------------------------------------------===//

#include "quantc/Numerics/Equalize.h"
#include "mlir/IR/BuiltinOps.h"
#include "quantc/Analysis/ChannelFactors.h"
#include "quantc/Analysis/LayerPrecision.h"
#include "quantc/Analysis/Layers.h"
#include "quantc/Quantize/Passes.h"

#include <cmath>

#define DEBUG_TYPE "qgraph-equalize"

using namespace mlir;

namespace quantc::qgraph {
#define GEN_PASS_DEF_EQUALIZE
#include "quantc/Quantize/Passes.h.inc"

namespace {

/// Factors all nearer to 1 than this end the iterations.
constexpr float kConverged = 1e-3f;

class EqualizePass : public impl::EqualizeBase<EqualizePass> {
public:
  using EqualizeBase::EqualizeBase;

  LogicalResult initialize(MLIRContext *context) override;
  void runOnOperation() override;

private:
  /// What is between layers, each once.
  std::vector<ChannelFactors> findTensors();
  /// Equalizes one; how far a factor is from 1 at most.
  llvm::Expected<float> equalize(const ChannelFactors &found,
                                 std::vector<float> &total);
  void skip(LayerOpInterface layer, const Twine &why) {
    ++skipped;
    layer.emitRemark() << "the input of " << describeOp(layer)
                       << " is not equalized: " << why;
  }

  std::optional<ChannelFactorRewriter> rewriter;
};

} // namespace

LogicalResult EqualizePass::initialize(MLIRContext *context) {
  auto fail = [&](const Twine &message) {
    return emitError(UnknownLoc::get(context))
           << "qgraph-equalize: " << message;
  };
  if (iterations < 1)
    return fail("iterations must be at least 1");
  if (!(maxFactor >= 1 && std::isfinite(maxFactor)))
    return fail("max-factor must be a number of at least 1");
  return success();
}

std::vector<ChannelFactors> EqualizePass::findTensors() {
  ChannelFactorOptions options;
  options.cloneShared = cloneShared;
  ChannelFactorSolver solver(getOperation(), options);
  std::vector<ChannelFactors> tensors;
  ClaimedChannels claimed;
  DenseSet<Value> asked;
  getOperation().walk([&](LayerOpInterface layer) {
    if (!isa<LinearOp, ConvOp>(*layer) || layer->hasAttr(kPartAttr) ||
        !asked.insert(layer.getInput()).second)
      return;
    ChannelFactors found = solver.solve(layer.getInput());
    if (found.groupCount == 0)
      return skip(layer, found.blocked);
    if (found.producers.empty())
      return skip(layer, "no layer makes it");
    if (claimed.claim(found) > 0)
      tensors.push_back(std::move(found));
  });
  return tensors;
}

llvm::Expected<float> EqualizePass::equalize(const ChannelFactors &found,
                                             std::vector<float> &total) {
  // The largest weights of each group, where it is made and where it is read.
  std::array<std::vector<float>, 2> most;
  for (auto [side, layers] :
       {std::pair(0, &found.producers), std::pair(1, &found.layers)}) {
    most[side].assign(found.groupCount, 0.0f);
    for (const ChannelFactors::Layer &layer : *layers) {
      llvm::Expected<ScaledWeight> weight = rewriter->weight(layer.op);
      if (!weight)
        return weight.takeError();
      for (auto [all, one] : llvm::zip_equal(
               most[side], weight->absMax(layer.weight, found.groupCount)))
        all = std::max(all, one);
    }
  }
  std::vector<float> factors = numerics::equalizationScales(most[0], most[1]);
  float change = 0;
  for (auto [factor, all] : llvm::zip_equal(factors, total)) {
    double wanted =
        std::clamp<double>(double(all) / factor, 1 / maxFactor, maxFactor);
    factor = wanted / all;
    all = wanted;
    change = std::max(change, std::fabs(factor - 1));
  }
  rewriter->add(found, factors);
  return change;
}

void EqualizePass::runOnOperation() {
  rewriter.emplace("equalize");
  std::vector<ChannelFactors> tensors = findTensors();
  std::vector<std::vector<float>> totals;
  for (const ChannelFactors &found : tensors)
    totals.emplace_back(found.groupCount, 1.0f);
  auto fail = [&](llvm::Error error) {
    getOperation().emitError()
        << "qgraph-equalize: " << llvm::toString(std::move(error));
    signalPassFailure();
  };
  for (int64_t i = 0; i < iterations; ++i) {
    float change = 0;
    for (auto [found, total] : llvm::zip_equal(tensors, totals)) {
      llvm::Expected<float> one = equalize(found, total);
      if (!one)
        return fail(one.takeError());
      change = std::max(change, *one);
    }
    if (change < kConverged)
      break;
  }
  equalized += tensors.size();
  if (llvm::Error error = rewriter->apply())
    fail(std::move(error));
}

} // namespace quantc::qgraph
