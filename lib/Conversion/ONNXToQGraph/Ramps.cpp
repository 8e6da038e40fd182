//===- Ramps.cpp - Tensors whose elements count ---------------------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Positions (0, 1, 2, ... and what is computed from them linearly) are known as
// start + sum of steps[d] * index[d]. Exporters write the attention mask as a
// gather at such positions, which is a reshape.
//
//===----------------------------------------------------------------------===//

#include "Walk.h"

#include "mlir/Dialect/Utils/IndexingUtils.h"

using namespace mlir;
using namespace quantc;
using namespace quantc::onnx_to_qgraph;

using Ramp = TensorInfo::Ramp;

static bool isZero(Dim dim) { return DimArithmetic::isConstant(dim, 0); }

std::optional<Ramp> onnx_to_qgraph::rampOf(Walk &walk, const TensorInfo &info) {
  DimArithmetic &arith = walk.arith;
  auto type = dyn_cast_or_null<IntegerType>(info.elementType);
  if (!type || type.getWidth() < 32)
    return std::nullopt;
  if (info.ramp)
    return info.ramp;
  Ramp ramp;
  ramp.steps.assign(info.rank(), arith.constant(0));
  if (Element value = uniform(info)) {
    ramp.start = value;
    return ramp;
  }
  std::optional<SmallVector<int64_t>> shape = staticShape(info.dims);
  if (!info.elements || info.elements->empty() || !shape)
    return std::nullopt;
  ArrayRef<Element> elements = *info.elements;
  SmallVector<int64_t> strides = computeStrides(*shape);
  ramp.start = elements[0];
  for (size_t d = 0; d < shape->size(); ++d)
    if ((*shape)[d] > 1)
      ramp.steps[d] = arith.sub(elements[strides[d]], elements[0]);
  for (size_t i = 0; i < elements.size(); ++i) {
    Dim expected = ramp.start;
    for (auto [index, step] : llvm::zip(delinearize(i, strides), ramp.steps))
      expected = arith.add(expected, arith.mul(step, arith.constant(index)));
    if (!arith.equal(expected, elements[i]))
      return std::nullopt;
  }
  return ramp;
}

/// The ramp of an operand that is broadcast; nothing if a dimension may or may
/// not be.
static std::optional<Ramp> broadcastRamp(Walk &walk, const TensorInfo &info,
                                         ArrayRef<Dim> dims) {
  std::optional<Ramp> ramp = rampOf(walk, info);
  if (!ramp)
    return std::nullopt;
  int64_t shift = int64_t(dims.size()) - info.rank();
  for (auto [d, step] : llvm::enumerate(ramp->steps))
    if (!isZero(step) && !walk.arith.equal(info.dims[d], dims[d + shift]))
      return std::nullopt;
  ramp->steps.insert(ramp->steps.begin(), shift, walk.arith.constant(0));
  return ramp;
}

std::optional<Ramp> onnx_to_qgraph::foldRamps(Walk &walk, StringRef opType,
                                              ArrayRef<TensorInfo *> inputs,
                                              ArrayRef<Dim> dims) {
  DimArithmetic &arith = walk.arith;
  if (inputs.size() != 2 ||
      (opType != "Add" && opType != "Sub" && opType != "Mul"))
    return std::nullopt;
  std::optional<Ramp> a = broadcastRamp(walk, *inputs[0], dims),
                      b = broadcastRamp(walk, *inputs[1], dims);
  if (!a || !b)
    return std::nullopt;
  if (opType == "Mul") {
    if (!llvm::all_of(b->steps, isZero))
      std::swap(a, b);
    if (!llvm::all_of(b->steps, isZero))
      return std::nullopt;
    a->start = arith.mul(a->start, b->start);
    for (Dim &step : a->steps)
      step = arith.mul(step, b->start);
    return a;
  }
  auto combine = [&](Dim x, Dim y) {
    return opType == "Add" ? arith.add(x, y) : arith.sub(x, y);
  };
  a->start = combine(a->start, b->start);
  for (auto [x, y] : llvm::zip(a->steps, b->steps))
    x = combine(x, y);
  return a;
}

Element onnx_to_qgraph::compareRamp(Walk &walk, StringRef opType,
                                    TensorInfo &left, TensorInfo &right) {
  std::optional<int64_t> other = DimArithmetic::getConstant(uniform(right));
  std::optional<Ramp> ramp = left.ramp;
  if (!ramp || !other)
    return {};
  for (Dim step : ramp->steps)
    if (walk.arith.boundsOf(step).low < 0)
      return {};
  int64_t least = walk.arith.boundsOf(ramp->start).low;
  if ((opType == "GreaterOrEqual" && least >= *other) ||
      (opType == "Greater" && least > *other))
    return walk.arith.constant(1);
  if ((opType == "Less" && least >= *other) ||
      (opType == "LessOrEqual" && least > *other))
    return walk.arith.constant(0);
  return {};
}

