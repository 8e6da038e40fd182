//===- Generation.cpp - Kernels that make tensors from few numbers --------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "NodeKernels.h"

#include "quantc/Dialect/ONNX/Elementwise.h"
#include "quantc/Dialect/ONNX/MathEmitter.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;

namespace quantc::onnx_kernels {

static LogicalResult acceptsAny(NodeOp, std::string &) { return success(); }

/// `attribute`, an integer or float, as a value of this type.
static Value scalarOf(KernelBody &body, Attribute attribute, Type type) {
  onnx_ir::MathEmitter emit(body.builder, body.loc, type);
  double real = 0;
  int64_t integer = 0;
  if (auto number = dyn_cast<IntegerAttr>(attribute))
    real = double(integer = number.getType().isInteger(1)
                                ? number.getValue().getZExtValue()
                                : number.getValue().getSExtValue());
  else if (auto number = dyn_cast<FloatAttr>(attribute))
    integer = int64_t(real = number.getValueAsDouble());
  return isa<FloatType>(type) ? emit.constant(real, type)
                              : emit.constantInt(integer, type);
}

static LogicalResult acceptsRange(NodeOp op, std::string &why) {
  Type type = resultElement(op);
  if (isa<IntegerType>(type) || type.isF32() || type.isF64())
    return success();
  llvm::raw_string_ostream(why) << "Range is not there for " << type;
  return failure();
}

/// start + i * delta; both are inputs 0 and 2, or attributes.
static void emitRange(NodeOp op, KernelBody &body) {
  Type element = resultElement(op), type = onnx_ir::valueType(element);
  auto number = [&](unsigned input, StringRef name, int64_t otherwise) {
    if (input < body.inputs.size() && body.inputs[input])
      return loadElement(body, body.flatten(body.inputs[input]), body.index(0),
                         element);
    Attribute given = op.getNodeAttr(name);
    return scalarOf(
        body, given ? given : body.builder.getI64IntegerAttr(otherwise), type);
  };
  Value start = number(0, "start", 0), delta = number(2, "delta", 1);
  onnx_ir::MathEmitter emit(body.builder, body.loc, type);
  emitPointwise(
      body, body.outputs[0], element, [&](ArrayRef<Value> at) -> Value {
        OpBuilder &b = body.builder;
        if (!isa<FloatType>(type)) {
          Value i = arith::IndexCastOp::create(b, body.loc, type, at[0]);
          return emit.addi(start, emit.muli(i, delta));
        }
        Value i =
            arith::IndexCastOp::create(b, body.loc, b.getI64Type(), at[0]);
        i = arith::SIToFPOp::create(b, body.loc, type, i);
        return emit.add(start, emit.mul(i, delta));
      });
}

/// Every element is the one of the attribute `value`; f32 zero without it.
static void emitConstantOfShape(NodeOp op, KernelBody &body) {
  Type stored = cast<MemRefType>(body.outputs[0].getType()).getElementType();
  Attribute value;
  if (auto elements =
          dyn_cast_or_null<DenseElementsAttr>(op.getNodeAttr("value")))
    value = elements.getSplatValue<Attribute>();
  Value filling =
      value ? scalarOf(body, value, stored)
            : body.constant(cast<TypedAttr>(body.builder.getZeroAttr(stored)));
  Value output = body.flatten(body.outputs[0]);
  emitLoops(body, sizesOf(body, output), {}, denseAccess(body, output),
            [&](ArrayRef<Value>) { return filling; });
}

/// One number, or a row of numbers, that one thread stores.
static void storeNumbers(KernelBody &body, ArrayRef<Value> numbers) {
  Value output = body.flatten(body.outputs[0]);
  Type stored = cast<MemRefType>(output.getType()).getElementType();
  auto [lo, hi] = body.share(body.index(1));
  body.loop(lo, hi, 1, [&](Value) {
    for (auto [i, number] : llvm::enumerate(numbers)) {
      Value x =
          arith::IndexCastOp::create(body.builder, body.loc, stored, number);
      storeElement(body, x, output, body.index(i), Type());
    }
  });
}

static void emitShape(NodeOp op, KernelBody &body) {
  SmallVector<Value> sizes = sizesOf(body, body.inputs[0]);
  int64_t rank = sizes.size();
  int64_t start = normalizeAxis(op.getIntAttr("start", 0), rank);
  int64_t end = normalizeAxis(op.getIntAttr("end", rank), rank);
  start = std::clamp<int64_t>(start, 0, rank);
  end = std::clamp<int64_t>(end, start, rank);
  storeNumbers(body, ArrayRef(sizes).slice(start, end - start));
}

static void emitSize(NodeOp op, KernelBody &body) {
  Value input = body.inputs[0];
  storeNumbers(body, body.product(input, 0,
                                  cast<MemRefType>(input.getType()).getRank()));
}

/// 1 where column - row = k.
static void emitEyeLike(NodeOp op, KernelBody &body) {
  Type stored = cast<MemRefType>(body.outputs[0].getType()).getElementType();
  Value one = scalarOf(body, body.builder.getI64IntegerAttr(1), stored);
  Value zero = scalarOf(body, body.builder.getI64IntegerAttr(0), stored);
  Value k = body.index(op.getIntAttr("k", 0));
  emitPointwise(body, body.outputs[0], Type(), [&](ArrayRef<Value> at) {
    return select(body, equals(body, at[1], body.add(at[0], k)), one, zero);
  });
}

ArrayRef<NodeKernel> generationKernels() {
  static const NodeKernel kernels[] = {
      {"Range", acceptsRange, emitRange},
      {"ConstantOfShape", acceptsAny, emitConstantOfShape},
      {"Shape", acceptsAny, emitShape},
      {"Size", acceptsAny, emitSize},
      {"EyeLike", acceptsAny, emitEyeLike},
  };
  return kernels;
}

} // namespace quantc::onnx_kernels
