//===- Kernels.h - The fast kernels, one function each ----------*- C++ -*-===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef QUANTC_CONVERSION_QGRAPHTOQKERNEL_KERNELS_H
#define QUANTC_CONVERSION_QGRAPHTOQKERNEL_KERNELS_H

#include "quantc/Dialect/QKernel/QKernelDialect.h"

namespace quantc::qkernel {

// qkernel.linear (LinearKernel.cpp). `rows` is the number of rows of the input.
std::string linearKernelName(LinearOp op);
llvm::LogicalResult canEmitLinear(LinearOp op, std::string &why);
llvm::LogicalResult emitLinear(LinearOp op, KernelBody &body);
mlir::Value linearScratchBytes(LinearOp op, mlir::OpBuilder &builder,
                               mlir::Value rows);

// qkernel.conv (ConvKernel.cpp, DepthwiseKernel.cpp).
std::string convKernelName(ConvOp op);
llvm::LogicalResult canEmitConv(ConvOp op, std::string &why);
void emitConv(ConvOp op, KernelBody &body);
void emitDepthwiseConv(ConvOp op, KernelBody &body);
mlir::Value convScratchBytes(ConvOp op, mlir::OpBuilder &builder);

// Ops that work row by row, alone or in a qgraph.rows (RowsKernel.cpp).
bool canEmitRows(mlir::Operation *op);
void emitRows(mlir::Operation *op, KernelBody &body);
mlir::Value rowsScratchBytes(mlir::Operation *op, mlir::OpBuilder &builder);

// quantize and dequantize with one scale (FlatKernel.cpp).
bool canEmitFlat(qgraph::QuantizeOp op);
bool canEmitFlat(qgraph::DequantizeOp op);
void emitFlat(qgraph::QuantizeOp op, KernelBody &body);
void emitFlat(qgraph::DequantizeOp op, KernelBody &body);

// What quantize and dequantize read and write in vectors (StoredElements.cpp).
// Integers and floats of up to 16 bits are stored values.
bool isLaneStored(mlir::Type element);
/// f32, f16 and bf16.
bool isLaneReal(mlir::Type element);
/// An element, or lanes, of a float type as f32, and back. `saturate` is for
/// the types of up to 8 bits.
mlir::Value realFrom(KernelBody &body, mlir::Value x, mlir::Type element);
mlir::Value realTo(KernelBody &body, mlir::Value x, mlir::Type element,
                   bool saturate = true);
/// f32 rounded to `precision`, if there is one.
mlir::Value realRounded(KernelBody &body, mlir::Value x,
                        std::optional<mlir::Type> precision);

// choose_params in vectors (ParamsKernel.cpp): whether its formula and types
// are known; scale and zero point (null for a symmetric one) from the extrema,
// 0 included; with one scale for the whole tensor.
bool canFindScale(qgraph::ChooseParamsOp op);
std::pair<mlir::Value, mlir::Value> scaleAndZeroPoint(qgraph::ChooseParamsOp op,
                                                      KernelBody &body,
                                                      mlir::Value lo,
                                                      mlir::Value hi);
bool canEmitWholeParams(qgraph::ChooseParamsOp op);
void emitWholeParams(qgraph::ChooseParamsOp op, KernelBody &body);

// qgraph.attention in f32 (AttentionKernel.cpp).
bool canEmitAttention(qgraph::AttentionOp op);
void emitAttention(qgraph::AttentionOp op, KernelBody &body);
mlir::Value attentionScratchBytes(qgraph::AttentionOp op,
                                  mlir::OpBuilder &builder);

// qgraph.matmul in f32 (MatmulKernel.cpp), on stored values
// (QuantizedMatmulKernel.cpp).
bool canEmitMatmul(qgraph::MatmulOp op);
void emitMatmul(qgraph::MatmulOp op, KernelBody &body);
mlir::Value matmulScratchBytes(qgraph::MatmulOp op, mlir::OpBuilder &builder);
bool canEmitQuantizedMatmul(qgraph::QuantizedMatmulOp op);
void emitQuantizedMatmul(qgraph::QuantizedMatmulOp op, KernelBody &body);
mlir::Value quantizedMatmulScratchBytes(qgraph::QuantizedMatmulOp op,
                                        mlir::OpBuilder &builder);
/// Which matrix of `memref` (its last two dimensions) belongs to matrix `batch`
/// of `output`; the leading dimensions of `memref` may be 1 or missing.
mlir::Value batchIndex(KernelBody &body, mlir::Value memref, mlir::Value output,
                       mlir::Value batch);

} // namespace quantc::qkernel

#endif // QUANTC_CONVERSION_QGRAPHTOQKERNEL_KERNELS_H
