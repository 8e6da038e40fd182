//===- Initializers.cpp - Constants of the file ---------------------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// An initializer's bytes are made when they are written, one at a time, so that
// a large model is never in memory as a whole.
//
//===----------------------------------------------------------------------===//

#include "Writer.h"

#include "quantc/Analysis/ConstantTensor.h"
#include "quantc/Dialect/QGraph/Shapes.h"
#include "quantc/Numerics/Packing.h"
#include "quantc/Numerics/Transpose.h"
#include "quantc/Support/WeightStore.h"

using namespace mlir;
using namespace quantc;
using namespace quantc::onnx_export;

Name Writer::initializer(
    StringRef base, RankedTensorType type,
    std::function<llvm::Error(llvm::raw_ostream &)> write) {
  Name name = fresh(base);
  onnx::TensorProto *tensor = mainGraph->add_initializer();
  tensor->set_name(name);
  tensor->set_data_type(onnx_ir::elementTypeToProto(type.getElementType()));
  for (int64_t extent : type.getShape())
    tensor->add_dims(extent);
  unsigned bits =
      type.getElementType().isInteger(1) ? 8 : type.getElementTypeBitWidth();
  uint64_t size = onnx_ir::rawSize(type.getShape(), bits).value_or(0);
  initializers.push_back({tensor, size, std::move(write)});
  setType(name, type.getElementType());
  return name;
}

Name Writer::dense(DenseElementsAttr value) {
  Name &name = constants[{value.getAsOpaquePointer(), ""}];
  if (name.empty())
    name = initializer("c", cast<RankedTensorType>(value.getType()),
                       [value](llvm::raw_ostream &os) {
                         std::string bytes;
                         onnx_ir::denseToBytes(value, bytes);
                         os << bytes;
                         return llvm::Error::success();
                       });
  return name;
}

Name Writer::intList(ArrayRef<int64_t> values) {
  auto type = RankedTensorType::get(
      {int64_t(values.size())}, builder.getIntegerType(64, /*isSigned=*/true));
  return dense(DenseElementsAttr::get(type, values));
}

Name Writer::number(double value, Type element, ArrayRef<int64_t> shape) {
  auto type = RankedTensorType::get(shape, element);
  Attribute attribute =
      isa<FloatType>(element)
          ? Attribute(builder.getFloatAttr(element, value))
          : Attribute(builder.getIntegerAttr(element, int64_t(value)));
  return dense(DenseElementsAttr::get(type, attribute));
}

//===----------------------------------------------------------------------===//
// Weights
//===----------------------------------------------------------------------===//

/// True for what the walk and the passes append to the name of an entry that
/// they rewrite.
static bool isPassSuffix(StringRef part) {
  return llvm::StringSwitch<bool>(part)
             .Cases({"transpose", "channels-last", "f32", "quantize-weights",
                     "dequantize"},
                    true)
             .Default(false) ||
         part.starts_with("reshape-");
}

std::string onnx_export::originalName(StringRef name,
                                      ConstantForm::Order order) {
  bool transposed = order == ConstantForm::Transpose,
       channelsLast = order == ConstantForm::ChannelsFirst;
  SmallVector<StringRef> parts;
  name.split(parts, '@');
  std::string result = parts.front().str();
  for (StringRef part : ArrayRef(parts).drop_front()) {
    transposed ^= part == "transpose";
    channelsLast ^= part == "channels-last";
    // `.scale` and the like stay.
    auto [suffix, rest] = part.split('.');
    if (!isPassSuffix(suffix))
      result += "@" + part.str();
    else if (!rest.empty())
      result += "." + rest.str();
  }
  if (result.empty())
    return "c";
  return result + (transposed ? "@transpose" : "") +
         (channelsLast ? "@channels-last" : "");
}

/// The elements widened to f32; an error for a type that has no float values of
/// its own.
static llvm::Expected<std::vector<float>>
widened(const ConstantTensor &constant) {
  Type element = constant.getType().getElementType();
  if (isa<Float32Type, Float16Type, BFloat16Type>(element))
    return constant.readFloats();
  std::optional<numerics::Format> format = qgraph::getFormat(element);
  if (!format || numerics::info(*format).bits > 8)
    return llvm::createStringError("scales of this type cannot be widened");
  std::vector<float> table = numerics::decodeTable(*format);
  unsigned bits = numerics::packedBits(*format);
  std::vector<uint8_t> codes(constant.getType().getNumElements());
  if (bits < 8)
    numerics::unpackBits(
        reinterpret_cast<const uint8_t *>(constant.getBytes().data()),
        codes.size(), bits, /*isSigned=*/false, codes.data());
  else
    llvm::copy(constant.getBytes(), codes.begin());
  std::vector<float> values;
  for (uint8_t code : codes)
    values.push_back(table[code]);
  return values;
}

