// RUN: quant-translate --export-onnx %s -o %t.onnx
// RUN: quant-translate --import-onnx %t.onnx | FileCheck %s

// CHECK-DAG: %[[A:.*]] = onnx.node "DequantizeLinear"(%arg0,
// CHECK-DAG: %[[B:.*]] = onnx.node "DequantizeLinear"(%arg1,
// CHECK: %[[T:.*]] = onnx.node "Transpose"(%[[B]]) {{[{].*}}node_attributes = {perm = [0 : si64, 2 : si64, 1 : si64]}
// CHECK: %[[M:.*]] = onnx.node "MatMul"(%[[A]], %[[T]]) {name = "scores"
// The step multiplies by the reciprocal of the scale.
// CHECK: onnx.node "Mul"(%[[M]],
func.func @main(%a: tensor<2x?x8xsi8> {onnx.name = "a", onnx.dims = ["", "M", ""]}, %b: tensor<2x3x8xsi8>) -> tensor<2x?x3xsi8> attributes {onnx.graph = "product"} {
  %s = qgraph.constant dense<0.5> : tensor<1x1x1xf32>
  %z = qgraph.constant dense<3> : tensor<1x1x1xsi8>
  %0 = qgraph.quantized_matmul %a scale %s zero_point %z, %b scale %s epilogue(%s) {epilogue = [#qgraph.step<"Quantize", scale = 0>], name = "scores", transpose_rhs}
       : (tensor<2x?x8xsi8>, tensor<1x1x1xf32>, tensor<1x1x1xsi8>, tensor<2x3x8xsi8>, tensor<1x1x1xf32>, tensor<1x1x1xf32>) -> tensor<2x?x3xsi8>
  return %0 : tensor<2x?x3xsi8>
}
