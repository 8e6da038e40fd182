//===- Reduction.cpp - Reductions and softmax -----------------------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Reductions have their axes in the attribute `axes`, sorted and counted from
// the front, in every version; Softmax acts along one axis, as since
// version 13.
//
//===----------------------------------------------------------------------===//

#include "Walk.h"

using namespace mlir;
using namespace quantc;
using namespace quantc::onnx_to_qgraph;

/// Reductions of small integer tensors: the number of elements of a shape.
static Element foldReduction(Walk &walk, StringRef opType, TensorInfo &input) {
  StringRef step = opType == "ReduceProd"  ? "Mul"
                   : opType == "ReduceSum" ? "Add"
                   : opType == "ReduceMax" ? "Max"
                   : opType == "ReduceMin" ? "Min"
                                           : "";
  if (step.empty() || !input.elements || input.elements->empty() ||
      !isa<IntegerType>(input.elementType))
    return {};
  Element result = input.elements->front();
  for (Element element : ArrayRef(*input.elements).drop_front()) {
    result = foldScalar(walk, step, {result, element}, input.elementType,
                        input.elementType);
    if (!result)
      return {};
  }
  return result;
}

/// A reduction along axes that an input gives: the node keeps it as an operand.
/// The dimensions of the result depend on the axes, its rank on their number.
static LogicalResult reduceAtRunTime(Node &node, ArrayRef<Element> axes) {
  Walk &walk = node.walk;
  DimArithmetic &arith = walk.arith;
  TensorInfo &input = node.in(0);
  std::optional<Dims> flags = node.axisFlags(axes, input.rank());
  if (!flags)
    return node.unsupported("an axis is out of range or occurs twice");
  Dims dims;
  for (auto [dim, flag] : llvm::zip(input.dims, *flags))
    dims.push_back(arith.choose(flag, arith.constant(1), dim));
  TensorInfo result =
      walk.node(node.type(), {&input, &node.in(1)}, input.elementType, dims,
                {{"keepdims", walk.integerAttr(1)}});
  if (!node.integer("keepdims", 1)) {
    int64_t rank = input.rank() - int64_t(axes.size());
    result = walk.reshape(result, node.kept(input.dims, *flags, rank));
  }
  node.set(0, std::move(result));
  return success();
}

static LogicalResult handleReduce(Node &node) {
  Walk &walk = node.walk;
  TensorInfo &input = node.in(0);
  if (node.has(1) && !node.constants(1))
    if (std::optional<Elements> read = node.elements(1))
      return reduceAtRunTime(node, *read);
  auto given = node.axes(1, "axes", input.rank());
  if (failed(given))
    return failure();
  SmallVector<int64_t> axes = given->value_or(SmallVector<int64_t>());
  if (axes.empty()) {
    if (node.integer("noop_with_empty_axes", 0)) {
      if (node.type() == "ReduceSum" || node.type() == "ReduceMean" ||
          node.type() == "ReduceMax" || node.type() == "ReduceMin" ||
          node.type() == "ReduceProd") {
        node.set(0, input);
        return success();
      }
      return failure(); // the function body applies what is left
    }
    for (int64_t i = 0; i < input.rank(); ++i)
      axes.push_back(i);
  }
  bool keep = node.integer("keepdims", 1);
  Dims dims;
  for (auto [i, dim] : llvm::enumerate(input.dims))
    if (!llvm::is_contained(axes, int64_t(i)))
      dims.push_back(dim);
    else if (keep)
      dims.push_back(walk.arith.constant(1));
  bool selects = node.type() == "ReduceMax" || node.type() == "ReduceMin";
  if (Element value = selects ? uniform(input) : Element()) {
    node.set(0, walk.fromSplat(input.elementType, dims, value));
    return success();
  }
  if (int64_t(axes.size()) == input.rank())
    if (Element value = foldReduction(walk, node.type(), input)) {
      node.set(0, walk.fromSplat(input.elementType, dims, value));
      return success();
    }
  node.set(0, walk.node(node.type(), {&input}, input.elementType, dims,
                        {{"axes", walk.integersAttr(axes)},
                         {"keepdims", walk.integerAttr(keep)}}));
  return success();
}

