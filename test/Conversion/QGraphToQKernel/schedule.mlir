// RUN: quant-opt %s --lower-to-kernels | FileCheck %s
// RUN: quant-opt %s --lower-to-kernels | FileCheck %s --check-prefix=MODULE
// RUN: quant-opt %s --lower-to-kernels=plain=true | FileCheck %s --check-prefix=PLAIN

// A constant is stored once; the shape of a reshape is read by no kernel.
// MODULE: qkernel.weights = [dense<1.000000e+00> : tensor<16xf32>]

// Four layers, two kernels. A barrier stands where a kernel reads what another
// wrote since the last one, and nowhere else: the third layer depends on neither
// of the first two.
// CHECK-LABEL: func.func @main(
// CHECK-SAME: %[[F:.*]]: !llvm.ptr, %[[T:.*]]: index, %[[N:.*]]: index)
// CHECK-SAME: qkernel.arguments = [{onnx.name = "x"}, {}]
// CHECK-SAME: qkernel.layers = ["a (norm)", "b (norm)", "norm_1", "norm"]
// CHECK-SAME: qkernel.signature = (tensor<?x16xf32>, tensor<16xf32>) -> (tensor<?x16xf32>, tensor<?x4x4xf32>)
// CHECK: %[[D:.*]] = qkernel.dim %[[F]][0]
// CHECK: %[[X:.*]] = qkernel.buffer input %[[F]] sizes(%[[D]]) : memref<?x16xf32>
// CHECK: %[[G:.*]] = qkernel.buffer input %[[F]] {index = 1 : i64} : memref<16xf32>
// CHECK: %[[A:.*]] = qkernel.buffer arena %[[F]] offset(%{{.*}}) sizes(%[[D]]) : memref<?x16xf32>
// CHECK: qkernel.call @norm[%[[F]]](%[[T]], %[[N]], %[[X]], %[[G]], %[[A]])
// CHECK-NEXT: qkernel.mark %[[F]][0], %[[T]]
// CHECK: qkernel.barrier %[[F]], %[[T]], %[[N]]
// CHECK: qkernel.buffer weights %[[F]]
// CHECK: qkernel.call @norm[
// CHECK-NEXT: qkernel.mark %[[F]][1]
// CHECK-NOT: qkernel.barrier
// CHECK: qkernel.call @norm_1[
// CHECK-NEXT: qkernel.mark %[[F]][2]
// CHECK: qkernel.barrier
// CHECK: qkernel.call @norm[
// CHECK-NOT: qkernel.barrier
// CHECK: return

// The reshape costs nothing: its operand is computed in the result's memory.
// CHECK-LABEL: func.func @main_shapes(
// CHECK-SAME: %[[F:.*]]: !llvm.ptr)
// CHECK: %[[D:.*]] = qkernel.dim %[[F]][0]
// CHECK: qkernel.set_dim %[[F]][0], %[[D]]
// CHECK: qkernel.set_dim %[[F]][1], %c16
// CHECK: qkernel.set_dim %[[F]][2], %[[D]]
// CHECK: qkernel.set_dim %[[F]][3], %c4
// CHECK: qkernel.set_dim %[[F]][4], %c4

// CHECK-LABEL: func.func @main_arena(
// CHECK-SAME: ) -> i64
// CHECK: arith.muli %{{.*}}, %c128

// CHECK: func.func private @norm(
// CHECK: func.func private @norm_1(
// CHECK-NOT: func.func

// Plain bodies are the work of one thread.
// PLAIN: func.func private @norm(%{{.*}}, %[[THREAD:.*]]: index, %{{.*}}: index,
// PLAIN: %[[FIRST:.*]] = arith.cmpi eq, %[[THREAD]], %c0
// PLAIN: scf.if %[[FIRST]]
// PLAIN-NOT: vector
func.func @main(%x: tensor<?x16xf32> {onnx.name = "x"}, %g: tensor<16xf32>) -> (tensor<?x16xf32>, tensor<?x4x4xf32>) {
  %c = qgraph.constant dense<1.0> : tensor<16xf32>
  %0 = qgraph.norm rms %x weight %g {epsilon = 1.0e-5 : f32, name = "a"} : (tensor<?x16xf32>, tensor<16xf32>) -> tensor<?x16xf32>
  %1 = qgraph.norm rms %0 weight %c {epsilon = 1.0e-5 : f32, name = "b"} : (tensor<?x16xf32>, tensor<16xf32>) -> tensor<?x16xf32>
  %2 = qgraph.norm layer %x {epsilon = 1.0e-5 : f32} : (tensor<?x16xf32>) -> tensor<?x16xf32>
  %3 = qgraph.norm rms %1 weight %g {epsilon = 1.0e-5 : f32} : (tensor<?x16xf32>, tensor<16xf32>) -> tensor<?x16xf32>
  %c0 = arith.constant 0 : index
  %d = tensor.dim %x, %c0 : tensor<?x16xf32>
  %s = qgraph.constant dense<[-1, 4, 4]> : tensor<3xsi64>
  %4 = onnx.node "Reshape"(%2, %s) dims(%d) {version = 14 : i64} : (tensor<?x16xf32>, tensor<3xsi64>) -> tensor<?x4x4xf32>
  return %3, %4 : tensor<?x16xf32>, tensor<?x4x4xf32>
}
