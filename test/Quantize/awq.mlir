// The formats stay; factors go into the norm's gain, codes are of the scaled weights.

// RUN: %python %S/../Inputs/make_samples.py %t x=16x8
// RUN: quant-opt %s --qgraph-quantize-weights="format=si4 granularity=group group-size=4 scheme=signed_scale scale-type=f16 cost-model=false keep-original=true set='mine=si8'" \
// RUN:   --qgraph-insert-observers --qgraph-awq="data=%t" | FileCheck %s
// RUN: quant-opt %s --qgraph-quantize-weights="format=si4 granularity=group group-size=4 scheme=signed_scale scale-type=f16 cost-model=false keep-original=true keep-float=mine" \
// RUN:   --qgraph-insert-observers --qgraph-awq="data=%t keep-original=true" | FileCheck %s --check-prefix=KEEP
// RUN: quant-opt %s --qgraph-insert-observers --qgraph-awq="data=%t" | FileCheck %s --check-prefix=FLOAT

// CHECK: qgraph.fingerprint
// CHECK: %[[N:.*]] = qgraph.norm rms %arg0 weight %[[G:.*]] {
// CHECK: %[[O:.*]] = qgraph.observe "fc1/input" %[[N]] {factor = dense<[{{.*}}]> : tensor<8xf32>}
// CHECK: %[[C1:.*]] = qgraph.constant {{.*}} : tensor<4x8xsi4>
// CHECK: %[[S1:.*]] = qgraph.constant {{.*}} : tensor<4x2xf16>
// CHECK: %[[W1:.*]] = qgraph.dequantize %[[C1]] scale %[[S1]] {block = array<i64: 1, 4>} :
// CHECK: qgraph.linear %[[O]], %[[W1]] {name = "fc1"}
// CHECK: %[[C2:.*]] = qgraph.constant {{.*}} : tensor<3x8xsi8>
// CHECK: %[[W2:.*]] = qgraph.dequantize %[[C2]] {{.*}} {block = array<i64: 1, 4>} :
// CHECK: qgraph.linear %[[O]], %[[W2]] {name = "mine"}
// CHECK-NOT: qgraph.original

// A layer that stays float reads the same tensor: it is scaled, not rounded.
// KEEP: %[[V:.*]] = qgraph.constant {{.*}} : tensor<3x8xf32>
// KEEP: qgraph.observe {{.*}}factor =
// KEEP: qgraph.dequantize {{.*}}qgraph.original = dense<{{.*}}> : tensor<4x8xf32>
// KEEP: qgraph.linear %{{.*}}, %[[V]] {name = "mine"}

// Nothing to be done.
// FLOAT-NOT: factor
// FLOAT-NOT: dequantize

func.func @main(%x: tensor<?x8xf32> {onnx.name = "x"}) -> (tensor<?x4xf32>, tensor<?x3xf32>) {
  %g = qgraph.constant dense<[1.0, 0.1, 2.0, 0.2, 0.3, 0.5, 16.0, 1.0]> : tensor<8xf32>
  %w = qgraph.constant dense<[[1.0, 2.0, 3.0, 4.0, -1.0, 0.3, 0.7, 0.1], [0.5, -1.0, 0.25, 2.0, 0.9, 0.8, -0.3, 0.2],
                              [1.0, 1.5, -0.7, 1.2, 0.6, 0.1, 0.4, -0.8], [0.1, -0.2, 0.3, 0.6, -0.5, 0.4, 0.1, 0.9]]> : tensor<4x8xf32>
  %v = qgraph.constant dense<[[1.0, 2.0, 3.0, 0.4, 0.5, -1.0, 0.25, 0.7], [1.0, 0.3, 0.8, -0.6, 0.1, 0.2, -0.9, 0.4],
                              [0.3, 0.3, 0.2, -0.6, 0.7, 0.1, 1.9, -0.4]]> : tensor<3x8xf32>
  %n = qgraph.norm rms %x weight %g {epsilon = 1.0e-5 : f32} : (tensor<?x8xf32>, tensor<8xf32>) -> tensor<?x8xf32>
  %y = qgraph.linear %n, %w {name = "fc1"} : (tensor<?x8xf32>, tensor<4x8xf32>) -> tensor<?x4xf32>
  %z = qgraph.linear %n, %v {name = "mine"} : (tensor<?x8xf32>, tensor<3x8xf32>) -> tensor<?x3xf32>
  return %y, %z : tensor<?x4xf32>, tensor<?x3xf32>
}
