// RUN: quant-opt %s --convert-onnx-to-qgraph --split-input-file | FileCheck %s

// How many there are is computed, then read.

// CHECK-LABEL: func.func @nonzero
// CHECK-SAME:  (%[[X:.*]]: tensor<?x4xf32>)
// CHECK: %[[B:.*]] = onnx.node "Cast"(%[[X]]) {{.*}} -> tensor<?x4xi1>
// CHECK: %[[I:.*]] = onnx.node "Cast"(%[[B]]) {{.*}} -> tensor<?x4xsi64>
// CHECK: %[[S:.*]] = onnx.node "ReduceSum"(%[[I]])
// CHECK: %[[E:.*]] = qgraph.element %[[S]][0] : tensor<si64>
// CHECK: %[[N:.*]] = arith.maxsi %{{.*}}, %c0
// CHECK: onnx.node "NonZero"(%[[X]]) dims(%[[N]]) {{.*}} -> tensor<2x?xsi64>
func.func @nonzero(%x: tensor<?x4xf32>) -> !onnx.unknown {
  %0 = onnx.node "NonZero"(%x) {version = 13 : i64} : (tensor<?x4xf32>) -> !onnx.unknown
  return %0 : !onnx.unknown
}

// -----

// A kernel says how many it has found; as many are taken.

// CHECK-LABEL: func.func @unique
// CHECK: %[[U:.*]]:4 = onnx.node "Unique"(%{{.*}}) {domain = "quantc", {{.*}} -> (tensor<6xsi64>, tensor<6xsi64>, tensor<6xsi64>, tensor<si64>)
// CHECK: qgraph.element %[[U]]#3[0]
// CHECK: %[[F:.*]] = onnx.node "Slice"(%[[U]]#0) dims(%[[N:[0-9a-z_]+]])
// CHECK: onnx.node "Gather"(%{{.*}}, %[[F]]) dims(%[[N]])
func.func @unique(%x: tensor<6xf32>) -> !onnx.unknown {
  %0 = onnx.node "Unique"(%x) {version = 11 : i64} : (tensor<6xf32>) -> !onnx.unknown
  return %0 : !onnx.unknown
}

// -----

// A shape that the model computes from data is read when it is there, and what
// it must be is required there.

// CHECK-LABEL: func.func @shape
// CHECK: %[[M:.*]] = onnx.node "ReduceMax"
// CHECK: qgraph.element %[[M]][0]
// CHECK: qgraph.require
// CHECK: onnx.node "Reshape"
func.func @shape(%x: tensor<12xf32>, %s: tensor<3x2xsi64>) -> !onnx.unknown {
  %axes = qgraph.constant dense<0> : tensor<1xsi64>
  %0 = onnx.node "ReduceMax"(%s, %axes) {version = 20 : i64, node_attributes = {keepdims = 0 : si64}} : (tensor<3x2xsi64>, tensor<1xsi64>) -> !onnx.unknown
  %1 = onnx.node "Reshape"(%x, %0) {version = 14 : i64} : (tensor<12xf32>, !onnx.unknown) -> !onnx.unknown
  return %1 : !onnx.unknown
}
