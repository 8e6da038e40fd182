// RUN: quant-opt %s --split-input-file --qgraph-normalize-codes --canonicalize | FileCheck %s

// Unsigned codes with zero point 128 are signed ones without; the pool works on
// codes, and is not quantized again.

// CHECK-LABEL: @pool
// CHECK-SAME: (%[[X:.*]]: tensor<1x4x4x8xf32>)
// CHECK: %[[S:.*]] = qgraph.constant dense<5.000000e-01>
// CHECK-NEXT: %[[Q:.*]] = qgraph.quantize %[[X]] scale %[[S]] {block = array<i64: 0, 0, 0, 0>} : {{.*}} -> tensor<1x4x4x8xsi8>
// CHECK-NEXT: %[[M:.*]] = onnx.node "MaxPool"(%[[Q]]) {{.*}} -> tensor<1x2x2x8xsi8>
// CHECK-NEXT: %[[D:.*]] = qgraph.dequantize %[[M]] scale %[[S]] {block = array<i64: 0, 0, 0, 0>}
// CHECK-NEXT: return %[[D]]
func.func @pool(%x: tensor<1x4x4x8xf32>) -> tensor<1x2x2x8xf32> {
  %s = qgraph.constant dense<0.5> : tensor<1x1x1x1xf32>
  %z = qgraph.constant dense<128> : tensor<1x1x1x1xui8>
  %0 = qgraph.quantize %x scale %s zero_point %z {block = array<i64: 0, 0, 0, 0>} : (tensor<1x4x4x8xf32>, tensor<1x1x1x1xf32>, tensor<1x1x1x1xui8>) -> tensor<1x4x4x8xui8>
  %1 = qgraph.dequantize %0 scale %s zero_point %z {block = array<i64: 0, 0, 0, 0>} : (tensor<1x4x4x8xui8>, tensor<1x1x1x1xf32>, tensor<1x1x1x1xui8>) -> tensor<1x4x4x8xf32>
  %2 = onnx.node "MaxPool"(%1) {node_attributes = {channels_last = 1 : si64, kernel_shape = [2 : si64, 2 : si64], strides = [2 : si64, 2 : si64]}, version = 22 : i64} : (tensor<1x4x4x8xf32>) -> tensor<1x2x2x8xf32>
  %3 = qgraph.quantize %2 scale %s zero_point %z {block = array<i64: 0, 0, 0, 0>} : (tensor<1x2x2x8xf32>, tensor<1x1x1x1xf32>, tensor<1x1x1x1xui8>) -> tensor<1x2x2x8xui8>
  %4 = qgraph.dequantize %3 scale %s zero_point %z {block = array<i64: 0, 0, 0, 0>} : (tensor<1x2x2x8xui8>, tensor<1x1x1x1xf32>, tensor<1x1x1x1xui8>) -> tensor<1x2x2x8xf32>
  return %4 : tensor<1x2x2x8xf32>
}

// -----

// No zero point is 0, which becomes -128. Weights and what a layer reads follow.

// CHECK-LABEL: @layer
// CHECK-DAG: %[[W:.*]] = qgraph.constant dense<{{.*}}-128, -127{{.*}}127, 0{{.*}}> : tensor<2x2xsi8>
// CHECK-DAG: %[[ZW:.*]] = qgraph.constant dense<2> : tensor<1x1xsi8>
// CHECK-DAG: %[[ZX:.*]] = qgraph.constant dense<-128> : tensor<1x1xsi8>
// CHECK: %[[Q:.*]] = qgraph.quantize %{{.*}} scale %[[S:.*]] zero_point %[[ZX]] {{.*}} -> tensor<3x2xsi8>
// CHECK: qgraph.quantized_linear %[[Q]] scale %[[S]] zero_point %[[ZX]], %[[W]] scale %{{.*}} zero_point %[[ZW]]
func.func @layer(%x: tensor<3x2xf32>) -> tensor<3x2xf32> {
  %s = qgraph.constant dense<0.5> : tensor<1x1xf32>
  %w = qgraph.constant dense<[[0, 1], [255, 128]]> : tensor<2x2xui8>
  %z = qgraph.constant dense<130> : tensor<1x1xui8>
  %0 = qgraph.quantize %x scale %s {block = array<i64: 0, 0>} : (tensor<3x2xf32>, tensor<1x1xf32>) -> tensor<3x2xui8>
  %1 = qgraph.quantized_linear %0 scale %s, %w scale %s zero_point %z {input_block = array<i64: 0, 0>, weight_block = array<i64: 0, 0>} : (tensor<3x2xui8>, tensor<1x1xf32>, tensor<2x2xui8>, tensor<1x1xf32>, tensor<1x1xui8>) -> tensor<3x2xf32>
  return %1 : tensor<3x2xf32>
}

