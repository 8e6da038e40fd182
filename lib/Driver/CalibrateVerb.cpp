//===- CalibrateVerb.cpp - quantc calibrate -------------------------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Console.h"
#include "Options.h"
#include "OwnSamples.h"
#include "Worker.h"
#include "quantc/Support/AtomicFile.h"
#include "quantc/Support/Errors.h"
#include "quantc/Support/Statistics.h"

#include "llvm/Support/JSON.h"

using namespace llvm;

namespace quantc::driver {
namespace {

struct CalibrateOptions : CompileRequest {
  std::vector<std::string> merged;
  std::string samples;
  bool json = false, quiet = false;
};

void printResult(const CalibrateOptions &options,
                 const Statistics &statistics) {
  int64_t samples = 0, rows = 0;
  for (const auto &[site, found] : statistics.sites()) {
    samples = std::max<int64_t>(samples, found.samples().size());
    rows = std::max(rows, found.tokens());
  }
  if (options.json) {
    json::OStream json(outs(), 2);
    json.object([&] {
      json.attribute("file", options.output);
      json.attribute("sites", static_cast<int64_t>(statistics.sites().size()));
      json.attribute("samples", samples);
      json.attribute("rows", rows);
    });
    outs() << '\n';
  } else if (!options.quiet) {
    errs() << "quantc: wrote " << options.output << " ("
           << statistics.sites().size() << " sites, " << samples
           << " samples, up to " << rows << " rows a site)\n";
  }
}

int calibrate(CalibrateOptions options) {
  if (Error error = AtomicFile::create(options.output).takeError())
    return fail(std::move(error));
  std::optional<FileRemover> samples;
  if (Error error = makeOwnSamples(options, options.quiet, samples))
    return fail(std::move(error));
  Expected<CompileResult> result =
      compileAtTerminal(options, options.quiet, options.quiet);
  if (!result)
    return fail(result.takeError());
  Expected<Statistics> written = Statistics::read(options.output);
  if (!written)
    return fail(written.takeError());
  printResult(options, *written);
  return ExitDone;
}

int merge(const CalibrateOptions &options) {
  Expected<Statistics> all = Statistics::read(options.merged.front());
  if (!all)
    return fail(all.takeError());
  for (const std::string &path : ArrayRef(options.merged).drop_front()) {
    Expected<Statistics> part = Statistics::read(path);
    if (!part)
      return fail(part.takeError());
    if (Error error = all->merge(*part))
      return fail("'" + path + "': " + toString(std::move(error)));
  }
  if (Error error = all->write(options.output))
    return fail(std::move(error));
  printResult(options, *all);
  return ExitDone;
}

int run(CalibrateOptions &options) {
  if (options.output.empty())
    return fail("no output is given: say -o STATISTICS", ExitBadUsage);
  bool merges = !options.merged.empty();
  if (merges && (!options.models.empty() || !options.graph.calibration.empty()))
    return fail("--merge takes files of statistics, and no model and no --data",
                ExitBadUsage);
  WorkerOptions worker = commandWorker("calibrate");
  worker.outputs = {options.output};
  worker.partialFolder = partialFolder(options.output);
  if (merges)
    return runInWorker(worker, [&] { return merge(options); });
  if (options.models.size() != 1)
    return fail("say one model: quantc calibrate MODEL.onnx --data DATA -o "
                "STATISTICS",
                ExitBadUsage);
  if (options.graph.calibration.empty())
    return fail("no samples are given: say --data DATA", ExitBadUsage);
  if (!options.samples.empty())
    if (Error error = readSamples(options.samples, options.graph.firstSample,
                                  options.graph.sampleCount))
      return fail(std::move(error));
  options.emit = Emit::Statistics;
  options.graph.statistics = options.output;
  if (Error error =
          graphPipeline(options.graph, GraphStage::Statistics).takeError())
    return fail(std::move(error));
  return runInWorker(worker, [&] { return calibrate(options); });
}

} // namespace

Error readSamples(StringRef text, int64_t &firstSample, int64_t &count) {
  auto [low, high] = text.split("..");
  int64_t first = 0, last = 0;
  bool isRange = text.contains("..");
  if (low.getAsInteger(10, first) || (isRange && high.getAsInteger(10, last)) ||
      first < (isRange ? 0 : 1) || (isRange && last < first))
    return make_error<UsageError>(
        "--samples '" + text +
        "': say a number of samples, or LO..HI, counted from 0");
  firstSample = isRange ? first : 0;
  count = isRange ? last - first + 1 : first;
  return Error::success();
}

void addSamplesOption(CLI::App &verb, std::string &text) {
  verb.add_option("--samples", text,
                  "The first N samples, or those from LO to HI, counted from "
                  "0 (default: all)")
      ->type_name("N|LO..HI");
}

RunVerb addCalibrate(CLI::App &program) {
  auto options = std::make_shared<CalibrateOptions>();
  CLI::App *verb = program.add_subcommand(
      "calibrate",
      "Run a model on samples and file what passes its layers, or merge files");
  verb->add_option("MODEL.onnx", options->models, "Model")->type_name("");
  verb->add_option(
          "--data", options->graph.calibration,
          "Samples: a .npz or .safetensors file of arrays named as "
          "the inputs, the first dimension being the sample, a folder "
          "of .npy files or of test_data_set_*; self[:SAMPLESxLENGTH]: a "
          "language model writes its own (32x256)")
      ->type_name("DATA");
  verb->add_option("-o,--output", options->output,
                   "File of statistics to write")
      ->type_name("STATISTICS");
  verb->add_option("--merge", options->merged,
                   "Files of statistics of one model, of different samples")
      ->type_name("A B ...");
  addSamplesOption(*verb, options->samples);
  addModelOptions(*verb, *options);
  verb->add_flag("--json", options->json, "Print what was written as JSON");
  verb->add_flag("-q,--quiet", options->quiet, "Print errors only");
  verb->footer("Examples:\n"
               "  quantc calibrate model.onnx --data samples.safetensors -o "
               "model.statistics\n"
               "  quantc calibrate --merge a.statistics b.statistics -o "
               "model.statistics\n"
               "  quantc compile model.onnx -o build/model --recipe "
               "w8a8-static --statistics model.statistics");
  return [options] { return run(*options); };
}

} // namespace quantc::driver
