//===- TensorFile.h - Tensors in files of their own -------------*- C++ -*-===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef QUANTC_DIALECT_ONNX_TENSORFILE_H
#define QUANTC_DIALECT_ONNX_TENSORFILE_H

#include "quantc/Support/WeightStore.h"

namespace mlir {
class MLIRContext;
} // namespace mlir

namespace quantc::onnx_ir {

/// A tensor as a file has it.
struct FiledTensor {
  std::string name; ///< often empty
  WeightType type;
  std::vector<char> bytes; ///< as in a store
};

/// Reads a serialized TensorProto, as `input_0.pb` of ONNX's test data is.
/// Errors name the file: it cannot be read, is no such message, has elements
/// without a type here or another number of bytes than its shape asks for, or
/// refers to another file.
llvm::Expected<FiledTensor> readTensorFile(llvm::StringRef path,
                                           mlir::MLIRContext *context);

} // namespace quantc::onnx_ir

#endif // QUANTC_DIALECT_ONNX_TENSORFILE_H
