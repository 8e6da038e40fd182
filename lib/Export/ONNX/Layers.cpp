//===- Layers.cpp - What qgraph computes in ONNX's operators --------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Writer.h"

#include "quantc/Analysis/ConstantTensor.h"

#include "llvm/ADT/TypeSwitch.h"

#include <numeric>

using namespace mlir;
using namespace quantc;
using namespace quantc::onnx_export;

static RankedTensorType typeOfTensor(Value value) {
  return cast<RankedTensorType>(value.getType());
}
static Type elementOf(Value value) {
  return typeOfTensor(value).getElementType();
}

namespace {
/// Nodes one after the other; the last one defines the result.
class Chain {
public:
  using Stage = std::function<Name(Name previous, Value result)>;
  void then(Stage stage) { stages.push_back(std::move(stage)); }
  void run(Value result) {
    Name name;
    for (size_t i = 0; i < stages.size(); ++i)
      name = stages[i](name, i + 1 == stages.size() ? result : Value());
  }

private:
  std::vector<Stage> stages;
};
} // namespace

/// s * (x - z), where `scale` and `zeroPoint` are entries of `operands`.
static Name dequantizedOperand(Writer &w, OperandRange operands,
                               qgraph::StepAttr step, Name x, Type stored) {
  Type f32 = w.builder.getF32Type();
  x = w.castTo(x, f32);
  if (step.getZeroPoint() >= 0)
    x = w.node("Sub", {x, w.castTo(w.use(operands[step.getZeroPoint()]), f32)},
               f32);
  return w.node("Mul", {x, w.use(operands[step.getScale()])}, f32);
}

/// clamp(round(y * (1 / s)) + z) in the range of si8, as f32.
static Name rounded(Writer &w, OperandRange operands, qgraph::StepAttr step,
                    Name y) {
  Type f32 = w.builder.getF32Type();
  Name factor = w.node("Reciprocal", {w.use(operands[step.getScale()])}, f32);
  y = w.node("Round", {w.node("Mul", {y, factor}, f32)}, f32);
  if (step.getZeroPoint() >= 0)
    y = w.node("Add", {y, w.castTo(w.use(operands[step.getZeroPoint()]), f32)},
               f32);
  return w.node("Clip", {y, w.number(-128, f32), w.number(127, f32)}, f32);
}

/// The bias and the epilogue of a layer.
static void finish(Writer &w, Chain &chain, Value bias, ArrayAttr epilogue,
                   OperandRange operands, Value result) {
  Type f32 = w.builder.getF32Type();
  Type computed = elementOf(result);
  if (!isa<FloatType>(computed))
    computed = f32;
  if (bias)
    chain.then([&w, bias, computed](Name y, Value last) {
      return w.node("Add", {y, w.use(bias)}, computed, {}, last);
    });
  for (auto step : epilogue.getAsRange<qgraph::StepAttr>())
    chain.then([&w, step, operands, computed, f32](Name y, Value last) {
      if (step.isQuantize())
        return w.castTo(rounded(w, operands, step, y), elementOf(last), last);
      if (step.isQuantizeDequantize()) {
        y = dequantizedOperand(w, operands, step, rounded(w, operands, step, y),
                               f32);
        return last ? w.node("Identity", {y}, f32, {}, last) : y;
      }
      SmallVector<Name> inputs{y};
      if (step.getOperand() >= 0) {
        Value operand = operands[step.getOperand()];
        Name x = w.use(operand);
        inputs.push_back(
            step.getScale() < 0
                ? x
                : dequantizedOperand(w, operands, step, x, elementOf(operand)));
      }
      SmallVector<std::pair<StringRef, Attribute>> attributes;
      if (step.getAttributes())
        for (NamedAttribute attribute : step.getAttributes())
          attributes.push_back({attribute.getName(), attribute.getValue()});
      return w.node(step.getOp(), inputs, computed, attributes, last);
    });
}

//===----------------------------------------------------------------------===//
// Products
//===----------------------------------------------------------------------===//

/// A layer of f32 may have a weight of 16 bits; a product of ONNX has one type.
static Name widened(Writer &w, Name weight, qgraph::LinearOp op) {
  Type real = elementOf(op.getInput());
  return elementOf(op.getWeight()) == real ? weight : w.castTo(weight, real);
}

