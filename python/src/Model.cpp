//===- Model.cpp - A loaded model and its sessions ------------------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Model.h"

#include <nanobind/stl/string.h>

#include <map>
#include <sys/stat.h>
#include <tuple>

namespace nb = nanobind;
using namespace quantc::python;

//===----------------------------------------------------------------------===//
// Library
//===----------------------------------------------------------------------===//

/// A spelling of `path` that the dynamic loader has not seen for another file.
/// It answers a known name with the file it loaded under that name, although a
/// model may have been compiled again since and be a new file. Extra "./" make
/// a new name of the same file in the same folder, where its weights are.
static std::string freshSpelling(const std::string &path) {
  struct stat status;
  if (stat(path.c_str(), &status) != 0)
    return path; // quantc_load says why
  static std::mutex mutex;
  static std::map<std::string,
                  std::vector<std::tuple<dev_t, ino_t, int64_t, int64_t>>>
      seen;
  std::lock_guard<std::mutex> lock(mutex);
  auto &files = seen[path];
  auto file = std::make_tuple(status.st_dev, status.st_ino,
                              int64_t(status.st_mtim.tv_sec),
                              int64_t(status.st_mtim.tv_nsec));
  size_t generation = 0;
  while (generation < files.size() && files[generation] != file)
    ++generation;
  if (generation == files.size())
    files.push_back(file);
  size_t slash = path.rfind('/');
  std::string folder =
      slash == std::string::npos ? "" : path.substr(0, slash + 1);
  for (; generation > 0; --generation)
    folder += "./";
  return folder + path.substr(slash == std::string::npos ? 0 : slash + 1);
}

Library::Library(const std::string &path, const std::string &weights) {
  std::string spelling = freshSpelling(path);
  quantc_error error;
  {
    nb::gil_scoped_release release;
    model = quantc_load(spelling.c_str(),
                        weights.empty() ? nullptr : weights.c_str(), &error);
  }
  if (!model)
    throw Error(error.message);
}

Library::~Library() { quantc_unload(model, nullptr); }

Session::Session(std::shared_ptr<Library> of, const LoadOptions &options)
    : library(std::move(of)) {
  quantc_options o = {};
  o.threads = options.threads;
  o.entry = options.entry.empty() ? nullptr : options.entry.c_str();
  o.profile = options.profile;
  quantc_error error;
  session = quantc_open(library->get(), &o, &error);
  if (!session)
    throw Error(error.message);
}

Session::~Session() { quantc_close(session); }

//===----------------------------------------------------------------------===//
// Model: loading and sessions
//===----------------------------------------------------------------------===//

Model::Model(const std::string &path, LoadOptions given)
    : file(path), options(std::move(given)),
      library(std::make_shared<Library>(path, options.weights)) {
  // Errors of the entry, the threads and the CPU are errors of loading.
  idle.push_back(std::make_unique<Session>(library, options));
  isaName = quantc_isa_of(idle.back()->get());
  threadCount = quantc_threads_of(idle.back()->get());
}

std::unique_ptr<Session> Model::take() {
  std::shared_ptr<Library> current;
  {
    std::lock_guard<std::mutex> lock(mutex);
    if (!library)
      throw Error("the model of '" + file + "' is closed");
    if (!idle.empty()) {
      std::unique_ptr<Session> session = std::move(idle.back());
      idle.pop_back();
      return session;
    }
    current = library;
  }
  return std::make_unique<Session>(std::move(current), options);
}

void Model::give(std::unique_ptr<Session> session) {
  std::lock_guard<std::mutex> lock(mutex);
  if (library)
    idle.push_back(std::move(session));
}

void Model::close() {
  std::vector<std::unique_ptr<Session>> sessions;
  std::shared_ptr<Library> last;
  std::lock_guard<std::mutex> lock(mutex);
  sessions.swap(idle);
  last.swap(library);
}

quantc_model *Model::model() const {
  if (!library)
    throw Error("the model of '" + file + "' is closed");
  return library->get();
}

//===----------------------------------------------------------------------===//
// Model: what it is
//===----------------------------------------------------------------------===//

const quantc_entry_info &Model::info() const {
  quantc_model *m = model();
  for (int64_t i = 0; i < quantc_entry_count(m); ++i) {
    const quantc_entry_info *e = quantc_entry_at(m, i);
    if (options.entry.empty() || options.entry == e->name)
      return *e;
  }
  throw Error("model '" + name() + "' has no entry '" + options.entry + "'");
}

static std::vector<Tensor> tensors(const quantc_entry_info &e,
                                   const quantc_tensor_info *infos, int64_t n) {
  std::vector<Tensor> result;
  for (int64_t i = 0; i < n; ++i) {
    nb::list shape;
    for (int64_t d = 0; d < infos[i].rank; ++d) {
      if (const char *name = quantc_dim_name(&e, &infos[i], d))
        shape.append(name);
      else if (infos[i].dims[d] >= 0)
        shape.append(infos[i].dims[d]);
      else
        shape.append(nb::none());
    }
    result.push_back({infos[i].name, typeName(infos[i].code, infos[i].bits),
                      nb::tuple(shape)});
  }
  return result;
}

std::string Model::name() const { return quantc_name(model()); }
std::string Model::entry() const { return info().name; }

std::vector<std::string> Model::entries() const {
  std::vector<std::string> names;
  for (int64_t i = 0; i < quantc_entry_count(model()); ++i)
    names.push_back(quantc_entry_at(model(), i)->name);
  return names;
}

std::vector<Tensor> Model::inputs() const {
  return tensors(info(), info().inputs, info().n_inputs);
}

std::vector<Tensor> Model::outputs() const {
  return tensors(info(), info().outputs, info().n_outputs);
}

