//===- Attention.cpp - Attention, MultiHeadAttention of com.microsoft -----===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// They become ONNX's Attention on [B, heads, S, width], with the cache as its
// own, and with masks as numbers that are added: what they mask gets
// mask_filter_value, so a row that is masked as a whole is not masked at all.
//
//===----------------------------------------------------------------------===//

#include "Schemas.h"

using onnx::AttributeProto;
using onnx::OpSchema;
using onnx::OPTIONAL_VALUE;
using onnx::TensorProto;

namespace quantc::onnx_ir::microsoft {

//===----------------------------------------------------------------------===//
// Masks
//===----------------------------------------------------------------------===//

/// 0 where the condition holds, else mask_filter_value.
static Body::Name filter(Body &body, const Body::Name &keep, int32_t type) {
  float value = body.Call::real("mask_filter_value", -10000);
  return body.op("Where",
                 {keep, body.makeReal(0, type), body.makeReal(value, type)});
}

/// [B, 1, 1, T] of [B] lengths, or of [2B] ends and beginnings.
static Body::Name maskOfBounds(Body &body, const Body::Name &bounds,
                               bool beginnings, const Body::Name &batch,
                               const Body::Name &total, int32_t type) {
  Body::Name positions = body.cast(body.range(total), TensorProto::INT32);
  auto column = [&](const Body::Name &values) {
    return body.unsqueeze(values, {1, 2, 3});
  };
  Body::Name ends = bounds;
  if (beginnings)
    ends = body.slice(bounds, body.makeIntegers({0}), batch, 0);
  Body::Name keep = body.op("Less", {positions, column(ends)});
  if (beginnings) {
    Body::Name twice = body.op("Add", {batch, batch});
    Body::Name starts = body.slice(bounds, batch, twice, 0);
    keep = body.op(
        "And", {keep, body.op("GreaterOrEqual", {positions, column(starts)})});
  }
  return filter(body, keep, type);
}

/// The mask of an input in one of its forms, as something to be added to the
/// scores; "" if there is none.
static Body::Name maskOf(Body &body, int input, const Body::Name &batch,
                         const Body::Name &total, int32_t type) {
  if (!body.has(input))
    return "";
  Body::Name mask = body.in(input);
  if (body.rank(input) == 1) {
    Dimension length = body.dim(input, 0), count = body.dim(0, 0);
    bool equal =
        length.has_dim_value() && count.has_dim_value()
            ? length.dim_value() == count.dim_value()
            : length.has_dim_param() && length.dim_param() == count.dim_param();
    bool twice = length.has_dim_value() && count.has_dim_value() &&
                 length.dim_value() == 2 * count.dim_value();
    if (!equal && !twice)
      Call::fail("a mask of rank 1 must have the length of the batch, or twice "
                 "that, and here that cannot be seen; fix the dimensions, or "
                 "use a mask of rank 2");
    return maskOfBounds(body, mask, !equal, batch, total, type);
  }
  Body::Name keep = body.op(
      "Greater", {mask, body.cast(body.makeInteger(0), TensorProto::INT32)});
  if (body.rank(input) == 2)
    keep = body.unsqueeze(keep, {1, 2});
  else if (body.rank(input) == 3)
    keep = body.unsqueeze(keep, {1});
  else
    Call::fail("a mask of rank 4 is not supported; use one of rank 2 or 3");
  return filter(body, keep, type);
}

//===----------------------------------------------------------------------===//
// What all share
//===----------------------------------------------------------------------===//

/// [B, S, heads * width] as [B, heads, S, width].
static Body::Name toHeads(Body &body, const Body::Name &value, int64_t heads) {
  return body.transpose(
      body.reshape(value, std::vector<int64_t>{0, 0, heads, -1}), {0, 2, 1, 3});
}

namespace {
struct Operands {
  Body::Name query, key, value; // [B, heads, S or T, width]
  Body::Name mask;              // added, or ""
  Body::Name pastKey, pastValue;
};
struct Results {
  Body::Name output; // [B, S, heads * width]
  Body::Name key, value, scores;
};
} // namespace

static Results attend(Body &body, const Operands &operands, bool scores) {
  Body::Names inputs{operands.query, operands.key, operands.value,
                     operands.mask};
  bool past = !operands.pastKey.empty();
  if (past) {
    inputs.push_back(operands.pastKey);
    inputs.push_back(operands.pastValue);
  }
  while (inputs.back().empty())
    inputs.pop_back();
  Body::Attributes attributes{
      {"is_causal", body.Call::integer("unidirectional", 0)}};
  if (float scale = body.Call::real("scale", 0); scale != 0)
    attributes.push_back({"scale", scale});
  if (scores)
    attributes.push_back({"qk_matmul_output_mode", 2});
  Body::Names results = body.ops("Attention", inputs,
                                 scores ? 4
                                 : past ? 3
                                        : 1,
                                 attributes);
  Results all;
  all.output = body.reshape(body.transpose(results[0], {0, 2, 1, 3}),
                            std::vector<int64_t>{0, 0, -1});
  all.key = past ? results[1] : operands.key;
  all.value = past ? results[2] : operands.value;
  if (scores)
    all.scores = results[3];
  return all;
}

static void requireHeads(const Call &node) {
  if (node.integer("num_heads", 0) <= 0)
    Call::fail("num_heads must be positive");
}

/// A schema with the attributes that all have.
static OpSchema attending(const char *name) {
  OpSchema schema = microsoft(name);
  schema.Attr("num_heads", "The number of heads.", AttributeProto::INT)
      .Attr("mask_filter_value", "What is added to scores that are masked.",
            AttributeProto::FLOAT, OPTIONAL_VALUE)
      .Attr("scale", "The factor of scores; 1 / sqrt(width) by default.",
            AttributeProto::FLOAT, OPTIONAL_VALUE)
      .Attr("unidirectional", "1: no key after the query is seen.",
            AttributeProto::INT, int64_t(0));
  return schema;
}

//===----------------------------------------------------------------------===//
// MultiHeadAttention
//===----------------------------------------------------------------------===//

namespace {
namespace mha {
enum Input {
  kQuery,
  kKey,
  kValue,
  kBias,
  kPaddingMask,
  kAttentionBias,
  kPastKey,
  kPastValue,
  kPastLength,
  kIndirection
};

/// The heads that the node names, and widths as far as known.
struct Shape {
  Dimension batch, queries, keys, past, width, valueWidth;
  int64_t heads;
};

void check(const Call &node) {
  requireHeads(node);
  node.requireRank(kQuery, {3, 5}, "query");
  if (node.has(kKey))
    node.requireRank(kKey, {3, 4, 5}, "key");
  if (node.has(kValue))
    node.requireRank(kValue, {3, 4}, "value");
  if (node.has(kBias))
    node.requireRank(kBias, {1}, "bias");
  if (node.has(kPaddingMask))
    node.requireRank(kPaddingMask, {1, 2, 3}, "key_padding_mask");
  for (int input : {kAttentionBias, kPastKey, kPastValue})
    if (node.has(input))
      node.requireRank(input, {4}, "attention_bias or past");
  bool packed = node.rank(kQuery) == 5, packedKey = node.rank(kKey) == 5;
  if (packed ? node.has(kKey) || node.has(kValue) : !node.has(kKey))
    Call::fail(packed ? "query has key and value packed in, so these must be "
                        "absent"
                      : "it has no key, and query is not packed");
  if (!packed && node.has(kValue) == packedKey)
    Call::fail(packedKey ? "key has value packed in, so this must be absent"
                         : "it has no value, and key is not packed");
  if (!packed && !packedKey && node.rank(kKey) >= 0 && node.rank(kValue) >= 0 &&
      node.rank(kKey) != node.rank(kValue))
    Call::fail("key and value differ in rank");
  if (node.has(kPastKey) != node.has(kPastValue))
    Call::fail("past_key and past_value go together, and one of them is "
               "missing");
  if (node.has(kPastKey) && node.rank(kKey) == 4)
    Call::fail("a key of rank 4 is a past itself, and there is another");
  if (node.has(kBias) && node.rank(kKey) == 4)
    Call::fail("a bias goes with key and value of rank 3, not 4");
  if (node.has(kPastLength) || node.has(kIndirection))
    Call::fail("past_sequence_length and cache_indirection (beams that share a "
               "cache) are not supported; export the model without them");
}

Shape shapeOf(const Call &node) {
  Shape shape;
  shape.heads = node.integer("num_heads", 1);
  shape.batch = node.dim(kQuery, 0);
  shape.queries = node.dim(kQuery, 1);
  if (node.rank(kQuery) == 5) {
    shape.keys = shape.queries;
    shape.width = shape.valueWidth = node.dim(kQuery, 4);
  } else {
    shape.width = over(node.dim(kQuery, 2), shape.heads);
    bool heads = node.rank(kKey) == 4;
    shape.keys = node.dim(kKey, heads ? 2 : 1);
    shape.valueWidth = !node.has(kValue) ? shape.width
                       : heads ? node.dim(kValue, 3)
                               : over(node.dim(kValue, 2), shape.heads);
  }
  shape.past = node.has(kPastKey) ? node.dim(kPastKey, 2) : number(0);
  return shape;
}

void infer(Inference &node) {
  check(node);
  if (node.rank(kQuery) < 0)
    return;
  Shape shape = shapeOf(node);
  int32_t type = node.elementType(kQuery);
  if (node.rank(kKey) == 3)
    Call::requireEqual(node.dim(kKey, 2), node.dim(kQuery, 2),
                       "query and key differ in width");
  node.set(0, type,
           {shape.batch, shape.queries, times(shape.valueWidth, shape.heads)});
  Dimension heads = number(shape.heads),
            total =
                node.has(kPastKey) ? plus(shape.past, shape.keys) : shape.keys;
  node.set(1, type, {shape.batch, heads, total, shape.width});
  node.set(2, type, {shape.batch, heads, total, shape.valueWidth});
  node.set(3, type, {shape.batch, heads, shape.queries, total});
}

/// Part `part` of an operand [B, S, heads, parts, width], as [B, S, D].
Body::Name unpacked(Body &body, int input, int part) {
  return body.reshape(body.slice(body.in(input), part, part + 1, 3),
                      std::vector<int64_t>{0, 0, -1});
}

void build(Body &body) {
  check(body);
  int64_t heads = body.Call::integer("num_heads", 1);
  Body::Name query = body.in(kQuery), key, value;
  if (body.rank(kQuery) == 5) {
    key = unpacked(body, kQuery, 1);
    value = unpacked(body, kQuery, 2);
    query = unpacked(body, kQuery, 0);
  } else if (body.rank(kKey) == 5) {
    key = unpacked(body, kKey, 0);
    value = unpacked(body, kKey, 1);
  } else {
    key = body.in(kKey);
    value = body.in(kValue);
  }
  if (body.has(kBias)) {
    Body::Name width = body.dimension(query, 2),
               twice = body.op("Add", {width, width}),
               end = body.op("Add", {twice, body.dimension(value, 2)});
    Body::Name zero = body.makeIntegers({0}), bias = body.in(kBias);
    query = body.op("Add", {query, body.slice(bias, zero, width, 0)});
    key = body.op("Add", {key, body.slice(bias, width, twice, 0)});
    value = body.op("Add", {value, body.slice(bias, twice, end, 0)});
  }
  Operands operands;
  operands.query = toHeads(body, query, heads);
  bool cached = body.rank(kKey) == 4;
  operands.key = cached ? key : toHeads(body, key, heads);
  operands.value = cached ? value : toHeads(body, value, heads);
  Body::Name total = body.dimension(operands.key, 2);
  if (body.has(kPastKey)) {
    operands.pastKey = body.in(kPastKey);
    operands.pastValue = body.in(kPastValue);
    total = body.op("Add", {total, body.dimension(operands.pastKey, 2)});
  }
  operands.mask = maskOf(body, kPaddingMask, body.dimension(query, 0), total,
                         body.elementType(0));
  if (body.has(kAttentionBias))
    operands.mask =
        operands.mask.empty()
            ? body.in(kAttentionBias)
            : body.op("Add", {operands.mask, body.in(kAttentionBias)});
  Results results = attend(body, operands, body.wants(3));
  body.set(0, results.output);
  body.set(1, results.key);
  body.set(2, results.value);
  if (body.wants(3))
    body.set(3, results.scores);
}

OpSchema schema() {
  OpSchema schema = attending("MultiHeadAttention");
  schema
      .SetDoc("Attention of ONNX without the projections; the bias of these is "
              "added here.")
      .Input(kQuery, "query",
             "[B, S, D], or with key and value [B, S, heads, 3, width].", "T")
      .Input(kKey, "key",
             "[B, T, D], with value [B, T, heads, 2, width], or of a cache "
             "[B, heads, T, width].",
             "T", OpSchema::Optional)
      .Input(kValue, "value", "[B, T, Dv] or [B, heads, T, width].", "T",
             OpSchema::Optional)
      .Input(kBias, "bias", "[D + D + Dv].", "T", OpSchema::Optional)
      .Input(kPaddingMask, "key_padding_mask",
             "[B]: lengths; [B, all keys] or [B, S, all keys]: 0 where masked.",
             "M", OpSchema::Optional)
      .Input(kAttentionBias, "attention_bias",
             "[B or 1, heads or 1, S, all keys], added to scores.", "T",
             OpSchema::Optional)
      .Input(kPastKey, "past_key", "[B, heads, P, width].", "T",
             OpSchema::Optional)
      .Input(kPastValue, "past_value", "[B, heads, P, width].", "T",
             OpSchema::Optional)
      .Input(kPastLength, "past_sequence_length", "Not supported.", "M",
             OpSchema::Optional)
      .Input(kIndirection, "cache_indirection", "Not supported.", "M",
             OpSchema::Optional)
      .Output(0, "output", "[B, S, Dv].", "T")
      .Output(1, "present_key", "[B, heads, P + T, width].", "T",
              OpSchema::Optional)
      .Output(2, "present_value", "[B, heads, P + T, width].", "T",
              OpSchema::Optional)
      .Output(3, "qk", "[B, heads, S, P + T], the scores, masked.", "QK",
              OpSchema::Optional)
      .TypeConstraint("T", floats(), "")
      .TypeConstraint("QK", floats(), "")
      .TypeConstraint("M", {"tensor(int32)"}, "");
  return complete(schema, infer, build);
}
} // namespace mha

//===----------------------------------------------------------------------===//
// Attention
//===----------------------------------------------------------------------===//

namespace attention {
enum Input {
  kData,
  kWeights,
  kBias,
  kMask,
  kPast,
  kAttentionBias,
  kPastLength
};

/// The widths of queries, keys and values; empty if not known.
std::vector<int64_t> widthsOf(const Call &node) {
  std::vector<int64_t> widths = node.integers("qkv_hidden_sizes");
  std::optional<int64_t> all = node.extent(kWeights, 1);
  if (widths.empty() && all) {
    if (*all % 3)
      Call::fail("the weights have width " + std::to_string(*all) +
                 ", no multiple of 3, and there are no qkv_hidden_sizes");
    widths.assign(3, *all / 3);
  }
  if (widths.empty())
    return widths;
  if (widths.size() != 3)
    Call::fail("qkv_hidden_sizes must be three numbers");
  int64_t heads = node.integer("num_heads", 1);
  for (int64_t width : widths)
    if (width <= 0 || width % heads)
      Call::fail("a width of " + std::to_string(width) +
                 " is no multiple of the " + std::to_string(heads) + " heads");
  if (widths[0] != widths[1])
    Call::fail("queries and keys differ in width");
  if (all && widths[0] + widths[1] + widths[2] != *all)
    Call::fail("qkv_hidden_sizes do not add up to the width of the weights, " +
               std::to_string(*all));
  return widths;
}

/// What must hold of the projections, and of a mask and a past.
void check(const Call &node, int mask, int past) {
  requireHeads(node);
  node.requireRank(kData, {3}, "the input");
  node.requireRank(kWeights, {2}, "weights");
  if (node.has(kBias))
    node.requireRank(kBias, {1}, "bias");
  if (node.has(mask))
    node.requireRank(mask, {1, 2, 3}, "mask_index");
  if (node.has(past))
    node.requireRank(past, {5}, "past");
  Call::requireEqual(node.dim(kWeights, 0), node.dim(kData, 2),
                     "the weights have not the width of the input");
  if (node.has(kBias))
    Call::requireEqual(node.dim(kBias, 0), node.dim(kWeights, 1),
                       "the bias has not the width of the weights");
  if (node.integer("do_rotary", 0))
    Call::fail("do_rotary is not supported; export the model with "
               "RotaryEmbedding nodes");
  if (node.integer("past_present_share_buffer", 0))
    Call::fail("past_present_share_buffer is not supported; export the model "
               "without it");
}

/// The output and the present, of elements of this type.
void inferHeads(Inference &node, int past, int32_t type) {
  std::vector<int64_t> widths = widthsOf(node);
  if (widths.empty() || node.rank(kData) < 0) {
    node.setType(0, type);
    node.setType(1, type);
    return;
  }
  int64_t heads = node.integer("num_heads", 1);
  Dimension batch = node.dim(kData, 0), length = node.dim(kData, 1);
  node.set(0, type, {batch, length, number(widths[2])});
  node.set(1, type,
           {number(2), batch, number(heads),
            node.has(past) ? plus(node.dim(past, 3), length) : length,
            number(widths[0] / heads)});
}

/// A schema with the attributes that both have.
OpSchema projecting(const char *name) {
  OpSchema schema = attending(name);
  schema.Attr("do_rotary", "Must be 0.", AttributeProto::INT, OPTIONAL_VALUE)
      .Attr("past_present_share_buffer", "Must be 0.", AttributeProto::INT,
            OPTIONAL_VALUE);
  return schema;
}

/// What follows the projections `all` [B, S, D + D + Dv] of input 0; the
/// numbers are inputs, `attentionBias` -1 where the operator has none.
void buildHeads(Body &body, const Body::Name &all, int mask, int past,
                int attentionBias, int32_t type) {
  std::vector<int64_t> widths = widthsOf(body);
  if (widths.empty())
    Call::fail("the width of its weights must be fixed");
  int64_t heads = body.Call::integer("num_heads", 1);
  Body::Name data = body.in(kData);
  Body::Names parts =
      body.ops("Split", {all, body.makeIntegers(widths)}, 3, {{"axis", 2}});
  Operands operands;
  operands.query = toHeads(body, parts[0], heads);
  operands.key = toHeads(body, parts[1], heads);
  operands.value = toHeads(body, parts[2], heads);
  Body::Name total = body.dimension(data, 1);
  if (body.has(past)) {
    auto part = [&](int64_t i) {
      return body.op("Gather", {body.in(past), body.makeInteger(i)},
                     {{"axis", 0}});
    };
    operands.pastKey = part(0);
    operands.pastValue = part(1);
    total = body.op("Add", {total, body.dimension(body.in(past), 3)});
  }
  operands.mask = maskOf(body, mask, body.dimension(data, 0), total, type);
  if (attentionBias >= 0 && body.has(attentionBias))
    operands.mask =
        operands.mask.empty()
            ? body.in(attentionBias)
            : body.op("Add", {operands.mask, body.in(attentionBias)});
  Results results = attend(body, operands, /*scores=*/false);
  body.set(0, results.output);
  if (body.wants(1))
    body.set(1, body.concat({body.unsqueeze(results.key, {0}),
                             body.unsqueeze(results.value, {0})},
                            0));
}

void check(const Call &node) {
  check(node, kMask, kPast);
  if (node.has(kPastLength))
    Call::fail("past_sequence_length is not supported; export the model "
               "without past_present_share_buffer");
}

void infer(Inference &node) {
  check(node);
  inferHeads(node, kPast, node.elementType(kData));
}

void build(Body &body) {
  check(body);
  Body::Name all = body.op("MatMul", {body.in(kData), body.in(kWeights)});
  if (body.has(kBias))
    all = body.op("Add", {all, body.in(kBias)});
  buildHeads(body, all, kMask, kPast, kAttentionBias, body.elementType(kData));
}

OpSchema schema() {
  OpSchema schema = projecting("Attention");
  schema
      .SetDoc("Self-attention with its projections: input * weights + bias are "
              "queries, keys and values, one beside the other.")
      .Attr("qkv_hidden_sizes",
            "The widths of queries, keys and values; a third each by default.",
            AttributeProto::INTS, OPTIONAL_VALUE)
      .Attr("rotary_embedding_dim", "Not used.", AttributeProto::INT,
            OPTIONAL_VALUE)
      .Input(kData, "input", "[B, S, Din].", "T")
      .Input(kWeights, "weights", "[Din, D + D + Dv].", "T")
      .Input(kBias, "bias", "[D + D + Dv].", "T", OpSchema::Optional)
      .Input(kMask, "mask_index",
             "[B]: lengths; [2B]: ends, then beginnings; [B, P + S] or "
             "[B, S, P + S]: 0 where masked.",
             "M", OpSchema::Optional)
      .Input(kPast, "past", "[2, B, heads, P, width], keys and values.", "T",
             OpSchema::Optional)
      .Input(kAttentionBias, "attention_bias",
             "[B or 1, heads or 1, S, P + S], added to scores.", "T",
             OpSchema::Optional)
      .Input(kPastLength, "past_sequence_length", "Not supported.", "M",
             OpSchema::Optional)
      .Output(0, "output", "[B, S, Dv].", "T")
      .Output(1, "present", "[2, B, heads, P + S, width].", "T",
              OpSchema::Optional)
      .TypeConstraint("T", floats(), "")
      .TypeConstraint("M", {"tensor(int32)"}, "");
  return complete(schema, infer, build);
}

//===----------------------------------------------------------------------===//
// QAttention
//===----------------------------------------------------------------------===//

namespace stored {
enum Input {
  kInputScale = 3,
  kWeightScale,
  kMask,
  kInputZeroPoint,
  kWeightZeroPoint,
  kPast
};

void infer(Inference &node) {
  check(node, kMask, kPast);
  inferHeads(node, kPast, node.elementType(kInputScale));
}

void build(Body &body) {
  Body::Name all = productOfIntegers(
      body, body.in(kData),
      body.has(kInputZeroPoint) ? body.in(kInputZeroPoint) : "", kWeights,
      kWeightZeroPoint, body.in(kInputScale), kWeightScale, kBias);
  buildHeads(body, all, kMask, kPast, /*attentionBias=*/-1,
             body.elementType(kInputScale));
}

OpSchema schema() {
  OpSchema schema = projecting("QAttention");
  schema.SetDoc("Attention whose projections are MatMulIntegerToFloat.")
      .Input(kData, "input", "[B, S, Din].", "T1")
      .Input(kWeights, "weight", "[Din, 3 D].", "T2")
      .Input(kBias, "bias", "[3 D].", "T3")
      .Input(kInputScale, "input_scale", "One number.", "T3")
      .Input(kWeightScale, "weight_scale", "One number, or [3 D].", "T3")
      .Input(kMask, "mask_index", "As of Attention.", "T4", OpSchema::Optional)
      .Input(kInputZeroPoint, "input_zero_point", "One number.", "T1",
             OpSchema::Optional)
      .Input(kWeightZeroPoint, "weight_zero_point", "One number, or [3 D].",
             "T2", OpSchema::Optional)
      .Input(kPast, "past", "[2, B, heads, P, width], keys and values.", "T3",
             OpSchema::Optional)
      .Output(0, "output", "[B, S, D].", "T3")
      .Output(1, "present", "[2, B, heads, P + S, width].", "T3",
              OpSchema::Optional)
      .TypeConstraint("T1", {"tensor(int8)", "tensor(uint8)"}, "")
      .TypeConstraint("T2", {"tensor(int8)", "tensor(uint8)"}, "")
      .TypeConstraint("T3", {"tensor(float)", "tensor(float16)"}, "")
      .TypeConstraint("T4", {"tensor(int32)"}, "");
  return complete(schema, infer, build);
}
} // namespace stored
} // namespace attention
} // namespace

void addAttention(SchemaList &list) {
  list.push_back(mha::schema());
  list.push_back(attention::schema());
  list.push_back(attention::stored::schema());
}

} // namespace quantc::onnx_ir::microsoft
