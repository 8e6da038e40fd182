//===- Sequences.cpp - Sequences and optionals as tensors -----------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Sequences.h"

#include "Slices.h"

using namespace mlir;
using namespace quantc;
using namespace quantc::onnx_to_qgraph;

//===----------------------------------------------------------------------===//
// Kinds
//===----------------------------------------------------------------------===//

Type Kind::type(MLIRContext *context) const {
  Type element = elementType ? elementType : Type(Float32Type::get(context));
  Type type = shape ? Type(RankedTensorType::get(*shape, element))
                    : Type(UnrankedTensorType::get(element));
  if (isList)
    type = onnx_ir::SequenceType::get(context, type);
  if (isOptional)
    type = onnx_ir::OptionalType::get(context, type);
  return type;
}

static SmallVector<int64_t> shapeOf(const TensorInfo &info) {
  SmallVector<int64_t> shape;
  for (Dim dim : info.dims)
    shape.push_back(
        DimArithmetic::getConstant(dim).value_or(ShapedType::kDynamic));
  return shape;
}

Kind onnx_to_qgraph::kindOf(const TensorInfo &info) {
  Kind kind;
  kind.isOptional = bool(info.present);
  if (info.list) {
    kind.isList = true;
    kind.elementType = info.list->elementType;
    kind.shape = info.list->shape;
    kind.isEmpty = info.list->isEmpty();
  } else {
    kind.elementType = info.elementType;
    kind.shape = shapeOf(info);
  }
  return kind;
}

std::optional<Kind> onnx_to_qgraph::kindOf(Type type, bool isKnownEmpty) {
  Kind kind;
  if (auto optional = dyn_cast<onnx_ir::OptionalType>(type)) {
    kind.isOptional = true;
    type = optional.getElement();
  }
  if (auto sequence = dyn_cast<onnx_ir::SequenceType>(type)) {
    kind.isList = true;
    type = sequence.getElement();
  }
  auto tensor = dyn_cast<TensorType>(type);
  if (!tensor)
    return std::nullopt;
  kind.elementType = tensor.getElementType();
  kind.isEmpty = kind.isList && isKnownEmpty;
  if (tensor.hasRank())
    kind.shape = SmallVector<int64_t>(tensor.getShape());
  else if (!kind.isList)
    return std::nullopt;
  if (kind.isList && tensor.hasRank() && tensor.getRank() > kListRank)
    return std::nullopt;
  return kind;
}

/// The extents that two shapes have in common, if their ranks are equal.
static std::optional<SmallVector<int64_t>>
mergeShapes(const std::optional<SmallVector<int64_t>> &a,
            const std::optional<SmallVector<int64_t>> &b) {
  if (!a || !b || a->size() != b->size())
    return std::nullopt;
  SmallVector<int64_t> shape(*a);
  for (auto [extent, other] : llvm::zip(shape, *b))
    if (extent != other)
      extent = ShapedType::kDynamic;
  return shape;
}

std::optional<Kind> onnx_to_qgraph::merge(const Kind &a, const Kind &b) {
  if (a.isList != b.isList ||
      (a.elementType && b.elementType && a.elementType != b.elementType))
    return std::nullopt;
  Kind kind = a.isEmpty ? b : a;
  // What is there always may be what is there sometimes.
  kind.isOptional = a.isOptional || b.isOptional;
  if (!kind.elementType)
    kind.elementType = a.elementType ? a.elementType : b.elementType;
  if (!a.isEmpty && !b.isEmpty)
    kind.shape = mergeShapes(a.shape, b.shape);
  if (!kind.isList && !kind.shape)
    return std::nullopt;
  return kind;
}

//===----------------------------------------------------------------------===//
// Lists
//===----------------------------------------------------------------------===//

static Type indexType(Walk &walk) {
  return walk.builder.getIntegerType(64, /*isSigned=*/true);
}

