//===- Segments.h - A function in parts that run one by one -----*- C++ -*-===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef QUANTC_LIB_QUANTIZE_SEGMENTS_H
#define QUANTC_LIB_QUANTIZE_SEGMENTS_H

#include "quantc/Dialect/QGraph/QGraphDialect.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"

#include <vector>

namespace quantc {

/// A part of a function. Only tensors pass from part to part: what gives a
/// value of another type (an index, a cache), or has constant operands only, is
/// done again where it is needed.
struct Segment {
  /// In the function's order. They have operands of earlier segments and of
  /// this one.
  std::vector<mlir::Operation *> ops;
  /// What later segments read, what is observed at `sites`, what is wanted.
  std::vector<mlir::Value> outputs;
  /// The sites whose tensors this segment makes; no op of it reads one of the
  /// last that are reached.
  std::vector<qgraph::ObserveOp> sites;
};

/// Cuts the function where layers read what is observed: an op's depth is the
/// greatest number of sites on a path to it, and those of one depth are a
/// segment. Neighbours are joined while their constants have not more than
/// `joinBytes` bytes; never for 0. Ops that lead to no site and to none of
/// `wanted` are in none; what `wanted` has behind the last sites is in segments
/// after theirs.
std::vector<Segment> planSegments(mlir::func::FuncOp function,
                                  uint64_t joinBytes,
                                  llvm::ArrayRef<mlir::Value> wanted = {});

/// A segment as a module with one function, and what its arguments are.
struct SegmentModule {
  mlir::OwningOpRef<mlir::ModuleOp> module;
  std::vector<mlir::Value> arguments;
  std::vector<mlir::Value> results; ///< outputs that are no arguments
};

/// The tensors of earlier segments and arguments of the function that a segment
/// reads: the arguments of its copy.
std::vector<mlir::Value> segmentArguments(const Segment &segment);

/// Copies a segment out of its function, as that is now. Dimensions that are
/// known to be equal in the function have one name, so they still are. With
/// `original`, weights are those that quantization has kept (kOriginalAttr).
SegmentModule extractSegment(const Segment &segment, bool original = false);

} // namespace quantc

#endif // QUANTC_LIB_QUANTIZE_SEGMENTS_H
