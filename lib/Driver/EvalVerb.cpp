//===- EvalVerb.cpp - quantc eval -----------------------------------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Console.h"
#include "Evaluation.h"
#include "Lock.h"
#include "Options.h"
#include "OwnSamples.h"
#include "Worker.h"

#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/Regex.h"

#include <cmath>
#include <tuple>

using namespace llvm;

namespace quantc::driver {
namespace {

struct EvalOptions : CompileRequest {
  EvaluationOptions evaluation;
  std::string samples;
  bool json = false, quiet = false;
};

//===----------------------------------------------------------------------===//
// For people
//===----------------------------------------------------------------------===//

std::string decibelText(double value) {
  return std::isinf(value) && value > 0 ? "exact"
                                        : formatv("{0:f1} dB", value).str();
}

std::string numberText(double value) {
  return formatv("{0}", format("%.4g", value)).str();
}

std::string cosineText(const numerics::SignalSums &sums) {
  return formatv("{0:f5}", sums.cosine()).str();
}

void printLayers(const Evaluation &found) {
  if (found.layers.empty())
    return;
  Table table({"layer", "alone", "cosine", "up to it", "cosine"});
  for (const LayerError &layer : found.layers)
    table.add({layer.name, decibelText(layer.alone.snr()),
               cosineText(layer.alone), decibelText(layer.upTo.snr()),
               cosineText(layer.upTo)});
  table.print(outs());
  outs() << '\n';
}

/// The logits and the worst; a language model with a cache has many.
void printOutputErrors(const Evaluation &found) {
  constexpr size_t kMost = 8;
  std::vector<const OutputError *> outputs(
      make_pointer_range(found.outputs).begin(),
      make_pointer_range(found.outputs).end());
  if (outputs.size() > kMost)
    sort(outputs, [&](const OutputError *a, const OutputError *b) {
      auto rank = [&](const OutputError *output) {
        return std::tuple(output->name != found.logits, output->sums.snr(),
                          output->name);
      };
      return rank(a) < rank(b);
    });
  Table table({"output", "SNR", "cosine"});
  for (const OutputError *output : ArrayRef(outputs).take_front(kMost))
    table.add({output->name, decibelText(output->sums.snr()),
               cosineText(output->sums)});
  table.print(outs());
  if (outputs.size() > kMost)
    outs() << formatv("... and {0} outputs that are nearer; --json lists "
                      "them\n",
                      outputs.size() - kMost);
}

void printLogits(const Evaluation &found) {
  if (found.logits.empty())
    return;
  const numerics::LogitSums &sums = found.logitSums;
  outs() << formatv("\nKL {0} nats, top-1 agreement {1:f2} %",
                    numberText(sums.meanKL()), 100 * sums.agreement());
  if (sums.predictions)
    outs() << formatv(", perplexity {0:f4} (float: {1:f4})",
                      sums.foundPerplexity(), sums.referencePerplexity());
  outs() << formatv("; {0} of {1} rows\n", found.logits, sums.rows);
}

/// `--keep-float` of these layers. Copies of a layer that occurs several times
/// have a number behind their name.
std::string keepFloatText(const Bisection &found) {
  std::vector<std::string> names;
  for (const Bisection::Layer &layer : found.layers) {
    std::string name = Regex::escape(StringRef(layer.name).split('#').first);
    if (!is_contained(names, name))
      names.push_back(name);
  }
  return shellQuoted("^(" + join(names, "|") + ")$");
}

void printBisection(const Bisection &found, double share) {
  outs() << formatv("\nerror of the outputs ({0}): {1}\n", found.measure,
                    numberText(found.whole));
  if (found.layers.empty()) {
    outs() << (found.whole == 0
                   ? std::string("no layer has any error\n")
                   : formatv("no layer alone has {0:f0} % of it: it comes "
                             "from all of them\n",
                             100 * share)
                         .str());
    return;
  }
  Table table({"layer", "with it alone"});
  for (const Bisection::Layer &layer : found.layers)
    table.add({layer.name, numberText(layer.alone)});
  table.print(outs());
  outs() << formatv("with {0} in float: {1}\n  --keep-float {2}\n",
                    found.layers.size() == 1
                        ? "this layer"
                        : formatv("these {0}", found.layers.size()).str(),
                    numberText(found.without), keepFloatText(found));
}

//===----------------------------------------------------------------------===//
// For programs
//===----------------------------------------------------------------------===//

/// JSON has no infinity: null.
json::Value numberValue(double value) {
  if (!std::isfinite(value))
    return nullptr;
  return value;
}

json::Object sumsValue(const numerics::SignalSums &sums) {
  return json::Object{{"snr", numberValue(sums.snr())},
                      {"cosine", numberValue(sums.cosine())}};
}

json::Object logitsValue(const Evaluation &found) {
  const numerics::LogitSums &sums = found.logitSums;
  json::Object object{{"output", found.logits},
                      {"rows", sums.rows},
                      {"kl", numberValue(sums.meanKL())},
                      {"top1_agreement", numberValue(sums.agreement())}};
  if (sums.predictions) {
    object["perplexity"] = numberValue(sums.foundPerplexity());
    object["float_perplexity"] = numberValue(sums.referencePerplexity());
  }
  return object;
}

json::Object bisectionValue(const Bisection &found) {
  json::Array layers;
  for (const Bisection::Layer &layer : found.layers)
    layers.push_back(json::Object{{"name", layer.name},
                                  {"alone", numberValue(layer.alone)}});
  return json::Object{{"measure", found.measure},
                      {"error", numberValue(found.whole)},
                      {"error_without", numberValue(found.without)},
                      {"layers", std::move(layers)}};
}

json::Value resultValue(const Evaluation &found) {
  json::Array layers, outputs;
  for (const LayerError &layer : found.layers)
    layers.push_back(json::Object{{"name", layer.name},
                                  {"alone", sumsValue(layer.alone)},
                                  {"up_to", sumsValue(layer.upTo)}});
  for (const OutputError &output : found.outputs) {
    json::Object object = sumsValue(output.sums);
    object["name"] = output.name;
    outputs.push_back(std::move(object));
  }
  json::Object object{{"samples", found.samples},
                      {"layers", std::move(layers)},
                      {"outputs", std::move(outputs)}};
  if (!found.logits.empty())
    object["logits"] = logitsValue(found);
  if (found.bisection)
    object["bisection"] = bisectionValue(*found.bisection);
  return object;
}

//===----------------------------------------------------------------------===//
// The verb
//===----------------------------------------------------------------------===//

void printResult(const EvalOptions &options, const Evaluation &found) {
  if (options.json) {
    outs() << formatv("{0:2}\n", resultValue(found));
    return;
  }
  printLayers(found);
  printOutputErrors(found);
  printLogits(found);
  if (found.bisection)
    printBisection(*found.bisection, options.evaluation.share);
}

int eval(EvalOptions options) {
  std::optional<FileRemover> samples;
  if (Error error = makeOwnSamples(options, options.quiet, samples))
    return fail(std::move(error));
  std::optional<Evaluation> found;
  Expected<CompileResult> result = compileAtTerminal(
      options, options.quiet, options.quiet,
      [&](mlir::ModuleOp graph, CompileListener &listener) -> Error {
        Expected<Evaluation> evaluated = evaluate(
            graph, options.evaluation, [&](StringRef what, double done) {
              listener.progress(what, 0.25 + 0.75 * done);
            });
        if (!evaluated)
          return evaluated.takeError();
        found = std::move(*evaluated);
        return Error::success();
      });
  if (!result)
    return fail(result.takeError());
  if (found->layers.empty() && options.evaluation.library.empty())
    say("warning",
        "no layer is quantized: recipe '" + options.graph.recipe +
            "' leaves them all in float, or they were kept, or are in the "
            "bodies of If, Loop and Scan, which are the same in both runs; "
            "compile the model and say quantc eval MODEL.onnx MODEL.so");
  printResult(options, *found);
  return finishOutput();
}

/// What is wrong with the command line, or empty.
std::string whyNot(const EvalOptions &options) {
  if (options.models.empty() || options.models.size() > 2)
    return "say one model: quantc eval MODEL.onnx --recipe R --data DATA, or "
           "quantc eval MODEL.onnx MODEL.so --data DATA";
  if (options.evaluation.data.empty())
    return "no samples are given: say --data DATA";
  if (!(options.evaluation.share > 0 && options.evaluation.share <= 1))
    return "--bisect-share must be more than 0 and at most 1";
  if (options.models.size() == 2 && options.evaluation.bisect)
    return "--bisect switches layers of what is compiled here: leave MODEL.so "
           "out and say --recipe";
  return "";
}

/// `isNamed`: --recipe is given; `hasOptions`: it or any that belongs to it.
int run(EvalOptions &options, bool isNamed, bool hasOptions) {
  if (std::string why = whyNot(options); !why.empty())
    return fail(why, ExitBadUsage);
  // Nothing is written here, so the lock has to be there.
  GraphOptions chosen = options.graph;
  if (!options.lock.empty())
    if (Error error = chooseRecipe(options.lock, chosen))
      return fail(std::move(error));
  if (!isNamed)
    options.graph.recipe = chosen.recipe;
  if (options.models.size() == 2) {
    if (hasOptions)
      return fail("MODEL.so is quantized already: leave the options of "
                  "recipes out",
                  ExitBadUsage);
    options.evaluation.library = options.models.back();
    options.models.pop_back();
    options.graph.recipe = "fp32";
  }
  if (!options.samples.empty())
    if (Error error =
            readSamples(options.samples, options.evaluation.firstSample,
                        options.evaluation.sampleCount))
      return fail(std::move(error));
  options.emit = Emit::Switches;
  if (Error error =
          graphPipeline(options.graph, GraphStage::Switches).takeError())
    return fail(std::move(error));
  WorkerOptions worker = commandWorker("eval");
  return runInWorker(worker, [&] { return eval(options); });
}

} // namespace

RunVerb addEval(CLI::App &program) {
  auto options = std::make_shared<EvalOptions>();
  CLI::App *verb = program.add_subcommand(
      "eval", "Say how far a quantized model is from the float one");
  verb->add_option("MODEL.onnx", options->models,
                   "Model; with a library behind it, that one is compared "
                   "with the model")
      ->type_name("[MODEL.so]");
  EvaluationOptions &evaluation = options->evaluation;
  verb->add_option("--data", evaluation.data,
                   "Samples to compare on, as --calibration; other ones, or "
                   "the result flatters")
      ->type_name("DATA");
  addSamplesOption(*verb, options->samples);
  CLI::Option_group *recipe = verb->add_option_group("Recipe");
  addRecipeOptions(*recipe, options->graph);
  recipe
      ->add_option("--lock", options->lock,
                   "The precision of each layer, as 'quantc compile' has "
                   "written it; with or without a recipe")
      ->type_name("FILE");
  addModelOptions(*verb, *options);
  verb->add_option("--logits", evaluation.logits,
                   "The output that has logits, for KL, top-1 and perplexity "
                   "(default: the first with logits in its name)")
      ->type_name("OUTPUT");
  verb->add_option("--tokens", evaluation.tokens,
                   "The input that has the tokens, for perplexity (default: "
                   "input_ids)")
      ->type_name("INPUT");
  verb->add_flag("--bisect", evaluation.bisect,
                 "Find the layers that the error comes from, by switching "
                 "others to float in the compiled code");
  verb->add_option("--bisect-share", evaluation.share,
                   "What part of the error makes a layer one of them "
                   "(default: 0.1)")
      ->type_name("S");
  verb->add_option("--save-outputs", evaluation.saved,
                   "A folder for the outputs of both models: float/N.npz and "
                   "quantized/N.npz of sample N")
      ->type_name("FOLDER");
  verb->add_flag("--json", options->json, "Print the result as JSON");
  verb->add_flag("-q,--quiet", options->quiet, "Print results and errors only");
  verb->footer("Examples:\n"
               "  quantc eval model.onnx --recipe w4-rtn --data "
               "validation.npz\n"
               "  quantc eval model.onnx --recipe w4-gptq --calibration "
               "train.npz --data validation.npz --bisect\n"
               "  quantc eval model.onnx --lock model.lock --data "
               "validation.npz\n"
               "  quantc eval model.onnx build/model.so --data validation.npz");
  return [options, recipe] {
    return run(*options, recipe->get_option("--recipe")->count() > 0,
               recipe->count_all() > 0);
  };
}

} // namespace quantc::driver