nb::dict Model::dims() const {
  nb::dict result;
  const quantc_entry_info &e = info();
  for (int64_t i = 0; i < e.n_symbols; ++i) {
    const quantc_symbol_info &s = e.symbols[i];
    result[s.name] =
        nb::make_tuple(s.min, s.max == INT64_MAX ? nb::object(nb::none())
                                                 : nb::object(nb::int_(s.max)));
  }
  return result;
}

std::vector<std::string> Model::layers() const {
  return std::vector<std::string>(info().layers,
                                  info().layers + info().n_layers);
}

int64_t Model::weightsBytes() const { return quantc_weights_bytes(model()); }

int64_t Model::memory() const {
  std::lock_guard<std::mutex> lock(mutex);
  int64_t sum = 0;
  for (const std::unique_ptr<Session> &session : idle)
    sum += quantc_memory_of(session->get());
  return sum;
}

nb::object Model::manifest() const {
  const char *text = quantc_manifest(model());
  if (!text)
    return nb::none();
  return nb::module_::import_("json").attr("loads")(text);
}

nb::list Model::profile(bool reset) const {
  const quantc_entry_info &e = info();
  std::vector<uint64_t> nanoseconds(e.n_layers), calls(e.n_layers);
  if (!options.profile)
    throw Error("the model was not loaded with profile=True");
  {
    std::lock_guard<std::mutex> lock(mutex);
    for (const std::unique_ptr<Session> &session : idle) {
      const quantc_layer_time *times = quantc_profile(session->get(), 0);
      for (int64_t i = 0; i < e.n_layers; ++i) {
        nanoseconds[i] += times[i].nanoseconds;
        calls[i] += times[i].calls;
      }
      if (reset)
        quantc_profile(session->get(), 1);
    }
  }
  nb::list result;
  for (int64_t i = 0; i < e.n_layers; ++i)
    result.append(
        nb::make_tuple(e.layers[i], double(nanoseconds[i]) * 1e-9, calls[i]));
  return result;
}

//===----------------------------------------------------------------------===//
// Running
//===----------------------------------------------------------------------===//

static std::string listNames(const quantc_tensor_info *infos, int64_t n) {
  std::string text;
  for (int64_t i = 0; i < n; ++i)
    text += std::string(i ? ", '" : "'") + infos[i].name + "'";
  return n ? text : "none";
}

std::vector<Input> Model::read(nb::dict given) const {
  const quantc_entry_info &e = info();
  for (auto [key, value] : given) {
    std::string name = nb::cast<std::string>(nb::str(key));
    if (quantc_find(e.inputs, e.n_inputs, name.c_str()) < 0)
      throw Error("model '" + this->name() + "' has no input '" + name +
                  "'; its inputs are " + listNames(e.inputs, e.n_inputs));
  }
  std::vector<Input> inputs;
  inputs.reserve(e.n_inputs);
  for (int64_t i = 0; i < e.n_inputs; ++i) {
    if (!given.contains(e.inputs[i].name))
      throw Error("input '" + std::string(e.inputs[i].name) + "' of model '" +
                  this->name() + "' is missing; its inputs are " +
                  listNames(e.inputs, e.n_inputs));
    inputs.emplace_back(given[e.inputs[i].name], e.inputs[i]);
  }
  return inputs;
}

static std::vector<quantc_value> valuesOf(const std::vector<Input> &inputs) {
  std::vector<quantc_value> values;
  for (const Input &input : inputs)
    values.push_back(input.value());
  return values;
}

static void runSession(const Session &session,
                       const std::vector<quantc_value> &inputs,
                       std::vector<quantc_value> &outputs) {
  quantc_error error;
  if (quantc_run(session.get(), inputs.data(), int64_t(inputs.size()),
                 outputs.data(), int64_t(outputs.size()), &error))
    throw Error(error.message);
}

static nb::dict copyOutputs(const quantc_entry_info &e,
                            const std::vector<quantc_value> &values) {
  nb::dict result;
  for (int64_t i = 0; i < e.n_outputs; ++i)
    result[e.outputs[i].name] = outputArray(values[i]);
  return result;
}

nb::dict Model::call(nb::dict given) {
  std::vector<Input> inputs = read(given);
  std::vector<quantc_value> values = valuesOf(inputs);
  std::unique_ptr<Session> session = take();
  const quantc_entry_info &e = *quantc_entry_of(session->get());
  std::vector<quantc_value> outputs(e.n_outputs);
  try {
    nb::gil_scoped_release release;
    runSession(*session, values, outputs);
  } catch (Error &) {
    give(std::move(session));
    throw;
  }
  nb::dict result = copyOutputs(e, outputs);
  give(std::move(session));
  return result;
}

std::unique_ptr<Binding> Model::bind(nb::dict inputs) {
  return std::make_unique<Binding>(*this, inputs);
}

Binding::Binding(Model &model, nb::dict given)
    : session(nullptr), inputs(model.read(given)),
      inputValues(valuesOf(inputs)) {
  session = model.take();
  outputValues.resize(quantc_entry_of(session->get())->n_outputs);
}

void Binding::run() {
  nb::gil_scoped_release release;
  std::lock_guard<std::mutex> lock(mutex);
  ran = false;
  runSession(*session, inputValues, outputValues);
  ran = true;
}

nb::dict Binding::outputs() const {
  // Released: a thread in run() holds the mutex, and needs no GIL to end.
  std::unique_lock<std::mutex> lock(mutex, std::defer_lock);
  {
    nb::gil_scoped_release release;
    lock.lock();
  }
  if (!ran)
    throw Error(
        "the binding has no outputs: its last run() failed, or there was none");
  return copyOutputs(*quantc_entry_of(session->get()), outputValues);
}
