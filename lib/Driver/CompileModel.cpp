//===- CompileModel.cpp - From a model file to a native library -----------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "CompileModel.h"

#include "Internal.h"
#include "Worker.h"
#include "quantc/Dialect/QGraph/Weights.h"
#include "quantc/Import/ONNX.h"
#include "quantc/Pipelines/Plugin.h"
#include "quantc/Pipelines/Register.h"
#include "quantc/Quantize/Passes.h"
#include "quantc/Support/AtomicFile.h"
#include "quantc/Support/Errors.h"
#include "quantc/Support/Progress.h"

#include "mlir/IR/AsmState.h"
#include "mlir/IR/Verifier.h"
#include "mlir/Pass/PassRegistry.h"
#include "mlir/Support/Timing.h"
#include "mlir/Target/LLVMIR/Dialect/All.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSwitch.h"
#include "llvm/Support/CommandLine.h"
#include "llvm/Support/FileUtilities.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Threading.h"

using namespace mlir;

namespace quantc {

std::optional<Emit> emitFromName(llvm::StringRef name) {
  return llvm::StringSwitch<std::optional<Emit>>(name)
      .Case("onnx", Emit::ONNX)
      .Case("qgraph", Emit::QGraph)
      .Case("fused", Emit::Fused)
      .Case("kernel", Emit::Kernel)
      .Case("llvm", Emit::LLVM)
      .Case("asm", Emit::Assembly)
      .Case("object", Emit::Object)
      .Case("library", Emit::Library)
      .Default(std::nullopt);
}

namespace driver {
namespace {

/// Tells what pass runs, for messages about a crash and for the progress.
class PassObserver : public PassInstrumentation {
public:
  PassObserver(std::string what, std::function<void(llvm::StringRef)> started)
      : what(std::move(what)), started(std::move(started)) {}

