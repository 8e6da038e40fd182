// RUN: quant-opt %s --split-input-file --verify-diagnostics --qgraph-quantize-activations | FileCheck %s

// CHECK-NOT: choose_params

func.func @float_weight(%x: tensor<4x16xf32>, %w: tensor<8x16xf32>) -> tensor<4x8xf32> {
  // expected-remark@+1 {{input of 'fc' (qgraph.linear) stays float: its weight is float (from argument #1); quantize the weight first}}
  %0 = qgraph.linear %x, %w {name = "fc"} : (tensor<4x16xf32>, tensor<8x16xf32>) -> tensor<4x8xf32>
  return %0 : tensor<4x8xf32>
}

// -----

func.func @codebook(%x: tensor<4x16xf32>, %w: tensor<8x16xui4>, %s: tensor<8x1xf32>, %c: tensor<16xf32>) -> tensor<4x8xf32> {
  %d = qgraph.dequantize %w scale %s codebook %c {block = array<i64: 1, 0>} : (tensor<8x16xui4>, tensor<8x1xf32>, tensor<16xf32>) -> tensor<8x16xf32>
  // expected-remark@+1 {{stays float: its weight cannot be summed in integers: its values are looked up in a codebook}}
  %0 = qgraph.linear %x, %d : (tensor<4x16xf32>, tensor<8x16xf32>) -> tensor<4x8xf32>
  return %0 : tensor<4x8xf32>
}

// -----

func.func @quantized_already(%q: tensor<4x16xui8>, %sx: tensor<1x1xf32>, %w: tensor<8x16xsi8>, %s: tensor<8x1xf32>) -> tensor<4x8xf32> {
  %x = qgraph.dequantize %q scale %sx {block = array<i64: 0, 0>} : (tensor<4x16xui8>, tensor<1x1xf32>) -> tensor<4x16xf32>
  %d = qgraph.dequantize %w scale %s {block = array<i64: 1, 0>} : (tensor<8x16xsi8>, tensor<8x1xf32>) -> tensor<8x16xf32>
  // expected-remark@+1 {{its input is quantized already}}
  %0 = qgraph.linear %x, %d : (tensor<4x16xf32>, tensor<8x16xf32>) -> tensor<4x8xf32>
  return %0 : tensor<4x8xf32>
}

// -----

func.func @part(%x: tensor<4x16xf32>, %w: tensor<8x16xui6>, %s: tensor<8x1xf32>) -> tensor<4x8xf32> {
  %d = qgraph.dequantize %w scale %s {block = array<i64: 1, 0>} : (tensor<8x16xui6>, tensor<8x1xf32>) -> tensor<8x16xf32>
  // expected-remark@+1 {{input of 'fc/offsets' (qgraph.linear) stays float: it is a small part of another layer}}
  %0 = qgraph.linear %x, %d {name = "fc/offsets", qgraph.part} : (tensor<4x16xf32>, tensor<8x16xf32>) -> tensor<4x8xf32>
  return %0 : tensor<4x8xf32>
}
