//===- Quantization.cpp - Quantization in ONNX's operators ----------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// QuantizeLinear and DequantizeLinear have one scale, one for each index of an
// axis, or one for each block of an axis and each index of all others. What
// qgraph has beyond that (blocks of several axes, offsets, codebooks) is
// written out in elementwise operators.
//
//===----------------------------------------------------------------------===//

#include "Writer.h"

#include "quantc/Analysis/ConstantTensor.h"
#include "quantc/Dialect/QGraph/Shapes.h"
#include "quantc/Numerics/ChooseParams.h"

using namespace mlir;
using namespace quantc;
using namespace quantc::onnx_export;

std::optional<AxisForm> onnx_export::axisFormOf(RankedTensorType type,
                                                RankedTensorType scale,
                                                ArrayRef<int64_t> block) {
  auto single = [&](int64_t d) { return scale.getDimSize(d) == 1; };
  SmallVector<int64_t> several; // dimensions with more than one scale
  for (int64_t d = 0; d < type.getRank(); ++d)
    if (!single(d))
      several.push_back(d);
  if (several.empty())
    return AxisForm{AxisForm::PerTensor};
  if (several.size() == 1 && block[several[0]] == 1)
    return AxisForm{AxisForm::PerAxis, several[0]};
  // The one axis whose indices share scales.
  std::optional<int64_t> axis;
  for (int64_t d = 0; d < type.getRank(); ++d) {
    if (block[d] == 1 || type.getDimSize(d) == 1)
      continue;
    if (axis)
      return std::nullopt;
    axis = d;
  }
  if (!axis)
    return AxisForm{AxisForm::Blocked, type.getRank() - 1, 1};
  int64_t size = block[*axis];
  if (single(*axis)) {
    size = type.getDimSize(*axis);
    if (ShapedType::isDynamic(size) || size == 0)
      return std::nullopt;
  }
  return AxisForm{AxisForm::Blocked, *axis, size};
}

static Type elementOf(Value value) {
  return cast<RankedTensorType>(value.getType()).getElementType();
}

/// A scale or zero point in the shape that ONNX wants, of element type `to` if
/// it is not that.
static Name shaped(Writer &w, Value value, const AxisForm &form, Type to,
                   bool transposed) {
  Type element = elementOf(value);
  auto type = cast<RankedTensorType>(value.getType());
  if (isConstant(value) && (element == to || to.isF32())) {
    ConstantForm constant;
    constant.toF32 = element != to;
    if (form.kind == AxisForm::PerTensor)
      constant.shape.emplace();
    else if (form.kind == AxisForm::PerAxis)
      constant.shape.emplace({type.getNumElements()});
    else if (transposed)
      constant.order = ConstantForm::Transpose;
    return w.constant(value, constant);
  }
  Name name = w.castTo(w.use(value), to);
  if (form.kind == AxisForm::PerTensor && type.getRank() != 0)
    name = w.reshape(name, to, w.intList({}));
  if (form.kind == AxisForm::PerAxis && type.getRank() != 1)
    name = w.reshape(name, to, w.intList({-1}));
  return name;
}

static SmallVector<std::pair<StringRef, Attribute>>
attributesOf(Writer &w, const AxisForm &form, bool transposed) {
  SmallVector<std::pair<StringRef, Attribute>> attributes;
  if (form.kind != AxisForm::PerTensor)
    attributes.push_back(
        {"axis", w.integer(transposed ? 1 - form.axis : form.axis)});
  if (form.kind == AxisForm::Blocked)
    attributes.push_back({"block_size", w.integer(form.size)});
  return attributes;
}

