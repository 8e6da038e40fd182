// RUN: quant-opt %s --lower-to-kernels=plain=true --canonicalize | FileCheck %s

// CHECK-NOT: vector
// CHECK-NOT: memref.alloc(
func.func @main(%x: tensor<?x300xf32>, %w: tensor<5x300xf32>, %b: tensor<5xf32>, %q: tensor<?x300xui8>, %qs: tensor<?x1xf32>, %qz: tensor<?x1xui8>,
                %i: tensor<5x300xsi4>, %is: tensor<5x10xf16>, %h: tensor<2x3x300xf16>, %k: tensor<4x300xf16>)
    -> (tensor<?x5xf32>, tensor<?x5xf32>, tensor<2x3x4xf16>) {
  %0 = qgraph.linear %x, %w bias %b {epilogue = [#qgraph.step<"Relu">]} : (tensor<?x300xf32>, tensor<5x300xf32>, tensor<5xf32>) -> tensor<?x5xf32>
  %1 = qgraph.quantized_linear %q scale %qs zero_point %qz, %i scale %is {input_block = array<i64: 1, 0>, weight_block = array<i64: 1, 32>}
       : (tensor<?x300xui8>, tensor<?x1xf32>, tensor<?x1xui8>, tensor<5x300xsi4>, tensor<5x10xf16>) -> tensor<?x5xf32>
  %2 = qgraph.matmul %h, %k {transpose_rhs} : (tensor<2x3x300xf16>, tensor<4x300xf16>) -> tensor<2x3x4xf16>
  return %0, %1, %2 : tensor<?x5xf32>, tensor<?x5xf32>, tensor<2x3x4xf16>
}

// Blocks of 256 values of k, each from zero; then the bias, then the epilogue.
// CHECK-LABEL: func.func private @linear(
// CHECK-DAG: %[[ZERO:.*]] = arith.constant 0.0{{.*}} : f32
// CHECK: %[[SUM:.*]] = scf.for %[[BEGIN:.*]] = %c0 to %c300 step %c256 iter_args(%[[TOTAL:.*]] = %[[ZERO]])
// CHECK: %[[END:.*]] = arith.minui
// CHECK: %[[BLOCK:.*]] = scf.for %{{.*}} = %[[BEGIN]] to %[[END]] step %c1 iter_args(%[[ACC:.*]] = %[[ZERO]])
// CHECK: math.fma %{{.*}}, %{{.*}}, %[[ACC]] : f32
// CHECK: arith.addf %[[TOTAL]], %[[BLOCK]]
// CHECK: %[[B:.*]] = memref.load %{{.*}} : memref<5xf32>
// CHECK: %[[Y:.*]] = arith.addf %[[SUM]], %[[B]]
// CHECK: arith.select
// CHECK: memref.store

// Ten groups: an exact integer sum, two scales, one fused multiply-add each.
// CHECK-LABEL: func.func private @quantized_linear(
// CHECK: scf.for %{{.*}} = %c0 to %c10 step %c1 iter_args(%[[ACC:.*]] = %{{.*}}) -> (f32)
// CHECK: %[[DOT:.*]] = scf.for %{{.*}} iter_args(%{{.*}} = %c0_i32) -> (i32)
// CHECK: arith.extui %{{.*}} : i8 to i32
// CHECK: arith.extsi %{{.*}} : i8 to i32
// CHECK: arith.subi
// CHECK: arith.muli
// CHECK: %[[W:.*]] = arith.extf %{{.*}} : f16 to f32
// CHECK: %[[D:.*]] = arith.sitofp %[[DOT]] : i32 to f32
// CHECK: %[[S:.*]] = arith.mulf %{{.*}}, %[[W]]
// CHECK: math.fma %[[D]], %[[S]], %[[ACC]]

// f16 is multiplied in f32 and rounded once.
// CHECK-LABEL: func.func private @matmul(
// CHECK-COUNT-2: arith.extf %{{.*}} : f16 to f32
// CHECK: math.fma
// CHECK-COUNT-1: arith.truncf
// CHECK-NOT: arith.truncf
// CHECK: memref.store %{{.*}} : memref<2x3x4xf16>
