//===- ONNXProtoTest.cpp - Schemas, inference and function bodies ---------===//
//
// Part of quantc, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//

#include "quantc/Dialect/ONNX/Proto.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/Verifier.h"
#include "mlir/Parser/Parser.h"

#include "gtest/gtest.h"

using namespace mlir;
using namespace quantc::onnx_ir;

namespace {

class ONNXProto : public ::testing::Test {
protected:
  ONNXProto() {
    context.loadDialect<func::FuncDialect, ONNXDialect>();
    handler = std::make_unique<ScopedDiagnosticHandler>(
        &context, [&](Diagnostic &diagnostic) {
          messages += diagnostic.str() + "\n";
          return success();
        });
  }

  /// The first node of a function with this body; the arguments are named %a...
  NodeOp parse(const std::string &arguments, const std::string &node) {
    module = parseSourceString<ModuleOp>(
        "func.func @f(" + arguments + ") { " + node + "\n return }", &context);
    NodeOp found;
    if (module)
      module->walk([&](NodeOp op) {
        if (!found && isa<func::FuncOp>(op->getParentOp()))
          found = op;
      });
    return found;
  }

  /// What is known of the node's operands by their types, dimensions with names
  /// made of the operand's letter and the position: a0, a1, b0, ...
  static SmallVector<ValueInfo> infosOf(NodeOp node) {
    SmallVector<ValueInfo> infos;
    for (auto [i, input] : llvm::enumerate(node.getInputs())) {
      ValueInfo &info = infos.emplace_back();
      info.type = input.getType();
      if (auto tensor = dyn_cast<RankedTensorType>(info.type))
        for (int64_t d = 0; d < tensor.getRank(); ++d)
          info.dims.push_back(std::string(1, char('a' + i)) +
                              std::to_string(d));
    }
    return infos;
  }

  static std::string str(Type type) {
    std::string text;
    llvm::raw_string_ostream(text) << type;
    return text;
  }

  /// The operators of an expansion, in order.
  std::string expand(NodeOp node, ArrayRef<ValueInfo> infos,
                     SmallVectorImpl<Value> &results) {
    OpBuilder builder(node);
    Operation *before = node->getPrevNode();
    FailureOr<bool> expanded =
        expandFunctionBody(node, infos, builder, results);
    if (failed(expanded))
      return "failed";
    if (!*expanded)
      return "none";
    EXPECT_TRUE(succeeded(verify(*module)));
    std::string names;
    Operation *op = before ? before->getNextNode() : &node->getBlock()->front();
    for (; op != node; op = op->getNextNode())
      if (auto inner = dyn_cast<NodeOp>(op))
        names += (names.empty() ? "" : " ") + inner.getOpType().str();
    return names;
  }

