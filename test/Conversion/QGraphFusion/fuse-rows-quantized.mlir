// What stands between two quantized layers of a static QDQ model is one kernel on rows.

// RUN: quant-opt %s --qgraph-fuse-rows | FileCheck %s

// CHECK-LABEL: func.func @between
// CHECK:         qgraph.rows {
// CHECK-NEXT:      qgraph.quantize
// CHECK-NEXT:      qgraph.dequantize
// CHECK-NEXT:      onnx.node "Add"
// CHECK-NEXT:      qgraph.quantize
// CHECK-NEXT:      qgraph.yield %{{.*}} : tensor<?x8xui8>
func.func @between(%x: tensor<?x8xf32>) -> tensor<?x8xui8> {
  %s = qgraph.constant dense<0.5> : tensor<1x1xf32>
  %z = qgraph.constant dense<3> : tensor<1x1xui8>
  %b = qgraph.constant dense<1.0> : tensor<8xf32>
  %c0 = arith.constant 0 : index
  %d = tensor.dim %x, %c0 : tensor<?x8xf32>
  %0 = qgraph.quantize %x scale %s zero_point %z {block = array<i64: 0, 0>} : (tensor<?x8xf32>, tensor<1x1xf32>, tensor<1x1xui8>) -> tensor<?x8xui8>
  %1 = qgraph.dequantize %0 scale %s zero_point %z {block = array<i64: 0, 0>} : (tensor<?x8xui8>, tensor<1x1xf32>, tensor<1x1xui8>) -> tensor<?x8xf32>
  %2 = onnx.node "Add"(%1, %b) dims(%d) {version = 14 : i64} : (tensor<?x8xf32>, tensor<8xf32>) -> tensor<?x8xf32>
  %3 = qgraph.quantize %2 scale %s zero_point %z {block = array<i64: 0, 0>} : (tensor<?x8xf32>, tensor<1x1xf32>, tensor<1x1xui8>) -> tensor<?x8xui8>
  return %3 : tensor<?x8xui8>
}

// A scale for each column.

// CHECK-LABEL: func.func @columns
// CHECK:         qgraph.rows {
// CHECK-NEXT:      qgraph.dequantize
// CHECK-NEXT:      onnx.node "Relu"
func.func @columns(%x: tensor<?x8xsi16>, %s: tensor<1x8xf32>) -> tensor<?x8xf32> {
  %c0 = arith.constant 0 : index
  %d = tensor.dim %x, %c0 : tensor<?x8xsi16>
  %0 = qgraph.dequantize %x scale %s {block = array<i64: 0, 1>} : (tensor<?x8xsi16>, tensor<1x8xf32>) -> tensor<?x8xf32>
  %1 = onnx.node "Relu"(%0) dims(%d) {version = 14 : i64} : (tensor<?x8xf32>) -> tensor<?x8xf32>
  return %1 : tensor<?x8xf32>
}

// Not constants: these are dequantized at compile time.

// CHECK-LABEL: func.func @constant
// CHECK-NOT:     qgraph.rows
func.func @constant() -> tensor<2x8xf32> {
  %c = qgraph.constant dense<1> : tensor<2x8xsi8>
  %s = qgraph.constant dense<0.5> : tensor<1x1xf32>
  %0 = qgraph.dequantize %c scale %s {block = array<i64: 0, 0>} : (tensor<2x8xsi8>, tensor<1x1xf32>) -> tensor<2x8xf32>
  %1 = onnx.node "Relu"(%0) {version = 14 : i64} : (tensor<2x8xf32>) -> tensor<2x8xf32>
  return %1 : tensor<2x8xf32>
}
