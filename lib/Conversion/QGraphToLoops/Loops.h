//===- Loops.h - Scalars and loops of the plain lowering --------*- C++ -*-===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#ifndef QUANTC_CONVERSION_QGRAPHTOLOOPS_LOOPS_H
#define QUANTC_CONVERSION_QGRAPHTOLOOPS_LOOPS_H

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "quantc/Dialect/QKernel/QKernelDialect.h"

namespace quantc::qkernel {

/// The plain body of one op, and what its emitters share.
class Plain {
public:
  Plain(mlir::Operation *op, KernelBody &body)
      : body(body), builder(body.builder), loc(body.loc), op(op) {}
  void emit();

private:
  using Index = llvm::SmallVector<mlir::Value>;

  void emit(qgraph::QuantizeOp op);
  void emit(qgraph::DequantizeOp op);
  void emit(qgraph::ChooseParamsOp op);
  void emit(qgraph::LinearOp op);
  void emit(qgraph::QuantizedLinearOp op);
  void emit(qgraph::ConvOp op);
  void emit(qgraph::QuantizedConvOp op);
  void emit(qgraph::MatmulOp op);
  void emit(qgraph::QuantizedMatmulOp op);
  void emit(qgraph::EmbeddingOp op);
  void emit(qgraph::NormOp op);
  void emit(qgraph::AttentionOp op);

  /// A loop for each dimension of `memref`.
  void forEach(mlir::Value memref,
               llvm::function_ref<void(const Index &)> step);
  mlir::Value load(mlir::Value memref, const Index &index);
  void store(mlir::Value value, mlir::Value memref, const Index &index);
  /// `memref` at `index` with dimensions of size 1, and missing leading ones,
  /// broadcast.
  mlir::Value loadBroadcast(mlir::Value memref, const Index &index);
  /// The scale's index for an element of a tensor in these blocks.
  Index blockIndex(const Index &index, llvm::ArrayRef<int64_t> block);

  /// An element of a tensor of `tensorElement` (any float or integer format) as
  /// f32.
  mlir::Value toFloat(mlir::Value value, mlir::Type tensorElement);
  /// f32 as an element of a float tensor, one rounding. `saturate` is for the
  /// small formats.
  mlir::Value fromFloat(mlir::Value value, mlir::Type tensorElement,
                        bool saturate = true);
  mlir::Value toInt(mlir::Value value, mlir::Type tensorElement);
  mlir::Value rounded(mlir::Value value, std::optional<mlir::Type> precision);
  mlir::Value lookUp(mlir::Value code, mlir::Value codebook,
                     mlir::Type element);
  mlir::Value encodeCodebook(mlir::Value x, mlir::Value codebook,
                             mlir::Type element, mlir::Type stored);
  mlir::Value encodeInteger(mlir::Value x, mlir::Value zeroPoint,
                            mlir::Type stored);
  /// `visit(index)` for the elements of the block `group` of `memref`, in
  /// row-major order.
  void forBlock(mlir::Value memref, const Index &group,
                llvm::ArrayRef<int64_t> block,
                llvm::function_ref<void(const Index &)> visit);
  /// choose_params: what numerics::finishScale does.
  mlir::Value finishScale(mlir::Value scale, mlir::Type element);
  std::pair<mlir::Value, mlir::Value> extrema(qgraph::ChooseParamsOp op,
                                              const Index &group);
  mlir::Value meanMagnitude(qgraph::ChooseParamsOp op, const Index &group);
  mlir::Value limited(qgraph::ChooseParamsOp op, mlir::Value x);

  /// sum_k of `term(k, acc)` in blocks of 256 (numerics::dotOverK).
  mlir::Value
  dotOverK(mlir::Value k,
           llvm::function_ref<std::pair<mlir::Value, mlir::Value>(mlir::Value)>
               factors);
  /// Sum over a row in 16 lanes and a fixed tree (numerics::sumRow).
  mlir::Value sumRow(mlir::Value n, bool square,
                     llvm::function_ref<mlir::Value(mlir::Value)> term);
  /// The memrefs of one of the op's operand groups (ODS' number).
  template <typename OpT>
  llvm::ArrayRef<mlir::Value> inputsOf(OpT op, unsigned group) {
    auto [first, count] = op.getODSOperandIndexAndLength(group);
    return llvm::ArrayRef<mlir::Value>(body.inputs).slice(first, count);
  }
  /// The same where the group is one optional operand: null if absent.
  template <typename OpT>
  mlir::Value inputOf(OpT op, unsigned group) {
    llvm::ArrayRef<mlir::Value> memrefs = inputsOf(op, group);
    return memrefs.empty() ? mlir::Value() : memrefs.front();
  }
  /// bias[n] of a layer as f32, 0 where there is none.
  mlir::Value loadBias(mlir::Value memref, mlir::Value bias, mlir::Value n);
  /// The epilogue of a layer, with `operands` its memrefs, and the store of the
  /// result.
  void finishLayer(qgraph::EpilogueOpInterface op, mlir::ValueRange operands,
                   mlir::Value value, const Index &index);
  mlir::Value applyStep(qgraph::StepAttr step, mlir::ValueRange operands,
                        mlir::Value value, const Index &index);
  /// clamp(round(y / scale) + zero_point) of an epilogue's step, i8.
  mlir::Value stepCode(qgraph::StepAttr step, mlir::ValueRange operands,
                       mlir::Value value, const Index &index);
  /// Where a convolution's position k of K = (taps, channels) lies for one
  /// result: in the weight and, unless it is outside the image, in the input.
  struct Tap {
    Index weight, input;
    mlir::Value inside; // i1
  };
  template <typename OpT>
  Tap tapOf(OpT op, const Index &index, mlir::Value k);
  /// The element of an operand of a product at a row and a column of its
  /// matrix; `index` is that of the result, from whose leading dimensions it is
  /// broadcast.
  Index matrixIndex(mlir::Value memref, const Index &index, mlir::Value row,
                    mlir::Value column);
  /// memref[tap.input], or 0 outside.
  mlir::Value loadTap(mlir::Value memref, const Tap &tap);
  /// A small buffer on the stack.
  mlir::Value buffer(int64_t size, mlir::Type element);
  /// 16 sums of f32 on the stack, and the fixed tree over them
  /// (numerics::reduceLanes).
  mlir::Value zeroLanes();
  mlir::Value reduceLanes(mlir::Value lanes);

  KernelBody &body;
  mlir::OpBuilder &builder;
  mlir::Location loc;
  mlir::Operation *op;
};

} // namespace quantc::qkernel

#endif // QUANTC_CONVERSION_QGRAPHTOLOOPS_LOOPS_H
