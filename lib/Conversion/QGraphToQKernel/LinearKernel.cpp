//===- LinearKernel.cpp - qkernel.linear as tiles of dot products ---------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// One generator for every packed format: blocks of rows outermost, then tiles
// of panels, then tiles of rows; all of K inside a tile. Nothing here knows an
// instruction set: a tile's dot products are one qkernel.tile_dot.
//
//===----------------------------------------------------------------------===//

#include "Kernels.h"
#include "Tiles.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "quantc/Numerics/PackPanels.h"

using namespace mlir;

namespace quantc::qkernel {

/// Rows that are worked on together, and their bytes: their activations stay in
/// the second-level cache while all panels pass by.
static constexpr int64_t kBlockRows = 240, kBlockBytes = 448 * 1024;
/// Weights of so many bytes do not stay in the second-level cache: the next
/// panels are fetched while rows go by the current ones.
static constexpr int64_t kFetchBytes = 512 * 1024, kFetchTiles = 6;
/// What rows that fill no tile cost, in rows.
static constexpr int64_t kTailRows = 4;
/// Rows this many bytes apart fall on each other in the first-level cache: a
/// block of floats is copied to rows that are a cache line longer.
static constexpr int64_t kCacheStep = 4096, kCacheLine = 64;

namespace {
class LinearKernel {
public:
  LinearKernel(LinearOp op, KernelBody &body);
  void emit();

private:
  void tile(Value m, Value panel, int64_t rows, int64_t panels, int64_t valid);
  SmallVector<Value> floatTile(Value m, PanelRef ref, int64_t rows,
                               int64_t panels);
  SmallVector<Value> storedTile(Value m, PanelRef ref, int64_t rows,
                                int64_t panels);
  void unpack(PanelRef ref, Value begin, int64_t length, int64_t panels);
  void addBias(PanelRef ref, int64_t rows, int64_t panels,
               MutableArrayRef<Value> sums);
  SmallVector<Value> columnScaleTile(Value m, PanelRef ref, int64_t rows,
                                     int64_t panels);
  SmallVector<Value> groupScaleTile(Value m, PanelRef ref, int64_t rows,
                                    int64_t panels);
  SmallVector<Value> integerDots(Value m, Value group, Value offset,
                                 PanelRef ref, int64_t rows, int64_t panels);
  void panelTiles(Value mLo, Value mHi, Value tileLo, Value tileHi,
                  Value restToo);
  void fetchNext(Value panel, Value row, Value linesPerRow);
  void prepareInput(Value mLo, Value mHi);
  void copyInput(Value mLo, Value mHi, Value offset);
  void sumInput(Value mLo, Value mHi);
  void spreadRows(Value mLo, Value mHi);
  Value loadFloats(Value offset, Type storage);
  Value loadZeroPoints(Value offset);
  Value loadSums(Value offset);
  Value perRow(Value memref, Type tensor, Value m, Value group);
  Value inputScale(Value m, Value group);
  Value inputZeroPoint(Value m, Value group);
  SmallVector<Value> initialSums(Value m, Value group, Value offset,
                                 int64_t rows, int64_t panels);

