//===- Schemas.cpp - How operators of com.microsoft are declared ----------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Schemas.h"

#include "quantc/Dialect/ONNX/CustomSchemas.h"
#include "quantc/Dialect/ONNX/ProtoMessages.h"

#include "onnx/defs/tensor_proto_util.h"
#include "onnx/shape_inference/implementation.h"

#include <stdexcept>

namespace quantc::onnx_ir {

void registerSchemas() {
  static const bool registered = [] {
    using namespace microsoft;
    onnx::OpSchemaRegistry::DomainToVersionRange::Instance().AddDomainToVersion(
        kMicrosoftDomain, 1, 1);
    SchemaList list;
    addActivations(list);
    addAttention(list);
    addBlockWeights(list);
    addExperts(list);
    addGroupNormalization(list);
    addGroupQueryAttention(list);
    addNormalization(list);
    addProducts(list);
    addQuantization(list);
    addRelativePositions(list);
    addRotary(list);
    addStandard(list);
    for (onnx::OpSchema &schema : list)
      onnx::RegisterSchema(std::move(schema), /*opset_version_to_load=*/0,
                           /*fail_duplicate_schema=*/true,
                           /*fail_with_exception=*/true);
    return true;
  }();
  (void)registered;
}

llvm::Error addSchema(onnx::OpSchema schema) {
  std::string name = schema.domain() + "." + schema.Name();
  auto refuse = [&](const llvm::Twine &why) {
    return llvm::createStringError("operator '" + name + "': " + why);
  };
  if (schema.domain().empty() || schema.domain() == onnx::AI_ONNX_DOMAIN)
    return refuse("the standard domain is ONNX's own");
  int version = schema.SinceVersion();
  try {
    registerSchemas();
    auto &ranges = onnx::OpSchemaRegistry::DomainToVersionRange::Instance();
    auto known = ranges.Map().find(schema.domain());
    if (known == ranges.Map().end())
      ranges.AddDomainToVersion(schema.domain(), 1, version);
    else if (known->second.second < version)
      ranges.UpdateDomainToVersion(schema.domain(), known->second.first,
                                   version);
    const onnx::OpSchema *there =
        onnx::OpSchemaRegistry::Schema(schema.Name(), version, schema.domain());
    if (there && there->SinceVersion() == version)
      return refuse("there is one of version " + llvm::Twine(version) +
                    " already");
    onnx::RegisterSchema(std::move(schema), /*opset_version_to_load=*/0,
                         /*fail_duplicate_schema=*/true,
                         /*fail_with_exception=*/true);
  } catch (const std::exception &exception) {
    return refuse(exception.what());
  }
  return llvm::Error::success();
}

namespace microsoft {

//===----------------------------------------------------------------------===//
// Call
//===----------------------------------------------------------------------===//

int64_t Call::integer(const std::string &name, int64_t otherwise) const {
  const onnx::AttributeProto *attribute = context.getAttribute(name);
  return attribute ? attribute->i() : otherwise;
}

float Call::real(const std::string &name, float otherwise) const {
  const onnx::AttributeProto *attribute = context.getAttribute(name);
  return attribute ? attribute->f() : otherwise;
}

std::string Call::text(const std::string &name,
                       const std::string &otherwise) const {
  const onnx::AttributeProto *attribute = context.getAttribute(name);
  return attribute ? attribute->s() : otherwise;
}

std::vector<int64_t> Call::integers(const std::string &name) const {
  const onnx::AttributeProto *attribute = context.getAttribute(name);
  if (!attribute)
    return {};
  return {attribute->ints().begin(), attribute->ints().end()};
}

std::vector<float> Call::reals(const std::string &name) const {
  const onnx::AttributeProto *attribute = context.getAttribute(name);
  if (!attribute)
    return {};
  return {attribute->floats().begin(), attribute->floats().end()};
}

/// Null if the type is not known, or no tensor.
static const onnx::TypeProto_Tensor *
tensorOf(const onnx::FunctionBodyBuildContext &context, int input) {
  const onnx::TypeProto *type = context.getInputType(input);
  return type && type->has_tensor_type() ? &type->tensor_type() : nullptr;
}

int32_t Call::elementType(int input) const {
  const onnx::TypeProto_Tensor *type = tensorOf(context, input);
  return type ? type->elem_type() : 0;
}

int Call::rank(int input) const {
  const onnx::TypeProto_Tensor *type = tensorOf(context, input);
  return type && type->has_shape() ? type->shape().dim_size() : -1;
}

Dimension Call::dim(int input, int i) const {
  int count = rank(input);
  if (i < 0)
    i += count;
  if (count < 0 || i < 0 || i >= count)
    return {};
  return tensorOf(context, input)->shape().dim(i);
}

std::optional<int64_t> Call::extent(int input, int i) const {
  Dimension result = dim(input, i);
  if (!result.has_dim_value())
    return std::nullopt;
  return result.dim_value();
}

void Call::fail(const std::string &why) { throw std::invalid_argument(why); }

void Call::requireRank(int input, std::initializer_list<int> ranks,
                       const std::string &name) const {
  int actual = rank(input);
  if (actual < 0)
    return;
  std::string text;
  for (int expected : ranks) {
    if (actual == expected)
      return;
    text += (text.empty() ? "" : " or ") + std::to_string(expected);
  }
  fail(name + " has rank " + std::to_string(actual) + "; it must be " + text);
}

void Call::requireEqual(const Dimension &dim, const Dimension &other,
                        const std::string &what) {
  if (dim.has_dim_value() && other.has_dim_value() &&
      dim.dim_value() != other.dim_value())
    fail(what + ": " + std::to_string(dim.dim_value()) + " is not " +
         std::to_string(other.dim_value()));
}

//===----------------------------------------------------------------------===//
// Dimensions
//===----------------------------------------------------------------------===//

Dimension number(int64_t value) {
  Dimension result;
  result.set_dim_value(value);
  return result;
}

Dimension times(const Dimension &dim, int64_t factor) {
  if (factor == 1)
    return dim;
  return dim.has_dim_value() ? number(dim.dim_value() * factor) : Dimension();
}

Dimension over(const Dimension &dim, int64_t divisor) {
  if (divisor == 1)
    return dim;
  if (!dim.has_dim_value() || divisor <= 0)
    return {};
  if (dim.dim_value() % divisor)
    Call::fail(std::to_string(dim.dim_value()) + " is no multiple of " +
               std::to_string(divisor));
  return number(dim.dim_value() / divisor);
}

Dimension plus(const Dimension &dim, const Dimension &other) {
  if (!dim.has_dim_value() || !other.has_dim_value())
    return {};
  return number(dim.dim_value() + other.dim_value());
}

//===----------------------------------------------------------------------===//
// Inference
//===----------------------------------------------------------------------===//

void Inference::like(int output, int input) {
  if (!wants(output) || !elementType(input))
    return;
  onnx::propagateElemTypeFromInputToOutput(context, input, output);
  if (rank(input) >= 0)
    onnx::propagateShapeFromInputToOutput(context, input, output);
}

void Inference::set(int output, int32_t elementType,
                    const std::vector<Dimension> &shape) {
  if (!wants(output) || !elementType)
    return;
  onnx::updateOutputElemType(context, output, elementType);
  onnx::TensorShapeProto proto;
  for (const Dimension &dim : shape)
    *proto.add_dim() = dim;
  onnx::updateOutputShape(context, output, proto);
}

void Inference::setType(int output, int32_t elementType) {
  if (wants(output) && elementType)
    onnx::updateOutputElemType(context, output, elementType);
}

void Inference::broadcast(int output, int left, int right) {
  if (!wants(output) || !elementType(left))
    return;
  setType(output, elementType(left));
  if (rank(left) < 0 || rank(right) < 0)
    return;
  onnx::TensorShapeProto proto;
  onnx::bidirectionalBroadcastShapeInference(
      context.getInputType(left)->tensor_type().shape(),
      context.getInputType(right)->tensor_type().shape(), proto);
  onnx::updateOutputShape(context, output, proto);
}

std::optional<std::vector<int64_t>> Inference::constant(int input) const {
  const onnx::TensorProto *data = context.getInputData(input);
  if (!data)
    return std::nullopt;
  if (data->data_type() == onnx::TensorProto::INT64)
    return onnx::ParseData<int64_t>(data);
  if (data->data_type() != onnx::TensorProto::INT32)
    return std::nullopt;
  std::vector<int32_t> values = onnx::ParseData<int32_t>(data);
  return std::vector<int64_t>(values.begin(), values.end());
}

namespace {
/// What is known of a node during inference, in the form in which bodies see
/// it.
class InferenceView : public onnx::FunctionBodyBuildContext {
public:
  explicit InferenceView(onnx::InferenceContext &context) : context(context) {}

