//===- Movement.cpp - What moves elements ---------------------------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Slices.h"

#include "mlir/Dialect/Utils/IndexingUtils.h"

#include <numeric>

using namespace mlir;
using namespace quantc;
using namespace quantc::onnx_to_qgraph;

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
  std::optional<SmallVector<int64_t>> shape = smallShape(dims);
  if (elements && shape) {
    // Of nothing, there may be any number.
    int64_t outer = llvm::is_contained(*shape, 0)
                        ? 0
                        : computeProduct(ArrayRef(*shape).take_front(axis));
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
  if (inputs.size() <= 1) {
    node.set(0, inputs.empty() ? first : *inputs.front());
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
  std::optional<SmallVector<int64_t>> shape = smallShape(dims);
  if (data.elements && numbers && shape) {
    SmallVector<int64_t> strides = stridesOf(*staticShape(data.dims));
    SmallVector<int64_t> indexStrides = stridesOf(*staticShape(indices.dims));
    int64_t rank = indices.rank();
    node.set(0, pickElements(walk, data, *shape, [&](ArrayRef<int64_t> index) {
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
                   AxisSlice{axis, arith.constant(numbers->front()),
                             arith.constant(1), arith.constant(1)});
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
// Tile, Trilu, CumSum, CumProd
//===----------------------------------------------------------------------===//

/// The repeats follow from the dimensions: element i is element i mod D.
static LogicalResult handleTile(Node &node) {
  Walk &walk = node.walk;
  TensorInfo &input = node.in(0);
  std::optional<Elements> given = node.elements(1);
  if (!given)
    return node.unsupported("its repeats are computed from data");
  Elements &repeats = *given;
  if (int64_t(repeats.size()) != input.rank())
    return node.unsupported("repeats must have one number for each dimension");
  for (Dim repeat : repeats)
    if (walk.arith.boundsOf(repeat).low < 0 &&
        !walk.arith.requireRange(
            repeat, walk.arith.constant(0),
            walk.arith.constant(std::numeric_limits<int32_t>::max()),
            "it cannot repeat %a times"))
      return node.unsupported("a number of repeats is negative");
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

/// A diagonal that is no number stays an operand.
static LogicalResult handleTrilu(Node &node) {
  Walk &walk = node.walk;
  TensorInfo &input = node.in(0);
  std::optional<double> k = node.has(1) ? node.scalar(1) : 0;
  SmallVector<TensorInfo *> inputs{&input};
  if (!k)
    inputs.push_back(&node.in(1));
  node.set(0,
           walk.node("Trilu", inputs, input.elementType, input.dims,
                     {{"k", k ? walk.integerAttr(int64_t(*k)) : Attribute()},
                      {"upper", walk.integerAttr(node.integer("upper", 1))}}));
  return success();
}

/// CumSum and CumProd: an axis that is no number stays an operand.
static LogicalResult handleCumulative(Node &node) {
  Walk &walk = node.walk;
  TensorInfo &input = node.in(0);
  std::optional<double> given = node.scalar(1);
  int64_t axis = given ? normalizeAxis(int64_t(*given), input.rank()) : 0;
  if (axis < 0 || input.rank() == 0)
    return node.unsupported("its axis is out of range");
  SmallVector<TensorInfo *> inputs{&input};
  if (!given)
    inputs.push_back(&node.in(1));
  node.set(
      0,
      walk.node(node.type(), inputs, input.elementType, input.dims,
                {{"axis", given ? walk.integerAttr(axis) : Attribute()},
                 {"exclusive", walk.integerAttr(node.integer("exclusive", 0))},
                 {"reverse", walk.integerAttr(node.integer("reverse", 0))}}));
  return success();
}

//===----------------------------------------------------------------------===//
// TopK, OneHot
//===----------------------------------------------------------------------===//

static LogicalResult handleTopK(Node &node) {
  Walk &walk = node.walk;
  DimArithmetic &arith = walk.arith;
  TensorInfo &input = node.in(0);
  int64_t axis = normalizeAxis(node.integer("axis", -1), input.rank());
  if (axis < 0)
    return node.unsupported("axis is out of range");
  Dim k = node.element(1);
  if (!k)
    return node.unsupported("its k is computed from data");
  if (!arith.requireRange(k, arith.constant(0), input.dims[axis],
                          "its k is %a, the nearest possible is %b"))
    return node.unsupported("there are less than k elements");
  Dims dims = input.dims;
  dims[axis] = k;
  Type si64 = walk.builder.getIntegerType(64, /*isSigned=*/true);
  TensorInfo count = walk.fromElements(si64, {arith.constant(1)}, {k});
  SmallVector<TensorInfo> made =
      walk.nodes({"TopK", "", 11}, {&input, &count},
                 {{input.elementType, dims}, {si64, dims}},
                 {{"axis", walk.integerAttr(axis)},
                  {"largest", walk.integerAttr(node.integer("largest", 1))},
                  {"sorted", walk.integerAttr(node.integer("sorted", 1))}});
  for (auto [i, result] : llvm::enumerate(made))
    node.set(i, result);
  return success();
}

/// The elements of the result, if the positions are numbers: exporters write
/// repeats that way.
static std::optional<Elements> oneHotElements(const TensorInfo &indices,
                                              const TensorInfo &values,
                                              ArrayRef<int64_t> shape,
                                              int64_t axis) {
  if (!indices.elements || !values.elements)
    return std::nullopt;
  int64_t depth = shape[axis];
  Elements result(computeProduct(shape), (*values.elements)[0]);
  int64_t inner = computeProduct(shape.drop_front(axis + 1));
  for (auto [i, index] : llvm::enumerate(*indices.elements)) {
    std::optional<double> position = numberOf(index);
    if (!position)
      return std::nullopt;
    int64_t at = normalizeAxis(int64_t(*position), depth);
    if (at >= 0)
      result[(i / inner * depth + at) * inner + i % inner] =
          (*values.elements)[1];
  }
  return result;
}

/// The depth is a dimension of the result.
static LogicalResult handleOneHot(Node &node) {
  Walk &walk = node.walk;
  DimArithmetic &arith = walk.arith;
  TensorInfo &indices = node.in(0);
  int64_t axis = normalizeAxis(node.integer("axis", -1), indices.rank() + 1);
  Dim depth;
  if (isa<IntegerType>(node.in(1).elementType))
    depth = node.element(1);
  else if (std::optional<double> number = node.scalar(1))
    depth = arith.constant(int64_t(*number));
  else if (auto reals = walk.readReals(node.in(1)); reals && reals->size() == 1)
    depth = walk.floorOf(reals->front());
  if (!depth)
    return node.unsupported("its depth is computed from data");
  if (axis < 0)
    return node.unsupported("axis is out of range");
  if (!arith.requireRange(depth, arith.constant(0),
                          arith.constant(std::numeric_limits<int32_t>::max()),
                          "its depth is %a"))
    return node.unsupported("its depth is negative");
  Dims dims = indices.dims;
  dims.insert(dims.begin() + axis, depth);
  if (std::optional<SmallVector<int64_t>> shape = smallShape(dims))
    if (std::optional<Elements> elements =
            oneHotElements(indices, node.in(2), *shape, axis)) {
      node.set(0, walk.fromElements(node.in(2).elementType, dims,
                                    std::move(*elements)));
      return success();
    }
  TensorInfo count = walk.fromElements(walk.builder.getIntegerType(64, true),
                                       {arith.constant(1)}, {depth});
  node.set(0, walk.node("OneHot", {&indices, &count, &node.in(2)},
                        node.in(2).elementType, dims,
                        {{"axis", walk.integerAttr(axis)}}));
  return success();
}

ArrayRef<Handler> onnx_to_qgraph::movementHandlers() {
  static const Handler table[] = {
      {"", "Transpose", 1, kNewest, handleTranspose},
      {"", "Concat", 1, kNewest, handleConcat},
      {"", "Gather", 1, kNewest, handleGather},
      {"", "GatherElements", 11, kNewest, handleGatherElements},
      {"", "GatherND", 11, kNewest, handleGatherND},
      {"", "Tile", 6, kNewest, handleTile},
      {"", "Trilu", 14, kNewest, handleTrilu},
      {"", "CumSum", 11, kNewest, handleCumulative},
      {"", "CumProd", 26, kNewest, handleCumulative},
      {"", "TopK", 10, kNewest, handleTopK},
      {"", "OneHot", 9, kNewest, handleOneHot},
  };
  return table;
}
