//===- PackWeights.cpp - Weights into the target's layout -------*- C++ -*-===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// linear and quantized_linear with constant weights become qkernel.linear with
// one stream of panels. The bytes are Numerics/PackPanels'; this pass decides
// what can be packed, and packs panels in parallel.
//
//===----------------------------------------------------------------------===//

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/Threading.h"
#include "quantc/Analysis/ConstantTensor.h"
#include "quantc/Analysis/Layers.h"
#include "quantc/Conversion/Passes.h"
#include "quantc/Dialect/QGraph/Shapes.h"
#include "quantc/Dialect/QKernel/QKernelDialect.h"
#include "quantc/Numerics/PackPanels.h"

#define DEBUG_TYPE "qgraph-pack-weights"

using namespace mlir;
using namespace quantc::qgraph;

namespace quantc {
#define GEN_PASS_DEF_PACKWEIGHTS
#include "quantc/Conversion/Passes.h.inc"

namespace {

/// What goes into the panels of one layer.
struct Panels {
  numerics::PanelLayout layout;
  std::optional<ConstantTensor> weight;
  std::vector<float> scales; // [N, groups], widened without loss
  std::vector<float> bias;   // empty: none
  int64_t inputGroup = 0;
};

/// Reads a constant operand; says why that cannot be, or nothing.
std::string readConstant(StringRef what, Value value,
                         std::optional<ConstantTensor> &result) {
  if (!isConstant(value))
    return llvm::formatv("its {0} comes from {1} and is no constant", what,
                         describeValue(value));
  llvm::Expected<ConstantTensor> constant = ConstantTensor::get(value);
  if (!constant)
    return llvm::formatv("its {0} cannot be read: {1}", what,
                         llvm::toString(constant.takeError()));
  result = std::move(*constant);
  return {};
}

template <typename LayerOp>
std::string readBias(LayerOp layer, Panels &panels) {
  if (!layer.getType().getElementType().isF32())
    return llvm::formatv("its result is {0}, not f32",
                         layer.getType().getElementType());
  if (!layer.getBias())
    return {};
  std::optional<ConstantTensor> bias;
  if (std::string why = readConstant("bias", layer.getBias(), bias);
      !why.empty())
    return why;
  panels.bias = bias->readFloats();
  return {};
}

/// Fills `panels`, or says why the layer is left to the plain way.
std::string prepare(LinearOp linear, Panels &panels) {
  for (auto [what, value] :
       {std::pair<StringRef, Value>("input", linear.getInput()),
        {"weight", linear.getWeight()}}) {
    Type element = cast<RankedTensorType>(value.getType()).getElementType();
    if (!element.isF32())
      return llvm::formatv("its {0} is {1}; float panels hold f32", what,
                           element);
  }
  if (std::string why =
          readConstant("weight", linear.getWeight(), panels.weight);
      !why.empty())
    return why;
  return readBias(linear, panels);
}

/// The block of the input that the kernels can do: a scale a row, whole or in
/// groups, or one scale for all. Fills `group`.
std::string inputGroup(QuantizedLinearOp linear, int64_t &group) {
  RankedTensorType type = linear.getInput().getType();
  ArrayRef<int64_t> block = linear.getInputBlock();
  unsigned last = type.getRank() - 1;
  group = isWhole(type, block, last) ? 0 : block[last];
  bool perRow = true, whole = group == 0;
  for (unsigned d = 0; d < last; ++d) {
    perRow &= isPerIndex(type, block, d);
    whole &= isWhole(type, block, d);
  }
  if (perRow || whole)
    return {};
  return "its input's scales are shared by several rows but not by all";
}

/// Scales [N or 1, groups] as [N, groups].
std::vector<float> expandScales(const ConstantTensor &scale, int64_t n) {
  std::vector<float> values = scale.readFloats();
  int64_t groups = scale.getType().getDimSize(1);
  if (scale.getType().getDimSize(0) == n)
    return values;
  std::vector<float> all;
  all.reserve(n * groups);
  for (int64_t i = 0; i < n; ++i)
    all.insert(all.end(), values.begin(), values.end());
  return all;
}

std::string prepare(QuantizedLinearOp linear, Panels &panels) {
  RankedTensorType weightType = linear.getWeight().getType();
  Type stored = weightType.getElementType();
  if (!linear.getInput().getType().getElementType().isSignedInteger(8) ||
      linear.getInputZeroPoint())
    return "its input is not symmetric si8";
  if (!(stored.isSignedInteger(8) || stored.isSignedInteger(4)) ||
      linear.getWeightZeroPoint())
    return "its weight is not symmetric si8 or si4";
  if (std::string why =
          readConstant("weight", linear.getWeight(), panels.weight);
      !why.empty())
    return why;
  std::optional<ConstantTensor> scale;
  if (std::string why =
          readConstant("weight's scale", linear.getWeightScale(), scale);
      !why.empty())
    return why;
  Type scaleElement = scale->getType().getElementType();
  if (!scaleElement.isF32() && !scaleElement.isF16())
    return llvm::formatv("its weight's scale is {0}; panels hold f32 and f16",
                         scaleElement);

  ArrayRef<int64_t> block = linear.getWeightBlock();
  numerics::PanelLayout &layout = panels.layout;
  layout.format = *getFormat(stored);
  layout.group = isWhole(weightType, block, 1) ? 0 : block[1];
  if (!isPerIndex(weightType, block, 0) && !isWhole(weightType, block, 0))
    return "its weight has blocks of several columns";
  bool nibbles = layout.format == numerics::Format::SI4;
  int64_t grain = nibbles ? 8 : 4;
  if (layout.group % grain != 0)
    return llvm::formatv("its groups of {0} are no multiple of {1}",
                         layout.group, grain);
  if (nibbles && layout.group != 0 && scaleElement.isF16())
    layout.scaleType = numerics::Format::F16;
  if (std::string why = inputGroup(linear, panels.inputGroup); !why.empty())
    return why;
  if (panels.inputGroup != 0 && panels.inputGroup != layout.group)
    return llvm::formatv(
        "its input has groups of {0}, its weight of {1} (0: one group); they "
        "must be equal, or the input must have one",
        panels.inputGroup, layout.group);
  panels.scales = expandScales(*scale, weightType.getDimSize(0));
  return readBias(linear, panels);
}

class PackWeightsPass : public impl::PackWeightsBase<PackWeightsPass> {
public:
  void runOnOperation() override;

private:
  template <typename LayerOp>
  LogicalResult pack(LayerOp layer);
  llvm::Expected<TypedAttr> makePanels(const Panels &panels, StringRef layer);
  qkernel::LinearOp build(LinearOp linear, Value packed, const Panels &panels);
  qkernel::LinearOp build(QuantizedLinearOp linear, Value packed,
                          const Panels &panels);

