//===- ElementwiseRow.h - What the builders of the table work on -*- C++
//-*-===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef QUANTC_LIB_DIALECT_ONNX_ELEMENTWISEROW_H
#define QUANTC_LIB_DIALECT_ONNX_ELEMENTWISEROW_H

#include "quantc/Dialect/ONNX/Elementwise.h"
#include "quantc/Dialect/ONNX/MathEmitter.h"

namespace quantc::onnx_ir {

/// One row being built on its operands. `m`'s shape is that of all of them.
struct Row {
  MathEmitter m;
  llvm::SmallVector<mlir::Value> x; // null: an absent optional operand
  llvm::ArrayRef<mlir::Type> types; // of the operands, then of the result
  mlir::DictionaryAttr attributes;

  mlir::Type resultType() const { return types.back(); }
  bool isFloat(unsigned i = 0) const {
    return mlir::isa<mlir::FloatType>(types[i]);
  }
  bool isBool(unsigned i = 0) const { return types[i].isInteger(1); }
  bool isUnsigned(unsigned i = 0) const {
    return types[i].isUnsignedInteger() || isBool(i);
  }

  /// A float, or integer, of the type of the first operand.
  mlir::Value number(double value) const {
    MathEmitter emit = m;
    return isFloat() ? emit.constant(value, x[0].getType())
                     : emit.constantInt(int64_t(value), x[0].getType());
  }
  double real(llvm::StringRef name, double otherwise) const {
    auto a = attributes ? attributes.getAs<mlir::FloatAttr>(name) : nullptr;
    return a ? a.getValueAsDouble() : otherwise;
  }
  int64_t integer(llvm::StringRef name, int64_t otherwise) const {
    auto a = attributes ? attributes.getAs<mlir::IntegerAttr>(name) : nullptr;
    return a ? a.getValue().getSExtValue() : otherwise;
  }
  llvm::StringRef string(llvm::StringRef name,
                         llvm::StringRef otherwise) const {
    auto a = attributes ? attributes.getAs<mlir::StringAttr>(name) : nullptr;
    return a ? a.getValue() : otherwise;
  }
};

/// Rows of floats only, in the files by kind. Operands and results are f32 or
/// f64.
namespace rows {

// ElementwiseArithmetic.cpp: integers and floats.
mlir::Value add(Row &);
mlir::Value sub(Row &);
mlir::Value mul(Row &);
mlir::Value div(Row &);
mlir::Value mod(Row &);
mlir::Value pow(Row &);
mlir::Value min(Row &);
mlir::Value max(Row &);
mlir::Value sum(Row &);
mlir::Value mean(Row &);
mlir::Value neg(Row &);
mlir::Value abs(Row &);
mlir::Value sign(Row &);
mlir::Value relu(Row &);
mlir::Value prelu(Row &);
mlir::Value clip(Row &);

// ElementwiseLogic.cpp: comparisons, selection, bits.
mlir::Value equal(Row &);
mlir::Value less(Row &);
mlir::Value lessOrEqual(Row &);
mlir::Value greater(Row &);
mlir::Value greaterOrEqual(Row &);
mlir::Value bitAnd(Row &);
mlir::Value bitOr(Row &);
mlir::Value bitXor(Row &);
mlir::Value bitNot(Row &);
mlir::Value bitShift(Row &);
mlir::Value where(Row &);
mlir::Value isNaN(Row &);
mlir::Value isInf(Row &);

// ElementwiseFloat.cpp: functions of one float.
mlir::Value sqrt(Row &);
mlir::Value reciprocal(Row &);
mlir::Value exp(Row &);
mlir::Value log(Row &);
mlir::Value erf(Row &);
mlir::Value tanh(Row &);
mlir::Value sigmoid(Row &);
mlir::Value leakyRelu(Row &);
mlir::Value elu(Row &);
mlir::Value selu(Row &);
mlir::Value celu(Row &);
mlir::Value hardSigmoid(Row &);
mlir::Value hardSwish(Row &);
mlir::Value thresholdedRelu(Row &);
mlir::Value softplus(Row &);
mlir::Value softsign(Row &);
mlir::Value gelu(Row &);
mlir::Value swish(Row &);
mlir::Value mish(Row &);
mlir::Value shrink(Row &);
mlir::Value floor(Row &);
mlir::Value ceil(Row &);
mlir::Value round(Row &);
mlir::Value sin(Row &);
mlir::Value cos(Row &);
mlir::Value tan(Row &);
mlir::Value asin(Row &);
mlir::Value acos(Row &);
mlir::Value atan(Row &);
mlir::Value sinh(Row &);
mlir::Value cosh(Row &);
mlir::Value asinh(Row &);
mlir::Value acosh(Row &);
mlir::Value atanh(Row &);

// ElementwiseCast.cpp: gets its operand as it is stored.
mlir::Value cast(Row &);

} // namespace rows

bool acceptsCast(llvm::ArrayRef<mlir::Type> types);

} // namespace quantc::onnx_ir

#endif // QUANTC_LIB_DIALECT_ONNX_ELEMENTWISEROW_H