/// A scale, zero point or offset, as f32, so that it broadcasts to the values.
static FailureOr<Name> spread(Writer &w, Operation *op, Value value,
                              RankedTensorType shape, ArrayRef<int64_t> block) {
  Type f32 = w.builder.getF32Type();
  auto type = cast<RankedTensorType>(value.getType());
  Name name = w.castTo(w.use(value), f32);
  SmallVector<int64_t> extents(type.getShape());
  for (int64_t axis = 0; axis < type.getRank(); ++axis) {
    int64_t size = block[axis];
    if (size <= 1 || extents[axis] == 1)
      continue;
    int64_t whole = shape.getDimSize(axis);
    ArrayRef<int64_t> behind = ArrayRef(extents).drop_front(axis + 1);
    if (ShapedType::isDynamic(whole) || ShapedType::isDynamicShape(behind))
      return w.unsupported(op, "its blocks are of a dimension that is not "
                               "fixed, or one behind them is not");
    name = w.node("Unsqueeze", {name, w.intList({axis + 1})}, f32);
    SmallVector<int64_t> times(type.getRank() + 1, 1);
    times[axis + 1] = size;
    name = w.node("Tile", {name, w.intList(times)}, f32);
    // Dimensions before it are copied.
    SmallVector<int64_t> merged(axis, 0);
    merged.push_back(extents[axis] * size);
    llvm::append_range(merged, behind);
    name = w.reshape(name, f32, w.intList(merged));
    if (extents[axis] * size != whole)
      name = w.node(
          "Slice",
          {name, w.intList({0}), w.intList({whole}), w.intList({axis})}, f32);
    extents[axis] = whole;
  }
  return name;
}

//===----------------------------------------------------------------------===//
// Dequantize
//===----------------------------------------------------------------------===//

FailureOr<Name> Writer::dequantize(Operation *op, Value input, Value scale,
                                   Value zeroPoint, Value offset,
                                   Value codebook, ArrayRef<int64_t> block,
                                   Type element, ConstantForm::Order order,
                                   Value result) {
  auto type = cast<RankedTensorType>(input.getType());
  std::optional<AxisForm> form =
      axisFormOf(type, cast<RankedTensorType>(scale.getType()), block);
  bool transposed = order == ConstantForm::Transpose;
  if (form && order == ConstantForm::ChannelsFirst &&
      (form->kind == AxisForm::Blocked || form->axis != 0))
    form.reset();
  // Halves are no stored type of ONNX's.
  bool isHalf = isa<Float16Type, BFloat16Type>(type.getElementType());
  if (form && !offset && !codebook && !isHalf) {
    Type scaleType = elementOf(scale);
    // The result has the scale's type; only half types are said otherwise.
    Type wanted = element.isF32() ? element : scaleType;
    bool says = wanted != element;
    ConstantForm constantForm;
    constantForm.order = order;
    Name x = order == ConstantForm::AsIs ? use(input)
                                         : constant(input, constantForm);
    SmallVector<Name> inputs{x,
                             shaped(*this, scale, *form, wanted, transposed)};
    if (zeroPoint)
      inputs.push_back(
          shaped(*this, zeroPoint, *form, elementOf(zeroPoint), transposed));
    auto attributes = attributesOf(*this, *form, transposed);
    if (says)
      attributes.push_back({"output_dtype", dataType(op, element)});
    return node("DequantizeLinear", inputs, element, attributes, result);
  }
  if (order != ConstantForm::AsIs)
    return failure();
  Type f32 = builder.getF32Type();
  Name value = use(input);
  if (codebook) {
    Type si32 = builder.getIntegerType(32, /*isSigned=*/true);
    value =
        node("Gather", {castTo(use(codebook), f32), castTo(value, si32)}, f32);
  } else {
    value = castTo(value, f32);
  }
  auto apply = [&](StringRef opType, Value operand) -> LogicalResult {
    if (!operand)
      return success();
    FailureOr<Name> wide = spread(*this, op, operand, type, block);
    if (mlir::failed(wide))
      return failure();
    value = node(opType, {value, *wide}, f32);
    return success();
  };
  if (mlir::failed(apply("Sub", zeroPoint)) ||
      mlir::failed(apply("Mul", scale)) || mlir::failed(apply("Add", offset)))
    return failure();
  if (!element.isF32())
    return castTo(value, element, result);
  if (result)
    return node("Identity", {value}, element, {}, result);
  return value;
}

