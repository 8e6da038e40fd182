//===- Normalization.cpp - Layer and RMS normalization --------------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// `qgraph.norm` from the operators that are one, and from their decomposed
// spellings: first the norm without weight and bias, then the product with a
// vector is its weight, then the sum with one its bias.
//
//===----------------------------------------------------------------------===//

#include "Walk.h"

#include <cmath>

using namespace mlir;
using namespace quantc;
using namespace quantc::onnx_to_qgraph;

/// The norm of the last dimension; weight and bias are [D] or null.
static TensorInfo buildNorm(Walk &walk, qgraph::NormKind kind,
                            TensorInfo &input, Value weight, Value bias,
                            double epsilon, StringAttr name) {
  Value result = qgraph::NormOp::create(
      walk.builder, walk.typeOf(input), kind, walk.materialize(input), weight,
      bias, APFloat(static_cast<float>(epsilon)), name);
  return walk.tensor(result, input.dims);
}

//===----------------------------------------------------------------------===//
// Operators
//===----------------------------------------------------------------------===//

/// The norm over the dimensions from `axis` on, as one.
static FailureOr<TensorInfo> normFrom(Node &node, qgraph::NormKind kind,
                                      TensorInfo input, int64_t axis,
                                      TensorInfo weight, TensorInfo bias,
                                      double epsilon) {
  Walk &walk = node.walk;
  DimArithmetic &arith = walk.arith;
  Dims before = input.dims;
  Dim width = arith.product(ArrayRef<Dim>(input.dims).drop_front(axis));
  Dims flat(input.dims.begin(), input.dims.begin() + axis);
  flat.push_back(width);
  Value vectors[2];
  for (auto [i, info] : {std::pair(0, &weight), std::pair(1, &bias)}) {
    if (!*info)
      continue;
    // A vector that is shorter broadcasts within the normalized dimensions.
    if (!arith.equal(arith.product(info->dims), width))
      *info = walk.expand(*info, ArrayRef<Dim>(input.dims).drop_front(axis));
    TensorInfo vector = walk.reshape(*info, width);
    vectors[i] = walk.materialize(vector);
  }
  TensorInfo flattened = walk.reshape(input, flat);
  TensorInfo result = buildNorm(walk, kind, flattened, vectors[0], vectors[1],
                                epsilon, walk.nameOf(node.op));
  return walk.reshape(result, before);
}

static LogicalResult handleNorm(Node &node) {
  TensorInfo &input = node.in(0);
  bool layer = node.type() == "LayerNormalization";
  if (!isReal(input.elementType) || node.resultUsed(1) || node.resultUsed(2))
    return failure(); // the function body
  int64_t axis = normalizeAxis(node.integer("axis", -1), input.rank());
  if (axis < 0)
    return node.unsupported("axis is out of range");
  FailureOr<TensorInfo> result =
      normFrom(node, layer ? qgraph::NormKind::Layer : qgraph::NormKind::RMS,
               input, axis, node.in(1), node.has(2) ? node.in(2) : TensorInfo(),
               node.real("epsilon", 1e-5));
  if (failed(result))
    return failure();
  node.set(0, *result);
  return success();
}

//===----------------------------------------------------------------------===//
// Recognition
//===----------------------------------------------------------------------===//

