//===- ConvKernel.cpp - qkernel.conv as tiles of dot products -------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A convolution is a linear layer whose rows overlap. A tile is some pixels of
// one row of the result, side by side, by some panels; its rows of activations
// are `stride * C` elements apart in the image. A row of taps is one run of the
// image, as long as all its channels: a tile goes over K run by run.
//
// The image is read where it is if no tap lies outside of it. Otherwise, and
// for integers, the rows that a block of the result needs are copied to scratch
// first, with the padding, and on x86 as unsigned bytes (else as signed ones):
// the weights are then the signed operand, and what is to be taken off a sum is
// the same for all pixels.
//
//===----------------------------------------------------------------------===//

#include "ConvShape.h"
#include "Kernels.h"
#include "Tiles.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "llvm/Support/MathExtras.h"
#include <numeric>

using namespace mlir;

namespace quantc::qkernel {

/// Pixels of a block: their part of the image stays in the second-level cache
/// while all panels go by.
static constexpr int64_t kBlockPixels = 448;
/// The same as bytes of the image; more where the weights are so large that
/// each block reads them from beyond that cache.
static constexpr int64_t kBlockBytes = 192 * 1024, kMostBytes = 512 * 1024;
/// Rows of a tile this far apart fall on each other in the first-level cache.
static constexpr int64_t kCacheStep = 2048, kCacheLine = 64;
/// A row of the result that is longer, or of unknown length, is cut.
static constexpr int64_t kPartWidth = 224;
/// Each thread takes a range of rows if there are so many for each.
static constexpr int64_t kRowsPerThread = 6;
/// Most panels of a tile.
static constexpr int64_t kMostPanels = 8;
/// Bytes that may be read behind the last run of the copy.
static constexpr int64_t kSlack = 64;

namespace {

/// How the result is cut: decided at compile time.
struct ConvPlan {
  ConvShape shape;
  numerics::PanelLayout layout;
  bool isFloat, copies;
  bool takesUnsigned, copiesUnsigned; // the image's bytes, and the copy's
  bool cutsRows;                      // rows are cut into parts of `width`
  int64_t width;                      // pixels of a row of a block
  int64_t rows;                       // rows of a block
  int64_t stepH, stepW; // from pixel to pixel of the result, in the copy
  int64_t copyWidth, copyRows;
  int64_t pitch;                // from pixel to pixel of the copy
  int64_t tileRows, tilePanels; // the most that a tile has
  int64_t runLength, runs;

  explicit ConvPlan(ConvOp op);
  int64_t elementBytes() const { return isFloat ? 4 : 1; }
  /// The copy is x + 128 or x - 128: its highest bit is another.
  bool flips() const { return !isFloat && takesUnsigned != copiesUnsigned; }
  /// Elements of the copy of one plane.
  int64_t copyPlane() const { return copyRows * copyWidth * pitch; }
  int64_t scratchBytes() const {
    return copies ? shape.taps[0] * copyPlane() * elementBytes() + kSlack : 0;
  }
  int64_t rowsOfCopy(int64_t rows) const {
    return (rows - 1) * stepH + (shape.taps[1] - 1) * shape.dilations[1] + 1;
  }
};

class ConvKernel {
public:
  ConvKernel(ConvOp op, KernelBody &body);
  void emit();

private:
  /// Where the pixels of a block are: all in elements of `memory`.
  struct Source {
    Value memory;             // rank 1
    Value base;               // the first tap of the block's first pixel
    Value planeStep, rowStep; // from tap to tap
    int64_t columnStep;
    Value nextRow; // from pixel to pixel
    int64_t nextColumn;
  };
  /// The block: rows [0, rows) of `width` pixels; `first` is the result's row
  /// (pixel) that its first one is.
  struct Block {
    Source source;
    Value first, rows, width, image;
  };

