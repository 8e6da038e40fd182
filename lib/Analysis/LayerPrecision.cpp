//===- LayerPrecision.cpp - What each layer is stored and read as ---------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "quantc/Analysis/LayerPrecision.h"

#include "quantc/Analysis/ConstantTensor.h"
#include "quantc/Analysis/Layers.h"
#include "quantc/Numerics/WeightFormats.h"

#include "llvm/ADT/StringExtras.h"

using namespace mlir;

namespace quantc {
namespace {

std::string spelling(Type type) {
  std::string text;
  llvm::raw_string_ostream(text) << type;
  return text;
}

/// `tensor`, `channel` (the first dimension has a scale each), `group N` of the
/// last of two dimensions, or `block AxB`.
std::string scalesOf(RankedTensorType type, ArrayRef<int64_t> block) {
  bool allWhole = true, restWhole = true;
  for (int64_t d = 0; d < type.getRank(); ++d) {
    bool whole = isWhole(type, block, d);
    allWhole &= whole;
    restWhole &= whole || d == 0;
  }
  if (allWhole)
    return "tensor";
  if (isPerIndex(type, block, 0)) {
    if (restWhole)
      return "channel";
    if (type.getRank() == 2)
      return "group " + std::to_string(block[1]);
  }
  return "block " + llvm::join(llvm::map_range(block,
                                               [](int64_t extent) {
                                                 return std::to_string(extent);
                                               }),
                               "x");
}

/// The codebook's format, as far as weights get it from a name.
std::string codebookFormat(Value book) {
  std::optional<ConstantTensor> constant = readConstant(book);
  if (!constant)
    return "codebook";
  std::vector<float> values = constant->readFloats();
  for (const char *name : {"nf4", "fp4", "binary"})
    if (numerics::parseWeightFormat(name)->codebook->values == values)
      return name;
  return "codebook";
}

std::string formatOf(qgraph::DequantizeOp op) {
  if (auto name = op->getAttrOfType<StringAttr>(kWeightFormatAttr))
    return name.str();
  if (op.getCodebook())
    return codebookFormat(op.getCodebook());
  Type stored = op.getInput().getType().getElementType();
  Value scale = op.getScale();
  if (isa<Float4E2M1FNType>(stored)) {
    if (isa<Float8E8M0FNUType>(getElementTypeOrSelf(scale)))
      return "mxfp4";
    if (auto stored = scale.getDefiningOp<qgraph::DequantizeOp>();
        stored &&
        isa<Float8E4M3FNType>(stored.getInput().getType().getElementType()))
      return "nvfp4";
  }
  return spelling(stored);
}

bool isConstantOrDequantized(Value weight) {
  if (auto op = weight.getDefiningOp<qgraph::DequantizeOp>())
    return isConstant(op.getInput());
  return isConstant(weight);
}

/// Fills what is said of the weight.
void readWeight(Value weight, LayerPrecision &layer) {
  layer.format = "float";
  layer.scheme = "symmetric";
  auto op = weight.getDefiningOp<qgraph::DequantizeOp>();
  if (!op)
    return;
  layer.format = formatOf(op);
  std::optional<numerics::WeightFormat> row =
      numerics::parseWeightFormat(layer.format);
  if (!row || row->hasScale)
    layer.scales =
        scalesOf(cast<RankedTensorType>(op.getType()), op.getBlock());
  // GGML's kinds have their offsets split off by then.
  bool isOffset = row && row->hasOffsets();
  if (isOffset || op.getZeroPoint() || op.getOffset())
    layer.scheme = "asymmetric";
}

std::string activationsOf(Value input) {
  auto op = input.getDefiningOp<qgraph::DequantizeOp>();
  if (!op)
    return "float";
  auto type = cast<RankedTensorType>(op.getType());
  std::string text = spelling(op.getInput().getType().getElementType()) + " ";
  if (isConstant(op.getScale()))
    return text + scalesOf(type, op.getBlock()) + " static";
  int64_t last = type.getRank() - 1;
  bool perToken = true, oneToken = true;
  for (int64_t d = 0; d < last; ++d) {
    perToken &= isPerIndex(type, op.getBlock(), d);
    oneToken &= type.getDimSize(d) == 1;
  }
  if (last < 0 || !perToken)
    return text + scalesOf(type, op.getBlock());
  if (!isWhole(type, op.getBlock(), last))
    return text + "group " + std::to_string(op.getBlock()[last]);
  return text + (last == 0 && !oneToken ? "tensor" : "token");
}

std::string baseName(Value weight) {
  if (auto op = weight.getDefiningOp<qgraph::DequantizeOp>())
    weight = op.getInput();
  std::optional<ConstantTensor> constant = readConstant(weight);
  return constant ? constant->getName().split('@').first.str() : std::string();
}

} // namespace

std::optional<LayerPrecision> precisionOfLayer(Operation *op) {
  Value weight, input;
  auto embedding = dyn_cast<qgraph::EmbeddingOp>(op);
  if (embedding) {
    weight = embedding.getTable();
  } else if (isa<qgraph::LinearOp, qgraph::ConvOp>(op)) {
    auto layer = cast<qgraph::LayerOpInterface>(op);
    weight = layer.getWeight();
    input = layer.getInput();
  }
  if (!weight || op->hasAttr(kPartAttr) || !isConstantOrDequantized(weight))
    return std::nullopt;
  LayerPrecision layer;
  layer.name = getLayerName(op).str();
  if (layer.name.empty())
    layer.name = baseName(weight);
  layer.shape = cast<RankedTensorType>(weight.getType()).getShape().vec();
  if (auto columns = op->getAttrOfType<IntegerAttr>(kColumnsAttr))
    layer.shape.back() = columns.getInt();
  readWeight(weight, layer);
  if (embedding && embedding.getScale()) {
    layer.format = spelling(getElementTypeOrSelf(weight));
    layer.scales = "channel";
  }
  layer.activations = input ? activationsOf(input) : "float";
  return layer;
}

std::vector<LayerPrecision> precisionOfLayers(ModuleOp module) {
  std::vector<LayerPrecision> layers;
  module.walk([&](Operation *op) {
    std::optional<LayerPrecision> layer = precisionOfLayer(op);
    if (layer && !layer->name.empty())
      layers.push_back(std::move(*layer));
  });
  return layers;
}

ArrayAttr toAttribute(ArrayRef<LayerPrecision> layers, MLIRContext *context) {
  Builder builder(context);
  SmallVector<Attribute> attributes;
  for (const LayerPrecision &layer : layers)
    attributes.push_back(builder.getDictionaryAttr(
        {builder.getNamedAttr("name", builder.getStringAttr(layer.name)),
         builder.getNamedAttr("shape",
                              builder.getDenseI64ArrayAttr(layer.shape)),
         builder.getNamedAttr("format", builder.getStringAttr(layer.format)),
         builder.getNamedAttr("scales", builder.getStringAttr(layer.scales)),
         builder.getNamedAttr("scheme", builder.getStringAttr(layer.scheme)),
         builder.getNamedAttr("activations",
                              builder.getStringAttr(layer.activations))}));
  return builder.getArrayAttr(attributes);
}

std::vector<LayerPrecision> fromAttribute(ArrayAttr layers) {
  std::vector<LayerPrecision> result;
  for (auto attributes : layers.getAsRange<DictionaryAttr>()) {
    auto text = [&](StringRef name) {
      return attributes.getAs<StringAttr>(name).getValue().str();
    };
    result.push_back(
        {text("name"),
         attributes.getAs<DenseI64ArrayAttr>("shape").asArrayRef().vec(),
         text("format"), text("scales"), text("scheme"), text("activations")});
  }
  return result;
}

} // namespace quantc
