//===- Resize.cpp - Kernels of Resize and Upsample ------------------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// One result after the other: a sum over the taps of the first axis of sums
// over the taps of the next one, and so on, each in the order of the taps.
// Positions are computed in f32 where the scales are an input (f32 too), and in
// f64 where they are quotients of the sizes, as in ONNX's own implementation.
//
//===----------------------------------------------------------------------===//

#include "Coordinates.h"
#include "NodeKernels.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;

namespace quantc::onnx_kernels {

namespace {

/// What the versions of the operators call by different names.
struct ResizeForm {
  explicit ResizeForm(NodeOp op);

  StringRef mode, transformation, nearest, policy;
  bool antialias, excludeOutside;
  double cubicA;
  /// Operands; -1: there is none in this form.
  int roi = -1, scales = -1, sizes = -1;
  /// Axis by axis of the scales and sizes.
  SmallVector<int64_t> axes;
};

ResizeForm::ResizeForm(NodeOp op) {
  bool old = op.is("Upsample") || op.getVersion() < 11;
  auto given = [&](unsigned i, int otherwise) {
    RankedTensorType type = inputType(op, i);
    return type && (type.isDynamicDim(0) || type.getDimSize(0) > 0) ? int(i)
                                                                    : otherwise;
  };
  mode = op.getStringAttr("mode", "nearest");
  if (mode == "bilinear" || mode == "trilinear")
    mode = "linear";
  transformation = op.getStringAttr("coordinate_transformation_mode",
                                    old ? "asymmetric" : "half_pixel");
  nearest =
      op.getStringAttr("nearest_mode", old ? "floor" : "round_prefer_floor");
  policy = op.getStringAttr("keep_aspect_ratio_policy", "stretch");
  antialias = op.getIntAttr("antialias", 0) && mode != "nearest";
  excludeOutside = op.getIntAttr("exclude_outside", 0);
  cubicA = op.getFloatAttr("cubic_coeff_a", -0.75f);
  if (old) {
    scales = given(1, -1);
  } else {
    roi = given(1, -1);
    scales = given(2, -1);
    sizes = scales < 0 ? given(3, -1) : -1;
  }
  int64_t rank = inputType(op, 0).getRank();
  axes = op.getIntsAttr("axes");
  if (axes.empty())
    axes = llvm::to_vector(llvm::seq<int64_t>(0, rank));
  for (int64_t &axis : axes)
    axis = normalizeAxis(axis, rank);
}

/// One axis along which elements are interpolated.
struct ResizeAxis {
  int64_t dim;
  Value scale, inputSize; // reals
  Value roiStart, roiEnd;
};

/// The taps of one result along an axis.
struct Taps {
  Value start, count; // positions in the input; may be outside
  Value distance;     // of the first tap
  Value sum;          // of all weights; null: 1
};

class ResizeEmitter {
public:
  ResizeEmitter(NodeOp op, KernelBody &body);
  Value result(ArrayRef<Value> at);

private:
  Value number(double value) { return c.constant(value, coordinate); }
  Value minus(Value a, double value) { return c.sub(a, number(value)); }
  Value plus(Value a, double value) { return c.add(a, number(value)); }
  Value position(const ResizeAxis &axis, Value index);
  Value nearestIndex(const ResizeAxis &axis, Value x);
  Taps taps(const ResizeAxis &axis, Value x);
  Value weight(const ResizeAxis &axis, const Taps &taps, Value k);
  Value interpolate(ArrayRef<Taps> taps, size_t level, Value offset);
  /// min(scale, 1) of an antialiased axis, else null.
  Value shrink(const ResizeAxis &axis);

