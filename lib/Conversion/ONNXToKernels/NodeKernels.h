//===- NodeKernels.h - The tables of node kernels ---------------*- C++ -*-===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef QUANTC_LIB_CONVERSION_ONNXTOKERNELS_NODEKERNELS_H
#define QUANTC_LIB_CONVERSION_ONNXTOKERNELS_NODEKERNELS_H

#include "Loops.h"
#include "quantc/Dialect/ONNX/ONNXDialect.h"

#include "llvm/ADT/SmallBitVector.h"

namespace quantc::onnx_kernels {

using onnx_ir::NodeOp;

/// How one operator of the standard domain becomes a kernel's body.
struct NodeKernel {
  llvm::StringLiteral opType;
  /// Fails, with the reason, for a node that `emit` cannot do.
  llvm::LogicalResult (*accepts)(NodeOp op, std::string &why);
  void (*emit)(NodeOp op, KernelBody &body);
  /// The inputs whose constant values the body is made from; they are part of
  /// its key.
  unsigned constantInputs = 0; // bit i: input i
  /// Bytes of scratch memory that each thread needs; null: none.
  mlir::Value (*scratch)(NodeOp op, mlir::OpBuilder &builder) = nullptr;
  /// "": the standard domain.
  llvm::StringLiteral domain = "";
  /// The body depends on the node's name, which is part of its key.
  bool readsName = false;
};

/// The kernel of this node, or null. Each family has its table.
const NodeKernel *lookupNodeKernel(NodeOp op);
llvm::ArrayRef<NodeKernel> movementKernels();      // Movement.cpp
llvm::ArrayRef<NodeKernel> indexingKernels();      // Indexing.cpp
llvm::ArrayRef<NodeKernel> generationKernels();    // Generation.cpp
llvm::ArrayRef<NodeKernel> reductionKernels();     // Reduction.cpp
llvm::ArrayRef<NodeKernel> softmaxKernels();       // Softmax.cpp
llvm::ArrayRef<NodeKernel> scanKernels();          // Scan.cpp
llvm::ArrayRef<NodeKernel> contractionKernels();   // Contraction.cpp
llvm::ArrayRef<NodeKernel> poolingKernels();       // Pooling.cpp
llvm::ArrayRef<NodeKernel> einsumKernels();        // Einsum.cpp
llvm::ArrayRef<NodeKernel> normalizationKernels(); // Normalization.cpp
llvm::ArrayRef<NodeKernel> resizeKernels();        // Resize.cpp
llvm::ArrayRef<NodeKernel> samplingKernels();      // Sampling.cpp
llvm::ArrayRef<NodeKernel> regionKernels();        // Regions.cpp
llvm::ArrayRef<NodeKernel> recurrentKernels();     // Recurrent.cpp
llvm::ArrayRef<NodeKernel> signalKernels();        // Signal.cpp
llvm::ArrayRef<NodeKernel> foldingKernels();       // Folding.cpp
llvm::ArrayRef<NodeKernel> ngramKernels();         // Ngrams.cpp
llvm::ArrayRef<NodeKernel> randomKernels();        // Random.cpp
llvm::ArrayRef<NodeKernel> determinantKernels();   // Determinant.cpp
llvm::ArrayRef<NodeKernel> selectionKernels();     // Selection.cpp
llvm::ArrayRef<NodeKernel> listKernels();          // Lists.cpp
llvm::ArrayRef<NodeKernel> optionalKernels();      // Optional.cpp

// Elementwise.cpp: the rows of the table in Dialect/ONNX/Elementwise.h.
llvm::LogicalResult acceptsElementwise(NodeOp op, std::string &why);
void emitElementwise(NodeOp op, KernelBody &body);

/// `input` read in the order of `output`'s dimensions, its dimensions of 1
/// repeated. Of those that may be 1 at run time, the ones in `same` (bits of
/// the output's dimensions) are known to be the output's.
Access broadcastAccess(KernelBody &body, mlir::Value input, mlir::Value output,
                       mlir::Type element, const llvm::SmallBitVector &same);
/// True where all dimensions of `input` that `broadcastAccess` would have to
/// choose a stride for at run time, those in `known` left out, are those of
/// `output`.
mlir::Value sameShape(KernelBody &body, mlir::Value input, mlir::Value output,
                      const llvm::SmallBitVector &known);

/// The element type of operand or result `i`.
mlir::Type inputElement(NodeOp op, unsigned i);
mlir::Type resultElement(NodeOp op, unsigned i = 0);
/// The ranked type of input `i`; null if it is absent.
mlir::RankedTensorType inputType(NodeOp op, unsigned i);

/// The integers of a constant input, or the node attribute `name`; nothing if
/// neither is there.
std::optional<llvm::SmallVector<int64_t>>
constantInts(NodeOp op, unsigned input, llvm::StringRef name);
/// The numbers of a constant input of floats, or nothing.
std::optional<llvm::SmallVector<double>> constantReals(NodeOp op,
                                                       unsigned input);
/// Succeeds if input `i` is absent, or constant.
llvm::LogicalResult requireConstant(NodeOp op, unsigned i, llvm::StringRef what,
                                    std::string &why);
/// Entry `i` of an integer buffer of rank 0 or 1 as an index value,
/// sign-extended.
mlir::Value loadIndex(KernelBody &body, mlir::Value memref, mlir::Value i);
/// An axis of ONNX, from the end if negative.
inline int64_t normalizeAxis(int64_t axis, int64_t rank) {
  return axis < 0 ? axis + rank : axis;
}
/// `index`, counted from the end if negative; outside [0, size) the run fails
/// with the code for that, and the result is a valid index (if there is any).
mlir::Value checkedIndex(KernelBody &body, mlir::Value index, mlir::Value size,
                         int64_t code = qkernel::kIndexOutside);

// Few channels to the last dimension, in vectors (Interleave.cpp): a Transpose
// with `perm` that is one, of 2 to 4 channels.
bool isInterleave(NodeOp op, llvm::ArrayRef<int64_t> perm, KernelBody &body);
void emitInterleave(NodeOp op, KernelBody &body);

} // namespace quantc::onnx_kernels

#endif // QUANTC_LIB_CONVERSION_ONNXTOKERNELS_NODEKERNELS_H
