//===- ProtoAttributes.cpp - ONNX attributes and nodes --------------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "quantc/Dialect/ONNX/ProtoMessages.h"

#include "onnx/defs/schema.h"

using namespace mlir;
using onnx::AttributeProto;

namespace quantc::onnx_ir {

Attribute attributeFromProto(const AttributeProto &attribute,
                             MLIRContext *context, std::string &why) {
  Builder builder(context);
  Type si64 = builder.getIntegerType(64, /*isSigned=*/true);
  SmallVector<Attribute> list;
  switch (attribute.type()) {
  case AttributeProto::FLOAT:
    return builder.getF32FloatAttr(attribute.f());
  case AttributeProto::INT:
    return IntegerAttr::get(si64, attribute.i());
  case AttributeProto::STRING:
    return builder.getStringAttr(attribute.s());
  case AttributeProto::TENSOR:
    return tensorFromProto(attribute.t(), context, why);
  case AttributeProto::TYPE_PROTO: {
    SmallVector<std::string> dims;
    Type type = typeFromProto(attribute.tp(), context, dims, why);
    return type ? TypeAttr::get(type) : TypeAttr();
  }
  case AttributeProto::FLOATS:
    for (float value : attribute.floats())
      list.push_back(builder.getF32FloatAttr(value));
    return builder.getArrayAttr(list);
  case AttributeProto::INTS:
    for (int64_t value : attribute.ints())
      list.push_back(IntegerAttr::get(si64, value));
    return builder.getArrayAttr(list);
  case AttributeProto::STRINGS:
    for (const std::string &value : attribute.strings())
      list.push_back(builder.getStringAttr(value));
    return builder.getArrayAttr(list);
  case AttributeProto::TENSORS:
    for (const onnx::TensorProto &tensor : attribute.tensors()) {
      list.push_back(tensorFromProto(tensor, context, why));
      if (!list.back())
        return nullptr;
    }
    return builder.getArrayAttr(list);
  default:
    why = "attributes of kind " +
          (AttributeProto::AttributeType_IsValid(attribute.type())
               ? AttributeProto::AttributeType_Name(attribute.type())
               : std::to_string(attribute.type())) +
          " are not supported here";
    return nullptr;
  }
}

bool attributeToProto(StringRef name, Attribute value,
                      AttributeProto &attribute, int32_t type) {
  attribute.set_name(name.str());
  if (auto number = dyn_cast<FloatAttr>(value)) {
    attribute.set_type(AttributeProto::FLOAT);
    attribute.set_f(float(number.getValueAsDouble()));
    return true;
  }
  if (auto number = dyn_cast<IntegerAttr>(value)) {
    attribute.set_type(AttributeProto::INT);
    attribute.set_i(number.getValue().getSExtValue());
    return true;
  }
  if (auto string = dyn_cast<StringAttr>(value)) {
    attribute.set_type(AttributeProto::STRING);
    attribute.set_s(string.str());
    return true;
  }
  if (auto tensor = dyn_cast<DenseElementsAttr>(value)) {
    attribute.set_type(AttributeProto::TENSOR);
    tensorToProto(tensor, *attribute.mutable_t());
    return true;
  }
  if (auto typeAttr = dyn_cast<TypeAttr>(value)) {
    attribute.set_type(AttributeProto::TYPE_PROTO);
    typeToProto(typeAttr.getValue(), {}, *attribute.mutable_tp());
    return true;
  }
  auto list = dyn_cast<ArrayAttr>(value);
  if (!list)
    return false;
  attribute.set_type(AttributeProto::AttributeType(type));
  for (Attribute element : list) {
    AttributeProto one;
    if (!attributeToProto(name, element, one))
      return false;
    switch (one.type()) {
    case AttributeProto::FLOAT:
      attribute.set_type(AttributeProto::FLOATS);
      attribute.add_floats(one.f());
      break;
    case AttributeProto::INT:
      attribute.set_type(AttributeProto::INTS);
      attribute.add_ints(one.i());
      break;
    case AttributeProto::STRING:
      attribute.set_type(AttributeProto::STRINGS);
      attribute.add_strings(one.s());
      break;
    case AttributeProto::TENSOR:
      attribute.set_type(AttributeProto::TENSORS);
      attribute.add_tensors()->Swap(one.mutable_t());
      break;
    default:
      return false;
    }
  }
  return true;
}

void nodeToProto(NodeOp op, onnx::NodeProto &node) {
  node.set_op_type(op.getOpType().str());
  node.set_domain(op.getDomain().str());
  if (std::optional<StringRef> name = op.getName())
    node.set_name(name->str());
  for (unsigned i = 0, e = op.getInputs().size(); i != e; ++i)
    node.add_input(op.getInput(i) ? "i" + std::to_string(i) : "");
  for (auto [i, result] : llvm::enumerate(op.getOutputs())) {
    // An output that the file leaves out has the type `none`.
    bool absent = isa<NoneType>(result.getType());
    node.add_output(absent ? "" : "o" + std::to_string(i));
  }
  const onnx::OpSchema *schema = onnx::OpSchemaRegistry::Schema(
      node.op_type(), int(op.getVersion()), node.domain());
  for (NamedAttribute named : op.getNodeAttributes()) {
    int32_t type = AttributeProto::INTS;
    if (schema) {
      auto it = schema->attributes().find(named.getName().str());
      if (it != schema->attributes().end())
        type = int32_t(it->second.type);
    }
    attributeToProto(named.getName(), named.getValue(), *node.add_attribute(),
                     type);
  }
}

} // namespace quantc::onnx_ir
