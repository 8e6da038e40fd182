//===- CustomSchemas.h - Operators of other domains -------------*- C++ -*-===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef QUANTC_DIALECT_ONNX_CUSTOMSCHEMAS_H
#define QUANTC_DIALECT_ONNX_CUSTOMSCHEMAS_H

#include "onnx/defs/schema.h"
#include "llvm/Support/Error.h"

namespace quantc::onnx_ir {

/// Adds an operator to ONNX's registry: from then on models that use it are
/// checked and typed by its schema, and it is replaced by the schema's function
/// body if there is one. The schema needs a name, a domain and a version; its
/// inference function makes the results' types known, which they must be where
/// they are used. An error says what is wrong with it, or that there is one of
/// that name, domain and version already.
llvm::Error addSchema(onnx::OpSchema schema);

} // namespace quantc::onnx_ir

#endif // QUANTC_DIALECT_ONNX_CUSTOMSCHEMAS_H
