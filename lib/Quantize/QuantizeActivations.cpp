//===- QuantizeActivations.cpp - Dynamic quantization of inputs -*- C++ -*-===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Gives every linear layer whose weights are quantized an input that is
// quantized too, by scales that are chosen while the model runs. The fusion to
// an integer sum is not done here but by `--qgraph-fuse-quantized`, which takes
// QDQ models just as well.
//
//===----------------------------------------------------------------------===//

#include "mlir/IR/BuiltinOps.h"
#include "quantc/Analysis/Layers.h"
#include "quantc/Dialect/QGraph/Shapes.h"
#include "quantc/Quantize/Passes.h"

#define DEBUG_TYPE "qgraph-quantize-activations"

using namespace mlir;

namespace quantc::qgraph {
#define GEN_PASS_DEF_QUANTIZEACTIVATIONS
#include "quantc/Quantize/Passes.h.inc"

namespace {

class QuantizeActivationsPass
    : public impl::QuantizeActivationsBase<QuantizeActivationsPass> {
public:
  using QuantizeActivationsBase::QuantizeActivationsBase;

  LogicalResult initialize(MLIRContext *context) override;
  void runOnOperation() override;

private:
  SmallVector<int64_t> blockFor(RankedTensorType type, bool whole) const;
  /// `whole`: with one scale for all.
  Value quantized(Value real, bool whole);

  IntegerType stored;
  Formula formula = Formula::Symmetric;
  /// The dequantized form of each value that has been quantized; the second map
  /// with one scale for all.
  DenseMap<Value, Value> done[2];
};

/// Why this layer keeps a float input, or empty. What would help is part of
/// it.
std::string whyFloat(LayerOpInterface layer) {
  auto weight = layer.getWeight().getDefiningOp<DequantizeOp>();
  if (!weight)
    return llvm::formatv(
        "its weight is float (from {0}); quantize the weight first",
        describeValue(layer.getWeight()));
  if (std::string why = whyNotInteger(weight); !why.empty())
    return "its weight cannot be summed in integers: " + why;
  Type element =
      cast<RankedTensorType>(layer.getInput().getType()).getElementType();
  if (!element.isF32())
    return llvm::formatv("its input is {0}; choose_params works on f32",
                         element);
  if (layer.getInput().getDefiningOp<DequantizeOp>())
    return "its input is quantized already";
  return {};
}

} // namespace

LogicalResult QuantizeActivationsPass::initialize(MLIRContext *context) {
  auto fail = [&](const Twine &message) {
    return emitError(UnknownLoc::get(context))
           << "qgraph-quantize-activations: " << message;
  };
  std::optional<numerics::Format> parsed =
      numerics::parseFormat(format.getValue());
  if (!parsed || !numerics::info(*parsed).isInteger ||
      numerics::info(*parsed).bits > 8)
    return fail("format '" + format + "' is not si2 ... si8 or ui2 ... ui8");
  const numerics::FormatInfo &row = numerics::info(*parsed);
  stored = IntegerType::get(context, row.bits,
                            row.isSigned ? IntegerType::Signed
                                         : IntegerType::Unsigned);
  if (granularity != "tensor" && granularity != "token" &&
      granularity != "group")
    return fail("granularity '" + granularity +
                "' is not tensor, token or group");
  if (granularity == "group" && groupSize < 1)
    return fail("group-size must be at least 1 with granularity=group");
  if (scheme != "symmetric" && scheme != "asymmetric")
    return fail("scheme '" + scheme + "' is not symmetric or asymmetric");
  formula = *symbolizeFormula(scheme);
  if (formula == Formula::Symmetric && !row.isSigned)
    return fail("format '" + format +
                "' is unsigned and needs scheme=asymmetric");
  return success();
}

SmallVector<int64_t> QuantizeActivationsPass::blockFor(RankedTensorType type,
                                                       bool whole) const {
  SmallVector<int64_t> block(type.getRank(),
                             whole || granularity == "tensor" ? 0 : 1);
  int64_t width = type.getShape().back();
  bool several = !whole && granularity == "group" &&
                 (ShapedType::isDynamic(width) || groupSize < width);
  block.back() = several ? groupSize.getValue() : 0;
  return block;
}

/// dequantize(quantize(real)), made once for each value, right behind it so
/// that it dominates every reader.
Value QuantizeActivationsPass::quantized(Value real, bool whole) {
  Value &result = done[whole][real];
  if (result)
    return result;
  OpBuilder builder(real.getContext());
  builder.setInsertionPointAfterValue(real);
  Location loc = real.getLoc();
  auto type = cast<RankedTensorType>(real.getType());
  SmallVector<int64_t> block = blockFor(type, whole);
  SmallVector<int64_t> scaleShape = getScaleShape(type.getShape(), block);
  auto scaleType = RankedTensorType::get(scaleShape, builder.getF32Type());
  Type zeroPointType;
  if (formula == Formula::Asymmetric)
    zeroPointType = RankedTensorType::get(scaleShape, stored);

  auto params =
      ChooseParamsOp::create(builder, loc, scaleType, zeroPointType,
                             /*offset=*/Type(), real, formula, stored, block,
                             APFloat(1.0f), DenseF32ArrayAttr());
  auto quantize = QuantizeOp::create(builder, loc, type.clone(stored), real,
                                     params.getScale(), params.getZeroPoint(),
                                     Value(), Value(), block,
                                     /*saturate=*/true, TypeAttr());
  result = DequantizeOp::create(builder, loc, type, quantize, params.getScale(),
                                params.getZeroPoint(), Value(), Value(), block,
                                TypeAttr());
  ++quantizations;
  return result;
}

void QuantizeActivationsPass::runOnOperation() {
  for (auto &map : done)
    map.clear();
  getOperation().walk([&](LayerOpInterface layer) {
    if (!isa<LinearOp, ConvOp>(*layer))
      return;
    std::string why = whyFloat(layer);
    if (!why.empty()) {
      ++skipped;
      layer.emitRemark() << "input of " << describeOp(layer)
                         << " stays float: " << why;
      return;
    }
    // The sum of a convolution takes many positions: one scale for all of them.
    Value input = quantized(layer.getInput(), isa<ConvOp>(*layer));
    layer->setOperand(0, input);
    ++matched;
  });
}

} // namespace quantc::qgraph
