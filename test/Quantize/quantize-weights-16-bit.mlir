// RUN: quant-opt %s --qgraph-quantize-weights="cost-model=false keep-original=true" | FileCheck %s

// A layer of f32 whose weight has 16 bits: what is dequantized is f32, what is kept is the weight.

// CHECK-LABEL: @linear
// CHECK: qgraph.dequantize {{.*}} {block = array<i64: 1, 0>, qgraph.original = dense<{{.*}}> : tensor<2x4xf16>}
// CHECK-SAME: (tensor<2x4xsi8>, tensor<2x1xf32>) -> tensor<2x4xf32>
func.func @linear(%x: tensor<?x4xf32>) -> tensor<?x2xf32> {
  %w = qgraph.constant dense<[[1.0, -2.0, 0.5, 0.25], [0.125, 0.25, 0.5, -1.0]]> : tensor<2x4xf16>
  %y = qgraph.linear %x, %w {name = "fc"} : (tensor<?x4xf32>, tensor<2x4xf16>) -> tensor<?x2xf32>
  return %y : tensor<?x2xf32>
}
