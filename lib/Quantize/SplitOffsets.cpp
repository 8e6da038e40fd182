//===- SplitOffsets.cpp - Offsets of weights, apart from their codes ------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Weights with a real offset a group have no integer sums; without it they do,
// and what the offsets add is a small product with the sums of the input.
//
//===----------------------------------------------------------------------===//

#include "SplitNodes.h"
#include "quantc/Analysis/LayerPrecision.h"
#include "quantc/Analysis/Layers.h"
#include "quantc/Quantize/Passes.h"

#define DEBUG_TYPE "qgraph-split-offsets"

using namespace mlir;

namespace quantc::qgraph {
#define GEN_PASS_DEF_SPLITOFFSETS
#include "quantc/Quantize/Passes.h.inc"

namespace {

class SplitOffsetsPass : public impl::SplitOffsetsBase<SplitOffsetsPass> {
public:
  void runOnOperation() override;

private:
  void split(LinearOp linear, DequantizeOp weight);
  Value groupSums(Value input, int64_t group);

  /// The sums of each value's groups, made once for all its readers.
  DenseMap<std::pair<Value, int64_t>, Value> sums;
};

/// Why the offsets stay where they are, or empty.
std::string whyWhole(LinearOp linear, DequantizeOp weight) {
  if (!linear.getEpilogue().empty())
    return "it has an epilogue; split before --qgraph-fuse-epilogue";
  auto stored =
      dyn_cast<IntegerType>(weight.getInput().getType().getElementType());
  if (!stored || weight.getCodebook() || weight.getPrecision())
    return "its weight's codes are no integers to sum";
  if (!linear.getInput().getType().getElementType().isF32() ||
      !linear.getType().getElementType().isF32())
    return "its input and its result must be f32";
  RankedTensorType type = weight.getInput().getType();
  int64_t k = type.getDimSize(1), group = weight.getBlock()[1];
  if (!isPerIndex(type, weight.getBlock(), 0))
    return "its weight's columns share offsets";
  if (ShapedType::isDynamic(k) ||
      (!isWhole(type, weight.getBlock(), 1) && k % group != 0))
    return llvm::formatv("its groups of {0} do not divide K = {1}", group, k);
  return {};
}

} // namespace

/// [.., K] -> [.., K / group].
Value SplitOffsetsPass::groupSums(Value input, int64_t group) {
  Value &result = sums[{input, group}];
  if (result)
    return result;
  OpBuilder builder(input.getContext());
  builder.setInsertionPointAfterValue(input);
  Location loc = input.getLoc();
  auto type = cast<RankedTensorType>(input.getType());
  SmallVector<int64_t> shape(type.getShape());
  shape.back() /= group;
  auto summed = type.clone(shape);
  shape.push_back(group);
  SmallVector<Value> dims = dynamicDims(builder, summed, input);
  Value groups = makeNode(builder, loc, "Reshape", type.clone(shape), input,
                          dims, builder.getDictionaryAttr({}));
  auto integer = builder.getIntegerType(64, /*isSigned=*/true);
  auto attribute = [&](StringRef name, Attribute value) {
    return builder.getNamedAttr(name, value);
  };
  return result = makeNode(
             builder, loc, "ReduceSum", summed, groups, dims,
             builder.getDictionaryAttr(
                 {attribute("axes", builder.getArrayAttr(IntegerAttr::get(
                                        integer, type.getRank()))),
                  attribute("keepdims", IntegerAttr::get(integer, 0))}));
}

void SplitOffsetsPass::split(LinearOp linear, DequantizeOp weight) {
  OpBuilder builder(linear);
  Location loc = linear.getLoc();
  RankedTensorType type = weight.getInput().getType();
  int64_t k = type.getDimSize(1);
  int64_t group =
      isWhole(type, weight.getBlock(), 1) ? k : weight.getBlock()[1];
  auto codes = DequantizeOp::create(
      builder, weight.getLoc(), weight.getType(), weight.getInput(),
      weight.getScale(), /*zero_point=*/Value(), /*offset=*/Value(),
      /*codebook=*/Value(), weight.getBlock(), TypeAttr());
  if (Attribute format = weight->getDiscardableAttr(kWeightFormatAttr))
    codes->setDiscardableAttr(kWeightFormatAttr, format);
  Value offsets = weight.getOffset();
  auto offsetType = cast<RankedTensorType>(offsets.getType());
  if (!offsetType.getElementType().isF32())
    offsets = DequantizeOp::create(
        builder, weight.getLoc(), offsetType.clone(builder.getF32Type()),
        offsets, makeOne(builder, weight.getLoc()), /*zero_point=*/Value(),
        /*offset=*/Value(), /*codebook=*/Value(), ArrayRef<int64_t>{0, 0},
        TypeAttr());
  LinearOp small = makePart(linear, groupSums(linear.getInput(), group),
                            offsets, Value(), "/offsets");
  small->setDiscardableAttr(kPartAttr, builder.getUnitAttr());
  LinearOp large =
      makePart(linear, linear.getInput(), codes, linear.getBias(), "");
  Value sum =
      makeNode(builder, loc, "Add", linear.getType(),
               {large.getResult(), small.getResult()},
               dynamicDims(builder, linear.getType(), large.getResult()),
               builder.getDictionaryAttr({}));
  linear.getResult().replaceAllUsesWith(sum);
  linear.erase();
  if (weight->use_empty())
    weight.erase();
  ++splits;
}

void SplitOffsetsPass::runOnOperation() {
  sums.clear();
  SmallVector<LinearOp> layers;
  getOperation().walk([&](LinearOp linear) { layers.push_back(linear); });
  for (LinearOp linear : layers) {
    auto weight = linear.getWeight().getDefiningOp<DequantizeOp>();
    if (!weight || !weight.getOffset())
      continue;
    std::string why = whyWhole(linear, weight);
    if (why.empty()) {
      split(linear, weight);
      continue;
    }
    ++skipped;
    linear.emitRemark() << describeOp(linear)
                        << " keeps its weight's offsets: " << why;
  }
}

} // namespace quantc::qgraph
