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

#include "LinearKernel.h"
#include "Kernels.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "quantc/Numerics/PackPanels.h"

using namespace mlir;

namespace quantc::qkernel {

/// Weights of so many bytes do not stay in the second-level cache: the next
/// panels are fetched while rows go by the current ones.
static constexpr int64_t kFetchBytes = 512 * 1024, kFetchTiles = 6;
static constexpr int64_t kCacheLine = 64;

LinearKernel::LinearKernel(LinearOp op, KernelBody &body)
    : LinearPlan(op), op(op), body(body), builder(body.builder), loc(body.loc),
      epilogue(body, op.getEpilogue(),
               ArrayRef<Value>(body.inputs)
                   .take_back(op.getEpilogueOperands().size()),
               op.getEpilogueOperands().getTypes(),
               cast<RankedTensorType>(op.getType())) {
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
  RowsOrTiles share(body, rows, rowsPerTile, layout.n / kLanes / panelsPerTile,
                    rowsPerTile);
  prepareInput(share.rowLo, share.rowHi);
  body.loop(share.rowLo, share.rowHi, blockRows, [&](Value blockLo) {
    Value blockHi =
        body.minimum(share.rowHi, body.add(blockLo, body.index(blockRows)));
    if (needsSpread)
      spreadRows(blockLo, blockHi);
    panelTiles(blockLo, blockHi, share);
  });
}

void LinearKernel::panelTiles(Value mLo, Value mHi, const RowsOrTiles &share) {
  int64_t fullPanels = layout.n / kLanes;
  int64_t tiled = fullPanels / panelsPerTile * panelsPerTile;
  bool fetches = layout.bytes() > kFetchBytes;
  int64_t lines = panelsPerTile * layout.panelBytes() / kCacheLine;
  Value linesPerRow;
  if (fetches) {
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
    body.loop(share.tileLo, share.tileHi, 1, [&](Value t) {
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
      scf::IfOp::create(builder, loc, share.rest, /*withElseRegion=*/false);
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
  int64_t lines = panelsPerTile * layout.panelBytes() / kCacheLine;
  Value begin = body.mul(body.add(panel, body.index(panelsPerTile)),
                         body.index(layout.panelBytes()));
  Value first = body.mul(row, linesPerRow);
  Value end = body.add(first, body.mul(body.index(rowsPerTile), linesPerRow));
  end = body.minimum(end, body.index(lines));
  body.loop(first, end, 1, [&](Value line) {
    Value at = body.add(begin, body.mul(line, body.index(kCacheLine)));
    at = body.minimum(at, body.index(layout.bytes() - 1));
    memref::PrefetchOp::create(builder, loc, packed, ValueRange{at},
                               /*isWrite=*/false, /*localityHint=*/2,
                               /*isDataCache=*/true);
  });
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
  SmallVector<TileLanes> lanes;
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t p = 0; p < panels; ++p)
      lanes.push_back({values[r * panels + p], body.add(m, body.index(r)),
                       body.add(column, body.index(p * kLanes)), valid});
  epilogue.store(lanes, output);
}

std::string linearKernelName(LinearOp op) {
  std::string name = "linear_" + op.getFormat().str();
  if (op.getCodebook())
    name += "_codebook";
  if (op.getGroup())
    name += "_g" + std::to_string(op.getGroup());
  name += "_" + std::to_string(op.getK()) + "x" + std::to_string(op.getN());
  for (auto step : op.getEpilogue().getAsRange<qgraph::StepAttr>())
    name += "_" + step.getOp().lower();
  return name;
}

LogicalResult canEmitLinear(LinearOp op, std::string &why) {
  int64_t grain = LinearPlan(op).layout.grain();
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
  LinearPlan plan(op);
  auto constant = [&](int64_t bytes) -> Value {
    return arith::ConstantIndexOp::create(builder, op.getLoc(), bytes);
  };
  if (plan.unpacks)
    return constant(plan.panelsPerTile * numerics::kBlockK * kLanes * 4);
  if (plan.needsSpread)
    return constant(plan.blockRows * plan.spreadK * 4);
  int64_t perRow = plan.needsSums ? plan.layout.groups() * 4 : 0;
  if (plan.needsCopy)
    perRow += plan.paddedK;
  if (perRow == 0)
    return {};
  return builder.createOrFold<arith::MulIOp>(op.getLoc(), rows,
                                             constant(perRow));
}

} // namespace quantc::qkernel
