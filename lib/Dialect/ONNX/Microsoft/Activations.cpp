//===- Activations.cpp - GELUs of com.microsoft ---------------------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Schemas.h"

using onnx::OpSchema;

namespace quantc::onnx_ir::microsoft {

static void inferLikeFirst(Inference &node) { node.like(0, 0); }

static Body::Name gelu(Body &body, const Body::Name &value,
                       const std::string &approximate) {
  return body.op("Gelu", {value}, {{"approximate", approximate}});
}

static void requireBias(const Call &node, int data, int bias) {
  node.requireRank(bias, {1}, "the bias");
  Call::requireEqual(node.dim(bias, 0), node.dim(data, -1),
                     "the bias has not the length of the data's rows");
}

Body::Name swiglu(Body &body, Body::Name gate, Body::Name linear,
                  std::optional<float> limit) {
  int32_t type = body.elementType(0);
  if (limit) {
    Body::Name high = body.makeReal(*limit, type),
               low = body.makeReal(-*limit, type);
    gate = body.op("Min", {gate, high});
    linear = body.op("Clip", {linear, low, high});
  }
  float alpha = body.Call::real("activation_alpha", 1),
        beta = body.Call::real("activation_beta", 0);
  if (beta != 0)
    linear = body.op("Add", {linear, body.makeReal(beta, type)});
  return body.op("Mul", {body.op("Swish", {gate}, {{"alpha", alpha}}), linear});
}

static OpSchema gated() {
  OpSchema schema = microsoft("SwiGLU");
  schema
      .SetDoc("G * sigmoid(activation_alpha * G) * (L + activation_beta), with "
              "G = min(gate, limit) and L = up between -limit and limit.")
      .Attr("activation_alpha", "The factor within the sigmoid.",
            onnx::AttributeProto::FLOAT, 1.0f)
      .Attr("activation_beta", "Added to the linear half.",
            onnx::AttributeProto::FLOAT, 0.0f)
      .Attr("limit", "The bound; none if it is not positive.",
            onnx::AttributeProto::FLOAT, 0.0f)
      .Attr("round_activation", "Not used: each operation is rounded.",
            onnx::AttributeProto::INT, int64_t(0))
      .Input(0, "gate", "[.., D], or with up [.., 2D].", "T")
      .Input(1, "up", "[.., D].", "T", OpSchema::Optional)
      .Output(0, "output", "[.., D].", "T")
      .TypeConstraint("T", floats(), "");
  return completeByBody(schema, [](Body &body) {
    Body::Names halves{body.in(0), ""};
    if (body.has(1))
      halves[1] = body.in(1);
    else
      halves = body.ops("Split", {body.in(0)}, 2,
                        {{"axis", -1}, {"num_outputs", 2}});
    float limit = body.Call::real("limit", 0);
    body.set(0, swiglu(body, halves[0], halves[1],
                       limit > 0 ? std::optional(limit) : std::nullopt));
  });
}

void addActivations(SchemaList &list) {
  list.push_back(complete(microsoft("Gelu")
                              .SetDoc("x / 2 * (1 + erf(x / sqrt(2))).")
                              .Input(0, "X", "Any tensor.", "T")
                              .Output(0, "Y", "Of the shape of X.", "T")
                              .TypeConstraint("T", floatsAndDouble(), ""),
                          inferLikeFirst, [](Body &body) {
                            body.set(0, gelu(body, body.in(0), "none"));
                          }));

  list.push_back(complete(
      microsoft("BiasGelu")
          .SetDoc("Gelu(A + B), Gelu as in ONNX without approximation.")
          .Input(0, "A", "Any tensor.", "T")
          .Input(1, "B", "A vector along the last dimension of A.", "T")
          .Output(0, "C", "Of the shape of A.", "T")
          .TypeConstraint("T", floatsAndDouble(), ""),
      [](Inference &node) {
        requireBias(node, 0, 1);
        node.like(0, 0);
      },
      [](Body &body) {
        Body::Name sum = body.op("Add", {body.in(0), body.in(1)});
        body.set(0, gelu(body, sum, "none"));
      }));

  list.push_back(complete(
      microsoft("FastGelu")
          .SetDoc("x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x^3))) of "
                  "x = X, or X + bias: Gelu of ONNX with approximate = tanh.")
          .Input(0, "X", "Any tensor.", "T")
          .Input(1, "bias", "A vector along the last dimension of X.", "T",
                 OpSchema::Optional)
          .Output(0, "Y", "Of the shape of X.", "T")
          .TypeConstraint("T", floatsAndDouble(), ""),
      [](Inference &node) {
        if (node.has(1))
          requireBias(node, 0, 1);
        node.like(0, 0);
      },
      [](Body &body) {
        Body::Name value = body.in(0);
        if (body.has(1))
          value = body.op("Add", {value, body.in(1)});
        body.set(0, gelu(body, value, "tanh"));
      }));

  list.push_back(complete(microsoft("QuickGelu")
                              .SetDoc("x * sigmoid(alpha * x): Swish of ONNX.")
                              .Attr("alpha", "The factor within the sigmoid.",
                                    onnx::AttributeProto::FLOAT, 1.702f)
                              .Input(0, "X", "Any tensor.", "T")
                              .Output(0, "Y", "Of the shape of X.", "T")
                              .TypeConstraint("T", floatsAndDouble(), ""),
                          inferLikeFirst, [](Body &body) {
                            float alpha = body.real("alpha", 1.702f);
                            body.set(0, body.op("Swish", {body.in(0)},
                                                {{"alpha", alpha}}));
                          }));

  list.push_back(complete(
      microsoft("BiasSplitGelu")
          .SetDoc("With [l | r] = X + bias, halves of the last dimension: "
                  "l * Gelu(r).")
          .Input(0, "X", "[N, S, D], D even.", "T")
          .Input(1, "bias", "[D].", "T")
          .Output(0, "Y", "[N, S, D / 2].", "T")
          .TypeConstraint("T", {"tensor(float)", "tensor(float16)"}, ""),
      [](Inference &node) {
        node.requireRank(0, {3}, "X");
        requireBias(node, 0, 1);
        if (node.rank(0) == 3)
          node.set(0, node.elementType(0),
                   {node.dim(0, 0), node.dim(0, 1), over(node.dim(0, 2), 2)});
      },
      [](Body &body) {
        Body::Name sum = body.op("Add", {body.in(0), body.in(1)});
        Body::Names halves =
            body.ops("Split", {sum}, 2, {{"axis", 2}, {"num_outputs", 2}});
        body.set(0, body.op("Mul", {halves[0], gelu(body, halves[1], "none")}));
      }));

  list.push_back(complete(
      microsoft("BiasAdd")
          .SetDoc("X + bias + skip.")
          .Input(0, "X", "[N, S, C].", "T")
          .Input(1, "bias", "[C].", "T")
          .Input(2, "skip", "[N, S, C].", "T")
          .Output(0, "Y", "[N, S, C].", "T")
          .TypeConstraint("T", {"tensor(float)", "tensor(float16)"}, ""),
      [](Inference &node) {
        requireBias(node, 0, 1);
        node.like(0, 0);
      },
      [](Body &body) {
        Body::Name sum = body.op("Add", {body.in(0), body.in(1)});
        body.set(0, body.op("Add", {sum, body.in(2)}));
      }));

  list.push_back(complete(
      microsoft("ScaledSiLU")
          .SetDoc("Swish(scale * X), where scale is an input, else alpha.")
          .Attr("alpha", "The factor.", onnx::AttributeProto::FLOAT, 1.0f)
          .Input(0, "X", "Any tensor.", "T")
          .Input(1, "scale", "A number.", "M", OpSchema::Optional)
          .Output(0, "Y", "Of the shape of X.", "T")
          .TypeConstraint("T", floats(), "")
          .TypeConstraint("M", floats(), ""),
      inferLikeFirst, [](Body &body) {
        int32_t type = body.elementType(0);
        Body::Name scale =
            body.has(1) ? body.cast(body.in(1), type)
                        : body.makeReal(body.Call::real("alpha", 1), type);
        body.set(0, body.op("Swish", {body.op("Mul", {body.in(0), scale})}));
      }));

  list.push_back(complete(
      microsoft("GatedAdd")
          .SetDoc("X + Y * gate.")
          .Input(0, "X", "[.., C].", "T")
          .Input(1, "Y", "[.., C].", "T")
          .Input(2, "gate", "[.., 1].", "T")
          .Input(3, "gate_weight", "Not supported.", "T", OpSchema::Optional)
          .Output(0, "output", "[.., C].", "T")
          .TypeConstraint("T", floats(), ""),
      [](Inference &node) {
        if (node.has(3))
          Call::fail("gate_weight is not supported");
        node.like(0, 0);
      },
      [](Body &body) {
        Body::Name product = body.op("Mul", {body.in(1), body.in(2)});
        body.set(0, body.op("Add", {body.in(0), product}));
      }));

  list.push_back(gated());
}

} // namespace quantc::onnx_ir::microsoft
