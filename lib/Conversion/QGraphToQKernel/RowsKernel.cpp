//===- RowsKernel.cpp - Ops that work row by row, as one kernel -----------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The ops of a `qgraph.rows`, or one such op alone, run one after another on a
// row that stays in the first-level cache. A value of the group is a row of D
// columns (in its output, or in scratch) or one column.
//
//===----------------------------------------------------------------------===//

#include "Kernels.h"
#include "Schedule.h"
#include "Tiles.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "quantc/Dialect/ONNX/Elementwise.h"
#include "quantc/Dialect/QGraph/Shapes.h"
#include "quantc/Numerics/ChooseParams.h"

using namespace mlir;
using namespace quantc::qgraph;

namespace quantc::qkernel {

static int64_t columnsOf(Value value) {
  RankedTensorType type = tensorType(value);
  return type.getRank() == 0 ? 1 : type.getShape().back();
}

/// The ops of a group and the group's results.
static void groupOf(Operation *op, SmallVector<Operation *> &ops,
                    SmallVector<Value> &results) {
  if (auto rows = dyn_cast<RowsOp>(op)) {
    Block &block = rows.getBody().front();
    for (Operation &inner : block.without_terminator())
      ops.push_back(&inner);
    llvm::append_range(results, block.getTerminator()->getOperands());
    return;
  }
  ops.push_back(op);
  llvm::append_range(results, op->getResults());
}

namespace {
class RowsKernel {
public:
  RowsKernel(Operation *op, KernelBody &body);
  void emit();

private:
  struct Place {
    enum Kind { Rows, SharedRow, Scalar } kind = Rows;
    Value memref; // Rows: [rows, columns]; SharedRow, Scalar: rank 1
    bool wraps =
        false; // Rows: fewer rows than the group has, used again and again
    bool scratch = false; // Rows: the one row of this thread
    Value row;            // Rows: the row to use, set for each row of the loop
  };

  Place placeOf(Value input, Value memref);
  void emitOp(Operation *op);
  void emitNorm(NormOp op);
  void emitElementwise(onnx_ir::NodeOp op);
  void emitEmbedding(EmbeddingOp op);
  void emitChooseParams(ChooseParamsOp op);
  void emitQuantize(QuantizeOp op);
  void emitDequantize(DequantizeOp op);

  /// 16 lanes of `value` at `column` (all equal for a scalar or a single
  /// column).
  Value load(Value value, Value column, int64_t valid);
  void store(Value value, Value lanes, Value column, int64_t valid);
  Value loadOne(Value value, Value column);
  void storeOne(Value value, Value scalar, Value column);
  /// Elements of the float tensor `value` as f32, scalar or lanes.
  Value asReal(Value value, Value elements) {
    return realFrom(body, elements, tensorType(value).getElementType());
  }
  /// Elements of the integer tensor `value` as `as`, scalar or lanes.
  Value convertInteger(Value value, Value elements, Type as);
  /// `step(g, column, valid)` over all columns, those of a scale group
  /// together; with a scale for each column the group is -1.
  void forGroups(Value input, ArrayRef<int64_t> block,
                 llvm::function_ref<void(int64_t, Value, int64_t)> step);
  /// `step(column, valid)` over all columns, 16 at a time.
  void forColumns(Value lo, int64_t columns,
                  llvm::function_ref<void(Value, int64_t)> step);
  SmallVector<Value> foldColumns(
      Value lo, int64_t columns, ValueRange init,
      llvm::function_ref<SmallVector<Value>(Value, int64_t, ValueRange)> step);
  Value zeroBeyond(Value lanes, int64_t valid, float filler = 0);

