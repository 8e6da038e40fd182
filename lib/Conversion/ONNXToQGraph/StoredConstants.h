//===- StoredConstants.h - Constants of stored values -----------*- C++ -*-===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Reading constants of quantized models, and making the form of them that
// qgraph has. Large ones are entries of the store, as everywhere.
//
//===----------------------------------------------------------------------===//

#ifndef QUANTC_LIB_CONVERSION_ONNXTOQGRAPH_STOREDCONSTANTS_H
#define QUANTC_LIB_CONVERSION_ONNXTOQGRAPH_STOREDCONSTANTS_H

#include "Walk.h"
#include "quantc/Analysis/ConstantTensor.h"

namespace quantc::onnx_to_qgraph {

/// True for a constant of numbers (integers of up to 32 bits, or floats) that
/// all equal `number`.
bool isUniform(mlir::Value value, double number);

/// A new constant of integers of up to 8 bits; `code(i)` is the element at i in
/// row-major order. Null, with an error, where it cannot be kept.
mlir::Value newIntegers(Walk &walk, mlir::RankedTensorType type,
                        llvm::StringRef name,
                        llvm::function_ref<int32_t(int64_t)> code);

/// The bytes of a constant as integers of 2, 4 or 8 bits, packed as `type` is;
/// shared where the constant is an entry of a store. Null, with an error, where
/// it cannot be kept.
mlir::Value sharedIntegers(Walk &walk, mlir::Value bytes,
                           mlir::RankedTensorType type, llvm::StringRef name);

/// Dequantized constants in another shape, where that can be said of what they
/// are stored as: with one scale for all, or where the last two dimensions are
/// merged and were groups, [.., G, B] with a scale for each of G. Null if not.
mlir::Value reshapedStored(Walk &walk, mlir::Value value,
                           llvm::ArrayRef<int64_t> shape);

/// A new constant of f32, f16 or bf16.
mlir::Value newReals(Walk &walk, mlir::RankedTensorType type,
                     llvm::StringRef name, llvm::ArrayRef<float> values);

/// A constant of f16 or bf16 widened to f32; others, and values that are no
/// constants, as Walk::convert has them.
TensorInfo widened(Walk &walk, TensorInfo &info);

} // namespace quantc::onnx_to_qgraph

#endif // QUANTC_LIB_CONVERSION_ONNXTOQGRAPH_STOREDCONSTANTS_H
