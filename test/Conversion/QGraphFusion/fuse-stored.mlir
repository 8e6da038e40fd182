// RUN: quant-opt %s --split-input-file --qgraph-fuse-quantized --qgraph-fuse-epilogue | FileCheck %s

// A convolution of a QDQ model: integers in, integers out; the residual is read
// as codes, and the value between the two is rounded as the model says.

// CHECK-LABEL: @qdq
// CHECK-SAME: (%[[Q:.*]]: tensor<1x4x4x8xsi8>, %[[R:.*]]: tensor<1x4x4x8xsi8>, %[[W:.*]]: tensor<8x3x3x8xsi8>, %[[T:.*]]: tensor<8x1x1x1xf32>)
// CHECK-DAG: %[[S:.*]] = qgraph.constant dense<5.000000e-01>
// CHECK-DAG: %[[U:.*]] = qgraph.constant dense<2.500000e-01>
// CHECK-DAG: %[[Z:.*]] = qgraph.constant dense<-7>
// CHECK: %[[Y:.*]] = qgraph.quantized_conv %[[Q]] scale %[[S]] zero_point %[[Z]], %[[W]] scale %[[T]] epilogue(%[[U]], %[[R]], %[[S]], %[[Z]])
// CHECK-SAME: epilogue = [#qgraph.step<"QuantizeDequantize", scale = 0>, #qgraph.step<"Add", operand = 1, scale = 2, zero_point = 3>, #qgraph.step<"Relu">, #qgraph.step<"Quantize", scale = 2, zero_point = 3>]
// CHECK-SAME: input_block = array<i64: 0, 0, 0, 0>
// CHECK-SAME: weight_block = array<i64: 1, 0, 0, 0>
// CHECK-SAME: -> tensor<1x4x4x8xsi8>
// CHECK-NEXT: return %[[Y]]
func.func @qdq(%q: tensor<1x4x4x8xsi8>, %r: tensor<1x4x4x8xsi8>, %w: tensor<8x3x3x8xsi8>, %t: tensor<8x1x1x1xf32>) -> tensor<1x4x4x8xsi8> {
  %s = qgraph.constant dense<0.5> : tensor<1x1x1x1xf32>
  %u = qgraph.constant dense<0.25> : tensor<1x1x1x1xf32>
  %z = qgraph.constant dense<-7> : tensor<1x1x1x1xsi8>
  %0 = qgraph.dequantize %q scale %s zero_point %z {block = array<i64: 0, 0, 0, 0>} : (tensor<1x4x4x8xsi8>, tensor<1x1x1x1xf32>, tensor<1x1x1x1xsi8>) -> tensor<1x4x4x8xf32>
  %1 = qgraph.dequantize %w scale %t {block = array<i64: 1, 0, 0, 0>} : (tensor<8x3x3x8xsi8>, tensor<8x1x1x1xf32>) -> tensor<8x3x3x8xf32>
  %2 = qgraph.conv %0, %1 {strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>} : (tensor<1x4x4x8xf32>, tensor<8x3x3x8xf32>) -> tensor<1x4x4x8xf32>
  %3 = qgraph.quantize %2 scale %u {block = array<i64: 0, 0, 0, 0>} : (tensor<1x4x4x8xf32>, tensor<1x1x1x1xf32>) -> tensor<1x4x4x8xsi8>
  %4 = qgraph.dequantize %3 scale %u {block = array<i64: 0, 0, 0, 0>} : (tensor<1x4x4x8xsi8>, tensor<1x1x1x1xf32>) -> tensor<1x4x4x8xf32>
  %5 = qgraph.dequantize %r scale %s zero_point %z {block = array<i64: 0, 0, 0, 0>} : (tensor<1x4x4x8xsi8>, tensor<1x1x1x1xf32>, tensor<1x1x1x1xsi8>) -> tensor<1x4x4x8xf32>
  %6 = onnx.node "Add"(%4, %5) {version = 14 : i64} : (tensor<1x4x4x8xf32>, tensor<1x4x4x8xf32>) -> tensor<1x4x4x8xf32>
  %7 = onnx.node "Relu"(%6) {version = 14 : i64} : (tensor<1x4x4x8xf32>) -> tensor<1x4x4x8xf32>
  %8 = qgraph.quantize %7 scale %s zero_point %z {block = array<i64: 0, 0, 0, 0>} : (tensor<1x4x4x8xf32>, tensor<1x1x1x1xf32>, tensor<1x1x1x1xsi8>) -> tensor<1x4x4x8xsi8>
  return %8 : tensor<1x4x4x8xsi8>
}

// -----

// Codes that others read are stored; a scale that is computed is no step.