TensorInfo onnx_to_qgraph::makeList(Type elementType,
                                    std::vector<TensorInfo> items) {
  TensorInfo info;
  info.list = std::make_shared<ListInfo>();
  info.list->elementType = elementType;
  for (auto [i, item] : llvm::enumerate(items))
    info.list->shape = i == 0 ? std::optional(shapeOf(item))
                              : mergeShapes(info.list->shape, shapeOf(item));
  info.list->items = std::move(items);
  return info;
}

static TensorInfo listOf(const Kind &kind, const TensorInfo &data,
                         const TensorInfo &table) {
  TensorInfo info;
  info.list = std::make_shared<ListInfo>();
  info.list->elementType = kind.elementType;
  info.list->shape = kind.shape;
  info.list->data = data;
  info.list->table = table;
  info.list->assumedEmpty = kind.isEmpty;
  return info;
}

/// The operands one after the other along the first dimension.
static TensorInfo concatenate(Walk &walk, MutableArrayRef<TensorInfo> infos) {
  Dims dims = infos.front().dims;
  dims[0] = walk.arith.constant(0);
  SmallVector<TensorInfo *> operands;
  for (TensorInfo &info : infos) {
    if (walk.arith.isConstant(info.dims[0], 0))
      continue;
    dims[0] = walk.arith.add(dims[0], info.dims[0]);
    operands.push_back(&info);
  }
  if (operands.empty())
    return infos.front();
  if (operands.size() == 1)
    return *operands.front();
  return walk.node("Concat", operands, infos.front().elementType, dims,
                   {{"axis", walk.integerAttr(0)}});
}

static TensorInfo flat(Walk &walk, const TensorInfo &info) {
  TensorInfo copy = info;
  return walk.reshape(copy, {walk.arith.product(info.dims)});
}

/// The row of a table for a tensor of these dimensions that begins there.
static TensorInfo rowFor(Walk &walk, ArrayRef<Dim> dims, Dim offset) {
  Elements row = {walk.arith.constant(dims.size()), offset};
  llvm::append_range(row, dims);
  row.resize(kTableWidth, walk.arith.constant(0));
  return walk.fromElements(
      indexType(walk),
      {walk.arith.constant(1), walk.arith.constant(kTableWidth)},
      std::move(row));
}

/// The two tensors of a list.
static std::pair<TensorInfo, TensorInfo> tensorsOf(Walk &walk, ListInfo &list) {
  if (!list.items)
    return {list.data, list.table};
  Dim offset = walk.arith.constant(0);
  SmallVector<TensorInfo> data, rows;
  for (const TensorInfo &item : *list.items) {
    data.push_back(flat(walk, item));
    rows.push_back(rowFor(walk, item.dims, offset));
    offset = walk.arith.add(offset, data.back().dims[0]);
  }
  Dim zero = walk.arith.constant(0);
  if (data.empty())
    return {walk.fromElements(list.elementType, {zero}, {}),
            walk.fromElements(indexType(walk),
                              {zero, walk.arith.constant(kTableWidth)}, {})};
  return {concatenate(walk, data), concatenate(walk, rows)};
}

Dim onnx_to_qgraph::lengthOf(Walk &walk, const TensorInfo &list) {
  if (list.list->items)
    return walk.arith.constant(list.list->items->size());
  return list.list->table.dims[0];
}

/// A position of a list from the front; null if it is out of range.
static Dim positionIn(Walk &walk, Dim position, Dim length, bool mayBeEnd) {
  DimArithmetic &arith = walk.arith;
  Dim last = mayBeEnd ? length : arith.sub(length, arith.constant(1));
  if (!arith.requireRange(position, arith.sub(arith.constant(0), length), last,
                          "position %a is outside of the sequence"))
    return {};
  Dim negative =
      arith.compare(arith::CmpIPredicate::slt, position, arith.constant(0));
  return arith.choose(negative, arith.add(position, length), position);
}