  LinearOp op;
  KernelBody &body;
  OpBuilder &builder;
  Location loc;
  numerics::PanelLayout layout;
  bool isFloat;
  bool unpacks; // stored weights, a float input
  int64_t rowsPerTile, panelsPerTile;
  int64_t paddedK; // what the panels hold for k, all groups together
  int64_t groupLength, groupStride;
  bool unsignedInput, needsSums, needsCopy;
  Value input, scale, zeroPoint, packed, output;
  Value sums; // of each row's groups, times what the weights need them for
  // The block's rows far enough apart, and the first of them.
  Value spread, firstSpread;
  Epilogue epilogue;
};
} // namespace

static numerics::PanelLayout layoutOf(LinearOp op) {
  numerics::PanelLayout layout;
  layout.format = *numerics::parseFormat(op.getFormat().str());
  layout.n = op.getN();
  layout.k = op.getK();
  layout.group = op.getGroup();
  if (op.getScaleType() && op.getScaleType()->isF16())
    layout.scaleType = numerics::Format::F16;
  auto module = op->getParentOfType<ModuleOp>();
  auto target = module->getAttrOfType<TargetAttr>(TargetAttr::kAttrName);
  layout.unsignedWeights = target && target.getUnsignedWeights();
  layout.zeroPoints = op.getWeightZeroPoints();
  layout.columnSums = op.getColumnSums();
  return layout;
}

/// Values of k that one vector of the format holds for each column.
static int64_t kGrain(numerics::Format format) {
  return format == numerics::Format::F32   ? 1
         : format == numerics::Format::SI4 ? 8
                                           : 4;
}

static int64_t paddedLength(const numerics::PanelLayout &layout) {
  int64_t group = layout.group ? layout.group : layout.k;
  return layout.groups() * llvm::alignTo(group, kGrain(layout.format));
}

/// What the kernel makes of its input beforehand: a copy, padded or made
/// signed; the sums of its groups.
struct Preparation {
  bool unsignedInput, sums, copy;
};
static Preparation preparationOf(LinearOp op,
                                 const numerics::PanelLayout &layout) {
  if (layout.format == numerics::Format::F32 || !op.getInputScale())
    return {false, false, false};
  bool isUnsigned =
      tensorType(op.getInput()).getElementType().isUnsignedInteger();
  return {isUnsigned, layout.unsignedWeights || layout.zeroPoints,
          isUnsigned || paddedLength(layout) != layout.k};
}

/// Floats a row apart by a multiple of kCacheStep.
static bool needsSpread(const numerics::PanelLayout &layout) {
  return layout.format == numerics::Format::F32 &&
         layout.k * 4 % kCacheStep == 0;
}

/// Rows of a block, a multiple of the tile's.
static int64_t blockRows(const numerics::PanelLayout &layout,
                         int64_t rowsPerTile) {
  int64_t bytes = layout.format == numerics::Format::F32 ? 4 : 1;
  int64_t rows =
      std::min(kBlockRows, kBlockBytes / (paddedLength(layout) * bytes));
  return std::max(rows / rowsPerTile, int64_t(1)) * rowsPerTile;
}

/// The register tile; shorter where that leaves fewer rows over of a number
/// that is known. Stored weights beside a float input are unpacked to floats
/// first.
static std::pair<int64_t, int64_t> tileOf(LinearOp op) {
  auto [most, panels] =
      registerTile(op, op.getInputScale() ? op.getFormat() : "f32");
  int64_t rows = 1;
  for (int64_t size : tensorType(op.getInput()).getShape().drop_back())
    rows = ShapedType::isDynamic(size) || rows == 0 ? 0 : rows * size;
  // What is left over costs as many rows and, for its short tiles, some more.
  auto cost = [&](int64_t tile) {
    return rows + (rows % tile ? kTailRows : 0);
  };
  int64_t best = most;
  for (int64_t tile = most - 1; tile > 0 && tile >= most * 3 / 4; --tile)
    if (100 * cost(tile) < 99 * cost(best))
      best = tile;
  return {best, panels};
}

LinearKernel::LinearKernel(LinearOp op, KernelBody &body)
    : op(op), body(body), builder(body.builder), loc(body.loc),
      layout(layoutOf(op)), isFloat(layout.format == numerics::Format::F32),
      unpacks(!isFloat && !op.getInputScale()),
      epilogue(body, op.getEpilogue(),
               ArrayRef<Value>(body.inputs)
                   .take_back(op.getEpilogueOperands().size()),
               op.getEpilogueOperands().getTypes(),
               cast<RankedTensorType>(op.getType())) {
  std::tie(rowsPerTile, panelsPerTile) = tileOf(op);
  paddedK = paddedLength(layout);
  groupLength = paddedK / layout.groups();
  groupStride = layout.groupBytes() + layout.paramBytes();
  Preparation preparation = preparationOf(op, layout);
  unsignedInput = preparation.unsignedInput;
  needsSums = preparation.sums;
  needsCopy = preparation.copy;
  unsigned next = 0;
  input = body.asRows(body.inputs[next++]);
  if (op.getInputScale())
    scale = body.asRows(body.inputs[next++]);
  if (op.getInputZeroPoint())
    zeroPoint = body.asRows(body.inputs[next++]);
  packed = body.flatten(body.inputs[next++]);
  output = body.asRows(body.outputs[0]);
}

void LinearKernel::emit() {
  Value rows = body.dim(output, 0);
  int64_t fullPanels = layout.n / kLanes;
  Value tiles = body.index(fullPanels / panelsPerTile);

  // Many rows: each thread takes a range of them and reads all weights. Few
  // rows: each takes a range of the weights. No sum depends on the choice.
  auto [rowLo, rowHi] = body.share(rows, rowsPerTile);
  auto [tileLo, tileHi] = body.share(tiles);
  Value enough = body.mul(body.threads, body.index(rowsPerTile));
  Value byRows = arith::CmpIOp::create(builder, loc, arith::CmpIPredicate::uge,
                                       rows, enough);
  Value last =
      arith::CmpIOp::create(builder, loc, arith::CmpIPredicate::eq, body.thread,
                            body.sub(body.threads, body.index(1)));
  auto select = [&](Value a, Value b) -> Value {
    return arith::SelectOp::create(builder, loc, byRows, a, b);
  };
  Value mLo = select(rowLo, body.index(0)), mHi = select(rowHi, rows);
  Value tLo = select(body.index(0), tileLo), tHi = select(tiles, tileHi);
  Value restToo = arith::OrIOp::create(builder, loc, byRows, last);

  prepareInput(mLo, mHi);
  int64_t block = blockRows(layout, rowsPerTile);
  body.loop(mLo, mHi, block, [&](Value blockLo) {
    Value blockHi = body.minimum(mHi, body.add(blockLo, body.index(block)));
    if (needsSpread(layout))
      spreadRows(blockLo, blockHi);
    panelTiles(blockLo, blockHi, tLo, tHi, restToo);
  });
}

void LinearKernel::spreadRows(Value mLo, Value mHi) {
  auto type = MemRefType::get({ShapedType::kDynamic, layout.k + kCacheLine / 4},
                              builder.getF32Type());
  spread = memref::ViewOp::create(
      builder, loc, type, body.scratch, body.index(0),
      ValueRange{body.index(blockRows(layout, rowsPerTile))});
  firstSpread = mLo;
  body.loop(mLo, mHi, 1, [&](Value m) {
    body.loop(body.index(0), body.index(layout.k), kLanes, [&](Value k) {
      Value lanes = loadLanes(body, input, {m, k}, kLanes);
      storeLanes(body, lanes, spread, {body.sub(m, mLo), k}, kLanes);
    });
  });
}

void LinearKernel::panelTiles(Value mLo, Value mHi, Value tileLo, Value tileHi,
                              Value restToo) {
  int64_t fullPanels = layout.n / kLanes;
  int64_t tiled = fullPanels / panelsPerTile * panelsPerTile;
  bool fetches = layout.bytes() > kFetchBytes;
  Value linesPerRow;
  if (fetches) {
    int64_t lines = panelsPerTile * layout.panelBytes() / kCacheLine;
    // With few rows each would have to fetch too much at once.
    Value rows = body.sub(mHi, mLo);
    Value least = body.index(kFetchTiles * rowsPerTile);
    Value enough = arith::CmpIOp::create(
        builder, loc, arith::CmpIPredicate::uge, rows, least);
    Value each = builder.createOrFold<arith::CeilDivUIOp>(
        loc, body.index(lines),
        builder.createOrFold<arith::MaxUIOp>(loc, rows, least));
    linesPerRow =
        arith::SelectOp::create(builder, loc, enough, each, body.index(0));
  }
  if (tiled > 0)
    body.loop(tileLo, tileHi, 1, [&](Value t) {
      Value panel = body.mul(t, body.index(panelsPerTile));
      forRowTiles(body, mLo, mHi, rowsPerTile, [&](Value m, int64_t rows) {
        if (fetches && rows == rowsPerTile)
          fetchNext(panel, body.sub(m, mLo), linesPerRow);
        tile(m, panel, rows, panelsPerTile, kLanes);
      });
    });
  if (tiled == layout.panels())
    return;
  auto rest =
      scf::IfOp::create(builder, loc, restToo, /*withElseRegion=*/false);
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPointToStart(rest.thenBlock());
  for (int64_t panel = tiled; panel < layout.panels(); ++panel) {
    int64_t valid = std::min(kLanes, layout.n - panel * kLanes);
    forRowTiles(body, mLo, mHi, rowsPerTile, [&](Value m, int64_t rows) {
      tile(m, body.index(panel), rows, 1, valid);
    });
  }
}

/// A tile's share of the panels behind those that it works on, to the
/// second-level cache.
void LinearKernel::fetchNext(Value panel, Value row, Value linesPerRow) {
  Value begin = body.mul(body.add(panel, body.index(panelsPerTile)),
                         body.index(layout.panelBytes()));
  Value first = body.mul(row, linesPerRow);
  Value count = body.mul(body.index(rowsPerTile), linesPerRow);
  body.loop(first, body.add(first, count), 1, [&](Value line) {
    Value at = body.add(begin, body.mul(line, body.index(kCacheLine)));
    at = body.minimum(at, body.index(layout.bytes() - 1));
    memref::PrefetchOp::create(builder, loc, packed, ValueRange{at},
                               /*isWrite=*/false, /*localityHint=*/2,
                               /*isDataCache=*/true);
  });
}

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

/// 16 floats of a panel, stored as `storage`.
Value LinearKernel::loadFloats(Value offset, Type storage) {
  int64_t bytes = kLanes * storage.getIntOrFloatBitWidth() / 8;
  Value raw = vector::LoadOp::create(
      builder, loc, VectorType::get({bytes}, builder.getI8Type()), packed,
      ValueRange{offset});
  Value lanes = vector::BitCastOp::create(builder, loc, laneType(storage), raw);
  if (storage.isF32())
    return lanes;
  return arith::ExtFOp::create(builder, loc, laneType(builder.getF32Type()),
                               lanes);
}

/// The zero points of a group's 16 columns as i32, in the form of the weights;
/// `offset` is where the group's scales begin.
Value LinearKernel::loadZeroPoints(Value offset) {
  int64_t scales = layout.paramBytes() - kLanes -
                   (layout.columnSums ? kLanes * int64_t(sizeof(int32_t)) : 0);
  Value bytes =
      loadLanes(body, packed, {body.add(offset, body.index(scales))}, kLanes);
  VectorType wide = laneType(builder.getI32Type());
  if (layout.unsignedWeights)
    return arith::ExtUIOp::create(builder, loc, wide, bytes);
  return arith::ExtSIOp::create(builder, loc, wide, bytes);
}

/// The sums of the weights of a group's 16 columns.
Value LinearKernel::loadSums(Value offset) {
  int64_t bytes = kLanes * int64_t(sizeof(int32_t));
  Value raw = vector::LoadOp::create(
      builder, loc, VectorType::get({bytes}, builder.getI8Type()), packed,
      ValueRange{body.add(offset, body.index(layout.paramBytes() - bytes))});
  return vector::BitCastOp::create(builder, loc, laneType(builder.getI32Type()),
                                   raw);
}

/// The element of a scale or zero point that row m and its group have.
Value LinearKernel::perRow(Value memref, Type tensor, Value m, Value group) {
  auto type = cast<RankedTensorType>(tensor);
  Value zero = body.index(0);
  if (type.hasStaticShape() && type.getNumElements() == 1)
    m = zero;
  return memref::LoadOp::create(
      builder, loc, memref, ValueRange{m, op.getInputGroup() ? group : zero});
}

Value LinearKernel::inputScale(Value m, Value group) {
  Value value = perRow(scale, op.getInputScale().getType(), m, group);
  if (!value.getType().isF32())
    value = arith::ExtFOp::create(builder, loc, builder.getF32Type(), value);
  return splat(body, value);
}

/// What is to be subtracted from the (signed) input, in all lanes.
Value LinearKernel::inputZeroPoint(Value m, Value group) {
  if (!zeroPoint)
    return splat(body, body.i32(-128));
  Value value = perRow(zeroPoint, op.getInputZeroPoint().getType(), m, group);
  Type i32 = builder.getI32Type();
  if (!unsignedInput)
    return splat(body, arith::ExtSIOp::create(builder, loc, i32, value));
  value = arith::ExtUIOp::create(builder, loc, i32, value);
  return splat(body, arith::SubIOp::create(builder, loc, value, body.i32(128)));
}

/// What sum_k (x - zx) (w - zw) has beside sum_k x (w + offset):
///   -(zw + offset) sum_k x - zx sum_k (w - zw),
/// row by row. `params` is where the scales of the first panel's group begin.
SmallVector<Value> LinearKernel::initialSums(Value m, Value group, Value params,
                                             int64_t rows, int64_t panels) {
  SmallVector<Value> zeroPoints, columnSums;
  for (int64_t p = 0; p < panels; ++p) {
    Value at = body.add(params, body.index(p * layout.panelBytes()));
    if (layout.zeroPoints)
      zeroPoints.push_back(loadZeroPoints(at));
    if (layout.columnSums)
      columnSums.push_back(loadSums(at));
  }
  SmallVector<Value> init;
  for (int64_t r = 0; r < rows; ++r) {
    Value row = body.add(m, body.index(r));
    Value rowSum =
        splat(body, sums ? Value(memref::LoadOp::create(builder, loc, sums,
                                                        ValueRange{row, group}))
                         : body.i32(0));
    Value shift = layout.columnSums ? inputZeroPoint(row, group) : Value();
    for (int64_t p = 0; p < panels; ++p) {
      Value start = rowSum;
      if (layout.zeroPoints)
        start = arith::MulIOp::create(builder, loc, start, zeroPoints[p]);
      if (shift)
        start = arith::SubIOp::create(
            builder, loc, start,
            arith::MulIOp::create(builder, loc, shift, columnSums[p]));
      init.push_back(start);
    }
  }
  return init;
}

SmallVector<Value> LinearKernel::integerDots(Value m, Value group, Value offset,
                                             PanelRef ref, int64_t rows,
                                             int64_t panels) {
  Value params = body.add(offset, body.index(layout.groupBytes()));
  SmallVector<Value> init = initialSums(m, group, params, rows, panels);
  Value k = body.mul(group, body.index(groupLength));
  auto dot =
      TileDotOp::create(builder, loc, TypeRange(ValueRange(init)), input, m, k,
                        ref.packed, offset, ref.stride, body.index(groupLength),
                        init, op.getFormat(), rows, panels);
  return SmallVector<Value>(dot.getResults());
}

/// Adds the biases at the end of the panels.
void LinearKernel::addBias(PanelRef ref, int64_t rows, int64_t panels,
                           MutableArrayRef<Value> sums) {
  for (int64_t p = 0; p < panels; ++p) {
    Value bias = loadFloats(
        body.add(ref.offset,
                 body.index((p + 1) * layout.panelBytes() - kLanes * 4)),
        builder.getF32Type());
    for (int64_t r = 0; r < rows; ++r) {
      Value &sum = sums[r * panels + p];
      sum = arith::AddFOp::create(builder, loc, sum, bias);
    }
  }
}

SmallVector<Value> LinearKernel::floatTile(Value m, PanelRef ref, int64_t rows,
                                           int64_t panels) {
  Value a = spread ? spread : input;
  Value row = spread ? body.sub(m, firstSpread) : m;
  SmallVector<Value> sums =
      emitDotF32(body, a, row, ref, body.index(layout.k), rows, panels);
  addBias(ref, rows, panels, sums);
  return sums;
}

/// Blocks of K are unpacked to panels of floats in scratch, which stay in the
/// first-level cache. The order of the sums is floatTile's.
SmallVector<Value> LinearKernel::storedTile(Value m, PanelRef ref, int64_t rows,
                                            int64_t panels) {
  SmallVector<Value> zeros(rows * panels, splat(body, body.f32(0)));
  Value stride = body.index(numerics::kBlockK * kLanes * 4);
  auto block = [&](Value begin, int64_t length, ValueRange totals) {
    unpack(ref, begin, length, panels);
    auto dot =
        TileDotOp::create(builder, loc, TypeRange(ValueRange(zeros)), input, m,
                          begin, body.scratch, body.index(0), stride,
                          body.index(length), zeros, "f32", rows, panels);
    SmallVector<Value> sums(dot.getResults());
    for (auto [sum, total] : llvm::zip_equal(sums, totals))
      sum = arith::AddFOp::create(builder, loc, total, sum);
    return sums;
  };
  int64_t full = layout.k / numerics::kBlockK * numerics::kBlockK;
  SmallVector<Value> totals = zeros;
  if (full)
    totals = body.loop(body.index(0), body.index(full), numerics::kBlockK,
                       zeros, [&](Value begin, ValueRange carried) {
                         return block(begin, numerics::kBlockK, carried);
                       });
  if (full != layout.k)
    totals = block(body.index(full), layout.k - full, totals);
  addBias(ref, rows, panels, totals);
  return totals;
}

/// scale * (weight - zero point) of `length` values of k, from `begin` on, as
/// panels of floats at the start of scratch.
void LinearKernel::unpack(PanelRef ref, Value begin, int64_t length,
                          int64_t panels) {
  int64_t grain = kGrain(layout.format);
  int32_t bits = numerics::info(layout.format).bits;
  Type f32 = builder.getF32Type(), i32 = builder.getI32Type();
  Type scaleType = layout.scaleType == numerics::Format::F16
                       ? Type(builder.getF16Type())
                       : f32;
  auto constant = [&](int32_t x) { return splat(body, body.i32(x)); };
  Value offset =
      layout.unsignedWeights ? constant(1 << (bits - 1)) : constant(0);
  Value end = body.index(llvm::alignTo(length, grain));
  body.loop(body.index(0), end, grain, [&](Value at) {
    Value k = body.add(begin, at), group = body.index(0), local = k;
    if (layout.groups() > 1) {
      group = arith::DivUIOp::create(builder, loc, k, body.index(groupLength));
      local = body.sub(k, body.mul(group, body.index(groupLength)));
    }
    Value place =
        body.add(ref.offset, body.mul(group, body.index(groupStride)));
    for (int64_t p = 0; p < panels; ++p) {
      Value start = body.add(place, body.index(p * layout.panelBytes()));
      Value params = body.add(start, body.index(layout.groupBytes()));
      Value weightScale = loadFloats(params, scaleType);
      Value zero = layout.zeroPoints ? loadZeroPoints(params) : offset;
      // A lane has the bytes of its column.
      Value bytes = vector::LoadOp::create(
          builder, loc, VectorType::get({64}, builder.getI8Type()), packed,
          ValueRange{body.add(start, body.mul(local, body.index(64 / grain)))});
      Value words =
          vector::BitCastOp::create(builder, loc, laneType(i32), bytes);
      for (int64_t j = 0; j < grain; ++j) {
        int32_t shift = int32_t(j % 4 * 8 + j / 4 * 4);
        Value code;
        if (layout.unsignedWeights) {
          code = arith::ShRUIOp::create(builder, loc, words, constant(shift));
          code = arith::AndIOp::create(builder, loc, code,
                                       constant((1 << bits) - 1));
        } else {
          code = arith::ShLIOp::create(builder, loc, words,
                                       constant(32 - bits - shift));
          code =
              arith::ShRSIOp::create(builder, loc, code, constant(32 - bits));
        }
        code = arith::SubIOp::create(builder, loc, code, zero);
        Value real = arith::SIToFPOp::create(builder, loc, laneType(f32), code);
        real = arith::MulFOp::create(builder, loc, real, weightScale);
        Value raw = vector::BitCastOp::create(
            builder, loc, VectorType::get({64}, builder.getI8Type()), real);
        Value to = body.mul(body.add(at, body.index(j)), body.index(64));
        to = body.add(to, body.index(p * numerics::kBlockK * 64));
        vector::StoreOp::create(builder, loc, raw, body.scratch,
                                ValueRange{to});
      }
    }
  });
}

SmallVector<Value> LinearKernel::columnScaleTile(Value m, PanelRef ref,
                                                 int64_t rows, int64_t panels) {
  Value zero = body.index(0);
  SmallVector<Value> dots = integerDots(m, zero, ref.offset, ref, rows, panels);
  if (tensorType(op.getResult()).getElementType().isSignedInteger(32))
    return dots;
  SmallVector<Value> results(dots.size());
  for (int64_t p = 0; p < panels; ++p) {
    int64_t begin = p * layout.panelBytes();
    int64_t end = begin + layout.panelBytes();
    Type f32 = builder.getF32Type();
    Value bias =
        loadFloats(body.add(ref.offset, body.index(end - kLanes * 4)), f32);
    Value weightScale = loadFloats(
        body.add(ref.offset, body.index(begin + layout.groupBytes())), f32);
    for (int64_t r = 0; r < rows; ++r) {
      Value value = arith::SIToFPOp::create(builder, loc, laneType(f32),
                                            dots[r * panels + p]);
      Value factor = arith::MulFOp::create(
          builder, loc, inputScale(body.add(m, body.index(r)), zero),
          weightScale);
      results[r * panels + p] =
          math::FmaOp::create(builder, loc, value, factor, bias);
    }
  }
  return results;
}

SmallVector<Value> LinearKernel::groupScaleTile(Value m, PanelRef ref,
                                                int64_t rows, int64_t panels) {
  Type f32 = builder.getF32Type();
  Type scaleType = layout.scaleType == numerics::Format::F16
                       ? Type(builder.getF16Type())
                       : f32;
  SmallVector<Value> zeros(rows * panels, splat(body, body.f32(0)));
  SmallVector<Value> totals = body.loop(
      body.index(0), body.index(layout.groups()), 1, zeros,
      [&](Value g, ValueRange carried) {
        Value offset =
            body.add(ref.offset, body.mul(g, body.index(groupStride)));
        SmallVector<Value> dots = integerDots(m, g, offset, ref, rows, panels);
        SmallVector<Value> next(dots.size());
        for (int64_t p = 0; p < panels; ++p) {
          int64_t at = p * layout.panelBytes() + layout.groupBytes();
          Value weightScale =
              loadFloats(body.add(offset, body.index(at)), scaleType);
          for (int64_t r = 0; r < rows; ++r) {
            int64_t i = r * panels + p;
            Value value =
                arith::SIToFPOp::create(builder, loc, laneType(f32), dots[i]);
            Value factor = arith::MulFOp::create(
                builder, loc, inputScale(body.add(m, body.index(r)), g),
                weightScale);
            next[i] =
                math::FmaOp::create(builder, loc, value, factor, carried[i]);
          }
        }
        return next;
      });
  addBias(ref, rows, panels, totals);
  return totals;
}

/// `rows` x `panels` of the result, from row m and column 16 * panel on.
void LinearKernel::tile(Value m, Value panel, int64_t rows, int64_t panels,
                        int64_t valid) {
  PanelRef ref{packed, body.mul(panel, body.index(layout.panelBytes())),
               body.index(layout.panelBytes())};
  SmallVector<Value> values = isFloat   ? floatTile(m, ref, rows, panels)
                              : unpacks ? storedTile(m, ref, rows, panels)
                              : layout.group == 0
                                  ? columnScaleTile(m, ref, rows, panels)
                                  : groupScaleTile(m, ref, rows, panels);
  Value column = body.mul(panel, body.index(kLanes));
  for (int64_t r = 0; r < rows; ++r) {
    Value row = body.add(m, body.index(r));
    for (int64_t p = 0; p < panels; ++p) {
      Value at = body.add(column, body.index(p * kLanes));
      Value result = epilogue.emit(values[r * panels + p], row, at, valid);
      storeLanes(body, result, output, {row, at}, valid);
    }
  }
}

std::string linearKernelName(LinearOp op) {
  std::string name = "linear_" + op.getFormat().str();
  if (op.getGroup())
    name += "_g" + std::to_string(op.getGroup());
  name += "_" + std::to_string(op.getK()) + "x" + std::to_string(op.getN());
  for (auto step : op.getEpilogue().getAsRange<qgraph::StepAttr>())
    name += "_" + step.getOp().lower();
  return name;
}

LogicalResult canEmitLinear(LinearOp op, std::string &why) {
  int64_t grain = kGrain(*numerics::parseFormat(op.getFormat().str()));
  if (op.getGroup() % grain != 0) {
    why = ("its groups of " + llvm::Twine(op.getGroup()) +
           " are no multiple of " + llvm::Twine(grain) +
           ", the values of K in a vector")
              .str();
    return failure();
  }
  if (op.getInputGroup() && op.getInputGroup() != op.getGroup()) {
    why = "the scale groups of input and weight differ";
    return failure();
  }
  return success(Epilogue::canEmit(op.getEpilogue(),
                                   op.getEpilogueOperands().getTypes(),
                                   cast<RankedTensorType>(op.getType()), why));
}

LogicalResult emitLinear(LinearOp op, KernelBody &body) {
  LinearKernel(op, body).emit();
  return success();
}

Value linearScratchBytes(LinearOp op, OpBuilder &builder, Value rows) {
  numerics::PanelLayout layout = layoutOf(op);
  if (layout.format != numerics::Format::F32 && !op.getInputScale())
    return arith::ConstantIndexOp::create(builder, op.getLoc(),
                                          tileOf(op).second *
                                              numerics::kBlockK * kLanes * 4);
  if (needsSpread(layout))
    return arith::ConstantIndexOp::create(builder, op.getLoc(),
                                          blockRows(layout, tileOf(op).first) *
                                              (layout.k * 4 + kCacheLine));
  Preparation preparation = preparationOf(op, layout);
  int64_t perRow = preparation.sums ? layout.groups() * 4 : 0;
  if (preparation.copy)
    perRow += paddedLength(layout);
  if (perRow == 0)
    return {};
  Value bytes = arith::ConstantIndexOp::create(builder, op.getLoc(), perRow);
  return builder.createOrFold<arith::MulIOp>(op.getLoc(), rows, bytes);
}

} // namespace quantc::qkernel
