// RUN: quant-opt %s --lower-to-kernels | FileCheck %s

// Every result of a model has memory of its own: one that is an argument, a
// constant, a view of one or a second name of another result is copied.

// CHECK-LABEL: func.func @main(
// CHECK-DAG: %[[X:.*]] = qkernel.buffer input %arg0 {{.*}}: memref<?x8xf32>
// CHECK-DAG: %[[R0:.*]] = qkernel.buffer output %arg0 sizes(%{{.*}}) : memref<?x8xf32>
// CHECK: qkernel.call @norm
// CHECK: qkernel.call @[[COPY:.*]][%arg0](%arg1, %arg2, %{{.*}}, %{{.*}}) : index, index, memref<?x8xf32>, memref<?x8xf32>
// CHECK: qkernel.buffer output %arg0 {{.*}}index = 2
// CHECK: qkernel.call @{{.*}} memref<?x4x2xf32>
// CHECK: qkernel.buffer weights
// CHECK: qkernel.buffer output %arg0 {index = 3 : i64} : memref<3xf32>
// CHECK: qkernel.call @
// CHECK-NOT: qkernel.call
// CHECK: return
func.func @main(%x: tensor<?x8xf32>) -> (tensor<?x8xf32>, tensor<?x8xf32>, tensor<?x4x2xf32>, tensor<3xf32>) {
  %c0 = arith.constant 0 : index
  %d = tensor.dim %x, %c0 : tensor<?x8xf32>
  %c = qgraph.constant dense<[1.0, 2.0, 3.0]> : tensor<3xf32>
  %s = qgraph.constant dense<[-1, 4, 2]> : tensor<3xsi64>
  %0 = qgraph.norm rms %x {epsilon = 1.0e-5 : f32} : (tensor<?x8xf32>) -> tensor<?x8xf32>
  %1 = onnx.node "Reshape"(%x, %s) dims(%d) {version = 14 : i64} : (tensor<?x8xf32>, tensor<3xsi64>) -> tensor<?x4x2xf32>
  return %0, %0, %1, %c : tensor<?x8xf32>, tensor<?x8xf32>, tensor<?x4x2xf32>, tensor<3xf32>
}