std::optional<TensorInfo>
onnx_to_qgraph::elementAt(Node &node, const TensorInfo &info, Dim position) {
  Walk &walk = node.walk;
  DimArithmetic &arith = walk.arith;
  ListInfo &list = *info.list;
  Dim length = lengthOf(walk, info);
  position = positionIn(walk, position, length, /*mayBeEnd=*/false);
  if (!position) {
    (void)node.unsupported("its position is outside of the sequence");
    return std::nullopt;
  }
  std::optional<int64_t> number = DimArithmetic::getConstant(position);
  if (list.items && number)
    return (*list.items)[*number];
  if (!list.shape) {
    (void)node.unsupported("the rank of the element is not known before it "
                           "runs; give the sequence's elements a shape in the "
                           "model");
    return std::nullopt;
  }
  auto [data, table] = tensorsOf(walk, list);
  TensorInfo row =
      buildSlice(walk, table,
                 AxisSlice{0, position, arith.constant(1), arith.constant(1)});
  std::optional<Elements> entries = walk.readElements(row);
  int64_t rank = list.shape->size();
  if (!entries ||
      !arith.require((*entries)[0], arith.constant(rank),
                     /*orOne=*/false,
                     "the element has %a dimensions, expected %b")) {
    (void)node.unsupported("its element has another rank");
    return std::nullopt;
  }
  Dims dims;
  for (int64_t d = 0; d < rank; ++d) {
    Dim dim = (*entries)[2 + d];
    if (!ShapedType::isDynamic((*list.shape)[d]))
      dim = arith.constant((*list.shape)[d]);
    else
      dim = arith.max(dim, arith.constant(0));
    dims.push_back(dim);
  }
  TensorInfo part = buildSlice(
      walk, data,
      AxisSlice{0, (*entries)[1], arith.constant(1), arith.product(dims)});
  return walk.reshape(part, dims);
}

std::optional<TensorInfo> onnx_to_qgraph::withElement(Node &node,
                                                      const TensorInfo &info,
                                                      TensorInfo item,
                                                      Dim position) {
  Walk &walk = node.walk;
  DimArithmetic &arith = walk.arith;
  ListInfo &list = *info.list;
  if (list.elementType && list.elementType != item.elementType) {
    (void)node.unsupported("the element has another type than the sequence");
    return std::nullopt;
  }
  if (item.rank() > kListRank) {
    (void)node.unsupported("an element of a sequence has at most " +
                           Twine(kListRank) + " dimensions");
    return std::nullopt;
  }
  Dim length = lengthOf(walk, info);
  if (position) {
    position = positionIn(walk, position, length, /*mayBeEnd=*/true);
    if (!position) {
      (void)node.unsupported("its position is outside of the sequence");
      return std::nullopt;
    }
  } else {
    position = length;
  }
  std::optional<int64_t> number = DimArithmetic::getConstant(position);
  if (list.items && number) {
    std::vector<TensorInfo> items = *list.items;
    items.insert(items.begin() + *number, std::move(item));
    return makeList(item.elementType, std::move(items));
  }
  auto [data, table] = tensorsOf(walk, list);
  TensorInfo more[] = {data, flat(walk, item)};
  TensorInfo row = rowFor(walk, item.dims, data.dims[0]);
  Kind kind = kindOf(info);
  kind.elementType = item.elementType;
  kind.shape = kind.isEmpty ? std::optional(shapeOf(item))
                            : mergeShapes(kind.shape, shapeOf(item));
  kind.isEmpty = false;
  Dim zero = arith.constant(0), one = arith.constant(1);
  TensorInfo rows[] = {
      buildSlice(walk, table, AxisSlice{0, zero, one, position}), row,
      buildSlice(walk, table,
                 AxisSlice{0, position, one, arith.sub(length, position)})};
  return listOf(kind, concatenate(walk, more), concatenate(walk, rows));
}

//===----------------------------------------------------------------------===//
// Passing regions and the model's border
//===----------------------------------------------------------------------===//

