//===- LinearKernel.h - qkernel.linear as tiles of dot products -*- C++ -*-===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef QUANTC_CONVERSION_QGRAPHTOQKERNEL_LINEARKERNEL_H
#define QUANTC_CONVERSION_QGRAPHTOQKERNEL_LINEARKERNEL_H

#include "LinearPlan.h"
#include "Tiles.h"

namespace quantc::qkernel {

/// The loops of LinearKernel.cpp; LinearInput.cpp has what is made of the input
/// beforehand, LinearDots.cpp the sums of a tile.
class LinearKernel : LinearPlan {
public:
  LinearKernel(LinearOp op, KernelBody &body);
  void emit();

private:
  void tile(mlir::Value m, mlir::Value panel, int64_t rows, int64_t panels,
            int64_t valid);
  llvm::SmallVector<mlir::Value> floatTile(mlir::Value m, PanelRef ref,
                                           int64_t rows, int64_t panels);
  llvm::SmallVector<mlir::Value> storedTile(mlir::Value m, PanelRef ref,
                                            int64_t rows, int64_t panels);
  void unpack(PanelRef ref, mlir::Value begin, int64_t length, int64_t panels);
  llvm::SmallVector<mlir::Value> unpackCodes(mlir::Value offset,
                                             mlir::Value zero);
  mlir::Value lookUp(mlir::Value code);
  void addBias(PanelRef ref, int64_t rows, int64_t panels,
               llvm::MutableArrayRef<mlir::Value> sums);
  llvm::SmallVector<mlir::Value> columnScaleTile(mlir::Value m, PanelRef ref,
                                                 int64_t rows, int64_t panels);
  llvm::SmallVector<mlir::Value> groupScaleTile(mlir::Value m, PanelRef ref,
                                                int64_t rows, int64_t panels);
  llvm::SmallVector<mlir::Value> integerDots(mlir::Value m, mlir::Value group,
                                             mlir::Value offset, PanelRef ref,
                                             int64_t rows, int64_t panels);
  void fetchNext(mlir::Value panel, mlir::Value row, mlir::Value linesPerRow);
  void panelTiles(mlir::Value mLo, mlir::Value mHi, const RowsOrTiles &share);
  void prepareInput(mlir::Value mLo, mlir::Value mHi);
  void copyInput(mlir::Value mLo, mlir::Value mHi, mlir::Value offset);
  void sumInput(mlir::Value mLo, mlir::Value mHi);
  void spreadRows(mlir::Value mLo, mlir::Value mHi);
  mlir::Value loadFloats(mlir::Value offset, mlir::Type storage);
  mlir::Value loadZeroPoints(mlir::Value offset);
  mlir::Value loadSums(mlir::Value offset);
  mlir::Value perRow(mlir::Value memref, mlir::Type tensor, mlir::Value m,
                     mlir::Value group);
  mlir::Value inputScale(mlir::Value m, mlir::Value group);
  mlir::Value inputZeroPoint(mlir::Value m, mlir::Value group);
  llvm::SmallVector<mlir::Value> initialSums(mlir::Value m, mlir::Value group,
                                             mlir::Value offset, int64_t rows,
                                             int64_t panels);

  LinearOp op;
  KernelBody &body;
  mlir::OpBuilder &builder;
  mlir::Location loc;
  mlir::Value input, scale, zeroPoint, packed, output;
  mlir::Value
      sums; // of each row's groups, times what the weights need them for
  // The block's rows far enough apart, and the first of them.
  mlir::Value spread, firstSpread;
  Epilogue epilogue;
};

} // namespace quantc::qkernel

#endif // QUANTC_CONVERSION_QGRAPHTOQKERNEL_LINEARKERNEL_H