  KernelBody &body;
  OpBuilder &builder;
  Location loc;
  SmallVector<Operation *> ops;
  DenseMap<Value, Place> places;
  Value rows, row;
};
} // namespace

/// Bytes a row value takes in scratch.
static int64_t scratchOf(Value value) {
  int64_t bits = kernelElementType(tensorType(value).getElementType())
                     .getIntOrFloatBitWidth();
  return llvm::alignTo(columnsOf(value) * bits / 8, 64);
}

static SmallVector<Value> scratchValues(Operation *op) {
  SmallVector<Operation *> ops;
  SmallVector<Value> results, values;
  groupOf(op, ops, results);
  for (Operation *inner : ops)
    for (Value value : inner->getResults())
      if (!llvm::is_contained(results, value))
        values.push_back(value);
  return values;
}

RowsKernel::RowsKernel(Operation *op, KernelBody &body)
    : body(body), builder(body.builder), loc(body.loc) {
  SmallVector<Value> results;
  groupOf(op, ops, results);
  for (auto [result, memref] : llvm::zip_equal(results, body.outputs)) {
    Place place;
    place.memref = body.asRows(memref);
    if (!rows)
      rows = body.dim(place.memref, 0);
    places[result] = place;
  }
  for (auto [input, memref] : llvm::zip_equal(kernelInputs(op), body.inputs))
    if (memref)
      places[input] = placeOf(input, memref);
  int64_t offset = 0;
  for (Value value : scratchValues(op)) {
    auto type =
        MemRefType::get({1, columnsOf(value)},
                        kernelElementType(tensorType(value).getElementType()));
    Place place;
    place.memref = memref::ViewOp::create(builder, loc, type, body.scratch,
                                          body.index(offset), ValueRange{});
    place.row = body.index(0);
    place.scratch = true;
    places[value] = place;
    offset += scratchOf(value);
  }
}

RowsKernel::Place RowsKernel::placeOf(Value input, Value memref) {
  Place place;
  RankedTensorType type = tensorType(input);
  bool isTable = false, isIndices = false;
  for (Operation *op : ops)
    if (auto embedding = dyn_cast<EmbeddingOp>(op)) {
      isTable |= embedding.getTable() == input || embedding.getScale() == input;
      isIndices |= embedding.getIndices() == input;
    }
  if (isIndices) {
    place.memref = body.flatten(memref);
    return place;
  }
  if (isTable) {
    place.memref = memref;
    return place;
  }
  if (type.hasStaticShape() && type.getNumElements() == 1) {
    place.kind = Place::Scalar;
    place.memref = body.flatten(memref);
    return place;
  }
  if (type.hasStaticShape() && type.getNumElements() == columnsOf(input)) {
    place.kind = Place::SharedRow;
    place.memref = body.flatten(memref);
    return place;
  }
  place.memref = body.asRows(memref);
  // Leading dimensions of 1 are broadcast: the rows are used over and over.
  RankedTensorType space = tensorType(ops.back()->getResult(0));
  ArrayRef<int64_t> leading = type.getShape().drop_back();
  place.wraps = leading.size() < static_cast<size_t>(space.getRank() - 1) ||
                leading != space.getShape().drop_back();
  return place;
}

void RowsKernel::emit() {
  auto [lo, hi] = body.share(rows);
  body.loop(lo, hi, 1, [&](Value m) {
    row = m;
    for (auto &[value, place] : places) {
      if (place.kind != Place::Rows)
        continue;
      if (place.wraps)
        place.row = builder.createOrFold<arith::RemUIOp>(
            loc, m, body.dim(place.memref, 0));
      else if (!place.scratch)
        place.row = m;
    }
    for (Operation *op : ops)
      emitOp(op);
  });
}

void RowsKernel::emitOp(Operation *op) {
  llvm::TypeSwitch<Operation *>(op)
      .Case<NormOp>([&](auto o) { emitNorm(o); })
      .Case<onnx_ir::NodeOp>([&](auto o) { emitElementwise(o); })
      .Case<EmbeddingOp>([&](auto o) { emitEmbedding(o); })
      .Case<ChooseParamsOp>([&](auto o) { emitChooseParams(o); })
      .Case<QuantizeOp>([&](auto o) { emitQuantize(o); })
      .Case<DequantizeOp>([&](auto o) { emitDequantize(o); });
}

Value RowsKernel::load(Value value, Value column, int64_t valid) {
  const Place &place = places.at(value);
  if (place.kind == Place::Scalar)
    return splat(body, memref::LoadOp::create(builder, loc, place.memref,
                                              ValueRange{body.index(0)}));
  if (place.kind == Place::SharedRow)
    return loadLanes(body, place.memref, {column}, valid);
  if (columnsOf(value) == 1)
    return splat(body, loadOne(value, body.index(0)));
  return loadLanes(body, place.memref, {place.row, column}, valid);
}

void RowsKernel::store(Value value, Value lanes, Value column, int64_t valid) {
  const Place &place = places.at(value);
  storeLanes(body, lanes, place.memref, {place.row, column}, valid);
}

Value RowsKernel::loadOne(Value value, Value column) {
  const Place &place = places.at(value);
  if (place.kind == Place::Rows)
    return memref::LoadOp::create(builder, loc, place.memref,
                                  ValueRange{place.row, column});
  if (place.kind == Place::Scalar)
    column = body.index(0);
  return memref::LoadOp::create(builder, loc, place.memref, ValueRange{column});
}

void RowsKernel::storeOne(Value value, Value scalar, Value column) {
  const Place &place = places.at(value);
  memref::StoreOp::create(builder, loc, scalar, place.memref,
                          ValueRange{place.row, column});
}

void RowsKernel::forColumns(Value lo, int64_t columns,
                            llvm::function_ref<void(Value, int64_t)> step) {
  int64_t whole = columns / kLanes * kLanes;
  if (whole)
    body.loop(lo, body.add(lo, body.index(whole)), kLanes,
              [&](Value column) { step(column, kLanes); });
  if (whole != columns)
    step(body.add(lo, body.index(whole)), columns - whole);
}

SmallVector<Value> RowsKernel::foldColumns(
    Value lo, int64_t columns, ValueRange init,
    llvm::function_ref<SmallVector<Value>(Value, int64_t, ValueRange)> step) {
  int64_t whole = columns / kLanes * kLanes;
  SmallVector<Value> state(init);
  if (whole)
    state = body.loop(lo, body.add(lo, body.index(whole)), kLanes, state,
                      [&](Value column, ValueRange carried) {
                        return step(column, kLanes, carried);
                      });
  if (whole != columns)
    state = step(body.add(lo, body.index(whole)), columns - whole, state);
  return state;
}

Value RowsKernel::zeroBeyond(Value lanes, int64_t valid, float filler) {
  if (valid == kLanes)
    return lanes;
  SmallVector<bool> mask(kLanes, false);
  std::fill_n(mask.begin(), valid, true);
  Value keep = arith::ConstantOp::create(
      builder, loc,
      DenseElementsAttr::get(laneType(builder.getI1Type()), mask));
  return arith::SelectOp::create(builder, loc, keep, lanes,
                                 splat(body, body.f32(filler)));
}

void RowsKernel::emitNorm(NormOp op) {
  Value input = op.getInput(), output = op.getResult();
  int64_t columns = columnsOf(output);
  Value zero = body.index(0), zeros = splat(body, body.f32(0));
  Value count = body.f32(static_cast<float>(columns));
  auto plus = [&](Value a, Value b) -> Value {
    return arith::AddFOp::create(builder, loc, a, b);
  };
  Value mean;
  if (op.getKind() == NormKind::Layer) {
    auto total = foldColumns(
        zero, columns, zeros,
        [&](Value c, int64_t valid, ValueRange carried) -> SmallVector<Value> {
          // A single column is loaded into all lanes.
          Value x = zeroBeyond(load(input, c, valid), valid);
          return {plus(carried[0], x)};
        });
    mean = splat(body, arith::DivFOp::create(builder, loc,
                                             reduceLanes(body, total[0], plus),
                                             count));
  }
  auto centred = [&](Value c, int64_t valid) {
    Value x = load(input, c, valid);
    return mean ? Value(arith::SubFOp::create(builder, loc, x, mean)) : x;
  };
  auto squares = foldColumns(
      zero, columns, zeros,
      [&](Value c, int64_t valid, ValueRange carried) -> SmallVector<Value> {
        Value x = zeroBeyond(centred(c, valid), valid);
        return {math::FmaOp::create(builder, loc, x, x, carried[0])};
      });
  Value variance = arith::DivFOp::create(
      builder, loc, reduceLanes(body, squares[0], plus), count);
  Value root = math::SqrtOp::create(
      builder, loc, plus(variance, body.f32(op.getEpsilon().convertToFloat())));
  Value factor =
      splat(body, arith::DivFOp::create(builder, loc, body.f32(1), root));
  forColumns(zero, columns, [&](Value c, int64_t valid) {
    Value y = arith::MulFOp::create(builder, loc, centred(c, valid), factor);
    if (op.getWeight() && op.getBias())
      y = math::FmaOp::create(builder, loc, y, load(op.getWeight(), c, valid),
                              load(op.getBias(), c, valid));
    else if (op.getWeight())
      y = arith::MulFOp::create(builder, loc, y,
                                load(op.getWeight(), c, valid));
    else if (op.getBias())
      y = plus(y, load(op.getBias(), c, valid));
    store(output, y, c, valid);
  });
}

void RowsKernel::emitElementwise(onnx_ir::NodeOp op) {
  SmallVector<Type> types;
  for (Value input : op.getInputs())
    types.push_back(tensorType(input).getElementType());
  types.push_back(tensorType(op.getResult(0)).getElementType());
  const onnx_ir::ElementwiseOp *row =
      onnx_ir::lookupElementwise(op.getOpType());
  forColumns(
      body.index(0), columnsOf(op.getResult(0)), [&](Value c, int64_t valid) {
        SmallVector<Value> lanes;
        for (Value input : op.getInputs())
          lanes.push_back(load(input, c, valid));
        Value result =
            row->build(builder, loc, lanes, types, op.getNodeAttributes());
        store(op.getResult(0), result, c, valid);
      });
}

void RowsKernel::emitEmbedding(EmbeddingOp op) {
  Value table = places.at(op.getTable()).memref;
  Value indices = places.at(op.getIndices()).memref;
  Value entries = body.dim(table, 0);
  Value raw = memref::LoadOp::create(builder, loc, indices, ValueRange{row});
  Value index =
      arith::IndexCastOp::create(builder, loc, builder.getIndexType(), raw);
  Value zero = body.index(0);
  Value negative = arith::CmpIOp::create(
      builder, loc, arith::CmpIPredicate::slt, index, zero);
  index = arith::SelectOp::create(builder, loc, negative,
                                  body.add(index, entries), index);
  Value inside = arith::CmpIOp::create(builder, loc, arith::CmpIPredicate::ult,
                                       index, entries);
  CheckOp::create(builder, loc, body.frame, inside, kIndexOutside, index,
                  entries);
  index = arith::SelectOp::create(builder, loc, inside, index, zero);
  Type element = tensorType(op.getTable()).getElementType();
  bool isUnsigned = element.isUnsignedInteger();
  Value scale;
  if (op.getScale())
    scale = splat(body, memref::LoadOp::create(builder, loc,
                                               places.at(op.getScale()).memref,
                                               ValueRange{index, zero}));
  VectorType floats = laneType(builder.getF32Type());
  forColumns(zero, columnsOf(op.getResult()), [&](Value c, int64_t valid) {
    Value lanes = loadLanes(body, table, {index, c}, valid);
    if (element.isInteger())
      lanes = isUnsigned
                  ? Value(arith::UIToFPOp::create(builder, loc, floats, lanes))
                  : Value(arith::SIToFPOp::create(builder, loc, floats, lanes));
    else if (!element.isF32())
      lanes = arith::ExtFOp::create(builder, loc, floats, lanes);
    if (scale)
      lanes = arith::MulFOp::create(builder, loc, lanes, scale);
    store(op.getResult(), lanes, c, valid);
  });
}

/// Columns that share a scale: all of them, or groups.
static int64_t groupColumns(ArrayRef<int64_t> block, Value input) {
  int64_t columns = columnsOf(input);
  return block.back() == 0 || block.back() > columns ? columns : block.back();
}

void RowsKernel::emitChooseParams(ChooseParamsOp op) {
  Value input = op.getInput();
  int64_t columns = columnsOf(input),
          group = groupColumns(op.getBlock(), input);
  Value zeros = splat(body, body.f32(0));
  auto larger = [&](Value a, Value b) { return body.larger(a, b); };
  auto smaller = [&](Value a, Value b) { return body.smaller(a, b); };
  for (int64_t begin = 0, g = 0; begin < columns; begin += group, ++g) {
    int64_t size = std::min(group, columns - begin);
    // NaNs lose every comparison, and both extrema include 0 (for a symmetric
    // scale it makes no difference).
    auto extrema = foldColumns(
        body.index(begin), size, {zeros, zeros},
        [&](Value c, int64_t valid, ValueRange carried) -> SmallVector<Value> {
          Value x = load(input, c, valid);
          return {smaller(x, carried[0]), larger(x, carried[1])};
        });
    auto [scale, zeroPoint] =
        scaleAndZeroPoint(op, body, reduceLanes(body, extrema[0], smaller),
                          reduceLanes(body, extrema[1], larger));
    storeOne(op.getScale(), scale, body.index(g));
    if (zeroPoint)
      storeOne(op.getZeroPoint(), zeroPoint, body.index(g));
  }
}

Value RowsKernel::convertInteger(Value value, Value elements, Type as) {
  bool isUnsigned = tensorType(value).getElementType().isUnsignedInteger();
  if (isa<VectorType>(elements.getType()))
    as = laneType(as);
  if (getElementTypeOrSelf(as).isF32())
    return isUnsigned
               ? Value(arith::UIToFPOp::create(builder, loc, as, elements))
               : Value(arith::SIToFPOp::create(builder, loc, as, elements));
  return isUnsigned ? Value(arith::ExtUIOp::create(builder, loc, as, elements))
                    : Value(arith::ExtSIOp::create(builder, loc, as, elements));
}

void RowsKernel::forGroups(
    Value input, ArrayRef<int64_t> block,
    llvm::function_ref<void(int64_t, Value, int64_t)> step) {
  int64_t columns = columnsOf(input), group = groupColumns(block, input);
  if (group == 1 && columns != 1) {
    forColumns(body.index(0), columns,
               [&](Value c, int64_t valid) { step(-1, c, valid); });
    return;
  }
  for (int64_t begin = 0, g = 0; begin < columns; begin += group, ++g)
    forColumns(body.index(begin), std::min(group, columns - begin),
               [&](Value c, int64_t valid) { step(g, c, valid); });
}

void RowsKernel::emitQuantize(QuantizeOp op) {
  Value input = op.getInput(), output = op.getResult();
  Type stored = tensorType(output).getElementType();
  auto [qmin, qmax] = numerics::storedRange(*getFormat(stored));
  Type i32 = builder.getI32Type(), f32 = builder.getF32Type();
  forGroups(input, op.getBlock(),
            [&, qmin = qmin, qmax = qmax](int64_t g, Value c, int64_t valid) {
              auto parameter = [&](Value value) {
                return g < 0 ? load(value, c, valid)
                             : splat(body, loadOne(value, body.index(g)));
              };
              // clamp(round(x) + z) = round(clamp(x, qmin - z, qmax - z)) + z:
              // the bounds are whole.
              Value zeroPoint, lo = splat(body, body.f32(qmin)),
                               hi = splat(body, body.f32(qmax));
              if (op.getZeroPoint()) {
                zeroPoint = convertInteger(op.getZeroPoint(),
                                           parameter(op.getZeroPoint()), i32);
                Value shift = arith::SIToFPOp::create(builder, loc,
                                                      laneType(f32), zeroPoint);
                lo = arith::SubFOp::create(builder, loc, lo, shift);
                hi = arith::SubFOp::create(builder, loc, hi, shift);
              }
              Value x = arith::DivFOp::create(
                  builder, loc, asReal(input, load(input, c, valid)),
                  asReal(op.getScale(), parameter(op.getScale())));
              x = realRounded(body, x, op.getPrecision());
              if (isa<FloatType>(stored))
                return store(output, realTo(body, x, stored, op.getSaturate()),
                             c, valid);
              x = body.larger(x, lo); // a NaN becomes the lower end
              x = body.smaller(x, hi);
              x = math::RoundEvenOp::create(builder, loc, x);
              Value code =
                  arith::FPToSIOp::create(builder, loc, laneType(i32), x);
              if (zeroPoint)
                code = arith::AddIOp::create(builder, loc, code, zeroPoint);
              code = arith::TruncIOp::create(
                  builder, loc, laneType(kernelElementType(stored)), code);
              store(output, code, c, valid);
            });
}

void RowsKernel::emitDequantize(DequantizeOp op) {
  Value input = op.getInput(), zeroPoint = op.getZeroPoint();
  Type i32 = builder.getI32Type(), f32 = builder.getF32Type();
  forGroups(input, op.getBlock(), [&](int64_t g, Value c, int64_t valid) {
    auto parameter = [&](Value value) {
      return g < 0 ? load(value, c, valid)
                   : splat(body, loadOne(value, body.index(g)));
    };
    Value x = load(input, c, valid);
    if (isa<FloatType>(tensorType(input).getElementType())) {
      x = asReal(input, x);
    } else if (zeroPoint) {
      x = arith::SubIOp::create(
          builder, loc, convertInteger(input, x, i32),
          convertInteger(zeroPoint, parameter(zeroPoint), i32));
      x = arith::SIToFPOp::create(builder, loc, laneType(f32), x);
    } else {
      x = convertInteger(input, x, f32);
    }
    x = realRounded(body, x, op.getPrecision());
    x = arith::MulFOp::create(builder, loc, x,
                              asReal(op.getScale(), parameter(op.getScale())));
    x = realRounded(body, x, op.getPrecision());
    x = realTo(body, x, op.getType().getElementType());
    store(op.getResult(), x, c, valid);
  });
}

//===----------------------------------------------------------------------===//
// What can be emitted
//===----------------------------------------------------------------------===//

/// True where every row has scales of its own, or a group of its columns.
static bool hasRowScales(ArrayRef<int64_t> block, RankedTensorType type) {
  for (auto [entry, size] :
       llvm::zip_equal(block.drop_back(), type.getShape().drop_back()))
    if (entry != 1 && size != 1)
      return false;
  return true;
}

/// True where all rows have the same scales: one, or one a column.
static bool hasSharedScales(ArrayRef<int64_t> block, RankedTensorType type) {
  for (auto [entry, size] :
       llvm::zip_equal(block.drop_back(), type.getShape().drop_back()))
    if (entry != 0 && size != 1)
      return false;
  return block.back() == 0 || block.back() == 1 ||
         block.back() >= type.getShape().back();
}

template <typename OpT>
static bool canEmitQuantization(OpT op, Value stored, Value real) {
  RankedTensorType type = tensorType(real);
  if (type.getRank() == 0 || type.isDynamicDim(type.getRank() - 1))
    return false;
  return isLaneStored(tensorType(stored).getElementType()) && !op.getOffset() &&
         !op.getCodebook() && isLaneReal(type.getElementType()) &&
         (hasRowScales(op.getBlock(), type) ||
          hasSharedScales(op.getBlock(), type));
}

static bool canEmitChooseParams(ChooseParamsOp op) {
  RankedTensorType type = tensorType(op.getInput());
  if (type.getRank() == 0 || type.isDynamicDim(type.getRank() - 1))
    return false;
  return canFindScale(op) && hasRowScales(op.getBlock(), type);
}

static bool canEmitInner(Operation *op) {
  for (Value result : op->getResults()) {
    RankedTensorType type = tensorType(result);
    if (!type || type.getRank() == 0 || type.isDynamicDim(type.getRank() - 1))
      return false;
  }
  return llvm::TypeSwitch<Operation *, bool>(op)
      .Case<NormOp>([](NormOp norm) {
        return llvm::all_of(norm->getOperands(), [](Value operand) {
          return tensorType(operand).getElementType().isF32();
        });
      })
      .Case<EmbeddingOp>([](EmbeddingOp embedding) {
        Type element = tensorType(embedding.getTable()).getElementType();
        if (embedding.getScale() &&
            !tensorType(embedding.getScale()).getElementType().isF32())
          return false;
        return tensorType(embedding.getResult()).getElementType().isF32() &&
               (isa<FloatType>(element) ? element.getIntOrFloatBitWidth() >= 16
                                        : element.getIntOrFloatBitWidth() == 8);
      })
      .Case<ChooseParamsOp>(canEmitChooseParams)
      .Case<QuantizeOp>([](QuantizeOp op) {
        return canEmitQuantization(op, op.getResult(), op.getInput());
      })
      .Case<DequantizeOp>([](DequantizeOp op) {
        return canEmitQuantization(op, op.getInput(), op.getResult());
      })
      .Case<onnx_ir::NodeOp>([](onnx_ir::NodeOp node) {
        const onnx_ir::ElementwiseOp *row =
            node.getDomain().empty()
                ? onnx_ir::lookupElementwise(node.getOpType())
                : nullptr;
        if (!row || node.getNumResults() != 1)
          return false;
        SmallVector<Type> types;
        for (Value operand : node.getInputs()) {
          if (!tensorType(operand))
            return false;
          types.push_back(tensorType(operand).getElementType());
        }
        types.push_back(tensorType(node.getResult(0)).getElementType());
        return row->accepts(types);
      })
      .Default([](Operation *) { return false; });
}

bool canEmitRows(Operation *op) {
  SmallVector<Operation *> ops;
  SmallVector<Value> results;
  groupOf(op, ops, results);
  return llvm::all_of(ops, canEmitInner);
}

void emitRows(Operation *op, KernelBody &body) { RowsKernel(op, body).emit(); }

Value rowsScratchBytes(Operation *op, OpBuilder &builder) {
  int64_t bytes = 0;
  for (Value value : scratchValues(op))
    bytes += scratchOf(value);
  return bytes ? Value(arith::ConstantIndexOp::create(builder, op->getLoc(),
                                                      bytes))
               : Value();
}

} // namespace quantc::qkernel
