//===- CompileLevels.cpp - One object per instruction set level -----------===//
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
#include "quantc/Support/AtomicFile.h"
#include "quantc/hash.h"

#include "mlir/Target/LLVMIR/Export.h"
#include "llvm/IR/LLVMContext.h"
#include "llvm/IR/Module.h"
#include "llvm/Support/thread.h"

#include <atomic>

using namespace mlir;

namespace quantc::driver {

llvm::Error Compiler::lower(ModuleOp lowered, PassManager &manager,
                            const Level &level, double from, double to) {
  setTarget(lowered, level, /*shared=*/false);
  return runPasses(manager, lowered, "level " + level.name, from, to);
}

llvm::Expected<std::unique_ptr<llvm::Module>>
Compiler::translate(ModuleOp lowered, llvm::LLVMContext &llvmContext) {
  llvm::Expected<PackageEntry> entry = entryOf(lowered);
  if (!entry)
    return entry.takeError();
  std::unique_ptr<llvm::Module> code =
      translateModuleToLLVMIR(lowered, llvmContext, "model");
  if (!code)
    return llvm::make_error<DefectError>(
        "the lowered module cannot be translated to LLVM IR");
  const std::pair<std::string, llvm::StringRef> names[] = {
      {entry->name, "entry"},
      {entry->name + "_shapes", "shapes"},
      {entry->name + "_arena", "arena"}};
  for (const auto &[from, to] : names) {
    llvm::Function *function = code->getFunction(from);
    if (!function)
      return llvm::make_error<DefectError>("the lowered module has no "
                                           "function '" +
                                           from + "'");
    // A kernel may have the name already; it gets another one.
    if (llvm::GlobalValue *other = code->getNamedValue(to))
      if (other != function)
        other->setName(to + ".kernel");
    function->setName(to);
  }
  return std::move(code);
}

CodeOptions Compiler::codeOptions(const Level &level) const {
  CodeOptions options;
  options.triple = level.triple;
  llvm::SmallVector<llvm::StringRef> features;
  llvm::StringRef(level.features).split(features, ',', -1, false);
  for (llvm::StringRef feature : features)
    options.features.push_back(feature.str());
  // Vector code is as good as MLIR made it; the scalar loops of the plain way
  // are not.
  options.passLevel = isPlainRecipe(request.graph.recipe) ? 2 : 0;
  return options;
}

llvm::Error Compiler::emitOneLevel() {
  const Level &level = levels.back();
  if (levels.size() > 1)
    listener.message("note", "'" + request.target +
                                 "' has several instruction set levels; this "
                                 "is the highest, " +
                                 level.name);
  bool plain = isPlainRecipe(request.graph.recipe);
  bool kernels = request.emit == Emit::Kernel;
  PassManager manager(&context, ModuleOp::getOperationName());
  if (llvm::Error error = preparePasses(
          manager, kernelPipeline(plain, kernels ? KernelStage::Kernel
                                                 : KernelStage::LLVM)))
    return error;
  if (llvm::Error error =
          lower(*module, manager, level, kGraphDone, kLevelsDone))
    return error;
  if (kernels)
    return printModule(*module);

  llvm::LLVMContext llvmContext;
  llvm::Expected<std::unique_ptr<llvm::Module>> code =
      translate(*module, llvmContext);
  if (!code)
    return code.takeError();
  noteStage("code generation of level " + level.name);
  report("code generation", kLevelsDone);
  if (request.emit == Emit::LLVM) {
    std::string text;
    llvm::raw_string_ostream os(text);
    (*code)->print(os, nullptr);
    return writeText(text);
  }
  if (request.emit == Emit::Assembly) {
    llvm::Expected<std::string> text = emitAssembly(**code, codeOptions(level));
    if (!text)
      return text.takeError();
    return writeText(*text);
  }
  llvm::Expected<CompiledLevel> compiled =
      compileLevel(**code, level.name, level.rank, 0, codeOptions(level));
  if (!compiled)
    return compiled.takeError();
  return writeText({compiled->object.data(), compiled->object.size()});
}

namespace {
/// What the thread of a level makes and leaves to the others.
struct LevelWork {
  OwningOpRef<ModuleOp> module;
  std::unique_ptr<PassManager> manager;
  CompiledLevel compiled;
  std::optional<llvm::Error> error;
};
} // namespace

llvm::Error Compiler::makeLibrary() {
  std::vector<TensorReport> reports = reportTensors(tensors, *module);
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

  double share = (kLevelsDone - kGraphDone) / levels.size();
  std::atomic<size_t> next{0};
  std::atomic<unsigned> started{0};
  auto work = [&] {
    for (size_t i; (i = next++) < works.size();) {
      const Level &level = levels[i];
      double from = kGraphDone + share * started++;
      works[i].error = [&]() -> llvm::Error {
        if (llvm::Error error = lower(*works[i].module, *works[i].manager,
                                      level, from, from + share / 2))
          return error;
        llvm::LLVMContext llvmContext;
        llvm::Expected<std::unique_ptr<llvm::Module>> code =
            translate(*works[i].module, llvmContext);
        if (!code)
          return code.takeError();
        noteStage("code generation of level " + level.name);
        report("level " + level.name + ": code generation", from + share / 2);
        llvm::Expected<CompiledLevel> compiled =
            compileLevel(**code, level.name, level.rank, 0, codeOptions(level));
        if (!compiled)
          return llvm::make_error<DefectError>("level " + level.name + ": " +
                                               toString(compiled.takeError()));
        works[i].compiled = std::move(*compiled);
        return llvm::Error::success();
      }();
    }
  };
  {
    // Code generation recurses into large blocks.
    constexpr unsigned kStackBytes = 64u << 20;
    std::vector<llvm::thread> threads;
    for (size_t i = 1; i < std::min<size_t>(jobs, works.size()); ++i)
      threads.emplace_back(std::optional<unsigned>(kStackBytes), work);
    work();
    for (llvm::thread &thread : threads)
      thread.join();
  }

  // The same error once, not once a level.
  llvm::Error first = llvm::Error::success();
  for (LevelWork &done : works) {
    if (first)
      llvm::consumeError(std::move(*done.error));
    else
      first = std::move(*done.error);
    done.error.reset();
  }
  if (first)
    return first;

  noteStage("packaging '" + request.output + "'");
  report("packaging", kLevelsDone);
  PackageInput input;
  input.triple = levels.front().triple;
  input.embedWeights = request.embedWeights;
  llvm::Expected<PackageEntry> entry = entryOf(*works.front().module);
  if (!entry)
    return entry.takeError();
  llvm::Expected<std::vector<WeightHandle>> weights =
      weightsOf(*works.front().module);
  if (!weights)
    return weights.takeError();
  input.weights = std::move(*weights);
  for (auto [i, done] : llvm::enumerate(works)) {
    // All levels read one weights section.
    if (done.module.get()->getAttr("qkernel.weights") !=
        works.front().module.get()->getAttr("qkernel.weights"))
      return llvm::make_error<DefectError>("levels " + levels[0].name +
                                           " and " + levels[i].name +
                                           " place their weights differently");
    entry->levels.push_back(std::move(done.compiled));
    result.levels.push_back(levels[i].name);
  }
  llvm::Expected<uint64_t> modelHash = hashOfModel();
  if (!modelHash)
    return modelHash.takeError();
  std::vector<uint64_t> hashes;
  for (const WeightHandle &weight : input.weights)
    hashes.push_back(weight->hash());
  uint64_t weightsHash = quantc_hash(hashes.data(), hashes.size() * 8);
  input.manifest =
      manifestText(request, levels, reports, *entry, weightsHash, *modelHash);
  input.entries.push_back(std::move(*entry));
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
