//===- Iteration.h - Building loops -----------------------------*- C++ -*-===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef QUANTC_LIB_CONVERSION_ONNXTOQGRAPH_ITERATION_H
#define QUANTC_LIB_CONVERSION_ONNXTOQGRAPH_ITERATION_H

#include "Walk.h"

namespace quantc::onnx_to_qgraph {

/// The trips of a loop that only its condition ends.
constexpr int64_t kUnlimited = std::numeric_limits<int64_t>::max();

/// A loop to be built.
struct LoopSpec {
  Dim trips, condition;
  llvm::SmallVector<TensorInfo> init;
  /// Walks the body. `iteration` and `carried` are known inside. Sets what is
  /// yielded; false if there were errors, which are reported.
  struct Body {
    Dim condition; // null: true
    llvm::SmallVector<TensorInfo> carried, pieces;
    /// What was taken for granted has turned out wrong: once more.
    bool again = false;
    std::string problem;
  };
  llvm::function_ref<bool(Dim iteration, llvm::ArrayRef<TensorInfo> carried,
                          Body &)>
      walkBody;
};

/// Builds the loop: last carried tensors, then what is collected. Empty, with
/// success, if there were errors that are reported already.
mlir::LogicalResult finishLoop(Node &node, const LoopSpec &spec,
                               llvm::SmallVector<TensorInfo> &results);

/// Scan.cpp.
mlir::LogicalResult handleScan(Node &node);

} // namespace quantc::onnx_to_qgraph

#endif // QUANTC_LIB_CONVERSION_ONNXTOQGRAPH_ITERATION_H
