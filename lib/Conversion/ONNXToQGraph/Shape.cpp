//===- Shape.cpp - Shapes, and what only changes them ---------------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Shape and Size give elements instead of nodes. Reshape, Flatten, Squeeze and
// Unsqueeze become one form, `onnx.node "Reshape"` with the data and the
// result's `dims`; Expand likewise.
//
//===----------------------------------------------------------------------===//

#include "Walk.h"

using namespace mlir;
using namespace quantc;
using namespace quantc::onnx_to_qgraph;

static Type si64(Node &node) {
  return node.walk.builder.getIntegerType(64, /*isSigned=*/true);
}

bool onnx_to_qgraph::requireSize(Node &node, Dim size) {
  DimArithmetic &arith = node.walk.arith;
  if (arith.boundsOf(size).low >= 0)
    return true;
  return arith.requireRange(size, arith.constant(0),
                            arith.constant(std::numeric_limits<int32_t>::max()),
                            "no tensor can have a dimension of %a");
}

//===----------------------------------------------------------------------===//
// Constants
//===----------------------------------------------------------------------===//

static LogicalResult handleConstant(Node &node) {
  Walk &walk = node.walk;
  onnx_ir::NodeOp op = node.op;
  if (auto value = dyn_cast_or_null<TypedAttr>(op.getNodeAttr("value")))
    if (isa<RankedTensorType>(value.getType())) {
      node.set(0, walk.constant(value));
      return success();
    }
  SmallVector<Attribute> elements;
  Type type;
  bool scalar = true;
  for (StringRef name : {"value_int", "value_float"})
    if (Attribute value = op.getNodeAttr(name))
      elements.push_back(value);
  for (StringRef name : {"value_ints", "value_floats"})
    if (auto values = dyn_cast_or_null<ArrayAttr>(op.getNodeAttr(name))) {
      llvm::append_range(elements, values);
      scalar = false;
      type =
          name == "value_ints" ? si64(node) : Type(walk.builder.getF32Type());
    }
  if (elements.empty() && !type)
    return node.unsupported("its value is neither numbers nor a tensor");
  if (scalar)
    type = cast<TypedAttr>(elements.front()).getType();
  SmallVector<int64_t> shape;
  if (!scalar)
    shape.push_back(elements.size());
  node.set(0, walk.constant(DenseElementsAttr::get(
                  RankedTensorType::get(shape, type), elements)));
  return success();
}

static LogicalResult handleConstantOfShape(Node &node) {
  Walk &walk = node.walk;
  std::optional<Elements> dims = node.elements(0);
  if (!dims)
    return node.unsupported("the shape it makes is computed from data");
  for (Dim dim : *dims)
    if (!requireSize(node, dim))
      return node.unsupported("a dimension is negative");
  Type type = walk.builder.getF32Type();
  Element value = walk.builder.getF64FloatAttr(0);
  if (auto given =
          dyn_cast_or_null<DenseElementsAttr>(node.op.getNodeAttr("value"))) {
    type = given.getElementType();
    value = elementsOf(given, walk.builder).front();
  }
  node.set(0, walk.fromSplat(type, *dims, value));
  return success();
}

//===----------------------------------------------------------------------===//
// Shape, Size
//===----------------------------------------------------------------------===//

static LogicalResult handleShape(Node &node) {
  TensorInfo &input = node.in(0);
  auto clamp = [&](int64_t position) {
    if (position < 0)
      position += input.rank();
    return std::clamp<int64_t>(position, 0, input.rank());
  };
  int64_t start = clamp(node.integer("start", 0));
  int64_t end = clamp(node.integer("end", input.rank()));
  Elements dims;
  for (int64_t i = start; i < end; ++i)
    dims.push_back(input.dims[i]);
  Dims length{node.walk.arith.constant(dims.size())};
  node.set(0, node.walk.fromElements(si64(node), length, std::move(dims)));
  return success();
}

static LogicalResult handleSize(Node &node) {
  Dim size = node.walk.arith.product(node.in(0).dims);
  node.set(0, node.walk.fromElements(si64(node), {}, {size}));
  return success();
}

//===----------------------------------------------------------------------===//
// Reshapes
//===----------------------------------------------------------------------===//

