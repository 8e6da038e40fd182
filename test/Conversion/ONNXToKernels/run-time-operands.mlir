// RUN: quant-opt %s --lower-to-kernels --canonicalize --cse --split-input-file | FileCheck %s

// Axes that are data: out of range they fail the run; every dimension is in the
// loops of the results and in those of the sum, in one of them once.
func.func @reduce(%x: tensor<3x5xf32>, %axes: tensor<1xsi64>) -> tensor<?x?xf32> {
  %d = qgraph.element %axes[0] : tensor<1xsi64>
  %0 = onnx.node "ReduceSum"(%x, %axes) dims(%d, %d) {version = 13 : i64} : (tensor<3x5xf32>, tensor<1xsi64>) -> tensor<?x?xf32>
  return %0 : tensor<?x?xf32>
}
// CHECK-LABEL: func.func private @reduce_sum_f32(
// CHECK: %[[A:.*]] = memref.load
// CHECK: qkernel.check %{{.*}}, %{{.*}}, 4, %{{.*}}, %c2
// CHECK-DAG: %[[KEPT:.*]] = arith.select %{{.*}}, %c1, %c3
// CHECK-DAG: %[[REDUCED:.*]] = arith.select %{{.*}}, %c3, %c1
// CHECK: scf.for %{{.*}} = %c0 to %[[REDUCED]]

// -----

// The sizes before, at and behind an axis that is data.
func.func @cumsum(%x: tensor<3x5xf32>, %axis: tensor<si64>) -> tensor<3x5xf32> {
  %0 = onnx.node "CumSum"(%x, %axis) {version = 14 : i64} : (tensor<3x5xf32>, tensor<si64>) -> tensor<3x5xf32>
  return %0 : tensor<3x5xf32>
}
// CHECK-LABEL: func.func private @cum_sum_f32(
// CHECK: qkernel.check %{{.*}}, %{{.*}}, 4, %{{.*}}, %c2
// CHECK-DAG: arith.select %{{.*}}, %c3, %c1
// CHECK-DAG: arith.select %{{.*}}, %c5, %c1

// -----

// There is never more written than the result has room for.
func.func @compress(%x: tensor<4xf32>, %c: tensor<4xi1>) -> tensor<?xf32> {
  %n = qgraph.element %c[0] : tensor<4xi1>
  %0 = onnx.node "Compress"(%x, %c) dims(%n) {version = 11 : i64, node_attributes = {axis = 0 : si64}} : (tensor<4xf32>, tensor<4xi1>) -> tensor<?xf32>
  return %0 : tensor<?xf32>
}
// CHECK-LABEL: func.func private @compress_f32(
// CHECK: %[[ROOM:.*]] = arith.cmpi slt, %[[COUNT:.*]], %{{.*}} : index
// CHECK: %[[TAKE:.*]] = arith.andi %{{.*}}, %[[ROOM]]
// CHECK: scf.if %[[TAKE]]
// CHECK:   memref.store
