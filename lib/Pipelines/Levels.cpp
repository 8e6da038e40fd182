//===- Levels.cpp - From a target's name to its levels --------------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "quantc/Target/CPU/Passes.h"
#include "quantc/Dialect/QKernel/QKernelDialect.h"
#include "quantc/Pipelines/Pipelines.h"
#include "quantc/Support/Errors.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/MC/MCSubtargetInfo.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/TargetParser/Host.h"
#include "llvm/TargetParser/Triple.h"

using namespace mlir;

namespace quantc {
namespace {

/// An architecture and the features a target has; levels that need others are
/// left out.
struct Machine {
  std::string arch;
  llvm::StringSet<> features;
};

llvm::Error unknownTarget(llvm::StringRef target) {
  return llvm::make_error<UsageError>(
      "unknown target '" + target +
      "'; there are: native, x86-64-v3, x86-64-v4, x86-64, an x86-64 CPU's "
      "name as LLVM has it "
      "(sapphirerapids, znver5, ...), aarch64 with features "
      "(aarch64+dotprod); with :highest behind it, for the highest "
      "instruction set level only");
}

/// What a CPU of this name has, by LLVM's tables.
llvm::Expected<Machine> machineOfCPU(llvm::StringRef cpu,
                                     llvm::StringRef target) {
  llvm::InitializeAllTargetInfos();
  llvm::InitializeAllTargets();
  llvm::InitializeAllTargetMCs();
  std::string error;
  llvm::Triple triple("x86_64-linux-gnu");
  const llvm::Target *backend =
      llvm::TargetRegistry::lookupTarget(triple, error);
  if (!backend)
    return llvm::createStringError(error);
  std::unique_ptr<llvm::MCSubtargetInfo> info(
      backend->createMCSubtargetInfo(triple, "", ""));
  if (!info || !info->isCPUStringValid(cpu))
    return unknownTarget(target);
  info.reset(backend->createMCSubtargetInfo(triple, cpu, ""));
  Machine machine{"x86_64", {}};
  for (const llvm::SubtargetFeatureKV &feature :
       info->getAllProcessorFeatures())
    if (info->checkFeatures(std::string("+") + feature.Key))
      machine.features.insert(feature.Key);
  return machine;
}

llvm::Expected<Machine> machineOf(llvm::StringRef target) {
  if (target == "native") {
    Machine machine;
    machine.arch =
        llvm::Triple(llvm::sys::getProcessTriple()).getArchName().str();
    for (const auto &feature : llvm::sys::getHostCPUFeatures())
      if (feature.second)
        machine.features.insert(feature.first());
    // The kernel's list, which the AArch64 levels are named by.
    if (machine.arch == "aarch64")
      machine.features.insert("fp-armv8");
    return machine;
  }
  if (target == "x86-64") {
    // Everything there is for the architecture: the library chooses at load.
    Machine machine{"x86_64", {}};
    for (const cpu::LevelInfo &level : cpu::levels())
      if (level.arch == "x86_64")
        for (llvm::StringRef feature : level.features)
          machine.features.insert(feature);
    return machine;
  }
  if (target == "aarch64" || target.starts_with("aarch64+")) {
    Machine machine{"aarch64", {}};
    machine.features.insert("neon");
    machine.features.insert("fp-armv8");
    llvm::SmallVector<llvm::StringRef> extra;
    target.drop_front(sizeof("aarch64") - 1)
        .split(extra, '+', -1, /*KeepEmpty=*/false);
    for (llvm::StringRef feature : extra) {
      if (!llvm::is_contained(
              {"dotprod", "i8mm", "sve", "sve2", "bf16", "fp16", "sme"},
              feature))
        return unknownTarget(target);
      machine.features.insert(feature);
    }
    return machine;
  }
  return machineOfCPU(target, target);
}

} // namespace

llvm::Expected<std::vector<Level>> targetLevels(llvm::StringRef target) {
  bool highestOnly = target.consume_back(":highest");
  llvm::Expected<Machine> machine = machineOf(target);
  if (!machine)
    return machine.takeError();
  std::vector<Level> result;
  for (const cpu::LevelInfo &info : cpu::levels()) {
    if (info.arch != machine->arch ||
        !llvm::all_of(info.features, [&](llvm::StringRef feature) {
          return machine->features.contains(feature);
        }))
      continue;
    Level level;
    level.name = info.name.str();
    level.rank = info.rank;
    level.triple = (info.arch + "-linux-gnu").str();
    level.features =
        "+" +
        llvm::join(llvm::map_range(info.features,
                                   [](llvm::StringRef f) { return f.str(); }),
                   ",+");
    result.push_back(std::move(level));
  }
  if (result.empty())
    return llvm::make_error<UsageError>(
        "target '" + target +
        "' has none of the instruction set levels that quantc makes "
        "code for; the lowest are avx2 (x86-64-v3) and neon (aarch64)");
  if (highestOnly)
    result.erase(result.begin(), std::prev(result.end()));
  return result;
}

void setTarget(ModuleOp module, const Level &level, bool shared) {
  MLIRContext *context = module.getContext();
  context->loadDialect<qkernel::QKernelDialect>();
  module->setAttr(qkernel::TargetAttr::kAttrName,
                  cpu::getTargetAttr(context, *cpu::findLevel(level.name), shared));
}

} // namespace quantc