  const onnx::AttributeProto *
  getAttribute(const std::string &name) const override {
    return context.getAttribute(name);
  }
  bool hasInput(int input) const override { return context.hasInput(input); }
  bool hasOutput(int output) const override {
    return context.hasOutput(output);
  }
  const onnx::TypeProto *getInputType(int input) const override {
    return input < int(context.getNumInputs()) ? context.getInputType(input)
                                               : nullptr;
  }

private:
  onnx::InferenceContext &context;
};
} // namespace

//===----------------------------------------------------------------------===//
// Body
//===----------------------------------------------------------------------===//

Body::Names Body::ops(const std::string &type, const Names &inputs, int results,
                      const Attributes &attributes) {
  onnx::NodeProto &node = *proto.add_node();
  node.set_op_type(type);
  for (const Name &input : inputs)
    node.add_input(input);
  for (const auto &attribute : attributes)
    *node.add_attribute() = attribute.proto;
  Names names;
  for (int i = 0; i < results; ++i) {
    // No formal parameter has such a name.
    names.push_back("%" + std::to_string(count++));
    node.add_output(names.back());
  }
  return names;
}

Body::Name Body::op(const std::string &type, const Names &inputs,
                    const Attributes &attributes) {
  return ops(type, inputs, 1, attributes).front();
}

void Body::set(int output, const Name &value) {
  if (!wants(output))
    return;
  onnx::NodeProto &node = *proto.add_node();
  node.set_op_type("Identity");
  node.add_input(value);
  node.add_output(out(output));
}

Body::Name Body::makeInteger(int64_t value) {
  return op("Constant", {}, {{"value", onnx::ToTensor<int64_t>(value)}});
}

Body::Name Body::makeIntegers(const std::vector<int64_t> &list) {
  onnx::TensorProto tensor = onnx::ToTensor<int64_t>(list);
  tensor.add_dims(int64_t(list.size()));
  return op("Constant", {}, {{"value", tensor}});
}

Body::Name Body::makeReal(float value) {
  return op("Constant", {}, {{"value", onnx::ToTensor<float>(value)}});
}

Body::Name Body::makeReal(float value, int32_t elementType) {
  return cast(makeReal(value), elementType);
}

Body::Name Body::cast(const Name &value, int32_t elementType) {
  return op("Cast", {value}, {{"to", int64_t(elementType)}});
}

Body::Name Body::shape(const Name &value, int64_t from, int64_t to) {
  return op("Shape", {value}, {{"start", from}, {"end", to}});
}

Body::Name Body::dimension(const Name &value, int64_t i) {
  return shape(value, i, i + 1);
}

Body::Name Body::reshape(const Name &value, const Names &shape) {
  return op("Reshape",
            {value, shape.size() == 1 ? shape.front() : concat(shape, 0)});
}

Body::Name Body::reshape(const Name &value, const std::vector<int64_t> &shape) {
  return op("Reshape", {value, makeIntegers(shape)});
}

Body::Name Body::transpose(const Name &value,
                           const std::vector<int64_t> &permutation) {
  return op("Transpose", {value}, {{"perm", permutation}});
}

Body::Name Body::unsqueeze(const Name &value,
                           const std::vector<int64_t> &axes) {
  return op("Unsqueeze", {value, makeIntegers(axes)});
}

Body::Name Body::concat(const Names &values, int64_t axis) {
  return op("Concat", values, {{"axis", axis}});
}

Body::Name Body::slice(const Name &value, const Name &from, const Name &to,
                       int64_t axis) {
  return op("Slice", {value, from, to, makeIntegers({axis})});
}

Body::Name Body::slice(const Name &value, int64_t from, int64_t to,
                       int64_t axis) {
  return slice(value, makeIntegers({from}), makeIntegers({to}), axis);
}

Body::Name Body::range(const Name &count) {
  return op("Range", {makeInteger(0), reshape(count, std::vector<int64_t>{}),
                      makeInteger(1)});
}

//===----------------------------------------------------------------------===//
// Schemas
//===----------------------------------------------------------------------===//

onnx::OpSchema microsoft(const char *name) {
  // Without file and line, which would be those of the build.
  onnx::OpSchema schema(name, "", 0);
  schema.SetDomain(kMicrosoftDomain).SinceVersion(1);
  return schema;
}

/// The body as a function with the schema's inputs and results.
static void buildFunction(const onnx::FunctionBodyBuildContext &context,
                          const onnx::OpSchema &schema, void (*build)(Body &),
                          onnx::FunctionProto &proto) {
  onnx::OperatorSetIdProto &opset = *proto.add_opset_import();
  opset.set_domain(onnx::ONNX_DOMAIN);
  opset.set_version(kBodyOpset);
  schema.BuildFunction(proto);
  Body body(context, proto);
  build(body);
}

static void addBody(onnx::OpSchema &schema, void (*build)(Body &)) {
  schema.SetContextDependentFunctionBodyBuilder(
      [build](const onnx::FunctionBodyBuildContext &context,
              const onnx::OpSchema &schema, onnx::FunctionProto &proto) {
        buildFunction(context, schema, build, proto);
        return true;
      },
      // Of the standard domain this is also the opset of the body.
      schema.domain() == onnx::ONNX_DOMAIN ? kBodyOpset : 1);
}

onnx::OpSchema complete(onnx::OpSchema &schema, void (*infer)(Inference &),
                        void (*build)(Body &)) {
  schema.TypeAndShapeInferenceFunction(
      [infer](onnx::InferenceContext &context) {
        InferenceView view(context);
        Inference inference(context, view);
        infer(inference);
      });
  if (build)
    addBody(schema, build);
  return std::move(schema);
}

onnx::OpSchema completeByBody(onnx::OpSchema &schema, void (*build)(Body &)) {
  // Only names of formal parameters are asked of the copy.
  schema.TypeAndShapeInferenceFunction(
      [build, formal = schema](onnx::InferenceContext &context) {
        InferenceView view(context);
        Call call(view);
        for (int i = 0; i < int(context.getNumInputs()); ++i)
          if (call.has(i) && call.rank(i) < 0)
            return;
        onnx::FunctionProto proto;
        buildFunction(view, formal, build, proto);
        // Results that the node does not have are not computed either.
        onnx::ShapeInferenceOptions options(/*check_type=*/true, /*strict=*/1,
                                            /*data_prop=*/true);
        onnx::shape_inference::DataValueMap elements;
        onnx::shape_inference::InferShapeForFunctionNode(
            proto, onnx::OpSchemaRegistry::Instance(), context, options, {},
            /*symbol_table=*/nullptr, &elements);
      });
  addBody(schema, build);
  return std::move(schema);
}

std::vector<std::string> floats() {
  return {"tensor(float)", "tensor(float16)", "tensor(bfloat16)"};
}

std::vector<std::string> floatsAndDouble() {
  return {"tensor(float)", "tensor(float16)", "tensor(bfloat16)",
          "tensor(double)"};
}

} // namespace microsoft
} // namespace quantc::onnx_ir
