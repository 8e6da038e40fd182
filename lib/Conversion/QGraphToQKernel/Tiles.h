//===- Tiles.h - Loops around register tiles --------------------*- C++ -*-===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What the fast kernels share: the register tiles of a target, row tails, float
// dot products in the order of Numerics/Order.h, vectors at the edge of a
// matrix, and epilogues.
//
//===----------------------------------------------------------------------===//

#ifndef QUANTC_CONVERSION_QGRAPHTOQKERNEL_TILES_H
#define QUANTC_CONVERSION_QGRAPHTOQKERNEL_TILES_H

#include "quantc/Dialect/QKernel/QKernelDialect.h"
#include "quantc/Numerics/Order.h"

namespace quantc::qkernel {

inline constexpr int64_t kLanes = numerics::kLanes;

/// vector<16 x element>.
mlir::VectorType laneType(mlir::Type element);

/// The register tile of the target for weights of `format`, as {rows, panels}.
std::pair<int64_t, int64_t> registerTile(mlir::Operation *op,
                                         llvm::StringRef format);

/// Covers rows [lo, hi) by tiles of `maxRows`, then of half as many if that is
/// more than 4, of 4, 2 and 1: `tile(m, rows)`.
void forRowTiles(KernelBody &body, mlir::Value lo, mlir::Value hi,
                 int64_t maxRows,
                 llvm::function_ref<void(mlir::Value, int64_t)> tile);

/// What a thread does of a matrix of rows by tiles of panels: a range of rows
/// and all panels where there are many rows, else all rows and a range of
/// tiles. No sum depends on the choice.
struct RowsOrTiles {
  mlir::Value rowLo, rowHi, tileLo, tileHi;
  mlir::Value rest; // i1: the panels behind the last tile too

  /// Rows are shared in multiples of `grain`, if there are `rowsPerThread` for
  /// each thread.
  RowsOrTiles(KernelBody &body, mlir::Value rows, int64_t grain, int64_t tiles,
              int64_t rowsPerThread);
};

/// Where the packed panels of a tile stand.
struct PanelRef {
  mlir::Value packed; // memref<?xi8>
  mlir::Value offset; // bytes to k = 0 of the first panel
  mlir::Value stride; // bytes from panel to panel
};

/// rows x panels float dot products over `k` values in blocks of 256
/// (numerics::dotOverK): row m + r of `a` against the columns of panel p. Row
/// by row.
llvm::SmallVector<mlir::Value> emitDotF32(KernelBody &body, mlir::Value a,
                                          mlir::Value m, PanelRef panels,
                                          mlir::Value k, int64_t rows,
                                          int64_t panelCount);

/// Loads / stores `valid` (<= 16) lanes at `memref[indices]`; lanes beyond are
/// 0.
mlir::Value loadLanes(KernelBody &body, mlir::Value memref,
                      mlir::ValueRange indices, int64_t valid);
void storeLanes(KernelBody &body, mlir::Value vector, mlir::Value memref,
                mlir::ValueRange indices, int64_t valid);

/// Stores the lanes of a row whose column, from `column` on, is below
/// `columns`.
void storeLanesBelow(KernelBody &body, mlir::Value vector, mlir::Value memref,
                     mlir::Value row, mlir::Value column, mlir::Value columns);

/// Emits `whole` for where all columns of the panel at `column` are below
/// `columns`, and `edge` for where they are not.
void emitWholeOrEdge(KernelBody &body, mlir::Value column, mlir::Value columns,
                     llvm::function_ref<void()> whole,
                     llvm::function_ref<void()> edge);

/// All lanes equal to a scalar.
mlir::Value splat(KernelBody &body, mlir::Value scalar);

/// The tree of Numerics/Order.h over 16 lanes.
mlir::Value
reduceLanes(KernelBody &body, mlir::Value lanes,
            llvm::function_ref<mlir::Value(mlir::Value, mlir::Value)> combine);

/// A vector of a tile: 16 columns of a row of the result from `column` on, of
/// which `valid` are there.
struct TileLanes {
  mlir::Value value, row, column;
  int64_t valid;
};

/// The steps that follow a layer, on vectors of 16 columns.
class Epilogue {
public:
  /// `operands` are the kernel's memrefs for `epilogue_operands`, `types` their
  /// tensor types.
  Epilogue(KernelBody &body, mlir::ArrayAttr steps, mlir::ValueRange operands,
           mlir::TypeRange types, mlir::RankedTensorType resultType);
  /// True if every step is a row of the table and every operand is a full
  /// tensor, a row or a scalar; otherwise says why not.
  static bool canEmit(mlir::ArrayAttr steps, mlir::TypeRange types,
                      mlir::RankedTensorType resultType, std::string &why);
  /// The result's lanes; i8 if the last step is Quantize.
  mlir::Value emit(mlir::Value lanes, mlir::Value row, mlir::Value column,
                   int64_t valid);
  /// The same for several vectors, which are stored to `output`.
  void store(llvm::ArrayRef<TileLanes> lanes, mlir::Value output);

private:
  /// What a step with a scale needs, in all lanes: the scale; 1 / scale as a
  /// float and what that leaves over; the zero point (i32, or null); the least
  /// and greatest values that are not clamped.
  struct Stored {
    mlir::Value scale, inverse, rest, zeroPoint, least, greatest;
  };
  Stored prepare(qgraph::StepAttr step);
  void apply(llvm::MutableArrayRef<TileLanes> lanes);
  void roundQuotients(llvm::MutableArrayRef<TileLanes> lanes,
                      const Stored &stored);
  mlir::Value decode(mlir::Value codes, const Stored &stored);
  mlir::Value loadOperand(qgraph::StepAttr step, const TileLanes &lanes);

  enum class Shape { Full, Row, Scalar };
  static std::optional<Shape> shapeOf(mlir::Type operand,
                                      mlir::RankedTensorType resultType);

  KernelBody &body;
  mlir::ArrayAttr steps;
  llvm::SmallVector<std::pair<Shape, mlir::Value>> operands;
  llvm::SmallVector<Stored> stored; // by step
};

} // namespace quantc::qkernel

#endif // QUANTC_CONVERSION_QGRAPHTOQKERNEL_TILES_H
