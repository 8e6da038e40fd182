//===- Selection.cpp - Kernels that choose elements by their values -------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Each choice depends on those before it, so one thread makes them all.
//
//===----------------------------------------------------------------------===//

#include "NodeKernels.h"
#include "quantc/Dialect/ONNX/MathEmitter.h"
#include "quantc/Dialect/QGraph/Shapes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;

namespace quantc::onnx_kernels {

using onnx_ir::MathEmitter;

/// Emits what one thread does.
static void serially(KernelBody &body, llvm::function_ref<void()> emit) {
  auto [lo, hi] = body.share(body.index(1));
  body.loop(lo, hi, 1, [&](Value) { emit(); });
}

static void onlyIf(KernelBody &body, Value condition,
                   llvm::function_ref<void()> emit) {
  auto choice = scf::IfOp::create(body.builder, body.loc, condition,
                                  /*withElseRegion=*/false);
  OpBuilder::InsertionGuard guard(body.builder);
  body.builder.setInsertionPointToStart(choice.thenBlock());
  emit();
}

static Value either(KernelBody &body, Value a, Value b) {
  return arith::OrIOp::create(body.builder, body.loc, a, b);
}

static Value negation(KernelBody &body, Value a) {
  return arith::XOrIOp::create(body.builder, body.loc, a,
                               body.constant(body.builder.getBoolAttr(true)));
}

/// Index values in a buffer of i64.
static void storeIndex(KernelBody &body, Value value, Value memory, Value at) {
  Value x = arith::IndexCastOp::create(body.builder, body.loc,
                                       body.builder.getI64Type(), value);
  memref::StoreOp::create(body.builder, body.loc, x, memory, at);
}
static Value readIndex(KernelBody &body, Value memory, Value at) {
  Value x = memref::LoadOp::create(body.builder, body.loc, memory, at);
  return arith::IndexCastOp::create(body.builder, body.loc,
                                    body.builder.getIndexType(), x);
}

/// `count` elements of this type in the scratch memory, from `offset` bytes on.
static Value scratchOf(KernelBody &body, Type element, Value offset,
                       Value count) {
  auto type = MemRefType::get({ShapedType::kDynamic}, element);
  return memref::ViewOp::create(body.builder, body.loc, type, body.scratch,
                                offset, count);
}

//===----------------------------------------------------------------------===//
// NonZero
//===----------------------------------------------------------------------===//

static LogicalResult acceptsElements(NodeOp op, std::string &why) {
  if (isa<FloatType, IntegerType>(inputElement(op, 0)))
    return success();
  llvm::raw_string_ostream(why)
      << op.getOpType() << " is not there for " << inputElement(op, 0);
  return failure();
}

static void emitNonZero(NodeOp op, KernelBody &body) {
  Value input = body.inputs[0], output = body.outputs[0], zero = body.index(0);
  Type element = inputElement(op, 0);
  bool real = isa<FloatType>(element);
  SmallVector<Value> sizes = sizesOf(body, input);
  Value kept = body.dim(output, 1), source = body.flatten(input),
        target = body.flatten(output);
  Value total = body.product(input, 0, sizes.size());
  MathEmitter m(body.builder, body.loc, element);
  serially(body, [&] {
    body.loop(zero, total, 1, ValueRange{zero}, [&](Value i, ValueRange count) {
      Value x = loadElement(body, source, i, real ? element : Type());
      Value holds;
      if (real) {
        x = m.widen(x);
        holds =
            m.compare(arith::CmpFPredicate::UNE, x, m.constant(0, x.getType()));
      } else {
        holds = m.compare(arith::CmpIPredicate::ne, x,
                          m.constantInt(0, x.getType()));
      }
      // Never more than there is room for.
      holds = both(body, holds, lessThan(body, count[0], kept));
      onlyIf(body, holds, [&] {
        Value rest = i;
        for (int64_t d = int64_t(sizes.size()) - 1; d >= 0; --d) {
          Value at = body.add(body.mul(body.index(d), kept), count[0]);
          storeIndex(body, d ? remainder(body, rest, sizes[d]) : rest, target,
                     at);
          if (d)
            rest = quotient(body, rest, sizes[d]);
        }
      });
      return SmallVector<Value>{
          select(body, holds, body.add(count[0], body.index(1)), count[0])};
    });
  });
}

//===----------------------------------------------------------------------===//
// quantc.Unique
//===----------------------------------------------------------------------===//

namespace {

/// The parts of a tensor along one axis, ordered by their elements in row-major
/// order; NaN is equal to itself and greater than all numbers.
class Parts {
public:
  Parts(NodeOp op, KernelBody &body)
      : body(body), element(inputElement(op, 0)),
        m(body.builder, body.loc, element),
        source(body.flatten(body.inputs[0])) {
    int64_t axis = op.getIntAttr("axis", 0);
    int64_t rank = inputType(op, 0).getRank();
    count = body.dim(body.inputs[0], axis);
    outer = body.product(body.inputs[0], 0, axis);
    inner = body.product(body.inputs[0], axis + 1, rank);
  }

