//===- Emit.cpp - The calls of a schedule ---------------------------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Calls are emitted before the op that they stand for, in its block; so what is
// late stands before its uses as it is. The ops on tensors are erased at the
// end (Scheduler::finish).
//
//===----------------------------------------------------------------------===//

#include "Schedule.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Arith/Utils/Utils.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "llvm/Support/FormatVariadic.h"

using namespace mlir;

namespace quantc::qkernel {

bool Scheduler::conflict(const Access &a, const Access &b) const {
  if (!a.write && !b.write)
    return false;
  if (a.storage.place != b.storage.place)
    return false;
  if (a.storage.place == Place::Arena)
    return arena.get(a.storage.index).overlaps(arena.get(b.storage.index));
  return a.storage.index == b.storage.index;
}

bool Scheduler::needsBarrier(ArrayRef<Access> accesses) {
  for (const Access &now : accesses)
    for (const Access &before : sinceBarrier)
      if (conflict(now, before))
        return true;
  return false;
}

/// A barrier, if anything has happened since the last one.
void Scheduler::synchronize(OpBuilder &builder) {
  if (!sinceBarrier.empty())
    BarrierOp::create(builder, func.getLoc(), frame, thread, threads);
  sinceBarrier.clear();
}

Value Scheduler::emitBuffer(OpBuilder &builder, Value tensor) {
  Location loc = func.getLoc();
  Value root = viewRoot(tensor);
  assert(storage.count(root) && "a tensor that lives nowhere");
  Storage place = storage.lookup(root);
  MemRefType type = kernelMemRefType(cast<RankedTensorType>(tensor.getType()));
  // A dynamic dimension may have turned out to be a number.
  SmallVector<Value> sizes;
  for (auto [d, size] : llvm::enumerate(dims(tensor)))
    if (type.isDynamicDim(d))
      sizes.push_back(getValueOrCreateConstantIndexOp(builder, loc, size));
  Value offset;
  int64_t index = 0;
  BufferKind kind;
  switch (place.place) {
  case Place::Heap: {
    auto piece = pieces.find(root);
    if (piece != pieces.end())
      offset = piece->second.offset;
    return HeapOp::create(builder, loc, type, frame, place.index, offset,
                          sizes);
  }
  case Place::Input:
    kind = BufferKind::Input, index = place.index;
    break;
  case Place::Output:
    kind = BufferKind::Output, index = place.index;
    break;
  case Place::Weights:
    kind = BufferKind::Weights;
    offset = arith::ConstantIndexOp::create(builder, loc, place.index);
    break;
  case Place::Arena:
    kind = BufferKind::Arena;
    offset =
        arena.emitOffset(place.index, builder, loc, [](Value v) { return v; });
    break;
  }
  return BufferOp::create(builder, loc, type, kind, frame, offset, sizes,
                          index);
}

LogicalResult Scheduler::emit() {
  OpBuilder builder(prologueEnd);
  Location loc = func.getLoc();
  auto same = [](Value v) { return v; };
  if (Value perThread = largestScratch(builder, loc, scratchSizes, same)) {
    scratchBegin = arena.emitSize(builder, loc, same);
    scratchBegin = builder.createOrFold<arith::AddIOp>(
        loc, scratchBegin,
        builder.createOrFold<arith::MulIOp>(loc, perThread, thread));
  }
  if (!emitBlock(entry()))
    return failure();
  builder.setInsertionPoint(entry().getTerminator());
  emitLateDims(builder);
  return success();
}

bool Scheduler::emitBlock(Block &block) {
  bool good = true;
  for (Operation &op : llvm::make_early_inc_range(block.without_terminator())) {
    OpBuilder builder(&op);
    bool inPlace = &block != &entry();
    if (auto branch = dyn_cast<qgraph::IfOp>(op)) {
      good &= emitIf(branch);
      continue;
    }
    if (auto loop = dyn_cast<qgraph::LoopOp>(op)) {
      good &= emitLoop(loop);
      continue;
    }
    if (auto require = dyn_cast<qgraph::RequireOp>(op)) {
      if (!inPlace && !isLate(require.getA()) && !isLate(require.getB()))
        continue; // checked before the run
      emitRequire(builder, require);
      late.erase(require.getA());
      require.erase();
      continue;
    }
    if (auto dim = dyn_cast<tensor::DimOp>(op)) {
      if (isLate(dim))
        dim.replaceAllUsesWith(resolve(dim));
      continue;
    }
    if (auto element = dyn_cast<qgraph::ElementOp>(op)) {
      if (isLate(element))
        element.replaceAllUsesWith(emitElement(builder, element));
      continue;
    }
    bool isTensorOp =
        llvm::any_of(op.getResultTypes(), llvm::IsaPred<TensorType>);
    if (!isTensorOp) {
      if (op.getNumResults() == 1 && isLate(op.getResult(0)))
        resolve(op.getResult(0));
      continue;
    }
    for (Value result : op.getResults())
      if (isa<TensorType>(result.getType()) && isLate(result))
        dimsOf[result] = resolvedDims(OpBuilder(&op), result);
    if (!isa<qgraph::ConstantOp>(op) && !isView(&op))
      good &= emitCall(&op);
  }
  return good;
}

bool Scheduler::emitCall(Operation *op) {
  OpBuilder builder(op);
  Location loc = func.getLoc();
  Value scratch = scratchBytes.lookup(op);
  bool hasScratch = scratch || lateScratch.count(op);
  func::FuncOp kernel = kernels.getOrCreate(op, hasScratch);
  if (!kernel)
    return false;
  for (Value result : op->getResults())
    if (storage.lookup(result).place == Place::Heap)
      emitAllocate(builder, result);
  SmallVector<Value> arguments = {thread, threads};
  if (hasScratch)
    arguments.push_back(emitScratch(builder, op));

  SmallVector<Access> accesses;
  for (Value input : kernelInputs(op))
    if (isa<TensorType>(input.getType()))
      accesses.push_back({storage.lookup(viewRoot(input)), /*write=*/false});
  for (Value result : op->getResults())
    accesses.push_back({storage.lookup(result), /*write=*/true});
  if (needsBarrier(accesses))
    synchronize(builder);
  llvm::append_range(sinceBarrier, accesses);

  for (Value input : kernelInputs(op)) {
    if (isa<TensorType>(input.getType()))
      arguments.push_back(emitBuffer(builder, input));
    else if (!isa<NoneType>(input.getType()))
      arguments.push_back(resolve(input));
  }
  for (Value result : op->getResults())
    arguments.push_back(emitBuffer(builder, result));
  CallOp::create(builder, loc, kernel.getSymName(), frame, arguments);
  auto name = op->getAttrOfType<StringAttr>("name");
  layers.push_back(builder.getStringAttr(name ? name.getValue() + " (" +
                                                    kernel.getSymName() + ")"
                                              : Twine(kernel.getSymName())));
  MarkOp::create(builder, loc, frame, static_cast<int64_t>(layers.size() - 1),
                 thread);
  return true;
}

Value Scheduler::emitScratch(OpBuilder &builder, Operation *op) {
  Location loc = func.getLoc();
  auto type = MemRefType::get({ShapedType::kDynamic}, builder.getI8Type());
  auto found = lateScratch.find(op);
  if (found == lateScratch.end())
    return BufferOp::create(builder, loc, type, BufferKind::Arena, frame,
                            scratchBegin, scratchBytes.lookup(op), 0);
  auto [bytes, slot] = found->second;
  bytes = resolve(bytes);
  Value perThread =
      largestScratch(builder, loc, bytes, [](Value v) { return v; });
  Value all = builder.createOrFold<arith::MulIOp>(loc, perThread, threads);
  AllocateOp::create(builder, loc, frame, slot, all, thread, threads,
                     /*keep=*/false);
  sinceBarrier.clear();
  Value offset = builder.createOrFold<arith::MulIOp>(loc, perThread, thread);
  return HeapOp::create(builder, loc, type, frame, slot, offset, bytes);
}

//===----------------------------------------------------------------------===//
// What is late
//===----------------------------------------------------------------------===//

Value Scheduler::emitElement(OpBuilder &builder, qgraph::ElementOp op) {
  Location loc = op.getLoc();
  Value input = op.getInput(), root = viewRoot(input);
  if (auto argument = dyn_cast<BlockArgument>(root);
      argument && argument.getOwner() == &entry())
    return readFrame(op);
  Access access = {storage.lookup(root), /*write=*/false};
  if (needsBarrier(access))
    synchronize(builder);
  sinceBarrier.push_back(access);
  auto type = cast<RankedTensorType>(input.getType());
  SmallVector<Value> indices(type.getRank());
  int64_t rest = op.getElement();
  for (int64_t d = type.getRank() - 1; d >= 0; --d) {
    indices[d] =
        arith::ConstantIndexOp::create(builder, loc, rest % type.getDimSize(d));
    rest /= type.getDimSize(d);
  }
  Value value =
      memref::LoadOp::create(builder, loc, emitBuffer(builder, input), indices);
  late[value] = true;
  Type element = type.getElementType(), index = builder.getIndexType();
  if (isa<FloatType>(element))
    return value;
  if (element.isUnsignedInteger() || element.isInteger(1))
    value = arith::IndexCastUIOp::create(builder, loc, index, value);
  else
    value = arith::IndexCastOp::create(builder, loc, index, value);
  late[value] = true;
  return value;
}

void Scheduler::emitRequire(OpBuilder &builder, qgraph::RequireOp op) {
  Location loc = op.getLoc();
  Value a = resolve(op.getA()), b = resolve(op.getB());
  Value fits =
      arith::CmpIOp::create(builder, loc, arith::CmpIPredicate::eq, a, b);
  if (op.getOrOne()) {
    Value one = arith::ConstantIndexOp::create(builder, loc, 1);
    for (Value side : {a, b})
      fits = arith::OrIOp::create(
          builder, loc, fits,
          arith::CmpIOp::create(builder, loc, arith::CmpIPredicate::eq, side,
                                one));
  }
  RequireOp::create(builder, loc, frame, fits, ownCheck(op.getText()), a, b,
                    thread);
}

/// No dimension may be longer, and no tensor have more elements.
static constexpr int64_t kMost = int64_t(1) << 31;

/// Memory for a tensor of the heap. A size that is nonsense becomes -1, which
/// ends the run.
void Scheduler::emitAllocate(OpBuilder &builder, Value tensor) {
  Location loc = func.getLoc();
  auto constant = [&](int64_t number) -> Value {
    return arith::ConstantIndexOp::create(builder, loc, number);
  };
  auto type = kernelMemRefType(cast<RankedTensorType>(tensor.getType()));
  int64_t fixed = 1;
  SmallVector<Value> dynamic;
  for (OpFoldResult size : dims(tensor)) {
    if (std::optional<int64_t> number = getConstantIntValue(size))
      fixed = std::min(fixed * std::min(*number, kMost), kMost + 1);
    else
      dynamic.push_back(cast<Value>(size));
  }
  auto piece = pieces.find(tensor);
  Value elements = constant(fixed), most = constant(kMost + 1), good;
  auto both = [&](Value condition) {
    good =
        good ? arith::AndIOp::create(builder, loc, good, condition) : condition;
  };
  for (Value size : dynamic) {
    both(arith::CmpIOp::create(builder, loc, arith::CmpIPredicate::ult, size,
                               constant(kMost)));
    size = arith::MinUIOp::create(builder, loc, size, most);
    elements = arith::MinUIOp::create(
        builder, loc, arith::MulIOp::create(builder, loc, elements, size),
        most);
  }
  Value width = constant(type.getElementTypeBitWidth() / 8);
  if (piece != pieces.end()) {
    // Of one shape with those before it, and behind them.
    Value iteration = piece->second.iteration;
    auto last = piece->second.last.begin();
    Value isFirst = arith::CmpIOp::create(
        builder, loc, arith::CmpIPredicate::eq, iteration, constant(0));
    for (auto [d, size] : llvm::enumerate(dims(tensor))) {
      if (!type.isDynamicDim(d))
        continue;
      Value now = getValueOrCreateConstantIndexOp(builder, loc, size);
      Value same = arith::CmpIOp::create(builder, loc, arith::CmpIPredicate::eq,
                                         now, *last);
      RequireOp::create(
          builder, loc, frame,
          arith::OrIOp::create(builder, loc, same, isFirst),
          ownCheck(
              "what a loop collects has a dimension of %a in one iteration "
              "and of %b in the one before; they must be equal"),
          now, *last, thread);
      ++last;
    }
    Value bytes = arith::MulIOp::create(builder, loc, elements, width);
    piece->second.offset =
        arith::MulIOp::create(builder, loc, iteration, bytes);
    elements = arith::MulIOp::create(
        builder, loc, elements,
        arith::AddIOp::create(builder, loc, iteration, constant(1)));
  }
  both(arith::CmpIOp::create(builder, loc, arith::CmpIPredicate::ule, elements,
                             constant(kMost)));
  Value bytes = arith::MulIOp::create(builder, loc, elements, width);
  bytes = arith::SelectOp::create(builder, loc, good, bytes, constant(-1));
  AllocateOp::create(builder, loc, frame, storage.lookup(tensor).index, bytes,
                     thread, threads, /*keep=*/piece != pieces.end());
  sinceBarrier.clear();
}

/// What the outputs' dimensions have turned out to be.
void Scheduler::emitLateDims(OpBuilder &builder) {
  Location loc = func.getLoc();
  SmallVector<std::pair<int64_t, Value>> found;
  int64_t index = 0;
  for (Value result : entry().getTerminator()->getOperands())
    for (OpFoldResult size : dims(result)) {
      if (auto value = dyn_cast<Value>(size); value && isLate(value))
        found.push_back({index, value});
      ++index;
    }
  if (found.empty())
    return;
  Value zero = arith::ConstantIndexOp::create(builder, loc, 0);
  Value first = arith::CmpIOp::create(builder, loc, arith::CmpIPredicate::eq,
                                      thread, zero);
  auto branch =
      scf::IfOp::create(builder, loc, first, /*withElseRegion=*/false);
  OpBuilder inner = branch.getThenBodyBuilder();
  for (auto [place, value] : found)
    SetDimOp::create(inner, loc, frame, place, value);
}

} // namespace quantc::qkernel
