//===- LowerCache.cpp - Caches as tensors -------------------------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

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
      else if (auto store = dyn_cast<CacheStoreOp>(op))
        store.getPresent().replaceAllUsesWith(tensors[store.getCache()]);
      else if (auto attention = dyn_cast<AttentionOp>(op))
        attentions.push_back(attention);
      if (isa<CacheLoadOp, CacheAppendOp, CacheStoreOp>(op))
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
             StringRef name, Attribute attribute) {
    SmallVector<int64_t> shape;
    SmallVector<Value> sizes;
    for (OpFoldResult dim : dims) {
      std::optional<int64_t> extent = getConstantIntValue(dim);
      shape.push_back(extent.value_or(ShapedType::kDynamic));
      if (!extent)
        sizes.push_back(cast<Value>(dim));
    }
    NamedAttrList attributes;
    attributes.append(name, attribute);
    int64_t version =
        onnx_ir::sinceVersion(opType, "", onnx_ir::latestOpset("")).value_or(1);
    return onnx_ir::NodeOp::create(
               builder, loc, TypeRange(RankedTensorType::get(shape, element)),
               inputs, sizes, opType, /*domain=*/"", version,
               attributes.getDictionary(builder.getContext()), StringAttr(),
               /*subgraph_names=*/ArrayAttr(), /*subgraphsCount=*/0)
        .getResult(0);
  }

  /// The fresh positions, transposed, behind those of the cache.
  Value concatenate(CacheAppendOp append) {
    OpBuilder builder(append);
    Location loc = append.getLoc();
    Type element = append.getResult().getType().getElementType();
    auto si64 = builder.getIntegerType(64, /*isSigned=*/true);
    SmallVector<Attribute> permutation;
    SmallVector<OpFoldResult> fresh = getDims(builder, append.getFresh()),
                              swapped;
    for (int64_t d : {0, 2, 1, 3}) {
      permutation.push_back(IntegerAttr::get(si64, d));
      swapped.push_back(fresh[d]);
    }
    Value transposed =
        node(builder, loc, "Transpose", append.getFresh(), element, swapped,
             "perm", builder.getArrayAttr(permutation));
    return node(builder, loc, "Concat",
                {tensors[append.getCache()], transposed}, element,
                getCacheDims(builder, append.getResult()), "axis",
                IntegerAttr::get(si64, 2));
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
