//===- Bench.cpp - quantc bench -------------------------------------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Console.h"
#include "Options.h"
#include "Session.h"
#include "Worker.h"

#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/JSON.h"

#include <algorithm>
#include <chrono>
#include <map>
#include <sys/resource.h>
#include <tuple>

using namespace llvm;

namespace quantc::driver {
namespace {

struct BenchOptions : SessionOptions {
  double seconds = 2;
  int64_t runs = 0;
  bool layers = false, json = false, quiet = false;
};

struct Measurement {
  double load = 0;          ///< seconds from nothing to the first result
  std::vector<double> runs; ///< seconds each, sorted
  int64_t weights = 0, session = 0, peak = 0; ///< bytes

  double quantile(double q) const {
    return runs[std::min(runs.size() - 1,
                         static_cast<size_t>(q * runs.size()))];
  }
  double median() const { return quantile(0.5); }
};

using Clock = std::chrono::steady_clock;

double since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

Error measure(Session &session, const BenchOptions &options,
              Measurement &result) {
  // The first runs find memory, caches and clocks cold.
  constexpr int kWarmUp = 3;
  Clock::time_point start = Clock::now();
  for (int i = 0; i < kWarmUp || since(start) < 0.1 * options.seconds; ++i)
    if (Error error = session.run())
      return error;
  if (options.layers)
    quantc_profile(session.session, /*reset=*/1);
  Progress progress(options.quiet || options.json);
  start = Clock::now();
  auto done = [&] {
    int64_t count = result.runs.size();
    return options.runs ? count >= options.runs
                        : count >= 5 && since(start) >= options.seconds;
  };
  Clock::time_point lastUpdate = start;
  while (!done()) {
    Clock::time_point begin = Clock::now();
    if (Error error = session.run())
      return error;
    result.runs.push_back(since(begin));
    // Rarely, and between two runs: the bar costs what a small model costs.
    if (since(lastUpdate) > 0.5) {
      lastUpdate = Clock::now();
      progress.update("measuring",
                      options.runs
                          ? double(result.runs.size()) / options.runs
                          : std::min(1.0, since(start) / options.seconds));
    }
  }
  std::sort(result.runs.begin(), result.runs.end());
  result.weights = quantc_weights_bytes(session.model);
  result.session = quantc_memory_of(session.session);
  rusage usage;
  if (getrusage(RUSAGE_SELF, &usage) == 0)
    result.peak = usage.ru_maxrss * int64_t(1024);
  return Error::success();
}

/// The kernel in a layer's name, `name (kernel)`.
StringRef kernelOf(StringRef name) {
  if (!name.ends_with(")"))
    return name;
  size_t open = name.rfind('(');
  return open == StringRef::npos ? name : name.slice(open + 1, name.size() - 1);
}

void printLayers(const std::vector<LayerTime> &layers) {
  auto row = [](const std::string &name, double seconds, double share,
                std::string count) {
    return std::vector<std::string>{formatv("{0:f1}", seconds * 1e6).str(),
                                    formatv("{0:f1}%", share * 100).str(),
                                    std::move(count), name};
  };
  Table each({"us", "share", "", "layer"});
  std::map<std::string, LayerTime> kernels;
  std::map<std::string, unsigned> counts;
  for (const LayerTime &layer : layers) {
    each.add(row(layer.name, layer.seconds, layer.share, ""));
    std::string kernel = kernelOf(layer.name).str();
    LayerTime &sum =
        kernels.try_emplace(kernel, LayerTime{kernel, 0, 0}).first->second;
    sum.seconds += layer.seconds;
    sum.share += layer.share;
    ++counts[kernel];
  }
  std::vector<LayerTime> sums;
  for (auto &[name, sum] : kernels)
    sums.push_back(sum);
  sort(sums, [](const LayerTime &a, const LayerTime &b) {
    return std::tie(b.seconds, a.name) < std::tie(a.seconds, b.name);
  });
  Table byKernel({"us", "share", "calls", "kernel"});
  for (const LayerTime &sum : sums)
    byKernel.add(
        row(sum.name, sum.seconds, sum.share, utostr(counts[sum.name])));
  outs() << '\n';
  each.print(outs());
  outs() << '\n';
  byKernel.print(outs());
}

std::string dimsText(const Session &session) {
  std::string text;
  for (int64_t i = 0; i < session.entry->n_symbols; ++i)
    if (session.dims[i] >= 0)
      text += (text.empty() ? "" : " ") +
              std::string(session.entry->symbols[i].name) + "=" +
              itostr(session.dims[i]);
  return text;
}

void printText(const Session &session, const Measurement &result) {
  int64_t threads = quantc_threads_of(session.session);
  outs() << quantc_name(session.model) << " on "
         << quantc_isa_of(session.session) << ", " << threads
         << (threads == 1 ? " thread" : " threads");
  std::string dims = dimsText(session);
  outs() << (dims.empty() ? "" : ", " + dims) << '\n';
  auto line = [](const char *what, const std::string &text) {
    outs() << formatv("  {0,-16} {1}\n", what, text);
  };
  line("latency", "median " + secondsText(result.median()) + ", p95 " +
                      secondsText(result.quantile(0.95)) + ", best " +
                      secondsText(result.runs.front()) + " (" +
                      utostr(result.runs.size()) + " runs)");
  line("throughput", formatv("{0:f1} runs/s", 1 / result.median()));
  line("weights", formatv("{0}, read at {1:f1} GB/s", bytesText(result.weights),
                          result.weights / result.median() * 1e-9));
  line("memory", bytesText(result.session) + " a session, " +
                     bytesText(result.peak) + " peak of the process");
  line("first result", "after " + secondsText(result.load));
}

void printJSON(const Session &session, const Measurement &result,
               const std::vector<LayerTime> &layers) {
  json::OStream json(outs(), 2);
  json.objectBegin();
  json.attribute("model", quantc_name(session.model));
  json.attribute("isa", quantc_isa_of(session.session));
  json.attribute("threads", quantc_threads_of(session.session));
  json.attributeObject("dims", [&] {
    for (int64_t i = 0; i < session.entry->n_symbols; ++i)
      if (session.dims[i] >= 0)
        json.attribute(session.entry->symbols[i].name, session.dims[i]);
  });
  json.attribute("runs", static_cast<int64_t>(result.runs.size()));
  json.attribute("median_seconds", result.median());
  json.attribute("p95_seconds", result.quantile(0.95));
  json.attribute("min_seconds", result.runs.front());
  json.attribute("runs_per_second", 1 / result.median());
  json.attribute("weights_bytes", result.weights);
  json.attribute("weights_bytes_per_second", result.weights / result.median());
  json.attribute("session_bytes", result.session);
  json.attribute("peak_bytes", result.peak);
  json.attribute("first_result_seconds", result.load);
  if (!layers.empty())
    json.attributeArray("layers", [&] {
      for (const LayerTime &layer : layers)
        json.object([&] {
          json.attribute("name", layer.name);
          json.attribute("seconds", layer.seconds);
          json.attribute("share", layer.share);
        });
    });
  json.objectEnd();
  outs() << '\n';
}

int bench(BenchOptions options) {
  options.profile = options.layers;
  noteStage("loading '" + options.library + "'");
  Measurement result;
  Clock::time_point start = Clock::now();
  Expected<std::unique_ptr<Session>> session = Session::open(options);
  if (!session)
    return fail(session.takeError());
  result.load = since(start);
  if (Error error = (*session)->makeInputs(options, /*inventMissing=*/true))
    return fail(std::move(error));
  noteStage("running '" + options.library + "'");
  // Making inputs up is no part of the time to the first result.
  start = Clock::now();
  if (Error error = (*session)->run())
    return fail(std::move(error));
  result.load += since(start);
  if (Error error = measure(**session, options, result))
    return fail(std::move(error));
  noteStage("");

  std::vector<LayerTime> layers;
  if (options.layers)
    layers = (*session)->layerTimes(result.runs.size());
  if (options.json) {
    printJSON(**session, result, layers);
    return ExitDone;
  }
  if (!options.quiet)
    (*session)->noteAssumed();
  printText(**session, result);
  if (options.layers)
    printLayers(layers);
  return ExitDone;
}

} // namespace

RunVerb addBench(CLI::App &program) {
  auto options = std::make_shared<BenchOptions>();
  CLI::App *verb = program.add_subcommand(
      "bench", "Measure a compiled model: latency, throughput, GB/s, memory");
  options->addTo(*verb);
  verb->add_option("--seconds", options->seconds,
                   "How long to measure (default: 2)")
      ->type_name("S")
      ->check(CLI::Range(0.001, 86400.0).description(""));
  verb->add_option("--runs", options->runs,
                   "How many runs to measure, instead of --seconds")
      ->type_name("N")
      ->check(CLI::Range(int64_t(1), int64_t(1000000000)).description(""));
  verb->add_flag("--layers", options->layers,
                 "Time of each layer and kernel; measuring it costs a little");
  verb->add_flag("--json", options->json, "Print the figures as JSON");
  verb->add_flag("-q,--quiet", options->quiet, "Print results and errors only");
  verb->footer("Inputs that are not given are random. GB/s is the size of all "
               "weights over the median latency.\nExample:\n"
               "  quantc bench model.so --dim batch=1 --dim sequence=128 "
               "--threads 1 --layers");
  return [options] {
    return runInWorker(commandWorker("bench"), [&] { return bench(*options); });
  };
}

} // namespace quantc::driver
