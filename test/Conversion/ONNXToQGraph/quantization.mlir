// QuantizeLinear and DequantizeLinear: granularity as blocks.

// RUN: quant-opt %s --convert-onnx-to-qgraph --canonicalize --cse --split-input-file | FileCheck %s

// CHECK-LABEL: func.func @per_tensor
// CHECK-DAG:     %[[S:.*]] = qgraph.constant dense<5.000000e-01> : tensor<1x1xf32>
// CHECK-DAG:     %[[Z:.*]] = qgraph.constant dense<3> : tensor<1x1xui8>
// CHECK:         %[[Q:.*]] = qgraph.quantize %arg0 scale %[[S]] zero_point %[[Z]] {block = array<i64: 0, 0>}
// CHECK:         qgraph.dequantize %[[Q]] scale %[[S]] zero_point %[[Z]] {block = array<i64: 0, 0>}
func.func @per_tensor(%x: tensor<?x8xf32>) -> tensor<*xf32> {
  %s = qgraph.constant dense<0.5> : tensor<f32>
  %z = qgraph.constant dense<3> : tensor<ui8>
  %q = onnx.node "QuantizeLinear"(%x, %s, %z) {version = 13 : i64} : (tensor<?x8xf32>, tensor<f32>, tensor<ui8>) -> tensor<*xui8>
  %d = onnx.node "DequantizeLinear"(%q, %s, %z) {version = 13 : i64} : (tensor<*xui8>, tensor<f32>, tensor<ui8>) -> tensor<*xf32>
  return %d : tensor<*xf32>
}

// -----

// A zero point of 0 is none; without one the type is ui8, or what the node says.

// CHECK-LABEL: func.func @symmetric
// CHECK:         qgraph.quantize %arg0 scale %{{[^ ]*}} {block = array<i64: 0, 1>} : (tensor<?x2xf32>, tensor<1x2xf32>) -> tensor<?x2xsi8>
// CHECK:         qgraph.quantize %arg0 scale %{{[^ ]*}} {block = array<i64: 0, 1>} : (tensor<?x2xf32>, tensor<1x2xf32>) -> tensor<?x2xui8>
// CHECK:         qgraph.quantize %arg0 scale %{{[^ ]*}} {block = array<i64: 0, 1>} : (tensor<?x2xf32>, tensor<1x2xf32>) -> tensor<?x2xsi4>
func.func @symmetric(%x: tensor<?x2xf32>) -> (tensor<*xsi8>, tensor<*xui8>, tensor<*xsi4>) {
  %s = qgraph.constant dense<[0.5, 0.25]> : tensor<2xf32>
  %z = qgraph.constant dense<0> : tensor<2xsi8>
  %0 = onnx.node "QuantizeLinear"(%x, %s, %z) {version = 21 : i64, node_attributes = {axis = -1 : si64}} : (tensor<?x2xf32>, tensor<2xf32>, tensor<2xsi8>) -> tensor<*xsi8>
  %1 = onnx.node "QuantizeLinear"(%x, %s) {version = 21 : i64} : (tensor<?x2xf32>, tensor<2xf32>) -> tensor<*xui8>
  %2 = onnx.node "QuantizeLinear"(%x, %s) {version = 21 : i64, node_attributes = {output_dtype = 22 : si64}} : (tensor<?x2xf32>, tensor<2xf32>) -> tensor<*xsi4>
  return %0, %1, %2 : tensor<*xsi8>, tensor<*xui8>, tensor<*xsi4>
}

// -----

// In blocks of 4 along the last dimension; the last one is short.

// CHECK-LABEL: func.func @blocked
// CHECK:         qgraph.dequantize %arg0 scale %arg1 {block = array<i64: 1, 4>}
// CHECK-SAME:      (tensor<2x10xsi4>, tensor<2x3xf16>) -> tensor<2x10xf16>
func.func @blocked(%x: tensor<2x10xsi4>, %s: tensor<2x3xf16>) -> tensor<*xf16> {
  %0 = onnx.node "DequantizeLinear"(%x, %s) {version = 21 : i64, node_attributes = {axis = 1 : si64, block_size = 4 : si64}}
    : (tensor<2x10xsi4>, tensor<2x3xf16>) -> tensor<*xf16>
  return %0 : tensor<*xf16>
}

// -----

// CHECK-LABEL: func.func @float8
// CHECK:         qgraph.quantize %arg0 scale %{{[^ ]*}} {block = array<i64: 0>, saturate = false}
// CHECK-SAME:      -> tensor<4xf8E4M3FN>
func.func @float8(%x: tensor<4xf32>) -> tensor<*xf8E4M3FN> {
  %s = qgraph.constant dense<0.5> : tensor<f32>
  %z = qgraph.constant dense<0.0> : tensor<f8E4M3FN>
  %0 = onnx.node "QuantizeLinear"(%x, %s, %z) {version = 19 : i64, node_attributes = {saturate = 0 : si64}}
    : (tensor<4xf32>, tensor<f32>, tensor<f8E4M3FN>) -> tensor<*xf8E4M3FN>
  return %0 : tensor<*xf8E4M3FN>
}

// -----

// CHECK-LABEL: func.func @dynamic
// CHECK:         %[[S:.*]], %[[Z:.*]] = qgraph.choose_params asymmetric %arg0 {block = array<i64: 0, 0>, stored = ui8}
// CHECK:         %[[Q:.*]] = qgraph.quantize %arg0 scale %[[S]] zero_point %[[Z]]
// CHECK:         %[[S0:.*]] = onnx.node "Reshape"(%[[S]]) {{.*}} -> tensor<f32>
// CHECK:         return %[[Q]], %[[S0]]
func.func @dynamic(%x: tensor<?x8xf32>) -> (tensor<*xui8>, tensor<*xf32>) {
  %0:3 = onnx.node "DynamicQuantizeLinear"(%x) {version = 11 : i64} : (tensor<?x8xf32>) -> (tensor<*xui8>, tensor<*xf32>, tensor<*xui8>)
  return %0#0, %0#1 : tensor<*xui8>, tensor<*xf32>
}
