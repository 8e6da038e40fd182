//===- Scan.cpp - Scan ----------------------------------------------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Iteration.h"
#include "Slices.h"

using namespace mlir;
using namespace quantc;
using namespace quantc::onnx_to_qgraph;

namespace {

/// The attributes of Scan, of which version 8 has its own set.
struct ScanShape {
  unsigned states, inputs, outputs;
  SmallVector<int64_t> inputAxes, outputAxes;
  SmallVector<bool> inputReversed, outputReversed;
};

/// A scan over tensors without a batch.
class ScanBuilder {
public:
  ScanBuilder(Node &node, Block &body, const ScanShape &shape)
      : node(node), walk(node.walk), body(body), shape(shape) {}

  /// `values`: states, then what is scanned. `length`: the iterations.
  LogicalResult build(ArrayRef<TensorInfo> values, Dim length,
                      SmallVector<TensorInfo> &results);

private:
  Node &node;
  Walk &walk;
  Block &body;
  const ScanShape &shape;
};

} // namespace

/// value[.., position, ..] along `axis`, without that dimension.
static TensorInfo gatherAt(Walk &walk, const TensorInfo &value, int64_t axis,
                           Dim position) {
  TensorInfo index =
      walk.fromElements(walk.builder.getIntegerType(64, true), {}, {position});
  Dims dims = value.dims;
  dims.erase(dims.begin() + axis);
  TensorInfo source = value;
  return walk.node("Gather", {&source, &index}, value.elementType, dims,
                   {{"axis", walk.integerAttr(axis)}});
}

LogicalResult ScanBuilder::build(ArrayRef<TensorInfo> values, Dim length,
                                 SmallVector<TensorInfo> &results) {
  DimArithmetic &arith = walk.arith;
  LoopSpec spec;
  spec.trips = length;
  spec.condition = arith.constant(1);
  for (const TensorInfo &value : values.take_front(shape.states))
    spec.init.push_back(value);
  Operation *terminator = body.getTerminator();
  auto walkBody = [&](Dim iteration, ArrayRef<TensorInfo> states,
                      LoopSpec::Body &yields) {
    for (unsigned i = 0; i < shape.states; ++i)
      walk.info(body.getArgument(i)) = states[i];
    for (unsigned i = 0; i < shape.inputs; ++i) {
      Dim position = iteration;
      if (shape.inputReversed[i])
        position = arith.sub(arith.sub(length, arith.constant(1)), iteration);
      walk.info(body.getArgument(shape.states + i)) = gatherAt(
          walk, values[shape.states + i], shape.inputAxes[i], position);
    }
    unsigned errors = walk.errorCount();
    walk.walkBlock(body);
    bool good = walk.errorCount() == errors;
    for (auto [i, operand] : llvm::enumerate(terminator->getOperands())) {
      TensorInfo value = walk.info(operand);
      good &= value && !value.failed;
      (i < shape.states ? yields.carried : yields.pieces).push_back(value);
    }
    return good;
  };
  spec.walkBody = walkBody;
  if (failed(finishLoop(node, spec, results)))
    return failure();
  if (results.empty() && shape.states + shape.outputs > 0)
    return success(); // reported
  for (unsigned i = 0; i < shape.outputs; ++i) {
    TensorInfo &result = results[shape.states + i];
    if (shape.outputReversed[i]) {
      Dim last = arith.sub(result.dims[0], arith.constant(1));
      TensorInfo forwards = result;
      result =
          buildSlice(walk, forwards,
                     AxisSlice{0, last, arith.constant(-1), forwards.dims[0]});
    }
    int64_t axis = normalizeAxis(shape.outputAxes[i], result.rank());
    if (axis < 0)
      return node.unsupported("the axis of output " + Twine(i) +
                              " is out of range");
    SmallVector<int64_t> permutation;
    for (int64_t d = 1; d < result.rank(); ++d)
      permutation.push_back(d);
    permutation.insert(permutation.begin() + axis, 0);
    result = walk.transpose(result, permutation);
  }
  return success();
}

/// How long sequence `batch` of version 8 is, one of `longest`; null, with the
/// node's reason, if that cannot be told.
static Dim lengthAt(Node &node, Dim batch, Dim longest) {
  Walk &walk = node.walk;
  TensorInfo &lengths = node.in(0);
  if (lengths.rank() != 1) {
    (void)node.unsupported("sequence_lens must have one dimension");
    return {};
  }
  TensorInfo one = gatherAt(walk, lengths, 0, batch);
  std::optional<Elements> read = walk.readElements(one);
  if (!read || read->size() != 1 ||
      !walk.arith.requireRange(read->front(), walk.arith.constant(0), longest,
                               "a sequence is %a long")) {
    (void)node.unsupported("sequence_lens are no lengths");
    return {};
  }
  return read->front();
}

/// With zeros behind, to be `length` long: all that version 8 says of these is
/// that they are there.
static TensorInfo padded(Walk &walk, TensorInfo value, Dim length) {
  Dims dims = value.dims;
  dims[0] = walk.arith.sub(length, value.dims[0]);
  TensorInfo zero =
      walk.fromElements(walk.builder.getI1Type(), {}, {walk.arith.constant(0)});
  TensorInfo typed = walk.convert(zero, value.elementType);
  TensorInfo zeros = walk.expand(typed, dims);
  dims[0] = length;
  return walk.node("Concat", {&value, &zeros}, value.elementType, dims,
                   {{"axis", walk.integerAttr(0)}});
}

