//===- GroupNormalization.cpp - Norms of groups of channels ---------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// What ONNX Runtime makes of diffusion models, whose images have channels last,
// and the gated norm of recurrent ones.
//
//===----------------------------------------------------------------------===//

#include "Schemas.h"

using onnx::AttributeProto;
using onnx::OpSchema;
using onnx::TensorProto;

namespace quantc::onnx_ir::microsoft {

namespace {
enum Input { kData, kGamma, kBeta, kSkip, kBias };
} // namespace

static bool isLast(const Call &node) {
  return node.integer("channels_last", 1) != 0;
}

static void infer(Inference &node) {
  node.requireRank(kData, {4}, "X");
  node.requireRank(kGamma, {1}, "gamma");
  node.requireRank(kBeta, {1}, "beta");
  Dimension channels = node.dim(kData, isLast(node) ? 3 : 1);
  Call::requireEqual(node.dim(kGamma, 0), channels,
                     "gamma has not as many elements as there are channels");
  if (node.integer("groups", 0) <= 0)
    Call::fail("groups must be positive");
  over(channels, node.integer("groups", 1));
  int64_t activation = node.integer("activation", 0);
  if (activation != 0 && activation != 1)
    Call::fail("activation is " + std::to_string(activation) +
               "; it must be 0, none, or 1, SiLU");
  if (node.has(kSkip))
    node.requireRank(kSkip, {2, 4}, "skip");
  node.like(0, kData);
  node.like(1, kData);
}

/// [N, C] or [C], as what broadcasts to the data.
static Body::Name spread(Body &body, int input) {
  bool last = isLast(body);
  if (body.rank(input) == 4)
    return body.in(input);
  if (body.rank(input) == 2)
    return body.unsqueeze(body.in(input), last ? std::vector<int64_t>{1, 2}
                                               : std::vector<int64_t>{2, 3});
  return last ? body.in(input) : body.unsqueeze(body.in(input), {1, 2});
}

static void build(Body &body) {
  Body::Name data = body.in(kData);
  int32_t type = body.elementType(kData);
  for (int input : {kSkip, kBias})
    if (body.has(input))
      data = body.op("Add", {data, spread(body, input)});
  body.set(1, data);
  auto vector = [&](int input) { return body.cast(body.in(input), type); };
  bool last = isLast(body);
  Body::Name result = body.op("GroupNormalization",
                              {last ? channelsSecond(body, data, 4) : data,
                               vector(kGamma), vector(kBeta)},
                              {{"num_groups", body.Call::integer("groups", 1)},
                               {"epsilon", body.Call::real("epsilon", 1e-5f)}});
  if (body.Call::integer("activation", 0) == 1)
    result = body.op("Swish", {result});
  body.set(0, last ? channelsLast(body, result, 4) : result);
}

static OpSchema groupNorm(const char *name, bool skip) {
  OpSchema schema = microsoft(name);
  schema
      .SetDoc(std::string("GroupNormalization of ONNX of ") +
              (skip ? "X + skip (+ bias)" : "X") + ", and an activation of it.")
      .Attr("groups", "The number of groups of channels.", AttributeProto::INT)
      .Attr("epsilon", "Added to the variance.", AttributeProto::FLOAT, 1e-5f)
      .Attr("activation", "0: none, 1: SiLU.", AttributeProto::INT)
      .Attr("channels_last",
            "Whether channels are the last dimension or the "
            "second.",
            AttributeProto::INT, int64_t(1))
      .Input(kData, "X", "[N, H, W, C] or [N, C, H, W].", "T")
      .Input(kGamma, "gamma", "[C].", "M")
      .Input(kBeta, "beta", "[C].", "M");
  if (skip)
    schema
        .Input(kSkip, "skip", "Of the shape of X, [N, 1, 1, C] or [N, C].", "T")
        .Input(kBias, "bias", "[C].", "T", OpSchema::Optional);
  schema.Output(0, "Y", "Of the shape of X.", "T");
  if (skip)
    schema.Output(1, "S", "The sum that is normalized.", "T",
                  OpSchema::Optional);
  schema.TypeConstraint("T", {"tensor(float)", "tensor(float16)"}, "")
      .TypeConstraint("M", {"tensor(float)", "tensor(float16)"}, "");
  return complete(schema, infer, build);
}

static OpSchema gatedRms() {
  OpSchema schema = microsoft("GatedRMSNorm");
  schema
      .SetDoc(
          "RMSNormalization of ONNX of each group of C elements of X, where "
          "C is the length of `scale`, times an activation of the gate; "
          "computed in f32.")
      .Attr("activation", "silu (or swish), or sigmoid.",
            AttributeProto::STRING, std::string("silu"))
      .Attr("epsilon", "Added to the mean square.", AttributeProto::FLOAT,
            1e-5f)
      .Input(0, "X", "[.., H * C].", "T")
      .Input(1, "scale", "[C].", "T")
      .Input(2, "gate", "Of the shape of X.", "T")
      .Output(0, "Y", "Of the shape of X.", "T")
      .TypeConstraint("T", floats(), "");
  return complete(
      schema,
      [](Inference &node) {
        node.requireRank(1, {1}, "scale");
        std::string activation = node.text("activation", "silu");
        if (activation != "silu" && activation != "swish" &&
            activation != "sigmoid")
          Call::fail("there is no activation '" + activation +
                     "'; known are silu, swish and sigmoid");
        if (std::optional<int64_t> width = node.extent(1, 0))
          over(node.dim(0, -1), *width);
        node.like(0, 0);
      },
      [](Body &body) {
        int32_t type = body.elementType(0);
        auto wide = [&](int input) {
          return body.cast(body.in(input), TensorProto::FLOAT);
        };
        std::vector<int64_t> groups(body.rank(0) - 1, 0);
        groups.push_back(-1);
        Body::Name data =
            body.reshape(wide(0), {body.makeIntegers(groups),
                                   body.dimension(body.in(1), 0)});
        Body::Name norm = body.op(
            "RMSNormalization", {data, wide(1)},
            {{"axis", -1}, {"epsilon", body.Call::real("epsilon", 1e-5f)}});
        norm = body.op("Reshape", {norm, body.op("Shape", {body.in(0)})});
        bool sigmoid = body.text("activation", "silu") == "sigmoid";
        Body::Name gate = body.op(sigmoid ? "Sigmoid" : "Swish", {wide(2)});
        body.set(0, body.cast(body.op("Mul", {norm, gate}), type));
      });
}

void addGroupNormalization(SchemaList &list) {
  list.push_back(groupNorm("GroupNorm", /*skip=*/false));
  list.push_back(groupNorm("SkipGroupNorm", /*skip=*/true));
  list.push_back(gatedRms());
}

} // namespace quantc::onnx_ir::microsoft
