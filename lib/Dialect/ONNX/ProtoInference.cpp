//===- ProtoInference.cpp - Schemas and their type inference --------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "quantc/Dialect/ONNX/ProtoMessages.h"

#include "onnx/defs/schema.h"
#include "onnx/shape_inference/implementation.h"
#include "llvm/ADT/StringMap.h"

#include <stdexcept>

using namespace mlir;
using onnx::OpSchema;
using onnx::OpSchemaRegistry;

namespace quantc::onnx_ir {

//===----------------------------------------------------------------------===//
// Schemas
//===----------------------------------------------------------------------===//

/// "ai.onnx" is another name of the standard domain.
static std::string domainKey(StringRef domain) {
  return domain == onnx::AI_ONNX_DOMAIN ? "" : domain.str();
}

static const OpSchema *findSchema(StringRef opType, StringRef domain,
                                  int64_t version) {
  if (version <= 0 || version > std::numeric_limits<int>::max())
    return nullptr;
  registerSchemas();
  return OpSchemaRegistry::Schema(opType.str(), int(version),
                                  domainKey(domain));
}
static const OpSchema *findSchema(NodeOp node) {
  return findSchema(node.getOpType(), node.getDomain(), node.getVersion());
}

std::optional<int64_t> sinceVersion(StringRef opType, StringRef domain,
                                    int64_t opset) {
  const OpSchema *schema = findSchema(opType, domain, opset);
  if (!schema || schema->Deprecated())
    return std::nullopt;
  return schema->SinceVersion();
}

int64_t latestOpset(StringRef domain) {
  registerSchemas();
  const auto &map = OpSchemaRegistry::DomainToVersionRange::Instance().Map();
  auto it = map.find(domainKey(domain));
  return it == map.end() ? 0 : it->second.second;
}

Attribute defaultAttribute(NodeOp node, StringRef name) {
  const OpSchema *schema = findSchema(node);
  if (!schema)
    return nullptr;
  auto it = schema->attributes().find(name.str());
  if (it == schema->attributes().end() ||
      it->second.default_value.type() == onnx::AttributeProto::UNDEFINED)
    return nullptr;
  std::string why;
  return attributeFromProto(it->second.default_value, node.getContext(), why);
}

Attribute attributeOrDefault(NodeOp node, StringRef name) {
  Attribute attribute = node.getNodeAttr(name);
  return attribute ? attribute : defaultAttribute(node, name);
}

SmallVector<std::string> formalNames(NodeOp node, bool outputs) {
  SmallVector<std::string> names;
  if (const OpSchema *schema = findSchema(node))
    for (const OpSchema::FormalParameter &parameter :
         outputs ? schema->outputs() : schema->inputs())
      names.push_back(parameter.GetName());
  return names;
}

SmallVector<std::string> requiredInputs(NodeOp node) {
  SmallVector<std::string> names;
  if (const OpSchema *schema = findSchema(node))
    for (const OpSchema::FormalParameter &parameter : schema->inputs())
      names.push_back(parameter.GetOption() == OpSchema::Single
                          ? parameter.GetName()
                          : std::string());
  return names;
}

namespace {
/// What an element type is good for.
enum class ElementKind { Float, Integer, Bool, Other };
} // namespace

static ElementKind kindOf(Type type) {
  if (isa<FloatType>(type))
    return ElementKind::Float;
  if (!isa<IntegerType>(type))
    return ElementKind::Other;
  return type.isInteger(1) ? ElementKind::Bool : ElementKind::Integer;
}

/// The same of a type as schemas write it: `tensor(bfloat16)`.
static ElementKind kindOf(StringRef text) {
  if (!text.consume_front("tensor("))
    return ElementKind::Other;
  if (text.starts_with("int") || text.starts_with("uint"))
    return ElementKind::Integer;
  if (text.starts_with("bool"))
    return ElementKind::Bool;
  return text.contains("float") || text.starts_with("double")
             ? ElementKind::Float
             : ElementKind::Other;
}

std::optional<std::string> objectionToTypes(NodeOp node, ArrayRef<Type> types) {
  const OpSchema *schema = findSchema(node);
  if (!schema || schema->inputs().empty())
    return std::nullopt;
  llvm::StringMap<std::pair<Type, std::string>> bound;
  for (auto [i, type] : llvm::enumerate(types)) {
    const OpSchema::FormalParameter &parameter =
        schema->inputs()[std::min(i, schema->inputs().size() - 1)];
    if (!type || kindOf(type) == ElementKind::Other)
      continue;
    std::string text;
    llvm::raw_string_ostream(text) << type;
    if (llvm::none_of(parameter.GetTypes(), [&](const std::string *allowed) {
          return kindOf(StringRef(*allowed)) == kindOf(type);
        }))
      return "its input '" + parameter.GetName() + "' is " + text +
             ", which the operator does not take";
    if (!parameter.GetIsHomogeneous())
      continue;
    auto [at, isNew] =
        bound.try_emplace(parameter.GetTypeStr(), type, parameter.GetName());
    if (!isNew && at->second.first != type) {
      std::string other;
      llvm::raw_string_ostream(other) << at->second.first;
      return "its inputs '" + at->second.second + "' and '" +
             parameter.GetName() + "' are " + other + " and " + text +
             ", and must be of one type";
    }
  }
  return std::nullopt;
}

//===----------------------------------------------------------------------===//
// ValueInfo and TypeProto
//===----------------------------------------------------------------------===//

static ValueInfo infoFromProto(const onnx::TypeProto &proto,
                               MLIRContext *context) {
  ValueInfo info;
  SmallVector<std::string> dims;
  std::string why;
  info.type = typeFromProto(proto, context, dims, why);
  info.dims.assign(dims.begin(), dims.end());
  return info;
}

static onnx::TensorShapeProto elementsToProto(ArrayRef<Dim> elements) {
  onnx::TensorShapeProto proto;
  for (const Dim &element : elements) {
    auto *dim = proto.add_dim();
    if (element.value)
      dim->set_dim_value(*element.value);
    else if (!element.name.empty())
      dim->set_dim_param(element.name);
  }
  return proto;
}

static std::vector<Dim> elementsFromProto(const onnx::TensorShapeProto &proto) {
  std::vector<Dim> elements;
  for (const auto &dim : proto.dim()) {
    Dim &element = elements.emplace_back();
    if (dim.has_dim_value())
      element.value = dim.dim_value();
    else
      element.name = dim.dim_param();
  }
  return elements;
}

//===----------------------------------------------------------------------===//
// Inference
//===----------------------------------------------------------------------===//

namespace {
/// Asks our caller for the types of a subgraph instead of walking a GraphProto.
class CallbackInferencer : public onnx::GraphInferencer {
public:
  CallbackInferencer(std::string name, MLIRContext *context,
                     const InferSubgraphByName &infer)
      : name(std::move(name)), context(context), infer(infer) {}

