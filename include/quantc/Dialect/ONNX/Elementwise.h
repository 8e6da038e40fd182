//===- Elementwise.h - The table of elementwise operators -------*- C++ -*-===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef QUANTC_DIALECT_ONNX_ELEMENTWISE_H
#define QUANTC_DIALECT_ONNX_ELEMENTWISE_H

#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/Value.h"

namespace quantc::onnx_ir {

/// What an elementwise operator does to a factor on the channels of its first
/// operand: f(s x, y) = s f(x, y) for every s (`Any`), for positive s
/// (`Positive`); or only if all operands of the result's type have it,
/// f(s x, s y) = s f(x, y) (`Joint`, `JointPositive`); or not at all (`None`).
enum class ChannelEffect { Any, Positive, Joint, JointPositive, None };

/// One operator. `build` makes the operation on scalars or on vectors of any
/// shape (all operands and the result have the same shape); the elements have
/// the type that `valueType` gives, and `types` holds the tensor element types
/// with their sign, operands first, then the result. An absent optional operand
/// is a null value with a null type. `attributes` (the node's own) may be null:
/// every attribute has its default then.
///
/// The semantics are ONNX's. Integers wrap; dividing an integer by zero gives
/// 0. f16 and bf16 are computed in f32 and rounded once.
struct ElementwiseOp {
  llvm::StringLiteral name;
  unsigned operands; // the first so many inputs; 0: all (folded pairwise from
                     // the left)
  mlir::Value (*build)(mlir::OpBuilder &, mlir::Location,
                       mlir::ValueRange operands,
                       llvm::ArrayRef<mlir::Type> types,
                       mlir::DictionaryAttr attributes);
  ChannelEffect effect;
  /// True if the row handles operands of these element types.
  bool (*accepts)(llvm::ArrayRef<mlir::Type> types);
};

/// What one element of this tensor element type is in `build`: floats of 16
/// bits and more as they are, integers without sign, BOOL as `i1`; what is
/// below a byte and the small floats as an `i8` (sign-extended, resp. the
/// code), which only Where and Cast accept.
mlir::Type valueType(mlir::Type elementType);

/// The row of this ONNX operator, or null.
const ElementwiseOp *lookupElementwise(llvm::StringRef opType);
llvm::ArrayRef<ElementwiseOp> elementwiseTable();

} // namespace quantc::onnx_ir

#endif // QUANTC_DIALECT_ONNX_ELEMENTWISE_H
