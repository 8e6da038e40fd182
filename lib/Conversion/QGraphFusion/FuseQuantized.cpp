//===- FuseQuantized.cpp - Compute on stored values -------------*- C++ -*-===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// linear(dequantize, dequantize) becomes quantized_linear, and an embedding of
// a dequantized table an embedding of the stored one, where the two are equal
// over the reals. Where they are not, or where another op stands in the way, a
// remark names it.
//
//===----------------------------------------------------------------------===//

#include "mlir/IR/BuiltinOps.h"
#include "quantc/Analysis/Layers.h"
#include "quantc/Conversion/Passes.h"
#include "quantc/Dialect/QGraph/Shapes.h"

#define DEBUG_TYPE "qgraph-fuse-quantized"

using namespace mlir;
using namespace quantc::qgraph;

namespace quantc {
#define GEN_PASS_DEF_FUSEQUANTIZED
#include "quantc/Conversion/Passes.h.inc"

namespace {

/// Largest |stored - zero_point|.
int64_t largestFactor(DequantizeOp op) {
  const numerics::FormatInfo &row =
      numerics::info(*getFormat(op.getInput().getType().getElementType()));
  if (op.getZeroPoint())
    return static_cast<int64_t>(row.qmax - row.qmin);
  return std::max<int64_t>(-row.qmin, row.qmax);
}

/// Why the groups of a dequantized operand of a linear (the dimension that is
/// not summed by index or whole) do not suit an integer sum, or empty.
std::string whyBlockDoesNotFit(DequantizeOp op) {
  RankedTensorType type = op.getInput().getType();
  for (int64_t d = 0; d + 1 < type.getRank(); ++d)
    if (!isPerIndex(type, op.getBlock(), d) && !isWhole(type, op.getBlock(), d))
      return llvm::formatv(
          "its scales are shared by {0} indices of dimension {1}; an integer "
          "sum needs one scale for each or for all of them",
          op.getBlock()[d], d);
  Type scale = op.getScale().getType().getElementType();
  if (!isa<Float32Type, Float16Type, BFloat16Type>(scale))
    return llvm::formatv("its scales are {0}; f32, f16 or bf16 is needed",
                         scale);
  return {};
}

/// The length of the groups along K, 0 for one group.
int64_t groupAlongK(DequantizeOp op) {
  RankedTensorType type = op.getInput().getType();
  unsigned last = type.getRank() - 1;
  return isWhole(type, op.getBlock(), last) ? 0 : op.getBlock()[last];
}

/// Why this linear cannot be fused, or empty. `x` and `w` are its operands'
/// makers.
std::string whyNotFused(LinearOp linear, DequantizeOp x, DequantizeOp w) {
  if (!x)
    return llvm::formatv(
        "its input comes from {0}, which gives float values; quantize the "
        "input (--qgraph-quantize-activations)",
        describeValue(linear.getInput()));
  if (!w)
    return llvm::formatv(
        "its weight comes from {0}, which gives float values; quantize the "
        "weight (--qgraph-quantize-weights)",
        describeValue(linear.getWeight()));
  for (auto [side, op] : {std::pair("input", x), std::pair("weight", w)}) {
    std::string why = whyNotInteger(op);
    if (why.empty())
      why = whyBlockDoesNotFit(op);
    if (!why.empty())
      return llvm::formatv(
          "the qgraph.dequantize of its {0} is in the way: {1}", side, why);
  }
  if (!linear.getType().getElementType().isF32())
    return llvm::formatv("its result is {0}; integer sums give f32",
                         linear.getType().getElementType());

  int64_t groupX = groupAlongK(x), groupW = groupAlongK(w);
  if (groupX && groupW && groupX % groupW && groupW % groupX)
    return llvm::formatv(
        "its input has groups of {0} and its weight groups of {1}; one must be "
        "a multiple of the other",
        groupX, groupW);
  int64_t terms = linear.getWeight().getType().getDimSize(1);
  for (int64_t group : {groupX, groupW})
    if (group != 0)
      terms = ShapedType::isDynamic(terms) ? group : std::min(terms, group);
  if (ShapedType::isDynamic(terms))
    return "K is not known, so its integer sums could leave 32 bits";
  if (terms * largestFactor(x) * largestFactor(w) >
      std::numeric_limits<int32_t>::max())
    return llvm::formatv(
        "sums of {0} products could leave 32 bits; use groups along K", terms);
  return {};
}

/// Why the embedding of a dequantized table cannot read the stored one, or
/// empty.
std::string whyNotFused(EmbeddingOp embedding, DequantizeOp table) {
  if (std::string why = whyNotInteger(table); !why.empty())
    return "the qgraph.dequantize of its table is in the way: " + why;
  RankedTensorType type = table.getInput().getType();
  if (table.getZeroPoint())
    return "the qgraph.dequantize of its table has a zero point; use a "
           "symmetric scheme";
  if (!isPerIndex(type, table.getBlock(), 0) ||
      !isWhole(type, table.getBlock(), 1))
    return "the qgraph.dequantize of its table does not have one scale a row";
  if (embedding.getScale())
    return "it has a scale already";
  return {};
}

class FuseQuantizedPass : public impl::FuseQuantizedBase<FuseQuantizedPass> {
public:
  void runOnOperation() override {
    getOperation().walk([&](Operation *op) {
      if (auto linear = dyn_cast<LinearOp>(op))
        fuse(linear);
      else if (auto embedding = dyn_cast<EmbeddingOp>(op))
        fuse(embedding);
    });
  }

private:
  void skip(Operation *op, StringRef why) {
    ++skipped;
    op->emitRemark() << describeOp(op)
                     << " is computed on float values: " << why;
  }

  void fuse(LinearOp linear) {
    auto x = linear.getInput().getDefiningOp<DequantizeOp>();
    auto w = linear.getWeight().getDefiningOp<DequantizeOp>();
    if (!x && !w)
      return;
    if (std::string why = whyNotFused(linear, x, w); !why.empty())
      return skip(linear, why);
    OpBuilder builder(linear);
    auto fused = QuantizedLinearOp::create(
        builder, linear.getLoc(), linear.getType(), x.getInput(), x.getScale(),
        x.getZeroPoint(), w.getInput(), w.getScale(), w.getZeroPoint(),
        linear.getBias(), linear.getEpilogueOperands(), x.getBlock(),
        w.getBlock(), linear.getEpilogue(), linear.getNameAttr());
    replace(linear, fused, {x, w});
  }

  void fuse(EmbeddingOp embedding) {
    auto table = embedding.getTable().getDefiningOp<DequantizeOp>();
    if (!table)
      return;
    if (std::string why = whyNotFused(embedding, table); !why.empty())
      return skip(embedding, why);
    OpBuilder builder(embedding);
    auto fused = EmbeddingOp::create(
        builder, embedding.getLoc(), embedding.getType(), table.getInput(),
        embedding.getIndices(), table.getScale(), embedding.getNameAttr());
    replace(embedding, fused, {table});
  }

  /// `old` and then what it alone has read go away.
  void replace(Operation *old, Operation *fused,
               ArrayRef<DequantizeOp> operands) {
    ++matched;
    old->replaceAllUsesWith(fused);
    old->erase();
    for (DequantizeOp operand : llvm::SmallSetVector<DequantizeOp, 2>(
             operands.begin(), operands.end()))
      if (operand->use_empty())
        operand->erase();
  }
};

} // namespace
} // namespace quantc
