// RUN: quant-opt %s --lower-to-kernels --canonicalize --cse | FileCheck %s

// Reals of 16 bits and stored floats are worked on in 16 lanes as f32.

// CHECK-LABEL: func.func private @quantize(
// CHECK:         vector.load %{{.*}} : memref<?xf16>, vector<16xf16>
// CHECK:         arith.extf %{{.*}} : vector<16xf16> to vector<16xf32>
// CHECK:         arith.divf %{{.*}} : vector<16xf32>
// CHECK:         vector.store %{{.*}} : memref<?xi8>, vector<16xi8>
// CHECK-LABEL: func.func private @dequantize(
// CHECK:         vector.load %{{.*}} : memref<?x40xi8>, vector<16xi8>
// CHECK:         arith.mulf %{{.*}} : vector<16xf32>
// CHECK:         vector.store %{{.*}} : memref<?x40xf32>, vector<16xf32>
func.func @main(%x: tensor<?x?xf16>, %s: tensor<1x1xf16>, %q: tensor<?x40xf8E4M3FN>, %t: tensor<1x40xf32>) -> (tensor<?x?xf8E4M3FN>, tensor<?x40xf32>) {
  %0 = qgraph.quantize %x scale %s {block = array<i64: 0, 0>} : (tensor<?x?xf16>, tensor<1x1xf16>) -> tensor<?x?xf8E4M3FN>
  %1 = qgraph.dequantize %q scale %t {block = array<i64: 0, 1>} : (tensor<?x40xf8E4M3FN>, tensor<1x40xf32>) -> tensor<?x40xf32>
  return %0, %1 : tensor<?x?xf8E4M3FN>, tensor<?x40xf32>
}
