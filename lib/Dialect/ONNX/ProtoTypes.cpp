//===- ProtoTypes.cpp - ONNX types to MLIR and back -----------------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "quantc/Dialect/ONNX/ProtoMessages.h"

using namespace mlir;
using onnx::TensorProto;

namespace quantc::onnx_ir {

Type elementTypeFromProto(int32_t dataType, MLIRContext *context) {
  auto integer = [&](unsigned bits, bool isSigned) -> Type {
    return IntegerType::get(
        context, bits, isSigned ? IntegerType::Signed : IntegerType::Unsigned);
  };
  switch (dataType) {
  case TensorProto::FLOAT:
    return Float32Type::get(context);
  case TensorProto::DOUBLE:
    return Float64Type::get(context);
  case TensorProto::FLOAT16:
    return Float16Type::get(context);
  case TensorProto::BFLOAT16:
    return BFloat16Type::get(context);
  case TensorProto::FLOAT8E4M3FN:
    return Float8E4M3FNType::get(context);
  case TensorProto::FLOAT8E4M3FNUZ:
    return Float8E4M3FNUZType::get(context);
  case TensorProto::FLOAT8E5M2:
    return Float8E5M2Type::get(context);
  case TensorProto::FLOAT8E5M2FNUZ:
    return Float8E5M2FNUZType::get(context);
  case TensorProto::FLOAT8E8M0:
    return Float8E8M0FNUType::get(context);
  case TensorProto::FLOAT6E2M3:
    return Float6E2M3FNType::get(context);
  case TensorProto::FLOAT6E3M2:
    return Float6E3M2FNType::get(context);
  case TensorProto::FLOAT4E2M1:
    return Float4E2M1FNType::get(context);
  case TensorProto::BOOL:
    return IntegerType::get(context, 1);
  case TensorProto::INT2:
    return integer(2, true);
  case TensorProto::INT4:
    return integer(4, true);
  case TensorProto::INT8:
    return integer(8, true);
  case TensorProto::INT16:
    return integer(16, true);
  case TensorProto::INT32:
    return integer(32, true);
  case TensorProto::INT64:
    return integer(64, true);
  case TensorProto::UINT2:
    return integer(2, false);
  case TensorProto::UINT4:
    return integer(4, false);
  case TensorProto::UINT8:
    return integer(8, false);
  case TensorProto::UINT16:
    return integer(16, false);
  case TensorProto::UINT32:
    return integer(32, false);
  case TensorProto::UINT64:
    return integer(64, false);
  default:
    return nullptr;
  }
}

int32_t elementTypeToProto(Type type) {
  // The inverse by search: the ids are few and this is no inner loop.
  for (int32_t id = TensorProto::DataType_MIN; id <= TensorProto::DataType_MAX;
       ++id)
    if (elementTypeFromProto(id, type.getContext()) == type)
      return id;
  return TensorProto::UNDEFINED;
}

std::string dataTypeName(int32_t dataType) {
  if (TensorProto::DataType_IsValid(dataType))
    return TensorProto::DataType_Name(TensorProto::DataType(dataType));
  return "number " + std::to_string(dataType);
}

static const char *kindName(const onnx::TypeProto &proto) {
  switch (proto.value_case()) {
  case onnx::TypeProto::kMapType:
    return "a map";
  case onnx::TypeProto::kSparseTensorType:
    return "a sparse tensor";
  case onnx::TypeProto::kOpaqueType:
    return "opaque";
  default:
    return "not given";
  }
}

Type typeFromProto(const onnx::TypeProto &proto, MLIRContext *context,
                   SmallVectorImpl<std::string> &dims, std::string &why) {
  dims.clear();
  if (proto.has_sequence_type() || proto.has_optional_type()) {
    SmallVector<std::string> elementDims;
    bool sequence = proto.has_sequence_type();
    Type element = typeFromProto(sequence ? proto.sequence_type().elem_type()
                                          : proto.optional_type().elem_type(),
                                 context, elementDims, why);
    if (!element)
      return nullptr;
    return sequence ? Type(SequenceType::get(context, element))
                    : Type(OptionalType::get(context, element));
  }
  if (!proto.has_tensor_type()) {
    why = std::string("its type is ") + kindName(proto) +
          "; only tensors, sequences and optionals are supported";
    return nullptr;
  }
  const onnx::TypeProto_Tensor &tensor = proto.tensor_type();
  Type element = elementTypeFromProto(tensor.elem_type(), context);
  if (!element) {
    why = "its element type " + dataTypeName(tensor.elem_type()) +
          " is not supported";
    return nullptr;
  }
  if (!tensor.has_shape())
    return UnrankedTensorType::get(element);
  SmallVector<int64_t> shape;
  for (const auto &dim : tensor.shape().dim()) {
    // Some exporters write -1 for a dimension that they do not know.
    if (dim.has_dim_value() && dim.dim_value() < -1) {
      why = "its dimension " + std::to_string(dims.size()) + " is " +
            std::to_string(dim.dim_value());
      return nullptr;
    }
    bool known = dim.has_dim_value() && dim.dim_value() >= 0;
    shape.push_back(known ? dim.dim_value() : ShapedType::kDynamic);
    dims.push_back(known ? "" : dim.dim_param());
  }
  return RankedTensorType::get(shape, element);
}

void typeToProto(Type type, ArrayRef<std::string> dims,
                 onnx::TypeProto &proto) {
  if (auto sequence = dyn_cast_if_present<SequenceType>(type))
    return typeToProto(sequence.getElement(), {},
                       *proto.mutable_sequence_type()->mutable_elem_type());
  if (auto optional = dyn_cast_if_present<OptionalType>(type))
    return typeToProto(optional.getElement(), {},
                       *proto.mutable_optional_type()->mutable_elem_type());
  auto tensor = dyn_cast_if_present<TensorType>(type);
  if (!tensor)
    return;
  auto *tensorProto = proto.mutable_tensor_type();
  tensorProto->set_elem_type(elementTypeToProto(tensor.getElementType()));
  if (!tensor.hasRank())
    return;
  auto *shape = tensorProto->mutable_shape();
  for (auto [i, size] : llvm::enumerate(tensor.getShape())) {
    auto *dim = shape->add_dim();
    if (!ShapedType::isDynamic(size))
      dim->set_dim_value(size);
    else if (i < dims.size() && !dims[i].empty())
      dim->set_dim_param(dims[i]);
  }
}

} // namespace quantc::onnx_ir
