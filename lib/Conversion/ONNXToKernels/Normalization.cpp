//===- Normalization.cpp - Kernels that divide by a statistic -------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "NodeKernels.h"
#include "Reduce.h"

#include "quantc/Numerics/Order.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

using namespace mlir;

namespace quantc::onnx_kernels {

static LogicalResult acceptsFloat(NodeOp op, std::string &why) {
  Type element = inputElement(op, 0);
  if (!isa<FloatType>(element) || element.getIntOrFloatBitWidth() < 16) {
    llvm::raw_string_ostream(why)
        << op.getOpType() << " is not there for " << element;
    return failure();
  }
  if (op.getIntAttr("training_mode", 0)) {
    why = (op.getOpType() +
           " is there for inference only; export the model for it")
              .str();
    return failure();
  }
  return success();
}

static Value like(KernelBody &body, Value x, Value shape) {
  if (x.getType() == shape.getType())
    return x;
  return vector::BroadcastOp::create(body.builder, body.loc, shape.getType(),
                                     x);
}

static Reducer
sumOf(Type type, std::function<Value(MathEmitter &, Value acc, Value x)> step) {
  Reducer sum;
  sum.type = type;
  sum.initial = [=](MathEmitter &m) { return m.constant(0, m.shaped(type)); };
  sum.combine = [](MathEmitter &m, Value a, Value b) { return m.add(a, b); };
  sum.step = [=](MathEmitter &m, Value acc, Value x, Value, Value) {
    return step(m, acc, x);
  };
  return sum;
}

/// (x - mean) / sqrt(variance + epsilon) * scale + bias, four numbers a
/// channel.
static void emitBatchNormalization(NodeOp op, KernelBody &body) {
  Value input = body.inputs[0], output = body.outputs[0];
  Type element = inputElement(op, 0), type = accumulatorType(element);
  float epsilon = op.getFloatAttr("epsilon", 1e-5f);
  SmallVector<Value> sizes = sizesOf(body, output);
  SmallVector<Access> reads = {denseAccess(body, input, element)};
  for (unsigned i = 1; i < 5; ++i) {
    Access access;
    access.memory = body.flatten(body.inputs[i]);
    access.element = inputElement(op, i);
    access.strides.assign(sizes.size(), body.index(0));
    access.joined.assign(sizes.size(), false);
    access.strides[sizes.size() > 1 ? 1 : 0] = body.index(1);
    reads.push_back(std::move(access));
  }
  emitLoops(body, sizes, reads, denseAccess(body, output, element),
            [&](ArrayRef<Value> loaded) {
              MathEmitter m(body.builder, body.loc, loaded[0].getType());
              SmallVector<Value> v;
              for (Value x : loaded)
                v.push_back(m.narrow(m.widen(x), type));
              Value deviation =
                  m.sqrt(m.add(v[4], m.constant(epsilon, m.shaped(type))));
              Value y = m.div(m.sub(v[0], v[3]), deviation);
              return m.narrow(m.add(m.mul(y, v[1]), v[2]), element);
            });
}

/// The same with the statistics of each sample's channel: the mean, then the
/// mean square of what differs from it.
static void emitInstanceNormalization(NodeOp op, KernelBody &body) {
  Value input = body.inputs[0];
  Type element = inputElement(op, 0), type = accumulatorType(element);
  float epsilon = op.getFloatAttr("epsilon", 1e-5f);
  int64_t rank = inputType(op, 0).getRank();
  llvm::SmallBitVector reduced(rank);
  reduced.set(2, rank);
  ReduceLayout layout(body, input, reduced);
  Value memory = body.flatten(input), output = body.flatten(body.outputs[0]);
  Value channels = body.dim(input, 1);
  Value scales = body.flatten(body.inputs[1]),
        biases = body.flatten(body.inputs[2]);
  forEachResult(body, layout, [&](Walk walk, Value base, Value index) {
    MathEmitter one(body.builder, body.loc, type);
    Value n = arith::IndexCastOp::create(
        body.builder, body.loc, body.builder.getI64Type(), layout.count);
    n = arith::SIToFPOp::create(body.builder, body.loc, type, n);
    Reducer sum = sumOf(
        type, [](MathEmitter &m, Value acc, Value x) { return m.add(acc, x); });
    Value mean = reduceElements(body, layout, walk, memory, element, base, sum);
    mean = one.div(mean, n);
    Reducer squares = sumOf(type, [&](MathEmitter &m, Value acc, Value x) {
      Value d = m.sub(x, like(body, mean, x));
      return m.fma(d, d, acc);
    });
    Value variance =
        reduceElements(body, layout, walk, memory, element, base, squares);
    variance = one.add(one.div(variance, n), one.constant(epsilon, type));
    Value channel = remainder(body, index, channels);
    auto parameter = [&](Value list, unsigned i) {
      return one.widen(loadElement(body, list, channel, inputElement(op, i)));
    };
    Value scale = one.div(parameter(scales, 1), one.sqrt(variance));
    Value bias = parameter(biases, 2);
    forEachElement(body, layout, walk, base, [&](Value offset, bool vector) {
      Value x = loadElement(body, memory, offset, element, vector);
      MathEmitter m(body.builder, body.loc, x.getType());
      x = m.widen(x);
      Value y = m.mul(m.sub(x, like(body, mean, x)), like(body, scale, x));
      y = m.add(y, like(body, bias, x));
      storeElement(body, m.narrow(y, element), output, offset, element);
    });
  });
}

/// x / |x|_p along an axis, p = 1 or 2; a line of zeros stays.
static void emitLpNormalization(NodeOp op, KernelBody &body) {
  Value input = body.inputs[0];
  Type element = inputElement(op, 0), type = accumulatorType(element);
  int64_t rank = inputType(op, 0).getRank();
  llvm::SmallBitVector reduced(rank);
  reduced.set(normalizeAxis(op.getIntAttr("axis", -1), rank));
  ReduceLayout layout(body, input, reduced);
  Value memory = body.flatten(input), output = body.flatten(body.outputs[0]);
  bool square = op.getIntAttr("p", 2) == 2;
  forEachResult(body, layout, [&](Walk walk, Value base, Value) {
    Reducer sum = sumOf(type, [&](MathEmitter &m, Value acc, Value x) {
      return square ? m.fma(x, x, acc) : m.add(acc, m.abs(x));
    });
    Value norm = reduceElements(body, layout, walk, memory, element, base, sum);
    MathEmitter one(body.builder, body.loc, norm.getType());
    norm = square ? one.sqrt(norm) : norm;
    Value zero = one.constant(0, norm.getType());
    norm = one.select(one.compare(arith::CmpFPredicate::OEQ, norm, zero),
                      one.constant(1, norm.getType()), norm);
    forEachElement(body, layout, walk, base, [&](Value offset, bool vector) {
      Value x = loadElement(body, memory, offset, element, vector);
      MathEmitter m(body.builder, body.loc, x.getType());
      x = m.widen(x);
      storeElement(body, m.narrow(m.div(x, like(body, norm, x)), element),
                   output, offset, element);
    });
  });
}

/// x / (bias + alpha / size * sum of the squares of `size` neighbours)^beta,
/// the neighbours among the channels: dimension 1, or after
/// --qgraph-propagate-layout the last one, of which 16 are computed together
/// where all their neighbours are there.
static void emitLRN(NodeOp op, KernelBody &body) {
  Type element = inputElement(op, 0), scalar = accumulatorType(element);
  int64_t size = op.getIntAttr("size", 1);
  int64_t before = (size - 1) / 2, after = size / 2;
  double alpha = op.getFloatAttr("alpha", 1e-4f),
         beta = op.getFloatAttr("beta", 0.75f);
  double bias = op.getFloatAttr("bias", 1.0f);
  SmallVector<Value> sizes = sizesOf(body, body.inputs[0]),
                     strides = stridesOf(body, sizes);
  bool last = op.getIntAttr("channels_last", 0);
  size_t axis = last ? strides.size() - 1 : 1;
  Value memory = body.flatten(body.inputs[0]), zero = body.index(0),
        channels = sizes[axis];
  // The result at channel c, `start` being where channel 0 lies; the neighbours
  // [first, end).
  auto result = [&](Value start, Value c, Value first, Value end, bool vector) {
    Type type =
        vector ? Type(VectorType::get({numerics::kLanes}, scalar)) : scalar;
    MathEmitter m(body.builder, body.loc, type);
    Value stride = strides[axis];
    auto load = [&](Value offset) {
      Value place = body.add(start, body.mul(body.add(c, offset), stride));
      return m.widen(loadElement(body, memory, place, element, vector));
    };
    Value squares =
        body.loop(first, end, 1, ValueRange{m.constant(0, m.shaped(scalar))},
                  [&](Value offset, ValueRange acc) {
                    Value x = load(offset);
                    return SmallVector<Value>{m.fma(x, x, acc[0])};
                  })[0];
    Value base = m.add(
        m.constant(bias, m.shaped(scalar)),
        m.mul(m.constant(alpha / double(size), m.shaped(scalar)), squares));
    Value y =
        m.div(load(zero), m.pow(base, m.constant(beta, m.shaped(scalar))));
    return m.narrow(y, element);
  };
  auto one = [&](Value start, Value c) {
    // The neighbours that are there, counted from the channel.
    Value first = clamp(body, body.sub(c, body.index(before)), zero, channels);
    Value end = body.minimum(body.add(c, body.index(after + 1)), channels);
    return result(start, c, body.sub(first, c), body.sub(end, c),
                  /*vector=*/false);
  };
  if (!last)
    return emitPointwise(
        body, body.outputs[0], element, [&](ArrayRef<Value> at) {
          SmallVector<Value> start(at);
          start[axis] = zero;
          return one(linearize(body, start, strides), at[axis]);
        });

  Value output = body.flatten(body.outputs[0]);
  forEachRow(body, sizes, [&](ArrayRef<Value> outer, Value lo, Value hi) {
    Value start = linearize(body, outer, ArrayRef(strides).drop_back());
    auto scalars = [&](Value from, Value to) {
      body.loop(from, to, 1, [&](Value c) {
        storeElement(body, one(start, c), output, body.add(start, c), element);
      });
    };
    Value tail = lo;
    if (body.fast) {
      // Channels [head, full) have all neighbours.
      Value lanes = body.index(numerics::kLanes);
      Value head = clamp(body, body.index(before), lo, hi);
      Value full = clamp(body, body.sub(channels, body.index(after)), head, hi);
      scalars(lo, head);
      tail = body.add(
          head, body.mul(quotient(body, body.sub(full, head), lanes), lanes));
      body.loop(head, tail, numerics::kLanes, [&](Value c) {
        Value y = result(start, c, body.index(-before), body.index(after + 1),
                         /*vector=*/true);
        storeElement(body, y, output, body.add(start, c), element);
      });
    }
    scalars(tail, hi);
  });
}

ArrayRef<NodeKernel> normalizationKernels() {
  static const NodeKernel kernels[] = {
      {"BatchNormalization", acceptsFloat, emitBatchNormalization},
      {"InstanceNormalization", acceptsFloat, emitInstanceNormalization},
      {"LpNormalization", acceptsFloat, emitLpNormalization},
      {"LRN", acceptsFloat, emitLRN},
  };
  return kernels;
}

} // namespace quantc::onnx_kernels
