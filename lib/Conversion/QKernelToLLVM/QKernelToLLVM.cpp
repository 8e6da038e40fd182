//===- QKernelToLLVM.cpp - The schedule's ops to the runtime's frame ------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Contract: no qkernel op is left; memrefs and functions are left to upstream's
// conversions, which these rewrites meet through unrealized casts.
//
//===----------------------------------------------------------------------===//

#include "mlir/Conversion/LLVMCommon/MemRefBuilder.h"
#include "mlir/Conversion/LLVMCommon/TypeConverter.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Transforms/WalkPatternRewriteDriver.h"
#include "quantc/Conversion/Passes.h"
#include "quantc/Dialect/QKernel/QKernelDialect.h"

#define DEBUG_TYPE "convert-qkernel-to-llvm"

namespace quantc {
#define GEN_PASS_DEF_CONVERTQKERNELTOLLVM
#define GEN_PASS_DEF_BUILDKERNELTABLE
#include "quantc/Conversion/Passes.h.inc"
} // namespace quantc

using namespace mlir;
using namespace quantc::qkernel;

namespace {

/// The fields of quantc_frame (runtime/include/quantc/abi.h), 8 bytes each.
enum FrameField {
  kInputs,
  kOutputs,
  kInDims,
  kOutDims,
  kWeights,
  kArena,
  kKernels = 9,
  kHeap = 13
};
/// Words of a quantc_slot; the pointer is the first.
constexpr int64_t kSlotWords = 3;
constexpr StringLiteral kKernelList = "qkernel.kernels";

/// The address `index` elements of 8 bytes behind `base`.
Value slot(OpBuilder &b, Location loc, Value base, int64_t index) {
  auto pointer = LLVM::LLVMPointerType::get(b.getContext());
  return LLVM::GEPOp::create(
      b, loc, pointer, b.getI64Type(), base,
      ArrayRef<LLVM::GEPArg>{static_cast<int32_t>(index)});
}

Value loadPointer(OpBuilder &b, Location loc, Value base, int64_t index) {
  return LLVM::LoadOp::create(b, loc,
                              LLVM::LLVMPointerType::get(b.getContext()),
                              slot(b, loc, base, index));
}

Value toI64(OpBuilder &b, Location loc, Value index) {
  return arith::IndexCastOp::create(b, loc, b.getI64Type(), index);
}

/// Replaces a buffer or a part of the heap by the descriptor of a dense memref
/// of its type and sizes, its offset behind `data`.
template <typename OpT>
void replaceWithMemRef(OpT op, Value data, PatternRewriter &b,
                       const LLVMTypeConverter &converter) {
  Location loc = op.getLoc();
  auto type = cast<MemRefType>(op.getResult().getType());
  Type i64 = b.getI64Type();
  if (Value offset = op.getOffset())
    data = LLVM::GEPOp::create(b, loc, data.getType(), b.getI8Type(), data,
                               ArrayRef<LLVM::GEPArg>{toI64(b, loc, offset)});
  SmallVector<Value> values = {
      data, data,
      LLVM::ConstantOp::create(b, loc, i64, b.getI64IntegerAttr(0))};
  SmallVector<Value> sizes, strides(type.getRank());
  auto dynamic = op.getSizes().begin();
  for (int64_t size : type.getShape())
    sizes.push_back(
        ShapedType::isDynamic(size)
            ? toI64(b, loc, *dynamic++)
            : LLVM::ConstantOp::create(b, loc, i64, b.getI64IntegerAttr(size)));
  Value stride = LLVM::ConstantOp::create(b, loc, i64, b.getI64IntegerAttr(1));
  for (int64_t d = type.getRank() - 1; d >= 0; --d) {
    strides[d] = stride;
    if (d > 0)
      stride = LLVM::MulOp::create(b, loc, stride, sizes[d]);
  }
  llvm::append_range(values, sizes);
  llvm::append_range(values, strides);
  Value descriptor = MemRefDescriptor::pack(b, loc, converter, type, values);
  b.replaceOpWithNewOp<UnrealizedConversionCastOp>(op, type, descriptor);
}

/// %m = qkernel.buffer arena %frame offset(%o) sizes(%d)
///   → the field's pointer plus the offset, as a dense memref descriptor
struct BufferPattern : OpRewritePattern<BufferOp> {
  BufferPattern(MLIRContext *context, const LLVMTypeConverter &converter)
      : OpRewritePattern(context), converter(converter) {}

  LogicalResult matchAndRewrite(BufferOp op,
                                PatternRewriter &b) const override {
    Location loc = op.getLoc();
    FrameField fields[] = {kInputs, kOutputs, kWeights, kArena};
    Value data = loadPointer(b, loc, op.getFrame(),
                             fields[static_cast<int>(op.getKind())]);
    if (op.getKind() == BufferKind::Input || op.getKind() == BufferKind::Output)
      data = loadPointer(b, loc, data, op.getIndex());
    replaceWithMemRef(op, data, b, converter);
    return success();
  }
  const LLVMTypeConverter &converter;
};

/// %m = qkernel.heap %frame[slot] offset(%o) sizes(%d)
///   → frame->heap[slot].data plus the offset, likewise
struct HeapPattern : OpRewritePattern<HeapOp> {
  HeapPattern(MLIRContext *context, const LLVMTypeConverter &converter)
      : OpRewritePattern(context), converter(converter) {}

