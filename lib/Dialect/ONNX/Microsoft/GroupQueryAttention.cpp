//===- GroupQueryAttention.cpp - GroupQueryAttention of com.microsoft -----===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// With a cache of P places and S new keys, sequence b has t[b] = seqlens_k[b]+1
// keys in the end, the new ones at places w[b] = max(t[b] - S, 0) and on. The
// cache grows to the total length if it is shorter, and query i sees places
// 0..w[b] + i of it, or the last of these if there is a window. Without a cache
// keys are the new ones alone. What is padding on the right of a prompt has no
// defined result.
//
// Softmax with a number more in its denominator (smooth_softmax: 1, head_sink:
// exp of a number of the head) is softmax with one more key, whose score is 0,
// or the sink, and whose value is 0.
//
//===----------------------------------------------------------------------===//

#include "Schemas.h"

using onnx::AttributeProto;
using onnx::OpSchema;
using onnx::OPTIONAL_VALUE;
using onnx::TensorProto;

namespace quantc::onnx_ir::microsoft {

namespace {
enum Input {
  kQuery,
  kKey,
  kValue,
  kPastKey,
  kPastValue,
  kLengths,
  kTotal,
  kCos,
  kSin,
  kPositions,
  kBias,
  kSink,
  kKeyScale,
  kValueScale,
  kQueryNorm,
  kKeyNorm,
  kQueryLengths
};

struct Heads {
  int64_t queries, keys;
};

class Builder {
public:
  explicit Builder(Body &body) : body(body) {}
  void run();

private:
  Body::Name heads(const Body::Name &value, int64_t count, int norm,
                   const char *epsilon);
  Body::Name rotated(const Body::Name &value);
  void grow();
  Body::Name column(const Body::Name &perBatch) {
    return body.unsqueeze(perBatch, {1, 2, 3});
  }
  Body::Name keep(const Body::Name &places);
  Body::Name mask();
  void addSink();

