//===- LowerTileDot.cpp - Register tiles to a level's instructions --------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Contract: every qkernel.tile_dot becomes a loop over K that carries the
// accumulators in registers; the module's qkernel.target names the level.
//
//===----------------------------------------------------------------------===//

#include "TileDot.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/Transforms/WalkPatternRewriteDriver.h"
#include "quantc/Target/CPU/Levels.h"
#include "quantc/Target/CPU/Passes.h"

#define DEBUG_TYPE "lower-tile-dot"

namespace quantc {
#define GEN_PASS_DEF_LOWERTILEDOT
#include "quantc/Target/CPU/Passes.h.inc"
} // namespace quantc

using namespace mlir;
using namespace quantc;
using namespace quantc::cpu;
using quantc::qkernel::TileDotOp;

namespace {

constexpr int64_t kLanes = 16;

std::unique_ptr<IntegerDot> makeDot(StringRef level, OpBuilder &builder,
                                    Location loc) {
  using Maker = std::unique_ptr<IntegerDot> (*)(OpBuilder &, Location);
  static const std::pair<StringRef, Maker> kMakers[] = {
      {"avx2", makeAVX2Dot},      {"avx2vnni", makeAVX2VNNIDot},
      {"avx512", makeAVX512Dot},  {"avx512vnni", makeAVX512VNNIDot},
      {"amx", makeAMXDot},        {"neon", makeNEONDot},
      {"dotprod", makeDotProdDot}};
  for (auto [name, maker] : kMakers)
    if (name == level)
      return maker(builder, loc);
  return nullptr;
}

/// The loop over K of one tile.
class TileLoop {
public:
  TileLoop(TileDotOp op, PatternRewriter &builder)
      : op(op), builder(builder), loc(op.getLoc()), rows(op.getRows()),
        panels(op.getPanels()), init(op.getInit()) {}

  /// `step(k, sums)` adds `width` values of k; the loop is unrolled by up to
  /// `unroll` steps where the length allows.
  SmallVector<Value>
  run(int64_t width, int64_t unroll,
      llvm::function_ref<SmallVector<Value>(Value, ValueRange)> step);
  Value index(int64_t value) {
    return arith::ConstantIndexOp::create(builder, loc, value);
  }
  Value add(Value a, Value b) {
    return builder.createOrFold<arith::AddIOp>(loc, a, b);
  }
  Value add(Value a, int64_t b) { return add(a, index(b)); }
  Value mul(Value a, int64_t b) {
    return builder.createOrFold<arith::MulIOp>(loc, a, index(b));
  }
  /// Bytes from `at` on within panel p.
  Value loadPanel(int64_t p, Value at, int64_t bytes) {
    Value offset =
        add(add(op.getOffset(), at),
            builder.createOrFold<arith::MulIOp>(loc, op.getStride(), index(p)));
    return vector::LoadOp::create(builder, loc,
                                  VectorType::get({bytes}, builder.getI8Type()),
                                  op.getPacked(), ValueRange{offset});
  }
  /// The largest power of two up to `most` such that every step of so many
  /// words is a whole one.
  int64_t wordsPerStep(int64_t most) {
    std::optional<int64_t> length = getConstantIntValue(op.getLength());
    while (most > 1 && (!length || (*length - begin) % (4 * most) != 0))
      most /= 2;
    return most;
  }
  /// 4 * count bytes of row r from k on, as words.
  SmallVector<Value> loadWords(int64_t r, Value k, int64_t count) {
    Value bytes = vector::LoadOp::create(
        builder, loc, VectorType::get({4 * count}, builder.getI8Type()),
        op.getA(), ValueRange{add(op.getM(), firstRow + r), add(op.getK(), k)});
    Value words = vector::BitCastOp::create(
        builder, loc, VectorType::get({count}, builder.getI32Type()), bytes);
    SmallVector<Value> result;
    for (int64_t i = 0; i < count; ++i)
      result.push_back(
          vector::ExtractOp::create(builder, loc, words, ArrayRef<int64_t>{i}));
    return result;
  }
  /// The same of all rows.
  SmallVector<SmallVector<Value>> loadAllWords(Value k, int64_t count) {
    SmallVector<SmallVector<Value>> words;
    for (int64_t r = 0; r < rows; ++r)
      words.push_back(loadWords(r, k, count));
    return words;
  }

