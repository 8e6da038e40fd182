//===- Recurrent.cpp - Kernels of RNN, GRU and LSTM -----------------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// Threads share the batch: a step needs the whole state of the step before it,
// and the sequences of a batch have nothing to do with each other. Both
// products of a gate, of the input and of the state, are sums in the order of
// numerics::dotOverK; then (input + state) + (bias of the input + bias of the
// state), in f32 (f64 for f64).
//
//===----------------------------------------------------------------------===//

#include "Coordinates.h"
#include "NodeKernels.h"
#include "Window.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"

using namespace mlir;

namespace quantc::onnx_kernels {

namespace {

/// An activation with its parameters.
struct Activation {
  std::string name; // lower case
  double alpha = 0, beta = 0;
};

struct ActivationRow {
  StringLiteral name;
  bool takesAlpha, takesBeta;
  double alpha, beta; // defaults
};
constexpr ActivationRow kActivations[] = {
    {"relu", false, false, 0, 0},        {"tanh", false, false, 0, 0},
    {"sigmoid", false, false, 0, 0},     {"affine", true, true, 1, 0},
    {"leakyrelu", true, false, 0.01, 0}, {"thresholdedrelu", true, false, 1, 0},
    {"scaledtanh", true, true, 1, 1},    {"hardsigmoid", true, true, 0.2, 0.5},
    {"elu", true, false, 1, 0},          {"softsign", false, false, 0, 0},
    {"softplus", false, false, 0, 0},
};

unsigned functionsOf(NodeOp op) {
  return op.is("RNN") ? 1 : op.is("GRU") ? 2 : 3;
}
unsigned gatesOf(NodeOp op) { return op.is("RNN") ? 1 : op.is("GRU") ? 3 : 4; }
unsigned directionsOf(NodeOp op) {
  return op.getStringAttr("direction", "forward") == "bidirectional" ? 2 : 1;
}
int64_t hiddenSize(NodeOp op) { return inputType(op, 2).getDimSize(2); }

/// The functions of all directions; those with parameters take the next ones of
/// the lists.
FailureOr<SmallVector<Activation>> activationsOf(NodeOp op, std::string &why) {
  SmallVector<std::string> names;
  if (auto list = dyn_cast_or_null<ArrayAttr>(op.getNodeAttr("activations"))) {
    for (Attribute name : list)
      names.push_back(cast<StringAttr>(name).getValue().lower());
  }
  unsigned count = functionsOf(op) * directionsOf(op);
  if (names.empty())
    for (unsigned i = 0; i < count; ++i)
      names.push_back(
          functionsOf(op) > 1 && i % functionsOf(op) == 0 ? "sigmoid" : "tanh");
  if (names.size() != count) {
    why = (op.getOpType() + " needs " + Twine(count) + " activations").str();
    return failure();
  }
  auto reals = [&](StringRef name) {
    SmallVector<double> values;
    if (auto list = dyn_cast_or_null<ArrayAttr>(op.getNodeAttr(name)))
      for (Attribute value : list)
        values.push_back(cast<FloatAttr>(value).getValueAsDouble());
    return values;
  };
  SmallVector<double> alphas = reals("activation_alpha"),
                      betas = reals("activation_beta");
  size_t nextAlpha = 0, nextBeta = 0;
  SmallVector<Activation> result;
  for (const std::string &name : names) {
    const auto *row = llvm::find_if(
        kActivations, [&](const ActivationRow &r) { return r.name == name; });
    if (row == std::end(kActivations)) {
      why = (op.getOpType() + " has no activation " + name).str();
      return failure();
    }
    Activation activation{name, row->alpha, row->beta};
    if (row->takesAlpha && nextAlpha < alphas.size())
      activation.alpha = alphas[nextAlpha++];
    if (row->takesBeta && nextBeta < betas.size())
      activation.beta = betas[nextBeta++];
    result.push_back(activation);
  }
  return result;
}

Value apply(MathEmitter &m, const Activation &f, Value x) {
  Type type = x.getType();
  auto number = [&](double value) { return m.constant(value, type); };
  Value zero = number(0), one = number(1);
  auto isPositive = [&] {
    return m.compare(arith::CmpFPredicate::OGE, x, zero);
  };
  Value alpha = number(f.alpha), beta = number(f.beta);
  if (f.name == "tanh")
    return m.tanh(x);
  if (f.name == "sigmoid")
    return m.sigmoid(x);
  if (f.name == "relu")
    return m.maximum(x, zero);
  if (f.name == "affine")
    return m.add(m.mul(alpha, x), beta);
  if (f.name == "leakyrelu")
    return m.select(isPositive(), x, m.mul(alpha, x));
  if (f.name == "thresholdedrelu")
    return m.select(m.compare(arith::CmpFPredicate::OGT, x, alpha), x, zero);
  if (f.name == "scaledtanh")
    return m.mul(alpha, m.tanh(m.mul(beta, x)));
  if (f.name == "hardsigmoid")
    return m.minimum(m.maximum(m.add(m.mul(alpha, x), beta), zero), one);
  if (f.name == "elu")
    return m.select(isPositive(), x, m.mul(alpha, m.expm1(x)));
  if (f.name == "softsign")
    return m.div(x, m.add(one, m.abs(x)));
  // softplus: log(1 + e^x), where e^x does not overflow.
  return m.add(m.maximum(x, zero), m.log1p(m.exp(m.neg(m.abs(x)))));
}

/// One direction of the op.
class Direction {
public:
  Direction(NodeOp op, KernelBody &body, unsigned direction);
  void emit();

private:
  Value in(unsigned i) {
    return i < body.inputs.size() && body.inputs[i] ? body.inputs[i] : Value();
  }
  /// Elements of an operand that has rows for each direction.
  Value parameter(unsigned i, Value row, Value column = {});
  /// The offset of the state of sequence `b` in a tensor of states.
  Value stateOffset(Value b);
  Value dot(Value left, Value leftOffset, Type leftElement, unsigned operand,
            Value row, Value count);
  Value row(unsigned gate, Value j);
  Value fromInput(unsigned gate, Value j);
  Value fromState(unsigned gate, Value j, Value state);
  Value bias(unsigned gate, Value j, bool ofState);
  Value gate(unsigned gate, Value j);
  Value call(unsigned function, Value x);

