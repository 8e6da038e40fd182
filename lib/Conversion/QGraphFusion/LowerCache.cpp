//===- LowerCache.cpp - Caches as tensors -------------------------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/BuiltinOps.h"
#include "quantc/Conversion/Passes.h"
#include "quantc/Dialect/ONNX/Proto.h"
#include "quantc/Dialect/QGraph/QGraphDialect.h"
#include "quantc/Dialect/QGraph/Shapes.h"

#define DEBUG_TYPE "qgraph-lower-cache"

using namespace mlir;
using namespace quantc::qgraph;

namespace quantc {
#define GEN_PASS_DEF_LOWERCACHE
#include "quantc/Conversion/Passes.h.inc"

namespace {

class LowerCachePass : public impl::LowerCacheBase<LowerCachePass> {
public:
  void runOnOperation() override {
    SmallVector<Operation *> done;
    SmallVector<AttentionOp> attentions;
    WalkResult walk = getOperation().walk([&](Operation *op) -> WalkResult {
      for (Value operand : op->getOperands())
        if (isa<CacheType>(operand.getType()) && !tensors.count(operand))
          return op->emitOpError()
                 << "reads a cache that comes from no cache_load, so there is "
                    "no tensor that it is";
      if (auto load = dyn_cast<CacheLoadOp>(op))
        tensors[load.getResult()] = load.getPast();
      else if (auto append = dyn_cast<CacheAppendOp>(op))
        tensors[append.getResult()] = concatenate(append);
      else if (auto write = dyn_cast<CacheWriteOp>(op))
        tensors[write.getResult()] = scatter(write);
      else if (auto store = dyn_cast<CacheStoreOp>(op))
        store.getPresent().replaceAllUsesWith(tensors[store.getCache()]);
      else if (auto attention = dyn_cast<AttentionOp>(op))
        attentions.push_back(attention);
      if (isa<CacheLoadOp, CacheAppendOp, CacheWriteOp, CacheStoreOp>(op))
        done.push_back(op);
      return WalkResult::advance();
    });
    if (walk.wasInterrupted())
      return signalPassFailure();
    for (AttentionOp attention : attentions)
      readTensors(attention);
    for (Operation *op : llvm::reverse(done))
      op->erase();
  }

private:
  /// A node of one result.
  Value node(OpBuilder &builder, Location loc, StringRef opType,
             ArrayRef<Value> inputs, Type element, ArrayRef<OpFoldResult> dims,
             ArrayRef<std::pair<StringRef, Attribute>> attributes) {
    SmallVector<int64_t> shape;
    SmallVector<Value> sizes;
    for (OpFoldResult dim : dims) {
      std::optional<int64_t> extent = getConstantIntValue(dim);
      shape.push_back(extent.value_or(ShapedType::kDynamic));
      if (!extent)
        sizes.push_back(cast<Value>(dim));
    }
    NamedAttrList list;
    for (auto [name, value] : attributes)
      list.append(name, value);
    int64_t version =
        onnx_ir::sinceVersion(opType, "", onnx_ir::latestOpset("")).value_or(1);
    return onnx_ir::NodeOp::create(
               builder, loc, TypeRange(RankedTensorType::get(shape, element)),
               inputs, sizes, opType, /*domain=*/"", version,
               list.getDictionary(builder.getContext()), StringAttr(),
               /*subgraph_names=*/ArrayAttr(), /*subgraphsCount=*/0)
        .getResult(0);
  }

  /// Fresh positions as [B, heads, S, size].
  Value headsFirst(OpBuilder &builder, Location loc, Value value) {
    auto si64 = builder.getIntegerType(64, /*isSigned=*/true);
    SmallVector<Attribute> permutation;
    SmallVector<OpFoldResult> dims = getDims(builder, value), swapped;
    for (int64_t d : {0, 2, 1, 3}) {
      permutation.push_back(IntegerAttr::get(si64, d));
      swapped.push_back(dims[d]);
    }
    return node(builder, loc, "Transpose", value,
                cast<RankedTensorType>(value.getType()).getElementType(),
                swapped, {{"perm", builder.getArrayAttr(permutation)}});
  }

  /// Along the positions.
  Attribute axis(OpBuilder &builder) {
    return IntegerAttr::get(builder.getIntegerType(64, /*isSigned=*/true), 2);
  }

  /// The fresh positions behind those of the cache.
  Value concatenate(CacheAppendOp append) {
    OpBuilder builder(append);
    Location loc = append.getLoc();
    Value fresh = headsFirst(builder, loc, append.getFresh());
    return node(builder, loc, "Concat", {tensors[append.getCache()], fresh},
                append.getResult().getType().getElementType(),
                getCacheDims(builder, append.getResult()),
                {{"axis", axis(builder)}});
  }

  /// The fresh positions at their places, for which there may have to be room.
  Value scatter(CacheWriteOp write) {
    OpBuilder builder(write);
    Location loc = write.getLoc();
    Type element = write.getResult().getType().getElementType();
    Value past = tensors[write.getCache()];
    SmallVector<OpFoldResult> dims = getCacheDims(builder, write.getResult());
    if (Value places = write.getPlaces()) {
      SmallVector<OpFoldResult> room = dims;
      Value before = getIndexValue(builder, loc, getDim(builder, past, 2));
      room[2] = builder.createOrFold<arith::SubIOp>(loc, places, before);
      Value zero = ConstantOp::create(
          builder, loc,
          DenseElementsAttr::get(RankedTensorType::get({}, element),
                                 builder.getZeroAttr(element)));
      Value zeros = node(builder, loc, "Expand", zero, element, room, {});
      past = node(builder, loc, "Concat", {past, zeros}, element, dims,
                  {{"axis", axis(builder)}});
    }
    Value fresh = headsFirst(builder, loc, write.getFresh());
    SmallVector<std::pair<StringRef, Attribute>> attributes{
        {"axis", axis(builder)}};
    if (write.getCircular())
      attributes.push_back({"mode", builder.getStringAttr("circular")});
    return node(builder, loc, "TensorScatter", {past, fresh, write.getStarts()},
                element, dims, attributes);
  }

  /// Attention reads [B, heads, T, size] where that is what there is: tensors
  /// of caches, and what would be transposed for it.
  void readTensors(AttentionOp attention) {
    Value key, value;
    if (isa<CacheType>(attention.getKey().getType())) {
      key = tensors[attention.getKey()];
      value = tensors[attention.getValue()];
    } else if (!attention.getHeadsFirst()) {
      key = beforeSwap(attention.getKey());
      value = beforeSwap(attention.getValue());
    }
    if (!key || !value)
      return;
    SmallVector<Operation *> transposes{attention.getKey().getDefiningOp(),
                                        attention.getValue().getDefiningOp()};
    attention.getKeyMutable().set(key);
    attention.getValueMutable().set(value);
    attention.setHeadsFirst(true);
    if (transposes[0] == transposes[1])
      transposes.pop_back();
    for (Operation *op : transposes)
      if (isa_and_nonnull<onnx_ir::NodeOp>(op) && isOpTriviallyDead(op))
        op->erase();
  }

  /// What heads and positions were swapped of, or null.
  static Value beforeSwap(Value operand) {
    auto node = operand.getDefiningOp<onnx_ir::NodeOp>();
    if (!node || !node.is("Transpose") ||
        node.getIntsAttr("perm") != SmallVector<int64_t>({0, 2, 1, 3}))
      return {};
    return node.getInputs()[0];
  }

  llvm::DenseMap<Value, Value> tensors;
};

} // namespace
} // namespace quantc