  std::vector<const onnx::TypeProto *>
  doInferencing(const std::vector<const onnx::TypeProto *> &types,
                const std::vector<const onnx::TensorProto *> &) override {
    SmallVector<ValueInfo> arguments;
    for (const onnx::TypeProto *type : types)
      arguments.push_back(type ? infoFromProto(*type, context) : ValueInfo());
    std::optional<SmallVector<ValueInfo>> results =
        infer ? infer(name, arguments) : std::nullopt;
    if (!results)
      fail_type_inference("the subgraph '", name, "' has no known types");
    owned.assign(results->size(), onnx::TypeProto());
    std::vector<const onnx::TypeProto *> pointers;
    for (auto [info, proto] : llvm::zip(*results, owned)) {
      typeToProto(info.type, info.dims, proto);
      pointers.push_back(&proto);
    }
    return pointers;
  }

private:
  std::string name;
  MLIRContext *context;
  const InferSubgraphByName &infer;
  std::vector<onnx::TypeProto> owned;
};

struct InferenceContext : onnx::shape_inference::InferenceContextImpl {
  using Base = onnx::shape_inference::InferenceContextImpl;
  template <typename... Args>
  InferenceContext(MLIRContext *context, const InferSubgraphByName &infer,
                   Args &&...args)
      : Base(std::forward<Args>(args)...), context(context), infer(infer) {}

  onnx::GraphInferencer *
  getGraphAttributeInferencer(const std::string &name) override {
    return inferencers
        .emplace_back(
            std::make_unique<CallbackInferencer>(name, context, infer))
        .get();
  }