LogicalResult Writer::exportDequantize(qgraph::DequantizeOp op) {
  if (op.getPrecision())
    return unsupported(op, "DequantizeLinear has no 'precision'");
  auto write = [this, op]() mutable -> FailureOr<Name> {
    return dequantize(op, op.getInput(), op.getScale(), op.getZeroPoint(),
                      op.getOffset(), op.getCodebook(), op.getBlock(),
                      op.getType().getElementType(), ConstantForm::AsIs,
                      op.getResult());
  };
  // A layer may write a weight in another form.
  if (llvm::all_of(op->getOperands(), isConstant)) {
    defineLater(op.getResult(), [write]() mutable {
      FailureOr<Name> name = write();
      return succeeded(name) ? *name : Name();
    });
    return success();
  }
  return success(succeeded(write()));
}

Name Writer::transposedWeight(Value weight) {
  Name &known = scopes.back()->transposed[weight];
  if (!known.empty())
    return known;
  Name made;
  if (isConstant(weight)) {
    ConstantForm form;
    form.order = ConstantForm::Transpose;
    made = constant(weight, form);
  } else if (auto op = weight.getDefiningOp<qgraph::DequantizeOp>();
             op && llvm::all_of(op->getOperands(), isConstant) &&
             !op.getPrecision() && !op.getOffset() && !op.getCodebook()) {
    FailureOr<Name> name =
        dequantize(op, op.getInput(), op.getScale(), op.getZeroPoint(),
                   op.getOffset(), op.getCodebook(), op.getBlock(),
                   op.getType().getElementType(), ConstantForm::Transpose);
    if (succeeded(name))
      made = *name;
  }
  if (made.empty())
    made = transpose(use(weight), elementOf(weight), {1, 0});
  // Not by reference: others may have been written meanwhile.
  return scopes.back()->transposed[weight] = made;
}

//===----------------------------------------------------------------------===//
// Quantize
//===----------------------------------------------------------------------===//

LogicalResult Writer::exportQuantize(qgraph::QuantizeOp op) {
  // DynamicQuantizeLinear has written it.
  if (!lookup(op.getResult()).empty())
    return success();
  auto type = cast<RankedTensorType>(op.getInput().getType());
  Type stored = elementOf(op.getResult()), real = type.getElementType();
  if (op.getCodebook())
    return unsupported(op, "ONNX has no operator that finds the nearest code "
                           "of a codebook");
  std::optional<AxisForm> form = axisFormOf(
      type, cast<RankedTensorType>(op.getScale().getType()), op.getBlock());
  Name input = use(op.getInput());
  if (form && !op.getOffset()) {
    SmallVector<Name> inputs{input,
                             shaped(*this, op.getScale(), *form, real, false)};
    auto attributes = attributesOf(*this, *form, false);
    if (Value zero = op.getZeroPoint())
      inputs.push_back(shaped(*this, zero, *form, elementOf(zero), false));
    else
      attributes.push_back({"output_dtype", dataType(op, stored)});
    if (!op.getSaturate())
      attributes.push_back({"saturate", integer(0)});
    if (std::optional<Type> precision = op.getPrecision())
      attributes.push_back({"precision", dataType(op, *precision)});
    node("QuantizeLinear", inputs, stored, attributes, op.getResult());
    return success();
  }
  auto integerType = dyn_cast<IntegerType>(stored);
  if (!integerType || op.getPrecision())
    return unsupported(op, "QuantizeLinear has no such blocks");
  Type f32 = builder.getF32Type();
  Name value = castTo(input, f32);
  auto apply = [&](StringRef opType, Value operand) -> LogicalResult {
    if (!operand)
      return success();
    FailureOr<Name> wide = spread(*this, op, operand, type, op.getBlock());
    if (mlir::failed(wide))
      return failure();
    value = node(opType, {value, *wide}, f32);
    return success();
  };
  if (mlir::failed(apply("Sub", op.getOffset())) ||
      mlir::failed(apply("Div", op.getScale())))
    return failure();
  value = node("Round", {value}, f32);
  if (mlir::failed(apply("Add", op.getZeroPoint())))
    return failure();
  numerics::StoredRange range =
      numerics::storedRange(*qgraph::getFormat(stored));
  value = node("Clip",
               {value, number(range.qmin, f32), number(range.qmax, f32)}, f32);
  dataType(op, stored); // reports one that ONNX has not
  castTo(value, stored, op.getResult());
  return success();
}

//===----------------------------------------------------------------------===//
// Scales found at run time
//===----------------------------------------------------------------------===//