/// What elements of a type are in the file: integers of 3, 5, 6 and 7 bits have
/// 8, where the numbers are the same.
static Type elementInFile(Type element) {
  auto integer = dyn_cast<IntegerType>(element);
  if (!integer || integer.isSignless() || integer.getWidth() >= 8 ||
      llvm::isPowerOf2_32(integer.getWidth()))
    return element;
  return IntegerType::get(element.getContext(), 8, integer.getSignedness());
}

/// Writes the bytes of a constant as raw_data has them.
static llvm::Error writeConstant(llvm::raw_ostream &os,
                                 const ConstantTensor &constant,
                                 const ConstantForm &form) {
  RankedTensorType type = constant.getType();
  ArrayRef<char> bytes = constant.getBytes();
  Type element = type.getElementType();
  unsigned bits = element.getIntOrFloatBitWidth();
  std::vector<float> floats;
  if (form.toF32 && !element.isF32()) {
    llvm::Expected<std::vector<float>> values = widened(constant);
    if (!values)
      return values.takeError();
    floats = std::move(*values);
    bytes = ArrayRef(reinterpret_cast<const char *>(floats.data()),
                     floats.size() * sizeof(float));
    bits = 32;
  }
  std::vector<char> wide;
  if (!form.toF32 && elementInFile(element) != element) {
    llvm::append_range(wide, constant.readIntegers());
    bytes = wide;
    bits = 8;
  }
  unsigned stored = bits == 2 || bits == 4 ? bits : llvm::alignTo(bits, 8);
  std::vector<char> moved;
  if (form.order != ConstantForm::AsIs) {
    bool batched = form.order == ConstantForm::ChannelsFirst;
    ArrayRef<int64_t> shape = type.getShape();
    int64_t batch = batched ? shape.front() : 1,
            columns = batched ? shape.back() : shape[1],
            rows =
                batch * columns ? type.getNumElements() / (batch * columns) : 0;
    moved.resize(bytes.size());
    numerics::transpose(reinterpret_cast<const uint8_t *>(bytes.data()), batch,
                        rows, columns, stored,
                        reinterpret_cast<uint8_t *>(moved.data()));
    bytes = moved;
  }
  std::vector<char> packed;
  if (bits == 6) { // a byte each in the store, not in ONNX
    packed.resize(numerics::packedSize(bytes.size(), bits));
    numerics::packBits(reinterpret_cast<const uint8_t *>(bytes.data()),
                       bytes.size(), bits,
                       reinterpret_cast<uint8_t *>(packed.data()));
    bytes = packed;
  }
  os.write(bytes.data(), bytes.size());
  return llvm::Error::success();
}

Name Writer::constant(Value value, const ConstantForm &form) {
  auto op = value.getDefiningOp<qgraph::ConstantOp>();
  std::string key;
  llvm::raw_string_ostream text(key);
  text << int(form.order) << (form.toF32 ? "f" : "v");
  if (form.shape)
    llvm::interleave(*form.shape, text, "x");
  auto [known, added] =
      constants.try_emplace({op.getValue().getAsOpaquePointer(), key});
  if (!added)
    return known->second;
  Type element = cast<RankedTensorType>(op.getType()).getElementType();
  if (!form.shape && form.order == ConstantForm::AsIs && !form.toF32 &&
      elementInFile(element) == element)
    if (auto elements = dyn_cast<DenseElementsAttr>(op.getValue()))
      return known->second = dense(elements);
  auto type = cast<RankedTensorType>(op.getType());
  SmallVector<int64_t> extents(type.getShape());
  if (form.order == ConstantForm::Transpose)
    std::swap(extents[0], extents[1]);
  if (form.order == ConstantForm::ChannelsFirst)
    std::rotate(extents.begin() + 1, extents.end() - 1, extents.end());
  // Where only dimensions of 1 move, the walk reshapes.
  bool moves =
      llvm::count_if(type.getShape(), [](int64_t d) { return d != 1; }) > 1;
  if (form.order == ConstantForm::ChannelsFirst) {
    ArrayRef<int64_t> taps = type.getShape().drop_front().drop_back();
    moves = type.getShape().back() != 1 &&
            llvm::any_of(taps, [](int64_t d) { return d != 1; });
  }
  ConstantForm::Order order = moves ? form.order : ConstantForm::AsIs;
  type = type.clone(extents);
  if (form.shape)
    type = type.clone(*form.shape);
  type = type.clone(form.toF32 ? builder.getF32Type() : elementInFile(element));
  dataType(op, type.getElementType()); // reports one that ONNX has not
  llvm::Expected<ConstantTensor> tensor = ConstantTensor::get(value);
  if (!tensor) {
    (void)unsupported(op, llvm::toString(tensor.takeError()));
    return "";
  }
  return known->second =
             initializer(originalName(tensor->getName(), order), type,
                         [value, form](llvm::raw_ostream &os) -> llvm::Error {
                           llvm::Expected<ConstantTensor> tensor =
                               ConstantTensor::get(value);
                           if (!tensor)
                             return tensor.takeError();
                           return writeConstant(os, *tensor, form);
                         });
}
