//===- Normalization.cpp - Norms of com.microsoft -------------------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Schemas.h"

using onnx::AttributeProto;
using onnx::OpSchema;
using onnx::OPTIONAL_VALUE;
using onnx::TensorProto;

namespace quantc::onnx_ir::microsoft {

/// 1 / sqrt(mean(x^2) + epsilon) over the axes from `axis` (negative) on, f32.
static Body::Name inverseRms(Body &body, const Body::Name &value, int64_t axis,
                             float epsilon) {
  std::vector<int64_t> axes;
  for (int64_t i = axis; i < 0; ++i)
    axes.push_back(i);
  Body::Name wide = body.cast(value, TensorProto::FLOAT);
  Body::Name mean = body.op(
      "ReduceMean", {body.op("Mul", {wide, wide}), body.makeIntegers(axes)});
  Body::Name sum = body.op("Add", {mean, body.makeReal(epsilon)});
  return body.op("Reciprocal", {body.op("Sqrt", {sum})});
}

//===----------------------------------------------------------------------===//
// SimplifiedLayerNormalization
//===----------------------------------------------------------------------===//

static int64_t axisOf(const Call &node) {
  int64_t axis = node.integer("axis", -1), rank = node.rank(0);
  if (rank < 0)
    return axis;
  if (axis < -rank || axis >= rank)
    Call::fail("axis " + std::to_string(axis) + " is out of range for rank " +
               std::to_string(rank));
  return axis < 0 ? axis : axis - rank;
}

static void inferSimplified(Inference &node) {
  if (node.rank(0) < 0)
    return;
  int64_t axis = axisOf(node);
  std::vector<Dimension> shape, statistics;
  for (int i = -node.rank(0); i < 0; ++i) {
    shape.push_back(node.dim(0, i));
    statistics.push_back(i < axis ? shape.back() : number(1));
  }
  node.set(0, node.elementType(1), shape);
  node.set(1, TensorProto::FLOAT, statistics);
}

static void buildSimplified(Body &body) {
  int64_t axis = axisOf(body);
  float epsilon = body.Call::real("epsilon", 1e-5f);
  body.set(0, body.op("RMSNormalization", {body.in(0), body.in(1)},
                      {{"axis", axis}, {"epsilon", epsilon}}));
  if (body.wants(1))
    body.set(1, inverseRms(body, body.in(0), axis, epsilon));
}

/// Older exporters write it in the standard domain, where ONNX has none.
static OpSchema simplified(const char *domain) {
  OpSchema schema = microsoft("SimplifiedLayerNormalization");
  schema.SetDomain(domain)
      .SetDoc("x / sqrt(mean(x^2) + epsilon) * scale over the dimensions from "
              "`axis` on, computed in f32: RMSNormalization of ONNX.")
      .Attr("axis", "The first normalized dimension.", AttributeProto::INT,
            int64_t(-1))
      .Attr("epsilon", "Added to the mean.", AttributeProto::FLOAT, 1e-5f)
      .Attr("stash_type", "The type that is computed in: FLOAT (1).",
            AttributeProto::INT, int64_t(1))
      .Input(0, "X", "Any tensor.", "T")
      .Input(1, "scale", "Of the shape of the normalized dimensions.", "V")
      .Output(0, "Y", "Of the shape of X.", "V")
      .Output(1, "inv_std_var",
              "1 / sqrt(mean(x^2) + epsilon), the normalized dimensions 1.",
              "U", OpSchema::Optional)
      .TypeConstraint("T", floatsAndDouble(), "")
      .TypeConstraint("U", {"tensor(float)", "tensor(double)"}, "")
      .TypeConstraint("V", floatsAndDouble(), "");
  return complete(schema, inferSimplified, buildSimplified);
}

//===----------------------------------------------------------------------===//
// Skip norms: of a sum, which may be a result as well
//===----------------------------------------------------------------------===//

static void inferSkip(Inference &node, int biasIndex) {
  node.requireRank(0, {2, 3}, "the input");
  node.requireRank(2, {1}, "gamma");
  Call::requireEqual(node.dim(2, 0), node.dim(0, -1),
                     "gamma has not the length of the data's rows");
  if (node.has(biasIndex))
    Call::requireEqual(node.dim(biasIndex, -1), node.dim(0, -1),
                       "the bias has not the length of the data's rows");
  node.like(0, 0);
  node.like(3, 0);
  std::vector<Dimension> statistics;
  for (int i = 0; i + 1 < node.rank(0); ++i)
    statistics.push_back(node.dim(0, i));
  statistics.push_back(number(1));
  if (node.rank(0) > 0)
    for (int output : {1, 2})
      node.set(output, TensorProto::FLOAT, statistics);
}

static Body::Name sumOf(Body &body, int biasIndex) {
  Body::Name sum = body.op("Add", {body.in(0), body.in(1)});
  if (body.has(biasIndex))
    sum = body.op("Add", {sum, body.in(biasIndex)});
  body.set(3, sum);
  return sum;
}

static OpSchema skip(const char *name, bool layer) {
  OpSchema schema = microsoft(name);
  schema
      .SetDoc(std::string("The ") + (layer ? "layer" : "RMS") +
              " norm of s = input + skip (+ bias) over the last dimension, "
              "and s itself.")
      .Attr("epsilon", "Added to the mean square.", AttributeProto::FLOAT,
            1e-12f)
      .Input(0, "input", "[B, S, D] or [tokens, D].", "T")
      .Input(1, "skip", "Of the same shape, or one that broadcasts to it.", "T")
      .Input(2, "gamma", "[D], the factor of each element.", "T");
  int bias = 3;
  if (layer)
    schema.Input(bias++, "beta", "[D], added at the end.", "T",
                 OpSchema::Optional);
  schema.Input(bias, "bias", "[D], part of the sum.", "T", OpSchema::Optional)
      .Output(0, "output", "Of the shape of the input.", "T")
      .Output(1, "mean", "The mean of each row.", "U", OpSchema::Optional)
      .Output(2, "inv_std_var", "What each row was multiplied by.", "U",
              OpSchema::Optional)
      .Output(3, "input_skip_bias_sum", "The sum.", "T", OpSchema::Optional)
      .TypeConstraint("T", floats(), "")
      .TypeConstraint("U", {"tensor(float)"}, "");
  if (layer)
    return complete(
        schema, [](Inference &node) { inferSkip(node, 4); },
        [](Body &body) {
          Body::Names inputs{sumOf(body, 4), body.in(2)};
          if (body.has(3))
            inputs.push_back(body.in(3));
          Body::Names results = body.ops(
              "LayerNormalization", inputs,
              body.wants(1) || body.wants(2) ? 3 : 1,
              {{"axis", -1}, {"epsilon", body.Call::real("epsilon", 1e-12f)}});
          for (size_t i = 0; i < results.size(); ++i)
            body.set(int(i), results[i]);
        });
  return complete(
      schema,
      [](Inference &node) {
        if (node.wants(1))
          Call::fail("its mean is used, and an RMS norm has none");
        inferSkip(node, 3);
      },
      [](Body &body) {
        Body::Name sum = sumOf(body, 3);
        float epsilon = body.Call::real("epsilon", 1e-12f);
        body.set(0, body.op("RMSNormalization", {sum, body.in(2)},
                            {{"axis", -1}, {"epsilon", epsilon}}));
        if (body.wants(2))
          body.set(2, inverseRms(body, sum, -1, epsilon));
      });
}

//===----------------------------------------------------------------------===//
// EmbedLayerNormalization
//===----------------------------------------------------------------------===//

namespace {
enum Embed {
  kIds,
  kSegmentIds,
  kWords,
  kPositions,
  kSegments,
  kGamma,
  kBeta,
  kMask,
  kPositionIds
};
} // namespace

static void inferEmbed(Inference &node) {
  node.requireRank(kIds, {2}, "input_ids");
  for (int table : {kWords, kPositions})
    node.requireRank(table, {2}, "an embedding table");
  if (node.has(kSegmentIds) != node.has(kSegments))
    Call::fail("segment_ids and segment_embedding go together, and one of them "
               "is missing");
  for (int vector : {kPositions, kGamma, kBeta})
    Call::requireEqual(node.dim(vector, -1), node.dim(kWords, 1),
                       "a table or vector has not the width of the words'");
  if (node.rank(kIds) != 2 || node.rank(kWords) != 2)
    return;
  std::vector<Dimension> shape{node.dim(kIds, 0), node.dim(kIds, 1),
                               node.dim(kWords, 1)};
  node.set(0, node.elementType(kWords), shape);
  node.set(1, TensorProto::INT32, {shape[0]});
  node.set(2, node.elementType(kWords), shape);
}

static void buildEmbed(Body &body) {
  Body::Name ids = body.in(kIds);
  Body::Name positions = body.has(kPositionIds)
                             ? body.in(kPositionIds)
                             : body.range(body.dimension(ids, 1));
  Body::Name sum =
      body.op("Add", {body.op("Gather", {body.in(kWords), ids}),
                      body.op("Gather", {body.in(kPositions), positions})});
  if (body.has(kSegments))
    sum = body.op("Add", {sum, body.op("Gather", {body.in(kSegments),
                                                  body.in(kSegmentIds)})});
  body.set(2, sum);
  body.set(
      0,
      body.op("LayerNormalization", {sum, body.in(kGamma), body.in(kBeta)},
              {{"axis", -1}, {"epsilon", body.Call::real("epsilon", 1e-12f)}}));
  if (!body.wants(1))
    return;
  // The number of words that the mask keeps; none without a mask.
  Body::Name kept =
      body.has(kMask)
          ? body.op("Equal", {body.in(kMask), body.cast(body.makeInteger(1),
                                                        TensorProto::INT32)})
          : body.op("Not", {body.op("Equal", {ids, ids})});
  body.set(
      1, body.op("ReduceSum",
                 {body.cast(kept, TensorProto::INT32), body.makeIntegers({1})},
                 {{"keepdims", 0}}));
}

static OpSchema embed() {
  OpSchema schema = microsoft("EmbedLayerNormalization");
  schema
      .SetDoc("The layer norm of the sum of word, position and segment "
              "embeddings, and how many words the mask keeps.")
      .Attr("epsilon", "Added to the variance.", AttributeProto::FLOAT, 1e-12f)
      .Attr("mask_index_type", "1: mask_index is a result.",
            AttributeProto::INT, OPTIONAL_VALUE)
      .Input(kIds, "input_ids", "[B, S].", "T1")
      .Input(kSegmentIds, "segment_ids", "[B, S].", "T1", OpSchema::Optional)
      .Input(kWords, "word_embedding", "[words, D].", "T")
      .Input(kPositions, "position_embedding", "[positions, D].", "T")
      .Input(kSegments, "segment_embedding", "[segments, D].", "T",
             OpSchema::Optional)
      .Input(kGamma, "gamma", "[D].", "T")
      .Input(kBeta, "beta", "[D].", "T")
      .Input(kMask, "mask", "[B, S], 1 where a word is kept.", "T1",
             OpSchema::Optional)
      .Input(kPositionIds, "position_ids",
             "[B, S] or [1, S]; 0, 1, ... by default.", "T1",
             OpSchema::Optional)
      .Output(0, "output", "[B, S, D].", "T")
      .Output(1, "mask_index", "[B], the number of ones of the mask.", "T1",
              OpSchema::Optional)
      .Output(2, "embedding_sum", "[B, S, D], before the norm.", "T",
              OpSchema::Optional)
      .TypeConstraint("T1", {"tensor(int32)"}, "")
      .TypeConstraint("T", {"tensor(float)", "tensor(float16)"}, "");
  return complete(schema, inferEmbed, buildEmbed);
}

void addNormalization(SchemaList &list) {
  list.push_back(simplified(onnx::ONNX_DOMAIN));
  list.push_back(simplified("com.microsoft"));
  list.push_back(skip("SkipLayerNormalization", /*layer=*/true));
  list.push_back(skip("SkipSimplifiedLayerNormalization", /*layer=*/false));
  list.push_back(embed());
}

} // namespace quantc::onnx_ir::microsoft