  void runBeforePass(Pass *pass, Operation *op) override {
    llvm::StringRef name = pass->getArgument();
    if (name.empty()) // the adaptor that runs passes on functions
      return;
    noteStage("pass '" + name + "' of " + what);
    if (isa<ModuleOp>(op))
      started(name);
  }

private:
  std::string what;
  std::function<void(llvm::StringRef)> started;
};

/// The `...` of `builtin.module(...)`.
llvm::StringRef insideModule(llvm::StringRef pipeline) {
  if (pipeline.consume_front("builtin.module("))
    pipeline.consume_back(")");
  return pipeline;
}

/// True if the message is the verifier's on what `op` is now, or says that one
/// of our conversions does not cover what another made: no fault of the input.
bool isOurFault(Operation *op, const std::vector<std::string> &errors) {
  if (errors.empty())
    return true;
  if (llvm::StringRef(errors.front()).contains("failed to legalize operation"))
    return true;
  std::string found;
  uint64_t thread = llvm::get_threadid();
  ScopedDiagnosticHandler handler(op->getContext(), [&](Diagnostic &diag) {
    if (llvm::get_threadid() != thread)
      return failure(); // of another level: to the handler outside
    if (found.empty())
      found = diag.str();
    return success();
  });
  return failed(verify(op)) && llvm::is_contained(errors, found);
}

/// A file in TMPDIR that is removed in the end.
class TemporaryFile {
public:
  llvm::Error create(llvm::StringRef suffix, std::string &path) {
    llvm::SmallString<128> made;
    if (std::error_code code =
            llvm::sys::fs::createTemporaryFile("quantc", suffix, made))
      return llvm::createStringError(
          code, "cannot make a temporary file in TMPDIR: %s",
          code.message().c_str());
    remover.emplace(made);
    path = made.str();
    return llvm::Error::success();
  }

private:
  std::optional<llvm::FileRemover> remover;
};

llvm::Error alreadyReported() {
  return llvm::createStringError(llvm::inconvertibleErrorCode(), "");
}

} // namespace

Compiler::Compiler(const CompileRequest &request,
                   const CompileListener &listener)
    : request(request), listener(listener),
      jobs(request.jobs ? request.jobs
                        : llvm::hardware_concurrency().compute_thread_count()),
      pool(llvm::hardware_concurrency(jobs)),
      context(MLIRContext::Threading::DISABLED) {
  DialectRegistry registry;
  registerAllDialects(registry);
  registerAllToLLVMIRTranslations(registry);
  context.appendDialectRegistry(registry);
  if (jobs > 1)
    context.setThreadPool(pool);
  // Messages name the layer; the op's text is for `quant-opt`.
  context.printOpOnDiagnostic(false);
  context.getDiagEngine().registerHandler(
      [this](Diagnostic &diag) { return handle(diag); });
}

LogicalResult Compiler::handle(Diagnostic &diag) {
  llvm::StringRef severity =
      diag.getSeverity() == DiagnosticSeverity::Error     ? "error"
      : diag.getSeverity() == DiagnosticSeverity::Warning ? "warning"
                                                          : "remark";
  std::string text = diag.str();
  std::lock_guard<std::mutex> lock(mutex);
  if (diag.getSeverity() == DiagnosticSeverity::Error)
    errors.push_back(text);
  // Messages that do not name their place themselves get its name.
  if (auto name = diag.getLocation()->findInstanceOf<NameLoc>())
    if (std::string quoted = "'" + name.getName().str() + "'";
        !llvm::StringRef(text).contains(quoted))
      text = quoted + ": " + text;
  for (Diagnostic &note : diag.getNotes())
    text += "\n  " + note.str();
  // Levels that meet the same problem say so once.
  if (!told.insert(text).second)
    return success();
  if (diag.getSeverity() != DiagnosticSeverity::Error)
    result.remarks.push_back(text);
  listener.message(severity, text);
  return success();
}

void Compiler::report(llvm::StringRef what, double done) {
  std::lock_guard<std::mutex> lock(mutex);
  progressDone = std::max(progressDone, done);
  if (listener.progress)
    listener.progress(what, progressDone);
}

llvm::Error Compiler::preparePasses(PassManager &manager,
                                    const std::string &pipeline) {
  static std::once_flag once;
  std::call_once(once, [] { registerAllPasses(); });
  std::string problem;
  llvm::raw_string_ostream os(problem);
  if (failed(parsePassPipeline(insideModule(pipeline), manager, os)))
    return llvm::make_error<DefectError>("cannot build the pass pipeline '" +
                                         pipeline + "': " + problem);
  if (!request.passOptions.empty()) {
    if (failed(applyPassManagerCLOptions(manager)))
      return alreadyReported();
    applyDefaultTimingPassManagerCLOptions(manager);
  }
  // Dialects cannot be loaded once several threads are at work.
  DialectRegistry needed;
  manager.getDependentDialects(needed);
  context.appendDialectRegistry(needed);
  for (llvm::StringRef name : needed.getDialectNames())
    context.getOrLoadDialect(name);
  return llvm::Error::success();
}

llvm::Error Compiler::runPasses(PassManager &manager, ModuleOp module,
                                const std::string &what, double from,
                                double to) {
  size_t total = std::max<size_t>(1, manager.size()), count = 0;
  std::string pass;
  auto reportPass = [&, this](const llvm::Twine &text, double part) {
    double share = std::min(1.0, (double(count - 1) + part) / total);
    report(text.str(), from + (to - from) * share);
  };
  manager.addInstrumentation(
      std::make_unique<PassObserver>(what, [&](llvm::StringRef name) {
        pass = name.str();
        ++count;
        reportPass(what + ": " + name, 0);
      }));
  ProgressScope scope([&](llvm::StringRef piece, uint64_t done, uint64_t all) {
    reportPass(pass + ": " + piece + " " + llvm::Twine(done + 1) + " of " +
                   llvm::Twine(all),
               double(done) / all);
  });
  if (succeeded(manager.run(module)))
    return llvm::Error::success();
  std::vector<std::string> reported;
  {
    std::lock_guard<std::mutex> lock(mutex);
    reported = errors;
  }
  if (isOurFault(module, reported))
    return llvm::make_error<DefectError>("the compiler failed on " + what);
  return alreadyReported();
}

llvm::Error Compiler::import(ImportedModel &model) {
  noteStage("the import of '" + model.path + "'");
  report("importing", 0);
  FailureOr<OwningOpRef<ModuleOp>> imported = importONNX(model.path, context);
  if (failed(imported))
    return alreadyReported();
  model.module = std::move(*imported);
  // Also where the module is only printed, so that quant-opt can go on with it.
  setTarget(*model.module, levels.back(), /*shared=*/true);
  model.tensors = tensorsOf(*model.module);
  return llvm::Error::success();
}

llvm::Error Compiler::runGraph(ImportedModel &model, GraphStage stage) {
  unsigned number = &model - models.data();
  double share = (kGraphDone - kImported) / models.size();
  GraphOptions options = request.graph;
  // One model need not have the dimensions and layers of the others.
  if (models.size() > 1) {
    options.dims = model.dims = dimsOf(*model.module, options.dims);
    options.requireMatch = false;
  }
  std::string entry = models.size() > 1 ? model.entry : "";
  options.recordLayers = !request.lock.empty() || !request.checkLock.empty();
  if (followed)
    if (llvm::Error error = applyLock(*followed, entry, options))
      return error;
  // As a later run has it, too: without the names of temporary files.
  llvm::Expected<std::string> lasting = graphPipeline(options, stage);
  if (!lasting)
    return lasting.takeError();
  TemporaryFile statistics, description;
  if (!options.calibration.empty() && options.statistics.empty())
    if (llvm::Error error = statistics.create("statistics", options.statistics))
      return error;
  if (!request.report.empty()) {
    options.descriptionLevel = levels.back().name;
    if (llvm::Error error = description.create("json", options.description))
      return error;
  }
  llvm::Expected<std::string> pipeline = graphPipeline(options, stage);
  if (!pipeline)
    return pipeline.takeError();
  PassManager manager(&context, ModuleOp::getOperationName());
  if (llvm::Error error = preparePasses(manager, *pipeline))
    return error;
  openJournal(model, *lasting);
  double from = kImported + number * share;
  if (llvm::Error error =
          runPasses(manager, *model.module, "the graph of '" + model.path + "'",
                    from, from + share)) {
    if (followed)
      listener.message("note", "the formats of layers by their names are those "
                               "of lock '" +
                                   followed->path + "'");
    return error;
  }
  if (!request.report.empty()) {
    llvm::ErrorOr<std::unique_ptr<llvm::MemoryBuffer>> text =
        llvm::MemoryBuffer::getFile(options.description);
    if (!text)
      return llvm::errorCodeToError(text.getError());
    result.descriptions.push_back((*text)->getBuffer().str());
  }
  if (auto layers = dyn_cast_or_null<ArrayAttr>(
          (*model.module)->removeAttr(qgraph::kLayersAttr)))
    for (LayerPrecision &layer : fromAttribute(layers))
      model.layers.push_back({std::move(layer), entry});
  model.reports = reportTensors(model.tensors, *model.module);
  if (auto unmatched = dyn_cast_or_null<ArrayAttr>(
          (*model.module)->removeAttr(qgraph::kUnmatchedAttr)))
    for (auto text : unmatched.getAsRange<StringAttr>())
      model.unmatched.push_back(text.str());
  return models.size() > 1 ? separateWeights(*model.module, number)
                           : llvm::Error::success();
}

llvm::Error Compiler::printModule(ModuleOp printed) {
  bool toFile = request.output != "-";
  std::string directory =
      toFile ? llvm::sys::path::parent_path(request.output).str() : "";
  if (qgraph::refersToNewWeights(printed)) {
    std::string path = request.weightsOut;
    if (path.empty() && toFile)
      path = request.output + ".safetensors";
    if (path.empty()) {
      listener.message("note",
                       "the weights that the text refers to are in no file; "
                       "--weights-out FILE writes them");
    } else {
      if (llvm::Error error = qgraph::saveNewWeights(printed, path, directory))
        return error;
      result.files.push_back(path);
    }
  }
  std::string text;
  llvm::raw_string_ostream os(text);
  printed->print(os);
  return writeText(text);
}

llvm::Error Compiler::writeText(llvm::StringRef text) {
  if (request.output == "-") {
    llvm::outs() << text;
    return llvm::Error::success();
  }
  result.files.insert(result.files.begin(), request.output);
  return writeFileAtomically(request.output, text);
}

/// Options of MLIR's pass manager, as `quant-opt` takes them.
static llvm::Error readPassOptions(const std::vector<std::string> &options) {
  registerMLIRContextCLOptions();
  registerAsmPrinterCLOptions();
  registerPassManagerCLOptions();
  registerDefaultTimingManagerCLOptions();
  std::vector<const char *> arguments{"quantc"};
  for (const std::string &option : options)
    arguments.push_back(option.c_str());
  std::string problem;
  llvm::raw_string_ostream os(problem);
  if (!llvm::cl::ParseCommandLineOptions(arguments.size(), arguments.data(), "",
                                         &os))
    return llvm::make_error<UsageError>("--mlir: " +
                                        llvm::StringRef(problem).trim().str());
  return llvm::Error::success();
}

llvm::Error Compiler::openLocks() {
  if (!request.checkLock.empty()) {
    llvm::Expected<Lock> lock = readLock(request.checkLock);
    if (!lock)
      return lock.takeError();
    checked = std::move(*lock);
  }
  if (request.lock.empty())
    return llvm::Error::success();
  if (!lockExists(request.lock)) {
    llvm::Expected<std::unique_ptr<AtomicFile>> file =
        AtomicFile::create(request.lock);
    if (!file)
      return file.takeError();
    newLock = std::move(*file);
    return llvm::Error::success();
  }
  llvm::Expected<Lock> lock = readLock(request.lock);
  if (!lock)
    return lock.takeError();
  followed = std::move(*lock);
  return llvm::Error::success();
}

llvm::Error Compiler::checkLocks() {
  std::vector<LockedLayer> layers;
  for (const ImportedModel &model : models)
    llvm::append_range(layers, model.layers);
  if (checked)
    if (llvm::Error error = checkLock(*checked, layers, LockUse::Check))
      return error;
  if (followed) {
    if (llvm::Error error = checkLock(*followed, layers, LockUse::Follow))
      return error;
    if (std::vector<std::string> names = notLocked(*followed, layers);
        !names.empty())
      listener.message("warning", "lock '" + followed->path +
                                      "' does not name " +
                                      llvm::join(names, ", ") +
                                      ": the recipe chooses for what is new");
  }
  if (request.lock.empty())
    return llvm::Error::success();
  // What is read and what was written give the same library.
  llvm::Expected<std::string> text =
      lockText(followed ? followed->layers : layers);
  if (!text)
    return text.takeError();
  lockContents = std::move(*text);
  if (newLock)
    newLock->os() << lockContents;
  return llvm::Error::success();
}

static GraphStage stageOf(Emit emit) {
  switch (emit) {
  case Emit::Statistics:
    return GraphStage::Statistics;
  case Emit::Switches:
    return GraphStage::Switches;
  case Emit::QGraph:
    return GraphStage::QGraph;
  case Emit::Fused:
    return GraphStage::Fused;
  default:
    return GraphStage::Packed;
  }
}

llvm::Expected<CompileResult> Compiler::run() {
  if (!request.passOptions.empty())
    if (llvm::Error error = readPassOptions(request.passOptions))
      return std::move(error);
  llvm::Expected<std::vector<Level>> found = targetLevels(request.target);
  if (!found)
    return found.takeError();
  levels = std::move(*found);
  GraphStage stage = stageOf(request.emit);
  if (llvm::Error error = graphPipeline(request.graph, stage).takeError())
    return std::move(error); // a wrong recipe, before the long work
  if (llvm::Error error = openLocks())
    return std::move(error);
  models.resize(request.models.size());
  std::vector<std::string> names = entryNames(request.models);
  for (auto [i, model] : llvm::enumerate(models)) {
    model.path = request.models[i];
    model.entry = names[i];
    if (llvm::Error error = import(model))
      return std::move(error);
    if (request.emit != Emit::ONNX)
      if (llvm::Error error = runGraph(model, stage))
        return std::move(error);
  }
  if (request.emit == Emit::Statistics) {
    removeJournals();
    result.files = {request.output};
    return std::move(result);
  }
  if (llvm::Error error = checkLocks())
    return std::move(error);
  if (request.emit == Emit::Switches) {
    if (llvm::Error error = listener.graph(*models.front().module))
      return std::move(error);
    return std::move(result);
  }
  if (models.size() > 1)
    if (llvm::Error error = checkOptionsUsed(request.graph.dims, models))
      return std::move(error);
  module = models.size() > 1 ? mergeModules(models)
                             : std::move(models.front().module);
  llvm::Error error = request.emit == Emit::Library ? makeLibrary()
                      : request.emit < Emit::Kernel ? printModule(*module)
                                                    : emitOneLevel();
  if (error)
    return std::move(error);
  if (newLock)
    if (llvm::Error error = newLock->commit())
      return std::move(error);
  removeJournals();
  return std::move(result);
}

} // namespace driver

llvm::Expected<CompileResult> compileModel(const CompileRequest &request,
                                           const CompileListener &listener) {
  for (const std::string &plugin : request.plugins)
    if (llvm::Error error = loadPlugin(plugin))
      return error;
  return driver::Compiler(request, listener).run();
}

} // namespace quantc
