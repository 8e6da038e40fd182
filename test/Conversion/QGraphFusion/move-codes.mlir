// RUN: quant-opt %s --split-input-file --qgraph-normalize-codes --canonicalize | FileCheck %s

// Relu of stored values is the greater of the code and the zero point; then it is quantized by the same
// parameters, which is nothing.

// CHECK-LABEL: func.func @relu
// CHECK-SAME:    %[[Q:[^:]*]]: tensor<?x8xsi8>
// CHECK:         %[[Z:.*]] = qgraph.constant dense<3> : tensor<si8>
// CHECK:         %[[M:.*]] = onnx.node "Max"(%[[Q]], %[[Z]]) dims(%{{.*}}) {{.*}} -> tensor<?x8xsi8>
// CHECK-NEXT:    return %[[M]]
func.func @relu(%q: tensor<?x8xsi8>) -> tensor<?x8xsi8> {
  %s = qgraph.constant dense<0.5> : tensor<1x1xf32>
  %z = qgraph.constant dense<3> : tensor<1x1xsi8>
  %c0 = arith.constant 0 : index
  %n = tensor.dim %q, %c0 : tensor<?x8xsi8>
  %d = qgraph.dequantize %q scale %s zero_point %z {block = array<i64: 0, 0>} : (tensor<?x8xsi8>, tensor<1x1xf32>, tensor<1x1xsi8>) -> tensor<?x8xf32>
  %r = onnx.node "Relu"(%d) dims(%n) {version = 14 : i64} : (tensor<?x8xf32>) -> tensor<?x8xf32>
  %p = qgraph.quantize %r scale %s zero_point %z {block = array<i64: 0, 0>} : (tensor<?x8xf32>, tensor<1x1xf32>, tensor<1x1xsi8>) -> tensor<?x8xsi8>
  return %p : tensor<?x8xsi8>
}

// -----

// A scale below 0 turns the order round.

// CHECK-LABEL: func.func @negative
// CHECK:         onnx.node "Relu"
func.func @negative(%q: tensor<2x8xsi8>) -> tensor<2x8xf32> {
  %s = qgraph.constant dense<-0.5> : tensor<1x1xf32>
  %d = qgraph.dequantize %q scale %s {block = array<i64: 0, 0>} : (tensor<2x8xsi8>, tensor<1x1xf32>) -> tensor<2x8xf32>
  %r = onnx.node "Relu"(%d) {version = 14 : i64} : (tensor<2x8xf32>) -> tensor<2x8xf32>
  return %r : tensor<2x8xf32>
}

// -----

// Gather moves the first of its operands; its codes become signed as well.

// CHECK-LABEL: func.func @gather
// CHECK:         %[[Q:.*]] = qgraph.quantize {{.*}} -> tensor<4x8xsi8>
// CHECK:         %[[G:.*]] = onnx.node "Gather"(%[[Q]], %arg1) {{.*}} -> tensor<3x8xsi8>
// CHECK:         qgraph.dequantize %[[G]]
func.func @gather(%x: tensor<4x8xf32>, %i: tensor<3xsi64>) -> tensor<3x8xf32> {
  %s = qgraph.constant dense<0.5> : tensor<1x1xf32>
  %z = qgraph.constant dense<128> : tensor<1x1xui8>
  %q = qgraph.quantize %x scale %s zero_point %z {block = array<i64: 0, 0>} : (tensor<4x8xf32>, tensor<1x1xf32>, tensor<1x1xui8>) -> tensor<4x8xui8>
  %d = qgraph.dequantize %q scale %s zero_point %z {block = array<i64: 0, 0>} : (tensor<4x8xui8>, tensor<1x1xf32>, tensor<1x1xui8>) -> tensor<4x8xf32>
  %g = onnx.node "Gather"(%d, %i) {node_attributes = {axis = 0 : si64}, version = 13 : i64} : (tensor<4x8xf32>, tensor<3xsi64>) -> tensor<3x8xf32>
  return %g : tensor<3x8xf32>
}
