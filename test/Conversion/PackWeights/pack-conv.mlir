// Convolutions: panels of each group, runs of K padded to whole words; what stays as it is.

// RUN: sed s/UNSIGNED/true/ %s > %t.unsigned.mlir
// RUN: sed s/UNSIGNED/false/ %s > %t.signed.mlir
// RUN: quant-opt %t.unsigned.mlir --split-input-file --verify-diagnostics --qgraph-pack-weights -o %t.a.mlir --weights-out %t.a.safetensors
// RUN: FileCheck %s < %t.a.mlir
// The weights of a convolution are signed on every target.
// RUN: quant-opt %t.signed.mlir --split-input-file --verify-diagnostics --qgraph-pack-weights -o %t.b.mlir --weights-out %t.b.safetensors
// RUN: cmp %t.a.safetensors %t.b.safetensors

module attributes {qkernel.target = #qkernel.target<arch = "x86_64", level = "", unsigned_weights = UNSIGNED>} {
// One panel of 2 * 2 * 3 rows of 16 floats, and the biases.
// CHECK-LABEL: @float
// CHECK: qkernel.conv %arg0, %{{.*}} {dilations = array<i64: 1, 1>, epilogue = [#qgraph.step<"Relu">], format = "f32", groups = 1 : i64, n = 2 : i64, name = "c", pads = array<i64: 0, 1, 1, 0>, strides = array<i64: 1, 2>, taps = array<i64: 2, 2>}
// CHECK-SAME: (tensor<1x4x4x3xf32>, tensor<832xui8>) -> tensor<1x4x2x2xf32>
func.func @float(%x: tensor<1x4x4x3xf32>) -> tensor<1x4x2x2xf32> {
  %w = qgraph.constant dense<1.5> : tensor<2x2x2x3xf32>
  %y = qgraph.conv %x, %w {strides = array<i64: 1, 2>, dilations = array<i64: 1, 1>, pads = array<i64: 0, 1, 1, 0>, epilogue = [#qgraph.step<"Relu">], name = "c"}
       : (tensor<1x4x4x3xf32>, tensor<2x2x2x3xf32>) -> tensor<1x4x2x2xf32>
  return %y : tensor<1x4x2x2xf32>
}

// Two runs of 6 bytes take 8 each; scales, sums and biases follow.
// CHECK-LABEL: @stored
// CHECK: qkernel.conv %arg0 scale %arg1 zero_point %arg2, %{{.*}} {dilations = array<i64: 1, 1>, format = "si8"
// CHECK-SAME: (tensor<1x4x4x3xsi8>, tensor<1x1x1x1xf32>, tensor<1x1x1x1xsi8>, tensor<448xui8>) -> tensor<1x3x3x2xf32>
func.func @stored(%x: tensor<1x4x4x3xsi8>, %s: tensor<1x1x1x1xf32>, %z: tensor<1x1x1x1xsi8>) -> tensor<1x3x3x2xf32> {
  %w = qgraph.constant dense<-3> : tensor<2x2x2x3xsi8>
  %t = qgraph.constant dense<0.5> : tensor<2x1x1x1xf32>
  %y = qgraph.quantized_conv %x scale %s zero_point %z, %w scale %t {input_block = array<i64: 0, 0, 0, 0>, weight_block = array<i64: 1, 0, 0, 0>, strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>}
       : (tensor<1x4x4x3xsi8>, tensor<1x1x1x1xf32>, tensor<1x1x1x1xsi8>, tensor<2x2x2x3xsi8>, tensor<2x1x1x1xf32>) -> tensor<1x3x3x2xf32>
  return %y : tensor<1x3x3x2xf32>
}

// Two groups of one panel each; with a dilation each tap is a run.
// CHECK-LABEL: @groups
// CHECK: qkernel.conv {{.*}} groups = 2 : i64
// CHECK-SAME: tensor<640xui8>
func.func @groups(%x: tensor<1x4x6xsi8>, %s: tensor<1x1x1xf32>) -> tensor<1x2x4xf32> {
  %w = qgraph.constant dense<7> : tensor<4x2x3xsi8>
  %t = qgraph.constant dense<0.5> : tensor<4x1x1xf32>
  %y = qgraph.quantized_conv %x scale %s, %w scale %t {input_block = array<i64: 0, 0, 0>, weight_block = array<i64: 1, 0, 0>, strides = array<i64: 1>, dilations = array<i64: 2>, pads = array<i64: 0, 0>, groups = 2 : i64}
       : (tensor<1x4x6xsi8>, tensor<1x1x1xf32>, tensor<4x2x3xsi8>, tensor<4x1x1xf32>) -> tensor<1x2x4xf32>
  return %y : tensor<1x2x4xf32>
}

// A layer over pixels with one scale is a convolution, too.
// CHECK-LABEL: @points
// CHECK: qkernel.conv {{.*}} taps = array<i64: 1, 1>
// CHECK-SAME: (tensor<?x4x4x3xsi8>, tensor<1x1x1x1xf32>, tensor<256xui8>) -> tensor<?x4x4x2xf32>
func.func @points(%x: tensor<?x4x4x3xsi8>, %s: tensor<1x1x1x1xf32>) -> tensor<?x4x4x2xf32> {
  %w = qgraph.constant dense<-3> : tensor<2x3xsi8>
  %t = qgraph.constant dense<0.5> : tensor<2x1xf32>
  %y = qgraph.quantized_linear %x scale %s, %w scale %t {input_block = array<i64: 0, 0, 0, 0>, weight_block = array<i64: 1, 0>}
       : (tensor<?x4x4x3xsi8>, tensor<1x1x1x1xf32>, tensor<2x3xsi8>, tensor<2x1xf32>) -> tensor<?x4x4x2xf32>
  return %y : tensor<?x4x4x2xf32>
}
}

// -----

module attributes {qkernel.target = #qkernel.target<arch = "x86_64", level = "", unsigned_weights = UNSIGNED>} {
func.func @not_constant(%x: tensor<1x4x4x3xf32>, %w: tensor<2x1x1x3xf32>) -> tensor<1x2x2x2xf32> {
  // expected-remark@+1 {{'c' (qgraph.conv) is left to the plain way: its weight comes from argument #1 and is no constant}}
  %y = qgraph.conv %x, %w {strides = array<i64: 2, 2>, dilations = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, name = "c"}
       : (tensor<1x4x4x3xf32>, tensor<2x1x1x3xf32>) -> tensor<1x2x2x2xf32>
  return %y : tensor<1x2x2x2xf32>
}
func.func @not_finite(%x: tensor<1x4x2xf32>) -> tensor<1x4x2xf32> {
  %w = qgraph.constant dense<0x7F800000> : tensor<2x3x1xf32>
  // expected-remark@+1 {{it is depthwise, and not all of its weights are finite}}
  %y = qgraph.conv %x, %w {strides = array<i64: 1>, dilations = array<i64: 1>, pads = array<i64: 1, 1>, groups = 2 : i64}
       : (tensor<1x4x2xf32>, tensor<2x3x1xf32>) -> tensor<1x4x2xf32>
  return %y : tensor<1x4x2xf32>
}
func.func @wide(%x: tensor<1x4x3xsi8>, %s: tensor<1x1x1xf32>) -> tensor<1x2x2xf32> {
  %w = qgraph.constant dense<-128> : tensor<2x1x3xsi8>
  %z = qgraph.constant dense<1> : tensor<2x1x1xsi8>
  %t = qgraph.constant dense<0.5> : tensor<2x1x1xf32>
  // expected-remark@+1 {{its weights less their zero points do not fit 8 bits}}
  %y = qgraph.quantized_conv %x scale %s, %w scale %t zero_point %z {input_block = array<i64: 0, 0, 0>, weight_block = array<i64: 1, 0, 0>, strides = array<i64: 2>, dilations = array<i64: 1>, pads = array<i64: 0, 0>}
       : (tensor<1x4x3xsi8>, tensor<1x1x1xf32>, tensor<2x1x3xsi8>, tensor<2x1x1xf32>, tensor<2x1x1xsi8>) -> tensor<1x2x2xf32>
  return %y : tensor<1x2x2xf32>
}
}
