//===- CompiledExecutor.cpp - Runs IR as a user's library -----------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The segments of a deep model differ in little but their weights. So a module
// is packed with weights that are named by their order and ops that have no
// names; a packed module whose text has been seen has the code of then, and
// only its weights are linked anew.
//
// All of it happens in a context of the executor's own: whoever calls is in the
// middle of a pass, when a context cannot take up dialects.
//
//===----------------------------------------------------------------------===//

#include "CompiledExecutor.h"

#include "quantc/Dialect/QGraph/Weights.h"
#include "quantc/Pipelines/CodeGeneration.h"
#include "quantc/Pipelines/LoadedExecutable.h"
#include "quantc/Pipelines/Register.h"
#include "quantc/Support/Errors.h"

#include "mlir/Bytecode/BytecodeWriter.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/AttrTypeSubElements.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassRegistry.h"
#include "mlir/Target/LLVMIR/Dialect/All.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"

using namespace mlir;

namespace quantc {
namespace {

/// The store of the weights of what is being compiled.
constexpr llvm::StringLiteral kSegmentStore("segment");

/// A folder in TMPDIR that is removed in the end.
class TemporaryFolder {
public:
  ~TemporaryFolder() {
    if (!path.empty())
      llvm::sys::fs::remove_directories(path);
  }
  llvm::Error create() {
    llvm::SmallString<128> made;
    if (std::error_code code =
            llvm::sys::fs::createUniqueDirectory("quantc", made))
      return llvm::createStringError(
          code, "cannot make a folder for temporary files in TMPDIR: %s",
          code.message().c_str());
    path = made.str().str();
    return llvm::Error::success();
  }
  /// Of a file in it.
  std::string file(const llvm::Twine &name) const {
    llvm::SmallString<128> result(path);
    llvm::sys::path::append(result, name);
    return result.str().str();
  }

private:
  std::string path;
};

/// Code that waits for weights.
struct Code {
  /// Only has the attributes of the lowered module.
  OwningOpRef<ModuleOp> module;
  PackageEntry entry;
  std::string triple;
};

class CompiledExecutor : public Executor {
public:
  CompiledExecutor() {
    DialectRegistry registry;
    registerAllDialects(registry);
    registerAllToLLVMIRTranslations(registry);
    context.appendDialectRegistry(registry);
    context.loadAllAvailableDialects();
  }

  llvm::Expected<std::unique_ptr<Executable>> compile(ModuleOp module) override;

private:
  llvm::Error prepare();
  llvm::Expected<OwningOpRef<ModuleOp>> transfer(ModuleOp module);
  llvm::Error takeWeights(ModuleOp module, WeightStores &from);
  llvm::Error runPipeline(ModuleOp module, const std::string &pipeline);
  llvm::Expected<const Code *> codeOf(ModuleOp packed);

