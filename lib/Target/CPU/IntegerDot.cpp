//===- IntegerDot.cpp - What the levels share -----------------------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "TileDot.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;

namespace quantc::cpu {

std::pair<Value, Value> IntegerDot::widenPairs(Value pairs, bool isSigned) {
  Type wide = pairs.getType();
  Value eight = splat(wide, 8);
  if (!isSigned)
    return {arith::AndIOp::create(builder, loc, pairs, splat(wide, 0xff)),
            arith::ShRUIOp::create(builder, loc, pairs, eight)};
  Value even = arith::ShRSIOp::create(
      builder, loc, arith::ShLIOp::create(builder, loc, pairs, eight), eight);
  return {even, arith::ShRSIOp::create(builder, loc, pairs, eight)};
}

VectorType IntegerDot::vec(int64_t lanes, unsigned bits) {
  return VectorType::get({lanes}, builder.getIntegerType(bits));
}

Value IntegerDot::intrinsic(StringRef name, Type result, ValueRange operands) {
  return LLVM::CallIntrinsicOp::create(builder, loc, result,
                                       builder.getStringAttr(name), operands)
      .getResult(0);
}

Value IntegerDot::bitcast(Type type, Value value) {
  return vector::BitCastOp::create(builder, loc, cast<VectorType>(type), value);
}

Value IntegerDot::splat(Type type, Value scalar) {
  return vector::BroadcastOp::create(builder, loc, type, scalar);
}

Value IntegerDot::splat(Type type, int64_t value) {
  auto vector = cast<VectorType>(type);
  Attribute element = builder.getIntegerAttr(vector.getElementType(), value);
  return arith::ConstantOp::create(builder, loc,
                                   DenseElementsAttr::get(vector, element));
}

Value IntegerDot::slice(Value vector, int64_t begin, int64_t size) {
  return vector::ExtractStridedSliceOp::create(
      builder, loc, vector, ArrayRef<int64_t>{begin}, ArrayRef<int64_t>{size},
      ArrayRef<int64_t>{1});
}

Value IntegerDot::concat(ValueRange parts) {
  SmallVector<Value> values(parts);
  while (values.size() > 1) {
    SmallVector<Value> next;
    for (size_t i = 0; i < values.size(); i += 2) {
      int64_t lanes = cast<VectorType>(values[i].getType()).getNumElements();
      SmallVector<int64_t> mask =
          llvm::to_vector(llvm::seq<int64_t>(0, 2 * lanes));
      next.push_back(vector::ShuffleOp::create(builder, loc, values[i],
                                               values[i + 1], mask));
    }
    values = next;
  }
  return values[0];
}

Value UnsignedNibbleDot::lowNibbles(Value bytes) {
  return arith::AndIOp::create(builder, loc, bytes,
                               splat(bytes.getType(), 0x0f));
}

/// The shift is of 16-bit lanes: LLVM makes an 8-bit one a vgf2p8affineqb.
Value UnsignedNibbleDot::highNibbles(Value bytes) {
  Type wide = vec(32, 16);
  Value shifted = arith::ShRUIOp::create(builder, loc, bitcast(wide, bytes),
                                         splat(wide, 4));
  return lowNibbles(bitcast(bytes.getType(), shifted));
}

Value SignedNibbleDot::lowNibbles(Value bytes) {
  Value four = splat(bytes.getType(), 4);
  return arith::ShRSIOp::create(
      builder, loc, arith::ShLIOp::create(builder, loc, bytes, four), four);
}

Value SignedNibbleDot::highNibbles(Value bytes) {
  return arith::ShRSIOp::create(builder, loc, bytes, splat(bytes.getType(), 4));
}

} // namespace quantc::cpu
