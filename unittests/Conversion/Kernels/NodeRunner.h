//===- NodeRunner.h - Compiles one node and runs it -------------*- C++ -*-===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef QUANTC_UNITTESTS_CONVERSION_KERNELS_NODERUNNER_H
#define QUANTC_UNITTESTS_CONVERSION_KERNELS_NODERUNNER_H

#include "ModelRunner.h"

namespace quantc::testing {

/// What a run gave; `error` is the code of a failed check, or 0.
struct Outcome {
  std::vector<Buffer> outputs;
  int64_t error = 0;
  std::string failure; // why there was no run
};

/// Compiles the last `onnx.node` of the one function of `text`, which returns
/// nothing, as a model (ModelRunner.h): on the highest level of this CPU, or
/// plainly. `inputs` are the function's arguments; operands may also be dense
/// `qgraph.constant`s. Outputs get the dimensions `shapes`, so that `text` need
/// not say what their dynamic ones follow from.
Outcome runNode(const std::string &text, const std::vector<Buffer> &inputs,
                const std::vector<std::vector<int64_t>> &shapes, bool fast,
                int threads = 1);

} // namespace quantc::testing

#endif // QUANTC_UNITTESTS_CONVERSION_KERNELS_NODERUNNER_H
