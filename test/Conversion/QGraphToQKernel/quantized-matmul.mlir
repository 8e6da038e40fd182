// RUN: quant-opt %s --lower-to-kernels --canonicalize --cse --split-input-file | FileCheck %s

// Signed codes, K a multiple of a vector: rows are read where they lie, four rows of the right operand
// are put into each other, 128 is added to them, and the sums of the rows take it off again.

// CHECK-LABEL: func.func private @quantized_matmul_quantize(
// CHECK-SAME:    %[[SCRATCH:[^:]*]]: memref<?xi8>, %[[A:[^:]*]]: memref<2x?x16xi8>
// CHECK-DAG:     %[[ROWS:.*]] = memref.collapse_shape %[[A]]
// CHECK:         vector.reduction <add>
// CHECK-COUNT-2: vector.interleave %{{.*}} : vector<16xi8>
// CHECK:         vector.interleave %{{.*}} : vector<32xi8>
// CHECK:         arith.xori %{{.*}} : vector<64xi8>
// CHECK:         qkernel.tile_dot %[[ROWS]][%{{.*}}, %c0], %[[SCRATCH]][%c0] stride %c256 length %c16 init(%{{.*}}) {format = "si8", panels = 1 : i64, rows = 1 : i64}
// CHECK:         arith.sitofp %{{.*}} : vector<16xi32> to vector<16xf32>
// CHECK:         math.fma
// CHECK:         vector.store %{{.*}} : memref<?x?xi8>, vector<16xi8>
module attributes {qkernel.target = #qkernel.target<arch = "x86_64", level = "avx512vnni", unsigned_weights = true, tiles = [<"si8", 1 x 1>]>} {
func.func @main(%a: tensor<2x?x16xsi8>, %b: tensor<2x16x?xsi8>, %s: tensor<1x1x1xf32>, %q: tensor<1xf32>) -> tensor<2x?x?xsi8> {
  %0 = qgraph.quantized_matmul %a scale %s, %b scale %s epilogue(%q) {epilogue = [#qgraph.step<"Quantize", scale = 0>]}
       : (tensor<2x?x16xsi8>, tensor<1x1x1xf32>, tensor<2x16x?xsi8>, tensor<1x1x1xf32>, tensor<1xf32>) -> tensor<2x?x?xsi8>
  return %0 : tensor<2x?x?xsi8>
}
}

// -----

// Unsigned codes are copied less 128, with zeros behind K; a row of ones sums the columns. K of unknown
// length is summed in blocks of 2^15. A target of signed weights needs no sums of rows.

// CHECK-LABEL: func.func private @quantized_matmul(
// CHECK-SAME:    %[[SCRATCH:[^:]*]]: memref<?xi8>
// CHECK:         arith.xori %{{.*}} : vector<16xi8>
// CHECK-NOT:     vector.reduction
// CHECK:         vector.load %{{.*}} : memref<?x?xi8>, vector<4xi8>
// CHECK:         qkernel.tile_dot %{{.*}} {format = "si8", panels = 1 : i64, rows = 1 : i64} : memref<1x?xi8>
// CHECK:         scf.for %[[G:.*]] = %c0 to %{{.*}} step %c1 iter_args(%[[ACC:.*]] = %{{.*}}) -> (vector<16xf32>)
// CHECK:           %[[BEGIN:.*]] = arith.muli %[[G]], %c32768
// CHECK:           qkernel.tile_dot %{{.*}}[%{{.*}}, %[[BEGIN]]], %[[SCRATCH]]
// CHECK:           math.fma %{{.*}}, %{{.*}}, %[[ACC]]
module attributes {qkernel.target = #qkernel.target<arch = "aarch64", level = "dotprod", unsigned_weights = false, tiles = [<"si8", 1 x 1>]>} {
func.func @main(%a: tensor<?x?xui8>, %b: tensor<?x?xsi8>, %s: tensor<1x1xf32>) -> tensor<?x?xf32> {
  %0 = qgraph.quantized_matmul %a scale %s, %b scale %s {transpose_rhs}
       : (tensor<?x?xui8>, tensor<1x1xf32>, tensor<?x?xsi8>, tensor<1x1xf32>) -> tensor<?x?xf32>
  return %0 : tensor<?x?xf32>
}
}
