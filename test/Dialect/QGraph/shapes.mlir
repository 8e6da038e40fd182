// RUN: quant-opt %s --resolve-ranked-shaped-type-result-dims --canonicalize --cse --split-input-file | FileCheck %s

// All sizes end at the function's arguments, through any number of ops.

// CHECK-LABEL: func.func @chain
// CHECK-SAME: %[[X:.*]]: tensor<?x?x8xf32>
func.func @chain(%x: tensor<?x?x8xf32>, %w: tensor<4x8xf32>, %g: tensor<4xf32>) -> (index, index) {
  // CHECK-DAG: %[[C0:.*]] = arith.constant 0
  // CHECK-DAG: %[[C1:.*]] = arith.constant 1
  // CHECK-DAG: %[[D0:.*]] = tensor.dim %[[X]], %[[C0]]
  // CHECK-DAG: %[[D1:.*]] = tensor.dim %[[X]], %[[C1]]
  // CHECK: return %[[D0]], %[[D1]]
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %0 = qgraph.linear %x, %w : (tensor<?x?x8xf32>, tensor<4x8xf32>) -> tensor<?x?x4xf32>
  %1 = qgraph.norm rms %0 weight %g {epsilon = 1.0e-5 : f32} : (tensor<?x?x4xf32>, tensor<4xf32>) -> tensor<?x?x4xf32>
  %s, %q = qgraph.rows {
    %2 = qgraph.choose_params symmetric %1 {block = array<i64: 1, 1, 0>, stored = si8} : tensor<?x?x4xf32> -> tensor<?x?x1xf32>
    %3 = qgraph.quantize %1 scale %2 {block = array<i64: 1, 1, 0>} : (tensor<?x?x4xf32>, tensor<?x?x1xf32>) -> tensor<?x?x4xsi8>
    qgraph.yield %2, %3 : tensor<?x?x1xf32>, tensor<?x?x4xsi8>
  } : tensor<?x?x1xf32>, tensor<?x?x4xsi8>
  %4 = qgraph.reinterpret %q : tensor<?x?x4xsi8> to tensor<?x?x4xi8>
  %5 = qgraph.observe "site" %4 : tensor<?x?x4xi8>
  %d0 = tensor.dim %5, %c0 : tensor<?x?x4xi8>
  %d1 = tensor.dim %s, %c1 : tensor<?x?x1xf32>
  return %d0, %d1 : index, index
}

// -----

// CHECK-LABEL: func.func @node
// CHECK-SAME: %[[N:[a-z0-9]*]]: index, %[[M:[a-z0-9]*]]: index
func.func @node(%n: index, %m: index, %x: tensor<?xf32>) -> (index, index) {
  // CHECK: return %[[M]], %[[N]]
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %0:2 = onnx.node "Anything"(%x) dims(%n, %m) {version = 1 : i64} : (tensor<?xf32>) -> (tensor<4x?xf32>, tensor<?xf32>)
  %d0 = tensor.dim %0#1, %c0 : tensor<?xf32>
  %d1 = tensor.dim %0#0, %c1 : tensor<4x?xf32>
  return %d0, %d1 : index, index
}

// -----

// The group's size divides upwards.
// CHECK-LABEL: func.func @groups
// CHECK-SAME: %[[X:.*]]: tensor<4x?xf32>
func.func @groups(%x: tensor<4x?xf32>) -> index {
  // CHECK: %[[D:.*]] = tensor.dim %[[X]]
  // CHECK: %[[G:.*]] = arith.ceildivui %[[D]], %c32
  // CHECK: return %[[G]]
  %c1 = arith.constant 1 : index
  %0 = qgraph.choose_params symmetric %x {block = array<i64: 1, 32>, stored = si8} : tensor<4x?xf32> -> tensor<4x?xf32>
  %d = tensor.dim %0, %c1 : tensor<4x?xf32>
  return %d : index
}

// -----

// CHECK-LABEL: func.func @matmul
// CHECK-SAME: %[[A:.*]]: tensor<?x?x8xf32>, %[[B:.*]]: tensor<?x8x?xf32>
func.func @matmul(%a: tensor<?x?x8xf32>, %b: tensor<?x8x?xf32>) -> (index, index, index) {
  // CHECK-DAG: %[[A0:.*]] = tensor.dim %[[A]], %c0
  // CHECK-DAG: %[[A1:.*]] = tensor.dim %[[A]], %c1
  // CHECK-DAG: %[[B0:.*]] = tensor.dim %[[B]], %c0
  // CHECK-DAG: %[[B2:.*]] = tensor.dim %[[B]], %c2
  // CHECK-DAG: %[[ONE:.*]] = arith.cmpi eq, %[[A0]], %c1
  // CHECK-DAG: %[[BATCH:.*]] = arith.select %[[ONE]], %[[B0]], %[[A0]]
  // CHECK: return %[[BATCH]], %[[A1]], %[[B2]]
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %0 = qgraph.matmul %a, %b : (tensor<?x?x8xf32>, tensor<?x8x?xf32>) -> tensor<?x?x?xf32>
  %d0 = tensor.dim %0, %c0 : tensor<?x?x?xf32>
  %d1 = tensor.dim %0, %c1 : tensor<?x?x?xf32>
  %d2 = tensor.dim %0, %c2 : tensor<?x?x?xf32>
  return %d0, %d1, %d2 : index, index, index
}

// -----

// CHECK-LABEL: func.func @others
// CHECK-SAME: %[[I:[a-z0-9]*]]: tensor<?xsi64>, %[[T:[a-z0-9]*]]: tensor<100x16xf32>, %[[Q:[a-z0-9]*]]: tensor<1x?x4x8xf32>
func.func @others(%i: tensor<?xsi64>, %t: tensor<100x16xf32>, %q: tensor<1x?x4x8xf32>, %k: tensor<1x?x4x8xf32>) -> (index, index) {
  // CHECK-DAG: %[[N:.*]] = tensor.dim %[[I]], %c0
  // CHECK-DAG: %[[S:.*]] = tensor.dim %[[Q]], %c1
  // CHECK: return %[[N]], %[[S]]
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %0 = qgraph.embedding %t, %i : (tensor<100x16xf32>, tensor<?xsi64>) -> tensor<?x16xf32>
  %1 = qgraph.attention %q, %k, %k {scale = 1.0 : f32} : (tensor<1x?x4x8xf32>, tensor<1x?x4x8xf32>, tensor<1x?x4x8xf32>) -> tensor<1x?x4x8xf32>
  %d0 = tensor.dim %0, %c0 : tensor<?x16xf32>
  %d1 = tensor.dim %1, %c1 : tensor<1x?x4x8xf32>
  return %d0, %d1 : index, index
}
