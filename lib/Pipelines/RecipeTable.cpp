//===- RecipeTable.cpp - The recipes and their options --------------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "RecipeTable.h"

#include "quantc/Pipelines/Pipelines.h"
#include "quantc/Support/Errors.h"
#include "llvm/ADT/StringExtras.h"

namespace quantc {
namespace {

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
     "insert-multiply=true"},
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
     "scale-type=f16 mix=values=si8",
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
     "weights of 3, 4, 5, 6 or 8 bits, whatever is best for the model under "
     "--bits-per-weight (4.5), and found as by w4; 8-bit activations a token "
     "and group",
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
    {"q4_k_s",
     "llama.cpp's Q4_K_S: 4-bit weights with an offset in groups of 32, whose "
     "scales are 6-bit (first values and down projections 5-bit, outputs "
     "Q6_K); 8-bit activations a token and group",
     "integer",
     "format=q4_k "
     "mix=values@first-4=q5_k,down@first-eighth=q5_k,output=q6_k",
     "group", 32, false, "", "", true},
    {"q4_k_m",
     "llama.cpp's Q4_K_M: as q4_k_s, but outputs and some of the values and "
     "down projections Q6_K",
     "integer",
     "format=q4_k mix=values@more-bits=q6_k,down@more-bits=q6_k,fused=q5_k,"
     "output=q6_k",
     "group", 32, false, "", "", true},
    {"q5_k_s",
     "llama.cpp's Q5_K_S: 5-bit weights with an offset in groups of 32, whose "
     "scales are 6-bit (outputs Q6_K); 8-bit activations a token and group",
     "integer", "format=q5_k mix=output=q6_k", "group", 32, false, "", "",
     true},
    {"q5_k_m",
     "llama.cpp's Q5_K_M: as q5_k_s, but some of the values and down "
     "projections Q6_K too",
     "integer",
     "format=q5_k mix=values@more-bits=q6_k,down@more-bits=q6_k,fused=q6_k,"
     "output=q6_k",
     "group", 32, false, "", "", true},
    {"q6_k",
     "llama.cpp's Q6_K: 6-bit weights in groups of 16, whose scales are 8-bit; "
     "8-bit activations a token and group",
     "integer", "format=q6_k", "group", 16, false, "", "", true},
    {"w4-awq",
     "4-bit weights in groups, scaled and clipped by AWQ on samples; 8-bit "
     "activations a token and group",
     "integer",
     "format=si4 granularity=group scheme=signed_scale scale-type=f16", "group",
     32, false, "", "qgraph-awq scheme=signed_scale"},
};

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
    options.push_back(
        {"group-size",
         scheme.selectsBits ? "any" : std::to_string(scheme.groupSize),
         std::string("weights along K that share a scale, a multiple of 8") +
             (scheme.selectsBits ? "; any: what is best for each layer, of "
                                   "groups, columns, blocks and all"
                                 : "")});
  if (scheme.searchesScales())
    options.push_back({"search", "true",
                       "scales of least squared error of the weights; false: "
                       "from the extreme value of the group"});
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
                       "they cost nothing while the model runs; online: the "
                       "inputs that these do not reach are rotated while it "
                       "runs, too"});
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
    if ((!value.getAsInteger(10, size) && size > 0 && size % 8 == 0) ||
        (scheme.selectsBits && value == "any"))
      return "";
    return std::string("must be a positive multiple of 8") +
           (scheme.selectsBits ? ", or any" : "");
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
    return llvm::is_contained({"true", "false", "online"}, value)
               ? ""
               : "there are: true, false, online";
  if (name == "search")
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

} // namespace

const Scheme *findScheme(llvm::StringRef name) {
  for (const Scheme &scheme : kSchemes)
    if (scheme.name == name)
      return &scheme;
  return nullptr;
}

llvm::Expected<Recipe> parseRecipe(llvm::StringRef text) {
  auto [name, rest] = text.split(':');
  const Scheme *scheme = findScheme(name);
  if (!scheme)
    return llvm::make_error<UsageError>("unknown recipe '" + name +
                                        "'; there are: " + listRecipes());
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

} // namespace quantc