  NodeOp op;
  KernelBody &body;
  ResizeForm form;
  Type element, coordinate, real;
  MathEmitter c;
  Value memory;
  SmallVector<Value> sizes, strides, outSizes;
  SmallVector<ResizeAxis> axes;
  llvm::SmallBitVector moved;
};

ResizeEmitter::ResizeEmitter(NodeOp op, KernelBody &body)
    : op(op), body(body), form(op), element(inputElement(op, 0)),
      coordinate(form.scales >= 0 ? Type(body.builder.getF32Type())
                                  : Type(body.builder.getF64Type())),
      real(realType(element)), c(body.builder, body.loc, coordinate) {
  Value input = body.inputs[0];
  sizes = sizesOf(body, input);
  strides = stridesOf(body, sizes);
  outSizes = sizesOf(body, body.outputs[0]);
  memory = body.flatten(input);
  moved.resize(sizes.size());
  RankedTensorType from = inputType(op, 0);
  auto to = cast<RankedTensorType>(op.getResult(0).getType());
  std::optional<SmallVector<double>> known =
      form.scales >= 0 ? constantReals(op, form.scales) : std::nullopt;
  // Upsample 7 has them as an attribute.
  if (auto list = dyn_cast_or_null<ArrayAttr>(op.getNodeAttr("scales"))) {
    known.emplace();
    for (Attribute value : list)
      known->push_back(cast<FloatAttr>(value).getValueAsDouble());
  }
  bool crops = form.transformation == "tf_crop_and_resize";

  Value common;
  if (form.sizes >= 0 && form.policy != "stretch")
    for (auto [i, dim] : llvm::enumerate(form.axes)) {
      Value size = loadIndex(body, body.inputs[form.sizes], body.index(i));
      Value scale = c.div(toReal(body, size, coordinate),
                          toReal(body, sizes[dim], coordinate));
      if (common)
        common = form.policy == "not_larger" ? c.minimum(common, scale)
                                             : c.maximum(common, scale);
      else
        common = scale;
    }

  for (auto [i, dim] : llvm::enumerate(form.axes)) {
    bool same = known ? (*known)[i] == 1
                      : form.scales < 0 && !common && !from.isDynamicDim(dim) &&
                            from.getDimSize(dim) == to.getDimSize(dim);
    if (same && !crops)
      continue;
    ResizeAxis axis;
    axis.dim = dim;
    axis.inputSize = toReal(body, sizes[dim], coordinate);
    if (known)
      axis.scale = number((*known)[i]);
    else if (form.scales >= 0)
      axis.scale = loadElement(body, body.flatten(body.inputs[form.scales]),
                               body.index(i), Type());
    else
      axis.scale = common ? common
                          : c.div(toReal(body, outSizes[dim], coordinate),
                                  axis.inputSize);
    if (crops) {
      auto edge = [&](size_t j) {
        Value x = loadReal(body, body.flatten(body.inputs[form.roi]),
                           body.index(j), inputElement(op, form.roi));
        return convertReal(body, x, coordinate);
      };
      axis.roiStart = edge(i);
      axis.roiEnd = edge(i + form.axes.size());
    }
    moved.set(dim);
    axes.push_back(axis);
  }
}

/// Where the result of this index lies in the input.
Value ResizeEmitter::position(const ResizeAxis &axis, Value index) {
  Value x = toReal(body, index, coordinate), size = axis.inputSize;
  Value width = c.mul(axis.scale, size);
  Value isOne = c.compare(arith::CmpFPredicate::OEQ, width, number(1));
  Value halfPixel = minus(c.div(plus(x, 0.5), axis.scale), 0.5);
  StringRef how = form.transformation;
  if (how == "asymmetric")
    return c.div(x, axis.scale);
  if (how == "tf_half_pixel_for_nn")
    return c.div(plus(x, 0.5), axis.scale);
  if (how == "align_corners") {
    Value spread = c.div(c.mul(x, minus(size, 1)), minus(width, 1));
    return c.select(isOne, number(0), spread);
  }
  if (how == "pytorch_half_pixel")
    return c.select(isOne, number(-0.5), halfPixel);
  if (how == "half_pixel_symmetric") {
    Value adjustment =
        c.div(toReal(body, outSizes[axis.dim], coordinate), width);
    Value offset =
        c.mul(c.mul(size, number(0.5)), c.sub(number(1), adjustment));
    return minus(c.add(offset, c.div(plus(x, 0.5), axis.scale)), 0.5);
  }
  if (how == "tf_crop_and_resize") {
    Value extent = c.mul(c.sub(axis.roiEnd, axis.roiStart), minus(size, 1));
    Value middle = c.mul(extent, number(0.5));
    Value spread = c.div(c.mul(x, extent), minus(width, 1));
    return c.add(c.select(isOne, middle, spread),
                 c.mul(axis.roiStart, minus(size, 1)));
  }
  return halfPixel;
}

Value ResizeEmitter::nearestIndex(const ResizeAxis &axis, Value x) {
  StringRef how = form.nearest;
  Value rounded = how == "floor"               ? c.floor(x)
                  : how == "ceil"              ? c.ceil(x)
                  : how == "round_prefer_ceil" ? c.floor(plus(x, 0.5))
                                               : c.ceil(minus(x, 0.5));
  Value last = body.sub(sizes[axis.dim], body.index(1));
  return clamp(body, toIndex(body, rounded), body.index(0), last);
}

Value ResizeEmitter::shrink(const ResizeAxis &axis) {
  return form.antialias ? c.minimum(axis.scale, number(1)) : Value();
}

Value ResizeEmitter::weight(const ResizeAxis &axis, const Taps &taps, Value k) {
  Value distance = c.add(taps.distance, toReal(body, k, coordinate));
  if (Value factor = shrink(axis))
    distance = c.mul(distance, factor);
  Value w = form.mode == "cubic"
                ? cubicWeight(c, distance, form.cubicA)
                : c.maximum(c.sub(number(1), c.abs(distance)), number(0));
  if (form.excludeOutside) {
    // Unsigned: a negative index is a large one.
    Value inside =
        arith::CmpIOp::create(body.builder, body.loc, arith::CmpIPredicate::ult,
                              body.add(taps.start, k), sizes[axis.dim]);
    w = c.select(inside, w, number(0));
  }
  return taps.sum ? c.div(w, taps.sum) : w;
}

Taps ResizeEmitter::taps(const ResizeAxis &axis, Value x) {
  int64_t support = form.mode == "cubic" ? 2 : 1;
  Taps taps;
  Value low = body.index(1 - support), floor = c.floor(x);
  taps.count = body.index(2 * support);
  if (Value factor = shrink(axis)) {
    // The kernel is as wide as the step in the input.
    low = body.add(
        toIndex(body, c.floor(c.div(number(-double(support)), factor))),
        body.index(1));
    taps.count = body.sub(body.index(2), body.add(low, low));
  }
  taps.start = body.add(toIndex(body, floor), low);
  taps.distance = c.sub(toReal(body, low, coordinate), c.sub(x, floor));
  if (form.antialias || form.excludeOutside)
    taps.sum = body.loop(body.index(0), taps.count, 1, ValueRange{number(0)},
                         [&](Value k, ValueRange sum) {
                           return SmallVector<Value>{
                               c.add(sum[0], weight(axis, taps, k))};
                         })[0];
  return taps;
}

Value ResizeEmitter::interpolate(ArrayRef<Taps> taps, size_t level,
                                 Value offset) {
  if (level == axes.size())
    return loadReal(body, memory, offset, element);
  const ResizeAxis &axis = axes[level];
  MathEmitter m(body.builder, body.loc, real);
  Value last = body.sub(sizes[axis.dim], body.index(1));
  return body.loop(
      body.index(0), taps[level].count, 1, ValueRange{m.constant(0, real)},
      [&](Value k, ValueRange sum) {
        Value w = convertReal(body, weight(axis, taps[level], k), real);
        // The edge goes on outside.
        Value i =
            clamp(body, body.add(taps[level].start, k), body.index(0), last);
        Value x = interpolate(taps, level + 1,
                              body.add(offset, body.mul(i, strides[axis.dim])));
        return SmallVector<Value>{m.add(sum[0], m.mul(w, x))};
      })[0];
}

Value ResizeEmitter::result(ArrayRef<Value> at) {
  Value offset = body.index(0), outside;
  for (size_t d = 0; d < at.size(); ++d)
    if (!moved[d])
      offset = body.add(offset, body.mul(at[d], strides[d]));
  SmallVector<Taps> all;
  for (const ResizeAxis &axis : axes) {
    Value x = position(axis, at[axis.dim]);
    if (axis.roiStart) {
      Value out = arith::OrIOp::create(
          body.builder, body.loc,
          c.compare(arith::CmpFPredicate::OLT, x, number(0)),
          c.compare(arith::CmpFPredicate::OGT, x, minus(axis.inputSize, 1)));
      outside = outside ? Value(arith::OrIOp::create(body.builder, body.loc,
                                                     outside, out))
                        : out;
    }
    if (form.mode == "nearest")
      offset =
          body.add(offset, body.mul(nearestIndex(axis, x), strides[axis.dim]));
    else
      all.push_back(taps(axis, x));
  }
  Value y = form.mode == "nearest"
                ? loadElement(body, memory, offset, element)
                : fromReal(body, interpolate(all, 0, offset), element);
  if (!outside)
    return y;
  MathEmitter m(body.builder, body.loc, real);
  Value filling = m.constant(op.getFloatAttr("extrapolation_value", 0), real);
  return m.select(outside, fromReal(body, filling, element), y);
}

LogicalResult acceptsResize(NodeOp op, std::string &why) {
  ResizeForm form(op);
  Type element = inputElement(op, 0);
  unsigned bits = element.getIntOrFloatBitWidth();
  bool computes =
      isa<FloatType>(element) ? bits >= 16 : bits >= 8 && bits <= 32;
  llvm::raw_string_ostream os(why);
  if (form.mode != "nearest" && form.mode != "linear" && form.mode != "cubic")
    os << op.getOpType() << " has no mode " << form.mode;
  else if (!computes && (form.mode != "nearest" ||
                         form.transformation == "tf_crop_and_resize"))
    os << op.getOpType() << " with mode " << form.mode << " is not there for "
       << element;
  else if (form.transformation == "tf_crop_and_resize" && form.roi < 0)
    os << op.getOpType() << " with tf_crop_and_resize needs a region (roi)";
  else
    return success();
  return failure();
}

void emitResize(NodeOp op, KernelBody &body) {
  ResizeEmitter emitter(op, body);
  emitPointwise(body, body.outputs[0], inputElement(op, 0),
                [&](ArrayRef<Value> at) { return emitter.result(at); });
}

} // namespace

ArrayRef<NodeKernel> resizeKernels() {
  static const NodeKernel kernels[] = {
      {"Resize", acceptsResize, emitResize,
       /*constantInputs=*/1u << 1 | 1u << 2},
      {"Upsample", acceptsResize, emitResize, /*constantInputs=*/1u << 1},
  };
  return kernels;
}

} // namespace quantc::onnx_kernels
