//===- Session.cpp - A compiled model with its inputs ---------------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Session.h"

#include "Console.h"
#include "Options.h"
#include "quantc/Support/DimRange.h"
#include "quantc/Support/Errors.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"

using namespace llvm;

namespace quantc::driver {

void SessionOptions::addTo(CLI::App &verb) {
  verb.add_option("MODEL.so", library, "Library that `quantc compile` made")
      ->required()
      ->type_name("");
  verb.add_option(
          "-i,--input", inputs,
          "An input: an array of a .npy or .npz file, zeros, or random (floats "
          "in [-1, 1), integers and booleans 0 or 1); a sequence: such items, "
          "divided by commas, or a folder of .npy files")
      ->type_name("NAME=FILE|zeros|random[:SEED]")
      ->allow_extra_args(false);
  verb.add_option("--dim", dims, "A dynamic dimension of made-up inputs")
      ->type_name("NAME=N")
      ->allow_extra_args(false);
  verb.add_option("--shape", shapes,
                  "Sizes of made-up inputs, or of items of a sequence, where "
                  "the model leaves them open without names")
      ->type_name("NAME=2x3")
      ->allow_extra_args(false);
  verb.add_option("--threads", threads,
                  "Threads (default: the CPUs this process may use)")
      ->type_name("N")
      ->check(CLI::Range(int64_t(1), int64_t(1024)).description(""));
  verb.add_option("--weights", weights,
                  "Weights file (default: the one beside the library)")
      ->type_name("FILE");
  verb.add_option("--entry", entry, "Entry to run (default: the first)")
      ->type_name("NAME");
}

void Session::noteAssumed() const {
  if (!assumed.empty())
    say("note",
        "taking " + join(assumed, ", ") + "; say --dim NAME=N for other sizes");
}

static Error runtimeError(const quantc_error &error) {
  return createStringError("%s", error.message);
}

std::string describe(const quantc_entry_info &entry,
                     const quantc_tensor_info &tensor) {
  std::string text = typeText(tensor.code, tensor.bits);
  if (tensor.rank >= 0) {
    text += " [";
    ListSeparator comma;
    for (int64_t i = 0; i < tensor.rank; ++i) {
      text += comma;
      const char *name = quantc_dim_name(&entry, &tensor, i);
      text += name ? name : tensor.dims[i] >= 0 ? itostr(tensor.dims[i]) : "?";
    }
    text += "]";
  }
  if (tensor.kind == QUANTC_SEQUENCE)
    text = "sequence of " + text;
  return tensor.optional ? "optional " + text : text;
}

/// What would help where a library cannot be loaded.
static std::string loadHint(StringRef path) {
  StringRef ending = sys::path::extension(path);
  if (ending == ".onnx" || ending == ".onnxtxt")
    return ("; a model is compiled first: quantc compile " + path + " -o " +
            sys::path::stem(path))
        .str();
  std::string library = (path.drop_back(ending.size()) + ".so").str();
  if (library != path && sys::fs::exists(library))
    return "; did you mean '" + library + "'?";
  return "";
}

Expected<std::unique_ptr<Session>>
Session::open(const SessionOptions &options) {
  if (sys::fs::is_directory(options.weights))
    return createStringError("'" + options.weights +
                             "' is a folder: --weights takes the .safetensors "
                             "file that was written with the library");
  std::unique_ptr<Session> result(new Session());
  quantc_error error = {};
  const char *weights =
      options.weights.empty() ? nullptr : options.weights.c_str();
  result->model = quantc_load(options.library.c_str(), weights, &error);
  if (!result->model)
    return createStringError(error.message + loadHint(options.library));
  quantc_options opening = {};
  opening.threads = options.threads;
  opening.entry = options.entry.empty() ? nullptr : options.entry.c_str();
  opening.profile = options.profile;
  result->session = quantc_open(result->model, &opening, &error);
  if (!result->session)
    return runtimeError(error);
  result->entry = quantc_entry_of(result->session);
  return std::move(result);
}

Session::~Session() {
  quantc_close(session);
  if (model)
    quantc_unload(model, nullptr);
}

static std::string names(int64_t n, function_ref<const char *(int64_t)> name) {
  std::string text;
  ListSeparator comma;
  for (int64_t i = 0; i < n; ++i)
    text += (StringRef(comma) + "'" + name(i) + "'").str();
  return text;
}

bool Session::hasDim(StringRef name) const {
  return any_of(
      ArrayRef(entry->symbols, entry->n_symbols),
      [&](const quantc_symbol_info &info) { return name == info.name; });
}

Error Session::readDims(ArrayRef<std::string> texts) {
  dims.assign(entry->n_symbols, -1);
  for (StringRef text : texts) {
    Expected<DimRange> range = parseDimRange(text);
    if (!range || range->low != range->high) {
      consumeError(range.takeError());
      return make_error<UsageError>("--dim " + text +
                                    ": what is expected is NAME=N, as batch=8");
    }
    const std::string &name = range->name;
    int64_t at = 0, value = range->low;
    while (at < entry->n_symbols && name != entry->symbols[at].name)
      ++at;
    if (at == entry->n_symbols)
      return createStringError(
          "the model has no dynamic dimension '" + name + "'; it has " +
          (at ? names(at, [&](int64_t i) { return entry->symbols[i].name; })
              : std::string("none")));
    if (dims[at] >= 0)
      return make_error<UsageError>("--dim " + text + ": dimension '" + name +
                                    "' is given twice");
    const quantc_symbol_info &symbol = entry->symbols[at];
    if (value < symbol.min || value > symbol.max)
      return createStringError(
          "dimension '" + name + "' must be at least " + Twine(symbol.min) +
          (symbol.max == INT64_MAX ? Twine()
                                   : " and at most " + Twine(symbol.max)) +
          ", not " + Twine(value));
    dims[at] = value;
  }
  return Error::success();
}

Expected<std::map<int64_t, std::string>>
Session::byInput(StringRef option, StringRef expected,
                 ArrayRef<std::string> texts) const {
  std::map<int64_t, std::string> result;
  for (StringRef text : texts) {
    // Names are whatever the model has, and may have an `=` themselves.
    StringRef name, value;
    int64_t at = -1;
    for (size_t i = text.find('='); i != StringRef::npos && at < 0;
         i = text.find('=', i + 1)) {
      at = quantc_find(entry->inputs, entry->n_inputs,
                       text.take_front(i).str().c_str());
      if (at >= 0 || name.empty())
        name = text.take_front(i), value = text.drop_front(i + 1);
    }
    if (name.empty() || value.empty())
      return make_error<UsageError>(option + " " + text +
                                    ": what is expected is " + expected);
    if (at < 0)
      return createStringError("the model has no input '" + name +
                               "'; its inputs are " +
                               names(entry->n_inputs, [&](int64_t i) {
                                 return entry->inputs[i].name;
                               }));
    if (!result.try_emplace(at, value).second)
      return make_error<UsageError>(option + " " + text + ": input '" + name +
                                    "' is given twice");
  }
  return result;
}

/// True if the sizes of this input have no names, and need not be the same in
/// all of its items.
static bool hasOpenSizes(const quantc_tensor_info &info) {
  return info.kind == QUANTC_SEQUENCE || info.optional;
}

Error Session::readShapes(ArrayRef<std::string> texts) {
  auto given = byInput("--shape", "NAME=2x3", texts);
  if (!given)
    return given.takeError();
  shapes.clear();
  for (auto &[at, text] : *given) {
    const quantc_tensor_info &info = entry->inputs[at];
    SmallVector<StringRef> parts;
    StringRef(text).split(parts, 'x');
    for (StringRef part : parts) {
      int64_t size;
      if (part.getAsInteger(10, size) || size < 0)
        return make_error<UsageError>("--shape " + Twine(info.name) + "=" +
                                      text + ": what is expected is NAME=2x3");
      shapes[at].push_back(size);
    }
    ArrayRef<int64_t> shape = shapes[at];
    bool fits = hasOpenSizes(info) &&
                (info.rank < 0 || shape.size() == size_t(info.rank));
    for (int64_t i = 0; fits && i < info.rank; ++i)
      fits = info.dims[i] < 0 || info.dims[i] == shape[i];
    if (!fits)
      return createStringError(
          "--shape " + Twine(info.name) + "=" + text + ": the input is " +
          describe(*entry, info) +
          (hasOpenSizes(info) ? "" : "; say --dim NAME=N for its sizes"));
  }
  return Error::success();
}

std::optional<std::vector<int64_t>> Session::shapeOf(int64_t input) {
  const quantc_tensor_info &info = entry->inputs[input];
  if (auto given = shapes.find(input); given != shapes.end())
    return given->second;
  if (info.rank < 0)
    return std::nullopt;
  std::vector<int64_t> shape;
  for (int64_t i = 0; i < info.rank; ++i)
    shape.push_back(info.dims[i] >= 0    ? info.dims[i]
                    : hasOpenSizes(info) ? 1
                                         : dims[-1 - info.dims[i]]);
  return shape;
}

Error Session::readFiles(std::map<int64_t, std::string> &sources) {
  for (auto &[i, source] : sources) {
    const quantc_tensor_info &info = entry->inputs[i];
    // Sequences have no dimensions that others need.
    if (info.kind == QUANTC_SEQUENCE || isInvented(source))
      continue;
    Expected<Input> input = makeInput(info, source, std::nullopt);
    if (!input)
      return input.takeError();
    inputs[i] = std::move(*input);
    // The sizes of a file decide; whether they agree is the runtime's to check.
    ArrayRef<int64_t> shape = inputs[i].arrays.front().shape;
    for (size_t d = 0; d < shape.size() && int64_t(d) < info.rank; ++d)
      if (quantc_dim_name(entry, &info, d) && dims[-1 - info.dims[d]] < 0)
        dims[-1 - info.dims[d]] = shape[d];
  }
  return Error::success();
}

void Session::assumeDims() {
  std::vector<bool> isOfInput(entry->n_symbols);
  for (int64_t i = 0; i < entry->n_inputs; ++i)
    for (int64_t d = 0; d < entry->inputs[i].rank; ++d)
      if (quantc_dim_name(entry, &entry->inputs[i], d))
        isOfInput[-1 - entry->inputs[i].dims[d]] = true;
  for (int64_t i = 0; i < entry->n_symbols; ++i) {
    if (dims[i] >= 0 || !isOfInput[i])
      continue;
    dims[i] = std::max<int64_t>(1, entry->symbols[i].min);
    assumed.push_back(entry->symbols[i].name + std::string("=") +
                      itostr(dims[i]));
  }
}

Error Session::makeInputs(const SessionOptions &options, bool inventMissing) {
  if (Error error = readDims(options.dims))
    return error;
  if (Error error = readShapes(options.shapes))
    return error;
  auto sources = byInput("--input",
                         "NAME=FILE, NAME=zeros or "
                         "NAME=random[:SEED]",
                         options.inputs);
  if (!sources)
    return sources.takeError();
  std::string missing;
  for (int64_t i = 0; i < entry->n_inputs; ++i) {
    const quantc_tensor_info &info = entry->inputs[i];
    bool isNew =
        sources->try_emplace(i, info.optional ? "none" : "random").second;
    if (isNew && !inventMissing && !info.optional)
      missing += (missing.empty() ? "'" : ", '") + std::string(info.name) +
                 "' (" + describe(*entry, info) + ")";
  }
  if (!missing.empty())
    return createStringError("not all inputs are given: " + missing +
                             "; say --input NAME=FILE, NAME=zeros or "
                             "NAME=random for each");
  inputs.clear();
  inputs.resize(entry->n_inputs);
  if (Error error = readFiles(*sources))
    return error;
  assumeDims();
  values.clear();
  for (auto &[i, source] : *sources) {
    const quantc_tensor_info &info = entry->inputs[i];
    if (info.kind == QUANTC_SEQUENCE || isInvented(source)) {
      Expected<Input> input = makeInput(info, source, shapeOf(i));
      if (!input)
        return input.takeError();
      inputs[i] = std::move(*input);
    }
    values.push_back(inputs[i].value());
  }
  outputs.assign(entry->n_outputs, quantc_value());
  return Error::success();
}

Error Session::run() {
  quantc_error error = {};
  if (quantc_run(session, values.data(), values.size(), outputs.data(),
                 outputs.size(), &error))
    return runtimeError(error);
  return Error::success();
}

std::vector<LayerTime> Session::layerTimes(size_t runs) const {
  const quantc_layer_time *times = quantc_profile(session, /*reset=*/0);
  std::vector<LayerTime> layers;
  double total = 0;
  for (int64_t i = 0; times && i < entry->n_layers; ++i) {
    double seconds = times[i].nanoseconds * 1e-9 / runs;
    layers.push_back({entry->layers[i], seconds, 0});
    total += seconds;
  }
  for (LayerTime &layer : layers)
    layer.share = total > 0 ? layer.seconds / total : 0;
  return layers;
}

} // namespace quantc::driver
