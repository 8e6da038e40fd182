//===- Build.cpp - What the handlers build with ---------------------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "StoredConstants.h"

#include "quantc/Dialect/QGraph/Shapes.h"

#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/Utils/IndexingUtils.h"

using namespace mlir;
using namespace quantc;
using namespace quantc::onnx_to_qgraph;

bool onnx_to_qgraph::isReal(Type type) {
  return isa<Float32Type, Float16Type, BFloat16Type>(type);
}

onnx_ir::NodeOp onnx_to_qgraph::nodeOf(Value value, StringRef opType) {
  auto op = value ? value.getDefiningOp<onnx_ir::NodeOp>() : onnx_ir::NodeOp();
  return op && op.is(opType) ? op : onnx_ir::NodeOp();
}

//===----------------------------------------------------------------------===//
// Tensors
//===----------------------------------------------------------------------===//

RankedTensorType Walk::typeOf(ArrayRef<Dim> dims, Type element) {
  SmallVector<int64_t> shape;
  for (Dim dim : dims)
    shape.push_back(
        DimArithmetic::getConstant(dim).value_or(ShapedType::kDynamic));
  return RankedTensorType::get(shape, element);
}

RankedTensorType Walk::typeOf(const TensorInfo &info) {
  return typeOf(info.dims, info.elementType);
}

TensorInfo Walk::tensor(Value value, ArrayRef<Dim> dims) {
  TensorInfo info;
  info.elementType = cast<RankedTensorType>(value.getType()).getElementType();
  info.dims.assign(dims.begin(), dims.end());
  info.value = value;
  if (std::optional<SmallVector<int64_t>> shape = staticShape(dims))
    if (llvm::is_contained(*shape, 0))
      info.elements.emplace(); // none at all
  dimsOf[value] = info.dims;
  return info;
}

TensorInfo Walk::lookup(Value value) {
  auto known = dimsOf.find(value);
  if (known == dimsOf.end())
    return tensor(value, Dims(qgraph::getDims(builder, value)));
  return tensor(value, Dims(known->second));
}

TensorInfo Walk::fromElements(Type type, ArrayRef<Dim> dims,
                              Elements elements) {
  TensorInfo info;
  info.elementType = type;
  info.dims.assign(dims.begin(), dims.end());
  info.elements = std::move(elements);
  return info;
}

TensorInfo Walk::fromSplat(Type type, ArrayRef<Dim> dims, Element value) {
  TensorInfo info;
  info.elementType = type;
  info.dims.assign(dims.begin(), dims.end());
  info.splat = value;
  if (std::optional<SmallVector<int64_t>> shape = smallShape(dims))
    info.elements = Elements(computeProduct(*shape), value);
  return info;
}

TensorInfo Walk::fromRamp(Type type, ArrayRef<Dim> dims,
                          TensorInfo::Ramp ramp) {
  TensorInfo info;
  info.elementType = type;
  info.dims.assign(dims.begin(), dims.end());
  info.ramp = ramp;
  return info;
}

/// A tensor of computed integers: `index` values, cast, then given their sign.
static Value fromIndices(Walk &walk, TensorInfo &info) {
  OpBuilder &builder = walk.builder;
  auto type = cast<IntegerType>(info.elementType);
  auto signless = IntegerType::get(type.getContext(), type.getWidth());
  SmallVector<Value> values;
  for (Element element : *info.elements)
    values.push_back(arith::IndexCastOp::create(
        walk.builder, signless, walk.arith.materialize(element)));
  Value result = tensor::FromElementsOp::create(
      walk.builder, walk.typeOf(info.dims, signless), values);
  if (type == signless)
    return result;
  return qgraph::ReinterpretOp::create(builder, walk.builder.getLoc(),
                                       walk.typeOf(info), result);
}

Value Walk::materialize(TensorInfo &info) {
  if (info.value)
    return info.value;
  if (info.elements) {
    if (DenseElementsAttr dense = denseOf(typeOf(info), *info.elements))
      info.value = qgraph::ConstantOp::create(builder, dense);
    else
      info.value = fromIndices(*this, info);
  } else if (info.splat) {
    TensorInfo scalar = fromElements(info.elementType, {}, {info.splat});
    info.value = node("Expand", {&scalar}, info.elementType, info.dims).value;
  } else if (info.ramp) {
    info.value = materializeRamp(*this, info);
  }
  assert(info.value && "a value that is not known by anything");
  return info.value;
}

//===----------------------------------------------------------------------===//
// Nodes
//===----------------------------------------------------------------------===//

Attribute Walk::integerAttr(int64_t value) {
  Type type = builder.getIntegerType(64, /*isSigned=*/true);
  return builder.getIntegerAttr(type, value);
}

Attribute Walk::integersAttr(ArrayRef<int64_t> values) {
  SmallVector<Attribute> attributes;
  for (int64_t value : values)
    attributes.push_back(integerAttr(value));
  return builder.getArrayAttr(attributes);
}

