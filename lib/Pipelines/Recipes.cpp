//===- Recipes.cpp - Named pass pipelines ---------------------------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The phases are the same for all recipes (RecipeTable.h).
//
//===----------------------------------------------------------------------===//

#include "PassOptions.h"
#include "RecipeTable.h"
#include "quantc/Support/Errors.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/Error.h"

namespace quantc {
namespace {

using Passes = std::vector<std::string>;

void append(Passes &passes, Passes more) {
  llvm::append_range(passes, std::move(more));
}

std::string pipelineOf(const Passes &passes) {
  return "builtin.module(" + llvm::join(passes, ",") + ")";
}

/// ONNX to qgraph, as quantization wants it.
llvm::Expected<Passes> walkPasses(const GraphOptions &options) {
  std::string walk = "convert-onnx-to-qgraph";
  llvm::Expected<std::string> dims = dimsOption(options.dims);
  if (!dims)
    return dims.takeError();
  if (!dims->empty())
    walk += "{" + *dims + "}";
  return Passes{"convert-fake-quant",     walk,
                "canonicalize",           "cse",
                "qgraph-recognize-cache", "qgraph-propagate-layout",
                "canonicalize",           "cse"};
}

std::string statisticsFile(const GraphOptions &options) {
  return options.statistics.empty() ? "statistics" : options.statistics;
}

std::string samplesOptions(const GraphOptions &options) {
  std::string text = fileOption("data", options.calibration);
  if (options.firstSample)
    text += " first-sample=" + std::to_string(options.firstSample);
  if (options.sampleCount)
    text += " samples=" + std::to_string(options.sampleCount);
  return text;
}

/// Runs the model as it is at that place and files what it has seen.
std::string calibratePass(const GraphOptions &options) {
  return "qgraph-calibrate{" + samplesOptions(options) + " " +
         fileOption("output", statisticsFile(options)) + "}";
}

llvm::Error checkFiles(const GraphOptions &options) {
  if (llvm::Error error = checkFileOption("--calibration", options.calibration))
    return error;
  return checkFileOption("--statistics", options.statistics);
}

/// That the samples are there which the recipe needs, and no others.
llvm::Error checkSamples(const Scheme &scheme, const GraphOptions &options) {
  if (llvm::Error error = checkFiles(options))
    return error;
  bool hasData = !options.calibration.empty();
  if (!scheme.method.empty() && !hasData)
    return llvm::make_error<UsageError>(
        "recipe '" + scheme.name +
        "' runs the model on samples: say --calibration DATA");
  if (scheme.usesStatistics() && !hasData && options.statistics.empty())
    return llvm::make_error<UsageError>(
        "recipe '" + scheme.name +
        "' needs to know what passes the layers: say --calibration DATA, or "
        "--statistics FILE of 'quantc calibrate'");
  if (!scheme.usesSamples() && (hasData || !options.statistics.empty()))
    return llvm::make_error<UsageError>(
        "recipe '" + scheme.name +
        "' uses no samples: leave --calibration and --statistics out");
  return llvm::Error::success();
}

/// The choice of bits for each layer.
std::string selectPass(const Recipe &recipe, const GraphOptions &options) {
  // Where the bits are many, scales of few values are of little use.
  static constexpr std::pair<llvm::StringLiteral, llvm::StringLiteral>
      kBlocks[] = {{"si3", "group-size=32 group-size=64 group-size=128"},
                   {"si4", "group-size=32 group-size=64 group-size=128"},
                   {"si5", "group-size=32 group-size=64 group-size=128"},
                   {"si6", "group-size=64 group-size=128 granularity=channel"},
                   {"si8", "group-size=64 group-size=128 granularity=channel "
                           "block=128x128 granularity=tensor"}};
  std::string group = "group-size=" + std::to_string(recipe.groupSize());
  std::vector<std::string> candidates;
  for (auto [format, all] : kBlocks) {
    llvm::SmallVector<llvm::StringRef> blocks;
    (recipe.option("group-size") == "any" ? all : llvm::StringRef(group))
        .split(blocks, ' ');
    for (llvm::StringRef block : blocks)
      candidates.push_back((format + "," + block).str());
  }
  std::string text = "qgraph-select-granularity{" + samplesOptions(options) +
                     " " +
                     passOption("candidates", llvm::join(candidates, ";"));
  if (options.bitsPerWeight)
    text += " bits-per-weight=" + std::to_string(*options.bitsPerWeight);
  if (options.size)
    text += " size=" + std::to_string(*options.size);
  if (std::vector<std::string> set = allEntries(options); !set.empty())
    text += " " + passOption("set", llvm::join(set, ";"));
  return text + "}";
}

/// An error if the command line chooses among formats that the recipe has not.
llvm::Error checkChoices(const Scheme &scheme, const GraphOptions &options) {
  if (options.bitsPerWeight && !scheme.selectsBits)
    return llvm::make_error<UsageError>(
        "--bits-per-weight is for recipe 'auto'; '" + scheme.name +
        "' gives every layer its own bits");
  if (options.size && !scheme.selectsBits)
    return llvm::make_error<UsageError>("--size is for recipe 'auto'; '" +
                                        scheme.name +
                                        "' gives every layer its own bits");
  if (options.size && *options.size == 0)
    return llvm::make_error<UsageError>("--size must be more than 0");
  if (options.size && options.bitsPerWeight)
    return llvm::make_error<UsageError>(
        "--size and --bits-per-weight are two budgets; leave one of them out");
  if (options.bitsPerWeight && !(*options.bitsPerWeight > 0))
    return llvm::make_error<UsageError>(
        "--bits-per-weight must be more than 0");
  if (!scheme.weights.empty() ||
      (options.keepFloat.empty() && options.set.empty()))
    return llvm::Error::success();
  return llvm::make_error<UsageError>(
      "--keep-float and --set choose among the formats of weights, and "
      "recipe '" +
      scheme.name +
      "' leaves all of them as they are; leave the option out, "
      "or take a recipe that quantizes");
}

/// What is found out about the activations, and what is done with it before
/// weights are rounded.
Passes statisticsPasses(const Recipe &recipe, const GraphOptions &options) {
  const Scheme &scheme = *recipe.scheme;
  Passes passes = {"qgraph-insert-observers"};
  bool calibrates = scheme.usesStatistics() && !options.calibration.empty();
  std::string statistics = fileOption("statistics", statisticsFile(options));
  if (calibrates)
    passes.push_back(calibratePass(options));
  if (!scheme.smooth.empty()) {
    // What shares a scale is what outliers do harm to.
    llvm::StringRef shared =
        recipe.option("activations") == "token" ? "token" : "tensor";
    passes.push_back(("qgraph-smooth-quant{" + statistics + " " +
                      scheme.smooth + " activations=" + shared +
                      " alpha=" + recipe.option("alpha") + "}")
                         .str());
    // Histograms are of what is there now.
    if (calibrates)
      passes.push_back(calibratePass(options));
  }
  if (scheme.splitsOutliers)
    passes.push_back("qgraph-split-outliers{" + statistics +
                     " threshold=" + recipe.option("threshold").str() + "}");
  return passes;
}

/// Weights rounded to nearest, and what finds better formats and codes.
llvm::Expected<Passes> weightPasses(const Recipe &recipe,
                                    const GraphOptions &options,
                                    bool keepsOriginals) {
  const Scheme &scheme = *recipe.scheme;
  llvm::Expected<std::string> layers =
      layerOptions(options, scheme.weights.contains("scheme=asymmetric"));
  if (!layers)
    return layers.takeError();
  std::string weights = scheme.weights.str();
  if (scheme.isFloat8()) {
    weights =
        recipe.option("type") == "e5m2" ? "format=f8E5M2" : "format=f8E4M3FN";
    weights += " granularity=" + recipe.option("scales").str();
  }
  constexpr llvm::StringLiteral kSearch("search=true");
  if (size_t at = weights.find(kSearch.str());
      at != std::string::npos && recipe.option("search") == "false")
    weights.replace(at, kSearch.size(), "search=false");
  if (int size = recipe.groupSize(); size && !scheme.groupIsFixed)
    weights += " group-size=" + std::to_string(size);
  weights += *layers;
  if (!scheme.method.empty() || keepsOriginals)
    weights += " keep-original=true";
  Passes passes = {"qgraph-quantize-weights{" + weights + "}"};
  if (scheme.selectsBits)
    passes.push_back(selectPass(recipe, options));
  if (!scheme.method.empty()) {
    auto [pass, more] = llvm::StringRef(scheme.method).split(' ');
    passes.push_back((pass + "{" + samplesOptions(options) + " " + more +
                      (keepsOriginals ? " keep-original=true}" : "}"))
                         .str());
  }
  return passes;
}

Passes activationPasses(const Recipe &recipe, const GraphOptions &options) {
  llvm::StringRef shared = recipe.option("activations");
  std::string activations = ("granularity=" + shared).str();
  if (recipe.scheme->isStatic && shared == "tensor")
    activations += " format=ui8 scheme=asymmetric observer=" +
                   recipe.option("observer").str() + " " +
                   fileOption("statistics", statisticsFile(options));
  return {"qgraph-split-offsets",
          "qgraph-quantize-activations{" + activations + "}"};
}

/// What is told of the layers as they are now.
Passes descriptionPasses(const Recipe &recipe, const GraphOptions &options) {
  if (options.description.empty())
    return {};
  std::string text =
      "qgraph-describe-layers{" + fileOption("output", options.description);
  if (!options.descriptionLevel.empty())
    text += " level=" + options.descriptionLevel;
  if (recipe.scheme->usesStatistics())
    text += " " + fileOption("statistics", statisticsFile(options));
  return {text + "}"};
}

/// What a recipe does to weights and activations.
llvm::Expected<Passes> quantizationPasses(const Recipe &recipe,
                                          const GraphOptions &options,
                                          bool hasSwitches) {
  const Scheme &scheme = *recipe.scheme;
  if (llvm::Error error = checkSamples(scheme, options))
    return std::move(error);
  if (llvm::Error error = checkChoices(scheme, options))
    return std::move(error);
  Passes passes,
      switches(hasSwitches ? Passes{"qgraph-insert-switches"} : Passes());
  if (scheme.weights.empty()) {
    append(switches, descriptionPasses(recipe, options));
    return switches;
  }
  // What is stored already reaches its layers as codes, so it is not quantized
  // again.
  if (!recipe.hasFloatActivations())
    append(passes, {"qgraph-normalize-codes", "canonicalize"});
  if (llvm::StringRef rotate = recipe.option("rotate"); rotate == "online")
    passes.push_back("qgraph-rotate{online=needed" +
                     (options.keepFloat.empty()
                          ? std::string()
                          : " " + passOption("keep-float", options.keepFloat)) +
                     "}");
  else if (rotate == "true")
    passes.push_back("qgraph-rotate");
  if (scheme.usesSamples())
    append(passes, statisticsPasses(recipe, options));
  llvm::Expected<Passes> weights = weightPasses(
      recipe, options, hasSwitches || !options.description.empty());
  if (!weights)
    return weights.takeError();
  append(passes, std::move(*weights));
  append(passes, std::move(switches));
  if (!recipe.hasFloatActivations())
    append(passes, activationPasses(recipe, options));
  append(passes, descriptionPasses(recipe, options));
  if (scheme.usesSamples())
    passes.push_back("qgraph-remove-observers");
  return passes;
}

/// What quantization has written down, as layers with epilogues.
Passes fusionPasses(GraphStage stage) {
  // The small constants of a layer fold back to floats once nothing reads them
  // stored.
  Passes passes = {
      "qgraph-normalize-codes", "canonicalize", "cse", "qgraph-fuse-quantized",
      "qgraph-fuse-epilogue",   "canonicalize", "cse", "qgraph-fuse-rows"};
  if (stage == GraphStage::Packed)
    passes.push_back("qgraph-pack-weights");
  append(passes, {"canonicalize", "cse"});
  return passes;
}

} // namespace

llvm::Expected<std::string> graphPipeline(const GraphOptions &options,
                                          GraphStage stage) {
  llvm::Expected<Recipe> recipe = parseRecipe(options.recipe);
  if (!recipe)
    return recipe.takeError();
  Passes passes;
  llvm::Expected<Passes> walk = walkPasses(options);
  if (!walk)
    return walk.takeError();
  append(passes, std::move(*walk));

  if (stage == GraphStage::Statistics) {
    if (llvm::Error error = checkFiles(options))
      return std::move(error);
    append(passes, {"qgraph-normalize-codes", "canonicalize",
                    "qgraph-insert-observers", calibratePass(options)});
    return pipelineOf(passes);
  }
  llvm::Expected<Passes> quantization =
      quantizationPasses(*recipe, options, stage == GraphStage::Switches);
  if (!quantization)
    return quantization.takeError();
  append(passes, std::move(*quantization));
  if (options.recordLayers)
    passes.push_back("qgraph-record-layers");
  passes.push_back("qgraph-lower-cache");
  if (stage >= GraphStage::Fused && !isPlainRecipe(options.recipe))
    append(passes, fusionPasses(stage));
  return pipelineOf(passes);
}

std::string fusionPipeline() {
  Passes passes = {"qgraph-lower-cache"};
  append(passes, fusionPasses(GraphStage::Packed));
  return pipelineOf(passes);
}

std::string kernelPipeline(bool plain, KernelStage stage) {
  Passes passes = {plain ? "lower-to-kernels{plain=true}" : "lower-to-kernels",
                   "lower-tile-dot", "canonicalize", "cse",
                   "loop-invariant-code-motion"};
  if (stage == KernelStage::LLVM)
    passes.insert(passes.end(), {"convert-qkernel-to-llvm", "convert-scf-to-cf",
                                 "expand-strided-metadata", "lower-affine",
                                 "convert-vector-to-llvm", "convert-to-llvm",
                                 "reconcile-unrealized-casts",
                                 "build-kernel-table", "canonicalize", "cse"});
  return pipelineOf(passes);
}

} // namespace quantc