/// A reshape to a shape that the inputs give: each number may be 0 or -1.
static LogicalResult reshapeAtRunTime(Node &node, ArrayRef<Element> shape) {
  DimArithmetic &arith = node.walk.arith;
  using Predicate = arith::CmpIPredicate;
  TensorInfo &input = node.in(0);
  bool allowZero = node.integer("allowzero", 0);
  Dim zero = arith.constant(0), one = arith.constant(1);
  Dim total = arith.product(input.dims), known = one, count = zero;
  Dims dims, isRest;
  for (auto [i, given] : llvm::enumerate(shape)) {
    Dim dim = given;
    if (!allowZero && int64_t(i) < input.rank())
      dim = arith.choose(arith.compare(Predicate::eq, dim, zero), input.dims[i],
                         dim);
    isRest.push_back(arith.compare(Predicate::eq, dim, arith.constant(-1)));
    count = arith.add(count, isRest.back());
    dims.push_back(dim);
    known = arith.mul(known, arith.choose(isRest.back(), one, dim));
  }
  if (!arith.requireRange(count, zero, one, "its shape has %a times -1"))
    return node.unsupported("its shape has more than one -1");
  Dim rest = arith.div(total, known);
  if (!rest)
    return node.unsupported("its shape divides by a dimension of 0");
  // The product is cut off before it overflows.
  Dim most = arith.constant(int64_t(1) << 31), limited = one;
  for (auto [dim, flag] : llvm::zip(dims, isRest)) {
    dim = arith.choose(flag, rest, dim);
    if (!requireSize(node, dim))
      return node.unsupported("a dimension is negative");
    limited = arith.min(arith.mul(limited, dim), most);
  }
  if (!arith.require(arith.min(total, most), limited, /*orOne=*/false,
                     "its data has %a elements, its shape %b"))
    return node.unsupported("the numbers of elements differ");
  node.set(0, node.walk.reshape(input, dims));
  return success();
}

static LogicalResult handleReshape(Node &node) {
  DimArithmetic &arith = node.walk.arith;
  TensorInfo &input = node.in(0);
  std::optional<Elements> shape;
  if (node.version() < 5) {
    std::optional<SmallVector<int64_t>> numbers = node.integers("shape");
    shape.emplace();
    for (int64_t number : numbers.value_or(SmallVector<int64_t>()))
      shape->push_back(arith.constant(number));
  } else if (node.has(1)) {
    shape = node.in(1).elements;
  }
  if (!shape) {
    if (std::optional<Elements> read = node.elements(1))
      return reshapeAtRunTime(node, *read);
    return node.unsupported("its shape is computed from data; shapes must "
                            "follow from the inputs and their dimensions");
  }
  bool allowZero = node.integer("allowzero", 0);
  Dims dims;
  std::optional<size_t> rest;
  for (auto [i, dim] : llvm::enumerate(*shape)) {
    if (arith.isConstant(dim, -1)) {
      if (rest)
        return node.unsupported("its shape has more than one -1");
      rest = i;
    }
    if (arith.isConstant(dim, 0) && !allowZero) {
      if (int64_t(i) >= input.rank())
        return node.unsupported("its shape copies dimension " + Twine(i) +
                                ", which the data does not have");
      dim = input.dims[i];
    }
    dims.push_back(dim);
  }
  if (rest) {
    Dims others = dims;
    others[*rest] = arith.constant(1);
    Dim total = arith.product(input.dims), known = arith.product(others);
    Dim size = arith.div(total, known);
    if (!size)
      return node.unsupported("its shape divides by a dimension of 0");
    dims[*rest] = size;
  }
  Dim before = arith.product(input.dims), after = arith.product(dims);
  if (!arith.require(before, after))
    return node.unsupported("the numbers of elements differ");
  node.set(0, node.walk.reshape(input, dims));
  return success();
}

static LogicalResult handleFlatten(Node &node) {
  DimArithmetic &arith = node.walk.arith;
  TensorInfo &input = node.in(0);
  int64_t axis = node.integer("axis", 1);
  if (axis < 0)
    axis += input.rank();
  if (axis < 0 || axis > input.rank())
    return node.unsupported("axis is out of range");
  ArrayRef<Dim> dims = input.dims;
  node.set(0, node.walk.reshape(input, {arith.product(dims.take_front(axis)),
                                        arith.product(dims.drop_front(axis))}));
  return success();
}

