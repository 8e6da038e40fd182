//===- DescribeLayers.cpp - What became of the layers, for a report -------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "quantc/Analysis/Calibration.h"
#include "quantc/Analysis/ConstantTensor.h"
#include "quantc/Analysis/LayerPrecision.h"
#include "quantc/Analysis/Layers.h"
#include "quantc/Numerics/Divergence.h"
#include "quantc/Quantize/Passes.h"
#include "quantc/Support/AtomicFile.h"
#include "quantc/Support/CostModel.h"

#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/JSON.h"

#include <cmath>

using namespace mlir;
namespace json = llvm::json;

namespace quantc::qgraph {
#define GEN_PASS_DEF_DESCRIBELAYERS
#include "quantc/Quantize/Passes.h.inc"

namespace {

class DescribeLayersPass : public impl::DescribeLayersBase<DescribeLayersPass> {
public:
  using DescribeLayersBase::DescribeLayersBase;
  void runOnOperation() override;

private:
  json::Object describe(LayerOpInterface layer,
                        const LayerPrecision &precision);
  json::Object describeWeight(LayerOpInterface layer,
                              const LayerPrecision &precision);
  json::Object describeInput(LayerOpInterface layer,
                             const LayerPrecision &precision);
  /// Seconds that the cost model gives a layer, or nothing.
  std::optional<double> predict(LayerOpInterface layer);

