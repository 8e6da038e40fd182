//===- Attention.cpp - Plain attention ------------------------------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Loops.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "quantc/Numerics/Order.h"

using namespace mlir;
using namespace quantc::qgraph;

namespace quantc::qkernel {

void Plain::emit(AttentionOp op) {
  Value query = body.inputs[0], key = body.inputs[1], value = body.inputs[2];
  Value mask = op.getMask() ? body.inputs[3] : Value();
  Value output = body.outputs[0];
  Type f32 = builder.getF32Type();
  Value batch = body.dim(query, 0), queries = body.dim(query, 1),
        heads = body.dim(query, 2);
  int64_t keyAt = op.getHeadsFirst() ? 2 : 1, groupAt = 3 - keyAt;
  auto at = [&](Value b, Value j, Value g, Value d) -> SmallVector<Value> {
    return op.getHeadsFirst() ? SmallVector<Value>{b, g, j, d}
                              : SmallVector<Value>{b, j, g, d};
  };
  Value depth = body.dim(query, 3), keys = body.dim(key, keyAt),
        valueDepth = body.dim(value, 3);
  Value perGroup =
      builder.createOrFold<arith::DivUIOp>(loc, heads, body.dim(key, groupAt));
  Value zero = body.index(0),
        none = body.f32(-std::numeric_limits<float>::infinity());
  constexpr int64_t kBlock = numerics::kSoftmaxBlock;
  Value scale = body.f32(op.getScale().convertToFloat());
  Value scores = buffer(kBlock, f32);
  // m: maximum so far; l: sum of exponentials; both of the current row.
  Value state = buffer(2, f32);
  Value cellMax = body.index(0), cellSum = body.index(1);

  auto score = [&](Value b, Value h, Value g, Value i, Value j) {
    Value s = dotOverK(depth, [&](Value d) {
      Value q =
          arith::MulFOp::create(builder, loc, load(query, {b, i, h, d}), scale);
      return std::make_pair(q, load(key, at(b, j, g, d)));
    });
    if (mask) {
      Value m = loadBroadcast(mask, {b, h, i, j});
      if (tensorType(op.getMask()).getElementType().isInteger(1)) {
        Value keep =
            arith::TruncIOp::create(builder, loc, builder.getI1Type(), m);
        s = arith::SelectOp::create(builder, loc, keep, s, none);
      } else {
        s = arith::AddFOp::create(
            builder, loc, s,
            toFloat(m, tensorType(op.getMask()).getElementType()));
      }
    }
    if (op.getCausal()) {
      // j <= i + (keys - queries), without going below 0.
      Value seen =
          arith::CmpIOp::create(builder, loc, arith::CmpIPredicate::ule,
                                body.add(j, queries), body.add(i, keys));
      s = arith::SelectOp::create(builder, loc, seen, s, none);
    }
    return s;
  };
  auto step = [&](Value b, Value h, Value g, Value i, Value begin) {
    Value size = body.minimum(body.sub(keys, begin), body.index(kBlock));
    body.loop(zero, size, 1, [&](Value j) {
      store(score(b, h, g, i, body.add(begin, j)), scores, {j});
    });
    auto largest =
        body.loop(zero, size, 1, ValueRange{load(state, {cellMax})},
                  [&](Value j, ValueRange carried) -> SmallVector<Value> {
                    return {body.larger(load(scores, {j}), carried[0])};
                  });
    // While no key is kept the maximum is -inf; take 0 so that exp(-inf - 0) =
    // 0.
    Value isNone = arith::CmpFOp::create(
        builder, loc, arith::CmpFPredicate::OEQ, largest[0], none);
    Value base =
        arith::SelectOp::create(builder, loc, isNone, body.f32(0), largest[0]);
    Value decay = body.exp(
        arith::SubFOp::create(builder, loc, load(state, {cellMax}), base));
    store(largest[0], state, {cellMax});
    body.loop(zero, size, 1, [&](Value j) {
      Value p = body.exp(
          arith::SubFOp::create(builder, loc, load(scores, {j}), base));
      store(p, scores, {j});
    });
    Value sum = sumRow(size, /*square=*/false,
                       [&](Value j) { return load(scores, {j}); });
    Value before =
        arith::MulFOp::create(builder, loc, load(state, {cellSum}), decay);
    store(arith::AddFOp::create(builder, loc, before, sum), state, {cellSum});
    body.loop(zero, valueDepth, 1, [&](Value e) {
      Value start = arith::MulFOp::create(builder, loc,
                                          load(output, {b, i, h, e}), decay);
      auto total =
          body.loop(zero, size, 1, ValueRange{start},
                    [&](Value j, ValueRange carried) -> SmallVector<Value> {
                      Value v = load(value, at(b, body.add(begin, j), g, e));
                      return {math::FmaOp::create(
                          builder, loc, load(scores, {j}), v, carried[0])};
                    });
      store(total[0], output, {b, i, h, e});
    });
  };
  body.loop(zero, batch, 1, [&](Value b) {
    body.loop(zero, heads, 1, [&](Value h) {
      Value g = builder.createOrFold<arith::DivUIOp>(loc, h, perGroup);
      body.loop(zero, queries, 1, [&](Value i) {
        store(none, state, {cellMax});
        store(body.f32(0), state, {cellSum});
        body.loop(zero, valueDepth, 1,
                  [&](Value e) { store(body.f32(0), output, {b, i, h, e}); });
        body.loop(zero, keys, kBlock,
                  [&](Value begin) { step(b, h, g, i, begin); });
        Value sum = load(state, {cellSum});
        Value empty = arith::CmpFOp::create(
            builder, loc, arith::CmpFPredicate::OEQ, sum, body.f32(0));
        Value divisor =
            arith::SelectOp::create(builder, loc, empty, body.f32(1), sum);
        body.loop(zero, valueDepth, 1, [&](Value e) {
          Value y = arith::DivFOp::create(builder, loc,
                                          load(output, {b, i, h, e}), divisor);
          store(y, output, {b, i, h, e});
        });
      });
    });
  });
}

} // namespace quantc::qkernel
