//===- Tiles.cpp - Loops around register tiles ----------------------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Tiles.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "quantc/Dialect/ONNX/Elementwise.h"

using namespace mlir;

namespace quantc::qkernel {

/// Vectors that go through an epilogue together.
static constexpr size_t kTogether = 4;
/// What is small beside this float is rounded to a whole number, half to even,
/// when it is added; the low bits of the sum are that number.
static constexpr float kWhole = 0x1.8p23f;

VectorType laneType(Type element) { return VectorType::get({kLanes}, element); }

std::pair<int64_t, int64_t> registerTile(Operation *op, StringRef format) {
  auto module = op->getParentOfType<ModuleOp>();
  auto target = module->getAttrOfType<TargetAttr>(TargetAttr::kAttrName);
  return target ? target.getTile(format) : std::pair<int64_t, int64_t>(1, 1);
}

void forRowTiles(KernelBody &body, Value lo, Value hi, int64_t maxRows,
                 llvm::function_ref<void(Value, int64_t)> tile) {
  SmallVector<int64_t> sizes = {maxRows};
  if (maxRows > 9)
    sizes.push_back(maxRows / 2);
  for (int64_t size : {4, 2, 1})
    if (size < maxRows)
      sizes.push_back(size);
  OpBuilder &builder = body.builder;
  for (int64_t size : sizes) {
    Value end = hi;
    if (size > 1) {
      Value count = arith::DivUIOp::create(builder, body.loc, body.sub(hi, lo),
                                           body.index(size));
      end = body.add(lo, body.mul(count, body.index(size)));
    }
    body.loop(lo, end, size, [&](Value m) { tile(m, size); });
    lo = end;
  }
}

RowsOrTiles::RowsOrTiles(KernelBody &body, Value rows, int64_t grain,
                         int64_t tiles, int64_t rowsPerThread) {
  OpBuilder &builder = body.builder;
  Location loc = body.loc;
  auto [rowBegin, rowEnd] = body.share(rows, grain);
  auto [tileBegin, tileEnd] = body.share(body.index(tiles));
  Value enough = body.mul(body.threads, body.index(rowsPerThread));
  Value byRows = arith::CmpIOp::create(builder, loc, arith::CmpIPredicate::uge,
                                       rows, enough);
  Value last =
      arith::CmpIOp::create(builder, loc, arith::CmpIPredicate::eq, body.thread,
                            body.sub(body.threads, body.index(1)));
  auto select = [&](Value a, Value b) -> Value {
    return arith::SelectOp::create(builder, loc, byRows, a, b);
  };
  rowLo = select(rowBegin, body.index(0));
  rowHi = select(rowEnd, rows);
  tileLo = select(body.index(0), tileBegin);
  tileHi = select(body.index(tiles), tileEnd);
  rest = arith::OrIOp::create(builder, loc, byRows, last);
}

static SmallVector<Value> tileDot(KernelBody &body, Value a, Value m, Value k,
                                  PanelRef panels, Value offset, Value length,
                                  ValueRange init, int64_t rows,
                                  int64_t panelCount) {
  auto dot = TileDotOp::create(body.builder, body.loc, TypeRange(init), a, m, k,
                               panels.packed, offset, panels.stride, length,
                               init, "f32", rows, panelCount);
  return SmallVector<Value>(dot.getResults());
}

SmallVector<Value> emitDotF32(KernelBody &body, Value a, Value m,
                              PanelRef panels, Value k, int64_t rows,
                              int64_t panelCount) {
  OpBuilder &builder = body.builder;
  Value zero = splat(body, body.f32(0));
  SmallVector<Value> zeros(rows * panelCount, zero);
  auto block = [&](Value begin, Value length, ValueRange totals) {
    Value offset =
        body.add(panels.offset, body.mul(begin, body.index(kLanes * 4)));
    SmallVector<Value> sums = tileDot(body, a, m, begin, panels, offset, length,
                                      zeros, rows, panelCount);
    for (auto [sum, total] : llvm::zip_equal(sums, totals))
      sum = arith::AddFOp::create(builder, body.loc, total, sum);
    return sums;
  };
  Value step = body.index(numerics::kBlockK);
  Value full = arith::SubIOp::create(
      builder, body.loc, k,
      builder.createOrFold<arith::RemUIOp>(body.loc, k, step));
  SmallVector<Value> totals =
      body.loop(body.index(0), full, numerics::kBlockK, zeros,
                [&](Value begin, ValueRange carried) {
                  return block(begin, step, carried);
                });
  // The last, short block; a constant k that is a multiple of 256 has none.
  if (std::optional<int64_t> size = getConstantIntValue(k)) {
    int64_t begin = *size - *size % numerics::kBlockK;
    return begin == *size
               ? totals
               : block(body.index(begin), body.index(*size - begin), totals);
  }
  Value rest = body.sub(k, full);
  return block(full, rest, totals);
}

/// Splits `valid` lanes into runs of 8, 4, 2, 1: no masks, which NEON has not.
static void forRuns(int64_t valid,
                    llvm::function_ref<void(int64_t begin, int64_t size)> run) {
  int64_t begin = 0;
  for (int64_t size : {8, 4, 2, 1})
    if (valid & size) {
      run(begin, size);
      begin += size;
    }
}

static SmallVector<Value> shifted(KernelBody &body, ValueRange indices,
                                  int64_t by) {
  SmallVector<Value> result(indices);
  result.back() = body.add(result.back(), body.index(by));
  return result;
}

Value loadLanes(KernelBody &body, Value memref, ValueRange indices,
                int64_t valid) {
  OpBuilder &builder = body.builder;
  Type element = cast<MemRefType>(memref.getType()).getElementType();
  if (valid == kLanes)
    return vector::LoadOp::create(builder, body.loc, laneType(element), memref,
                                  indices);
  Value lanes = arith::ConstantOp::create(
      builder, body.loc, builder.getZeroAttr(laneType(element)));
  forRuns(valid, [&](int64_t begin, int64_t size) {
    Value part = vector::LoadOp::create(builder, body.loc,
                                        VectorType::get({size}, element),
                                        memref, shifted(body, indices, begin));
    lanes = vector::InsertStridedSliceOp::create(builder, body.loc, part, lanes,
                                                 ArrayRef<int64_t>{begin},
                                                 ArrayRef<int64_t>{1});
  });
  return lanes;
}

void storeLanes(KernelBody &body, Value vector, Value memref,
                ValueRange indices, int64_t valid) {
  OpBuilder &builder = body.builder;
  if (valid == kLanes) {
    vector::StoreOp::create(builder, body.loc, vector, memref, indices);
    return;
  }
  forRuns(valid, [&](int64_t begin, int64_t size) {
    Value part = vector::ExtractStridedSliceOp::create(
        builder, body.loc, vector, ArrayRef<int64_t>{begin},
        ArrayRef<int64_t>{size}, ArrayRef<int64_t>{1});
    vector::StoreOp::create(builder, body.loc, part, memref,
                            shifted(body, indices, begin));
  });
}

void storeLanesBelow(KernelBody &body, Value vector, Value memref, Value row,
                     Value column, Value columns) {
  body.loop(column, columns, 1, [&](Value c) {
    Value value =
        vector::ExtractOp::create(body.builder, body.loc, vector,
                                  ArrayRef<OpFoldResult>{body.sub(c, column)});
    memref::StoreOp::create(body.builder, body.loc, value, memref,
                            ValueRange{row, c});
  });
}

void emitWholeOrEdge(KernelBody &body, Value column, Value columns,
                     llvm::function_ref<void()> whole,
                     llvm::function_ref<void()> edge) {
  OpBuilder &builder = body.builder;
  Value end = body.add(column, body.index(kLanes));
  Value isWhole = arith::CmpIOp::create(
      builder, body.loc, arith::CmpIPredicate::ule, end, columns);
  auto branch = scf::IfOp::create(builder, body.loc, isWhole,
                                  /*withElseRegion=*/true);
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPointToStart(branch.thenBlock());
  whole();
  builder.setInsertionPointToStart(branch.elseBlock());
  edge();
}

Value splat(KernelBody &body, Value scalar) {
  return vector::BroadcastOp::create(body.builder, body.loc,
                                     laneType(scalar.getType()), scalar);
}

Value reduceLanes(KernelBody &body, Value lanes,
                  llvm::function_ref<Value(Value, Value)> combine) {
  for (int64_t half = kLanes / 2; half != 0; half /= 2) {
    auto part = [&](int64_t begin) -> Value {
      return vector::ExtractStridedSliceOp::create(
          body.builder, body.loc, lanes, ArrayRef<int64_t>{begin},
          ArrayRef<int64_t>{half}, ArrayRef<int64_t>{1});
    };
    lanes = combine(part(0), part(half));
  }
  return vector::ExtractOp::create(body.builder, body.loc, lanes,
                                   ArrayRef<int64_t>{0});
}

std::optional<Epilogue::Shape> Epilogue::shapeOf(Type operand,
                                                 RankedTensorType resultType) {
  auto type = dyn_cast<RankedTensorType>(operand);
  if (!type)
    return std::nullopt;
  if (type.hasStaticShape() && type.getNumElements() == 1)
    return Shape::Scalar;
  int64_t columns = resultType.getShape().back();
  if (type.hasStaticShape() && type.getNumElements() == columns &&
      type.getShape().back() == columns)
    return Shape::Row;
  if (type.getShape() == resultType.getShape())
    return Shape::Full;
  return std::nullopt;
}

bool Epilogue::canEmit(ArrayAttr steps, TypeRange types,
                       RankedTensorType resultType, std::string &why) {
  auto elementOf = [&](int64_t operand) {
    return cast<RankedTensorType>(types[operand]).getElementType();
  };
  for (auto step : steps.getAsRange<qgraph::StepAttr>()) {
    auto fail = [&](const Twine &text) {
      why = ("epilogue step '" + step.getOp() + "' " + text).str();
      return false;
    };
    if (step.isElementwise() && !onnx_ir::lookupElementwise(step.getOp()))
      return fail("is not an elementwise operator");
    if (step.getScale() >= 0) {
      auto scale = cast<RankedTensorType>(types[step.getScale()]);
      if (!scale.hasStaticShape() || scale.getNumElements() != 1 ||
          !scale.getElementType().isF32())
        return fail("has a scale that is no single f32");
    }
    if (step.getOperand() < 0)
      continue;
    if (!shapeOf(types[step.getOperand()], resultType))
      return fail(
          "has a second operand that is no scalar, no row and not of the "
          "result's shape");
    Type element = elementOf(step.getOperand());
    if (step.getScale() < 0 ? !element.isF32() : !element.isSignedInteger(8))
      return fail("has a second operand that is neither f32 nor si8 with a "
                  "scale");
  }
  return true;
}

Epilogue::Epilogue(KernelBody &body, ArrayAttr steps, ValueRange memrefs,
                   TypeRange types, RankedTensorType resultType)
    : body(body), steps(steps) {
  for (auto [memref, type] : llvm::zip_equal(memrefs, types)) {
    std::optional<Shape> shape = shapeOf(type, resultType);
    operands.push_back({*shape, *shape == Shape::Full ? body.asRows(memref)
                                                      : body.flatten(memref)});
  }
  for (auto step : steps.getAsRange<qgraph::StepAttr>())
    stored.push_back(step.getScale() >= 0 ? prepare(step) : Stored());
}

Epilogue::Stored Epilogue::prepare(qgraph::StepAttr step) {
  OpBuilder &builder = body.builder;
  Location loc = body.loc;
  auto only = [&](int64_t operand) -> Value {
    return memref::LoadOp::create(builder, loc, operands[operand].second,
                                  ValueRange{body.index(0)});
  };
  Stored result;
  Value scale = only(step.getScale());
  Value one = body.f32(1);
  Value inverse = arith::DivFOp::create(builder, loc, one, scale);
  Value over = math::FmaOp::create(
      builder, loc, arith::NegFOp::create(builder, loc, inverse), scale, one);
  result.scale = splat(body, scale);
  result.inverse = splat(body, inverse);
  result.rest = splat(body, arith::DivFOp::create(builder, loc, over, scale));
  Value least = body.f32(-128), greatest = body.f32(127);
  if (step.getZeroPoint() >= 0) {
    Value zero = arith::ExtSIOp::create(builder, loc, builder.getI32Type(),
                                        only(step.getZeroPoint()));
    Value shift =
        arith::SIToFPOp::create(builder, loc, builder.getF32Type(), zero);
    result.zeroPoint = splat(body, zero);
    least = arith::SubFOp::create(builder, loc, least, shift);
    greatest = arith::SubFOp::create(builder, loc, greatest, shift);
  }
  auto product = [&](Value bound) {
    return splat(body, arith::MulFOp::create(builder, loc, bound, scale));
  };
  result.least = product(least);
  result.greatest = product(greatest);
  return result;
}

/// Replaces y by kWhole + clamp(round(y / scale)), as floats. Two products
/// round to whole numbers as the division does, for the scales of
/// Numerics/Reciprocal.h. Clamping goes first: bounds times scale have
/// quotients that round to the bounds, all beyond them is finite then, and a
/// NaN becomes the lower one.
void Epilogue::roundQuotients(MutableArrayRef<TileLanes> lanes,
                              const Stored &stored) {
  OpBuilder &builder = body.builder;
  Location loc = body.loc;
  Value whole = splat(body, body.f32(kWhole));
  for (TileLanes &lane : lanes)
    lane.value = body.larger(lane.value, stored.least);
  for (TileLanes &lane : lanes)
    lane.value = body.smaller(lane.value, stored.greatest);
  SmallVector<Value> rests;
  for (TileLanes &lane : lanes)
    rests.push_back(
        arith::MulFOp::create(builder, loc, lane.value, stored.rest));
  for (auto [lane, rest] : llvm::zip_equal(lanes, rests))
    lane.value =
        math::FmaOp::create(builder, loc, lane.value, stored.inverse, rest);
  for (TileLanes &lane : lanes)
    lane.value = arith::AddFOp::create(builder, loc, lane.value, whole);
}

/// scale * (codes - z).
Value Epilogue::decode(Value codes, const Stored &stored) {
  OpBuilder &builder = body.builder;
  Location loc = body.loc;
  if (stored.zeroPoint)
    codes = arith::SubIOp::create(builder, loc, codes, stored.zeroPoint);
  Value real = arith::SIToFPOp::create(builder, loc,
                                       laneType(builder.getF32Type()), codes);
  return arith::MulFOp::create(builder, loc, real, stored.scale);
}

/// The second operand of a step, before it is decoded.
Value Epilogue::loadOperand(qgraph::StepAttr step, const TileLanes &lanes) {
  auto [shape, memref] = operands[step.getOperand()];
  switch (shape) {
  case Shape::Full:
    return loadLanes(body, memref, {lanes.row, lanes.column}, lanes.valid);
  case Shape::Row:
    return loadLanes(body, memref, {lanes.column}, lanes.valid);
  case Shape::Scalar:
    return splat(body, memref::LoadOp::create(body.builder, body.loc, memref,
                                              ValueRange{body.index(0)}));
  }
  llvm_unreachable("unknown shape");
}

Value Epilogue::emit(Value value, Value row, Value column, int64_t valid) {
  TileLanes lanes{value, row, column, valid};
  apply(lanes);
  return lanes.value;
}

void Epilogue::store(ArrayRef<TileLanes> lanes, Value output) {
  for (; !lanes.empty();
       lanes = lanes.drop_front(std::min(lanes.size(), kTogether))) {
    SmallVector<TileLanes> group(lanes.take_front(kTogether));
    apply(group);
    for (const TileLanes &lane : group)
      storeLanes(body, lane.value, output, {lane.row, lane.column}, lane.valid);
  }
}

/// Step by step for all `lanes`, so that neighbours depend on nothing of each
/// other.
void Epilogue::apply(MutableArrayRef<TileLanes> lanes) {
  OpBuilder &builder = body.builder;
  Location loc = body.loc;
  Type f32 = builder.getF32Type(), i32 = builder.getI32Type();
  for (auto [step, stored] :
       llvm::zip_equal(steps.getAsRange<qgraph::StepAttr>(), stored)) {
    if (step.isQuantize()) {
      roundQuotients(lanes, stored);
      // The low bits of kWhole + n are those of n.
      for (TileLanes &lane : lanes) {
        Value codes =
            vector::BitCastOp::create(builder, loc, laneType(i32), lane.value);
        if (stored.zeroPoint)
          codes = arith::AddIOp::create(builder, loc, codes, stored.zeroPoint);
        lane.value = arith::TruncIOp::create(
            builder, loc, laneType(builder.getI8Type()), codes);
      }
      continue;
    }
    if (step.isQuantizeDequantize()) {
      // The code and the zero point cancel: what is left is round(clamp).
      roundQuotients(lanes, stored);
      Value whole = splat(body, body.f32(kWhole));
      for (TileLanes &lane : lanes)
        lane.value = arith::SubFOp::create(builder, loc, lane.value, whole);
      for (TileLanes &lane : lanes)
        lane.value =
            arith::MulFOp::create(builder, loc, lane.value, stored.scale);
      continue;
    }
    SmallVector<Value> seconds;
    if (step.getOperand() >= 0)
      for (TileLanes &lane : lanes)
        seconds.push_back(loadOperand(step, lane));
    if (step.getScale() >= 0)
      for (Value &second : seconds)
        second =
            decode(arith::ExtSIOp::create(builder, loc, laneType(i32), second),
                   stored);
    DictionaryAttr attributes = step.getAttributes();
    if (!attributes)
      attributes = builder.getDictionaryAttr({});
    for (auto [i, lane] : llvm::enumerate(lanes)) {
      SmallVector<Value> values = {lane.value};
      if (!seconds.empty())
        values.push_back(seconds[i]);
      SmallVector<Type> types(values.size() + 1, f32);
      lane.value = onnx_ir::lookupElementwise(step.getOp())
                       ->build(builder, loc, values, types, attributes);
    }
  }
}

} // namespace quantc::qkernel
