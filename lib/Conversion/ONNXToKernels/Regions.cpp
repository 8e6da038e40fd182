//===- Regions.cpp - Kernels of pools over regions of interest ------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Coordinates.h"
#include "NodeKernels.h"
#include "Window.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;

namespace quantc::onnx_kernels {

namespace {

LogicalResult acceptsRegions(NodeOp op, std::string &why) {
  Type element = inputElement(op, 0);
  if (isa<FloatType>(element) && element.getIntOrFloatBitWidth() >= 16 &&
      inputType(op, 0).getRank() == 4)
    return success();
  llvm::raw_string_ostream(why)
      << op.getOpType() << " is not there for " << inputType(op, 0);
  return failure();
}

//===----------------------------------------------------------------------===//
// RoiAlign
//===----------------------------------------------------------------------===//

/// One dimension of a bilinear sample: two indices and their weights.
struct Between {
  Value low, high, lowWeight, highWeight;
  Value inside; // at most one element outside
};

Between between(KernelBody &body, MathEmitter &m, Value x, Value size) {
  Type type = x.getType();
  Value zero = m.constant(0, type), one = m.constant(1, type);
  Value real = toReal(body, size, type), last = body.sub(size, body.index(1));
  Between b;
  b.inside =
      both(body, m.compare(arith::CmpFPredicate::OGE, x, m.constant(-1, type)),
           m.compare(arith::CmpFPredicate::OLE, x, real));
  x = body.larger(x, zero);
  b.low = clamp(body, toIndex(body, x), body.index(0), last);
  b.high = body.minimum(body.add(b.low, body.index(1)), last);
  // Beyond the last element there is nothing to interpolate.
  Value atEnd = equals(body, b.low, last);
  b.highWeight = m.select(atEnd, zero, m.sub(x, toReal(body, b.low, type)));
  b.lowWeight = m.sub(one, b.highWeight);
  return b;
}

/// The mean, or maximum, of samples on a regular grid in each bin of a region.
/// They are summed row by row; as in ONNX, the maximum is that of the weighted
/// corners, not of the samples.
void emitRoiAlign(NodeOp op, KernelBody &body) {
  Type element = inputElement(op, 0), type = realType(element);
  Value input = body.inputs[0], output = body.outputs[0];
  Value image = body.flatten(input), rois = body.flatten(body.inputs[1]),
        batches = body.inputs[2];
  SmallVector<Value> sizes = sizesOf(body, input),
                     strides = stridesOf(body, sizes);
  MathEmitter m(body.builder, body.loc, type);
  auto number = [&](double value) { return m.constant(value, type); };
  bool average = op.getStringAttr("mode", "avg") == "avg";
  bool halfPixel =
      op.getStringAttr("coordinate_transformation_mode",
                       op.getVersion() < 16 ? "output_half_pixel"
                                            : "half_pixel") == "half_pixel";
  int64_t ratio = op.getIntAttr("sampling_ratio", 0);
  Value spatialScale = number(op.getFloatAttr("spatial_scale", 1));
  emitPointwise(body, output, element, [&](ArrayRef<Value> at) {
    Value batch = checkedIndex(body, loadIndex(body, batches, at[0]), sizes[0]);
    Value base =
        body.add(body.mul(batch, strides[0]), body.mul(at[1], strides[1]));
    auto corner = [&](int64_t i) {
      Value at4 = body.add(body.mul(at[0], body.index(4)), body.index(i));
      Value x = m.mul(loadReal(body, rois, at4, element), spatialScale);
      return halfPixel ? m.sub(x, number(0.5)) : x;
    };
    // Of y and x: the bin's start, its size, and its number of samples.
    Value start[2], bin[2], samples[2];
    for (int64_t d = 0; d < 2; ++d) {
      Value low = corner(1 - d), extent = m.sub(corner(3 - d), low);
      if (!halfPixel)
        extent = m.maximum(extent, number(1));
      bin[d] = m.div(extent, toReal(body, body.dim(output, d + 2), type));
      start[d] = m.add(low, m.mul(toReal(body, at[d + 2], type), bin[d]));
      samples[d] =
          ratio > 0 ? body.index(ratio) : toIndex(body, m.ceil(bin[d]));
    }
    auto sampleAt = [&](int64_t d, Value i) {
      Value middle = m.add(toReal(body, i, type), number(0.5));
      Value step = m.div(m.mul(middle, bin[d]), toReal(body, samples[d], type));
      return between(body, m, m.add(start[d], step), sizes[d + 2]);
    };
    Value init[] = {number(0), body.constant(body.builder.getBoolAttr(true))};
    SmallVector<Value> pooled = body.loop(
        body.index(0), samples[0], 1, init, [&](Value i, ValueRange outer) {
          Between y = sampleAt(0, i);
          return body.loop(
              body.index(0), samples[1], 1, outer,
              [&](Value j, ValueRange carried) {
                Between x = sampleAt(1, j);
                Value inside = both(body, y.inside, x.inside);
                SmallVector<Value> terms;
                for (auto [row, rowWeight] :
                     {std::pair(y.low, y.lowWeight), {y.high, y.highWeight}})
                  for (auto [column, weight] : {std::pair(x.low, x.lowWeight),
                                                {x.high, x.highWeight}}) {
                    Value offset = body.add(
                        base, body.add(body.mul(row, strides[2]), column));
                    Value w =
                        m.select(inside, m.mul(rowWeight, weight), number(0));
                    terms.push_back(
                        m.mul(w, loadReal(body, image, offset, element)));
                  }
                Value value = terms[0];
                for (Value term : ArrayRef(terms).drop_front())
                  value = average ? m.add(value, term) : m.maximum(value, term);
                Value next = average ? m.add(carried[0], value)
                                     : m.select(carried[1], value,
                                                m.maximum(carried[0], value));
                return SmallVector<Value>{
                    next, body.constant(body.builder.getBoolAttr(false))};
              });
        });
    Value y = pooled[0];
    if (average) {
      Value count = body.builder.createOrFold<arith::MaxSIOp>(
          body.loc, body.mul(samples[0], samples[1]), body.index(1));
      y = m.div(y, toReal(body, count, type));
    }
    return fromReal(body, y, element);
  });
}

//===----------------------------------------------------------------------===//
// MaxRoiPool
//===----------------------------------------------------------------------===//

/// The maximum of the elements of each bin of a region whose corners are
/// rounded to elements, both included (R. Girshick, "Fast R-CNN", 2015); 0 for
/// a bin outside the image.
void emitMaxRoiPool(NodeOp op, KernelBody &body) {
  Type element = inputElement(op, 0), type = realType(element);
  Value input = body.inputs[0], output = body.outputs[0];
  Value image = body.flatten(input), rois = body.flatten(body.inputs[1]);
  SmallVector<Value> sizes = sizesOf(body, input),
                     strides = stridesOf(body, sizes);
  MathEmitter m(body.builder, body.loc, type);
  auto number = [&](double value) { return m.constant(value, type); };
  Value spatialScale = number(op.getFloatAttr("spatial_scale", 1));
  Value one = body.index(1), zero = body.index(0);
  emitPointwise(body, output, element, [&](ArrayRef<Value> at) {
    auto field = [&](int64_t i) {
      Value where = body.add(body.mul(at[0], body.index(5)), body.index(i));
      return loadReal(body, rois, where, element);
    };
    Value batch = checkedIndex(body, toIndex(body, field(0)), sizes[0]);
    Value base =
        body.add(body.mul(batch, strides[0]), body.mul(at[1], strides[1]));
    // Halves are rounded away from zero.
    auto corner = [&](int64_t i) {
      Value x = m.mul(field(i), spatialScale);
      return toIndex(body, m.add(x, m.copysign(number(0.5), x)));
    };
    Value begin[2], end[2];
    for (int64_t d = 0; d < 2; ++d) {
      Value low = corner(2 - d), high = corner(4 - d);
      Value extent = body.builder.createOrFold<arith::MaxSIOp>(
          body.loc, body.add(body.sub(high, low), one), one);
      Value bin = m.div(toReal(body, extent, type),
                        toReal(body, body.dim(output, d + 2), type));
      Value from = m.floor(m.mul(toReal(body, at[d + 2], type), bin));
      Value to =
          m.ceil(m.mul(toReal(body, body.add(at[d + 2], one), type), bin));
      begin[d] =
          clamp(body, body.add(toIndex(body, from), low), zero, sizes[d + 2]);
      end[d] =
          clamp(body, body.add(toIndex(body, to), low), zero, sizes[d + 2]);
    }
    Value hasAny = both(body, lessThan(body, begin[0], end[0]),
                        lessThan(body, begin[1], end[1]));
    Value least = number(-std::numeric_limits<double>::infinity());
    Value most = body.loop(
        begin[0], end[0], 1, ValueRange{least}, [&](Value i, ValueRange outer) {
          return body.loop(
              begin[1], end[1], 1, outer, [&](Value j, ValueRange carried) {
                Value offset =
                    body.add(base, body.add(body.mul(i, strides[2]), j));
                return SmallVector<Value>{m.maximum(
                    carried[0], loadReal(body, image, offset, element))};
              });
        })[0];
    return fromReal(body, m.select(hasAny, most, number(0)), element);
  });
}

} // namespace

ArrayRef<NodeKernel> regionKernels() {
  static const NodeKernel kernels[] = {
      {"RoiAlign", acceptsRegions, emitRoiAlign},
      {"MaxRoiPool", acceptsRegions, emitMaxRoiPool},
  };
  return kernels;
}

} // namespace quantc::onnx_kernels