SmallVector<TensorInfo> onnx_to_qgraph::pack(Walk &walk, const TensorInfo &info,
                                             const Kind &kind) {
  SmallVector<TensorInfo> parts;
  if (kind.isOptional)
    parts.push_back(walk.fromElements(
        indexType(walk), {},
        {info.present ? info.present : walk.arith.constant(1)}));
  if (kind.isList) {
    TensorInfo list =
        info.list ? info
                  : makeList(kind.elementType, std::vector<TensorInfo>());
    auto [data, table] = tensorsOf(walk, *list.list);
    parts.push_back(data);
    parts.push_back(table);
    return parts;
  }
  if (info) {
    TensorInfo tensor = info;
    tensor.present = {};
    parts.push_back(tensor);
    return parts;
  }
  // Nothing: of the least size that the kind has.
  Dims dims;
  for (int64_t extent : *kind.shape)
    dims.push_back(
        walk.arith.constant(ShapedType::isDynamic(extent) ? 0 : extent));
  Element zero = isa<FloatType>(kind.elementType)
                     ? Element(walk.builder.getF64FloatAttr(0))
                     : Element(walk.arith.constant(0));
  parts.push_back(walk.fromSplat(kind.elementType, dims, zero));
  return parts;
}

TensorInfo onnx_to_qgraph::unpack(Walk &walk, const Kind &kind,
                                  ArrayRef<TensorInfo> parts) {
  TensorInfo info;
  ArrayRef<TensorInfo> content = parts.drop_front(kind.isOptional ? 1 : 0);
  if (kind.isList)
    info = listOf(kind, content[0], content[1]);
  else
    info = content[0];
  if (kind.isOptional) {
    TensorInfo flag = parts[0];
    info.present =
        walk.arith.clamp(walk.readElements(flag)->front(),
                         walk.arith.constant(0), walk.arith.constant(1));
  }
  return info;
}

//===----------------------------------------------------------------------===//
// Handlers
//===----------------------------------------------------------------------===//

TensorInfo onnx_to_qgraph::asDeclared(Walk &walk, TensorInfo info, Type type) {
  if (!info.present || !isa<onnx_ir::SequenceType, TensorType>(type))
    return info;
  (void)walk.arith.require(info.present, walk.arith.constant(1),
                           /*orOne=*/false, "a value is missing");
  info.present = {};
  return info;
}

/// The list that input `i` is; nothing after the node has its reason.
static std::optional<TensorInfo> listInput(Node &node, unsigned i) {
  if (i < node.numInputs() && node.has(i) && node.in(i).list)
    return node.in(i);
  (void)node.unsupported("input " + Twine(i) + " is no sequence");
  return std::nullopt;
}

/// An optional position; false after the node has its reason.
static bool positionInput(Node &node, unsigned i, Dim &position) {
  if (i >= node.numInputs() || !node.has(i))
    return true;
  position = node.element(i);
  if (!position)
    (void)node.unsupported("its position is not one value");
  return bool(position);
}

static LogicalResult handleSequenceEmpty(Node &node) {
  // f32, or what the attribute dtype says.
  std::optional<Kind> kind =
      kindOf(node.op.getResult(0).getType(), /*isKnownEmpty=*/true);
  if (!kind || !kind->isList)
    return node.unsupported("its element type is not supported");
  node.set(0, makeList(kind->elementType, {}));
  return success();
}

static LogicalResult handleSequenceConstruct(Node &node) {
  std::vector<TensorInfo> items;
  for (unsigned i = 0; i < node.numInputs(); ++i) {
    TensorInfo item = node.in(i);
    if (!item || item.rank() > kListRank ||
        item.elementType != node.in(0).elementType)
      return node.unsupported("input " + Twine(i) +
                              " cannot be an element of its sequence");
    items.push_back(item);
  }
  Type type = node.in(0).elementType;
  node.set(0, makeList(type, std::move(items)));
  return success();
}

static LogicalResult handleSequenceAt(Node &node) {
  std::optional<TensorInfo> list = listInput(node, 0);
  Dim position = node.element(1);
  if (!list)
    return failure();
  if (!position)
    return node.unsupported("its position is not one value");
  std::optional<TensorInfo> item = elementAt(node, *list, position);
  if (!item)
    return failure();
  node.set(0, *item);
  return success();
}

static LogicalResult handleSequenceLength(Node &node) {
  std::optional<TensorInfo> list = listInput(node, 0);
  if (!list)
    return failure();
  node.set(0, node.walk.fromElements(indexType(node.walk), {},
                                     {lengthOf(node.walk, *list)}));
  return success();
}

