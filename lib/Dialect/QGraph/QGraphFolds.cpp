//===- QGraphFolds.cpp - Folds of qgraph ------------------------*- C++ -*-===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// dequantize(quantize(x)) is not folded: it is what rounding to the stored type
// means. Only small dense constants are computed here; weights are the business
// of the quantization passes.
//
//===----------------------------------------------------------------------===//

#include "quantc/Dialect/QGraph/QGraphDialect.h"
#include "quantc/Dialect/QGraph/Shapes.h"
#include "quantc/Numerics/Quantize.h"

using namespace mlir;
using namespace quantc;
using namespace quantc::qgraph;

/// Constants up to this many elements are dense, and folded.
static constexpr int64_t kFoldedElements = 64;

OpFoldResult ConstantOp::fold(FoldAdaptor) { return getValue(); }

//===----------------------------------------------------------------------===//
// Blocks: one that covers its dimension becomes 0
//===----------------------------------------------------------------------===//

/// The canonical form of `block`, or null if it has it. A dimension of 0 keeps
/// its block: there a block of 0 has one scale and any other none.
static DenseI64ArrayAttr canonicalBlock(Value tensor, DenseI64ArrayAttr block) {
  SmallVector<int64_t> sizes(block.asArrayRef());
  for (auto [size, extent] : llvm::zip_equal(
           sizes, cast<RankedTensorType>(tensor.getType()).getShape()))
    if (!ShapedType::isDynamic(extent) && extent > 0 && size >= extent)
      size = 0;
  if (block.asArrayRef() == ArrayRef<int64_t>(sizes))
    return {};
  return DenseI64ArrayAttr::get(block.getContext(), sizes);
}

LogicalResult ChooseParamsOp::fold(FoldAdaptor,
                                   SmallVectorImpl<OpFoldResult> &) {
  DenseI64ArrayAttr block = canonicalBlock(getInput(), getBlockAttr());
  if (block)
    setBlockAttr(block);
  return success(bool(block));
}

template <typename OpT>
static OpFoldResult foldBlocks(OpT op) {
  DenseI64ArrayAttr input =
      canonicalBlock(op.getInput(), op.getInputBlockAttr());
  DenseI64ArrayAttr weight =
      canonicalBlock(op.getWeight(), op.getWeightBlockAttr());
  if (input)
    op.setInputBlockAttr(input);
  if (weight)
    op.setWeightBlockAttr(weight);
  return input || weight ? op.getResult() : OpFoldResult();
}

OpFoldResult QuantizedLinearOp::fold(FoldAdaptor) { return foldBlocks(*this); }
OpFoldResult QuantizedConvOp::fold(FoldAdaptor) { return foldBlocks(*this); }

//===----------------------------------------------------------------------===//
// Values of small constants
//===----------------------------------------------------------------------===//

static DenseElementsAttr smallDense(Attribute attr) {
  auto dense = dyn_cast_or_null<DenseElementsAttr>(attr);
  return dense && dense.getNumElements() <= kFoldedElements
             ? dense
             : DenseElementsAttr();
}

static std::vector<float> realsOf(DenseElementsAttr dense) {
  std::vector<float> values;
  for (APFloat value : dense.getValues<APFloat>()) {
    bool exact;
    value.convert(APFloat::IEEEsingle(), APFloat::rmNearestTiesToEven, &exact);
    values.push_back(value.convertToFloat());
  }
  return values;
}

/// The codes of a dense constant of integers or floats.
static SmallVector<APInt> codesOf(DenseElementsAttr dense) {
  if (isa<IntegerType>(dense.getElementType()))
    return llvm::to_vector(dense.getValues<APInt>());
  SmallVector<APInt> codes;
  for (APFloat value : dense.getValues<APFloat>())
    codes.push_back(value.bitcastToAPInt());
  return codes;
}

/// A dense constant of these codes (of integers or floats).
static DenseElementsAttr denseOf(RankedTensorType type, ArrayRef<APInt> codes) {
  auto real = dyn_cast<FloatType>(type.getElementType());
  if (!real)
    return DenseElementsAttr::get(type, codes);
  SmallVector<APFloat> values;
  for (const APInt &code : codes)
    values.emplace_back(real.getFloatSemantics(), code);
  return DenseElementsAttr::get(type, values);
}

namespace {
/// The constant operands of a `quantize` or `dequantize`, for Numerics.
struct ConstantQuantization {
  numerics::Codebook codebook;
  numerics::Encoding encoding;
  std::vector<float> scale, offset;
  std::vector<int32_t> zeroPoint;
  numerics::Extents shape, block;

  numerics::ScaleArrays arrays() const {
    return {scale.data(), zeroPoint.empty() ? nullptr : zeroPoint.data(),
            offset.empty() ? nullptr : offset.data()};
  }
};
} // namespace

