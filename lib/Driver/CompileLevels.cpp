//===- CompileLevels.cpp - A module to the code of one level --------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "CompileModel.h"
#include "Worker.h"
#include "quantc/Pipelines/CodeGeneration.h"
#include "quantc/Support/Errors.h"

#include "llvm/IR/LLVMContext.h"
#include "llvm/IR/Module.h"

using namespace mlir;

namespace quantc::driver {

llvm::Error Compiler::lower(ModuleOp lowered, PassManager &manager,
                            const Level &level, double from, double to) {
  setTarget(lowered, level, /*shared=*/false);
  return runPasses(manager, lowered, "level " + level.name, from, to);
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

  noteStage("code generation of level " + level.name);
  report("code generation", kLevelsDone);
  if (request.emit == Emit::Object) {
    llvm::Expected<std::vector<CompiledLevel>> compiled =
        compileEntries(*module, level, codeOptions(level, plain));
    if (!compiled)
      return compiled.takeError();
    llvm::ArrayRef<char> object = compiled->front().object;
    return writeText({object.data(), object.size()});
  }
  llvm::Expected<std::vector<PackageEntry>> entries = entriesOf(*module);
  if (!entries)
    return entries.takeError();
  llvm::LLVMContext llvmContext;
  llvm::Expected<std::unique_ptr<llvm::Module>> code =
      translateEntry(*module, entries->front(), llvmContext);
  if (!code)
    return code.takeError();
  if (request.emit == Emit::Assembly) {
    llvm::Expected<std::string> text =
        emitAssembly(**code, codeOptions(level, plain));
    if (!text)
      return text.takeError();
    return writeText(*text);
  }
  std::string text;
  llvm::raw_string_ostream os(text);
  (*code)->print(os, nullptr);
  return writeText(text);
}

} // namespace quantc::driver