  LogicalResult matchAndRewrite(HeapOp op, PatternRewriter &b) const override {
    Location loc = op.getLoc();
    Value heap = loadPointer(b, loc, op.getFrame(), kHeap);
    Value data = loadPointer(b, loc, heap, op.getSlot() * kSlotWords);
    replaceWithMemRef(op, data, b, converter);
    return success();
  }
  const LLVMTypeConverter &converter;
};

/// %d = qkernel.dim %frame[i]  →  frame->in_dims[i]
struct DimPattern : OpRewritePattern<DimOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(DimOp op, PatternRewriter &b) const override {
    Location loc = op.getLoc();
    Value dims = loadPointer(b, loc, op.getFrame(), kInDims);
    Value value = LLVM::LoadOp::create(b, loc, b.getI64Type(),
                                       slot(b, loc, dims, op.getIndex()));
    b.replaceOpWithNewOp<arith::IndexCastOp>(op, b.getIndexType(), value);
    return success();
  }
};

/// %v = qkernel.input_value %frame[i, e]  →  ((T *)frame->inputs[i])[e]
struct InputValuePattern : OpRewritePattern<InputValueOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(InputValueOp op,
                                PatternRewriter &b) const override {
    Location loc = op.getLoc();
    Value inputs = loadPointer(b, loc, op.getFrame(), kInputs);
    Value data = loadPointer(b, loc, inputs, op.getInput());
    Value address = LLVM::GEPOp::create(
        b, loc, data.getType(), op.getType(), data,
        ArrayRef<LLVM::GEPArg>{static_cast<int32_t>(op.getElement())});
    b.replaceOpWithNewOp<LLVM::LoadOp>(op, op.getType(), address);
    return success();
  }
};

/// qkernel.set_dim %frame[i], %d  →  frame->out_dims[i] = d
struct SetDimPattern : OpRewritePattern<SetDimOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(SetDimOp op,
                                PatternRewriter &b) const override {
    Location loc = op.getLoc();
    Value dims = loadPointer(b, loc, op.getFrame(), kOutDims);
    LLVM::StoreOp::create(b, loc, toI64(b, loc, op.getValue()),
                          slot(b, loc, dims, op.getIndex()));
    b.eraseOp(op);
    return success();
  }
};

/// A call of a function of the runtime with i64 arguments behind the frame.
void callRuntime(PatternRewriter &b, Operation *op, StringRef name, Value frame,
                 ArrayRef<Value> arguments) {
  auto module = op->getParentOfType<ModuleOp>();
  SmallVector<Value> operands = {frame};
  for (Value argument : arguments)
    operands.push_back(argument.getType().isIndex()
                           ? toI64(b, op->getLoc(), argument)
                           : argument);
  if (!module.lookupSymbol(name)) {
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(module.getBody());
    auto type = b.getFunctionType(TypeRange(ValueRange(operands)), {});
    func::FuncOp::create(b, module.getLoc(), name, type).setPrivate();
  }
  func::CallOp::create(b, op->getLoc(), name, TypeRange{}, operands);
}

Value constantI64(OpBuilder &b, Location loc, int64_t value) {
  return arith::ConstantOp::create(b, loc, b.getI64IntegerAttr(value));
}

struct BarrierPattern : OpRewritePattern<BarrierOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(BarrierOp op,
                                PatternRewriter &b) const override {
    callRuntime(b, op, "quantc_rt_barrier", op.getFrame(),
                {op.getThread(), op.getThreads()});
    b.eraseOp(op);
    return success();
  }
};

struct MarkPattern : OpRewritePattern<MarkOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(MarkOp op, PatternRewriter &b) const override {
    callRuntime(b, op, "quantc_rt_mark", op.getFrame(),
                {constantI64(b, op.getLoc(), op.getLayer()), op.getThread()});
    b.eraseOp(op);
    return success();
  }
};

/// Replaces `op` by a call of a function of the runtime where its condition
/// does not hold.
template <typename OpT>
void callUnless(PatternRewriter &b, OpT op, StringRef name,
                ArrayRef<Value> arguments) {
  Location loc = op.getLoc();
  Value yes = arith::ConstantOp::create(b, loc, b.getBoolAttr(true));
  Value failed = arith::XOrIOp::create(b, loc, op.getCondition(), yes);
  auto branch = scf::IfOp::create(b, loc, failed, /*withElseRegion=*/false);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(branch.thenBlock());
  SmallVector<Value> operands = {constantI64(b, loc, op.getCode()), op.getA(),
                                 op.getB()};
  llvm::append_range(operands, arguments);
  callRuntime(b, op, name, op.getFrame(), operands);
  b.eraseOp(op);
}

/// qkernel.check %frame, %ok, code, %a, %b  →  if (!ok) quantc_rt_fail(frame,
/// code, a, b)
struct CheckPattern : OpRewritePattern<CheckOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(CheckOp op, PatternRewriter &b) const override {
    callUnless(b, op, "quantc_rt_fail", {});
    return success();
  }
};

