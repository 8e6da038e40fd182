//===- Session.cpp - A compiled model with its inputs ---------------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Session.h"

#include "Console.h"
#include "Options.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"

#include <cstring>
#include <random>

using namespace llvm;

namespace quantc::driver {

void SessionOptions::addTo(CLI::App &verb) {
  verb.add_option("MODEL.so", library, "Library that `quantc compile` made")
      ->required()
      ->type_name("");
  verb.add_option(
          "-i,--input", inputs,
          "An input: an array of a .npy or .npz file, zeros, or random (floats "
          "in [-1, 1), integers and booleans 0 or 1)")
      ->type_name("NAME=FILE|zeros|random[:SEED]")
      ->allow_extra_args(false);
  verb.add_option("--dim", dims, "A dynamic dimension of made-up inputs")
      ->type_name("NAME=N")
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
    say("note", "taking " + join(assumed, ", ") +
                    "; say --dim NAME=N for other sizes");
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
      text += name                    ? name
              : tensor.dims[i] >= 0 ? itostr(tensor.dims[i])
                                      : "?";
    }
    text += "]";
  }
  if (tensor.kind == QUANTC_SEQUENCE)
    text = "sequence of " + text;
  return tensor.optional ? "optional " + text : text;
}

Expected<std::unique_ptr<Session>>
Session::open(const SessionOptions &options) {
  std::unique_ptr<Session> result(new Session());
  quantc_error error = {};
  const char *weights =
      options.weights.empty() ? nullptr : options.weights.c_str();
  result->model = quantc_load(options.library.c_str(), weights, &error);
  if (!result->model)
    return runtimeError(error);
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

Error Session::readDims(ArrayRef<std::string> texts) {
  dims.assign(entry->n_symbols, -1);
  for (StringRef text : texts) {
    auto [name, number] = text.split('=');
    int64_t value;
    if (name.empty() || number.getAsInteger(10, value) || value < 0)
      return createStringError("--dim " + text +
                               ": what is expected is NAME=N, as batch=8");
    int64_t at = 0;
    while (at < entry->n_symbols && name != entry->symbols[at].name)
      ++at;
    if (at == entry->n_symbols)
      return createStringError(
          "the model has no dynamic dimension '" + name + "'; it has " +
          (at ? names(at, [&](int64_t i) { return entry->symbols[i].name; })
              : std::string("none")));
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

Error Session::readSources(ArrayRef<std::string> texts,
                           std::map<int64_t, std::string> &sources) const {
  for (StringRef text : texts) {
    auto [name, source] = text.split('=');
    if (name.empty() || source.empty())
      return createStringError("--input " + text +
                               ": what is expected is NAME=FILE, NAME=zeros or "
                               "NAME=random[:SEED]");
    int64_t at =
        quantc_find(entry->inputs, entry->n_inputs, name.str().c_str());
    if (at < 0)
      return createStringError("the model has no input '" + name +
                               "'; its inputs are " +
                               names(entry->n_inputs, [&](int64_t i) {
                                 return entry->inputs[i].name;
                               }));
    if (!sources.try_emplace(at, source).second)
      return createStringError("input '" + name + "' is given twice");
  }
  return Error::success();
}

/// Random elements: floats in [-1, 1), integers and booleans 0 or 1.
static void randomize(Array &array, uint64_t seed) {
  // Not the distributions of <random>, which differ between libraries.
  std::mt19937_64 generator(seed);
  int64_t count = array.count();
  if (array.code == kDLFloat && array.bits >= 32) {
    for (int64_t i = 0; i < count; ++i) {
      double value = static_cast<double>(generator() >> 40) / (1 << 23) - 1;
      if (array.bits == 64)
        reinterpret_cast<double *>(array.data())[i] = value;
      else
        reinterpret_cast<float *>(array.data())[i] = static_cast<float>(value);
    }
    return;
  }
  if (array.code == kDLFloat || array.code == kDLBfloat) {
    // 1.xxx to 2 exclusive with any mantissa, and both signs.
    uint16_t one = array.code == kDLFloat ? 0x3c00 : 0x3f80;
    uint16_t mantissa = array.code == kDLFloat ? 0x03ff : 0x007f;
    for (int64_t i = 0; i < count; ++i) {
      uint64_t bits = generator();
      // One exponent less: [0.5, 1).
      uint16_t value = (one - (mantissa + 1)) | (bits & mantissa) |
                       (bits & 0x10000 ? 0x8000 : 0);
      reinterpret_cast<uint16_t *>(array.data())[i] = value;
    }
    return;
  }
  if (array.bits < 8) {
    for (size_t i = 0; i < array.bytes(); ++i)
      array.data()[i] = generator() & (array.bits == 1   ? 0xff
                                       : array.bits == 2 ? 0x55
                                                         : 0x11);
    return;
  }
  for (int64_t i = 0; i < count; ++i)
    array.data()[i * (array.bits / 8)] = generator() & 1;
}

Expected<Array> Session::invent(const quantc_tensor_info &info,
                                StringRef source) const {
  std::vector<int64_t> shape;
  for (int64_t i = 0; i < info.rank; ++i)
    shape.push_back(info.dims[i] >= 0 ? info.dims[i] : dims[-1 - info.dims[i]]);
  if (!Array::fits(info.bits, shape))
    return createStringError(Twine("input '") + info.name + "' of shape " +
                             shapeText(shape) + " is beyond any memory");
  Array array(info.code, info.bits, shape);
  uint64_t seed = 0;
  if (source.consume_front("random")) {
    if (source.consume_front(":") && source.getAsInteger(10, seed))
      return createStringError(Twine("input '") + info.name + "': '" + source +
                               "' is no seed");
    // Inputs differ from each other under one seed.
    for (const char *c = info.name; *c; ++c)
      seed = seed * 1099511628211u + static_cast<unsigned char>(*c);
    randomize(array, seed);
  }
  return std::move(array);
}

static bool isInvented(StringRef source) {
  return source == "zeros" || source == "random" ||
         source.starts_with("random:");
}

Error Session::makeInputs(const SessionOptions &options, bool inventMissing) {
  if (Error error = readDims(options.dims))
    return error;
  for (ArrayRef<quantc_tensor_info> infos :
       {ArrayRef(entry->inputs, entry->n_inputs),
        ArrayRef(entry->outputs, entry->n_outputs)})
    for (const quantc_tensor_info &info : infos)
      if (info.kind == QUANTC_SEQUENCE || info.optional)
        return createStringError(
            "'" + Twine(info.name) + "' is of type " + describe(*entry, info) +
            ", for which there is no file; run this model from Python or C");
  std::map<int64_t, std::string> sources;
  if (Error error = readSources(options.inputs, sources))
    return error;
  inputs.clear();
  inputs.resize(entry->n_inputs);
  std::string missing;
  for (int64_t i = 0; i < entry->n_inputs; ++i) {
    const quantc_tensor_info &info = entry->inputs[i];
    auto [source, isNew] = sources.try_emplace(i, "random");
    if (isNew && !inventMissing)
      missing += (missing.empty() ? "'" : ", '") + std::string(info.name) +
                 "' (" + describe(*entry, info) + ")";
    if (isInvented(source->second))
      continue;
    Expected<Array> array =
        readArray(source->second, info.name, info.code, info.bits);
    if (!array)
      return createStringError(Twine("input '") + info.name +
                               "': " + toString(array.takeError()));
    inputs[i] = std::move(*array);
    // The sizes of a file decide; whether they agree is the runtime's to check.
    for (size_t d = 0;
         d < inputs[i].shape.size() && d < static_cast<size_t>(info.rank); ++d)
      if (quantc_dim_name(entry, &info, d) && dims[-1 - info.dims[d]] < 0)
        dims[-1 - info.dims[d]] = inputs[i].shape[d];
  }
  if (!missing.empty())
    return createStringError("not all inputs are given: " + missing +
                             "; say --input NAME=FILE, NAME=zeros or "
                             "NAME=random for each");

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
  for (int64_t i = 0; i < entry->n_inputs; ++i) {
    if (!isInvented(sources[i]))
      continue;
    Expected<Array> array = invent(entry->inputs[i], sources[i]);
    if (!array)
      return array.takeError();
    inputs[i] = std::move(*array);
  }
  values.clear();
  for (Array &array : inputs)
    values.push_back(quantc_tensor(array.data(), array.shape.data(),
                                   array.shape.size(), array.code, array.bits));
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

} // namespace quantc::driver
