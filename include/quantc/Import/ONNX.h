//===- ONNX.h - Import of ONNX models ---------------------------*- C++ -*-===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef QUANTC_IMPORT_ONNX_H
#define QUANTC_IMPORT_ONNX_H

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"

namespace quantc {

struct ImportONNXOptions {
  /// Build operators of domains without schemas too. Those of com.microsoft
  /// are always built: what is known of them is with the passes.
  bool allowUnknownOps = false;
};

/// Reads an ONNX model, checks it and builds one operation a node; decides
/// nothing. `path` is the model, binary, or in ONNX's text syntax if it ends in
/// `.onnxtxt`; external data is looked for beside it, mapped and not copied
/// (except data at an offset that does not suit its element type).
///
/// The module holds `func.func @main` with an argument for each graph input
/// that is not an initializer and a result for each output. Their attributes
/// are `onnx.name` and, for a ranked tensor, `onnx.dims`: the names of the
/// dimensions, "" for one that is static or has none. The function has
/// `onnx.graph` (its name), the module `onnx.opset` (a dictionary, `ai.onnx`
/// for the standard domain), `onnx.ir_version` and `onnx.producer`.
///
/// Tensors of more than 64 elements become entries of the overlay of new
/// weights
/// (`WeightStores::kNew`) under their names, smaller ones `dense`. An
/// initializer that is also an input, which a caller might override, is a
/// constant. Model- local functions are built where they are called. Result
/// types are those that inference and the file give, `!onnx.unknown` where
/// neither does.
///
/// Errors go to the context's diagnostics, all that are found, each with the
/// node or tensor in its text and as its location.
mlir::FailureOr<mlir::OwningOpRef<mlir::ModuleOp>>
importONNX(llvm::StringRef path, mlir::MLIRContext &context,
           const ImportONNXOptions &options = {});

} // namespace quantc

#endif // QUANTC_IMPORT_ONNX_H
