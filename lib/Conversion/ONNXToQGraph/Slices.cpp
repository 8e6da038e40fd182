//===- Slices.cpp - Slice, Split and Pad ----------------------------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Slices.h"

#include "mlir/Dialect/Utils/IndexingUtils.h"

using namespace mlir;
using namespace quantc;
using namespace quantc::onnx_to_qgraph;

TensorInfo
onnx_to_qgraph::pickElements(Walk &walk, TensorInfo &from,
                             ArrayRef<int64_t> shape,
                             function_ref<int64_t(ArrayRef<int64_t>)> source) {
  Elements elements;
  SmallVector<int64_t> strides = computeStrides(shape);
  for (int64_t i = 0, e = computeProduct(shape); i < e; ++i)
    elements.push_back((*from.elements)[source(delinearize(i, strides))]);
  Dims dims;
  for (int64_t extent : shape)
    dims.push_back(walk.arith.constant(extent));
  return walk.fromElements(from.elementType, dims, std::move(elements));
}

//===----------------------------------------------------------------------===//
// Slice, Split
//===----------------------------------------------------------------------===//

TensorInfo onnx_to_qgraph::buildSlice(Walk &walk, TensorInfo &input,
                                      ArrayRef<AxisSlice> slices) {
  DimArithmetic &arith = walk.arith;
  TensorInfo current = input;
  SmallVector<AxisSlice> left;
  for (const AxisSlice &slice : slices)
    if (!(arith.isConstant(slice.start, 0) && arith.isConstant(slice.step, 1) &&
          arith.equal(slice.length, input.dims[slice.axis])))
      left.push_back(slice);
  if (left.empty())
    return input;
  Dims dims = input.dims;
  SmallVector<int64_t> axes, starts, steps, ends;
  Elements runtime, runtimeSteps;
  for (const AxisSlice &slice : left) {
    dims[slice.axis] = slice.length;
    axes.push_back(slice.axis);
    runtime.push_back(slice.start);
    runtimeSteps.push_back(slice.step);
    std::optional<int64_t> step = DimArithmetic::getConstant(slice.step);
    if (!step)
      continue;
    steps.push_back(*step);
    std::optional<int64_t> start = DimArithmetic::getConstant(slice.start),
                           length = DimArithmetic::getConstant(slice.length);
    if (start)
      starts.push_back(*start);
    if (start && length)
      ends.push_back(*start + *length * *step);
  }
  if (Element value = uniform(input))
    return walk.fromSplat(input.elementType, dims, value);
  std::optional<SmallVector<int64_t>> shape = staticShape(dims);
  if (input.elements && shape && starts.size() == left.size()) {
    SmallVector<int64_t> strides = stridesOf(*staticShape(input.dims));
    return pickElements(walk, input, *shape, [&](ArrayRef<int64_t> index) {
      int64_t position = 0;
      for (auto [d, i] : llvm::enumerate(index))
        position += i * strides[d];
      for (auto [n, axis] : llvm::enumerate(axes))
        position += (starts[n] + index[axis] * (steps[n] - 1)) * strides[axis];
      return position;
    });
  }
  TensorInfo result;
  if (starts.size() == left.size()) {
    result =
        walk.node("Slice", {&current}, input.elementType, dims,
                  {{"axes", walk.integersAttr(axes)},
                   {"starts", walk.integersAttr(starts)},
                   {"ends", ends.size() == left.size() ? walk.integersAttr(ends)
                                                       : Attribute()},
                   {"steps", walk.integersAttr(steps)}});
  } else {
    Type si64 = walk.builder.getIntegerType(64, true);
    Dims count{arith.constant(runtime.size())};
    TensorInfo list = walk.fromElements(si64, count, std::move(runtime));
    bool fixed = steps.size() == left.size();
    TensorInfo stepList, none;
    SmallVector<TensorInfo *> inputs{&current, &list};
    if (!fixed) {
      stepList = walk.fromElements(si64, count, std::move(runtimeSteps));
      inputs.append({&none, &none, &stepList});
    }
    result =
        walk.node("Slice", inputs, input.elementType, dims,
                  {{"axes", walk.integersAttr(axes)},
                   {"steps", fixed ? walk.integersAttr(steps) : Attribute()}});
  }
  if (input.ramp) {
    result.ramp = input.ramp;
    for (const AxisSlice &slice : left) {
      Dim &step = result.ramp->steps[slice.axis];
      result.ramp->start =
          arith.add(result.ramp->start, arith.mul(slice.start, step));
      step = arith.isConstant(slice.length, 1) ? arith.constant(0)
                                               : arith.mul(step, slice.step);
    }
  }
  return result;
}

