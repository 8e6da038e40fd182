//===- CompileVerb.cpp - quantc compile -----------------------------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "ByteSize.h"
#include "Console.h"
#include "Lock.h"
#include "Options.h"
#include "OwnSamples.h"
#include "Report.h"
#include "SeveralModels.h"
#include "Worker.h"
#include "quantc/Driver/Compile.h"
#include "quantc/Support/AtomicFile.h"

#include "llvm/Support/JSON.h"
#include "llvm/Support/Path.h"

using namespace llvm;

namespace quantc::driver {
namespace {

struct CompileOptions : CompileRequest {
  std::string emitName = "library";
  bool printPipeline = false, json = false, quiet = false;
  /// Options of the interface that are not built: name and what was given.
  std::map<std::string, std::string> planned;
};

const char *const kPlanned[] = {"--memory"};

void printResult(const CompileOptions &options, const CompileResult &result) {
  if (options.json && options.output != "-") {
    json::OStream json(outs(), 2);
    json.object([&] {
      json.attributeArray("files", [&] {
        for (const std::string &file : result.files)
          json.value(file);
      });
      json.attributeArray("levels", [&] {
        for (const std::string &level : result.levels)
          json.value(level);
      });
      json.attribute("library_bytes",
                     static_cast<int64_t>(result.libraryBytes));
      json.attribute("weights_bytes",
                     static_cast<int64_t>(result.weightsBytes));
    });
    outs() << '\n';
    return;
  }
  if (options.quiet || options.emit != Emit::Library)
    return;
  errs() << "quantc: wrote " << join(result.files, ", ") << " ("
         << bytesText(result.libraryBytes) << " of code";
  if (result.weightsBytes)
    errs() << ", " << bytesText(result.weightsBytes) << " of weights";
  errs() << "; " << join(result.levels, ", ") << ")\n";
}

/// Whether the outputs can be made is found out before the long work.
Error checkOutput(const CompileOptions &options) {
  if (options.output == "-")
    return Error::success();
  if (!options.report.empty())
    if (Error error = AtomicFile::create(options.report).takeError())
      return error;
  if (options.emit != Emit::Library)
    return AtomicFile::create(options.output).takeError();
  // The longest name, too.
  for (const char *suffix : {".so", ".safetensors"})
    if (Error error = AtomicFile::create(options.output + suffix).takeError())
      return error;
  return Error::success();
}

int compile(CompileOptions options) {
  if (Error error = checkOutput(options))
    return fail(std::move(error));
  std::optional<FileRemover> samples;
  if (Error error = makeOwnSamples(options, options.quiet, samples))
    return fail(std::move(error));
  Expected<CompileResult> result = compileAtTerminal(
      options, options.quiet, options.quiet || options.output == "-");
  if (!result)
    return fail(result.takeError());
  if (!options.report.empty()) {
    noteStage("writing '" + options.report + "'");
    if (Error error = writeReport(options, *result))
      return fail(std::move(error));
    result->files.push_back(options.report);
  }
  printResult(options, *result);
  return ExitDone;
}

/// The graph's pipeline as text, that of the first model; a lock gives its
/// formats.
Expected<std::string> pipelineText(const CompileOptions &options) {
  GraphOptions graph = options.graph;
  if (!options.lock.empty() && lockExists(options.lock)) {
    Expected<Lock> lock = readLock(options.lock);
    if (!lock)
      return lock.takeError();
    std::string entry;
    if (options.models.size() > 1)
      entry = entryNames(options.models).front();
    if (Error error = applyLock(*lock, entry, graph))
      return std::move(error);
  }
  return graphPipeline(graph);
}

/// The pipelines of the recipe as text: the graph's, then a level's.
int printPipeline(const CompileOptions &options) {
  Expected<std::string> graph = pipelineText(options);
  if (!graph)
    return fail(graph.takeError());
  outs() << *graph << '\n'
         << kernelPipeline(isPlainRecipe(options.graph.recipe)) << '\n';
  return ExitDone;
}

/// What a person needs to see the failure again, step by step.
std::string reproducer(const CompileOptions &options) {
  std::string text = commandLine() + "\n# quantc " + version() +
                     "; the same in steps:\n#   quantc compile " +
                     shellQuoted(options.models.front()) +
                     " --emit=onnx -o model.mlir\n";
  if (Expected<std::string> graph = pipelineText(options))
    text += "#   quant-opt --pass-pipeline=" + shellQuoted(*graph) +
            " model.mlir -o graph.mlir\n";
  else
    consumeError(graph.takeError());
  text += "#   quant-opt --pass-pipeline=" +
          shellQuoted(kernelPipeline(isPlainRecipe(options.graph.recipe))) +
          " graph.mlir -o llvm.mlir\n";
  return text;
}

/// Files that the compile may write, the lock if `withLock`.
std::vector<std::string> outputsOf(const CompileOptions &options,
                                   bool withLock = true) {
  std::vector<std::string> outputs{options.output,
                                   options.output + ".safetensors"};
  if (options.emit == Emit::Library)
    for (const char *suffix : {".so", ".h", ".json"})
      outputs.push_back(options.output + suffix);
  for (const std::string &path : {options.weightsOut, options.report})
    if (!path.empty())
      outputs.push_back(path);
  if (withLock && !options.lock.empty())
    outputs.push_back(options.lock);
  return outputs;
}

/// What is wrong with -o and what belongs to it, whatever the model is; empty:
/// nothing.
std::string whyNoOutput(const CompileOptions &options) {
  bool isLibrary = options.emit == Emit::Library;
  if (options.output.empty())
    return "no output is given: say -o PREFIX";
  if (!isLibrary && options.models.size() > 1)
    return "'--emit=" + options.emitName +
           "' writes one model: several make a library";
  if (isLibrary && options.output == "-")
    return "a library cannot be written to standard output: say -o PREFIX, "
           "or --emit a level of text";
  // LLVM calls the last part of `folder/` `.`.
  StringRef last = sys::path::filename(options.output);
  if (last == "." || last == ".." || last == "/") {
    SmallString<128> inside(options.output);
    sys::path::append(inside, sys::path::stem(options.models.front()));
    return "-o " + shellQuoted(options.output) +
           " is a folder: say what the output is called, as -o " +
           shellQuoted(inside);
  }
  if (!options.report.empty() && !isLibrary)
    return "--report is of a library, and --emit=" + options.emitName +
           " makes none";
  if (options.embedWeights && !isLibrary)
    return "--embed-weights is for a library, and --emit=" + options.emitName +
           " makes none";
  if (!options.weightsOut.empty() && options.emit > Emit::Kernel)
    return "--weights-out is for printed IR (--emit=onnx, qgraph, fused or "
           "kernel): say --embed-weights to have the weights in the library, "
           "else they are in PREFIX.safetensors";
  if (options.emit == Emit::ONNX &&
      !(options.lock.empty() && options.checkLock.empty()))
    return "--emit=onnx is before anything has a precision that --lock or "
           "--check-lock could keep: say --emit=qgraph, or a later level";
  if (!options.lock.empty() &&
      is_contained(outputsOf(options, false), options.lock))
    return "--lock " + shellQuoted(options.lock) +
           " is what -o is going to write: call the lock something else";
  if (options.graph.size && options.models.size() > 1)
    return "--size is for one model, for several share weights: say "
           "--bits-per-weight";
  return "";
}

int run(CompileOptions &options) {
  for (auto &[name, value] : options.planned)
    if (!value.empty())
      return fail("'" + name + "' of 'quantc compile' is not built yet");
  if (options.printPipeline)
    return printPipeline(options);
  if (options.models.empty())
    return fail("no model is given: quantc compile MODEL.onnx -o PREFIX",
                ExitBadUsage);
  if (options.emitName == "archive")
    return fail("'--emit=archive' of 'quantc compile' is not built yet; "
                "--emit=object gives the code of one level");
  options.emit = *emitFromName(options.emitName);
  if (std::string why = whyNoOutput(options); !why.empty())
    return fail(why, ExitBadUsage);
  if (Expected<std::string> pipeline = graphPipeline(options.graph); !pipeline)
    return fail(pipeline.takeError());
  for (StringRef device : {"nvptx", "amdgpu", "spirv"})
    if (StringRef(options.target).starts_with(device))
      return fail("target '" + options.target +
                  "' is not built yet; quantc compiles for x86-64 and aarch64");
  if (Expected<std::vector<Level>> levels = targetLevels(options.target);
      !levels)
    return fail(levels.takeError());

  WorkerOptions worker;
  worker.outputs = outputsOf(options);
  worker.partialFolder = partialFolder(options.output);
  std::string stem = options.output == "-" ? "quantc" : options.output;
  worker.reproducerPath = stem + ".reproduce.sh";
  worker.reproducer = [&] { return reproducer(options); };
  return runInWorker(worker, [&] { return compile(options); });
}

} // namespace

void addRecipeOptions(CLI::App &verb, GraphOptions &graph) {
  verb.add_option("-r,--recipe", graph.recipe,
                  "How to quantize, as w4-rtn:group-size=64 (default: " +
                      graph.recipe + "); see 'quantc recipes'")
      ->type_name("R");
  auto *calibration =
      verb.add_option("--calibration", graph.calibration,
                      "Samples for recipes that run the model on some: a "
                      ".npz or .safetensors file of arrays named as the "
                      "inputs, a folder of .npy files or of test_data_set_*; "
                      "self[:SAMPLESxLENGTH]: a language model writes its own "
                      "(32x256)")
          ->type_name("DATA");
  verb.add_option("--statistics", graph.statistics,
                  "What 'quantc calibrate' has found, instead of samples")
      ->type_name("FILE")
      ->excludes(calibration);
  verb.add_option("--keep-float", graph.keepFloat,
                  "Layers whose names match stay float")
      ->type_name("REGEX");
  verb.add_option("--set", graph.set,
                  "Another weight format for layers whose names match")
      ->type_name("REGEX=FORMAT[,group-size=N]")
      ->allow_extra_args(false);
  auto *bits =
      verb.add_option("--bits-per-weight", graph.bitsPerWeight,
                      "Recipe auto: mean bits of a weight, with its part of "
                      "the scales (default: 4.5)")
          ->type_name("B");
  verb.add_option_function<std::string>(
          "--size",
          [&graph](const std::string &text) {
            Expected<uint64_t> size = parseByteSize("--size", text);
            if (!size)
              throw CLI::ValidationError(toString(size.takeError()));
            graph.size = *size;
          },
          "Recipe auto: bytes of all weights that the library has, as "
          "100000000, 100M or 100MiB, instead of --bits-per-weight")
      ->type_name("BYTES")
      ->excludes(bits);
}

void addModelOptions(CLI::App &verb, CompileRequest &request) {
  verb.add_option("--dim", request.graph.dims,
                  "Pin (batch=1) or bound (seq=1..512) a named dimension")
      ->type_name("NAME=N|NAME=LO..HI")
      ->allow_extra_args(false);
  verb.add_option("--plugin", request.plugins,
                  "A library with operators of other domains")
      ->type_name("FILE.so")
      ->allow_extra_args(false);
}

Expected<CompileResult> compileAtTerminal(
    const CompileRequest &request, bool quiet, bool quietProgress,
    std::function<Error(mlir::ModuleOp, CompileListener &)> graph) {
  Progress progress(quietProgress);
  CompileListener listener;
  listener.message = [&](StringRef severity, const std::string &text) {
    // What a recipe does to which layer is for who compiles.
    if (severity == "error" || (!quiet && !(graph && severity == "remark")))
      say(severity, text);
  };
  listener.progress = [&](StringRef what, double done) {
    progress.update(what, done);
  };
  if (graph)
    listener.graph = [&](mlir::ModuleOp module) {
      return graph(module, listener);
    };
  Expected<CompileResult> result = compileModel(request, listener);
  progress.clear();
  return result;
}

RunVerb addCompile(CLI::App &program) {
  auto options = std::make_shared<CompileOptions>();
  CLI::App *verb = program.add_subcommand(
      "compile", "Compile an ONNX model into a native library");
  verb->add_option("MODEL.onnx", options->models,
                   "Model; several make one library with an entry each")
      ->type_name("");
  verb->add_option("-o,--output", options->output,
                   "Makes PREFIX.so, PREFIX.h, PREFIX.json and "
                   "PREFIX.safetensors; with --emit of a level before the "
                   "library, the file, or - for standard output")
      ->type_name("PREFIX");
  addRecipeOptions(*verb, options->graph);
  verb->add_option("--target", options->target,
                   "native (default), x86-64-v3, x86-64-v4, x86-64, an x86-64 "
                   "CPU, aarch64 or aarch64+dotprod; a library carries every "
                   "instruction set level of its target, with :highest behind "
                   "it (native:highest) only one")
      ->type_name("T");
  addModelOptions(*verb, *options);
  verb->add_option("--emit", options->emitName,
                   "Stop at a level and write it: onnx, qgraph, fused, kernel, "
                   "llvm, asm, object or library (default)")
      ->type_name("LEVEL")
      ->check(CLI::IsMember({"onnx", "qgraph", "fused", "kernel", "llvm", "asm",
                             "object", "archive", "library"})
                  .description(""));
  verb->add_option("--report", options->report,
                   "Write a page on what became of the model: bytes, bits, "
                   "error and histograms of each layer, times, what was "
                   "skipped and why")
      ->type_name("FILE.html");
  verb->add_option("--lock", options->lock,
                   "The precision of each layer: written if FILE is not there, "
                   "else every layer that it names gets what it says")
      ->type_name("FILE");
  verb->add_option("--check-lock", options->checkLock,
                   "Fail if a layer is gone or has lost precision that this "
                   "lock says it has")
      ->type_name("FILE");
  verb->add_flag("--embed-weights", options->embedWeights,
                 "Put the weights into the library itself");
  verb->add_option("--weights-out", options->weightsOut,
                   "Where the weights of printed IR go (default: beside -o)")
      ->type_name("FILE");
  verb->add_flag("--print-pipeline", options->printPipeline,
                 "Print the pass pipelines and exit: the graph's, then that of "
                 "each level");
  verb->add_option("-j", options->jobs,
                   "Threads (default: the CPUs this process may use)")
      ->type_name("N")
      ->check(CLI::Range(1u, 1024u).description(""));
  verb->add_option("--mlir", options->passOptions,
                   "An option of MLIR's pass manager, as "
                   "--mlir=--mlir-print-ir-after-change (with -j 1) or "
                   "--mlir=--mlir-timing")
      ->type_name("OPTION")
      ->allow_extra_args(false);
  verb->add_flag("--json", options->json, "Print what was written as JSON");
  verb->add_flag("-q,--quiet", options->quiet, "Print errors only");
  for (const char *name : kPlanned)
    verb->add_option(name, options->planned[name], "")->group("");
  verb->footer(
      "Examples:\n"
      "  quantc compile model.onnx -o build/model --recipe w8a8-dynamic\n"
      "  quantc compile model.onnx -o build/model --recipe w4-rtn --dim "
      "batch=1 "
      "--keep-float 'lm_head'\n"
      "  quantc compile model.onnx --emit=fused -o - --weights-out "
      "weights.safetensors");
  return [options, verb] {
    bool isNamed = verb->get_option("--recipe")->count() > 0;
    if (!isNamed && !options->lock.empty() && lockExists(options->lock))
      if (Error error = chooseRecipe(options->lock, options->graph))
        return fail(std::move(error));
    return run(*options);
  };
}

} // namespace quantc::driver
