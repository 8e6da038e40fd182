//===- QuantizedMatmulKernel.cpp - Products of two stored activations -----===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A unit of work is one matrix of the batch by one register tile of columns, as
// in MatmulKernel.cpp. Its part of the right operand is laid out as panels of
// bytes, as weights are at compile time; then all rows go by. With
//
//   x = a, less 128 if it is ui8          s = b as the target stores weights
//
// the tiles give sum_k x s, and what is left of sum_k (a - za) (b - zb) is
//
//   - factor sum_k x - shift sum_k (b - zb)     factor = s - (b - zb)
//                                               shift = za (- 128 if a is ui8)
//
// Sums of rows are made once a matrix; those of columns once a unit, by a tile
// of one row of ones.
//
//===----------------------------------------------------------------------===//

#include "Kernels.h"
#include "Tiles.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "quantc/Dialect/QGraph/Shapes.h"

using namespace mlir;
using namespace quantc::qgraph;

namespace quantc::qkernel {

/// Values of k that one vector of a panel holds for each column.
static constexpr int64_t kGrain = 4;
static constexpr int64_t kPanelGrain = kGrain * kLanes;

namespace {
/// What the types of an op and its target say.
struct Plan {
  explicit Plan(QuantizedMatmulOp op);

  bool unsignedLhs, flipRhs;
  int64_t factor; ///< what the stored form of b has beside b - zb, without zb
  bool rowSums, columnSums, copy;
  int64_t k;     ///< K, or dynamic
  bool oneBlock; ///< K is one block of the sum for certain
  int64_t tileRows, tilePanels;

  int64_t lanes() const { return tilePanels * kLanes; }
};

/// Where the parts of a thread's scratch memory begin, in bytes.
struct Places {
  /// In `builder` at compile time of the schedule, or in the kernel.
  Places(const Plan &plan, OpBuilder &builder, Location loc, Value k,
         Value rows);

  Value stride; ///< bytes of a row that is copied
  Value panelBytes, blocks;
  Value scales, factors, terms, ones, sums, copy, end;
};

class QuantizedMatmulKernel {
public:
  QuantizedMatmulKernel(QuantizedMatmulOp op, KernelBody &body);
  void emit();

private:
  Value view(Value place, ArrayRef<int64_t> shape, Type element,
             ValueRange sizes);
  Value flip(Value bytes);
  void makeOnes();
  void prepareRows(Value batch);
  void copyRows();
  void sumRows();
  void pack(Value batch, Value firstColumn);
  void packAcross(Value panel, Value base, Value column);
  void packAlong(Value panel, Value base, Value column);
  void packEdge(Value panel, Value base, Value column);
  void storeByte(Value panel, Value k, Value lane, Value base, Value column);
  void prepareColumns(Value batch, Value firstColumn);
  void sumColumns();
  void tile(Value batch, Value m, Value firstColumn, int64_t rows);
  SmallVector<Value> block(Value m, Value g, Value batch, int64_t rows);
  Value parameter(Value memref, Value batch, Value i);
  Value length(Value begin);
  Value laneLoad(Value memref, Value offset);
  Value lessThan(Value a, Value b);

