// RUN: quant-opt %s --split-input-file --qgraph-quantize-weights="format=si8 granularity=channel cost-model=false" --qgraph-quantize-activations="granularity=token" | FileCheck %s
// RUN: quant-opt %s --split-input-file --qgraph-quantize-weights="format=si4 granularity=group group-size=32 cost-model=false" --qgraph-quantize-activations="granularity=group" | FileCheck %s

// A scale a column: 127 / 127, and 254 / 127; -63.5 is rounded half to even.
// Convolutions have 8 bits in every recipe, and one scale for their input.

// CHECK-LABEL: @conv
// CHECK: %[[T:.*]] = qgraph.choose_params symmetric %arg0 {block = array<i64: 0, 0, 0, 0>, stored = si8}
// CHECK: %[[Q:.*]] = qgraph.quantize %arg0 scale %[[T]]
// CHECK: %[[X:.*]] = qgraph.dequantize %[[Q]] scale %[[T]]
// CHECK-DAG: %[[W:.*]] = qgraph.constant dense<{{\[\[\[\[}}127], [-64]]], {{\[\[\[}}1], [127]]]]> : tensor<2x1x2x1xsi8>
// CHECK-DAG: %[[S:.*]] = qgraph.constant dense<{{\[\[\[\[}}1.000000e+00]]], {{\[\[\[}}2.000000e+00]]]]> : tensor<2x1x1x1xf32>
// CHECK: %[[D:.*]] = qgraph.dequantize %[[W]] scale %[[S]] {block = array<i64: 1, 0, 0, 0>}
// CHECK: qgraph.conv %[[X]], %[[D]]
func.func @conv(%x: tensor<?x4x4x1xf32>) -> tensor<?x4x3x2xf32> {
  %w = qgraph.constant dense<[[[[127.0], [-63.5]]], [[[2.0], [254.0]]]]> : tensor<2x1x2x1xf32>
  %0 = qgraph.conv %x, %w {strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>} : (tensor<?x4x4x1xf32>, tensor<2x1x2x1xf32>) -> tensor<?x4x3x2xf32>
  return %0 : tensor<?x4x3x2xf32>
}

// -----

// A pointwise one that reads the same value has scales of its own.

// CHECK-LABEL: @both
// CHECK-DAG: choose_params symmetric %arg0 {block = array<i64: 0, 0, 0, 0>, stored = si8}
// CHECK-DAG: choose_params symmetric %arg0 {block = array<i64: 1, 1, 1, 0>, stored = si8}
func.func @both(%x: tensor<1x4x4x32xf32>) -> (tensor<1x2x2x1xf32>, tensor<1x4x4x1xf32>) {
  %w = qgraph.constant dense<1.0> : tensor<1x1x1x32xf32>
  %v = qgraph.constant dense<1.0> : tensor<1x32xf32>
  %0 = qgraph.conv %x, %w {strides = array<i64: 2, 2>, dilations = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>} : (tensor<1x4x4x32xf32>, tensor<1x1x1x32xf32>) -> tensor<1x2x2x1xf32>
  %1 = qgraph.linear %x, %v : (tensor<1x4x4x32xf32>, tensor<1x32xf32>) -> tensor<1x4x4x1xf32>
  return %0, %1 : tensor<1x2x2x1xf32>, tensor<1x4x4x1xf32>
}
