//===- DequantizeConstant.cpp - dequantize at compile time ------*- C++ -*-===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "quantc/Analysis/ConstantTensor.h"
#include "quantc/Dialect/QGraph/Shapes.h"
#include "quantc/Numerics/Packing.h"
#include "quantc/Numerics/Quantize.h"
#include <cstring>

using namespace mlir;
using namespace quantc::qgraph;

namespace quantc {

/// Codes as numerics::dequantize takes them: no two in a byte.
static std::vector<uint8_t> wideCodes(const ConstantTensor &constant,
                                      numerics::Format format) {
  ArrayRef<char> bytes = constant.getBytes();
  const auto *begin = reinterpret_cast<const uint8_t *>(bytes.data());
  unsigned bits = numerics::packedBits(format);
  if (bits >= 8)
    return {begin, begin + bytes.size()};
  std::vector<uint8_t> codes(constant.getType().getNumElements());
  numerics::unpackBits(begin, codes.size(), bits,
                       numerics::info(format).isSigned, codes.data());
  return codes;
}

/// The floats of a constant, or of a `dequantize` of constants.
static llvm::Expected<std::vector<float>> readReals(Value value) {
  if (auto op = value.getDefiningOp<DequantizeOp>())
    return dequantizedFloats(op);
  llvm::Expected<ConstantTensor> constant = ConstantTensor::get(value);
  if (!constant)
    return constant.takeError();
  return constant->readFloats();
}

llvm::Expected<std::vector<float>> dequantizedFloats(DequantizeOp op) {
  llvm::Expected<ConstantTensor> stored = ConstantTensor::get(op.getInput());
  if (!stored)
    return stored.takeError();
  numerics::Encoding encoding;
  encoding.format = *getFormat(stored->getType().getElementType());
  if (op.getPrecision())
    encoding.precision = *getFormat(*op.getPrecision());
  numerics::ScaleArrays arrays;
  numerics::Codebook codes;
  std::vector<float> scales, offsets;
  std::vector<int32_t> zeroPoints;
  for (auto [place, value] : {std::pair(&codes.values, Value(op.getCodebook())),
                              {&scales, Value(op.getScale())},
                              {&offsets, Value(op.getOffset())}})
    if (value) {
      llvm::Expected<std::vector<float>> reals = readReals(value);
      if (!reals)
        return reals.takeError();
      *place = std::move(*reals);
    }
  if (op.getCodebook()) {
    // A code past the end is the last one.
    codes.values.resize(size_t(1) << numerics::info(encoding.format).bits,
                        codes.values.back());
    encoding.codebook = &codes;
  }
  arrays.scale = scales.data();
  if (op.getOffset())
    arrays.offset = offsets.data();
  if (Value value = op.getZeroPoint()) {
    llvm::Expected<ConstantTensor> constant = ConstantTensor::get(value);
    if (!constant)
      return constant.takeError();
    zeroPoints = constant->readIntegers();
    arrays.zeroPoint = zeroPoints.data();
  }
  std::vector<uint8_t> wide = wideCodes(*stored, encoding.format);
  std::vector<float> real(op.getType().getNumElements());
  numerics::dequantize(encoding, op.getType().getShape().vec(),
                       op.getBlock().vec(), arrays, wide.data(), real.data());
  return real;
}

llvm::Expected<TypedAttr> dequantizeConstant(DequantizeOp op, StringRef layer) {
  for (Value value : {op.getScale(), op.getOffset()})
    if (value && !isConstant(value))
      return ConstantTensor::get(value).takeError();
  llvm::Expected<std::vector<float>> real = dequantizedFloats(op);
  if (!real)
    return real.takeError();
  RankedTensorType type = op.getType();
  auto fill = [&](MutableArrayRef<char> out) {
    storeFloats(*real, type.getElementType(), out.data());
  };
  std::optional<ConstantTensor> stored = readConstant(op.getInput());
  return makeConstant(type, entryBaseName(*stored, layer) + "@dequantize",
                      fill);
}

} // namespace quantc