  MLIRContext context;
  std::unique_ptr<ScopedDiagnosticHandler> handler;
  std::string messages;
  OwningOpRef<ModuleOp> module;
};

TEST_F(ONNXProto, SinceVersion) {
  EXPECT_EQ(sinceVersion("Relu", "", 20), 14);
  EXPECT_EQ(sinceVersion("Relu", "ai.onnx", 13), 13);
  EXPECT_EQ(sinceVersion("Softmax", "", 12), 11);
  EXPECT_EQ(sinceVersion("RMSNormalization", "", 22), std::nullopt);
  EXPECT_EQ(sinceVersion("RMSNormalization", "", 23), 23);
  EXPECT_EQ(sinceVersion("Upsample", "", 10), std::nullopt); // withdrawn
  EXPECT_EQ(sinceVersion("Relu", "", 0), std::nullopt);
  EXPECT_EQ(sinceVersion("Relu", "somewhere", 1), std::nullopt);
  EXPECT_GE(latestOpset(""), 28);
  EXPECT_EQ(latestOpset("somewhere"), 0);
}

TEST_F(ONNXProto, Attributes) {
  NodeOp node = parse("%a: tensor<?x4xf32>",
                      R"(%0 = onnx.node "Gemm"(%a, %a)
      {node_attributes = {alpha = 2.0 : f32}, version = 13 : i64}
      : (tensor<?x4xf32>, tensor<?x4xf32>) -> !onnx.unknown)");
  ASSERT_TRUE(node);
  auto number = [&](StringRef name) {
    auto attribute =
        dyn_cast_if_present<FloatAttr>(attributeOrDefault(node, name));
    return attribute ? attribute.getValueAsDouble() : -1;
  };
  EXPECT_EQ(number("alpha"), 2.0);
  EXPECT_EQ(number("beta"), 1.0);
  EXPECT_EQ(attributeOrDefault(node, "gamma"), nullptr);
  EXPECT_EQ(formalNames(node), (SmallVector<std::string>{"A", "B", "C"}));
}

TEST_F(ONNXProto, DimensionsByName) {
  NodeOp node = parse("%a: tensor<?x?x8xf32>, %b: tensor<8x?xf32>",
                      R"(%0 = onnx.node "MatMul"(%a, %b) {version = 13 : i64}
      : (tensor<?x?x8xf32>, tensor<8x?xf32>) -> !onnx.unknown)");
  ASSERT_TRUE(node);
  auto results = inferNodeTypes(node, infosOf(node));
  ASSERT_TRUE(succeeded(results));
  EXPECT_EQ(str((*results)[0].type), "tensor<?x?x?xf32>");
  EXPECT_EQ((*results)[0].dims, (std::vector<std::string>{"a0", "a1", "b1"}));
}

TEST_F(ONNXProto, ElementsAndConstants) {
  NodeOp node = parse("%a: tensor<?x8xf32>, %b: tensor<3xsi64>",
                      R"(%0 = onnx.node "Reshape"(%a, %b) {version = 14 : i64}
      : (tensor<?x8xf32>, tensor<3xsi64>) -> !onnx.unknown)");
  ASSERT_TRUE(node);
  SmallVector<ValueInfo> infos = infosOf(node);
  auto infer = [&] {
    auto results = inferNodeTypes(node, infos);
    return succeeded(results) ? str((*results)[0].type) : "failed";
  };
  EXPECT_EQ(infer(), "tensor<?x?x?xf32>");
  infos[1].elements = {Dim{std::nullopt, "a0"}, Dim{2, ""}, Dim{4, ""}};
  EXPECT_EQ(infer(), "tensor<?x2x4xf32>");
  infos[1].constant =
      DenseElementsAttr::get(cast<ShapedType>(infos[1].type),
                             {APInt(64, 5), APInt(64, 2), APInt(64, 4)});
  EXPECT_EQ(infer(), "tensor<5x2x4xf32>");
}

TEST_F(ONNXProto, ElementsArePropagated) {
  NodeOp node = parse("%a: tensor<?x8xf32>",
                      R"(%0 = onnx.node "Shape"(%a) {version = 15 : i64}
      : (tensor<?x8xf32>) -> !onnx.unknown)");
  ASSERT_TRUE(node);
  auto results = inferNodeTypes(node, infosOf(node));
  ASSERT_TRUE(succeeded(results));
  EXPECT_EQ(str((*results)[0].type), "tensor<2xsi64>");
  ASSERT_TRUE((*results)[0].elements);
  EXPECT_EQ((*results)[0].elements->at(0).name, "a0");
  EXPECT_EQ((*results)[0].elements->at(1).value, 8);
}

TEST_F(ONNXProto, InferenceByBody) {
  NodeOp node =
      parse("%a: tensor<?x8xf32>, %b: tensor<f32>",
            R"(%0 = onnx.node "GreaterOrEqual"(%a, %b) {version = 12 : i64}
      : (tensor<?x8xf32>, tensor<f32>) -> !onnx.unknown)");
  ASSERT_TRUE(node);
  auto results = inferNodeTypes(node, infosOf(node));
  ASSERT_TRUE(succeeded(results)) << messages;
  EXPECT_EQ(str((*results)[0].type), "tensor<?x8xi1>");
  EXPECT_EQ((*results)[0].dims[0], "a0");
}

TEST_F(ONNXProto, Subgraphs) {
  NodeOp node = parse("%a: tensor<i1>, %b: tensor<4xf32>",
                      R"(%0 = onnx.node "If"(%a) subgraphs {
        onnx.return %b : tensor<4xf32>
      }, {
        onnx.return %b : tensor<4xf32>
      } {subgraph_names = ["then_branch", "else_branch"], version = 19 : i64}
      : (tensor<i1>) -> !onnx.unknown)");
  ASSERT_TRUE(node);
  unsigned asked = 0;
  auto results = inferNodeTypes(
      node, infosOf(node),
      [&](Region &body,
          ArrayRef<ValueInfo>) -> FailureOr<SmallVector<ValueInfo>> {
        ++asked;
        ValueInfo info;
        info.type = body.front().getTerminator()->getOperand(0).getType();
        return SmallVector<ValueInfo>{info};
      });
  ASSERT_TRUE(succeeded(results));
  EXPECT_EQ(asked, 2u);
  EXPECT_EQ(str((*results)[0].type), "tensor<4xf32>");
}