/// A tensor's scale and zero point by the formula of DynamicQuantizeLinear, and
/// the values that are quantized with them.
static bool dynamicQuantizeLinear(Writer &w, qgraph::ChooseParamsOp op) {
  auto type = cast<RankedTensorType>(op.getInput().getType());
  Type stored = op.getStored();
  bool whole =
      llvm::all_of(llvm::zip(op.getBlock(), type.getShape()), [](auto pair) {
        return std::get<0>(pair) == 0 || std::get<1>(pair) == 1;
      });
  if (op.getFormula() != qgraph::Formula::Asymmetric ||
      !stored.isUnsignedInteger(8) || !whole || op.getClip() ||
      !op.getClipRatio().isExactlyValue(1.0) ||
      !type.getElementType().isF32() || !elementOf(op.getScale()).isF32())
    return false;
  qgraph::QuantizeOp quantize;
  for (Operation *user : op.getInput().getUsers())
    if (auto candidate = dyn_cast<qgraph::QuantizeOp>(user))
      if (candidate.getInput() == op.getInput() &&
          candidate.getScale() == op.getScale() &&
          candidate.getZeroPoint() == op.getZeroPoint() &&
          candidate->getBlock() == op->getBlock() &&
          elementOf(candidate.getResult()) == stored &&
          !candidate.getPrecision() && !candidate.getOffset())
        quantize = candidate;
  Name input = w.use(op.getInput());
  Name y = quantize ? w.nameFor(quantize.getResult(), "DynamicQuantizeLinear")
                    : w.fresh("DynamicQuantizeLinear");
  Name scale = w.fresh("DynamicQuantizeLinear"),
       zero = w.fresh("DynamicQuantizeLinear");
  Type f32 = w.builder.getF32Type();
  w.setType(y, stored);
  w.setType(scale, f32);
  w.setType(zero, stored);
  w.add("DynamicQuantizeLinear", input, {y, scale, zero});
  if (quantize)
    w.define(quantize.getResult(), y);
  SmallVector<int64_t> ones(type.getRank(), 1);
  auto widen = [&w, ones](Name scalar, Type element) {
    return [&w, ones, scalar, element] {
      return ones.empty() ? scalar
                          : w.reshape(scalar, element, w.intList(ones));
    };
  };
  w.defineLater(op.getScale(), widen(scale, f32));
  w.defineLater(op.getZeroPoint(), widen(zero, stored));
  return true;
}

namespace {
/// The extrema of each block, in the shape of the scale.
class Extrema {
public:
  Extrema(Writer &w, qgraph::ChooseParamsOp op) : w(w), op(op) {}

  /// Brings the values in a form in which each block is some whole dimensions.
  LogicalResult prepare() {
    type = cast<RankedTensorType>(op.getInput().getType());
    x = w.castTo(w.use(op.getInput()), f32());
    if (std::optional<ArrayRef<float>> clip = op.getClip())
      x = w.node("Clip",
                 {x, w.number((*clip)[0], f32()), w.number((*clip)[1], f32())},
                 f32());
    keep = true;
    for (int64_t d = type.getRank() - 1; d >= 0; --d) {
      int64_t size = op.getBlock()[d], extent = type.getDimSize(d);
      if (size == 0)
        axes.push_back(d);
      if (size <= 1)
        continue;
      // The last dimension only: [.., K] to [.., K / size, size].
      if (d != type.getRank() - 1 || ShapedType::isDynamic(extent))
        return w.unsupported(op, "its blocks are of a dimension that is not "
                                 "fixed, or not the last");
      int64_t groups = (extent + size - 1) / size;
      if (groups * size != extent) {
        // Zeros are never the extremes of what is there alone.
        SmallVector<int64_t> pads(2 * type.getRank(), 0);
        pads.back() = groups * size - extent;
        x = w.node("Pad", {x, w.intList(pads)}, f32());
      }
      SmallVector<int64_t> split(type.getRank() - 1, 0);
      split.append({groups, size});
      x = w.reshape(x, f32(), w.intList(split));
      groupAxis = type.getRank();
    }
    if (groupAxis && !axes.empty())
      return w.unsupported(op, "its blocks are of several dimensions");
    if (groupAxis) {
      axes = {*groupAxis};
      keep = false;
    }
    if (axes.empty())
      return w.unsupported(op, "every element has a scale of its own");
    std::reverse(axes.begin(), axes.end());
    return success();
  }

