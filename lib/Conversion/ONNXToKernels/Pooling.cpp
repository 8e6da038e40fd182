//===- Pooling.cpp - Kernels of MaxPool, AveragePool, LpPool --------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Pooling.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;

namespace quantc::onnx_kernels {

static LogicalResult acceptsPool(NodeOp op, std::string &why) {
  Type element = inputElement(op, 0);
  bool isFloat =
      isa<FloatType>(element) && element.getIntOrFloatBitWidth() >= 16;
  bool isInteger =
      isa<IntegerType>(element) && element.getIntOrFloatBitWidth() >= 8;
  if (isFloat || (isInteger && op.is("MaxPool")))
    return success();
  llvm::raw_string_ostream(why)
      << op.getOpType() << " is not there for " << element;
  return failure();
}

/// Over the positions of the window at `at` that the input has: `step(carried,
/// x, offset)`.
static SmallVector<Value> overWindow(
    KernelBody &body, const Window &window, Value input, Value memory,
    Type element, ArrayRef<Value> at, ValueRange init,
    llvm::function_ref<SmallVector<Value>(ValueRange, Value x, Value offset)>
        step) {
  SmallVector<Value> sizes = sizesOf(body, input),
                     strides = stridesOf(body, sizes);
  return body.loop(
      body.index(0), window.count, 1, init, [&](Value k, ValueRange carried) {
        SmallVector<Value> from(at.take_front(2));
        llvm::append_range(from, window.source(body, at.drop_front(2),
                                               window.position(body, k)));
        Value valid = inside(body, ArrayRef(from).drop_front(2),
                             ArrayRef(sizes).drop_front(2));
        OpBuilder &b = body.builder;
        auto choice = scf::IfOp::create(b, body.loc, carried.getTypes(), valid,
                                        /*withElseRegion=*/true);
        OpBuilder::InsertionGuard guard(b);
        b.setInsertionPointToStart(choice.thenBlock());
        Value offset = linearize(body, from, strides);
        Value x = loadElement(body, memory, offset, element);
        x = MathEmitter(b, body.loc, x.getType()).widen(x);
        scf::YieldOp::create(b, body.loc, step(carried, x, offset));
        b.setInsertionPointToStart(choice.elseBlock());
        scf::YieldOp::create(b, body.loc, carried);
        return llvm::to_vector(ValueRange(choice.getResults()));
      });
}

SmallVector<Value> kernelOf(NodeOp op, KernelBody &body) {
  SmallVector<Value> kernel;
  for (int64_t size : op.getIntsAttr("kernel_shape"))
    kernel.push_back(body.index(size));
  return kernel;
}

/// The maximum, and with a second result where it was: the index in the whole
/// input, in row-major or (storage_order = 1) column-major order of the spatial
/// dimensions.
static void emitMaxPool(NodeOp op, KernelBody &body) {
  Value input = body.inputs[0], output = body.outputs[0];
  Type element = inputElement(op, 0);
  Window window(op, body, input, output, kernelOf(op, body));
  Value memory = body.flatten(input);
  Reducer reducer = maximumReducer(element);
  Value indices =
      body.outputs.size() > 1 ? body.flatten(body.outputs[1]) : Value();
  SmallVector<Value> outStrides = stridesOf(body, sizesOf(body, output));
  SmallVector<Value> sizes = sizesOf(body, input),
                     strides = stridesOf(body, sizes);
  MathEmitter m(body.builder, body.loc, reducer.type);
  emitPointwise(body, output, element, [&](ArrayRef<Value> at) -> Value {
    SmallVector<Value> init = {reducer.initial(m), body.index(0)};
    SmallVector<Value> best = overWindow(
        body, window, input, memory, element, at, init,
        [&](ValueRange carried, Value x, Value offset) -> SmallVector<Value> {
          Value most = reducer.combine(m, carried[0], x);
          if (!indices)
            return {most, carried[1]};
          // The first of equal ones.
          Value better;
          if (isa<FloatType>(reducer.type))
            better = m.compare(arith::CmpFPredicate::UGT, x, carried[0]);
          else
            better = m.compare(element.isUnsignedInteger()
                                   ? arith::CmpIPredicate::ugt
                                   : arith::CmpIPredicate::sgt,
                               x, carried[0]);
          return {most, select(body, better, offset, carried[1])};
        });
    if (indices) {
      Value index = best[1];
      if (op.getIntAttr("storage_order", 0)) {
        Value rest = index, stride = body.index(1), inner = strides[1];
        Value position = remainder(body, rest, inner);
        Value base = body.sub(index, position);
        index = base;
        for (size_t d = 2; d < sizes.size(); ++d) {
          Value i = quotient(body, position, strides[d]);
          position = remainder(body, position, strides[d]);
          index = body.add(index, body.mul(i, stride));
          stride = body.mul(stride, sizes[d]);
        }
      }
      Value stored = arith::IndexCastOp::create(
          body.builder, body.loc, body.builder.getI64Type(), index);
      storeElement(body, stored, indices, linearize(body, at, outStrides),
                   Type());
    }
    return isa<FloatType>(element) ? m.narrow(best[0], element) : best[0];
  });
}

Value paddedCount(NodeOp op, KernelBody &body, const Window &window,
                  ArrayRef<Value> image, ArrayRef<Value> at) {
  SmallVector<int64_t> pads = op.getIntsAttr("pads");
  size_t rank = window.kernel.size();
  Value count = body.index(1), zero = body.index(0);
  for (size_t d = 0; d < rank; ++d) {
    Value end = body.add(image[d], pads.empty() ? window.before[d]
                                                : body.index(pads[d + rank]));
    Value start = body.sub(body.mul(at[d], body.index(window.strides[d])),
                           window.before[d]);
    // Positions start + k * dilation below the end.
    Value room = body.builder.createOrFold<arith::MaxSIOp>(
        body.loc, body.sub(end, start), zero);
    Value fits = body.ceilDiv(room, window.dilations[d]);
    count = body.mul(count, body.minimum(fits, window.kernel[d]));
  }
  return count;
}

static void emitAveragePool(NodeOp op, KernelBody &body) {
  Value input = body.inputs[0], output = body.outputs[0];
  Type element = inputElement(op, 0), type = accumulatorType(element);
  Window window(op, body, input, output, kernelOf(op, body));
  Value memory = body.flatten(input);
  SmallVector<Value> sizes = sizesOf(body, input);
  MathEmitter m(body.builder, body.loc, type);
  bool padded = op.getIntAttr("count_include_pad", 0);
  emitPointwise(body, output, element, [&](ArrayRef<Value> at) {
    SmallVector<Value> init = {m.constant(0, type), body.index(0)};
    SmallVector<Value> sum = overWindow(
        body, window, input, memory, element, at, init,
        [&](ValueRange carried, Value x, Value) {
          return SmallVector<Value>{m.add(carried[0], x),
                                    body.add(carried[1], body.index(1))};
        });
    Value count =
        padded ? paddedCount(op, body, window, ArrayRef(sizes).drop_front(2),
                             at.drop_front(2))
               : sum[1];
    Value n = arith::IndexCastOp::create(body.builder, body.loc,
                                         body.builder.getI64Type(), count);
    n = arith::SIToFPOp::create(body.builder, body.loc, type, n);
    return m.narrow(m.div(sum[0], n), element);
  });
}

Value lpTerm(MathEmitter &m, Value x, int64_t p, Type type) {
  return p == 2   ? m.mul(x, x)
         : p == 1 ? m.abs(x)
                  : m.pow(m.abs(x), m.constant(double(p), m.shaped(type)));
}

Value lpRoot(MathEmitter &m, Value sum, int64_t p, Type type) {
  Value one = m.constant(1, m.shaped(type)),
        power = m.constant(double(p), m.shaped(type));
  return p == 2 ? m.sqrt(sum) : p == 1 ? sum : m.pow(sum, m.div(one, power));
}

/// (sum |x|^p)^(1/p).
static void emitLpPool(NodeOp op, KernelBody &body) {
  Value input = body.inputs[0], output = body.outputs[0];
  Type element = inputElement(op, 0), type = accumulatorType(element);
  Window window(op, body, input, output, kernelOf(op, body));
  Value memory = body.flatten(input);
  MathEmitter m(body.builder, body.loc, type);
  int64_t p = op.getIntAttr("p", 2);
  emitPointwise(body, output, element, [&](ArrayRef<Value> at) {
    SmallVector<Value> sum = overWindow(
        body, window, input, memory, element, at,
        ValueRange{m.constant(0, type)},
        [&](ValueRange carried, Value x, Value) {
          return SmallVector<Value>{m.add(carried[0], lpTerm(m, x, p, type))};
        });
    Value root = lpRoot(m, sum[0], p, type);
    return m.narrow(root, element);
  });
}

/// Channels first, or after --qgraph-propagate-layout last.
template <void (*emit)(NodeOp, KernelBody &)>
static void emitPool(NodeOp op, KernelBody &body) {
  if (op.getIntAttr("channels_last", 0))
    emitChannelsLastPool(op, body);
  else
    emit(op, body);
}

ArrayRef<NodeKernel> poolingKernels() {
  static const NodeKernel kernels[] = {
      {"MaxPool", acceptsPool, emitPool<emitMaxPool>},
      {"AveragePool", acceptsPool, emitPool<emitAveragePool>},
      {"LpPool", acceptsPool, emitPool<emitLpPool>},
  };
  return kernels;
}

} // namespace quantc::onnx_kernels
