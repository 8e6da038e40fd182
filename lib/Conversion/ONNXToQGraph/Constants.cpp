//===- Constants.cpp - Constants and weights ------------------------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A weight is never changed: one in another shape shares the bytes under a new
// name, a transposed one is a new entry of the store.
//
//===----------------------------------------------------------------------===//

#include "StoredConstants.h"

#include "quantc/Numerics/Transpose.h"

#include "mlir/Dialect/Utils/IndexingUtils.h"

#include <cstring>

using namespace mlir;
using namespace quantc;
using namespace quantc::onnx_to_qgraph;

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
// Rewriting weights
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

/// A constant [batch.., row, columns..], with `batch` leading dimensions, as
/// [batch.., columns.., row]; null if `value` is no constant. New entries get
/// `suffix`.
static Value transposedConstant(Walk &walk, Value value, int64_t batch,
                                StringRef suffix) {
  TypedAttr attribute = constantOf(value);
  auto type = dyn_cast_or_null<RankedTensorType>(attribute ? attribute.getType()
                                                           : Type());
  if (!type || type.getRank() < batch + 2)
    return {};
  SmallVector<int64_t> shape(type.getShape());
  std::rotate(shape.begin() + batch, shape.begin() + batch + 1, shape.end());
  auto result = type.clone(shape);
  int64_t matrices = computeProduct(type.getShape().take_front(batch)),
          rows = type.getDimSize(batch),
          columns = computeProduct(type.getShape().drop_front(batch + 1));
  if (rows == 1 || columns == 1)
    return walk.reshapedConstant(value, result.getShape());
  if (auto dense = dyn_cast<DenseElementsAttr>(attribute)) {
    SmallVector<Attribute> elements;
    auto values = dense.getValues<Attribute>();
    for (int64_t b = 0; b < matrices; ++b)
      for (int64_t j = 0; j < columns; ++j)
        for (int64_t i = 0; i < rows; ++i)
          elements.push_back(values[(b * rows + i) * columns + j]);
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
  std::string name = (weight.getName() + suffix).str();
  WeightType stored = weightTypeOf(result);
  if (!stores.overlay()->lookup(name)) {
    unsigned bits = storedBits(stored.element);
    llvm::Error error = stores.overlay()->addFilled(
        name, stored, [&](MutableArrayRef<char> bytes) {
          numerics::transpose(
              reinterpret_cast<const uint8_t *>((*entry)->bytes.data()),
              matrices, rows, columns, bits,
              reinterpret_cast<uint8_t *>(bytes.data()));
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

/// The constant, or a dequantize of constants, each of them (but a codebook)
/// rewritten by `rewrite`, and the block by `permute`; null if it is neither.
static Value
rewrittenWeight(Walk &walk, Value weight,
                llvm::function_ref<Value(Value)> rewrite,
                llvm::function_ref<void(SmallVectorImpl<int64_t> &)> permute) {
  auto op = weight.getDefiningOp<qgraph::DequantizeOp>();
  if (!op)
    return rewrite(weight);
  Value operands[4] = {op.getInput(), op.getScale(), op.getZeroPoint(),
                       op.getOffset()};
  for (Value &operand : operands) {
    if (!operand)
      continue;
    operand = rewrite(operand);
    if (!operand)
      return {};
  }
  auto stored = cast<RankedTensorType>(operands[0].getType());
  SmallVector<int64_t> block(op.getBlock());
  permute(block);
  return qgraph::DequantizeOp::create(
      walk.builder, stored.clone(op.getType().getElementType()), operands[0],
      operands[1], operands[2], operands[3], op.getCodebook(),
      walk.builder.getDenseI64ArrayAttr(block), op.getPrecisionAttr());
}

/// A tensor filled with one number (what weights of test models often are) as
/// a constant; other values as they are.
static Value filledConstant(Walk &walk, Value value) {
  onnx_ir::NodeOp fill = nodeOf(value, "Expand");
  auto type =
      dyn_cast_or_null<RankedTensorType>(value ? value.getType() : Type());
  std::optional<double> number =
      fill && fill.getInputs().size() == 1 && type.hasStaticShape()
          ? constantNumber(fill.getInputs()[0])
          : std::nullopt;
  if (!number || !isReal(type.getElementType()))
    return value;
  std::vector<float> values(type.getNumElements(), static_cast<float>(*number));
  Value constant = newReals(walk, type, "filled", values);
  return constant ? constant : value;
}

/// The constant of f16 or bf16 that is cast to f32, which changes no value; any
/// other value as it is.
static Value beforeWidening(Value value) {
  onnx_ir::NodeOp op = nodeOf(value, "Cast");
  if (!op || !isWeight(op.getInputs()[0]))
    return value;
  Type from =
           cast<RankedTensorType>(op.getInputs()[0].getType()).getElementType(),
       to = cast<RankedTensorType>(value.getType()).getElementType();
  return to.isF32() && (from.isF16() || from.isBF16()) ? op.getInputs()[0]
                                                       : value;
}

Value Walk::transposedWeight(Value weight) {
  weight = filledConstant(*this, weight);
  if (!weight || cast<RankedTensorType>(weight.getType()).getRank() != 2)
    return {};
  weight = beforeWidening(weight);
  if (auto op = weight.getDefiningOp<onnx_ir::NodeOp>()) {
    Value source =
        op.is("Transpose") ? beforeWidening(op.getInputs()[0]) : Value();
    return isWeight(source) ? source : Value();
  }
  return rewrittenWeight(
      *this, weight,
      [&](Value value) {
        return transposedConstant(*this, value, 0, "@transpose");
      },
      [](SmallVectorImpl<int64_t> &block) { std::swap(block[0], block[1]); });
}

Value Walk::channelsLastWeight(Value weight) {
  weight = filledConstant(*this, weight);
  if (!weight || cast<RankedTensorType>(weight.getType()).getRank() < 3)
    return {};
  return rewrittenWeight(
      *this, weight,
      [&](Value value) {
        return transposedConstant(*this, value, 1, "@channels-last");
      },
      [](SmallVectorImpl<int64_t> &block) {
        std::rotate(block.begin() + 1, block.begin() + 2, block.end());
      });
}

Value Walk::matrixWeight(Value weight) {
  weight = filledConstant(*this, weight);
  return rewrittenWeight(
      *this, weight,
      [&](Value value) {
        return reshapedConstant(
            value,
            cast<RankedTensorType>(value.getType()).getShape().take_front(2));
      },
      [](SmallVectorImpl<int64_t> &block) { block.truncate(2); });
}