  MLIRContext *context;
  const InferSubgraphByName &infer;
  std::vector<std::unique_ptr<CallbackInferencer>> inferencers;
};
} // namespace

/// The elements of lists up to this long are followed: shapes, axes.
static constexpr int64_t kMaxPropagatedElements = 1024;

/// ONNX makes a message for each element of a list, also of those that it does
/// not know, and a list may have any length.
static bool mayPropagate(ArrayRef<ValueInfo> inputs) {
  return llvm::all_of(inputs, [](const ValueInfo &info) {
    auto type = dyn_cast_or_null<RankedTensorType>(info.type);
    return !type || type.getRank() != 1 ||
           type.getDimSize(0) <= kMaxPropagatedElements;
  });
}

/// These inputs have an element for each dimension of something, and ONNX makes
/// a message for each. Throws if there are more than any tensor has.
static void checkRanks(const OpSchema &schema, ArrayRef<ValueInfo> inputs) {
  if (!schema.domain().empty())
    return;
  for (auto [parameter, info] : llvm::zip(schema.inputs(), inputs)) {
    bool isRank = llvm::is_contained({"shape", "repeats", "size", "sizes",
                                      "scales", "axes", "output_shape",
                                      "image_shape", "block_shape"},
                                     StringRef(parameter.GetName())) ||
                  schema.Name() == "ConstantOfShape";
    auto type = dyn_cast_or_null<RankedTensorType>(info.type);
    if (isRank && type && type.getRank() == 1 &&
        type.getDimSize(0) > kMaxPropagatedElements)
      throw std::runtime_error("its input '" + parameter.GetName() + "' has " +
                               std::to_string(type.getDimSize(0)) +
                               " elements, more than a tensor has dimensions");
  }
}

/// ONNX does not advance past what is no letter in an operand of an Einsum.
/// Throws for such a one.
static void checkEquation(const onnx::NodeProto &node) {
  for (const onnx::AttributeProto &attribute : node.attribute()) {
    if (attribute.name() != "equation")
      continue;
    std::string text = attribute.s();
    llvm::erase(text, ' ');
    SmallVector<StringRef> operands;
    StringRef(text).split("->").first.split(operands, ',');
    for (StringRef operand : operands) {
      auto [left, right] = operand.split("...");
      if (!llvm::all_of(left, llvm::isAlpha) ||
          !llvm::all_of(right, llvm::isAlpha))
        throw std::runtime_error("the operand '" + operand.str() +
                                 "' of its equation has more than letters and "
                                 "one ellipsis (...)");
    }
  }
}

/// Everything after the schema is found. Throws what the schema's functions
/// throw.
static void inferBySchema(const OpSchema &schema, const onnx::NodeProto &given,
                          ArrayRef<ValueInfo> inputs, MLIRContext *context,
                          const InferSubgraphByName &inferSubgraph,
                          SmallVectorImpl<ValueInfo> &results) {
  // Names by position: the maps below are keyed by them, and one value may be
  // several inputs.
  onnx::NodeProto node;
  node.set_op_type(given.op_type());
  node.set_domain(given.domain());
  node.set_name(given.name());
  *node.mutable_attribute() = given.attribute();
  std::vector<onnx::TypeProto> types(inputs.size());
  std::vector<onnx::TensorProto> tensors(inputs.size());
  std::unordered_map<std::string, onnx::TypeProto *> typeByName;
  std::unordered_map<std::string, const onnx::TensorProto *> dataByName;
  onnx::shape_inference::DataValueMap elementsByName;
  for (auto [i, info] : llvm::enumerate(inputs)) {
    if (isa_and_present<NoneType>(info.type)) {
      node.add_input("");
      continue;
    }
    std::string name = "i" + std::to_string(i);
    node.add_input(name);
    typeToProto(info.type, info.dims, types[i]);
    if (types[i].value_case() != onnx::TypeProto::VALUE_NOT_SET)
      typeByName[name] = &types[i];
    if (info.constant) {
      tensorToProto(info.constant, tensors[i]);
      dataByName[name] = &tensors[i];
    } else if (info.elements) {
      elementsByName[name] = elementsToProto(*info.elements);
    }
  }
  for (int i = 0; i < given.output_size(); ++i)
    node.add_output(given.output(i).empty() ? "" : "o" + std::to_string(i));

  checkRanks(schema, inputs);
  if (schema.Name() == "Einsum")
    checkEquation(given);
  // ONNX keeps axes in 32 bits.
  for (const onnx::AttributeProto &attribute : given.attribute())
    if (attribute.name() == "axis" && !llvm::isInt<32>(attribute.i()))
      throw std::runtime_error("its axis is " + std::to_string(attribute.i()));
  onnx::ShapeInferenceOptions options(/*check_type=*/true, /*strict=*/1,
                                      /*data_prop=*/true);
  InferenceContext inference(
      context, inferSubgraph, node, typeByName, dataByName,
      std::unordered_map<std::string, const onnx::SparseTensorProto *>(),
      options, &elementsByName);
  if (schema.has_type_and_shape_inference_function()) {
    schema.GetTypeAndShapeInferenceFunction()(inference);
  } else if (const onnx::FunctionProto *body = schema.GetFunction()) {
    onnx::shape_inference::DataValueMap bodyElements;
    onnx::shape_inference::InferShapeForFunctionNode(
        *body, OpSchemaRegistry::Instance(), inference, options,
        /*model_local_functions_map=*/{}, /*symbol_table=*/nullptr,
        &bodyElements);
  }
  schema.CheckInputOutputType(inference);

  if (schema.has_data_propagation_function() && mayPropagate(inputs)) {
    onnx::shape_inference::DataPropagationContextImpl propagation(
        node, typeByName, dataByName, elementsByName);
    propagation.allOutputTypes_ = inference.allOutputTypes_;
    schema.GetDataPropagationFunction()(propagation);
  }

  results.clear();
  for (int i = 0; i < node.output_size(); ++i) {
    ValueInfo &info = results.emplace_back(
        infoFromProto(inference.allOutputTypes_[i], context));
    if (node.output(i).empty()) {
      info = ValueInfo();
      info.type = NoneType::get(context);
      continue;
    }
    auto it = elementsByName.find(node.output(i));
    if (it != elementsByName.end())
      info.elements = elementsFromProto(it->second);
  }
}

bool inferTypes(const onnx::NodeProto &node, int64_t version,
                ArrayRef<ValueInfo> inputs, MLIRContext *context,
                const InferSubgraphByName &inferSubgraph,
                SmallVectorImpl<ValueInfo> &results, std::string &why) {
  const OpSchema *schema = findSchema(node.op_type(), node.domain(), version);
  if (!schema) {
    why = "there is no such operator";
    return false;
  }
  // Schemas of other domains ask for types without asking whether they are
  // known: to tell optional inputs apart, or to compare them.
  if (!domainKey(node.domain()).empty() &&
      llvm::any_of(inputs, [](const ValueInfo &info) {
        return !info.type || isa<UnknownType>(info.type);
      })) {
    results.assign(node.output_size(), ValueInfo());
    return true;
  }
  try {
    inferBySchema(*schema, node, inputs, context, inferSubgraph, results);
    return true;
  } catch (const std::exception &error) {
    StringRef text = error.what();
    for (StringRef tag : {"[ShapeInferenceError] ", "[TypeInferenceError] "})
      text.consume_front(tag);
    why = text.split("\n\n==> Context").first.str();
    return false;
  }
}

FailureOr<SmallVector<ValueInfo>> inferNodeTypes(NodeOp op,
                                                 ArrayRef<ValueInfo> inputs,
                                                 InferSubgraph inferSubgraph) {
  onnx::NodeProto node;
  nodeToProto(op, node);
  InferSubgraphByName byName = [&](StringRef attribute,
                                   ArrayRef<ValueInfo> arguments)
      -> std::optional<SmallVector<ValueInfo>> {
    if (!inferSubgraph || !op.getSubgraphNames())
      return std::nullopt;
    for (auto [name, region] :
         llvm::zip(op.getSubgraphNames()->getAsRange<StringAttr>(),
                   op.getSubgraphs()))
      if (name.getValue() == attribute) {
        FailureOr<SmallVector<ValueInfo>> types =
            inferSubgraph(region, arguments);
        if (succeeded(types))
          return std::move(*types);
      }
    return std::nullopt;
  };
  SmallVector<ValueInfo> results;
  std::string why;
  if (inferTypes(node, op.getVersion(), inputs, op.getContext(), byName,
                 results, why))
    return results;
  return op.emitError() << "node '" << op.getName().value_or("") << "' ("
                        << (op.getDomain().empty() ? "" : op.getDomain())
                        << (op.getDomain().empty() ? "" : "::")
                        << op.getOpType() << ", version " << op.getVersion()
                        << "): " << why;
}

} // namespace quantc::onnx_ir
