//===- Random.cpp - Kernels of random numbers -----------------------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Element i of a node is a function of i and of the node's seed alone: of the
// attribute, or without it of the node's name. So every run, thread count and
// machine gives the same numbers. The function is SplitMix64 (G. Steele,
// D. Lea, C. Flood, "Fast Splittable Pseudorandom Number Generators", 2014).
//
//===----------------------------------------------------------------------===//

#include "Coordinates.h"
#include "NodeKernels.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "llvm/ADT/bit.h"
#include "llvm/Support/xxhash.h"

using namespace mlir;

namespace quantc::onnx_kernels {

namespace {

class Generator {
public:
  Generator(NodeOp op, KernelBody &body, Type type)
      : body(body), m(body.builder, body.loc, type), type(type),
        seed(op.getNodeAttr("seed")
                 ? llvm::bit_cast<uint32_t>(op.getFloatAttr("seed", 0))
                 : llvm::xxh3_64bits(op.getName().value_or(""))) {}

  /// Number `i` of the sequence, in [0, 1): a multiple of 2^-24 (f64: 2^-53).
  Value uniform(Value i) {
    Value x = bits(i);
    bool isDouble = type.isF64();
    Value high = m.shru(x, isDouble ? 11 : 40);
    Value real = arith::UIToFPOp::create(body.builder, body.loc, type, high);
    return m.mul(real, m.constant(isDouble ? 0x1p-53 : 0x1p-24, type));
  }
  /// Number `i` of a sequence of mean 0 and variance 1, by the Box-Muller
  /// transform of two uniform ones.
  Value normal(Value i) {
    Value two = body.mul(i, body.index(2));
    Value u = m.sub(m.constant(1, type), uniform(two));
    Value v = uniform(body.add(two, body.index(1)));
    Value radius = m.sqrt(m.mul(m.constant(-2, type), m.log(u)));
    return m.mul(radius, m.cos(m.mul(v, m.constant(6.283185307179586, type))));
  }

private:
  Value bits(Value i) {
    Type i64 = body.builder.getI64Type();
    auto number = [&](uint64_t value) {
      return m.constantInt(int64_t(value), i64);
    };
    Value n = arith::IndexCastOp::create(body.builder, body.loc, i64, i);
    n = m.addi(n, number(1));
    Value z = m.addi(m.muli(n, number(0x9e3779b97f4a7c15)),
                     number(seed * 0xd1342543de82ef95));
    z = m.muli(m.xori(z, m.shru(z, 30)), number(0xbf58476d1ce4e5b9));
    z = m.muli(m.xori(z, m.shru(z, 27)), number(0x94d049bb133111eb));
    return m.xori(z, m.shru(z, 31));
  }

  KernelBody &body;
  MathEmitter m;
  Type type;
  uint64_t seed;
};

LogicalResult acceptsRandom(NodeOp op, std::string &why) {
  Type element = resultElement(op);
  bool isMultinomial = op.is("Multinomial");
  Type input = isMultinomial ? inputElement(op, 0) : element;
  if (isa<FloatType>(input) && input.getIntOrFloatBitWidth() >= 16 &&
      (!isMultinomial || isa<IntegerType>(element)))
    return success();
  llvm::raw_string_ostream(why)
      << op.getOpType() << " is not there for " << input;
  return failure();
}

/// RandomUniform, RandomNormal, and the two whose shape is that of an input.
void emitRandom(NodeOp op, KernelBody &body) {
  Type element = resultElement(op), type = realType(element);
  Generator generator(op, body, type);
  MathEmitter m(body.builder, body.loc, type);
  auto parameter = [&](StringRef name, float otherwise) {
    return m.constant(op.getFloatAttr(name, otherwise), type);
  };
  bool normal = op.getOpType().starts_with("RandomNormal");
  Value start = normal ? parameter("mean", 0) : parameter("low", 0);
  Value factor =
      normal ? parameter("scale", 1) : m.sub(parameter("high", 1), start);
  Value output = body.flatten(body.outputs[0]);
  emitPointwise(body, output, element, [&](ArrayRef<Value> at) {
    Value x = normal ? generator.normal(at[0]) : generator.uniform(at[0]);
    return fromReal(body, m.add(start, m.mul(factor, x)), element);
  });
}

/// Draws classes from rows of unnormalized logarithms of probabilities: the
/// first class whose probabilities up to it add up to more than a uniform part
/// of all.
void emitMultinomial(NodeOp op, KernelBody &body) {
  Value input = body.inputs[0], output = body.outputs[0], zero = body.index(0);
  Type element = inputElement(op, 0), type = realType(element);
  Generator generator(op, body, type);
  MathEmitter m(body.builder, body.loc, type);
  Value classes = body.dim(input, 1), samples = body.dim(output, 1);
  Value memory = body.flatten(input);
  Type stored = cast<MemRefType>(output.getType()).getElementType();
  emitPointwise(body, output, Type(), [&](ArrayRef<Value> at) {
    Value row = body.mul(at[0], classes);
    auto load = [&](Value c) {
      return loadReal(body, memory, body.add(row, c), element);
    };
    Value least = m.constant(-std::numeric_limits<double>::infinity(), type);
    Value most = body.loop(
        zero, classes, 1, ValueRange{least}, [&](Value c, ValueRange acc) {
          return SmallVector<Value>{m.maximum(acc[0], load(c))};
        })[0];
    auto weight = [&](Value c) { return m.exp(m.sub(load(c), most)); };
    Value none = m.constant(0, type);
    Value total = body.loop(
        zero, classes, 1, ValueRange{none}, [&](Value c, ValueRange acc) {
          return SmallVector<Value>{m.add(acc[0], weight(c))};
        })[0];
    Value i = body.add(body.mul(at[0], samples), at[1]);
    Value goal = m.mul(generator.uniform(i), total);
    // The number of classes that are passed.
    Value init[] = {none, zero};
    Value passed =
        body.loop(zero, classes, 1, init, [&](Value c, ValueRange acc) {
          Value sum = m.add(acc[0], weight(c));
          Value beyond = m.compare(arith::CmpFPredicate::OLE, sum, goal);
          return SmallVector<Value>{
              sum, select(body, beyond, body.add(c, body.index(1)), acc[1])};
        })[1];
    Value last = body.sub(classes, body.index(1));
    return Value(arith::IndexCastOp::create(body.builder, body.loc, stored,
                                            body.minimum(passed, last)));
  });
}

} // namespace

ArrayRef<NodeKernel> randomKernels() {
  static const NodeKernel kernels[] = {
      {"RandomUniform", acceptsRandom, emitRandom, 0, nullptr, "", true},
      {"RandomUniformLike", acceptsRandom, emitRandom, 0, nullptr, "", true},
      {"RandomNormal", acceptsRandom, emitRandom, 0, nullptr, "", true},
      {"RandomNormalLike", acceptsRandom, emitRandom, 0, nullptr, "", true},
      {"Multinomial", acceptsRandom, emitMultinomial, 0, nullptr, "", true},
  };
  return kernels;
}

} // namespace quantc::onnx_kernels
