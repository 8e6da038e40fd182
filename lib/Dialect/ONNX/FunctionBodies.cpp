//===- FunctionBodies.cpp - Operators defined by other operators ----------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "quantc/Dialect/ONNX/GraphEmitter.h"

#include "onnx/defs/schema.h"

using namespace mlir;
using onnx::OpSchema;

namespace quantc::onnx_ir {

namespace {
class BodyEmitter : public GraphEmitter {
public:
  BodyEmitter(NodeOp call, OpBuilder &builder, MakeConstant make)
      : GraphEmitter(builder), call(call), make(make) {}

protected:
  Value makeConstant(Location location, const onnx::TensorProto &tensor,
                     StringRef name, bool) override {
    std::string why;
    DenseElementsAttr value =
        tensorFromProto(tensor, builder.getContext(), why);
    if (!value) {
      report(location, "constant '" + name + "': " + why);
      return nullptr;
    }
    if (make)
      return make(builder, location, value);
    auto attributes =
        builder.getDictionaryAttr(builder.getNamedAttr("value", value));
    return NodeOp::create(builder, location, TypeRange(value.getType()),
                          ValueRange(), ValueRange(), "Constant",
                          /*domain=*/"", /*version=*/13, attributes,
                          builder.getStringAttr(name),
                          /*subgraph_names=*/ArrayAttr(), /*regions=*/0)
        .getOutputs()
        .front();
  }

  void report(Location, const Twine &message) override {
    call.emitError() << "the function body of " << call.getOpType()
                     << " (version " << call.getVersion()
                     << ") cannot be built: " << message;
  }

private:
  NodeOp call;
  MakeConstant make;
};
} // namespace

/// The version of the body that goes with the operator's: bodies are registered
/// for the operator's own version, or, where its operators changed, only for
/// later ones; then the first of these.
static int bodyVersion(std::vector<int> versions, int64_t version) {
  llvm::sort(versions);
  for (int candidate : versions)
    if (candidate >= version)
      return candidate;
  return versions.empty() ? int(version) : versions.back();
}

/// The body of `node` for these inputs; false if there is none. Throws what the
/// schema's builder throws.
static bool buildBody(const OpSchema &schema, const onnx::NodeProto &node,
                      ArrayRef<ValueInfo> inputs, onnx::FunctionProto &body) {
  if (schema.HasFunction()) {
    const onnx::FunctionProto *function = schema.GetFunction(
        bodyVersion(schema.function_opset_versions(), schema.SinceVersion()));
    if (function)
      body = *function;
    return function;
  }
  if (!schema.HasContextDependentFunction())
    return false;
  std::vector<onnx::TypeProto> types(inputs.size());
  for (auto [info, type] : llvm::zip(inputs, types))
    typeToProto(info.type, info.dims, type);
  onnx::FunctionBodyBuildContextImpl context(node, types);
  return schema.BuildContextDependentFunction(
      context, body,
      bodyVersion(schema.context_dependent_function_opset_versions(),
                  schema.SinceVersion()));
}

/// The schema whose body stands for `node`, or null. These two have a body only
/// in the newest version, and compute the same in all.
static const OpSchema *schemaWithBody(NodeOp node) {
  registerSchemas();
  std::string type = node.getOpType().str(), domain = node.getDomain().str();
  if (domain.empty() && (type == "DepthToSpace" || type == "SpaceToDepth"))
    return onnx::OpSchemaRegistry::Schema(type, domain);
  return onnx::OpSchemaRegistry::Schema(type, int(node.getVersion()), domain);
}

bool hasFunctionBody(NodeOp node) {
  const OpSchema *schema = schemaWithBody(node);
  return schema &&
         (schema->HasFunction() || schema->HasContextDependentFunction());
}

FailureOr<bool> expandFunctionBody(NodeOp node, ArrayRef<ValueInfo> inputs,
                                   OpBuilder &builder,
                                   SmallVectorImpl<Value> &results,
                                   MakeConstant makeConstant) {
  const OpSchema *schema = schemaWithBody(node);
  if (!schema)
    return false;
  onnx::NodeProto proto;
  nodeToProto(node, proto);
  if (node.getDomain() == kMicrosoftDomain) {
    // Their inference is also what says whether a node is right.
    if (failed(inferNodeTypes(node, inputs)))
      return failure();
    // These bodies leave out what nobody uses.
    for (auto [i, result] : llvm::enumerate(node.getOutputs()))
      if (result.use_empty())
        proto.set_output(int(i), "");
  }
  onnx::FunctionProto body;
  try {
    if (!buildBody(*schema, proto, inputs, body))
      return false;
  } catch (const std::exception &error) {
    return node.emitError()
           << "the function body of " << node.getOpType() << " (version "
           << node.getVersion() << ") cannot be built: " << error.what();
  }

  BodyEmitter emitter(node, builder, makeConstant);
  GraphEmitter::Frame frame(node.getLoc());
  frame.isFunction = true;
  frame.prefix = (node.getName().value_or(node.getOpType()) + "/").str();
  frame.opsets = GraphEmitter::readOpsets(body.opset_import());
  frame.opsets.try_emplace(node.getDomain(), schema->SinceVersion());
  // Some bodies of other domains import no version of the operators of ai.onnx
  // that they are made of: they mean those of the ONNX they come with.
  const auto &released =
      onnx::OpSchemaRegistry::DomainToVersionRange::Instance()
          .LastReleaseVersionMap();
  if (auto standard = released.find(""); standard != released.end())
    frame.opsets.try_emplace("", standard->second);
  // A schema's own defaults stand for attributes that the node does not give.
  for (const auto &[name, attribute] : schema->attributes())
    if (attribute.default_value.type() != onnx::AttributeProto::UNDEFINED)
      frame.attributes[name] = &attribute.default_value;
  for (const onnx::AttributeProto &attribute : body.attribute_proto())
    frame.attributes[attribute.name()] = &attribute;
  for (const onnx::AttributeProto &attribute : proto.attribute())
    frame.attributes[attribute.name()] = &attribute;

  GraphEmitter::Scope scope;
  for (auto [i, name] : llvm::enumerate(body.input())) {
    Value value = node.getInput(unsigned(i));
    if (value && i < inputs.size())
      emitter.setInfo(value, inputs[i]);
    if (!value)
      value = NoneOp::create(builder, node.getLoc(), builder.getNoneType());
    scope.define(name, value);
  }
  emitter.emitNodes(body.node(), scope, frame);
  if (emitter.hasFailed())
    return failure();
  results.clear();
  for (unsigned i = 0, e = node.getOutputs().size(); i != e; ++i) {
    std::optional<Value> value;
    if (int(i) < body.output_size())
      value = scope.find(body.output(int(i)));
    results.push_back(value.value_or(Value()));
  }
  return true;
}

} // namespace quantc::onnx_ir
