//===- RecognizeCache.cpp - Keys and values of a decoder as caches --------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// An exported decoder takes the keys and values of the past as inputs and gives
// those of past and present as outputs. Between the two stands a Concat along
// the positions, in the order [B, heads, T, size], and a transpose to
// attention's own order. Or a TensorScatter, where the past has room for the
// longest sequence; GroupQueryAttention of com.microsoft puts as much room
// behind it as is missing.
//
//===----------------------------------------------------------------------===//

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/Iterators.h"
#include "quantc/Conversion/Passes.h"
#include "quantc/Dialect/ONNX/Proto.h"
#include "quantc/Dialect/QGraph/QGraphDialect.h"
#include "quantc/Dialect/QGraph/Shapes.h"

#define DEBUG_TYPE "qgraph-recognize-cache"

using namespace mlir;
using namespace quantc::qgraph;

namespace quantc {
#define GEN_PASS_DEF_RECOGNIZECACHE
#include "quantc/Conversion/Passes.h.inc"

namespace {

constexpr int64_t kSwapHeads[] = {0, 2, 1, 3};

onnx_ir::NodeOp nodeOf(Value value, StringRef opType) {
  auto node = value.getDefiningOp<onnx_ir::NodeOp>();
  return node && node.is(opType) ? node : onnx_ir::NodeOp();
}

bool swapsHeads(onnx_ir::NodeOp transpose) {
  return transpose && transpose.getIntsAttr("perm") == ArrayRef(kSwapHeads);
}

/// A present that attention reads, [B, heads, T, size], and what it is made of.
struct Pair {
  onnx_ir::NodeOp present;
  Value past, fresh;
  /// Of a TensorScatter: where the fresh positions go.
  Value starts;
  /// There are more places than the past has.
  bool grows = false;
  bool circular = false;

