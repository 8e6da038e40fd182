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

#include "PackWeights.h"
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

std::string readFloatWeight(LayerOpInterface layer,
                            std::optional<ConstantTensor> &weight) {
  for (auto [what, value] :
       {std::pair<StringRef, Value>("input", layer.getInput()),
        {"weight", layer.getWeight()}}) {
    Type element = cast<RankedTensorType>(value.getType()).getElementType();
    if (!element.isF32())
      return llvm::formatv("its {0} is {1}; float panels hold f32", what,
                           element);
  }
  return readConstant("weight", layer.getWeight(), weight);
}

std::string readBias(LayerOpInterface layer, bool sums,
                     std::vector<float> &bias) {
  Type element =
      cast<RankedTensorType>(layer.getResult().getType()).getElementType();
  if (!element.isF32() && !(sums && element.isSignedInteger(32)) &&
      !quantizeStep(layer.getEpilogue()))
    return llvm::formatv("its result is {0}, not f32", element);
  if (!layer.getBias())
    return {};
  std::optional<ConstantTensor> constant;
  if (std::string why = readConstant("bias", layer.getBias(), constant);
      !why.empty())
    return why;
  bias = constant->readFloats();
  return {};
}

void eraseUnread(ArrayRef<Value> values) {
  for (Value value :
       llvm::SmallSetVector<Value, 8>(values.begin(), values.end()))
    if (value.use_empty() && isConstant(value)) {
      value.getDefiningOp()->erase();
    } else if (auto op = value.use_empty() ? value.getDefiningOp<DequantizeOp>()
                                           : DequantizeOp()) {
      SmallVector<Value> read(op->getOperands());
      op->erase();
      eraseUnread(read);
    }
}