  /// Negative, 0 or positive, an index value, as part `a` is less than, equal
  /// to or greater than part `b`.
  Value compare(Value a, Value b) {
    Value zero = body.index(0);
    return body.loop(
        zero, outer, 1, ValueRange{zero}, [&](Value o, ValueRange before) {
          return body.loop(
              zero, inner, 1, before, [&](Value j, ValueRange found) {
                Value decided = negation(body, equals(body, found[0], zero));
                return SmallVector<Value>{
                    select(body, decided, found[0],
                           compareElements(at(o, a, j), at(o, b, j)))};
              });
        })[0];
  }

  Value count;

private:
  Value at(Value o, Value part, Value j) {
    return body.add(body.mul(body.add(body.mul(o, count), part), inner), j);
  }

  Value compareElements(Value a, Value b) {
    bool real = isa<FloatType>(element);
    Value x = loadElement(body, source, a, real ? element : Type());
    Value y = loadElement(body, source, b, real ? element : Type());
    Value less, greater;
    if (real) {
      x = m.widen(x), y = m.widen(y);
      using P = arith::CmpFPredicate;
      Value isXNaN = m.compare(P::UNO, x, x), isYNaN = m.compare(P::UNO, y, y);
      less = either(body, m.compare(P::OLT, x, y),
                    both(body, isYNaN, negation(body, isXNaN)));
      greater = either(body, m.compare(P::OGT, x, y),
                       both(body, isXNaN, negation(body, isYNaN)));
    } else {
      using P = arith::CmpIPredicate;
      bool isUnsigned = element.isUnsignedInteger();
      less = m.compare(isUnsigned ? P::ult : P::slt, x, y);
      greater = m.compare(isUnsigned ? P::ugt : P::sgt, x, y);
    }
    return select(body, less, body.index(-1),
                  select(body, greater, body.index(1), body.index(0)));
  }