// -----

// Codes that somebody else reads stay as they are.

// CHECK-LABEL: @returned
// CHECK: qgraph.quantize {{.*}} -> tensor<3x2xui8>
// CHECK: qgraph.dequantize {{.*}} : (tensor<3x2xui8>
func.func @returned(%x: tensor<3x2xf32>) -> (tensor<3x2xui8>, tensor<3x2xf32>) {
  %s = qgraph.constant dense<0.5> : tensor<1x1xf32>
  %0 = qgraph.quantize %x scale %s {block = array<i64: 0, 0>} : (tensor<3x2xf32>, tensor<1x1xf32>) -> tensor<3x2xui8>
  %1 = qgraph.dequantize %0 scale %s {block = array<i64: 0, 0>} : (tensor<3x2xui8>, tensor<1x1xf32>) -> tensor<3x2xf32>
  return %0, %1 : tensor<3x2xui8>, tensor<3x2xf32>
}

// -----

// An image that is given as codes, for a layer.

// CHECK-LABEL: @image
// CHECK: %[[F:.*]] = onnx.node "BitwiseXor"(%arg0, %{{.*}}) {{.*}} -> tensor<3x2xui8>
// CHECK: %[[C:.*]] = qgraph.reinterpret %[[F]] : tensor<3x2xui8> to tensor<3x2xsi8>
// CHECK: qgraph.dequantize %[[C]] scale %{{.*}} zero_point %{{.*}} {block = array<i64: 0, 0>} : (tensor<3x2xsi8>
func.func @image(%x: tensor<3x2xui8>, %w: tensor<4x2xf32>) -> tensor<3x4xf32> {
  %s = qgraph.constant dense<0.5> : tensor<1x1xf32>
  %0 = qgraph.dequantize %x scale %s {block = array<i64: 0, 0>} : (tensor<3x2xui8>, tensor<1x1xf32>) -> tensor<3x2xf32>
  %1 = qgraph.linear %0, %w : (tensor<3x2xf32>, tensor<4x2xf32>) -> tensor<3x4xf32>
  return %1 : tensor<3x4xf32>
}

// -----

// Other parameters are another rounding.

// CHECK-LABEL: @rescaled
// CHECK: qgraph.dequantize
// CHECK: qgraph.quantize
func.func @rescaled(%q: tensor<3x2xsi8>) -> tensor<2x3xsi8> {
  %s = qgraph.constant dense<0.5> : tensor<1x1xf32>
  %t = qgraph.constant dense<0.25> : tensor<1x1xf32>
  %0 = qgraph.dequantize %q scale %s {block = array<i64: 0, 0>} : (tensor<3x2xsi8>, tensor<1x1xf32>) -> tensor<3x2xf32>
  %1 = onnx.node "Reshape"(%0) {version = 25 : i64} : (tensor<3x2xf32>) -> tensor<2x3xf32>
  %2 = qgraph.quantize %1 scale %t {block = array<i64: 0, 0>} : (tensor<2x3xf32>, tensor<1x1xf32>) -> tensor<2x3xsi8>
  return %2 : tensor<2x3xsi8>
}
