//===- AttentionKernel.cpp - Fused attention in f32 -----------------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A unit of work is a block of queries of one head. It goes over the keys in
// blocks of 64, whose K and V it lays out as panels of 16 columns, so that both
// products are the same register tiles that a linear uses.
//
//===----------------------------------------------------------------------===//

#include "Kernels.h"
#include "Tiles.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include <numeric>

using namespace mlir;
using namespace quantc::qgraph;

namespace quantc::qkernel {

static constexpr int64_t kKeys = numerics::kSoftmaxBlock;

namespace {
/// Sizes that are known when the kernel is made.
struct AttentionShape {
  int64_t depth, valueDepth; // per head
  int64_t tileRows, tilePanels;
  int64_t
      queries;  // of a unit of work: K and V are laid out once for all of them
  int64_t rows; // of these at a time, so that their scores stay in the
                // first-level cache; whole vectors, since what is kept of each
                // row is worked on 16 at a time

  explicit AttentionShape(AttentionOp op)
      : depth(tensorType(op.getQuery()).getShape()[3]),
        valueDepth(tensorType(op.getValue()).getShape()[3]) {
    std::tie(tileRows, tilePanels) = registerTile(op, "f32");
    rows = std::lcm(tileRows, kLanes);
    queries = rows * llvm::divideCeil(96, rows);
  }
  int64_t valuePanels() const { return llvm::divideCeil(valueDepth, kLanes); }
};

class AttentionKernel {
public:
  AttentionKernel(AttentionOp op, KernelBody &body);
  void emit();

private:
  Value carve(ArrayRef<int64_t> shape);
  void unit(Value b, Value h, Value firstQuery);
  void packQueries();
  void keyBlock(Value begin);
  void packKeys(Value begin, Value size);
  void packValues(Value begin, Value size);
  void rowBlock(Value lo, Value hi, Value begin, Value size);
  void scores(Value lo, Value hi);
  void maskRow(Value r, Value i, Value begin, Value size);
  void largest(Value r);
  void decay(Value first, Value lo);
  void exponentials(Value r, Value lo);
  void weighted(Value lo, Value hi, Value size);
  void writeRow(Value r);
  SmallVector<Value> transpose(SmallVector<Value> rows);
  /// `tile(panel, panels)` over `count` panels, as many at a time as the
  /// register tile has.
  void forPanelTiles(int64_t count,
                     llvm::function_ref<void(int64_t, int64_t)> tile);
  /// 16 elements of key or value j of the head.
  Value loadKey(Value from, Value j, int64_t d, int64_t valid) {
    SmallVector<Value> at{b, j, g, body.index(d)};
    if (op.getHeadsFirst())
      std::swap(at[1], at[2]);
    return loadLanes(body, from, at, valid);
  }
  Value loadScalar(Value memref, Value r) {
    return memref::LoadOp::create(builder, loc, memref, ValueRange{r});
  }
  void storeScalar(Value value, Value memref, Value r) {
    memref::StoreOp::create(builder, loc, value, memref, ValueRange{r});
  }