/// The list of an attribute, one entry for each of `count`, `otherwise` where
/// it is absent.
static FailureOr<SmallVector<int64_t>>
listOf(Node &node, StringRef name, unsigned count, int64_t otherwise) {
  auto given = node.integers(name);
  SmallVector<int64_t> list =
      given.value_or(SmallVector<int64_t>(count, otherwise));
  if (list.size() != count)
    return node.unsupported(name + " has " + Twine(list.size()) +
                            " entries for " + Twine(count));
  return list;
}

LogicalResult onnx_to_qgraph::handleScan(Node &node) {
  Walk &walk = node.walk;
  DimArithmetic &arith = walk.arith;
  onnx_ir::NodeOp op = node.op;
  if (op.getSubgraphs().size() != 1)
    return node.unsupported("it has no body");
  Block &body = op.getSubgraphs()[0].front();
  bool batched = node.version() == 8;
  unsigned first = batched ? 1 : 0;
  ScanShape shape;
  shape.inputs = node.integer("num_scan_inputs", 0);
  if (shape.inputs < 1 || node.numInputs() < first + shape.inputs)
    return node.unsupported("num_scan_inputs does not fit its inputs");
  shape.states = node.numInputs() - first - shape.inputs;
  unsigned yields = body.getTerminator()->getNumOperands();
  if (yields != op.getNumResults() || yields < shape.states ||
      body.getNumArguments() != shape.states + shape.inputs)
    return node.unsupported("its body has other inputs or outputs than it");
  shape.outputs = yields - shape.states;
  auto inputAxes = listOf(node, "scan_input_axes", shape.inputs, 0);
  auto outputAxes = listOf(node, "scan_output_axes", shape.outputs, 0);
  auto inputDirections = listOf(
      node, batched ? "directions" : "scan_input_directions", shape.inputs, 0);
  auto outputDirections =
      listOf(node, "scan_output_directions", shape.outputs, 0);
  if (failed(inputAxes) || failed(outputAxes) || failed(inputDirections) ||
      failed(outputDirections))
    return failure();
  shape.outputAxes = *outputAxes;
  shape.inputReversed.assign(inputDirections->begin(), inputDirections->end());
  shape.outputReversed.assign(outputDirections->begin(),
                              outputDirections->end());
  SmallVector<TensorInfo> values;
  for (unsigned i = first; i < node.numInputs(); ++i) {
    TensorInfo value = node.in(i);
    if (!value || (batched && value.rank() < 1))
      return node.unsupported("input " + Twine(i) + " is missing");
    value.value = walk.materialize(value);
    values.push_back(value);
  }
  // The dimension that is gone through, all of one length.
  Dim length, batch;
  for (unsigned i = 0; i < shape.inputs; ++i) {
    TensorInfo &value = values[shape.states + i];
    int64_t rank = value.rank() - (batched ? 1 : 0);
    int64_t axis = normalizeAxis((*inputAxes)[i], rank);
    if (axis < 0)
      return node.unsupported("the axis of scanned input " + Twine(i) +
                              " is out of range");
    shape.inputAxes.push_back(axis);
    Dim extent = value.dims[axis + (batched ? 1 : 0)];
    if (!length)
      length = extent;
    else if (!arith.require(extent, length, /*orOne=*/false,
                            "what is scanned has lengths of %a and %b"))
      return node.unsupported("what is scanned has several lengths");
  }
  SmallVector<TensorInfo> results;
  if (!batched) {
    if (failed(ScanBuilder(node, body, shape).build(values, length, results)))
      return failure();
  } else {
    // Version 8: each of a batch by itself, and all of them collected.
    for (TensorInfo &value : values) {
      if (!batch)
        batch = value.dims[0];
      else if (!arith.require(value.dims[0], batch, /*orOne=*/false,
                              "batches of %a and %b"))
        return node.unsupported("its inputs have several batch sizes");
    }
    LoopSpec spec;
    spec.trips = batch;
    spec.condition = arith.constant(1);
    auto walkBody = [&](Dim iteration, ArrayRef<TensorInfo>,
                        LoopSpec::Body &all) {
      SmallVector<TensorInfo> one;
      for (const TensorInfo &value : values)
        one.push_back(gatherAt(walk, value, 0, iteration));
      SmallVector<TensorInfo> inner;
      Dim own = node.has(0) ? lengthAt(node, iteration, length) : length;
      if (!own ||
          failed(ScanBuilder(node, body, shape).build(one, own, inner)) ||
          inner.empty())
        return false;
      if (node.has(0))
        for (TensorInfo &output :
             MutableArrayRef(inner).drop_front(shape.states))
          output = padded(walk, output, length);
      all.pieces.assign(inner.begin(), inner.end());
      return true;
    };
    spec.walkBody = walkBody;
    if (failed(finishLoop(node, spec, results)))
      return failure();
  }
  for (auto [i, value] : llvm::enumerate(results))
    node.set(i, std::move(value));
  return success();
}
