//===- Recipes.cpp - Named pass pipelines ---------------------------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A recipe is a row: what is done to the weights and to the activations. The
// phases are the same for all.
//
//===----------------------------------------------------------------------===//

#include "PassOptions.h"
#include "quantc/Support/Errors.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/Error.h"

#include <map>

namespace quantc {
namespace {

/// What a recipe quantizes; empty: nothing.
struct Scheme {
  llvm::StringLiteral name, summary, kind;
  llvm::StringLiteral weights;     // options of qgraph-quantize-weights
  llvm::StringLiteral activations; // `token`, `group`, `tensor` or `float`
  int groupSize = 0;               // 0: the recipe has no groups
  bool isStatic = false; // scales of the activations come from statistics
  llvm::StringLiteral smooth = ""; // options of qgraph-smooth-quant
  /// A pass that seeks better codes on samples, and its options.
  llvm::StringLiteral method = "";
  bool groupIsFixed = false;   // the format has no other group size
  bool splitsOutliers = false; // qgraph-split-outliers is run
  bool selectsBits = false;    // qgraph-select-granularity is run

  /// Floats of 8 bits are of two types, and may share one scale.
  bool isFloat8() const { return weights.starts_with("format=f8"); }
  /// Codebooks and floats are nothing for integer sums.
  bool isWeightOnly() const { return activations == "float"; }
  bool usesStatistics() const {
    return isStatic || !smooth.empty() || splitsOutliers;
  }
  bool usesSamples() const { return usesStatistics() || !method.empty(); }
};

/// What gives the least error of the model's outputs.
constexpr llvm::StringLiteral kBestMethod(
    "qgraph-gptq scheme=signed_scale act-order=groups scales=sequential "
    "refinements=2 damping=0.02 target=residual weigh-tokens=true");

constexpr Scheme kSchemes[] = {
    {"reference",
     "float, the plain loop nests: slow, and what all else is measured by",
     "reference", "", "", 0},
    {"fp32", "float, fused and packed", "float", "", "", 0},
    {"w8a8-dynamic",
     "8-bit weights a column, 8-bit activations a token, scales found at run "
     "time",
     "integer", "format=si8 granularity=channel", "token", 0},
    {"w8a8-static",
     "8-bit weights a column, 8-bit activations a tensor, scales from "
     "calibration",
     "integer", "format=si8 granularity=channel", "tensor", 0, true},
    {"w8a8-smoothquant",
     "as w8a8-static, after SmoothQuant has moved outliers of activations into "
     "weights",
     "integer", "format=si8 granularity=channel", "tensor", 0, true,
     "activations=tensor insert-multiply=true"},
    {"llm-int8",
     "as w8a8-dynamic, but columns of activations that calibration has seen "
     "beyond a threshold go through a 16-bit product of their own",
     "integer", "format=si8 granularity=channel", "token", 0, false, "", "",
     false, true},
    {"w4-rtn",
     "4-bit weights in groups (values of attention: 8-bit), rounded to "
     "nearest; 8-bit "
     "activations a token and group",
     "integer",
     "format=si4 granularity=group scheme=signed_scale search=true "
     "scale-type=f16 value-format=si8",
     "group", 32},
    {"w4-gptq",
     "4-bit weights in groups, their codes found by GPTQ on samples; 8-bit "
     "activations a token and group",
     "integer",
     "format=si4 granularity=group scheme=signed_scale scale-type=f16", "group",
     32, false, "",
     "qgraph-gptq scheme=signed_scale act-order=groups scales=sequential "
     "refinements=2"},
    {"w4",
     "4-bit weights in groups, found on samples to give what the float model "
     "gives; 8-bit activations a token and group: the best there is",
     "integer",
     "format=si4 granularity=group scheme=signed_scale scale-type=f16", "group",
     32, false, "", kBestMethod},
    {"auto",
     "weights in groups of 3, 4, 5, 6 or 8 bits, whatever is best for the "
     "model under --bits-per-weight (4.5), and found as by w4; 8-bit "
     "activations a token and group",
     "integer",
     "format=si4 granularity=group scheme=signed_scale scale-type=f16", "group",
     64, false, "", kBestMethod, false, false, true},
    {"fp16",
     "16-bit floats (5 bits of exponent) for weights and tables; "
     "computes in 32 bits",
     "weights", "format=f16 embedding-format=f16", "float"},
    {"bf16",
     "16-bit floats (8 bits of exponent) for weights and tables; "
     "computes in 32 bits",
     "weights", "format=bf16 embedding-format=bf16", "float"},
    {"fp8",
     "8-bit floats for weights, a scale a column; activations stay float, for "
     "there are no integer sums of floats",
     "weights", "format=f8E4M3FN", "float"},
    {"nf4",
     "QLoRA's 4-bit NormalFloat for weights in groups, scales quantized again; "
     "activations stay float, for there are no integer sums over a codebook",
     "weights", "format=nf4 granularity=group", "float", 64},
    {"mxfp4",
     "OCP's MXFP4: 4-bit floats for weights in groups of 32 with a power of "
     "two; activations stay float",
     "weights", "format=mxfp4", "float"},
    {"nvfp4",
     "NVIDIA's NVFP4: 4-bit floats for weights in groups of 16 with an 8-bit "
     "scale; activations stay float",
     "weights", "format=nvfp4", "float"},
    {"binary",
     "the signs of weights times a scale a column, for models trained for it; "
     "activations stay float",
     "weights", "format=binary", "float"},
    {"q4_0",
     "llama.cpp's Q4_0: 4-bit weights in groups of 32; 8-bit activations a "
     "token and group",
     "integer", "format=q4_0", "group", 32, false, "", "", true},
    {"q4_1",
     "llama.cpp's Q4_1: 4-bit weights with an offset in groups of 32; 8-bit "
     "activations a token and group",
     "integer", "format=q4_1", "group", 32, false, "", "", true},
    {"q5_0",
     "llama.cpp's Q5_0: 5-bit weights in groups of 32; 8-bit activations a "
     "token and group",
     "integer", "format=q5_0", "group", 32, false, "", "", true},
    {"q5_1",
     "llama.cpp's Q5_1: 5-bit weights with an offset in groups of 32; 8-bit "
     "activations a token and group",
     "integer", "format=q5_1", "group", 32, false, "", "", true},
    {"q8_0",
     "llama.cpp's Q8_0: 8-bit weights in groups of 32; 8-bit activations a "
     "token and group",
     "integer", "format=q8_0", "group", 32, false, "", "", true},
    {"w4-awq",
     "4-bit weights in groups, scaled and clipped by AWQ on samples; 8-bit "
     "activations a token and group",
     "integer",
     "format=si4 granularity=group scheme=signed_scale scale-type=f16", "group",
     32, false, "", "qgraph-awq scheme=signed_scale"},
};

const Scheme *findScheme(llvm::StringRef name) {
  for (const Scheme &scheme : kSchemes)
    if (scheme.name == name)
      return &scheme;
  return nullptr;
}

/// Recipes of the interface that are not built yet: refused by name.
constexpr llvm::StringLiteral kPlanned[] = {"q4_k_s", "q4_k_m", "q5_k_s",
                                            "q5_k_m", "q6_k"};

std::string listRecipes() {
  std::vector<std::string> names;
  for (const Scheme &scheme : kSchemes)
    names.push_back(scheme.name.str());
  return llvm::join(names, ", ");
}

/// An option of a recipe.
struct RecipeOption {
  std::string name, byDefault, summary;
};

std::vector<RecipeOption> optionsOf(const Scheme &scheme) {
  std::vector<RecipeOption> options;
  if (!scheme.weights.empty() && !scheme.isWeightOnly())
    options.push_back(
        {"activations", scheme.activations.str(),
         std::string("scales of the activations: a token, a tensor") +
             (scheme.groupSize ? ", a group of a token" : "") +
             "; float: only the weights are quantized"});
  if (scheme.groupSize && !scheme.groupIsFixed)
    options.push_back({"group-size", std::to_string(scheme.groupSize),
                       "weights along K that share a scale, a multiple of 8"});
  if (scheme.isFloat8()) {
    options.push_back(
        {"type", "e4m3", "e4m3 (more mantissa) or e5m2 (more exponent)"});
    options.push_back({"scales", "channel",
                       "what shares a scale: channel, a column, or tensor"});
  }
  if (scheme.splitsOutliers)
    options.push_back({"threshold", "6",
                       "columns of activations with a larger |x| are kept "
                       "apart"});
  if (!scheme.weights.empty())
    options.push_back({"rotate", "false",
                       "true: rotations are put into the weights first, where "
                       "they cost nothing while the model runs"});
  if (!scheme.smooth.empty())
    options.push_back({"alpha", "auto",
                       "how much of the difficulty the weights take: 0 to 1, "
                       "or auto, searched for each tensor"});
  if (scheme.isStatic)
    options.push_back({"observer", "minmax",
                       "what range of a tensor is kept: minmax, "
                       "moving-average, percentile, entropy or mse"});
  return options;
}

/// A recipe with its options read.
struct Recipe {
  const Scheme *scheme;
  std::map<std::string, std::string> options; ///< all of them

