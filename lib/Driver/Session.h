//===- Session.h - A compiled model with its inputs -------------*- C++ -*-===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What `run` and `bench` share: a library is loaded as a user would load it,
// and its inputs come from files or are made up.
//
//===----------------------------------------------------------------------===//

#ifndef QUANTC_LIB_DRIVER_SESSION_H
#define QUANTC_LIB_DRIVER_SESSION_H

#include "Inputs.h"

#include <map>

namespace CLI {
class App;
} // namespace CLI

namespace quantc::driver {

struct SessionOptions {
  std::string library;
  std::string weights; ///< empty: beside the library
  std::string entry;   ///< empty: the first
  int64_t threads = 0; ///< 0: as many CPUs as this process may use
  bool profile = false;
  std::vector<std::string> inputs; ///< `NAME=SOURCE`, see makeInput
  std::vector<std::string> dims;   ///< `NAME=N`
  std::vector<std::string> shapes; ///< `NAME=2x3`, of made-up inputs

  /// The options that `run` and `bench` have in common.
  void addTo(CLI::App &verb);
};

/// Of one run.
struct LayerTime {
  std::string name;
  double seconds;
  double share; ///< of all layers
};

class Session {
public:
  ~Session();
  Session(const Session &) = delete;
  Session &operator=(const Session &) = delete;

  /// Loads the library and opens the session. Errors are the runtime's.
  static llvm::Expected<std::unique_ptr<Session>>
  open(const SessionOptions &options);

  /// Fills the inputs. One that `options` does not mention is missing if it may
  /// be, random if `inventMissing`, else an error. Dimensions that neither
  /// --dim nor a file gives are 1, or the least that the model takes. Errors:
  /// UsageError for what is wrong whatever the model is.
  llvm::Error makeInputs(const SessionOptions &options, bool inventMissing);

  /// True if the model has a dimension of this name.
  bool hasDim(llvm::StringRef name) const;

  /// Says on standard error which dimensions nobody gave.
  void noteAssumed() const;

  /// One run; the outputs stay valid until the next.
  llvm::Error run();

  /// Time of each layer in a run, in the model's order; of so many runs since
  /// the profile was reset. Needs SessionOptions::profile.
  std::vector<LayerTime> layerTimes(size_t runs) const;

  quantc_model *model = nullptr;
  quantc_session *session = nullptr;
  const quantc_entry_info *entry = nullptr;
  std::vector<Input> inputs;
  std::vector<quantc_value> values, outputs;
  /// The value of each dynamic dimension, in the entry's order.
  std::vector<int64_t> dims;
  /// `name=1` of dimensions that nobody gave.
  std::vector<std::string> assumed;

private:
  Session() = default;
  llvm::Error readDims(llvm::ArrayRef<std::string> texts);
  /// The texts `NAME=...` by the number of their input.
  llvm::Expected<std::map<int64_t, std::string>>
  byInput(llvm::StringRef option, llvm::StringRef expected,
          llvm::ArrayRef<std::string> texts) const;
  llvm::Error readShapes(llvm::ArrayRef<std::string> texts);
  llvm::Error readFiles(std::map<int64_t, std::string> &sources);
  void assumeDims();
  /// The shape of made-up arrays of this input; none: the rank is open.
  std::optional<std::vector<int64_t>> shapeOf(int64_t input);

  std::map<int64_t, std::vector<int64_t>> shapes;
};

/// `float32 [batch, 128]`
std::string describe(const quantc_entry_info &entry,
                     const quantc_tensor_info &tensor);

} // namespace quantc::driver

#endif // QUANTC_LIB_DRIVER_SESSION_H
