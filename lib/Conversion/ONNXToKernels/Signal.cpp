//===- Signal.cpp - Kernels of Fourier transforms and filter banks --------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// DFT and STFT by their definition: sums of N products in the order of the
// samples, in f64, rounded once. Where N is known when the model is compiled
// the N roots of unity are computed once a thread.
//
//===----------------------------------------------------------------------===//

#include "Coordinates.h"
#include "NodeKernels.h"
#include "Window.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"

#include <cmath>

using namespace mlir;

namespace quantc::onnx_kernels {

namespace {

constexpr double kTwoPi = 6.283185307179586476925286766559;
/// Roots that are worth a table (1 MB a thread).
constexpr int64_t kMostRoots = 1 << 16;

bool isReal(Type element) {
  return isa<FloatType>(element) && element.getIntOrFloatBitWidth() >= 16;
}

/// e^(sign 2 pi i t / N).
class Roots {
public:
  /// `known`: N, if it is known when the model is compiled.
  Roots(KernelBody &body, std::optional<int64_t> known, Value n, double sign)
      : body(body), m(body.builder, body.loc, body.builder.getF64Type()), n(n),
        sign(sign) {
    if (!known || !body.scratch)
      return;
    table = memref::ViewOp::create(body.builder, body.loc,
                                   MemRefType::get({2 * *known}, m.f64()),
                                   body.scratch, body.index(0), ValueRange{});
    body.loop(body.index(0), n, 1, [&](Value t) {
      auto [re, im] = compute(t);
      Value at = body.add(t, t);
      storeElement(body, re, table, at, Type());
      storeElement(body, im, table, body.add(at, body.index(1)), Type());
    });
  }
  /// Of any t that is not negative.
  std::pair<Value, Value> at(Value t) {
    t = remainder(body, t, n);
    if (!table)
      return compute(t);
    Value at = body.add(t, t);
    return {loadElement(body, table, at, Type()),
            loadElement(body, table, body.add(at, body.index(1)), Type())};
  }

private:
  std::pair<Value, Value> compute(Value t) {
    Value turn = m.div(toReal(body, t, m.f64()), toReal(body, n, m.f64()));
    Value angle = m.mul(turn, m.constant(sign * kTwoPi, m.f64()));
    return {m.cos(angle), m.sin(angle)};
  }

