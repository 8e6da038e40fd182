//===- KernelModels.cpp - Which body each qgraph op gets ------------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Kernels.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "quantc/Conversion/QGraphToLoops.h"
#include "quantc/Conversion/QGraphToQKernel.h"
#include "quantc/Dialect/QGraph/Shapes.h"

using namespace mlir;
using namespace quantc::qgraph;

namespace quantc::qkernel {
namespace {

/// What the ops have in common; a model below adds the fast body of its op.
template <typename Model, typename Op>
struct ModelBase : KernelOpInterface::ExternalModel<Model, Op> {
  std::string getKernelName(Operation *op) const {
    return op->getName().stripDialect().str() + Model::suffix(cast<Op>(op));
  }
  LogicalResult canEmit(Operation *op, std::string &why) const {
    return success(Model::canEmitFast(cast<Op>(op)) ||
                   succeeded(canEmitPlain(op, why)));
  }
  LogicalResult emitKernel(Operation *op, KernelBody &body) const {
    if (body.fast && Model::canEmitFast(cast<Op>(op))) {
      Model::emitFast(cast<Op>(op), body);
      return success();
    }
    std::string why;
    if (failed(canEmitPlain(op, why)))
      return op->emitError("cannot be compiled the plain way: ") << why;
    if (!body.fast) {
      emitPlain(op, body);
      return success();
    }
    // A plain body among fast ones is still one thread's work.
    OpBuilder &builder = body.builder;
    Value first =
        arith::CmpIOp::create(builder, body.loc, arith::CmpIPredicate::eq,
                              body.thread, body.index(0));
    auto serial =
        scf::IfOp::create(builder, body.loc, first, /*withElseRegion=*/false);
    OpBuilder::InsertionGuard guard(builder);
    builder.setInsertionPointToStart(serial.thenBlock());
    emitPlain(op, body);
    return success();
  }
  Value getScratchBytes(Operation *op, OpBuilder &builder) const {
    return Model::canEmitFast(cast<Op>(op))
               ? Model::scratch(cast<Op>(op), builder)
               : Value();
  }