/// A slice whose axes or steps an input gives: every dimension has its start,
/// step and length.
static SmallVector<AxisSlice>
sliceAtRunTime(Node &node, ArrayRef<Element> starts, ArrayRef<Element> ends,
               ArrayRef<Element> axes, ArrayRef<Element> steps) {
  DimArithmetic &arith = node.walk.arith;
  TensorInfo &input = node.in(0);
  using Predicate = arith::CmpIPredicate;
  Dim zero = arith.constant(0), one = arith.constant(1);
  Dims normalized;
  for (Dim axis : axes) {
    Dim fromFront = node.normalizedAxis(axis, input.rank());
    if (!fromFront)
      return {};
    normalized.push_back(fromFront);
  }
  for (Dim step : steps)
    if (!arith.require(arith.compare(Predicate::eq, step, zero), zero,
                       /*orOne=*/false, "a step is 0"))
      return {};
  SmallVector<AxisSlice> slices;
  for (int64_t d = 0; d < input.rank(); ++d) {
    Dim extent = input.dims[d];
    Dim start, end, step = one, given = zero;
    start = end = zero;
    for (size_t i = 0; i < axes.size(); ++i) {
      Dim here = arith.compare(Predicate::eq, normalized[i], arith.constant(d));
      start = arith.choose(here, starts[i], start);
      end = arith.choose(here, ends[i], end);
      step = arith.choose(here, steps.empty() ? one : steps[i], step);
      given = arith.max(given, here);
    }
    Dim down = arith.compare(Predicate::slt, step, zero);
    Dim last = arith.choose(down, arith.sub(extent, one), extent);
    auto place = [&](Dim position, Dim low) {
      Dim negative = arith.compare(Predicate::slt, position, zero);
      position = arith.choose(negative, arith.add(position, extent), position);
      return arith.clamp(position, low, last);
    };
    start = place(start, zero);
    end = arith.choose(given,
                       place(end, arith.choose(down, arith.constant(-1), zero)),
                       extent);
    Dim span = arith.choose(down, arith.sub(start, end), arith.sub(end, start));
    Dim size = arith.max(arith.max(step, arith.sub(zero, step)), one);
    Dim length = arith.div(arith.add(span, arith.sub(size, one)), size);
    slices.push_back({d, start, step, arith.max(length, zero)});
  }
  return slices;
}

