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

#include "ConvKernel.h"
#include "Kernels.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "llvm/Support/MathExtras.h"
#include <numeric>

using namespace mlir;

namespace quantc::qkernel {

/// Each thread takes a range of rows if there are so many for each.
static constexpr int64_t kRowsPerThread = 6;

ConvKernel::ConvKernel(ConvOp op, KernelBody &body)
    : ConvOperands(op, ConvShape(op), body), plan(op), shape(plan.shape),
      element(plan.isFloat ? Type(builder.getF32Type()) : builder.getI8Type()) {
  if (plan.copies) {
    int64_t elements = shape.taps[0] * plan.copyPlane() +
                       ConvPlan::kSlack / plan.elementBytes();
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

  RowsOrTiles share(body, total, /*grain=*/1, tiles, kRowsPerThread);
  Value lo = share.rowLo, hi = share.rowHi;
  Value planeLo = builder.createOrFold<arith::DivUIOp>(loc, lo, perPlane);
  Value planeHi = builder.createOrFold<arith::CeilDivUIOp>(loc, hi, perPlane);
  body.loop(planeLo, planeHi, 1, [&](Value plane) {
    Value first = body.mul(plane, perPlane);
    Value begin =
        body.sub(builder.createOrFold<arith::MaxUIOp>(loc, lo, first), first);
    Value end = body.sub(body.minimum(hi, body.add(first, perPlane)), first);
    body.loop(begin, end, plan.rows, [&](Value start) {
      Value rows = body.minimum(body.index(plan.rows), body.sub(end, start));
      block(plane, start, rows, share);
    });
  });
}

void ConvKernel::block(Value plane, Value start, Value rows,
                       const RowsOrTiles &share) {
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
    blockScale = imageScale(block.image);
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
      body.loop(share.tileLo, share.tileHi, 1, [&](Value t) {
        panelTile(block, group, body.mul(t, body.index(plan.tilePanels)),
                  plan.tilePanels, kLanes);
      });
    if (tiled == panels)
      return;
    auto rest = scf::IfOp::create(builder, loc, share.rest,
                                  /*withElseRegion=*/false);
    OpBuilder::InsertionGuard guard(builder);
    builder.setInsertionPointToStart(rest.thenBlock());
    panelTile(block, group, body.index(tiled), panels - tiled,
              plan.layout.n - (panels - 1) * kLanes);
  });
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
  SmallVector<TileLanes> lanes;
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
      lanes.push_back({value, to, body.add(column, body.index(p * kLanes)),
                       p + 1 == panels ? valid : kLanes});
    }
  }
  epilogue.store(lanes, output);
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
    return body.loop(zero, body.index(plan.runs), 1, zeros,
                     [&](Value run, ValueRange sums) {
                       return dot(run, zero, body.mul(run, body.index(length)),
                                  body.index(length), sums);
                     });
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
