//===- BlockWeights.cpp - Weights that are packed in blocks ---------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// MatMulNBits and QMoE have no bodies: the walk makes dequantized constants of
// their weights. GatherBlockQuantized unpacks the rows that it reads.
//
//===----------------------------------------------------------------------===//

#include "Schemas.h"

using onnx::AttributeProto;
using onnx::OpSchema;
using onnx::OPTIONAL_VALUE;
using onnx::TensorProto;

namespace quantc::onnx_ir::microsoft {

//===----------------------------------------------------------------------===//
// MatMulNBits
//===----------------------------------------------------------------------===//

static void inferMatMulNBits(Inference &node) {
  int64_t k = node.integer("K", 0), n = node.integer("N", 0);
  Call::requireEqual(node.dim(0, -1), number(k), "A does not end with K");
  Call::requireEqual(node.dim(1, 0), number(n), "B does not begin with N");
  if (node.rank(0) < 1)
    return node.setType(0, node.elementType(0));
  std::vector<Dimension> shape;
  for (int d = 0; d + 1 < node.rank(0); ++d)
    shape.push_back(node.dim(0, d));
  shape.push_back(number(n));
  node.set(0, node.elementType(0), shape);
}

static void addMatMulNBits(SchemaList &list) {
  OpSchema schema = microsoft("MatMulNBits");
  schema.SetDoc("A times the transpose of (B - zero_points) * scales, + bias.")
      .Attr("K", "The width of A.", AttributeProto::INT)
      .Attr("N", "The width of the result.", AttributeProto::INT)
      .Attr("bits", "2, 4 or 8.", AttributeProto::INT, int64_t(4))
      .Attr("block_size", "Values of K that share a scale.",
            AttributeProto::INT)
      .Attr("accuracy_level",
            "4: A may be rounded to int8, in the same blocks; else it is not.",
            AttributeProto::INT, int64_t(0))
      .Attr("weight_prepacked", "Must be 0.", AttributeProto::INT, int64_t(0))
      .Input(0, "A", "[.., K].", "T1")
      .Input(1, "B", "[N, blocks, block_size * bits / 8], lower bits first.",
             "T2")
      .Input(2, "scales", "[N, blocks] or [N * blocks].", "T1")
      .Input(3, "zero_points",
             "Packed like B, rows of whole bytes; or floats like the scales. "
             "2^(bits - 1) where there are none.",
             "T3", OpSchema::Optional)
      .Input(4, "g_idx", "[K], the block of each k.", "T4", OpSchema::Optional)
      .Input(5, "bias", "[N].", "T1", OpSchema::Optional)
      .Output(0, "Y", "[.., N].", "T1")
      .TypeConstraint("T1", floats(), "")
      .TypeConstraint("T2", {"tensor(uint8)", "tensor(int32)"}, "")
      .TypeConstraint("T3",
                      {"tensor(uint8)", "tensor(int32)", "tensor(float16)",
                       "tensor(float)", "tensor(bfloat16)"},
                      "")
      .TypeConstraint("T4", {"tensor(int32)"}, "");
  list.push_back(complete(schema, inferMatMulNBits));
}

//===----------------------------------------------------------------------===//
// GatherBlockQuantized
//===----------------------------------------------------------------------===//

/// Bytes of 8 / bits codes each along the last dimension, as int8 codes less
/// `middle`.
static Body::Name unpack(Body &body, const Body::Name &packed, int rank,
                         int64_t bits, int64_t middle) {
  Body::Name value = body.cast(packed, TensorProto::INT32);
  if (bits < 8) {
    Body::Names parts;
    for (int64_t shift = 0; shift < 8; shift += bits) {
      Body::Name part = value;
      if (shift)
        part = body.op("Div", {value, body.cast(body.makeInteger(1 << shift),
                                                TensorProto::INT32)});
      part = body.op("Mod", {part, body.cast(body.makeInteger(1 << bits),
                                             TensorProto::INT32)});
      parts.push_back(body.unsqueeze(part, {rank}));
    }
    value = body.concat(parts, rank);
    std::vector<int64_t> shape(rank, 0);
    shape.back() = -1;
    value = body.reshape(value, shape);
  }
  if (middle)
    value = body.op("Sub", {value, body.cast(body.makeInteger(middle),
                                             TensorProto::INT32)});
  return body.cast(value, TensorProto::INT8);
}

static void buildGather(Body &body) {
  int rank = body.rank(0), indexRank = body.rank(1);
  if (rank < 1 || indexRank < 0)
    Call::fail("the ranks of data and indices must be known");
  auto axisOf = [&](const char *name, int64_t otherwise) {
    int64_t axis = body.Call::integer(name, otherwise);
    if (axis < -rank || axis >= rank)
      Call::fail(std::string(name) + " is out of range");
    return axis < 0 ? axis + rank : axis;
  };
  int64_t gather = axisOf("gather_axis", 0), block = axisOf("quantize_axis", 1),
          size = body.Call::integer("block_size", 128);
  int64_t bits = body.Call::integer("bits", 4);
  if (gather == block)
    Call::fail("gather_axis and quantize_axis must differ");
  auto rows = [&](int input) {
    return body.op("Gather", {body.in(input), body.in(1)}, {{"axis", gather}});
  };
  Body::Name data = rows(0), scales = rows(2), zeroPoints;
  if (body.has(3))
    zeroPoints = rows(3);
  int result = rank + indexRank - 1;
  int64_t axis = block + (block > gather ? indexRank - 1 : 0);
  if (body.elementType(0) == TensorProto::UINT8) {
    int64_t middle = int64_t(1) << (bits - 1);
    data = unpack(body, data, result, bits, middle);
    if (!zeroPoints.empty()) {
      zeroPoints = unpack(body, zeroPoints, result, bits, middle);
      // Rows of whole bytes may have more than there are blocks.
      zeroPoints = body.slice(zeroPoints, body.makeIntegers({0}),
                              body.dimension(scales, axis), axis);
    }
  }
  Body::Names inputs = {data, scales};
  if (!zeroPoints.empty())
    inputs.push_back(zeroPoints);
  body.set(0, body.op("DequantizeLinear", inputs,
                      {{"axis", axis}, {"block_size", size}}));
}

static void inferGather(Inference &node) {
  int rank = node.rank(0), indexRank = node.rank(1);
  if (rank < 1 || indexRank < 0)
    return node.setType(0, node.elementType(2));
  int64_t gather = node.integer("gather_axis", 0);
  gather += gather < 0 ? rank : 0;
  bool packed = node.elementType(0) == TensorProto::UINT8;
  std::vector<Dimension> shape;
  for (int d = 0; d < rank; ++d) {
    if (d == gather)
      for (int i = 0; i < indexRank; ++i)
        shape.push_back(node.dim(1, i));
    else
      shape.push_back(packed && d == rank - 1
                          ? times(node.dim(0, d), 8 / node.integer("bits", 4))
                          : node.dim(0, d));
  }
  node.set(0, node.elementType(2), shape);
}

static void addGather(SchemaList &list) {
  OpSchema schema = microsoft("GatherBlockQuantized");
  schema
      .SetDoc("Gather(dequantize(data), indices), data being quantized in "
              "blocks along an axis. An index outside is an error.")
      .Attr("gather_axis", "The axis of indices.", AttributeProto::INT,
            int64_t(0))
      .Attr("quantize_axis", "The axis of blocks.", AttributeProto::INT,
            int64_t(1))
      .Attr("block_size", "The size of blocks.", AttributeProto::INT,
            int64_t(128))
      .Attr("bits", "Of uint8 data: 2, 4 or 8, lower bits first.",
            AttributeProto::INT, int64_t(4))
      .Input(0, "data", "Any tensor.", "T1")
      .Input(1, "indices", "Any tensor.", "Tind")
      .Input(2, "scales", "One for each block.", "T2")
      .Input(
          3, "zero_points",
          "One for each block; 0, or 2^(bits - 1) of uint8 data, where there "
          "are none.",
          "T1", OpSchema::Optional)
      .Output(0, "output", "As Gather has it.", "T2")
      .TypeConstraint("T1", {"tensor(int4)", "tensor(uint4)", "tensor(uint8)"},
                      "")
      .TypeConstraint("T2", floats(), "")
      .TypeConstraint("Tind", {"tensor(int32)", "tensor(int64)"}, "");
  list.push_back(complete(schema, inferGather, buildGather));
}

//===----------------------------------------------------------------------===//
// QMoE
//===----------------------------------------------------------------------===//

static void addExpertsOfBlocks(SchemaList &list) {
  OpSchema schema = microsoft("QMoE");
  schema.SetDoc("MoE of weights of integers, (weight - zero_point) * scale.")
      .Attr("k", "As of MoE.", AttributeProto::INT, int64_t(1))
      .Attr("activation_type", "As of MoE.", AttributeProto::STRING,
            std::string("relu"))
      .Attr("activation_alpha", "As of MoE.", AttributeProto::FLOAT, 1.0f)
      .Attr("activation_beta", "As of MoE.", AttributeProto::FLOAT, 0.0f)
      .Attr("swiglu_fusion", "As of MoE.", AttributeProto::INT, int64_t(0))
      .Attr("swiglu_limit", "As of MoE.", AttributeProto::FLOAT, OPTIONAL_VALUE)
      .Attr("normalize_routing_weights", "As of MoE.", AttributeProto::INT,
            int64_t(0))
      .Attr("use_sparse_mixer", "As of MoE.", AttributeProto::INT, int64_t(0))
      .Attr("expert_weight_bits", "2, 4 or 8.", AttributeProto::INT, int64_t(4))
      .Attr("block_size", "Values that share a scale; all of a row without it.",
            AttributeProto::INT, OPTIONAL_VALUE)
      .Attr("accuracy_level", "Not used: the activations stay float.",
            AttributeProto::INT, int64_t(0))
      .Attr("quant_type", "Must be int.", AttributeProto::STRING,
            std::string("int"))
      .Attr("weights_prepacked", "Must not be 1.", AttributeProto::INT,
            int64_t(-1))
      .Input(0, "input", "[T, D] or [B, S, D].", "T")
      .Input(1, "router_probs", "[T, E].", "T");
  const char *layers[] = {"fc1", "fc2", "fc3"};
  for (int i = 0; i < 3; ++i) {
    std::string name = layers[i];
    auto option = i < 2 ? OpSchema::Single : OpSchema::Optional;
    schema
        .Input(2 + 3 * i, name + "_experts_weights",
               "[E, N, K * bits / 8], lower bits first.", "T1", option)
        .Input(3 + 3 * i, name + "_scales", "[E, N], or [E, N, blocks].", "T2",
               OpSchema::Optional)
        .Input(4 + 3 * i, name + "_experts_bias", "[E, N].", "T",
               OpSchema::Optional);
  }
  for (int i = 0; i < 3; ++i)
    schema.Input(11 + i, std::string(layers[i]) + "_zero_points",
                 "Packed like the weights.", "T1", OpSchema::Optional);
  schema.Input(14, "router_weights", "Not supported.", "T", OpSchema::Optional)
      .Output(0, "output", "Of the shape of the input.", "T")
      .TypeConstraint("T", floats(), "")
      .TypeConstraint("T1", {"tensor(uint8)"}, "")
      .TypeConstraint("T2", floats(), "");
  list.push_back(complete(schema, [](Inference &node) {
    node.requireRank(0, {2, 3}, "the input");
    node.requireRank(1, {2}, "router_probs");
    node.like(0, 0);
  }));
}

void addBlockWeights(SchemaList &list) {
  addMatMulNBits(list);
  addGather(list);
  addExpertsOfBlocks(list);
}

} // namespace quantc::onnx_ir::microsoft
