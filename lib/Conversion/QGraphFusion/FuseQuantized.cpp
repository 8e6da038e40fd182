//===- FuseQuantized.cpp - Compute on stored values -------------*- C++ -*-===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// linear(dequantize, dequantize) becomes quantized_linear, conv quantized_conv,
// matmul quantized_matmul, and an embedding of a dequantized table an embedding
// of the stored one, where the two are equal over the reals. Where they are
// not, or where another op stands in the way, a remark names it.
//
//===----------------------------------------------------------------------===//

#include "mlir/Dialect/Arith/Utils/Utils.h"
#include "mlir/IR/BuiltinOps.h"
#include "quantc/Analysis/Layers.h"
#include "quantc/Conversion/Passes.h"
#include "quantc/Dialect/ONNX/Proto.h"
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

/// Why the groups of a dequantized input of a linear (the dimensions that are
/// not summed by index or whole) do not suit an integer sum, or empty. Of a
/// weight any blocks do: packing gives each row scales of its own.
std::string whyBlockDoesNotFit(DequantizeOp op, bool isWeight) {
  RankedTensorType type = op.getInput().getType();
  for (int64_t d = 0; !isWeight && d + 1 < type.getRank(); ++d)
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

/// The same for a convolution, whose sum takes all dimensions but the first.
std::string whyBlockIsNoOne(DequantizeOp op) {
  RankedTensorType type = op.getInput().getType();
  for (int64_t d = 1; d < type.getRank(); ++d)
    if (!isWhole(type, op.getBlock(), d))
      return llvm::formatv("its scales differ along dimension {0}; the integer "
                           "sum of a convolution needs one scale",
                           d);
  return {};
}

/// The length of the groups along K, 0 for one group.
int64_t groupAlongK(DequantizeOp op) {
  RankedTensorType type = op.getInput().getType();
  unsigned last = type.getRank() - 1;
  return isWhole(type, op.getBlock(), last) ? 0 : op.getBlock()[last];
}

/// Why this layer cannot be fused, or empty. `x` and `w` are its operands'
/// makers.
std::string whyNotFused(LayerOpInterface layer, DequantizeOp x,
                        DequantizeOp w) {
  if (!x)
    return llvm::formatv(
        "its input comes from {0}, which gives float values; quantize the "
        "input (--qgraph-quantize-activations)",
        describeValue(layer.getInput()));
  if (!w)
    return llvm::formatv(
        "its weight comes from {0}, which gives float values; quantize the "
        "weight (--qgraph-quantize-weights)",
        describeValue(layer.getWeight()));
  for (auto [side, op] : {std::pair("input", x), std::pair("weight", w)}) {
    std::string why = whyNotInteger(op);
    if (why.empty())
      why = whyBlockDoesNotFit(op, isa<LinearOp>(*layer) && op == w);
    if (why.empty() && isa<ConvOp>(*layer))
      why = whyBlockIsNoOne(op);
    if (!why.empty())
      return llvm::formatv(
          "the qgraph.dequantize of its {0} is in the way: {1}", side, why);
  }
  Type result =
      cast<RankedTensorType>(layer.getResult().getType()).getElementType();
  if (!result.isF32() && !quantizeStep(layer.getEpilogue()))
    return llvm::formatv("its result is {0}; integer sums give f32", result);

  int64_t groupX = groupAlongK(x), groupW = groupAlongK(w);
  if (groupX && groupW && groupX % groupW && groupW % groupX)
    return llvm::formatv(
        "its input has groups of {0} and its weight groups of {1}; one must be "
        "a multiple of the other",
        groupX, groupW);
  int64_t terms = 1;
  for (int64_t extent : cast<RankedTensorType>(layer.getWeight().getType())
                            .getShape()
                            .drop_front())
    terms = ShapedType::isDynamic(extent) || ShapedType::isDynamic(terms)
                ? ShapedType::kDynamic
                : terms * extent;
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

/// Why this product of activations cannot be fused, or empty. `a` and `b` are
/// its operands' makers.
std::string whyNotFused(MatmulOp matmul, DequantizeOp a, DequantizeOp b) {
  for (bool right : {false, true}) {
    StringRef side = right ? "right" : "left";
    DequantizeOp op = right ? b : a;
    Value value = right ? matmul.getRhs() : matmul.getLhs();
    if (!op)
      return llvm::formatv("its {0} operand comes from {1}, which gives float "
                           "values",
                           side, describeValue(value));
    std::string why = whyNotInteger(op);
    RankedTensorType type = op.getInput().getType();
    int64_t rank = type.getRank();
    int64_t k = right && !matmul.getTransposeRhs() ? rank - 2 : rank - 1;
    for (int64_t d = 0; why.empty() && d < rank; ++d)
      if (!isWhole(type, op.getBlock(), d) &&
          (d == k || !isPerIndex(type, op.getBlock(), d)))
        why = llvm::formatv("its scales differ along dimension {0} in blocks "
                            "of {1}; the integer sum needs one scale for all "
                            "of K, and one for each or for all of the others",
                            d, op.getBlock()[d]);
    if (why.empty() && !isa<Float32Type, Float16Type, BFloat16Type>(
                           op.getScale().getType().getElementType()))
      why = llvm::formatv("its scales are {0}; f32, f16 or bf16 is needed",
                          op.getScale().getType().getElementType());
    if (!why.empty())
      return llvm::formatv(
          "the qgraph.dequantize of its {0} operand is in the way: {1}", side,
          why);
  }
  Type result = matmul.getType().getElementType();
  if (!result.isF32())
    return llvm::formatv("its result is {0}; integer sums give f32", result);
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
      if (isa<LinearOp, ConvOp>(op))
        fuse(cast<LayerOpInterface>(op));
      else if (auto embedding = dyn_cast<EmbeddingOp>(op))
        fuse(embedding);
      else if (auto matmul = dyn_cast<MatmulOp>(op))
        fuse(matmul);
    });
  }

