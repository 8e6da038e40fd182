//===- Recipes.cpp - quantc recipes ---------------------------------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Console.h"
#include "Options.h"
#include "quantc/Pipelines/Pipelines.h"

#include "llvm/Support/JSON.h"

using namespace llvm;

namespace quantc::driver {
namespace {

struct RecipesOptions {
  std::string name;
  bool json = false;
};

void printList() {
  Table table({"recipe", "what it does"});
  for (const RecipeInfo &recipe : recipes()) {
    table.add({recipe.name, recipe.summary});
    for (auto &[option, what] : recipe.options)
      table.add({"  :" + option, what});
  }
  table.print(outs());
}

void printListJSON() {
  json::OStream json(outs(), 2);
  json.array([&] {
    for (const RecipeInfo &recipe : recipes())
      json.object([&] {
        json.attribute("name", recipe.name);
        json.attribute("summary", recipe.summary);
        json.attribute("kind", recipe.kind);
        json.attributeObject("options", [&] {
          for (auto &[option, what] : recipe.options)
            json.attribute(option, what);
        });
      });
  });
  outs() << '\n';
}

int printRecipes(const RecipesOptions &options) {
  if (options.name.empty()) {
    options.json ? printListJSON() : printList();
    return ExitDone;
  }
  GraphOptions graph;
  graph.recipe = options.name;
  StringRef name = StringRef(options.name).split(':').first;
  for (const RecipeInfo &recipe : recipes())
    if (recipe.usesSamples && name == recipe.name)
      graph.calibration = "samples.safetensors";
  Expected<std::string> pipeline = graphPipeline(graph);
  if (!pipeline)
    return fail(pipeline.takeError());
  if (options.json) {
    json::OStream json(outs(), 2);
    json.object([&] {
      json.attribute("recipe", options.name);
      json.attribute("pipeline", *pipeline);
    });
    outs() << '\n';
  } else {
    outs() << *pipeline << '\n';
  }
  return ExitDone;
}

} // namespace

RunVerb addRecipes(CLI::App &program) {
  auto options = std::make_shared<RecipesOptions>();
  CLI::App *verb = program.add_subcommand(
      "recipes", "List the recipes, or print one as a pass pipeline");
  verb->add_option("NAME", options->name,
                   "A recipe with its options, as w4-rtn:group-size=128")
      ->type_name("");
  verb->add_flag("--json", options->json, "Print as JSON");
  verb->footer("A recipe is a named pass pipeline, nothing more:\n"
               "  quantc compile model.onnx --emit=onnx -o model.mlir\n"
               "  quant-opt --pass-pipeline=\"$(quantc recipes w8a8-dynamic)\" "
               "model.mlir -o quantized.mlir");
  return [options] { return printRecipes(*options); };
}

} // namespace quantc::driver
