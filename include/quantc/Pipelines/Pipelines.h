//===- Pipelines.h - The table of contents of the compiler ------*- C++ -*-===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A compilation is two pipelines. The graph pipeline (the recipe) is run once:
// from `onnx.node` to packed weights. The kernel pipeline is run once for each
// instruction set level: from there to the LLVM dialect. Both are plain pass
// pipelines that `quant-opt
// --pass-pipeline` accepts and `quantc recipes` prints.
//
//===----------------------------------------------------------------------===//

#ifndef QUANTC_PIPELINES_PIPELINES_H
#define QUANTC_PIPELINES_PIPELINES_H

#include "mlir/IR/BuiltinOps.h"
#include "mlir/Pass/PassManager.h"
#include "llvm/Support/Error.h"
#include <optional>
#include <string>
#include <vector>

namespace quantc {

/// A recipe: a named pass pipeline with options.
struct RecipeInfo {
  std::string name;
  std::string summary;
  /// `name=default` and what it does, one each.
  std::vector<std::pair<std::string, std::string>> options;
  /// The numeric kind of the result, for the manifest: "reference", "float" or
  /// "integer".
  std::string kind;
  /// It needs GraphOptions::calibration, or statistics.
  bool usesSamples = false;
};

/// All recipes, in the order in which they are listed.
const std::vector<RecipeInfo> &recipes();

/// What a user may say about the graph pipeline.
struct GraphOptions {
  std::string recipe = "w8a8-dynamic"; ///< `name[:option=value,...]`
  std::vector<std::string> dims;       ///< `batch=1`, `seq=1..512`
  std::string keepFloat;        ///< regular expression of layer names, or empty
  std::vector<std::string> set; ///< `REGEX=FORMAT[,group-size=N]`
  /// The same for layers by their names (LayerPattern::exactly), which come
  /// first. A recipe that quantizes nothing leaves them aside.
  std::vector<std::string> setExactly;
  /// Mean bits of a weight with its part of the scales, for recipe `auto`.
  std::optional<double> bitsPerWeight;
  /// Instead of that, bytes of everything that the weights file holds.
  std::optional<uint64_t> size;
  /// The module gets each layer's precision as an attribute
  /// (qgraph::kLayersAttr) when all is quantized.
  bool recordLayers = false;
  /// A file of samples, run in the middle of the pipeline by recipes that need
  /// to know what passes the layers; empty: there are none.
  std::string calibration;
  /// Which of its samples; a count of 0: all from the first on.
  int64_t firstSample = 0, sampleCount = 0;
  /// A file of statistics. With `calibration` it is written, else read; empty
  /// with `calibration`: `statistics` in the current folder.
  std::string statistics;
  /// A file that says what became of the layers (qgraph-describe-layers), and
  /// the instruction set level whose times are foretold; empty: none is written.
  std::string description, descriptionLevel;
  /// An expression of keepFloat or set that matches no layer is an error;
  /// otherwise the module lists it (qgraph::kUnmatchedAttr).
  bool requireMatch = true;
};

/// Where the graph pipeline ends (`quantc compile --emit`). With Statistics
/// (`quantc calibrate`) it runs the model on `calibration`, writes `statistics`
/// and quantizes nothing, whatever the recipe is. With Switches (`quantc eval`)
/// it ends as with QGraph, and each quantized layer has a copy in float and a
/// switch (qgraph-insert-switches).
enum class GraphStage { Statistics, Switches, QGraph, Fused, Packed };

/// The pipeline as text (`builtin.module(...)`). Errors name the recipe or
/// option and list what there is: UsageError, but for a recipe that is not
/// built yet.
llvm::Expected<std::string>
graphPipeline(const GraphOptions &options,
              GraphStage stage = GraphStage::Packed);

/// From what quantization passes leave to packed weights: the end of the graph
/// pipelines.
std::string fusionPipeline();

/// True for a recipe whose kernels are the plain loop nests (`reference`).
bool isPlainRecipe(llvm::StringRef recipe);

/// Where the kernel pipeline ends.
enum class KernelStage { Kernel, LLVM };

/// The kernel pipeline of one level as text. The module's #qkernel.target names
/// the level.
std::string kernelPipeline(bool plain, KernelStage stage = KernelStage::LLVM);

/// One instruction set level of a target.
struct Level {
  std::string name;     ///< what QUANTC_ISA takes: "avx512vnni"
  int rank;             ///< the highest that runs is taken
  std::string triple;   ///< LLVM's
  std::string features; ///< LLVM's: "+avx2,+fma"
};

/// The levels of a target (`native`, `x86-64-v3`, `aarch64+dotprod`, ...),
/// lowest first. Errors: UsageError, which names the target and lists what
/// there is.
llvm::Expected<std::vector<Level>> targetLevels(llvm::StringRef target);

/// Sets the module's #qkernel.target for a level; with an empty level name,
/// what all levels of the target share.
void setTarget(mlir::ModuleOp module, const Level &level, bool shared);

} // namespace quantc

#endif // QUANTC_PIPELINES_PIPELINES_H
