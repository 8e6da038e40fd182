//===- RecipeTable.h - The recipes and their options ------------*- C++ -*-===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A recipe is a row: what is done to the weights and to the activations.
//
//===----------------------------------------------------------------------===//

#ifndef QUANTC_LIB_PIPELINES_RECIPETABLE_H
#define QUANTC_LIB_PIPELINES_RECIPETABLE_H

#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"

#include <map>
#include <string>

namespace quantc {

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

  bool searchesScales() const { return weights.contains("search=true"); }
  /// Floats of 8 bits are of two types, and may share one scale.
  bool isFloat8() const { return weights.starts_with("format=f8"); }
  /// Codebooks and floats are nothing for integer sums.
  bool isWeightOnly() const { return activations == "float"; }
  bool usesStatistics() const {
    return isStatic || !smooth.empty() || splitsOutliers;
  }
  bool usesSamples() const { return usesStatistics() || !method.empty(); }
};

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

/// Looks up a recipe by its name; null if there is none.
const Scheme *findScheme(llvm::StringRef name);

/// Reads `name[:option=value,...]`. Errors: UsageError that lists what there
/// is.
llvm::Expected<Recipe> parseRecipe(llvm::StringRef text);

} // namespace quantc

#endif // QUANTC_LIB_PIPELINES_RECIPETABLE_H
