//===- Standard.cpp - Operators that ONNX has as well ---------------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Some were in com.microsoft before they were in ONNX, some differ in details.
//
//===----------------------------------------------------------------------===//

#include "Schemas.h"

using onnx::AttributeProto;
using onnx::OpSchema;
using onnx::OPTIONAL_VALUE;
using onnx::TensorProto;

namespace quantc::onnx_ir::microsoft {

/// The inputs of the node in order, "" where there is none.
static Body::Names inputsOf(Body &body, int count) {
  Body::Names names;
  for (int i = 0; i < count; ++i)
    names.push_back(body.has(i) ? body.in(i) : "");
  while (!names.empty() && names.back().empty())
    names.pop_back();
  return names;
}

/// Those of these attributes that the node has.
static Body::Attributes given(const Body &body,
                              std::initializer_list<const char *> names) {
  Body::Attributes attributes;
  for (const char *name : names)
    if (const AttributeProto *attribute = body.attribute(name))
      attributes.push_back({*attribute});
  return attributes;
}

static Body::Name scalar(Body &body, const Body::Name &value) {
  return body.reshape(value, std::vector<int64_t>{});
}

//===----------------------------------------------------------------------===//
// Movement
//===----------------------------------------------------------------------===//

static OpSchema expandDims() {
  OpSchema schema = microsoft("ExpandDims");
  schema.SetDoc("Unsqueeze of ONNX with one axis.")
      .Input(0, "X", "Any tensor.", "T")
      .Input(1, "axis", "A constant.", "tensor(int32)")
      .Output(0, "Y", "With a dimension of 1 more.", "T")
      .TypeConstraint("T", OpSchema::all_tensor_types(), "");
  return completeByBody(schema, [](Body &body) {
    Body::Name axis = body.reshape(body.cast(body.in(1), TensorProto::INT64),
                                   std::vector<int64_t>{1});
    body.set(0, body.op("Unsqueeze", {body.in(0), axis}));
  });
}

static OpSchema gatherND() {
  OpSchema schema = microsoft("GatherND");
  schema.SetDoc("GatherND of ONNX.")
      .Input(0, "data", "Any tensor.", "T")
      .Input(1, "indices", "Tuples of indices along the last dimension.",
             "Tind")
      .Output(0, "output", "As of GatherND.", "T")
      .TypeConstraint("T", OpSchema::all_tensor_types(), "")
      .TypeConstraint("Tind", {"tensor(int32)", "tensor(int64)"}, "");
  return completeByBody(schema, [](Body &body) {
    Body::Name indices = body.cast(body.in(1), TensorProto::INT64);
    body.set(0, body.op("GatherND", {body.in(0), indices}));
  });
}

static OpSchema pad() {
  OpSchema schema = microsoft("Pad");
  schema.SetDoc("Pad of ONNX.")
      .Attr("mode", "constant, reflect or edge.", AttributeProto::STRING,
            std::string("constant"))
      .Input(0, "data", "Any tensor.", "T")
      .Input(1, "pads", "[2 * rank] or [1, 2 * rank].", "tensor(int64)")
      .Input(2, "value", "A number.", "T", OpSchema::Optional)
      .Output(0, "output", "As of Pad.", "T")
      .TypeConstraint(
          "T", {"tensor(float16)", "tensor(float)", "tensor(double)"}, "");
  return completeByBody(schema, [](Body &body) {
    Body::Names inputs{body.in(0),
                       body.reshape(body.in(1), std::vector<int64_t>{-1})};
    if (body.has(2))
      inputs.push_back(scalar(body, body.in(2)));
    body.set(0, body.op("Pad", inputs, given(body, {"mode"})));
  });
}

static OpSchema rangeOf() {
  OpSchema schema = microsoft("Range");
  schema.SetDoc("Range of ONNX.")
      .Input(0, "start", "A number.", "T")
      .Input(1, "limit", "A number.", "T")
      .Input(2, "delta", "A number, 1 by default.", "T", OpSchema::Optional)
      .Output(0, "Y", "As of Range.", "T")
      .TypeConstraint("T",
                      {"tensor(float)", "tensor(double)", "tensor(int16)",
                       "tensor(int32)", "tensor(int64)"},
                      "");
  return completeByBody(schema, [](Body &body) {
    Body::Name delta =
        body.has(2) ? scalar(body, body.in(2))
                    : body.cast(body.makeInteger(1), body.elementType(0));
    body.set(0, body.op("Range", {scalar(body, body.in(0)),
                                  scalar(body, body.in(1)), delta}));
  });
}

static OpSchema trilu() {
  OpSchema schema = microsoft("Trilu");
  schema.SetDoc("Trilu of ONNX.")
      .Attr("upper", "Which triangle is kept.", AttributeProto::INT, int64_t(1))
      .Input(0, "X", "[.., N, M].", "T")
      .Input(1, "k", "The diagonal, 0 by default.", "tensor(int64)",
             OpSchema::Optional)
      .Output(0, "Y", "Of the shape of X.", "T")
      .TypeConstraint("T", OpSchema::all_tensor_types(), "");
  return completeByBody(schema, [](Body &body) {
    body.set(0, body.op("Trilu", inputsOf(body, 2), given(body, {"upper"})));
  });
}

static OpSchema embedding() {
  OpSchema schema = microsoft("TorchEmbedding");
  schema.SetDoc("Rows of a table: Gather of ONNX.")
      .Input(0, "weight", "[N, M].", "T")
      .Input(1, "indices", "Any indices.", "tensor(int64)")
      .Input(2, "padding_idx", "Not used.", "tensor(int64)", OpSchema::Optional)
      .Input(3, "scale_grad_by_freq", "Not used.", "tensor(bool)",
             OpSchema::Optional)
      .Output(0, "Y", "The dimensions of the indices, then M.", "T")
      .TypeConstraint("T", OpSchema::all_tensor_types(), "");
  return completeByBody(schema, [](Body &body) {
    body.set(0, body.op("Gather", {body.in(0), body.in(1)}));
  });
}

static OpSchema gridSample() {
  OpSchema schema = microsoft("GridSample");
  schema.SetDoc("GridSample of ONNX on images.")
      .Attr("mode", "bilinear, nearest or bicubic.", AttributeProto::STRING,
            std::string("bilinear"))
      .Attr("padding_mode", "zeros, border or reflection.",
            AttributeProto::STRING, std::string("zeros"))
      .Attr("align_corners", "As of GridSample.", AttributeProto::INT,
            int64_t(0))
      .Input(0, "X", "[N, C, H, W].", "T1")
      .Input(1, "Grid", "[N, H', W', 2].", "T1")
      .Output(0, "Y", "[N, C, H', W'].", "T2")
      .TypeConstraint("T1", floatsAndDouble(), "")
      .TypeConstraint("T2", floatsAndDouble(), "");
  return completeByBody(schema, [](Body &body) {
    std::string mode = body.text("mode", "bilinear");
    Body::Attributes attributes =
        given(body, {"padding_mode", "align_corners"});
    attributes.push_back({"mode", mode == "bilinear"  ? std::string("linear")
                                  : mode == "bicubic" ? std::string("cubic")
                                                      : mode});
    body.set(0, body.op("GridSample", {body.in(0), body.in(1)}, attributes));
  });
}

//===----------------------------------------------------------------------===//
// Softmax and dropout with a bias
//===----------------------------------------------------------------------===//

static OpSchema biasSoftmax() {
  OpSchema schema = microsoft("BiasSoftmax");
  schema
      .SetDoc(
          "Softmax of data + bias over the dimensions from `axis` on, taken "
          "as one.")
      .Attr("axis", "The first of these dimensions.", AttributeProto::INT,
            int64_t(1))
      .Attr("is_inner_broadcast",
            "Where the bias broadcasts, which its shape says as well.",
            AttributeProto::INT)
      .Input(0, "data", "Any tensor.", "T")
      .Input(1, "bias", "What broadcasts to the data.", "T")
      .Output(0, "output", "Of the shape of the data.", "T")
      .TypeConstraint(
          "T", {"tensor(float16)", "tensor(float)", "tensor(double)"}, "");
  return complete(
      schema, [](Inference &node) { node.like(0, 0); },
      [](Body &body) {
        int64_t axis = body.Call::integer("axis", 1), rank = body.rank(0);
        if (axis < -rank || axis >= rank)
          Call::fail("axis " + std::to_string(axis) +
                     " is out of range for rank " + std::to_string(rank));
        axis = axis < 0 ? axis + rank : axis;
        Body::Name sum = body.op("Add", {body.in(0), body.in(1)});
        if (axis == rank - 1)
          return body.set(0, body.op("Softmax", {sum}, {{"axis", -1}}));
        std::vector<int64_t> flat(axis, 0);
        flat.push_back(-1);
        Body::Name result =
            body.op("Softmax", {body.reshape(sum, flat)}, {{"axis", -1}});
        body.set(0,
                 body.op("Reshape", {result, body.op("Shape", {body.in(0)})}));
      });
}

static OpSchema biasDropout() {
  OpSchema schema = microsoft("BiasDropout");
  schema.SetDoc("Dropout of ONNX of data + bias, and a residual added to it.")
      .Attr("seed", "As of Dropout.", AttributeProto::INT, OPTIONAL_VALUE)
      .Input(0, "data", "Any tensor.", "T")
      .Input(1, "bias", "What broadcasts to the data.", "T")
      .Input(2, "residual", "Of the shape of the data.", "T",
             OpSchema::Optional)
      .Input(3, "ratio", "As of Dropout.", "T1", OpSchema::Optional)
      .Input(4, "training_mode", "As of Dropout.", "T2", OpSchema::Optional)
      .Output(0, "output", "Of the shape of the data.", "T")
      .Output(1, "mask", "What is kept.", "T2", OpSchema::Optional)
      .TypeConstraint("T", floatsAndDouble(), "")
      .TypeConstraint("T1", floatsAndDouble(), "")
      .TypeConstraint("T2", {"tensor(bool)"}, "");
  return complete(
      schema,
      [](Inference &node) {
        node.like(0, 0);
        if (node.rank(0) < 0)
          return;
        std::vector<Dimension> shape;
        for (int i = 0; i < node.rank(0); ++i)
          shape.push_back(node.dim(0, i));
        node.set(1, TensorProto::BOOL, shape);
      },
      [](Body &body) {
        Body::Names inputs{body.op("Add", {body.in(0), body.in(1)}),
                           body.has(3) ? body.in(3) : "",
                           body.has(4) ? body.in(4) : ""};
        while (inputs.back().empty())
          inputs.pop_back();
        Body::Names results = body.ops("Dropout", inputs, body.wants(1) ? 2 : 1,
                                       given(body, {"seed"}));
        if (body.has(2))
          results[0] = body.op("Add", {results[0], body.in(2)});
        for (size_t i = 0; i < results.size(); ++i)
          body.set(int(i), results[i]);
      });
}

//===----------------------------------------------------------------------===//
// Distances
//===----------------------------------------------------------------------===//

static OpSchema distances() {
  OpSchema schema = microsoft("CDist");
  schema.SetDoc("The distance of each row of A and each of B.")
      .Attr("metric", "euclidean or sqeuclidean.", AttributeProto::STRING,
            std::string("sqeuclidean"))
      .Input(0, "A", "[M, N].", "T")
      .Input(1, "B", "[K, N].", "T")
      .Output(0, "C", "[M, K].", "T")
      .TypeConstraint("T", {"tensor(float)", "tensor(double)"}, "");
  return completeByBody(schema, [](Body &body) {
    std::string metric = body.text("metric", "sqeuclidean");
    if (metric != "euclidean" && metric != "sqeuclidean")
      Call::fail("the metric '" + metric +
                 "' is not supported; known are euclidean and sqeuclidean");
    Body::Name difference = body.op("Sub", {body.unsqueeze(body.in(0), {1}),
                                            body.unsqueeze(body.in(1), {0})});
    Body::Name result =
        body.op("ReduceSumSquare", {difference, body.makeIntegers({2})},
                {{"keepdims", 0}});
    if (metric == "euclidean")
      result = body.op("Sqrt", {result});
    body.set(0, result);
  });
}

//===----------------------------------------------------------------------===//
// Recurrences
//===----------------------------------------------------------------------===//

static OpSchema linearAttention() {
  OpSchema schema = microsoft("LinearAttention");
  schema.SetDoc("LinearAttention of ONNX.")
      .Attr("q_num_heads", "The heads of queries.", AttributeProto::INT)
      .Attr("kv_num_heads", "The heads of keys and values.",
            AttributeProto::INT)
      .Attr("update_rule", "linear, gated, delta or gated_delta.",
            AttributeProto::STRING, std::string("gated_delta"))
      .Attr("scale", "The factor of the result; 0: 1 / sqrt(width).",
            AttributeProto::FLOAT, 0.0f)
      .Attr("chunk_size", "Changes no result.", AttributeProto::INT,
            int64_t(64))
      .Attr("state_window", "Must be 0.", AttributeProto::INT, int64_t(0))
      .Input(0, "query", "[B, T, heads * width].", "T")
      .Input(1, "key", "[B, T, kv heads * width].", "T")
      .Input(2, "value", "[B, T, kv heads * value width].", "T")
      .Input(3, "past_state", "[B, kv heads, width, value width].", "S",
             OpSchema::Optional)
      .Input(4, "decay", "[B, T, kv heads (* width)].", "T", OpSchema::Optional)
      .Input(5, "beta", "[B, T, kv heads or 1].", "T", OpSchema::Optional)
      .Output(0, "output", "[B, T, heads * value width].", "T")
      .Output(1, "present_state", "[B, kv heads, width, value width].", "S")
      .TypeConstraint("T", floats(), "")
      .TypeConstraint("S", floats(), "");
  return completeByBody(schema, [](Body &body) {
    if (body.Call::integer("state_window", 0))
      Call::fail("state_window is not supported; export the model without it");
    Body::Names results =
        body.ops("LinearAttention", inputsOf(body, 6), 2,
                 given(body, {"q_num_heads", "kv_num_heads", "update_rule",
                              "scale", "chunk_size"}));
    body.set(0, results[0]);
    body.set(1, results[1]);
  });
}

static OpSchema causalConv() {
  OpSchema schema = microsoft("CausalConvWithState");
  schema.SetDoc("CausalConvWithState of ONNX.")
      .Attr("activation", "silu, swish or none.", AttributeProto::STRING,
            std::string("none"))
      .Input(0, "input", "[B, C, L].", "T")
      .Input(1, "weight", "[C, 1, k].", "T")
      .Input(2, "bias", "[C].", "T", OpSchema::Optional)
      .Input(3, "past_state", "[B, C, k - 1].", "T", OpSchema::Optional)
      .Output(0, "output", "[B, C, L].", "T")
      .Output(1, "present_state", "[B, C, k - 1].", "T")
      .Output(2, "state_update", "Not supported.", "T", OpSchema::Optional)
      .TypeConstraint("T", floats(), "");
  for (const char *name : {"ndim", "dilation"})
    schema.Attr(name, "Must be 1.", AttributeProto::INT, int64_t(1));
  for (const char *name :
       {"channels_last", "state_window", "state_length", "input_channels",
        "input_channel_offset", "state_update_capacity"})
    schema.Attr(name, "Must be 0.", AttributeProto::INT, int64_t(0));
  schema.Attr("state_channels_last", "Must be -1.", AttributeProto::INT,
              int64_t(-1));
  return completeByBody(schema, [](Body &body) {
    for (auto [name, value] :
         {std::pair("ndim", 1), std::pair("dilation", 1),
          std::pair("channels_last", 0), std::pair("state_window", 0),
          std::pair("state_length", 0), std::pair("input_channels", 0),
          std::pair("input_channel_offset", 0),
          std::pair("state_update_capacity", 0),
          std::pair("state_channels_last", -1)})
      if (body.Call::integer(name, value) != value)
        Call::fail(std::string(name) + " must be " + std::to_string(value));
    Body::Names results = body.ops("CausalConvWithState", inputsOf(body, 4), 2,
                                   given(body, {"activation"}));
    body.set(0, results[0]);
    body.set(1, results[1]);
  });
}

void addStandard(SchemaList &list) {
  list.push_back(expandDims());
  list.push_back(gatherND());
  list.push_back(pad());
  list.push_back(rangeOf());
  list.push_back(trilu());
  list.push_back(embedding());
  list.push_back(gridSample());
  list.push_back(biasSoftmax());
  list.push_back(biasDropout());
  list.push_back(distances());
  list.push_back(linearAttention());
  list.push_back(causalConv());
}

} // namespace quantc::onnx_ir::microsoft
