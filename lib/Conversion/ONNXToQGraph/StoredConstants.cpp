//===- StoredConstants.cpp - Constants of stored values -------------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "StoredConstants.h"

#include "quantc/Dialect/QGraph/Shapes.h"
#include "quantc/Numerics/Packing.h"

#include <cstring>

using namespace mlir;
using namespace quantc;
using namespace quantc::onnx_to_qgraph;

bool onnx_to_qgraph::isUniform(Value value, double number) {
  std::optional<ConstantTensor> constant = readConstant(value);
  if (!constant)
    return false;
  Type element = constant->getType().getElementType();
  auto equal = [&](auto x) { return x == number; };
  if (isa<IntegerType>(element) && element.getIntOrFloatBitWidth() <= 32)
    return llvm::all_of(constant->readIntegers(), equal);
  return isReal(element) && llvm::all_of(constant->readFloats(), equal);
}

static Value constantOf(Walk &walk, llvm::Expected<TypedAttr> attribute) {
  if (attribute)
    return qgraph::ConstantOp::create(walk.builder, *attribute);
  emitError(walk.builder.getLoc()) << llvm::toString(attribute.takeError());
  return {};
}

Value onnx_to_qgraph::newIntegers(Walk &walk, RankedTensorType type,
                                  StringRef name,
                                  function_ref<int32_t(int64_t)> code) {
  unsigned bits =
      numerics::packedBits(*qgraph::getFormat(type.getElementType()));
  int64_t count = type.getNumElements();
  auto fill = [&](MutableArrayRef<char> bytes) {
    if (bits == 8) {
      for (int64_t i = 0; i < count; ++i)
        bytes[i] = static_cast<char>(code(i));
      return;
    }
    std::vector<uint8_t> codes(count);
    for (int64_t i = 0; i < count; ++i)
      codes[i] = static_cast<uint8_t>(code(i));
    numerics::packBits(codes.data(), count, bits,
                       reinterpret_cast<uint8_t *>(bytes.data()));
  };
  return constantOf(walk, makeConstant(type, name, fill));
}

Value onnx_to_qgraph::sharedIntegers(Walk &walk, Value bytes,
                                     RankedTensorType type, StringRef name) {
  auto constant = bytes.getDefiningOp<qgraph::ConstantOp>();
  auto weight = constant ? dyn_cast<qgraph::WeightAttr>(constant.getValue())
                         : qgraph::WeightAttr();
  if (!weight || type.getNumElements() <= kDenseElements) {
    std::optional<ConstantTensor> read = readConstant(bytes);
    if (!read)
      return {};
    auto fill = [&](MutableArrayRef<char> out) {
      llvm::copy(read->getBytes().take_front(out.size()), out.begin());
    };
    return constantOf(walk, makeConstant(type, name, fill));
  }
  auto *dialect =
      walk.builder.getContext()->getLoadedDialect<qgraph::QGraphDialect>();
  WeightStores &stores = dialect->getWeights();
  llvm::Expected<WeightHandle> entry =
      stores.find(weight.getStore(), weight.getName());
  if (!entry)
    return constantOf(walk, entry.takeError());
  WeightType stored;
  llvm::raw_string_ostream(stored.element) << type.getElementType();
  stored.shape.assign(type.getShape().begin(), type.getShape().end());
  std::string unique = (name + "-" + stored.str()).str();
  if (!stores.overlay()->lookup(unique))
    if (llvm::Error error = stores.overlay()->addShared(
            unique, stored, (*entry)->bytes, *entry))
      return constantOf(walk, std::move(error));
  return qgraph::ConstantOp::create(
      walk.builder, qgraph::WeightAttr::get(walk.builder.getContext(),
                                            WeightStores::kNew, unique, type));
}

Value onnx_to_qgraph::reshapedStored(Walk &walk, Value value,
                                     ArrayRef<int64_t> shape) {
  auto op = value.getDefiningOp<qgraph::DequantizeOp>();
  if (!op || !llvm::all_of(op->getOperands(), isConstant))
    return {};
  ArrayRef<int64_t> old = op.getType().getShape(), block = op.getBlock();
  auto isWhole = [&](size_t d) { return block[d] == 0 || block[d] >= old[d]; };
  SmallVector<int64_t> scaleShape, blocks;
  if (llvm::all_of(llvm::seq(old.size()), isWhole)) {
    scaleShape.assign(shape.size(), 1);
    blocks.assign(shape.size(), 0);
  } else {
    size_t last = shape.size() - 1;
    if (shape.empty() || old.size() != shape.size() + 1 ||
        old.take_front(last) != shape.take_front(last) || !isWhole(last + 1) ||
        (block[last] != 1 && old[last] != 1))
      return {};
    llvm::append_range(scaleShape, op.getScale().getType().getShape());
    scaleShape.pop_back();
    llvm::append_range(blocks, block.take_front(last));
    blocks.push_back(old[last + 1]);
  }
  auto reshaped = [&](Value operand, ArrayRef<int64_t> to) {
    return operand ? walk.reshapedConstant(operand, to) : Value();
  };
  Value stored = reshaped(op.getInput(), shape),
        scale = reshaped(op.getScale(), scaleShape);
  if (!stored || !scale)
    return {};
  return qgraph::DequantizeOp::create(
      walk.builder, op.getType().clone(shape), stored, scale,
      reshaped(op.getZeroPoint(), scaleShape),
      reshaped(op.getOffset(), scaleShape), op.getCodebook(),
      walk.builder.getDenseI64ArrayAttr(blocks), op.getPrecisionAttr());
}

Value onnx_to_qgraph::newReals(Walk &walk, RankedTensorType type,
                               StringRef name, ArrayRef<float> values) {
  numerics::Format format = *qgraph::getFormat(type.getElementType());
  auto fill = [&](MutableArrayRef<char> bytes) {
    if (format == numerics::Format::F32) {
      std::memcpy(bytes.data(), values.data(), values.size() * sizeof(float));
      return;
    }
    for (auto [i, value] : llvm::enumerate(values)) {
      auto code = static_cast<uint16_t>(numerics::encode(format, value));
      std::memcpy(bytes.data() + i * sizeof(code), &code, sizeof(code));
    }
  };
  return constantOf(walk, makeConstant(type, name, fill));
}

TensorInfo onnx_to_qgraph::widened(Walk &walk, TensorInfo &info) {
  Type f32 = walk.builder.getF32Type();
  bool half = isa<Float16Type, BFloat16Type>(info.elementType);
  std::optional<ConstantTensor> constant =
      half ? readConstant(info.value) : std::nullopt;
  if (!constant)
    return walk.convert(info, f32);
  Value value =
      newReals(walk, constant->getType().clone(f32),
               entryBaseName(*constant, "") + "@f32", constant->readFloats());
  return value ? walk.tensor(value, info.dims) : walk.convert(info, f32);
}