// CHECK-LABEL: @read_twice
// CHECK: %[[C:.*]] = qgraph.linear {{.*}} {epilogue = [#qgraph.step<"Quantize", scale = 0>]} {{.*}} -> tensor<4x8xsi8>
// CHECK: %[[D:.*]] = qgraph.dequantize %[[C]]
// CHECK: onnx.node "Tanh"(%[[D]])
// CHECK: qgraph.linear %arg0, %arg1 : {{.*}} -> tensor<4x8xf32>
// CHECK-NEXT: qgraph.quantize
func.func @read_twice(%x: tensor<4x6xf32>, %w: tensor<8x6xf32>, %t: tensor<1x1xf32>) -> (tensor<4x8xsi8>, tensor<4x8xf32>, tensor<4x8xsi8>) {
  %s = qgraph.constant dense<0.5> : tensor<1x1xf32>
  %0 = qgraph.linear %x, %w : (tensor<4x6xf32>, tensor<8x6xf32>) -> tensor<4x8xf32>
  %1 = qgraph.quantize %0 scale %s {block = array<i64: 0, 0>} : (tensor<4x8xf32>, tensor<1x1xf32>) -> tensor<4x8xsi8>
  %2 = qgraph.dequantize %1 scale %s {block = array<i64: 0, 0>} : (tensor<4x8xsi8>, tensor<1x1xf32>) -> tensor<4x8xf32>
  %3 = onnx.node "Tanh"(%2) {version = 13 : i64} : (tensor<4x8xf32>) -> tensor<4x8xf32>
  %4 = qgraph.linear %x, %w : (tensor<4x6xf32>, tensor<8x6xf32>) -> tensor<4x8xf32>
  %5 = qgraph.quantize %4 scale %t {block = array<i64: 0, 0>} : (tensor<4x8xf32>, tensor<1x1xf32>) -> tensor<4x8xsi8>
  return %1, %3, %5 : tensor<4x8xsi8>, tensor<4x8xf32>, tensor<4x8xsi8>
}

// -----

// A scale whose reciprocal is no normal number is not divided by in a step.

// CHECK-LABEL: @tiny_scale
// CHECK: %[[Y:.*]] = qgraph.linear %{{[^ ]*}}, %{{[^ ]*}} : {{.*}} -> tensor<4x8xf32>
// CHECK: qgraph.quantize %[[Y]]
func.func @tiny_scale(%x: tensor<4x6xf32>, %w: tensor<8x6xf32>) -> tensor<4x8xsi8> {
  %s = qgraph.constant dense<1.0e-38> : tensor<1x1xf32>
  %0 = qgraph.linear %x, %w : (tensor<4x6xf32>, tensor<8x6xf32>) -> tensor<4x8xf32>
  %1 = qgraph.quantize %0 scale %s {block = array<i64: 0, 0>} : (tensor<4x8xf32>, tensor<1x1xf32>) -> tensor<4x8xsi8>
  return %1 : tensor<4x8xsi8>
}

// -----

// Nor is one for which two products do not round as a division does: its last
// bits are 8 after 16 of 0. With 9 they do.

// CHECK-LABEL: @close_scale
// CHECK: %[[Y:.*]] = qgraph.linear %{{[^ ]*}}, %{{[^ ]*}} : {{.*}} -> tensor<4x8xf32>
// CHECK: qgraph.quantize %[[Y]]
// CHECK: qgraph.linear {{.*}} {epilogue = [#qgraph.step<"Quantize", scale = 0>]}
func.func @close_scale(%x: tensor<4x6xf32>, %w: tensor<8x6xf32>) -> (tensor<4x8xsi8>, tensor<4x8xsi8>) {
  %s = qgraph.constant dense<0x3F800008> : tensor<1x1xf32>
  %t = qgraph.constant dense<0x3F800009> : tensor<1x1xf32>
  %0 = qgraph.linear %x, %w : (tensor<4x6xf32>, tensor<8x6xf32>) -> tensor<4x8xf32>
  %1 = qgraph.quantize %0 scale %s {block = array<i64: 0, 0>} : (tensor<4x8xf32>, tensor<1x1xf32>) -> tensor<4x8xsi8>
  %2 = qgraph.linear %x, %w : (tensor<4x6xf32>, tensor<8x6xf32>) -> tensor<4x8xf32>
  %3 = qgraph.quantize %2 scale %t {block = array<i64: 0, 0>} : (tensor<4x8xf32>, tensor<1x1xf32>) -> tensor<4x8xsi8>
  return %1, %3 : tensor<4x8xsi8>, tensor<4x8xsi8>
}

// -----

// A Relu before codes that begin at that of 0 changes none of them; before others
// it does.

// CHECK-LABEL: @relu
// CHECK: qgraph.linear {{.*}} {epilogue = [#qgraph.step<"Quantize", scale = 0, zero_point = 1>]}
// CHECK: qgraph.linear {{.*}} {epilogue = [#qgraph.step<"Relu">, #qgraph.step<"Quantize", scale = 0, zero_point = 1>]}
func.func @relu(%x: tensor<4x6xf32>, %w: tensor<8x6xf32>) -> (tensor<4x8xsi8>, tensor<4x8xsi8>) {
  %s = qgraph.constant dense<0.5> : tensor<1x1xf32>
  %z = qgraph.constant dense<-128> : tensor<1x1xsi8>
  %u = qgraph.constant dense<-127> : tensor<1x1xsi8>
  %0 = qgraph.linear %x, %w : (tensor<4x6xf32>, tensor<8x6xf32>) -> tensor<4x8xf32>
  %1 = onnx.node "Relu"(%0) {version = 14 : i64} : (tensor<4x8xf32>) -> tensor<4x8xf32>
  %2 = qgraph.quantize %1 scale %s zero_point %z {block = array<i64: 0, 0>} : (tensor<4x8xf32>, tensor<1x1xf32>, tensor<1x1xsi8>) -> tensor<4x8xsi8>
  %3 = qgraph.linear %x, %w : (tensor<4x6xf32>, tensor<8x6xf32>) -> tensor<4x8xf32>
  %4 = onnx.node "Relu"(%3) {version = 14 : i64} : (tensor<4x8xf32>) -> tensor<4x8xf32>
  %5 = qgraph.quantize %4 scale %s zero_point %u {block = array<i64: 0, 0>} : (tensor<4x8xf32>, tensor<1x1xf32>, tensor<1x1xsi8>) -> tensor<4x8xsi8>
  return %2, %5 : tensor<4x8xsi8>, tensor<4x8xsi8>
}
