//===- FlexAttention.cpp - Attention with subgraphs ----------------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// FlexAttention of ai.onnx.preview: its subgraphs change the scores before the
// softmax, and the probabilities behind it. They stand in place of the node,
// between the steps of its function body. Without subgraphs the body itself
// does.
//
//===----------------------------------------------------------------------===//

#include "Walk.h"

#include <cmath>

using namespace mlir;
using namespace quantc;
using namespace quantc::onnx_to_qgraph;

/// The type that the softmax is computed in: TensorProto.DataType.
static Type softmaxType(Node &node) {
  Builder &builder = node.walk.builder;
  bool isDouble = node.in(0).elementType.isF64();
  switch (node.integer("softmax_precision", isDouble ? 11 : 1)) {
  case 1:
    return builder.getF32Type();
  case 10:
    return builder.getF16Type();
  case 11:
    return builder.getF64Type();
  case 16:
    return builder.getBF16Type();
  default:
    return {};
  }
}

/// [B, H, S, D] of [B, G, S, D]: each head H / G times.
static TensorInfo repeatHeads(Walk &walk, TensorInfo &info, Dim heads,
                              Dim times) {
  if (DimArithmetic::isConstant(times, 1))
    return info;
  ArrayRef<Dim> dims = info.dims;
  TensorInfo apart = walk.reshape(
      info, {dims[0], dims[1], walk.arith.constant(1), dims[2], dims[3]});
  TensorInfo repeated =
      walk.expand(apart, {dims[0], dims[1], times, dims[2], dims[3]});
  return walk.reshape(repeated, {dims[0], heads, dims[2], dims[3]});
}

/// What the subgraph of this name makes of a tensor, which keeps its type and
/// shape; the tensor itself if there is none. Nothing after an error.
static std::optional<TensorInfo> modify(Node &node, StringRef name,
                                        TensorInfo info) {
  Walk &walk = node.walk;
  std::optional<ArrayAttr> names = node.op.getSubgraphNames();
  for (auto [i, given] : llvm::enumerate(*names)) {
    if (cast<StringAttr>(given).getValue() != name)
      continue;
    Block &block = node.op.getSubgraphs()[i].front();
    Operation *terminator = block.getTerminator();
    if (block.getNumArguments() != 1 || terminator->getNumOperands() != 1) {
      (void)node.unsupported(name + " must have one input and one output");
      return std::nullopt;
    }
    walk.info(block.getArgument(0)) = info;
    walk.walkBlock(block);
    TensorInfo result = walk.info(terminator->getOperand(0));
    if (result.failed)
      return std::nullopt; // reported
    bool same =
        result.elementType == info.elementType && result.rank() == info.rank();
    for (int64_t d = 0; same && d < info.rank(); ++d)
      same = walk.arith.require(result.dims[d], info.dims[d]);
    if (!same) {
      (void)node.unsupported(name + " must keep the type and shape of its "
                                    "input");
      return std::nullopt;
    }
    return result;
  }
  return info;
}

static LogicalResult handleFlexAttention(Node &node) {
  Walk &walk = node.walk;
  DimArithmetic &arith = walk.arith;
  if (node.op.getSubgraphs().empty())
    return failure(); // the function body
  TensorInfo query = node.in(0), key = node.in(1), value = node.in(2);
  Type element = query.elementType, real = softmaxType(node);
  if (!real)
    return node.unsupported("its softmax_precision is no type of floats");
  if (query.rank() != 4 || key.rank() != 4 || value.rank() != 4)
    return node.unsupported("its operands must have four dimensions");
  Dim heads = query.dims[1], times = arith.div(heads, key.dims[1]);
  if (!times || !arith.require(arith.mul(times, key.dims[1]), heads) ||
      !arith.require(key.dims[0], query.dims[0]) ||
      !arith.require(key.dims[3], query.dims[3]) ||
      !arith.require(value.dims[0], query.dims[0]) ||
      !arith.require(value.dims[1], key.dims[1]) ||
      !arith.require(value.dims[2], key.dims[2]))
    return node.unsupported("the dimensions of its operands do not fit");
  std::optional<int64_t> width = DimArithmetic::getConstant(query.dims[3]);
  if (!width && !node.op.getNodeAttr("scale"))
    return node.unsupported("the size of a head is not fixed");
  double scale = node.real("scale", width ? 1 / std::sqrt(double(*width)) : 1);

  // Half of the scale on each side, as the function body has it: scores of f16
  // are rounded.
  TensorInfo half = walk.scalar(std::sqrt(scale), element);
  for (TensorInfo *operand : {&query, &key})
    *operand = *walk.elementwise("Mul", {operand, &half}, element);
  key = repeatHeads(walk, key, heads, times);
  value = repeatHeads(walk, value, heads, times);
  FailureOr<TensorInfo> product =
      multiply(node, query, walk.transpose(key, {0, 1, 3, 2}));
  if (failed(product))
    return failure();
  unsigned errors = walk.errorCount();
  auto stop = [&]() -> LogicalResult {
    if (walk.errorCount() == errors)
      return failure(); // with a reason
    walk.info(node.op.getResult(0)).failed = true;
    return success();
  };
  std::optional<TensorInfo> scores =
      modify(node, "score_mod", walk.convert(*product, real));
  if (!scores)
    return stop();
  TensorInfo weights = walk.node("Softmax", {&*scores}, real, scores->dims,
                                 {{"axis", walk.integerAttr(3)}});
  std::optional<TensorInfo> probabilities = modify(node, "prob_mod", weights);
  if (!probabilities)
    return stop();
  FailureOr<TensorInfo> result =
      multiply(node, *probabilities, walk.convert(value, real));
  if (failed(result))
    return failure();
  node.set(0, walk.convert(*result, element));
  return success();
}

ArrayRef<Handler> onnx_to_qgraph::flexAttentionHandlers() {
  static constexpr Handler table[] = {
      {"ai.onnx.preview", "FlexAttention", 1, kNewest, handleFlexAttention},
  };
  return table;
}
