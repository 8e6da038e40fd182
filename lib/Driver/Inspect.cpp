//===- Inspect.cpp - quantc inspect ---------------------------------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Console.h"
#include "Internal.h"
#include "Options.h"
#include "Session.h"
#include "Worker.h"
#include "quantc/Dialect/QGraph/QGraphDialect.h"
#include "quantc/Import/ONNX.h"
#include "quantc/Pipelines/Register.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/Support/JSON.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"

#include <map>

using namespace llvm;

namespace quantc::driver {
namespace {

struct InspectOptions {
  std::string path;
  std::vector<std::string> dims;
  bool json = false;
};

/// A named, typed value at the border of a model.
struct Port {
  std::string name, type;
};

/// An entry of a library, or the graph of a model.
struct EntryReport {
  std::string name;
  std::vector<Port> inputs, outputs;
  int64_t sessionBytes = -1; ///< of one session; -1: not known
  std::string sessionDims;
};

struct TensorRow : TensorReport {
  std::string entry;
};

/// Everything that is printed; what a kind of file lacks stays empty.
struct Report {
  std::string name;
  std::vector<EntryReport> entries; ///< none of a library that is not loaded
  std::vector<std::string> levels;
  std::map<std::string, int64_t> operators; ///< of an ONNX file
  std::vector<TensorRow> tensors;
  std::string recipe;
  int64_t libraryWeights = -1; ///< bytes of the weights section
};

void jsonEntry(json::OStream &json, const EntryReport &entry) {
  auto ports = [&](StringRef key, const std::vector<Port> &list) {
    json.attributeArray(key, [&] {
      for (const Port &port : list)
        json.object([&] {
          json.attribute("name", port.name);
          json.attribute("type", port.type);
        });
    });
  };
  ports("inputs", entry.inputs);
  ports("outputs", entry.outputs);
  if (entry.sessionBytes >= 0) {
    json.attribute("session_bytes", entry.sessionBytes);
    json.attribute("session_dims", entry.sessionDims);
  }
}

void printJSON(const Report &report) {
  json::OStream json(outs(), 2);
  json.objectBegin();
  json.attribute("name", report.name);
  // The first entry's here too: most libraries have one.
  jsonEntry(json,
            report.entries.empty() ? EntryReport() : report.entries.front());
  json.attributeArray("entries", [&] {
    for (const EntryReport &entry : report.entries)
      json.object([&] {
        json.attribute("name", entry.name);
        jsonEntry(json, entry);
      });
  });
  if (!report.recipe.empty())
    json.attribute("recipe", report.recipe);
  if (!report.levels.empty())
    json.attributeArray("levels", [&] {
      for (const std::string &level : report.levels)
        json.value(level);
    });
  if (!report.operators.empty())
    json.attributeObject("operators", [&] {
      for (auto &[name, count] : report.operators)
        json.attribute(name, count);
    });
  json.attributeArray("tensors", [&] {
    for (const TensorRow &tensor : report.tensors)
      json.object([&] {
        json.attribute("name", tensor.name);
        if (!tensor.entry.empty())
          json.attribute("entry", tensor.entry);
        json.attribute("layer", tensor.layer);
        json.attribute("type", tensor.type);
        json.attribute("format", tensor.format);
        json.attribute("granularity", tensor.granularity);
        json.attribute("bytes_before",
                       static_cast<int64_t>(tensor.bytesBefore));
        json.attribute("bytes_after", static_cast<int64_t>(tensor.bytesAfter));
      });
  });
  if (report.libraryWeights >= 0)
    json.attribute("weights_bytes", report.libraryWeights);
  json.objectEnd();
  outs() << '\n';
}

void printPorts(const EntryReport &entry) {
  for (const Port &port : entry.inputs)
    outs() << "  input " << port.name << " : " << port.type << '\n';
  for (const Port &port : entry.outputs)
    outs() << "  output " << port.name << " : " << port.type << '\n';
}

void printTensors(const Report &report, bool compiled) {
  bool several = report.entries.size() > 1;
  std::vector<std::string> heads{"tensor", "type"};
  if (several)
    heads.insert(heads.begin(), "entry");
  if (compiled)
    heads.insert(heads.end(), {"format", "scales", "before", "after"});
  else
    heads.push_back("bytes");
  Table table(heads);
  uint64_t before = 0, after = 0;
  for (const TensorRow &tensor : report.tensors) {
    before += tensor.bytesBefore;
    after += tensor.bytesAfter;
    std::vector<std::string> cells{tensor.name, tensor.type};
    if (several)
      cells.insert(cells.begin(), tensor.entry);
    if (compiled)
      cells.insert(cells.end(), {tensor.format, tensor.granularity,
                                 bytesText(tensor.bytesBefore),
                                 bytesText(tensor.bytesAfter)});
    else
      cells.push_back(bytesText(tensor.bytesBefore));
    table.add(std::move(cells));
  }
  if (!report.tensors.empty()) {
    outs() << '\n';
    table.print(outs());
    outs() << '\n';
  }
  outs() << "tensors: " << bytesText(before);
  if (compiled)
    outs() << " before, " << bytesText(after) << " after";
  outs() << '\n';
}

void printText(const Report &report, bool compiled) {
  outs() << report.name;
  if (!report.recipe.empty())
    outs() << ", recipe " << report.recipe << ", for "
           << join(report.levels, ", ");
  outs() << '\n';
  bool several = report.entries.size() > 1;
  for (const EntryReport &entry : report.entries) {
    if (several)
      outs() << "entry " << entry.name << '\n';
    printPorts(entry);
  }
  if (!report.operators.empty()) {
    std::vector<std::pair<int64_t, std::string>> sorted;
    int64_t total = 0;
    for (auto &[name, count] : report.operators) {
      sorted.emplace_back(-count, name);
      total += count;
    }
    sort(sorted);
    outs() << "  " << total << (total == 1 ? " node: " : " nodes: ");
    ListSeparator comma;
    for (auto &[count, name] : sorted)
      outs() << StringRef(comma) << name << ' ' << -count;
    outs() << '\n';
  }
  printTensors(report, compiled);
  if (report.libraryWeights >= 0)
    outs() << "weights section: " << bytesText(report.libraryWeights) << '\n';
  for (const EntryReport &entry : report.entries)
    if (entry.sessionBytes >= 0)
      outs() << "memory of a session"
             << (several ? " of entry " + entry.name : std::string()) << ": "
             << bytesText(entry.sessionBytes)
             << (entry.sessionDims.empty() ? "" : " at " + entry.sessionDims)
             << '\n';
}

// --- A library --------------------------------------------------------------

Error readManifest(StringRef text, Report &report) {
  Expected<json::Value> value = json::parse(text);
  if (!value)
    return value.takeError();
  const json::Object *root = value->getAsObject();
  if (!root)
    return createStringError("the manifest is no JSON object");
  auto string = [](const json::Object &object, StringRef key) {
    return object.getString(key).value_or("").str();
  };
  if (const json::Object *options = root->getObject("options"))
    report.recipe = string(*options, "recipe");
  if (const json::Array *levels = root->getArray("levels"))
    for (const json::Value &level : *levels)
      if (const json::Object *object = level.getAsObject())
        report.levels.push_back(string(*object, "name"));
  if (const json::Array *tensors = root->getArray("tensors"))
    for (const json::Value &tensor : *tensors) {
      const json::Object *object = tensor.getAsObject();
      if (!object)
        continue;
      TensorRow row;
      row.name = string(*object, "name");
      row.entry = string(*object, "entry");
      row.layer = string(*object, "layer");
      row.type = string(*object, "type");
      row.format = string(*object, "format");
      row.granularity = string(*object, "granularity");
      row.bytesBefore = object->getInteger("bytes_before").value_or(0);
      row.bytesAfter = object->getInteger("bytes_after").value_or(0);
      report.tensors.push_back(std::move(row));
    }
  return Error::success();
}

/// A library begins like an ELF file, whatever it is called.
bool isLibrary(StringRef path) {
  auto buffer = MemoryBuffer::getFileSlice(path, 4, 0);
  return buffer && (*buffer)->getBuffer() == "\x7f"
                                             "ELF";
}

/// How much a session holds shows when it runs; all-zero inputs are as good as
/// any, and a model that refuses them still has the rest to tell.
Error measureSession(Session &session, const SessionOptions &opening,
                     EntryReport &report) {
  const quantc_entry_info &entry = *session.entry;
  SessionOptions options = opening;
  for (const quantc_tensor_info &info :
       ArrayRef(entry.inputs, entry.n_inputs)) {
    // How long a sequence is, nobody said.
    if (info.kind == QUANTC_SEQUENCE || info.optional)
      return Error::success();
    options.inputs.push_back(info.name + std::string("=zeros"));
  }
  if (Error error = session.makeInputs(options, /*inventMissing=*/true))
    return error;
  if (Error error = session.run()) {
    consumeError(std::move(error));
    return Error::success();
  }
  report.sessionBytes = quantc_memory_of(session.session);
  for (int64_t i = 0; i < entry.n_symbols; ++i)
    if (session.dims[i] >= 0)
      report.sessionDims += (report.sessionDims.empty() ? "" : ", ") +
                            std::string(entry.symbols[i].name) + "=" +
                            itostr(session.dims[i]);
  return Error::success();
}

Expected<EntryReport> inspectEntry(Session &session,
                                   const SessionOptions &opening) {
  const quantc_entry_info &entry = *session.entry;
  EntryReport report;
  report.name = entry.name;
  for (int64_t i = 0; i < entry.n_inputs; ++i)
    report.inputs.push_back(
        {entry.inputs[i].name, describe(entry, entry.inputs[i])});
  for (int64_t i = 0; i < entry.n_outputs; ++i)
    report.outputs.push_back(
        {entry.outputs[i].name, describe(entry, entry.outputs[i])});
  if (Error error = measureSession(session, opening, report))
    return std::move(error);
  return std::move(report);
}

/// What is known of a library for another machine: its manifest beside it.
Expected<Report> inspectManifest(const std::string &path, Error problem) {
  SmallString<256> manifest(path);
  sys::path::replace_extension(manifest, "json");
  auto text = MemoryBuffer::getFile(manifest);
  if (!text || !isLibrary(path))
    return std::move(problem);
  say("note",
      toString(std::move(problem)) + "; this is what '" + manifest + "' says");
  Report report;
  report.name = sys::path::stem(path).str();
  if (Error error = readManifest((*text)->getBuffer(), report))
    return createStringError("'" + manifest + "' is no manifest of quantc: " +
                             toString(std::move(error)));
  return std::move(report);
}

Expected<Report> inspectLibrary(const InspectOptions &options) {
  SessionOptions opening;
  opening.library = options.path;
  opening.threads = 1;
  Expected<std::unique_ptr<Session>> first = Session::open(opening);
  if (!first)
    return inspectManifest(options.path, first.takeError());
  quantc_model *model = (*first)->model;
  Report report;
  report.name = quantc_name(model);
  std::vector<bool> used(options.dims.size());
  for (int64_t i = 0, n = quantc_entry_count(model); i < n; ++i) {
    opening.entry = quantc_entry_at(model, i)->name;
    Expected<std::unique_ptr<Session>> session = Session::open(opening);
    if (!session)
      return session.takeError();
    // One entry need not have the dimensions of the others.
    opening.dims.clear();
    for (auto [d, text] : enumerate(options.dims))
      if (n == 1 || (*session)->hasDim(StringRef(text).rsplit('=').first)) {
        opening.dims.push_back(text);
        used[d] = true;
      }
    Expected<EntryReport> entry = inspectEntry(**session, opening);
    if (!entry)
      return entry.takeError();
    report.entries.push_back(std::move(*entry));
  }
  for (auto [isUsed, text] : zip_equal(used, options.dims))
    if (!isUsed)
      return createStringError("--dim " + text +
                               ": no entry has a dimension of this name");
  if (const char *manifest = quantc_manifest(model))
    if (Error error = readManifest(manifest, report))
      return std::move(error);
  report.libraryWeights = quantc_weights_bytes(model);
  return std::move(report);
}

// --- A model file -----------------------------------------------------------

std::string portType(mlir::Type type, mlir::DictionaryAttr names) {
  std::string text;
  auto tensor = mlir::dyn_cast<mlir::RankedTensorType>(type);
  if (!tensor) {
    raw_string_ostream(text) << type;
    return text;
  }
  raw_string_ostream os(text);
  os << tensor.getElementType() << " [";
  auto dims =
      names ? names.getAs<mlir::ArrayAttr>("onnx.dims") : mlir::ArrayAttr();
  ListSeparator comma;
  for (auto [i, extent] : enumerate(tensor.getShape())) {
    os << StringRef(comma);
    if (!mlir::ShapedType::isDynamic(extent)) {
      os << extent;
      continue;
    }
    StringRef name;
    if (dims && i < dims.size())
      name = mlir::cast<mlir::StringAttr>(dims[i]).getValue();
    os << (name.empty() ? "?" : name);
  }
  os << ']';
  return text;
}

Port portOf(mlir::Type type, mlir::DictionaryAttr names) {
  Port port;
  if (auto name = names ? names.getAs<mlir::StringAttr>("onnx.name") : nullptr)
    port.name = name.str();
  port.type = portType(type, names);
  return port;
}

Expected<Report> inspectModel(const InspectOptions &options) {
  mlir::MLIRContext context;
  mlir::DialectRegistry registry;
  registerAllDialects(registry);
  context.appendDialectRegistry(registry);
  context.getDiagEngine().registerHandler([](mlir::Diagnostic &diag) {
    bool isError = diag.getSeverity() == mlir::DiagnosticSeverity::Error;
    say(isError ? "error" : "warning", diag.str());
  });
  mlir::FailureOr<mlir::OwningOpRef<mlir::ModuleOp>> module =
      importONNX(options.path, context);
  if (failed(module))
    return createStringError(inconvertibleErrorCode(), "");
  Report report;
  EntryReport &graph = report.entries.emplace_back();
  graph.name = "main";
  for (auto function : (*module)->getOps<mlir::func::FuncOp>()) {
    if (auto name = function->getAttrOfType<mlir::StringAttr>("onnx.graph"))
      report.name = name.str();
    for (unsigned i = 0; i < function.getNumArguments(); ++i)
      graph.inputs.push_back(portOf(function.getArgument(i).getType(),
                                    function.getArgAttrDict(i)));
    for (unsigned i = 0; i < function.getNumResults(); ++i)
      graph.outputs.push_back(portOf(function.getFunctionType().getResult(i),
                                     function.getResultAttrDict(i)));
  }
  if (report.name.empty())
    report.name = options.path;
  (*module)->walk([&](onnx_ir::NodeOp node) {
    std::string name = node.getOpType().str();
    if (!node.getDomain().empty())
      name = (node.getDomain() + "." + name).str();
    ++report.operators[name];
  });
  for (const ModelTensor &tensor : tensorsOf(**module)) {
    TensorRow row;
    row.name = tensor.name;
    row.type = tensor.type;
    row.bytesBefore = row.bytesAfter = tensor.bytes;
    report.tensors.push_back(std::move(row));
  }
  return report;
}

int inspect(const InspectOptions &options) {
  noteStage("inspecting '" + options.path + "'");
  bool compiled =
      isLibrary(options.path) || StringRef(options.path).ends_with(".so");
  if (!compiled && !options.dims.empty())
    return fail(
        "--dim is for the memory of a compiled library's session, and '" +
            options.path + "' is none",
        ExitBadUsage);
  Expected<Report> report =
      compiled ? inspectLibrary(options) : inspectModel(options);
  if (!report)
    return fail(report.takeError());
  if (options.json)
    printJSON(*report);
  else
    printText(*report, compiled);
  return ExitDone;
}

} // namespace

RunVerb addInspect(CLI::App &program) {
  auto options = std::make_shared<InspectOptions>();
  CLI::App *verb = program.add_subcommand(
      "inspect", "Show a model or library: inputs, layers, formats, bytes");
  verb->add_option("MODEL.onnx|MODEL.so", options->path, "Model or library")
      ->required()
      ->type_name("");
  verb->add_option("--dim", options->dims,
                   "A dynamic dimension, for the memory of a session")
      ->type_name("NAME=N")
      ->allow_extra_args(false);
  verb->add_flag("--json", options->json, "Print as JSON");
  return [options] {
    return runInWorker(commandWorker("inspect"),
                       [&] { return inspect(*options); });
  };
}

} // namespace quantc::driver
