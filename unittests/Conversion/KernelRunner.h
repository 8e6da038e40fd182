//===- KernelRunner.h - Compiles one node's kernel and runs it --*- C++ -*-===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef QUANTC_UNITTESTS_CONVERSION_KERNELRUNNER_H
#define QUANTC_UNITTESTS_CONVERSION_KERNELRUNNER_H

#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

namespace quantc::testing {

/// A tensor's dimensions and elements as a kernel sees them (one byte an
/// element below 8 bits).
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

/// What a run gave; `error` is the code of a failed check, or 0.
struct Outcome {
  std::vector<Buffer> outputs;
  int64_t error = 0;
  std::string failure; // why there was no run
};

/// Compiles the last `onnx.node` of the one function of `text` for the host and
/// runs it, `threads` times for as many threads. `inputs` are the function's
/// arguments; operands may also be dense `qgraph.constant`s. Outputs get the
/// dimensions `shapes`.
Outcome runNode(const std::string &text, const std::vector<Buffer> &inputs,
                const std::vector<std::vector<int64_t>> &shapes, bool fast,
                int threads = 1);

} // namespace quantc::testing

#endif // QUANTC_UNITTESTS_CONVERSION_KERNELRUNNER_H
