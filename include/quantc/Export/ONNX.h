//===- ONNX.h - Export of models to ONNX ------------------------*- C++ -*-===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef QUANTC_EXPORT_ONNX_H
#define QUANTC_EXPORT_ONNX_H

#include "mlir/IR/BuiltinOps.h"

#include <cstdint>
#include <optional>
#include <string>

namespace quantc {

struct ExportONNXOptions {
  /// Where the model is going to be; weights in a file of their own go to
  /// `<path>.data`. Empty: nowhere in particular, so that weights cannot.
  std::string path;
  /// Weights of more bytes than this, all together, go to a file of their own.
  uint64_t externalDataAbove = uint64_t(64) << 20;
  /// The least version of the standard operators.
  int64_t opset = 21;
  /// Layers with weights of 2, 4 or 8 bits in groups become `MatMulNBits` of
  /// com.microsoft instead of `DequantizeLinear` and `MatMul`.
  bool matMulNBits = false;
};

/// Writes the one public function of the module as an ONNX model: `onnx.node`s
/// as the importer or the walk made them, and qgraph ops, fused ones too.
///
/// Quantization is written as `QuantizeLinear` and `DequantizeLinear` (per
/// tensor, per axis, in blocks) where ONNX has such; scales that are found at
/// run time as `DynamicQuantizeLinear` or elementwise operators. The opset is
/// the least from `opset` on that has all operators, attributes and types, or
/// the one that the module was imported with if that will do.
///
/// Graph inputs, outputs, nodes and weights keep their names; other values have
/// none in the IR and get some. A transposed weight (`<name>@transpose`) is
/// transposed back. What the walk requires of the inputs' dimensions
/// (`qgraph.require`, `onnx.checks`) cannot be said in ONNX and is left out.
///
/// Errors go to the context's diagnostics, one for each op that has no ONNX
/// form, with its name and location. `model` gets the bytes of the file.
mlir::LogicalResult exportONNX(mlir::ModuleOp module,
                               const ExportONNXOptions &options,
                               std::string &model);

} // namespace quantc

#endif // QUANTC_EXPORT_ONNX_H
