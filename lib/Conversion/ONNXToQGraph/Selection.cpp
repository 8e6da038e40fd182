//===- Selection.cpp - Operators whose results are as long as data says ---===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// How many elements there are is computed first, by nodes of their own, and
// read when it is there; or a kernel of domain `quantc` gives as many as there
// can be and how many there are, of which the first ones are taken.
//
//===----------------------------------------------------------------------===//

#include "Walk.h"

using namespace mlir;
using namespace quantc;
using namespace quantc::onnx_to_qgraph;

/// How many of the elements are not zero.
static Dim countNonZero(Walk &walk, TensorInfo &input) {
  Type si64 = walk.builder.getIntegerType(64, /*isSigned=*/true);
  TensorInfo truth = walk.convert(input, walk.builder.getI1Type());
  TensorInfo ones = walk.convert(truth, si64);
  SmallVector<int64_t> axes;
  for (int64_t i = 0; i < input.rank(); ++i)
    axes.push_back(i);
  TensorInfo sum = ones;
  if (!axes.empty())
    sum = walk.node(
        "ReduceSum", {&ones}, si64, {},
        {{"axes", walk.integersAttr(axes)}, {"keepdims", walk.integerAttr(0)}});
  std::optional<Elements> list = walk.readElements(sum);
  Dim count = list->front();
  // It counts: the sum is no negative number.
  return walk.arith.max(count, walk.arith.constant(0));
}

/// The positions of the elements that are not zero: [rank, count].
static LogicalResult handleNonZero(Node &node) {
  Walk &walk = node.walk;
  TensorInfo input = node.in(0);
  // ONNX's reference takes a scalar for a list of one element.
  if (input.rank() == 0)
    input = walk.reshape(input, {walk.arith.constant(1)});
  Dim count = countNonZero(walk, input);
  node.set(0,
           walk.node("NonZero", {&input}, walk.builder.getIntegerType(64, true),
                     {walk.arith.constant(input.rank()), count}));
  return success();
}

/// The node's axis; without that attribute `input` becomes a list and it is the
/// list's. -1 if it is out of range.
static int64_t axisOrOfList(Node &node, TensorInfo &input) {
  if (node.op.getNodeAttr("axis"))
    return normalizeAxis(node.integer("axis", 0), input.rank());
  input = node.walk.reshape(input, {node.walk.arith.product(input.dims)});
  return 0;
}

/// As many as the condition has true elements.
static LogicalResult handleCompress(Node &node) {
  Walk &walk = node.walk;
  DimArithmetic &arith = walk.arith;
  TensorInfo input = node.in(0), condition = node.in(1);
  int64_t axis = axisOrOfList(node, input);
  if (axis < 0)
    return node.unsupported("axis is out of range");
  if (condition.rank() != 1)
    return node.unsupported("its condition is no list");
  Dim extent = input.dims[axis], count = arith.constant(0);
  bool known = condition.elements.has_value();
  if (!known && condition.value && isa<BlockArgument>(condition.value))
    if (std::optional<Elements> read = walk.readElements(condition))
      condition.elements = read, known = true;
  if (known) {
    for (auto [i, chosen] : llvm::enumerate(*condition.elements))
      count = arith.add(
          count, arith.mul(chosen, arith.compare(arith::CmpIPredicate::slt,
                                                 arith.constant(i), extent)));
  } else {
    if (!arith.lessEqual(condition.dims[0], extent) &&
        !arith.requireRange(condition.dims[0], arith.constant(0), extent,
                            "its condition has %a elements, more than what it "
                            "chooses from"))
      return node.unsupported("its condition is too long");
    count = countNonZero(walk, condition);
  }
  Dims dims = input.dims;
  dims[axis] = count;
  node.set(0, walk.node("Compress", {&input, &node.in(1)}, input.elementType,
                        dims, {{"axis", walk.integerAttr(axis)}}));
  return success();
}

/// The first `count` entries of the first dimension.
static TensorInfo takeFirst(Walk &walk, TensorInfo &list, Dim count) {
  Dims dims = list.dims;
  dims[0] = count;
  return walk.node("Slice", {&list}, list.elementType, dims,
                   {{"axes", walk.integersAttr({0})},
                    {"starts", walk.integersAttr({0})},
                    {"steps", walk.integersAttr({1})}});
}

