//===- Experts.cpp - MoE of com.microsoft ---------------------------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Every expert sees every token here, and its result is multiplied by the
// token's weight for it, 0 for all but the best k: the right result, at
// experts / k times the cost of those that are chosen.
//
//===----------------------------------------------------------------------===//

#include "Schemas.h"

using onnx::AttributeProto;
using onnx::OpSchema;
using onnx::OPTIONAL_VALUE;

namespace quantc::onnx_ir::microsoft {

namespace {
enum Input {
  kTokens,
  kRouter,
  kFirst,
  kFirstBias,
  kSecond,
  kSecondBias,
  kThird,
  kThirdBias
};
} // namespace

static void infer(Inference &node) {
  node.requireRank(kTokens, {2, 3}, "the input");
  node.requireRank(kRouter, {2}, "router_probs");
  for (int weights : {kFirst, kSecond, kThird})
    if (node.has(weights))
      node.requireRank(weights, {3}, "the weights of experts");
  for (int weights : {kFirst, kSecond})
    Call::requireEqual(node.dim(weights, 0), node.dim(kRouter, 1),
                       "the numbers of experts differ");
  Call::requireEqual(node.dim(kFirst, 2), node.dim(kTokens, -1),
                     "fc1 has not the width of the tokens");
  Call::requireEqual(node.dim(kSecond, 1), node.dim(kTokens, -1),
                     "fc2 has not the width of the tokens");
  if (node.integer("use_sparse_mixer", 0))
    Call::fail("use_sparse_mixer is not supported");
  if (node.integer("swiglu_limit_after_activation", 0))
    Call::fail("swiglu_limit_after_activation is not supported");
  std::string activation = node.text("activation_type", "relu");
  int64_t fusion = node.integer("swiglu_fusion", 0);
  bool gated = activation == "swiglu" || activation == "geglu";
  if (fusion < 0 || fusion > 2)
    Call::fail("swiglu_fusion is " + std::to_string(fusion) +
               "; it must be 0, 1 or 2");
  if (gated && fusion == 0 && !node.has(kThird))
    Call::fail("a gate needs fc3, or swiglu_fusion = 1 or 2");
  node.like(0, kTokens);
}

/// [T, k'] weights of tokens for experts: the best k of softmax, else 0.
static Body::Name route(Body &body) {
  Body::Name scores = body.op("Softmax", {body.in(kRouter)}, {{"axis", 1}});
  Body::Names best = body.ops(
      "TopK", {scores, body.makeIntegers({body.Call::integer("k", 1)})}, 2,
      {{"axis", 1}});
  Body::Name weights = best[0];
  if (body.Call::integer("normalize_routing_weights", 0))
    weights = body.op(
        "Div",
        {weights, body.op("ReduceSum", {weights, body.makeIntegers({1})})});
  Body::Name none = body.op("Sub", {scores, scores});
  return body.op("ScatterElements", {none, best[1], weights}, {{"axis", 1}});
}

/// [1, T, K] or [E, T, K] times [E, N, K], transposed, + [E, N].
static Body::Name layer(Body &body, const Body::Name &value, int weights,
                        int bias) {
  Body::Name result =
      body.op("MatMul", {value, body.transpose(body.in(weights), {0, 2, 1})});
  if (body.has(bias))
    result = body.op("Add", {result, body.unsqueeze(body.in(bias), {1})});
  return result;
}

/// One of two halves of the last dimension, interleaved or one after another.
static Body::Name half(Body &body, const Body::Name &value, int which,
                       bool interleaved, int64_t width) {
  if (interleaved)
    return body.op("Slice", {value, body.makeIntegers({which}),
                             body.makeIntegers({width}), body.makeIntegers({2}),
                             body.makeIntegers({2})});
  return body.slice(value, which * width / 2, (which + 1) * width / 2, 2);
}

static Body::Name activated(Body &body, const Body::Name &tokens) {
  std::string name = body.text("activation_type", "relu");
  Body::Name first = layer(body, tokens, kFirst, kFirstBias);
  int64_t fusion = body.Call::integer("swiglu_fusion", 0);
  if (name == "swiglu" || name == "geglu") {
    Body::Name gate = first, linear;
    if (fusion == 0) {
      linear = layer(body, tokens, kThird, kThirdBias);
    } else {
      std::optional<int64_t> width = body.extent(kFirst, 1);
      if (!width || *width % 2)
        Call::fail("the width of fc1 must be a fixed, even number");
      gate = half(body, first, 0, fusion == 1, *width);
      linear = half(body, first, 1, fusion == 1, *width);
    }
    if (name == "swiglu")
      return swiglu(body, gate, linear,
                    body.hasAttribute("swiglu_limit")
                        ? std::optional(body.Call::real("swiglu_limit", 0))
                        : std::nullopt);
    return body.op(
        "Mul", {body.op("Gelu", {gate}, {{"approximate", "tanh"}}), linear});
  }
  Body::Name result = first;
  if (name == "relu")
    result = body.op("Relu", {first});
  else if (name == "gelu")
    result = body.op("Gelu", {first}, {{"approximate", "tanh"}});
  else if (name == "silu")
    result = body.op("Swish", {first});
  else if (name != "identity")
    Call::fail("there is no activation '" + name +
               "'; known are relu, gelu, silu, swiglu, geglu and identity");
  if (body.has(kThird))
    result = body.op("Mul", {result, layer(body, tokens, kThird, kThirdBias)});
  return result;
}

static void build(Body &body) {
  std::optional<int64_t> width = body.extent(kTokens, -1);
  if (!width)
    Call::fail("the width of the tokens must be fixed");
  Body::Name tokens =
      body.reshape(body.in(kTokens), std::vector<int64_t>{1, -1, *width});
  // [E, T, D]
  Body::Name results =
      layer(body, activated(body, tokens), kSecond, kSecondBias);
  Body::Name weights = body.unsqueeze(body.transpose(route(body), {1, 0}), {2});
  Body::Name sum = body.op(
      "ReduceSum", {body.op("Mul", {results, weights}), body.makeIntegers({0})},
      {{"keepdims", 0}});
  body.set(0, body.op("Reshape", {sum, body.op("Shape", {body.in(kTokens)})}));
}

void addExperts(SchemaList &list) {
  OpSchema schema = microsoft("MoE");
  schema
      .SetDoc("A mixture of experts: for each token the sum of the results of "
              "the best k experts, weighted by the softmax of router_probs. "
              "An expert is fc2(activation(fc1(x))), with a gate "
              "fc2(activation(fc1(x)) * fc3(x)).")
      .Attr("k", "The number of experts of a token.", AttributeProto::INT,
            int64_t(1))
      .Attr("activation_type",
            "relu, gelu, silu, identity; swiglu and geglu have a gate.",
            AttributeProto::STRING, std::string("relu"))
      .Attr("activation_alpha", "swiglu: g * sigmoid(alpha * g) * (l + beta).",
            AttributeProto::FLOAT, 1.0f)
      .Attr("activation_beta", "See activation_alpha.", AttributeProto::FLOAT,
            0.0f)
      .Attr("swiglu_fusion",
            "What fc1 gives: 0: g, with l from fc3; 1: g and l in turns; "
            "2: g, then l.",
            AttributeProto::INT, int64_t(0))
      .Attr("swiglu_limit",
            "g <= limit and -limit <= l <= limit; no bounds "
            "by default.",
            AttributeProto::FLOAT, OPTIONAL_VALUE)
      .Attr("swiglu_limit_after_activation", "Must be 0.", AttributeProto::INT,
            int64_t(0))
      .Attr("normalize_routing_weights",
            "1: the weights of the best k are divided by their sum.",
            AttributeProto::INT, int64_t(0))
      .Attr("use_sparse_mixer", "Must be 0.", AttributeProto::INT, int64_t(0))
      .Input(kTokens, "input", "[T, D] or [B, S, D].", "T")
      .Input(kRouter, "router_probs", "[T, E], before softmax.", "T")
      .Input(kFirst, "fc1_experts_weights", "[E, F or 2F, D].", "T")
      .Input(kFirstBias, "fc1_experts_bias", "[E, F or 2F].", "T",
             OpSchema::Optional)
      .Input(kSecond, "fc2_experts_weights", "[E, D, F].", "T")
      .Input(kSecondBias, "fc2_experts_bias", "[E, D].", "T",
             OpSchema::Optional)
      .Input(kThird, "fc3_experts_weights", "[E, F, D].", "T",
             OpSchema::Optional)
      .Input(kThirdBias, "fc3_experts_bias", "[E, F].", "T", OpSchema::Optional)
      .Output(0, "output", "Of the shape of the input.", "T")
      .TypeConstraint("T", floats(), "");
  list.push_back(complete(schema, infer, build));
}

} // namespace quantc::onnx_ir::microsoft
