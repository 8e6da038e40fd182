//===- Bisection.cpp - The layers that break a model ----------------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Evaluation.h"
#include "Worker.h"

#include "llvm/Support/FormatVariadic.h"

#include <cmath>
#include <tuple>

using namespace llvm;

namespace quantc::driver {
namespace {

class Bisector {
public:
  Bisector(SwitchedModel &model, const EvaluationOptions &options,
           const ReportProgress &progress)
      : model(model), options(options), progress(progress) {}

  Expected<Bisection> run();

private:
  Error keepReferences();
  /// The outputs' error with these layers quantized.
  Expected<double> measure(const BitVector &quantized);
  /// Whether an error has a share of the whole; that of a model which gives NaN
  /// is NaN.
  bool matters(double error) const {
    return std::isfinite(found.whole) ? error >= options.share * found.whole
                                      : !std::isfinite(error);
  }
  /// Looks into layers [begin, end), whose error together is `error`.
  Error search(size_t begin, size_t end, double error);

  SwitchedModel &model;
  const EvaluationOptions &options;
  const ReportProgress &progress;
  std::vector<KeptTensors> references; ///< outputs of the float model
  Bisection found;
  std::vector<size_t> culprits;
  size_t settled = 0; ///< layers that are known to be harmless or not
};

} // namespace

Error Bisector::keepReferences() {
  BitVector none(model.layers().size());
  for (int64_t i = model.firstSample(); i < model.endSample(); ++i) {
    if (Error error = model.run(i, none))
      return error;
    if (Error error = references.emplace_back().keep(model.outputViews()))
      return error;
  }
  return Error::success();
}

Expected<double> Bisector::measure(const BitVector &quantized) {
  Expected<OutputDifference> difference =
      OutputDifference::create(model, options);
  if (!difference)
    return difference.takeError();
  for (auto [i, reference] : enumerate(references)) {
    int64_t sample = model.firstSample() + i;
    if (Error error = model.run(sample, quantized))
      return std::move(error);
    if (Error error = difference->add(model, sample, reference.views(),
                                      model.outputViews()))
      return std::move(error);
  }
  found.measure = difference->logits ? "KL" : "noise/signal";
  return difference->error();
}

Error Bisector::search(size_t begin, size_t end, double error) {
  if (!matters(error) || end - begin == 1) {
    if (matters(error)) {
      culprits.push_back(begin);
      found.layers.push_back({model.layers()[begin], error});
    }
    settled += end - begin;
    progress(formatv("bisecting: {0} of {1} layers are settled", settled,
                     model.layers().size())
                 .str(),
             static_cast<double>(settled) / model.layers().size());
    return Error::success();
  }
  size_t middle = begin + (end - begin) / 2;
  for (auto [from, to] : {std::pair(begin, middle), std::pair(middle, end)}) {
    BitVector some(model.layers().size());
    some.set(from, to);
    Expected<double> part = measure(some);
    if (!part)
      return part.takeError();
    if (Error error = search(from, to, *part))
      return error;
  }
  return Error::success();
}

Expected<Bisection> Bisector::run() {
  noteStage("bisecting");
  if (Error error = keepReferences())
    return std::move(error);
  BitVector quantized(model.layers().size(), true);
  Expected<double> whole = measure(quantized);
  if (!whole)
    return whole.takeError();
  found.whole = *whole;
  if (found.whole == 0)
    return found;
  if (Error error = search(0, model.layers().size(), found.whole))
    return std::move(error);
  for (size_t layer : culprits)
    quantized.reset(layer);
  Expected<double> without = measure(quantized);
  if (!without)
    return without.takeError();
  found.without = *without;
  sort(found.layers, [](const Bisection::Layer &a, const Bisection::Layer &b) {
    return std::tie(b.alone, a.name) < std::tie(a.alone, b.name);
  });
  return std::move(found);
}

Expected<Bisection> bisect(SwitchedModel &model,
                           const EvaluationOptions &options,
                           const ReportProgress &progress) {
  return Bisector(model, options, progress).run();
}

} // namespace quantc::driver