  AttentionOp op;
  KernelBody &body;
  OpBuilder &builder;
  Location loc;
  AttentionShape shape;
  Value query, key, value, mask, output;
  int64_t scratchUsed = 0;
  // Scratch of a unit: scaled queries, weighted sums, and of each query the
  // largest score and the sum of exponentials so far.
  Value queries, sums, maxima, totals;
  // Scratch of a block of keys: panels of K and V.
  Value keyPanels, valuePanels;
  // Scratch of a block of rows: scores, then exponentials; of each row the
  // block's largest score, what is taken off its scores, and what its sums so
  // far are to be multiplied by.
  Value probabilities, blockMaxima, bases, decays;
  Value b, h, g, firstQuery, queryCount, keyCount;
  Value zero, none;
};
} // namespace

static int64_t scratchFloats(const AttentionShape &shape) {
  int64_t panels = shape.valuePanels() * kLanes;
  return shape.queries * (shape.depth + panels) + 2 * shape.queries +
         kKeys * (shape.depth + panels) + shape.rows * kKeys + 3 * shape.rows +
         10 * kLanes; // each of the ten parts begins at a cache line
}

Value AttentionKernel::carve(ArrayRef<int64_t> sizes) {
  auto type = MemRefType::get(sizes, builder.getF32Type());
  Value view = memref::ViewOp::create(builder, loc, type, body.scratch,
                                      body.index(scratchUsed), ValueRange{});
  scratchUsed += llvm::alignTo(type.getNumElements() * 4, 64);
  return view;
}

AttentionKernel::AttentionKernel(AttentionOp op, KernelBody &body)
    : op(op), body(body), builder(body.builder), loc(body.loc), shape(op) {
  query = body.inputs[0], key = body.inputs[1], value = body.inputs[2];
  mask = op.getMask() ? body.inputs[3] : Value();
  output = body.outputs[0];
  int64_t columns = shape.valuePanels() * kLanes;
  queries = carve({shape.queries, shape.depth});
  sums = carve({shape.queries, columns});
  maxima = carve({shape.queries});
  totals = carve({shape.queries});
  keyPanels = carve({kKeys / kLanes, shape.depth, kLanes});
  valuePanels = carve({shape.valuePanels(), kKeys, kLanes});
  probabilities = carve({shape.rows, kKeys});
  blockMaxima = carve({shape.rows});
  bases = carve({shape.rows});
  decays = carve({shape.rows});
  zero = body.index(0);
  none = body.f32(-std::numeric_limits<float>::infinity());
}

void AttentionKernel::emit() {
  Value batch = body.dim(query, 0), heads = body.dim(query, 2),
        length = body.dim(query, 1);
  Value blocks = body.ceilDiv(length, shape.queries);
  Value perBatch = body.mul(heads, blocks);
  auto [lo, hi] = body.share(body.mul(batch, perBatch));
  body.loop(lo, hi, 1, [&](Value index) {
    Value b = arith::DivUIOp::create(builder, loc, index, perBatch);
    Value rest = arith::RemUIOp::create(builder, loc, index, perBatch);
    Value h = arith::DivUIOp::create(builder, loc, rest, blocks);
    Value block = arith::RemUIOp::create(builder, loc, rest, blocks);
    unit(b, h, body.mul(block, body.index(shape.queries)));
  });
}

void AttentionKernel::unit(Value batch, Value head, Value first) {
  b = batch, h = head, firstQuery = first;
  int64_t keyAt = op.getHeadsFirst() ? 2 : 1, groupAt = 3 - keyAt;
  Value perGroup = builder.createOrFold<arith::DivUIOp>(loc, body.dim(query, 2),
                                                        body.dim(key, groupAt));
  g = builder.createOrFold<arith::DivUIOp>(loc, h, perGroup);
  queryCount = body.minimum(body.sub(body.dim(query, 1), first),
                            body.index(shape.queries));
  keyCount = body.dim(key, keyAt);
  packQueries();
  body.loop(zero, keyCount, kKeys, [&](Value begin) { keyBlock(begin); });
  body.loop(zero, queryCount, 1, [&](Value r) { writeRow(r); });
}

/// q * scale, row after row; and an empty state for each row.
void AttentionKernel::packQueries() {
  Value scale = splat(body, body.f32(op.getScale().convertToFloat()));
  Value zeros = splat(body, body.f32(0));
  body.loop(zero, queryCount, 1, [&](Value r) {
    Value i = body.add(firstQuery, r);
    for (int64_t d = 0; d < shape.depth; d += kLanes) {
      int64_t valid = std::min(kLanes, shape.depth - d);
      Value lanes = loadLanes(body, query, {b, i, h, body.index(d)}, valid);
      lanes = arith::MulFOp::create(builder, loc, lanes, scale);
      storeLanes(body, lanes, queries, {r, body.index(d)}, valid);
    }
    for (int64_t e = 0; e < shape.valuePanels(); ++e)
      storeLanes(body, zeros, sums, {r, body.index(e * kLanes)}, kLanes);
    storeScalar(none, maxima, r);
    storeScalar(body.f32(0), totals, r);
  });
}

void AttentionKernel::keyBlock(Value begin) {
  Value size = body.minimum(body.sub(keyCount, begin), body.index(kKeys));
  packKeys(begin, size);
  packValues(begin, size);
  body.loop(zero, queryCount, shape.rows, [&](Value lo) {
    Value hi = body.minimum(queryCount, body.add(lo, body.index(shape.rows)));
    rowBlock(lo, hi, begin, size);
  });
}

/// Queries [lo, hi) of the unit against the block of keys.
void AttentionKernel::rowBlock(Value lo, Value hi, Value begin, Value size) {
  Value rows = body.sub(hi, lo);
  scores(lo, hi);
  body.loop(zero, rows, 1, [&](Value r) {
    maskRow(r, body.add(firstQuery, body.add(lo, r)), begin, size);
    largest(r);
  });
  body.loop(zero, rows, kLanes, [&](Value r) { decay(r, lo); });
  body.loop(zero, rows, 1, [&](Value r) { exponentials(r, lo); });
  weighted(lo, hi, size);
}

/// 16 rows of 16 floats to 16 columns: four rounds of perfect interleaving.
SmallVector<Value> AttentionKernel::transpose(SmallVector<Value> rows) {
  SmallVector<int64_t> low, high;
  for (int64_t l = 0; l < kLanes / 2; ++l) {
    low.append({l, l + kLanes});
    high.append({l + kLanes / 2, l + kLanes + kLanes / 2});
  }
  for (int64_t round = 1; round < kLanes; round *= 2) {
    SmallVector<Value> next;
    for (int64_t i = 0; i < kLanes / 2; ++i)
      for (ArrayRef<int64_t> half :
           {ArrayRef<int64_t>(low), ArrayRef<int64_t>(high)})
        next.push_back(vector::ShuffleOp::create(builder, loc, rows[i],
                                                 rows[i + kLanes / 2], half));
    rows = next;
  }
  return rows;
}

/// K of the block as panels [64/16][depth][16]. Keys past the end are those of
/// the last key: their scores are never looked at.
void AttentionKernel::packKeys(Value begin, Value size) {
  Value lastKey = body.sub(keyCount, body.index(1));
  Value groups = body.ceilDiv(size, kLanes);
  body.loop(zero, groups, 1, [&](Value panel) {
    Value first = body.add(begin, body.mul(panel, body.index(kLanes)));
    for (int64_t d = 0; d < shape.depth; d += kLanes) {
      int64_t valid = std::min(kLanes, shape.depth - d);
      SmallVector<Value> rows;
      for (int64_t l = 0; l < kLanes; ++l) {
        Value j = body.minimum(body.add(first, body.index(l)), lastKey);
        rows.push_back(loadKey(key, j, d, valid));
      }
      rows = transpose(rows);
      for (int64_t l = 0; l < valid; ++l)
        storeLanes(body, rows[l], keyPanels, {panel, body.index(d + l), zero},
                   kLanes);
    }
  });
}

/// V of the block as panels [ceil(E/16)][64][16].
void AttentionKernel::packValues(Value begin, Value size) {
  body.loop(zero, size, 1, [&](Value j) {
    Value from = body.add(begin, j);
    for (int64_t e = 0; e < shape.valuePanels(); ++e) {
      int64_t valid = std::min(kLanes, shape.valueDepth - e * kLanes);
      Value lanes = loadKey(value, from, e * kLanes, valid);
      storeLanes(body, lanes, valuePanels, {body.index(e), j, zero}, kLanes);
    }
  });
}

void AttentionKernel::forPanelTiles(
    int64_t count, llvm::function_ref<void(int64_t, int64_t)> tile) {
  for (int64_t panel = 0; panel < count; panel += shape.tilePanels)
    tile(panel, std::min(shape.tilePanels, count - panel));
}

/// `memref` of floats as the bytes that a tile reads.
static Value asBytes(KernelBody &body, Value scratch, Value memref) {
  auto view = memref.getDefiningOp<memref::ViewOp>();
  auto type = cast<MemRefType>(memref.getType());
  auto bytes =
      MemRefType::get({type.getNumElements() * 4}, body.builder.getI8Type());
  return memref::ViewOp::create(body.builder, body.loc, bytes, scratch,
                                view.getByteShift(), ValueRange{});
}

void AttentionKernel::scores(Value lo, Value hi) {
  Value bytes = asBytes(body, body.scratch, keyPanels);
  int64_t stride = shape.depth * kLanes * 4;
  forRowTiles(body, lo, hi, shape.tileRows, [&](Value r, int64_t rows) {
    Value local = body.sub(r, lo);
    forPanelTiles(kKeys / kLanes, [&](int64_t panel, int64_t panels) {
      PanelRef ref{bytes, body.index(panel * stride), body.index(stride)};
      SmallVector<Value> dots = emitDotF32(
          body, queries, r, ref, body.index(shape.depth), rows, panels);
      for (int64_t i = 0; i < rows; ++i)
        for (int64_t p = 0; p < panels; ++p)
          storeLanes(body, dots[i * panels + p], probabilities,
                     {body.add(local, body.index(i)),
                      body.index((panel + p) * kLanes)},
                     kLanes);
    });
  });
}

/// Adds the mask to a row of scores, and -inf past the last key.
void AttentionKernel::maskRow(Value r, Value i, Value begin, Value size) {
  SmallVector<Value> at;
  bool lastIsOne = false, isBool = false;
  if (mask) {
    auto type = tensorType(op.getMask());
    isBool = type.getElementType().isInteger(1);
    lastIsOne = type.getShape().back() == 1;
    SmallVector<Value> own = {b, h, i};
    int64_t rank = type.getRank();
    for (int64_t d = 0; d < rank - 1; ++d) {
      Value isOne =
          arith::CmpIOp::create(builder, loc, arith::CmpIPredicate::eq,
                                body.dim(mask, d), body.index(1));
      at.push_back(arith::SelectOp::create(builder, loc, isOne, zero,
                                           own[3 - (rank - 1) + d]));
    }
  }
  auto maskAt = [&](Value j) {
    SmallVector<Value> index(at);
    index.push_back(lastIsOne ? zero : j);
    return index;
  };
  // A group of 16 keys, all there.
  auto whole = [&](Value c) {
    Value lanes = loadLanes(body, probabilities, {r, c}, kLanes);
    Value j = body.add(begin, c);
    if (mask) {
      Value m = lastIsOne ? splat(body, memref::LoadOp::create(builder, loc,
                                                               mask, maskAt(j)))
                          : loadLanes(body, mask, maskAt(j), kLanes);
      if (isBool) {
        Value keep = arith::TruncIOp::create(builder, loc,
                                             laneType(builder.getI1Type()), m);
        lanes = arith::SelectOp::create(builder, loc, keep, lanes,
                                        splat(body, none));
      } else {
        lanes = arith::AddFOp::create(builder, loc, lanes, m);
      }
    }
    storeLanes(body, lanes, probabilities, {r, c}, kLanes);
  };
  auto single = [&](Value c) {
    Value s =
        memref::LoadOp::create(builder, loc, probabilities, ValueRange{r, c});
    if (mask) {
      Value m = memref::LoadOp::create(builder, loc, mask,
                                       maskAt(body.add(begin, c)));
      if (isBool) {
        Value keep =
            arith::TruncIOp::create(builder, loc, builder.getI1Type(), m);
        s = arith::SelectOp::create(builder, loc, keep, s, none);
      } else {
        s = arith::AddFOp::create(builder, loc, s, m);
      }
    }
    memref::StoreOp::create(builder, loc, s, probabilities, ValueRange{r, c});
  };
  Value wholes =
      body.mul(arith::DivUIOp::create(builder, loc, size, body.index(kLanes)),
               body.index(kLanes));
  if (mask) {
    body.loop(zero, wholes, kLanes, whole);
    body.loop(wholes, size, 1, single);
  }
  auto fill = [&](Value lo, Value hi) {
    body.loop(lo, hi, 1, [&](Value c) {
      memref::StoreOp::create(builder, loc, none, probabilities,
                              ValueRange{r, c});
    });
  };
  Value limit = size;
  if (op.getCausal()) {
    // Keys j <= i + keys - queries are seen: those of the block before `limit`.
    Value seen = body.add(body.add(i, keyCount), body.index(1));
    Value before = body.add(body.dim(query, 1), begin);
    Value any = arith::CmpIOp::create(builder, loc, arith::CmpIPredicate::ugt,
                                      seen, before);
    Value count = arith::SelectOp::create(builder, loc, any,
                                          body.sub(seen, before), zero);
    limit = body.minimum(size, count);
  }
  fill(limit, body.index(kKeys));
}

/// The largest score of a row; a NaN loses every comparison.
void AttentionKernel::largest(Value r) {
  Value best;
  for (int64_t c = 0; c < kKeys; c += kLanes) {
    Value lanes = loadLanes(body, probabilities, {r, body.index(c)}, kLanes);
    Value other = best ? best : splat(body, none);
    best = body.larger(lanes, other);
  }
  storeScalar(reduceLanes(body, best,
                          [&](Value a, Value c) { return body.larger(c, a); }),
              blockMaxima, r);
}

/// For 16 rows from r on: the new maxima, what to take off the scores, and the
/// decay of the sums so far.
void AttentionKernel::decay(Value r, Value lo) {
  Value at = body.add(lo, r);
  Value before = loadLanes(body, maxima, {at}, kLanes);
  Value block = loadLanes(body, blockMaxima, {r}, kLanes);
  Value now = body.larger(block, before);
  // While no key is kept the maximum is -inf; take 0 so that exp(-inf - 0) = 0.
  Value isNone = arith::CmpFOp::create(builder, loc, arith::CmpFPredicate::OEQ,
                                       now, splat(body, none));
  Value base = arith::SelectOp::create(builder, loc, isNone,
                                       splat(body, body.f32(0)), now);
  Value factor = body.exp(arith::SubFOp::create(builder, loc, before, base));
  storeLanes(body, now, maxima, {at}, kLanes);
  storeLanes(body, base, bases, {r}, kLanes);
  storeLanes(body, factor, decays, {r}, kLanes);
}

/// Scores of a row to exponentials, and its sum so far.
void AttentionKernel::exponentials(Value r, Value lo) {
  Value base = splat(body, loadScalar(bases, r)),
        sum = splat(body, body.f32(0));
  for (int64_t c = 0; c < kKeys; c += kLanes) {
    Value score = loadLanes(body, probabilities, {r, body.index(c)}, kLanes);
    Value p = body.exp(arith::SubFOp::create(builder, loc, score, base));
    storeLanes(body, p, probabilities, {r, body.index(c)}, kLanes);
    sum = arith::AddFOp::create(builder, loc, sum, p);
  }
  Value at = body.add(lo, r);
  Value total = arith::MulFOp::create(builder, loc, loadScalar(totals, at),
                                      loadScalar(decays, r));
  total = arith::AddFOp::create(
      builder, loc, total,
      reduceLanes(body, sum, [&](Value a, Value c) -> Value {
        return arith::AddFOp::create(builder, loc, a, c);
      }));
  storeScalar(total, totals, at);
}

/// sums = sums * decay + probabilities * V, by rising key.
void AttentionKernel::weighted(Value lo, Value hi, Value size) {
  Value bytes = asBytes(body, body.scratch, valuePanels);
  int64_t stride = kKeys * kLanes * 4;
  forRowTiles(body, lo, hi, shape.tileRows, [&](Value r, int64_t rows) {
    Value local = body.sub(r, lo);
    forPanelTiles(shape.valuePanels(), [&](int64_t panel, int64_t panels) {
      SmallVector<Value> start;
      auto at = [&](int64_t i, int64_t p) {
        return SmallVector<Value>{body.add(r, body.index(i)),
                                  body.index((panel + p) * kLanes)};
      };
      for (int64_t i = 0; i < rows; ++i) {
        Value decay =
            splat(body, loadScalar(decays, body.add(local, body.index(i))));
        for (int64_t p = 0; p < panels; ++p)
          start.push_back(arith::MulFOp::create(
              builder, loc, loadLanes(body, sums, at(i, p), kLanes), decay));
      }
      auto dot = TileDotOp::create(
          builder, loc, TypeRange(ValueRange(start)), probabilities, local,
          zero, bytes, body.index(panel * stride), body.index(stride), size,
          start, "f32", rows, panels);
      for (int64_t i = 0; i < rows; ++i)
        for (int64_t p = 0; p < panels; ++p)
          storeLanes(body, dot.getResult(i * panels + p), sums, at(i, p),
                     kLanes);
    });
  });
}

void AttentionKernel::writeRow(Value r) {
  Value total = loadScalar(totals, r);
  Value empty = arith::CmpFOp::create(builder, loc, arith::CmpFPredicate::OEQ,
                                      total, body.f32(0));
  Value divisor = splat(
      body, arith::SelectOp::create(builder, loc, empty, body.f32(1), total));
  Value i = body.add(firstQuery, r);
  for (int64_t e = 0; e < shape.valuePanels(); ++e) {
    int64_t valid = std::min(kLanes, shape.valueDepth - e * kLanes);
    Value lanes = loadLanes(body, sums, {r, body.index(e * kLanes)}, kLanes);
    lanes = arith::DivFOp::create(builder, loc, lanes, divisor);
    storeLanes(body, lanes, output, {b, i, h, body.index(e * kLanes)}, valid);
  }
}

bool canEmitAttention(AttentionOp op) {
  for (Value operand :
       {Value(op.getQuery()), Value(op.getKey()), Value(op.getValue())})
    if (tensorType(operand).isDynamicDim(3) ||
        !tensorType(operand).getElementType().isF32())
      return false;
  if (!op.getMask())
    return true;
  Type element = tensorType(op.getMask()).getElementType();
  return tensorType(op.getMask()).getRank() >= 1 &&
         (element.isF32() || element.isInteger(1));
}

void emitAttention(AttentionOp op, KernelBody &body) {
  AttentionKernel(op, body).emit();
}

Value attentionScratchBytes(AttentionOp op, OpBuilder &builder) {
  return arith::ConstantIndexOp::create(builder, op.getLoc(),
                                        scratchFloats(AttentionShape(op)) * 4);
}

} // namespace quantc::qkernel