static LogicalResult linear(Writer &w, qgraph::LinearOp op) {
  StringRef name = op.getName().value_or("");
  Name input = w.use(op.getInput());
  Chain chain;
  Value bias = op.getBias();
  Type real = elementOf(op.getInput());
  if (Name packed = w.options.matMulNBits ? w.matMulNBits(op) : Name();
      !packed.empty()) {
    chain.then([&w, packed](Name, Value last) {
      if (!last)
        return Name(packed);
      return w.node("Identity", {packed}, elementOf(last), {}, last);
    });
  } else if (typeOfTensor(op.getInput()).getRank() == 2 &&
             isConstant(op.getWeight())) {
    SmallVector<Name> inputs{input, widened(w, w.use(op.getWeight()), op)};
    if (bias)
      inputs.push_back(w.use(bias));
    bias = {};
    chain.then([&w, inputs, real, name](Name, Value last) {
      return w.node("Gemm", inputs, real, {{"transB", w.integer(1)}}, last,
                    name);
    });
  } else {
    Name weight = widened(w, w.transposedWeight(op.getWeight()), op);
    chain.then([&w, input, weight, real, name](Name, Value last) {
      return w.node("MatMul", {input, weight}, real, {}, last, name);
    });
  }
  finish(w, chain, bias, op.getEpilogue(), op.getEpilogueOperands(),
         op.getResult());
  chain.run(op.getResult());
  return success();
}

static LogicalResult quantizedLinear(Writer &w, qgraph::QuantizedLinearOp op) {
  if (isa<IntegerType>(elementOf(op.getResult())) && op.getEpilogue().empty())
    return w.unsupported(op, "its result are the integer sums themselves");
  Type f32 = w.builder.getF32Type();
  StringRef name = op.getName().value_or("");
  FailureOr<Name> input =
      w.dequantize(op, op.getInput(), op.getInputScale(),
                   op.getInputZeroPoint(), {}, {}, op.getInputBlock(), f32);
  if (failed(input))
    return failure();
  bool constant = isConstant(op.getWeight()) && isConstant(op.getWeightScale());
  FailureOr<Name> weight =
      w.dequantize(op, op.getWeight(), op.getWeightScale(),
                   op.getWeightZeroPoint(), {}, {}, op.getWeightBlock(), f32,
                   constant ? ConstantForm::Transpose : ConstantForm::AsIs);
  if (failed(weight))
    return failure();
  Name turned = constant ? *weight : w.transpose(*weight, f32, {1, 0});
  Chain chain;
  chain.then([&, x = *input](Name, Value last) {
    return w.node("MatMul", {x, turned}, f32, {}, last, name);
  });
  finish(w, chain, op.getBias(), op.getEpilogue(), op.getEpilogueOperands(),
         op.getResult());
  chain.run(op.getResult());
  return success();
}

/// The last two dimensions of `rank` exchanged.
static Name transposedMatrix(Writer &w, Name tensor, Type element,
                             int64_t rank) {
  SmallVector<int64_t> order(rank);
  std::iota(order.begin(), order.end(), 0);
  std::swap(order[order.size() - 1], order[order.size() - 2]);
  return w.transpose(tensor, element, order);
}

static LogicalResult quantizedMatmul(Writer &w, qgraph::QuantizedMatmulOp op) {
  if (isa<IntegerType>(elementOf(op.getResult())) && op.getEpilogue().empty())
    return w.unsupported(op, "its result are the integer sums themselves");
  Type f32 = w.builder.getF32Type();
  StringRef name = op.getName().value_or("");
  // What a scale is not 1 in it has an entry for each index of.
  auto blockOf = [](Value scale) {
    SmallVector<int64_t> block;
    for (int64_t extent : typeOfTensor(scale).getShape())
      block.push_back(extent == 1 ? 0 : 1);
    return block;
  };
  FailureOr<Name> lhs =
      w.dequantize(op, op.getLhs(), op.getLhsScale(), op.getLhsZeroPoint(), {},
                   {}, blockOf(op.getLhsScale()), f32);
  if (failed(lhs))
    return failure();
  FailureOr<Name> rhs =
      w.dequantize(op, op.getRhs(), op.getRhsScale(), op.getRhsZeroPoint(), {},
                   {}, blockOf(op.getRhsScale()), f32);
  if (failed(rhs))
    return failure();
  Name right = *rhs;
  if (op.getTransposeRhs())
    right =
        transposedMatrix(w, right, f32, typeOfTensor(op.getRhs()).getRank());
  Chain chain;
  chain.then([&w, x = *lhs, right, f32, name](Name, Value last) {
    return w.node("MatMul", {x, right}, f32, {}, last, name);
  });
  finish(w, chain, Value(), op.getEpilogue(), op.getEpilogueOperands(),
         op.getResult());
  chain.run(op.getResult());
  return success();
}

