// RUN: quant-opt %s --lower-to-kernels --split-input-file --canonicalize | FileCheck %s

// A chain needs two places, whatever its length: the third tensor takes that of
// the first. Sizes are monomials, so this is decided without knowing the batch.

// CHECK-LABEL: func.func @chain(
// CHECK: %[[D:.*]] = qkernel.dim %arg0[0]
// CHECK: %[[T0:.*]] = qkernel.buffer arena %arg0 offset(%c0) sizes(%[[D]])
// CHECK: call @norm[%arg0]({{.*}}, %[[T0]])
// CHECK: %[[O1:.*]] = arith.muli %[[D]], %c64
// CHECK: %[[T1:.*]] = qkernel.buffer arena %arg0 offset(%[[O1]]) sizes(%[[D]])
// CHECK: call @norm[%arg0]({{.*}}, %[[T1]])
// CHECK: %[[T2:.*]] = qkernel.buffer arena %arg0 offset(%c0) sizes(%[[D]])
// CHECK: call @norm[%arg0]({{.*}}, %[[T2]])
// CHECK-LABEL: func.func @chain_arena(
// CHECK: %[[D:.*]] = qkernel.dim %arg0[0]
// CHECK: %[[B:.*]] = arith.muli %[[D]], %c128
// CHECK: %[[R:.*]] = arith.index_cast %[[B]] : index to i64
// CHECK: return %[[R]]
func.func @chain(%x: tensor<?x16xf32>) -> tensor<?x16xf32> {
  %0 = qgraph.norm rms %x {epsilon = 1.0e-5 : f32} : (tensor<?x16xf32>) -> tensor<?x16xf32>
  %1 = qgraph.norm rms %0 {epsilon = 1.0e-5 : f32} : (tensor<?x16xf32>) -> tensor<?x16xf32>
  %2 = qgraph.norm rms %1 {epsilon = 1.0e-5 : f32} : (tensor<?x16xf32>) -> tensor<?x16xf32>
  %3 = qgraph.norm rms %2 {epsilon = 1.0e-5 : f32} : (tensor<?x16xf32>) -> tensor<?x16xf32>
  return %3 : tensor<?x16xf32>
}

// -----

// Sizes of 64 B, 64 B S and 64 bytes are three classes, one behind the other;
// offsets keep to 64 bytes. The result's dimension is computed once.

// CHECK-LABEL: func.func @classes(
// CHECK-DAG: %[[B:.*]] = qkernel.dim %arg0[0]
// CHECK-DAG: %[[S:.*]] = qkernel.dim %arg0[1]
// CHECK: qkernel.buffer arena %arg0 offset(%c0) sizes(%[[B]], %[[S]]) : memref<?x?x9xf32>
// CHECK: %[[U:.*]] = arith.muli %[[B]], %c64
// CHECK: %[[FIRST:.*]] = arith.muli %[[U]], %[[S]]
// CHECK: qkernel.buffer arena %arg0 offset(%[[FIRST]]) sizes(%[[B]]) : memref<?x9xf32>
// CHECK-LABEL: func.func @classes_arena(
// CHECK-COUNT-2: arith.addi
// CHECK: return
func.func @classes(%x: tensor<?x?x9xf32>, %y: tensor<?x9xf32>, %z: tensor<9xf32>) -> (tensor<?x?x9xf32>, tensor<?x9xf32>, tensor<9xf32>) {
  %0 = qgraph.norm rms %x {epsilon = 1.0e-5 : f32} : (tensor<?x?x9xf32>) -> tensor<?x?x9xf32>
  %1 = qgraph.norm rms %0 {epsilon = 1.0e-5 : f32} : (tensor<?x?x9xf32>) -> tensor<?x?x9xf32>
  %c0 = arith.constant 0 : index
  %b = tensor.dim %x, %c0 : tensor<?x?x9xf32>
  %2 = onnx.node "Relu"(%y) dims(%b) {version = 14 : i64} : (tensor<?x9xf32>) -> tensor<?x9xf32>
  %3 = onnx.node "Relu"(%2) dims(%b) {version = 14 : i64} : (tensor<?x9xf32>) -> tensor<?x9xf32>
  %4 = onnx.node "Relu"(%z) {version = 14 : i64} : (tensor<9xf32>) -> tensor<9xf32>
  %5 = onnx.node "Relu"(%4) {version = 14 : i64} : (tensor<9xf32>) -> tensor<9xf32>
  return %1, %3, %5 : tensor<?x?x9xf32>, tensor<?x9xf32>, tensor<9xf32>
}

// -----

// Scratch stands behind the tensors, one part a thread, as large as the largest.

// CHECK-LABEL: func.func @scratch(
// CHECK: %[[ALL:.*]] = arith.addi
// CHECK: qkernel.buffer arena %arg0 offset(%{{.*}}) sizes(%{{.*}}) : memref<?xi8>
// CHECK: qkernel.call @matmul
// CHECK-LABEL: func.func @scratch_arena(
// CHECK: arith.maxui
// CHECK: arith.muli %{{.*}}, %arg1
func.func @scratch(%a: tensor<3x?xf32>, %b: tensor<?x5xf32>, %c: tensor<5x7xf32>) -> tensor<3x7xf32> {
  %0 = qgraph.matmul %a, %b : (tensor<3x?xf32>, tensor<?x5xf32>) -> tensor<3x5xf32>
  %1 = qgraph.matmul %0, %c : (tensor<3x5xf32>, tensor<5x7xf32>) -> tensor<3x7xf32>
  return %1 : tensor<3x7xf32>
}

// -----

// A place that is taken over needs a barrier too: the third kernel overwrites
// what the second reads.

// CHECK-LABEL: func.func @reuse(
// CHECK-COUNT-3: qkernel.barrier
// CHECK-NOT: qkernel.barrier
// CHECK: return
func.func @reuse(%x: tensor<16xf32>) -> tensor<16xf32> {
  %0 = onnx.node "Relu"(%x) {version = 14 : i64} : (tensor<16xf32>) -> tensor<16xf32>
  %1 = onnx.node "Neg"(%0) {version = 14 : i64} : (tensor<16xf32>) -> tensor<16xf32>
  %2 = onnx.node "Abs"(%x) {version = 14 : i64} : (tensor<16xf32>) -> tensor<16xf32>
  %3 = onnx.node "Add"(%1, %2) {version = 14 : i64} : (tensor<16xf32>, tensor<16xf32>) -> tensor<16xf32>
  return %3 : tensor<16xf32>
}