  bool unsignedWeights = false;
};

} // namespace

/// Writes all panels of a layer into a new constant of bytes.
llvm::Expected<TypedAttr> PackWeightsPass::makePanels(const Panels &panels,
                                                      StringRef layer) {
  const numerics::PanelLayout &layout = panels.layout;
  numerics::PanelSource source;
  source.weights = panels.weight->getBytes().data();
  source.strideN = layout.k;
  source.scales = panels.scales.empty() ? nullptr : panels.scales.data();
  source.bias = panels.bias.empty() ? nullptr : panels.bias.data();
  MLIRContext *context = &getContext();
  auto bytes = IntegerType::get(context, 8, IntegerType::Unsigned);
  return makeConstant(RankedTensorType::get({layout.bytes()}, bytes),
                      entryBaseName(*panels.weight, layer) + "@pack",
                      [&](MutableArrayRef<char> out) {
                        auto *begin = reinterpret_cast<uint8_t *>(out.data());
                        parallelFor(context, 0, layout.panels(), [&](size_t i) {
                          numerics::packPanel(layout, source, i,
                                              begin + i * layout.panelBytes());
                        });
                      });
}

qkernel::LinearOp PackWeightsPass::build(LinearOp linear, Value packed,
                                         const Panels &panels) {
  OpBuilder builder(linear);
  return qkernel::LinearOp::create(
      builder, linear.getLoc(), linear.getType(), linear.getInput(), Value(),
      packed, linear.getEpilogueOperands(), "f32", panels.layout.n,
      panels.layout.k, 0, 0, TypeAttr(), linear.getEpilogue(),
      linear.getNameAttr());
}

qkernel::LinearOp PackWeightsPass::build(QuantizedLinearOp linear, Value packed,
                                         const Panels &panels) {
  OpBuilder builder(linear);
  const numerics::PanelLayout &layout = panels.layout;
  TypeAttr scaleType;
  if (layout.scaleType == numerics::Format::F16)
    scaleType = TypeAttr::get(builder.getF16Type());
  return qkernel::LinearOp::create(
      builder, linear.getLoc(), linear.getType(), linear.getInput(),
      linear.getInputScale(), packed, linear.getEpilogueOperands(),
      numerics::formatName(layout.format), layout.n, layout.k, layout.group,
      panels.inputGroup, scaleType, linear.getEpilogue(), linear.getNameAttr());
}

template <typename LayerOp>
LogicalResult PackWeightsPass::pack(LayerOp layer) {
  Panels panels;
  RankedTensorType weightType = layer.getWeight().getType();
  if (std::string why = prepare(layer, panels); !why.empty()) {
    ++skipped;
    layer.emitRemark() << describeOp(layer)
                       << " is left to the plain way: " << why;
    return success();
  }
  panels.layout.n = weightType.getDimSize(0);
  panels.layout.k = weightType.getDimSize(1);
  panels.layout.unsignedWeights = unsignedWeights;
  llvm::Expected<TypedAttr> packed = makePanels(panels, getLayerName(layer));
  if (!packed)
    return layer.emitError()
           << describeOp(layer) << ": the packed weight cannot be kept: "
           << llvm::toString(packed.takeError());
  ++matched;
  packedBytes += panels.layout.bytes();

  OpBuilder builder(layer);
  Value constant =
      ConstantOp::create(builder, layer.getWeight().getLoc(), *packed);
  SmallVector<Value> read(layer->getOperands());
  layer.getResult().replaceAllUsesWith(
      build(layer, constant, panels).getResult());
  layer->erase();
  for (Value value : llvm::SmallSetVector<Value, 8>(read.begin(), read.end()))
    if (isConstant(value) && value.use_empty())
      value.getDefiningOp()->erase();
  return success();
}

void PackWeightsPass::runOnOperation() {
  ModuleOp module = getOperation();
  auto target = module->getAttrOfType<qkernel::TargetAttr>(
      qkernel::TargetAttr::kAttrName);
  if (!target) {
    module.emitError()
        << "has no '" << qkernel::TargetAttr::kAttrName
        << "' attribute, which says how weights are packed; add one";
    return signalPassFailure();
  }
  unsignedWeights = target.getUnsignedWeights();
  SmallVector<Operation *> layers;
  module.walk([&](Operation *op) {
    if (isa<LinearOp, QuantizedLinearOp>(op))
      layers.push_back(op);
  });
  for (Operation *op : layers) {
    auto linear = dyn_cast<LinearOp>(op);
    if (failed(linear ? pack(linear) : pack(cast<QuantizedLinearOp>(op))))
      return signalPassFailure();
  }
}

} // namespace quantc
