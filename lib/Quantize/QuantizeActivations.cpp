//===- QuantizeActivations.cpp - Dynamic quantization of inputs -*- C++ -*-===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Gives every layer whose weights are quantized an input that is quantized too,
// by scales that are chosen while the model runs or come from statistics. The
// fusion to an integer sum is not done here but by `--qgraph-fuse-quantized`,
// which takes QDQ models just as well.
//
//===----------------------------------------------------------------------===//

#include "mlir/IR/BuiltinOps.h"
#include "quantc/Analysis/Calibration.h"
#include "quantc/Analysis/LayerPrecision.h"
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
  SmallVector<int64_t> blockFor(LayerOpInterface layer) const;
  Value quantized(Value real, ArrayRef<int64_t> block);
  /// The scale and zero point of `real` as ops before the builder's place.
  std::pair<Value, Value> chooseWhileRunning(OpBuilder &builder, Value real,
                                             ArrayRef<int64_t> block);
  std::pair<Value, Value> chooseFromStatistics(OpBuilder &builder, Value real);
  std::string findRange(Value real);
  numerics::Scheme numericScheme() const {
    return formula == Formula::Asymmetric ? numerics::Scheme::Asymmetric
                                          : numerics::Scheme::Symmetric;
  }
  numerics::Extrema rangeOf(const numerics::SiteStatistics &site) const;

  IntegerType stored;
  numerics::Format storedFormat = numerics::Format::SI8;
  Formula formula = Formula::Symmetric;
  std::optional<Statistics> known;
  DenseMap<Value, numerics::Extrema> ranges; // of the sites that are read
  /// The dequantized form of each value that has been quantized in a block.
  DenseMap<std::pair<Value, Attribute>, Value> done;
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
  if (layer->hasAttr(kPartAttr))
    return "it is a small part of another layer, split off to keep its "
           "precision";
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
  storedFormat = *parsed;
  const numerics::FormatInfo &row = numerics::info(*parsed);
  stored = IntegerType::get(context, row.bits,
                            row.isSigned ? IntegerType::Signed
                                         : IntegerType::Unsigned);
  if (granularity != "tensor" && granularity != "token" &&
      granularity != "group")
    return fail("granularity '" + granularity +
                "' is not tensor, token or group");
  if (scheme != "symmetric" && scheme != "asymmetric")
    return fail("scheme '" + scheme + "' is not symmetric or asymmetric");
  if (!statisticsFile.empty() && granularity != "tensor")
    return fail("statistics are of tensors: say granularity=tensor");
  if (!llvm::is_contained(
          {"minmax", "moving-average", "percentile", "entropy", "mse"},
          StringRef(observer)))
    return fail("observer '" + observer +
                "' is not minmax, moving-average, percentile, entropy or mse");
  formula = *symbolizeFormula(scheme);
  if (formula == Formula::Symmetric && !row.isSigned)
    return fail("format '" + format +
                "' is unsigned and needs scheme=asymmetric");
  return success();
}

SmallVector<int64_t>
QuantizeActivationsPass::blockFor(LayerOpInterface layer) const {
  auto type = cast<RankedTensorType>(layer.getInput().getType());
  // The sum of a convolution takes many positions: one scale for all of them.
  bool whole = granularity == "tensor" || isa<ConvOp>(*layer);
  SmallVector<int64_t> block(type.getRank(), whole ? 0 : 1);
  block.back() = 0;
  if (whole || granularity != "group")
    return block;
  // A sum of integers has one scale of each operand.
  auto weight = layer.getWeight().getDefiningOp<DequantizeOp>();
  auto weightType = cast<RankedTensorType>(weight.getType());
  unsigned last = weightType.getRank() - 1;
  if (!isWhole(weightType, weight.getBlock(), last))
    block.back() = weight.getBlock()[last];
  return block;
}

std::pair<Value, Value>
QuantizeActivationsPass::chooseWhileRunning(OpBuilder &builder, Value real,
                                            ArrayRef<int64_t> block) {
  auto type = cast<RankedTensorType>(real.getType());
  SmallVector<int64_t> shape = getScaleShape(type.getShape(), block);
  Type zeroPointType;
  if (formula == Formula::Asymmetric)
    zeroPointType = RankedTensorType::get(shape, stored);
  auto params = ChooseParamsOp::create(
      builder, real.getLoc(),
      RankedTensorType::get(shape, builder.getF32Type()), zeroPointType,
      /*offset=*/Type(), real, formula, stored, block, APFloat(1.0f),
      DenseF32ArrayAttr());
  return {params.getScale(), params.getZeroPoint()};
}

