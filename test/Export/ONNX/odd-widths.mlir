// Integers of 3, 5, 6 and 7 bits are a byte each in the file, the numbers the same.

// RUN: quant-translate --export-onnx %s -o %t.onnx
// RUN: quant-translate --import-onnx %t.onnx | FileCheck %s

// CHECK-DAG: qgraph.constant dense<{{\[}}[3, -4, 0], [-1, 2, 1]]> : tensor<2x3xsi8>
// CHECK-DAG: qgraph.constant dense<{{\[}}[31, 0], [16, 15]]> : tensor<2x2xui8>
// The weight of a layer is turned.
// CHECK-DAG: qgraph.constant dense<{{\[}}[-32, 2], [31, 3], [-1, 4]]> : tensor<3x2xsi8>
// CHECK-DAG: onnx.node "DequantizeLinear"{{.*}} : (tensor<3x2xsi8>, tensor<2xf32>) -> tensor<3x2xf32>
func.func @main(%x: tensor<4x3xf32>) -> (tensor<2x3xf32>, tensor<2x2xf32>, tensor<4x2xf32>) {
  %s = qgraph.constant dense<[[0.5], [2.0]]> : tensor<2x1xf32>
  %a = qgraph.constant dense<[[3, -4, 0], [-1, 2, 1]]> : tensor<2x3xsi3>
  %b = qgraph.constant dense<[[31, 0], [16, 15]]> : tensor<2x2xui5>
  %c = qgraph.constant dense<[[-32, 31, -1], [2, 3, 4]]> : tensor<2x3xsi6>
  %0 = qgraph.dequantize %a scale %s {block = array<i64: 1, 0>} : (tensor<2x3xsi3>, tensor<2x1xf32>) -> tensor<2x3xf32>
  %1 = qgraph.dequantize %b scale %s {block = array<i64: 1, 0>} : (tensor<2x2xui5>, tensor<2x1xf32>) -> tensor<2x2xf32>
  %w = qgraph.dequantize %c scale %s {block = array<i64: 1, 0>} : (tensor<2x3xsi6>, tensor<2x1xf32>) -> tensor<2x3xf32>
  %2 = qgraph.linear %x, %w : (tensor<4x3xf32>, tensor<2x3xf32>) -> tensor<4x2xf32>
  return %0, %1, %2 : tensor<2x3xf32>, tensor<2x2xf32>, tensor<4x2xf32>
}