  TileDotOp op;
  PatternRewriter &builder;
  Location loc;
  int64_t rows, panels;
  SmallVector<Value> init; // the sums to add to
  int64_t firstRow = 0;
  int64_t begin = 0; // the first value of k; not 0 only for a constant length
};

SmallVector<Value>
TileLoop::run(int64_t width, int64_t unroll,
              llvm::function_ref<SmallVector<Value>(Value, ValueRange)> step) {
  auto section = [&](Value lo, Value hi, int64_t steps, ValueRange init) {
    auto loop =
        scf::ForOp::create(builder, loc, lo, hi, index(steps * width), init);
    OpBuilder::InsertionGuard guard(builder);
    builder.setInsertionPointToStart(loop.getBody());
    SmallVector<Value> sums =
        llvm::to_vector(ValueRange(loop.getRegionIterArgs()));
    for (int64_t s = 0; s < steps; ++s)
      sums = step(add(loop.getInductionVar(), s * width), sums);
    scf::YieldOp::create(builder, loc, sums);
    return llvm::to_vector(ValueRange(loop.getResults()));
  };
  if (std::optional<int64_t> length = getConstantIntValue(op.getLength())) {
    while ((*length - begin) % (unroll * width) != 0)
      unroll /= 2;
    return section(index(begin), op.getLength(), unroll, init);
  }
  Value rest = builder.createOrFold<arith::RemUIOp>(loc, op.getLength(),
                                                    index(unroll * width));
  Value whole = arith::SubIOp::create(builder, loc, op.getLength(), rest);
  return section(whole, op.getLength(), 1,
                 section(index(0), whole, unroll, init));
}

SmallVector<Value> lowerFloat(TileLoop &tile) {
  PatternRewriter &builder = tile.builder;
  Location loc = tile.loc;
  auto lanes = VectorType::get({kLanes}, builder.getF32Type());
  return tile.run(1, 4, [&](Value k, ValueRange sums) {
    SmallVector<Value> weights, next;
    for (int64_t p = 0; p < tile.panels; ++p)
      weights.push_back(vector::BitCastOp::create(
          builder, loc, lanes,
          tile.loadPanel(p, tile.mul(k, kLanes * 4), kLanes * 4)));
    for (int64_t r = 0; r < tile.rows; ++r) {
      Value a = memref::LoadOp::create(
          builder, loc, tile.op.getA(),
          ValueRange{tile.add(tile.op.getM(), r), tile.add(tile.op.getK(), k)});
      Value splat = vector::BroadcastOp::create(builder, loc, lanes, a);
      for (int64_t p = 0; p < tile.panels; ++p)
        next.push_back(math::FmaOp::create(builder, loc, splat, weights[p],
                                           sums[r * tile.panels + p]));
    }
    return next;
  });
}

/// One word of each row against prepared weights.
SmallVector<Value> addWord(TileLoop &tile, IntegerDot &dot,
                           ArrayRef<SmallVector<Value>> words, int64_t word,
                           ArrayRef<Prepared> weights, ValueRange sums,
                           int64_t bits) {
  SmallVector<Value> next;
  for (int64_t r = 0; r < tile.rows; ++r) {
    Prepared activation = dot.prepareActivation(words[r][word]);
    for (int64_t p = 0; p < tile.panels; ++p)
      next.push_back(
          dot.dot(sums[r * tile.panels + p], weights[p], activation, bits));
  }
  return next;
}

SmallVector<Value> lowerBytes(TileLoop &tile, IntegerDot &dot) {
  int64_t count = tile.wordsPerStep(dot.wordsPerLoad());
  int64_t unroll = std::max<int64_t>(1, dot.unrolledWords() / count);
  return tile.run(4 * count, unroll, [&](Value k, ValueRange sums) {
    SmallVector<SmallVector<Value>> words = tile.loadAllWords(k, count);
    SmallVector<Value> next(sums);
    for (int64_t w = 0; w < count; ++w) {
      SmallVector<Prepared> weights;
      Value at = tile.mul(tile.add(k, 4 * w), kLanes);
      for (int64_t p = 0; p < tile.panels; ++p)
        weights.push_back(dot.prepareWeights(tile.loadPanel(p, at, 64), 8));
      next = addWord(tile, dot, words, w, weights, next, 8);
    }
    return next;
  });
}

SmallVector<Value> lowerNibbles(TileLoop &tile, IntegerDot &dot) {
  bool both = dot.wordsPerLoad() > 1;
  return tile.run(8, 1, [&](Value k, ValueRange sums) {
    SmallVector<Prepared> low, high;
    for (int64_t p = 0; p < tile.panels; ++p) {
      Value bytes = tile.loadPanel(p, tile.mul(k, kLanes / 2), 64);
      low.push_back(dot.prepareWeights(dot.lowNibbles(bytes), 4));
      high.push_back(dot.prepareWeights(dot.highNibbles(bytes), 4));
    }
    SmallVector<SmallVector<Value>> words = tile.loadAllWords(k, both ? 2 : 1);
    SmallVector<Value> half = addWord(tile, dot, words, 0, low, sums, 4);
    if (both)
      return addWord(tile, dot, words, 1, high, half, 4);
    words = tile.loadAllWords(tile.add(k, 4), 1);
    return addWord(tile, dot, words, 0, high, half, 4);
  });
}

struct LowerTile : OpRewritePattern<TileDotOp> {
  LowerTile(MLIRContext *context, StringRef level)
      : OpRewritePattern(context), level(level) {}