  KernelBody &body;
  MathEmitter m;
  Value n, table;
  double sign;
};

using Complex = std::pair<Value, Value>;

/// The sum over j < count of sample(j) * root(k * j).
Complex transform(KernelBody &body, Roots &roots, Value k, Value count,
                  llvm::function_ref<Complex(Value j)> sample) {
  Type f64 = body.builder.getF64Type();
  MathEmitter m(body.builder, body.loc, f64);
  Value init[] = {m.constant(0, f64), m.constant(0, f64)};
  SmallVector<Value> sums =
      body.loop(body.index(0), count, 1, init, [&](Value j, ValueRange sum) {
        auto [re, im] = sample(j);
        auto [c, s] = roots.at(body.mul(k, j));
        return SmallVector<Value>{
            m.add(sum[0], m.sub(m.mul(re, c), m.mul(im, s))),
            m.add(sum[1], m.add(m.mul(re, s), m.mul(im, c)))};
      });
  return {sums[0], sums[1]};
}

/// Number `offset` of a signal whose last dimension has one or two parts.
Complex loadComplex(KernelBody &body, Value memory, Value offset, bool pair,
                    Type element) {
  Type f64 = body.builder.getF64Type();
  MathEmitter m(body.builder, body.loc, f64);
  auto part = [&](Value at) {
    return convertReal(body, loadReal(body, memory, at, element), f64);
  };
  if (!pair)
    return {part(offset), m.constant(0, f64)};
  return {part(offset), part(body.add(offset, body.index(1)))};
}

/// The real or imaginary part, as `which` is 0 or 1.
Value partOf(KernelBody &body, Complex value, Value which, Type element) {
  Value isReal = equals(body, which, body.index(0));
  Value part = select(body, isReal, value.first, value.second);
  return fromReal(body, convertReal(body, part, realType(element)), element);
}

//===----------------------------------------------------------------------===//
// DFT
//===----------------------------------------------------------------------===//

/// The axis, if it is known: an attribute (17), or an input (20).
std::optional<int64_t> axisOf(NodeOp op) {
  int64_t rank = inputType(op, 0).getRank();
  if (op.getVersion() < 20)
    return normalizeAxis(op.getIntAttr("axis", 1), rank);
  if (!inputType(op, 2))
    return rank - 2;
  if (auto given = constantInts(op, 2, ""))
    return normalizeAxis(given->front(), rank);
  return std::nullopt;
}

bool isInverseReal(NodeOp op) {
  return op.getIntAttr("inverse", 0) && op.getIntAttr("onesided", 0);
}

/// N, if it is known.
std::optional<int64_t> lengthOf(NodeOp op) {
  if (inputType(op, 1)) {
    auto given = constantInts(op, 1, "");
    return given ? std::optional(given->front()) : std::nullopt;
  }
  std::optional<int64_t> axis = axisOf(op);
  RankedTensorType type = inputType(op, 0);
  if (!axis || type.isDynamicDim(*axis))
    return std::nullopt;
  int64_t size = type.getDimSize(*axis);
  return isInverseReal(op) ? 2 * (size - 1) : size;
}

LogicalResult acceptsDFT(NodeOp op, std::string &why) {
  RankedTensorType type = inputType(op, 0);
  llvm::raw_string_ostream os(why);
  if (!isReal(type.getElementType()))
    os << op.getOpType() << " is not there for " << type.getElementType();
  else if (type.getRank() < 2 || type.isDynamicDim(type.getRank() - 1))
    os << op.getOpType() << " needs to know whether its signal is complex";
  else
    return success();
  return failure();
}

Value rootsScratch(std::optional<int64_t> length, NodeOp op, OpBuilder &b) {
  if (!length || *length <= 0 || *length > kMostRoots)
    return {};
  return arith::ConstantIndexOp::create(b, op.getLoc(), 16 * *length);
}
Value scratchDFT(NodeOp op, OpBuilder &b) {
  return rootsScratch(lengthOf(op), op, b);
}

void emitDFT(NodeOp op, KernelBody &body) {
  Value input = body.inputs[0], output = body.outputs[0], zero = body.index(0);
  Type element = inputElement(op, 0), f64 = body.builder.getF64Type();
  MathEmitter m(body.builder, body.loc, f64);
  RankedTensorType type = inputType(op, 0);
  int64_t rank = type.getRank();
  bool inverse = op.getIntAttr("inverse", 0), mirrored = isInverseReal(op);
  bool pair = type.getDimSize(rank - 1) == 2;
  SmallVector<Value> sizes = sizesOf(body, input),
                     strides = stridesOf(body, sizes);
  std::optional<int64_t> known = axisOf(op);
  Value axis = known ? body.index(*known)
                     : checkedIndex(body, loadIndex(body, body.inputs[2], zero),
                                    body.index(rank));
  // What stands at the axis.
  auto atAxis = [&](ArrayRef<Value> values) {
    Value value = values[0];
    for (int64_t d = 1; d < rank; ++d)
      value = select(body, equals(body, axis, body.index(d)), values[d], value);
    return value;
  };
  Value size = atAxis(sizes), stride = atAxis(strides);
  std::optional<int64_t> length = lengthOf(op);
  Value n = length ? body.index(*length)
            : body.inputs.size() > 1 && body.inputs[1]
                ? loadIndex(body, body.inputs[1], zero)
            : mirrored ? body.mul(body.sub(size, body.index(1)), body.index(2))
                       : size;
  if (length && *length > kMostRoots)
    length.reset();
  Roots roots(body, length, n, inverse ? 1 : -1);
  Value memory = body.flatten(input);
  emitPointwise(body, output, element, [&](ArrayRef<Value> at) {
    Value base = zero;
    for (int64_t d = 0; d + 1 < rank; ++d) {
      Value here = equals(body, axis, body.index(d));
      base =
          body.add(base, select(body, here, zero, body.mul(at[d], strides[d])));
    }
    Value half = quotient(body, n, body.index(2));
    Value given = body.minimum(size, n);
    auto sample = [&](Value j) -> Complex {
      if (!mirrored)
        return loadComplex(body, memory, body.add(base, body.mul(j, stride)),
                           pair, element);
      // The upper half is the lower one's mirror image, conjugated.
      Value upper = lessThan(body, half, j);
      Value from = select(body, upper, body.sub(n, j), j);
      Value last = body.sub(size, body.index(1));
      Value safe = clamp(body, from, zero, last);
      auto [re, im] = loadComplex(
          body, memory, body.add(base, body.mul(safe, stride)), pair, element);
      Value none = m.constant(0, f64), there = equals(body, safe, from);
      im = m.select(upper, m.neg(im), im);
      return {m.select(there, re, none), m.select(there, im, none)};
    };
    auto [re, im] =
        transform(body, roots, atAxis(at), mirrored ? n : given, sample);
    if (inverse) {
      Value count = toReal(body, n, f64);
      re = m.div(re, count), im = m.div(im, count);
    }
    return partOf(body, {re, im}, at.back(), element);
  });
}

//===----------------------------------------------------------------------===//
// STFT
//===----------------------------------------------------------------------===//

std::optional<int64_t> frameLength(NodeOp op) {
  if (RankedTensorType window = inputType(op, 2))
    return window.isDynamicDim(0) ? std::nullopt
                                  : std::optional(window.getDimSize(0));
  if (inputType(op, 3)) {
    auto given = constantInts(op, 3, "");
    return given ? std::optional(given->front()) : std::nullopt;
  }
  RankedTensorType type = inputType(op, 0);
  return type.isDynamicDim(1) ? std::nullopt
                              : std::optional(type.getDimSize(1));
}
Value scratchSTFT(NodeOp op, OpBuilder &b) {
  return rootsScratch(frameLength(op), op, b);
}

/// Transforms of frames that are `frame_step` apart, times a window.
void emitSTFT(NodeOp op, KernelBody &body) {
  Value input = body.inputs[0], zero = body.index(0);
  Type element = inputElement(op, 0), f64 = body.builder.getF64Type();
  MathEmitter m(body.builder, body.loc, f64);
  RankedTensorType type = inputType(op, 0);
  bool pair = type.getRank() == 3 && type.getDimSize(2) == 2;
  Value parts = body.index(pair ? 2 : 1);
  auto in = [&](unsigned i) {
    return i < body.inputs.size() ? body.inputs[i] : Value();
  };
  std::optional<int64_t> length = frameLength(op);
  Value n = length  ? body.index(*length)
            : in(2) ? body.dim(in(2), 0)
            : in(3) ? loadIndex(body, in(3), zero)
                    : body.dim(input, 1);
  if (length && *length > kMostRoots)
    length.reset();
  Roots roots(body, length, n, -1);
  Value step = loadIndex(body, in(1), zero), samples = body.dim(input, 1);
  Value memory = body.flatten(input),
        window = in(2) ? body.flatten(in(2)) : Value();
  emitPointwise(body, body.outputs[0], element, [&](ArrayRef<Value> at) {
    Value start = body.mul(at[1], step), row = body.mul(at[0], samples);
    // Past the signal's end there is nothing.
    Value count = clamp(body, body.sub(samples, start), zero, n);
    Complex sum = transform(body, roots, at[2], count, [&](Value j) {
      Value offset = body.mul(body.add(body.add(row, start), j), parts);
      auto [re, im] = loadComplex(body, memory, offset, pair, element);
      if (window) {
        Value w = convertReal(body, loadReal(body, window, j, element), f64);
        re = m.mul(re, w), im = m.mul(im, w);
      }
      return Complex{re, im};
    });
    return partOf(body, sum, at[3], element);
  });
}

//===----------------------------------------------------------------------===//
// MelWeightMatrix
//===----------------------------------------------------------------------===//

LogicalResult acceptsMel(NodeOp op, std::string &why) {
  if (isReal(resultElement(op)) && isReal(inputElement(op, 3)))
    return success();
  llvm::raw_string_ostream(why)
      << "MelWeightMatrix is not there for " << resultElement(op);
  return failure();
}

/// Triangles whose corners are evenly spaced on the mel scale, 2595 log10(1 +
/// hertz / 700); in f64.
void emitMel(NodeOp op, KernelBody &body) {
  Type element = resultElement(op), f64 = body.builder.getF64Type();
  MathEmitter m(body.builder, body.loc, f64);
  auto number = [&](double value) { return m.constant(value, f64); };
  Value zero = body.index(0);
  auto integer = [&](unsigned i) {
    return toReal(body, loadIndex(body, body.inputs[i], zero), f64);
  };
  auto mel = [&](unsigned i) {
    Value hertz =
        loadReal(body, body.flatten(body.inputs[i]), zero, inputElement(op, i));
    hertz = convertReal(body, hertz, f64);
    Value logarithm = m.log1p(m.div(hertz, number(700)));
    return m.mul(m.div(logarithm, number(std::log(10.0))), number(2595));
  };
  Value low = mel(3), high = mel(4);
  Value step = m.div(m.sub(high, low), m.add(integer(0), number(2)));
  Value bins = m.add(integer(1), number(1)), rate = integer(2);
  emitPointwise(body, body.outputs[0], element, [&](ArrayRef<Value> at) {
    auto corner = [&](int64_t i) {
      Value index = toReal(body, body.add(at[1], body.index(i)), f64);
      Value scaled = m.mul(m.div(m.add(m.mul(index, step), low), number(2595)),
                           number(std::log(10.0)));
      Value hertz = m.mul(number(700), m.expm1(scaled));
      return m.floor(m.div(m.mul(bins, hertz), rate));
    };
    using P = arith::CmpFPredicate;
    Value left = corner(0), middle = corner(1), right = corner(2);
    Value j = toReal(body, at[0], f64);
    Value rise = m.sub(middle, left), fall = m.sub(right, middle);
    Value inRise =
        both(body, m.compare(P::OGE, j, left), m.compare(P::OLE, j, middle));
    Value rising = m.select(inRise, m.div(m.sub(j, left), rise), number(0));
    Value peak = m.select(m.compare(P::OEQ, j, middle), number(1), number(0));
    Value y = m.select(m.compare(P::OEQ, rise, number(0)), peak, rising);
    Value inFall =
        both(body, m.compare(P::OGE, j, middle), m.compare(P::OLT, j, right));
    y = m.select(inFall, m.div(m.sub(right, j), fall), y);
    return fromReal(body, convertReal(body, y, realType(element)), element);
  });
}

} // namespace

ArrayRef<NodeKernel> signalKernels() {
  static const NodeKernel kernels[] = {
      {"DFT", acceptsDFT, emitDFT, /*constantInputs=*/1u << 1 | 1u << 2,
       scratchDFT},
      {"STFT", acceptsDFT, emitSTFT, /*constantInputs=*/1u << 3, scratchSTFT},
      {"MelWeightMatrix", acceptsMel, emitMel},
  };
  return kernels;
}

} // namespace quantc::onnx_kernels