/// Puts what the observer says of a value into `ranges`, or says why the range
/// is not known.
std::string QuantizeActivationsPass::findRange(Value real) {
  if (ranges.contains(real))
    return {};
  auto site = real.getDefiningOp<ObserveOp>();
  if (!site)
    return "it is no site of the statistics (qgraph.observe)";
  llvm::Expected<numerics::SiteStatistics> found =
      quantc::getStatistics(*known, site);
  if (!found)
    return llvm::toString(found.takeError());
  numerics::Extrema range = found->minMax();
  if (!(range.lo <= range.hi))
    return "no sample has reached the site '" + site.getSite().str() + "'";
  ranges[real] = rangeOf(*found);
  return {};
}

numerics::Extrema
QuantizeActivationsPass::rangeOf(const numerics::SiteStatistics &site) const {
  numerics::Scheme scheme = numericScheme();
  numerics::Encoding encoding;
  encoding.format = storedFormat;
  // PyTorch's averaging constant; ONNX Runtime's percentile.
  if (observer == "moving-average")
    return site.movingAverage(0.01);
  if (observer == "percentile")
    return site.percentile(99.999);
  if (observer == "entropy")
    return site.entropy(encoding.range(), scheme);
  if (observer == "mse")
    return site.leastSquares(encoding, scheme);
  return site.minMax();
}

std::pair<Value, Value>
QuantizeActivationsPass::chooseFromStatistics(OpBuilder &builder, Value real) {
  numerics::Params params = numerics::chooseParams(
      numericScheme(), numerics::storedRange(storedFormat),
      ranges.lookup(real));
  SmallVector<int64_t> shape(cast<RankedTensorType>(real.getType()).getRank(),
                             1);
  auto scaleType = RankedTensorType::get(shape, builder.getF32Type());
  Value scale = ConstantOp::create(
      builder, real.getLoc(), DenseElementsAttr::get(scaleType, params.scale));
  if (formula != Formula::Asymmetric)
    return {scale, Value()};
  APInt code(stored.getWidth(), static_cast<uint64_t>(params.zeroPoint),
             stored.isSigned(), /*implicitTrunc=*/true);
  Value zeroPoint =
      ConstantOp::create(builder, real.getLoc(),
                         DenseElementsAttr::get(scaleType.clone(stored), code));
  return {scale, zeroPoint};
}

/// dequantize(quantize(real)), made once for each value and block, right behind
/// it so that it dominates every reader.
Value QuantizeActivationsPass::quantized(Value real, ArrayRef<int64_t> block) {
  Value &result =
      done[{real, DenseI64ArrayAttr::get(real.getContext(), block)}];
  if (result)
    return result;
  OpBuilder builder(real.getContext());
  builder.setInsertionPointAfterValue(real);
  Location loc = real.getLoc();
  auto type = cast<RankedTensorType>(real.getType());
  auto [scale, zeroPoint] = known ? chooseFromStatistics(builder, real)
                                  : chooseWhileRunning(builder, real, block);
  auto quantize = QuantizeOp::create(builder, loc, type.clone(stored), real,
                                     scale, zeroPoint, Value(), Value(), block,
                                     /*saturate=*/true, TypeAttr());
  result = DequantizeOp::create(builder, loc, type, quantize, scale, zeroPoint,
                                Value(), Value(), block, TypeAttr());
  ++quantizations;
  return result;
}

void QuantizeActivationsPass::runOnOperation() {
  done.clear();
  known.reset();
  ranges.clear();
  if (!statisticsFile.empty()) {
    llvm::Expected<Statistics> read =
        readStatistics(getOperation(), statisticsFile);
    if (!read) {
      getOperation().emitError() << llvm::toString(read.takeError());
      return signalPassFailure();
    }
    known = std::move(*read);
  }
  getOperation().walk([&](LayerOpInterface layer) {
    // A part with a float weight is float by design (a rotation).
    if (!isa<LinearOp, ConvOp>(*layer) ||
        (layer->hasAttr(kPartAttr) &&
         !layer.getWeight().getDefiningOp<DequantizeOp>()))
      return;
    std::string why = whyFloat(layer);
    if (why.empty() && known)
      why = findRange(layer.getInput());
    if (!why.empty()) {
      ++skipped;
      layer.emitRemark() << "input of " << describeOp(layer)
                         << " stays float: " << why;
      return;
    }
    layer->setOperand(0, quantized(layer.getInput(), blockFor(layer)));
    ++matched;
  });
}

} // namespace quantc::qgraph