static LogicalResult handleSequenceInsert(Node &node) {
  std::optional<TensorInfo> list = listInput(node, 0);
  Dim position;
  if (!list || !positionInput(node, 2, position))
    return failure();
  TensorInfo item = node.in(1), before = *list;
  if (!item)
    return node.unsupported("what is inserted is no tensor");
  std::optional<TensorInfo> result = withElement(node, before, item, position);
  if (!result)
    return failure();
  node.set(0, *result);
  return success();
}

static LogicalResult handleSequenceErase(Node &node) {
  Walk &walk = node.walk;
  DimArithmetic &arith = walk.arith;
  std::optional<TensorInfo> given = listInput(node, 0);
  Dim position;
  if (!given || !positionInput(node, 1, position))
    return failure();
  TensorInfo info = *given;
  ListInfo &list = *info.list;
  Dim length = lengthOf(walk, info), one = arith.constant(1);
  if (!position)
    position = arith.constant(-1);
  position = positionIn(walk, position, length, /*mayBeEnd=*/false);
  if (!position)
    return node.unsupported("its position is outside of the sequence");
  std::optional<int64_t> number = DimArithmetic::getConstant(position);
  if (list.items && number) {
    std::vector<TensorInfo> items = *list.items;
    items.erase(items.begin() + *number);
    node.set(0, makeList(list.elementType, std::move(items)));
    return success();
  }
  auto [data, table] = tensorsOf(walk, list);
  Dim next = arith.add(position, one);
  TensorInfo rows[] = {
      buildSlice(walk, table, AxisSlice{0, arith.constant(0), one, position}),
      buildSlice(walk, table,
                 AxisSlice{0, next, one, arith.sub(length, next)})};
  node.set(0, listOf(kindOf(info), data, concatenate(walk, rows)));
  return success();
}

/// Parts of equal or given lengths along an axis.
static LogicalResult handleSplitToSequence(Node &node) {
  Walk &walk = node.walk;
  DimArithmetic &arith = walk.arith;
  TensorInfo input = node.in(0);
  int64_t axis = normalizeAxis(node.integer("axis", 0), input.rank());
  if (axis < 0)
    return node.unsupported("axis is out of range");
  Dim extent = input.dims[axis], one = arith.constant(1);
  bool keep = node.integer("keepdims", 1);
  bool hasLengths = node.numInputs() > 1 && node.has(1);
  keep |= hasLengths;
  std::optional<Elements> lengths;
  Dim size = one, count;
  if (hasLengths && node.in(1).rank() > 0) {
    lengths = node.elements(1);
    count = node.in(1).dims[0];
  } else {
    if (hasLengths)
      size = node.element(1);
    if (!size)
      return node.unsupported("the length of its parts is not one value");
    if (arith.boundsOf(size).low < 1 &&
        !arith.requireRange(size, one, arith.constant(int64_t(1) << 60),
                            "parts of %a"))
      return node.unsupported("the length of its parts is not positive");
    count = arith.div(arith.add(extent, arith.sub(size, one)), size);
    std::optional<int64_t> number = DimArithmetic::getConstant(count);
    if (number && *number <= kSmall) {
      lengths.emplace();
      for (int64_t i = 0; i < *number; ++i)
        lengths->push_back(arith.min(
            size, arith.sub(extent, arith.mul(arith.constant(i), size))));
    }
  }
  auto shapeOfPart = [&](Dim length) {
    Dims dims = input.dims;
    if (keep)
      dims[axis] = length;
    else
      dims.erase(dims.begin() + axis);
    return dims;
  };
  if (lengths) {
    Dim start = arith.constant(0);
    std::vector<TensorInfo> items;
    for (Dim length : *lengths) {
      if (arith.boundsOf(length).low < 0 &&
          !arith.requireRange(length, arith.constant(0), extent,
                              "a part of %a elements"))
        return node.unsupported("a length is negative or too large");
      TensorInfo part =
          buildSlice(walk, input, AxisSlice{axis, start, one, length});
      items.push_back(walk.reshape(part, shapeOfPart(length)));
      start = arith.add(start, length);
    }
    if (!arith.require(start, extent, /*orOne=*/false,
                       "its parts have %a elements of %b"))
      return node.unsupported("its lengths do not add up to the dimension");
    node.set(0, makeList(input.elementType, std::move(items)));
    return success();
  }
  // As many parts as data says: a kernel writes list and table.
  if (input.rank() > kListRank)
    return node.unsupported("an element of a sequence has at most " +
                            Twine(kListRank) + " dimensions");
  TensorInfo list;
  if (hasLengths && node.in(1).rank() > 0) {
    list = walk.convert(node.in(1), indexType(walk));
  } else {
    // min(size, extent - i * size)
    TensorInfo left =
        walk.fromRamp(indexType(walk), {count},
                      {{arith.sub(arith.constant(0), size)}, extent});
    TensorInfo most = walk.fromElements(indexType(walk), {}, {size});
    FailureOr<TensorInfo> smaller =
        walk.elementwise("Min", {&left, &most}, indexType(walk));
    if (failed(smaller))
      return node.unsupported("its parts cannot be computed");
    list = *smaller;
  }
  Dim total = arith.product(input.dims);
  SmallVector<TensorInfo> made = walk.nodes(
      {"SplitToList", "quantc", 1}, {&input, &list},
      {{input.elementType, {total}},
       {indexType(walk), {count, arith.constant(kTableWidth)}}},
      {{"axis", walk.integerAttr(axis)}, {"keepdims", walk.integerAttr(keep)}});
  Kind kind;
  kind.isList = true;
  kind.elementType = input.elementType;
  TensorInfo part;
  part.dims = shapeOfPart(Dim(arith.materialize(extent)));
  kind.shape = shapeOf(part);
  if (keep)
    (*kind.shape)[axis] = ShapedType::kDynamic;
  node.set(0, listOf(kind, made[0], made[1]));
  return success();
}

