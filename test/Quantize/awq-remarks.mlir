// Layers that are not scaled, or not rounded again, say why.

// RUN: %python %S/../Inputs/make_samples.py %t "x=1,-1,0.5,1,-0.3,1,30,1;-1,0.5,1,-1,1,-0.4,-20,0.7;0.2,1,-1,0.6,0.5,1,25,-1;1,1,-0.2,-1,0.1,-1,-28,0.3"
// RUN: quant-opt %s --verify-diagnostics -o %t.mlir \
// RUN:   --qgraph-quantize-weights="format=si4 granularity=group group-size=4 scheme=signed_scale cost-model=false keep-original=true" \
// RUN:   --qgraph-insert-observers --qgraph-awq="data=%t"
// RUN: FileCheck %s < %t.mlir
// RUN: quant-opt %s -o %t.multiplied \
// RUN:   --qgraph-quantize-weights="format=si4 granularity=group group-size=4 scheme=signed_scale cost-model=false keep-original=true" \
// RUN:   --qgraph-insert-observers --qgraph-awq="data=%t insert-multiply=true scales=formula" 2>&1 | FileCheck %s --check-prefix=MULTIPLY
// RUN: not quant-opt %s -o %t.none \
// RUN:   --qgraph-quantize-weights="format=si4 granularity=tensor cost-model=false keep-original=true" \
// RUN:   --qgraph-insert-observers --qgraph-awq="data=%t.nowhere" 2>&1 | FileCheck %s --check-prefix=SHARED

// CHECK-NOT: factor
// CHECK: qgraph.dequantize
// MULTIPLY: the input of 'fc1' (qgraph.linear) is multiplied while the model runs: an input of the model has them
// SHARED: 'fc1' (qgraph.linear) stays rounded to nearest: its rows share scales
// SHARED: error: qgraph-awq: {{.*}}nowhere

func.func @main(%x: tensor<?x8xf32> {onnx.name = "x"}) -> tensor<?x4xf32> {
  %w = qgraph.constant dense<[[1.0, 2.0, 3.0, 4.0, -1.0, 0.3, 0.7, 0.1], [0.5, -1.0, 0.25, 2.0, 0.9, 0.8, -0.3, 0.2],
                              [1.0, 1.5, -0.7, 1.2, 0.6, 0.1, 0.4, -0.8], [0.1, -0.2, 0.3, 0.6, -0.5, 0.4, 0.1, 0.9]]> : tensor<4x8xf32>
  // expected-remark@+1 {{'fc1' (qgraph.linear) is not scaled: an input of the model has them; insert-multiply=true multiplies its input while the model runs}}
  %y = qgraph.linear %x, %w {name = "fc1"} : (tensor<?x8xf32>, tensor<4x8xf32>) -> tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}