  Value stepRNN(Value j);
  Value stepGRU(Value j);
  Value stepLSTM(Value j);
  void resetGRU();
  void sequence(Value b);
  void storeState(unsigned result, Value b, Value state);
  void loadState(unsigned operand, Value b, Value state);

  NodeOp op;
  KernelBody &body;
  unsigned direction;
  Type element, type;
  MathEmitter m;
  SmallVector<Activation> functions;
  bool layout, linearBeforeReset, coupled;
  std::optional<double> clip;
  Value hidden, inputSize, steps, batch;
  Value x, xOffset;                    // of the step
  Value state, next, cell, resetState; // in scratch
};

Direction::Direction(NodeOp op, KernelBody &body, unsigned direction)
    : op(op), body(body), direction(direction), element(inputElement(op, 0)),
      type(realType(element)), m(body.builder, body.loc, type) {
  std::string why;
  functions = *activationsOf(op, why);
  unsigned count = functionsOf(op);
  functions =
      llvm::to_vector(ArrayRef(functions).slice(direction * count, count));
  layout = op.getIntAttr("layout", 0);
  linearBeforeReset = op.getIntAttr("linear_before_reset", 0);
  coupled = op.getIntAttr("input_forget", 0);
  if (op.getNodeAttr("clip"))
    clip = op.getFloatAttr("clip", 0);
  hidden = body.index(hiddenSize(op));
  inputSize = body.dim(body.inputs[0], 2);
  steps = body.dim(body.inputs[0], layout ? 1 : 0);
  batch = body.dim(body.inputs[0], layout ? 0 : 1);
  x = body.flatten(body.inputs[0]);
  int64_t bytes =
      llvm::alignTo(hiddenSize(op) * type.getIntOrFloatBitWidth() / 8, 64);
  Value *buffers[] = {&state, &next, &cell, &resetState};
  for (auto [i, buffer] : llvm::enumerate(buffers))
    *buffer = memref::ViewOp::create(
        body.builder, body.loc, MemRefType::get({hiddenSize(op)}, type),
        body.scratch, body.index(i * bytes), ValueRange{});
}

Value Direction::parameter(unsigned i, Value row, Value column) {
  Value tensor = in(i);
  SmallVector<Value> at{body.index(direction), row};
  if (column)
    at.push_back(column);
  return loadReal(body, body.flatten(tensor),
                  linearize(body, at, stridesOf(body, sizesOf(body, tensor))),
                  element);
}

Value Direction::stateOffset(Value b) {
  Value d = body.index(direction), count = body.index(directionsOf(op));
  Value which = layout ? body.add(body.mul(b, count), d)
                       : body.add(body.mul(d, batch), b);
  return body.mul(which, hidden);
}

Value Direction::dot(Value left, Value leftOffset, Type leftElement,
                     unsigned operand, Value row, Value count) {
  return dotOverK(body, count, type, [&](Value k, Value acc) {
    Value a = loadReal(body, left, body.add(leftOffset, k), leftElement);
    return m.fma(a, parameter(operand, row, k), acc);
  });
}

Value Direction::row(unsigned gate, Value j) {
  return body.add(body.mul(body.index(gate), hidden), j);
}
Value Direction::fromInput(unsigned gate, Value j) {
  return dot(x, xOffset, element, 1, row(gate, j), inputSize);
}
Value Direction::fromState(unsigned gate, Value j, Value state) {
  return dot(state, body.index(0), type, 2, row(gate, j), hidden);
}
Value Direction::bias(unsigned gate, Value j, bool ofState) {
  if (!in(3))
    return m.constant(0, type);
  return parameter(3, row(gate + (ofState ? gatesOf(op) : 0), j));
}
Value Direction::gate(unsigned gate, Value j) {
  Value sum = m.add(fromInput(gate, j), fromState(gate, j, state));
  return m.add(sum, m.add(bias(gate, j, false), bias(gate, j, true)));
}
Value Direction::call(unsigned function, Value x) {
  if (clip)
    x = m.minimum(m.maximum(x, m.constant(-*clip, type)),
                  m.constant(*clip, type));
  return apply(m, functions[function], x);
}

Value Direction::stepRNN(Value j) { return call(0, gate(0, j)); }

/// The state times the reset gate, of all units: the product of the hidden gate
/// takes it whole.
void Direction::resetGRU() {
  body.loop(body.index(0), hidden, 1, [&](Value j) {
    Value r = call(0, gate(1, j));
    Value h = loadElement(body, state, j, Type());
    storeElement(body, m.mul(r, h), resetState, j, Type());
  });
}

/// Gates in the order update, reset, hidden.
Value Direction::stepGRU(Value j) {
  Value z = call(0, gate(0, j)), candidate;
  if (linearBeforeReset) {
    Value r = call(0, gate(1, j));
    Value inner = m.add(fromState(2, j, state), bias(2, j, true));
    candidate =
        m.add(m.add(fromInput(2, j), m.mul(r, inner)), bias(2, j, false));
  } else {
    candidate = m.add(m.add(fromInput(2, j), fromState(2, j, resetState)),
                      m.add(bias(2, j, false), bias(2, j, true)));
  }
  candidate = call(1, candidate);
  Value h = loadElement(body, state, j, Type());
  return m.add(m.mul(m.sub(m.constant(1, type), z), candidate), m.mul(z, h));
}

/// Gates in the order input, output, forget, cell; peepholes in the order
/// input, output, forget.
Value Direction::stepLSTM(Value j) {
  Value old = loadElement(body, cell, j, Type());
  auto peek = [&](unsigned which, Value sum, Value cell) {
    return in(7) ? m.add(sum, m.mul(parameter(7, row(which, j)), cell)) : sum;
  };
  Value i = call(0, peek(0, gate(0, j), old));
  Value f = coupled ? m.sub(m.constant(1, type), i)
                    : call(0, peek(2, gate(2, j), old));
  Value c = call(1, gate(3, j));
  Value fresh = m.add(m.mul(f, old), m.mul(i, c));
  storeElement(body, fresh, cell, j, Type());
  Value o = call(0, peek(1, gate(1, j), fresh));
  return m.mul(o, apply(m, functions[2], fresh));
}

void Direction::loadState(unsigned operand, Value b, Value state) {
  Value initial = in(operand);
  body.loop(body.index(0), hidden, 1, [&](Value j) {
    Value value = initial ? loadReal(body, body.flatten(initial),
                                     body.add(stateOffset(b), j), element)
                          : m.constant(0, type);
    storeElement(body, value, state, j, Type());
  });
}

void Direction::storeState(unsigned result, Value b, Value state) {
  if (result >= body.outputs.size())
    return;
  Value output = body.flatten(body.outputs[result]);
  body.loop(body.index(0), hidden, 1, [&](Value j) {
    Value value = loadElement(body, state, j, Type());
    storeElement(body, m.narrow(value, element), output,
                 body.add(stateOffset(b), j), element);
  });
}

void Direction::sequence(Value b) {
  Value zero = body.index(0), one = body.index(1), length = steps;
  if (Value lengths = in(4))
    length = clamp(body, loadIndex(body, lengths, b), zero, steps);
  bool isLSTM = op.is("LSTM"), isGRU = op.is("GRU");
  bool reverse =
      direction == 1 || op.getStringAttr("direction", "forward") == "reverse";
  loadState(5, b, state);
  if (isLSTM)
    loadState(6, b, cell);
  Value output = body.flatten(body.outputs[0]);
  Value count = body.index(directionsOf(op)), d = body.index(direction);
  auto outputOffset = [&](Value t) {
    Value sequence =
        layout ? body.add(body.mul(body.add(body.mul(b, steps), t), count), d)
               : body.add(body.mul(body.add(body.mul(t, count), d), batch), b);
    return body.mul(sequence, hidden);
  };
  body.loop(zero, length, 1, [&](Value s) {
    Value t = reverse ? body.sub(body.sub(length, one), s) : s;
    xOffset = body.mul(layout ? body.add(body.mul(b, steps), t)
                              : body.add(body.mul(t, batch), b),
                       inputSize);
    if (isGRU && !linearBeforeReset)
      resetGRU();
    body.loop(zero, hidden, 1, [&](Value j) {
      Value h = isLSTM ? stepLSTM(j) : isGRU ? stepGRU(j) : stepRNN(j);
      storeElement(body, h, next, j, Type());
    });
    Value to = outputOffset(t);
    body.loop(zero, hidden, 1, [&](Value j) {
      Value h = loadElement(body, next, j, Type());
      storeElement(body, h, state, j, Type());
      storeElement(body, m.narrow(h, element), output, body.add(to, j),
                   element);
    });
  });
  // After a sequence's end there is nothing.
  body.loop(length, steps, 1, [&](Value t) {
    Value to = outputOffset(t);
    body.loop(zero, hidden, 1, [&](Value j) {
      Value nothing = m.narrow(m.constant(0, type), element);
      storeElement(body, nothing, output, body.add(to, j), element);
    });
  });
  storeState(1, b, state);
  if (isLSTM)
    storeState(2, b, cell);
}

void Direction::emit() {
  auto [lo, hi] = body.share(batch);
  body.loop(lo, hi, 1, [&](Value b) { sequence(b); });
}

LogicalResult acceptsRecurrent(NodeOp op, std::string &why) {
  Type element = inputElement(op, 0);
  llvm::raw_string_ostream os(why);
  if (!isa<FloatType>(element) || element.getIntOrFloatBitWidth() < 16)
    os << op.getOpType() << " is not there for " << element;
  else if (!inputType(op, 2) || inputType(op, 2).isDynamicDim(2))
    os << op.getOpType() << " needs a hidden size known when it is compiled";
  else
    return activationsOf(op, why);
  return failure();
}

void emitRecurrent(NodeOp op, KernelBody &body) {
  for (unsigned d = 0; d < directionsOf(op); ++d)
    Direction(op, body, d).emit();
}

/// Four vectors of the state's size.
Value recurrentScratch(NodeOp op, OpBuilder &builder) {
  unsigned width = realType(inputElement(op, 0)).getIntOrFloatBitWidth() / 8;
  return arith::ConstantIndexOp::create(
      builder, op.getLoc(), 4 * llvm::alignTo(hiddenSize(op) * width, 64));
}

} // namespace

ArrayRef<NodeKernel> recurrentKernels() {
  static const NodeKernel kernels[] = {
      {"RNN", acceptsRecurrent, emitRecurrent, 0, recurrentScratch},
      {"GRU", acceptsRecurrent, emitRecurrent, 0, recurrentScratch},
      {"LSTM", acceptsRecurrent, emitRecurrent, 0, recurrentScratch},
  };
  return kernels;
}

} // namespace quantc::onnx_kernels
