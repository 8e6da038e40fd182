//===- KernelBody.cpp - What a kernel's body is made from -------*- C++ -*-===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "quantc/Dialect/QKernel/KernelBody.h"
#include "quantc/Dialect/ONNX/MathEmitter.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;
using namespace quantc::qkernel;

//===----------------------------------------------------------------------===//
// Types
//===----------------------------------------------------------------------===//

Type quantc::qkernel::kernelElementType(Type elementType) {
  if (auto integer = dyn_cast<IntegerType>(elementType))
    return IntegerType::get(integer.getContext(),
                            std::max(8u, integer.getWidth()));
  if (isa<FloatType>(elementType) && elementType.getIntOrFloatBitWidth() <= 8)
    return IntegerType::get(elementType.getContext(), 8);
  return elementType;
}

MemRefType quantc::qkernel::kernelMemRefType(RankedTensorType type) {
  return MemRefType::get(type.getShape(),
                         kernelElementType(type.getElementType()));
}

RankedTensorType quantc::qkernel::tensorType(Value value) {
  return dyn_cast<RankedTensorType>(value.getType());
}

ArrayRef<StringLiteral> quantc::qkernel::checkTexts() {
  static constexpr StringLiteral kTexts[] = {
      "index %a is outside a table of %b rows",
      "the inputs' values make dimension %b of a tensor %a long",
      "the inputs' values make a tensor of more than %b elements",
      "axis %a is out of range for a tensor of rank %b",
      "an element of a sequence has a dimension of %a where %b are needed"};
  return kTexts;
}

//===----------------------------------------------------------------------===//
// Values
//===----------------------------------------------------------------------===//

Value KernelBody::index(int64_t value) {
  return arith::ConstantIndexOp::create(builder, loc, value);
}

Value KernelBody::constant(TypedAttr value) {
  return arith::ConstantOp::create(builder, loc, value);
}

Value KernelBody::f32(float value) {
  return constant(builder.getF32FloatAttr(value));
}

Value KernelBody::i32(int32_t value) {
  return constant(builder.getI32IntegerAttr(value));
}

Value KernelBody::dim(Value memref, int64_t dim) {
  auto type = cast<MemRefType>(memref.getType());
  if (!type.isDynamicDim(dim))
    return index(type.getDimSize(dim));
  return memref::DimOp::create(builder, loc, memref, dim);
}

Value KernelBody::product(Value memref, int64_t from, int64_t to) {
  Value result = index(1);
  for (int64_t i = from; i < to; ++i)
    result = mul(result, dim(memref, i));
  return result;
}

// createOrFold, so that static shapes give constants.

Value KernelBody::add(Value a, Value b) {
  return builder.createOrFold<arith::AddIOp>(loc, a, b);
}

Value KernelBody::sub(Value a, Value b) {
  return builder.createOrFold<arith::SubIOp>(loc, a, b);
}

Value KernelBody::mul(Value a, Value b) {
  return builder.createOrFold<arith::MulIOp>(loc, a, b);
}

Value KernelBody::minimum(Value a, Value b) {
  return builder.createOrFold<arith::MinUIOp>(loc, a, b);
}

Value KernelBody::ceilDiv(Value a, int64_t b) {
  if (b == 1)
    return a;
  return builder.createOrFold<arith::CeilDivUIOp>(loc, a, index(b));
}

//===----------------------------------------------------------------------===//
// Work and loops
//===----------------------------------------------------------------------===//

std::pair<Value, Value> KernelBody::share(Value total, int64_t grain) {
  if (!fast)
    return {index(0), total};
  // Every thread takes as many grains as the largest share has; the last
  // threads may be left with fewer or none.
  Value grains = ceilDiv(total, grain);
  Value each = arith::CeilDivUIOp::create(builder, loc, grains, threads);
  Value size = mul(each, index(grain));
  Value lo = minimum(mul(thread, size), total);
  Value hi = minimum(add(lo, size), total);
  return {lo, hi};
}

void KernelBody::loop(Value lo, Value hi, int64_t step,
                      llvm::function_ref<void(Value)> body) {
  loop(lo, hi, step, {}, [&](Value iv, ValueRange) {
    body(iv);
    return SmallVector<Value>();
  });
}

