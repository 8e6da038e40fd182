//===- Object.cpp - LLVM modules to object code ---------------------------===//

#include "quantc/Package/Object.h"

#include "quantc/abi.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSwitch.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/IR/Module.h"
#include "llvm/IR/Verifier.h"
#include "llvm/MC/MCSubtargetInfo.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Passes/PassBuilder.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/Support/raw_ostream.h"
#include "llvm/Target/TargetMachine.h"
#include "llvm/TargetParser/Triple.h"

#include <mutex>

using namespace llvm;

namespace quantc {
namespace {

void initializeTargets() {
  static std::once_flag once;
  std::call_once(once, [] {
    InitializeAllTargetInfos();
    InitializeAllTargets();
    InitializeAllTargetMCs();
    InitializeAllAsmParsers();
    InitializeAllAsmPrinters();
  });
}

CodeGenOptLevel codegenLevel(unsigned level) {
  return level == 0   ? CodeGenOptLevel::None
         : level == 1 ? CodeGenOptLevel::Less
         : level == 2 ? CodeGenOptLevel::Default
                      : CodeGenOptLevel::Aggressive;
}

/// The code generator only warns about a feature that it does not know.
Error checkFeatures(const TargetMachine &machine, const CodeOptions &options) {
  ArrayRef<SubtargetFeatureKV> known =
      machine.getMCSubtargetInfo()->getAllProcessorFeatures();
  for (StringRef feature : options.features) {
    StringRef name = feature.ltrim("+-");
    if (none_of(known,
                [&](const SubtargetFeatureKV &row) { return name == row.Key; }))
      return createStringError("LLVM knows no feature '%s' of '%s'",
                               name.str().c_str(), options.triple.c_str());
  }
  return Error::success();
}

Expected<std::unique_ptr<TargetMachine>>
createMachine(const CodeOptions &options) {
  initializeTargets();
  Triple triple(Triple::normalize(options.triple));
  std::string problem;
  const Target *target = TargetRegistry::lookupTarget(triple, problem);
  if (!target)
    return createStringError("no code can be made for target '%s': %s",
                             options.triple.c_str(), problem.c_str());
  std::string features;
  for (StringRef feature : options.features) {
    if (!features.empty())
      features += ',';
    if (!feature.starts_with("+") && !feature.starts_with("-"))
      features += '+';
    features += feature;
  }
  TargetOptions targetOptions;
  // A sum's value may not depend on the machine: fused only where written.
  targetOptions.AllowFPOpFusion = FPOpFusion::Strict;
  std::unique_ptr<TargetMachine> machine(target->createTargetMachine(
      triple, /*CPU=*/"", features, targetOptions, Reloc::PIC_,
      CodeModel::Small, codegenLevel(options.codegenLevel)));
  if (Error error = checkFeatures(*machine, options))
    return std::move(error);
  return std::move(machine);
}

void runPasses(Module &module, TargetMachine &machine, unsigned level) {
  PipelineTuningOptions tuning;
  PassBuilder builder(&machine, tuning);
  LoopAnalysisManager loops;
  FunctionAnalysisManager functions;
  CGSCCAnalysisManager components;
  ModuleAnalysisManager modules;
  builder.registerModuleAnalyses(modules);
  builder.registerCGSCCAnalyses(components);
  builder.registerFunctionAnalyses(functions);
  builder.registerLoopAnalyses(loops);
  builder.crossRegisterProxies(loops, functions, components, modules);
  OptimizationLevel passes = level == 1   ? OptimizationLevel::O1
                             : level == 2 ? OptimizationLevel::O2
                                          : OptimizationLevel::O3;
  builder.buildPerModuleDefaultPipeline(passes).run(module, modules);
}

Error emit(Module &module, const CodeOptions &options, CodeGenFileType kind,
           raw_pwrite_stream &os) {
  Expected<std::unique_ptr<TargetMachine>> machine = createMachine(options);
  if (!machine)
    return machine.takeError();
  module.setTargetTriple((*machine)->getTargetTriple());
  module.setDataLayout((*machine)->createDataLayout());
  std::string problem;
  raw_string_ostream problems(problem);
  if (verifyModule(module, &problems))
    return createStringError("invalid LLVM IR: %s", problem.c_str());
  if (options.passLevel > 0)
    runPasses(module, **machine, options.passLevel);
  legacy::PassManager passes;
  if ((*machine)->addPassesToEmitFile(passes, os, /*DwoOut=*/nullptr, kind))
    return createStringError("target '%s' emits no object code",
                             options.triple.c_str());
  passes.run(module);
  return Error::success();
}

/// The function `name` with this return type and number of parameters.
Expected<Function *> levelFunction(Module &module, StringRef name,
                                   bool returnsInteger, unsigned parameters) {
  Function *function = module.getFunction(name);
  if (!function || function->isDeclaration())
    return createStringError("the module of a level defines no function '%s'",
                             name.str().c_str());
  Type *result = function->getReturnType();
  bool fits = function->arg_size() == parameters &&
              (returnsInteger ? result->isIntegerTy(64) : result->isVoidTy()) &&
              function->getArg(0)->getType()->isPointerTy();
  for (unsigned i = 1; fits && i < parameters; ++i)
    fits = function->getArg(i)->getType()->isIntegerTy(64);
  if (!fits)
    return createStringError("function '%s' of a level has not the type that "
                             "quantc/abi.h gives it",
                             name.str().c_str());
  return function;
}

} // namespace

Expected<SmallVector<char, 0>> emitObject(Module &module,
                                          const CodeOptions &options) {
  SmallVector<char, 0> bytes;
  raw_svector_ostream os(bytes);
  if (Error error = emit(module, options, CodeGenFileType::ObjectFile, os))
    return std::move(error);
  return std::move(bytes);
}

Expected<std::string> emitAssembly(Module &module, const CodeOptions &options) {
  SmallString<0> text;
  raw_svector_ostream os(text);
  if (Error error = emit(module, options, CodeGenFileType::AssemblyFile, os))
    return std::move(error);
  return text.str().str();
}

Expected<uint64_t> featureBits(StringRef triple,
                               ArrayRef<std::string> features) {
  struct Row {
    Triple::ArchType arch;
    StringRef name;
    unsigned bit;
  };
  // NOLINTNEXTLINE(readability-identifier-naming): as the table's rows say.
  constexpr Triple::ArchType X86 = Triple::x86_64, AARCH64 = Triple::aarch64;
  static const Row rows[] = {
#define QUANTC_CPU_FEATURE(ARCH, NAME, BIT, LLVM) {ARCH, LLVM, BIT},
#include "quantc/cpu_features.def"
  };
  Triple::ArchType arch = Triple(triple).getArch();
  if (arch != X86 && arch != AARCH64)
    return createStringError("quantc's runtime has no target '%s': it knows "
                             "x86_64-linux-gnu and aarch64-linux-gnu",
                             triple.str().c_str());
  uint64_t bits = 0;
  for (StringRef feature : features) {
    if (feature.starts_with("-"))
      continue;
    StringRef name = feature.ltrim('+');
    // Every x86-64 and every ARMv8-A machine has these.
    bool baseline = StringSwitch<bool>(name)
                        .Cases({"64bit", "cmov", "cx8", "fxsr", "mmx"}, true)
                        .Cases({"sse", "sse2", "x87", "v8a"}, true)
                        .Default(false);
    if (baseline)
      continue;
    const Row *row = find_if(
        rows, [&](const Row &r) { return r.arch == arch && r.name == name; });
    if (row == std::end(rows))
      return createStringError(
          "the runtime cannot check feature '%s' when a library is loaded: add "
          "a row to quantc/cpu_features.def and its test to runtime/src/cpu.c",
          name.str().c_str());
    bits |= uint64_t(1) << row->bit;
  }
  return bits;
}

Expected<std::string> isolateLevel(Module &module, StringRef isa,
                                   unsigned entryNumber) {
  std::string suffix = "." + utostr(entryNumber) + "." + isa.str();
  SmallVector<GlobalValue *, 4> shared;
  Expected<Function *> entry = levelFunction(module, "entry", false, 3);
  if (!entry)
    return entry.takeError();
  Expected<Function *> shapes = levelFunction(module, "shapes", false, 1);
  if (!shapes)
    return shapes.takeError();
  Expected<Function *> arena = levelFunction(module, "arena", true, 2);
  if (!arena)
    return arena.takeError();
  shared.append({*entry, *shapes, *arena});
  if (GlobalVariable *kernels =
          module.getGlobalVariable("kernels", /*AllowInternal=*/true))
    shared.push_back(kernels);

  for (GlobalValue &value : module.global_values()) {
    if (auto *function = dyn_cast<Function>(&value)) {
      // No exception passes through generated code: no unwind tables.
      function->setDoesNotThrow();
      function->setUWTableKind(UWTableKind::None);
    }
    if (value.isDeclaration()) {
      // Ours are in the archive that becomes part of the library: no PLT.
      if (value.getName().starts_with("quantc_rt_"))
        value.setVisibility(GlobalValue::HiddenVisibility);
      continue;
    }
    if (is_contained(shared, &value)) {
      value.setLinkage(GlobalValue::ExternalLinkage);
      value.setVisibility(GlobalValue::HiddenVisibility);
      value.setDSOLocal(true);
      value.setName(value.getName() + suffix);
    } else if (!value.getName().starts_with("llvm.")) {
      value.setLinkage(GlobalValue::InternalLinkage);
    }
  }
  // The name that the object's symbol table gives: no path of this machine.
  module.setSourceFileName(("model" + suffix));
  return suffix;
}

Expected<CompiledLevel> compileLevel(Module &module, StringRef isa,
                                     int64_t rank, unsigned entryNumber,
                                     const CodeOptions &options) {
  CompiledLevel level;
  level.isa = isa.str();
  level.rank = rank;
  Expected<uint64_t> bits = featureBits(options.triple, options.features);
  if (!bits)
    return bits.takeError();
  level.features = *bits;
  Expected<std::string> suffix = isolateLevel(module, isa, entryNumber);
  if (!suffix)
    return suffix.takeError();
  level.symbolSuffix = *suffix;
  if (GlobalVariable *kernels = module.getGlobalVariable("kernels" + *suffix))
    if (auto *type = dyn_cast<ArrayType>(kernels->getValueType()))
      level.kernelCount = type->getNumElements();
  Expected<SmallVector<char, 0>> object = emitObject(module, options);
  if (!object)
    return object.takeError();
  level.object = std::move(*object);
  return std::move(level);
}

} // namespace quantc
