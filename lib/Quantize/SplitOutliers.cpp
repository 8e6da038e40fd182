//===- SplitOutliers.cpp - Columns that stay 16 bits ----------------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// LLM.int8(): the few columns of activations that hold outliers go through a
// product of their own. Which these are is decided here, from statistics, so
// that both weights are constants.
//
//===----------------------------------------------------------------------===//

#include "RoundWeights.h"
#include "SplitNodes.h"
#include "quantc/Analysis/Calibration.h"
#include "quantc/Analysis/LayerPrecision.h"
#include "quantc/Analysis/Layers.h"
#include "quantc/Quantize/Passes.h"

#include <cmath>

#define DEBUG_TYPE "qgraph-split-outliers"

using namespace mlir;

namespace quantc::qgraph {
#define GEN_PASS_DEF_SPLITOUTLIERS
#include "quantc/Quantize/Passes.h.inc"

namespace {

/// The columns of a layer's input, in two parts.
struct Columns {
  SmallVector<int64_t> rest, outliers;
};

class SplitOutliersPass : public impl::SplitOutliersBase<SplitOutliersPass> {
public:
  using SplitOutliersBase::SplitOutliersBase;

  LogicalResult initialize(MLIRContext *context) override;
  void runOnOperation() override;

private:
  /// Splits the layer, or says why it stays whole; empty also where there are
  /// no outliers.
  llvm::Expected<std::string> split(LinearOp linear);
  std::string findColumns(LinearOp linear, Columns &columns) const;
  /// These columns of a layer's input; made once for all its readers.
  Value gather(Value input, ArrayRef<int64_t> columns, bool outliers);

