//===- GraphEmitter.cpp - ONNX nodes to onnx.node operations --------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "quantc/Dialect/ONNX/GraphEmitter.h"

#include "mlir/IR/BuiltinOps.h"
#include "llvm/Support/FormatVariadic.h"

using namespace mlir;

namespace quantc::onnx_ir {

/// Functions that call one another twice each grow without bound. No real model
/// has so many nodes that come from functions.
static constexpr size_t kMaxFunctionNodes = size_t(1) << 19;

/// Constants up to this many elements are shown to inference functions, which
/// read shapes, axes and the like.
static constexpr int64_t kMaxInferenceElements = 1024;

struct GraphEmitter::Node {
  const onnx::NodeProto &proto;
  std::string name;
  Location location;
  /// Name and value; a reference to an attribute of the function is replaced by
  /// what the call gives, or left out where it gives nothing.
  SmallVector<std::pair<StringRef, const onnx::AttributeProto *>> attributes;

  std::string describe() const {
    bool standard = proto.domain().empty();
    return llvm::formatv("node '{0}' ({1}{2}{3})", name, proto.domain(),
                         standard ? "" : "::", proto.op_type());
  }
};

std::optional<Value> GraphEmitter::Scope::find(StringRef name) const {
  for (const Scope *scope = this; scope; scope = scope->parent) {
    auto it = scope->values.find(name);
    if (it != scope->values.end())
      return it->second;
  }
  return std::nullopt;
}

Value GraphEmitter::absent(Location location) {
  return NoneOp::create(builder, location, builder.getNoneType());
}

void GraphEmitter::define(const Node &node, StringRef name, Value value,
                          Scope &scope) {
  if (!name.empty() && !scope.define(name, value))
    fail(node.location, node.describe() + ": its output '" + name +
                            "' has the name of another value; names must be "
                            "unique");
}

Value GraphEmitter::addConstant(Location location,
                                const onnx::TensorProto &tensor, StringRef name,
                                bool temporary) {
  Value value = makeConstant(location, tensor, name, temporary);
  if (!value) {
    broken = true;
    return value;
  }
  ValueInfo info;
  info.type = value.getType();
  auto type = dyn_cast<RankedTensorType>(info.type);
  if (type && type.hasStaticShape() &&
      type.getNumElements() <= kMaxInferenceElements &&
      tensor.data_location() != onnx::TensorProto::EXTERNAL) {
    std::string why;
    info.constant = tensorFromProto(tensor, builder.getContext(), why);
  }
  infos[value] = std::move(info);
  return value;
}

void GraphEmitter::emitGraph(const onnx::GraphProto &graph, Scope &scope,
                             const Frame &frame) {
  for (const onnx::ValueInfoProto &info : graph.value_info())
    scope.declared[info.name()] = &info.type();
  for (const onnx::ValueInfoProto &info : graph.output())
    scope.declared[info.name()] = &info.type();

  auto locationOf = [&](StringRef name) -> Location {
    return NameLoc::get(builder.getStringAttr(frame.prefix + name));
  };
  for (const onnx::TensorProto &tensor : graph.initializer()) {
    Location location = locationOf(tensor.name());
    if (!scope.define(tensor.name(),
                      addConstant(location, tensor, tensor.name(),
                                  /*temporary=*/false)))
      fail(location,
           "tensor '" + tensor.name() + "': there are two of that name");
  }
  for (const onnx::SparseTensorProto &sparse : graph.sparse_initializer()) {
    const std::string &name = sparse.values().name();
    Location location = locationOf(name);
    onnx::TensorProto dense;
    std::string why;
    Value value;
    if (densify(sparse, dense, why))
      value = addConstant(location, dense, name, /*temporary=*/true);
    else
      fail(location, "sparse tensor '" + name + "': " + why);
    if (!scope.define(name, value))
      fail(location, "tensor '" + name + "': there are two of that name");
  }
  emitNodes(graph.node(), scope, frame);
}

void GraphEmitter::emitNodes(const Nodes &nodes, Scope &scope,
                             const Frame &frame) {
  for (auto [index, node] : llvm::enumerate(nodes))
    emitNode(node, unsigned(index), scope, frame);
}

static bool isStandard(StringRef domain) {
  return domain.empty() || domain == "ai.onnx";
}

/// The node's name, or one made of its first output's; within a function body,
/// where these would come again with every call, of the operator and position.
static std::string nameOf(const onnx::NodeProto &node, unsigned index,
                          const GraphEmitter::Frame &frame) {
  if (!node.name().empty())
    return frame.prefix + node.name();
  if (!frame.isFunction)
    for (const std::string &output : node.output())
      if (!output.empty())
        return frame.prefix + output;
  return frame.prefix + node.op_type() + "_" + std::to_string(index);
}

void GraphEmitter::emitNode(const onnx::NodeProto &proto, unsigned index,
                            Scope &scope, const Frame &frame) {
  if (functionNodes > kMaxFunctionNodes)
    return;
  std::string name = nameOf(proto, index, frame);
  StringAttr nameAttr = builder.getStringAttr(name);
  Location location = frame.isFunction ? NameLoc::get(nameAttr, frame.location)
                                       : NameLoc::get(nameAttr);
  Node node{proto, std::move(name), location, {}};
  if (frame.isFunction && ++functionNodes > kMaxFunctionNodes)
    return fail(location, llvm::formatv("written out, the functions that the "
                                        "model calls have more than {0} nodes",
                                        kMaxFunctionNodes));
  for (const onnx::AttributeProto &attribute : proto.attribute()) {
    const onnx::AttributeProto *value = &attribute;
    if (!attribute.ref_attr_name().empty())
      value = frame.attributes.lookup(attribute.ref_attr_name());
    if (value)
      node.attributes.emplace_back(attribute.name(), value);
  }

  if (const onnx::FunctionProto *body = findFunction(proto))
    emitCall(node, *body, scope, frame);
  else if (proto.op_type() == "Constant" && isStandard(proto.domain()))
    emitConstant(node, scope);
  else
    emitOperation(node, scope, frame);
}

void GraphEmitter::emitConstant(const Node &node, Scope &scope) {
  StringRef output;
  if (node.proto.output_size())
    output = node.proto.output(0);
  onnx::NodeProto bound;
  for (auto [name, value] : node.attributes) {
    if (name == "value" && value->has_t())
      return define(node, output,
                    addConstant(node.location, value->t(), node.name,
                                /*temporary=*/false),
                    scope);
    onnx::AttributeProto *copy = bound.add_attribute();
    *copy = *value;
    copy->set_name(name.str());
  }
  onnx::TensorProto tensor;
  std::string why;
  Value value;
  if (constantValue(bound, tensor, why))
    value = addConstant(node.location, tensor, node.name, /*temporary=*/true);
  else
    fail(node.location, node.describe() + ": " + why);
  define(node, output, value, scope);
}

std::optional<SmallVector<Value>> GraphEmitter::findInputs(const Node &node,
                                                           Scope &scope) {
  SmallVector<Value> inputs;
  bool complete = true;
  int count = node.proto.input_size();
  while (count > 0 && node.proto.input(count - 1).empty())
    --count;
  for (int i = 0; i < count; ++i) {
    const std::string &name = node.proto.input(i);
    if (name.empty()) {
      inputs.push_back(absent(node.location));
      continue;
    }
    std::optional<Value> value = scope.find(name);
    if (!value)
      fail(node.location, node.describe() + ": its input '" + name +
                              "' is defined by nothing before it; nodes must "
                              "be in topological order");
    complete &= value && *value;
    inputs.push_back(value.value_or(Value()));
  }
  if (!complete)
    return std::nullopt;
  return inputs;
}

std::optional<int64_t> GraphEmitter::findVersion(const Node &node,
                                                 const Frame &frame) {
  StringRef domain = node.proto.domain();
  if (domain == "ai.onnx")
    domain = "";
  auto it = frame.opsets.find(domain);
  if (it == frame.opsets.end()) {
    fail(node.location, node.describe() +
                            ": the model does not import an opset of domain '" +
                            domain + "'");
    return std::nullopt;
  }
  StringRef opType = node.proto.op_type();
  if (std::optional<int64_t> since = sinceVersion(opType, domain, it->second))
    return since;
  if (acceptsUnknown(domain))
    return it->second;
  std::string message =
      llvm::formatv("{0}: there is no such operator in opset {1} of domain "
                    "'{2}'",
                    node.describe(), it->second, domain);
  if (std::optional<int64_t> later =
          sinceVersion(opType, domain, latestOpset(domain)))
    message += llvm::formatv(", only from opset {0} on", *later);
  else if (latestOpset(domain) == 0)
    message +=
        ", of which quantc knows no operators; name a library that has it "
        "(--plugin), give the model a function of that name, or export it with "
        "standard operators";
  else if (!isStandard(domain))
    message += "; if it is one of your own, name a library that has it "
               "(--plugin) or give the model a function of that name; else "
               "export the model with another operator";
  fail(node.location, message);
  return std::nullopt;
}

/// What inference and the file say together: a dimension that one of them
/// knows, a name that the file gives.
static void mergeDeclared(ValueInfo &info, Type type,
                          ArrayRef<std::string> names) {
  if (!isa_and_present<TensorType>(info.type)) {
    info.type = type;
    info.dims.assign(names.begin(), names.end());
    return;
  }
  auto inferred = cast<TensorType>(info.type);
  auto declared = dyn_cast<RankedTensorType>(type);
  if (!declared || declared.getElementType() != inferred.getElementType())
    return;
  if (!inferred.hasRank()) {
    info.type = type;
    info.dims.assign(names.begin(), names.end());
    return;
  }
  if (inferred.getRank() != declared.getRank())
    return;
  SmallVector<int64_t> shape(inferred.getShape());
  info.dims.resize(shape.size());
  for (auto [i, size] : llvm::enumerate(shape))
    if (ShapedType::isDynamic(size)) {
      size = declared.getDimSize(i);
      if (info.dims[i].empty() && i < names.size())
        info.dims[i] = names[i];
    }
  info.type = RankedTensorType::get(shape, inferred.getElementType());
}

SmallVector<ValueInfo>
GraphEmitter::resultInfos(const Node &node, int64_t version, ValueRange inputs,
                          const InferSubgraphByName &subgraph,
                          const Scope &scope) {
  MLIRContext *context = builder.getContext();
  SmallVector<ValueInfo> inputInfos;
  for (Value input : inputs) {
    ValueInfo info = infos.lookup(input);
    if (!info.type)
      info.type = input.getType();
    inputInfos.push_back(std::move(info));
  }
  // Inference sees bound attributes and no subgraphs, whose types it asks for.
  onnx::NodeProto bound;
  bound.set_op_type(node.proto.op_type());
  bound.set_domain(node.proto.domain());
  bound.set_name(node.name);
  *bound.mutable_output() = node.proto.output();
  for (auto [name, value] : node.attributes) {
    if (value->type() == onnx::AttributeProto::GRAPH)
      continue;
    onnx::AttributeProto *copy = bound.add_attribute();
    *copy = *value;
    copy->set_name(name.str());
  }
  SmallVector<ValueInfo> results;
  std::string why;
  // What inference objects to is for the walk to say, which knows more.
  if (!inferTypes(bound, version, inputInfos, context, subgraph, results, why))
    results.assign(bound.output_size(), ValueInfo());

  for (auto [info, name] : llvm::zip(results, bound.output())) {
    if (name.empty()) {
      info.type = NoneType::get(context);
      continue;
    }
    auto it = scope.declared.find(name);
    SmallVector<std::string> dims;
    if (it != scope.declared.end())
      if (Type type = typeFromProto(*it->second, context, dims, why))
        mergeDeclared(info, type, dims);
    if (!info.type)
      info.type = UnknownType::get(context);
  }
  return results;
}

std::optional<SmallVector<ValueInfo>>
GraphEmitter::emitSubgraph(const onnx::GraphProto &graph, Region &region,
                           const Node &node, ArrayRef<ValueInfo> arguments,
                           const Scope &outer, const Frame &frame) {
  OpBuilder::InsertionGuard guard(builder);
  Block *block = builder.createBlock(&region);
  Scope scope(&outer);
  llvm::StringMap<bool> isConstant;
  for (const onnx::TensorProto &tensor : graph.initializer())
    isConstant[tensor.name()] = true;
  for (auto [i, input] : llvm::enumerate(graph.input())) {
    if (isConstant.contains(input.name()))
      continue;
    ValueInfo info;
    if (i < arguments.size())
      info = arguments[i];
    SmallVector<std::string> dims;
    std::string why;
    if (Type type =
            typeFromProto(input.type(), builder.getContext(), dims, why))
      mergeDeclared(info, type, dims);
    if (!info.type)
      info.type = UnknownType::get(builder.getContext());
    Value argument = block->addArgument(info.type, node.location);
    define(node, input.name(), argument, scope);
    infos[argument] = std::move(info);
  }
  emitGraph(graph, scope, frame);

  SmallVector<Value> results;
  SmallVector<ValueInfo> resultInfos;
  bool complete = true;
  for (const onnx::ValueInfoProto &output : graph.output()) {
    std::optional<Value> value = scope.find(output.name());
    if (!value)
      fail(node.location, node.describe() + ": the output '" + output.name() +
                              "' of its subgraph is defined nowhere");
    if (!value || !*value) {
      complete = false;
      continue;
    }
    results.push_back(*value);
    resultInfos.push_back(infos.lookup(*value));
  }
  ReturnOp::create(builder, node.location, results);
  if (!complete)
    return std::nullopt;
  return resultInfos;
}

void GraphEmitter::emitOperation(const Node &node, Scope &scope,
                                 const Frame &frame) {
  bool complete = true;
  std::optional<SmallVector<Value>> inputs = findInputs(node, scope);
  std::optional<int64_t> version = findVersion(node, frame);

  OperationState state(node.location, NodeOp::getOperationName());
  NamedAttrList attributes;
  SmallVector<StringRef> subgraphNames;
  SmallVector<const onnx::GraphProto *> graphs;
  for (auto [name, value] : node.attributes) {
    if (value->type() == onnx::AttributeProto::GRAPH) {
      state.addRegion();
      subgraphNames.push_back(name);
      graphs.push_back(&value->g());
      continue;
    }
    std::string why;
    Attribute attribute = attributeFromProto(*value, builder.getContext(), why);
    if (attribute)
      attributes.set(name, attribute);
    else
      fail(node.location,
           node.describe() + ": attribute '" + name + "': " + why);
    complete &= bool(attribute);
  }

  // A subgraph is built when inference asks for its types, for it then tells
  // those of the arguments; otherwise afterwards.
  SmallVector<std::optional<SmallVector<ValueInfo>>> known(graphs.size());
  auto buildSubgraph = [&](StringRef name, ArrayRef<ValueInfo> arguments)
      -> std::optional<SmallVector<ValueInfo>> {
    size_t i = llvm::find(subgraphNames, name) - subgraphNames.begin();
    if (i == graphs.size())
      return std::nullopt;
    Region &region = *state.regions[i];
    if (region.empty())
      known[i] =
          emitSubgraph(*graphs[i], region, node, arguments, scope, frame);
    return known[i];
  };
  SmallVector<ValueInfo> results;
  if (inputs && version)
    results = resultInfos(node, *version, *inputs, buildSubgraph, scope);
  for (auto [i, name] : llvm::enumerate(subgraphNames)) {
    buildSubgraph(name, {});
    complete &= known[i].has_value();
  }
  if (!complete || !inputs || !version) {
    for (const std::string &output : node.proto.output())
      define(node, output, Value(), scope);
    return;
  }

  state.addOperands(*inputs);
  for (const ValueInfo &info : results)
    state.addTypes(info.type);
  auto &properties = state.getOrAddProperties<NodeOp::Properties>();
  properties.setOpType(builder.getStringAttr(node.proto.op_type()));
  StringRef domain = node.proto.domain();
  properties.setDomain(
      builder.getStringAttr(domain == "ai.onnx" ? "" : domain));
  properties.setVersion(builder.getI64IntegerAttr(*version));
  properties.setNodeAttributes(attributes.getDictionary(builder.getContext()));
  properties.setName(builder.getStringAttr(node.name));
  if (!subgraphNames.empty())
    properties.setSubgraphNames(builder.getStrArrayAttr(subgraphNames));
  properties.operandSegmentSizes = {int32_t(inputs->size()), 0};
  Operation *op = builder.create(state);
  for (auto [result, info, name] :
       llvm::zip(op->getResults(), results, node.proto.output())) {
    define(node, name, result, scope);
    infos[result] = std::move(info);
  }
}

void GraphEmitter::emitCall(const Node &node, const onnx::FunctionProto &body,
                            Scope &scope, const Frame &frame) {
  Frame inner(node.location);
  inner.isFunction = true;
  inner.prefix = node.name + "/";
  inner.opsets = readOpsets(body.opset_import());
  for (const onnx::AttributeProto &attribute : body.attribute_proto())
    inner.attributes[attribute.name()] = &attribute;
  for (auto [name, value] : node.attributes)
    inner.attributes[name] = value;
  if (node.proto.input_size() > body.input_size() ||
      node.proto.output_size() > body.output_size())
    fail(node.location,
         node.describe() + ": has more inputs or outputs than the function");

  Scope values;
  for (int i = 0; i < body.input_size(); ++i) {
    StringRef actual;
    if (i < node.proto.input_size())
      actual = node.proto.input(i);
    Value value;
    if (actual.empty()) {
      value = absent(node.location);
    } else if (std::optional<Value> found = scope.find(actual)) {
      value = *found;
    } else {
      fail(node.location, node.describe() + ": its input '" + actual +
                              "' is defined by nothing before it");
    }
    define(node, body.input(i), value, values);
  }
  emitNodes(body.node(), values, inner);
  for (int i = 0; i < node.proto.output_size(); ++i) {
    std::optional<Value> value;
    if (i < body.output_size())
      value = values.find(body.output(i));
    if (!value && i < body.output_size())
      fail(node.location, node.describe() + ": the function's output '" +
                              body.output(i) + "' is defined nowhere");
    define(node, node.proto.output(i), value.value_or(Value()), scope);
  }
}

} // namespace quantc::onnx_ir
