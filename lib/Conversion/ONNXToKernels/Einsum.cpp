//===- Einsum.cpp - The kernel of Einsum ----------------------------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The plain way: for each result, over all values of the letters that it does
// not have (in alphabetical order, the last one fastest), the products are
// summed in the order of numerics::dotOverK.
//
//===----------------------------------------------------------------------===//

#include "Reduce.h"
#include "Window.h"

#include <map>

using namespace mlir;

namespace quantc::onnx_kernels {

namespace {

/// The labels of each operand's dimensions, and of the result's. The dimensions
/// of an ellipsis are labelled by digits, the last one '0'.
struct Equation {
  SmallVector<std::string> operands;
  std::string result;
};

/// Nothing if the equation does not fit the ranks.
std::optional<Equation> parse(NodeOp op) {
  std::string text;
  for (char c : op.getStringAttr("equation", ""))
    if (c != ' ')
      text += c;
  auto [left, right] = StringRef(text).split("->");
  bool isExplicit = StringRef(text).contains("->");
  SmallVector<StringRef> terms;
  left.split(terms, ',');
  if (terms.size() != op.getInputs().size())
    return std::nullopt;
  size_t most = 0;
  auto digits = [](size_t count) {
    std::string labels;
    for (size_t i = count; i-- > 0;)
      labels += char('0' + i);
    return labels;
  };
  Equation equation;
  for (auto [i, term] : llvm::enumerate(terms)) {
    size_t rank = inputType(op, i).getRank();
    auto [before, after] = term.split("...");
    std::string labels = term.str();
    if (term.contains("...")) {
      size_t letters = before.size() + after.size();
      if (letters > rank || rank - letters > 9)
        return std::nullopt;
      most = std::max(most, rank - letters);
      labels = before.str() + digits(rank - letters) + after.str();
    }
    if (labels.size() != rank)
      return std::nullopt;
    equation.operands.push_back(labels);
  }
  if (isExplicit) {
    auto [before, after] = right.split("...");
    equation.result = right.contains("...")
                          ? before.str() + digits(most) + after.str()
                          : right.str();
  } else {
    // The letters that come once, in alphabetical order.
    std::map<char, int> uses;
    for (const std::string &labels : equation.operands)
      for (char label : labels)
        ++uses[label];
    equation.result = digits(most);
    for (auto [label, count] : uses)
      if (count == 1 && !isdigit(label))
        equation.result += label;
  }
  size_t rank = cast<RankedTensorType>(op.getResult(0).getType()).getRank();
  return equation.result.size() == rank ? std::optional(equation)
                                        : std::nullopt;
}

LogicalResult acceptsEinsum(NodeOp op, std::string &why) {
  Type element = resultElement(op);
  bool isFloat =
      isa<FloatType>(element) && element.getIntOrFloatBitWidth() >= 16;
  bool isInteger =
      isa<IntegerType>(element) && element.getIntOrFloatBitWidth() >= 8;
  if (!isFloat && !isInteger) {
    llvm::raw_string_ostream(why) << "Einsum is not there for " << element;
    return failure();
  }
  if (parse(op))
    return success();
  why = ("Einsum's equation '" + op.getStringAttr("equation", "") +
         "' does not fit the ranks of its operands")
            .str();
  return failure();
}

void emitEinsum(NodeOp op, KernelBody &body) {
  Equation equation = *parse(op);
  Type element = resultElement(op), type = accumulatorType(element);
  bool isFloat = isa<FloatType>(type);
  // The size of every label: the one operand that is not 1 says it.
  std::map<char, Value> sizes;
  for (auto [labels, input] : llvm::zip_equal(equation.operands, body.inputs))
    for (auto [d, label] : llvm::enumerate(labels)) {
      Value size = body.dim(input, d);
      Value &known = sizes[label];
      known = known ? body.builder.createOrFold<arith::MaxUIOp>(body.loc, known,
                                                                size)
                    : size;
    }
  SmallVector<char> summed;
  SmallVector<Value> summedSizes;
  Value count = body.index(1);
  for (auto [label, size] : sizes)
    if (equation.result.find(label) == std::string::npos) {
      summed.push_back(label);
      summedSizes.push_back(size);
      count = body.mul(count, size);
    }
  SmallVector<Value> memories;
  SmallVector<SmallVector<Value>> strides;
  for (Value input : body.inputs) {
    memories.push_back(body.flatten(input));
    SmallVector<Value> own = sizesOf(body, input);
    strides.push_back(stridesOf(body, own));
    // A dimension of 1 is repeated.
    for (auto [stride, size] : llvm::zip_equal(strides.back(), own))
      stride = select(body, equals(body, size, body.index(1)), body.index(0),
                      stride);
  }
  MathEmitter m(body.builder, body.loc, type);
  emitPointwise(body, body.outputs[0], element, [&](ArrayRef<Value> at) {
    std::map<char, Value> index;
    for (auto [label, i] : llvm::zip_equal(equation.result, at))
      index[label] = i;
    Value sum = dotOverK(body, count, type, [&](Value k, Value acc) {
      for (size_t d = summed.size(); d-- > 0;) {
        index[summed[d]] = d == 0 ? k : remainder(body, k, summedSizes[d]);
        if (d != 0)
          k = quotient(body, k, summedSizes[d]);
      }
      Value product;
      for (auto [i, labels] : llvm::enumerate(equation.operands)) {
        SmallVector<Value> from;
        for (char label : labels)
          from.push_back(index[label]);
        Value offset = linearize(body, from, strides[i]);
        Value x = m.widen(loadElement(body, memories[i], offset, element));
        if (!product)
          product = x;
        else if (i + 1 == equation.operands.size() && isFloat)
          return m.fma(product, x, acc);
        else
          product = isFloat ? m.mul(product, x) : m.muli(product, x);
      }
      return isFloat ? m.add(acc, product) : m.addi(acc, product);
    });
    return isFloat ? m.narrow(sum, element) : sum;
  });
}

} // namespace

ArrayRef<NodeKernel> einsumKernels() {
  static const NodeKernel kernels[] = {{"Einsum", acceptsEinsum, emitEinsum}};
  return kernels;
}

} // namespace quantc::onnx_kernels
