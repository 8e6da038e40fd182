// The format stays, codes and scales are found again on the samples.

// RUN: %python %S/../Inputs/make_samples.py %t x=16x8
// RUN: quant-opt %s --qgraph-quantize-weights="format=si4 granularity=group group-size=4 scheme=signed_scale scale-type=f16 cost-model=false keep-original=true" \
// RUN:   --qgraph-insert-observers --qgraph-gptq="data=%t" | FileCheck %s

// CHECK: qgraph.fingerprint
// CHECK: %[[O:.*]] = qgraph.observe "fc1/input" %arg0
// CHECK: %[[C1:.*]] = qgraph.constant {{.*}} : tensor<4x8xsi4>
// CHECK: %[[S1:.*]] = qgraph.constant {{.*}} : tensor<4x2xf16>
// CHECK: %[[W1:.*]] = qgraph.dequantize %[[C1]] scale %[[S1]] {block = array<i64: 1, 4>} :
// CHECK: %[[Y:.*]] = qgraph.linear %[[O]], %[[W1]]
// CHECK: %[[P:.*]] = qgraph.observe "fc2/input" %[[Y]]
// CHECK-NOT: qgraph.original

func.func @main(%x: tensor<?x8xf32> {onnx.name = "x"}) -> tensor<?x3xf32> {
  %w = qgraph.constant dense<[[1.0, 2.0, 3.0, 4.0, -1.0, 0.3, 0.7, 0.1], [0.5, -1.0, 0.25, 2.0, 0.9, 0.8, -0.3, 0.2],
                              [1.0, 1.5, -0.7, 1.2, 0.6, 0.1, 0.4, -0.8], [0.1, -0.2, 0.3, 0.6, -0.5, 0.4, 0.1, 0.9]]> : tensor<4x8xf32>
  %v = qgraph.constant dense<[[1.0, 2.0, 3.0, 0.4], [0.5, -1.0, 0.25, 0.7], [1.0, 0.3, 0.8, -0.6]]> : tensor<3x4xf32>
  %y = qgraph.linear %x, %w {name = "fc1"} : (tensor<?x8xf32>, tensor<4x8xf32>) -> tensor<?x4xf32>
  %z = qgraph.linear %y, %v {name = "fc2"} : (tensor<?x4xf32>, tensor<3x4xf32>) -> tensor<?x3xf32>
  return %z : tensor<?x3xf32>
}
