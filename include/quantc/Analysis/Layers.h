//===- Layers.h - What passes ask about layers ------------------*- C++ -*-===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef QUANTC_ANALYSIS_LAYERS_H
#define QUANTC_ANALYSIS_LAYERS_H

#include "quantc/Dialect/QGraph/QGraphDialect.h"
#include <string>

namespace quantc {

/// The name a user knows an op by: its `name` attribute (the ONNX node's), else
/// the name in its location; empty if there is none.
llvm::StringRef getLayerName(mlir::Operation *op);

/// How messages call an op: `'encoder/fc1' (qgraph.linear)`, `onnx.node
/// "Reshape"`, or `qgraph.linear` where there is no name.
std::string describeOp(mlir::Operation *op);

/// What makes a value, for messages: describeOp of its defining op, or
/// `argument #i`.
std::string describeValue(mlir::Value value);

/// Why the elements behind a `dequantize` cannot take part in an integer sum (a
/// codebook, an offset, a float stored type, more than 8 bits, rounding to
/// `precision`, a result other than f32); empty if they can.
std::string whyNotInteger(qgraph::DequantizeOp op);

/// True if every index of this dimension has its own scale.
bool isPerIndex(mlir::RankedTensorType type, llvm::ArrayRef<int64_t> block,
                unsigned dim);

/// True if the whole dimension shares a scale.
bool isWhole(mlir::RankedTensorType type, llvm::ArrayRef<int64_t> block,
             unsigned dim);

} // namespace quantc

#endif // QUANTC_ANALYSIS_LAYERS_H
