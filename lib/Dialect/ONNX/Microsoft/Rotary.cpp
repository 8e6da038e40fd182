//===- Rotary.cpp - RotaryEmbedding of com.microsoft ----------------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Schemas.h"

using onnx::AttributeProto;
using onnx::OpSchema;
using onnx::TensorProto;

namespace quantc::onnx_ir::microsoft {

namespace {
enum Input { kData, kPositions, kCos, kSin };
} // namespace

static void infer(Inference &node) {
  node.requireRank(kData, {3, 4}, "the input");
  node.requireRank(kPositions, {1, 2}, "position_ids");
  node.requireRank(kCos, {2}, "cos_cache");
  node.requireRank(kSin, {2}, "sin_cache");
  Call::requireEqual(node.dim(kCos, 0), node.dim(kSin, 0),
                     "cos_cache and sin_cache differ in length");
  Call::requireEqual(node.dim(kCos, 1), node.dim(kSin, 1),
                     "cos_cache and sin_cache differ in width");
  if (node.integer("rotary_embedding_dim", 0) > 0 &&
      node.integer("num_heads", 0) <= 0)
    Call::fail("it has rotary_embedding_dim, and not num_heads");
  node.like(kData, 0);
}

/// The heads of [B, S, D], whose width is that of the tables if no part of them
/// is left out.
static int64_t headsOf(Body &body) {
  if (int64_t heads = body.Call::integer("num_heads", 0); heads > 0)
    return heads;
  std::optional<int64_t> width = body.extent(kData, 2),
                         half = body.extent(kCos, 1);
  if (!width || !half || *half <= 0 || *width % (2 * *half))
    Call::fail("the number of heads is not known: give num_heads, or fixed "
               "widths of the input and of cos_cache, of which the first is a "
               "multiple of twice the second");
  return *width / (2 * *half);
}

static void build(Body &body) {
  Body::Name data = body.in(kData), positions = body.in(kPositions);
  bool flat = body.rank(kData) == 3;
  // One number: where the sequence begins.
  if (body.rank(kPositions) == 1) {
    Body::Name length = body.dimension(data, flat ? 1 : 2);
    positions =
        body.op("Expand", {body.op("Add", {positions, body.range(length)}),
                           body.concat({body.dimension(data, 0), length}, 0)});
  }
  Body::Attributes attributes{
      {"interleaved", body.Call::integer("interleaved", 0)},
      {"rotary_embedding_dim", body.Call::integer("rotary_embedding_dim", 0)}};
  if (flat)
    attributes.push_back({"num_heads", headsOf(body)});
  body.set(0, body.op("RotaryEmbedding",
                      {data, body.in(kCos), body.in(kSin), positions},
                      attributes));
}

void addRotary(SchemaList &list) {
  OpSchema schema = microsoft("RotaryEmbedding");
  schema
      .SetDoc("RotaryEmbedding of ONNX; position_ids may also be one number, "
              "the position of the first element of each sequence.")
      .Attr("interleaved", "1: pairs are neighbours, 0: halves.",
            AttributeProto::INT, int64_t(0))
      .Attr("num_heads",
            "The heads of an input of rank 3; 0: its width "
            "over that of a head in the tables.",
            AttributeProto::INT, int64_t(0))
      .Attr("rotary_embedding_dim",
            "How many elements of a head are rotated; 0: all.",
            AttributeProto::INT, int64_t(0))
      .Attr("is_packed_batching",
            "1: sequences of different lengths follow one another; each "
            "element has its position, so nothing changes.",
            AttributeProto::INT, int64_t(0))
      .Attr("scale", "Not used, as in ONNX Runtime.", AttributeProto::FLOAT,
            1.0f)
      .Input(kData, "input", "[B, S, D] or [B, heads, S, D / heads].", "T")
      .Input(kPositions, "position_ids", "[1] or [B, S].", "M")
      .Input(kCos, "cos_cache", "[positions, rotated / 2].", "T")
      .Input(kSin, "sin_cache", "[positions, rotated / 2].", "T")
      .Output(0, "output", "Of the shape of the input.", "T")
      .TypeConstraint("T", floats(), "")
      .TypeConstraint("M", {"tensor(int64)"}, "");
  list.push_back(complete(schema, infer, build));
}

} // namespace quantc::onnx_ir::microsoft
