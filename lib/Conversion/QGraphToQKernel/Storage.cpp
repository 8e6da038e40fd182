//===- Storage.cpp - Where the tensors of a schedule live -----------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A tensor of early size lives in the arena, one of late size in a slot of the
// session's heap. A value that a region yields is written where the result of
// the region's op lives. A carried tensor of a loop has two slots: the one that
// an iteration reads, and the one that it writes; they are exchanged after it.
//
//===----------------------------------------------------------------------===//

#include "Schedule.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "quantc/Dialect/QGraph/Shapes.h"

using namespace mlir;

namespace quantc::qkernel {

/// Makes `operand` a copy of what it is now, before `op`.
static void copyOperand(Operation *op, OpOperand &operand) {
  OpBuilder builder(op);
  SmallVector<Value> dynamic;
  for (OpFoldResult dim : qgraph::getDims(builder, operand.get()))
    if (auto value = dyn_cast<Value>(dim))
      dynamic.push_back(value);
  auto copy = onnx_ir::NodeOp::create(
      builder, op->getLoc(), TypeRange{operand.get().getType()},
      ValueRange{operand.get()}, dynamic, builder.getStringAttr("Identity"),
      builder.getStringAttr(""), builder.getI64IntegerAttr(1),
      builder.getDictionaryAttr({}), StringAttr(), ArrayAttr(), 0);
  operand.set(copy.getResult(0));
}

/// What a block gives to the outside needs memory of its own, which its maker
/// writes: where it is a view of something else, comes from outside, is given
/// twice, or is what a loop has carried, it is copied. So is what a loop begins
/// with, and what it collects.
void Scheduler::ownYields(Block &block) {
  for (Operation &op : llvm::make_early_inc_range(block)) {
    if (auto loop = dyn_cast<qgraph::LoopOp>(op))
      for (OpOperand &init : loop.getInitMutable())
        copyOperand(loop, init);
    if (isa<qgraph::IfOp, qgraph::LoopOp>(op))
      for (Region &region : op.getRegions())
        ownYields(region.front());
  }
  Operation *terminator = block.getTerminator();
  auto loop = dyn_cast<qgraph::LoopOp>(block.getParentOp());
  llvm::DenseSet<Value> written;
  for (OpOperand &operand : terminator->getOpOperands()) {
    if (!isa<TensorType>(operand.get().getType()))
      continue;
    Value root = viewRoot(operand.get());
    Operation *maker = root.getDefiningOp();
    bool isPiece = loop && operand.getOperandNumber() > loop.getInit().size();
    bool owned = maker && maker->getBlock() == &block &&
                 !isa<qgraph::ConstantOp, qgraph::LoopOp>(maker);
    if (isPiece || !owned || !written.insert(root).second)
      copyOperand(terminator, operand);
  }
}

/// False for a constant that only says which shape a view has.
static bool isRead(qgraph::ConstantOp constant) {
  return llvm::any_of(constant->getUses(), [](OpOperand &use) {
    return !isView(use.getOwner()) || use.getOperandNumber() == 0;
  });
}

void Scheduler::assignStorage() {
  Block &block = entry();
  Operation *terminator = block.getTerminator();
  for (BlockArgument argument : block.getArguments())
    if (isa<TensorType>(argument.getType()))
      storage[argument] = {Place::Input, argument.getArgNumber()};
  if (llvm::any_of(terminator->getOperands(),
                   [&](Value result) { return isLate(viewRoot(result)); }))
    slots = terminator->getNumOperands(); // slot i is output i's
  for (OpOperand &operand : terminator->getOpOperands()) {
    Value root = viewRoot(operand.get());
    storage[root] = {isLate(root) ? Place::Heap : Place::Output,
                     operand.getOperandNumber()};
  }
  func.walk([&](qgraph::ConstantOp constant) {
    if (isRead(constant))
      storage[constant] = {Place::Weights, weights.add(constant.getValue())};
  });
  assignBlock(block);
  arena.pack();
}

void Scheduler::assignBlock(Block &block) {
  auto read = [&](Value input) {
    auto place = storage.find(viewRoot(input));
    if (place != storage.end() && place->second.place == Place::Arena)
      arena.extend(place->second.index, position);
  };
  // What a loop begins with is written where it carries it.
  for (auto loop : block.getOps<qgraph::LoopOp>())
    assignLoop(loop);
  for (Operation &op : block.without_terminator()) {
    if (auto element = dyn_cast<qgraph::ElementOp>(op))
      read(element.getInput());
    bool isRegion = isa<qgraph::IfOp, qgraph::LoopOp>(op);
    if (!isRegion &&
        (isView(&op) || isa<qgraph::ConstantOp>(op) ||
         llvm::none_of(op.getResultTypes(), llvm::IsaPred<TensorType>)))
      continue;
    for (Value result : op.getResults()) {
      if (storage.count(result))
        continue;
      if (isLate(result)) {
        storage[result] = {Place::Heap, newSlot()};
        continue;
      }
      Monomial size;
      auto type = kernelMemRefType(cast<RankedTensorType>(result.getType()));
      size.bytes = type.getElementTypeBitWidth() / 8;
      for (OpFoldResult dim : dims(result))
        size.multiply(dim);
      storage[result] = {Place::Arena,
                         arena.add(std::move(size), position, position)};
    }
    if (!isRegion) {
      for (Value input : kernelInputs(&op))
        read(input);
      assignScratch(&op);
      ++position;
      continue;
    }
    for (Region &region : op.getRegions()) {
      Block &inner = region.front();
      if (isa<qgraph::IfOp>(op))
        for (auto [value, result] :
             llvm::zip(inner.getTerminator()->getOperands(), op.getResults()))
          storage[viewRoot(value)] = storage.lookup(result);
      assignBlock(inner);
    }
    extendInto(&op);
  }
}

void Scheduler::assignLoop(qgraph::LoopOp loop) {
  Block &body = loop.getBody().front();
  Operation *yield = body.getTerminator();
  unsigned carried = loop.getInit().size();
  for (unsigned i = 0; i < loop.getNumResults(); ++i) {
    Storage place = {Place::Heap, newSlot()};
    storage[loop.getResult(i)] = place;
    Value yielded = viewRoot(yield->getOperand(i + 1));
    if (i < carried) {
      storage[loop.getInit()[i]] = place;
      storage[body.getArgument(i + 1)] = place;
      storage[yielded] = {Place::Heap, newSlot()};
    } else {
      storage[yielded] = place;
      pieces[yielded] = {};
    }
  }
}

/// What the regions of an op use of the outside lives until its end: it may be
/// used again in the next iteration.
void Scheduler::extendInto(Operation *region) {
  region->walk([&](Operation *inner) {
    for (Value operand : inner->getOperands()) {
      Value root = viewRoot(operand);
      auto place = storage.find(root);
      if (place != storage.end() && place->second.place == Place::Arena &&
          !region->isAncestor(root.getParentBlock()->getParentOp()))
        arena.extend(place->second.index, position);
    }
  });
  for (Value result : region->getResults())
    if (storage.lookup(result).place == Place::Arena)
      arena.extend(storage.lookup(result).index, position);
}

void Scheduler::assignScratch(Operation *op) {
  auto kernel = cast<KernelOpInterface>(op);
  bool early =
      op->getBlock() == &entry() &&
      llvm::none_of(op->getResults(), [&](Value v) { return isLate(v); }) &&
      llvm::none_of(kernelInputs(op), [&](Value v) { return isLate(v); });
  OpBuilder builder(early ? prologueEnd : op);
  Value bytes = kernel.getScratchBytes(builder);
  if (!bytes)
    return;
  std::optional<int64_t> constant = getConstantIntValue(bytes);
  if (!early && !constant) {
    lateScratch[op] = {bytes, newSlot()};
    return;
  }
  if (!early) {
    builder.setInsertionPoint(prologueEnd);
    bytes = arith::ConstantIndexOp::create(builder, op->getLoc(), *constant);
  }
  scratchBytes[op] = canonicalIndex(bytes);
  scratchSizes.push_back(scratchBytes[op]);
}

} // namespace quantc::qkernel