static LogicalResult matmul(Writer &w, qgraph::MatmulOp op) {
  Type element = elementOf(op.getResult());
  Name lhs = w.use(op.getLhs()), rhs = w.use(op.getRhs());
  if (op.getTransposeRhs())
    rhs =
        transposedMatrix(w, rhs, element, typeOfTensor(op.getRhs()).getRank());
  w.node("MatMul", {lhs, rhs}, element, {}, op.getResult(),
         op.getName().value_or(""));
  return success();
}

static LogicalResult embedding(Writer &w, qgraph::EmbeddingOp op) {
  Type element = elementOf(op.getResult()), stored = elementOf(op.getTable());
  StringRef name = op.getName().value_or("");
  Name table = w.use(op.getTable()), indices = w.use(op.getIndices());
  if (!op.getScale()) {
    w.node("Gather", {table, indices}, element, {{"axis", w.integer(0)}},
           op.getResult(), name);
    return success();
  }
  Name rows = w.node("Gather", {table, indices}, stored,
                     {{"axis", w.integer(0)}}, {}, name);
  Type scaleType = elementOf(op.getScale());
  Name scale = w.node("Gather", {w.use(op.getScale()), indices}, scaleType,
                      {{"axis", w.integer(0)}});
  w.node("Mul", {w.castTo(rows, element), w.castTo(scale, element)}, element,
         {}, op.getResult());
  return success();
}

//===----------------------------------------------------------------------===//
// Convolution
//===----------------------------------------------------------------------===//

/// [N, spatial.., C] to [N, C, spatial..], or back.
static SmallVector<int64_t> channelOrder(int64_t rank, bool first) {
  SmallVector<int64_t> order{0};
  if (first)
    order.push_back(rank - 1);
  for (int64_t d = first ? 1 : 2; d < (first ? rank - 1 : rank); ++d)
    order.push_back(d);
  if (!first)
    order.push_back(1);
  return order;
}

/// [O, taps.., C] as [O, C, taps..].
static Name channelsFirst(Writer &w, Value weight) {
  if (isConstant(weight)) {
    ConstantForm form;
    form.order = ConstantForm::ChannelsFirst;
    return w.constant(weight, form);
  }
  auto op = weight.getDefiningOp<qgraph::DequantizeOp>();
  if (op && llvm::all_of(op->getOperands(), isConstant) && !op.getPrecision()) {
    FailureOr<Name> name =
        w.dequantize(op, op.getInput(), op.getScale(), op.getZeroPoint(),
                     op.getOffset(), op.getCodebook(), op.getBlock(),
                     elementOf(weight), ConstantForm::ChannelsFirst);
    if (succeeded(name))
      return *name;
  }
  return w.transpose(w.use(weight), elementOf(weight),
                     channelOrder(typeOfTensor(weight).getRank(), true));
}

/// Conv on channels that come second, between transposes.
template <typename OpT>
static LogicalResult convolution(Writer &w, OpT op, Name input, Name weight,
                                 Type element) {
  if (llvm::any_of(op.getPads(), [](int64_t pad) { return pad < 0; }))
    return w.unsupported(op, "Conv has no negative pads");
  int64_t rank = typeOfTensor(op.getInput()).getRank();
  StringRef name = op.getName().value_or("");
  Chain chain;
  chain.then([&, op](Name, Value) mutable {
    SmallVector<Name> inputs{
        w.transpose(input, element, channelOrder(rank, true)), weight};
    if (op.getBias())
      inputs.push_back(w.use(op.getBias()));
    return w.node("Conv", inputs, element,
                  {{"strides", w.integers(op.getStrides())},
                   {"dilations", w.integers(op.getDilations())},
                   {"pads", w.integers(op.getPads())},
                   {"group", w.integer(op.getGroups())}},
                  {}, name);
  });
  chain.then([&w, element, rank](Name y, Value last) {
    return w.transpose(y, element, channelOrder(rank, false), last);
  });
  finish(w, chain, {}, op.getEpilogue(), op.getEpilogueOperands(),
         op.getResult());
  chain.run(op.getResult());
  return success();
}

