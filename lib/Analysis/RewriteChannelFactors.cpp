//===- RewriteChannelFactors.cpp - Constants multiplied by factors --------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "mlir/IR/Threading.h"
#include "quantc/Analysis/ChannelFactors.h"
#include "quantc/Analysis/ConstantTensor.h"
#include "quantc/Analysis/Layers.h"
#include "quantc/Dialect/QGraph/Shapes.h"

#include <cmath>

using namespace mlir;
using namespace quantc::qgraph;

namespace quantc {

/// Values that one task works on, about.
static constexpr int64_t kTaskValues = 1 << 16;

/// The since-version of ONNX's Mul.
static constexpr int64_t kMulVersion = 14;

namespace {

/// The shape to which two broadcast.
SmallVector<int64_t> broadcast(ArrayRef<int64_t> a, ArrayRef<int64_t> b) {
  SmallVector<int64_t> shape(std::max(a.size(), b.size()), 1);
  for (size_t d = 0; d < shape.size(); ++d)
    for (ArrayRef<int64_t> side : {a, b})
      if (d < side.size() && side[side.size() - 1 - d] != 1)
        shape[shape.size() - 1 - d] = side[side.size() - 1 - d];
  return shape;
}

/// Extents without leading ones beyond a rank.
ArrayRef<int64_t> trimmed(ArrayRef<int64_t> extents, size_t rank) {
  while (extents.size() > rank && extents.front() == 1)
    extents = extents.drop_front();
  return extents;
}

ChannelProduct productOf(const ChannelMap &map, ArrayRef<float> factors) {
  ChannelProduct product;
  product.extents.assign(map.extents);
  for (ChannelMap::Factor factor : map.factors) {
    if (factor == ChannelMap::kFree)
      product.factors.push_back(1.0f);
    else
      product.factors.push_back(factor & 1 ? 1.0f / factors[factor >> 1]
                                           : factors[factor >> 1]);
  }
  return product;
}

/// Adds a product to others: into one of the same extents, if there is one.
void append(std::vector<ChannelProduct> &products, ChannelProduct product) {
  for (ChannelProduct &other : products)
    if (other.extents == product.extents) {
      for (auto [all, one] : llvm::zip_equal(other.factors, product.factors))
        all *= one;
      return;
    }
  products.push_back(std::move(product));
}

} // namespace

//===----------------------------------------------------------------------===//
// Weights with factors
//===----------------------------------------------------------------------===//

ScaledWeight::ScaledWeight(ConstantTensor constant, ArrayRef<int64_t> shape,
                           std::vector<ChannelProduct> products)
    : constant(std::move(constant)), shape(shape),
      products(std::move(products)) {
  if (this->shape.empty())
    this->shape.push_back(1);
}

int64_t ScaledWeight::rows() const {
  int64_t count = 1;
  for (int64_t extent : ArrayRef(shape).drop_back())
    count *= extent;
  return count;
}

int64_t ScaledWeight::rowsPerTask() const {
  int64_t least = kTaskValues / std::max<int64_t>(width(), 1);
  int64_t column = shape.size() > 1 ? std::max<int64_t>(rowsPerColumn(), 1) : 1;
  return llvm::alignTo(std::max<int64_t>(least, 1), column);
}

size_t ScaledWeight::tasks() const {
  return llvm::divideCeil(rows(), rowsPerTask());
}

void ScaledWeight::forTasks(
    function_ref<void(size_t, int64_t, int64_t)> each) const {
  int64_t count = rows(), size = rowsPerTask();
  parallelFor(constant.getType().getContext(), 0, tasks(), [&](size_t task) {
    int64_t begin = task * size;
    each(task, begin, std::min(begin + size, count));
  });
}

int64_t ScaledWeight::offset(int64_t row, ArrayRef<int64_t> extents) const {
  int64_t place = 0, stride = extents.empty() ? 1 : extents.back();
  for (size_t d = 1; d < shape.size(); ++d) {
    int64_t extent = shape[shape.size() - 1 - d], index = row % extent;
    row /= extent;
    if (d >= extents.size())
      continue;
    int64_t own = extents[extents.size() - 1 - d];
    place += (own == 1 ? 0 : index) * stride;
    stride *= own;
  }
  return place;
}

void ScaledWeight::read(int64_t row, std::vector<float> &values) const {
  values.resize(width());
  ArrayRef<int64_t> own = constant.getType().getShape();
  int64_t from = offset(row, own);
  if (step(own) == 0) {
    constant.readFloats(from, 1, values.data());
    std::fill(values.begin() + 1, values.end(), values[0]);
  } else {
    constant.readFloats(from, width(), values.data());
  }
  for (const ChannelProduct &product : products) {
    const float *factor = product.factors.data() + offset(row, product.extents);
    int64_t apart = step(product.extents);
    for (int64_t i = 0; i < width(); ++i)
      values[i] *= factor[i * apart];
  }
}

std::vector<float> ScaledWeight::readAll() const {
  std::vector<float> all(rows() * width());
  forTasks([&](size_t, int64_t begin, int64_t end) {
    std::vector<float> values;
    for (int64_t row = begin; row < end; ++row) {
      read(row, values);
      llvm::copy(values, all.begin() + row * width());
    }
  });
  return all;
}

llvm::Expected<TypedAttr> ScaledWeight::toConstant(StringRef name) const {
  RankedTensorType type = constant.getType().clone(shape);
  Type element = type.getElementType();
  int64_t bytesPerRow = width() * element.getIntOrFloatBitWidth() / 8;
  return makeConstant(type, name, [&](MutableArrayRef<char> bytes) {
    forTasks([&](size_t, int64_t begin, int64_t end) {
      std::vector<float> values;
      for (int64_t row = begin; row < end; ++row) {
        read(row, values);
        storeFloats(values, element, bytes.data() + row * bytesPerRow);
      }
    });
  });
}

std::vector<float> ScaledWeight::absMax(const ChannelMap &map,
                                        int32_t groupCount) const {
  // Maxima of each task, joined in the end: their order does not matter.
  std::vector<std::vector<float>> parts(tasks());
  forTasks([&](size_t task, int64_t begin, int64_t end) {
    std::vector<float> &most = parts[task], values;
    most.assign(groupCount, 0.0f);
    int64_t apart = step(map.extents);
    for (int64_t row = begin; row < end; ++row) {
      read(row, values);
      const ChannelMap::Factor *factor =
          map.factors.data() + offset(row, map.extents);
      for (auto [i, value] : llvm::enumerate(values))
        if (ChannelMap::Factor f = factor[i * apart]; f != ChannelMap::kFree)
          most[f >> 1] = std::max(most[f >> 1], std::fabs(value));
    }
  });
  std::vector<float> most(groupCount, 0.0f);
  for (const std::vector<float> &part : parts)
    for (auto [all, one] : llvm::zip_equal(most, part))
      all = std::max(all, one);
  return most;
}

//===----------------------------------------------------------------------===//
// Collecting
//===----------------------------------------------------------------------===//

void ChannelFactorRewriter::add(const ChannelFactors &found,
                                ArrayRef<float> factors) {
  for (const ChannelFactors::Constant &constant : found.constants) {
    Pending &pending = constant.absorb.operand
                           ? operands[constant.absorb.operand]
                           : created[constant.op];
    pending.op = constant.op;
    pending.absorb = constant.absorb;
    append(pending.products, productOf(constant.absorb.map, factors));
  }
  for (ChannelFactors::Site site : found.sites) {
    ChannelProduct product = productOf(site.map, factors);
    auto [place, isNew] = sites.insert({site.op.getOperation(), product});
    if (isNew)
      continue;
    for (auto [all, one] :
         llvm::zip_equal(place->second.factors, product.factors))
      all *= one;
  }
  if (!found.multiplies)
    return;
  Multiplied product{found.tensor, found.layers, {}};
  for (int32_t group : found.groups)
    product.factors.push_back(group < 0 ? 1.0f : factors[group]);
  multiplied.push_back(std::move(product));
}

/// The weight of a layer as an operand.
static OpOperand *weightOperand(LayerOpInterface layer) {
  for (OpOperand &operand : llvm::drop_begin(layer->getOpOperands()))
    if (operand.get() == layer.getWeight())
      return &operand;
  return nullptr;
}

llvm::Expected<ScaledWeight>
ChannelFactorRewriter::weight(LayerOpInterface layer) const {
  llvm::Expected<ConstantTensor> weight =
      ConstantTensor::get(layer.getWeight());
  if (!weight)
    return weight.takeError();
  auto pending = operands.find(weightOperand(layer));
  ArrayRef<int64_t> shape = weight->getType().getShape();
  return ScaledWeight(std::move(*weight), shape,
                      pending == operands.end() ? std::vector<ChannelProduct>()
                                                : pending->second.products);
}

llvm::Expected<ScaledWeight>
ChannelFactorRewriter::take(LayerOpInterface layer) {
  llvm::Expected<ScaledWeight> taken = weight(layer);
  operands.erase(weightOperand(layer));
  return taken;
}

//===----------------------------------------------------------------------===//
// Rewriting
//===----------------------------------------------------------------------===//

/// An operand that is 1 now.
llvm::Error ChannelFactorRewriter::create(const Pending &pending) {
  const std::vector<float> &factors = pending.products.front().factors;
  RankedTensorType type = pending.absorb.type;
  llvm::Expected<TypedAttr> made =
      makeConstant(type, (getLayerName(pending.op) + ".weight@" + pass).str(),
                   [&](MutableArrayRef<char> bytes) {
                     storeFloats(factors, type.getElementType(), bytes.data());
                   });
  if (!made)
    return made.takeError();
  OpBuilder builder(pending.op);
  pending.absorb.create(
      ConstantOp::create(builder, pending.op->getLoc(), *made));
  return llvm::Error::success();
}

llvm::Error ChannelFactorRewriter::rewrite(const Pending &pending) {
  OpOperand &operand = *pending.absorb.operand;
  llvm::Expected<ConstantTensor> constant = ConstantTensor::get(operand.get());
  if (!constant)
    return constant.takeError();
  SmallVector<int64_t> shape(constant->getType().getShape());
  for (const ChannelProduct &product : pending.products)
    shape = broadcast(shape, trimmed(product.extents, shape.size()));
  std::string name =
      entryBaseName(*constant, getLayerName(pending.op)) + "@" + pass;
  llvm::Expected<TypedAttr> made =
      ScaledWeight(std::move(*constant), shape, pending.products)
          .toConstant(name);
  if (!made)
    return made.takeError();
  auto old = operand.get().getDefiningOp<ConstantOp>();
  OpBuilder builder(old);
  operand.set(ConstantOp::create(builder, old.getLoc(), *made));
  if (old->use_empty())
    old->erase();
  return llvm::Error::success();
}

llvm::Error ChannelFactorRewriter::record(ObserveOp site,
                                          const ChannelProduct &product) {
  auto type = cast<RankedTensorType>(site.getType());
  int64_t channels = type.getShape().back();
  std::vector<float> factors(channels, 1.0f);
  if (TypedAttr before = site.getFactorAttr()) {
    llvm::Expected<ConstantTensor> tensor = ConstantTensor::get(before);
    if (!tensor)
      return tensor.takeError();
    factors = tensor->readFloats();
  }
  for (auto [i, factor] : llvm::enumerate(factors))
    factor *= product.factors[product.factors.size() == 1 ? 0 : i];
  llvm::Expected<TypedAttr> made = makeConstant(
      RankedTensorType::get(channels, Float32Type::get(site.getContext())),
      (site.getSite() + ".factor@" + pass).str(),
      [&](MutableArrayRef<char> bytes) {
        std::memcpy(bytes.data(), factors.data(), bytes.size());
      });
  if (!made)
    return made.takeError();
  site.setFactorAttr(*made);
  return llvm::Error::success();
}

/// x -> x * s, for the layers. A site stays what these layers read, so the
/// product is put before it, and its other readers read what it reads.
llvm::Error ChannelFactorRewriter::insertProduct(const Multiplied &multiplied) {
  Value tensor = multiplied.tensor;
  ArrayRef<ChannelFactors::Layer> layers = multiplied.layers;
  auto type = cast<RankedTensorType>(tensor.getType());
  auto site = tensor.getDefiningOp<ObserveOp>();
  Value source = site ? site.getInput() : tensor;
  OpBuilder builder(tensor.getContext());
  if (site)
    builder.setInsertionPoint(site);
  else
    builder.setInsertionPointAfterValue(tensor);
  Location loc = tensor.getLoc();
  StringRef name = getLayerName(LayerOpInterface(layers.front().op));
  llvm::Expected<TypedAttr> made = makeConstant(
      RankedTensorType::get(type.getShape().back(), type.getElementType()),
      (name + ".factor@" + pass).str(), [&](MutableArrayRef<char> bytes) {
        storeFloats(multiplied.factors, type.getElementType(), bytes.data());
      });
  if (!made)
    return made.takeError();
  Value factor = ConstantOp::create(builder, loc, *made);
  SmallVector<Value> dims;
  for (auto [extent, dim] :
       llvm::zip_equal(type.getShape(), getDims(builder, source)))
    if (ShapedType::isDynamic(extent))
      dims.push_back(getIndexValue(builder, loc, dim));
  auto product = onnx_ir::NodeOp::create(
      builder, loc, TypeRange(type), ValueRange{source, factor}, dims, "Mul",
      /*domain=*/"", kMulVersion, builder.getDictionaryAttr({}),
      /*name=*/StringAttr(), /*subgraph_names=*/ArrayAttr(),
      /*subgraphsCount=*/0);
  auto isLayer = [&](Operation *op) {
    return llvm::any_of(layers, [&](ChannelFactors::Layer layer) {
      return layer.op.getOperation() == op;
    });
  };
  if (site) {
    tensor.replaceUsesWithIf(source, [&](OpOperand &use) {
      return !isLayer(use.getOwner()) || use.getOperandNumber() != 0;
    });
    site.getInputMutable().assign(product.getResult(0));
  } else {
    tensor.replaceUsesWithIf(product.getResult(0), [&](OpOperand &use) {
      return isLayer(use.getOwner()) && use.getOperandNumber() == 0;
    });
  }
  return llvm::Error::success();
}

llvm::Error ChannelFactorRewriter::apply() {
  for (auto &[operand, pending] : operands)
    if (llvm::Error error = rewrite(pending))
      return error;
  for (auto &[op, pending] : created)
    if (llvm::Error error = create(pending))
      return error;
  for (const Multiplied &product : multiplied)
    if (llvm::Error error = insertProduct(product))
      return error;
  for (auto &[op, product] : sites)
    if (llvm::Error error = record(cast<ObserveOp>(op), product))
      return error;
  return llvm::Error::success();
}

} // namespace quantc
