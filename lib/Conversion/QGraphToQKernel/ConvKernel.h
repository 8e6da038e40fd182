//===- ConvKernel.h - qkernel.conv as tiles of dot products -----*- C++ -*-===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef QUANTC_CONVERSION_QGRAPHTOQKERNEL_CONVKERNEL_H
#define QUANTC_CONVERSION_QGRAPHTOQKERNEL_CONVKERNEL_H

#include "ConvOperands.h"
#include "ConvPlan.h"

namespace quantc::qkernel {

/// The loops of ConvKernel.cpp; ConvSource.cpp has where pixels are read.
class ConvKernel : ConvOperands {
public:
  ConvKernel(ConvOp op, KernelBody &body);
  void emit();

private:
  /// Where the pixels of a block are: all in elements of `memory`.
  struct Source {
    mlir::Value memory;             // rank 1
    mlir::Value base;               // the first tap of the block's first pixel
    mlir::Value planeStep, rowStep; // from tap to tap
    int64_t columnStep;
    mlir::Value nextRow; // from pixel to pixel
    int64_t nextColumn;
  };
  /// The block: rows [0, rows) of `width` pixels; `first` is the result's row
  /// (pixel) that its first one is.
  struct Block {
    Source source;
    mlir::Value first, rows, width, image;
  };

  void block(mlir::Value plane, mlir::Value start, mlir::Value rows,
             const RowsOrTiles &share);
  Source imageAt(mlir::Value image, mlir::Value depth, mlir::Value y,
                 mlir::Value x);
  Source copyOf(mlir::Value image, mlir::Value depth, mlir::Value y,
                mlir::Value x, mlir::Value rows);
  void copyRow(mlir::Value from, mlir::Value inside, mlir::Value to,
               mlir::Value x);
  void move(mlir::Value count, mlir::Value to, mlir::Value from);
  void panelTile(const Block &block, mlir::Value group, mlir::Value panel,
                 int64_t panels, int64_t valid);
  void tile(const Block &block, mlir::Value group, mlir::Value row,
            mlir::Value pixel, mlir::Value panel, int64_t rows, int64_t panels,
            int64_t valid);
  llvm::SmallVector<mlir::Value> floatDots(const Source &source,
                                           mlir::Value view,
                                           const PanelRef &ref, int64_t rows,
                                           int64_t panels);
  llvm::SmallVector<mlir::Value> integerDots(const Source &source,
                                             mlir::Value view,
                                             const PanelRef &ref, int64_t rows,
                                             int64_t panels);
  mlir::Value runOffset(const Source &source, mlir::Value run);

  ConvPlan plan;
  const ConvShape &shape;
  mlir::Type element;
  mlir::Value scratch;
  // Of the block's image: its scale and what the sums of the weights are
  // multiplied by, in all lanes; what stands outside of it.
  mlir::Value blockScale, blockZero, padding;
};

} // namespace quantc::qkernel

#endif // QUANTC_CONVERSION_QGRAPHTOQKERNEL_CONVKERNEL_H
