// A residual stream: the table, the layers on both sides, and the norm's gain. With 4 channels R is
// half a Hadamard matrix, so the table's row (2, 0, 0, 0) becomes four of 1 or -1.

// RUN: quant-opt %s --qgraph-rotate | FileCheck %s

// CHECK-LABEL: func @stream
// CHECK-DAG: %[[T:.*]] = qgraph.constant dense<{{\[\[.*\]}}, [{{-?}}1.000000e+00, {{-?}}1.000000e+00, {{-?}}1.000000e+00, {{-?}}1.000000e+00], [{{.*}}> : tensor<3x4xf32>
// CHECK-DAG: %[[W:.*]] = qgraph.constant dense<{{.*}}> : tensor<2x4xf32>
// CHECK-DAG: %[[V:.*]] = qgraph.constant dense<{{.*}}> : tensor<4x2xf32>
// CHECK-DAG: %[[B:.*]] = qgraph.constant dense<{{.*}}> : tensor<4xf32>
// CHECK: %[[E:.*]] = qgraph.embedding %[[T]], %arg0
// CHECK: %[[N:.*]] = qgraph.norm rms %[[E]] {epsilon
// CHECK: %[[Y:.*]] = qgraph.linear %[[N]], %[[W]] {name = "up"}
// CHECK: %[[R:.*]] = onnx.node "Relu"(%[[Y]])
// CHECK: %[[Z:.*]] = qgraph.linear %[[R]], %[[V]] bias %[[B]] {name = "down"}
// CHECK: %[[A:.*]] = onnx.node "Add"(%[[E]], %[[Z]])
// CHECK: %[[M:.*]] = qgraph.norm rms %[[A]] {epsilon
// CHECK: qgraph.linear %[[M]], %{{.*}} {name = "head"}

func.func @stream(%i: tensor<?xsi64>, %n: index) -> tensor<?x2xf32> {
  %t = qgraph.constant dense<[[1.0, 1.0, 1.0, 1.0], [2.0, 0.0, 0.0, 0.0], [1.0, 2.0, 3.0, 4.0]]> : tensor<3x4xf32>
  %g = qgraph.constant dense<[1.0, 2.0, -1.0, 0.5]> : tensor<4xf32>
  %w = qgraph.constant dense<[[1.0, 2.0, 3.0, 4.0], [0.5, -1.0, 0.25, 2.0]]> : tensor<2x4xf32>
  %v = qgraph.constant dense<[[1.0, 2.0], [3.0, 4.0], [0.5, -1.0], [0.25, 2.0]]> : tensor<4x2xf32>
  %b = qgraph.constant dense<[1.0, 2.0, 3.0, 4.0]> : tensor<4xf32>
  %e = qgraph.embedding %t, %i : (tensor<3x4xf32>, tensor<?xsi64>) -> tensor<?x4xf32>
  %h = qgraph.norm rms %e weight %g {epsilon = 1.0e-5 : f32} : (tensor<?x4xf32>, tensor<4xf32>) -> tensor<?x4xf32>
  %y = qgraph.linear %h, %w {name = "up"} : (tensor<?x4xf32>, tensor<2x4xf32>) -> tensor<?x2xf32>
  %r = onnx.node "Relu"(%y) dims(%n) {version = 14 : i64} : (tensor<?x2xf32>) -> tensor<?x2xf32>
  %z = qgraph.linear %r, %v bias %b {name = "down"} : (tensor<?x2xf32>, tensor<4x2xf32>, tensor<4xf32>) -> tensor<?x4xf32>
  %a = onnx.node "Add"(%e, %z) dims(%n) {version = 14 : i64} : (tensor<?x4xf32>, tensor<?x4xf32>) -> tensor<?x4xf32>
  %m = qgraph.norm rms %a weight %g {epsilon = 1.0e-5 : f32} : (tensor<?x4xf32>, tensor<4xf32>) -> tensor<?x4xf32>
  %o = qgraph.linear %m, %w {name = "head"} : (tensor<?x4xf32>, tensor<2x4xf32>) -> tensor<?x2xf32>
  return %o : tensor<?x2xf32>
}
