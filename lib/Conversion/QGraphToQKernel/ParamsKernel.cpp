//===- ParamsKernel.cpp - One scale for a whole tensor --------------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// choose_params where all elements share a scale (DynamicQuantizeLinear), and
// the arithmetic from extrema to scale and zero point that it has in common
// with the rows' kernel.
//
//===----------------------------------------------------------------------===//

#include "Kernels.h"
#include "Tiles.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "quantc/Dialect/QGraph/Shapes.h"
#include "quantc/Numerics/ChooseParams.h"

using namespace mlir;
using namespace quantc::qgraph;

namespace quantc::qkernel {

/// Vectors that are reduced side by side: a comparison waits for the last one.
static constexpr int64_t kChains = 4;

bool canFindScale(ChooseParamsOp op) {
  auto stored = dyn_cast<IntegerType>(op.getStored());
  bool known = op.getFormula() == Formula::Symmetric ||
               op.getFormula() == Formula::Asymmetric;
  return stored && stored.getWidth() <= 16 && known && !op.getClip() &&
         tensorType(op.getInput()).getElementType().isF32() &&
         tensorType(op.getScale()).getElementType().isF32();
}

std::pair<Value, Value> scaleAndZeroPoint(ChooseParamsOp op, KernelBody &body,
                                          Value lo, Value hi) {
  OpBuilder &builder = body.builder;
  Location loc = body.loc;
  auto [qmin, qmax] = numerics::storedRange(*getFormat(op.getStored()));
  Value ratio = body.f32(op.getClipRatio().convertToFloat());
  lo = arith::MulFOp::create(builder, loc, lo, ratio);
  hi = arith::MulFOp::create(builder, loc, hi, ratio);
  Value range, steps;
  if (op.getFormula() == Formula::Symmetric) {
    range = body.larger(arith::NegFOp::create(builder, loc, lo), hi);
    steps = body.f32(qmax);
  } else {
    range = arith::SubFOp::create(builder, loc, hi, lo);
    steps = body.f32(qmax - qmin);
  }
  Value scale = arith::DivFOp::create(builder, loc, range, steps);
  Value isZero = arith::CmpFOp::create(builder, loc, arith::CmpFPredicate::OEQ,
                                       scale, body.f32(0));
  scale = arith::SelectOp::create(builder, loc, isZero, body.f32(1), scale);
  if (!op.getZeroPoint())
    return {scale, Value()};
  Value zeroPoint =
      arith::SubFOp::create(builder, loc, body.f32(qmin),
                            arith::DivFOp::create(builder, loc, lo, scale));
  zeroPoint =
      body.smaller(body.larger(zeroPoint, body.f32(qmin)), body.f32(qmax));
  zeroPoint = math::RoundEvenOp::create(builder, loc, zeroPoint);
  Value wide =
      arith::FPToSIOp::create(builder, loc, builder.getI32Type(), zeroPoint);
  Type narrow = kernelElementType(op.getStored());
  return {scale, arith::TruncIOp::create(builder, loc, narrow, wide)};
}

bool canEmitWholeParams(ChooseParamsOp op) {
  RankedTensorType type = tensorType(op.getInput());
  for (auto [entry, size] : llvm::zip_equal(op.getBlock(), type.getShape()))
    if (entry != 0 && size != 1 &&
        (ShapedType::isDynamic(size) || entry < size))
      return false;
  return canFindScale(op);
}

/// On one thread: reading the tensor takes less than a wake-up of the others,
/// and the extrema do not depend on an order.
void emitWholeParams(ChooseParamsOp op, KernelBody &body) {
  OpBuilder &builder = body.builder;
  Location loc = body.loc;
  Value first = arith::CmpIOp::create(builder, loc, arith::CmpIPredicate::eq,
                                      body.thread, body.index(0));
  auto serial =
      scf::IfOp::create(builder, loc, first, /*withElseRegion=*/false);
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPointToStart(serial.thenBlock());

  Value input = body.flatten(body.inputs[0]);
  Value count = body.dim(input, 0);
  auto fold = [&](Value x, Value lo, Value hi) -> SmallVector<Value> {
    return {body.smaller(x, lo), body.larger(x, hi)};
  };
  // NaNs lose every comparison, and both extrema include 0 (for a symmetric
  // scale it makes no difference).
  int64_t step = kLanes * kChains;
  Value whole = body.mul(
      builder.createOrFold<arith::DivUIOp>(loc, count, body.index(step)),
      body.index(step));
  SmallVector<Value> zeros(2 * kChains, splat(body, body.f32(0)));
  SmallVector<Value> lanes = body.loop(
      body.index(0), whole, step, zeros, [&](Value at, ValueRange carried) {
        SmallVector<Value> next;
        for (int64_t i = 0; i < kChains; ++i) {
          Value x = loadLanes(body, input,
                              {body.add(at, body.index(i * kLanes))}, kLanes);
          llvm::append_range(next, fold(x, carried[2 * i], carried[2 * i + 1]));
        }
        return next;
      });
  auto larger = [&](Value a, Value b) { return body.larger(a, b); };
  auto smaller = [&](Value a, Value b) { return body.smaller(a, b); };
  Value lo = lanes[0], hi = lanes[1];
  for (int64_t i = 1; i < kChains; ++i) {
    lo = smaller(lanes[2 * i], lo);
    hi = larger(lanes[2 * i + 1], hi);
  }
  lo = reduceLanes(body, lo, smaller);
  hi = reduceLanes(body, hi, larger);
  SmallVector<Value> extrema = body.loop(
      whole, count, 1, ValueRange{lo, hi}, [&](Value at, ValueRange carried) {
        Value x = memref::LoadOp::create(builder, loc, input, at);
        return fold(x, carried[0], carried[1]);
      });
  auto [scale, zeroPoint] = scaleAndZeroPoint(op, body, extrema[0], extrema[1]);
  Value origin = body.index(0);
  memref::StoreOp::create(builder, loc, scale, body.flatten(body.outputs[0]),
                          origin);
  if (zeroPoint)
    memref::StoreOp::create(builder, loc, zeroPoint,
                            body.flatten(body.outputs[1]), origin);
}

} // namespace quantc::qkernel
