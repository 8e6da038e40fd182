//===- quant-opt.cpp - Runs passes on textual IR -*- C++ -*-===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "quantc/Dialect/QGraph/Weights.h"
#include "quantc/Pipelines/Plugin.h"
#include "quantc/Pipelines/Register.h"

#include "mlir/Pass/Pass.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Support/FileUtilities.h"
#include "mlir/Tools/mlir-opt/MlirOptMain.h"
#include "llvm/Support/CommandLine.h"
#include "llvm/Support/InitLLVM.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/ToolOutputFile.h"

using namespace mlir;
using namespace quantc;

static llvm::cl::opt<std::string> weightsOut(
    "weights-out", llvm::cl::value_desc("file"),
    llvm::cl::desc("Where new weights go (default: OUTPUT.safetensors; needed "
                   "with standard output)"));
static llvm::cl::opt<std::string> weightsDirectory(
    "weights-dir", llvm::cl::value_desc("directory"),
    llvm::cl::desc("What weight files are relative to (default: the folder of "
                   "the input file)"));

/// Loaded as soon as it is read, so that the options behind it may name its
/// passes.
static llvm::cl::list<std::string> plugins(
    "plugin", llvm::cl::value_desc("file"),
    llvm::cl::desc("A library with operators of other domains, or passes"),
    llvm::cl::callback([](const std::string &path) {
      if (llvm::Error error = loadPlugin(path)) {
        llvm::errs() << "error: " << llvm::toString(std::move(error)) << "\n";
        exit(1);
      }
    }));

namespace {
/// Tells the dialect what weight files are relative to.
struct WeightsBase : DialectExtension<WeightsBase, qgraph::QGraphDialect> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(WeightsBase)
  WeightsBase(std::string directory) : directory(std::move(directory)) {}

  void apply(MLIRContext *, qgraph::QGraphDialect *dialect) const override {
    if (!directory.empty())
      dialect->getWeights().setBaseDirectory(directory);
  }

  std::string directory;
};

/// Runs after all other passes: writes the weights that they have made, and
/// makes the references relative to where the IR goes.
struct SaveWeightsPass : PassWrapper<SaveWeightsPass, OperationPass<>> {
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(SaveWeightsPass)
  SaveWeightsPass(std::string inputDirectory, StringRef output)
      : inputDirectory(std::move(inputDirectory)), output(output) {}

  StringRef getName() const override { return "SaveWeights"; }

  void runOnOperation() override {
    bool toFile = output != "-";
    std::string directory =
        toFile ? llvm::sys::path::parent_path(output).str() : "";
    if (toFile)
      qgraph::moveWeightReferences(getOperation(), inputDirectory, directory);
    if (!qgraph::refersToNewWeights(getOperation()))
      return;
    std::string path = weightsOut;
    if (path.empty() && toFile)
      path = output + ".safetensors";
    if (path.empty()) {
      getOperation()->emitError(
          "the passes have made new weights; say where they go with "
          "--weights-out FILE, or write the IR to a file with -o");
      return signalPassFailure();
    }
    if (llvm::Error error =
            qgraph::saveNewWeights(getOperation(), path, directory)) {
      getOperation()->emitError(llvm::toString(std::move(error)));
      signalPassFailure();
    }
  }

  std::string inputDirectory, output;
};
} // namespace

static LogicalResult run(StringRef input, StringRef output,
                         DialectRegistry &registry) {
  std::string directory = weightsDirectory;
  if (directory.empty() && input != "-")
    directory = llvm::sys::path::parent_path(input).str();
  registry.addExtension(TypeID::get<WeightsBase>(),
                        std::make_unique<WeightsBase>(directory));

  registerPluginDialects(registry);
  MlirOptMainConfig config = MlirOptMainConfig::createFromCLOptions();
  config.setPassPipelineSetupFn([=, passes = config](PassManager &manager) {
    if (failed(passes.setupPassPipeline(manager)))
      return failure();
    manager.addPass(std::make_unique<SaveWeightsPass>(directory, output));
    return success();
  });

  std::string error;
  std::unique_ptr<llvm::MemoryBuffer> buffer = openInputFile(input, &error);
  if (!buffer) {
    llvm::errs() << error << "\n";
    return failure();
  }
  std::unique_ptr<llvm::ToolOutputFile> file = openOutputFile(output, &error);
  if (!file) {
    llvm::errs() << error << "\n";
    return failure();
  }
  if (failed(MlirOptMain(file->os(), std::move(buffer), registry, config)))
    return failure();
  file->keep();
  return success();
}

int main(int argc, char **argv) {
  llvm::InitLLVM init(argc, argv);
  registerAllPasses();
  DialectRegistry registry;
  registerAllDialects(registry);
  auto [input, output] = registerAndParseCLIOptions(
      argc, argv, "quantc's modular optimizer driver", registry);
  return asMainReturnCode(run(input, output, registry));
}
