//===- ControlFlow.cpp - Subgraphs ----------------------------------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "Writer.h"

using namespace mlir;
using namespace quantc;
using namespace quantc::onnx_export;

Name Writer::truth(Value value, Name result) {
  Type i1 = builder.getI1Type();
  Name name = castTo(scalar(value), i1);
  if (result.empty())
    return reshape(name, i1, intList({}));
  setType(result, i1);
  add("Reshape", {name, intList({})}, result);
  return result;
}

LogicalResult Writer::subgraph(Region &region, StringRef name,
                               onnx::GraphProto &graph, bool condition) {
  graph.set_name(name.str());
  scopes.push_back(std::make_unique<Scope>());
  scopes.back()->graph = &graph;
  Type si64 = builder.getIntegerType(64, /*isSigned=*/true);
  auto scalarType = [](Type element) {
    return RankedTensorType::get({}, element);
  };
  auto input = [&](Type type) {
    Name added = fresh(name);
    declare(*graph.add_input(), added, type, {});
    return added;
  };
  for (BlockArgument argument : region.getArguments()) {
    bool counts = argument.getType().isIndex();
    Name added = input(counts ? scalarType(si64) : argument.getType());
    define(argument, added);
    if (counts)
      setType(added, si64);
    if (counts && condition)
      input(scalarType(builder.getI1Type()));
  }
  Operation *terminator = region.front().getTerminator();
  SmallVector<Name> names;
  llvm::DenseMap<Value, Name> outer = std::move(reserved);
  reserved.clear();
  for (Value value : terminator->getOperands()) {
    names.push_back(fresh(name));
    if (value.getParentRegion() == &region && value.getDefiningOp() &&
        !isa<qgraph::ConstantOp>(value.getDefiningOp()))
      reserved.try_emplace(value, names.back());
  }
  LogicalResult result = block(region.front());
  outputs(terminator, names);
  for (auto [value, output] : llvm::zip(terminator->getOperands(), names))
    declare(*graph.add_output(), output,
            value.getType().isIndex() ? scalarType(builder.getI1Type())
                                      : value.getType(),
            {});
  reserved = std::move(outer);
  scopes.pop_back();
  return result;
}

/// A node with the results of `op` and a subgraph for each region.
static LogicalResult withRegions(Writer &w, Operation *op, StringRef opType,
                                 ArrayRef<Name> inputs,
                                 ArrayRef<StringRef> names, StringRef name) {
  SmallVector<Name> outputs;
  for (Value result : op->getResults()) {
    outputs.push_back(w.nameFor(result, name.empty() ? opType : name));
    w.define(result, outputs.back());
  }
  onnx::NodeProto &node = w.add(opType, inputs, outputs);
  node.set_name(name.str());
  for (auto [region, attributeName] : llvm::zip(op->getRegions(), names)) {
    onnx::AttributeProto &attribute = *node.add_attribute();
    attribute.set_name(attributeName.str());
    attribute.set_type(onnx::AttributeProto::GRAPH);
    if (failed(w.subgraph(region, attributeName, *attribute.mutable_g(),
                          opType == "Loop")))
      return failure();
  }
  return success();
}

LogicalResult Writer::exportIf(qgraph::IfOp op) {
  return withRegions(*this, op, "If", truth(op.getCondition()),
                     {"then_branch", "else_branch"}, op.getName().value_or(""));
}

LogicalResult Writer::exportLoop(qgraph::LoopOp op) {
  Type si64 = builder.getIntegerType(64, /*isSigned=*/true);
  SmallVector<Name> inputs{reshape(scalar(op.getTrips()), si64, intList({})),
                           truth(op.getCondition())};
  for (Value value : op.getInit())
    inputs.push_back(use(value));
  return withRegions(*this, op, "Loop", inputs, {"body"},
                     op.getName().value_or(""));
}
