//===- MatMulNBits.cpp - com.microsoft's packed product -------------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// B is UINT8 [N, ceil(K / block), block * bits / 8], the first element in the
// lowest bits, codes unsigned; scales are [N * ceil(K / block)]; zero points,
// where they are not 2^(bits - 1), are packed in rows of ceil(K / block).
// github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md
//
//===----------------------------------------------------------------------===//

#include "Writer.h"

#include "quantc/Analysis/ConstantTensor.h"
#include "quantc/Numerics/Packing.h"

using namespace mlir;
using namespace quantc;
using namespace quantc::onnx_export;

/// The codes of row-major [rows, columns], as unsigned, each row filled up to
/// `width` elements with `fill`, packed row by row.
static llvm::Error writeCodes(llvm::raw_ostream &os, Value value, int64_t width,
                              uint8_t fill) {
  llvm::Expected<ConstantTensor> constant = ConstantTensor::get(value);
  if (!constant)
    return constant.takeError();
  RankedTensorType type = constant->getType();
  auto element = cast<IntegerType>(type.getElementType());
  unsigned bits = element.getWidth();
  int64_t rows = type.getDimSize(0), columns = type.getDimSize(1);
  int32_t shift = element.isSigned() ? 1 << (bits - 1) : 0;
  std::vector<int32_t> codes = constant->readIntegers();
  std::vector<uint8_t> row(width, fill), packed(width * bits / 8);
  for (int64_t i = 0; i < rows; ++i) {
    for (int64_t j = 0; j < columns; ++j)
      row[j] = static_cast<uint8_t>(codes[i * columns + j] + shift);
    numerics::packBits(row.data(), width, bits, packed.data());
    os.write(reinterpret_cast<const char *>(packed.data()), packed.size());
  }
  return llvm::Error::success();
}

Name Writer::matMulNBits(qgraph::LinearOp op) {
  auto weight = op.getWeight().getDefiningOp<qgraph::DequantizeOp>();
  if (!weight || !llvm::all_of(weight->getOperands(), isConstant) ||
      weight.getOffset() || weight.getCodebook() || weight.getPrecision())
    return "";
  auto type = cast<RankedTensorType>(weight.getInput().getType());
  auto stored = dyn_cast<IntegerType>(type.getElementType());
  int64_t n = type.getDimSize(0), k = type.getDimSize(1);
  auto scaleType = cast<RankedTensorType>(weight.getScale().getType());
  int64_t block = weight.getBlock()[1];
  if (block == 0) // all of K
    block = std::max<int64_t>(llvm::PowerOf2Ceil(k), 16);
  Type real = cast<RankedTensorType>(op.getInput().getType()).getElementType();
  unsigned bits = stored ? stored.getWidth() : 0;
  if ((bits != 2 && bits != 4 && bits != 8) || weight.getBlock()[0] != 1 ||
      block < 16 || !llvm::isPowerOf2_64(block) ||
      !(real.isF32() || real == scaleType.getElementType()))
    return "";
  int64_t blocks = (k + block - 1) / block;
  uint8_t middle = static_cast<uint8_t>(1u << (bits - 1));
  auto bytes = [&](ArrayRef<int64_t> shape) {
    return RankedTensorType::get(shape,
                                 builder.getIntegerType(8, /*isSigned=*/false));
  };
  Value input = weight.getInput(), zeroPoint = weight.getZeroPoint();
  std::string base = "packed";
  if (llvm::Expected<ConstantTensor> constant = ConstantTensor::get(input))
    base = originalName(constant->getName());
  else
    llvm::consumeError(constant.takeError());
  Name codes =
      initializer(base, bytes({n, blocks, block * bits / 8}),
                  [input, blocks, block, middle](llvm::raw_ostream &os) {
                    return writeCodes(os, input, blocks * block, middle);
                  });
  ConstantForm flat;
  flat.shape.emplace({n * blocks});
  flat.toF32 = real.isF32();
  SmallVector<Name> inputs{use(op.getInput()), codes,
                           constant(weight.getScale(), flat)};
  // Unsigned codes without a zero point begin at 0, signed ones in the middle.
  if (zeroPoint) {
    int64_t width = llvm::alignTo(blocks, 8 / bits);
    inputs.push_back(initializer(base + ".zero_point",
                                 bytes({n, width * bits / 8}),
                                 [zeroPoint, width](llvm::raw_ostream &os) {
                                   return writeCodes(os, zeroPoint, width, 0);
                                 }));
  } else if (!stored.isSigned()) {
    int64_t width = llvm::alignTo(blocks, 8 / bits) * bits / 8;
    inputs.push_back(initializer(base + ".zero_point", bytes({n, width}),
                                 [count = n * width](llvm::raw_ostream &os) {
                                   os.write_zeros(count);
                                   return llvm::Error::success();
                                 }));
  }
  Name output = fresh(op.getName().value_or("MatMulNBits"));
  setType(output, real);
  onnx::NodeProto &node = add("MatMulNBits", inputs, output);
  node.set_domain(onnx_ir::kMicrosoftDomain);
  node.set_name(op.getName().value_or("").str());
  for (auto [key, value] :
       {std::pair("K", k), std::pair("N", n), std::pair("bits", int64_t(bits)),
        std::pair("block_size", block)})
    onnx_ir::attributeToProto(key, integer(value), *node.add_attribute());
  return output;
}
