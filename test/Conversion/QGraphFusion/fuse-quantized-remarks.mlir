// RUN: quant-opt %s --split-input-file --verify-diagnostics --qgraph-fuse-quantized | FileCheck %s

// CHECK-NOT: quantized_linear

func.func @relu_in_the_way(%qx: tensor<4x64xsi8>, %sx: tensor<4x1xf32>, %qw: tensor<8x64xsi8>, %sw: tensor<8x1xf32>) -> tensor<4x8xf32> {
  %d = qgraph.dequantize %qx scale %sx {block = array<i64: 1, 0>} : (tensor<4x64xsi8>, tensor<4x1xf32>) -> tensor<4x64xf32>
  %x = onnx.node "Relu"(%d) {name = "act", version = 14 : i64} : (tensor<4x64xf32>) -> tensor<4x64xf32>
  %w = qgraph.dequantize %qw scale %sw {block = array<i64: 1, 0>} : (tensor<8x64xsi8>, tensor<8x1xf32>) -> tensor<8x64xf32>
  // expected-remark@+1 {{'fc' (qgraph.linear) is computed on float values: its input comes from 'act' (onnx.node "Relu"), which gives float values}}
  %y = qgraph.linear %x, %w {name = "fc"} : (tensor<4x64xf32>, tensor<8x64xf32>) -> tensor<4x8xf32>
  return %y : tensor<4x8xf32>
}

// -----

func.func @float_weight(%qx: tensor<4x64xsi8>, %sx: tensor<4x1xf32>, %w: tensor<8x64xf32>) -> tensor<4x8xf32> {
  %x = qgraph.dequantize %qx scale %sx {block = array<i64: 1, 0>} : (tensor<4x64xsi8>, tensor<4x1xf32>) -> tensor<4x64xf32>
  // expected-remark@+1 {{its weight comes from argument #2, which gives float values}}
  %y = qgraph.linear %x, %w : (tensor<4x64xf32>, tensor<8x64xf32>) -> tensor<4x8xf32>
  return %y : tensor<4x8xf32>
}

// -----

func.func @offset(%qx: tensor<4x64xsi8>, %sx: tensor<4x1xf32>, %qw: tensor<8x64xui4>, %sw: tensor<8x1xf32>, %o: tensor<8x1xf32>) -> tensor<4x8xf32> {
  %x = qgraph.dequantize %qx scale %sx {block = array<i64: 1, 0>} : (tensor<4x64xsi8>, tensor<4x1xf32>) -> tensor<4x64xf32>
  %w = qgraph.dequantize %qw scale %sw offset %o {block = array<i64: 1, 0>} : (tensor<8x64xui4>, tensor<8x1xf32>, tensor<8x1xf32>) -> tensor<8x64xf32>
  // expected-remark@+1 {{the qgraph.dequantize of its weight is in the way: it has a real offset}}
  %y = qgraph.linear %x, %w : (tensor<4x64xf32>, tensor<8x64xf32>) -> tensor<4x8xf32>
  return %y : tensor<4x8xf32>
}

// -----

func.func @groups(%qx: tensor<4x96xsi8>, %sx: tensor<4x2xf32>, %qw: tensor<8x96xsi8>, %sw: tensor<8x3xf32>) -> tensor<4x8xf32> {
  %x = qgraph.dequantize %qx scale %sx {block = array<i64: 1, 48>} : (tensor<4x96xsi8>, tensor<4x2xf32>) -> tensor<4x96xf32>
  %w = qgraph.dequantize %qw scale %sw {block = array<i64: 1, 32>} : (tensor<8x96xsi8>, tensor<8x3xf32>) -> tensor<8x96xf32>
  // expected-remark@+1 {{its input has groups of 48 and its weight groups of 32}}
  %y = qgraph.linear %x, %w : (tensor<4x96xf32>, tensor<8x96xf32>) -> tensor<4x8xf32>
  return %y : tensor<4x8xf32>
}

// -----

func.func @blocks(%qx: tensor<4x64xsi8>, %sx: tensor<2x1xf32>, %qw: tensor<8x64xsi8>, %sw: tensor<8x1xf32>) -> tensor<4x8xf32> {
  %x = qgraph.dequantize %qx scale %sx {block = array<i64: 2, 0>} : (tensor<4x64xsi8>, tensor<2x1xf32>) -> tensor<4x64xf32>
  %w = qgraph.dequantize %qw scale %sw {block = array<i64: 1, 0>} : (tensor<8x64xsi8>, tensor<8x1xf32>) -> tensor<8x64xf32>
  // expected-remark@+1 {{its scales are shared by 2 indices of dimension 0}}
  %y = qgraph.linear %x, %w : (tensor<4x64xf32>, tensor<8x64xf32>) -> tensor<4x8xf32>
  return %y : tensor<4x8xf32>
}

// -----

// 255 * 128 * 65794 is 2^31 and more.

func.func @overflow(%qx: tensor<1x65794xui8>, %sx: tensor<1x1xf32>, %qw: tensor<8x65794xsi8>, %sw: tensor<8x1xf32>) -> tensor<1x8xf32> {
  %x = qgraph.dequantize %qx scale %sx {block = array<i64: 1, 0>} : (tensor<1x65794xui8>, tensor<1x1xf32>) -> tensor<1x65794xf32>
  %w = qgraph.dequantize %qw scale %sw {block = array<i64: 1, 0>} : (tensor<8x65794xsi8>, tensor<8x1xf32>) -> tensor<8x65794xf32>
  // expected-remark@+1 {{sums of 65794 products could leave 32 bits; use groups along K}}
  %y = qgraph.linear %x, %w : (tensor<1x65794xf32>, tensor<8x65794xf32>) -> tensor<1x8xf32>
  return %y : tensor<1x8xf32>
}

// -----

func.func @table(%t: tensor<50x16xsi8>, %s: tensor<50x2xf32>, %i: tensor<?xsi64>) -> tensor<?x16xf32> {
  %d = qgraph.dequantize %t scale %s {block = array<i64: 1, 8>} : (tensor<50x16xsi8>, tensor<50x2xf32>) -> tensor<50x16xf32>
  // expected-remark@+1 {{the qgraph.dequantize of its table does not have one scale a row}}
  %y = qgraph.embedding %d, %i : (tensor<50x16xf32>, tensor<?xsi64>) -> tensor<?x16xf32>
  return %y : tensor<?x16xf32>
}
