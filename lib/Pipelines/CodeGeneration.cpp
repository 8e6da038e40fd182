//===- CodeGeneration.cpp - From a lowered module to objects --------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "quantc/Pipelines/CodeGeneration.h"

#include "quantc/Support/Errors.h"

#include "mlir/Target/LLVMIR/Export.h"
#include "llvm/IR/GlobalAlias.h"
#include "llvm/IR/LLVMContext.h"
#include "llvm/IR/Module.h"

#include <array>

using namespace mlir;

namespace quantc {

/// The functions of an entry of a lowered module, and what abi.h calls them.
static std::array<std::pair<std::string, llvm::StringRef>, 3>
functionsOf(const PackageEntry &entry) {
  return {{{entry.name, "entry"},
           {entry.name + "_shapes", "shapes"},
           {entry.name + "_arena", "arena"}}};
}

llvm::Expected<std::unique_ptr<llvm::Module>>
translateEntry(ModuleOp lowered, const PackageEntry &entry,
               llvm::LLVMContext &llvmContext) {
  std::unique_ptr<llvm::Module> code =
      translateModuleToLLVMIR(lowered, llvmContext, "model");
  if (!code)
    return llvm::make_error<DefectError>(
        "the lowered module cannot be translated to LLVM IR");
  for (const auto &[from, to] : functionsOf(entry)) {
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

/// Gets the functions of an entry other than the first out of the object, and
/// gives the one table of kernels a name for it.
static void exportEntry(llvm::Module &code, const PackageEntry &entry,
                        const std::string &suffix,
                        llvm::GlobalVariable *kernels) {
  for (const auto &[from, to] : functionsOf(entry)) {
    llvm::Function *function = code.getFunction(from);
    function->setLinkage(llvm::GlobalValue::ExternalLinkage);
    function->setVisibility(llvm::GlobalValue::HiddenVisibility);
    function->setDSOLocal(true);
    function->setName(to + suffix);
  }
  if (kernels)
    llvm::GlobalAlias::create(llvm::GlobalValue::ExternalLinkage,
                              "kernels" + suffix, kernels)
        ->setVisibility(llvm::GlobalValue::HiddenVisibility);
}

llvm::Expected<std::vector<CompiledLevel>>
compileEntries(ModuleOp lowered, const Level &level,
               const CodeOptions &options) {
  llvm::Expected<std::vector<PackageEntry>> entries = entriesOf(lowered);
  if (!entries)
    return entries.takeError();
  llvm::LLVMContext llvmContext;
  llvm::Expected<std::unique_ptr<llvm::Module>> code =
      translateEntry(lowered, entries->front(), llvmContext);
  if (!code)
    return code.takeError();
  llvm::Expected<uint64_t> features =
      featureBits(options.triple, options.features);
  if (!features)
    return features.takeError();
  llvm::Expected<std::string> suffix = isolateLevel(**code, level.name, 0);
  if (!suffix)
    return suffix.takeError();
  llvm::GlobalVariable *kernels =
      (*code)->getGlobalVariable("kernels" + *suffix);
  std::vector<CompiledLevel> result(entries->size());
  for (auto [i, compiled] : llvm::enumerate(result)) {
    compiled.isa = level.name;
    compiled.rank = level.rank;
    compiled.features = *features;
    compiled.symbolSuffix = "." + std::to_string(i) + "." + level.name;
    if (kernels)
      compiled.kernelCount =
          cast<llvm::ArrayType>(kernels->getValueType())->getNumElements();
    if (i > 0)
      exportEntry(**code, (*entries)[i], compiled.symbolSuffix, kernels);
  }
  llvm::Expected<llvm::SmallVector<char, 0>> object =
      emitObject(**code, options);
  if (!object)
    return object.takeError();
  result.front().object = std::move(*object);
  return result;
}

CodeOptions codeOptions(const Level &level, bool plain) {
  CodeOptions options;
  options.triple = level.triple;
  llvm::SmallVector<llvm::StringRef> features;
  llvm::StringRef(level.features).split(features, ',', -1, false);
  for (llvm::StringRef feature : features)
    options.features.push_back(feature.str());
  // Vector code is as good as MLIR made it; the scalar loops of the plain way
  // are not.
  options.passLevel = plain ? 2 : 0;
  return options;
}

} // namespace quantc