  QuantizedMatmulOp op;
  KernelBody &body;
  OpBuilder &builder;
  Location loc;
  Plan plan;
  int64_t rank;
  bool isSum, scalarSteps;
  Value k, rows, columns;
  Value lhs, rhs, output;                     // as rows
  Value lhsScale, lhsZero, rhsScale, rhsZero; // the operands; zeros may be null
  std::optional<Places> places;
  Value scales, factors, terms, ones, sums;
  Value left, leftBase; // the rows of a matrix as tiles read them
  Epilogue epilogue;
};
} // namespace

static bool isUnsignedByte(Value tensor) {
  return tensorType(tensor).getElementType().isUnsignedInteger(8);
}

Plan::Plan(QuantizedMatmulOp op) {
  auto target = op->getParentOfType<ModuleOp>()->getAttrOfType<TargetAttr>(
      TargetAttr::kAttrName);
  bool unsignedWeights = target && target.getUnsignedWeights();
  bool unsignedRhs = isUnsignedByte(op.getRhs());
  unsignedLhs = isUnsignedByte(op.getLhs());
  flipRhs = unsignedRhs != unsignedWeights;
  factor = (unsignedWeights ? 128 : 0) - (unsignedRhs ? 128 : 0);
  rowSums = factor != 0 || op.getRhsZeroPoint();
  columnSums = unsignedLhs || op.getLhsZeroPoint();
  k = tensorType(op.getLhs()).getShape().back();
  bool known = !ShapedType::isDynamic(k);
  copy = unsignedLhs || !known || k % kGrain != 0;
  oneBlock = tensorType(op.getResult()).getElementType().isSignedInteger(32) ||
             (known && k > 0 && k <= QuantizedMatmulOp::kBlockK);
  std::tie(tileRows, tilePanels) = registerTile(op, "si8");
}

Places::Places(const Plan &plan, OpBuilder &builder, Location loc, Value k,
               Value rows) {
  auto index = [&](int64_t value) -> Value {
    return arith::ConstantIndexOp::create(builder, loc, value);
  };
  auto add = [&](Value a, Value b) -> Value {
    return builder.createOrFold<arith::AddIOp>(loc, a, b);
  };
  auto mul = [&](Value a, Value b) -> Value {
    return builder.createOrFold<arith::MulIOp>(loc, a, b);
  };
  auto upTo = [&](Value a, int64_t grain) -> Value {
    return mul(builder.createOrFold<arith::CeilDivUIOp>(loc, a, index(grain)),
               index(grain));
  };
  stride = upTo(k, kLanes);
  panelBytes = mul(upTo(k, kGrain), index(kLanes));
  blocks = plan.oneBlock ? index(1)
                         : builder.createOrFold<arith::CeilDivUIOp>(
                               loc, k, index(QuantizedMatmulOp::kBlockK));
  int64_t lanes = plan.lanes() * 4;
  scales = mul(panelBytes, index(plan.tilePanels));
  factors = add(scales, index(lanes));
  terms = add(factors, index(lanes));
  ones = add(terms, plan.columnSums ? mul(blocks, index(lanes)) : index(0));
  sums = add(ones, plan.columnSums ? stride : index(0));
  Value sumBytes =
      plan.rowSums ? upTo(mul(mul(rows, blocks), index(4)), kLanes) : index(0);
  copy = add(sums, sumBytes);
  end = add(copy, plan.copy ? mul(rows, stride) : index(0));
}

/// True if no step reads more than one element of an operand.
static bool hasScalarSteps(QuantizedMatmulOp op) {
  return llvm::all_of(op.getEpilogueOperands(), [](Value operand) {
    RankedTensorType type = tensorType(operand);
    return type.hasStaticShape() && type.getNumElements() == 1;
  });
}

QuantizedMatmulKernel::QuantizedMatmulKernel(QuantizedMatmulOp op,
                                             KernelBody &body)
    : op(op), body(body), builder(body.builder), loc(body.loc), plan(op),
      rank(tensorType(op.getResult()).getRank()),
      isSum(tensorType(op.getResult()).getElementType().isSignedInteger(32)),
      scalarSteps(hasScalarSteps(op)),
      epilogue(body, op.getEpilogue(),
               ArrayRef<Value>(body.inputs)
                   .take_back(op.getEpilogueOperands().size()),
               op.getEpilogueOperands().getTypes(),
               cast<RankedTensorType>(op.getType())) {
  unsigned next = 0;
  Value a = body.inputs[next++];
  lhsScale = body.inputs[next++];
  if (op.getLhsZeroPoint())
    lhsZero = body.inputs[next++];
  Value b = body.inputs[next++];
  rhsScale = body.inputs[next++];
  if (op.getRhsZeroPoint())
    rhsZero = body.inputs[next++];
  k = body.dim(a, tensorType(op.getLhs()).getRank() - 1);
  rows = body.dim(body.outputs[0], rank - 2);
  columns = body.dim(body.outputs[0], rank - 1);
  lhs = body.asRows(a);
  rhs = body.asRows(b);
  output = body.asRows(body.outputs[0]);
}

/// A part of scratch memory.
Value QuantizedMatmulKernel::view(Value place, ArrayRef<int64_t> shape,
                                  Type element, ValueRange sizes) {
  return memref::ViewOp::create(builder, loc, MemRefType::get(shape, element),
                                body.scratch, place, sizes);
}

Value QuantizedMatmulKernel::lessThan(Value a, Value b) {
  return arith::CmpIOp::create(builder, loc, arith::CmpIPredicate::ult, a, b);
}

/// x ^ 128 of bytes, which exchanges signed and unsigned ones.
Value QuantizedMatmulKernel::flip(Value bytes) {
  TypedAttr half = builder.getI8IntegerAttr(-128);
  if (auto lanes = dyn_cast<VectorType>(bytes.getType()))
    half = DenseElementsAttr::get(lanes, ArrayRef<Attribute>(half));
  return arith::XOrIOp::create(builder, loc, bytes, body.constant(half));
}

Value QuantizedMatmulKernel::laneLoad(Value memref, Value offset) {
  return loadLanes(body, memref, {offset}, kLanes);
}

/// The number of values of k in the block that begins at `begin`.
Value QuantizedMatmulKernel::length(Value begin) {
  if (plan.oneBlock)
    return k;
  return body.minimum(body.sub(k, begin),
                      body.index(QuantizedMatmulOp::kBlockK));
}

void QuantizedMatmulKernel::emit() {
  int64_t dynamic = ShapedType::kDynamic;
  places.emplace(plan, builder, loc, k, rows);
  Value lanes = body.index(plan.lanes());
  Type i32 = builder.getI32Type();
  scales = view(places->scales, {plan.lanes()}, builder.getF32Type(), {});
  factors = view(places->factors, {plan.lanes()}, i32, {});
  if (plan.columnSums) {
    terms =
        view(places->terms, {dynamic}, i32, {body.mul(places->blocks, lanes)});
    makeOnes();
  }
  if (plan.rowSums)
    sums = view(places->sums, {dynamic, dynamic}, i32, {rows, places->blocks});

  Value batches = body.product(body.outputs[0], 0, rank - 2);
  Value blocks = body.ceilDiv(columns, plan.lanes());
  auto [lo, hi] = body.share(body.mul(batches, blocks));
  Value each = builder.createOrFold<arith::MaxUIOp>(loc, blocks, body.index(1));
  Value first = builder.createOrFold<arith::DivUIOp>(loc, lo, each);
  Value last = builder.createOrFold<arith::CeilDivUIOp>(loc, hi, each);
  body.loop(first, last, 1, [&](Value batch) {
    Value start = body.mul(batch, each);
    Value from =
        body.sub(builder.createOrFold<arith::MaxUIOp>(loc, lo, start), start);
    Value to = body.sub(body.minimum(hi, body.add(start, each)), start);
    prepareRows(batch);
    body.loop(from, to, 1, [&](Value unit) {
      Value firstColumn = body.mul(unit, lanes);
      pack(batch, firstColumn);
      prepareColumns(batch, firstColumn);
      if (plan.columnSums)
        sumColumns();
      forRowTiles(
          body, body.index(0), rows, plan.tileRows,
          [&](Value m, int64_t count) { tile(batch, m, firstColumn, count); });
    });
  });
}

//===----------------------------------------------------------------------===//
// The left operand
//===----------------------------------------------------------------------===//

/// A row of ones, and zeros behind K.
void QuantizedMatmulKernel::makeOnes() {
  Type i8 = builder.getI8Type();
  int64_t dynamic = ShapedType::kDynamic;
  ones = view(places->ones, {1, dynamic}, i8, {places->stride});
  body.loop(body.index(0), places->stride, 1, [&](Value i) {
    Value one = arith::ExtUIOp::create(builder, loc, i8, lessThan(i, k));
    memref::StoreOp::create(builder, loc, one, ones,
                            ValueRange{body.index(0), i});
  });
}

void QuantizedMatmulKernel::prepareRows(Value batch) {
  left = lhs;
  leftBase =
      body.mul(batchIndex(body, body.inputs[0], body.outputs[0], batch), rows);
  if (plan.copy)
    copyRows();
  if (plan.rowSums)
    sumRows();
}

/// The rows of a matrix, signed, with zeros up to a multiple of 16.
void QuantizedMatmulKernel::copyRows() {
  int64_t dynamic = ShapedType::kDynamic;
  Type i8 = builder.getI8Type();
  Value copy =
      view(places->copy, {dynamic, dynamic}, i8, {rows, places->stride});
  Value whole = body.sub(
      k, builder.createOrFold<arith::RemUIOp>(loc, k, body.index(kLanes)));
  auto signedForm = [&](Value x) { return plan.unsignedLhs ? flip(x) : x; };
  body.loop(body.index(0), rows, 1, [&](Value m) {
    Value row = body.add(leftBase, m);
    body.loop(body.index(0), whole, kLanes, [&](Value i) {
      storeLanes(body, signedForm(loadLanes(body, lhs, {row, i}, kLanes)), copy,
                 {m, i}, kLanes);
    });
    body.loop(whole, k, 1, [&](Value i) {
      Value x = memref::LoadOp::create(builder, loc, lhs, ValueRange{row, i});
      memref::StoreOp::create(builder, loc, signedForm(x), copy,
                              ValueRange{m, i});
    });
    Value zero = body.constant(builder.getI8IntegerAttr(0));
    body.loop(k, places->stride, 1, [&](Value i) {
      memref::StoreOp::create(builder, loc, zero, copy, ValueRange{m, i});
    });
  });
  left = copy;
  leftBase = body.index(0);
}

void QuantizedMatmulKernel::sumRows() {
  Type i8 = builder.getI8Type(), i32 = builder.getI32Type();
  int64_t width = plan.copy || plan.k % kLanes == 0 ? kLanes : kGrain;
  Value end = plan.copy ? places->stride : k;
  auto narrow = VectorType::get({width}, i8);
  auto wide = VectorType::get({width}, i32);
  Value zero = body.constant(builder.getZeroAttr(wide));
  body.loop(body.index(0), rows, 1, [&](Value m) {
    Value row = body.add(leftBase, m);
    body.loop(body.index(0), places->blocks, 1, [&](Value g) {
      Value begin = body.mul(g, body.index(QuantizedMatmulOp::kBlockK));
      Value stop = end;
      if (!plan.oneBlock)
        stop = body.minimum(
            end, body.add(begin, body.index(QuantizedMatmulOp::kBlockK)));
      auto total = body.loop(
          begin, stop, width, ValueRange{zero},
          [&](Value i, ValueRange carried) -> SmallVector<Value> {
            Value part = vector::LoadOp::create(builder, loc, narrow, left,
                                                ValueRange{row, i});
            part = arith::ExtSIOp::create(builder, loc, wide, part);
            return {arith::AddIOp::create(builder, loc, carried[0], part)};
          });
      Value sum = vector::ReductionOp::create(
          builder, loc, vector::CombiningKind::ADD, total[0]);
      memref::StoreOp::create(builder, loc, sum, sums, ValueRange{m, g});
    });
  });
}

//===----------------------------------------------------------------------===//
// The right operand
//===----------------------------------------------------------------------===//

/// Columns from `firstColumn` on as panels [panel][k / 4][16][4]. Values of k
/// past the end are whatever is there: they meet zeros.
void QuantizedMatmulKernel::pack(Value batch, Value firstColumn) {
  Value height = op.getTransposeRhs() ? columns : k;
  Value base =
      body.mul(batchIndex(body, body.inputs[op.getLhsZeroPoint() ? 3 : 2],
                          body.outputs[0], batch),
               height);
  body.loop(body.index(0), body.index(plan.tilePanels), 1, [&](Value p) {
    Value panel = body.mul(p, places->panelBytes);
    Value column = body.add(firstColumn, body.mul(p, body.index(kLanes)));
    if (op.getTransposeRhs())
      return packAlong(panel, base, column);
    emitWholeOrEdge(
        body, column, columns, [&] { packAcross(panel, base, column); },
        [&] { packEdge(panel, base, column); });
  });
}

/// A panel of 16 whole columns of b [K, N]: four rows are put into each other.
void QuantizedMatmulKernel::packAcross(Value panel, Value base, Value column) {
  Value last = body.sub(k, body.index(1));
  body.loop(body.index(0), k, kGrain, [&](Value i) {
    SmallVector<Value> four;
    for (int64_t j = 0; j < kGrain; ++j) {
      Value row = body.minimum(body.add(i, body.index(j)), last);
      four.push_back(
          loadLanes(body, rhs, {body.add(base, row), column}, kLanes));
    }
    auto together = [&](Value a, Value b) -> Value {
      return vector::InterleaveOp::create(builder, loc, a, b);
    };
    Value bytes =
        together(together(four[0], four[2]), together(four[1], four[3]));
    if (plan.flipRhs)
      bytes = flip(bytes);
    Value at = body.add(panel, body.mul(i, body.index(kLanes)));
    vector::StoreOp::create(builder, loc, bytes, body.scratch, ValueRange{at});
  });
}

/// The byte of column `column` (or the last one) at `k` (or the last one).
void QuantizedMatmulKernel::storeByte(Value panel, Value i, Value lane,
                                      Value base, Value column) {
  Value row = body.minimum(i, body.sub(k, body.index(1)));
  column = body.minimum(column, body.sub(columns, body.index(1)));
  if (op.getTransposeRhs())
    std::swap(row, column);
  Value byte = memref::LoadOp::create(builder, loc, rhs,
                                      ValueRange{body.add(base, row), column});
  if (plan.flipRhs)
    byte = flip(byte);
  Value within = arith::RemUIOp::create(builder, loc, i, body.index(kGrain));
  Value at = body.mul(body.sub(i, within), body.index(kLanes));
  at = body.add(body.add(panel, at),
                body.add(body.mul(lane, body.index(kGrain)), within));
  memref::StoreOp::create(builder, loc, byte, body.scratch, ValueRange{at});
}

/// A panel of less than 16 columns of b [K, N]; those past the end are the last
/// one.
void QuantizedMatmulKernel::packEdge(Value panel, Value base, Value column) {
  Value padded = builder.createOrFold<arith::DivUIOp>(loc, places->panelBytes,
                                                      body.index(kLanes));
  body.loop(body.index(0), padded, 1, [&](Value i) {
    body.loop(body.index(0), body.index(kLanes), 1, [&](Value lane) {
      storeByte(panel, i, lane, base, body.add(column, lane));
    });
  });
}

/// A panel of b [N, K]: each column's bytes lie together, four of them are a
/// lane.
void QuantizedMatmulKernel::packAlong(Value panel, Value base, Value column) {
  auto four = VectorType::get({kGrain}, builder.getI8Type());
  Value last = body.sub(columns, body.index(1));
  Value padded = builder.createOrFold<arith::DivUIOp>(loc, places->panelBytes,
                                                      body.index(kLanes));
  Value whole = body.sub(
      k, builder.createOrFold<arith::RemUIOp>(loc, k, body.index(kGrain)));
  body.loop(body.index(0), body.index(kLanes), 1, [&](Value lane) {
    Value own = body.add(column, lane);
    Value row = body.add(base, body.minimum(own, last));
    Value begin = body.add(panel, body.mul(lane, body.index(kGrain)));
    body.loop(body.index(0), whole, kGrain, [&](Value i) {
      Value bytes =
          vector::LoadOp::create(builder, loc, four, rhs, ValueRange{row, i});
      if (plan.flipRhs)
        bytes = flip(bytes);
      Value at = body.add(begin, body.mul(i, body.index(kLanes)));
      vector::StoreOp::create(builder, loc, bytes, body.scratch,
                              ValueRange{at});
    });
    body.loop(whole, padded, 1,
              [&](Value i) { storeByte(panel, i, lane, base, own); });
  });
}

/// The element of a scale or zero point for index i of the dimension that is
/// not summed over.
Value QuantizedMatmulKernel::parameter(Value memref, Value batch, Value i) {
  int64_t own = cast<MemRefType>(memref.getType()).getRank();
  // One of the two is 1: that of K.
  Value count = body.product(memref, own - 2, own);
  Value isOne = arith::CmpIOp::create(builder, loc, arith::CmpIPredicate::eq,
                                      count, body.index(1));
  Value place = arith::SelectOp::create(builder, loc, isOne, body.index(0), i);
  Value matrix = batchIndex(body, memref, body.outputs[0], batch);
  return memref::LoadOp::create(builder, loc, body.flatten(memref),
                                body.add(body.mul(matrix, count), place));
}

static Value asI32(KernelBody &body, Value code, Value tensor) {
  Type i32 = body.builder.getI32Type();
  if (tensorType(tensor).getElementType().isUnsignedInteger())
    return arith::ExtUIOp::create(body.builder, body.loc, i32, code);
  return arith::ExtSIOp::create(body.builder, body.loc, i32, code);
}

static Value asF32(KernelBody &body, Value scale) {
  if (scale.getType().isF32())
    return scale;
  return arith::ExtFOp::create(body.builder, body.loc,
                               body.builder.getF32Type(), scale);
}

/// Scale and factor of each column.
void QuantizedMatmulKernel::prepareColumns(Value batch, Value firstColumn) {
  Value last = body.sub(columns, body.index(1));
  body.loop(body.index(0), body.index(plan.lanes()), 1, [&](Value lane) {
    Value column = body.minimum(body.add(firstColumn, lane), last);
    if (!isSum) {
      Value scale = parameter(rhsScale, batch, column);
      memref::StoreOp::create(builder, loc, asF32(body, scale), scales,
                              ValueRange{lane});
    }
    if (!plan.rowSums && !plan.columnSums)
      return;
    Value factor = body.i32(static_cast<int32_t>(plan.factor));
    if (rhsZero) {
      Value zero = parameter(rhsZero, batch, column);
      factor = arith::AddIOp::create(builder, loc, factor,
                                     asI32(body, zero, op.getRhsZeroPoint()));
    }
    memref::StoreOp::create(builder, loc, factor, factors, ValueRange{lane});
  });
}

/// sum_k (b - zb) of each column and block.
void QuantizedMatmulKernel::sumColumns() {
  Type i32 = builder.getI32Type();
  body.loop(body.index(0), places->blocks, 1, [&](Value g) {
    Value begin = body.mul(g, body.index(QuantizedMatmulOp::kBlockK));
    Value count = length(begin);
    Value zero = splat(body, body.i32(0));
    SmallVector<Value> init(plan.tilePanels, zero);
    auto dot = TileDotOp::create(
        builder, loc, TypeRange(ValueRange(init)), ones, body.index(0), begin,
        body.scratch, body.mul(begin, body.index(kLanes)), places->panelBytes,
        body.mul(body.ceilDiv(count, kGrain), body.index(kGrain)), init, "si8",
        /*rows=*/1, plan.tilePanels);
    Value times =
        splat(body, arith::IndexCastOp::create(builder, loc, i32, count));
    for (auto [p, sum] : llvm::enumerate(dot.getResults())) {
      Value lane = body.index(p * kLanes);
      Value rest =
          arith::MulIOp::create(builder, loc, laneLoad(factors, lane), times);
      Value term = arith::SubIOp::create(builder, loc, sum, rest);
      Value at = body.add(body.mul(g, body.index(plan.lanes())), lane);
      storeLanes(body, term, terms, {at}, kLanes);
    }
  });
}

//===----------------------------------------------------------------------===//
// Tiles
//===----------------------------------------------------------------------===//

/// sum_k (a - za) (b - zb) over block g, row by row.
SmallVector<Value> QuantizedMatmulKernel::block(Value m, Value g, Value batch,
                                                int64_t count) {
  Value begin = body.mul(g, body.index(QuantizedMatmulOp::kBlockK));
  SmallVector<Value> init;
  for (int64_t r = 0; r < count; ++r) {
    Value row = body.add(m, body.index(r)), sum, shift;
    if (plan.rowSums)
      sum = splat(
          body, memref::LoadOp::create(builder, loc, sums, ValueRange{row, g}));
    if (plan.columnSums) {
      shift = body.i32(plan.unsignedLhs ? -128 : 0);
      if (lhsZero) {
        Value zero = parameter(lhsZero, batch, row);
        shift = arith::AddIOp::create(builder, loc, shift,
                                      asI32(body, zero, op.getLhsZeroPoint()));
      }
      shift = splat(body, shift);
    }
    for (int64_t p = 0; p < plan.tilePanels; ++p) {
      Value lane = body.index(p * kLanes), start = splat(body, body.i32(0));
      auto subtract = [&](Value a, Value b) {
        start = arith::SubIOp::create(
            builder, loc, start, arith::MulIOp::create(builder, loc, a, b));
      };
      if (sum)
        subtract(sum, laneLoad(factors, lane));
      if (shift)
        subtract(shift,
                 laneLoad(terms, body.add(body.mul(g, body.index(plan.lanes())),
                                          lane)));
      init.push_back(start);
    }
  }
  Value padded =
      body.mul(body.ceilDiv(length(begin), kGrain), body.index(kGrain));
  auto dot = TileDotOp::create(
      builder, loc, TypeRange(ValueRange(init)), left, body.add(leftBase, m),
      begin, body.scratch, body.mul(begin, body.index(kLanes)),
      places->panelBytes, padded, init, "si8", count, plan.tilePanels);
  return SmallVector<Value>(dot.getResults());
}

void QuantizedMatmulKernel::tile(Value batch, Value m, Value firstColumn,
                                 int64_t count) {
  Type f32 = builder.getF32Type();
  auto scaled = [&](Value g, ValueRange totals) {
    SmallVector<Value> values = block(m, g, batch, count);
    for (int64_t r = 0; r < count; ++r) {
      Value scale = parameter(lhsScale, batch, body.add(m, body.index(r)));
      scale = splat(body, asF32(body, scale));
      for (int64_t p = 0; p < plan.tilePanels; ++p) {
        Value &value = values[r * plan.tilePanels + p];
        Value factor = arith::MulFOp::create(
            builder, loc, scale, laneLoad(scales, body.index(p * kLanes)));
        Value real =
            arith::SIToFPOp::create(builder, loc, laneType(f32), value);
        value = math::FmaOp::create(builder, loc, real, factor,
                                    totals[r * plan.tilePanels + p]);
      }
    }
    return values;
  };
  SmallVector<Value> values(count * plan.tilePanels, splat(body, body.f32(0)));
  if (isSum)
    values = block(m, body.index(0), batch, count);
  else if (plan.oneBlock)
    values = scaled(body.index(0), values);
  else
    values = body.loop(body.index(0), places->blocks, 1, values, scaled);

  Value firstRow = body.mul(batch, rows);
  int64_t n = tensorType(op.getResult()).getShape().back();
  bool known = !ShapedType::isDynamic(n);
  auto finished = [&](int64_t r, int64_t p, Value row, Value column,
                      int64_t valid) {
    Value value = values[r * plan.tilePanels + p];
    return isSum ? value : epilogue.emit(value, row, column, valid);
  };
  for (int64_t p = 0; p < plan.tilePanels; ++p) {
    Value column = body.add(firstColumn, body.index(p * kLanes));
    SmallVector<Value> at, early;
    for (int64_t r = 0; r < count; ++r) {
      at.push_back(body.add(firstRow, body.add(m, body.index(r))));
      // Where the steps read nothing beside the tile they are written once.
      if (scalarSteps)
        early.push_back(finished(r, p, at[r], column, kLanes));
    }
    auto store = [&](int64_t valid) {
      for (int64_t r = 0; r < count; ++r)
        storeLanes(
            body, scalarSteps ? early[r] : finished(r, p, at[r], column, valid),
            output, {at[r], column}, valid);
    };
    auto edge = [&] {
      if (!known) {
        for (int64_t r = 0; r < count; ++r)
          storeLanesBelow(body, early[r], output, at[r], column, columns);
        return;
      }
      if (n % kLanes == 0)
        return;
      auto some = scf::IfOp::create(builder, loc, lessThan(column, columns),
                                    /*withElseRegion=*/false);
      builder.setInsertionPointToStart(some.thenBlock());
      store(n % kLanes);
    };
    emitWholeOrEdge(body, column, columns, [&] { store(kLanes); }, edge);
  }
}

bool canEmitQuantizedMatmul(QuantizedMatmulOp op) {
  auto type = cast<RankedTensorType>(op.getType());
  std::string why;
  bool stores = quantizeStep(op.getEpilogue()) != StepAttr();
  Type element = type.getElementType();
  if (!stores && !element.isF32() && !element.isSignedInteger(32))
    return false;
  // The edge of a matrix of unknown width is written element by element.
  return Epilogue::canEmit(op.getEpilogue(),
                           op.getEpilogueOperands().getTypes(), type, why) &&
         (!type.isDynamicDim(type.getRank() - 1) || hasScalarSteps(op));
}

void emitQuantizedMatmul(QuantizedMatmulOp op, KernelBody &body) {
  QuantizedMatmulKernel(op, body).emit();
}

Value quantizedMatmulScratchBytes(QuantizedMatmulOp op, OpBuilder &builder) {
  Location loc = op.getLoc();
  SmallVector<OpFoldResult> sizes = getDims(builder, op.getLhs());
  Value k = getValueOrCreateConstantIndexOp(builder, loc, sizes.back());
  Value rows =
      getValueOrCreateConstantIndexOp(builder, loc, sizes[sizes.size() - 2]);
  return Places(Plan(op), builder, loc, k, rows).end;
}

} // namespace quantc::qkernel