/// qkernel.require %frame, %ok, code, %a, %b, %thread  →  if (!ok)
/// quantc_rt_leave(frame, code, a, b, thread), which does not return
struct RequirePattern : OpRewritePattern<RequireOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(RequireOp op,
                                PatternRewriter &b) const override {
    callUnless(b, op, "quantc_rt_leave", {op.getThread()});
    return success();
  }
};

/// qkernel.allocate  →  quantc_rt_allocate
struct AllocatePattern : OpRewritePattern<AllocateOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(AllocateOp op,
                                PatternRewriter &b) const override {
    Location loc = op.getLoc();
    callRuntime(b, op, "quantc_rt_allocate", op.getFrame(),
                {constantI64(b, loc, op.getSlot()), op.getBytes(),
                 constantI64(b, loc, op.getKeep()), op.getThread(),
                 op.getThreads()});
    b.eraseOp(op);
    return success();
  }
};

/// qkernel.exchange  →  quantc_rt_exchange
struct ExchangePattern : OpRewritePattern<ExchangeOp> {
  using OpRewritePattern::OpRewritePattern;
  LogicalResult matchAndRewrite(ExchangeOp op,
                                PatternRewriter &b) const override {
    Location loc = op.getLoc();
    callRuntime(b, op, "quantc_rt_exchange", op.getFrame(),
                {constantI64(b, loc, op.getA()), constantI64(b, loc, op.getB()),
                 op.getThread()});
    b.eraseOp(op);
    return success();
  }
};

/// qkernel.call @k[%frame](...)  →  frame->kernels[slot of @k](frame, ...)
struct CallPattern : OpRewritePattern<CallOp> {
  CallPattern(MLIRContext *context, const llvm::StringMap<int64_t> &slots)
      : OpRewritePattern(context), slots(slots) {}

  LogicalResult matchAndRewrite(CallOp op, PatternRewriter &b) const override {
    Location loc = op.getLoc();
    Value table = loadPointer(b, loc, op.getFrame(), kKernels);
    Value address = loadPointer(b, loc, table, slots.lookup(op.getKernel()));
    SmallVector<Value> operands = {op.getFrame()};
    llvm::append_range(operands, op.getArgs());
    auto type = b.getFunctionType(TypeRange(ValueRange(operands)), {});
    Value callee =
        UnrealizedConversionCastOp::create(b, loc, type, address).getResult(0);
    func::CallIndirectOp::create(b, loc, callee, operands);
    b.eraseOp(op);
    return success();
  }
  const llvm::StringMap<int64_t> &slots;
};

struct ConvertQKernelToLLVM
    : quantc::impl::ConvertQKernelToLLVMBase<ConvertQKernelToLLVM> {
  void runOnOperation() override {
    ModuleOp module = getOperation();
    MLIRContext *context = &getContext();
    llvm::StringMap<int64_t> slots;
    SmallVector<Attribute> kernels;
    module.walk([&](CallOp call) {
      if (slots.try_emplace(call.getKernel(), kernels.size()).second)
        kernels.push_back(call.getKernelAttr());
    });
    module->setAttr(kKernelList, ArrayAttr::get(context, kernels));
    LLVMTypeConverter converter(context);
    RewritePatternSet patterns(context);
    patterns.add<BufferPattern, HeapPattern>(context, converter);
    patterns.add<CallPattern>(context, slots);
    patterns.add<DimPattern, InputValuePattern, SetDimPattern, BarrierPattern,
                 MarkPattern, CheckPattern, RequirePattern, AllocatePattern,
                 ExchangePattern>(context);
    walkAndApplyPatterns(module, std::move(patterns));
  }
};

struct BuildKernelTable : quantc::impl::BuildKernelTableBase<BuildKernelTable> {
  void runOnOperation() override {
    ModuleOp module = getOperation();
    auto kernels = module->getAttrOfType<ArrayAttr>(kKernelList);
    if (!kernels || kernels.empty())
      return;
    OpBuilder b = OpBuilder::atBlockEnd(module.getBody());
    Location loc = module.getLoc();
    auto pointer = LLVM::LLVMPointerType::get(&getContext());
    auto type = LLVM::LLVMArrayType::get(pointer, kernels.size());
    auto table =
        LLVM::GlobalOp::create(b, loc, type, /*isConstant=*/false,
                               LLVM::Linkage::External, "kernels", Attribute());
    b.createBlock(&table.getInitializerRegion());
    Value value = LLVM::PoisonOp::create(b, loc, type);
    for (auto [index, kernel] :
         llvm::enumerate(kernels.getAsRange<FlatSymbolRefAttr>())) {
      Value address =
          LLVM::AddressOfOp::create(b, loc, pointer, kernel.getValue());
      value = LLVM::InsertValueOp::create(
          b, loc, value, address,
          ArrayRef<int64_t>{static_cast<int64_t>(index)});
    }
    LLVM::ReturnOp::create(b, loc, value);
  }
};

} // namespace
