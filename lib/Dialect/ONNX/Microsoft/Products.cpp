//===- Products.cpp - Products with something fused to them ---------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Schemas.h"

#include <algorithm>
#include <limits>

using onnx::AttributeProto;
using onnx::OpSchema;
using onnx::OPTIONAL_VALUE;

namespace quantc::onnx_ir::microsoft {

//===----------------------------------------------------------------------===//
// Activations by name
//===----------------------------------------------------------------------===//

/// `parameters` are alpha, beta, gamma as far as given.
static Body::Name activate(Body &body, const Body::Name &value,
                           const std::string &name,
                           const std::vector<float> &parameters) {
  auto given = [&](size_t i, float otherwise) {
    return i < parameters.size() ? parameters[i] : otherwise;
  };
  if (name.empty() || name == "Identity")
    return value;
  for (const char *plain :
       {"Relu", "Tanh", "Sigmoid", "Softplus", "Softsign", "Selu"})
    if (name == plain)
      return body.op(name, {value});
  if (name == "LeakyRelu")
    return body.op(name, {value}, {{"alpha", given(0, 0.01f)}});
  if (name == "Elu" || name == "ThresholdedRelu" || name == "Celu")
    return body.op(name, {value}, {{"alpha", given(0, 1)}});
  if (name == "HardSigmoid")
    return body.op(name, {value},
                   {{"alpha", given(0, 0.2f)}, {"beta", given(1, 0.5f)}});
  if (name == "Clip") {
    float lowest = std::numeric_limits<float>::lowest();
    auto bound = [&](float number) {
      return body.makeReal(number, body.elementType(0));
    };
    return body.op(name,
                   {value, bound(given(0, lowest)), bound(given(1, -lowest))});
  }
  Call::fail("there is no activation '" + name +
             "'; known are Relu, LeakyRelu, Elu, Celu, Selu, ThresholdedRelu, "
             "Clip, Sigmoid, HardSigmoid, Tanh, Softplus and Softsign");
}

/// activation_alpha, _beta and _gamma, as far as given one after another.
static std::vector<float> activationParameters(const Call &node) {
  std::vector<float> parameters;
  for (const char *name :
       {"activation_alpha", "activation_beta", "activation_gamma"}) {
    if (!node.hasAttribute(name))
      break;
    parameters.push_back(node.real(name, 0));
  }
  return parameters;
}

static void addActivationAttributes(OpSchema &schema) {
  schema.Attr("activation", "The name of an activation; none by default.",
              AttributeProto::STRING, OPTIONAL_VALUE);
  for (const char *name :
       {"activation_alpha", "activation_beta", "activation_gamma"})
    schema.Attr(name, "A parameter of the activation.", AttributeProto::FLOAT,
                OPTIONAL_VALUE);
}

//===----------------------------------------------------------------------===//
// Matrices
//===----------------------------------------------------------------------===//

/// The operand as MatMul takes it. `batch` moves its first dimension behind all
/// others but the last; `swap` exchanges the last two after that.
static Body::Name transposed(Body &body, int input, bool swap, bool batch) {
  int rank = body.rank(input);
  if (rank < 2 || (!swap && !(batch && rank > 2)))
    return body.in(input);
  std::vector<int64_t> permutation;
  for (int i = 0; i < rank; ++i)
    permutation.push_back(i);
  if (batch && rank > 2)
    std::rotate(permutation.begin(), permutation.begin() + 1,
                permutation.end() - 1);
  if (swap)
    std::swap(permutation[rank - 2], permutation[rank - 1]);
  return body.transpose(body.in(input), permutation);
}

static Body::Name product(Body &body) {
  Body::Name result =
      body.op("MatMul", {transposed(body, 0, body.Call::integer("transA", 0),
                                    body.Call::integer("transBatchA", 0)),
                         transposed(body, 1, body.Call::integer("transB", 0),
                                    body.Call::integer("transBatchB", 0))});
  float alpha = body.Call::real("alpha", 1);
  if (alpha == 1)
    return result;
  return body.op("Mul", {result, body.makeReal(alpha, body.elementType(0))});
}

static void buildProduct(Body &body) {
  body.set(0, activate(body, product(body), body.text("activation", ""),
                       activationParameters(body)));
}

static OpSchema matmul(const char *name, bool batches, bool activation) {
  OpSchema schema = microsoft(name);
  schema
      .SetDoc(std::string("alpha * MatMul(A, B)") +
              (activation ? ", and an activation of it." : "."))
      .Attr("alpha", "The factor.", AttributeProto::FLOAT, 1.0f)
      .Attr("transA", "The last two dimensions of A are exchanged.",
            AttributeProto::INT, int64_t(0))
      .Attr("transB", "The last two dimensions of B are exchanged.",
            AttributeProto::INT, int64_t(0));
  if (batches)
    for (const char *side : {"A", "B"})
      schema.Attr(std::string("transBatch") + side,
                  std::string("The first dimension of ") + side +
                      " is moved behind its batch dimensions, before all "
                      "else.",
                  AttributeProto::INT, int64_t(0));
  if (activation) {
    addActivationAttributes(schema);
    schema.Attr("activation_axis", "Not used.", AttributeProto::INT,
                OPTIONAL_VALUE);
  }
  schema.Input(0, "A", "Of any rank.", "T")
      .Input(1, "B", "Of any rank.", "T")
      .Output(0, "Y", "As of MatMul.", "T")
      .TypeConstraint("T", floatsAndDouble(), "");
  return completeByBody(schema, buildProduct);
}

static OpSchema gemm() {
  OpSchema schema = microsoft("FusedGemm");
  schema.SetDoc("Gemm, and an activation of its result.")
      .Attr("alpha", "The factor of A * B.", AttributeProto::FLOAT, 1.0f)
      .Attr("beta", "The factor of C.", AttributeProto::FLOAT, 1.0f)
      .Attr("transA", "A is transposed.", AttributeProto::INT, int64_t(0))
      .Attr("transB", "B is transposed.", AttributeProto::INT, int64_t(0));
  addActivationAttributes(schema);
  schema.Input(0, "A", "[M, K].", "T")
      .Input(1, "B", "[K, N].", "T")
      .Input(2, "C", "What broadcasts to [M, N].", "T", OpSchema::Optional)
      .Output(0, "Y", "[M, N].", "T")
      .TypeConstraint("T", floatsAndDouble(), "");
  return completeByBody(schema, [](Body &body) {
    Body::Names inputs{body.in(0), body.in(1)};
    if (body.has(2))
      inputs.push_back(body.in(2));
    Body::Name result = body.op("Gemm", inputs,
                                {{"alpha", body.Call::real("alpha", 1)},
                                 {"beta", body.Call::real("beta", 1)},
                                 {"transA", body.Call::integer("transA", 0)},
                                 {"transB", body.Call::integer("transB", 0)}});
    body.set(0, activate(body, result, body.text("activation", ""),
                         activationParameters(body)));
  });
}

//===----------------------------------------------------------------------===//
// Convolution
//===----------------------------------------------------------------------===//

/// Attributes of Conv that the node gives.
static Body::Attributes convAttributes(const Call &node) {
  Body::Attributes attributes{{"group", node.integer("group", 1)},
                              {"auto_pad", node.text("auto_pad", "NOTSET")}};
  for (const char *name : {"pads", "strides", "dilations", "kernel_shape"})
    if (node.hasAttribute(name))
      attributes.push_back({name, node.integers(name)});
  return attributes;
}

static void addConvAttributes(OpSchema &schema) {
  schema.Attr("group", "As of Conv.", AttributeProto::INT, int64_t(1))
      .Attr("auto_pad", "As of Conv.", AttributeProto::STRING,
            std::string("NOTSET"));
  for (const char *name : {"pads", "strides", "dilations", "kernel_shape"})
    schema.Attr(name, "As of Conv.", AttributeProto::INTS, OPTIONAL_VALUE);
}

static OpSchema convolution() {
  OpSchema schema = microsoft("FusedConv");
  schema.SetDoc("An activation of Conv(X, W, B) + Z.")
      .Attr("activation", "The name of an activation; none by default.",
            AttributeProto::STRING, OPTIONAL_VALUE)
      .Attr("activation_params", "Its parameters.", AttributeProto::FLOATS,
            OPTIONAL_VALUE);
  addConvAttributes(schema);
  schema.Input(0, "X", "As of Conv.", "T")
      .Input(1, "W", "As of Conv.", "T")
      .Input(2, "B", "As of Conv.", "T", OpSchema::Optional)
      .Input(3, "Z", "Of the shape of Conv's result.", "T", OpSchema::Optional)
      .Output(0, "Y", "Of the shape of Conv's result.", "T")
      .TypeConstraint("T", floatsAndDouble(), "");
  return completeByBody(schema, [](Body &body) {
    Body::Names inputs{body.in(0), body.in(1)};
    if (body.has(2))
      inputs.push_back(body.in(2));
    Body::Name result = body.op("Conv", inputs, convAttributes(body));
    if (body.has(3))
      result = body.op("Add", {result, body.in(3)});
    body.set(0, activate(body, result, body.text("activation", ""),
                         body.reals("activation_params")));
  });
}

Body::Name channelsLast(Body &body, const Body::Name &value, int rank) {
  std::vector<int64_t> permutation{0};
  for (int i = 2; i < rank; ++i)
    permutation.push_back(i);
  permutation.push_back(1);
  return body.transpose(value, permutation);
}

Body::Name channelsSecond(Body &body, const Body::Name &value, int rank) {
  std::vector<int64_t> permutation{0, rank - 1};
  for (int i = 1; i + 1 < rank; ++i)
    permutation.push_back(i);
  return body.transpose(value, permutation);
}

static OpSchema convolutionLast(const char *name, bool fused) {
  OpSchema schema = microsoft(name);
  schema.SetDoc(fused
                    ? "FusedConv of images whose channels are the last "
                      "dimension."
                    : "Conv of images whose channels are the last dimension.");
  addConvAttributes(schema);
  if (fused)
    schema
        .Attr("activation", "The name of an activation; none by default.",
              AttributeProto::STRING, OPTIONAL_VALUE)
        .Attr("activation_params", "Its parameters.", AttributeProto::FLOATS,
              OPTIONAL_VALUE);
  schema.Input(0, "X", "[N, H, W, C].", "T")
      .Input(1, "W", "[M, C / group, kH, kW].", "T")
      .Input(2, "B", "[M].", "T", OpSchema::Optional);
  if (fused)
    schema.Input(3, "Z", "[N, H', W', M].", "T", OpSchema::Optional);
  schema.Output(0, "Y", "[N, H', W', M].", "T")
      .TypeConstraint("T", floatsAndDouble(), "");
  return completeByBody(schema, [](Body &body) {
    body.requireRank(0, {3, 4, 5}, "X");
    int rank = body.rank(0);
    Body::Names inputs{channelsSecond(body, body.in(0), rank), body.in(1)};
    if (body.has(2))
      inputs.push_back(body.in(2));
    Body::Name result =
        channelsLast(body, body.op("Conv", inputs, convAttributes(body)), rank);
    if (body.has(3))
      result = body.op("Add", {result, body.in(3)});
    body.set(0, activate(body, result, body.text("activation", ""),
                         body.reals("activation_params")));
  });
}

static OpSchema maxPoolLast() {
  OpSchema schema = microsoft("NhwcMaxPool");
  schema.SetDoc("MaxPool of images whose channels are the last dimension.")
      .Attr("auto_pad", "As of MaxPool.", AttributeProto::STRING,
            std::string("NOTSET"))
      .Attr("ceil_mode", "As of MaxPool.", AttributeProto::INT, int64_t(0))
      .Attr("kernel_shape", "As of MaxPool.", AttributeProto::INTS);
  for (const char *name : {"pads", "strides", "dilations"})
    schema.Attr(name, "As of MaxPool.", AttributeProto::INTS, OPTIONAL_VALUE);
  schema.Input(0, "x", "[N, H, W, C].", "T")
      .Output(0, "y", "[N, H', W', C].", "T")
      .TypeConstraint("T", {"tensor(int8)", "tensor(uint8)"}, "");
  return completeByBody(schema, [](Body &body) {
    body.requireRank(0, {3, 4, 5}, "x");
    int rank = body.rank(0);
    Body::Attributes attributes;
    for (const char *name : {"auto_pad", "ceil_mode", "kernel_shape", "pads",
                             "strides", "dilations"})
      if (const AttributeProto *given = body.attribute(name))
        attributes.push_back({*given});
    Body::Name result = body.op(
        "MaxPool", {channelsSecond(body, body.in(0), rank)}, attributes);
    body.set(0, channelsLast(body, result, rank));
  });
}

static OpSchema gemmGelu() {
  OpSchema schema = microsoft("GemmFastGelu");
  schema.SetDoc("FastGelu(MatMul(X, W) + bias).")
      .Input(0, "X", "Of any rank.", "T")
      .Input(1, "W", "[K, N].", "T")
      .Input(2, "bias", "[N].", "T", OpSchema::Optional)
      .Output(0, "Y", "As of MatMul.", "T")
      .TypeConstraint("T", floats(), "");
  return completeByBody(schema, [](Body &body) {
    Body::Name result = body.op("MatMul", {body.in(0), body.in(1)});
    if (body.has(2))
      result = body.op("Add", {result, body.in(2)});
    body.set(0, body.op("Gelu", {result}, {{"approximate", "tanh"}}));
  });
}

static OpSchema inverse() {
  OpSchema schema = microsoft("Inverse");
  schema.SetDoc("The inverse of each matrix.")
      .Input(0, "X", "[.., N, N].", "T")
      .Output(0, "Y", "[.., N, N].", "T")
      .TypeConstraint(
          "T", {"tensor(float16)", "tensor(float)", "tensor(double)"}, "");
  return complete(schema, [](Inference &node) {
    if (node.rank(0) >= 0 && node.rank(0) < 2)
      Call::fail("X has rank " + std::to_string(node.rank(0)) +
                 ", and is no matrix");
    Call::requireEqual(node.dim(0, -2), node.dim(0, -1),
                       "the matrices are not square");
    node.like(0, 0);
  });
}

void addProducts(SchemaList &list) {
  list.push_back(matmul("FusedMatMul", /*batches=*/true, false));
  list.push_back(matmul("TransposeMatMul", /*batches=*/false, false));
  list.push_back(matmul("FusedMatMulActivation", /*batches=*/true, true));
  list.push_back(gemm());
  list.push_back(convolution());
  list.push_back(convolutionLast("NhwcConv", /*fused=*/false));
  list.push_back(convolutionLast("NhwcFusedConv", /*fused=*/true));
  list.push_back(maxPoolLast());
  list.push_back(gemmGelu());
  list.push_back(inverse());
}

} // namespace quantc::onnx_ir::microsoft
