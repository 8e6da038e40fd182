//===- ConvertFakeQuant.cpp - Trained quantization, as integers -----------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Models that were trained to be quantized hold float weights behind a
// QuantizeLinear, and ranges narrower than their type as a Clip of codes. Both
// are brought to what a quantized model has, before the walk, which then sees
// stored weights. No code changes.
//
//===----------------------------------------------------------------------===//

#include "mlir/IR/BuiltinOps.h"
#include "quantc/Analysis/ConstantTensor.h"
#include "quantc/Analysis/Layers.h"
#include "quantc/Dialect/ONNX/ONNXDialect.h"
#include "quantc/Dialect/QGraph/Shapes.h"
#include "quantc/Numerics/Packing.h"
#include "quantc/Numerics/Quantize.h"
#include "quantc/Quantize/Passes.h"

#define DEBUG_TYPE "convert-fake-quant"

using namespace mlir;

namespace quantc::qgraph {
#define GEN_PASS_DEF_CONVERTFAKEQUANT
#include "quantc/Quantize/Passes.h.inc"

namespace {

using onnx_ir::NodeOp;

/// What a value is a name for: exporters write Identity for shared constants.
Value behindIdentity(Value value) {
  while (value) {
    auto node = value.getDefiningOp<NodeOp>();
    if (!node || !node.is("Identity") || !node.getInput(0))
      break;
    value = node.getInput(0);
  }
  return value;
}

/// The constant that a value is; none for other values.
std::optional<ConstantTensor> constantOf(Value value) {
  return readConstant(behindIdentity(value));
}

bool isFloat(const ConstantTensor &constant) {
  return isa<Float32Type, Float16Type, BFloat16Type>(
      constant.getType().getElementType());
}

bool isInteger(const ConstantTensor &constant) {
  auto type = dyn_cast<IntegerType>(constant.getType().getElementType());
  return type && !type.isSignless() && type.getWidth() <= 32;
}

/// What a QuantizeLinear does, as far as it is known at compile time.
struct Quantization {
  numerics::Encoding encoding;
  std::vector<float> scale;
  std::vector<int32_t> zeroPoint; // empty: none
  numerics::Extents shape, block;
};

/// The blocks that ONNX means by the scale's shape, `axis` and `block_size`;
/// why they fit no data of this shape, or empty.
std::string readBlocks(NodeOp node, RankedTensorType scale, Quantization &q) {
  int64_t rank = q.shape.size(), size = node.getIntAttr("block_size", 0);
  q.block.assign(rank, 0);
  if (size == 0 && scale.getNumElements() == 1 && scale.getRank() <= 1)
    return {};
  int64_t axis = node.getIntAttr("axis", 1);
  axis += axis < 0 ? rank : 0;
  if (axis < 0 || axis >= rank)
    return "its axis is out of range";
  if (size == 0) {
    q.block[axis] = 1;
    return scale.getRank() == 1 && scale.getDimSize(0) == q.shape[axis]
               ? ""
               : "its scale does not fit its data";
  }
  q.block.assign(rank, 1);
  q.block[axis] = size;
  return size > 0 && scale.getShape() ==
                         ArrayRef(numerics::scaleShape(q.shape, q.block))
             ? ""
             : "its scale does not fit its data";
}

/// Reads scale and zero point of a QuantizeLinear of data of this shape; why it
/// is not done at compile time, or empty.
std::string readQuantization(NodeOp node, ArrayRef<int64_t> shape,
                             Quantization &q) {
  auto type = dyn_cast<RankedTensorType>(node.getResult(0).getType());
  if (!type || !isStoredType(type.getElementType()))
    return "the type of its result is not known";
  q.encoding.format = *getFormat(type.getElementType());
  q.encoding.saturate = node.getIntAttr("saturate", 1) != 0;
  // TensorProto.DataType.
  int64_t precision = node.getIntAttr("precision", 0);
  q.encoding.precision = precision == 10   ? numerics::Format::F16
                         : precision == 16 ? numerics::Format::BF16
                                           : numerics::Format::F32;
  std::optional<ConstantTensor> scale = constantOf(node.getInput(1));
  if (!scale || !isFloat(*scale))
    return llvm::formatv("its scale comes from {0} and is no constant of "
                         "floats",
                         describeValue(node.getInput(1)));
  q.scale = scale->readFloats();
  q.shape.assign(shape.begin(), shape.end());
  if (std::string why = readBlocks(node, scale->getType(), q); !why.empty())
    return why;
  Value zero = node.getInput(2);
  if (!zero || !numerics::info(q.encoding.format).isInteger)
    return {};
  std::optional<ConstantTensor> zeroPoint = constantOf(zero);
  if (!zeroPoint || !isInteger(*zeroPoint))
    return llvm::formatv("its zero point comes from {0} and is no constant",
                         describeValue(zero));
  q.zeroPoint = zeroPoint->readIntegers();
  return q.zeroPoint.size() == q.scale.size()
             ? ""
             : "its zero point does not fit its scale";
}

class ConvertFakeQuantPass
    : public impl::ConvertFakeQuantBase<ConvertFakeQuantPass> {
public:
  void runOnOperation() override;

private:
  LogicalResult quantizeConstant(NodeOp node);
  LogicalResult clipConstant(NodeOp node);
  void clipBefore(NodeOp node);
  LogicalResult replace(NodeOp node, const ConstantTensor &source,
                        RankedTensorType type, ArrayRef<uint8_t> codes);
};

/// The ends of a Clip of codes; its absent inputs are the ends of the type.
std::optional<std::pair<int64_t, int64_t>> readClip(NodeOp clip) {
  auto type = dyn_cast<RankedTensorType>(clip.getResult(0).getType());
  std::optional<numerics::Format> format =
      type ? getFormat(type.getElementType()) : std::nullopt;
  if (!format || !numerics::info(*format).isInteger)
    return std::nullopt;
  int64_t ends[] = {static_cast<int64_t>(numerics::info(*format).qmin),
                    static_cast<int64_t>(numerics::info(*format).qmax)};
  for (unsigned i : {0, 1}) {
    Value given = clip.getInput(i + 1);
    if (!given)
      continue;
    std::optional<ConstantTensor> end = constantOf(given);
    if (!end || !isInteger(*end) || end->getType().getNumElements() != 1)
      return std::nullopt;
    ends[i] = end->readIntegers().front();
  }
  return std::pair(ends[0], ends[1]);
}

} // namespace

/// Puts a constant of these codes, one in storageBytes, in the place of a node.
LogicalResult ConvertFakeQuantPass::replace(NodeOp node,
                                            const ConstantTensor &source,
                                            RankedTensorType type,
                                            ArrayRef<uint8_t> codes) {
  numerics::Format format = *getFormat(type.getElementType());
  StringRef base = source.getName();
  base.consume_back("@convert-fake-quant");
  std::string name =
      base.empty() ? entryBaseName(source, getLayerName(node)) : base.str();
  llvm::Expected<TypedAttr> made = makeConstant(
      type, name + "@convert-fake-quant", [&](MutableArrayRef<char> bytes) {
        numerics::packCodes(format, codes.data(), type.getNumElements(),
                            reinterpret_cast<uint8_t *>(bytes.data()));
      });
  if (!made)
    return node.emitError()
           << describeOp(node) << ": its codes cannot be kept: "
           << llvm::toString(made.takeError());
  OpBuilder builder(node);
  Value old = node.getInput(0);
  node.getResult(0).replaceAllUsesWith(
      ConstantOp::create(builder, node.getLoc(), *made).getResult());
  node.erase();
  if (old.use_empty() && isConstant(old))
    old.getDefiningOp()->erase();
  return success();
}

/// QuantizeLinear(constant) -> constant of codes.
LogicalResult ConvertFakeQuantPass::quantizeConstant(NodeOp node) {
  std::optional<ConstantTensor> data = constantOf(node.getInput(0));
  if (!data || !isFloat(*data))
    return success();
  Quantization q;
  if (std::string why = readQuantization(node, data->getType().getShape(), q);
      !why.empty()) {
    ++skipped;
    node.emitRemark() << describeOp(node)
                      << " of a constant stays in the model: " << why;
    return success();
  }
  auto element =
      cast<RankedTensorType>(node.getResult(0).getType()).getElementType();
  std::vector<float> real = data->readFloats();
  std::vector<uint8_t> codes(real.size() *
                             numerics::storageBytes(q.encoding.format));
  numerics::ScaleArrays scales{
      q.scale.data(), q.zeroPoint.empty() ? nullptr : q.zeroPoint.data(),
      nullptr};
  numerics::quantize(q.encoding, q.shape, q.block, scales, real.data(),
                     codes.data());
  ++constants;
  return replace(node, *data, data->getType().clone(element), codes);
}

/// Clip(constant of codes) -> constant of codes.
LogicalResult ConvertFakeQuantPass::clipConstant(NodeOp node) {
  std::optional<ConstantTensor> data = constantOf(node.getInput(0));
  if (!data || !isInteger(*data) ||
      data->getType().getElementTypeBitWidth() > 8)
    return success();
  std::optional<std::pair<int64_t, int64_t>> ends = readClip(node);
  if (!ends)
    return success();
  std::vector<uint8_t> codes;
  for (int32_t code : data->readIntegers())
    codes.push_back(static_cast<uint8_t>(
        std::min<int64_t>(std::max<int64_t>(code, ends->first), ends->second)));
  ++clips;
  return replace(node, *data, data->getType(), codes);
}

/// Clip(QuantizeLinear(x, s, z), lo, hi)
///   -> QuantizeLinear(Clip(x, s (lo - z), s (hi - z)), s, z)
///
/// Rounding is monotonic and the new ends have the codes lo and hi, so no code
/// of a number changes.
void ConvertFakeQuantPass::clipBefore(NodeOp clip) {
  auto quantize =
      clip.getInput(0) ? clip.getInput(0).getDefiningOp<NodeOp>() : NodeOp();
  if (!quantize || !quantize.is("QuantizeLinear") || !quantize->hasOneUse())
    return;
  auto type = dyn_cast<RankedTensorType>(quantize.getInput(0).getType());
  std::optional<std::pair<int64_t, int64_t>> ends = readClip(clip);
  Quantization q;
  if (!type || !type.getElementType().isF32() || !ends ||
      !readQuantization(quantize, type.getShape(), q).empty() ||
      q.scale.size() != 1 || !(q.scale.front() > 0) ||
      ends->first > ends->second)
    return;
  OpBuilder builder(quantize);
  Location loc = clip.getLoc();
  int64_t zero = q.zeroPoint.empty() ? 0 : q.zeroPoint.front();
  auto scalar = [&](int64_t code) -> Value {
    float value = q.scale.front() * static_cast<float>(code - zero);
    return ConstantOp::create(
        builder, loc,
        DenseElementsAttr::get(RankedTensorType::get({}, builder.getF32Type()),
                               value));
  };
  auto clipped = NodeOp::create(
      builder, loc, TypeRange(type),
      ValueRange{quantize.getInput(0), scalar(ends->first),
                 scalar(ends->second)},
      /*dims=*/ValueRange(), "Clip", /*domain=*/"", clip.getVersion(),
      builder.getDictionaryAttr({}), clip.getNameAttr(),
      /*subgraph_names=*/ArrayAttr(), /*subgraphsCount=*/0);
  quantize->setOperand(0, clipped.getResult(0));
  clip.getResult(0).replaceAllUsesWith(quantize.getResult(0));
  clip.erase();
  ++clips;
}

void ConvertFakeQuantPass::runOnOperation() {
  SmallVector<NodeOp> nodes;
  getOperation().walk([&](NodeOp node) {
    if (node.is("QuantizeLinear") || node.is("Clip"))
      nodes.push_back(node);
  });
  for (NodeOp node : nodes) {
    LogicalResult done = success();
    if (node.is("QuantizeLinear"))
      done = quantizeConstant(node);
    else if (constantOf(node.getInput(0)))
      done = clipConstant(node);
    else
      clipBefore(node);
    if (failed(done))
      return signalPassFailure();
  }
}

} // namespace quantc::qgraph