Attribute Walk::realAttr(double value) {
  return builder.getF32FloatAttr(static_cast<float>(value));
}

Walk::Operator::Operator(StringRef type)
    : type(type),
      version(onnx_ir::sinceVersion(type, "", onnx_ir::latestOpset(""))
                  .value_or(1)) {}

SmallVector<TensorInfo> Walk::nodes(Operator op, ArrayRef<TensorInfo *> inputs,
                                    ArrayRef<Result> results,
                                    Attributes attributes) {
  SmallVector<Value> operands, sizes;
  SmallVector<Type> types;
  for (TensorInfo *input : inputs)
    operands.push_back(*input ? materialize(*input)
                              : onnx_ir::NoneOp::create(builder).getResult());
  for (const auto &[elementType, dims] : results) {
    types.push_back(typeOf(dims, elementType));
    for (Dim dim : dims)
      if (!DimArithmetic::getConstant(dim))
        sizes.push_back(cast<Value>(dim));
  }
  NamedAttrList list;
  for (auto [name, value] : attributes)
    if (value)
      list.append(name, value);
  auto node = onnx_ir::NodeOp::create(
      builder, TypeRange(types), operands, sizes, op.type, op.domain,
      op.version, list.getDictionary(builder.getContext()),
      /*name=*/StringAttr(), /*subgraph_names=*/ArrayAttr(),
      /*subgraphsCount=*/0);
  SmallVector<TensorInfo> made;
  for (auto [result, described] : llvm::zip(node.getOutputs(), results))
    made.push_back(tensor(result, described.second));
  return made;
}

TensorInfo Walk::linear(TensorInfo &input, Value weight, Value bias,
                        StringAttr name) {
  Dims dims = input.dims;
  dims.back() =
      arith.constant(cast<RankedTensorType>(weight.getType()).getDimSize(0));
  Value result = qgraph::LinearOp::create(
      builder, typeOf(dims, input.elementType), materialize(input), weight,
      bias, /*epilogue_operands=*/ValueRange(), builder.getArrayAttr({}), name);
  return tensor(result, dims);
}

//===----------------------------------------------------------------------===//
// Movement
//===----------------------------------------------------------------------===//

/// Reshape(Transpose(Reshape(x))), where the first reshape merges dimensions of
/// x and the last takes them apart again: the permutation of x that it is.
static std::optional<SmallVector<int64_t>>
permutationOf(DimArithmetic &arith, ArrayRef<Dim> source, ArrayRef<Dim> merged,
              ArrayRef<int64_t> permutation, ArrayRef<Dim> target) {
  // The dimensions of x that each merged dimension consists of.
  SmallVector<SmallVector<int64_t>> groups(merged.size());
  size_t next = 0;
  for (auto [i, dim] : llvm::enumerate(merged)) {
    Dim product = arith.constant(1);
    while (next < source.size() && !arith.equal(product, dim)) {
      product = arith.mul(product, source[next]);
      groups[i].push_back(next++);
    }
    if (!arith.equal(product, dim) || groups[i].empty())
      return std::nullopt;
  }
  SmallVector<int64_t> result;
  Dims dims;
  for (int64_t axis : permutation)
    llvm::append_range(result, groups[axis]);
  for (int64_t axis : result)
    dims.push_back(source[axis]);
  if (next != source.size() || !arith.equal(dims, target))
    return std::nullopt;
  return result;
}

TensorInfo Walk::reshape(TensorInfo &info, ArrayRef<Dim> dims) {
  if (arith.equal(info.dims, dims))
    return info;
  TensorInfo result;
  result.elementType = info.elementType;
  result.dims.assign(dims.begin(), dims.end());
  if (staticShape(dims))
    result.elements = info.elements;
  result.splat = info.splat;
  if (info.ramp)
    result.ramp = reshapeRamp(arith, *info.ramp, info.dims, dims);
  bool known = result.elements || result.splat || result.ramp;
  if (!info.value && known)
    return result;
  Value source = materialize(info);
  if (std::optional<SmallVector<int64_t>> shape = staticShape(dims)) {
    Value constant = reshapedConstant(source, *shape);
    if (!constant)
      constant = reshapedStored(*this, source, *shape);
    if (constant) {
      result.value = constant;
      return result;
    }
  }
  if (known && !info.ramp) // elements and splats are cheaper made anew
    return result;
  TensorInfo from = info;
  // A reshape of a reshape is one.
  if (auto op = source.getDefiningOp<onnx_ir::NodeOp>())
    if (op.is("Reshape"))
      from = lookup(op.getInputs()[0]);
  if (onnx_ir::NodeOp moved = nodeOf(source, "Transpose"))
    if (onnx_ir::NodeOp merge = nodeOf(moved.getInputs()[0], "Reshape")) {
      TensorInfo inner = lookup(merge.getInputs()[0]);
      if (auto permutation =
              permutationOf(arith, inner.dims, lookup(merge.getResult(0)).dims,
                            moved.getIntsAttr("perm"), dims))
        return transpose(inner, *permutation);
    }
  if (arith.equal(from.dims, dims))
    result.value = from.value;
  else
    result.value = node("Reshape", {&from}, info.elementType, dims).value;
  return result;
}