private:
  void skip(Operation *op, StringRef why) {
    ++skipped;
    op->emitRemark() << describeOp(op)
                     << " is computed on float values: " << why;
  }

  void fuse(LayerOpInterface layer) {
    auto x = layer.getInput().getDefiningOp<DequantizeOp>();
    auto w = layer.getWeight().getDefiningOp<DequantizeOp>();
    if (!x && !w)
      return;
    if (std::string why = whyNotFused(layer, x, w); !why.empty())
      return skip(layer, why);
    OpBuilder builder(layer);
    Type type = layer.getResult().getType();
    Operation *fused;
    if (auto conv = dyn_cast<ConvOp>(*layer))
      fused = QuantizedConvOp::create(
          builder, conv.getLoc(), type, x.getInput(), x.getScale(),
          x.getZeroPoint(), w.getInput(), w.getScale(), w.getZeroPoint(),
          conv.getBias(), conv.getEpilogueOperands(), conv.getDims(),
          x.getBlock(), w.getBlock(), conv.getStrides(), conv.getDilations(),
          conv.getPads(), conv.getGroups(), conv.getEpilogue(),
          conv.getNameAttr());
    else
      fused = QuantizedLinearOp::create(
          builder, layer.getLoc(), type, x.getInput(), x.getScale(),
          x.getZeroPoint(), w.getInput(), w.getScale(), w.getZeroPoint(),
          layer.getBias(), layer.getEpilogueOperands(), x.getBlock(),
          w.getBlock(), layer.getEpilogue(), layer.getNameAttr());
    replace(layer, fused, {x, w});
  }

  void fuse(MatmulOp matmul) {
    auto a = matmul.getLhs().getDefiningOp<DequantizeOp>();
    auto b = matmul.getRhs().getDefiningOp<DequantizeOp>();
    if (!a && !b)
      return;
    if (std::string why = whyNotFused(matmul, a, b); !why.empty())
      return skip(matmul, why);
    OpBuilder builder(matmul);
    auto fused = QuantizedMatmulOp::create(
        builder, matmul.getLoc(), matmul.getType(), a.getInput(), a.getScale(),
        a.getZeroPoint(), b.getInput(), b.getScale(), b.getZeroPoint(),
        /*epilogue_operands=*/ValueRange(), matmul.getTransposeRhsAttr(),
        builder.getArrayAttr({}), matmul.getNameAttr());
    replace(matmul, fused, {a, b});
  }

  /// embedding(dequantize(table)) with one scale: the rows are dequantized.
  void gatherStored(EmbeddingOp embedding, DequantizeOp table) {
    OpBuilder builder(embedding);
    Location loc = embedding.getLoc();
    RankedTensorType type = embedding.getType();
    SmallVector<Value> sizes;
    for (auto [d, size] :
         llvm::enumerate(getDims(builder, embedding.getResult())))
      if (type.isDynamicDim(d))
        sizes.push_back(getValueOrCreateConstantIndexOp(builder, loc, size));
    auto integer = IntegerType::get(&getContext(), 64, IntegerType::Signed);
    auto node = [&](StringRef name, RankedTensorType type, ValueRange operands,
                    ValueRange sizes, DictionaryAttr attributes) {
      int64_t version =
          onnx_ir::sinceVersion(name, "", onnx_ir::latestOpset(""))
              .value_or(13);
      return onnx_ir::NodeOp::create(builder, loc, TypeRange(type), operands,
                                     sizes, name,
                                     /*domain=*/"", version, attributes,
                                     embedding.getNameAttr(), ArrayAttr(), 0)
          .getResult(0);
    };
    Value rows =
        node("Gather", type.clone(table.getInput().getType().getElementType()),
             {table.getInput(), embedding.getIndices()}, sizes,
             builder.getDictionaryAttr(builder.getNamedAttr(
                 "axis", builder.getIntegerAttr(integer, 0))));
    auto single = [&](Value value) -> Value {
      if (!value || type.getRank() == 2)
        return value;
      auto shaped = cast<RankedTensorType>(value.getType())
                        .clone(SmallVector<int64_t>(type.getRank(), 1));
      return node("Reshape", shaped, value, {}, builder.getDictionaryAttr({}));
    };
    auto real = DequantizeOp::create(
        builder, loc, type, rows, single(table.getScale()),
        single(table.getZeroPoint()), Value(), Value(),
        SmallVector<int64_t>(type.getRank(), 0), TypeAttr());
    replace(embedding, real, {table});
  }

  void fuse(EmbeddingOp embedding) {
    auto table = embedding.getTable().getDefiningOp<DequantizeOp>();
    if (!table)
      return;
    RankedTensorType stored = table.getInput().getType();
    bool isHalf =
        stored.getElementType().isF16() || stored.getElementType().isBF16();
    bool gathers = isHalf ? !table.getCodebook() && !table.getOffset() &&
                                !table.getPrecision()
                          : whyNotInteger(table).empty();
    if (gathers && !embedding.getScale() &&
        isWhole(stored, table.getBlock(), 0) &&
        isWhole(stored, table.getBlock(), 1))
      return gatherStored(embedding, table);
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
