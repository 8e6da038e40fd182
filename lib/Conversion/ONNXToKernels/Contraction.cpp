//===- Contraction.cpp - Kernels of products summed over an axis ----------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The plain way of MatMul and Conv, float and integer: one result after the
// other. What is worth fast tiles is qgraph.linear and its kin.
//
//===----------------------------------------------------------------------===//

#include "Reduce.h"
#include "Window.h"

#include "quantc/Dialect/ONNX/Elementwise.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;

namespace quantc::onnx_kernels {

namespace {

bool isFloat(Type t) {
  return isa<FloatType>(t) && t.getIntOrFloatBitWidth() >= 16;
}
bool isInteger(Type t) {
  return isa<IntegerType>(t) && t.getIntOrFloatBitWidth() >= 8;
}

LogicalResult refuse(NodeOp op, std::string &why) {
  llvm::raw_string_ostream os(why);
  os << op.getOpType() << " is not there for operands of type ";
  llvm::interleaveComma(op.getInputs().getTypes(), os);
  return failure();
}

LogicalResult acceptsProduct(NodeOp op, std::string &why) {
  Type a = inputElement(op, 0), b = inputElement(op, 1);
  bool ranks =
      inputType(op, 0).getRank() >= 2 && inputType(op, 1).getRank() >= 2;
  return ranks && a == b && (isFloat(a) || isInteger(a)) ? success()
                                                         : refuse(op, why);
}

/// The operands of MatMulInteger and ConvInteger (8-bit integers), or of the
/// QLinear forms.
LogicalResult acceptsQuantized(NodeOp op, std::string &why) {
  bool scaled = op.getOpType().starts_with("QLinear");
  RankedTensorType a = inputType(op, 0), b = inputType(op, scaled ? 3 : 1);
  auto is8 = [](Type t) {
    return isa<IntegerType>(t) && t.getIntOrFloatBitWidth() == 8;
  };
  bool types = a && b && is8(a.getElementType()) && is8(b.getElementType());
  if (types && scaled)
    types = is8(resultElement(op)) && inputElement(op, 1).isF32() &&
            inputElement(op, 4).isF32() && inputElement(op, 6).isF32();
  return types && a.getRank() >= 2 && b.getRank() >= 2 ? success()
                                                       : refuse(op, why);
}

/// One element as a value to compute with: f16 and bf16 as f32, integers as
/// `type`.
Value loadNumber(KernelBody &body, Value memory, Value index, Type element,
                 Type type) {
  Value x = loadElement(body, memory, index, element);
  if (isa<FloatType>(element))
    return MathEmitter(body.builder, body.loc, x.getType()).widen(x);
  if (x.getType() == type)
    return x;
  return element.isUnsignedInteger()
             ? Value(arith::ExtUIOp::create(body.builder, body.loc, type, x))
             : Value(arith::ExtSIOp::create(body.builder, body.loc, type, x));
}

/// A zero point or scale: one for all, or one for each index `i`. Null without
/// the operand.
Value loadParameter(NodeOp op, KernelBody &body, unsigned input, Value i,
                    Type type) {
  if (input >= body.inputs.size() || !body.inputs[input])
    return {};
  Value memory = body.flatten(body.inputs[input]);
  Value one = equals(body, body.dim(memory, 0), body.index(1));
  Value at = select(body, one, body.index(0), i);
  return loadNumber(body, memory, at, inputElement(op, input), type);
}

Value minus(KernelBody &body, Value x, Value zeroPoint) {
  return zeroPoint ? Value(arith::SubIOp::create(body.builder, body.loc, x,
                                                 zeroPoint))
                   : x;
}

Value multiplyAdd(KernelBody &body, Value a, Value b, Value acc) {
  MathEmitter m(body.builder, body.loc, acc.getType());
  return isa<FloatType>(acc.getType()) ? m.fma(a, b, acc)
                                       : m.addi(acc, m.muli(a, b));
}

/// round(acc * (sa * sb / sy)) + zy, clamped to the 8-bit result type.
Value requantize(NodeOp op, KernelBody &body, Value acc, Value aScale,
                 Value bScale, unsigned yScale) {
  OpBuilder &b = body.builder;
  MathEmitter m(b, body.loc, acc.getType());
  Type to = resultElement(op);
  Value zero = body.index(0);
  Value scale = m.div(m.mul(aScale, bScale),
                      loadParameter(op, body, yScale, zero, m.f32()));
  Value y = arith::SIToFPOp::create(b, body.loc, m.f32(), acc);
  y = m.roundEven(m.mul(y, scale));
  if (Value zeroPoint =
          loadParameter(op, body, yScale + 1, zero, m.intType(32)))
    y = m.add(y, arith::SIToFPOp::create(b, body.loc, m.f32(), zeroPoint));
  Type types[] = {b.getF32Type(), to};
  // Cast clamps.
  return onnx_ir::lookupElementwise("Cast")->build(b, body.loc, {y}, types, {});
}

//===----------------------------------------------------------------------===//
// MatMul
//===----------------------------------------------------------------------===//

/// The offset of the matrix of a batched operand, whose leading dimensions are
/// broadcast.
Value matrixOffset(KernelBody &body, Value operand, ArrayRef<Value> batch) {
  SmallVector<Value> sizes = sizesOf(body, operand),
                     strides = stridesOf(body, sizes);
  size_t own = sizes.size() - 2;
  Value offset = body.index(0);
  for (size_t d = 0; d < own; ++d) {
    Value i = batch[batch.size() - own + d];
    Value repeated = equals(body, sizes[d], body.index(1));
    offset = body.add(
        offset, body.mul(select(body, repeated, body.index(0), i), strides[d]));
  }
  return offset;
}

void emitMatMul(NodeOp op, KernelBody &body) {
  bool scaled = op.is("QLinearMatMul"),
       quantized = scaled || op.is("MatMulInteger");
  unsigned second = scaled ? 3 : 1;
  Value a = body.inputs[0], b = body.inputs[second], output = body.outputs[0];
  Type elementA = inputElement(op, 0), elementB = inputElement(op, second);
  Type element = resultElement(op);
  Type type =
      quantized ? Type(body.builder.getI32Type()) : accumulatorType(elementA);
  SmallVector<Value> stridesA = stridesOf(body, sizesOf(body, a));
  SmallVector<Value> stridesB = stridesOf(body, sizesOf(body, b));
  Value depth = sizesOf(body, a).back();
  Value flatA = body.flatten(a), flatB = body.flatten(b);
  emitPointwise(body, output, element, [&](ArrayRef<Value> at) -> Value {
    ArrayRef<Value> batch = at.drop_back(2);
    Value row = at[at.size() - 2], column = at.back();
    Value zeroA = quantized ? loadParameter(op, body, 2, row, type) : Value();
    Value zeroB = quantized
                      ? loadParameter(op, body, scaled ? 5 : 3, column, type)
                      : Value();
    Value startA = body.add(matrixOffset(body, a, batch),
                            body.mul(row, stridesA[stridesA.size() - 2]));
    Value startB = body.add(matrixOffset(body, b, batch), column);
    Value acc = dotOverK(body, depth, type, [&](Value k, Value sum) {
      Value x = loadNumber(body, flatA, body.add(startA, k), elementA, type);
      Value stepB = body.mul(k, stridesB[stridesB.size() - 2]);
      Value y =
          loadNumber(body, flatB, body.add(startB, stepB), elementB, type);
      return multiplyAdd(body, minus(body, x, zeroA), minus(body, y, zeroB),
                         sum);
    });
    if (scaled)
      return requantize(op, body, acc, loadParameter(op, body, 1, row, type),
                        loadParameter(op, body, 4, column, type), 6);
    MathEmitter m(body.builder, body.loc, acc.getType());
    return isa<FloatType>(element) ? m.narrow(acc, element) : acc;
  });
}

//===----------------------------------------------------------------------===//
// Conv
//===----------------------------------------------------------------------===//

LogicalResult acceptsConv(NodeOp op, std::string &why) {
  return inputElement(op, 0) == inputElement(op, 1) &&
                 isFloat(inputElement(op, 0))
             ? success()
             : refuse(op, why);
}

/// output[n, m, o] = sum over c, k of input[n, g C + c, source(o, k)] *
/// weight[m, c, k], where the input has it.
void emitConv(NodeOp op, KernelBody &body) {
  bool scaled = op.is("QLinearConv"),
       quantized = scaled || op.is("ConvInteger");
  unsigned second = scaled ? 3 : 1;
  Value input = body.inputs[0], weight = body.inputs[second],
        output = body.outputs[0];
  Type element = resultElement(op), elementX = inputElement(op, 0);
  Type elementW = inputElement(op, second);
  Type type =
      quantized ? Type(body.builder.getI32Type()) : accumulatorType(elementX);
  SmallVector<Value> sizes = sizesOf(body, input),
                     strides = stridesOf(body, sizes);
  SmallVector<Value> weightSizes = sizesOf(body, weight);
  Window window(op, body, input, output, ArrayRef(weightSizes).drop_front(2));
  Value channels = weightSizes[1];
  Value perGroup =
      quotient(body, weightSizes[0], body.index(op.getIntAttr("group", 1)));
  Value count = body.mul(channels, window.count);
  Value flatX = body.flatten(input), flatW = body.flatten(weight);
  unsigned bias = scaled ? 8 : 2;
  bool biased = op.is("Conv") || scaled;
  emitPointwise(body, output, element, [&](ArrayRef<Value> at) -> Value {
    Value m = at[1],
          firstChannel = body.mul(quotient(body, m, perGroup), channels);
    Value weights = body.mul(m, count);
    Value zeroX =
        quantized ? loadParameter(op, body, 2, body.index(0), type) : Value();
    Value zeroW =
        quantized ? loadParameter(op, body, scaled ? 5 : 3, m, type) : Value();
    Value acc = dotOverK(body, count, type, [&](Value k, Value sum) {
      Value c = quotient(body, k, window.count);
      SmallVector<Value> position =
          window.position(body, remainder(body, k, window.count));
      SmallVector<Value> from = {at[0], body.add(firstChannel, c)};
      llvm::append_range(from, window.source(body, at.drop_front(2), position));
      Value valid = inside(body, ArrayRef(from).drop_front(2),
                           ArrayRef(sizes).drop_front(2));
      return ifInside(body, valid, sum, [&] {
        Value x = loadNumber(body, flatX, linearize(body, from, strides),
                             elementX, type);
        Value w = loadNumber(body, flatW, body.add(weights, k), elementW, type);
        return multiplyAdd(body, minus(body, x, zeroX), minus(body, w, zeroW),
                           sum);
      });
    });
    MathEmitter emit(body.builder, body.loc, acc.getType());
    if (Value added = biased ? loadParameter(op, body, bias, m, type) : Value())
      acc = isa<FloatType>(type) ? emit.add(acc, added) : emit.addi(acc, added);
    if (scaled)
      return requantize(op, body, acc,
                        loadParameter(op, body, 1, body.index(0), type),
                        loadParameter(op, body, 4, m, type), 6);
    return isa<FloatType>(element) ? emit.narrow(acc, element) : acc;
  });
}

/// The input i that position k of the window puts at output o: o + before = i *
/// stride + k * dilation, where that has a solution.
void emitConvTranspose(NodeOp op, KernelBody &body) {
  Value input = body.inputs[0], weight = body.inputs[1],
        output = body.outputs[0];
  Type element = resultElement(op), type = accumulatorType(element);
  SmallVector<Value> sizes = sizesOf(body, input),
                     strides = stridesOf(body, sizes);
  SmallVector<Value> weightSizes = sizesOf(body, weight);
  SmallVector<Value> weightStrides = stridesOf(body, weightSizes);
  Window window(op, body, input, output, ArrayRef(weightSizes).drop_front(2),
                /*transposed=*/true);
  Value group = body.index(op.getIntAttr("group", 1)),
        perGroup = weightSizes[1];
  Value channels = quotient(body, sizes[1], group);
  Value count = body.mul(channels, window.count), zero = body.index(0);
  Value flatX = body.flatten(input), flatW = body.flatten(weight);
  emitPointwise(body, output, element, [&](ArrayRef<Value> at) -> Value {
    Value g = quotient(body, at[1], perGroup),
          m = remainder(body, at[1], perGroup);
    Value acc = dotOverK(body, count, type, [&](Value k, Value sum) {
      Value c =
          body.add(body.mul(g, channels), quotient(body, k, window.count));
      SmallVector<Value> position =
          window.position(body, remainder(body, k, window.count));
      SmallVector<Value> from = {at[0], c}, to = {c, m};
      llvm::append_range(to, position);
      Value valid = body.constant(body.builder.getBoolAttr(true));
      for (size_t d = 0; d < position.size(); ++d) {
        Value offset = body.mul(position[d], body.index(window.dilations[d]));
        Value place = body.sub(body.add(at[d + 2], window.before[d]), offset);
        Value stride = body.index(window.strides[d]);
        valid = both(body, valid,
                     equals(body, remainder(body, place, stride), zero));
        // A negative place is no multiple that is in range: unsigned, its
        // quotient is large, unless the stride is larger still; so that is
        // asked for itself.
        Value negative = lessThan(body, place, zero);
        from.push_back(select(body, negative, sizes[d + 2],
                              quotient(body, place, stride)));
      }
      valid = both(body, valid,
                   inside(body, ArrayRef(from).drop_front(2),
                          ArrayRef(sizes).drop_front(2)));
      return ifInside(body, valid, sum, [&] {
        Value x = loadNumber(body, flatX, linearize(body, from, strides),
                             element, type);
        Value w = loadNumber(body, flatW, linearize(body, to, weightStrides),
                             element, type);
        return multiplyAdd(body, x, w, sum);
      });
    });
    MathEmitter emit(body.builder, body.loc, type);
    if (Value added = loadParameter(op, body, 2, at[1], type))
      acc = emit.add(acc, added);
    return emit.narrow(acc, element);
  });
}

} // namespace

ArrayRef<NodeKernel> contractionKernels() {
  static const NodeKernel kernels[] = {
      {"MatMul", acceptsProduct, emitMatMul},
      {"MatMulInteger", acceptsQuantized, emitMatMul},
      {"QLinearMatMul", acceptsQuantized, emitMatMul},
      {"Conv", acceptsConv, emitConv},
      {"ConvInteger", acceptsQuantized, emitConv},
      {"QLinearConv", acceptsQuantized, emitConv},
      {"ConvTranspose", acceptsConv, emitConvTranspose},
  };
  return kernels;
}

} // namespace quantc::onnx_kernels
