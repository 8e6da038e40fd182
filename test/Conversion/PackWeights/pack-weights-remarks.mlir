// RUN: quant-opt %s --split-input-file --verify-diagnostics --qgraph-pack-weights | FileCheck %s

// CHECK-NOT: qkernel.linear

module attributes {qkernel.target = #qkernel.target<arch = "x86_64", level = "", unsigned_weights = true>} {
func.func @not_constant(%x: tensor<4x64xf32>, %w: tensor<8x64xf32>) -> tensor<4x8xf32> {
  // expected-remark@+1 {{'fc' (qgraph.linear) is left to the plain way: its weight comes from argument #1 and is no constant}}
  %y = qgraph.linear %x, %w {name = "fc"} : (tensor<4x64xf32>, tensor<8x64xf32>) -> tensor<4x8xf32>
  return %y : tensor<4x8xf32>
}
}

// -----

module attributes {qkernel.target = #qkernel.target<arch = "x86_64", level = "", unsigned_weights = true>} {
func.func @bias(%x: tensor<4x2xf32>, %b: tensor<1xf32>) -> tensor<4x1xf32> {
  %w = qgraph.constant dense<1.0> : tensor<1x2xf32>
  // expected-remark@+1 {{its bias comes from argument #1 and is no constant}}
  %y = qgraph.linear %x, %w bias %b : (tensor<4x2xf32>, tensor<1x2xf32>, tensor<1xf32>) -> tensor<4x1xf32>
  return %y : tensor<4x1xf32>
}
}

// -----

module attributes {qkernel.target = #qkernel.target<arch = "x86_64", level = "", unsigned_weights = true>} {
func.func @narrow_input(%x: tensor<4x2xsi4>, %s: tensor<1x1xf32>) -> tensor<4x1xf32> {
  %w = qgraph.constant dense<1> : tensor<1x2xsi8>
  %t = qgraph.constant dense<1.0> : tensor<1x1xf32>
  // expected-remark@+1 {{its input is si4; the kernels take si8 and ui8}}
  %y = qgraph.quantized_linear %x scale %s, %w scale %t {input_block = array<i64: 0, 0>, weight_block = array<i64: 1, 0>} : (tensor<4x2xsi4>, tensor<1x1xf32>, tensor<1x2xsi8>, tensor<1x1xf32>) -> tensor<4x1xf32>
  return %y : tensor<4x1xf32>
}
}

// -----

module attributes {qkernel.target = #qkernel.target<arch = "x86_64", level = "", unsigned_weights = true>} {
func.func @grain(%x: tensor<4x12xsi8>, %s: tensor<4x1xf32>) -> tensor<4x1xf32> {
  %w = qgraph.constant dense<1> : tensor<1x12xsi4>
  %t = qgraph.constant dense<1.0> : tensor<1x2xf32>
  // expected-remark@+1 {{its groups of 6 are no multiple of 4}}
  %y = qgraph.quantized_linear %x scale %s, %w scale %t {input_block = array<i64: 1, 0>, weight_block = array<i64: 1, 6>} : (tensor<4x12xsi8>, tensor<4x1xf32>, tensor<1x12xsi4>, tensor<1x2xf32>) -> tensor<4x1xf32>
  return %y : tensor<4x1xf32>
}
}

// -----

module attributes {qkernel.target = #qkernel.target<arch = "x86_64", level = "", unsigned_weights = true>} {
func.func @input_groups(%x: tensor<4x12xsi8>, %s: tensor<4x3xf32>) -> tensor<4x1xf32> {
  %w = qgraph.constant dense<1> : tensor<1x12xsi8>
  %t = qgraph.constant dense<1.0> : tensor<1x1xf32>
  // expected-remark@+1 {{its input has groups of 4, its weight of 0 (0: one group)}}
  %y = qgraph.quantized_linear %x scale %s, %w scale %t {input_block = array<i64: 1, 4>, weight_block = array<i64: 1, 0>} : (tensor<4x12xsi8>, tensor<4x3xf32>, tensor<1x12xsi8>, tensor<1x1xf32>) -> tensor<4x1xf32>
  return %y : tensor<4x1xf32>
}
}

// -----

// expected-error@+1 {{has no 'qkernel.target' attribute, which says how weights are packed; add one}}
module {}
