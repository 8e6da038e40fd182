// RUN: quant-translate --export-onnx %s -o %t.onnx
// RUN: quant-translate --import-onnx %t.onnx | FileCheck %s

// Keys and values [B, heads, T, size] are ONNX's as they are; the triangle of a
// decoder's queries is aligned at the last key.

// CHECK-LABEL: @main
// CHECK-SAME:    %[[Q:[^:]*]]: tensor<1x3x4x8xf32>{{.*}}, %[[K:[^:]*]]: tensor<1x2x5x8xf32>
// CHECK-DAG:     %[[QT:.*]] = onnx.node "Transpose"(%[[Q]])
// CHECK-DAG:     %[[MASK:.*]] = onnx.node "LessOrEqual"
// CHECK:         onnx.node "Attention"(%[[QT]], %[[K]], %[[K]], %[[MASK]])
func.func @main(%q: tensor<1x3x4x8xf32> {onnx.name = "q"}, %k: tensor<1x2x5x8xf32> {onnx.name = "k"}) -> (tensor<1x3x4x8xf32> {onnx.name = "y"})
    attributes {onnx.graph = "main"} {
  %y = qgraph.attention %q, %k, %k {causal, heads_first, scale = 0.5 : f32} : (tensor<1x3x4x8xf32>, tensor<1x2x5x8xf32>, tensor<1x2x5x8xf32>) -> tensor<1x3x4x8xf32>
  return %y : tensor<1x3x4x8xf32>
}
