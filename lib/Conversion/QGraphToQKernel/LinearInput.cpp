//===- LinearInput.cpp - What is made of the rows beforehand --------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "LinearKernel.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;

namespace quantc::qkernel {

/// What a tile needs beside the rows as they are: the sums of their groups, and
/// a copy where K is no multiple of what the panels hold, or the input is
/// unsigned, which the dot products are not.
void LinearKernel::prepareInput(Value mLo, Value mHi) {
  if (isFloat || unpacks || !body.scratch)
    return;
  Value rows = body.dim(output, 0);
  int64_t groups = layout.groups();
  if (needsSums)
    sums = memref::ViewOp::create(
        builder, loc,
        MemRefType::get({ShapedType::kDynamic, groups}, builder.getI32Type()),
        body.scratch, body.index(0), ValueRange{rows});
  if (needsCopy)
    copyInput(mLo, mHi,
              needsSums ? body.mul(rows, body.index(groups * 4))
                        : body.index(0));
  if (needsSums)
    sumInput(mLo, mHi);
}

/// Replaces the input by a copy at `offset` of scratch: padded with zeros, and
/// x - 128 where it is unsigned.
void LinearKernel::copyInput(Value mLo, Value mHi, Value offset) {
  Type i8 = builder.getI8Type();
  Value copy = memref::ViewOp::create(
      builder, loc, MemRefType::get({ShapedType::kDynamic, paddedK}, i8),
      body.scratch, offset, ValueRange{body.dim(output, 0)});
  auto flip = [&](Value x) -> Value {
    if (!unsignedInput)
      return x;
    TypedAttr half = builder.getI8IntegerAttr(-128);
    if (auto lanes = dyn_cast<VectorType>(x.getType()))
      half = DenseElementsAttr::get(lanes, ArrayRef<Attribute>(half));
    return arith::XOrIOp::create(builder, loc, x,
                                 arith::ConstantOp::create(builder, loc, half));
  };
  Value zero =
      arith::ConstantOp::create(builder, loc, builder.getI8IntegerAttr(0));
  int64_t whole = layout.k / kLanes * kLanes;
  body.loop(mLo, mHi, 1, [&](Value m) {
    body.loop(body.index(0), body.index(whole), kLanes, [&](Value k) {
      Value lanes = loadLanes(body, input, {m, k}, kLanes);
      storeLanes(body, flip(lanes), copy, {m, k}, kLanes);
    });
    body.loop(body.index(whole), body.index(layout.k), 1, [&](Value k) {
      Value value =
          memref::LoadOp::create(builder, loc, input, ValueRange{m, k});
      memref::StoreOp::create(builder, loc, flip(value), copy,
                              ValueRange{m, k});
    });
    body.loop(body.index(layout.k), body.index(paddedK), 1, [&](Value k) {
      memref::StoreOp::create(builder, loc, zero, copy, ValueRange{m, k});
    });
  });
  input = copy;
}

/// -sum_k x of each row's groups; times 2^(bits-1) where that is all they are
/// needed for: to take the offset of the packed weights off again.
void LinearKernel::sumInput(Value mLo, Value mHi) {
  Type i8 = builder.getI8Type(), i32 = builder.getI32Type();
  int64_t width = groupLength % kLanes == 0 ? kLanes : 4;
  auto wide = VectorType::get({width}, i32);
  Value zero =
      arith::ConstantOp::create(builder, loc, builder.getZeroAttr(wide));
  Value factor = body.i32(
      layout.zeroPoints ? -1
                        : -(1 << (numerics::info(layout.format).bits - 1)));
  body.loop(mLo, mHi, 1, [&](Value m) {
    body.loop(body.index(0), body.index(layout.groups()), 1, [&](Value g) {
      Value begin = body.mul(g, body.index(groupLength));
      auto total = body.loop(
          begin, body.add(begin, body.index(groupLength)), width,
          ValueRange{zero},
          [&](Value k, ValueRange carried) -> SmallVector<Value> {
            Value part = vector::LoadOp::create(builder, loc,
                                                VectorType::get({width}, i8),
                                                input, ValueRange{m, k});
            part = arith::ExtSIOp::create(builder, loc, wide, part);
            return {arith::AddIOp::create(builder, loc, carried[0], part)};
          });
      Value sum = vector::ReductionOp::create(
          builder, loc, vector::CombiningKind::ADD, total[0]);
      sum = arith::MulIOp::create(builder, loc, sum, factor);
      memref::StoreOp::create(builder, loc, sum, sums, ValueRange{m, g});
    });
  });
}

/// Copies a block of floats to rows that do not fall on each other in the
/// cache.
void LinearKernel::spreadRows(Value mLo, Value mHi) {
  auto type =
      MemRefType::get({ShapedType::kDynamic, spreadK}, builder.getF32Type());
  spread =
      memref::ViewOp::create(builder, loc, type, body.scratch, body.index(0),
                             ValueRange{body.index(blockRows)});
  firstSpread = mLo;
  body.loop(mLo, mHi, 1, [&](Value m) {
    body.loop(body.index(0), body.index(layout.k), kLanes, [&](Value k) {
      Value lanes = loadLanes(body, input, {m, k}, kLanes);
      storeLanes(body, lanes, spread, {body.sub(m, mLo), k}, kLanes);
    });
  });
}

} // namespace quantc::qkernel
