// Layers that make an attention's values have a format of their own, which is
// found behind a reshape to heads and behind a cache too.

// RUN: quant-opt %s --qgraph-quantize-weights="cost-model=false format=si4 mix=values=si8" | FileCheck %s

// CHECK-LABEL: func.func @plain
// CHECK:         qgraph.dequantize {{.*}}xsi4>
// CHECK:         qgraph.linear {{.*}} {name = "k"}
// CHECK:         qgraph.dequantize {{.*}}xsi8>
// CHECK:         qgraph.linear {{.*}} {name = "v"}
func.func @plain(%x: tensor<1x3x8xf32>, %q: tensor<1x3x1x8xf32>) -> tensor<1x3x1x8xf32> {
  %wk = qgraph.constant dense<1.0> : tensor<8x8xf32>
  %wv = qgraph.constant dense<2.0> : tensor<8x8xf32>
  %k = qgraph.linear %x, %wk {name = "k"} : (tensor<1x3x8xf32>, tensor<8x8xf32>) -> tensor<1x3x8xf32>
  %v = qgraph.linear %x, %wv {name = "v"} : (tensor<1x3x8xf32>, tensor<8x8xf32>) -> tensor<1x3x8xf32>
  %kh = onnx.node "Reshape"(%k) {version = 25 : i64} : (tensor<1x3x8xf32>) -> tensor<1x3x1x8xf32>
  %vh = onnx.node "Reshape"(%v) {version = 25 : i64} : (tensor<1x3x8xf32>) -> tensor<1x3x1x8xf32>
  %y = qgraph.attention %q, %kh, %vh {scale = 0.5 : f32} : (tensor<1x3x1x8xf32>, tensor<1x3x1x8xf32>, tensor<1x3x1x8xf32>) -> tensor<1x3x1x8xf32>
  return %y : tensor<1x3x1x8xf32>
}

// CHECK-LABEL: func.func @cached
// CHECK:         qgraph.dequantize {{.*}}xsi4>
// CHECK:         qgraph.linear {{.*}} {name = "k"}
// CHECK:         qgraph.dequantize {{.*}}xsi8>
// CHECK:         qgraph.linear {{.*}} {name = "v"}
func.func @cached(%x: tensor<1x3x8xf32>, %q: tensor<1x3x1x8xf32>, %ck: !qgraph.cache<f32, 1x8>, %cv: !qgraph.cache<f32, 1x8>) -> tensor<1x3x1x8xf32> {
  %wk = qgraph.constant dense<1.0> : tensor<8x8xf32>
  %wv = qgraph.constant dense<2.0> : tensor<8x8xf32>
  %k = qgraph.linear %x, %wk {name = "k"} : (tensor<1x3x8xf32>, tensor<8x8xf32>) -> tensor<1x3x8xf32>
  %v = qgraph.linear %x, %wv {name = "v"} : (tensor<1x3x8xf32>, tensor<8x8xf32>) -> tensor<1x3x8xf32>
  %kh = onnx.node "Reshape"(%k) {version = 25 : i64} : (tensor<1x3x8xf32>) -> tensor<1x3x1x8xf32>
  %vh = onnx.node "Reshape"(%v) {version = 25 : i64} : (tensor<1x3x8xf32>) -> tensor<1x3x1x8xf32>
  %keys = qgraph.cache_append %ck, %kh : <f32, 1x8>, tensor<1x3x1x8xf32>
  %values = qgraph.cache_append %cv, %vh : <f32, 1x8>, tensor<1x3x1x8xf32>
  %y = qgraph.attention %q, %keys, %values {scale = 0.5 : f32} : (tensor<1x3x1x8xf32>, !qgraph.cache<f32, 1x8>, !qgraph.cache<f32, 1x8>) -> tensor<1x3x1x8xf32>
  return %y : tensor<1x3x1x8xf32>
}
