//===- MatmulKernel.cpp - Activation times activation in f32 --------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A unit of work is one matrix of the batch by one register tile of columns.
// Its part of the right operand is laid out as panels first, then all rows go
// by.
//
//===----------------------------------------------------------------------===//

#include "Kernels.h"
#include "Tiles.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "quantc/Dialect/QGraph/Shapes.h"

using namespace mlir;
using namespace quantc::qgraph;

namespace quantc::qkernel {

namespace {
class MatmulKernel {
public:
  MatmulKernel(MatmulOp op, KernelBody &body)
      : op(op), body(body), builder(body.builder), loc(body.loc),
        lhs(body.inputs[0]), rhs(body.inputs[1]), output(body.outputs[0]) {
    std::tie(tileRows, tilePanels) = registerTile(op, "f32");
    rank = tensorType(op.getResult()).getRank();
    k = body.dim(lhs, cast<MemRefType>(lhs.getType()).getRank() - 1);
    columns = body.dim(output, rank - 1);
  }
  void emit();

private:
  Value matrix(Value memref, Value batch);
  void pack(Value right, Value firstColumn);
  void tile(Value left, Value out, Value m, Value firstColumn, int64_t rows);

  MatmulOp op;
  KernelBody &body;
  OpBuilder &builder;
  Location loc;
  Value lhs, rhs, output, k, columns, panels;
  int64_t tileRows, tilePanels, rank;
};
} // namespace

Value batchIndex(KernelBody &body, Value memref, Value output, Value batch) {
  OpBuilder &builder = body.builder;
  Location loc = body.loc;
  int64_t own = cast<MemRefType>(memref.getType()).getRank() - 2;
  int64_t rank = cast<MemRefType>(output.getType()).getRank();
  Value index = body.index(0), stride = body.index(1);
  for (int64_t d = rank - 3; d >= 0; --d) {
    Value size = body.dim(output, d);
    Value at = builder.createOrFold<arith::RemUIOp>(loc, batch, size);
    batch = builder.createOrFold<arith::DivUIOp>(loc, batch, size);
    int64_t mine = d - (rank - 2 - own);
    if (mine < 0)
      continue;
    Value extent = body.dim(memref, mine);
    Value isOne = arith::CmpIOp::create(builder, loc, arith::CmpIPredicate::eq,
                                        extent, body.index(1));
    at = arith::SelectOp::create(builder, loc, isOne, body.index(0), at);
    index = body.add(index, body.mul(at, stride));
    stride = body.mul(stride, extent);
  }
  return index;
}

/// The last two dimensions of `memref` at a batch, as a matrix.
Value MatmulKernel::matrix(Value memref, Value batch) {
  auto type = cast<MemRefType>(memref.getType());
  int64_t own = type.getRank();
  Value index = batchIndex(body, memref, output, batch);
  Value flat = body.flatten(memref);
  Value height = body.dim(memref, own - 2), width = body.dim(memref, own - 1);
  Value offset = body.mul(index, body.mul(height, width));
  auto dynamic = ShapedType::kDynamic;
  auto layout =
      StridedLayoutAttr::get(builder.getContext(), dynamic, {dynamic, 1});
  auto result =
      MemRefType::get({dynamic, dynamic}, type.getElementType(), layout);
  return memref::ReinterpretCastOp::create(
      builder, loc, result, flat, OpFoldResult(offset),
      ArrayRef<OpFoldResult>{height, width},
      ArrayRef<OpFoldResult>{width, builder.getIndexAttr(1)});
}

void MatmulKernel::emit() {
  auto dynamic = ShapedType::kDynamic;
  auto panelType =
      MemRefType::get({tilePanels, dynamic, kLanes}, builder.getF32Type());
  panels = memref::ViewOp::create(builder, loc, panelType, body.scratch,
                                  body.index(0), ValueRange{k});
  Value batches = body.product(output, 0, rank - 2);
  Value blocks = body.ceilDiv(columns, tilePanels * kLanes);
  auto [lo, hi] = body.share(body.mul(batches, blocks));
  Value rows = body.dim(output, rank - 2);
  body.loop(lo, hi, 1, [&](Value unit) {
    Value batch = arith::DivUIOp::create(builder, loc, unit, blocks);
    Value block = arith::RemUIOp::create(builder, loc, unit, blocks);
    Value firstColumn = body.mul(block, body.index(tilePanels * kLanes));
    Value left = matrix(lhs, batch), out = matrix(output, batch);
    pack(matrix(rhs, batch), firstColumn);
    forRowTiles(body, body.index(0), rows, tileRows,
                [&](Value m, int64_t count) {
                  tile(left, out, m, firstColumn, count);
                });
  });
}

/// Columns from `firstColumn` on as panels [panel][k][16]; those past the end
/// are the last one.
void MatmulKernel::pack(Value right, Value firstColumn) {
  Value last = body.sub(columns, body.index(1));
  for (int64_t p = 0; p < tilePanels; ++p)
    body.loop(body.index(0), body.index(kLanes), 1, [&](Value lane) {
      Value column =
          body.add(firstColumn, body.add(lane, body.index(p * kLanes)));
      column = body.minimum(column, last);
      body.loop(body.index(0), k, 1, [&](Value i) {
        SmallVector<Value> from = op.getTransposeRhs()
                                      ? SmallVector<Value>{column, i}
                                      : SmallVector<Value>{i, column};
        Value value = memref::LoadOp::create(builder, loc, right, from);
        memref::StoreOp::create(builder, loc, value, panels,
                                ValueRange{body.index(p), i, lane});
      });
    });
}

void MatmulKernel::tile(Value left, Value out, Value m, Value firstColumn,
                        int64_t rows) {
  Value stride = body.mul(k, body.index(kLanes * 4));
  PanelRef ref{body.scratch, body.index(0), stride};
  SmallVector<Value> dots = emitDotF32(body, left, m, ref, k, rows, tilePanels);
  for (int64_t p = 0; p < tilePanels; ++p) {
    Value column = body.add(firstColumn, body.index(p * kLanes));
    auto whole = [&] {
      for (int64_t r = 0; r < rows; ++r)
        storeLanes(body, dots[r * tilePanels + p], out,
                   {body.add(m, body.index(r)), column}, kLanes);
    };
    auto edge = [&] {
      for (int64_t r = 0; r < rows; ++r)
        storeLanesBelow(body, dots[r * tilePanels + p], out,
                        body.add(m, body.index(r)), column, columns);
    };
    emitWholeOrEdge(body, column, columns, whole, edge);
  }
}

bool canEmitMatmul(MatmulOp op) {
  return tensorType(op.getResult()).getElementType().isF32() &&
         tensorType(op.getLhs()).getElementType().isF32();
}

void emitMatmul(MatmulOp op, KernelBody &body) {
  MatmulKernel(op, body).emit();
}

Value matmulScratchBytes(MatmulOp op, OpBuilder &builder) {
  int64_t panels = registerTile(op, "f32").second;
  SmallVector<OpFoldResult> sizes = getDims(builder, op.getLhs());
  Value k = getValueOrCreateConstantIndexOp(builder, op.getLoc(), sizes.back());
  Value bytes =
      arith::ConstantIndexOp::create(builder, op.getLoc(), panels * kLanes * 4);
  return builder.createOrFold<arith::MulIOp>(op.getLoc(), k, bytes);
}

} // namespace quantc::qkernel