  static std::string suffix(Op) { return {}; }
  static bool canEmitFast(Op) { return false; }
  static void emitFast(Op, KernelBody &) {}
  static Value scratch(Op, OpBuilder &) { return {}; }
};

/// An op that has the plain body only.
template <typename Op>
struct PlainModel : ModelBase<PlainModel<Op>, Op> {};

/// An op that works row by row.
template <typename Op>
struct RowModel : ModelBase<RowModel<Op>, Op> {
  static bool canEmitFast(Op op) { return canEmitRows(op); }
  static void emitFast(Op op, KernelBody &body) { emitRows(op, body); }
  static Value scratch(Op op, OpBuilder &builder) {
    return rowsScratchBytes(op, builder);
  }
};

/// quantize and dequantize: with one scale for all elements, or row by row.
template <typename Op>
struct RoundingModel : ModelBase<RoundingModel<Op>, Op> {
  static bool canEmitFast(Op op) { return canEmitFlat(op) || canEmitRows(op); }
  static void emitFast(Op op, KernelBody &body) {
    if (canEmitFlat(op))
      emitFlat(op, body);
    else
      emitRows(op, body);
  }
  static Value scratch(Op op, OpBuilder &builder) {
    return canEmitFlat(op) ? Value() : rowsScratchBytes(op, builder);
  }
};

/// Scales of rows, or one for all.
struct ChooseParamsModel : ModelBase<ChooseParamsModel, ChooseParamsOp> {
  static bool canEmitFast(ChooseParamsOp op) {
    return canEmitRows(op) || canEmitWholeParams(op);
  }
  static void emitFast(ChooseParamsOp op, KernelBody &body) {
    if (canEmitRows(op))
      emitRows(op, body);
    else
      emitWholeParams(op, body);
  }
  static Value scratch(ChooseParamsOp op, OpBuilder &builder) {
    return canEmitRows(op) ? rowsScratchBytes(op, builder) : Value();
  }
};

/// A group of such ops: `norm_choose_params_quantize`.
struct RowsModel : ModelBase<RowsModel, RowsOp> {
  std::string getKernelName(Operation *op) const {
    std::string name;
    for (Operation &inner :
         cast<RowsOp>(op).getBody().front().without_terminator()) {
      auto kernel = dyn_cast<KernelOpInterface>(&inner);
      name += (name.empty() ? "" : "_") +
              (kernel ? kernel.getKernelName()
                      : inner.getName().stripDialect().str());
    }
    return name;
  }
  LogicalResult canEmit(Operation *op, std::string &why) const {
    why = "an op of the group does not work row by row";
    return success(canEmitRows(op));
  }
  static bool canEmitFast(RowsOp op) { return canEmitRows(op); }
  static void emitFast(RowsOp op, KernelBody &body) { emitRows(op, body); }
  static Value scratch(RowsOp op, OpBuilder &builder) {
    return rowsScratchBytes(op, builder);
  }
};

struct AttentionModel : ModelBase<AttentionModel, AttentionOp> {
  static bool canEmitFast(AttentionOp op) { return canEmitAttention(op); }
  static void emitFast(AttentionOp op, KernelBody &body) {
    emitAttention(op, body);
  }
  static Value scratch(AttentionOp op, OpBuilder &builder) {
    return attentionScratchBytes(op, builder);
  }
};

struct MatmulModel : ModelBase<MatmulModel, MatmulOp> {
  static bool canEmitFast(MatmulOp op) { return canEmitMatmul(op); }
  static void emitFast(MatmulOp op, KernelBody &body) { emitMatmul(op, body); }
  static Value scratch(MatmulOp op, OpBuilder &builder) {
    return matmulScratchBytes(op, builder);
  }
};

struct QuantizedMatmulModel
    : ModelBase<QuantizedMatmulModel, QuantizedMatmulOp> {
  /// The steps, as the packed linears have them.
  static std::string suffix(QuantizedMatmulOp op) {
    std::string name;
    for (auto step : op.getEpilogue().getAsRange<StepAttr>())
      name += "_" + step.getOp().lower();
    return name;
  }
  static bool canEmitFast(QuantizedMatmulOp op) {
    return canEmitQuantizedMatmul(op);
  }
  static void emitFast(QuantizedMatmulOp op, KernelBody &body) {
    emitQuantizedMatmul(op, body);
  }
  static Value scratch(QuantizedMatmulOp op, OpBuilder &builder) {
    return quantizedMatmulScratchBytes(op, builder);
  }
};

struct PackedLinearModel
    : KernelOpInterface::ExternalModel<PackedLinearModel, LinearOp> {
  std::string getKernelName(Operation *op) const {
    return linearKernelName(cast<LinearOp>(op));
  }
  LogicalResult canEmit(Operation *op, std::string &why) const {
    return canEmitLinear(cast<LinearOp>(op), why);
  }
  LogicalResult emitKernel(Operation *op, KernelBody &body) const {
    return emitLinear(cast<LinearOp>(op), body);
  }
  Value getScratchBytes(Operation *op, OpBuilder &builder) const {
    auto linear = cast<LinearOp>(op);
    SmallVector<OpFoldResult> sizes = getDims(builder, linear.getInput());
    Value rows = arith::ConstantIndexOp::create(builder, op->getLoc(), 1);
    for (OpFoldResult size : ArrayRef<OpFoldResult>(sizes).drop_back())
      rows = builder.createOrFold<arith::MulIOp>(
          op->getLoc(), rows,
          getValueOrCreateConstantIndexOp(builder, op->getLoc(), size));
    return linearScratchBytes(linear, builder, rows);
  }
};

struct PackedConvModel
    : KernelOpInterface::ExternalModel<PackedConvModel, qkernel::ConvOp> {
  std::string getKernelName(Operation *op) const {
    return convKernelName(cast<qkernel::ConvOp>(op));
  }
  LogicalResult canEmit(Operation *op, std::string &why) const {
    return canEmitConv(cast<qkernel::ConvOp>(op), why);
  }
  LogicalResult emitKernel(Operation *op, KernelBody &body) const {
    emitConv(cast<qkernel::ConvOp>(op), body);
    return success();
  }
  Value getScratchBytes(Operation *op, OpBuilder &builder) const {
    return convScratchBytes(cast<qkernel::ConvOp>(op), builder);
  }
};

} // namespace
} // namespace quantc::qkernel

void quantc::registerQGraphKernelModels(DialectRegistry &registry) {
  using namespace quantc::qkernel;
  registry.addExtension(+[](MLIRContext *context, QGraphDialect *) {
    qgraph::LinearOp::attachInterface<PlainModel<qgraph::LinearOp>>(*context);
    QuantizedLinearOp::attachInterface<PlainModel<QuantizedLinearOp>>(*context);
    qgraph::ConvOp::attachInterface<PlainModel<qgraph::ConvOp>>(*context);
    QuantizedConvOp::attachInterface<PlainModel<QuantizedConvOp>>(*context);
    DequantizeOp::attachInterface<RoundingModel<DequantizeOp>>(*context);
    QuantizeOp::attachInterface<RoundingModel<QuantizeOp>>(*context);
    ChooseParamsOp::attachInterface<ChooseParamsModel>(*context);
    NormOp::attachInterface<RowModel<NormOp>>(*context);
    EmbeddingOp::attachInterface<RowModel<EmbeddingOp>>(*context);
    RowsOp::attachInterface<RowsModel>(*context);
    AttentionOp::attachInterface<AttentionModel>(*context);
    MatmulOp::attachInterface<MatmulModel>(*context);
    QuantizedMatmulOp::attachInterface<QuantizedMatmulModel>(*context);
  });
  registry.addExtension(+[](MLIRContext *context, QKernelDialect *) {
    qkernel::LinearOp::attachInterface<PackedLinearModel>(*context);
    qkernel::ConvOp::attachInterface<PackedConvModel>(*context);
  });
}