namespace {
/// ReduceMean over the last dimension, kept: its operand.
Value meanOf(Value value) {
  onnx_ir::NodeOp op = nodeOf(value, "ReduceMean");
  if (!op || op.getIntAttr("keepdims", 1) == 0)
    return {};
  auto type = cast<RankedTensorType>(op.getInputs()[0].getType());
  SmallVector<int64_t> axes = op.getIntsAttr("axes");
  return axes.size() == 1 && axes[0] == type.getRank() - 1 ? op.getInputs()[0]
                                                           : Value();
}

/// x * x or x^2: x.
Value squareOf(Value value) {
  if (onnx_ir::NodeOp op = nodeOf(value, "Mul"))
    return op.getInputs()[0] == op.getInputs()[1] ? op.getInputs()[0] : Value();
  onnx_ir::NodeOp op = nodeOf(value, "Pow");
  return op && constantNumber(op.getInputs()[1]) == 2.0 ? op.getInputs()[0]
                                                        : Value();
}

/// sqrt(mean(x^2) + epsilon): x.
Value rootMeanSquareOf(Value value, double &epsilon) {
  onnx_ir::NodeOp root = nodeOf(value, "Sqrt");
  onnx_ir::NodeOp sum =
      root ? nodeOf(root.getInputs()[0], "Add") : onnx_ir::NodeOp();
  if (!sum)
    return {};
  for (int side : {0, 1})
    if (std::optional<double> number = constantNumber(sum.getInputs()[side])) {
      epsilon = *number;
      Value mean = meanOf(sum.getInputs()[1 - side]);
      return mean ? squareOf(mean) : Value();
    }
  return {};
}

/// 1 / sqrt(..), in its spellings: the square root.
Value reciprocalOf(Value value) {
  if (onnx_ir::NodeOp op = nodeOf(value, "Reciprocal"))
    return op.getInputs()[0];
  onnx_ir::NodeOp op = nodeOf(value, "Div");
  return op && constantNumber(op.getInputs()[0]) == 1.0 ? op.getInputs()[1]
                                                        : Value();
}

/// A vector [D] along the last dimension of a norm, or null.
Value vectorOf(Walk &walk, TensorInfo &info, Dim width) {
  if (!info || info.rank() == 0 || !isReal(info.elementType) ||
      !walk.arith.equal(info.dims.back(), width))
    return {};
  for (Dim dim : ArrayRef<Dim>(info.dims).drop_back())
    if (!walk.arith.isConstant(dim, 1))
      return {};
  TensorInfo vector = walk.reshape(info, width);
  return walk.materialize(vector);
}
} // namespace

/// x * w or x + b after a norm that has none yet and that nobody else uses.
static std::optional<TensorInfo> attach(Walk &walk, Node &node) {
  bool weights = node.type() == "Mul";
  for (unsigned side : {0, 1}) {
    TensorInfo &normed = node.in(side), &other = node.in(1 - side);
    auto norm = normed.value ? normed.value.getDefiningOp<qgraph::NormOp>()
                             : qgraph::NormOp();
    if (!norm || norm.getBias() || (weights && norm.getWeight()) ||
        !node.onlyUse(side) || other.rank() > normed.rank())
      continue;
    // A residual that happens to be a vector is no bias.
    if (!other.value || !isWeight(other.value))
      continue;
    Value vector = vectorOf(walk, other, normed.dims.back());
    if (!vector)
      continue;
    Value result = qgraph::NormOp::create(
        walk.builder, norm.getType(), norm.getKind(), norm.getInput(),
        weights ? vector : norm.getWeight(), weights ? Value() : vector,
        norm.getEpsilon(), norm.getNameAttr());
    return walk.tensor(result, normed.dims);
  }
  return std::nullopt;
}

std::optional<TensorInfo> Walk::recognizeNormalization(Node &node) {
  StringRef type = node.type();
  if ((type != "Mul" && type != "Add" && type != "Div") ||
      !isReal(node.in(0).elementType))
    return std::nullopt;
  if (type != "Div")
    if (std::optional<TensorInfo> attached = attach(*this, node))
      return attached;
  if (type == "Add")
    return std::nullopt;
  // d / sqrt(mean(d^2) + epsilon), or the product with the reciprocal.
  for (unsigned side : {0, 1}) {
    if (type == "Div" && side == 1)
      break;
    Value data = node.in(side).value, root = node.in(1 - side).value;
    if (type == "Mul" && root)
      root = reciprocalOf(root);
    double epsilon = 0;
    if (!data || !root || rootMeanSquareOf(root, epsilon) != data)
      continue;
    ++counts.recognized;
    TensorInfo input = node.in(side);
    // d = x - mean(x): a layer norm of x.
    onnx_ir::NodeOp difference = nodeOf(data, "Sub");
    bool layer = difference &&
                 meanOf(difference.getInputs()[1]) == difference.getInputs()[0];
    if (layer)
      input = tensor(difference.getInputs()[0], input.dims);
    return buildNorm(*this,
                     layer ? qgraph::NormKind::Layer : qgraph::NormKind::RMS,
                     input, Value(), Value(), epsilon, nameOf(node.op));
  }
  return std::nullopt;
}

ArrayRef<Handler> onnx_to_qgraph::normalizationHandlers() {
  static const Handler table[] = {
      {"", "LayerNormalization", 1, kNewest, handleNorm},
      {"", "RMSNormalization", 23, kNewest, handleNorm},
  };
  return table;
}