  MLIRContext context;
  std::optional<Level> level;
  TemporaryFolder folder;
  llvm::StringMap<Code> codes;
  unsigned count = 0;
};

} // namespace

/// What a user sees of ops; it is not part of their meaning.
static void dropNames(ModuleOp module) {
  Location unknown = UnknownLoc::get(module.getContext());
  module.walk([&](Operation *op) {
    op->setLoc(unknown);
    if (op->getAttrOfType<StringAttr>("name"))
      op->removeAttr("name");
  });
}

/// The element types of what the module's function returns.
static std::vector<std::string> resultTypes(ModuleOp module) {
  std::vector<std::string> elements;
  auto function = *module.getOps<func::FuncOp>().begin();
  for (Type type : function.getResultTypes())
    llvm::raw_string_ostream(elements.emplace_back())
        << cast<ShapedType>(type).getElementType();
  return elements;
}

llvm::Error CompiledExecutor::prepare() {
  if (level)
    return llvm::Error::success();
  llvm::Expected<std::vector<Level>> levels = targetLevels("native:highest");
  if (!levels)
    return levels.takeError();
  if (llvm::Error error = folder.create())
    return error;
  level = levels->back();
  return llvm::Error::success();
}

/// The module in this context. By way of bytecode, since attributes and types
/// belong to a context.
llvm::Expected<OwningOpRef<ModuleOp>>
CompiledExecutor::transfer(ModuleOp module) {
  std::string bytes;
  llvm::raw_string_ostream os(bytes);
  if (failed(writeBytecodeToFile(module, os)))
    return llvm::make_error<DefectError>("a segment cannot be written");
  ParserConfig config(&context);
  OwningOpRef<ModuleOp> copy = parseSourceString<ModuleOp>(bytes, config);
  if (!copy)
    return llvm::make_error<DefectError>("a segment cannot be read");
  if (llvm::Error error = takeWeights(*copy, qgraph::getWeights(module)))
    return std::move(error);
  return std::move(copy);
}

/// Names the weights of `module` by the order in which they occur, in a store
/// that shares the bytes of those in `from`.
llvm::Error CompiledExecutor::takeWeights(ModuleOp module, WeightStores &from) {
  auto store = WeightStore::createOverlay();
  DenseMap<Attribute, Attribute> taken;
  llvm::Error problem = llvm::Error::success();
  AttrTypeReplacer replacer;
  replacer.addReplacement([&](qgraph::WeightAttr weight) -> Attribute {
    Attribute &replaced = taken[weight];
    if (replaced || problem)
      return replaced ? replaced : weight;
    std::string name = std::to_string(taken.size() - 1);
    llvm::Expected<WeightHandle> entry =
        from.find(weight.getStore(), weight.getName());
    problem =
        entry ? store->addShared(name, (*entry)->type, (*entry)->bytes, *entry)
              : entry.takeError();
    return replaced = qgraph::WeightAttr::get(&context, kSegmentStore, name,
                                              weight.getType());
  });
  replacer.recursivelyReplaceElementsIn(module, /*replaceAttrs=*/true,
                                        /*replaceLocs=*/false,
                                        /*replaceTypes=*/false);
  if (problem)
    return problem;
  qgraph::getWeights(module).bind(kSegmentStore, store);
  return llvm::Error::success();
}

llvm::Error CompiledExecutor::runPipeline(ModuleOp module,
                                          const std::string &pipeline) {
  std::string problems;
  llvm::raw_string_ostream os(problems);
  ScopedDiagnosticHandler handler(&context, [&](Diagnostic &diag) {
    if (diag.getSeverity() == DiagnosticSeverity::Error)
      os << (problems.empty() ? "" : "; ") << diag;
    return success();
  });
  FailureOr<OpPassManager> passes = parsePassPipeline(pipeline, os);
  if (failed(passes))
    return llvm::make_error<DefectError>("cannot build the pass pipeline '" +
                                         pipeline + "': " + problems);
  PassManager manager(&context, ModuleOp::getOperationName());
  static_cast<OpPassManager &>(manager) = std::move(*passes);
  if (failed(manager.run(module)))
    return llvm::createStringError("a part of the model cannot be compiled: " +
                                   problems);
  return llvm::Error::success();
}

llvm::Expected<const Code *> CompiledExecutor::codeOf(ModuleOp packed) {
  std::string text;
  llvm::raw_string_ostream os(text);
  packed->print(os);
  auto [at, isNew] = codes.try_emplace(text);
  if (!isNew)
    return &at->second;
  auto fail = [&, text](llvm::Error error) {
    codes.erase(text);
    return error;
  };
  setTarget(packed, *level, /*shared=*/false);
  if (llvm::Error error = runPipeline(packed, kernelPipeline(/*plain=*/false)))
    return fail(std::move(error));
  llvm::Expected<std::vector<PackageEntry>> entries = entriesOf(packed);
  if (!entries)
    return fail(entries.takeError());
  llvm::Expected<std::vector<CompiledLevel>> compiled =
      compileEntries(packed, *level, codeOptions(*level, /*plain=*/false));
  if (!compiled)
    return fail(compiled.takeError());
  Code &code = at->second;
  code.entry = std::move(entries->front());
  code.entry.levels = std::move(*compiled);
  code.triple = level->triple;
  code.module = ModuleOp::create(UnknownLoc::get(&context));
  (*code.module)->setAttrs(packed->getAttrs());
  return &code;
}

llvm::Expected<std::unique_ptr<Executable>>
CompiledExecutor::compile(ModuleOp module) {
  if (llvm::Error error = prepare())
    return std::move(error);
  llvm::Expected<OwningOpRef<ModuleOp>> copy = transfer(module);
  if (!copy)
    return copy.takeError();
  dropNames(**copy);
  WeightStores &stores = qgraph::getWeights(**copy);
  stores.bind(WeightStores::kNew, WeightStore::createOverlay());
  setTarget(**copy, *level, /*shared=*/true);
  if (llvm::Error error = runPipeline(**copy, fusionPipeline()))
    return std::move(error);
  // What packing has made is named after what was packed.
  if (llvm::Error error = takeWeights(**copy, stores))
    return std::move(error);
  llvm::Expected<const Code *> code = codeOf(**copy);
  if (!code)
    return code.takeError();

  PackageInput input;
  input.triple = (*code)->triple;
  input.manifest = "{}";
  input.entries = {(*code)->entry};
  ModuleOp lowered = *(*code)->module;
  llvm::Expected<std::vector<WeightHandle>> weights = weightsOf(lowered);
  if (!weights)
    return weights.takeError();
  input.weights = std::move(*weights);
  std::string prefix = folder.file("segment-" + llvm::Twine(count++));
  llvm::Expected<PackageResult> written = packageLibrary(input, prefix);
  if (!written)
    return written.takeError();
  llvm::Expected<std::unique_ptr<LoadedExecutable>> executable =
      LoadedExecutable::load(written->library, resultTypes(module));
  // Loaded, the files need no names.
  for (const std::string &path :
       {written->library, written->header, written->manifest, written->weights})
    if (!path.empty())
      llvm::sys::fs::remove(path);
  if (!executable)
    return executable.takeError();
  return std::move(*executable);
}

std::unique_ptr<Executor> createCompiledExecutor() {
  return std::make_unique<CompiledExecutor>();
}

} // namespace quantc
