// RUN: quant-opt %s --split-input-file --qgraph-fuse-quantized | FileCheck %s

// CHECK-LABEL: @linear
// CHECK-SAME: (%[[X:.*]]: tensor<4x64xsi8>, %[[SX:.*]]: tensor<4x1xf32>, %[[W:.*]]: tensor<8x64xsi4>, %[[SW:.*]]: tensor<8x2xf16>, %[[B:.*]]: tensor<8xf32>)
// CHECK-NEXT: %[[Y:.*]] = qgraph.quantized_linear %[[X]] scale %[[SX]], %[[W]] scale %[[SW]] bias %[[B]]
// CHECK-SAME: {input_block = array<i64: 1, 0>, name = "fc", weight_block = array<i64: 1, 32>}
// CHECK-NEXT: return %[[Y]]
func.func @linear(%qx: tensor<4x64xsi8>, %sx: tensor<4x1xf32>, %qw: tensor<8x64xsi4>, %sw: tensor<8x2xf16>, %b: tensor<8xf32>) -> tensor<4x8xf32> {
  %x = qgraph.dequantize %qx scale %sx {block = array<i64: 1, 0>} : (tensor<4x64xsi8>, tensor<4x1xf32>) -> tensor<4x64xf32>
  %w = qgraph.dequantize %qw scale %sw {block = array<i64: 1, 32>} : (tensor<8x64xsi4>, tensor<8x2xf16>) -> tensor<8x64xf32>
  %y = qgraph.linear %x, %w bias %b {name = "fc"} : (tensor<4x64xf32>, tensor<8x64xf32>, tensor<8xf32>) -> tensor<4x8xf32>
  return %y : tensor<4x8xf32>
}

// -----

// Zero points on both sides; the float value keeps its other reader.

// CHECK-LABEL: @zero_points
// CHECK: %[[D:.*]] = qgraph.dequantize
// CHECK: qgraph.quantized_linear %{{.*}} scale %{{.*}} zero_point %{{.*}}, %{{.*}} scale %{{.*}} zero_point %{{.*}} {input_block = array<i64: 0, 0>
// CHECK: return %{{.*}}, %[[D]]
func.func @zero_points(%qx: tensor<4x64xui8>, %sx: tensor<1x1xf32>, %zx: tensor<1x1xui8>,
                       %qw: tensor<8x64xui8>, %sw: tensor<8x1xf32>, %zw: tensor<8x1xui8>) -> (tensor<4x8xf32>, tensor<4x64xf32>) {
  %x = qgraph.dequantize %qx scale %sx zero_point %zx {block = array<i64: 0, 0>} : (tensor<4x64xui8>, tensor<1x1xf32>, tensor<1x1xui8>) -> tensor<4x64xf32>
  %w = qgraph.dequantize %qw scale %sw zero_point %zw {block = array<i64: 1, 0>} : (tensor<8x64xui8>, tensor<8x1xf32>, tensor<8x1xui8>) -> tensor<8x64xf32>
  %y = qgraph.linear %x, %w : (tensor<4x64xf32>, tensor<8x64xf32>) -> tensor<4x8xf32>
  return %y, %x : tensor<4x8xf32>, tensor<4x64xf32>
}

// -----

// CHECK-LABEL: @embedding
// CHECK-SAME: (%[[T:.*]]: tensor<50x16xsi8>, %[[S:.*]]: tensor<50x1xf32>, %[[I:.*]]: tensor<?xsi64>)
// CHECK-NEXT: qgraph.embedding %[[T]], %[[I]] scale %[[S]] {name = "words"} : (tensor<50x16xsi8>, tensor<?xsi64>, tensor<50x1xf32>) -> tensor<?x16xf32>
func.func @embedding(%t: tensor<50x16xsi8>, %s: tensor<50x1xf32>, %i: tensor<?xsi64>) -> tensor<?x16xf32> {
  %d = qgraph.dequantize %t scale %s {block = array<i64: 1, 0>} : (tensor<50x16xsi8>, tensor<50x1xf32>) -> tensor<50x16xf32>
  %y = qgraph.embedding %d, %i {name = "words"} : (tensor<50x16xf32>, tensor<?xsi64>) -> tensor<?x16xf32>
  return %y : tensor<?x16xf32>
}

// -----

// A layer on floats is nobody's business here.

// CHECK-LABEL: @float
// CHECK: qgraph.linear
func.func @float(%x: tensor<4x64xf32>, %w: tensor<8x64xf32>) -> tensor<4x8xf32> {
  %y = qgraph.linear %x, %w : (tensor<4x64xf32>, tensor<8x64xf32>) -> tensor<4x8xf32>
  return %y : tensor<4x8xf32>
}

// -----

// A weight may have scales for blocks: packing gives each row scales of its own.

// CHECK-LABEL: @weight_blocks
// CHECK: qgraph.quantized_linear {{.*}}weight_block = array<i64: 4, 32>
func.func @weight_blocks(%qx: tensor<4x64xsi8>, %sx: tensor<4x1xf32>, %qw: tensor<8x64xsi8>, %sw: tensor<2x2xf32>) -> tensor<4x8xf32> {
  %x = qgraph.dequantize %qx scale %sx {block = array<i64: 1, 0>} : (tensor<4x64xsi8>, tensor<4x1xf32>) -> tensor<4x64xf32>
  %w = qgraph.dequantize %qw scale %sw {block = array<i64: 4, 32>} : (tensor<8x64xsi8>, tensor<2x2xf32>) -> tensor<8x64xf32>
  %y = qgraph.linear %x, %w : (tensor<4x64xf32>, tensor<8x64xf32>) -> tensor<4x8xf32>
  return %y : tensor<4x8xf32>
}