static LogicalResult handleConcatFromSequence(Node &node) {
  Walk &walk = node.walk;
  DimArithmetic &arith = walk.arith;
  std::optional<TensorInfo> given = listInput(node, 0);
  if (!given)
    return failure();
  TensorInfo info = *given;
  ListInfo &list = *info.list;
  bool isNew = node.integer("new_axis", 0);
  if (!list.shape)
    return node.unsupported("the rank of the sequence's elements is not known, "
                            "or it is empty");
  int64_t rank = list.shape->size() + (isNew ? 1 : 0);
  int64_t axis = normalizeAxis(node.integer("axis", 0), rank);
  if (axis < 0)
    return node.unsupported("axis is out of range");
  if (list.items) {
    SmallVector<TensorInfo> items;
    SmallVector<TensorInfo *> operands;
    for (TensorInfo item : *list.items) {
      Dims dims = item.dims;
      if (isNew)
        dims.insert(dims.begin() + axis, arith.constant(1));
      items.push_back(walk.reshape(item, dims));
    }
    Dims dims = items.front().dims;
    for (auto [i, item] : llvm::enumerate(items)) {
      operands.push_back(&item);
      if (i == 0)
        continue;
      for (int64_t d = 0; d < rank; ++d) {
        if (d == axis)
          dims[d] = arith.add(dims[d], item.dims[d]);
        else if (!arith.require(dims[d], item.dims[d]))
          return node.unsupported("the elements differ in dimension " +
                                  Twine(d));
      }
    }
    node.set(0, operands.size() == 1
                    ? items.front()
                    : walk.node("Concat", operands, list.elementType, dims,
                                {{"axis", walk.integerAttr(axis)}}));
    return success();
  }
  Dim length = lengthOf(walk, info), zero = arith.constant(0),
      one = arith.constant(1);
  if (!arith.require(arith.compare(arith::CmpIPredicate::sgt, length, zero),
                     one,
                     /*orOne=*/false, "the sequence is empty"))
    return node.unsupported("the sequence is empty");
  // Dimensions of the first; the kernel checks that the others have them too.
  TensorInfo row = buildSlice(walk, list.table, AxisSlice{0, zero, one, one});
  std::optional<Elements> entries = walk.readElements(row);
  Dims dims;
  for (auto [d, extent] : llvm::enumerate(*list.shape))
    dims.push_back(ShapedType::isDynamic(extent)
                       ? arith.max((*entries)[2 + d], zero)
                       : arith.constant(extent));
  if (isNew) {
    dims.insert(dims.begin() + axis, length);
  } else {
    TensorInfo column = buildSlice(
        walk, list.table, AxisSlice{1, arith.constant(2 + axis), one, one});
    TensorInfo sum = walk.node("ReduceSum", {&column}, indexType(walk), {},
                               {{"axes", walk.integersAttr({0, 1})},
                                {"keepdims", walk.integerAttr(0)}});
    dims[axis] = arith.max(walk.readElements(sum)->front(), zero);
  }
  SmallVector<TensorInfo> made =
      walk.nodes({"ConcatFromList", "quantc", 1}, {&list.data, &list.table},
                 {{list.elementType, dims}},
                 {{"axis", walk.integerAttr(axis)},
                  {"new_axis", walk.integerAttr(isNew)}});
  node.set(0, made.front());
  return success();
}