static LogicalResult quantizedConv(Writer &w, qgraph::QuantizedConvOp op) {
  Type f32 = w.builder.getF32Type();
  FailureOr<Name> input =
      w.dequantize(op, op.getInput(), op.getInputScale(),
                   op.getInputZeroPoint(), {}, {}, op.getInputBlock(), f32);
  bool constant = isConstant(op.getWeight()) && isConstant(op.getWeightScale());
  FailureOr<Name> weight =
      w.dequantize(op, op.getWeight(), op.getWeightScale(),
                   op.getWeightZeroPoint(), {}, {}, op.getWeightBlock(), f32,
                   constant ? ConstantForm::ChannelsFirst : ConstantForm::AsIs);
  if (failed(input) || failed(weight))
    return failure();
  int64_t rank = typeOfTensor(op.getWeight()).getRank();
  Name turned =
      constant ? *weight : w.transpose(*weight, f32, channelOrder(rank, true));
  return convolution(w, op, *input, turned, f32);
}

//===----------------------------------------------------------------------===//
// Norms and attention
//===----------------------------------------------------------------------===//

static LogicalResult norm(Writer &w, qgraph::NormOp op) {
  Type element = elementOf(op.getResult());
  StringRef name = op.getName().value_or("");
  Name input = w.use(op.getInput()), weight;
  RankedTensorType type = typeOfTensor(op.getInput());
  if (op.getWeight()) {
    weight = w.use(op.getWeight());
  } else { // required in ONNX
    int64_t last = type.getRank() - 1;
    weight = type.isDynamicDim(last)
                 ? w.node("Expand",
                          {w.number(1, element), w.dim(op.getInput(), last)},
                          element)
                 : w.number(1, element, {type.getDimSize(last)});
  }
  std::pair<StringRef, Attribute> attributes[] = {
      {"axis", w.integer(-1)}, {"epsilon", op.getEpsilonAttr()}};
  if (op.getKind() == qgraph::NormKind::Layer) {
    SmallVector<Name> inputs{input, weight};
    if (op.getBias())
      inputs.push_back(w.use(op.getBias()));
    w.node("LayerNormalization", inputs, element, attributes, op.getResult(),
           name);
    return success();
  }
  Chain chain;
  chain.then([&](Name, Value last) {
    return w.node("RMSNormalization", {input, weight}, element, attributes,
                  last, name);
  });
  finish(w, chain, op.getBias(), w.builder.getArrayAttr({}), op->getOperands(),
         op.getResult());
  chain.run(op.getResult());
  return success();
}

/// Which keys a query sees: j <= i + (T - S), a BOOL [S, T].
static Name causalMask(Writer &w, Name queries, Name keys) {
  Type si64 = w.builder.getIntegerType(64, /*isSigned=*/true);
  auto count = [&](Name length, ArrayRef<int64_t> shape) {
    Name limit = w.reshape(length, si64, w.intList({}));
    Name range =
        w.node("Range", {w.number(0, si64), limit, w.number(1, si64)}, si64);
    return w.reshape(range, si64, w.intList(shape));
  };
  Name past = w.node("Sub", {keys, queries}, si64);
  Name last = w.node("Add", {count(queries, {-1, 1}), past}, si64);
  return w.node("LessOrEqual", {count(keys, {1, -1}), last},
                w.builder.getI1Type());
}

/// [B, S, H, D] as [B, H, S, D], which may be what it was made from.
static Name headsFirst(Writer &w, Value value) {
  if (auto op = value.getDefiningOp<onnx_ir::NodeOp>())
    if (op.is("Transpose") && op.getIntsAttr("perm") == kSwapHeads)
      return w.use(op.getInput(0));
  return w.transpose(w.use(value), elementOf(value), kSwapHeads);
}

