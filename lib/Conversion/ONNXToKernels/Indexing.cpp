//===- Indexing.cpp - Kernels whose indices are data ----------------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Every index is checked where it is read: one out of range fails the run, and
// a valid one takes its place.
//
//===----------------------------------------------------------------------===//

#include "NodeKernels.h"

#include "quantc/Dialect/ONNX/Elementwise.h"
#include "quantc/Dialect/ONNX/MathEmitter.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;

namespace quantc::onnx_kernels {

static LogicalResult acceptsAny(NodeOp, std::string &) { return success(); }

static int64_t rankOf(Value memref) {
  return cast<MemRefType>(memref.getType()).getRank();
}

//===----------------------------------------------------------------------===//
// Gather
//===----------------------------------------------------------------------===//

/// `count` elements from one place to another, by this thread alone.
static void copyRun(KernelBody &body, Value source, Value from, Value target,
                    Value to, Value count) {
  KernelBody part = body;
  part.thread = body.index(0), part.threads = body.index(1);
  Access read, write;
  read.memory = source, read.offset = from;
  write.memory = target, write.offset = to;
  read.strides = write.strides = {body.index(1)};
  read.joined = write.joined = {true};
  emitCopy(part, {count}, read, write);
}

/// `row(o, i, begin, end)`: elements [begin, end) of each row of a tensor
/// [outer, count, inner]. Every thread has its own.
static void
forEachInner(KernelBody &body, Value outer, Value count, Value inner,
             llvm::function_ref<void(Value, Value, Value, Value)> row) {
  Value zero = body.index(0), one = body.index(1);
  if (isConstant(inner, 1))
    return forEachRow(
        body, {outer, count}, [&](ArrayRef<Value> o, Value begin, Value end) {
          body.loop(begin, end, 1, [&](Value i) { row(o[0], i, zero, one); });
        });
  forEachRow(body, {outer, count, inner},
             [&](ArrayRef<Value> oi, Value begin, Value end) {
               row(oi[0], oi[1], begin, end);
             });
}

/// output[outer, i, inner] = data[outer, indices[i], inner], a run of `inner`
/// at a time.
static void emitGather(NodeOp op, KernelBody &body) {
  Value data = body.inputs[0], indices = body.inputs[1];
  int64_t rank = rankOf(data),
          axis = normalizeAxis(op.getIntAttr("axis", 0), rank);
  Value size = body.dim(data, axis);
  Value outer = body.product(data, 0, axis),
        inner = body.product(data, axis + 1, rank);
  Value count = body.product(indices, 0, rankOf(indices));
  Value source = body.flatten(data), target = body.flatten(body.outputs[0]);
  Value list = body.flatten(indices);
  forEachInner(
      body, outer, count, inner, [&](Value o, Value i, Value begin, Value end) {
        Value index = checkedIndex(body, loadIndex(body, list, i), size);
        Value from = body.mul(body.add(body.mul(o, size), index), inner);
        Value to = body.mul(body.add(body.mul(o, count), i), inner);
        copyRun(body, source, body.add(from, begin), target,
                body.add(to, begin), body.sub(end, begin));
      });
}

/// output[i, ...] = data[i, ..., indices[i, ...] at the axis, ...].
static void emitGatherElements(NodeOp op, KernelBody &body) {
  Value data = body.inputs[0];
  int64_t axis = normalizeAxis(op.getIntAttr("axis", 0), rankOf(data));
  SmallVector<Value> strides = stridesOf(body, sizesOf(body, data));
  SmallVector<Value> indexStrides =
      stridesOf(body, sizesOf(body, body.inputs[1]));
  Value source = body.flatten(data), list = body.flatten(body.inputs[1]);
  Value size = body.dim(data, axis);
  emitPointwise(body, body.outputs[0], Type(), [&](ArrayRef<Value> at) {
    SmallVector<Value> from(at);
    Value index = loadIndex(body, list, linearize(body, at, indexStrides));
    from[axis] = checkedIndex(body, index, size);
    return loadElement(body, source, linearize(body, from, strides), Type());
  });
}

/// The offset of data[batch..., indices...], whose indices are a row of
/// `length` numbers at `start` of `list`.
static Value offsetOfRow(KernelBody &body, Value data, ArrayRef<Value> batch,
                         Value list, Value start, int64_t length) {
  SmallVector<Value> sizes = sizesOf(body, data),
                     strides = stridesOf(body, sizes);
  Value offset =
      linearize(body, batch, ArrayRef(strides).take_front(batch.size()));
  for (int64_t i = 0; i < length; ++i) {
    size_t d = batch.size() + i;
    Value index = loadIndex(body, list, body.add(start, body.index(i)));
    offset = body.add(
        offset, body.mul(checkedIndex(body, index, sizes[d]), strides[d]));
  }
  return offset;
}

static LogicalResult acceptsIndexRows(NodeOp op, std::string &why) {
  RankedTensorType indices = inputType(op, 1);
  if (indices && indices.getRank() > 0 &&
      !indices.isDynamicDim(indices.getRank() - 1))
    return success();
  why =
      (op.getOpType() + " needs a static last dimension of its indices").str();
  return failure();
}

static void emitGatherND(NodeOp op, KernelBody &body) {
  Value data = body.inputs[0], indices = body.inputs[1],
        output = body.outputs[0];
  int64_t batch = op.getIntAttr("batch_dims", 0);
  int64_t leading = rankOf(indices) - 1,
          length = inputType(op, 1).getDimSize(leading);
  SmallVector<Value> sizes = sizesOf(body, indices);
  sizes.back() = body.product(output, leading, rankOf(output));
  SmallVector<Value> indexStrides = stridesOf(body, sizesOf(body, indices));
  SmallVector<Value> outStrides = stridesOf(body, sizes);
  Value list = body.flatten(indices), source = body.flatten(data);
  Value target = body.flatten(output);
  forEachRow(body, sizes, [&](ArrayRef<Value> outer, Value begin, Value end) {
    Value start = linearize(body, outer, ArrayRef(indexStrides).drop_back());
    Value from =
        offsetOfRow(body, data, outer.take_front(batch), list, start, length);
    Value to = linearize(body, outer, ArrayRef(outStrides).drop_back());
    body.loop(begin, end, 1, [&](Value j) {
      Value x = loadElement(body, source, body.add(from, j), Type());
      storeElement(body, x, target, body.add(to, j), Type());
    });
  });
}

//===----------------------------------------------------------------------===//
// Scatter
//===----------------------------------------------------------------------===//

static LogicalResult acceptsScatter(NodeOp op, std::string &why) {
  StringRef reduction = op.getStringAttr("reduction", "none");
  Type element = inputElement(op, 0);
  if (op.is("ScatterND") && failed(acceptsIndexRows(op, why)))
    return failure();
  if (reduction == "none")
    return success();
  const onnx_ir::ElementwiseOp *row =
      onnx_ir::lookupElementwise(reduction == "add"   ? "Add"
                                 : reduction == "mul" ? "Mul"
                                 : reduction == "min" ? "Min"
                                                      : "Max");
  if (row->accepts({element, element, element}))
    return success();
  llvm::raw_string_ostream(why) << op.getOpType() << " with reduction "
                                << reduction << " is not there for " << element;
  return failure();
}

/// What is put where `old` stands.
static Value combined(NodeOp op, KernelBody &body, Value memory, Value index,
                      Value update, Value updates) {
  StringRef reduction = op.getStringAttr("reduction", "none");
  Type element = reduction == "none" ? Type() : inputElement(op, 0);
  Value value = loadElement(body, updates, update, element);
  if (element) {
    StringRef name = reduction == "add"   ? "Add"
                     : reduction == "mul" ? "Mul"
                     : reduction == "min" ? "Min"
                                          : "Max";
    Value old = loadElement(body, memory, index, element);
    value = onnx_ir::lookupElementwise(name)->build(
        body.builder, body.loc, {old, value}, {element, element, element}, {});
  }
  storeElement(body, value, memory, index, element);
  return value;
}

/// Copies the data, then runs `updates`, both on one thread: an update may hit
/// any element, and several may hit the same.
static void copyThenUpdate(KernelBody &body,
                           llvm::function_ref<void(KernelBody &)> updates) {
  auto [lo, hi] = body.share(body.index(1));
  body.loop(lo, hi, 1, [&](Value) {
    KernelBody single = body;
    single.thread = body.index(0), single.threads = body.index(1);
    Value input = body.flatten(body.inputs[0]),
          output = body.flatten(body.outputs[0]);
    emitCopy(single, sizesOf(body, output), denseAccess(body, input),
             denseAccess(body, output));
    updates(single);
  });
}

static void emitScatterND(NodeOp op, KernelBody &body) {
  copyThenUpdate(body, [&](KernelBody &single) {
    Value output = single.outputs[0], indices = single.inputs[1];
    int64_t length = inputType(op, 1).getDimSize(rankOf(indices) - 1);
    Value list = single.flatten(indices),
          updates = single.flatten(single.inputs[2]);
    Value target = single.flatten(output);
    Value inner = single.product(output, length, rankOf(output));
    Value rows = single.product(indices, 0, rankOf(indices) - 1);
    single.loop(single.index(0), rows, 1, [&](Value r) {
      Value start = single.mul(r, single.index(length));
      Value to = offsetOfRow(single, output, {}, list, start, length);
      Value from = single.mul(r, inner);
      single.loop(single.index(0), inner, 1, [&](Value j) {
        combined(op, single, target, single.add(to, j), single.add(from, j),
                 updates);
      });
    });
  });
}

static void emitScatterElements(NodeOp op, KernelBody &body) {
  copyThenUpdate(body, [&](KernelBody &single) {
    Value output = single.outputs[0], indices = single.inputs[1];
    int64_t axis = normalizeAxis(op.getIntAttr("axis", 0), rankOf(output));
    Value list = single.flatten(indices),
          updates = single.flatten(single.inputs[2]);
    Value target = single.flatten(output), size = single.dim(output, axis);
    SmallVector<Value> sizes = sizesOf(single, indices);
    SmallVector<Value> from = stridesOf(single, sizes);
    SmallVector<Value> to = stridesOf(single, sizesOf(single, output));
    forEachRow(
        single, sizes, [&](ArrayRef<Value> outer, Value begin, Value end) {
          single.loop(begin, end, 1, [&](Value j) {
            SmallVector<Value> at(outer);
            at.push_back(j);
            Value update = linearize(single, at, from);
            at[axis] =
                checkedIndex(single, loadIndex(single, list, update), size);
            combined(op, single, target, linearize(single, at, to), update,
                     updates);
          });
        });
  });
}

/// The elements along the axis whose condition holds, one after the other.
static void emitCompress(NodeOp op, KernelBody &body) {
  Value input = body.inputs[0], output = body.outputs[0], zero = body.index(0);
  int64_t rank = rankOf(input), axis = op.getIntAttr("axis", 0);
  Value size = body.dim(input, axis), kept = body.dim(output, axis);
  Value outer = body.product(input, 0, axis),
        inner = body.product(input, axis + 1, rank);
  Value list = body.flatten(body.inputs[1]), source = body.flatten(input),
        target = body.flatten(output);
  Value length = body.minimum(size, body.dim(body.inputs[1], 0));
  OpBuilder &b = body.builder;
  forEachRow(
      body, {outer, inner},
      [&](ArrayRef<Value> at, Value begin, Value end) {
        body.loop(begin, end, 1, [&](Value j) {
          body.loop(
              zero, length, 1, ValueRange{zero},
              [&](Value i, ValueRange count) {
                Value bit = loadIndex(body, list, i);
                // Never more than there is room for.
                Value holds = both(body, equals(body, bit, body.index(1)),
                                   lessThan(body, count[0], kept));
                auto choice = scf::IfOp::create(b, body.loc, holds,
                                                /*withElseRegion=*/false);
                OpBuilder::InsertionGuard guard(b);
                b.setInsertionPointToStart(choice.thenBlock());
                auto offset = [&](Value extent, Value index) {
                  Value row = body.add(body.mul(at[0], extent), index);
                  return body.add(body.mul(row, inner), j);
                };
                storeElement(body,
                             loadElement(body, source, offset(size, i), Type()),
                             target, offset(kept, count[0]), Type());
                b.setInsertionPointAfter(choice);
                return SmallVector<Value>{select(
                    body, holds, body.add(count[0], body.index(1)), count[0])};
              });
        });
      },
      /*grain=*/1);
}

//===----------------------------------------------------------------------===//
// Pad, Trilu, OneHot
//===----------------------------------------------------------------------===//

static LogicalResult acceptsPad(NodeOp op, std::string &why) {
  StringRef mode = op.getStringAttr("mode", "constant");
  if (mode == "constant" || mode == "edge" || mode == "reflect" ||
      mode == "wrap")
    return op.getNodeAttr("axes") ? success()
                                  : requireConstant(op, 3, "axes", why);
  why = ("Pad has no mode " + mode).str();
  return failure();
}

/// `a` modulo a positive `b`, with the sign of `b`.
static Value floorMod(KernelBody &body, Value a, Value b) {
  Value r = arith::RemSIOp::create(body.builder, body.loc, a, b);
  return select(body, lessThan(body, r, body.index(0)), body.add(r, b), r);
}

static void emitPad(NodeOp op, KernelBody &body) {
  Value input = body.inputs[0], zero = body.index(0), one = body.index(1);
  int64_t rank = rankOf(input);
  StringRef mode = op.getStringAttr("mode", "constant");
  std::optional<SmallVector<int64_t>> axes = constantInts(op, 3, "axes");
  if (!axes)
    axes = llvm::to_vector(llvm::seq<int64_t>(0, rank));
  std::optional<SmallVector<int64_t>> pads = constantInts(op, 1, "pads");
  SmallVector<Value> before(rank, zero);
  for (auto [i, axis] : llvm::enumerate(*axes))
    before[normalizeAxis(axis, rank)] =
        pads ? body.index((*pads)[i])
             : loadIndex(body, body.inputs[1], body.index(i));

  SmallVector<Value> sizes = sizesOf(body, input),
                     strides = stridesOf(body, sizes);
  Value source = body.flatten(input);
  OpBuilder &b = body.builder;
  Type stored = cast<MemRefType>(input.getType()).getElementType();
  Value filling;
  // With the pads in an attribute the value is the second input.
  size_t given = op.getNodeAttr("pads") ? 1 : 2;
  if (given < body.inputs.size() && body.inputs[given]) {
    filling = loadElement(body, body.flatten(body.inputs[given]), zero, Type());
  } else {
    TypedAttr attribute = b.getZeroAttr(stored);
    if (isa<FloatType>(stored))
      attribute = b.getFloatAttr(stored, op.getFloatAttr("value", 0));
    filling = body.constant(attribute);
  }
  emitPointwise(body, body.outputs[0], Type(), [&](ArrayRef<Value> at) {
    Value inside = body.constant(b.getBoolAttr(true));
    SmallVector<Value> from;
    for (int64_t d = 0; d < rank; ++d) {
      Value i = body.sub(at[d], before[d]), last = body.sub(sizes[d], one);
      if (mode == "wrap") {
        i = floorMod(body, i, sizes[d]);
      } else if (mode == "reflect") {
        // Back and forth with the period 2 (size - 1).
        Value period =
            b.createOrFold<arith::MaxSIOp>(body.loc, body.add(last, last), one);
        Value m = floorMod(body, i, period);
        i = select(body, lessThan(body, last, m), body.sub(period, m), m);
      } else {
        Value safe = clamp(body, i, zero, last);
        inside = both(body, inside, equals(body, safe, i));
        i = safe;
      }
      from.push_back(i);
    }
    Value offset = linearize(body, from, strides);
    if (mode != "constant")
      return loadElement(body, source, offset, Type());
    // An empty input has no element that could be loaded in vain.
    auto choice =
        scf::IfOp::create(b, body.loc, stored, inside, /*withElseRegion=*/true);
    OpBuilder::InsertionGuard guard(b);
    b.setInsertionPointToStart(choice.thenBlock());
    scf::YieldOp::create(b, body.loc,
                         loadElement(body, source, offset, Type()));
    b.setInsertionPointToStart(choice.elseBlock());
    scf::YieldOp::create(b, body.loc, filling);
    return Value(choice.getResult(0));
  });
}

/// Element [.., i, j] is kept where j >= i + k (upper), resp. j <= i + k.
static void emitTrilu(NodeOp op, KernelBody &body) {
  Value input = body.inputs[0], k = body.index(op.getIntAttr("k", 0));
  if (body.inputs.size() > 1 && body.inputs[1])
    k = clamp(body, loadIndex(body, body.inputs[1], body.index(0)),
              body.index(-(int64_t(1) << 60)), body.index(int64_t(1) << 60));
  bool upper = op.getIntAttr("upper", 1);
  SmallVector<Value> strides = stridesOf(body, sizesOf(body, input));
  Value source = body.flatten(input);
  emitPointwise(body, body.outputs[0], Type(), [&](ArrayRef<Value> at) {
    Value x = loadElement(body, source, linearize(body, at, strides), Type());
    Value diagonal = body.add(at[at.size() - 2], k), j = at.back();
    Value dropped =
        upper ? lessThan(body, j, diagonal) : lessThan(body, diagonal, j);
    Value zero =
        body.constant(cast<TypedAttr>(body.builder.getZeroAttr(x.getType())));
    return select(body, dropped, zero, x);
  });
}

static LogicalResult acceptsOneHot(NodeOp op, std::string &why) {
  Type element = inputElement(op, 0);
  if (isa_and_nonnull<IntegerType, Float32Type, Float64Type>(element))
    return success();
  why = "OneHot is there for indices that are integers, f32 or f64";
  return failure();
}

/// values = [off, on]; an index out of range has no `on`.
static void emitOneHot(NodeOp op, KernelBody &body) {
  Value indices = body.inputs[0], output = body.outputs[0],
        zero = body.index(0);
  int64_t axis = normalizeAxis(op.getIntAttr("axis", -1), rankOf(output));
  Value depth = body.dim(output, axis);
  SmallVector<Value> strides = stridesOf(body, sizesOf(body, indices));
  Value list = body.flatten(indices), values = body.flatten(body.inputs[2]);
  Value off = loadElement(body, values, zero, Type());
  Value on = loadElement(body, values, body.index(1), Type());
  auto indexAt = [&](Value i) -> Value {
    Type element = inputElement(op, 0);
    if (isa<IntegerType>(element))
      return loadIndex(body, list, i);
    // Towards zero. What is not in the range of an index (or NaN) is none.
    OpBuilder &b = body.builder;
    Value x = loadElement(body, list, i, element);
    auto bound = [&](double value) -> Value {
      return body.constant(cast<TypedAttr>(b.getFloatAttr(element, value)));
    };
    x = arith::MaxNumFOp::create(b, body.loc, x, bound(-0x1p62));
    x = arith::MinNumFOp::create(b, body.loc, x, bound(0x1p62));
    Value integer = arith::FPToSIOp::create(b, body.loc, b.getI64Type(), x);
    return arith::IndexCastOp::create(b, body.loc, b.getIndexType(), integer);
  };
  emitPointwise(body, output, Type(), [&](ArrayRef<Value> at) {
    SmallVector<Value> rest(at);
    rest.erase(rest.begin() + axis);
    Value index = indexAt(linearize(body, rest, strides));
    index = select(body, lessThan(body, index, zero), body.add(index, depth),
                   index);
    return select(body, equals(body, index, at[axis]), on, off);
  });
}

/// Along the time axis, the first sequence_lens[batch] elements come in reverse
/// order.
static void emitReverseSequence(NodeOp op, KernelBody &body) {
  Value input = body.inputs[0], lengths = body.flatten(body.inputs[1]);
  int64_t batch = op.getIntAttr("batch_axis", 1),
          time = op.getIntAttr("time_axis", 0);
  SmallVector<Value> sizes = sizesOf(body, input),
                     strides = stridesOf(body, sizes);
  Value source = body.flatten(input), zero = body.index(0);
  emitPointwise(body, body.outputs[0], Type(), [&](ArrayRef<Value> at) {
    SmallVector<Value> from(at);
    Value length =
        clamp(body, loadIndex(body, lengths, at[batch]), zero, sizes[time]);
    Value mirrored = body.sub(body.sub(length, at[time]), body.index(1));
    from[time] =
        select(body, lessThan(body, at[time], length), mirrored, at[time]);
    return loadElement(body, source, linearize(body, from, strides), Type());
  });
}

/// The cache with rows [start, start + length) along `axis` taken from the
/// update; `start` is given for each batch. In circular mode the rows go on at
/// the beginning.
static void emitTensorScatter(NodeOp op, KernelBody &body) {
  Value cache = body.inputs[0], update = body.inputs[1], zero = body.index(0);
  int64_t rank = rankOf(cache),
          axis = normalizeAxis(op.getIntAttr("axis", -2), rank);
  bool circular = op.getStringAttr("mode", "linear") == "circular";
  Value outer = body.product(cache, 0, axis),
        perBatch = body.product(cache, 1, axis),
        inner = body.product(cache, axis + 1, rank);
  Value size = body.dim(cache, axis), added = body.dim(update, axis);
  Value old = body.flatten(cache), fresh = body.flatten(update),
        output = body.flatten(body.outputs[0]);
  bool given = body.inputs.size() > 2 && body.inputs[2];
  Value starts = given ? body.flatten(body.inputs[2]) : Value();
  OpBuilder &b = body.builder;
  forEachInner(
      body, outer, size, inner, [&](Value o, Value i, Value begin, Value end) {
        Value start =
            given ? loadIndex(body, starts, quotient(body, o, perBatch)) : zero;
        Value row = body.sub(i, start);
        if (circular)
          row = floorMod(body, row, size);
        // Unsigned: a row before the start is a large number.
        Value isNew = arith::CmpIOp::create(
            b, body.loc, arith::CmpIPredicate::ult, row, added);
        auto at = [&](Value length, Value row) {
          Value first = body.mul(body.add(body.mul(o, length), row), inner);
          return body.add(first, begin);
        };
        Value count = body.sub(end, begin), to = at(size, i);
        auto choice = scf::IfOp::create(b, body.loc, TypeRange(), isNew,
                                        /*withElseRegion=*/true);
        OpBuilder::InsertionGuard guard(b);
        b.setInsertionPointToStart(choice.thenBlock());
        copyRun(body, fresh, at(added, row), output, to, count);
        b.setInsertionPointToStart(choice.elseBlock());
        copyRun(body, old, to, output, to, count);
      });
}

ArrayRef<NodeKernel> indexingKernels() {
  static const NodeKernel kernels[] = {
      {"Gather", acceptsAny, emitGather},
      {"GatherElements", acceptsAny, emitGatherElements},
      {"GatherND", acceptsIndexRows, emitGatherND},
      {"ScatterND", acceptsScatter, emitScatterND},
      {"ScatterElements", acceptsScatter, emitScatterElements},
      {"Scatter", acceptsScatter, emitScatterElements},
      {"ReverseSequence", acceptsAny, emitReverseSequence},
      {"TensorScatter", acceptsAny, emitTensorScatter},
      {"Pad", acceptsPad, emitPad, /*constantInputs=*/1u << 1 | 1u << 3},
      {"Compress", acceptsAny, emitCompress},
      {"Trilu", acceptsAny, emitTrilu},
      {"OneHot", acceptsOneHot, emitOneHot},
  };
  return kernels;
}

} // namespace quantc::onnx_kernels
