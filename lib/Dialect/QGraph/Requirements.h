//===- Requirements.h - What verifiers of qgraph ask of operands -*- C++
//-*-===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef QUANTC_LIB_DIALECT_QGRAPH_REQUIREMENTS_H
#define QUANTC_LIB_DIALECT_QGRAPH_REQUIREMENTS_H

#include "quantc/Dialect/QGraph/QGraphDialect.h"

namespace quantc::qgraph::requirements {

using llvm::ArrayRef;
using llvm::LogicalResult;
using llvm::StringRef;
using mlir::Operation;
using mlir::RankedTensorType;
using mlir::Type;
using mlir::Value;

// Of a ranked tensor.
RankedTensorType typeOf(Value tensor);

ArrayRef<int64_t> shapeOf(Value tensor);

Type elementOf(Value tensor);

/// A shape in messages: [4, ?].
std::string str(ArrayRef<int64_t> shape);

/// A dynamic dimension agrees with every other.
bool agree(int64_t a, int64_t b);

bool agree(ArrayRef<int64_t> a, ArrayRef<int64_t> b);

/// True if `from` broadcasts to `to`, as ONNX does it: aligned at the right.
bool broadcasts(ArrayRef<int64_t> from, ArrayRef<int64_t> to);

/// f32, f16 or bf16.
bool isReal(Type type);

// Each of the following reports an error of `op`, in which the operand is
// called `what`, or succeeds.

LogicalResult requireShape(Operation *op, StringRef what, Value tensor,
                           ArrayRef<int64_t> wanted);

LogicalResult requireRank(Operation *op, StringRef what, Value tensor,
                          int64_t rank, StringRef layout);

LogicalResult requireReal(Operation *op, StringRef what, Value tensor);

LogicalResult requireSameElement(Operation *op, StringRef what, Value a,
                                 StringRef other, Value b);

LogicalResult verifyBlock(Operation *op, StringRef name,
                          ArrayRef<int64_t> block, Value tensor);

LogicalResult requireScaleShape(Operation *op, StringRef what, Value scale,
                                Value tensor, ArrayRef<int64_t> block);

LogicalResult verifyScaleElement(Operation *op, StringRef what, Value scale);

LogicalResult verifyScale(Operation *op, StringRef what, Value scale,
                          Value tensor, ArrayRef<int64_t> block);

LogicalResult verifyStored(Operation *op, StringRef what, Type type);

LogicalResult verifyZeroPoint(Operation *op, StringRef what, Value zeroPoint,
                              Value tensor, ArrayRef<int64_t> block,
                              Type stored);

} // namespace quantc::qgraph::requirements

#endif // QUANTC_LIB_DIALECT_QGRAPH_REQUIREMENTS_H
