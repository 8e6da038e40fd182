//===- Requirements.cpp - What verifiers of qgraph ask of operands --------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Requirements.h"

#include "quantc/Dialect/QGraph/Shapes.h"

using namespace mlir;
using namespace quantc;
using namespace quantc::qgraph;

namespace quantc::qgraph::requirements {

//===----------------------------------------------------------------------===//
// Shapes and types in general
//===----------------------------------------------------------------------===//

RankedTensorType typeOf(Value tensor) {
  return cast<RankedTensorType>(tensor.getType());
}
ArrayRef<int64_t> shapeOf(Value tensor) { return typeOf(tensor).getShape(); }
Type elementOf(Value tensor) { return typeOf(tensor).getElementType(); }

std::string str(ArrayRef<int64_t> shape) {
  std::string text;
  llvm::raw_string_ostream os(text);
  os << '[';
  llvm::interleaveComma(shape, os, [&](int64_t extent) {
    if (ShapedType::isDynamic(extent))
      os << '?';
    else
      os << extent;
  });
  os << ']';
  return text;
}

bool agree(int64_t a, int64_t b) {
  return a == b || ShapedType::isDynamic(a) || ShapedType::isDynamic(b);
}
bool agree(ArrayRef<int64_t> a, ArrayRef<int64_t> b) {
  return a.size() == b.size() &&
         llvm::all_of(llvm::zip_equal(a, b), [](auto p) {
           return agree(std::get<0>(p), std::get<1>(p));
         });
}

bool broadcasts(ArrayRef<int64_t> from, ArrayRef<int64_t> to) {
  if (from.size() > to.size())
    return false;
  for (auto [a, b] : llvm::zip_equal(from, to.take_back(from.size())))
    if (a != 1 && !agree(a, b))
      return false;
  return true;
}

bool isReal(Type type) {
  return isa<Float32Type, Float16Type, BFloat16Type>(type);
}

LogicalResult requireShape(Operation *op, StringRef what, Value tensor,
                           ArrayRef<int64_t> wanted) {
  if (agree(shapeOf(tensor), wanted))
    return success();
  return op->emitOpError() << what << " has shape " << str(shapeOf(tensor))
                           << ", but must have " << str(wanted);
}

LogicalResult requireRank(Operation *op, StringRef what, Value tensor,
                          int64_t rank, StringRef layout) {
  if (typeOf(tensor).getRank() == rank)
    return success();
  return op->emitOpError() << what << " has shape " << str(shapeOf(tensor))
                           << ", but must have rank " << rank << " " << layout;
}

LogicalResult requireReal(Operation *op, StringRef what, Value tensor) {
  if (isReal(elementOf(tensor)))
    return success();
  return op->emitOpError() << what << " has element type " << elementOf(tensor)
                           << ", but must be f32, f16 or bf16";
}

LogicalResult requireSameElement(Operation *op, StringRef what, Value a,
                                 StringRef other, Value b) {
  if (elementOf(a) == elementOf(b))
    return success();
  return op->emitOpError() << what << " has element type " << elementOf(a)
                           << ", but " << other << " has " << elementOf(b);
}

LogicalResult verifyBlock(Operation *op, StringRef name,
                          ArrayRef<int64_t> block, Value tensor) {
  ArrayRef<int64_t> shape = shapeOf(tensor);
  if (block.size() != shape.size())
    return op->emitOpError() << name << " has " << block.size()
                             << " entries for a tensor of shape " << str(shape);
  for (int64_t size : block)
    if (size < 0)
      return op->emitOpError()
             << name << " " << str(block) << " has a negative entry";
  return success();
}

LogicalResult requireScaleShape(Operation *op, StringRef what, Value scale,
                                Value tensor, ArrayRef<int64_t> block) {
  SmallVector<int64_t> wanted = getScaleShape(shapeOf(tensor), block);
  if (agree(shapeOf(scale), wanted))
    return success();
  return op->emitOpError() << what << " has shape " << str(shapeOf(scale))
                           << ", but " << str(shapeOf(tensor)) << " in blocks "
                           << str(block) << " needs " << str(wanted);
}

LogicalResult verifyScaleElement(Operation *op, StringRef what, Value scale) {
  Type type = elementOf(scale);
  if (isReal(type) || isa<Float8E8M0FNUType, Float8E4M3FNType>(type))
    return success();
  return op->emitOpError() << what << " has element type " << type
                           << ", but must be f32, f16, bf16, f8E8M0FNU or "
                              "f8E4M3FN";
}

LogicalResult verifyScale(Operation *op, StringRef what, Value scale,
                          Value tensor, ArrayRef<int64_t> block) {
  if (failed(verifyScaleElement(op, what, scale)))
    return failure();
  return requireScaleShape(op, what, scale, tensor, block);
}

LogicalResult verifyStored(Operation *op, StringRef what, Type type) {
  if (isStoredType(type))
    return success();
  return op->emitOpError()
         << what << " has element type " << type
         << ", which is no stored type: si or ui of 1 to 8, 16 or 32 bits, or "
            "a float of at most 16 bits";
}

LogicalResult verifyZeroPoint(Operation *op, StringRef what, Value zeroPoint,
                              Value tensor, ArrayRef<int64_t> block,
                              Type stored) {
  if (elementOf(zeroPoint) != stored)
    return op->emitOpError()
           << what << " has element type " << elementOf(zeroPoint)
           << ", but the stored type is " << stored;
  if (!isa<IntegerType>(stored))
    return op->emitOpError()
           << what << " needs an integer stored type, not " << stored;
  return requireScaleShape(op, what, zeroPoint, tensor, block);
}

} // namespace quantc::qgraph::requirements
