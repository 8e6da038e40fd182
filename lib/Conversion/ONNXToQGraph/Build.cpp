//===- Build.cpp - What the handlers build with ---------------------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Walk.h"

#include "quantc/Dialect/QGraph/Shapes.h"

#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/Utils/IndexingUtils.h"
#include "llvm/Support/MathExtras.h"

#include <cstring>

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

std::optional<double> onnx_to_qgraph::constantNumber(Value value) {
  auto op =
      value ? value.getDefiningOp<qgraph::ConstantOp>() : qgraph::ConstantOp();
  auto dense =
      op ? dyn_cast<DenseElementsAttr>(op.getValue()) : DenseElementsAttr();
  if (!dense || !dense.isSplat() || !isa<FloatType>(dense.getElementType()))
    return std::nullopt;
  APFloat number = dense.getSplatValue<APFloat>();
  bool losesInfo;
  number.convert(APFloat::IEEEdouble(), APFloat::rmNearestTiesToEven,
                 &losesInfo);
  return number.convertToDouble();
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
  if (llvm::any_of(dims, [](Dim d) { return DimArithmetic::isConstant(d, 0); }))
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
  std::optional<SmallVector<int64_t>> shape = staticShape(dims);
  if (shape && computeProduct(*shape) <= kSmall)
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

static TypedAttr constantOf(Value value) {
  auto op = value ? value.getDefiningOp<qgraph::ConstantOp>() : nullptr;
  return op ? op.getValue() : TypedAttr();
}

static WeightStores &storesOf(MLIRContext *context) {
  return context->getLoadedDialect<qgraph::QGraphDialect>()->getWeights();
}

/// The elements of a constant of 64-bit integers that is no small one; empty if
/// it is none, or has more than a million.
static SmallVector<int64_t> integersOf(TypedAttr value) {
  auto type = cast<RankedTensorType>(value.getType());
  if (!type.getElementType().isInteger(64) ||
      type.getNumElements() > (int64_t(1) << 20))
    return {};
  SmallVector<int64_t> integers(type.getNumElements());
  if (auto dense = dyn_cast<DenseElementsAttr>(value)) {
    for (auto [i, element] : llvm::enumerate(dense.getValues<APInt>()))
      integers[i] = element.getSExtValue();
    return integers;
  }
  auto weight = dyn_cast<qgraph::WeightAttr>(value);
  if (!weight)
    return {};
  llvm::Expected<WeightHandle> entry =
      storesOf(value.getContext()).find(weight.getStore(), weight.getName());
  if (!entry) {
    llvm::consumeError(entry.takeError());
    return {};
  }
  if ((*entry)->bytes.size() != integers.size() * sizeof(int64_t))
    return {};
  std::memcpy(integers.data(), (*entry)->bytes.data(), (*entry)->bytes.size());
  return integers;
}

/// Tables of positions (0, 1, 2, ...) and of equal numbers are known as such.
static void describeIntegers(TensorInfo &info, TypedAttr value,
                             Builder &builder) {
  SmallVector<int64_t> integers = integersOf(value);
  if (integers.empty())
    return;
  if (llvm::all_equal(integers)) {
    info.splat = builder.getIndexAttr(integers.front());
    return;
  }
  ArrayRef<int64_t> shape = cast<RankedTensorType>(value.getType()).getShape();
  const auto *axis = llvm::find_if(shape, [](int64_t d) { return d != 1; });
  if (*axis != int64_t(integers.size()))
    return;
  for (size_t i = 0; i < integers.size(); ++i)
    if (integers[i] != integers[0] + int64_t(i))
      return;
  TensorInfo::Ramp ramp;
  ramp.start = builder.getIndexAttr(integers[0]);
  for (int64_t extent : shape)
    ramp.steps.push_back(builder.getIndexAttr(extent != 1));
  info.ramp = ramp;
}

TensorInfo Walk::constant(TypedAttr value) {
  auto type = cast<RankedTensorType>(value.getType());
  TensorInfo info;
  info.elementType = type.getElementType();
  for (int64_t extent : type.getShape())
    info.dims.push_back(arith.constant(extent));
  if (auto dense = dyn_cast<DenseElementsAttr>(value))
    if (dense.getNumElements() <= kSmall &&
        isa<IntegerType, FloatType>(info.elementType))
      info.elements = elementsOf(dense, builder);
  if (!info.elements)
    describeIntegers(info, value, builder);
  info.value = qgraph::ConstantOp::create(builder, value);
  return info;
}

TensorInfo Walk::scalar(double value, Type type) {
  return constant(DenseElementsAttr::get(RankedTensorType::get({}, type),
                                         builder.getFloatAttr(type, value)));
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

TensorInfo Walk::node(StringRef opType, ArrayRef<TensorInfo *> inputs,
                      Type elementType, ArrayRef<Dim> dims,
                      Attributes attributes) {
  SmallVector<Value> operands, sizes;
  for (TensorInfo *input : inputs)
    operands.push_back(*input ? materialize(*input)
                              : onnx_ir::NoneOp::create(builder).getResult());
  for (Dim dim : dims)
    if (!DimArithmetic::getConstant(dim))
      sizes.push_back(cast<Value>(dim));
  NamedAttrList list;
  for (auto [name, value] : attributes)
    if (value)
      list.append(name, value);
  int64_t version =
      onnx_ir::sinceVersion(opType, "", onnx_ir::latestOpset("")).value_or(1);
  auto op = onnx_ir::NodeOp::create(
      builder, TypeRange(typeOf(dims, elementType)), operands, sizes, opType,
      /*domain=*/"", version, list.getDictionary(builder.getContext()),
      /*name=*/StringAttr(), /*subgraph_names=*/ArrayAttr(),
      /*subgraphsCount=*/0);
  return tensor(op.getResult(0), dims);
}

//===----------------------------------------------------------------------===//
// Constants
//===----------------------------------------------------------------------===//

static WeightType weightTypeOf(RankedTensorType type) {
  WeightType result;
  llvm::raw_string_ostream(result.element) << type.getElementType();
  result.shape.assign(type.getShape().begin(), type.getShape().end());
  return result;
}

Value Walk::reshapedConstant(Value value, ArrayRef<int64_t> shape) {
  TypedAttr attribute = constantOf(value);
  if (!attribute)
    return {};
  auto type = cast<RankedTensorType>(attribute.getType()).clone(shape);
  if (auto dense = dyn_cast<DenseElementsAttr>(attribute))
    return qgraph::ConstantOp::create(builder, dense.reshape(type));
  auto weight = cast<qgraph::WeightAttr>(attribute);
  WeightStores &stores = storesOf(builder.getContext());
  llvm::Expected<WeightHandle> entry =
      stores.find(weight.getStore(), weight.getName());
  if (!entry) {
    llvm::consumeError(entry.takeError());
    return {};
  }
  // The shape is part of the name: one tensor may be reshaped in several ways.
  WeightType stored = weightTypeOf(type);
  std::string name = (weight.getName() + "@reshape-" + stored.str()).str();
  if (llvm::Error error =
          stores.overlay()->addShared(name, stored, (*entry)->bytes, *entry)) {
    emitError(builder.getLoc()) << llvm::toString(std::move(error));
    return {};
  }
  return qgraph::ConstantOp::create(
      builder, qgraph::WeightAttr::get(builder.getContext(), WeightStores::kNew,
                                       name, type));
}

/// Transposes elements of whole bytes, in squares that fit the cache.
static void transposeBytes(ArrayRef<char> from, MutableArrayRef<char> to,
                           int64_t rows, int64_t columns, size_t width) {
  constexpr int64_t square = 32;
  for (int64_t i0 = 0; i0 < rows; i0 += square)
    for (int64_t j0 = 0; j0 < columns; j0 += square)
      for (int64_t i = i0; i < std::min(rows, i0 + square); ++i)
        for (int64_t j = j0; j < std::min(columns, j0 + square); ++j)
          std::memcpy(to.data() + (j * rows + i) * width,
                      from.data() + (i * columns + j) * width, width);
}

/// Elements of `bits` bits (a divisor of 8), the lower-indexed one lower.
static void transposeBits(ArrayRef<char> from, MutableArrayRef<char> to,
                          int64_t rows, int64_t columns, unsigned bits) {
  unsigned perByte = 8 / bits, mask = (1u << bits) - 1;
  for (int64_t i = 0; i < rows; ++i)
    for (int64_t j = 0; j < columns; ++j) {
      int64_t source = i * columns + j, target = j * rows + i;
      unsigned code =
          (uint8_t(from[source / perByte]) >> (source % perByte * bits)) & mask;
      to[target / perByte] |= char(code << (target % perByte * bits));
    }
}

static Value transposedConstant(Walk &walk, Value value) {
  TypedAttr attribute = constantOf(value);
  auto type = dyn_cast_or_null<RankedTensorType>(attribute ? attribute.getType()
                                                           : Type());
  if (!type || type.getRank() != 2)
    return {};
  int64_t rows = type.getDimSize(0), columns = type.getDimSize(1);
  auto result = type.clone({columns, rows});
  if (rows == 1 || columns == 1)
    return walk.reshapedConstant(value, result.getShape());
  if (auto dense = dyn_cast<DenseElementsAttr>(attribute)) {
    SmallVector<Attribute> elements;
    auto values = dense.getValues<Attribute>();
    for (int64_t j = 0; j < columns; ++j)
      for (int64_t i = 0; i < rows; ++i)
        elements.push_back(values[i * columns + j]);
    return qgraph::ConstantOp::create(walk.builder,
                                      DenseElementsAttr::get(result, elements));
  }
  auto weight = cast<qgraph::WeightAttr>(attribute);
  WeightStores &stores = storesOf(walk.builder.getContext());
  llvm::Expected<WeightHandle> entry =
      stores.find(weight.getStore(), weight.getName());
  if (!entry) {
    emitError(walk.builder.getLoc()) << llvm::toString(entry.takeError());
    return {};
  }
  std::string name = (weight.getName() + "@transpose").str();
  WeightType stored = weightTypeOf(result);
  if (!stores.overlay()->lookup(name)) {
    unsigned bits = storedBits(stored.element);
    llvm::Error error = stores.overlay()->addFilled(
        name, stored, [&](MutableArrayRef<char> bytes) {
          if (bits < 8)
            transposeBits((*entry)->bytes, bytes, rows, columns, bits);
          else
            transposeBytes((*entry)->bytes, bytes, rows, columns, bits / 8);
          return llvm::Error::success();
        });
    if (error) {
      emitError(walk.builder.getLoc()) << llvm::toString(std::move(error));
      return {};
    }
  }
  return qgraph::ConstantOp::create(
      walk.builder, qgraph::WeightAttr::get(walk.builder.getContext(),
                                            WeightStores::kNew, name, result));
}

bool onnx_to_qgraph::isWeight(Value value) {
  if (constantOf(value))
    return true;
  auto op = value ? value.getDefiningOp<qgraph::DequantizeOp>() : nullptr;
  return op && llvm::all_of(op->getOperands(), constantOf);
}

Value Walk::transposedWeight(Value weight) {
  if (!weight || cast<RankedTensorType>(weight.getType()).getRank() != 2)
    return {};
  if (auto op = weight.getDefiningOp<onnx_ir::NodeOp>())
    return op.is("Transpose") && isWeight(op.getInputs()[0]) ? op.getInputs()[0]
                                                             : Value();
  if (auto op = weight.getDefiningOp<qgraph::DequantizeOp>()) {
    Value operands[4] = {op.getInput(), op.getScale(), op.getZeroPoint(),
                         op.getOffset()};
    for (Value &operand : operands) {
      if (!operand)
        continue;
      operand = transposedConstant(*this, operand);
      if (!operand)
        return {};
    }
    auto type = cast<RankedTensorType>(weight.getType());
    SmallVector<int64_t> block(llvm::reverse(op.getBlock()));
    return qgraph::DequantizeOp::create(
        builder, type.clone({type.getDimSize(1), type.getDimSize(0)}),
        operands[0], operands[1], operands[2], operands[3], op.getCodebook(),
        builder.getDenseI64ArrayAttr(block), op.getPrecisionAttr());
  }
  return transposedConstant(*this, weight);
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
  result.elements = info.elements;
  result.splat = info.splat;
  if (info.ramp)
    result.ramp = reshapeRamp(arith, *info.ramp, info.dims, dims);
  bool known = result.elements || result.splat || result.ramp;
  if (!info.value && known)
    return result;
  Value source = materialize(info);
  if (std::optional<SmallVector<int64_t>> shape = staticShape(dims))
    if (Value constant = reshapedConstant(source, *shape)) {
      result.value = constant;
      return result;
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
  std::optional<SmallVector<int64_t>> to = staticShape(dims);
  if (info.elements && to && computeProduct(*to) <= kSmall) {
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
