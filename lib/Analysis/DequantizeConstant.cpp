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

llvm::Expected<TypedAttr> dequantizeConstant(DequantizeOp op, StringRef layer) {
  std::optional<ConstantTensor> stored, scale, zeroPoint, offset, codebook;
  for (auto [place, value] : {std::pair(&stored, Value(op.getInput())),
                              {&scale, Value(op.getScale())},
                              {&zeroPoint, Value(op.getZeroPoint())},
                              {&offset, Value(op.getOffset())},
                              {&codebook, Value(op.getCodebook())}}) {
    if (!value)
      continue;
    llvm::Expected<ConstantTensor> constant = ConstantTensor::get(value);
    if (!constant)
      return constant.takeError();
    *place = std::move(*constant);
  }
  numerics::Encoding encoding;
  encoding.format = *getFormat(stored->getType().getElementType());
  if (op.getPrecision())
    encoding.precision = *getFormat(*op.getPrecision());
  numerics::Codebook codes;
  if (codebook) {
    codes.values = codebook->readFloats();
    // A code past the end is the last one.
    codes.values.resize(size_t(1) << numerics::info(encoding.format).bits,
                        codes.values.back());
    encoding.codebook = &codes;
  }
  std::vector<float> scales = scale->readFloats(), offsets;
  std::vector<int32_t> zeroPoints;
  numerics::ScaleArrays arrays;
  arrays.scale = scales.data();
  if (zeroPoint) {
    zeroPoints = zeroPoint->readIntegers();
    arrays.zeroPoint = zeroPoints.data();
  }
  if (offset) {
    offsets = offset->readFloats();
    arrays.offset = offsets.data();
  }
  std::vector<uint8_t> wide = wideCodes(*stored, encoding.format);
  RankedTensorType type = op.getType();
  auto fill = [&](MutableArrayRef<char> out) {
    numerics::Extents shape = type.getShape().vec(),
                      block = op.getBlock().vec();
    if (type.getElementType().isF32()) {
      // The store aligns its entries, a small constant's buffer is the heap's.
      numerics::dequantize(encoding, shape, block, arrays, wide.data(),
                           reinterpret_cast<float *>(out.data()));
      return;
    }
    std::vector<float> real(type.getNumElements());
    numerics::dequantize(encoding, shape, block, arrays, wide.data(),
                         real.data());
    numerics::Format format = *getFormat(type.getElementType());
    for (auto [i, value] : llvm::enumerate(real)) {
      auto code = static_cast<uint16_t>(numerics::encode(format, value));
      std::memcpy(out.data() + i * sizeof(code), &code, sizeof(code));
    }
  };
  return makeConstant(type, entryBaseName(*stored, layer) + "@dequantize",
                      fill);
}

} // namespace quantc
