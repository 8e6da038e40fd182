//===- ConstantTensor.cpp - The bytes of constants --------------*- C++ -*-===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "quantc/Analysis/ConstantTensor.h"
#include "quantc/Dialect/QGraph/Shapes.h"
#include "quantc/Numerics/Packing.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/xxhash.h"

using namespace mlir;
using namespace quantc::qgraph;

namespace quantc {

static std::string spelling(Type element) {
  std::string text;
  llvm::raw_string_ostream(text) << element;
  return text;
}

/// The elements of `dense` as a store has them.
static std::vector<char> storedBytes(DenseElementsAttr dense) {
  unsigned bits = storedBits(spelling(dense.getElementType()));
  unsigned width = llvm::divideCeil(bits, 8u);
  std::vector<char> wide;
  wide.reserve(dense.getNumElements() * width);
  auto append = [&](const APInt &code) {
    for (unsigned i = 0; i < width; ++i)
      wide.push_back(static_cast<char>(
          code.lshr(std::min(8 * i, code.getBitWidth())).getRawData()[0]));
  };
  if (isa<IntegerType>(dense.getElementType()))
    for (const APInt &code : dense.getValues<APInt>())
      append(code);
  else
    for (const APFloat &value : dense.getValues<APFloat>())
      append(value.bitcastToAPInt());
  if (bits >= 8)
    return wide;
  std::vector<char> packed(numerics::packedSize(wide.size(), bits));
  numerics::packBits(reinterpret_cast<const uint8_t *>(wide.data()),
                     wide.size(), bits,
                     reinterpret_cast<uint8_t *>(packed.data()));
  return packed;
}

/// The reverse of storedBytes.
static DenseElementsAttr denseFrom(RankedTensorType type,
                                   ArrayRef<char> bytes) {
  Type element = type.getElementType();
  unsigned bits = storedBits(spelling(element));
  int64_t count = type.getNumElements();
  std::vector<uint8_t> wide(bytes.begin(), bytes.end());
  if (bits < 8) {
    wide.resize(count);
    numerics::unpackBits(reinterpret_cast<const uint8_t *>(bytes.data()), count,
                         bits,
                         /*isSigned=*/false, wide.data());
  }
  unsigned width = llvm::divideCeil(bits, 8u);
  SmallVector<APInt> codes;
  for (int64_t i = 0; i < count; ++i) {
    uint64_t code = 0;
    for (unsigned b = 0; b < width; ++b)
      code |= static_cast<uint64_t>(wide[i * width + b]) << (8 * b);
    codes.push_back(APInt(64, code).trunc(element.getIntOrFloatBitWidth()));
  }
  auto real = dyn_cast<FloatType>(element);
  if (!real)
    return DenseElementsAttr::get(type, codes);
  SmallVector<APFloat> values;
  for (const APInt &code : codes)
    values.emplace_back(real.getFloatSemantics(), code);
  return DenseElementsAttr::get(type, values);
}

std::optional<ConstantTensor> readConstant(Value value) {
  if (!value || !isConstant(value))
    return std::nullopt;
  llvm::Expected<ConstantTensor> constant = ConstantTensor::get(value);
  if (constant)
    return std::move(*constant);
  llvm::consumeError(constant.takeError());
  return std::nullopt;
}

bool isConstant(Value value) { return bool(value.getDefiningOp<ConstantOp>()); }

llvm::Expected<ConstantTensor> ConstantTensor::get(Value value) {
  auto op = value.getDefiningOp<ConstantOp>();
  if (!op)
    return llvm::createStringError("not a constant");
  return get(op.getValue());
}

llvm::Expected<ConstantTensor> ConstantTensor::get(TypedAttr value) {
  ConstantTensor constant;
  constant.type = cast<RankedTensorType>(value.getType());
  std::string element = spelling(constant.type.getElementType());
  if (storedBits(element) == 0)
    return llvm::createStringError("a constant of %s cannot be stored",
                                   element.c_str());
  if (auto weight = dyn_cast<WeightAttr>(value)) {
    auto *dialect = value.getContext()->getOrLoadDialect<QGraphDialect>();
    llvm::Expected<WeightHandle> entry =
        dialect->getWeights().find(weight.getStore(), weight.getName());
    if (!entry)
      return entry.takeError();
    const WeightType &type = (*entry)->type;
    if (type.element != element ||
        ArrayRef(type.shape) != constant.type.getShape())
      return llvm::createStringError("entry '%s' is %s, but the constant is %s",
                                     (*entry)->name.c_str(), type.str().c_str(),
                                     spelling(constant.type).c_str());
    constant.name = weight.getName();
    constant.bytes = (*entry)->bytes;
    constant.owner = *entry;
    return constant;
  }
  auto dense = dyn_cast<DenseElementsAttr>(value);
  if (!dense)
    return llvm::createStringError("not dense elements and not in a store");
  auto bytes = std::make_shared<std::vector<char>>(storedBytes(dense));
  constant.bytes = *bytes;
  constant.owner = bytes;
  return constant;
}

void ConstantTensor::readFloats(int64_t begin, int64_t count,
                                float *out) const {
  Type element = type.getElementType();
  if (element.isF32()) {
    std::memcpy(out, bytes.data() + begin * sizeof(float),
                count * sizeof(float));
    return;
  }
  if (element.getIntOrFloatBitWidth() == 8) {
    numerics::Format format = *getFormat(element);
    for (int64_t i = 0; i < count; ++i)
      out[i] = numerics::decode(format, uint8_t(bytes[begin + i]));
    return;
  }
  const char *from = bytes.data() + begin * sizeof(uint16_t);
  for (int64_t i = 0; i < count; ++i, from += sizeof(uint16_t)) {
    uint16_t code;
    std::memcpy(&code, from, sizeof(code));
    out[i] =
        element.isF16() ? numerics::f16ToF32(code) : numerics::bf16ToF32(code);
  }
}

std::vector<float> ConstantTensor::readFloats() const {
  std::vector<float> values(type.getNumElements());
  readFloats(0, values.size(), values.data());
  return values;
}

std::vector<int32_t> ConstantTensor::readIntegers() const {
  auto element = cast<IntegerType>(type.getElementType());
  unsigned width = element.getWidth(), stored = storedBits(spelling(element));
  std::vector<int32_t> values(type.getNumElements());
  for (auto [i, value] : llvm::enumerate(values)) {
    uint32_t code = 0;
    if (stored < 8)
      code = uint8_t(bytes[i * stored / 8]) >> (i * stored % 8);
    else
      std::memcpy(&code, bytes.data() + i * (stored / 8), stored / 8);
    // Up to the sign bit and down again.
    code <<= 32 - width;
    value = element.isUnsigned() ? int32_t(code >> (32 - width))
                                 : int32_t(code) >> (32 - width);
  }
  return values;
}

static uint64_t hashOf(ArrayRef<char> bytes) {
  return llvm::xxh3_64bits(
      ArrayRef(reinterpret_cast<const uint8_t *>(bytes.data()), bytes.size()));
}

std::string entryBaseName(const ConstantTensor &constant, StringRef layer) {
  if (!constant.getName().empty())
    return constant.getName().str();
  if (!layer.empty())
    return (layer + ".weight").str();
  return llvm::formatv("weight-{0:x-16}", hashOf(constant.getBytes()));
}

llvm::Expected<TypedAttr>
makeConstant(RankedTensorType type, StringRef name,
             function_ref<void(MutableArrayRef<char>)> fill) {
  WeightType stored{spelling(type.getElementType()),
                    SmallVector<int64_t, 4>(type.getShape())};
  llvm::Expected<uint64_t> size = storedSize(stored);
  if (!size)
    return size.takeError();
  if (type.getNumElements() <= kDenseElements) {
    std::vector<char> bytes(*size);
    fill(bytes);
    return TypedAttr(denseFrom(type, bytes));
  }
  MLIRContext *context = type.getContext();
  auto *dialect = context->getOrLoadDialect<QGraphDialect>();
  std::shared_ptr<WeightStore> overlay = dialect->getWeights().overlay();
  std::string entry = name.str();
  auto add = [&]() -> llvm::Error {
    WeightHandle old = overlay->lookup(entry);
    if (!old)
      return overlay->addFilled(entry, stored,
                                [&](MutableArrayRef<char> bytes) {
                                  fill(bytes);
                                  return llvm::Error::success();
                                });
    std::vector<char> bytes(*size);
    fill(bytes);
    if (!(old->type == stored) || old->bytes != ArrayRef(bytes))
      entry += llvm::formatv(".{0:x-16}", hashOf(bytes)).str();
    return overlay->add(entry, stored, std::move(bytes));
  };
  if (llvm::Error error = add())
    return error;
  return TypedAttr(WeightAttr::get(context, WeightStores::kNew, entry, type));
}

void storeFloats(ArrayRef<float> values, Type element, char *out) {
  if (element.isF32()) {
    std::memcpy(out, values.data(), values.size() * sizeof(float));
    return;
  }
  for (float value : values) {
    uint16_t code = element.isF16() ? numerics::f32ToF16(value)
                                    : numerics::f32ToBF16(value);
    std::memcpy(out, &code, sizeof(code));
    out += sizeof(code);
  }
}

} // namespace quantc
