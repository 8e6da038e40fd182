//===- ChannelsLastPooling.cpp - Pools of [N, spatial.., C] ---------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The pools behind --qgraph-propagate-layout (`channels_last`): 16 neighbouring
// channels are computed together. Each takes the positions of its window in the
// order that the other layout has, so the bits are the same.
//
//===----------------------------------------------------------------------===//

#include "Pooling.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "quantc/Numerics/Order.h"

using namespace mlir;

namespace quantc::onnx_kernels {

namespace {

/// The positions [lo, hi) of a window, along each spatial dimension, that the
/// image has; and where position 0 lies.
struct Taps {
  SmallVector<Value> lo, hi, start;
};

class ChannelsLastPool {
public:
  ChannelsLastPool(NodeOp op, KernelBody &body)
      : op(op), body(body), element(inputElement(op, 0)),
        window(op, body, body.inputs[0], body.outputs[0], kernelOf(op, body),
               /*transposed=*/false, /*spatial=*/1),
        sizes(sizesOf(body, body.inputs[0])), strides(stridesOf(body, sizes)),
        input(body.flatten(body.inputs[0])),
        output(body.flatten(body.outputs[0])) {}

  void emit();

private:
  Taps tapsAt(ArrayRef<Value> outer);
  Value compute(ArrayRef<Value> outer, const Taps &taps, Value channel,
                bool vector);
  /// acc over the positions of the window.
  Value fold(ArrayRef<Value> outer, const Taps &taps, Value channel,
             bool vector, Value init,
             llvm::function_ref<Value(Value acc, Value x)> step);
  /// How many positions an average counts.
  Value countOf(ArrayRef<Value> outer, const Taps &taps);

  NodeOp op;
  KernelBody &body;
  Type element;
  Window window;
  SmallVector<Value> sizes, strides;
  Value input, output;
};

} // namespace

Taps ChannelsLastPool::tapsAt(ArrayRef<Value> outer) {
  Taps taps;
  OpBuilder &b = body.builder;
  Value zero = body.index(0);
  for (size_t d = 0; d < window.kernel.size(); ++d) {
    Value start =
        body.sub(body.mul(outer[d + 1], body.index(window.strides[d])),
                 window.before[d]);
    auto positions = [&](Value room) {
      Value least = b.createOrFold<arith::MaxSIOp>(body.loc, room, zero);
      return body.minimum(body.ceilDiv(least, window.dilations[d]),
                          window.kernel[d]);
    };
    taps.start.push_back(start);
    taps.lo.push_back(positions(body.sub(zero, start)));
    taps.hi.push_back(positions(body.sub(sizes[d + 1], start)));
  }
  return taps;
}

Value ChannelsLastPool::fold(
    ArrayRef<Value> outer, const Taps &taps, Value channel, bool vector,
    Value init, llvm::function_ref<Value(Value acc, Value x)> step) {
  Value base = body.add(body.mul(outer[0], strides[0]), channel);
  std::function<Value(size_t, Value, Value)> nest = [&](size_t d, Value offset,
                                                        Value acc) -> Value {
    if (d == window.kernel.size()) {
      Value x = loadElement(body, input, offset, element, vector);
      return step(acc,
                  MathEmitter(body.builder, body.loc, x.getType()).widen(x));
    }
    return body.loop(
        taps.lo[d], taps.hi[d], 1, ValueRange{acc},
        [&](Value k, ValueRange carried) -> SmallVector<Value> {
          Value place = body.add(taps.start[d],
                                 body.mul(k, body.index(window.dilations[d])));
          return {nest(d + 1, body.add(offset, body.mul(place, strides[d + 1])),
                       carried[0])};
        })[0];
  };
  return nest(0, base, init);
}

Value ChannelsLastPool::countOf(ArrayRef<Value> outer, const Taps &taps) {
  if (op.getIntAttr("count_include_pad", 0)) {
    SmallVector<Value> image(sizes.begin() + 1, sizes.end() - 1);
    return paddedCount(op, body, window, image, outer.drop_front());
  }
  Value count = body.index(1);
  for (auto [lo, hi] : llvm::zip_equal(taps.lo, taps.hi))
    count = body.mul(count, body.sub(hi, lo));
  return count;
}

Value ChannelsLastPool::compute(ArrayRef<Value> outer, const Taps &taps,
                                Value channel, bool vector) {
  OpBuilder &b = body.builder;
  if (op.is("MaxPool")) {
    Reducer reducer = maximumReducer(element);
    Type type = vector ? Type(VectorType::get({numerics::kLanes}, reducer.type))
                       : reducer.type;
    MathEmitter m(b, body.loc, type);
    Value most =
        fold(outer, taps, channel, vector, reducer.initial(m),
             [&](Value acc, Value x) { return reducer.combine(m, acc, x); });
    return isa<FloatType>(element) ? m.narrow(most, element) : most;
  }
  Type scalar = accumulatorType(element);
  Type type =
      vector ? Type(VectorType::get({numerics::kLanes}, scalar)) : scalar;
  MathEmitter m(b, body.loc, type);
  Value zero = m.constant(0, m.shaped(scalar));
  if (op.is("LpPool")) {
    int64_t p = op.getIntAttr("p", 2);
    Value sum =
        fold(outer, taps, channel, vector, zero, [&](Value acc, Value x) {
          return m.add(acc, lpTerm(m, x, p, scalar));
        });
    return m.narrow(lpRoot(m, sum, p, scalar), element);
  }
  Value sum = fold(outer, taps, channel, vector, zero,
                   [&](Value acc, Value x) { return m.add(acc, x); });
  Value count = arith::IndexCastOp::create(b, body.loc, b.getI64Type(),
                                           countOf(outer, taps));
  count = arith::SIToFPOp::create(b, body.loc, scalar, count);
  if (vector)
    count = vector::BroadcastOp::create(b, body.loc, type, count);
  return m.narrow(m.div(sum, count), element);
}

void ChannelsLastPool::emit() {
  SmallVector<Value> outSizes = sizesOf(body, body.outputs[0]),
                     outStrides = stridesOf(body, outSizes);
  forEachRow(body, outSizes, [&](ArrayRef<Value> outer, Value lo, Value hi) {
    Taps taps = tapsAt(outer);
    Value row = linearize(body, outer, ArrayRef(outStrides).drop_back());
    Value tail = lo;
    if (body.fast) {
      Value lanes = body.index(numerics::kLanes);
      tail = body.add(lo,
                      body.mul(quotient(body, body.sub(hi, lo), lanes), lanes));
      body.loop(lo, tail, numerics::kLanes, [&](Value c) {
        storeElement(body, compute(outer, taps, c, /*vector=*/true), output,
                     body.add(row, c), element);
      });
    }
    body.loop(tail, hi, 1, [&](Value c) {
      storeElement(body, compute(outer, taps, c, /*vector=*/false), output,
                   body.add(row, c), element);
    });
  });
}

void emitChannelsLastPool(NodeOp op, KernelBody &body) {
  ChannelsLastPool(op, body).emit();
}

} // namespace quantc::onnx_kernels
