// RUN: quant-opt %s --lower-to-kernels --canonicalize --cse | FileCheck %s

// Heads: the two dimensions that change places are loops of their own, what is
// behind them is copied in runs.
func.func @heads(%x: tensor<2x?x12x32xf32>) -> tensor<2x12x?x32xf32> {
  %c1 = arith.constant 1 : index
  %s = tensor.dim %x, %c1 : tensor<2x?x12x32xf32>
  %0 = onnx.node "Transpose"(%x) dims(%s) {version = 13 : i64, node_attributes = {perm = [0 : si64, 2 : si64, 1 : si64, 3 : si64]}} : (tensor<2x?x12x32xf32>) -> tensor<2x12x?x32xf32>
  return %0 : tensor<2x12x?x32xf32>
}
// CHECK-LABEL: func.func private @transpose_f32(
// CHECK: scf.for
// CHECK:   scf.for
// CHECK:     %[[X:.*]] = vector.load
// CHECK:     vector.store %[[X]]

// A slice of the middle is one run a batch: [2, 3 * 32] of [2, 5 * 32].
func.func @slice(%x: tensor<2x5x32xf32>) -> tensor<2x3x32xf32> {
  %0 = onnx.node "Slice"(%x) {version = 13 : i64, node_attributes = {axes = [1 : si64], starts = [1 : si64], steps = [1 : si64]}} : (tensor<2x5x32xf32>) -> tensor<2x3x32xf32>
  return %0 : tensor<2x3x32xf32>
}
// CHECK-LABEL: func.func private @slice_f32(
// CHECK-DAG: arith.constant 96 : index
// CHECK-DAG: arith.constant 160 : index
// CHECK: vector.load

// An index is checked; one out of range fails the run and is replaced.
func.func @gather(%x: tensor<10x32xf32>, %i: tensor<3xsi64>) -> tensor<3x32xf32> {
  %0 = onnx.node "Gather"(%x, %i) {version = 13 : i64, node_attributes = {axis = 0 : si64}} : (tensor<10x32xf32>, tensor<3xsi64>) -> tensor<3x32xf32>
  return %0 : tensor<3x32xf32>
}
// CHECK-LABEL: func.func private @gather_f32(
// CHECK: %[[SAFE:.*]] = arith.minsi %{{.*}}, %c9
// CHECK: %[[GOOD:.*]] = arith.cmpi eq, %[[SAFE]],
// CHECK: qkernel.check %{{.*}}, %[[GOOD]], 1,
// CHECK: vector.load

// Numbers of the schedule that become a tensor.
func.func @shape(%x: tensor<?x8xf32>) -> tensor<2xi64> {
  %c0 = arith.constant 0 : index
  %b = tensor.dim %x, %c0 : tensor<?x8xf32>
  %n = arith.index_cast %b : index to i64
  %c8 = arith.constant 8 : i64
  %0 = tensor.from_elements %n, %c8 : tensor<2xi64>
  return %0 : tensor<2xi64>
}
// CHECK-LABEL: func.func private @from_elements(
// CHECK: memref.store %{{.*}}, %{{.*}}[%c0]
// CHECK: memref.store %{{.*}}, %{{.*}}[%c1]