  KernelBody &body;
  Type element;
  MathEmitter m;
  Value source, outer, inner;
};

} // namespace

/// Sorts the numbers 0 to count - 1 in `order` by their parts, equal ones by
/// number: a merge sort from runs of 1 upwards, `other` being room of the same
/// size.
static void emitMergeSort(KernelBody &body, Parts &parts, Value order,
                          Value other) {
  Value zero = body.index(0), one = body.index(1), n = parts.count;
  body.loop(zero, n, 1, [&](Value i) { storeIndex(body, i, order, i); });
  body.loop(zero, body.index(31), 1, ValueRange{one}, [&](Value, ValueRange w) {
    Value width = w[0], twice = body.mul(width, body.index(2));
    Value needed = lessThan(body, width, n);
    Value runs = quotient(body, body.add(n, body.sub(twice, one)), twice);
    body.loop(zero, select(body, needed, runs, zero), 1, [&](Value run) {
      Value begin = body.mul(run, twice);
      Value middle = body.minimum(body.add(begin, width), n);
      Value end = body.minimum(body.add(begin, twice), n);
      body.loop(
          begin, end, 1, ValueRange{begin, middle},
          [&](Value k, ValueRange next) {
            Value hasLeft = lessThan(body, next[0], middle);
            Value hasRight = lessThan(body, next[1], end);
            Value left =
                readIndex(body, order, select(body, hasLeft, next[0], begin));
            Value right =
                readIndex(body, order, select(body, hasRight, next[1], begin));
            Value greater = lessThan(body, zero, parts.compare(left, right));
            Value takeLeft = both(body, hasLeft,
                                  either(body, negation(body, hasRight),
                                         negation(body, greater)));
            storeIndex(body, select(body, takeLeft, left, right), other, k);
            return SmallVector<Value>{
                select(body, takeLeft, body.add(next[0], one), next[0]),
                select(body, takeLeft, next[1], body.add(next[1], one))};
          });
    });
    body.loop(zero, select(body, needed, n, zero), 1, [&](Value i) {
      storeIndex(body, readIndex(body, other, i), order, i);
    });
    return SmallVector<Value>{twice};
  });
}

/// Results: the first position of each kind, the kind of each part, how many
/// there are of each kind, the number of kinds. Kinds are numbered in rising
/// order (`sorted`), or in the order of their first parts.
static void emitUnique(NodeOp op, KernelBody &body) {
  Parts parts(op, body);
  Value zero = body.index(0), one = body.index(1), n = parts.count;
  Value first = body.flatten(body.outputs[0]),
        kind = body.flatten(body.outputs[1]),
        counts = body.flatten(body.outputs[2]),
        number = body.flatten(body.outputs[3]);
  bool sorted = op.getIntAttr("sorted", 1);
  serially(body, [&] {
    Type i64 = body.builder.getI64Type();
    Value order = scratchOf(body, i64, zero, n);
    Value other = scratchOf(body, i64, body.mul(n, body.index(8)), n);
    emitMergeSort(body, parts, order, other);
    // `kind` is, until the last step, the first part of the same kind; `other`
    // has the number of the kind at its first part.
    auto begin = [&](Value isFirst, Value part, Value id) {
      onlyIf(body, isFirst, [&] {
        storeIndex(body, part, first, id);
        storeIndex(body, id, other, part);
        storeIndex(body, zero, counts, id);
      });
      return select(body, isFirst, body.add(id, one), id);
    };
    SmallVector<Value> inOrder = body.loop(
        zero, n, 1, ValueRange{zero, zero}, [&](Value k, ValueRange carried) {
          Value part = readIndex(body, order, k);
          Value before = body.builder.createOrFold<arith::MaxSIOp>(
              body.loc, body.sub(k, one), zero);
          Value differs = negation(
              body,
              equals(body, parts.compare(readIndex(body, order, before), part),
                     zero));
          Value isFirst = either(body, equals(body, k, zero), differs);
          Value representative = select(body, isFirst, part, carried[0]);
          storeIndex(body, representative, kind, part);
          return SmallVector<Value>{representative,
                                    sorted ? begin(isFirst, part, carried[1])
                                           : carried[1]};
        });
    Value total = inOrder[1];
    if (!sorted)
      total =
          body.loop(zero, n, 1, ValueRange{zero}, [&](Value i, ValueRange id) {
            Value isFirst = equals(body, readIndex(body, kind, i), i);
            return SmallVector<Value>{begin(isFirst, i, id[0])};
          })[0];
    body.loop(zero, n, 1, [&](Value i) {
      Value id = readIndex(body, other, readIndex(body, kind, i));
      storeIndex(body, id, kind, i);
      storeIndex(body, body.add(readIndex(body, counts, id), one), counts, id);
    });
    storeIndex(body, total, number, zero);
  });
}

static Value uniqueScratch(NodeOp op, OpBuilder &builder) {
  Value count = qgraph::getIndexValue(
      builder, op.getLoc(),
      qgraph::getDim(builder, op.getInputs()[0], op.getIntAttr("axis", 0)));
  return builder.createOrFold<arith::MulIOp>(
      op.getLoc(), count,
      arith::ConstantIndexOp::create(builder, op.getLoc(), 16));
}

//===----------------------------------------------------------------------===//
// quantc.NonMaxSuppression
//===----------------------------------------------------------------------===//

namespace {

struct Box {
  Value top, left, bottom, right, area;
};

} // namespace

static LogicalResult acceptsBoxes(NodeOp op, std::string &why) {
  if (inputElement(op, 0).isF32() && inputElement(op, 1).isF32())
    return success();
  llvm::raw_string_ostream(why)
      << "NonMaxSuppression is there for f32, not for " << inputElement(op, 0);
  return failure();
}

static Box loadBox(NodeOp op, KernelBody &body, MathEmitter &m, Value boxes,
                   Value number) {
  Value start = body.mul(number, body.index(4));
  Value x[4];
  for (int i = 0; i < 4; ++i)
    x[i] = memref::LoadOp::create(body.builder, body.loc, boxes,
                                  body.add(start, body.index(i)));
  Box box;
  if (op.getIntAttr("center_point_box", 0)) {
    Value half = m.f32(0.5f);
    Value width = m.mul(x[2], half), height = m.mul(x[3], half);
    box = {m.sub(x[1], height), m.sub(x[0], width), m.add(x[1], height),
           m.add(x[0], width), Value()};
  } else {
    box = {m.minimum(x[0], x[2]), m.minimum(x[1], x[3]), m.maximum(x[0], x[2]),
           m.maximum(x[1], x[3]), Value()};
  }
  box.area = m.mul(m.sub(box.bottom, box.top), m.sub(box.right, box.left));
  return box;
}

/// Results: [batch, class, box] of what is selected, and how many. For each
/// class the best box that is left is taken, and what overlaps it is removed.
static void emitNonMaxSuppression(NodeOp op, KernelBody &body) {
  OpBuilder &b = body.builder;
  Value zero = body.index(0), one = body.index(1), none = body.index(-1);
  Value boxes = body.flatten(body.inputs[0]),
        scores = body.flatten(body.inputs[1]),
        selected = body.flatten(body.outputs[0]),
        number = body.flatten(body.outputs[1]);
  Value batches = body.dim(body.inputs[1], 0),
        classes = body.dim(body.inputs[1], 1), n = body.dim(body.inputs[1], 2);
  MathEmitter m(b, body.loc, b.getF32Type());
  using P = arith::CmpFPredicate;
  serially(body, [&] {
    Value limit = loadIndex(body, body.inputs[2], zero);
    auto threshold = [&](unsigned i) {
      return loadElement(body, body.flatten(body.inputs[i]), zero,
                         b.getF32Type());
    };
    Value overlap = body.inputs[3] ? threshold(3) : m.f32(0.0f);
    Value least = body.inputs[4] ? threshold(4) : Value();
    Value alive = body.scratch;
    Value yes = body.constant(b.getI8IntegerAttr(1)),
          no = body.constant(b.getI8IntegerAttr(0));
    auto ofClass = [&](Value batch, Value kind, ValueRange count) {
      Value start = body.mul(body.add(body.mul(batch, classes), kind), n);
      auto score = [&](Value i) -> Value {
        return memref::LoadOp::create(b, body.loc, scores, body.add(start, i));
      };
      auto isAlive = [&](Value i) {
        Value x = memref::LoadOp::create(b, body.loc, alive, i);
        return m.compare(arith::CmpIPredicate::ne, x, no);
      };
      body.loop(zero, n, 1, [&](Value i) {
        Value x =
            least ? select(body, m.compare(P::OGT, score(i), least), yes, no)
                  : yes;
        memref::StoreOp::create(b, body.loc, x, alive, i);
      });
      return body.loop(zero, limit, 1, count, [&](Value, ValueRange taken) {
        Value best = body.loop(
            zero, n, 1, ValueRange{none}, [&](Value i, ValueRange found) {
              Value isFirst = equals(body, found[0], none);
              Value reference = score(select(body, isFirst, zero, found[0]));
              Value better =
                  either(body, isFirst, m.compare(P::OGT, score(i), reference));
              return SmallVector<Value>{
                  select(body, both(body, isAlive(i), better), i, found[0])};
            })[0];
        Value holds = negation(body, equals(body, best, none));
        onlyIf(body, holds, [&] {
          Value row = body.mul(taken[0], body.index(3));
          storeIndex(body, batch, selected, row);
          storeIndex(body, kind, selected, body.add(row, one));
          storeIndex(body, best, selected, body.add(row, body.index(2)));
          memref::StoreOp::create(b, body.loc, no, alive, best);
          Value origin = body.mul(batch, n);
          Box mine = loadBox(op, body, m, boxes, body.add(origin, best));
          body.loop(zero, n, 1, [&](Value i) {
            Box its = loadBox(op, body, m, boxes, body.add(origin, i));
            Value height = m.sub(m.minimum(mine.bottom, its.bottom),
                                 m.maximum(mine.top, its.top));
            Value width = m.sub(m.minimum(mine.right, its.right),
                                m.maximum(mine.left, its.left));
            Value common = m.mul(height, width), nothing = m.f32(0.0f);
            Value all = m.sub(m.add(mine.area, its.area), common);
            Value meet = both(body, m.compare(P::OGT, height, nothing),
                              m.compare(P::OGT, width, nothing));
            for (Value size : {mine.area, its.area, all})
              meet = both(body, meet, m.compare(P::OGT, size, nothing));
            meet = both(body, meet,
                        m.compare(P::OGT, m.div(common, all), overlap));
            onlyIf(body, meet,
                   [&] { memref::StoreOp::create(b, body.loc, no, alive, i); });
          });
        });
        return SmallVector<Value>{
            select(body, holds, body.add(taken[0], one), taken[0])};
      });
    };
    Value total =
        body.loop(zero, batches, 1, ValueRange{zero},
                  [&](Value batch, ValueRange before) {
                    return body.loop(zero, classes, 1, before,
                                     [&](Value kind, ValueRange count) {
                                       return ofClass(batch, kind, count);
                                     });
                  })[0];
    storeIndex(body, total, number, zero);
  });
}

static Value suppressionScratch(NodeOp op, OpBuilder &builder) {
  return qgraph::getIndexValue(builder, op.getLoc(),
                               qgraph::getDim(builder, op.getInputs()[1], 2));
}

ArrayRef<NodeKernel> selectionKernels() {
  static const NodeKernel kernels[] = {
      {"NonZero", acceptsElements, emitNonZero},
      {"Unique", acceptsElements, emitUnique, /*constantInputs=*/0,
       uniqueScratch, "quantc"},
      {"NonMaxSuppression", acceptsBoxes, emitNonMaxSuppression,
       /*constantInputs=*/0, suppressionScratch, "quantc"},
  };
  return kernels;
}

} // namespace quantc::onnx_kernels
