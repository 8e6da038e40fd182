//===- RelativePositions.cpp - RelativePositionBias of com.microsoft ------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The bias of T5 (Raffel et al., arXiv 1910.10683): a number for each head and
// bucket of distances. The first half of the buckets has a distance each, the
// others grow with its logarithm; what is further than max_distance is in the
// last. Which distance is in which bucket is a table, computed here.
//
//===----------------------------------------------------------------------===//

#include "Schemas.h"

#include <algorithm>
#include <cmath>

using onnx::AttributeProto;
using onnx::OpSchema;

namespace quantc::onnx_ir::microsoft {

namespace {
enum Input { kTable, kQueries, kKeys };
} // namespace

static void infer(Inference &node) {
  node.requireRank(kTable, {2}, "bias_table");
  if (node.integer("max_distance", 0) <= 0)
    Call::fail("max_distance must be positive");
  std::optional<std::vector<int64_t>> queries = node.constant(kQueries),
                                      keys = node.constant(kKeys);
  auto length = [](const std::optional<std::vector<int64_t>> &value) {
    return value && value->size() == 1 ? number(value->front()) : Dimension();
  };
  node.set(0, node.elementType(kTable),
           {number(1), node.dim(kTable, 1), length(queries), length(keys)});
}

/// The bucket of each distance from 0 to max_distance, in f32 as models do it.
static std::vector<int64_t> bucketsOf(int64_t count, int64_t maxDistance) {
  int64_t exact = count / 2;
  std::vector<int64_t> buckets;
  for (int64_t distance = 0; distance <= maxDistance; ++distance) {
    if (distance < exact || exact == 0) {
      buckets.push_back(std::min(distance, count - 1));
      continue;
    }
    float share = std::log(float(distance) / float(exact)) /
                  float(std::log(double(maxDistance) / double(exact))) *
                  float(count - exact);
    buckets.push_back(
        std::min(exact + int64_t(std::min(share, float(count))), count - 1));
  }
  return buckets;
}

static void build(Body &body) {
  std::optional<int64_t> count = body.extent(kTable, 0),
                         heads = body.extent(kTable, 1);
  if (!count || !heads)
    Call::fail("the dimensions of bias_table must be fixed");
  bool both = body.Call::integer("is_bidirectional", 0);
  int64_t maxDistance = body.Call::integer("max_distance", 0),
          buckets = both ? *count / 2 : *count;
  if (buckets < 2 || maxDistance <= buckets / 2)
    Call::fail("max_distance must be more than half of the number of buckets");
  // What was before the query: positive. [queries, keys]
  Body::Name before =
      body.op("Sub", {body.unsqueeze(body.range(body.in(kQueries)), {1}),
                      body.range(body.in(kKeys))});
  Body::Name zero = body.makeInteger(0);
  Body::Name distance =
      both ? body.op("Abs", {before}) : body.op("Max", {before, zero});
  distance = body.op("Min", {distance, body.makeInteger(maxDistance)});
  Body::Name bucket = body.op(
      "Gather", {body.makeIntegers(bucketsOf(buckets, maxDistance)), distance});
  if (both)
    bucket = body.op(
        "Where", {body.op("Less", {before, zero}),
                  body.op("Add", {bucket, body.makeInteger(buckets)}), bucket});
  // The elements of the table are those of its transpose.
  Body::Name table =
      body.reshape(body.in(kTable), std::vector<int64_t>{*heads, *count});
  Body::Name bias = body.op("Gather", {table, bucket}, {{"axis", 1}});
  body.set(0, body.unsqueeze(bias, {0}));
}

void addRelativePositions(SchemaList &list) {
  OpSchema schema = microsoft("RelativePositionBias");
  schema
      .SetDoc(
          "The bias of T5's attention: of each head and bucket of distances "
          "between query and key.")
      .Attr("max_distance", "What is further is in the last bucket.",
            AttributeProto::INT)
      .Attr("is_bidirectional",
            "1: keys after the query have buckets of their own.",
            AttributeProto::INT, int64_t(0))
      .Input(kTable, "bias_table",
             "[buckets, heads], the elements in the order of the transpose.",
             "T")
      .Input(kQueries, "query_length", "The number of queries.", "U")
      .Input(kKeys, "key_length", "The number of keys.", "U")
      .Output(0, "output", "[1, heads, queries, keys].", "T")
      .TypeConstraint("T", {"tensor(float)", "tensor(float16)"}, "")
      .TypeConstraint("U", {"tensor(int64)"}, "");
  list.push_back(complete(schema, infer, build));
}

} // namespace quantc::onnx_ir::microsoft