std::optional<Ramp> onnx_to_qgraph::reshapeRamp(DimArithmetic &arith,
                                                const Ramp &ramp,
                                                ArrayRef<Dim> from,
                                                ArrayRef<Dim> to) {
  Ramp result;
  result.start = ramp.start;
  result.steps.assign(to.size(), arith.constant(0));
  auto isOne = [&](Dim dim) { return arith.isConstant(dim, 1); };
  size_t i = 0, j = 0;
  while (true) {
    while (i < from.size() && isOne(from[i]))
      ++i;
    while (j < to.size() && isOne(to[j]))
      ++j;
    if (i == from.size() && j == to.size())
      return result;
    if (i == from.size() || j == to.size() || !arith.equal(from[i], to[j]))
      return std::nullopt;
    result.steps[j++] = ramp.steps[i++];
  }
}

Value onnx_to_qgraph::materializeRamp(Walk &walk, TensorInfo &info) {
  DimArithmetic &arith = walk.arith;
  const Ramp ramp = *info.ramp;
  Type type = info.elementType;
  // Nodes are made directly here: through the elementwise rules they would be
  // ramps again.
  TensorInfo sum;
  auto add = [&](TensorInfo term) {
    if (sum) {
      std::optional<Dims> dims = walk.broadcast({&sum, &term});
      sum = walk.node("Add", {&sum, &term}, type, *dims);
    } else {
      sum = term;
    }
  };
  std::optional<int64_t> start = DimArithmetic::getConstant(ramp.start);
  for (auto [d, step] : llvm::enumerate(ramp.steps)) {
    if (isZero(step))
      continue;
    std::optional<int64_t> number = DimArithmetic::getConstant(step);
    bool first = !sum && start;
    // With a factor that follows, the start cannot be in the range.
    int64_t from = first && number ? *start : 0;
    TensorInfo range =
        walk.node("Range", {}, type, info.dims[d],
                  {{"start", walk.integerAttr(from)},
                   {"delta", walk.integerAttr(number.value_or(1))}});
    if (first && number)
      start = 0;
    Dims ones(info.dims.size(), arith.constant(1));
    ones[d] = info.dims[d];
    TensorInfo term = walk.reshape(range, ones);
    if (!number) {
      TensorInfo factor = walk.fromElements(type, {}, {step});
      term = walk.node("Mul", {&term, &factor}, type, ones);
    }
    add(term);
  }
  if (!sum || start != 0)
    add(walk.fromElements(type, {}, {ramp.start}));
  sum.ramp.reset();
  TensorInfo expanded = walk.expand(sum, info.dims);
  return walk.materialize(expanded);
}

std::optional<TensorInfo>
onnx_to_qgraph::gatherInOrder(Walk &walk, TensorInfo &data, int64_t axis,
                              int64_t count, const Ramp &positions,
                              ArrayRef<Dim> indexDims) {
  DimArithmetic &arith = walk.arith;
  if (!isZero(positions.start))
    return std::nullopt;
  // From the last dimension on, each step must be the extent of those behind.
  Dim extent = arith.constant(1);
  Dims narrow(indexDims.begin(), indexDims.end());
  for (int64_t d = int64_t(indexDims.size()) - 1; d >= 0; --d) {
    if (isZero(positions.steps[d])) {
      narrow[d] = arith.constant(1);
      continue;
    }
    if (!arith.equal(positions.steps[d], extent))
      return std::nullopt;
    extent = arith.mul(extent, indexDims[d]);
  }
  ArrayRef<Dim> before = ArrayRef<Dim>(data.dims).take_front(axis),
                gathered = ArrayRef<Dim>(data.dims).slice(axis, count),
                behind = ArrayRef<Dim>(data.dims).drop_front(axis + count);
  if (!arith.equal(extent, arith.product(gathered)))
    return std::nullopt;
  Dims shape(before), dims(before);
  llvm::append_range(shape, narrow);
  llvm::append_range(shape, behind);
  llvm::append_range(dims, indexDims);
  llvm::append_range(dims, behind);
  TensorInfo shaped = walk.reshape(data, shape);
  return walk.expand(shaped, dims);
}
