// RUN: quant-opt %s --canonicalize --cse | FileCheck %s

// An ordinary node is a value: unused it goes, twice it is one.
// CHECK-LABEL: func.func @pure
func.func @pure(%x: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>) {
  // CHECK: %[[R:.*]] = onnx.node "Relu"
  // CHECK-NEXT: return %[[R]], %[[R]]
  %0 = onnx.node "Relu"(%x) {version = 14 : i64} : (tensor<4xf32>) -> tensor<4xf32>
  %1 = onnx.node "Relu"(%x) {version = 14 : i64} : (tensor<4xf32>) -> tensor<4xf32>
  %2 = onnx.node "Abs"(%x) {version = 13 : i64} : (tensor<4xf32>) -> tensor<4xf32>
  return %0, %1 : tensor<4xf32>, tensor<4xf32>
}

// Random numbers are drawn as often as the model says.
// CHECK-LABEL: func.func @random
func.func @random(%x: tensor<4xf32>, %condition: tensor<i1>) -> (tensor<4xf32>, tensor<4xf32>) {
  // CHECK-COUNT-2: onnx.node "RandomNormalLike"
  %0 = onnx.node "RandomNormalLike"(%x) {version = 1 : i64} : (tensor<4xf32>) -> tensor<4xf32>
  %1 = onnx.node "RandomNormalLike"(%x) {version = 1 : i64} : (tensor<4xf32>) -> tensor<4xf32>
  // Also inside a subgraph.
  // CHECK: onnx.node "If"
  %2 = onnx.node "If"(%condition) subgraphs {
    %3 = onnx.node "Bernoulli"(%x) {version = 15 : i64} : (tensor<4xf32>) -> tensor<4xf32>
    onnx.return %3 : tensor<4xf32>
  } {subgraph_names = ["then_branch"], version = 16 : i64} : (tensor<i1>) -> tensor<4xf32>
  return %0, %1 : tensor<4xf32>, tensor<4xf32>
}
