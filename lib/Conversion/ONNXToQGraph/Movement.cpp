//===- Movement.cpp - What moves elements ---------------------------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Walk.h"

#include "mlir/Dialect/Utils/IndexingUtils.h"

#include <numeric>

using namespace mlir;
using namespace quantc;
using namespace quantc::onnx_to_qgraph;

/// The result of picking elements of small tensors: `source(i)` is the position
/// of element i.
static TensorInfo pick(Walk &walk, TensorInfo &from, ArrayRef<int64_t> shape,
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
// Transpose, Concat
//===----------------------------------------------------------------------===//

static LogicalResult handleTranspose(Node &node) {
  TensorInfo &input = node.in(0);
  SmallVector<int64_t> permutation;
  if (auto given = node.integers("perm")) {
    permutation = *given;
  } else {
    permutation.resize(input.rank());
    std::iota(permutation.rbegin(), permutation.rend(), 0);
  }
  if (int64_t(permutation.size()) != input.rank() ||
      !isPermutationVector(permutation))
    return node.unsupported("perm is no permutation of the axes");
  node.set(0, node.walk.transpose(input, permutation));
  return success();
}

static LogicalResult handleConcat(Node &node) {
  Walk &walk = node.walk;
  DimArithmetic &arith = walk.arith;
  TensorInfo &first = node.in(0);
  int64_t axis = normalizeAxis(node.integer("axis", 1), first.rank());
  if (axis < 0)
    return node.unsupported("axis is out of range");
  if (node.numInputs() == 1) {
    node.set(0, first);
    return success();
  }
  SmallVector<TensorInfo *> inputs;
  Dims dims = first.dims;
  dims[axis] = arith.constant(0);
  bool elements = true, splat = true, ramps = axis + 1 == first.rank();
  std::vector<TensorInfo::Ramp> components;
  for (unsigned i = 0; i < node.numInputs(); ++i) {
    TensorInfo &input = node.in(i);
    if (input.rank() != first.rank())
      return node.unsupported("its operands have different ranks");
    for (int64_t d = 0; d < input.rank(); ++d)
      if (d != axis) {
        if (!arith.require(dims[d], input.dims[d]))
          return node.unsupported("its operands differ in dimension " +
                                  Twine(d));
        // Of equal dimensions the number says most.
        if (DimArithmetic::getConstant(input.dims[d]))
          dims[d] = input.dims[d];
      }
    dims[axis] = arith.add(dims[axis], input.dims[axis]);
    elements &= bool(input.elements);
    splat &= uniform(input) && uniform(input) == uniform(first);
    std::optional<TensorInfo::Ramp> ramp =
        ramps && arith.isConstant(input.dims[axis], 1) ? rampOf(walk, input)
                                                       : std::nullopt;
    ramps &= bool(ramp);
    if (ramps) {
      ramp->steps.pop_back();
      components.push_back(*ramp);
    }
    inputs.push_back(&input);
  }
  std::optional<SmallVector<int64_t>> shape = staticShape(dims);
  if (elements && shape && computeProduct(*shape) <= kSmall) {
    int64_t outer = computeProduct(ArrayRef(*shape).take_front(axis));
    Elements list;
    for (int64_t i = 0; i < outer; ++i)
      for (TensorInfo *input : inputs) {
        int64_t length = input->elements->size() / outer;
        llvm::append_range(
            list, ArrayRef(*input->elements).slice(i * length, length));
      }
    TensorInfo result =
        walk.fromElements(first.elementType, dims, std::move(list));
    if (ramps)
      result.components = components;
    node.set(0, std::move(result));
    return success();
  }
  if (splat) {
    node.set(0, walk.fromSplat(first.elementType, dims, uniform(first)));
    return success();
  }
  // An operand without elements adds nothing (an empty cache).
  llvm::erase_if(inputs, [&](TensorInfo *input) {
    return arith.isConstant(input->dims[axis], 0);
  });
  if (inputs.size() == 1) {
    node.set(0, *inputs.front());
    return success();
  }
  TensorInfo result = walk.node("Concat", inputs, first.elementType, dims,
                                {{"axis", walk.integerAttr(axis)}});
  if (ramps)
    result.components = components;
  node.set(0, std::move(result));
  return success();
}

//===----------------------------------------------------------------------===//
// Slice, Split
//===----------------------------------------------------------------------===//

namespace {
/// One axis of a slice: element i of the result is element start + i * step.
struct AxisSlice {
  int64_t axis;
  Dim start;
  int64_t step;
  Dim length;
};
} // namespace

/// `onnx.node "Slice"` in its canonical form: `axes`, `starts`, `steps` (and
/// `ends` where they are numbers) in attributes, the extents from the result;
/// or starts as a second input where one is only known at run time.
static TensorInfo buildSlice(Walk &walk, TensorInfo &input,
                             ArrayRef<AxisSlice> slices) {
  DimArithmetic &arith = walk.arith;
  TensorInfo current = input;
  SmallVector<AxisSlice> left;
  for (const AxisSlice &slice : slices)
    if (!(arith.isConstant(slice.start, 0) && slice.step == 1 &&
          arith.equal(slice.length, input.dims[slice.axis])))
      left.push_back(slice);
  if (left.empty())
    return input;
  Dims dims = input.dims;
  SmallVector<int64_t> axes, starts, steps, ends;
  Elements runtime;
  for (const AxisSlice &slice : left) {
    dims[slice.axis] = slice.length;
    axes.push_back(slice.axis);
    steps.push_back(slice.step);
    runtime.push_back(slice.start);
    std::optional<int64_t> start = DimArithmetic::getConstant(slice.start),
                           length = DimArithmetic::getConstant(slice.length);
    if (start)
      starts.push_back(*start);
    if (start && length)
      ends.push_back(*start + *length * slice.step);
  }
  if (Element value = uniform(input))
    return walk.fromSplat(input.elementType, dims, value);
  std::optional<SmallVector<int64_t>> shape = staticShape(dims);
  if (input.elements && shape && starts.size() == left.size()) {
    SmallVector<int64_t> strides = stridesOf(*staticShape(input.dims));
    return pick(walk, input, *shape, [&](ArrayRef<int64_t> index) {
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
    result = walk.node("Slice", {&current, &list}, input.elementType, dims,
                       {{"axes", walk.integersAttr(axes)},
                        {"steps", walk.integersAttr(steps)}});
  }
  if (input.ramp) {
    result.ramp = input.ramp;
    for (const AxisSlice &slice : left) {
      Dim &step = result.ramp->steps[slice.axis];
      result.ramp->start =
          arith.add(result.ramp->start, arith.mul(slice.start, step));
      step = arith.isConstant(slice.length, 1)
                 ? arith.constant(0)
                 : arith.mul(step, arith.constant(slice.step));
    }
  }
  return result;
}

static LogicalResult handleSlice(Node &node) {
  Walk &walk = node.walk;
  DimArithmetic &arith = walk.arith;
  TensorInfo &input = node.in(0);
  auto list = [&](unsigned i, StringRef name) -> std::optional<Elements> {
    if (node.version() >= 10)
      return node.has(i) ? node.in(i).elements : std::nullopt;
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
                            "data; they must follow from the dimensions");
  if (starts->size() != ends->size() ||
      (axes && axes->size() != starts->size()) ||
      (steps && steps->size() != starts->size()))
    return node.unsupported("starts, ends, axes and steps differ in length");
  SmallVector<AxisSlice> slices;
  Dim zero = arith.constant(0), one = arith.constant(1);
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
    slices.push_back({*axis, start, *step, length});
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
    if (!node.in(1).elements)
      return node.unsupported("its lengths are computed from data");
    lengths = *node.in(1).elements;
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
  Dim start = arith.constant(0);
  for (int64_t i = 0; i < count; ++i) {
    AxisSlice slice{axis, start, 1, lengths[i]};
    start = arith.add(start, lengths[i]);
    if (node.resultUsed(i))
      node.set(i, buildSlice(walk, input, slice));
  }
  return success();
}

//===----------------------------------------------------------------------===//
// Gather and its kin
//===----------------------------------------------------------------------===//

static LogicalResult handleGather(Node &node) {
  Walk &walk = node.walk;
  DimArithmetic &arith = walk.arith;
  TensorInfo &data = node.in(0), &indices = node.in(1);
  int64_t axis = normalizeAxis(node.integer("axis", 0), data.rank());
  if (axis < 0)
    return node.unsupported("axis is out of range");
  Dims dims(data.dims.begin(), data.dims.begin() + axis);
  llvm::append_range(dims, indices.dims);
  dims.append(data.dims.begin() + axis + 1, data.dims.end());

  std::optional<SmallVector<int64_t>> numbers = node.constants(1);
  std::optional<int64_t> extent = DimArithmetic::getConstant(data.dims[axis]);
  if (numbers && extent) {
    for (int64_t &number : *numbers) {
      int64_t given = number;
      number = normalizeAxis(number, *extent);
      if (number < 0)
        return node.unsupported("index " + Twine(given) +
                                " is outside of dimension " + Twine(axis) +
                                " of size " + Twine(*extent));
    }
  }
  std::optional<SmallVector<int64_t>> shape = staticShape(dims);
  if (data.elements && numbers && shape && computeProduct(*shape) <= kSmall) {
    SmallVector<int64_t> strides = stridesOf(*staticShape(data.dims));
    SmallVector<int64_t> indexStrides = stridesOf(*staticShape(indices.dims));
    int64_t rank = indices.rank();
    node.set(0, pick(walk, data, *shape, [&](ArrayRef<int64_t> index) {
               int64_t position = 0, which = 0;
               for (int64_t d = 0; d < axis; ++d)
                 position += index[d] * strides[d];
               for (int64_t d = 0; d < rank; ++d)
                 which += index[axis + d] * indexStrides[d];
               position += (*numbers)[which] * strides[axis];
               for (int64_t d = axis + 1; d < data.rank(); ++d)
                 position += index[d + rank - 1] * strides[d];
               return position;
             }));
    return success();
  }
  bool real = isa<Float32Type, Float16Type, BFloat16Type>(data.elementType);
  if (axis == 0 && data.rank() == 2 && real && isWeight(data.value)) {
    Value rows = qgraph::EmbeddingOp::create(
        walk.builder, walk.typeOf(dims, data.elementType), data.value,
        walk.materialize(indices), Value(), walk.nameOf(node.op));
    node.set(0, walk.tensor(rows, dims));
    return success();
  }
  if (std::optional<TensorInfo::Ramp> ramp = rampOf(walk, indices))
    if (auto result = gatherInOrder(walk, data, axis, 1, *ramp, indices.dims)) {
      node.set(0, *result);
      return success();
    }
  // One index that is a number: a slice.
  if (numbers && numbers->size() == 1 && (extent || numbers->front() >= 0)) {
    TensorInfo one =
        buildSlice(walk, data,
                   AxisSlice{axis, arith.constant(numbers->front()), 1,
                             arith.constant(1)});
    node.set(0, walk.reshape(one, dims));
    return success();
  }
  node.set(0, walk.node("Gather", {&data, &indices}, data.elementType, dims,
                        {{"axis", walk.integerAttr(axis)}}));
  return success();
}

static LogicalResult handleGatherElements(Node &node) {
  Walk &walk = node.walk;
  TensorInfo &data = node.in(0), &indices = node.in(1);
  int64_t axis = normalizeAxis(node.integer("axis", 0), data.rank());
  if (axis < 0 || data.rank() != indices.rank())
    return node.unsupported("axis is out of range or the ranks differ");
  node.set(0, walk.node("GatherElements", {&data, &indices}, data.elementType,
                        indices.dims, {{"axis", walk.integerAttr(axis)}}));
  return success();
}

static LogicalResult handleGatherND(Node &node) {
  Walk &walk = node.walk;
  TensorInfo &data = node.in(0), &indices = node.in(1);
  int64_t batch = node.integer("batch_dims", 0);
  std::optional<int64_t> depth =
      indices.rank() ? DimArithmetic::getConstant(indices.dims.back())
                     : std::nullopt;
  if (!depth)
    return node.unsupported("the last dimension of its indices is not fixed");
  if (batch < 0 || batch >= indices.rank() || batch + *depth > data.rank())
    return node.unsupported("batch_dims and indices do not fit the data");
  Dims dims(indices.dims.begin(), indices.dims.end() - 1);
  dims.append(data.dims.begin() + batch + *depth, data.dims.end());
  if (batch == 0 && int64_t(indices.components.size()) == *depth) {
    // As positions in the first `depth` dimensions taken as one.
    DimArithmetic &arith = walk.arith;
    TensorInfo::Ramp flat = indices.components.front();
    for (int64_t c = 1; c < *depth; ++c) {
      const TensorInfo::Ramp &next = indices.components[c];
      auto append = [&](Dim high, Dim low) {
        return arith.add(arith.mul(high, data.dims[c]), low);
      };
      flat.start = append(flat.start, next.start);
      for (auto [high, low] : llvm::zip(flat.steps, next.steps))
        high = append(high, low);
    }
    if (auto result = gatherInOrder(walk, data, 0, *depth, flat,
                                    ArrayRef<Dim>(indices.dims).drop_back())) {
      node.set(0, *result);
      return success();
    }
  }
  node.set(0, walk.node("GatherND", {&data, &indices}, data.elementType, dims,
                        {{"batch_dims", walk.integerAttr(batch)}}));
  return success();
}

//===----------------------------------------------------------------------===//
// Pad, Tile, Trilu, CumSum
//===----------------------------------------------------------------------===//

static LogicalResult handlePad(Node &node) {
  Walk &walk = node.walk;
  DimArithmetic &arith = walk.arith;
  TensorInfo &input = node.in(0);
  std::optional<SmallVector<int64_t>> pads =
      node.version() >= 11 ? node.constants(1) : node.integers("pads");
  if (!pads)
    return node.unsupported("its pads are computed from data");
  SmallVector<int64_t> before(input.rank(), 0), after(input.rank(), 0);
  std::optional<SmallVector<int64_t>> axes = node.constants(3);
  if (node.has(3) && !axes)
    return node.unsupported("its axes are computed from data");
  size_t count = axes ? axes->size() : input.rank();
  if (pads->size() != 2 * count)
    return node.unsupported("pads must have " + Twine(2 * count) + " numbers");
  for (size_t i = 0; i < count; ++i) {
    int64_t axis = axes ? normalizeAxis((*axes)[i], input.rank()) : int64_t(i);
    if (axis < 0)
      return node.unsupported("an axis is out of range");
    before[axis] = (*pads)[i];
    after[axis] = (*pads)[i + count];
  }
  Dims dims;
  for (auto [i, dim] : llvm::enumerate(input.dims))
    dims.push_back(arith.add(dim, arith.constant(before[i] + after[i])));
  if (llvm::all_equal(before) && llvm::all_equal(after) &&
      (before.empty() || (before[0] == 0 && after[0] == 0))) {
    node.set(0, input);
    return success();
  }
  SmallVector<int64_t> all(before);
  llvm::append_range(all, after);
  SmallVector<TensorInfo *> inputs{&input};
  TensorInfo value;
  if (node.has(2))
    value = node.in(2);
  else if (node.version() < 11 && isa<FloatType>(input.elementType))
    value = walk.scalar(node.real("value", 0), input.elementType);
  if (value)
    inputs.push_back(&value);
  node.set(0, walk.node("Pad", inputs, input.elementType, dims,
                        {{"pads", walk.integersAttr(all)},
                         {"mode", walk.builder.getStringAttr(
                                      node.string("mode", "constant"))}}));
  return success();
}

/// The repeats follow from the dimensions: element i is element i mod D.
static LogicalResult handleTile(Node &node) {
  Walk &walk = node.walk;
  TensorInfo &input = node.in(0);
  if (!node.in(1).elements)
    return node.unsupported("its repeats are computed from data");
  Elements &repeats = *node.in(1).elements;
  if (int64_t(repeats.size()) != input.rank())
    return node.unsupported("repeats must have one number for each dimension");
  Dims dims;
  bool same = true, expands = true;
  for (auto [dim, repeat] : llvm::zip(input.dims, repeats)) {
    dims.push_back(walk.arith.mul(dim, repeat));
    bool once = walk.arith.isConstant(repeat, 1);
    same &= once;
    expands &= once || walk.arith.isConstant(dim, 1);
  }
  node.set(0, same      ? input
              : expands ? walk.expand(input, dims)
                        : walk.node("Tile", {&input}, input.elementType, dims));
  return success();
}

static LogicalResult handleTrilu(Node &node) {
  Walk &walk = node.walk;
  TensorInfo &input = node.in(0);
  std::optional<double> k = node.has(1) ? node.scalar(1) : 0;
  if (!k)
    return node.unsupported("its k is computed from data");
  node.set(0,
           walk.node("Trilu", {&input}, input.elementType, input.dims,
                     {{"k", walk.integerAttr(int64_t(*k))},
                      {"upper", walk.integerAttr(node.integer("upper", 1))}}));
  return success();
}

static LogicalResult handleCumSum(Node &node) {
  Walk &walk = node.walk;
  TensorInfo &input = node.in(0);
  std::optional<double> given = node.scalar(1);
  int64_t axis = given ? normalizeAxis(int64_t(*given), input.rank()) : -1;
  if (axis < 0)
    return node.unsupported("its axis is computed from data or out of range");
  node.set(
      0,
      walk.node("CumSum", {&input}, input.elementType, input.dims,
                {{"axis", walk.integerAttr(axis)},
                 {"exclusive", walk.integerAttr(node.integer("exclusive", 0))},
                 {"reverse", walk.integerAttr(node.integer("reverse", 0))}}));
  return success();
}

ArrayRef<Handler> onnx_to_qgraph::movementHandlers() {
  static const Handler table[] = {
      {"", "Transpose", 1, kNewest, handleTranspose},
      {"", "Concat", 1, kNewest, handleConcat},
      {"", "Slice", 1, kNewest, handleSlice},
      {"", "Split", 2, kNewest, handleSplit},
      {"", "Gather", 1, kNewest, handleGather},
      {"", "GatherElements", 11, kNewest, handleGatherElements},
      {"", "GatherND", 11, kNewest, handleGatherND},
      {"", "Pad", 2, kNewest, handlePad},
      {"", "Tile", 6, kNewest, handleTile},
      {"", "Trilu", 14, kNewest, handleTrilu},
      {"", "CumSum", 11, kNewest, handleCumSum},
  };
  return table;
}