//===----------------------------------------------------------------------===//
// Optionals
//===----------------------------------------------------------------------===//

static LogicalResult handleOptional(Node &node) {
  TensorInfo info;
  if (node.numInputs() > 0 && node.has(0)) {
    info = node.in(0);
    info.present = node.walk.arith.constant(1);
    node.set(0, info);
    return success();
  }
  auto type = dyn_cast_or_null<TypeAttr>(node.op.getNodeAttr("type"));
  std::optional<Kind> kind;
  if (type)
    kind = kindOf(type.getValue(), /*isKnownEmpty=*/true);
  if (!kind)
    return node.unsupported("the type of what is missing is not known");
  if (kind->isList)
    info = makeList(kind->elementType, {});
  else
    info = pack(node.walk, TensorInfo(), *kind).front();
  info.present = node.walk.arith.constant(0);
  node.set(0, info);
  return success();
}

static LogicalResult handleOptionalHasElement(Node &node) {
  Walk &walk = node.walk;
  Dim present = walk.arith.constant(0);
  if (node.numInputs() > 0 && node.has(0) && isThere(node.in(0)))
    present = node.in(0).present ? node.in(0).present : walk.arith.constant(1);
  node.set(0, walk.fromElements(walk.builder.getI1Type(), {}, {present}));
  return success();
}

static LogicalResult handleOptionalGetElement(Node &node) {
  TensorInfo info = node.in(0);
  if (!isThere(info))
    return node.unsupported("there is nothing to get");
  if (info.present &&
      !node.walk.arith.require(info.present, node.walk.arith.constant(1),
                               /*orOne=*/false, "there is nothing to get"))
    return node.unsupported("there is nothing to get");
  info.present = {};
  node.set(0, info);
  return success();
}

ArrayRef<Handler> onnx_to_qgraph::sequenceHandlers() {
  static const Handler handlers[] = {
      {"", "SequenceEmpty", 11, kNewest, handleSequenceEmpty},
      {"", "SequenceConstruct", 11, kNewest, handleSequenceConstruct},
      {"", "SequenceAt", 11, kNewest, handleSequenceAt},
      {"", "SequenceLength", 11, kNewest, handleSequenceLength},
      {"", "SequenceInsert", 11, kNewest, handleSequenceInsert},
      {"", "SequenceErase", 11, kNewest, handleSequenceErase},
      {"", "SplitToSequence", 11, kNewest, handleSplitToSequence},
      {"", "ConcatFromSequence", 11, kNewest, handleConcatFromSequence},
      {"", "Optional", 15, kNewest, handleOptional},
      {"", "OptionalHasElement", 15, kNewest, handleOptionalHasElement},
      {"", "OptionalGetElement", 15, kNewest, handleOptionalGetElement},
  };
  return handlers;
}