static LogicalResult handleSlice(Node &node) {
  Walk &walk = node.walk;
  DimArithmetic &arith = walk.arith;
  TensorInfo &input = node.in(0);
  auto list = [&](unsigned i, StringRef name) -> std::optional<Elements> {
    if (node.version() >= 10)
      return node.elements(i);
    std::optional<SmallVector<int64_t>> numbers = node.integers(name);
    if (!numbers)
      return std::nullopt;
    Elements elements;
    for (int64_t number : *numbers)
      elements.push_back(arith.constant(number));
    return elements;
  };
  std::optional<Elements> starts = list(1, "starts"), ends = list(2, "ends"),
                          axes = list(3, "axes"), steps = list(4, "steps");
  if (!starts || !ends || (node.has(3) && !axes) || (node.has(4) && !steps))
    return node.unsupported("its starts, ends, axes or steps are computed from "
                            "data; they must follow from the inputs and their "
                            "dimensions");
  if (starts->size() != ends->size() ||
      (axes && axes->size() != starts->size()) ||
      (steps && steps->size() != starts->size()))
    return node.unsupported("starts, ends, axes and steps differ in length");
  SmallVector<AxisSlice> slices;
  Dim zero = arith.constant(0), one = arith.constant(1);
  if ((axes && !staticShape(*axes)) || (steps && !staticShape(*steps))) {
    if (!axes) {
      axes.emplace();
      for (size_t i = 0; i < starts->size(); ++i)
        axes->push_back(arith.constant(i));
    }
    slices =
        sliceAtRunTime(node, *starts, *ends, *axes, steps.value_or(Elements()));
    if (slices.empty())
      return node.unsupported("an axis is out of range or a step is 0");
    node.set(0, buildSlice(walk, input, slices));
    return success();
  }
  for (size_t i = 0; i < starts->size(); ++i) {
    std::optional<int64_t> axis =
        axes ? DimArithmetic::getConstant((*axes)[i]) : int64_t(i);
    std::optional<int64_t> step =
        steps ? DimArithmetic::getConstant((*steps)[i]) : 1;
    if (!axis || !step || *step == 0)
      return node.unsupported("an axis or a step is computed or 0");
    *axis = normalizeAxis(*axis, input.rank());
    if (*axis < 0)
      return node.unsupported("an axis is out of range");
    Dim extent = input.dims[*axis];
    // ONNX: a negative position counts from the end, then both are clamped.
    auto place = [&](Dim position, Dim low, Dim high) {
      std::optional<int64_t> number = DimArithmetic::getConstant(position);
      if (number && *number > std::numeric_limits<int32_t>::max())
        return high;
      if (number && *number < std::numeric_limits<int32_t>::min())
        return low;
      if (arith.boundsOf(position).high < 0)
        position = arith.add(position, extent);
      else if (arith.boundsOf(position).low < 0)
        position = arith.select(
            arith.compare(arith::CmpIPredicate::slt, position, zero),
            arith.add(position, extent), position);
      return arith.min(arith.max(position, low), high);
    };
    Dim start, length;
    if (*step > 0) {
      start = place((*starts)[i], zero, extent);
      Dim end = place((*ends)[i], zero, extent);
      length = arith.ceilDiv(arith.sub(end, start), *step);
    } else {
      Dim last = arith.sub(extent, one), none = arith.constant(-1);
      start = place((*starts)[i], zero, last);
      Dim end = place((*ends)[i], none, last);
      length = arith.ceilDiv(arith.sub(start, end), -*step);
    }
    length = arith.max(length, zero);
    slices.push_back({*axis, start, arith.constant(*step), length});
  }
  node.set(0, buildSlice(walk, input, slices));
  return success();
}

static LogicalResult handleSplit(Node &node) {
  Walk &walk = node.walk;
  DimArithmetic &arith = walk.arith;
  TensorInfo input = node.in(0);
  int64_t axis = normalizeAxis(node.integer("axis", 0), input.rank());
  if (axis < 0)
    return node.unsupported("axis is out of range");
  int64_t count = node.op.getNumResults();
  Elements lengths;
  if (node.has(1)) {
    std::optional<Elements> given = node.elements(1);
    if (!given)
      return node.unsupported("its lengths are computed from data");
    lengths = *given;
  } else if (auto given = node.integers("split")) {
    for (int64_t length : *given)
      lengths.push_back(arith.constant(length));
  } else {
    // Equal parts; the last may be smaller.
    Dim part = arith.ceilDiv(input.dims[axis], count), left = input.dims[axis];
    for (int64_t i = 0; i < count; ++i) {
      lengths.push_back(i + 1 < count ? part : left);
      left = arith.sub(left, part);
    }
  }
  if (int64_t(lengths.size()) != count)
    return node.unsupported("it has " + Twine(count) + " results and " +
                            Twine(lengths.size()) + " lengths");
  Dim start = arith.constant(0), sum = start;
  for (Dim length : lengths) {
    if (arith.boundsOf(length).low < 0 &&
        !arith.requireRange(length, start, input.dims[axis],
                            "a part of %a elements"))
      return node.unsupported("a length is negative or too large");
    sum = arith.add(sum, length);
  }
  if (!arith.require(sum, input.dims[axis], /*orOne=*/false,
                     "its parts are %a and %b long, the whole and the sum"))
    return node.unsupported("its lengths do not add up to the dimension");
  for (int64_t i = 0; i < count; ++i) {
    AxisSlice slice{axis, start, arith.constant(1), lengths[i]};
    start = arith.add(start, lengths[i]);
    if (node.resultUsed(i))
      node.set(i, buildSlice(walk, input, slice));
  }
  return success();
}