static LogicalResult attention(Writer &w, qgraph::AttentionOp op) {
  Type element = elementOf(op.getResult());
  StringRef name = op.getName().value_or("");
  SmallVector<Name> inputs;
  int64_t keyAt = op.getHeadsFirst() ? 2 : 1;
  inputs.push_back(headsFirst(w, op.getQuery()));
  for (Value operand : {op.getKey(), op.getValue()})
    inputs.push_back(op.getHeadsFirst() ? w.use(operand)
                                        : headsFirst(w, operand));
  OpFoldResult queries = w.dimsOf(op.getQuery())[1],
               keys = w.dimsOf(op.getKey())[keyAt];
  auto length = [&](OpFoldResult known, Value tensor, int64_t dim) {
    return known ? w.scalar(known) : w.dim(tensor, dim);
  };
  Name mask;
  if (op.getMask()) {
    mask = w.use(op.getMask());
    SmallVector<OpFoldResult> dims = w.dimsOf(op.getMask());
    if (!queries || !keys || dims[2] != queries || dims[3] != keys) {
      // ONNX Runtime wants these two in full.
      Name shape = w.node("Concat",
                          {w.intList({1, 1}), length(queries, op.getQuery(), 1),
                           length(keys, op.getKey(), keyAt)},
                          w.builder.getIntegerType(64, /*isSigned=*/true),
                          {{"axis", w.integer(0)}});
      mask = w.node("Expand", {mask, shape}, elementOf(op.getMask()));
    }
  }
  // ONNX aligns the triangle at the first key, qgraph at the last.
  bool aligned = queries && queries == keys;
  if (op.getCausal() && !aligned) {
    Name triangle = causalMask(w, length(queries, op.getQuery(), 1),
                               length(keys, op.getKey(), keyAt));
    Type i1 = w.builder.getI1Type();
    if (!op.getMask())
      mask = triangle;
    else if (elementOf(op.getMask()) == i1)
      mask = w.node("And", {mask, triangle}, i1);
    else
      mask = w.node("Where",
                    {triangle, mask,
                     w.number(-std::numeric_limits<double>::infinity(),
                              elementOf(op.getMask()))},
                    elementOf(op.getMask()));
  }
  inputs.push_back(mask);
  Attribute causal = op.getCausal() && aligned ? w.integer(1) : Attribute();
  Name y =
      w.node("Attention", inputs, element,
             {{"scale", op.getScaleAttr()}, {"is_causal", causal}}, {}, name);
  w.transpose(y, element, kSwapHeads, op.getResult());
  return success();
}

//===----------------------------------------------------------------------===//
// Fused rows
//===----------------------------------------------------------------------===//

/// The ops of the body, one after the other.
static LogicalResult rows(Writer &w, qgraph::RowsOp op) {
  Operation *yield = op.getBody().front().getTerminator();
  if (failed(w.block(op.getBody().front())))
    return failure();
  for (auto [result, value] : llvm::zip(op.getOutputs(), yield->getOperands()))
    if (w.isOutput(result))
      w.node("Identity", {w.use(value)}, elementOf(value), {}, result);
    else
      w.define(result, w.use(value));
  return success();
}

LogicalResult Writer::exportLayer(Operation *op) {
  Writer &w = *this;
  return llvm::TypeSwitch<Operation *, LogicalResult>(op)
      .Case([&](qgraph::LinearOp op) { return linear(w, op); })
      .Case(
          [&](qgraph::QuantizedLinearOp op) { return quantizedLinear(w, op); })
      .Case([&](qgraph::MatmulOp op) { return matmul(w, op); })
      .Case(
          [&](qgraph::QuantizedMatmulOp op) { return quantizedMatmul(w, op); })
      .Case([&](qgraph::EmbeddingOp op) { return embedding(w, op); })
      .Case([&](qgraph::ConvOp op) {
        Name input = use(op.getInput());
        return convolution(w, op, input, channelsFirst(w, op.getWeight()),
                           elementOf(op.getInput()));
      })
      .Case([&](qgraph::QuantizedConvOp op) { return quantizedConv(w, op); })
      .Case([&](qgraph::NormOp op) { return norm(w, op); })
      .Case([&](qgraph::AttentionOp op) { return attention(w, op); })
      .Case([&](qgraph::RowsOp op) { return rows(w, op); })
      .Case([&](qgraph::IfOp op) { return exportIf(op); })
      .Case([&](qgraph::LoopOp op) { return exportLoop(op); })
      .Default([&](Operation *op) {
        return unsupported(op, "it has no form in ONNX; models are exported "
                               "before their weights are packed");
      });
}
