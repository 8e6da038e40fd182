//===- NodeRunner.cpp - Compiles one node and runs it ---------------------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "NodeRunner.h"

#include "quantc/Dialect/ONNX/ONNXDialect.h"
#include "quantc/Pipelines/Register.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/Parser/Parser.h"

#include <numeric>

using namespace mlir;
using namespace quantc;
using namespace quantc::testing;

namespace {
/// A node as a model: the function returns its results. The dynamic dimensions
/// of one of `dynamicResults` are those of a further argument.
struct NodeModel {
  std::string text, problem;
  std::vector<size_t> dynamicResults;
};
} // namespace

static NodeModel modelOf(const std::string &text) {
  static MLIRContext *context = [] {
    DialectRegistry registry;
    registerAllDialects(registry);
    auto *made = new MLIRContext(registry, MLIRContext::Threading::DISABLED);
    made->loadAllAvailableDialects();
    return made;
  }();
  NodeModel model;
  ScopedDiagnosticHandler diagnostics(context, [&](Diagnostic &diagnostic) {
    model.problem += diagnostic.str() + "\n";
    return success();
  });
  OwningOpRef<ModuleOp> module = parseSourceString<ModuleOp>(text, context);
  if (!module)
    return model;
  onnx_ir::NodeOp node;
  module->walk([&](onnx_ir::NodeOp op) { node = op; });
  auto function = node->getParentOfType<func::FuncOp>();
  Block &body = function.front();
  OpBuilder builder(node);
  Location loc = node.getLoc();
  SmallVector<Value> dims;
  for (auto [i, result] : llvm::enumerate(node.getResultTypes())) {
    auto type = cast<RankedTensorType>(result);
    if (type.hasStaticShape())
      continue;
    model.dynamicResults.push_back(i);
    SmallVector<int64_t> dynamic(type.getRank(), ShapedType::kDynamic);
    Value shape = body.addArgument(
        RankedTensorType::get(dynamic, builder.getI1Type()), loc);
    for (int64_t d = 0; d < type.getRank(); ++d)
      if (type.isDynamicDim(d))
        dims.push_back(tensor::DimOp::create(builder, loc, shape, d));
  }
  node.getDimsMutable().assign(dims);
  body.getTerminator()->setOperands(node.getResults());
  function.setType(
      builder.getFunctionType(body.getArgumentTypes(), node.getResultTypes()));
  llvm::raw_string_ostream(model.text) << *module;
  return model;
}

Outcome quantc::testing::runNode(
    const std::string &text, const std::vector<Buffer> &inputs,
    const std::vector<std::vector<int64_t>> &shapes, bool fast, int threads) {
  // Tests run the same node on several numbers of threads.
  static std::string lastText;
  static bool lastFast;
  static NodeModel node;
  static std::unique_ptr<Model> model;
  Outcome outcome;
  if (!model || lastText != text || lastFast != fast) {
    model.reset();
    node = modelOf(text);
    outcome.failure = node.problem;
    if (!outcome.failure.empty())
      return outcome;
    Way way{fast ? hostLevels().back() : hostLevels().front(), !fast};
    model = std::make_unique<Model>(node.text, way);
    lastText = text;
    lastFast = fast;
  }
  outcome.failure = model->failure();
  if (!outcome.failure.empty())
    return outcome;
  std::vector<Buffer> arguments = inputs;
  for (size_t i : node.dynamicResults) {
    size_t bytes = std::accumulate(shapes[i].begin(), shapes[i].end(),
                                   size_t(1), std::multiplies<>());
    arguments.push_back({shapes[i], std::vector<uint8_t>(bytes)});
  }
  outcome.outputs = model->run(arguments, fast ? threads : 1);
  outcome.error = model->error;
  outcome.failure = model->failure();
  return outcome;
}