  RankedTensorType type() {
    return cast<RankedTensorType>(present.getResult(0).getType());
  }
};

/// Inputs of a Concat of two tensors along the positions.
std::optional<std::pair<Value, Value>> joined(Value value) {
  onnx_ir::NodeOp concat = nodeOf(value, "Concat");
  if (!concat || concat.getInputs().size() != 2 ||
      concat.getIntAttr("axis", -1) != 2)
    return std::nullopt;
  return std::pair(concat.getInputs()[0], concat.getInputs()[1]);
}

/// A tensor of zeros, whatever its dimensions.
bool isZero(Value value) {
  if (onnx_ir::NodeOp expand = nodeOf(value, "Expand"))
    value = expand.getInputs()[0];
  auto constant = value.getDefiningOp<ConstantOp>();
  auto dense = constant ? dyn_cast<DenseElementsAttr>(constant.getValue())
                        : DenseElementsAttr();
  return dense && isa<FloatType>(dense.getElementType()) && dense.isSplat() &&
         dense.getSplatValue<APFloat>().isPosZero();
}

/// Concat(past, fresh), TensorScatter(past, fresh, starts), or the latter of a
/// past behind which there are zeros.
std::optional<Pair> matchPresent(Value value) {
  Pair pair;
  if (auto parts = joined(value)) {
    pair.past = parts->first;
    pair.fresh = parts->second;
  } else if (onnx_ir::NodeOp scatter = nodeOf(value, "TensorScatter")) {
    int64_t axis = scatter.getIntAttr("axis", -2);
    StringRef mode = scatter.getStringAttr("mode", "linear");
    pair.circular = mode == "circular";
    pair.starts = scatter.getInput(2);
    if ((axis != 2 && axis != -2) || !pair.starts ||
        (mode != "linear" && !pair.circular))
      return std::nullopt;
    pair.past = scatter.getInputs()[0];
    pair.fresh = scatter.getInputs()[1];
    if (auto parts = joined(pair.past); parts && isZero(parts->second)) {
      pair.past = parts->first;
      pair.grows = true;
    }
  } else {
    return std::nullopt;
  }
  pair.present = value.getDefiningOp<onnx_ir::NodeOp>();
  return pair;
}

std::optional<Pair> matchPair(Value keys) {
  onnx_ir::NodeOp transpose = nodeOf(keys, "Transpose");
  if (!swapsHeads(transpose))
    return std::nullopt;
  std::optional<Pair> pair = matchPresent(transpose.getInputs()[0]);
  if (!pair || !isa<BlockArgument>(pair->past))
    return std::nullopt;
  RankedTensorType type = pair->type();
  if (!isa<FloatType>(type.getElementType()) || type.getRank() != 4 ||
      type.isDynamicDim(1) || type.isDynamicDim(3))
    return std::nullopt;
  bool returned = llvm::any_of(pair->present->getUsers(), [](Operation *user) {
    return isa<func::ReturnOp>(user);
  });
  return returned ? pair : std::nullopt;
}

/// [B, S, heads, size] of [B, heads, S, size].
Value swapHeads(OpBuilder &builder, onnx_ir::NodeOp like, Value value) {
  onnx_ir::NodeOp before = nodeOf(value, "Transpose");
  if (swapsHeads(before))
    return before.getInputs()[0];
  auto type = cast<RankedTensorType>(value.getType());
  SmallVector<int64_t> shape;
  SmallVector<Value> sizes;
  SmallVector<OpFoldResult> dims = getDims(builder, value);
  SmallVector<Attribute> permutation;
  auto si64 = builder.getIntegerType(64, /*isSigned=*/true);
  for (int64_t d : kSwapHeads) {
    shape.push_back(type.getDimSize(d));
    permutation.push_back(IntegerAttr::get(si64, d));
    if (type.isDynamicDim(d))
      sizes.push_back(getIndexValue(builder, like.getLoc(), dims[d]));
  }
  NamedAttrList attributes;
  attributes.append("perm", builder.getArrayAttr(permutation));
  int64_t version =
      onnx_ir::sinceVersion("Transpose", "", onnx_ir::latestOpset(""))
          .value_or(1);
  return onnx_ir::NodeOp::create(
             builder, like.getLoc(), TypeRange(type.clone(shape)), value, sizes,
             "Transpose", /*domain=*/"", version,
             attributes.getDictionary(builder.getContext()), StringAttr(),
             /*subgraph_names=*/ArrayAttr(), /*subgraphsCount=*/0)
      .getResult(0);
}

/// The cache that a pair is, behind its present.
Value makeCache(Pair pair) {
  OpBuilder builder(pair.present);
  builder.setInsertionPointAfter(pair.present);
  Location loc = pair.present.getLoc();
  RankedTensorType type = pair.type();
  auto cache = CacheType::get(builder.getContext(), type.getElementType(),
                              type.getDimSize(1), type.getDimSize(3));
  Value past = CacheLoadOp::create(builder, loc, cache, pair.past);
  Value fresh = swapHeads(builder, pair.present, pair.fresh);
  if (!pair.starts)
    return CacheAppendOp::create(builder, loc, cache, past, fresh);
  Value places;
  if (pair.grows)
    places = getIndexValue(builder, loc,
                           getDim(builder, pair.present.getResult(0), 2));
  return CacheWriteOp::create(builder, loc, cache, past, fresh, pair.starts,
                              places, pair.circular);
}

class RecognizeCachePass : public impl::RecognizeCacheBase<RecognizeCachePass> {
public:
  void runOnOperation() override {
    llvm::MapVector<Operation *, Value> caches;
    getOperation().walk([&](AttentionOp attention) {
      if (isa<CacheType>(attention.getKey().getType()) ||
          attention.getHeadsFirst())
        return;
      std::optional<Pair> keys = matchPair(attention.getKey()),
                          values = matchPair(attention.getValue());
      if (!keys || !values)
        return;
      ++recognized;
      for (auto [operand, pair] :
           {std::pair(&attention.getKeyMutable(), *keys),
            std::pair(&attention.getValueMutable(), *values)}) {
        Value &cache = caches[pair.present];
        if (!cache)
          cache = makeCache(pair);
        operand->set(cache);
      }
    });
    for (auto [present, cache] : caches) {
      OpBuilder builder(present->getContext());
      builder.setInsertionPointAfterValue(cache);
      Value tensor = CacheStoreOp::create(
          builder, present->getLoc(), present->getResult(0).getType(), cache);
      present->getResult(0).replaceAllUsesWith(tensor);
      present->erase();
    }
    // The transposes that attention has read, and what made room.
    getOperation().walk<WalkOrder::PostOrder, ReverseIterator>(
        [](onnx_ir::NodeOp node) {
          bool made =
              node.is("Transpose") || node.is("Concat") || node.is("Expand");
          if (made && isOpTriviallyDead(node))
            node.erase();
        });
  }
};

} // namespace
} // namespace quantc
