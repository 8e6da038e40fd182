//===- Opset.cpp - The version that has all that a model needs ------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A node of the IR names the version of its operator, which after the walk is
// the newest, though most need only what older ones had. So what counts is
// whether a version's schema has the attributes, operands and element types.
//
//===----------------------------------------------------------------------===//

#include "Writer.h"

#include "onnx/defs/data_type_utils.h"
#include "onnx/defs/schema.h"
#include "llvm/Support/FormatVariadic.h"

using namespace mlir;
using namespace quantc;
using namespace quantc::onnx_export;
using onnx::OpSchema;

/// What an operator means has changed since this version, with the same
/// attributes and operands.
static bool hasChanged(StringRef opType, int64_t version) {
  struct Change {
    StringLiteral opType;
    int64_t version;
  };
  static constexpr Change changes[] = {
      {"BatchNormalization", 9},
      {"Hardmax", 13},
      {"Softmax", 13},
      {"LogSoftmax", 13},
      {"GroupNormalization", 21},
      {"DFT", 20},
      {"Upsample", 9},
  };
  for (const Change &change : changes)
    if (change.opType == opType && version < change.version)
      return true;
  return false;
}

static bool accepts(ArrayRef<OpSchema::FormalParameter> formals,
                    ArrayRef<Type> types) {
  for (auto [i, element] : llvm::enumerate(types)) {
    if (formals.empty())
      return false;
    const OpSchema::FormalParameter &formal =
        formals[std::min(i, formals.size() - 1)];
    if (i >= formals.size() && formal.GetOption() != OpSchema::Variadic)
      return false;
    int32_t id = element ? onnx_ir::elementTypeToProto(element) : 0;
    if (!id)
      continue; // absent, or no tensor
    onnx::TypeProto tensor;
    tensor.mutable_tensor_type()->set_elem_type(id);
    if (!formal.GetTypes().count(onnx::Utils::DataTypeUtils::ToType(tensor)))
      return false;
  }
  return true;
}

/// True if the operator is in this version what the node means.
static bool suits(const Emitted &emitted, int64_t opset) {
  const onnx::NodeProto &node = *emitted.node;
  if (!node.domain().empty())
    return true;
  onnx_ir::registerSchemas();
  const OpSchema *schema =
      onnx::OpSchemaRegistry::Schema(node.op_type(), int(opset), node.domain());
  if (!schema || schema->Deprecated())
    return false;
  for (const onnx::AttributeProto &attribute : node.attribute())
    if (!schema->attributes().count(attribute.name()))
      return false;
  if (emitted.version == schema->SinceVersion())
    return true;
  // Young operators still change; older ones have settled by version 21.
  constexpr int64_t settled = 21;
  if (emitted.version > 0 &&
      (!onnx_ir::sinceVersion(node.op_type(), "", settled) ||
       hasChanged(node.op_type(), emitted.version)))
    return false;
  return accepts(schema->inputs(), emitted.inputs) &&
         accepts(schema->outputs(), emitted.outputs);
}

std::optional<int64_t> onnx_export::chooseOpset(ArrayRef<Emitted> emitted,
                                                int64_t first,
                                                std::string &why) {
  int64_t latest = onnx_ir::latestOpset("");
  for (int64_t opset = first; opset <= latest; ++opset) {
    const auto *bad = llvm::find_if(
        emitted, [&](const Emitted &one) { return !suits(one, opset); });
    if (bad == emitted.end())
      return opset;
    why = llvm::formatv(
        "no version of the standard operators from {0} to {1} "
        "has {2} as it is here{3}",
        first, latest, bad->node->op_type(),
        bad->node->name().empty() ? "" : " (node '" + bad->node->name() + "')");
  }
  return std::nullopt;
}

bool onnx_export::isExactly(ArrayRef<Emitted> emitted, int64_t opset) {
  return llvm::all_of(emitted, [&](const Emitted &one) {
    const onnx::NodeProto &node = *one.node;
    return !node.domain().empty() ||
           onnx_ir::sinceVersion(node.op_type(), "", opset) == one.version;
  });
}
