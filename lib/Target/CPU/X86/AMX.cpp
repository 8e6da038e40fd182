//===- AMX.cpp - Tiles of 16 x 64 bytes -----------------------------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Tiles of 8 to 16 rows by 2 panels of bytes, 64 values of k a step. 16 vectors
// of a panel are just one B tile, so the layout is that of the other levels.
// The sums leave the tile registers through memory. What is left of K, tiles of
// fewer rows (tails) and nibbles go the way of AVX-512 VNNI, of which this
// level is an extension.
//
//===----------------------------------------------------------------------===//

#include "VNNI.h"
#include "mlir/Dialect/AMX/AMXDialect.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/Interfaces/FunctionInterfaces.h"

using namespace mlir;

namespace quantc::cpu {
namespace {

constexpr int64_t kPanelRows = 16, kLeastRows = 8, kMostRows = 16;
constexpr int64_t kStep = 64, kLanes = 16;

class AMXDot : public AVX512VNNIDot {
public:
  using AVX512VNNIDot::AVX512VNNIDot;
  int64_t rowsAtOnce() const override { return 8; }
  int64_t addLeading(qkernel::TileDotOp op,
                     SmallVectorImpl<Value> &values) override;
};

} // namespace

int64_t AMXDot::addLeading(qkernel::TileDotOp op,
                           SmallVectorImpl<Value> &values) {
  std::optional<int64_t> length = getConstantIntValue(op.getLength());
  int64_t rows = op.getRows(), panels = op.getPanels();
  if (op.getFormat() != "si8" || rows < kLeastRows || rows > kMostRows ||
      panels > 2 || !length || *length < kStep)
    return 0;
  int64_t whole = *length / kStep * kStep;
  Type i8 = builder.getI8Type(), i32 = builder.getI32Type();
  auto bytes = amx::TileType::get({rows, kStep}, i8);
  auto weights = amx::TileType::get({kPanelRows, kStep}, i8);
  auto sums = amx::TileType::get({rows, kLanes}, i32);
  auto index = [&](int64_t v) -> Value {
    return arith::ConstantIndexOp::create(builder, loc, v);
  };

  SmallVector<Value> init;
  for (int64_t p = 0; p < panels; ++p)
    init.push_back(amx::TileZeroOp::create(builder, loc, sums));
  // A panel's 64 values of k are 16 rows of 64 bytes.
  auto rowType =
      MemRefType::get({ShapedType::kDynamic, kStep}, i8,
                      StridedLayoutAttr::get(builder.getContext(),
                                             ShapedType::kDynamic, {kStep, 1}));
  auto loop = scf::ForOp::create(
      builder, loc, index(0), index(whole), index(kStep), init,
      [&](OpBuilder &b, Location l, Value k, ValueRange carried) {
        Value column = arith::AddIOp::create(b, l, op.getK(), k);
        Value a = amx::TileLoadOp::create(b, l, bytes, op.getA(),
                                          ValueRange{op.getM(), column});
        SmallVector<Value> next;
        for (int64_t p = 0; p < panels; ++p) {
          Value offset = arith::AddIOp::create(
              b, l, op.getOffset(),
              arith::MulIOp::create(b, l, op.getStride(), index(p)));
          offset = arith::AddIOp::create(
              b, l, offset, arith::MulIOp::create(b, l, k, index(kLanes)));
          Value panel = memref::ReinterpretCastOp::create(
              b, l, rowType, op.getPacked(), OpFoldResult(offset),
              ArrayRef<OpFoldResult>{b.getIndexAttr(kPanelRows),
                                     b.getIndexAttr(kStep)},
              ArrayRef<OpFoldResult>{b.getIndexAttr(kStep), b.getIndexAttr(1)});
          Value w = amx::TileLoadOp::create(b, l, weights, panel,
                                            ValueRange{index(0), index(0)});
          next.push_back(amx::TileMulIOp::create(b, l, sums, a, w, carried[p],
                                                 /*isZextLhs=*/unsignedInput,
                                                 !unsignedInput));
        }
        scf::YieldOp::create(b, l, next);
      });
  for (int64_t p = 0; p < panels; ++p) {
    Value memory;
    {
      // At the head of the kernel: in a loop each turn would take more of the
      // stack.
      OpBuilder::InsertionGuard guard(builder);
      builder.setInsertionPointToStart(
          &op->getParentOfType<FunctionOpInterface>()
               .getFunctionBody()
               .front());
      memory = memref::AllocaOp::create(builder, loc,
                                        MemRefType::get({rows, kLanes}, i32),
                                        builder.getI64IntegerAttr(64));
    }
    amx::TileStoreOp::create(builder, loc, memory,
                             ValueRange{index(0), index(0)}, loop.getResult(p));
    for (int64_t r = 0; r < rows; ++r) {
      Value row = vector::LoadOp::create(builder, loc, vec(kLanes, 32), memory,
                                         ValueRange{index(r), index(0)});
      Value &value = values[r * panels + p];
      value = arith::AddIOp::create(builder, loc, row, value);
    }
  }
  return whole;
}

std::unique_ptr<IntegerDot> makeAMXDot(OpBuilder &builder, Location loc) {
  return std::make_unique<AMXDot>(builder, loc);
}

} // namespace quantc::cpu