  std::optional<Statistics> known;
  std::shared_ptr<CostModel> costs; // passes are copied
};

} // namespace

//===----------------------------------------------------------------------===//
// Formats
//===----------------------------------------------------------------------===//

/// The extent of a group along the last dimension; 0 if it is one whole.
static int64_t groupOf(RankedTensorType type, ArrayRef<int64_t> block) {
  int64_t group = block.back();
  return group && group < type.getShape().back() ? group : 0;
}

/// Bits of a constant, or of the constants behind a `dequantize`.
static int64_t bitsOf(Value value) {
  if (!value)
    return 0;
  if (auto op = value.getDefiningOp<DequantizeOp>())
    return bitsOf(op.getInput()) + bitsOf(op.getScale()) +
           bitsOf(op.getZeroPoint()) + bitsOf(op.getOffset());
  auto type = cast<RankedTensorType>(value.getType());
  return type.hasStaticShape()
             ? type.getNumElements() * type.getElementTypeBitWidth()
             : 0;
}

//===----------------------------------------------------------------------===//
// Histograms
//===----------------------------------------------------------------------===//

static json::Array arrayOf(ArrayRef<int64_t> counts) {
  json::Array array;
  for (int64_t count : counts)
    array.push_back(count);
  return array;
}

/// Counts of values in 80 bins over [low, high]; what is outside counts in the
/// first and the last.
static json::Object histogramOf(ArrayRef<float> values, double low,
                                double high) {
  constexpr int64_t kBins = 80;
  std::vector<int64_t> counts(kBins, 0);
  for (float value : values) {
    double at = (value - low) / (high - low) * kBins;
    if (!std::isnan(at))
      ++counts[static_cast<size_t>(
          std::clamp(at, 0.0, static_cast<double>(kBins - 1)))];
  }
  return json::Object{
      {"low", low}, {"high", high}, {"counts", arrayOf(counts)}};
}

/// Of values as a codebook's or a float format's step says nothing: as they
/// are.
static json::Object plainHistogram(ArrayRef<float> values) {
  double most = 0;
  for (float value : values)
    if (std::isfinite(value))
      most = std::max(most, std::abs(static_cast<double>(value)));
  if (most == 0)
    most = 1;
  json::Object histogram = histogramOf(values, -most, most);
  histogram["unit"] = "value";
  return histogram;
}

/// Of an integer format: weights in steps, w / scale + zero point, where the
/// codes' ends are the points at which they are clipped.
static std::optional<json::Object> stepHistogram(DequantizeOp op,
                                                 ArrayRef<float> values) {
  if (!whyNotInteger(op).empty() || values.empty())
    return std::nullopt;
  std::optional<ConstantTensor> scale = readConstant(op.getScale()),
                                zeroPoint = readConstant(op.getZeroPoint());
  if (!scale || (op.getZeroPoint() && !zeroPoint))
    return std::nullopt;
  std::vector<float> scales = scale->readFloats();
  std::vector<int32_t> zeros =
      zeroPoint ? zeroPoint->readIntegers() : std::vector<int32_t>();
  RankedTensorType type = op.getType();
  int64_t width = type.getShape().back();
  int64_t group = groupOf(type, op.getBlock());
  int64_t groups = group ? llvm::divideCeil(width, group) : 1;
  int64_t rows = type.getNumElements() / width;
  bool isPerRow = static_cast<int64_t>(scales.size()) == rows * groups;
  if (!isPerRow && scales.size() != 1)
    return std::nullopt;
  std::vector<float> steps(values.size());
  for (int64_t i = 0; i < static_cast<int64_t>(values.size()); ++i) {
    int64_t at = i / width * groups + (group ? i % width / group : 0);
    size_t of = isPerRow ? at : 0;
    steps[i] = scales[of] == 0
                   ? 0
                   : values[i] / scales[of] + (zeros.empty() ? 0 : zeros[of]);
  }
  auto stored = cast<IntegerType>(
      cast<RankedTensorType>(op.getInput().getType()).getElementType());
  double span = std::exp2(stored.getWidth()),
         low = stored.isUnsigned() ? 0 : -span / 2, high = low + span - 1;
  json::Object histogram =
      histogramOf(steps, low - span / 8 - 0.5, high + span / 8 + 0.5);
  histogram["unit"] = "step";
  histogram["clip"] = json::Array{low, high};
  return histogram;
}

/// Where a positive number is on the axis of octaves.
static double octaveOf(double x) {
  double octave = std::floor(std::log2(x));
  return octave + x / std::exp2(octave) - 1;
}

/// Of a site: quarters of octaves of |x| that anything is in, from the least.
static json::Object octavesOf(const numerics::SiteStatistics &site) {
  using Bins = numerics::HistogramBins;
  constexpr int kQuarter = Bins::kPerOctave / 4;
  constexpr int kCount = (Bins::kMost - Bins::kLeast) * 4;
  std::vector<int64_t> counts(kCount, 0);
  for (int i = 0; i < kCount * kQuarter; ++i)
    counts[i / kQuarter] += site.histogram()[Bins::kZero + 2 + i] +
                            site.histogram()[Bins::kZero - 2 - i];
  auto isFilled = [](int64_t count) { return count != 0; };
  auto first = llvm::find_if(counts, isFilled);
  auto last = std::find_if(counts.rbegin(), counts.rend(), isFilled).base();
  if (first == counts.end())
    first = last = counts.begin();
  double low = Bins::kLeast + (first - counts.begin()) / 4.0;
  return json::Object{{"unit", "octave"},
                      {"low", low},
                      {"high", low + (last - first) / 4.0},
                      {"counts", arrayOf(ArrayRef(counts).slice(
                                     first - counts.begin(), last - first))}};
}

//===----------------------------------------------------------------------===//
// Layers
//===----------------------------------------------------------------------===//

json::Object
DescribeLayersPass::describeWeight(LayerOpInterface layer,
                                   const LayerPrecision &precision) {
  auto type = cast<RankedTensorType>(layer.getWeight().getType());
  int64_t bits = bitsOf(layer.getWeight());
  json::Object object{
      {"format", precision.format},
      {"scales", precision.scales},
      {"scheme", precision.scheme},
      {"bytes", bits / 8},
      {"bits", static_cast<double>(bits) / type.getNumElements()}};
  auto op = layer.getWeight().getDefiningOp<DequantizeOp>();
  if (!op) {
    if (std::optional<ConstantTensor> constant =
            readConstant(layer.getWeight());
        constant && isa<FloatType>(constant->getType().getElementType()))
      object["histogram"] = plainHistogram(constant->readFloats());
    return object;
  }
  llvm::Expected<std::vector<float>> rounded = dequantizedFloats(op);
  if (!rounded) {
    llvm::consumeError(rounded.takeError());
    return object;
  }
  std::vector<float> values = *rounded;
  if (auto original =
          dyn_cast_or_null<TypedAttr>(op->getDiscardableAttr(kOriginalAttr))) {
    llvm::Expected<ConstantTensor> constant = ConstantTensor::get(original);
    if (constant) {
      values = constant->readFloats();
      numerics::SignalSums sums;
      sums.add(values.size(), values.data(), rounded->data());
      if (std::isfinite(sums.snr()))
        object["snr"] = sums.snr();
    } else {
      llvm::consumeError(constant.takeError());
    }
  }
  std::optional<json::Object> steps = stepHistogram(op, values);
  object["histogram"] = steps ? std::move(*steps) : plainHistogram(values);
  return object;
}

json::Object
DescribeLayersPass::describeInput(LayerOpInterface layer,
                                  const LayerPrecision &precision) {
  Value input = layer.getInput();
  json::Object object{{"format", precision.activations}};
  std::optional<double> clip;
  if (auto op = input.getDefiningOp<DequantizeOp>()) {
    auto stored = cast<RankedTensorType>(op.getInput().getType());
    std::optional<ConstantTensor> scale = readConstant(op.getScale()),
                                  zeroPoint = readConstant(op.getZeroPoint());
    auto integer = dyn_cast<IntegerType>(stored.getElementType());
    if (integer && scale && scale->getType().getNumElements() == 1) {
      double codes = std::exp2(integer.getWidth()),
             low = integer.isUnsigned() ? 0 : -codes / 2,
             zero = zeroPoint ? zeroPoint->readIntegers().front() : 0;
      // The farther end; the nearer one clips numbers of the other sign.
      clip = scale->readFloats().front() *
             std::max(zero - low, low + codes - 1 - zero);
    }
    if (auto quantize = op.getInput().getDefiningOp<QuantizeOp>())
      input = quantize.getInput();
  }
  auto site = input.getDefiningOp<ObserveOp>();
  if (!site || !known)
    return object;
  llvm::Expected<numerics::SiteStatistics> found =
      quantc::getStatistics(*known, site);
  if (!found) {
    llvm::consumeError(found.takeError());
    return object;
  }
  numerics::Extrema range = found->minMax();
  if (range.lo <= range.hi)
    object["range"] = json::Array{range.lo, range.hi};
  if (found->hasHistogram()) {
    json::Object histogram = octavesOf(*found);
    if (clip)
      histogram["clip"] = json::Array{octaveOf(*clip)};
    object["histogram"] = std::move(histogram);
  }
  return object;
}

std::optional<double> DescribeLayersPass::predict(LayerOpInterface layer) {
  auto linear = dyn_cast<LinearOp>(*layer);
  auto input = cast<RankedTensorType>(layer.getInput().getType());
  if (!linear || !costs)
    return std::nullopt;
  LinearShape shape;
  for (int64_t extent : input.getShape().drop_back())
    shape.m *= ShapedType::isDynamic(extent) ? 1 : extent;
  auto type = cast<RankedTensorType>(layer.getWeight().getType());
  shape.n = type.getDimSize(0);
  shape.k = type.getDimSize(1);
  LinearFormat format;
  if (auto op = layer.getWeight().getDefiningOp<DequantizeOp>()) {
    format.weightBits = cast<RankedTensorType>(op.getInput().getType())
                            .getElementTypeBitWidth();
    format.group = groupOf(type, op.getBlock());
    format.scaleBits = cast<RankedTensorType>(op.getScale().getType())
                           .getElementTypeBitWidth();
  }
  if (auto op = layer.getInput().getDefiningOp<DequantizeOp>())
    format.activationBits = cast<RankedTensorType>(op.getInput().getType())
                                .getElementTypeBitWidth();
  return costs->linear(shape, format).seconds;
}

json::Object DescribeLayersPass::describe(LayerOpInterface layer,
                                          const LayerPrecision &precision) {
  auto type = cast<RankedTensorType>(layer.getWeight().getType());
  json::Object object{{"name", precision.name},
                      {"op", layer->getName().stripDialect()},
                      {"shape", arrayOf(type.getShape())},
                      {"bytes_before", type.getNumElements() * 4},
                      {"weight", describeWeight(layer, precision)},
                      {"input", describeInput(layer, precision)}};
  if (std::optional<double> seconds = predict(layer))
    object["predicted_seconds"] = *seconds;
  return object;
}

void DescribeLayersPass::runOnOperation() {
  ModuleOp module = getOperation();
  auto fail = [&](const Twine &text) {
    module.emitError() << "qgraph-describe-layers: " << text;
    signalPassFailure();
  };
  if (output.empty())
    return fail("needs output=FILE");
  known.reset();
  if (!statistics.empty()) {
    llvm::Expected<Statistics> read = readStatistics(module, statistics);
    if (!read)
      return fail(llvm::toString(read.takeError()));
    known = std::move(*read);
  }
  costs.reset();
  if (!level.empty())
    costs = createRooflineCostModel(coreRates(level));
  json::Array layers;
  module.walk([&](LayerOpInterface layer) {
    if (std::optional<LayerPrecision> precision = precisionOfLayer(layer)) {
      layers.push_back(describe(layer, *precision));
      ++described;
    }
  });
  std::string text =
      llvm::formatv("{0}\n",
                    json::Value(json::Object{{"layers", std::move(layers)}}))
          .str();
  if (llvm::Error error = writeFileAtomically(output, text))
    return fail(llvm::toString(std::move(error)));
  module.walk(
      [](DequantizeOp op) { op->removeDiscardableAttr(kOriginalAttr); });
}

} // namespace quantc::qgraph
