// RUN: quant-translate --export-onnx %s -o %t.onnx
// RUN: quant-translate --import-onnx %t.onnx | FileCheck %s

// CHECK: onnx.opset = {ai.onnx = 21 : i64}
// CHECK: @main(%[[X:.*]]: tensor<4x6xf32>
func.func @main(%x: tensor<4x6xf32>, %s: tensor<4x1xf32>, %g: tensor<4x3xf32>)
    -> (tensor<4x6xsi8>, tensor<4x6xsi4>, tensor<4x6xui8>, tensor<4x6xf32>, tensor<4x2xf32>, tensor<4x6xf32>, tensor<2x3xf32>) {
  %one = qgraph.constant dense<0.5> : tensor<1x1xf32>
  %z = qgraph.constant dense<3> : tensor<1x1xui8>
  %c = qgraph.constant dense<[[1, 2, 3, 4, 5, 6], [-1, -2, -3, -4, -5, -6]]> : tensor<2x6xsi4>
  %h = qgraph.constant dense<[[0.5, 1.0, 2.0], [4.0, 8.0, 16.0]]> : tensor<2x3xf16>

  // A scale an axis: a vector.
  // CHECK: %[[V:.*]] = onnx.node "Reshape"(%{{.*}}, %{{.*}}){{.*}} : (tensor<4x1xf32>, tensor<1xsi64>) -> tensor<4xf32>
  // CHECK: onnx.node "QuantizeLinear"(%[[X]], %[[V]]) {{[{].*}}node_attributes = {axis = 0 : si64, output_dtype = 3 : si64}
  %0 = qgraph.quantize %x scale %s {block = array<i64: 1, 0>} : (tensor<4x6xf32>, tensor<4x1xf32>) -> tensor<4x6xsi8>
  // A scale a block.
  // CHECK: onnx.node "QuantizeLinear"(%[[X]], %{{.*}}) {{[{].*}}node_attributes = {axis = 1 : si64, block_size = 2 : si64, output_dtype = 22 : si64}
  %1 = qgraph.quantize %x scale %g {block = array<i64: 1, 2>} : (tensor<4x6xf32>, tensor<4x3xf32>) -> tensor<4x6xsi4>
  // One scale: scalars.
  // CHECK: %[[Q:.*]] = onnx.node "QuantizeLinear"(%[[X]], %{{.*}}, %{{.*}}) {{[{].*}}version = 21 : i64} : (tensor<4x6xf32>, tensor<f32>, tensor<ui8>)
  %2 = qgraph.quantize %x scale %one zero_point %z {block = array<i64: 0, 0>}
       : (tensor<4x6xf32>, tensor<1x1xf32>, tensor<1x1xui8>) -> tensor<4x6xui8>
  // CHECK: %[[D:.*]] = onnx.node "DequantizeLinear"(%[[Q]], %{{.*}}, %{{.*}}) {{[{].*}}version = 21 : i64}
  %3 = qgraph.dequantize %2 scale %one zero_point %z {block = array<i64: 0, 0>}
       : (tensor<4x6xui8>, tensor<1x1xf32>, tensor<1x1xui8>) -> tensor<4x6xf32>
  // The weight of a layer is turned, its blocks with it; f16 scales are widened.
  // CHECK: %[[W:.*]] = onnx.node "DequantizeLinear"(%{{.*}}, %{{.*}}) {{[{].*}}node_attributes = {axis = 0 : si64, block_size = 2 : si64}
  // CHECK-SAME: (tensor<6x2xsi4>, tensor<3x2xf32>) -> tensor<6x2xf32>
  // CHECK: onnx.node "MatMul"(%[[D]], %[[W]])
  %w = qgraph.dequantize %c scale %h {block = array<i64: 1, 2>} : (tensor<2x6xsi4>, tensor<2x3xf16>) -> tensor<2x6xf32>
  %4 = qgraph.linear %3, %w : (tensor<4x6xf32>, tensor<2x6xf32>) -> tensor<4x2xf32>
  // Blocks of both dimensions, and an offset: elementwise operators.
  // CHECK: %[[F:.*]] = onnx.node "Cast"(%[[Q]]) {{[{].*}}node_attributes = {to = 1 : si64}
  // CHECK: %[[SPREAD:.*]] = onnx.node "Reshape"(%{{.*}}, %{{.*}}){{.*}} : (tensor<{{.*}}>, tensor<2xsi64>) -> tensor<4x6xf32>
  // CHECK: %[[P:.*]] = onnx.node "Mul"(%[[F]], %[[SPREAD]])
  // CHECK: onnx.node "Add"(%[[P]],
  %b = qgraph.constant dense<[[1.0, 2.0], [3.0, 4.0]]> : tensor<2x2xf32>
  %5 = qgraph.dequantize %2 scale %b offset %b {block = array<i64: 2, 3>}
       : (tensor<4x6xui8>, tensor<2x2xf32>, tensor<2x2xf32>) -> tensor<4x6xf32>
  // Halves are not stored in ONNX's sense.
  // CHECK: %[[WIDE:.*]] = onnx.node "Cast"(%{{.*}}) {{[{].*}}node_attributes = {to = 1 : si64}{{.*}} : (tensor<2x3xf16>) -> tensor<2x3xf32>
  // CHECK: onnx.node "Mul"(%[[WIDE]],
  %6 = qgraph.dequantize %h scale %one {block = array<i64: 0, 0>} : (tensor<2x3xf16>, tensor<1x1xf32>) -> tensor<2x3xf32>
  return %0, %1, %2, %3, %4, %5, %6 : tensor<4x6xsi8>, tensor<4x6xsi4>, tensor<4x6xui8>, tensor<4x6xf32>, tensor<4x2xf32>, tensor<4x6xf32>, tensor<2x3xf32>
}
