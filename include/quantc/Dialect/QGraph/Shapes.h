//===- Shapes.h - Dimensions and formats of tensors -------------*- C++ -*-===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef QUANTC_DIALECT_QGRAPH_SHAPES_H
#define QUANTC_DIALECT_QGRAPH_SHAPES_H

#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Operation.h"
#include "quantc/Numerics/Formats.h"

#include <optional>

namespace quantc::qgraph {

class StepAttr;

/// The dimensions of a ranked tensor: an index attribute where static,
/// otherwise an index value. Goes back through the ops that made the tensor, by
/// their reified shapes, to the block arguments, where it emits `tensor.dim`.
/// New ops stand at the builder's insertion point, which the arguments and the
/// `dims` operands on the way must dominate.
llvm::SmallVector<mlir::OpFoldResult> getDims(mlir::OpBuilder &builder,
                                              mlir::Value tensor);

/// The dimensions [B, heads, T, size] of a cache as a tensor: B and T go back
/// to what it was loaded from and what was appended.
llvm::SmallVector<mlir::OpFoldResult> getCacheDims(mlir::OpBuilder &builder,
                                                   mlir::Value cache);

/// One dimension of the same.
mlir::OpFoldResult getDim(mlir::OpBuilder &builder, mlir::Value tensor,
                          int64_t dim);

/// A dimension as an index value; emits `arith.constant` for an attribute.
mlir::Value getIndexValue(mlir::OpBuilder &builder, mlir::Location loc,
                          mlir::OpFoldResult dim);

/// The stored or real format of an element type (`si4`, `f8E4M3FN`, `f32`);
/// none for types that are no format, such as signless integers and `si64`.
std::optional<numerics::Format> getFormat(mlir::Type elementType);

/// True for what quantized values are stored as: integers of 1 to 8, 16 and 32
/// bits with a sign, and floats of at most 16 bits.
bool isStoredType(mlir::Type elementType);

/// The shape of the scales of a tensor (see `qgraph.quantize`): ceil(D/B), 1
/// for a block of 0, dynamic for a dynamic dimension in blocks.
llvm::SmallVector<int64_t> getScaleShape(llvm::ArrayRef<int64_t> shape,
                                         llvm::ArrayRef<int64_t> block);

/// The extent of a convolution along one spatial dimension: floor((extent +
/// before + after - reach) / stride) + 1 with reach = (taps - 1) * dilation +
/// 1, 0 for an image that is too small; dynamic where `extent` or `taps` is.
int64_t convExtent(int64_t extent, int64_t taps, int64_t stride,
                   int64_t dilation, int64_t before, int64_t after);

/// Checks an epilogue that is applied to `result`: every step is a row of the
/// elementwise table with the right number of operands or quantizes, and every
/// operand broadcasts to `result`.
llvm::LogicalResult verifyEpilogue(mlir::Operation *op,
                                   mlir::ArrayAttr epilogue,
                                   mlir::ValueRange operands,
                                   mlir::Value result);

/// The last step of an epilogue if it is `Quantize`, else null.
StepAttr quantizeStep(mlir::ArrayAttr epilogue);

} // namespace quantc::qgraph

#endif // QUANTC_DIALECT_QGRAPH_SHAPES_H