TensorInfo Walk::toRank(TensorInfo &info, int64_t rank) {
  Dims dims(std::max<int64_t>(rank - info.rank(), 0), arith.constant(1));
  dims.append(info.dims);
  return reshape(info, dims);
}

TensorInfo Walk::expand(TensorInfo &info, ArrayRef<Dim> dims) {
  if (arith.equal(info.dims, dims))
    return info;
  if (Element value = uniform(info))
    return fromSplat(info.elementType, dims, value);
  int64_t shift = int64_t(dims.size()) - info.rank();
  std::optional<SmallVector<int64_t>> to = smallShape(dims);
  if (info.elements && to) {
    SmallVector<int64_t> from = *staticShape(info.dims);
    SmallVector<int64_t> strides = stridesOf(from), toStrides = stridesOf(*to);
    Elements elements;
    for (int64_t i = 0, e = computeProduct(*to); i < e; ++i) {
      int64_t source = 0;
      for (size_t d = 0; d < from.size(); ++d)
        if (from[d] != 1)
          source += i / toStrides[d + shift] % (*to)[d + shift] * strides[d];
      elements.push_back((*info.elements)[source]);
    }
    return fromElements(info.elementType, dims, std::move(elements));
  }
  if (info.ramp) {
    TensorInfo::Ramp ramp = *info.ramp;
    ramp.steps.insert(ramp.steps.begin(), shift, arith.constant(0));
    bool known = true;
    for (auto [d, dim] : llvm::enumerate(info.dims))
      known &= arith.equal(dim, dims[d + shift]) || arith.isConstant(dim, 1);
    if (known && !info.value)
      return fromRamp(info.elementType, dims, ramp);
    // Made from what is there, and still known.
    TensorInfo result = node("Expand", {&info}, info.elementType, dims);
    if (known)
      result.ramp = ramp;
    return result;
  }
  return node("Expand", {&info}, info.elementType, dims);
}

TensorInfo Walk::transpose(TensorInfo &info, ArrayRef<int64_t> permutation) {
  Dims dims;
  for (int64_t axis : permutation)
    dims.push_back(info.dims[axis]);
  if (llvm::is_sorted(permutation))
    return info;
  if (info.splat && !info.value)
    return fromSplat(info.elementType, dims, info.splat);
  if (info.elements) {
    SmallVector<int64_t> from = *staticShape(info.dims),
                         to = *staticShape(dims);
    SmallVector<int64_t> strides = stridesOf(from), toStrides = stridesOf(to);
    Elements elements;
    for (int64_t i = 0, e = computeProduct(to); i < e; ++i) {
      int64_t source = 0;
      for (size_t d = 0; d < to.size(); ++d)
        source += i / toStrides[d] % to[d] * strides[permutation[d]];
      elements.push_back((*info.elements)[source]);
    }
    return fromElements(info.elementType, dims, std::move(elements));
  }
  if (info.ramp && !info.value) {
    TensorInfo::Ramp ramp{{}, info.ramp->start};
    for (int64_t axis : permutation)
      ramp.steps.push_back(info.ramp->steps[axis]);
    return fromRamp(info.elementType, dims, ramp);
  }
  // Where the dimensions that move past each other are 1, the order of the
  // elements stays.
  SmallVector<int64_t> moved;
  for (int64_t axis : permutation)
    if (!arith.isConstant(info.dims[axis], 1))
      moved.push_back(axis);
  if (llvm::is_sorted(moved))
    return reshape(info, dims);
  TensorInfo from = info;
  SmallVector<int64_t> combined(permutation);
  if (auto op = materialize(info).getDefiningOp<onnx_ir::NodeOp>())
    if (op.is("Transpose")) {
      SmallVector<int64_t> first = op.getIntsAttr("perm");
      for (int64_t &axis : combined)
        axis = first[axis];
      from = lookup(op.getInputs()[0]);
      if (llvm::is_sorted(combined))
        return tensor(from.value, dims);
    }
  return node("Transpose", {&from}, info.elementType, dims,
              {{"perm", integersAttr(combined)}});
}

TensorInfo Walk::convert(TensorInfo &info, Type type) {
  if (info.elementType == type)
    return info;
  if (std::optional<TensorInfo> folded =
          foldElementwise(*this, "Cast", {&info}, type, info.dims))
    return *folded;
  if (info.ramp && !info.value && isa<IntegerType>(type) &&
      type.getIntOrFloatBitWidth() >= 32)
    return fromRamp(type, info.dims, *info.ramp);
  return node("Cast", {&info}, type, info.dims);
}
