//===- PackConvolutions.cpp - Weights of convolutions -----------*- C++ -*-===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// conv and quantized_conv with constant weights become qkernel.conv. The panels
// are those of a linear layer over K = (taps, channels), one group after the
// other; integers have each run of K padded to whole words. A quantized_linear
// over the pixels of an image is a convolution with one tap.
//
//===----------------------------------------------------------------------===//

#include "PackWeights.h"
#include "mlir/IR/Threading.h"
#include "quantc/Analysis/Layers.h"
#include "quantc/Dialect/QGraph/Shapes.h"
#include "quantc/Dialect/QKernel/QKernelDialect.h"
#include "quantc/Numerics/PackPanels.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace quantc::qgraph;

namespace quantc {
namespace {

/// What goes into the panels of one layer: weights [O, K], K with the padding
/// of its runs; scales and biases by column.
struct Packing {
  std::optional<ConstantTensor> weight;
  std::vector<float> floats;
  std::vector<int8_t> bytes;
  std::vector<float> scales, bias;
};

std::string readConvBias(LayerOpInterface layer, Packing &packing) {
  auto input = cast<RankedTensorType>(layer.getInput().getType());
  if (input.isDynamicDim(input.getRank() - 1))
    return "the channels of its input are dynamic";
  return readBias(layer, /*sums=*/false, packing.bias);
}

/// Reads what is constant of a layer, or says why it is left to the plain way.
std::string prepare(ConvOp conv, Packing &packing) {
  if (std::string why = readFloatWeight(conv, packing.weight); !why.empty())
    return why;
  packing.floats = packing.weight->readFloats();
  return readConvBias(conv, packing);
}

template <typename OpT>
std::string prepareStored(OpT conv, Packing &packing) {
  RankedTensorType weightType = conv.getWeight().getType();
  Type stored = weightType.getElementType();
  Type input = conv.getInput().getType().getElementType();
  if (!input.isSignedInteger(8) && !input.isUnsignedInteger(8))
    return llvm::formatv("its input is {0}; the kernels take si8 and ui8",
                         input);
  if (stored.getIntOrFloatBitWidth() > 8)
    return llvm::formatv("its weight is {0}; panels hold up to 8 bits", stored);
  if (std::string why =
          readConstant("weight", conv.getWeight(), packing.weight);
      !why.empty())
    return why;
  std::optional<ConstantTensor> scale, zeroPoint;
  if (std::string why =
          readConstant("weight's scale", conv.getWeightScale(), scale);
      !why.empty())
    return why;
  int64_t columns = weightType.getDimSize(0);
  std::vector<int32_t> zeros(columns, 0);
  if (Value given = conv.getWeightZeroPoint()) {
    if (std::string why = readConstant("weight's zero point", given, zeroPoint);
        !why.empty())
      return why;
    zeros = zeroPoint->readIntegers();
    zeros.resize(columns, zeros.front());
  }
  std::vector<int32_t> codes = packing.weight->readIntegers();
  int64_t length = codes.size() / columns;
  packing.bytes.resize(codes.size());
  for (size_t i = 0; i < codes.size(); ++i) {
    int32_t value = codes[i] - zeros[i / length];
    if (value < -128 || value > 127)
      return "its weights less their zero points do not fit 8 bits";
    packing.bytes[i] = static_cast<int8_t>(value);
  }
  packing.scales = scale->readFloats();
  packing.scales.resize(columns, packing.scales.front());
  return readConvBias(conv, packing);
}

std::string prepare(QuantizedConvOp conv, Packing &packing) {
  return prepareStored(conv, packing);
}
std::string prepare(QuantizedLinearOp linear, Packing &packing) {
  return prepareStored(linear, packing);
}

/// The op that reads `packed`.
qkernel::ConvOp build(OpBuilder &builder, ConvOp conv, Value packed) {
  RankedTensorType weight = conv.getWeight().getType();
  return qkernel::ConvOp::create(
      builder, conv.getLoc(), conv.getType(), conv.getInput(), Value(), Value(),
      packed, conv.getEpilogueOperands(), conv.getDims(), "f32",
      weight.getDimSize(0), weight.getShape().drop_front().drop_back(),
      conv.getStrides(), conv.getDilations(), conv.getPads(), conv.getGroups(),
      conv.getEpilogue(), conv.getNameAttr());
}

qkernel::ConvOp build(OpBuilder &builder, QuantizedConvOp conv, Value packed) {
  RankedTensorType weight = conv.getWeight().getType();
  return qkernel::ConvOp::create(
      builder, conv.getLoc(), conv.getType(), conv.getInput(),
      conv.getInputScale(), conv.getInputZeroPoint(), packed,
      conv.getEpilogueOperands(), conv.getDims(), "si8", weight.getDimSize(0),
      weight.getShape().drop_front().drop_back(), conv.getStrides(),
      conv.getDilations(), conv.getPads(), conv.getGroups(), conv.getEpilogue(),
      conv.getNameAttr());
}

qkernel::ConvOp build(OpBuilder &builder, QuantizedLinearOp linear,
                      Value packed) {
  SmallVector<int64_t> ones(linear.getType().getRank() - 2, 1),
      zeros(2 * ones.size(), 0);
  return qkernel::ConvOp::create(
      builder, linear.getLoc(), linear.getType(), linear.getInput(),
      linear.getInputScale(), linear.getInputZeroPoint(), packed,
      linear.getEpilogueOperands(), ValueRange(), "si8",
      linear.getWeight().getType().getDimSize(0), ones, ones, ones, zeros, 1,
      linear.getEpilogue(), linear.getNameAttr());
}

/// Pads the runs of K; `length` is that of one run.
std::vector<int8_t> padRuns(ArrayRef<int8_t> bytes, int64_t length) {
  int64_t padded = llvm::alignTo(length, 4);
  std::vector<int8_t> result(bytes.size() / length * padded, 0);
  for (size_t run = 0; run < bytes.size() / length; ++run)
    llvm::copy(bytes.slice(run * length, length),
               result.begin() + run * padded);
  return result;
}

template <typename OpT>
FailureOr<int64_t> pack(OpT layer) {
  Packing packing;
  auto skip = [&](StringRef why) {
    layer.emitRemark() << describeOp(layer)
                       << " is left to the plain way: " << why;
    return 0;
  };
  if (std::string why = prepare(layer, packing); !why.empty())
    return skip(why);

  // The packed op says what its panels are; it gets them afterwards.
  OpBuilder builder(layer);
  MLIRContext *context = layer.getContext();
  auto byte = IntegerType::get(context, 8, IntegerType::Unsigned);
  qkernel::ConvOp packed = build(builder, layer, layer.getWeight());
  numerics::PanelLayout layout = packed.getPanelLayout();
  int64_t groups = packed.isDepthwise() ? 1 : packed.getGroups();
  if (packed.isDepthwise() &&
      !llvm::all_of(packing.floats, [](float w) { return std::isfinite(w); })) {
    packed.erase();
    return skip("it is depthwise, and not all of its weights are finite");
  }
  if (!packed.isDepthwise() && !packing.bytes.empty())
    packing.bytes = padRuns(packing.bytes, packed.getRunLength());

  int64_t groupPanels = layout.panels();
  llvm::Expected<TypedAttr> panels = makeConstant(
      RankedTensorType::get({groups * layout.bytes()}, byte),
      entryBaseName(*packing.weight, getLayerName(layer)) + "@pack",
      [&](MutableArrayRef<char> out) {
        auto *begin = reinterpret_cast<uint8_t *>(out.data());
        parallelFor(context, 0, groups * groupPanels, [&](size_t i) {
          int64_t first = i / groupPanels * layout.n;
          numerics::PanelSource source;
          source.weights =
              packing.bytes.empty()
                  ? static_cast<const void *>(&packing.floats[first * layout.k])
                  : &packing.bytes[first * layout.k];
          source.strideN = layout.k;
          source.scales =
              packing.scales.empty() ? nullptr : &packing.scales[first];
          source.bias = packing.bias.empty() ? nullptr : &packing.bias[first];
          numerics::packPanel(layout, source, i % groupPanels,
                              begin + i * layout.panelBytes());
        });
      });
  if (!panels) {
    packed.erase();
    return layer.emitError()
           << describeOp(layer) << ": the packed weight cannot be kept: "
           << llvm::toString(panels.takeError());
  }
  builder.setInsertionPoint(packed);
  packed.getPackedMutable().assign(
      ConstantOp::create(builder, layer.getWeight().getLoc(), *panels));
  SmallVector<Value> read(layer->getOperands());
  layer.getResult().replaceAllUsesWith(packed.getResult());
  layer->erase();
  eraseUnread(read);
  return groups * layout.bytes();
}

} // namespace

bool isPixelwise(QuantizedLinearOp linear) {
  RankedTensorType input = linear.getInput().getType();
  RankedTensorType weight = linear.getWeight().getType();
  if (input.getRank() < 3 || input.getRank() > 5 ||
      llvm::any_of(input.getShape().drop_front(), ShapedType::isDynamic) ||
      input.getElementTypeBitWidth() != 8 || linear.getWeightZeroPoint() ||
      !weight.getElementType().isSignedInteger(8))
    return false;
  for (int64_t d = 0; d < input.getRank(); ++d)
    if (!isWhole(input, linear.getInputBlock(), d))
      return false;
  Type result = linear.getType().getElementType();
  return linear.getWeightBlock()[0] <= 1 &&
         isWhole(weight, linear.getWeightBlock(), 1) &&
         (result.isF32() || quantizeStep(linear.getEpilogue()));
}

FailureOr<int64_t> packConvolution(Operation *layer) {
  if (auto conv = dyn_cast<ConvOp>(layer))
    return pack(conv);
  if (auto linear = dyn_cast<QuantizedLinearOp>(layer))
    return pack(linear);
  return pack(cast<QuantizedConvOp>(layer));
}

} // namespace quantc
