//===- Schemas.h - The operators that have schemas --------------*- C++ -*-===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef QUANTC_DIALECT_ONNX_SCHEMAS_H
#define QUANTC_DIALECT_ONNX_SCHEMAS_H

#include <cstdint>
#include <string>
#include <vector>

namespace quantc::onnx_ir {

/// An operator, with all versions that quantc knows.
struct OperatorInfo {
  std::string domain; ///< "": the standard one
  std::string name;
  std::vector<int64_t> versions; ///< ascending
  bool deprecated = false;       ///< the newest version takes it back
  bool hasBody = false;          ///< the newest one has a function body
  /// The types of the first input (without inputs: the first output) in the
  /// newest version, as ONNX writes them: `tensor(float)`.
  std::vector<std::string> types;
};

/// All operators of ONNX and of com.microsoft that have schemas, by domain and
/// name.
std::vector<OperatorInfo> allOperators();

} // namespace quantc::onnx_ir

#endif // QUANTC_DIALECT_ONNX_SCHEMAS_H