  LogicalResult matchAndRewrite(TileDotOp op,
                                PatternRewriter &rewriter) const override {
    TileLoop tile(op, rewriter);
    if (op.getFormat() == "f32") {
      rewriter.replaceOp(op, lowerFloat(tile));
      return success();
    }
    std::unique_ptr<IntegerDot> dot = makeDot(level, rewriter, op.getLoc());
    dot->unsignedInput = op.getUnsignedInput();
    SmallVector<Value> sums(op.getInit());
    tile.begin = dot->addLeading(op, sums);
    if (getConstantIntValue(op.getLength()) != tile.begin)
      for (int64_t row = 0, rows = op.getRows(); row < rows; row += tile.rows) {
        tile.firstRow = row;
        tile.rows = std::min(rows - row, dot->rowsAtOnce());
        MutableArrayRef<Value> part(sums);
        part = part.slice(row * tile.panels, tile.rows * tile.panels);
        tile.init.assign(part.begin(), part.end());
        llvm::copy(op.getFormat() == "si4" ? lowerNibbles(tile, *dot)
                                           : lowerBytes(tile, *dot),
                   part.begin());
      }
    rewriter.replaceOp(op, sums);
    return success();
  }
  StringRef level;
};

struct LowerTileDot : quantc::impl::LowerTileDotBase<LowerTileDot> {
  void runOnOperation() override {
    ModuleOp module = getOperation();
    SmallVector<TileDotOp> dots;
    module.walk([&](TileDotOp op) { dots.push_back(op); });
    if (dots.empty())
      return;
    auto target = module->getAttrOfType<qkernel::TargetAttr>(
        qkernel::TargetAttr::kAttrName);
    if (!target || !findLevel(target.getLevel())) {
      module.emitError("the module's '") << qkernel::TargetAttr::kAttrName
                                         << "' names no instruction set level";
      return signalPassFailure();
    }
    tiles += dots.size();
    RewritePatternSet patterns(&getContext());
    patterns.add<LowerTile>(&getContext(), target.getLevel());
    walkAndApplyPatterns(module, std::move(patterns));
  }
};

} // namespace
