// RUN: quant-opt %s --verify-roundtrip | FileCheck %s

// CHECK-LABEL: func.func @nodes
// CHECK-SAME: %[[X:.*]]: tensor<?x8xf32>, %[[N:.*]]: index
func.func @nodes(%x: tensor<?x8xf32>, %n: index) {
  // CHECK: onnx.node "Softmax"(%[[X]]) dims(%[[N]]) {node_attributes = {axis = -1 : si64}, version = 13 : i64} : (tensor<?x8xf32>) -> tensor<?x8xf32>
  %0 = onnx.node "Softmax"(%x) dims(%n) {node_attributes = {axis = -1 : si64}, version = 13 : i64}
    : (tensor<?x8xf32>) -> tensor<?x8xf32>
  // CHECK: %[[NONE:.*]] = onnx.none
  %none = onnx.none
  // CHECK: onnx.node "Clip"(%[[X]], %[[NONE]], %[[NONE]]) {name = "clip", version = 13 : i64} : (tensor<?x8xf32>, none, none) -> tensor<*xf32>
  %1 = onnx.node "Clip"(%x, %none, %none) {name = "clip", version = 13 : i64}
    : (tensor<?x8xf32>, none, none) -> tensor<*xf32>
  // CHECK: %{{.*}}:2 = onnx.node "Split"(%[[X]]) {{{.*}}} : (tensor<?x8xf32>) -> (tensor<?x4xf32>, tensor<?x4xf32>)
  %2:2 = onnx.node "Split"(%x) {version = 18 : i64, node_attributes = {axis = 1 : si64, num_outputs = 2 : si64}}
    : (tensor<?x8xf32>) -> (tensor<?x4xf32>, tensor<?x4xf32>)
  // CHECK: onnx.node "Gelu"(%[[X]]) {domain = "com.microsoft", version = 1 : i64}
  %3 = onnx.node "Gelu"(%x) {domain = "com.microsoft", version = 1 : i64} : (tensor<?x8xf32>) -> tensor<?x8xf32>
  // CHECK: onnx.node "Constant"() {node_attributes = {value = dense<1> : tensor<2xsi64>}, version = 13 : i64} : () -> tensor<2xsi64>
  %4 = onnx.node "Constant"() {node_attributes = {value = dense<1> : tensor<2xsi64>}, version = 13 : i64} : () -> tensor<2xsi64>
  return
}

// CHECK-LABEL: func.func @subgraphs
func.func @subgraphs(%condition: tensor<i1>, %x: tensor<4xf32>) -> tensor<4xf32> {
  // CHECK: onnx.node "If"(%{{.*}}) subgraphs {
  // CHECK:   onnx.return %{{.*}} : tensor<4xf32>
  // CHECK: }, {
  // CHECK:   onnx.node "Relu"
  // CHECK: } {subgraph_names = ["then_branch", "else_branch"], version = 16 : i64} : (tensor<i1>) -> tensor<4xf32>
  %0 = onnx.node "If"(%condition) subgraphs {
    onnx.return %x : tensor<4xf32>
  }, {
    %1 = onnx.node "Relu"(%x) {version = 14 : i64} : (tensor<4xf32>) -> tensor<4xf32>
    onnx.return %1 : tensor<4xf32>
  } {subgraph_names = ["then_branch", "else_branch"], version = 16 : i64} : (tensor<i1>) -> tensor<4xf32>
  return %0 : tensor<4xf32>
}
