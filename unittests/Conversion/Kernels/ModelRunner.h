//===- ModelRunner.h - Compiles a function and runs it ----------*- C++ -*-===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef QUANTC_UNITTESTS_CONVERSION_KERNELS_MODELRUNNER_H
#define QUANTC_UNITTESTS_CONVERSION_KERNELS_MODELRUNNER_H

#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace quantc::testing {

/// A tensor's dimensions and elements as the C border has them, but one byte an
/// element below 8 bits.
struct Buffer {
  std::vector<int64_t> shape;
  std::vector<uint8_t> bytes;

  template <typename T>
  static Buffer of(std::vector<int64_t> shape, const std::vector<T> &values) {
    Buffer buffer{std::move(shape),
                  std::vector<uint8_t>(values.size() * sizeof(T))};
    if (!values.empty())
      std::memcpy(buffer.bytes.data(), values.data(), buffer.bytes.size());
    return buffer;
  }
  template <typename T>
  std::vector<T> as() const {
    std::vector<T> values(bytes.size() / sizeof(T));
    if (!values.empty())
      std::memcpy(values.data(), bytes.data(), bytes.size());
    return values;
  }
};

/// The instruction set levels of this CPU, lowest first; `amx` also where it is
/// emulated (AMXEmulator.h).
std::vector<std::string> hostLevels();
/// Levels of this architecture that this CPU has not, emulated or not.
std::vector<std::string> missingLevels();

/// A way to compile: a level, fast or plain.
struct Way {
  std::string level;
  bool plain = false;
  std::string name() const { return plain ? "plain" : level; }
};
/// The plain way on the lowest level, then the fast way on every level of this
/// CPU.
std::vector<Way> allWays();

/// The one public function of `text` (tensors in, tensors out), compiled by the
/// kernel pipeline and linked into this process.
class Model {
public:
  Model(const std::string &text, const Way &way);
  ~Model();

  /// Why there is no code; empty if there is. Diagnostics, all of them.
  const std::string &failure() const { return problem; }

  /// Runs on `threads` threads. Inputs and the arena end where memory ends, so
  /// a read or write past them is a fault; results are followed by bytes that
  /// must stay. `error` is the code of a failed check.
  std::vector<Buffer> run(const std::vector<Buffer> &inputs, int threads = 1);
  int64_t error = 0;
  int64_t arenaBytes = 0;

private:
  struct Code;
  std::unique_ptr<Code> code;
  std::string problem;
};

} // namespace quantc::testing

#endif // QUANTC_UNITTESTS_CONVERSION_KERNELS_MODELRUNNER_H