//===----------------------------------------------------------------------===//
// Pad
//===----------------------------------------------------------------------===//

static LogicalResult handlePad(Node &node) {
  Walk &walk = node.walk;
  DimArithmetic &arith = walk.arith;
  TensorInfo &input = node.in(0);
  std::optional<Elements> pads;
  if (node.version() >= 11) {
    pads = node.elements(1);
  } else if (auto numbers = node.integers("pads")) {
    pads.emplace();
    for (int64_t number : *numbers)
      pads->push_back(arith.constant(number));
  }
  if (!pads)
    return node.unsupported("its pads are computed from data");
  Dim zero = arith.constant(0);
  Dims before(input.rank(), zero), after(input.rank(), zero);
  std::optional<Elements> axes = node.elements(3);
  if (node.has(3) && !axes)
    return node.unsupported("its axes are computed from data");
  size_t count = axes ? axes->size() : input.rank();
  if (pads->size() != 2 * count)
    return node.unsupported("pads must have " + Twine(2 * count) + " numbers");
  for (size_t i = 0; i < count; ++i) {
    Dim axis = axes ? node.normalizedAxis((*axes)[i], input.rank())
                    : arith.constant(i);
    if (!axis)
      return node.unsupported("an axis is out of range");
    for (int64_t d = 0; d < input.rank(); ++d) {
      Dim here =
          arith.compare(arith::CmpIPredicate::eq, axis, arith.constant(d));
      before[d] = arith.choose(here, (*pads)[i], before[d]);
      after[d] = arith.choose(here, (*pads)[i + count], after[d]);
    }
  }
  StringRef mode = node.string("mode", "constant");
  Dims dims;
  for (auto [dim, low, high] : llvm::zip(input.dims, before, after)) {
    bool none = arith.isConstant(low, 0) && arith.isConstant(high, 0);
    dims.push_back(arith.add(dim, arith.add(low, high)));
    Dim most = arith.constant(std::numeric_limits<int32_t>::max());
    if (!none && arith.boundsOf(dims.back()).low < 0 &&
        !arith.requireRange(dims.back(), zero, most,
                            "its pads leave %a elements"))
      return node.unsupported("its pads remove more than there is");
    // Where it repeats elements, there must be one.
    if (!none && mode != "constant" &&
        !arith.require(arith.max(dim, arith.constant(1)), dim,
                       /*orOne=*/false,
                       "with this mode it cannot pad a dimension of %b"))
      return node.unsupported("there is nothing to repeat");
  }
  auto isZero = [&](Dim dim) { return arith.isConstant(dim, 0); };
  if (llvm::all_of(before, isZero) && llvm::all_of(after, isZero)) {
    node.set(0, input);
    return success();
  }
  Elements all(before.begin(), before.end());
  llvm::append_range(all, after);
  std::optional<SmallVector<int64_t>> numbers = staticShape(all);
  SmallVector<TensorInfo *> inputs{&input};
  TensorInfo list, value;
  if (!numbers) {
    list = walk.fromElements(walk.builder.getIntegerType(64, true),
                             Dims{arith.constant(all.size())}, all);
    inputs.push_back(&list);
  }
  if (node.has(2))
    value = node.in(2);
  else if (node.version() < 11 && isa<FloatType>(input.elementType))
    value = walk.scalar(node.real("value", 0), input.elementType);
  if (value)
    inputs.push_back(&value);
  node.set(0, walk.node("Pad", inputs, input.elementType, dims,
                        {{"pads",
                          numbers ? walk.integersAttr(*numbers) : Attribute()},
                         {"mode", walk.builder.getStringAttr(mode)}}));
  return success();
}

ArrayRef<Handler> onnx_to_qgraph::sliceHandlers() {
  static const Handler table[] = {
      {"", "Slice", 1, kNewest, handleSlice},
      {"", "Split", 2, kNewest, handleSplit},
      {"", "Pad", 2, kNewest, handlePad},
  };
  return table;
}