/// The one element of a count, at most `most`.
static Dim readCount(Walk &walk, TensorInfo &count, Dim most) {
  std::optional<Elements> list = walk.readElements(count);
  return walk.arith.clamp(list->front(), walk.arith.constant(0), most);
}

/// quantc.Unique tells the first position of each kind, the kind of each
/// element, how many there are of each kind, and the number of kinds.
static LogicalResult handleUnique(Node &node) {
  Walk &walk = node.walk;
  DimArithmetic &arith = walk.arith;
  TensorInfo input = node.in(0);
  int64_t axis = axisOrOfList(node, input);
  if (axis < 0)
    return node.unsupported("axis is out of range");
  Dim extent = input.dims[axis];
  Type si64 = walk.builder.getIntegerType(64, /*isSigned=*/true);
  SmallVector<TensorInfo> found = walk.nodes(
      {"Unique", "quantc", 1}, {&input},
      {{si64, {extent}}, {si64, {extent}}, {si64, {extent}}, {si64, {}}},
      {{"axis", walk.integerAttr(axis)},
       {"sorted", walk.integerAttr(node.integer("sorted", 1))}});
  Dim count = readCount(walk, found[3], extent);
  TensorInfo first = takeFirst(walk, found[0], count);
  if (node.resultUsed(0)) {
    Dims dims = input.dims;
    dims[axis] = count;
    node.set(0, walk.node("Gather", {&input, &first}, input.elementType, dims,
                          {{"axis", walk.integerAttr(axis)}}));
  }
  node.set(1, first);
  node.set(2, found[1]);
  if (node.resultUsed(3))
    node.set(3, takeFirst(walk, found[2], count));
  return success();
}

/// quantc.NonMaxSuppression tells [batch, class, box] of what is selected, and
/// how many.
static LogicalResult handleNonMaxSuppression(Node &node) {
  Walk &walk = node.walk;
  DimArithmetic &arith = walk.arith;
  TensorInfo boxes = node.in(0), scores = node.in(1), none;
  if (boxes.rank() != 3 || scores.rank() != 3)
    return node.unsupported("boxes and scores must have three dimensions");
  Dim limit = arith.constant(0);
  if (node.numInputs() > 2 && node.has(2)) {
    limit = node.element(2);
    if (!limit)
      return node.unsupported("max_output_boxes_per_class is not one value");
    limit = arith.max(limit, arith.constant(0));
  }
  if (!arith.require(boxes.dims[0], scores.dims[0], /*orOne=*/false,
                     "boxes of %a batches and scores of %b") ||
      !arith.require(boxes.dims[1], scores.dims[2], /*orOne=*/false,
                     "%a boxes and scores of %b") ||
      !arith.require(boxes.dims[2], arith.constant(4), /*orOne=*/false,
                     "a box has %a numbers, and must have %b"))
    return node.unsupported("boxes and scores do not fit");
  Dim each = arith.min(limit, boxes.dims[1]);
  Dim most = arith.mul(arith.mul(scores.dims[0], scores.dims[1]), each);
  Type si64 = walk.builder.getIntegerType(64, /*isSigned=*/true);
  TensorInfo allowed = walk.fromElements(si64, {}, {each});
  TensorInfo *thresholds[] = {&none, &none};
  for (unsigned i = 0; i < 2; ++i)
    if (node.numInputs() > 3 + i && node.has(3 + i))
      thresholds[i] = &node.in(3 + i);
  SmallVector<TensorInfo> found =
      walk.nodes({"NonMaxSuppression", "quantc", 1},
                 {&boxes, &scores, &allowed, thresholds[0], thresholds[1]},
                 {{si64, {most, arith.constant(3)}}, {si64, {}}},
                 {{"center_point_box",
                   walk.integerAttr(node.integer("center_point_box", 0))}});
  Dim count = readCount(walk, found[1], most);
  node.set(0, takeFirst(walk, found[0], count));
  return success();
}

ArrayRef<Handler> onnx_to_qgraph::selectionHandlers() {
  static const Handler handlers[] = {
      {"", "NonZero", 9, kNewest, handleNonZero},
      {"", "Compress", 9, kNewest, handleCompress},
      {"", "Unique", 11, kNewest, handleUnique},
      {"", "NonMaxSuppression", 10, kNewest, handleNonMaxSuppression},
  };
  return handlers;
}
