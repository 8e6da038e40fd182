// RUN: split-file %s %t
// RUN: quant-translate --export-onnx %t/tensor.mlir -o %t/tensor.onnx
// RUN: quant-translate --import-onnx %t/tensor.onnx | FileCheck %t/tensor.mlir
// RUN: quant-translate --export-onnx %t/token.mlir -o %t/token.onnx
// RUN: quant-translate --import-onnx %t/token.onnx | FileCheck %t/token.mlir

//--- tensor.mlir
// One operator finds the scale of a tensor and quantizes it.
// CHECK: %[[Q:.*]]:3 = onnx.node "DynamicQuantizeLinear"(%{{.*}})
// CHECK: onnx.node "DequantizeLinear"(%[[Q]]#0, %{{.*}}, %{{.*}})
// CHECK-NOT: QuantizeLinear
func.func @main(%x: tensor<?x6xf32>) -> tensor<?x6xf32> {
  %s, %z = qgraph.choose_params asymmetric %x {block = array<i64: 0, 0>, stored = ui8} : tensor<?x6xf32> -> tensor<1x1xf32>, tensor<1x1xui8>
  %q = qgraph.quantize %x scale %s zero_point %z {block = array<i64: 0, 0>} : (tensor<?x6xf32>, tensor<1x1xf32>, tensor<1x1xui8>) -> tensor<?x6xui8>
  %d = qgraph.dequantize %q scale %s zero_point %z {block = array<i64: 0, 0>} : (tensor<?x6xui8>, tensor<1x1xf32>, tensor<1x1xui8>) -> tensor<?x6xf32>
  return %d : tensor<?x6xf32>
}

//--- token.mlir
// A scale a row and a scale a group: reductions. 0 becomes 1.
// CHECK: %[[A:.*]] = onnx.node "Abs"(%[[X:[^)]*]])
// CHECK: %[[M:.*]] = onnx.node "ReduceMax"(%[[A]], %{{.*}}) {{[{].*}}node_attributes = {keepdims = 1 : si64}
// CHECK: %[[D:.*]] = onnx.node "Div"(%[[M]],
// CHECK: %[[E:.*]] = onnx.node "Equal"(%[[D]],
// CHECK: %[[S:.*]] = onnx.node "Where"(%[[E]], %{{.*}}, %[[D]])
// CHECK: %[[V:.*]] = onnx.node "Reshape"(%[[S]],
// CHECK: onnx.node "QuantizeLinear"(%[[X]], %[[V]]) {{[{].*}}node_attributes = {axis = 0 : si64
// CHECK: onnx.node "Pad"
// CHECK: onnx.node "Reshape"(%{{.*}}){{.*}} : (tensor<?x8xf32>, tensor<3xsi64>) -> tensor<?x2x4xf32>
// CHECK: onnx.node "ReduceMax"(%{{.*}}, %{{.*}}) {{[{].*}}node_attributes = {keepdims = 0 : si64}
// CHECK: onnx.node "QuantizeLinear"(%[[X]], %{{.*}}) {{[{].*}}node_attributes = {axis = 1 : si64, block_size = 4 : si64
func.func @main(%x: tensor<?x6xf32>) -> (tensor<?x6xsi8>, tensor<?x6xsi8>) {
  %s = qgraph.choose_params symmetric %x {block = array<i64: 1, 0>, stored = si8} : tensor<?x6xf32> -> tensor<?x1xf32>
  %q = qgraph.quantize %x scale %s {block = array<i64: 1, 0>} : (tensor<?x6xf32>, tensor<?x1xf32>) -> tensor<?x6xsi8>
  %g = qgraph.choose_params symmetric %x {block = array<i64: 1, 4>, stored = si8} : tensor<?x6xf32> -> tensor<?x2xf32>
  %r = qgraph.quantize %x scale %g {block = array<i64: 1, 4>} : (tensor<?x6xf32>, tensor<?x2xf32>) -> tensor<?x6xsi8>
  return %q, %r : tensor<?x6xsi8>, tensor<?x6xsi8>
}