SmallVector<Value> KernelBody::loop(
    Value lo, Value hi, int64_t step, ValueRange init,
    llvm::function_ref<SmallVector<Value>(Value, ValueRange)> body) {
  auto loop = scf::ForOp::create(builder, loc, lo, hi, index(step), init);
  // Without carried values the builder has put a terminator there.
  Block *block = loop.getBody();
  if (block->mightHaveTerminator())
    block->getTerminator()->erase();
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPointToEnd(block);
  SmallVector<Value> next =
      body(loop.getInductionVar(), loop.getRegionIterArgs());
  scf::YieldOp::create(builder, loc, next);
  return llvm::to_vector(ValueRange(loop.getResults()));
}

//===----------------------------------------------------------------------===//
// Views
//===----------------------------------------------------------------------===//

/// A view of rank 0 or 1 with leading dimensions of 1 put before it.
static Value expand(KernelBody &body, Value memref, int64_t rank) {
  auto type = cast<MemRefType>(memref.getType());
  SmallVector<int64_t> shape(rank - type.getRank(), 1);
  SmallVector<OpFoldResult> sizes(shape.size(), body.builder.getIndexAttr(1));
  SmallVector<ReassociationIndices> groups;
  if (type.getRank() == 1) {
    shape.push_back(type.getDimSize(0));
    sizes.push_back(type.isDynamicDim(0)
                        ? OpFoldResult(body.dim(memref, 0))
                        : body.builder.getIndexAttr(type.getDimSize(0)));
    groups.push_back(llvm::to_vector(llvm::seq<int64_t>(0, rank)));
  }
  auto expanded = MemRefType::get(shape, type.getElementType());
  return memref::ExpandShapeOp::create(body.builder, body.loc, expanded, memref,
                                       groups, sizes);
}

/// A view with the dimensions of each group as one. The type is stated, since
/// MLIR infers a group of `? x 0` as 0, which its verifier then rejects.
static Value collapse(KernelBody &body, Value memref,
                      ArrayRef<ReassociationIndices> groups) {
  auto type = cast<MemRefType>(memref.getType());
  SmallVector<int64_t> shape;
  for (const ReassociationIndices &group : groups) {
    int64_t size = 1;
    for (int64_t axis : group)
      size = size == ShapedType::kDynamic || type.isDynamicDim(axis)
                 ? ShapedType::kDynamic
                 : size * type.getDimSize(axis);
    shape.push_back(size);
  }
  return memref::CollapseShapeOp::create(
      body.builder, body.loc, MemRefType::get(shape, type.getElementType()),
      memref, groups);
}

Value KernelBody::flatten(Value memref) {
  int64_t rank = cast<MemRefType>(memref.getType()).getRank();
  if (rank == 1)
    return memref;
  if (rank == 0)
    return expand(*this, memref, 1);
  SmallVector<ReassociationIndices> groups{
      llvm::to_vector(llvm::seq<int64_t>(0, rank))};
  return collapse(*this, memref, groups);
}

Value KernelBody::asRows(Value memref) {
  int64_t rank = cast<MemRefType>(memref.getType()).getRank();
  if (rank == 2)
    return memref;
  if (rank < 2)
    return expand(*this, memref, 2);
  SmallVector<ReassociationIndices> groups{
      llvm::to_vector(llvm::seq<int64_t>(0, rank - 1)), {rank - 1}};
  return collapse(*this, memref, groups);
}

//===----------------------------------------------------------------------===//
// Floats
//===----------------------------------------------------------------------===//

static Value pick(KernelBody &body, arith::CmpFPredicate predicate, Value a,
                  Value b) {
  Value condition =
      arith::CmpFOp::create(body.builder, body.loc, predicate, a, b);
  return arith::SelectOp::create(body.builder, body.loc, condition, a, b);
}

Value KernelBody::larger(Value a, Value b) {
  return pick(*this, arith::CmpFPredicate::OGT, a, b);
}

Value KernelBody::smaller(Value a, Value b) {
  return pick(*this, arith::CmpFPredicate::OLT, a, b);
}

Value KernelBody::exp(Value x) {
  return quantc::onnx_ir::MathEmitter(builder, loc, x.getType()).exp(x);
}
