// RUN: quant-opt %s --lower-to-kernels --canonicalize --cse | FileCheck %s
// RUN: quant-opt %s --lower-to-kernels=plain --canonicalize --cse | FileCheck %s --check-prefix=PLAIN

// One operand: one loop over all elements, shared among the threads, 16 at a
// time; then the rest.
func.func @cast(%x: tensor<?x?xsi64>) -> tensor<?x?xf32> {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %b = tensor.dim %x, %c0 : tensor<?x?xsi64>
  %s = tensor.dim %x, %c1 : tensor<?x?xsi64>
  %0 = onnx.node "Cast"(%x) dims(%b, %s) {version = 13 : i64} : (tensor<?x?xsi64>) -> tensor<?x?xf32>
  return %0 : tensor<?x?xf32>
}
// CHECK-LABEL: func.func private @cast_si64_f32(
// CHECK: %[[IN:.*]] = memref.collapse_shape %{{.*}} {{\[\[}}0, 1]] : memref<?x?xi64> into memref<?xi64>
// CHECK-NOT: scf.if
// CHECK: scf.for
// CHECK:   %[[X:.*]] = vector.load %[[IN]]
// CHECK:   %[[Y:.*]] = arith.sitofp %[[X]] : vector<16xi64> to vector<16xf32>
// CHECK:   vector.store %[[Y]]
// CHECK: scf.for
// CHECK:   arith.sitofp %{{.*}} : i64 to f32
// CHECK: return
// PLAIN-LABEL: func.func private @cast_si64_f32(
// PLAIN: %[[FIRST:.*]] = arith.cmpi eq
// PLAIN: scf.if %[[FIRST]]
// PLAIN-NOT: vector
// PLAIN: scf.for
// PLAIN:   arith.sitofp %{{.*}} : i64 to f32

// The mask of mean pooling: where the dynamic dimensions are equal, rows of 384
// with one factor each; otherwise strides of 0 where an operand has size 1.
func.func @mask(%x: tensor<?x?x384xf32>, %m: tensor<?x?x1xf32>) -> tensor<?x?x384xf32> {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %b = tensor.dim %x, %c0 : tensor<?x?x384xf32>
  %s = tensor.dim %x, %c1 : tensor<?x?x384xf32>
  %0 = onnx.node "Mul"(%x, %m) dims(%b, %s) {version = 14 : i64} : (tensor<?x?x384xf32>, tensor<?x?x1xf32>) -> tensor<?x?x384xf32>
  return %0 : tensor<?x?x384xf32>
}
// CHECK-LABEL: func.func private @mul_f32(
// CHECK: %[[SAME:.*]] = arith.andi
// CHECK: scf.if
// CHECK:   scf.for
// CHECK:     scf.for
// CHECK:       %[[A:.*]] = vector.load
// CHECK:       %[[FACTOR:.*]] = memref.load
// CHECK:       %[[B:.*]] = vector.broadcast %[[FACTOR]]
// CHECK:       arith.mulf %[[A]], %[[B]] : vector<16xf32>
// CHECK: else
// CHECK:   arith.select %{{.*}}, %c0, %{{.*}} : index
// CHECK:   scf.for

// A bias is the only operand without the leading dimension, so that one is the
// result's: nothing is chosen at run time.
func.func @bias(%x: tensor<?x64xf32>, %w: tensor<64xf32>) -> tensor<?x64xf32> {
  %c0 = arith.constant 0 : index
  %b = tensor.dim %x, %c0 : tensor<?x64xf32>
  %0 = onnx.node "Add"(%x, %w) dims(%b) {version = 14 : i64} : (tensor<?x64xf32>, tensor<64xf32>) -> tensor<?x64xf32>
  return %0 : tensor<?x64xf32>
}
// CHECK-LABEL: func.func private @add_f32(
// CHECK-NOT: scf.if
// CHECK-NOT: arith.select
// CHECK: arith.addf %{{.*}} : vector<16xf32>
// CHECK: return

// BOOL is a byte in memory and i1 in between; an absent operand is skipped.
func.func @logic(%x: tensor<8xf32>, %high: tensor<f32>) -> (tensor<8xi1>, tensor<8xf32>) {
  %none = onnx.none
  %0 = onnx.node "Clip"(%x, %none, %high) {version = 13 : i64} : (tensor<8xf32>, none, tensor<f32>) -> tensor<8xf32>
  %1 = onnx.node "Less"(%x, %0) {version = 13 : i64} : (tensor<8xf32>, tensor<8xf32>) -> tensor<8xi1>
  return %1, %0 : tensor<8xi1>, tensor<8xf32>
}
// CHECK-LABEL: func.func private @clip_f32(
// CHECK-NOT: maximumf
// CHECK: arith.minimumf
// CHECK-LABEL: func.func private @less_f32(
// CHECK: %[[L:.*]] = arith.cmpf olt, %{{.*}} : vector<16xf32>
// CHECK: %[[BYTES:.*]] = arith.extui %[[L]] : vector<16xi1> to vector<16xi8>
// CHECK: vector.store %[[BYTES]]
