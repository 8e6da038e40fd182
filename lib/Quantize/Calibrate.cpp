//===- Calibrate.cpp - Statistics of the sites ------------------*- C++ -*-===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Runs the model as it is now on the user's samples and files what passes the
// sites.
//
//===----------------------------------------------------------------------===//

#include "SequentialDriver.h"
#include "quantc/Analysis/Calibration.h"
#include "quantc/Analysis/Layers.h"
#include "quantc/Dialect/QGraph/Weights.h"
#include "quantc/Quantize/Passes.h"

using namespace mlir;

namespace quantc::qgraph {
#define GEN_PASS_DEF_CALIBRATE
#include "quantc/Quantize/Passes.h.inc"

namespace {

/// Adds what passes the sites to statistics.
class Collector : public SequentialMethod {
public:
  Collector(StringRef fingerprint, numerics::SiteOptions options)
      : statistics(fingerprint), options(options) {}

  llvm::Error observe(ObserveOp site, const SampleTensors &tensors) override {
    llvm::Expected<TensorView> tensor = tensors.current(site.getInput());
    if (!tensor)
      return tensor.takeError();
    int64_t channels =
        tensor->type.shape.empty() ? 1 : tensor->type.shape.back();
    llvm::Expected<numerics::SiteStatistics *> known =
        statistics.getOrCreate(site.getSite(), channels, options);
    if (!known)
      return known.takeError();
    int64_t count = tensor->bytes.size() / sizeof(float);
    std::string problem = (*known)->add(
        tensors.sample(), reinterpret_cast<const float *>(tensor->bytes.data()),
        channels ? count / channels : 0);
    if (!problem.empty())
      return llvm::createStringError("site '" + site.getSite() +
                                     "': " + problem);
    return llvm::Error::success();
  }

  llvm::Error solve(ArrayRef<ObserveOp> sites, Record &found) override {
    Statistics part(statistics.fingerprint());
    for (ObserveOp site : sites)
      if (const numerics::SiteStatistics *known =
              statistics.lookup(site.getSite()))
        part.set(site.getSite(), *known);
    return part.save(found);
  }

  llvm::Error apply(ArrayRef<ObserveOp>, const Record &found) override {
    llvm::Expected<Statistics> part = Statistics::load(found);
    if (!part)
      return part.takeError();
    for (const auto &[site, known] : part->sites())
      statistics.set(site, known);
    return llvm::Error::success();
  }

  Statistics statistics;

private:
  numerics::SiteOptions options;
};

class CalibratePass : public impl::CalibrateBase<CalibratePass> {
public:
  using CalibrateBase::CalibrateBase;
  void runOnOperation() override;

private:
  void warn(ObserveOp site, const Statistics &statistics);
};

} // namespace

/// Tells what makes statistics of little use.
void CalibratePass::warn(ObserveOp site, const Statistics &statistics) {
  const numerics::SiteStatistics *found = statistics.lookup(site.getSite());
  if (!found || found->tokens() == 0) {
    site.emitWarning() << "no sample has reached the site '" << site.getSite()
                       << "'; use data that does, or keep the layers that "
                          "read it float";
    return;
  }
  if (int64_t count = found->nonFinite())
    site.emitWarning() << count << " values of the site '" << site.getSite()
                       << "' are NaN or infinite and were left out";
  numerics::Extrema range = found->minMax();
  if (range.lo >= range.hi)
    site.emitWarning() << "all values of the site '" << site.getSite()
                       << "' are the same; the samples do not show what the "
                          "layer sees";
}

void CalibratePass::runOnOperation() {
  ModuleOp module = getOperation();
  auto fail = [&](const llvm::Twine &text) {
    module.emitError() << text;
    signalPassFailure();
  };
  auto fingerprint = module->getAttrOfType<StringAttr>(kFingerprintAttr);
  if (!fingerprint)
    return fail("qgraph-calibrate needs sites: run qgraph-insert-observers "
                "before it");
  if (data.empty() || output.empty())
    return fail("qgraph-calibrate needs data=FILE and output=FILE");
  numerics::SiteOptions options;
  options.gram = gram;
  Collector collector(fingerprint.getValue(), options);
  SequentialOptions sequential;
  sequential.data = data;
  sequential.firstSample = firstSample;
  sequential.samples = samples;
  sequential.segmentBytes = segmentBytes;
  if (llvm::Error error = runSequentially(
          module, sequential, getJournal(module).begin("calibrate"), collector))
    return fail(toString(std::move(error)));
  module.walk([&](ObserveOp site) { warn(site, collector.statistics); });
  if (llvm::Error error = collector.statistics.write(output))
    return fail(toString(std::move(error)));
  // What the tensors have been multiplied by before is in these statistics.
  module.walk([](ObserveOp site) { site.removeFactorAttr(); });
}

} // namespace quantc::qgraph