namespace {

/// What goes into the panels of one layer.
struct Panels {
  numerics::PanelLayout layout;
  std::optional<ConstantTensor> weight;
  std::vector<float> scales;       // [N, groups], widened without loss
  std::vector<int32_t> zeroPoints; // [N, groups]; empty: none
  std::vector<float> offsets;      // [N, groups]; empty: none
  std::vector<float> codebook;     // empty: none
  std::vector<float> bias;         // empty: none
  int64_t inputGroup = 0;
};

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

/// Scales or zero points [ceil(N / sharing), groups], each for `sharing` rows
/// (0: all), as [N, groups].
template <typename T>
std::vector<T> expandColumns(std::vector<T> values, RankedTensorType type,
                             int64_t n, int64_t sharing) {
  int64_t groups = type.getDimSize(1);
  if (type.getDimSize(0) == n)
    return values;
  std::vector<T> all;
  all.reserve(n * groups);
  for (int64_t i = 0; i < n; ++i) {
    auto row = values.begin() + (sharing ? i / sharing : 0) * groups;
    all.insert(all.end(), row, row + groups);
  }
  return all;
}

/// Decides how integers of `stored` with these zero points are held: as what
/// remains after subtracting them where that fits 4 or 8 bits, else with the
/// zero points beside them.
void chooseLayout(numerics::Format stored, ArrayRef<int32_t> zeroPoints,
                  numerics::PanelLayout &layout) {
  const numerics::FormatInfo &row = numerics::info(stored);
  int32_t least = 0, most = 0;
  if (!zeroPoints.empty()) {
    least = *llvm::min_element(zeroPoints);
    most = *llvm::max_element(zeroPoints);
  }
  auto fits = [&](int bits) {
    return row.qmin - most >= -(1 << (bits - 1)) &&
           row.qmax - least < (1 << (bits - 1));
  };
  bool nibbles = row.bits <= 4 && layout.group % 8 == 0;
  layout.format = nibbles ? numerics::Format::SI4 : numerics::Format::SI8;
  layout.zeroPoints = !fits(nibbles ? 4 : 8);
}

/// How the codes of a codebook or of floats are held: as they are.
numerics::Format heldCodes(numerics::Format stored) {
  return numerics::info(stored).isInteger ? numerics::Format::UI4 : stored;
}

/// Why panels cannot hold a weight [N, K] with scales of `scaleType` in these
/// blocks, or empty. `codes`: they are no integers.
std::string whyNoPanels(RankedTensorType weight, Type scaleType,
                        ArrayRef<int64_t> block, bool codes = false) {
  std::optional<numerics::Format> stored = getFormat(weight.getElementType());
  numerics::PanelLayout held;
  if (stored && codes)
    held.format = heldCodes(*stored);
  unsigned most = !codes ? 8 : held.format == numerics::Format::UI4 ? 4 : 16;
  if (!stored || weight.getElementTypeBitWidth() > most)
    return llvm::formatv("its weight is {0}; panels hold up to {1} bits",
                         weight.getElementType(), most);
  if (!codes && !isa<Float32Type, Float16Type, BFloat16Type>(scaleType))
    return llvm::formatv(
        "its weight's scale is {0}; panels take f32, f16 and bf16", scaleType);
  int64_t grain = codes ? held.grain() : 4;
  if (!isWhole(weight, block, 1) && block[1] % grain != 0)
    return llvm::formatv("its groups of {0} are no multiple of {1}", block[1],
                         grain);
  return {};
}

/// Reads a stored weight and what belongs to it.
std::string readStored(Value weight, Value scale, Value zeroPoint,
                       ArrayRef<int64_t> block, Panels &panels,
                       bool codes = false) {
  auto type = cast<RankedTensorType>(weight.getType());
  Type scaleType = cast<RankedTensorType>(scale.getType()).getElementType();
  if (std::string why = whyNoPanels(type, scaleType, block, codes);
      !why.empty())
    return why;
  if (std::string why = readConstant("weight", weight, panels.weight);
      !why.empty())
    return why;
  std::optional<ConstantTensor> scales, zeroPoints;
  if (std::string why = readConstant("weight's scale", scale, scales);
      !why.empty())
    return why;
  int64_t n = type.getDimSize(0);
  if (zeroPoint) {
    if (std::string why =
            readConstant("weight's zero point", zeroPoint, zeroPoints);
        !why.empty())
      return why;
    panels.zeroPoints = expandColumns(zeroPoints->readIntegers(),
                                      zeroPoints->getType(), n, block[0]);
  }
  panels.scales =
      expandColumns(scales->readFloats(), scales->getType(), n, block[0]);
  numerics::PanelLayout &layout = panels.layout;
  layout.group = isWhole(type, block, 1) ? 0 : block[1];
  numerics::Format stored = *getFormat(type.getElementType());
  if (codes)
    layout.format = heldCodes(stored);
  else
    chooseLayout(stored, panels.zeroPoints, layout);
  if (layout.group != 0 && scaleType.isF16())
    layout.scaleType = numerics::Format::F16;
  return {};
}

/// Whether a weight's codes are no integers to calculate with.
bool hasCodes(DequantizeOp op) {
  return op.getCodebook() ||
         !isa<IntegerType>(op.getInput().getType().getElementType());
}

/// The dequantized constant that is a layer's weight, if panels can hold it as
/// it is stored.
DequantizeOp storedWeight(LinearOp linear) {
  auto op = linear.getWeight().getDefiningOp<DequantizeOp>();
  if (!op || !llvm::all_of(op->getOperands(), isConstant) ||
      op.getPrecision() || !op.getType().getElementType().isF32() ||
      !linear.getInput().getType().getElementType().isF32() ||
      !whyNoPanels(op.getInput().getType(),
                   op.getScale().getType().getElementType(), op.getBlock(),
                   hasCodes(op))
           .empty())
    return {};
  return op;
}

/// Reads what only weights beside float inputs have.
std::string readDecoding(DequantizeOp op, Panels &panels) {
  if (op.getOffset()) {
    std::optional<ConstantTensor> offsets;
    if (std::string why =
            readConstant("weight's offset", op.getOffset(), offsets);
        !why.empty())
      return why;
    panels.layout.offsets = true;
    // They are held in the type of the scales.
    if (!offsets->getType().getElementType().isF16())
      panels.layout.scaleType = numerics::Format::F32;
    panels.offsets = expandColumns(
        offsets->readFloats(), offsets->getType(),
        cast<RankedTensorType>(op.getType()).getDimSize(0), op.getBlock()[0]);
  }
  if (op.getCodebook()) {
    std::optional<ConstantTensor> book;
    if (std::string why =
            readConstant("weight's codebook", op.getCodebook(), book);
        !why.empty())
      return why;
    panels.codebook = book->readFloats();
    if (panels.codebook.empty())
      return "its weight's codebook is empty";
    // A code past the end is the last one.
    panels.codebook.resize(16, panels.codebook.back());
  }
  return {};
}

/// Fills `panels`, or says why the layer is left to the plain way.
std::string prepare(LinearOp linear, Panels &panels) {
  if (DequantizeOp stored = storedWeight(linear)) {
    if (std::string why = readStored(stored.getInput(), stored.getScale(),
                                     stored.getZeroPoint(), stored.getBlock(),
                                     panels, hasCodes(stored));
        !why.empty())
      return why;
    if (std::string why = readDecoding(stored, panels); !why.empty())
      return why;
    return readBias(linear, /*sums=*/true, panels.bias);
  }
  if (std::string why = readFloatWeight(linear, panels.weight); !why.empty())
    return why;
  return readBias(linear, /*sums=*/true, panels.bias);
}

std::string prepare(QuantizedLinearOp linear, Panels &panels) {
  Type input = linear.getInput().getType().getElementType();
  if (!input.isSignedInteger(8) && !input.isUnsignedInteger(8))
    return llvm::formatv("its input is {0}; the kernels take si8 and ui8",
                         input);
  if (std::string why = readStored(linear.getWeight(), linear.getWeightScale(),
                                   linear.getWeightZeroPoint(),
                                   linear.getWeightBlock(), panels);
      !why.empty())
    return why;
  numerics::PanelLayout &layout = panels.layout;
  layout.columnSums = linear.getInputZeroPoint() || input.isUnsignedInteger(8);
  if (std::string why = inputGroup(linear, panels.inputGroup); !why.empty())
    return why;
  if (panels.inputGroup != 0 && panels.inputGroup != layout.group)
    return llvm::formatv(
        "its input has groups of {0}, its weight of {1} (0: one group); they "
        "must be equal, or the input must have one",
        panels.inputGroup, layout.group);
  return readBias(linear, /*sums=*/true, panels.bias);
}

class PackWeightsPass : public impl::PackWeightsBase<PackWeightsPass> {
public:
  void runOnOperation() override;

private:
  LogicalResult evaluate(DequantizeOp op);
  template <typename LayerOp>
  LogicalResult pack(LayerOp layer);
  llvm::Expected<TypedAttr> makePanels(const Panels &panels, StringRef layer);
  template <typename LayerOp>
  qkernel::LinearOp build(LayerOp linear, Value packed, const Panels &panels);

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
  source.codes = getFormat(panels.weight->getType().getElementType());
  source.zeroPoints =
      panels.zeroPoints.empty() ? nullptr : panels.zeroPoints.data();
  source.offsets = panels.offsets.empty() ? nullptr : panels.offsets.data();
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

/// What a layer becomes; the input's scale and zero point are null for a float
/// input.
template <typename LayerOp>
qkernel::LinearOp PackWeightsPass::build(LayerOp linear, Value packed,
                                         const Panels &panels) {
  OpBuilder builder(linear);
  const numerics::PanelLayout &layout = panels.layout;
  TypeAttr scaleType;
  if (layout.scaleType == numerics::Format::F16)
    scaleType = TypeAttr::get(builder.getF16Type());
  DenseF32ArrayAttr codebook;
  if (!panels.codebook.empty())
    codebook = builder.getDenseF32ArrayAttr(panels.codebook);
  Value scale, zeroPoint;
  if constexpr (std::is_same_v<LayerOp, QuantizedLinearOp>) {
    scale = linear.getInputScale();
    zeroPoint = linear.getInputZeroPoint();
  }
  return qkernel::LinearOp::create(
      builder, linear.getLoc(), linear.getType(), linear.getInput(), scale,
      zeroPoint, packed, linear.getEpilogueOperands(),
      numerics::formatName(layout.format), layout.n, layout.k, layout.group,
      panels.inputGroup, scaleType, layout.zeroPoints, layout.columnSums,
      layout.offsets, codebook, linear.getEpilogue(), linear.getNameAttr());
}

/// True if `op` makes scales or offsets of linear weights and nothing else.
static bool makesScales(DequantizeOp op) {
  return llvm::all_of(op->getUses(), [](OpOperand &use) {
    if (auto linear = dyn_cast<QuantizedLinearOp>(use.getOwner()))
      return use.get() == linear.getWeightScale();
    auto weight = dyn_cast<DequantizeOp>(use.getOwner());
    return weight && use.get() != weight.getInput() &&
           llvm::all_of(weight->getUsers(), llvm::IsaPred<LinearOp>);
  });
}

/// What scales stand for that are stored themselves: in f16 where that holds
/// all of them, as it does those of K-quants (Numerics/SuperBlocks.h).
static llvm::Expected<TypedAttr> evaluateScales(DequantizeOp op,
                                                StringRef layer) {
  llvm::Expected<std::vector<float>> values = dequantizedFloats(op);
  if (!values)
    return values.takeError();
  auto isHalf = [](float x) {
    return numerics::f16ToF32(numerics::f32ToF16(x)) == x;
  };
  std::optional<ConstantTensor> stored = readConstant(op.getInput());
  if (!stored || !llvm::all_of(*values, isHalf))
    return dequantizeConstant(op, layer);
  Type half = Float16Type::get(op.getContext());
  return makeConstant(op.getType().clone(half),
                      entryBaseName(*stored, layer) + "@dequantize",
                      [&](MutableArrayRef<char> bytes) {
                        for (auto [i, x] : llvm::enumerate(*values)) {
                          uint16_t code = numerics::f32ToF16(x);
                          std::memcpy(bytes.data() + 2 * i, &code, 2);
                        }
                      });
}

/// What no layer reads stored is dequantized now, once, instead of in each run.
LogicalResult PackWeightsPass::evaluate(DequantizeOp op) {
  Operation *reader = op->use_empty() ? op : *op->user_begin();
  StringRef layer = getLayerName(reader);
  llvm::Expected<TypedAttr> value = makesScales(op)
                                        ? evaluateScales(op, layer)
                                        : dequantizeConstant(op, layer);
  if (!value)
    return op.emitError() << describeOp(op) << " of constants: "
                          << llvm::toString(value.takeError());
  for (Operation *user : op->getUsers())
    if (auto linear = dyn_cast<LinearOp>(user);
        linear && linear.getWeight() == op.getResult())
      linear.emitRemark() << describeOp(linear) << " has its weight of "
                          << op.getInput().getType().getElementType()
                          << " unpacked to " << op.getType().getElementType()
                          << " at compile time: panels cannot hold it";
  OpBuilder builder(op);
  op.replaceAllUsesWith(
      ConstantOp::create(builder, op.getLoc(), *value).getResult());
  SmallVector<Value> read(op->getOperands());
  op->erase();
  eraseUnread(read);
  ++evaluated;
  return success();
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
  eraseUnread(read);
  return success();
}

/// A constant weight of 16 bits beside an input of f32, as one that is stored
/// so and dequantized by 1, which panels can hold.
static void storeHalves(LinearOp linear) {
  auto type = linear.getWeight().getType();
  Type element = type.getElementType();
  if (!linear.getInput().getType().getElementType().isF32() ||
      !(element.isF16() || element.isBF16()) || !isConstant(linear.getWeight()))
    return;
  OpBuilder builder(linear);
  Type real = builder.getF32Type();
  auto one = DenseElementsAttr::get(RankedTensorType::get({1, 1}, real), 1.0f);
  Value scale = ConstantOp::create(builder, linear.getLoc(), one);
  linear.getWeightMutable().assign(DequantizeOp::create(
      builder, linear.getLoc(), type.clone(real), linear.getWeight(), scale,
      Value(), Value(), Value(), ArrayRef<int64_t>{0, 0}, TypeAttr()));
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
  module.walk(storeHalves);
  // In their order: the scales of one may be the result of another.
  SmallVector<DequantizeOp> stored;
  module.walk([&](DequantizeOp op) { stored.push_back(op); });
  for (DequantizeOp op : stored) {
    bool packs = llvm::all_of(op->getUsers(), [&](Operation *user) {
      auto linear = dyn_cast<LinearOp>(user);
      return linear && storedWeight(linear) == op;
    });
    if (!packs && llvm::all_of(op->getOperands(), isConstant) &&
        failed(evaluate(op)))
      return signalPassFailure();
  }
  SmallVector<Operation *> layers;
  module.walk([&](Operation *op) {
    if (isa<LayerOpInterface>(op))
      layers.push_back(op);
  });
  for (Operation *op : layers) {
    auto quantized = dyn_cast<QuantizedLinearOp>(op);
    if (isa<ConvOp, QuantizedConvOp>(op) ||
        (quantized && isPixelwise(quantized))) {
      FailureOr<int64_t> bytes = packConvolution(op);
      if (failed(bytes))
        return signalPassFailure();
      ++(*bytes ? matched : skipped);
      packedBytes += *bytes;
      continue;
    }
    auto linear = dyn_cast<LinearOp>(op);
    if (failed(linear ? pack(linear) : pack(cast<QuantizedLinearOp>(op))))
      return signalPassFailure();
  }
}

} // namespace quantc