  void block(Value plane, Value start, Value rows, Value tileLo, Value tileHi,
             Value restToo);
  Source imageAt(Value image, Value depth, Value y, Value x);
  Source copyOf(Value image, Value depth, Value y, Value x, Value rows);
  void copyRow(Value from, Value inside, Value to, Value x);
  void move(Value count, Value to, Value from);
  void panelTile(const Block &block, Value group, Value panel, int64_t panels,
                 int64_t valid);
  void tile(const Block &block, Value group, Value row, Value pixel,
            Value panel, int64_t rows, int64_t panels, int64_t valid);
  SmallVector<Value> floatDots(const Source &source, Value view,
                               const PanelRef &ref, int64_t rows,
                               int64_t panels);
  SmallVector<Value> integerDots(const Source &source, Value view,
                                 const PanelRef &ref, int64_t rows,
                                 int64_t panels);
  Value runOffset(const Source &source, Value run);
  Value loadParams(Value offset, Type element);
  Value perImage(Value memref, Value image);

  KernelBody &body;
  OpBuilder &builder;
  Location loc;
  ConvPlan plan;
  const ConvShape &shape;
  Type element;
  Value input, scale, zeroPoint, packed, output, scratch;
  ConvExtents extents;
  Epilogue epilogue;
  // Of the block's image: its scale and what the sums of the weights are
  // multiplied by, in all lanes; what stands outside of it.
  Value blockScale, blockZero, padding;
};
} // namespace

ConvPlan::ConvPlan(ConvOp op) : shape(op), layout(op.getPanelLayout()) {
  auto module = op->getParentOfType<ModuleOp>();
  auto target = module->getAttrOfType<TargetAttr>(TargetAttr::kAttrName);
  isFloat = layout.format == numerics::Format::F32;
  bool skips = shape.taps[2] == 1 && shape.strides[2] > 1;
  copies = !isFloat || !shape.isInside() || skips;
  takesUnsigned =
      tensorType(op.getInput()).getElementType().isUnsignedInteger();
  copiesUnsigned = !isFloat && target && target.getUnsignedWeights();
  runLength = op.getRunLength();
  runs = op.getRuns();

  int64_t outWidth = shape.out[2];
  cutsRows = ShapedType::isDynamic(outWidth) || outWidth > 2 * kPartWidth;
  width = cutsRows ? kPartWidth : outWidth;
  // Of single taps only what is used is copied.
  stepH = copies && shape.taps[1] == 1 ? 1 : shape.strides[1];
  stepW = copies && shape.taps[2] == 1 ? 1 : shape.strides[2];
  copyWidth = std::max<int64_t>(width - 1, 0) * stepW +
              (shape.taps[2] - 1) * shape.dilations[2] + 1;
  rows = cutsRows ? 1
                  : llvm::divideCeil(kBlockPixels, std::max<int64_t>(width, 1));
  if (!ShapedType::isDynamic(shape.out[1]))
    rows = std::min(rows, std::max<int64_t>(shape.out[1], 1));
  pitch = shape.channels;
  if (copies && shape.taps[2] == 1 && pitch * elementBytes() % kCacheStep == 0)
    pitch += kCacheLine / elementBytes();
  int64_t bytes = shape.taps[0] * copyWidth * pitch * elementBytes();
  int64_t most =
      layout.bytes() * shape.groups > kMostBytes ? kMostBytes : kBlockBytes;
  while (rows > 1 && rowsOfCopy(rows) * bytes > most)
    --rows;
  if (!cutsRows && !ShapedType::isDynamic(shape.out[1]) && shape.out[1] > 0)
    rows = llvm::divideCeil(shape.out[1], llvm::divideCeil(shape.out[1], rows));
  copyRows = rowsOfCopy(rows);

  // Rows of equal length, as few as the registers allow; then as many panels.
  auto [mostRows, mostPanels] = registerTile(op, op.getFormat());
  tileRows = mostRows;
  if (!cutsRows && width > 0)
    tileRows = llvm::divideCeil(width, llvm::divideCeil(width, mostRows));
  int64_t registers = mostRows * mostPanels + mostPanels;
  tilePanels = std::clamp<int64_t>(registers / (tileRows + 1), 1, kMostPanels);
  tilePanels = llvm::divideCeil(layout.panels(),
                                llvm::divideCeil(layout.panels(), tilePanels));
}

ConvKernel::ConvKernel(ConvOp op, KernelBody &body)
    : body(body), builder(body.builder), loc(body.loc), plan(op),
      shape(plan.shape),
      element(plan.isFloat ? Type(builder.getF32Type()) : builder.getI8Type()),
      input(body.inputs[0]), output(body.outputs[0]),
      extents(shape, body, input, output),
      epilogue(body, op.getEpilogue(),
               ArrayRef<Value>(body.inputs)
                   .drop_back(op.getDims().size())
                   .take_back(op.getEpilogueOperands().size()),
               op.getEpilogueOperands().getTypes(),
               cast<RankedTensorType>(op.getType())) {
  unsigned next = 1;
  if (op.getInputScale())
    scale = body.flatten(body.inputs[next++]);
  if (op.getInputZeroPoint())
    zeroPoint = body.flatten(body.inputs[next++]);
  packed = body.inputs[next];
  input = body.flatten(input);
  output = body.asRows(output);
  if (plan.copies) {
    int64_t elements =
        shape.taps[0] * plan.copyPlane() + kSlack / plan.elementBytes();
    scratch = memref::ViewOp::create(builder, loc,
                                     MemRefType::get({elements}, element),
                                     body.scratch, body.index(0), ValueRange{});
  }
}

void ConvKernel::emit() {
  // Planes of rows; a row that is cut is a plane of parts.
  Value planes = body.mul(extents.batch, extents.out[0]);
  Value perPlane = extents.out[1];
  if (plan.cutsRows) {
    planes = body.mul(planes, perPlane);
    perPlane = body.ceilDiv(extents.out[2], plan.width);
  }
  Value total = body.mul(planes, perPlane);
  int64_t tiles = (plan.layout.n / kLanes) / plan.tilePanels;

  auto [rowLo, rowHi] = body.share(total);
  auto [tileLo, tileHi] = body.share(body.index(tiles));
  Value byRows =
      arith::CmpIOp::create(builder, loc, arith::CmpIPredicate::uge, total,
                            body.mul(body.threads, body.index(kRowsPerThread)));
  Value last =
      arith::CmpIOp::create(builder, loc, arith::CmpIPredicate::eq, body.thread,
                            body.sub(body.threads, body.index(1)));
  auto select = [&](Value a, Value b) -> Value {
    return arith::SelectOp::create(builder, loc, byRows, a, b);
  };
  Value lo = select(rowLo, body.index(0)), hi = select(rowHi, total);
  Value tLo = select(body.index(0), tileLo);
  Value tHi = select(body.index(tiles), tileHi);
  Value restToo = arith::OrIOp::create(builder, loc, byRows, last);

  Value planeLo = builder.createOrFold<arith::DivUIOp>(loc, lo, perPlane);
  Value planeHi = builder.createOrFold<arith::CeilDivUIOp>(loc, hi, perPlane);
  body.loop(planeLo, planeHi, 1, [&](Value plane) {
    Value first = body.mul(plane, perPlane);
    Value begin =
        body.sub(builder.createOrFold<arith::MaxUIOp>(loc, lo, first), first);
    Value end = body.sub(body.minimum(hi, body.add(first, perPlane)), first);
    body.loop(begin, end, plan.rows, [&](Value start) {
      Value rows = body.minimum(body.index(plan.rows), body.sub(end, start));
      block(plane, start, rows, tLo, tHi, restToo);
    });
  });
}

/// The element of a scale or zero point that an image has.
Value ConvKernel::perImage(Value memref, Value image) {
  auto type = cast<MemRefType>(memref.getType());
  if (type.hasStaticShape() && type.getNumElements() == 1)
    image = body.index(0);
  return memref::LoadOp::create(builder, loc, memref, ValueRange{image});
}

void ConvKernel::block(Value plane, Value start, Value rows, Value tileLo,
                       Value tileHi, Value restToo) {
  auto divide = [&](Value a, Value b) -> std::pair<Value, Value> {
    return {builder.createOrFold<arith::DivUIOp>(loc, a, b),
            builder.createOrFold<arith::RemUIOp>(loc, a, b)};
  };
  Block block;
  Value y = start, x = body.index(0), outer = plane;
  block.width = extents.out[2];
  if (plan.cutsRows) {
    std::tie(outer, y) = divide(plane, extents.out[1]);
    x = body.mul(start, body.index(plan.width));
    block.width =
        body.minimum(body.sub(extents.out[2], x), body.index(plan.width));
  }
  Value depth;
  std::tie(block.image, depth) = divide(outer, extents.out[0]);
  block.rows = rows;
  block.first = body.add(
      body.mul(body.add(body.mul(outer, extents.out[1]), y), extents.out[2]),
      x);
  if (!plan.isFloat) {
    Value factor = perImage(scale, block.image);
    if (!factor.getType().isF32())
      factor =
          arith::ExtFOp::create(builder, loc, builder.getF32Type(), factor);
    blockScale = splat(body, factor);
    padding = zeroPoint ? perImage(zeroPoint, block.image)
                        : body.constant(builder.getI8IntegerAttr(0));
    if (plan.flips())
      padding = arith::XOrIOp::create(
          builder, loc, padding, body.constant(builder.getI8IntegerAttr(-128)));
    Type i32 = builder.getI32Type();
    Value zero =
        plan.copiesUnsigned
            ? Value(arith::ExtUIOp::create(builder, loc, i32, padding))
            : Value(arith::ExtSIOp::create(builder, loc, i32, padding));
    blockZero =
        splat(body, arith::SubIOp::create(builder, loc, body.i32(0), zero));
  } else {
    padding = body.f32(0);
  }
  block.source = plan.copies ? copyOf(block.image, depth, y, x, rows)
                             : imageAt(block.image, depth, y, x);

  int64_t panels = plan.layout.panels();
  int64_t tiled = plan.layout.n / kLanes / plan.tilePanels * plan.tilePanels;
  body.loop(body.index(0), body.index(shape.groups), 1, [&](Value group) {
    if (tiled > 0)
      body.loop(tileLo, tileHi, 1, [&](Value t) {
        panelTile(block, group, body.mul(t, body.index(plan.tilePanels)),
                  plan.tilePanels, kLanes);
      });
    if (tiled == panels)
      return;
    auto rest = scf::IfOp::create(builder, loc, restToo,
                                  /*withElseRegion=*/false);
    OpBuilder::InsertionGuard guard(builder);
    builder.setInsertionPointToStart(rest.thenBlock());
    panelTile(block, group, body.index(tiled), panels - tiled,
              plan.layout.n - (panels - 1) * kLanes);
  });
}

//===----------------------------------------------------------------------===//
// Where the pixels are
//===----------------------------------------------------------------------===//

ConvKernel::Source ConvKernel::imageAt(Value image, Value depth, Value y,
                                       Value x) {
  auto place = [&](Value at, int64_t d) {
    return body.sub(body.mul(at, body.index(shape.strides[d])),
                    body.index(shape.padsBefore[d]));
  };
  Value channels = body.index(shape.channels);
  Value row = body.mul(extents.in[2], channels);
  Value plane = body.mul(extents.in[1], row);
  Value at = body.add(body.mul(image, extents.in[0]), place(depth, 0));
  at = body.add(body.mul(at, extents.in[1]), place(y, 1));
  at = body.add(body.mul(at, extents.in[2]), place(x, 2));
  Source source;
  source.memory = input;
  source.base = body.mul(at, channels);
  source.planeStep = body.mul(plane, body.index(shape.dilations[0]));
  source.rowStep = body.mul(row, body.index(shape.dilations[1]));
  source.columnStep = shape.dilations[2] * shape.channels;
  source.nextRow = body.mul(row, body.index(plan.stepH));
  source.nextColumn = plan.stepW * shape.channels;
  return source;
}

ConvKernel::Source ConvKernel::copyOf(Value image, Value depth, Value y,
                                      Value x, Value rows) {
  int64_t row = plan.copyWidth * plan.pitch;
  Value count =
      body.add(body.mul(body.sub(rows, body.index(1)), body.index(plan.stepH)),
               body.index(plan.rowsOfCopy(1)));
  // Of a single tap rows in between are left out.
  int64_t skip = shape.taps[1] == 1 ? shape.strides[1] : 1;
  Value top = body.sub(body.mul(y, body.index(shape.strides[1])),
                       body.index(shape.padsBefore[1]));
  auto isInside = [&](Value at, int64_t d) -> Value {
    return arith::CmpIOp::create(builder, loc, arith::CmpIPredicate::ult, at,
                                 extents.in[d]);
  };
  body.loop(body.index(0), body.index(shape.taps[0]), 1, [&](Value tap) {
    Value z = body.sub(body.add(body.mul(depth, body.index(shape.strides[0])),
                                body.mul(tap, body.index(shape.dilations[0]))),
                       body.index(shape.padsBefore[0]));
    Value plane = body.add(body.mul(image, extents.in[0]), z);
    Value inDepth = isInside(z, 0);
    body.loop(body.index(0), count, 1, [&](Value i) {
      Value at = body.add(top, body.mul(i, body.index(skip)));
      Value inside =
          arith::AndIOp::create(builder, loc, inDepth, isInside(at, 1));
      Value from =
          body.mul(body.add(body.mul(plane, extents.in[1]), at), extents.in[2]);
      Value to = body.add(body.mul(tap, body.index(plan.copyPlane())),
                          body.mul(i, body.index(row)));
      copyRow(from, inside, to, x);
    });
  });
  Source source;
  source.memory = scratch;
  source.base = body.index(0);
  source.planeStep = body.index(plan.copyPlane());
  source.rowStep = body.index(row * shape.dilations[1]);
  source.columnStep = shape.dilations[2] * plan.pitch;
  source.nextRow = body.index(row * plan.stepH);
  source.nextColumn = plan.stepW * plan.pitch;
  return source;
}

/// One row of the copy, from pixel x of the result on; `from` is the first
/// pixel of the image's row.
void ConvKernel::copyRow(Value from, Value inside, Value to, Value x) {
  Value channels = body.index(shape.channels);
  Value columns = body.index(plan.copyWidth);
  Value left = body.sub(body.mul(x, body.index(shape.strides[2])),
                        body.index(shape.padsBefore[2]));
  auto choice = scf::IfOp::create(builder, loc, inside,
                                  /*withElseRegion=*/true);
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPointToStart(choice.elseBlock());
  move(body.mul(columns, body.index(plan.pitch)), to, Value());

  builder.setInsertionPointToStart(choice.thenBlock());
  if (plan.pitch != shape.channels ||
      (shape.taps[2] == 1 && shape.strides[2] > 1)) {
    body.loop(body.index(0), columns, 1, [&](Value column) {
      Value at = body.add(left, body.mul(column, body.index(shape.strides[2])));
      Value start = body.add(to, body.mul(column, body.index(plan.pitch)));
      Value within = arith::CmpIOp::create(
          builder, loc, arith::CmpIPredicate::ult, at, extents.in[2]);
      auto pixel = scf::IfOp::create(builder, loc, within,
                                     /*withElseRegion=*/true);
      OpBuilder::InsertionGuard guard(builder);
      builder.setInsertionPointToStart(pixel.elseBlock());
      move(channels, start, Value());
      builder.setInsertionPointToStart(pixel.thenBlock());
      move(channels, start, body.mul(body.add(from, at), channels));
    });
    return;
  }
  // Columns [begin, end) of the copy lie inside the image.
  auto clamp = [&](Value value, Value least) -> Value {
    value = builder.createOrFold<arith::MaxSIOp>(loc, value, least);
    return builder.createOrFold<arith::MinSIOp>(loc, value, columns);
  };
  Value begin = clamp(body.sub(body.index(0), left), body.index(0));
  Value end = clamp(body.sub(extents.in[2], left), begin);
  move(body.mul(begin, channels), to, Value());
  move(body.mul(body.sub(end, begin), channels),
       body.add(to, body.mul(begin, channels)),
       body.mul(body.add(body.add(from, left), begin), channels));
  move(body.mul(body.sub(columns, end), channels),
       body.add(to, body.mul(end, channels)), Value());
}

/// `count` elements of the image from `from` on, or of padding, to scratch.
void ConvKernel::move(Value count, Value to, Value from) {
  auto part = [&](Value at, int64_t lanes) {
    auto type = VectorType::get({lanes}, element);
    Value value;
    if (from) {
      value = vector::LoadOp::create(builder, loc, type, input,
                                     ValueRange{body.add(from, at)});
      if (plan.flips()) {
        Attribute half = builder.getI8IntegerAttr(-128);
        value = arith::XOrIOp::create(
            builder, loc, value,
            body.constant(DenseElementsAttr::get(type, half)));
      }
    } else {
      value = vector::BroadcastOp::create(builder, loc, type, padding);
    }
    vector::StoreOp::create(builder, loc, value, scratch,
                            ValueRange{body.add(to, at)});
  };
  int64_t lanes = 64 / plan.elementBytes();
  Value zero = body.index(0);
  if (std::optional<int64_t> size = getConstantIntValue(count)) {
    int64_t whole = *size / lanes * lanes, at = whole;
    if (whole > 0)
      body.loop(zero, body.index(whole), lanes,
                [&](Value i) { part(i, lanes); });
    // What is left once more with its predecessors, or piece by piece.
    if (whole > 0 && whole != *size)
      part(body.index(*size - lanes), lanes);
    else
      for (int64_t piece = lanes / 2; piece > 0; piece /= 2)
        if ((*size - whole) & piece) {
          part(body.index(at), piece);
          at += piece;
        }
    return;
  }
  Value rest =
      builder.createOrFold<arith::RemUIOp>(loc, count, body.index(lanes));
  Value whole = body.sub(count, rest);
  body.loop(zero, whole, lanes, [&](Value i) { part(i, lanes); });
  body.loop(whole, count, 1, [&](Value i) { part(i, 1); });
}

//===----------------------------------------------------------------------===//
// Tiles
//===----------------------------------------------------------------------===//

/// All pixels of a block by `panels` panels, the last of which has `valid`
/// columns.
void ConvKernel::panelTile(const Block &block, Value group, Value panel,
                           int64_t panels, int64_t valid) {
  body.loop(body.index(0), block.rows, 1, [&](Value row) {
    auto one = [&](Value pixel, int64_t rows) {
      tile(block, group, row, pixel, panel, rows, panels, valid);
    };
    if (plan.cutsRows) {
      forRowTiles(body, body.index(0), block.width, plan.tileRows, one);
      return;
    }
    if (plan.width == 0)
      return;
    // As many of the full length as there must be, the others one shorter.
    int64_t count = llvm::divideCeil(plan.width, plan.tileRows);
    int64_t shorter = count * plan.tileRows - plan.width;
    int64_t border = (count - shorter) * plan.tileRows;
    if (border > 0)
      body.loop(body.index(0), body.index(border), plan.tileRows,
                [&](Value pixel) { one(pixel, plan.tileRows); });
    if (shorter > 0)
      body.loop(body.index(border), body.index(plan.width), plan.tileRows - 1,
                [&](Value pixel) { one(pixel, plan.tileRows - 1); });
  });
}

/// 16 parameters of a panel.
Value ConvKernel::loadParams(Value offset, Type type) {
  Value raw = vector::LoadOp::create(
      builder, loc, VectorType::get({kLanes * 4}, builder.getI8Type()), packed,
      ValueRange{offset});
  return vector::BitCastOp::create(builder, loc, laneType(type), raw);
}

/// `rows` pixels by `panels` panels from pixel `pixel` of a block's row on.
void ConvKernel::tile(const Block &block, Value group, Value row, Value pixel,
                      Value panel, int64_t rows, int64_t panels,
                      int64_t valid) {
  const numerics::PanelLayout &layout = plan.layout;
  const Source &source = block.source;
  Value at = body.add(source.base, body.mul(row, source.nextRow));
  at = body.add(at, body.mul(pixel, body.index(source.nextColumn)));
  at = body.add(at, body.mul(group, body.index(shape.channels / shape.groups)));
  auto type = MemRefType::get({rows, ShapedType::kDynamic}, element,
                              StridedLayoutAttr::get(builder.getContext(),
                                                     ShapedType::kDynamic,
                                                     {source.nextColumn, 1}));
  Value view = memref::ReinterpretCastOp::create(
      builder, loc, type, source.memory, OpFoldResult(at),
      ArrayRef<OpFoldResult>{builder.getIndexAttr(rows),
                             body.index(plan.runLength)},
      ArrayRef<OpFoldResult>{builder.getIndexAttr(source.nextColumn),
                             builder.getIndexAttr(1)});
  PanelRef ref{packed,
               body.add(body.mul(group, body.index(layout.bytes())),
                        body.mul(panel, body.index(layout.panelBytes()))),
               body.index(layout.panelBytes())};
  SmallVector<Value> values =
      plan.isFloat ? floatDots(source, view, ref, rows, panels)
                   : integerDots(source, view, ref, rows, panels);

  Type f32 = builder.getF32Type();
  Value first =
      body.add(body.add(block.first, pixel), body.mul(row, extents.out[2]));
  Value column = body.add(body.mul(group, body.index(layout.n)),
                          body.mul(panel, body.index(kLanes)));
  SmallVector<Value> factors, biases;
  for (int64_t p = 0; p < panels; ++p) {
    Value params = body.add(
        ref.offset, body.index(p * layout.panelBytes() + layout.groupBytes()));
    if (!plan.isFloat)
      factors.push_back(arith::MulFOp::create(builder, loc, blockScale,
                                              loadParams(params, f32)));
    biases.push_back(
        loadParams(body.add(params, body.index(layout.paramBytes())), f32));
  }
  for (int64_t r = 0; r < rows; ++r) {
    Value to = body.add(first, body.index(r));
    for (int64_t p = 0; p < panels; ++p) {
      Value value = values[r * panels + p];
      if (plan.isFloat)
        value = arith::AddFOp::create(builder, loc, value, biases[p]);
      else
        value = math::FmaOp::create(
            builder, loc,
            arith::SIToFPOp::create(builder, loc, laneType(f32), value),
            factors[p], biases[p]);
      Value columns = body.add(column, body.index(p * kLanes));
      int64_t lanes = p + 1 == panels ? valid : kLanes;
      storeLanes(body, epilogue.emit(value, to, columns, lanes), output,
                 {to, columns}, lanes);
    }
  }
}

/// Elements from a pixel's first tap to a run.
Value ConvKernel::runOffset(const Source &source, Value run) {
  auto take = [&](int64_t count) {
    Value size = body.index(count);
    Value index = builder.createOrFold<arith::RemUIOp>(loc, run, size);
    run = builder.createOrFold<arith::DivUIOp>(loc, run, size);
    return index;
  };
  Value offset = body.index(0);
  if (plan.runs > shape.taps[0] * shape.taps[1])
    offset = body.mul(take(shape.taps[2]), body.index(source.columnStep));
  offset = body.add(offset, body.mul(take(shape.taps[1]), source.rowStep));
  return body.add(offset, body.mul(take(shape.taps[0]), source.planeStep));
}

SmallVector<Value> ConvKernel::floatDots(const Source &source, Value view,
                                         const PanelRef &ref, int64_t rows,
                                         int64_t panels) {
  Value zero = body.index(0);
  SmallVector<Value> zeros(rows * panels, splat(body, body.f32(0)));
  int64_t length = plan.runLength, total = length * plan.runs;
  // `size` values of K from `k` on, which are `within` run `run`.
  auto dot = [&](Value run, Value within, Value k, Value size,
                 ValueRange init) {
    Value column = body.add(runOffset(source, run), within);
    Value offset = body.add(ref.offset, body.mul(k, body.index(kLanes * 4)));
    auto op = TileDotOp::create(builder, loc, TypeRange(init), view, zero,
                                column, packed, offset, ref.stride, size, init,
                                "f32", rows, panels);
    return SmallVector<Value>(op.getResults());
  };
  auto addTo = [&](ValueRange totals, SmallVector<Value> sums) {
    for (auto [sum, before] : llvm::zip_equal(sums, totals))
      sum = arith::AddFOp::create(builder, loc, before, sum);
    return sums;
  };
  if (total <= numerics::kBlockK)
    return addTo(zeros,
                 body.loop(zero, body.index(plan.runs), 1, zeros,
                           [&](Value run, ValueRange sums) {
                             return dot(run, zero,
                                        body.mul(run, body.index(length)),
                                        body.index(length), sums);
                           }));
  // Blocks of 256 values and runs meet in pieces. Sizes are multiples of their
  // common divisor, and are written so: the rest of unrolled loops vanishes.
  int64_t grain = std::gcd(length, numerics::kBlockK);
  bool equal = grain == std::min(length, numerics::kBlockK);
  Value unit = body.index(grain);
  auto inUnits = [&](int64_t values) { return body.index(values / grain); };
  Value blockUnits = inUnits(numerics::kBlockK), runUnits = inUnits(length);
  return body.loop(
      zero, inUnits(total), numerics::kBlockK / grain, zeros,
      [&](Value begin, ValueRange totals) {
        Value end = body.minimum(inUnits(total), body.add(begin, blockUnits));
        auto divide = [&](Value a) {
          return builder.createOrFold<arith::DivUIOp>(loc, a, runUnits);
        };
        if (equal)
          return addTo(
              totals,
              body.loop(begin, end, 1, zeros, [&](Value k, ValueRange sums) {
                Value run = divide(k);
                Value within = body.sub(k, body.mul(run, runUnits));
                return dot(run, body.mul(within, unit), body.mul(k, unit), unit,
                           sums);
              }));
        Value last =
            builder.createOrFold<arith::CeilDivUIOp>(loc, end, runUnits);
        return addTo(
            totals,
            body.loop(
                divide(begin), last, 1, zeros, [&](Value run, ValueRange sums) {
                  Value first = body.mul(run, runUnits);
                  Value lo =
                      builder.createOrFold<arith::MaxUIOp>(loc, begin, first);
                  Value hi = body.minimum(end, body.add(first, runUnits));
                  return dot(run, body.mul(body.sub(lo, first), unit),
                             body.mul(lo, unit),
                             body.mul(body.sub(hi, lo), unit), sums);
                }));
      });
}

SmallVector<Value> ConvKernel::integerDots(const Source &source, Value view,
                                           const PanelRef &ref, int64_t rows,
                                           int64_t panels) {
  const numerics::PanelLayout &layout = plan.layout;
  Value zero = body.index(0);
  // sum (x - zx) w = sum x w - zx sum w
  SmallVector<Value> starts;
  for (int64_t p = 0; p < panels; ++p) {
    int64_t at = p * layout.panelBytes() + layout.groupBytes() +
                 layout.paramBytes() - kLanes * 4;
    Value sums =
        loadParams(body.add(ref.offset, body.index(at)), builder.getI32Type());
    starts.push_back(arith::MulIOp::create(builder, loc, sums, blockZero));
  }
  SmallVector<Value> init;
  for (int64_t r = 0; r < rows; ++r)
    llvm::append_range(init, starts);
  int64_t length = llvm::alignTo(plan.runLength, 4);
  return body.loop(
      zero, body.index(plan.runs), 1, init, [&](Value run, ValueRange sums) {
        Value offset =
            body.add(ref.offset, body.mul(run, body.index(length * kLanes)));
        auto op = TileDotOp::create(builder, loc, TypeRange(sums), view, zero,
                                    runOffset(source, run), packed, offset,
                                    ref.stride, body.index(length), sums, "si8",
                                    rows, panels, plan.copiesUnsigned);
        return SmallVector<Value>(op.getResults());
      });
}

//===----------------------------------------------------------------------===//
// The interface
//===----------------------------------------------------------------------===//

std::string convKernelName(ConvOp op) {
  std::string name = op.isDepthwise() ? "depthwise_conv_" : "conv_";
  name += op.getFormat().str() + "_";
  for (int64_t taps : op.getTaps())
    name += std::to_string(taps) + "x";
  name += std::to_string(op.getChannels()) + "x" + std::to_string(op.getN());
  if (op.getStrides().back() > 1)
    name += "_s" + std::to_string(op.getStrides().back());
  for (auto step : op.getEpilogue().getAsRange<qgraph::StepAttr>())
    name += "_" + step.getOp().lower();
  return name;
}

LogicalResult canEmitConv(ConvOp op, std::string &why) {
  return success(Epilogue::canEmit(op.getEpilogue(),
                                   op.getEpilogueOperands().getTypes(),
                                   cast<RankedTensorType>(op.getType()), why));
}

void emitConv(ConvOp op, KernelBody &body) {
  if (op.isDepthwise())
    emitDepthwiseConv(op, body);
  else
    ConvKernel(op, body).emit();
}

Value convScratchBytes(ConvOp op, OpBuilder &builder) {
  int64_t bytes = op.isDepthwise() ? 0 : ConvPlan(op).scratchBytes();
  return bytes ? Value(arith::ConstantIndexOp::create(builder, op.getLoc(),
                                                      bytes))
               : Value();
}

} // namespace quantc::qkernel
