//===- Model.h - A loaded model and its sessions ----------------*- C++ -*-===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
#ifndef QUANTC_PYTHON_MODEL_H
#define QUANTC_PYTHON_MODEL_H

#include "Arrays.h"

#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

namespace quantc::python {

/// One input or output of the signature.
struct Tensor {
  std::string name, dtype;
  /// An int, or a str: the name of a dynamic dimension; None for one that each
  /// element of a sequence has for itself.
  nanobind::tuple shape;
};

struct LoadOptions {
  int64_t threads = 0;
  std::string weights, entry; ///< "" = the runtime's default
  bool profile = false;
};

/// A library, loaded once and unloaded with the last that uses it.
class Library {
public:
  Library(const std::string &path, const std::string &weights);
  ~Library();
  Library(const Library &) = delete;
  Library &operator=(const Library &) = delete;

  quantc_model *get() const { return model; }

private:
  quantc_model *model;
};

/// Closes a session, then lets go of its library.
class Session {
public:
  Session(std::shared_ptr<Library> library, const LoadOptions &options);
  ~Session();
  Session(const Session &) = delete;
  Session &operator=(const Session &) = delete;

  quantc_session *get() const { return session; }

private:
  std::shared_ptr<Library> library;
  quantc_session *session;
};

class Binding;

/// One entry of a library. Calls from several threads run at the same time,
/// each in a session of its own; sessions are kept for later calls.
class Model {
public:
  Model(const std::string &path, LoadOptions options);

  nanobind::dict call(nanobind::dict inputs);
  std::unique_ptr<Binding> bind(nanobind::dict inputs);
  /// Undoes the load once calls that are under way are done; later calls throw.
  void close();

  std::string path() const { return file; }
  std::string name() const;
  std::string entry() const;
  std::vector<std::string> entries() const;
  std::vector<Tensor> inputs() const;
  std::vector<Tensor> outputs() const;
  nanobind::dict dims() const;
  std::vector<std::string> layers() const;
  std::string isa() const { return isaName; }
  int64_t threads() const { return threadCount; }
  int64_t weightsBytes() const;
  int64_t memory() const;
  nanobind::object manifest() const;
  nanobind::list profile(bool reset) const;

  /// The values of `inputs` in the signature's order.
  std::vector<Input> read(nanobind::dict inputs) const;
  const quantc_entry_info &info() const;

private:
  friend class Binding;
  std::unique_ptr<Session> take();
  void give(std::unique_ptr<Session> session);
  quantc_model *model() const;

  std::string file;
  LoadOptions options;
  std::shared_ptr<Library> library;
  std::string isaName;
  int64_t threadCount;
  /// Never held while Python code may run.
  mutable std::mutex mutex;
  std::vector<std::unique_ptr<Session>> idle;
};

/// A session whose inputs are bound once: runs without looking at them again.
class Binding {
public:
  Binding(Model &model, nanobind::dict inputs);

  void run();
  nanobind::dict outputs() const;

private:
  std::unique_ptr<Session> session;
  std::vector<Input> inputs;
  std::vector<quantc_value> inputValues, outputValues;
  mutable std::mutex mutex;
  bool ran = false;
};

} // namespace quantc::python

#endif // QUANTC_PYTHON_MODEL_H