static LogicalResult squeezeAtRunTime(Node &node, ArrayRef<Element> axes) {
  DimArithmetic &arith = node.walk.arith;
  TensorInfo &input = node.in(0);
  std::optional<Dims> flags = node.axisFlags(axes, input.rank());
  if (!flags)
    return node.unsupported("an axis is out of range or occurs twice");
  Dim one = arith.constant(1);
  for (auto [dim, flag] : llvm::zip(input.dims, *flags))
    if (!arith.require(arith.choose(flag, dim, one), one, /*orOne=*/false,
                       "a dimension of %a is to be left out"))
      return node.unsupported("a dimension is not 1");
  int64_t rank = input.rank() - int64_t(axes.size());
  node.set(0, node.walk.reshape(input, node.kept(input.dims, *flags, rank)));
  return success();
}

static LogicalResult unsqueezeAtRunTime(Node &node, ArrayRef<Element> axes) {
  DimArithmetic &arith = node.walk.arith;
  TensorInfo &input = node.in(0);
  int64_t rank = input.rank() + int64_t(axes.size());
  std::optional<Dims> flags = node.axisFlags(axes, rank);
  if (!flags)
    return node.unsupported("an axis is out of range or occurs twice");
  Dims dims;
  Dim position = arith.constant(0), one = arith.constant(1);
  for (Dim flag : *flags) {
    Dim own = one;
    for (auto [d, dim] : llvm::enumerate(input.dims))
      own = arith.choose(
          arith.compare(arith::CmpIPredicate::eq, position, arith.constant(d)),
          dim, own);
    dims.push_back(arith.choose(flag, one, own));
    position = arith.add(position, arith.sub(one, flag));
  }
  node.set(0, node.walk.reshape(input, dims));
  return success();
}

static LogicalResult handleSqueeze(Node &node) {
  DimArithmetic &arith = node.walk.arith;
  TensorInfo &input = node.in(0);
  if (node.has(1) && !node.constants(1))
    if (std::optional<Elements> read = node.elements(1))
      return squeezeAtRunTime(node, *read);
  auto axes = node.axes(1, "axes", input.rank());
  if (failed(axes))
    return failure();
  Dims dims;
  for (auto [i, dim] : llvm::enumerate(input.dims)) {
    bool drop = *axes ? llvm::is_contained(**axes, int64_t(i))
                      : arith.isConstant(dim, 1);
    // Without axes the rank of the result would depend on the data: what is
    // not known to be 1 must be something else.
    if (!*axes && !drop && !arith.different(dim, arith.constant(1)) &&
        arith.boundsOf(dim).low < 2) {
      Dim isOne =
          arith.compare(arith::CmpIPredicate::eq, dim, arith.constant(1));
      std::string text = "dimension " + std::to_string(i) +
                         " is 1, which was not known when the model was "
                         "compiled; give it axes";
      if (!arith.require(isOne, arith.constant(0), /*orOne=*/false, text))
        return node.unsupported(text);
    }
    if (!drop)
      dims.push_back(dim);
    else if (arith.different(dim, arith.constant(1)))
      return node.unsupported("dimension " + Twine(i) + " is not 1");
  }
  node.set(0, node.walk.reshape(input, dims));
  return success();
}

static LogicalResult handleUnsqueeze(Node &node) {
  TensorInfo &input = node.in(0);
  std::optional<SmallVector<int64_t>> given =
      node.has(1) ? node.constants(1) : node.integers("axes");
  if (!given) {
    if (std::optional<Elements> read = node.elements(1))
      return unsqueezeAtRunTime(node, *read);
    return node.unsupported("its axes are computed from data");
  }
  auto axes = node.axes(1, "axes", input.rank() + given->size());
  if (failed(axes))
    return failure();
  if ((*axes)->size() != given->size())
    return node.unsupported("an axis occurs twice");
  Dims dims = input.dims;
  for (int64_t axis : **axes)
    dims.insert(dims.begin() + axis, node.walk.arith.constant(1));
  node.set(0, node.walk.reshape(input, dims));
  return success();
}

static LogicalResult handleIdentity(Node &node) {
  node.set(0, node.in(0));
  return success();
}

