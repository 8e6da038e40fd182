//===- Lists.cpp - Kernels on sequences -----------------------------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// A sequence is its elements' data and a table with a row of [rank, first
// element, dimensions] for each (docs/design.md). These are of domain `quantc`.
//
//===----------------------------------------------------------------------===//

#include "NodeKernels.h"
#include "quantc/Dialect/QKernel/QKernelDialect.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"

using namespace mlir;

namespace quantc::onnx_kernels {

static LogicalResult acceptsList(NodeOp, std::string &) { return success(); }

/// Copies a block [outer, length, inner] between dense buffers of `fromExtent`
/// and `toExtent` in place of length, from the given positions on.
static void copyBlock(KernelBody &body, Value from, Value fromOffset,
                      Value fromExtent, Value to, Value toOffset,
                      Value toExtent, Value outer, Value length, Value inner) {
  Value zero = body.index(0), run = body.mul(length, inner);
  body.loop(zero, outer, 1, [&](Value o) {
    Value source =
        body.add(fromOffset, body.mul(o, body.mul(fromExtent, inner)));
    Value target = body.add(toOffset, body.mul(o, body.mul(toExtent, inner)));
    body.loop(zero, run, 1, [&](Value i) {
      Value x = memref::LoadOp::create(body.builder, body.loc, from,
                                       body.add(source, i));
      memref::StoreOp::create(body.builder, body.loc, x, to,
                              body.add(target, i));
    });
  });
}

static void check(KernelBody &body, Value holds, Value a, Value b) {
  qkernel::CheckOp::create(body.builder, body.loc, body.frame, holds,
                           qkernel::kListShape, a, b);
}

/// quantc.SplitToList(x, lengths) {axis, keepdims}: data and table of the
/// parts.
static void emitSplit(NodeOp op, KernelBody &body) {
  Value input = body.inputs[0], zero = body.index(0), one = body.index(1);
  int64_t rank = inputType(op, 0).getRank(), axis = op.getIntAttr("axis", 0);
  bool keep = op.getIntAttr("keepdims", 1);
  Value outer = body.product(input, 0, axis), extent = body.dim(input, axis),
        inner = body.product(input, axis + 1, rank);
  Value source = body.flatten(input), data = body.flatten(body.outputs[0]),
        table = body.flatten(body.outputs[1]);
  Value count = body.dim(body.outputs[1], 0),
        width = body.dim(body.outputs[1], 1);
  auto [lo, hi] = body.share(one);
  body.loop(lo, hi, 1, [&](Value) {
    SmallVector<Value> end = body.loop(
        zero, count, 1, ValueRange{zero, zero}, [&](Value k, ValueRange at) {
          Value given = loadIndex(body, body.inputs[1], k);
          Value length = clamp(body, given, zero, body.sub(extent, at[0]));
          check(body, equals(body, given, length), given, length);
          copyBlock(body, source, body.mul(at[0], inner), extent, data, at[1],
                    length, outer, length, inner);
          Value row = body.mul(k, width);
          auto store = [&](Value value, Value column) {
            Value x = arith::IndexCastOp::create(
                body.builder, body.loc, body.builder.getI64Type(), value);
            memref::StoreOp::create(body.builder, body.loc, x, table,
                                    body.add(row, column));
          };
          body.loop(zero, width, 1, [&](Value i) { store(zero, i); });
          store(body.index(keep ? rank : rank - 1), zero);
          store(at[1], one);
          int64_t column = 2;
          for (int64_t d = 0; d < rank; ++d)
            if (d != axis || keep)
              store(d == axis ? length : body.dim(input, d),
                    body.index(column++));
          return SmallVector<Value>{
              body.add(at[0], length),
              body.add(at[1], body.mul(body.mul(outer, length), inner))};
        });
    check(body, equals(body, end[0], extent), end[0], extent);
  });
}

/// quantc.ConcatFromList(data, table) {axis, new_axis}: the elements one after
/// the other along an axis, that of their number if it is new.
static void emitConcat(NodeOp op, KernelBody &body) {
  Value output = body.outputs[0], zero = body.index(0), one = body.index(1);
  int64_t rank = cast<MemRefType>(output.getType()).getRank(),
          axis = op.getIntAttr("axis", 0);
  bool isNew = op.getIntAttr("new_axis", 0);
  Value outer = body.product(output, 0, axis), extent = body.dim(output, axis),
        inner = body.product(output, axis + 1, rank);
  Value data = body.flatten(body.inputs[0]), target = body.flatten(output);
  Value available = body.dim(body.inputs[0], 0);
  Value count = body.dim(body.inputs[1], 0),
        width = body.dim(body.inputs[1], 1);
  auto [lo, hi] = body.share(one);
  body.loop(lo, hi, 1, [&](Value) {
    body.loop(zero, count, 1, ValueRange{zero}, [&](Value k, ValueRange at) {
      Value row = body.mul(k, width);
      auto entry = [&](int64_t column) {
        return loadIndex(body, body.inputs[1],
                         body.add(row, body.index(column)));
      };
      Value good = equals(body, entry(0), body.index(isNew ? rank - 1 : rank));
      int64_t column = 2;
      for (int64_t d = 0; d < rank; ++d) {
        if (d == axis && isNew)
          continue;
        Value own = entry(column++);
        if (d == axis)
          continue;
        Value same = equals(body, own, body.dim(output, d));
        check(body, same, own, body.dim(output, d));
        good = both(body, good, same);
      }
      Value given = isNew ? one : entry(2 + axis);
      Value length = clamp(body, given, zero, body.sub(extent, at[0]));
      // What does not fit is left out; the run has failed.
      length = select(body, good, length, zero);
      Value offset = clamp(body, entry(1), zero, available);
      copyBlock(body, data, offset, length, target, body.mul(at[0], inner),
                extent, outer, length, inner);
      return SmallVector<Value>{body.add(at[0], length)};
    });
  });
}

ArrayRef<NodeKernel> listKernels() {
  static const NodeKernel kernels[] = {
      {"SplitToList", acceptsList, emitSplit, /*constantInputs=*/0,
       /*scratch=*/nullptr, "quantc"},
      {"ConcatFromList", acceptsList, emitConcat, /*constantInputs=*/0,
       /*scratch=*/nullptr, "quantc"},
  };
  return kernels;
}

} // namespace quantc::onnx_kernels
