// RUN: quant-translate --export-onnx %s -o %t.onnx
// RUN: quant-translate --import-onnx %t.onnx | FileCheck %s

// Conditions and counters are scalars of BOOL and INT64 in ONNX.

// CHECK: @main(%[[X:[^:]*]]: tensor<4xf32> {{.*}}, %[[I:[^:]*]]: tensor<si64>
func.func @main(%x: tensor<4xf32>, %i: tensor<si64>) -> (tensor<4xf32>, tensor<4xf32>, tensor<?x4xf32>) {
  %c = qgraph.element %i[0] : tensor<si64>
  // CHECK: %[[B:.*]] = onnx.node "Cast"(%{{.*}}) {{.*}} -> tensor<1xi1>
  // CHECK: %[[C:.*]] = onnx.node "Reshape"(%[[B]], %{{.*}}) {{.*}} -> tensor<i1>
  // CHECK: onnx.node "If"(%[[C]]) subgraphs {
  // CHECK:   %[[R:.*]] = onnx.node "Relu"(%[[X]])
  // CHECK:   onnx.return %[[R]]
  // CHECK: }, {
  // CHECK:   %[[D:.*]] = onnx.node "Identity"(%[[X]])
  // CHECK:   onnx.return %[[D]]
  // CHECK: name = "choice"
  // CHECK-SAME: subgraph_names = ["then_branch", "else_branch"]
  %0 = qgraph.if %c {
    %1 = onnx.node "Relu"(%x) {version = 14 : i64} : (tensor<4xf32>) -> tensor<4xf32>
    qgraph.yield %1 : tensor<4xf32>
  } else {
    qgraph.yield %x : tensor<4xf32>
  } {name = "choice"} : tensor<4xf32>
  // CHECK: onnx.node "Loop"(%{{.*}}, %{{.*}}, %[[X]]) subgraphs {
  // CHECK: ^bb0(%{{.*}}: tensor<si64>, %{{.*}}: tensor<i1>, %[[A:.*]]: tensor<4xf32>):
  // CHECK:   %[[S:.*]] = onnx.node "Add"(%[[A]], %[[A]])
  // CHECK:   onnx.return %{{.*}}, %[[S]], %{{.*}} : tensor<i1>, tensor<4xf32>, tensor<4xf32>
  %last, %all = qgraph.loop %c while %c init(%x : tensor<4xf32>) {
  ^bb0(%n: index, %a: tensor<4xf32>):
    %2 = onnx.node "Add"(%a, %a) {version = 14 : i64} : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
    qgraph.yield %c, %2, %2 : index, tensor<4xf32>, tensor<4xf32>
  } : tensor<4xf32>, tensor<?x4xf32>
  return %0, %last, %all : tensor<4xf32>, tensor<4xf32>, tensor<?x4xf32>
}