  Body &body;
  Body::Name query, key, value; // [B, heads, S or T, width]
  Body::Name length;            // S, [1]
  Body::Name begin;             // w, [B], with a cache
  Body::Name past;              // the same as positions: w, or 0
  Body::Name added;             // the mask, or ""
  bool cached = false, sink = false, causal = true;
  bool triangle = false; // the mask is that of is_causal alone
};
} // namespace

//===----------------------------------------------------------------------===//
// Inference
//===----------------------------------------------------------------------===//

static Heads headsOf(const Call &node) {
  Heads heads{node.integer("num_heads", 0), node.integer("kv_num_heads", 0)};
  if (heads.queries <= 0 || heads.keys <= 0 || heads.queries % heads.keys)
    Call::fail("num_heads must be a positive multiple of kv_num_heads");
  return heads;
}

/// How many keys a query sees, -1 for all.
static int64_t windowOf(const Call &node) {
  return node.integer("local_window_size", -1);
}

static void check(const Call &node) {
  node.requireRank(kQuery, {3}, "query");
  if (node.has(kKey) != node.has(kValue))
    Call::fail("key and value go together, and one of them is missing");
  for (int input : {kKey, kValue})
    if (node.has(input))
      node.requireRank(input, {3}, "key or value");
  if (node.has(kPastKey) != node.has(kPastValue))
    Call::fail("past_key and past_value go together, and one of them is "
               "missing");
  for (int input : {kPastKey, kPastValue, kBias})
    if (node.has(input))
      node.requireRank(input, {4}, "a cache or attention_bias");
  node.requireRank(kLengths, {1}, "seqlens_k");
  if (node.integer("do_rotary", 0) && (!node.has(kCos) || !node.has(kSin)))
    Call::fail("do_rotary is set, and cos_cache or sin_cache is missing");
  if (node.has(kQueryNorm) != node.has(kKeyNorm))
    Call::fail("q_norm_weight and k_norm_weight go together, and one of them "
               "is missing");
  if (node.has(kKeyScale) || node.has(kValueScale) ||
      node.text("k_quant_type", "NONE") != "NONE" ||
      node.text("v_quant_type", "NONE") != "NONE")
    Call::fail("a quantized cache is not supported; export the model with a "
               "cache of floats");
  if (int64_t window = windowOf(node); window == 0 || window < -1)
    Call::fail("local_window_size must be -1 or positive");
  if (node.integer("sliding_window_cache", 0))
    Call::fail("sliding_window_cache is not supported; export the model with a "
               "cache of the whole sequence");
  if (node.has(kQueryLengths))
    Call::fail("query_seqlens is not supported; export the model without it");
  if (node.wants(3) || node.integer("qk_output", 0))
    Call::fail("qk_output is not supported; export the model without it");
}

static void infer(Inference &node) {
  Heads heads = headsOf(node);
  check(node);
  if (node.rank(kQuery) < 0)
    return;
  bool packed = !node.has(kKey);
  Dimension width =
      over(node.dim(kQuery, 2),
           packed ? heads.queries + 2 * heads.keys : heads.queries);
  if (!packed)
    Call::requireEqual(node.dim(kKey, 2), times(width, heads.keys),
                       "key has not the width of its heads");
  if (node.has(kPastKey)) {
    Call::requireEqual(node.dim(kPastKey, 1), number(heads.keys),
                       "past_key has not kv_num_heads heads");
    Call::requireEqual(node.dim(kPastKey, 3), width,
                       "past_key has not the width of a head");
  }
  int32_t type = node.elementType(kQuery);
  Dimension batch = node.dim(kQuery, 0), length = node.dim(kQuery, 1);
  node.set(0, type, {batch, length, times(width, heads.queries)});
  Dimension present = node.has(kPastKey) ? Dimension() : length;
  std::optional<std::vector<int64_t>> total = node.constant(kTotal);
  std::optional<int64_t> places = node.extent(kPastKey, 2);
  if (node.has(kPastKey) && places && total && total->size() == 1)
    present = number(std::max(*places, total->front()));
  for (int output : {1, 2})
    node.set(output, type, {batch, number(heads.keys), present, width});
}

//===----------------------------------------------------------------------===//
// Body
//===----------------------------------------------------------------------===//

/// [B, S, count * width] as [B, count, S, width], each head normalized if there
/// is a weight for that.
Body::Name Builder::heads(const Body::Name &value, int64_t count, int norm,
                          const char *epsilon) {
  Body::Name result =
      body.reshape(value, std::vector<int64_t>{0, 0, count, -1});
  if (norm && body.has(norm))
    result = body.op(
        "RMSNormalization", {result, body.in(norm)},
        {{"axis", -1},
         {"epsilon", body.Call::real(
                         epsilon, body.Call::real("qk_norm_epsilon", 1e-6f))}});
  return body.transpose(result, {0, 2, 1, 3});
}

Body::Name Builder::rotated(const Body::Name &value) {
  Body::Name positions =
      body.has(kPositions)
          ? body.in(kPositions)
          : body.op("Add", {body.unsqueeze(past, {1}), body.range(length)});
  std::optional<int64_t> half = body.extent(kCos, 1);
  if (!half)
    Call::fail("the width of cos_cache must be fixed");
  return body.op("RotaryEmbedding",
                 {value, body.in(kCos), body.in(kSin), positions},
                 {{"interleaved", body.Call::integer("rotary_interleaved", 0)},
                  {"rotary_embedding_dim", 2 * *half}});
}

/// New keys and values go to their places in the cache, which has as many as
/// the longest sequence needs.
void Builder::grow() {
  Body::Name past = body.in(kPastKey);
  Body::Name places = body.dimension(past, 2);
  Body::Name total = body.reshape(
      body.cast(body.in(kTotal), TensorProto::INT64), std::vector<int64_t>{1});
  Body::Name missing =
      body.op("Sub", {body.op("Max", {places, total}), places});
  Body::Name empty = body.op(
      "Expand",
      {body.makeReal(0, body.elementType(kPastKey)),
       body.concat({body.shape(past, 0, 2), missing, body.dimension(past, 3)},
                   0)});
  for (auto [input, current] :
       {std::pair(kPastKey, &key), std::pair(kPastValue, &value)})
    *current =
        body.op("TensorScatter",
                {body.concat({body.in(input), empty}, 2), *current, begin},
                {{"axis", 2}});
}

/// Which of these places each query sees: [B or 1, 1, S, places].
Body::Name Builder::keep(const Body::Name &places) {
  if (!causal) {
    Body::Name lengths = body.cast(body.in(kLengths), TensorProto::INT64);
    return body.op("LessOrEqual", {places, column(lengths)});
  }
  Body::Name own =
      body.op("Add", {column(past), body.unsqueeze(body.range(length), {1})});
  Body::Name result = body.op("LessOrEqual", {places, own});
  if (windowOf(body) < 0)
    return result;
  Body::Name before = body.op("Sub", {own, body.makeInteger(windowOf(body))});
  return body.op("And", {result, body.op("Greater", {places, before})});
}

/// What is added to scores, or a condition; "" if nothing but the triangle.
Body::Name Builder::mask() {
  Body::Name kept;
  Body::Name count = body.dimension(key, 2); // with the sink's
  Body::Name places = body.range(count);
  if (!triangle) {
    kept = keep(places);
    if (sink) {
      Body::Name last =
          body.op("Sub", {body.reshape(count, std::vector<int64_t>{}),
                          body.makeInteger(1)});
      kept = body.op("Or", {kept, body.op("Equal", {places, last})});
    }
  }
  if (!body.has(kBias) && !(sink && body.has(kSink)))
    return kept;
  int32_t type = body.elementType(kQuery);
  Body::Name bias;
  if (body.has(kBias)) {
    bias = body.in(kBias);
    // Of places that no sequence has yet there need be none.
    Body::Name missing = body.op("Sub", {count, body.dimension(bias, 3)});
    bias = body.op(
        "Pad",
        {bias,
         body.concat({body.makeIntegers({0, 0, 0, 0, 0, 0, 0}), missing}, 0)});
  }
  if (sink && body.has(kSink)) {
    Body::Name numbers = body.unsqueeze(body.in(kSink), {1, 2});
    Body::Name last =
        body.op("Sub", {body.reshape(count, std::vector<int64_t>{}),
                        body.makeInteger(1)});
    Body::Name column = body.op("Where", {body.op("Equal", {places, last}),
                                          numbers, body.makeReal(0, type)});
    bias = bias.empty() ? column : body.op("Add", {bias, column});
  }
  if (kept.empty())
    return bias;
  return body.op(
      "Where", {kept, bias,
                body.makeReal(-std::numeric_limits<float>::infinity(), type)});
}

void Builder::addSink() {
  Body::Name pads = body.makeIntegers({0, 0, 0, 0, 0, 0, 1, 0});
  key = body.op("Pad", {key, pads});
  value = body.op("Pad", {value, pads});
}

void Builder::run() {
  check(body);
  Heads count = headsOf(body);
  causal = body.Call::integer("causal", 1);
  cached = body.has(kPastKey);
  sink = body.has(kSink) || body.Call::integer("smooth_softmax", 0) == 1;
  triangle = causal && !cached && !sink && windowOf(body) < 0;
  length = body.dimension(body.in(kQuery), 1);
  // max(t - S, 0)
  if (cached) {
    Body::Name lengths = body.cast(body.in(kLengths), TensorProto::INT64);
    begin = body.op(
        "Max", {body.op("Sub", {body.op("Add", {lengths, body.makeInteger(1)}),
                                length}),
                body.makeIntegers({0})});
    past = begin;
  } else {
    past = body.op("Expand",
                   {body.makeInteger(0), body.dimension(body.in(kQuery), 0)});
  }

  query = body.in(kQuery);
  if (body.has(kKey)) {
    key = body.in(kKey);
    value = body.in(kValue);
  } else {
    std::optional<int64_t> all = body.extent(kQuery, 2);
    if (!all)
      Call::fail("the width of packed queries, keys and values must be fixed");
    int64_t width = *all / (count.queries + 2 * count.keys);
    Body::Names parts = body.ops(
        "Split",
        {query, body.makeIntegers({count.queries * width, count.keys * width,
                                   count.keys * width})},
        3, {{"axis", 2}});
    query = parts[0];
    key = parts[1];
    value = parts[2];
  }
  query = heads(query, count.queries, kQueryNorm, "q_norm_epsilon");
  key = heads(key, count.keys, kKeyNorm, "k_norm_epsilon");
  value = heads(value, count.keys, 0, "");
  if (body.Call::integer("do_rotary", 0)) {
    query = rotated(query);
    key = rotated(key);
  }
  if (cached)
    grow();
  body.set(1, key);
  body.set(2, value);
  if (sink)
    addSink();

  Body::Name masked = mask();
  Body::Names inputs{query, key, value};
  if (!masked.empty())
    inputs.push_back(masked);
  Body::Attributes attributes{{"is_causal", int64_t(triangle)},
                              {"softcap", body.Call::real("softcap", 0)}};
  if (float scale = body.Call::real("scale", 0); scale != 0)
    attributes.push_back({"scale", scale});
  Body::Name result = body.op("Attention", inputs, attributes);
  body.set(0, body.reshape(body.transpose(result, {0, 2, 1, 3}),
                           std::vector<int64_t>{0, 0, -1}));
}

void addGroupQueryAttention(SchemaList &list) {
  OpSchema schema = microsoft("GroupQueryAttention");
  schema
      .SetDoc(
          "Attention of ONNX whose heads share keys and values, with rotary "
          "embedding and a cache.")
      .Attr("num_heads", "The heads of queries.", AttributeProto::INT)
      .Attr("kv_num_heads", "The heads of keys and values.",
            AttributeProto::INT)
      .Attr("scale", "The factor of scores; 1 / sqrt(width) by default.",
            AttributeProto::FLOAT, OPTIONAL_VALUE)
      .Attr("causal", "1: no key after the query is seen.", AttributeProto::INT,
            int64_t(1))
      .Attr("local_window_size",
            "How many keys a query sees, its own the last; -1: all.",
            AttributeProto::INT, int64_t(-1))
      .Attr("softcap", "c * tanh(score / c) replaces the score; 0: not.",
            AttributeProto::FLOAT, OPTIONAL_VALUE)
      .Attr("smooth_softmax", "1: the denominator of softmax has 1 more.",
            AttributeProto::INT, int64_t(-1))
      .Attr("do_rotary", "1: queries and keys are rotated.",
            AttributeProto::INT, OPTIONAL_VALUE)
      .Attr("rotary_interleaved", "1: pairs are neighbours, 0: halves.",
            AttributeProto::INT, OPTIONAL_VALUE)
      .Attr("qk_norm_epsilon", "Of the norms of queries and keys.",
            AttributeProto::FLOAT, 1e-6f)
      .Attr("q_norm_epsilon", "Of queries, if another.", AttributeProto::FLOAT,
            OPTIONAL_VALUE)
      .Attr("k_norm_epsilon", "Of keys, if another.", AttributeProto::FLOAT,
            OPTIONAL_VALUE)
      .Attr("qk_output", "Must be 0.", AttributeProto::INT, int64_t(0))
      .Attr("k_quant_type", "Must be NONE.", AttributeProto::STRING,
            std::string("NONE"))
      .Attr("v_quant_type", "Must be NONE.", AttributeProto::STRING,
            std::string("NONE"))
      .Attr("kv_cache_bit_width", "Not used.", AttributeProto::INT,
            OPTIONAL_VALUE)
      .Attr("sliding_window_cache", "Must be 0.", AttributeProto::INT,
            int64_t(0))
      .Input(kQuery, "query",
             "[B, S, heads * width], or with keys and values beside it.", "T")
      .Input(kKey, "key", "[B, S, kv heads * width].", "T", OpSchema::Optional)
      .Input(kValue, "value", "[B, S, kv heads * width].", "T",
             OpSchema::Optional)
      .Input(kPastKey, "past_key", "[B, kv heads, P, width].", "T_CACHE",
             OpSchema::Optional)
      .Input(kPastValue, "past_value", "[B, kv heads, P, width].", "T_CACHE",
             OpSchema::Optional)
      .Input(kLengths, "seqlens_k",
             "[B], the number of keys after this step, minus 1.", "M")
      .Input(kTotal, "total_sequence_length", "The largest number of keys.",
             "M")
      .Input(kCos, "cos_cache", "[positions, rotated / 2].", "T",
             OpSchema::Optional)
      .Input(kSin, "sin_cache", "[positions, rotated / 2].", "T",
             OpSchema::Optional)
      .Input(kPositions, "position_ids",
             "[B, S]; by default those after what the cache has.",
             "tensor(int64)", OpSchema::Optional)
      .Input(kBias, "attention_bias",
             "[B or 1, heads or 1, S, total], added to scores.", "T",
             OpSchema::Optional)
      .Input(kSink, "head_sink",
             "[heads]; exp of it is added to the denominator of softmax.", "T",
             OpSchema::Optional)
      .Input(kKeyScale, "k_scale", "Not supported.", "T_KV_SCALE",
             OpSchema::Optional)
      .Input(kValueScale, "v_scale", "Not supported.", "T_KV_SCALE",
             OpSchema::Optional)
      .Input(kQueryNorm, "q_norm_weight",
             "[width]: the RMS norm of each head of the queries.", "T",
             OpSchema::Optional)
      .Input(kKeyNorm, "k_norm_weight", "[width]: the same of keys.", "T",
             OpSchema::Optional)
      .Input(kQueryLengths, "query_seqlens", "Not supported.", "M",
             OpSchema::Optional)
      .Output(0, "output", "[B, S, heads * width].", "T")
      .Output(1, "present_key", "[B, kv heads, max(P, total), width].",
              "T_CACHE", OpSchema::Optional)
      .Output(2, "present_value", "[B, kv heads, max(P, total), width].",
              "T_CACHE", OpSchema::Optional)
      .Output(3, "output_qk", "Not supported.", "T", OpSchema::Optional)
      .TypeConstraint("T", floats(), "")
      .TypeConstraint("T_CACHE", floats(), "")
      .TypeConstraint("T_KV_SCALE", {"tensor(float)"}, "")
      .TypeConstraint("M", {"tensor(int32)"}, "");
  list.push_back(
      complete(schema, infer, [](Body &body) { Builder(body).run(); }));
}

} // namespace quantc::onnx_ir::microsoft