/// Fills `constants`; false if an operand is not a small constant.
template <typename OpT, typename Adaptor>
static bool gather(OpT op, Adaptor adaptor, Type stored,
                   ConstantQuantization &constants) {
  auto type = cast<RankedTensorType>(op.getInput().getType());
  if (!type.hasStaticShape())
    return false;
  constants.shape = type.getShape().vec();
  constants.block = op.getBlock().vec();
  DenseElementsAttr scale = smallDense(adaptor.getScale());
  DenseElementsAttr zeroPoint = smallDense(adaptor.getZeroPoint());
  DenseElementsAttr offset = smallDense(adaptor.getOffset());
  auto codebook = dyn_cast_or_null<DenseElementsAttr>(adaptor.getCodebook());
  if (!scale || (op.getZeroPoint() && !zeroPoint) ||
      (op.getOffset() && !offset) ||
      (op.getCodebook() && (!codebook || codebook.empty())))
    return false;
  constants.encoding.format = *getFormat(stored);
  constants.scale = realsOf(scale);
  if (offset)
    constants.offset = realsOf(offset);
  if (zeroPoint)
    for (APInt value : zeroPoint.getValues<APInt>())
      constants.zeroPoint.push_back(static_cast<int32_t>(
          stored.isUnsignedInteger() ? value.getZExtValue()
                                     : value.getSExtValue()));
  if (codebook) {
    constants.codebook.values = realsOf(codebook);
    // Numerics wants a value for every code; the lowest of equal ones is taken.
    constants.codebook.values.resize(size_t(1)
                                         << stored.getIntOrFloatBitWidth(),
                                     constants.codebook.values.back());
    constants.encoding.codebook = &constants.codebook;
  }
  if (op.getPrecision())
    constants.encoding.precision = *getFormat(*op.getPrecision());
  return true;
}

OpFoldResult QuantizeOp::fold(FoldAdaptor adaptor) {
  if (DenseI64ArrayAttr block = canonicalBlock(getInput(), getBlockAttr())) {
    setBlockAttr(block);
    return getResult();
  }
  auto type = cast<RankedTensorType>(getType());
  DenseElementsAttr input = smallDense(adaptor.getInput());
  ConstantQuantization constants;
  if (!input || !gather(*this, adaptor, type.getElementType(), constants))
    return {};
  numerics::Encoding &encoding = constants.encoding;
  encoding.saturate = getSaturate();
  std::vector<float> real = realsOf(input);
  unsigned bytes = numerics::storageBytes(encoding.format);
  std::vector<uint8_t> stored(real.size() * bytes);
  numerics::quantize(encoding, constants.shape, constants.block,
                     constants.arrays(), real.data(), stored.data());
  unsigned width = type.getElementTypeBitWidth();
  SmallVector<APInt> codes;
  for (size_t i = 0; i < real.size(); ++i) {
    uint32_t code = 0;
    std::memcpy(&code, &stored[i * bytes], bytes);
    codes.push_back(APInt(32, code).trunc(width));
  }
  return denseOf(type, codes);
}

OpFoldResult DequantizeOp::fold(FoldAdaptor adaptor) {
  if (DenseI64ArrayAttr block = canonicalBlock(getInput(), getBlockAttr())) {
    setBlockAttr(block);
    return getResult();
  }
  auto inputType = cast<RankedTensorType>(getInput().getType());
  DenseElementsAttr input = smallDense(adaptor.getInput());
  ConstantQuantization constants;
  if (!input || !gather(*this, adaptor, inputType.getElementType(), constants))
    return {};
  unsigned bytes = numerics::storageBytes(constants.encoding.format);
  bool isSigned = inputType.getElementType().isSignedInteger();
  std::vector<uint8_t> stored;
  for (const APInt &code : codesOf(input)) {
    uint64_t bits = isSigned ? code.getSExtValue() : code.getZExtValue();
    for (unsigned i = 0; i < bytes; ++i)
      stored.push_back(static_cast<uint8_t>(bits >> (8 * i)));
  }
  std::vector<float> real(input.getNumElements());
  numerics::dequantize(constants.encoding, constants.shape, constants.block,
                       constants.arrays(), stored.data(), real.data());
  auto type = cast<RankedTensorType>(getType());
  auto element = cast<FloatType>(type.getElementType());
  SmallVector<APFloat> values;
  for (float value : real) {
    bool exact;
    values.emplace_back(value);
    values.back().convert(element.getFloatSemantics(),
                          APFloat::rmNearestTiesToEven, &exact);
  }
  return DenseElementsAttr::get(type, values);
}

//===----------------------------------------------------------------------===//
// reinterpret
//===----------------------------------------------------------------------===//

OpFoldResult ElementOp::fold(FoldAdaptor adaptor) {
  auto dense = dyn_cast_or_null<DenseIntElementsAttr>(adaptor.getInput());
  if (!dense)
    return {};
  const APInt value = dense.getValues<APInt>()[getElement()];
  bool isUnsigned = dense.getElementType().isUnsignedInteger() ||
                    dense.getElementType().isInteger(1);
  return IntegerAttr::get(IndexType::get(getContext()),
                          isUnsigned ? value.getZExtValue()
                                     : value.getSExtValue());
}

OpFoldResult ReinterpretOp::fold(FoldAdaptor adaptor) {
  if (getInput().getType() == getType())
    return getInput();
  // reinterpret(reinterpret(x)) -> reinterpret(x), or x.
  if (auto inner = getInput().getDefiningOp<ReinterpretOp>()) {
    if (inner.getInput().getType() == getType())
      return inner.getInput();
    getInputMutable().assign(inner.getInput());
    return getResult();
  }
  if (DenseElementsAttr dense = smallDense(adaptor.getInput()))
    return denseOf(cast<RankedTensorType>(getType()), codesOf(dense));
  return {};
}

OpFoldResult CacheStoreOp::fold(FoldAdaptor) {
  auto load = getCache().getDefiningOp<CacheLoadOp>();
  return load && load.getPast().getType() == getPresent().getType()
             ? load.getPast()
             : OpFoldResult();
}
