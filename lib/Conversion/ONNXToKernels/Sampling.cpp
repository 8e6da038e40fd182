//===- Sampling.cpp - Kernels that read between the elements --------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// GridSample and DeformConv: samples at real positions of an image [N, C,
// spatial...] of any number of spatial dimensions; AffineGrid makes such
// positions. A sample is a sum over the
// taps of the first spatial dimension of sums over those of the next one, each
// in the order of the taps.
//
//===----------------------------------------------------------------------===//

#include "Coordinates.h"
#include "Window.h"

#include "quantc/Dialect/ONNX/Elementwise.h"

#include "mlir/Dialect/Arith/IR/Arith.h"

using namespace mlir;

namespace quantc::onnx_kernels {

namespace {

enum class Padding { Zeros, Border, Reflection };

/// Reads an image at positions of the reals `type`.
class Sampler {
public:
  Sampler(KernelBody &body, Value image, Type element, Type type,
          StringRef mode, Padding padding, bool alignCorners)
      : body(body), element(element), type(type),
        m(body.builder, body.loc, type), memory(body.flatten(image)),
        sizes(sizesOf(body, image)), strides(stridesOf(body, sizes)),
        mode(mode), padding(padding), alignCorners(alignCorners) {}

  /// The element or interpolated value at image[n, channel, position...].
  Value sample(Value n, Value channel, SmallVector<Value> position);
  /// The size of spatial dimension `d`.
  Value size(size_t d) { return sizes[d + 2]; }

private:
  struct Tap {
    Value index, inside;
  };
  std::pair<Value, Value> borders(size_t d);
  Value clamped(Value x, size_t d);
  Value reflected(Value x, size_t d);
  Tap resolve(Value i, size_t d);
  Value load(Value offset, Value inside);
  Value interpolate(ArrayRef<Value> position, size_t d, Value offset,
                    Value inside);