  Statistics file;
  numerics::Format kept = numerics::Format::F16;
  DenseMap<Value, Value> gathered[2]; // the rest, the outliers
};

/// The columns of a weight [N, K].
std::vector<float> columnsOf(ArrayRef<float> weight, int64_t k,
                             ArrayRef<int64_t> columns) {
  std::vector<float> part;
  part.reserve(weight.size() / k * columns.size());
  for (size_t row = 0; row < weight.size(); row += k)
    for (int64_t column : columns)
      part.push_back(weight[row + column]);
  return part;
}

} // namespace

LogicalResult SplitOutliersPass::initialize(MLIRContext *context) {
  auto fail = [&](const Twine &message) {
    return emitError(UnknownLoc::get(context))
           << "qgraph-split-outliers: " << message;
  };
  if (statistics.empty())
    return fail("statistics=FILE is missing: which columns hold outliers is "
                "not known without it");
  if (!(threshold > 0 && std::isfinite(threshold)))
    return fail("threshold must be a positive number");
  if (!(maxFraction > 0 && maxFraction <= 1))
    return fail("max-fraction must be more than 0 and at most 1");
  if (format != "f16" && format != "bf16")
    return fail("format '" + format + "' is not f16 or bf16");
  kept = format == "f16" ? numerics::Format::F16 : numerics::Format::BF16;
  return success();
}

/// What the site says of the input's columns; why it cannot be used, or empty.
std::string SplitOutliersPass::findColumns(LinearOp linear,
                                           Columns &columns) const {
  auto site = linear.getInput().getDefiningOp<ObserveOp>();
  if (!site)
    return "its input has no calibration site; --qgraph-insert-observers puts "
           "one there";
  llvm::Expected<numerics::SiteStatistics> known =
      quantc::getStatistics(file, site);
  if (!known)
    return llvm::toString(known.takeError());
  for (auto [column, most] : llvm::enumerate(known->channelAbsMax()))
    (most > threshold ? columns.outliers : columns.rest).push_back(column);
  size_t all = columns.outliers.size() + columns.rest.size();
  if (columns.rest.empty() || columns.outliers.size() > maxFraction * all)
    return llvm::formatv(
        "{0} of the {1} columns of its input exceed {2}; a higher threshold "
        "leaves fewer",
        columns.outliers.size(), all, threshold.getValue());
  return {};
}

Value SplitOutliersPass::gather(Value input, ArrayRef<int64_t> columns,
                                bool outliers) {
  Value &result = gathered[outliers][input];
  if (result)
    return result;
  OpBuilder builder(input.getContext());
  builder.setInsertionPointAfterValue(input);
  Location loc = input.getLoc();
  auto integer = builder.getIntegerType(64, /*isSigned=*/true);
  auto indexType =
      RankedTensorType::get({static_cast<int64_t>(columns.size())}, integer);
  llvm::Expected<TypedAttr> indices =
      makeConstant(indexType,
                   (input.getDefiningOp<ObserveOp>().getSite() +
                    (outliers ? ".outliers" : ".rest") + "@split-outliers")
                       .str(),
                   [&](MutableArrayRef<char> bytes) {
                     std::memcpy(bytes.data(), columns.data(), bytes.size());
                   });
  if (!indices) {
    llvm::consumeError(indices.takeError());
    return {};
  }
  auto whole = cast<RankedTensorType>(input.getType());
  SmallVector<int64_t> shape(whole.getShape());
  shape.back() = columns.size();
  auto type = whole.clone(shape);
  Value constant = ConstantOp::create(builder, loc, *indices);
  return result = makeNode(
             builder, loc, "Gather", type, {input, constant},
             dynamicDims(builder, whole, input),
             builder.getDictionaryAttr(builder.getNamedAttr(
                 "axis", IntegerAttr::get(integer, whole.getRank() - 1))));
}

llvm::Expected<std::string> SplitOutliersPass::split(LinearOp linear) {
  if (!linear.getEpilogue().empty())
    return "it has an epilogue; split before --qgraph-fuse-epilogue";
  RankedTensorType weightType = linear.getWeight().getType();
  if (!linear.getInput().getType().getElementType().isF32() ||
      !weightType.getElementType().isF32())
    return "its input and its weight must be f32";
  std::optional<ConstantTensor> weight = readConstant(linear.getWeight());
  if (!weight)
    return "its weight comes from " + describeValue(linear.getWeight()) +
           " and is no constant";
  Columns columns;
  if (std::string why = findColumns(linear, columns); !why.empty())
    return why;
  if (columns.outliers.empty()) {
    ++whole;
    return "";
  }

  std::vector<float> values = weight->readFloats();
  int64_t n = weightType.getDimSize(0), k = weightType.getDimSize(1);
  std::string name = entryBaseName(*weight, getLayerName(linear));
  numerics::QuantizedWeights codes;
  codes.scale = {1.0f};
  for (float value : columnsOf(values, k, columns.outliers)) {
    auto code = static_cast<uint16_t>(numerics::encode(kept, value));
    if (!std::isfinite(numerics::decode(kept, code)))
      return "its weight holds numbers too large for " + format +
             "; format=bf16 has room for them";
    codes.stored.push_back(static_cast<uint8_t>(code));
    codes.stored.push_back(static_cast<uint8_t>(code >> 8));
  }
  auto partType = [&](ArrayRef<int64_t> part) {
    return RankedTensorType::get({n, static_cast<int64_t>(part.size())},
                                 weightType.getElementType());
  };
  RoundingFormat rounding;
  rounding.stored = kept;
  rounding.hasScale = false;
  rounding.block = {0, 0};
  RankedTensorType outlierType = partType(columns.outliers);
  llvm::Expected<RoundedWeight> outlierWeight = keepWeight(
      outlierType, rounding, codes, name + ".outliers@split-outliers");
  if (!outlierWeight)
    return outlierWeight.takeError();
  llvm::Expected<TypedAttr> restWeight =
      makeConstant(partType(columns.rest), name + "@split-outliers",
                   [&](MutableArrayRef<char> bytes) {
                     std::vector<float> part =
                         columnsOf(values, k, columns.rest);
                     std::memcpy(bytes.data(), part.data(), bytes.size());
                   });
  if (!restWeight)
    return restWeight.takeError();

  OpBuilder builder(linear);
  Location loc = linear.getWeight().getLoc();
  Value stored = ConstantOp::create(builder, loc, outlierWeight->stored);
  Value one = ConstantOp::create(builder, loc, outlierWeight->scale);
  Value real = DequantizeOp::create(builder, loc, outlierType, stored, one,
                                    /*zero_point=*/Value(),
                                    /*offset=*/Value(), /*codebook=*/Value(),
                                    ArrayRef<int64_t>{0, 0}, TypeAttr());
  Value input = linear.getInput();
  Value restInput = gather(input, columns.rest, false),
        outlierInput = gather(input, columns.outliers, true);
  if (!restInput || !outlierInput)
    return llvm::createStringError("the indices of its columns cannot be kept");
  LinearOp outliers =
      makePart(linear, outlierInput, real, Value(), "/outliers");
  LinearOp rest =
      makePart(linear, restInput, ConstantOp::create(builder, loc, *restWeight),
               linear.getBias(), "");
  outliers->setDiscardableAttr(kPartAttr, builder.getUnitAttr());
  rest->setDiscardableAttr(kColumnsAttr, builder.getI64IntegerAttr(k));
  Value sum = makeNode(builder, linear.getLoc(), "Add", linear.getType(),
                       {rest.getResult(), outliers.getResult()},
                       dynamicDims(builder, linear.getType(), rest.getResult()),
                       builder.getDictionaryAttr({}));
  Operation *old = linear.getWeight().getDefiningOp();
  linear.getResult().replaceAllUsesWith(sum);
  linear.erase();
  if (old->use_empty())
    old->erase();
  ++splits;
  outlierColumns += columns.outliers.size();
  return "";
}

void SplitOutliersPass::runOnOperation() {
  ModuleOp module = getOperation();
  for (auto &map : gathered)
    map.clear();
  llvm::Expected<Statistics> read = readStatistics(module, statistics);
  if (!read) {
    module.emitError() << "qgraph-split-outliers: "
                       << llvm::toString(read.takeError());
    return signalPassFailure();
  }
  file = std::move(*read);
  SmallVector<LinearOp> layers;
  module.walk([&](LinearOp linear) {
    if (!linear->hasAttr(kPartAttr))
      layers.push_back(linear);
  });
  for (LinearOp linear : layers) {
    llvm::Expected<std::string> why = split(linear);
    if (!why) {
      linear.emitError() << describeOp(linear) << ": "
                         << llvm::toString(why.takeError());
      return signalPassFailure();
    }
    if (why->empty())
      continue;
    ++skipped;
    linear.emitRemark() << describeOp(linear) << " stays whole: " << *why;
  }
}

} // namespace quantc::qgraph