static LogicalResult handleArg(Node &node) {
  Walk &walk = node.walk;
  TensorInfo &input = node.in(0);
  int64_t axis = normalizeAxis(node.integer("axis", 0), input.rank());
  if (axis < 0)
    return node.unsupported("axis is out of range");
  bool keep = node.integer("keepdims", 1);
  Dims dims = input.dims;
  if (keep)
    dims[axis] = walk.arith.constant(1);
  else
    dims.erase(dims.begin() + axis);
  node.set(
      0, walk.node(node.type(), {&input},
                   walk.builder.getIntegerType(64, /*isSigned=*/true), dims,
                   {{"axis", walk.integerAttr(axis)},
                    {"keepdims", walk.integerAttr(keep)},
                    {"select_last_index",
                     walk.integerAttr(node.integer("select_last_index", 0))}}));
  return success();
}

/// (sum |x|^p)^(1/p) over the spatial dimensions.
static LogicalResult handleGlobalLpPool(Node &node) {
  Walk &walk = node.walk;
  TensorInfo &input = node.in(0);
  Type type = input.elementType;
  // A float in version 1.
  double p =
      node.version() < 2 ? node.real("p", 2) : double(node.integer("p", 2));
  if (input.rank() < 3)
    return node.unsupported("its input has no spatial dimensions");
  if (!(p > 0))
    return node.unsupported("p must be positive");
  SmallVector<int64_t> axes;
  Dims dims = input.dims;
  for (int64_t d = 2; d < input.rank(); ++d) {
    axes.push_back(d);
    dims[d] = walk.arith.constant(1);
  }
  auto reduce = [&](StringRef opType, TensorInfo &of) {
    return walk.node(
        opType, {&of}, type, dims,
        {{"axes", walk.integersAttr(axes)}, {"keepdims", walk.integerAttr(1)}});
  };
  if (p == 1 || p == 2) {
    node.set(0, reduce(p == 1 ? "ReduceL1" : "ReduceL2", input));
    return success();
  }
  auto power = [&](TensorInfo &base, double exponent) {
    TensorInfo number = walk.scalar(exponent, type);
    return *walk.elementwise("Pow", {&base, &number}, type);
  };
  TensorInfo magnitude = *walk.elementwise("Abs", {&input}, type);
  TensorInfo terms = power(magnitude, p);
  TensorInfo sum = reduce("ReduceSum", terms);
  node.set(0, power(sum, 1 / p));
  return success();
}

static LogicalResult handleSoftmax(Node &node) {
  Walk &walk = node.walk;
  DimArithmetic &arith = walk.arith;
  TensorInfo &input = node.in(0);
  bool old = node.version() < 13;
  int64_t axis =
      normalizeAxis(node.integer("axis", old ? 1 : -1), input.rank());
  if (axis < 0)
    return node.unsupported("axis is out of range");
  if (!old || axis == input.rank() - 1) {
    node.set(0, walk.node(node.type(), {&input}, input.elementType, input.dims,
                          {{"axis", walk.integerAttr(axis)}}));
    return success();
  }
  // Before version 13: over all dimensions from `axis` on, taken as one.
  ArrayRef<Dim> dims = input.dims;
  TensorInfo flat = walk.reshape(input, {arith.product(dims.take_front(axis)),
                                         arith.product(dims.drop_front(axis))});
  TensorInfo result = walk.node(node.type(), {&flat}, input.elementType,
                                flat.dims, {{"axis", walk.integerAttr(1)}});
  node.set(0, walk.reshape(result, input.dims));
  return success();
}

ArrayRef<Handler> onnx_to_qgraph::reductionHandlers() {
  static const Handler table[] = {
      {"", "ReduceSum", 1, kNewest, handleReduce},
      {"", "ReduceMean", 1, kNewest, handleReduce},
      {"", "ReduceMax", 1, kNewest, handleReduce},
      {"", "ReduceMin", 1, kNewest, handleReduce},
      {"", "ReduceProd", 1, kNewest, handleReduce},
      {"", "ReduceL1", 1, kNewest, handleReduce},
      {"", "ReduceL2", 1, kNewest, handleReduce},
      {"", "ReduceSumSquare", 1, kNewest, handleReduce},
      {"", "ReduceLogSum", 1, kNewest, handleReduce},
      {"", "ReduceLogSumExp", 1, kNewest, handleReduce},
      {"", "GlobalLpPool", 1, kNewest, handleGlobalLpPool},
      {"", "ArgMax", 1, kNewest, handleArg},
      {"", "ArgMin", 1, kNewest, handleArg},
      {"", "Softmax", 1, kNewest, handleSoftmax},
      {"", "LogSoftmax", 1, kNewest, handleSoftmax},
  };
  return table;
}
