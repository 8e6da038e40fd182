//===- Report.cpp - What became of a model, as a page ---------------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Report.h"

#include "Options.h"
#include "Session.h"
#include "quantc/Support/AtomicFile.h"

#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/Path.h"

using namespace llvm;

namespace quantc::driver {
namespace {

#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Wc23-extensions"
constexpr char kPage[] = {
#embed "Report.html"
};
#pragma clang diagnostic pop

/// What stands in the page where its data go.
constexpr StringLiteral kPlace("@DATA@");

/// Times of the library's layers in one run, or why there are none.
struct Timing {
  std::vector<LayerTime> layers;
  std::string text;
};

} // namespace

static Timing measure(const CompileRequest &request,
                      const CompileResult &result) {
  Timing timing;
  if (!StringRef(request.target).starts_with("native")) {
    timing.text = "No times: the library is for another machine.";
    return timing;
  }
  auto fail = [&](Error error) {
    timing.text = "No times: " + toString(std::move(error));
    return timing;
  };
  SessionOptions options;
  options.library = result.files.front();
  options.threads = 1;
  options.profile = true;
  Expected<std::unique_ptr<Session>> session = Session::open(options);
  if (!session)
    return fail(session.takeError());
  if (Error error = (*session)->makeInputs(options, /*inventMissing=*/true))
    return fail(std::move(error));
  constexpr int kWarmUp = 3, kRuns = 10;
  for (int i = 0; i < kWarmUp + kRuns; ++i) {
    if (i == kWarmUp)
      quantc_profile((*session)->session, /*reset=*/1);
    if (Error error = (*session)->run())
      return fail(std::move(error));
  }
  timing.layers = (*session)->layerTimes(kRuns);
  timing.text = formatv("Times are of one thread, level {0}{1}, the mean of "
                        "{2} runs; the cost model knows linear layers.",
                        quantc_isa_of((*session)->session),
                        (*session)->assumed.empty()
                            ? ""
                            : ", " + join((*session)->assumed, ", "),
                        kRuns)
                    .str();
  return timing;
}

/// The layers as the passes describe them, with their measured times.
static json::Array layersOf(const CompileResult &result, const Timing &timing) {
  json::Array layers;
  for (StringRef description : result.descriptions) {
    Expected<json::Value> parsed = json::parse(description);
    if (!parsed) // what our own pass has written
      report_fatal_error(parsed.takeError());
    for (json::Value &value : *parsed->getAsObject()->getArray("layers")) {
      json::Object layer = std::move(*value.getAsObject());
      // A layer's kernel is named after it, `fc1 (linear_si8_64x64)`.
      std::string prefix =
          (*layer.getString("name") + " (" + *layer.getString("op")).str();
      for (const LayerTime &time : timing.layers)
        if (StringRef(time.name).starts_with(prefix))
          layer["measured_seconds"] = time.seconds;
      layers.push_back(std::move(layer));
    }
  }
  return layers;
}

/// The manifest's tensors that are no layer's weight.
static json::Array otherTensors(const json::Object &manifest,
                                const json::Array &layers) {
  json::Array tensors;
  for (const json::Value &value : *manifest.getArray("tensors")) {
    const json::Object &tensor = *value.getAsObject();
    bool isWeight = any_of(layers, [&](const json::Value &value) {
      const json::Object &layer = *value.getAsObject();
      return layer.getString("name") == tensor.getString("layer") &&
             (tensor.getString("granularity") != "" ||
              layer.getInteger("bytes_before") ==
                  tensor.getInteger("bytes_before"));
    });
    if (!isWeight)
      tensors.push_back(value);
  }
  return tensors;
}

Error writeReport(const CompileRequest &request, const CompileResult &result) {
  Expected<json::Value> manifest = json::parse(result.manifest);
  if (!manifest)
    return manifest.takeError();
  json::Object &facts = *manifest->getAsObject();
  Timing timing = measure(request, result);
  json::Array models, remarks;
  for (const std::string &model : request.models)
    models.push_back(sys::path::filename(model));
  for (const std::string &remark : result.remarks)
    remarks.push_back(json::isUTF8(remark) ? remark : json::fixUTF8(remark));
  json::Array layers = layersOf(result, timing);
  json::Object data{{"models", std::move(models)},
                    {"recipe", request.graph.recipe},
                    {"target", request.target},
                    {"quantc", version()},
                    {"bytes_before", *facts.getInteger("bytes_before")},
                    {"bytes_after", *facts.getInteger("bytes_after")},
                    {"timing", timing.text},
                    {"tensors", otherTensors(facts, layers)},
                    {"remarks", std::move(remarks)}};
  data["layers"] = std::move(layers);
  // Nothing in it may end the script that holds it.
  std::string text;
  for (char letter : formatv("{0}", json::Value(std::move(data))).str())
    text += letter == '<' ? std::string("\\u003c") : std::string(1, letter);
  auto [before, after] = StringRef(kPage, sizeof kPage).split(kPlace);
  return writeFileAtomically(request.report, (before + text + after).str());
}

} // namespace quantc::driver