/// Drops nothing: so the mask keeps everything. It has the type of the data up
/// to version 7, and BOOL from then on.
static LogicalResult handleDropout(Node &node) {
  bool trains = node.has(2) && node.scalar(2) != 0.0;
  // Of all elements, a share of 0 is dropped.
  if (trains && !(node.has(1) && node.scalar(1) == 0.0))
    return node.unsupported("it trains; export the model for inference");
  TensorInfo &input = node.in(0);
  node.set(0, input);
  if (!node.resultUsed(1))
    return success();
  Walk &walk = node.walk;
  bool typed = node.version() < 10;
  TensorInfo one = typed ? walk.scalar(1, input.elementType)
                         : walk.fromSplat(walk.builder.getI1Type(), input.dims,
                                          walk.arith.constant(1));
  node.set(1, typed ? walk.expand(one, input.dims) : one);
  return success();
}

//===----------------------------------------------------------------------===//
// Expand, Cast, Bounds
//===----------------------------------------------------------------------===//

static LogicalResult handleExpand(Node &node) {
  Walk &walk = node.walk;
  TensorInfo &input = node.in(0);
  std::optional<Elements> shape = node.elements(1);
  if (!shape)
    return node.unsupported("its shape is computed from data; shapes must "
                            "follow from the inputs and their dimensions");
  for (Dim dim : *shape)
    if (!requireSize(node, dim))
      return node.unsupported("a dimension is negative");
  TensorInfo target;
  target.dims.assign(shape->begin(), shape->end());
  std::optional<Dims> dims = walk.broadcast({&input, &target});
  if (!dims)
    return node.unsupported("the data does not broadcast to the shape");
  node.set(0, walk.expand(input, *dims));
  return success();
}

static LogicalResult handleCast(Node &node) {
  Type type;
  if (node.type() == "CastLike") {
    type = node.in(1).elementType;
  } else if (auto tensor =
                 dyn_cast<TensorType>(node.op.getResult(0).getType())) {
    type = tensor.getElementType();
  } else {
    SmallVector<onnx_ir::ValueInfo> inputs(1);
    inputs[0].type = node.walk.typeOf(node.in(0));
    FailureOr<SmallVector<onnx_ir::ValueInfo>> results =
        onnx_ir::inferNodeTypes(node.op, inputs);
    auto inferred = succeeded(results)
                        ? dyn_cast_or_null<TensorType>((*results)[0].type)
                        : TensorType();
    if (!inferred)
      return node.unsupported("its element type is not supported");
    type = inferred.getElementType();
  }
  if (!isa<IntegerType, FloatType>(type))
    return node.unsupported("its element type is not supported");
  if (type.isF32())
    if (auto recognized = node.walk.recognizeStored(node)) {
      node.set(0, *recognized);
      return success();
    }
  TensorInfo result = node.walk.convert(node.in(0), type);
  // What FP8 does beyond its range is the node's own.
  if (onnx_ir::NodeOp op = nodeOf(result.value, "Cast");
      op && result.value != node.in(0).value) {
    NamedAttrList attributes;
    for (StringRef name : {"round_mode", "saturate"})
      if (Attribute given = node.op.getNodeAttr(name))
        if (given != onnx_ir::defaultAttribute(node.op, name))
          attributes.append(name, given);
    op.setNodeAttributesAttr(attributes.getDictionary(op.getContext()));
  }
  node.set(0, std::move(result));
  return success();
}

/// ceil((limit - start) / delta) elements, where these are floats of the
/// inputs.
static LogicalResult rangeOfReals(Node &node) {
  Walk &walk = node.walk;
  DimArithmetic &arith = walk.arith;
  SmallVector<Value> reals;
  for (unsigned i = 0; i < 3; ++i) {
    std::optional<SmallVector<Value>> one = walk.readReals(node.in(i));
    if (!one || one->size() != 1)
      return node.unsupported("its length depends on the data");
    reals.push_back(one->front());
  }
  Value span = arith::SubFOp::create(walk.builder, reals[1], reals[0]);
  Value quotient = arith::DivFOp::create(walk.builder, span, reals[2]);
  Value negative = arith::NegFOp::create(walk.builder, quotient);
  Dim length = arith.max(arith.sub(arith.constant(0), walk.floorOf(negative)),
                         arith.constant(0));
  Type type = node.in(0).elementType;
  // What is stored in half the bits is counted in f32.
  Type counted =
      type.getIntOrFloatBitWidth() < 32 ? walk.builder.getF32Type() : type;
  TensorInfo start = walk.convert(node.in(0), counted),
             delta = walk.convert(node.in(2), counted), none;
  TensorInfo range =
      walk.node("Range", {&start, &none, &delta}, counted, {length});
  node.set(0, walk.convert(range, type));
  return success();
}

