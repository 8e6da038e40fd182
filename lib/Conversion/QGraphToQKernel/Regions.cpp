//===- Regions.cpp - Branches and loops of a schedule ---------------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// qgraph.if and qgraph.loop become scf.if and scf.while of index values: what
// was a tensor is memory (Storage.cpp), what is passed on are the dimensions
// that are dynamic in its type. All threads of the team go the same way.
//
//===----------------------------------------------------------------------===//

#include "Schedule.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Arith/Utils/Utils.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;

namespace quantc::qkernel {

static RankedTensorType rankedType(Value tensor) {
  return cast<RankedTensorType>(tensor.getType());
}

/// The dimensions of a tensor of this type: its static ones, and in place of
/// the dynamic ones those that `next` gives.
static SmallVector<OpFoldResult> dimsOfType(OpBuilder &builder,
                                            RankedTensorType type,
                                            llvm::function_ref<Value()> next) {
  SmallVector<OpFoldResult> dims;
  for (int64_t extent : type.getShape())
    dims.push_back(ShapedType::isDynamic(extent)
                       ? OpFoldResult(next())
                       : OpFoldResult(builder.getIndexAttr(extent)));
  return dims;
}

/// Those of `dims` that are dynamic in `type`.
static void appendDynamic(OpBuilder &builder, Location loc,
                          RankedTensorType type, ArrayRef<OpFoldResult> dims,
                          SmallVectorImpl<Value> &values) {
  for (auto [d, size] : llvm::enumerate(dims))
    if (type.isDynamicDim(d))
      values.push_back(getValueOrCreateConstantIndexOp(builder, loc, size));
}

bool Scheduler::emitIf(qgraph::IfOp op) {
  OpBuilder builder(op);
  Location loc = op.getLoc();
  synchronize(builder);
  Value zero = arith::ConstantIndexOp::create(builder, loc, 0);
  Value condition = arith::CmpIOp::create(
      builder, loc, arith::CmpIPredicate::ne, resolve(op.getCondition()), zero);
  SmallVector<Type> types;
  for (Value result : op.getResults())
    types.append(rankedType(result).getNumDynamicDims(),
                 builder.getIndexType());
  auto branch = scf::IfOp::create(builder, loc, types, condition,
                                  /*withElseRegion=*/true);
  bool good = true;
  for (auto [from, to] : {std::pair(&op.getThenBody(), branch.thenBlock()),
                          {&op.getElseBody(), branch.elseBlock()}}) {
    to->clear();
    to->getOperations().splice(to->end(), from->front().getOperations());
    good &= emitBlock(*to);
    Operation *yield = to->getTerminator();
    OpBuilder inner(yield);
    synchronize(inner);
    SmallVector<Value> sizes;
    for (auto [value, result] :
         llvm::zip(yield->getOperands(), op.getResults()))
      appendDynamic(inner, loc, rankedType(result), dims(value), sizes);
    yield->erase();
    inner.setInsertionPointToEnd(to);
    scf::YieldOp::create(inner, loc, sizes);
  }
  unsigned next = 0;
  for (Value result : op.getResults())
    dimsOf[result] = dimsOfType(builder, rankedType(result), [&]() -> Value {
      Value size = branch.getResult(next++);
      late[size] = true;
      return size;
    });
  return good;
}

bool Scheduler::emitLoop(qgraph::LoopOp op) {
  OpBuilder builder(op);
  Location loc = op.getLoc();
  Block &body = op.getBody().front();
  unsigned carried = op.getInit().size();
  synchronize(builder);

  // The iteration, the condition, the dimensions of what is carried and of the
  // last pieces.
  Value zero = arith::ConstantIndexOp::create(builder, loc, 0);
  SmallVector<Value> initial = {zero, resolve(op.getCondition())};
  for (unsigned i = 0; i < carried; ++i)
    appendDynamic(builder, loc, rankedType(body.getArgument(i + 1)),
                  dims(op.getInit()[i]), initial);
  for (Value result : op.getResults().drop_front(carried))
    initial.append(
        RankedTensorType::get(rankedType(result).getShape().drop_front(),
                              rankedType(result).getElementType())
            .getNumDynamicDims(),
        zero);
  Value trips = resolve(op.getTrips());
  SmallVector<Type> types(initial.size(), builder.getIndexType());
  SmallVector<Location> locations(initial.size(), loc);
  auto loop = scf::WhileOp::create(builder, loc, types, initial);

  Block *before = builder.createBlock(&loop.getBefore(), {}, types, locations);
  Value more = arith::CmpIOp::create(builder, loc, arith::CmpIPredicate::slt,
                                     before->getArgument(0), trips);
  Value go = arith::CmpIOp::create(builder, loc, arith::CmpIPredicate::ne,
                                   before->getArgument(1), zero);
  scf::ConditionOp::create(builder, loc,
                           arith::AndIOp::create(builder, loc, more, go),
                           before->getArguments());

  Block *after = builder.createBlock(&loop.getAfter(), {}, types, locations);
  Value iteration = after->getArgument(0);
  after->getOperations().splice(after->end(), body.getOperations());
  body.getArgument(0).replaceAllUsesWith(iteration);
  unsigned next = 2;
  auto nextArgument = [&]() -> Value { return after->getArgument(next++); };
  for (unsigned i = 0; i < carried; ++i)
    dimsOf[body.getArgument(i + 1)] =
        dimsOfType(builder, rankedType(body.getArgument(i + 1)), nextArgument);
  Operation *yield = after->getTerminator();
  for (unsigned i = carried; i < op.getNumResults(); ++i) {
    Piece &piece = pieces[viewRoot(yield->getOperand(i + 1))];
    piece.iteration = iteration;
    for (int64_t extent : rankedType(op.getResult(i)).getShape().drop_front())
      if (ShapedType::isDynamic(extent))
        piece.last.push_back(nextArgument());
  }
  bool good = emitBlock(*after);

  // What was yielded becomes what the next iteration reads.
  builder.setInsertionPoint(yield);
  synchronize(builder);
  for (unsigned i = 0; i < carried; ++i)
    ExchangeOp::create(
        builder, loc, frame, storage.lookup(body.getArgument(i + 1)).index,
        storage.lookup(viewRoot(yield->getOperand(i + 1))).index, thread);
  if (carried > 0)
    BarrierOp::create(builder, loc, frame, thread, threads);
  Value one = arith::ConstantIndexOp::create(builder, loc, 1);
  SmallVector<Value> values = {
      arith::AddIOp::create(builder, loc, iteration, one),
      resolve(yield->getOperand(0))};
  for (unsigned i = 0; i < op.getNumResults(); ++i) {
    Value value = yield->getOperand(i + 1);
    auto type = i < carried
                    ? rankedType(body.getArgument(i + 1))
                    : RankedTensorType::get(
                          rankedType(op.getResult(i)).getShape().drop_front(),
                          rankedType(value).getElementType());
    appendDynamic(builder, loc, type, dims(value), values);
  }
  scf::YieldOp::create(builder, loc, values);
  yield->erase();

  builder.setInsertionPoint(op);
  next = 2;
  auto nextResult = [&]() -> Value {
    Value size = loop.getResult(next++);
    late[size] = true;
    return size;
  };
  for (unsigned i = 0; i < op.getNumResults(); ++i) {
    auto type = rankedType(op.getResult(i));
    if (i < carried) {
      dimsOf[op.getResult(i)] =
          dimsOfType(builder, rankedType(body.getArgument(i + 1)), nextResult);
      continue;
    }
    SmallVector<OpFoldResult> sizes = {loop.getResult(0)};
    late[loop.getResult(0)] = true;
    llvm::append_range(
        sizes, dimsOfType(builder,
                          RankedTensorType::get(type.getShape().drop_front(),
                                                type.getElementType()),
                          nextResult));
    if (!type.isDynamicDim(0))
      sizes[0] = builder.getIndexAttr(type.getDimSize(0));
    dimsOf[op.getResult(i)] = sizes;
  }
  return good;
}

} // namespace quantc::qkernel