  Name reduce(StringRef opType, Name values) {
    return w.node(opType, {values, w.intList(axes)}, f32(),
                  {{"keepdims", w.integer(keep)}});
  }
  /// Times the clip ratio.
  Name clipped(Name value) {
    float ratio = op.getClipRatio().convertToFloat();
    return ratio == 1 ? value
                      : w.node("Mul", {value, w.number(ratio, f32())}, f32());
  }
  Name lowest() { return clipped(reduce("ReduceMin", x)); }
  Name highest() { return clipped(reduce("ReduceMax", x)); }
  Name magnitude() {
    return clipped(reduce("ReduceMax", w.node("Abs", {x}, f32())));
  }
  Name meanMagnitude() {
    return reduce("ReduceMean", w.node("Abs", {x}, f32()));
  }
  Type f32() { return w.builder.getF32Type(); }

private:
  Writer &w;
  qgraph::ChooseParamsOp op;
  RankedTensorType type;
  Name x;
  SmallVector<int64_t> axes;
  std::optional<int64_t> groupAxis;
  bool keep = true;
};
} // namespace

LogicalResult Writer::exportChooseParams(qgraph::ChooseParamsOp op) {
  if (dynamicQuantizeLinear(*this, op))
    return success();
  if (op.getFormula() == qgraph::Formula::PowerOfTwo)
    return unsupported(op, "powers of two are not written in ONNX operators");
  Extrema extrema(*this, op);
  if (mlir::failed(extrema.prepare()))
    return failure();
  Type f32 = builder.getF32Type(), i1 = builder.getI1Type();
  numerics::StoredRange range =
      numerics::storedRange(*qgraph::getFormat(op.getStored()));
  auto by = [&](Name value, float divisor) {
    return node("Div", {value, number(divisor, f32)}, f32);
  };
  // Rounded to its type; 1 where it is 0.
  auto finish = [&](Name scale) {
    Type element = elementOf(op.getScale());
    Name zero = number(0, element), one = number(1, element);
    scale = castTo(scale, element);
    node("Where", {node("Equal", {scale, zero}, i1), one, scale}, element, {},
         op.getScale());
    return castTo(use(op.getScale()), f32);
  };
  Name lo, hi;
  switch (op.getFormula()) {
  case qgraph::Formula::Symmetric:
    finish(by(extrema.magnitude(), range.qmax));
    return success();
  case qgraph::Formula::MeanAbs:
    finish(extrema.meanMagnitude());
    return success();
  case qgraph::Formula::SignedScale: {
    lo = extrema.lowest();
    hi = extrema.highest();
    Name down = node("GreaterOrEqual", {node("Neg", {lo}, f32), hi}, i1);
    finish(by(node("Where", {down, lo, hi}, f32), range.qmin));
    return success();
  }
  case qgraph::Formula::Asymmetric: {
    lo = node("Min", {extrema.lowest(), number(0, f32)}, f32);
    hi = node("Max", {extrema.highest(), number(0, f32)}, f32);
    Name scale =
        finish(by(node("Sub", {hi, lo}, f32), range.qmax - range.qmin));
    Name zero = node(
        "Sub", {number(range.qmin, f32), node("Div", {lo, scale}, f32)}, f32);
    zero = node("Clip",
                {zero, number(range.qmin, f32), number(range.qmax, f32)}, f32);
    castTo(node("Round", {zero}, f32), elementOf(op.getZeroPoint()),
           op.getZeroPoint());
    return success();
  }
  case qgraph::Formula::AsymmetricOffset: {
    lo = extrema.lowest();
    hi = extrema.highest();
    Name scale =
        finish(by(node("Sub", {hi, lo}, f32), range.qmax - range.qmin));
    Name low = node("Mul", {number(range.qmin, f32), scale}, f32);
    Name offset = node("Sub", {lo, low}, f32);
    castTo(offset, elementOf(op.getOffset()), op.getOffset());
    return success();
  }
  case qgraph::Formula::PowerOfTwo:
    break;
  }
  return failure();
}