TEST_F(ONNXProto, InferenceErrors) {
  NodeOp node =
      parse("%a: tensor<3x4xf32>, %b: tensor<5x6xf32>",
            R"(%0 = onnx.node "MatMul"(%a, %b) {name = "mm", version = 13 : i64}
      : (tensor<3x4xf32>, tensor<5x6xf32>) -> !onnx.unknown)");
  ASSERT_TRUE(node);
  EXPECT_TRUE(failed(inferNodeTypes(node, infosOf(node))));
  EXPECT_NE(messages.find("node 'mm' (MatMul, version 13): "),
            std::string::npos)
      << messages;
  messages.clear();

  node =
      parse("%a: tensor<3xf32>, %b: tensor<3xsi32>",
            R"(%0 = onnx.node "Add"(%a, %b) {name = "sum", version = 14 : i64}
      : (tensor<3xf32>, tensor<3xsi32>) -> !onnx.unknown)");
  ASSERT_TRUE(node);
  EXPECT_TRUE(failed(inferNodeTypes(node, infosOf(node))));
  EXPECT_NE(messages.find("inconsistent type"), std::string::npos) << messages;
}

TEST_F(ONNXProto, FunctionBodies) {
  NodeOp node =
      parse("%a: tensor<?x8xf32>",
            R"(%0 = onnx.node "HardSwish"(%a) {name = "act", version = 22 : i64}
      : (tensor<?x8xf32>) -> !onnx.unknown)");
  ASSERT_TRUE(node);
  EXPECT_TRUE(hasFunctionBody(node));
  SmallVector<Value> results;
  EXPECT_EQ(expand(node, infosOf(node), results), "HardSigmoid Mul");
  ASSERT_EQ(results.size(), 1u);
  EXPECT_EQ(str(results[0].getType()), "tensor<?x8xf32>");
  EXPECT_EQ(results[0].getDefiningOp<NodeOp>().getName(), "act/Mul_1");

  EXPECT_EQ(expand(parse("%a: tensor<8xf32>, %b: tensor<8xf32>",
                         R"(%0 = onnx.node "Add"(%a, %b) {version = 14 : i64}
      : (tensor<8xf32>, tensor<8xf32>) -> !onnx.unknown)"),
                   {}, results),
            "none");
}

TEST_F(ONNXProto, FunctionBodiesThatDependOnInputs) {
  const char *text = R"(%n = onnx.none
      %0, %1, %2 = onnx.node "LayerNormalization"(%a, %b, %n)
      {node_attributes = {epsilon = 1.0e-3 : f32}, name = "ln", version = 17 : i64}
      : (tensor<?x8xf32>, tensor<8xf32>, none) -> (!onnx.unknown, none, none))";
  NodeOp node = parse("%a: tensor<?x8xf32>, %b: tensor<8xf32>", text);
  ASSERT_TRUE(node);
  SmallVector<Value> results;
  std::string names = expand(node, infosOf(node), results);
  EXPECT_NE(names.find("ReduceMean"), std::string::npos) << names << messages;
  ASSERT_EQ(results.size(), 3u);
  EXPECT_EQ(str(results[0].getType()), "tensor<?x8xf32>");
  bool found = false;
  module->walk([&](NodeOp op) {
    if (op.getOpType() != "Constant")
      return;
    auto value =
        dyn_cast_if_present<DenseFPElementsAttr>(op.getNodeAttr("value"));
    found |= value && value.getNumElements() == 1 &&
             (*value.value_begin<APFloat>()).convertToFloat() == 1.0e-3f;
  });
  EXPECT_TRUE(found) << "the attribute epsilon was not bound";
}

} // namespace