  KernelBody &body;
  Type element, type;
  MathEmitter m;
  Value memory;
  SmallVector<Value> sizes, strides;
  StringRef mode;
  Padding padding;
  bool alignCorners;
};

/// The outer elements' centres (align_corners), or half an element further out.
std::pair<Value, Value> Sampler::borders(size_t d) {
  auto number = [&](double value) { return m.constant(value, type); };
  return {number(alignCorners ? 0 : -0.5),
          m.sub(toReal(body, size(d), type), number(alignCorners ? 1 : 0.5))};
}

/// The centre of the outer element for what is beyond the borders.
Value Sampler::clamped(Value x, size_t d) {
  auto [low, high] = borders(d);
  Value last = toReal(body, body.sub(size(d), body.index(1)), type);
  x = m.select(m.compare(arith::CmpFPredicate::OLT, x, low),
               m.constant(0, type), x);
  return m.select(m.compare(arith::CmpFPredicate::OGT, x, high), last, x);
}

/// Back and forth between the borders.
Value Sampler::reflected(Value x, size_t d) {
  auto number = [&](double value) { return m.constant(value, type); };
  auto [low, high] = borders(d);
  Value range = m.sub(high, low);
  Value below = m.compare(arith::CmpFPredicate::OLT, x, low);
  Value above = m.compare(arith::CmpFPredicate::OGT, x, high);
  Value beyond = m.select(below, m.sub(low, x), m.sub(x, high));
  Value turns = m.trunc(m.div(beyond, range));
  Value rest = m.sub(beyond, m.mul(turns, range));
  Value half = m.mul(turns, number(0.5));
  Value even = m.compare(arith::CmpFPredicate::OEQ, half, m.trunc(half));
  // An even number of turns ends at the border that was crossed.
  Value fromLow = m.select(even, below, above);
  Value y = m.select(fromLow, m.add(low, rest), m.sub(high, rest));
  Value out = arith::OrIOp::create(body.builder, body.loc, below, above);
  return m.select(out, y, x);
}

/// Where index `i` of spatial dimension `d` is read, and whether it counts.
Sampler::Tap Sampler::resolve(Value i, size_t d) {
  Value zero = body.index(0), last = body.sub(size(d), body.index(1));
  if (padding == Padding::Reflection)
    i = toIndex(body, reflected(toReal(body, i, type), d));
  Value safe = clamp(body, i, zero, last);
  if (padding == Padding::Zeros)
    return {safe, equals(body, safe, i)};
  return {safe, Value()};
}

Value Sampler::load(Value offset, Value inside) {
  bool nearest = mode == "nearest";
  auto read = [&] {
    return nearest ? loadElement(body, memory, offset, element)
                   : loadReal(body, memory, offset, element);
  };
  if (!inside)
    return read();
  Type result = nearest ? onnx_ir::valueType(element) : type;
  Value zero = body.constant(cast<TypedAttr>(body.builder.getZeroAttr(result)));
  return ifInside(body, inside, zero, read);
}

static Value andIf(KernelBody &body, Value a, Value b) {
  return a && b ? both(body, a, b) : a ? a : b;
}

Value Sampler::interpolate(ArrayRef<Value> position, size_t d, Value offset,
                           Value inside) {
  if (d == position.size())
    return load(offset, inside);
  Value floor = m.floor(position[d]);
  int64_t support = mode == "cubic" ? 2 : 1;
  Value low = body.index(1 - support);
  Value start = body.add(toIndex(body, floor), low);
  Value first =
      m.sub(m.constant(double(1 - support), type), m.sub(position[d], floor));
  return body.loop(
      body.index(0), body.index(2 * support), 1,
      ValueRange{m.constant(0, type)}, [&](Value k, ValueRange sum) {
        Value distance = m.add(first, toReal(body, k, type));
        Value w = mode == "cubic" ? cubicWeight(m, distance, -0.75)
                                  : m.sub(m.constant(1, type), m.abs(distance));
        Tap tap = resolve(body.add(start, k), d);
        Value at = body.add(offset, body.mul(tap.index, strides[d + 2]));
        Value x =
            interpolate(position, d + 1, at, andIf(body, inside, tap.inside));
        return SmallVector<Value>{m.add(sum[0], m.mul(w, x))};
      })[0];
}

Value Sampler::sample(Value n, Value channel, SmallVector<Value> position) {
  Value offset =
      body.add(body.mul(n, strides[0]), body.mul(channel, strides[1]));
  for (auto [d, x] : llvm::enumerate(position)) {
    if (mode == "nearest")
      x = m.roundEven(x);
    if (padding == Padding::Border)
      x = clamped(x, d);
    else if (padding == Padding::Reflection)
      x = reflected(x, d);
  }
  if (mode != "nearest")
    return interpolate(position, 0, offset, Value());
  Value inside;
  for (auto [d, x] : llvm::enumerate(position)) {
    Tap tap = resolve(toIndex(body, x), d);
    offset = body.add(offset, body.mul(tap.index, strides[d + 2]));
    inside = andIf(body, inside, tap.inside);
  }
  return load(offset, inside);
}

bool isComputable(Type element) {
  return isa<FloatType>(element) && element.getIntOrFloatBitWidth() >= 16;
}

//===----------------------------------------------------------------------===//
// GridSample
//===----------------------------------------------------------------------===//

StringRef gridMode(NodeOp op) {
  StringRef mode = op.getStringAttr("mode", "linear");
  return mode == "bilinear" ? "linear" : mode == "bicubic" ? "cubic" : mode;
}

LogicalResult acceptsGridSample(NodeOp op, std::string &why) {
  StringRef mode = gridMode(op),
            padding = op.getStringAttr("padding_mode", "zeros");
  RankedTensorType x = inputType(op, 0), grid = inputType(op, 1);
  llvm::raw_string_ostream os(why);
  if (mode != "nearest" && mode != "linear" && mode != "cubic")
    os << "GridSample has no mode " << mode;
  else if (padding != "zeros" && padding != "border" && padding != "reflection")
    os << "GridSample has no padding_mode " << padding;
  else if (x.getRank() < 3 || grid.getRank() != x.getRank())
    os << "GridSample of " << x << " does not fit a grid of " << grid;
  else if (!isComputable(grid.getElementType()) ||
           (!isComputable(x.getElementType()) && mode != "nearest"))
    os << "GridSample with mode " << mode << " is not there for "
       << x.getElementType() << " and a grid of " << grid.getElementType();
  else
    return success();
  return failure();
}

/// The grid [N, out..., k] has positions from -1 to 1, the last spatial
/// dimension first.
void emitGridSample(NodeOp op, KernelBody &body) {
  Type element = inputElement(op, 0), gridElement = inputElement(op, 1);
  bool align = op.getIntAttr("align_corners", 0);
  StringRef mode = gridMode(op),
            name = op.getStringAttr("padding_mode", "zeros");
  Padding padding = name == "border"       ? Padding::Border
                    : name == "reflection" ? Padding::Reflection
                                           : Padding::Zeros;
  Type type = element.isF64() || gridElement.isF64()
                  ? Type(body.builder.getF64Type())
                  : Type(body.builder.getF32Type());
  if (mode != "nearest")
    type = realType(element);
  Sampler sampler(body, body.inputs[0], element, type, mode, padding, align);
  MathEmitter m(body.builder, body.loc, type);
  auto number = [&](double value) { return m.constant(value, type); };
  Value grid = body.flatten(body.inputs[1]);
  SmallVector<Value> gridStrides =
      stridesOf(body, sizesOf(body, body.inputs[1]));
  size_t rank = gridStrides.size() - 2;
  emitPointwise(body, body.outputs[0], element, [&](ArrayRef<Value> at) {
    SmallVector<Value> point{at[0]};
    llvm::append_range(point, at.drop_front(2));
    Value start = linearize(body, point, ArrayRef(gridStrides).drop_back());
    SmallVector<Value> position;
    for (size_t d = 0; d < rank; ++d) {
      Value x = loadReal(body, grid, body.add(start, body.index(rank - 1 - d)),
                         gridElement);
      Value size = toReal(body, sampler.size(d), type);
      Value right = m.add(convertReal(body, x, type), number(1));
      position.push_back(
          align ? m.mul(m.mul(right, number(0.5)), m.sub(size, number(1)))
                : m.mul(m.sub(m.mul(right, size), number(1)), number(0.5)));
    }
    Value y = sampler.sample(at[0], at[1], position);
    return mode == "nearest" ? y : fromReal(body, y, element);
  });
}

//===----------------------------------------------------------------------===//
// AffineGrid
//===----------------------------------------------------------------------===//

LogicalResult acceptsAffineGrid(NodeOp op, std::string &why) {
  Type element = inputElement(op, 0);
  if (isComputable(element))
    return success();
  llvm::raw_string_ostream(why) << "AffineGrid is not there for " << element;
  return failure();
}

/// The positions (x, y[, z]) from -1 to 1 of a grid [N, [depth,] height, width]
/// that each of N maps [k, k + 1] takes elsewhere; in f64. Where corners are
/// aligned and there is one position along a dimension, that is -1.
void emitAffineGrid(NodeOp op, KernelBody &body) {
  Type element = inputElement(op, 0), f64 = body.builder.getF64Type();
  MathEmitter m(body.builder, body.loc, f64);
  bool align = op.getIntAttr("align_corners", 0);
  Value maps = body.flatten(body.inputs[0]);
  SmallVector<Value> sizes = sizesOf(body, body.outputs[0]);
  int64_t rank = int64_t(sizes.size()) - 2;
  Value one = m.constant(1, f64), two = m.constant(2, f64);
  auto position = [&](Value i, Value size) {
    Value steps = size, x = m.mul(toReal(body, i, f64), two);
    if (align)
      steps = body.builder.createOrFold<arith::MaxSIOp>(
          body.loc, body.sub(size, body.index(1)), body.index(1));
    else
      x = m.add(x, one);
    return m.sub(m.div(x, toReal(body, steps, f64)), one);
  };
  emitPointwise(body, body.outputs[0], element, [&](ArrayRef<Value> at) {
    Value row = body.mul(body.add(body.mul(at[0], body.index(rank)), at.back()),
                         body.index(rank + 1));
    auto weight = [&](int64_t k) {
      Value w = loadReal(body, maps, body.add(row, body.index(k)), element);
      return convertReal(body, w, f64);
    };
    Value sum = weight(rank);
    for (int64_t k = 0; k < rank; ++k) {
      int64_t d = rank - k; // x is the last dimension
      sum = m.add(sum, m.mul(weight(k), position(at[d], sizes[d])));
    }
    return fromReal(body, convertReal(body, sum, realType(element)), element);
  });
}

//===----------------------------------------------------------------------===//
// DeformConv
//===----------------------------------------------------------------------===//

LogicalResult acceptsDeformConv(NodeOp op, std::string &why) {
  Type element = inputElement(op, 0);
  if (isComputable(element) && inputType(op, 0).getRank() >= 3)
    return success();
  llvm::raw_string_ostream(why)
      << "DeformConv is not there for " << inputType(op, 0);
  return failure();
}

/// Conv whose window's positions are moved by offsets [N, groups * count *
/// rank, out...], and weighted by a mask [N, groups * count, out...]. Products
/// in the order of numerics::dotOverK: channels, then positions.
void emitDeformConv(NodeOp op, KernelBody &body) {
  Value input = body.inputs[0], weight = body.inputs[1];
  Value output = body.outputs[0];
  Type element = inputElement(op, 0), type = realType(element);
  auto given = [&](unsigned i) {
    return i < body.inputs.size() && body.inputs[i]
               ? body.flatten(body.inputs[i])
               : Value();
  };
  SmallVector<Value> kernel = sizesOf(body, weight);
  kernel.erase(kernel.begin(), kernel.begin() + 2);
  Window window(op, body, input, output, kernel);
  int64_t rank = kernel.size();
  Value group = body.index(op.getIntAttr("group", 1)),
        offsetGroup = body.index(op.getIntAttr("offset_group", 1));
  Value channels = body.dim(weight, 1);
  Value perGroup = quotient(body, body.dim(output, 1), group);
  Value perOffset = quotient(body, body.dim(input, 1), offsetGroup);
  Value filters = body.flatten(weight), offsets = given(2), bias = given(3),
        mask = given(4);
  SmallVector<Value> weightStrides = stridesOf(body, sizesOf(body, weight));
  SmallVector<Value> offsetStrides =
      stridesOf(body, sizesOf(body, body.inputs[2]));
  SmallVector<Value> maskStrides =
      mask ? stridesOf(body, sizesOf(body, body.inputs[4]))
           : SmallVector<Value>();
  Sampler sampler(body, input, element, type, "linear", Padding::Zeros,
                  /*alignCorners=*/true);
  MathEmitter m(body.builder, body.loc, type);
  emitPointwise(body, output, element, [&](ArrayRef<Value> at) {
    Value firstChannel = body.mul(quotient(body, at[1], perGroup), channels);
    Value count = body.mul(channels, window.count);
    Value sum = dotOverK(body, count, type, [&](Value k, Value acc) {
      Value c = quotient(body, k, window.count);
      Value p = remainder(body, k, window.count);
      Value channel = body.add(firstChannel, c);
      Value part = body.add(
          body.mul(quotient(body, channel, perOffset), window.count), p);
      SmallVector<Value> from =
          window.source(body, at.drop_front(2), window.position(body, p));
      SmallVector<Value> position;
      for (int64_t d = 0; d < rank; ++d) {
        SmallVector<Value> where(at);
        where[1] = body.add(body.mul(part, body.index(rank)), body.index(d));
        Value moved = loadReal(body, offsets,
                               linearize(body, where, offsetStrides), element);
        position.push_back(m.add(toReal(body, from[d], type), moved));
      }
      Value x = sampler.sample(at[0], channel, position);
      if (mask) {
        SmallVector<Value> where(at);
        where[1] = part;
        x = m.mul(x, loadReal(body, mask, linearize(body, where, maskStrides),
                              element));
      }
      Value w = body.add(body.add(body.mul(at[1], weightStrides[0]),
                                  body.mul(c, weightStrides[1])),
                         p);
      return m.fma(x, loadReal(body, filters, w, element), acc);
    });
    if (bias)
      sum = m.add(sum, loadReal(body, bias, at[1], element));
    return fromReal(body, sum, element);
  });
}

} // namespace

ArrayRef<NodeKernel> samplingKernels() {
  static const NodeKernel kernels[] = {
      {"GridSample", acceptsGridSample, emitGridSample},
      {"AffineGrid", acceptsAffineGrid, emitAffineGrid},
      {"DeformConv", acceptsDeformConv, emitDeformConv},
  };
  return kernels;
}

} // namespace quantc::onnx_kernels