  llvm::StringRef option(const char *name) const { return options.at(name); }
  /// Values along K that share a scale; 0: the recipe has no groups.
  int groupSize() const {
    int size = scheme->groupSize;
    if (scheme->groupSize && !scheme->groupIsFixed)
      option("group-size").getAsInteger(10, size);
    return size;
  }
  bool hasFloatActivations() const {
    return scheme->weights.empty() || scheme->isWeightOnly() ||
           option("activations") == "float";
  }
};

/// What is wrong with the value of an option, or empty.
std::string whyNoValue(const Scheme &scheme, llvm::StringRef name,
                       llvm::StringRef value) {
  if (name == "activations") {
    if (value == "token" || value == "float" || value == "tensor" ||
        (value == "group" && scheme.groupSize))
      return "";
    return std::string("there are: token, tensor, float") +
           (scheme.groupSize ? ", group" : "");
  }
  if (name == "group-size") {
    int size = 0;
    if (!value.getAsInteger(10, size) && size > 0 && size % 8 == 0)
      return "";
    return "must be a positive multiple of 8";
  }
  if (name == "type")
    return value == "e4m3" || value == "e5m2" ? "" : "there are: e4m3, e5m2";
  if (name == "scales")
    return value == "channel" || value == "tensor"
               ? ""
               : "there are: channel, tensor";
  if (name == "threshold") {
    double number = 0;
    if (!value.getAsDouble(number) && number > 0 && number < 1e30)
      return "";
    return "must be a positive number";
  }
  if (name == "rotate")
    return value == "true" || value == "false" ? "" : "there are: true, false";
  if (name == "alpha") {
    double number = 0;
    if (value == "auto" ||
        (!value.getAsDouble(number) && number >= 0 && number <= 1))
      return "";
    return "must be between 0 and 1, or auto";
  }
  if (llvm::is_contained(
          {"minmax", "moving-average", "percentile", "entropy", "mse"}, value))
    return "";
  return "there are: minmax, moving-average, percentile, entropy, mse";
}

llvm::Expected<Recipe> parseRecipe(llvm::StringRef text) {
  auto [name, rest] = text.split(':');
  const Scheme *scheme = findScheme(name);
  if (!scheme) {
    if (llvm::is_contained(kPlanned, name))
      return llvm::createStringError(
          "recipe '" + name +
          "' is not built yet; there are: " + listRecipes());
    return llvm::make_error<UsageError>("unknown recipe '" + name +
                                        "'; there are: " + listRecipes());
  }
  Recipe recipe{scheme, {}};
  std::vector<std::string> names;
  for (const RecipeOption &option : optionsOf(*scheme)) {
    recipe.options[option.name] = option.byDefault;
    names.push_back(option.name);
  }
  llvm::SmallVector<llvm::StringRef> given;
  rest.split(given, ',', -1, /*KeepEmpty=*/false);
  for (llvm::StringRef text : given) {
    auto [key, value] = text.split('=');
    if (!llvm::is_contained(names, key))
      return llvm::make_error<UsageError>(
          "recipe '" + name + "' has no option '" + key + "'" +
          (names.empty() ? "" : "; there are: " + llvm::join(names, ", ")));
    if (std::string why = whyNoValue(*scheme, key, value); !why.empty())
      return llvm::make_error<UsageError>(key + "=" + value + " of recipe '" +
                                          name + "': " + why);
    recipe.options[key.str()] = value.str();
  }
  return recipe;
}

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
  std::string group = ",group-size=" + std::to_string(recipe.groupSize());
  std::vector<std::string> candidates;
  for (const char *format : {"si3", "si4", "si5", "si6", "si8"})
    candidates.push_back(format + group);
  std::string text = "qgraph-select-granularity{" + samplesOptions(options) +
                     " " +
                     passOption("candidates", llvm::join(candidates, ";"));
  if (options.bitsPerWeight)
    text += " bits-per-weight=" + std::to_string(*options.bitsPerWeight);
  if (!options.set.empty())
    text += " " + passOption("set", llvm::join(options.set, ";"));
  return text + "}";
}

/// An error if the command line chooses among formats that the recipe has not.
llvm::Error checkChoices(const Scheme &scheme, const GraphOptions &options) {
  if (options.bitsPerWeight && !scheme.selectsBits)
    return llvm::make_error<UsageError>(
        "--bits-per-weight is for recipe 'auto'; '" + scheme.name +
        "' gives every layer its own bits");
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
    passes.push_back("qgraph-smooth-quant{" + statistics + " " +
                     scheme.smooth.str() +
                     " alpha=" + recipe.option("alpha").str() + "}");
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
                                    const GraphOptions &options) {
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
  if (int size = recipe.groupSize(); size && !scheme.groupIsFixed)
    weights += " group-size=" + std::to_string(size);
  weights += *layers;
  if (!scheme.method.empty())
    weights += " keep-original=true";
  Passes passes = {"qgraph-quantize-weights{" + weights + "}"};
  if (scheme.selectsBits)
    passes.push_back(selectPass(recipe, options));
  if (!scheme.method.empty()) {
    auto [pass, more] = llvm::StringRef(scheme.method).split(' ');
    passes.push_back(
        (pass + "{" + samplesOptions(options) + " " + more + "}").str());
  }
  return passes;
}

Passes activationPasses(const Recipe &recipe, const GraphOptions &options) {
  llvm::StringRef shared = recipe.option("activations");
  std::string activations = ("granularity=" + shared).str();
  if (shared == "group")
    activations += " group-size=" + std::to_string(recipe.groupSize());
  if (recipe.scheme->isStatic && shared == "tensor")
    activations += " format=ui8 scheme=asymmetric observer=" +
                   recipe.option("observer").str() + " " +
                   fileOption("statistics", statisticsFile(options));
  return {"qgraph-split-offsets",
          "qgraph-quantize-activations{" + activations + "}"};
}

/// What a recipe does to weights and activations.
llvm::Expected<Passes> quantizationPasses(const Recipe &recipe,
                                          const GraphOptions &options) {
  const Scheme &scheme = *recipe.scheme;
  if (llvm::Error error = checkSamples(scheme, options))
    return std::move(error);
  if (llvm::Error error = checkChoices(scheme, options))
    return std::move(error);
  Passes passes;
  if (scheme.weights.empty())
    return passes;
  // What is stored already reaches its layers as codes, so it is not quantized
  // again.
  if (!recipe.hasFloatActivations())
    append(passes, {"qgraph-normalize-codes", "canonicalize"});
  if (recipe.option("rotate") == "true")
    passes.push_back("qgraph-rotate");
  if (scheme.usesSamples())
    append(passes, statisticsPasses(recipe, options));
  llvm::Expected<Passes> weights = weightPasses(recipe, options);
  if (!weights)
    return weights.takeError();
  append(passes, std::move(*weights));
  if (!recipe.hasFloatActivations())
    append(passes, activationPasses(recipe, options));
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

const std::vector<RecipeInfo> &recipes() {
  static const std::vector<RecipeInfo> kInfos = [] {
    std::vector<RecipeInfo> infos;
    for (const Scheme &scheme : kSchemes) {
      RecipeInfo info{scheme.name.str(),
                      scheme.summary.str(),
                      {},
                      scheme.kind.str(),
                      scheme.usesSamples()};
      for (const RecipeOption &option : optionsOf(scheme))
        info.options.push_back(
            {option.name + "=" + option.byDefault, option.summary});
      infos.push_back(std::move(info));
    }
    return infos;
  }();
  return kInfos;
}

bool isPlainRecipe(llvm::StringRef recipe) {
  const Scheme *scheme = findScheme(recipe.split(':').first);
  return scheme && scheme->kind == "reference";
}

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
  llvm::Expected<Passes> quantization = quantizationPasses(*recipe, options);
  if (!quantization)
    return quantization.takeError();
  append(passes, std::move(*quantization));
  passes.push_back("qgraph-lower-cache");
  if (stage != GraphStage::QGraph && !isPlainRecipe(options.recipe))
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
