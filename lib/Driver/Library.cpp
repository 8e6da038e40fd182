//===- Library.cpp - The code of all levels to a library ------------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Levels are compiled side by side. They share the MLIR context, which is made
// for that as long as all dialects are loaded before, and have an LLVM context
// each, which is not.
//
//===----------------------------------------------------------------------===//

#include "CompileModel.h"
#include "Worker.h"
#include "quantc/Pipelines/CodeGeneration.h"
#include "quantc/Support/Errors.h"
#include "quantc/Support/WeightLayout.h"
#include "quantc/hash.h"

#include "llvm/Support/thread.h"

#include <atomic>

using namespace mlir;

namespace quantc::driver {

/// What the thread of a level makes and leaves to the others.
struct Compiler::LevelWork {
  OwningOpRef<ModuleOp> module;
  std::unique_ptr<PassManager> manager;
  std::vector<CompiledLevel> compiled; ///< of each entry
  std::optional<llvm::Error> error;
};

llvm::Error Compiler::compileLevels(std::vector<LevelWork> &works) {
  double share = (kLevelsDone - kGraphDone) / levels.size();
  std::atomic<size_t> next{0};
  std::atomic<unsigned> started{0};
  auto compile = [&](LevelWork &work, const Level &level) -> llvm::Error {
    double from = kGraphDone + share * started++;
    if (llvm::Error error =
            lower(*work.module, *work.manager, level, from, from + share / 2))
      return error;
    noteStage("code generation of level " + level.name);
    report("level " + level.name + ": code generation", from + share / 2);
    llvm::Expected<std::vector<CompiledLevel>> compiled =
        compileEntries(*work.module, level,
                       codeOptions(level, isPlainRecipe(request.graph.recipe)));
    if (!compiled)
      return compiled.takeError();
    work.compiled = std::move(*compiled);
    return llvm::Error::success();
  };
  auto run = [&] {
    for (size_t i; (i = next++) < works.size();)
      works[i].error = compile(works[i], levels[i]);
  };
  // Code generation recurses into large blocks.
  constexpr unsigned kStackBytes = 64u << 20;
  std::vector<llvm::thread> threads;
  for (size_t i = 1; i < std::min<size_t>(jobs, works.size()); ++i)
    threads.emplace_back(std::optional<unsigned>(kStackBytes), run);
  run();
  for (llvm::thread &thread : threads)
    thread.join();

  // The same error once, not once a level.
  llvm::Error first = llvm::Error::success();
  for (LevelWork &work : works) {
    if (first)
      llvm::consumeError(std::move(*work.error));
    else
      first = std::move(*work.error);
    work.error.reset();
  }
  return first;
}

llvm::Error Compiler::makeLibrary() {
  std::string pipeline =
      kernelPipeline(isPlainRecipe(request.graph.recipe), KernelStage::LLVM);
  std::vector<LevelWork> works(levels.size());
  for (LevelWork &work : works) {
    work.module = module->clone();
    work.manager =
        std::make_unique<PassManager>(&context, ModuleOp::getOperationName());
    if (llvm::Error error = preparePasses(*work.manager, pipeline))
      return error;
  }
  module = nullptr;
  if (llvm::Error error = compileLevels(works))
    return error;

  noteStage("packaging '" + request.output + "'");
  report("packaging", kLevelsDone);
  ModuleOp lowered = *works.front().module;
  llvm::Expected<std::vector<PackageEntry>> entries = entriesOf(lowered);
  if (!entries)
    return entries.takeError();
  for (PackageEntry &entry : *entries)
    entry.name = entryOfSymbol(entry.name).str();
  llvm::Expected<std::vector<WeightHandle>> weights = weightsOf(lowered);
  if (!weights)
    return weights.takeError();
  for (auto [work, level] : llvm::zip_equal(works, levels)) {
    // All levels read one weights section.
    if (work.module.get()->getAttr("qkernel.weights") !=
        lowered->getAttr("qkernel.weights"))
      return llvm::make_error<DefectError>("levels " + levels.front().name +
                                           " and " + level.name +
                                           " place their weights differently");
    for (auto [entry, compiled] : llvm::zip_equal(*entries, work.compiled))
      entry.levels.push_back(std::move(compiled));
    result.levels.push_back(level.name);
  }
  return package(std::move(*entries), std::move(*weights));
}

llvm::Error Compiler::package(std::vector<PackageEntry> entries,
                              std::vector<WeightHandle> weights) {
  std::vector<uint64_t> hashes;
  WeightLayout layout;
  for (const WeightHandle &weight : weights) {
    hashes.push_back(weight->hash());
    layout.add(weight->bytes.size());
  }
  // The choice was made before anything was packed.
  if (request.graph.size && layout.bytes() > *request.graph.size)
    return llvm::createStringError(
        "the weights take " + std::to_string(layout.bytes()) +
        " bytes, more than --size " + std::to_string(*request.graph.size) +
        ": some layers are not packed as was expected (remarks name them); "
        "say a smaller size");
  llvm::Expected<std::string> manifest =
      manifestText(request, levels, models, entries,
                   quantc_hash(hashes.data(), hashes.size() * 8), lockContents);
  if (!manifest)
    return manifest.takeError();
  PackageInput input;
  input.triple = levels.front().triple;
  input.embedWeights = request.embedWeights;
  input.manifest = std::move(*manifest);
  input.entries = std::move(entries);
  input.weights = std::move(weights);
  llvm::Expected<PackageResult> written = packageLibrary(input, request.output);
  if (!written)
    return written.takeError();
  result.files = {written->library, written->header, written->manifest};
  if (!written->weights.empty())
    result.files.push_back(written->weights);
  result.libraryBytes = written->libraryBytes;
  result.weightsBytes = written->weightsBytes;
  result.manifest = std::move(input.manifest);
  return llvm::Error::success();
}

} // namespace quantc::driver
