//===- ProtoTensors.cpp - ONNX tensors to MLIR and back -------------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "quantc/Dialect/ONNX/ProtoMessages.h"

#include "llvm/Support/Endian.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using onnx::TensorProto;

namespace quantc::onnx_ir {

/// Bits of one element in raw_data; 0 for types without an MLIR type.
static unsigned rawBits(int32_t dataType) {
  switch (dataType) {
  case TensorProto::INT2:
  case TensorProto::UINT2:
    return 2;
  case TensorProto::INT4:
  case TensorProto::UINT4:
  case TensorProto::FLOAT4E2M1:
    return 4;
  case TensorProto::FLOAT6E2M3:
  case TensorProto::FLOAT6E3M2:
    return 6;
  case TensorProto::INT16:
  case TensorProto::UINT16:
  case TensorProto::FLOAT16:
  case TensorProto::BFLOAT16:
    return 16;
  case TensorProto::INT32:
  case TensorProto::UINT32:
  case TensorProto::FLOAT:
    return 32;
  case TensorProto::INT64:
  case TensorProto::UINT64:
  case TensorProto::DOUBLE:
    return 64;
  case TensorProto::STRING:
  case TensorProto::COMPLEX64:
  case TensorProto::COMPLEX128:
  case TensorProto::UNDEFINED:
    return 0;
  default:
    return TensorProto::DataType_IsValid(dataType) ? 8 : 0;
  }
}

static unsigned rawBits(Type element) {
  return element.isInteger(1) ? 8 : element.getIntOrFloatBitWidth();
}

std::optional<int64_t> rawSize(ArrayRef<int64_t> dims, unsigned bits) {
  int64_t count = 1;
  for (int64_t dim : dims)
    if (dim < 0 || llvm::MulOverflow(count, dim, count))
      return std::nullopt;
  int64_t total;
  if (llvm::MulOverflow(count, int64_t(bits), total))
    return std::nullopt;
  return llvm::divideCeil(total, 8);
}

/// `bits` of the element at `index` of packed bytes, and their writer.
static unsigned getBits(ArrayRef<char> bytes, int64_t index, unsigned bits) {
  int64_t first = index * bits;
  unsigned value = uint8_t(bytes[first / 8]) >> (first % 8);
  if (first % 8 + bits > 8)
    value |= unsigned(uint8_t(bytes[first / 8 + 1])) << (8 - first % 8);
  return value & ((1u << bits) - 1);
}
static void setBits(char *bytes, int64_t index, unsigned bits, unsigned value) {
  int64_t first = index * bits;
  bytes[first / 8] |= char(value << (first % 8));
  if (first % 8 + bits > 8)
    bytes[first / 8 + 1] |= char(value >> (8 - first % 8));
}

template <typename To, typename Field>
static void appendElements(const Field &field, std::string &bytes) {
  bytes.reserve(bytes.size() + field.size() * sizeof(To));
  for (auto element : field) {
    To value = To(element);
    bytes.append(reinterpret_cast<const char *>(&value), sizeof value);
  }
}

/// The typed fields of TensorProto, as raw_data would have them.
static void appendTypedField(const TensorProto &tensor, unsigned bits,
                             std::string &bytes) {
  switch (tensor.data_type()) {
  case TensorProto::FLOAT:
    return appendElements<float>(tensor.float_data(), bytes);
  case TensorProto::DOUBLE:
    return appendElements<double>(tensor.double_data(), bytes);
  case TensorProto::INT64:
    return appendElements<int64_t>(tensor.int64_data(), bytes);
  case TensorProto::UINT64:
    return appendElements<uint64_t>(tensor.uint64_data(), bytes);
  case TensorProto::UINT32:
    return appendElements<uint32_t>(tensor.uint64_data(), bytes);
  case TensorProto::FLOAT6E2M3:
  case TensorProto::FLOAT6E3M2: {
    // One element an entry here, unlike the smaller types.
    bytes.assign(llvm::divideCeil(uint64_t(tensor.int32_data_size()) * 6, 8),
                 0);
    for (auto [i, value] : llvm::enumerate(tensor.int32_data()))
      setBits(bytes.data(), int64_t(i), 6, unsigned(value) & 63);
    return;
  }
  default:
    if (bits == 32)
      return appendElements<int32_t>(tensor.int32_data(), bytes);
    if (bits == 16)
      return appendElements<uint16_t>(tensor.int32_data(), bytes);
    // A byte an entry: one element of 8 bits, or a packed group of smaller
    // ones.
    return appendElements<uint8_t>(tensor.int32_data(), bytes);
  }
}

std::optional<TensorBytes> tensorBytes(const TensorProto &tensor,
                                       std::string &why) {
  unsigned bits = rawBits(tensor.data_type());
  if (!bits) {
    why = "its element type " + dataTypeName(tensor.data_type()) +
          " is not supported";
    return std::nullopt;
  }
  std::optional<int64_t> size =
      rawSize({tensor.dims().data(), size_t(tensor.dims_size())}, bits);
  if (!size) {
    why = "its shape has a negative dimension or too many elements";
    return std::nullopt;
  }
  TensorBytes result;
  if (tensor.has_raw_data() || *size == 0) {
    result.bytes = {tensor.raw_data().data(), tensor.raw_data().size()};
  } else {
    result.owned = std::make_unique<std::string>();
    appendTypedField(tensor, bits, *result.owned);
    result.bytes = {result.owned->data(), result.owned->size()};
  }
  if (int64_t(result.bytes.size()) != *size) {
    why = "it has " + std::to_string(result.bytes.size()) +
          " bytes of data where its shape and element type " +
          dataTypeName(tensor.data_type()) + " need " + std::to_string(*size);
    return std::nullopt;
  }
  return result;
}

DenseElementsAttr denseFromBytes(RankedTensorType type, ArrayRef<char> bytes) {
  int64_t count = type.getNumElements();
  Type element = type.getElementType();
  if (element.isInteger(1)) {
    SmallVector<bool> values(count);
    for (int64_t i = 0; i < count; ++i)
      values[i] = bytes[i] != 0;
    return DenseElementsAttr::get(type, ArrayRef<bool>(values));
  }
  unsigned bits = rawBits(element);
  std::string unpacked;
  if (bits < 8) {
    // MLIR keeps an element a byte, its unused bits 0, as APInt has them.
    unpacked.resize(count);
    for (int64_t i = 0; i < count; ++i)
      unpacked[i] = char(getBits(bytes, i, bits));
    bytes = {unpacked.data(), unpacked.size()};
  }
  // One element stands for many equal ones.
  size_t width = std::max(bits / 8, 1u);
  if (count > 1 && std::memcmp(bytes.data(), bytes.data() + width,
                               bytes.size() - width) == 0)
    bytes = bytes.take_front(width);
  return DenseElementsAttr::getFromRawBuffer(type, bytes);
}

void denseToBytes(DenseElementsAttr value, std::string &bytes) {
  int64_t count = value.getNumElements();
  Type element = value.getElementType();
  if (element.isInteger(1)) {
    for (bool bit : value.getValues<bool>())
      bytes.push_back(char(bit));
    return;
  }
  unsigned bits = rawBits(element);
  size_t width = llvm::divideCeil(bits, 8);
  ArrayRef<char> raw = value.getRawData();
  auto elementAt = [&](int64_t i) {
    return raw.slice(value.isSplat() ? 0 : i * width, width);
  };
  if (bits >= 8) {
    for (int64_t i = 0; i < count; ++i)
      bytes.append(elementAt(i).data(), width);
    return;
  }
  size_t start = bytes.size();
  bytes.resize(start + llvm::divideCeil(uint64_t(count) * bits, 8));
  for (int64_t i = 0; i < count; ++i)
    setBits(bytes.data() + start, i, bits,
            uint8_t(elementAt(i)[0]) & ((1u << bits) - 1));
}

RankedTensorType tensorTypeFromProto(const TensorProto &tensor,
                                     MLIRContext *context, std::string &why) {
  Type element = elementTypeFromProto(tensor.data_type(), context);
  ArrayRef<int64_t> dims(tensor.dims().data(), size_t(tensor.dims_size()));
  if (!element) {
    why = "its element type " + dataTypeName(tensor.data_type()) +
          " is not supported";
    return nullptr;
  }
  if (!rawSize(dims, rawBits(element))) {
    why = "its shape has a negative dimension or too many elements";
    return nullptr;
  }
  return RankedTensorType::get(dims, element);
}

DenseElementsAttr tensorFromProto(const TensorProto &tensor,
                                  MLIRContext *context, std::string &why) {
  if (tensor.data_location() == TensorProto::EXTERNAL) {
    why = "its data is in an external file, which is not supported here";
    return nullptr;
  }
  RankedTensorType type = tensorTypeFromProto(tensor, context, why);
  if (!type)
    return nullptr;
  std::optional<TensorBytes> bytes = tensorBytes(tensor, why);
  if (!bytes)
    return nullptr;
  return denseFromBytes(type, bytes->bytes);
}

void tensorToProto(DenseElementsAttr value, TensorProto &tensor) {
  tensor.set_data_type(elementTypeToProto(value.getElementType()));
  for (int64_t dim : value.getType().getShape())
    tensor.add_dims(dim);
  denseToBytes(value, *tensor.mutable_raw_data());
}

/// Integers of an INT64 tensor, typed or raw.
static std::optional<SmallVector<int64_t>> int64s(const TensorProto &tensor,
                                                  std::string &why) {
  if (tensor.data_type() != TensorProto::INT64) {
    why = "its indices are of type " + dataTypeName(tensor.data_type()) +
          ", not INT64";
    return std::nullopt;
  }
  std::optional<TensorBytes> bytes = tensorBytes(tensor, why);
  if (!bytes)
    return std::nullopt;
  SmallVector<int64_t> values(bytes->bytes.size() / 8);
  if (!values.empty())
    std::memcpy(values.data(), bytes->bytes.data(), values.size() * 8);
  return values;
}

bool densify(const onnx::SparseTensorProto &sparse, TensorProto &dense,
             std::string &why) {
  ArrayRef<int64_t> dims(sparse.dims().data(), size_t(sparse.dims_size()));
  unsigned bits = rawBits(sparse.values().data_type());
  std::optional<int64_t> size = rawSize(dims, bits);
  // A few bytes of a sparse tensor can claim any shape; what is written out in
  // full has to stay in proportion to a machine's memory.
  constexpr int64_t maxBytes = int64_t(1) << 32;
  if (!bits || !size || *size > maxBytes) {
    why = bits ? "its dense form would be larger than 4 GiB"
               : "its element type " +
                     dataTypeName(sparse.values().data_type()) +
                     " is not supported";
    return false;
  }
  std::optional<TensorBytes> values = tensorBytes(sparse.values(), why);
  if (!values)
    return false;
  std::optional<SmallVector<int64_t>> indices = int64s(sparse.indices(), why);
  if (!indices)
    return false;
  int64_t count =
      sparse.values().dims_size() == 1 ? sparse.values().dims(0) : -1;
  bool linear = sparse.indices().dims_size() == 1;
  size_t each = linear ? 1 : dims.size();
  if (count < 0 || indices->size() != size_t(count) * each) {
    why = "its values and indices do not match in number";
    return false;
  }

  dense.set_data_type(sparse.values().data_type());
  dense.set_name(sparse.values().name());
  *dense.mutable_dims() = sparse.dims();
  std::string &out = *dense.mutable_raw_data();
  out.assign(*size, 0);
  int64_t total = 1;
  for (int64_t dim : dims)
    total *= dim;
  for (int64_t i = 0; i < count; ++i) {
    int64_t index = 0;
    bool inside = true;
    for (size_t d = 0; d < each; ++d) {
      int64_t part = (*indices)[i * each + d];
      inside &= part >= 0 && part < (linear ? total : dims[d]);
      index = linear ? part : index * dims[d] + part;
      if (!inside)
        break;
    }
    if (!inside) {
      why = "an index of its value " + std::to_string(i) +
            " lies outside its shape";
      return false;
    }
    if (bits < 8)
      setBits(out.data(), index, bits, getBits(values->bytes, i, bits));
    else
      std::memcpy(out.data() + index * (bits / 8),
                  values->bytes.data() + i * (bits / 8), bits / 8);
  }
  return true;
}

bool constantValue(const onnx::NodeProto &node, TensorProto &value,
                   std::string &why) {
  for (const onnx::AttributeProto &attribute : node.attribute()) {
    const std::string &name = attribute.name();
    if (name == "value" && attribute.has_t()) {
      value = attribute.t();
    } else if (name == "sparse_value" && attribute.has_sparse_tensor()) {
      return densify(attribute.sparse_tensor(), value, why);
    } else if (name == "value_float") {
      value.set_data_type(TensorProto::FLOAT);
      value.add_float_data(attribute.f());
    } else if (name == "value_floats") {
      value.set_data_type(TensorProto::FLOAT);
      value.add_dims(attribute.floats_size());
      *value.mutable_float_data() = attribute.floats();
    } else if (name == "value_int") {
      value.set_data_type(TensorProto::INT64);
      value.add_int64_data(attribute.i());
    } else if (name == "value_ints") {
      value.set_data_type(TensorProto::INT64);
      value.add_dims(attribute.ints_size());
      *value.mutable_int64_data() = attribute.ints();
    } else if (name == "value_string" || name == "value_strings") {
      why = "its element type STRING is not supported";
      return false;
    } else {
      continue;
    }
    return true;
  }
  why = "it has none of the attributes that give a constant its value";
  return false;
}

} // namespace quantc::onnx_ir
