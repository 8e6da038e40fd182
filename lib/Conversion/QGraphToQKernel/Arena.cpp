//===- Arena.cpp - Where the intermediate tensors live --------------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Arena.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "llvm/Support/MathExtras.h"
#include <numeric>

using namespace mlir;

namespace quantc::qkernel {

/// A total order of values that does not depend on addresses: block arguments
/// by number, then operations as they stand in their block.
static bool definedBefore(Value a, Value b) {
  Operation *opA = a.getDefiningOp(), *opB = b.getDefiningOp();
  if (!opA || !opB) {
    if (opA || opB)
      return !opA;
    return cast<BlockArgument>(a).getArgNumber() <
           cast<BlockArgument>(b).getArgNumber();
  }
  if (opA == opB)
    return cast<OpResult>(a).getResultNumber() <
           cast<OpResult>(b).getResultNumber();
  return opA->isBeforeInBlock(opB);
}

void Monomial::multiply(OpFoldResult dim) {
  if (std::optional<int64_t> constant = getConstantIntValue(dim)) {
    bytes *= *constant;
    return;
  }
  Value value = cast<Value>(dim);
  if (auto product = value.getDefiningOp<arith::MulIOp>()) {
    multiply(OpFoldResult(product.getLhs()));
    multiply(OpFoldResult(product.getRhs()));
    return;
  }
  factors.insert(llvm::upper_bound(factors, value, definedBefore), value);
}

unsigned Arena::add(Monomial size, int64_t first, int64_t last) {
  size.bytes = llvm::alignTo(std::max<int64_t>(size.bytes, 1), kAlignment);
  ArenaBuffer buffer;
  buffer.size = std::move(size);
  buffer.first = first;
  buffer.last = last;
  buffers.push_back(std::move(buffer));
  return buffers.size() - 1;
}

void Arena::extend(unsigned buffer, int64_t last) {
  buffers[buffer].last = std::max(buffers[buffer].last, last);
}

void Arena::pack() {
  for (ArenaBuffer &buffer : buffers) {
    auto known = llvm::find_if(classes, [&](const SizeClass &c) {
      return c.factors == buffer.size.factors;
    });
    buffer.sizeClass = known - classes.begin();
    if (known == classes.end())
      classes.push_back({buffer.size.factors, 0});
  }
  std::vector<unsigned> order(buffers.size());
  std::iota(order.begin(), order.end(), 0);
  llvm::stable_sort(order, [&](unsigned a, unsigned b) {
    return buffers[a].size.bytes > buffers[b].size.bytes;
  });
  std::vector<unsigned> placed;
  for (unsigned index : order) {
    ArenaBuffer &buffer = buffers[index];
    // The places taken by buffers that live at the same time, by offset.
    std::vector<std::pair<int64_t, int64_t>> taken;
    for (unsigned other : placed) {
      const ArenaBuffer &o = buffers[other];
      if (o.sizeClass == buffer.sizeClass && o.first <= buffer.last &&
          buffer.first <= o.last)
        taken.push_back({o.offset, o.offset + o.size.bytes});
    }
    llvm::sort(taken);
    int64_t offset = 0;
    for (auto [begin, end] : taken) {
      if (offset + buffer.size.bytes <= begin)
        break;
      offset = std::max(offset, end);
    }
    buffer.offset = offset;
    placed.push_back(index);
    int64_t &bytes = classes[buffer.sizeClass].bytes;
    bytes = std::max(bytes, offset + buffer.size.bytes);
  }
}

Value Arena::emitClassSize(const SizeClass &sizeClass, OpBuilder &builder,
                           Location loc, llvm::function_ref<Value(Value)> map,
                           int64_t bytes) const {
  Value size = arith::ConstantIndexOp::create(builder, loc, bytes);
  for (Value factor : sizeClass.factors)
    size = builder.createOrFold<arith::MulIOp>(loc, size, map(factor));
  return size;
}

Value Arena::emitOffset(unsigned index, OpBuilder &builder, Location loc,
                        llvm::function_ref<Value(Value)> map) const {
  const ArenaBuffer &buffer = buffers[index];
  Value offset = emitClassSize(classes[buffer.sizeClass], builder, loc, map,
                               buffer.offset);
  for (unsigned c = 0; c < buffer.sizeClass; ++c)
    offset = builder.createOrFold<arith::AddIOp>(
        loc, offset,
        emitClassSize(classes[c], builder, loc, map, classes[c].bytes));
  return offset;
}

Value Arena::emitSize(OpBuilder &builder, Location loc,
                      llvm::function_ref<Value(Value)> map) const {
  Value size = arith::ConstantIndexOp::create(builder, loc, 0);
  for (const SizeClass &sizeClass : classes)
    size = builder.createOrFold<arith::AddIOp>(
        loc, size,
        emitClassSize(sizeClass, builder, loc, map, sizeClass.bytes));
  return size;
}

} // namespace quantc::qkernel