static LogicalResult handleRange(Node &node) {
  Walk &walk = node.walk;
  if (isa<FloatType>(node.in(0).elementType))
    for (unsigned i = 0; i < 3; ++i)
      if (!node.scalar(i))
        return rangeOfReals(node);
  Element start = node.element(0), limit = node.element(1),
          delta = node.element(2);
  Type type = node.in(0).elementType;
  if (!start || !limit || !delta)
    return node.unsupported("its length depends on the data");
  if (isa<FloatType>(type)) {
    for (Element *element : {&start, &limit, &delta})
      if (!numberOf(*element))
        return node.unsupported("its length depends on the data");
    double first = *numberOf(start), step = *numberOf(delta);
    double length = std::ceil((*numberOf(limit) - first) / step);
    if (!(length <= kSmall))
      return node.unsupported("a range of floats with more than " +
                              Twine(kSmall) + " elements is not supported");
    Elements elements;
    for (int64_t i = 0; i < int64_t(length); ++i)
      elements.push_back(
          walk.builder.getF64FloatAttr(float(first + double(i) * step)));
    Dims dims{walk.arith.constant(elements.size())};
    node.set(0, walk.fromElements(type, dims, std::move(elements)));
    return success();
  }
  DimArithmetic &arith = walk.arith;
  std::optional<int64_t> step = DimArithmetic::getConstant(delta);
  if (step == 0)
    return node.unsupported("its delta is 0");
  if (!step) {
    Dim zero = arith.constant(0), one = arith.constant(1);
    Dim down = arith.compare(arith::CmpIPredicate::slt, delta, zero);
    Dim size = arith.max(arith.max(delta, arith.sub(zero, delta)), one);
    arith.require(arith.compare(arith::CmpIPredicate::eq, delta, zero), zero,
                  /*orOne=*/false, "its delta is 0");
    Dim span =
        arith.choose(down, arith.sub(start, limit), arith.sub(limit, start));
    Dim length = arith.div(arith.add(span, arith.sub(size, one)), size);
    node.set(0, walk.fromRamp(type, arith.max(length, zero), {{delta}, start}));
    return success();
  }
  Dim span = *step > 0 ? arith.sub(limit, start) : arith.sub(start, limit);
  Dim length =
      arith.max(arith.ceilDiv(span, std::abs(*step)), arith.constant(0));
  std::optional<int64_t> number = DimArithmetic::getConstant(length);
  if (number && *number <= kSmall) {
    Elements elements;
    for (int64_t i = 0; i < *number; ++i)
      elements.push_back(arith.add(start, arith.constant(i * *step)));
    node.set(0, walk.fromElements(type, length, std::move(elements)));
    return success();
  }
  node.set(0, walk.fromRamp(type, length, {{delta}, start}));
  return success();
}

ArrayRef<Handler> onnx_to_qgraph::shapeHandlers() {
  static const Handler table[] = {
      {"", "Constant", 1, kNewest, handleConstant},
      {"", "ConstantOfShape", 9, kNewest, handleConstantOfShape},
      {"", "Shape", 1, kNewest, handleShape},
      {"", "Size", 1, kNewest, handleSize},
      {"", "Reshape", 1, kNewest, handleReshape},
      {"", "Flatten", 1, kNewest, handleFlatten},
      {"", "Squeeze", 1, kNewest, handleSqueeze},
      {"", "Unsqueeze", 1, kNewest, handleUnsqueeze},
      {"", "Identity", 1, kNewest, handleIdentity},
      {"", "Dropout", 7, kNewest, handleDropout},
      {"", "Expand", 8, kNewest, handleExpand},
      {"", "Cast", 6, kNewest, handleCast},
      {"", "CastLike", 15, kNewest, handleCast},
      {"", "Range", 11, kNewest, handleRange},
  };
  return table;
}
