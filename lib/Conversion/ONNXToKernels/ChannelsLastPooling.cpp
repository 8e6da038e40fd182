//===- ChannelsLastPooling.cpp - Pools of [N, spatial.., C] ---------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The pools behind --qgraph-propagate-layout (`channels_last`): 16 neighbouring
// channels are one vector, and four vectors go through a window together. Each
// takes the positions of its window in the order that the other layout has, so
// the bits are the same.
//
//===----------------------------------------------------------------------===//

#include "Pooling.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "quantc/Numerics/Order.h"

using namespace mlir;

namespace quantc::onnx_kernels {

namespace {

/// Vectors of channels that go through a window together.
constexpr int64_t kVectors = 4;
/// Windows of so many positions are unrolled where they lie inside the image.
constexpr int64_t kMostUnrolled = 9;

/// The positions [lo, hi) of a window, along each spatial dimension, that the
/// image has; and where position 0 lies.
struct Taps {
  SmallVector<Value> lo, hi, start;
  bool all = false; // known to be all there
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
  /// Channels from `channel` on: `vectors` times 16, or one for 0.
  SmallVector<Value> compute(ArrayRef<Value> outer, const Taps &taps,
                             Value channel, int64_t vectors);
  /// acc over the positions of the window, of each vector.
  SmallVector<Value> fold(ArrayRef<Value> outer, const Taps &taps,
                          Value channel, int64_t vectors, Value init,
                          llvm::function_ref<Value(Value acc, Value x)> step);
  void emitChannels(ArrayRef<Value> outer, const Taps &taps, Value row,
                    Value lo, Value hi);
  /// True if windows are small enough to be unrolled.
  bool unrolls();
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

SmallVector<Value>
ChannelsLastPool::fold(ArrayRef<Value> outer, const Taps &taps, Value channel,
                       int64_t vectors, Value init,
                       llvm::function_ref<Value(Value acc, Value x)> step) {
  using Values = SmallVector<Value>;
  Value base = body.add(body.mul(outer[0], strides[0]), channel);
  std::function<Values(size_t, Value, ValueRange)> nest =
      [&](size_t d, Value offset, ValueRange accs) -> Values {
    if (d == window.kernel.size()) {
      Values next;
      for (auto [v, acc] : llvm::enumerate(accs)) {
        Value at = body.add(offset, body.index(v * numerics::kLanes));
        Value x = loadElement(body, input, at, element, vectors > 0);
        next.push_back(step(
            acc, MathEmitter(body.builder, body.loc, x.getType()).widen(x)));
      }
      return next;
    }
    auto position = [&](Value k, ValueRange carried) {
      Value place =
          body.add(taps.start[d], body.mul(k, body.index(window.dilations[d])));
      return nest(d + 1, body.add(offset, body.mul(place, strides[d + 1])),
                  carried);
    };
    if (!taps.all)
      return body.loop(taps.lo[d], taps.hi[d], 1, accs, position);
    Values values(accs);
    for (int64_t k = 0; k < op.getIntsAttr("kernel_shape")[d]; ++k)
      values = position(body.index(k), values);
    return values;
  };
  return nest(0, base, Values(std::max<int64_t>(vectors, 1), init));
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

SmallVector<Value> ChannelsLastPool::compute(ArrayRef<Value> outer,
                                             const Taps &taps, Value channel,
                                             int64_t vectors) {
  OpBuilder &b = body.builder;
  bool vector = vectors > 0;
  if (op.is("MaxPool")) {
    Reducer reducer = maximumReducer(element);
    Type type = vector ? Type(VectorType::get({numerics::kLanes}, reducer.type))
                       : reducer.type;
    MathEmitter m(b, body.loc, type);
    SmallVector<Value> most =
        fold(outer, taps, channel, vectors, reducer.initial(m),
             [&](Value acc, Value x) { return reducer.combine(m, acc, x); });
    for (Value &value : most)
      if (isa<FloatType>(element))
        value = m.narrow(value, element);
    return most;
  }
  Type scalar = accumulatorType(element);
  Type type =
      vector ? Type(VectorType::get({numerics::kLanes}, scalar)) : scalar;
  MathEmitter m(b, body.loc, type);
  Value zero = m.constant(0, m.shaped(scalar));
  if (op.is("LpPool")) {
    int64_t p = op.getIntAttr("p", 2);
    SmallVector<Value> sums =
        fold(outer, taps, channel, vectors, zero, [&](Value acc, Value x) {
          return m.add(acc, lpTerm(m, x, p, scalar));
        });
    for (Value &sum : sums)
      sum = m.narrow(lpRoot(m, sum, p, scalar), element);
    return sums;
  }
  SmallVector<Value> sums =
      fold(outer, taps, channel, vectors, zero,
           [&](Value acc, Value x) { return m.add(acc, x); });
  Value count = arith::IndexCastOp::create(b, body.loc, b.getI64Type(),
                                           countOf(outer, taps));
  count = arith::SIToFPOp::create(b, body.loc, scalar, count);
  if (vector)
    count = vector::BroadcastOp::create(b, body.loc, type, count);
  for (Value &sum : sums)
    sum = m.narrow(m.div(sum, count), element);
  return sums;
}

/// Channels [lo, hi) of one position of the result.
void ChannelsLastPool::emitChannels(ArrayRef<Value> outer, const Taps &taps,
                                    Value row, Value lo, Value hi) {
  Value tail = lo;
  auto channels = [&](Value from, Value to, int64_t vectors) {
    int64_t step = std::max<int64_t>(vectors * numerics::kLanes, 1);
    body.loop(from, to, step, [&](Value c) {
      SmallVector<Value> values = compute(outer, taps, c, vectors);
      for (auto [v, value] : llvm::enumerate(values)) {
        Value at = body.add(c, body.index(v * numerics::kLanes));
        storeElement(body, value, output, body.add(row, at), element);
      }
    });
  };
  if (body.fast) {
    Value lanes = body.index(numerics::kLanes), length = body.sub(hi, lo);
    Value count = quotient(body, length, lanes);
    Value fours =
        quotient(body, length, body.index(kVectors * numerics::kLanes));
    Value border =
        body.add(lo, body.mul(fours, body.index(kVectors * numerics::kLanes)));
    tail = body.add(lo, body.mul(count, lanes));
    channels(lo, border, kVectors);
    channels(border, tail, 1);
    // What is left of a row of several vectors is done by one that covers
    // some channels once more.
    Value some = body.minimum(count, body.index(1));
    Value rest = body.mul(some, body.sub(hi, tail));
    Value more =
        body.builder.createOrFold<arith::CeilDivUIOp>(body.loc, rest, lanes);
    Value begin = body.sub(hi, lanes);
    channels(begin, body.add(begin, body.mul(more, lanes)), 1);
    tail = body.add(tail, rest);
  }
  channels(tail, hi, 0);
}

bool ChannelsLastPool::unrolls() {
  int64_t count = 1;
  for (int64_t size : op.getIntsAttr("kernel_shape"))
    count *= size;
  return body.fast && count <= kMostUnrolled;
}

void ChannelsLastPool::emit() {
  SmallVector<Value> outSizes = sizesOf(body, body.outputs[0]),
                     outStrides = stridesOf(body, outSizes);
  forEachRow(body, outSizes, [&](ArrayRef<Value> outer, Value lo, Value hi) {
    Taps taps = tapsAt(outer);
    Value row = linearize(body, outer, ArrayRef(outStrides).drop_back());
    if (!unrolls())
      return emitChannels(outer, taps, row, lo, hi);
    // Most windows are inside: no loops of few turns, which are mispredicted.
    OpBuilder &b = body.builder;
    Value inside;
    for (size_t d = 0; d < window.kernel.size(); ++d) {
      Value count = body.sub(taps.hi[d], taps.lo[d]);
      Value same = arith::CmpIOp::create(b, body.loc, arith::CmpIPredicate::eq,
                                         count, window.kernel[d]);
      inside = inside ? Value(arith::AndIOp::create(b, body.loc, inside, same))
                      : same;
    }
    auto choice =
        scf::IfOp::create(b, body.loc, inside, /*withElseRegion=*/true);
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(choice.thenBlock());
    Taps all = taps;
    all.all = true;
    emitChannels(outer, all, row, lo, hi);
    b.setInsertionPointToStart(choice.elseBlock());
    emitChannels(outer, taps, row, lo, hi);
  });
}

void emitChannelsLastPool(NodeOp op, KernelBody &body) {
  ChannelsLastPool(op, body).emit();
}

} // namespace quantc::onnx_kernels
