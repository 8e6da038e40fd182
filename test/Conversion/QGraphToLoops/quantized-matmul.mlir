// RUN: quant-opt %s --lower-to-kernels=plain=true --canonicalize | FileCheck %s

// Blocks of 2^15 values of k are exact integer sums, each with one fused multiply-add; zero points are
// taken off before.

// CHECK-NOT: vector
// CHECK-LABEL: func.func private @quantized_matmul_relu_quantize(
// CHECK:       %[[W:.*]] = arith.extf %{{.*}} : f16 to f32
// CHECK:       %[[S:.*]] = arith.mulf %{{.*}}, %[[W]]
// CHECK:       scf.for %[[LO:.*]] = %c0 to %{{.*}} step %c32768 iter_args(%[[ACC:.*]] = %{{.*}}) -> (f32)
// CHECK:         %[[HI:.*]] = arith.minui
// CHECK:         %[[DOT:.*]] = scf.for %{{.*}} = %[[LO]] to %[[HI]] step %c1 iter_args(%{{.*}} = %c0_i32) -> (i32)
// CHECK:           arith.extui %{{.*}} : i8 to i32
// CHECK:           arith.extsi %{{.*}} : i8 to i32
// CHECK:           arith.subi
// CHECK:           arith.muli
// CHECK:         %[[REAL:.*]] = arith.sitofp %[[DOT]] : i32 to f32
// CHECK:         math.fma %[[REAL]], %[[S]], %[[ACC]]
// CHECK:       arith.divf
// CHECK:       memref.store %{{.*}} : memref<?x4x?xi8>

// The sum itself is modulo 2^32.
// CHECK-LABEL: func.func private @quantized_matmul(
// CHECK-NOT:   {{sitofp|mulf}}
// CHECK:       %[[SUM:.*]] = scf.for %{{.*}} = %c0 to %{{.*}} step %c1
// CHECK:       memref.store %[[SUM]], %{{.*}} : memref<?x4x?xi32>
func.func @main(%a: tensor<?x4x?xui8>, %b: tensor<?x?xsi8>, %s: tensor<1x1x1xf32>, %z: tensor<1x1x1xui8>, %t: tensor<?x1xf16>, %q: tensor<1xf32>)
    -> (tensor<?x4x?xsi8>, tensor<?x4x?xsi32>) {
  %0 = qgraph.quantized_matmul %a scale %s zero_point %z, %b scale %t epilogue(%q) {epilogue = [#qgraph.step<"Relu">, #qgraph.step<"Quantize", scale = 0>], transpose_rhs}
       : (tensor<?x4x?xui8>, tensor<1x1x1xf32>, tensor<1x1x1xui8>, tensor<?x?xsi8>, tensor<?x1xf16>, tensor<1xf32>) -> tensor<?x4x?xsi8>
  %1 = qgraph.quantized_matmul %a scale %s, %b scale %t {transpose_rhs}
       : (tensor<?x4x?xui8>, tensor<1x1x1xf32>, tensor<?x?xsi8>, tensor<?x1xf16>) -> tensor<?x4x?xsi32>
  return %0, %1 : tensor<?x4x?xsi8>, tensor<?x4x?xsi32>
}
