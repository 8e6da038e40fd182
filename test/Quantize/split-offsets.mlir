// A weight's offsets become a product with the sums of the input's groups.

// RUN: quant-opt %s --split-input-file --qgraph-split-offsets | FileCheck %s
// RUN: quant-opt %s --split-input-file --qgraph-split-offsets --qgraph-quantize-activations="granularity=group" --qgraph-fuse-quantized 2>/dev/null | FileCheck %s --check-prefix=FUSED

// CHECK-LABEL: @linear
// CHECK-DAG: %[[G:.*]] = onnx.node "Reshape"(%arg0) dims(%{{.*}}) {{.*}} -> tensor<?x2x2xf32>
// CHECK-DAG: %[[T:.*]] = onnx.node "ReduceSum"(%[[G]]) dims(%{{.*}}) {node_attributes = {axes = [2 : si64], keepdims = 0 : si64}{{.*}} -> tensor<?x2xf32>
// CHECK-DAG: %[[V:.*]] = qgraph.dequantize %[[Q:.*]] scale %[[S:.*]] {block = array<i64: 1, 2>} : (tensor<1x4xui4>, tensor<1x2xf16>) -> tensor<1x4xf32>
// CHECK-DAG: %[[O:.*]] = qgraph.dequantize %{{.*}} scale %{{.*}} {block = array<i64: 0, 0>} : (tensor<1x2xf16>, tensor<1x1xf32>) -> tensor<1x2xf32>
// CHECK: %[[Y2:.*]] = qgraph.linear %[[T]], %[[O]] {name = "fc/offsets", qgraph.part}
// CHECK: %[[Y1:.*]] = qgraph.linear %arg0, %[[V]] bias %arg1 {name = "fc"}
// CHECK: %[[Y:.*]] = onnx.node "Add"(%[[Y1]], %[[Y2]])
// CHECK: return %[[Y]]

// FUSED-LABEL: @linear
// FUSED: qgraph.linear {{.*}} {name = "fc/offsets", qgraph.part}
// FUSED: qgraph.quantized_linear {{.*}}tensor<1x4xui4>
func.func @linear(%x: tensor<?x4xf32>, %b: tensor<1xf32>) -> tensor<?x1xf32> {
  %q = qgraph.constant dense<[[1, 2, 3, 4]]> : tensor<1x4xui4>
  %s = qgraph.constant dense<[[0.5, 2.0]]> : tensor<1x2xf16>
  %m = qgraph.constant dense<[[-1.0, 3.0]]> : tensor<1x2xf16>
  %w = qgraph.dequantize %q scale %s offset %m {block = array<i64: 1, 2>} : (tensor<1x4xui4>, tensor<1x2xf16>, tensor<1x2xf16>) -> tensor<1x4xf32>
  %y = qgraph.linear %x, %w bias %b {name = "fc"} : (tensor<?x4xf32>, tensor<1x4xf32>, tensor<1xf32>) -> tensor<?x1xf32>
  return %y : tensor<?x1xf32>
}

// -----

// One group; offsets of f32 are a weight as they are. Readers of one value share the sums.

// CHECK-LABEL: @shared
// CHECK-COUNT-1: onnx.node "ReduceSum"({{.*}} -> tensor<1x3x1xf32>
// CHECK-NOT: onnx.node "ReduceSum"
// CHECK: qgraph.linear %{{.*}}, %[[M:.*]] : (tensor<1x3x1xf32>, tensor<2x1xf32>)
func.func @shared(%x: tensor<1x3x4xf32>, %m: tensor<2x1xf32>) -> (tensor<1x3x2xf32>, tensor<1x3x2xf32>) {
  %q = qgraph.constant dense<1> : tensor<2x4xui4>
  %s = qgraph.constant dense<0.5> : tensor<2x1xf32>
  %w = qgraph.dequantize %q scale %s offset %m {block = array<i64: 1, 0>} : (tensor<2x4xui4>, tensor<2x1xf32>, tensor<2x1xf32>) -> tensor<2x4xf32>
  %y = qgraph.linear %x, %w : (tensor<1x3x4xf32>, tensor<2x4xf32>) -> tensor<1x3x2xf32>
  %z = qgraph.linear %x, %w : (tensor<1x3x4xf32>, tensor<2x4xf32>) -> tensor<1x3x2xf32>
  return %y, %z : tensor<1x3x2xf32>, tensor<1x3x2xf32>
}

// -----

// Without offsets nothing changes.

// CHECK-LABEL: @none
// CHECK-NOT: ReduceSum
func.func @none(%x: tensor<?x4xf32>, %q: tensor<1x4xsi4>, %s: tensor<1x1xf32>) -> tensor<?x1xf32> {
  %w = qgraph.dequantize %q scale %s {block = array<i64: 1, 0>} : (tensor<1x4xsi4>, tensor<1x1xf32>) -> tensor<1x4xf32>
  %y = qgraph.linear %x, %w : (tensor<?x4xf32>, tensor<1x4xf32>) -> tensor<?x1xf32>
  return %y : tensor<?x1xf32>
}

// -----

// Offsets that are dequantized themselves are a weight as they are, and keep a float input.

// CHECK-LABEL: @dequantized
// CHECK: %[[C:.*]] = qgraph.constant dense<5>
// CHECK: %[[M:.*]] = qgraph.dequantize %[[C]] scale %{{.*}} {block = array<i64: 1, 0>} : (tensor<2x2xui6>, tensor<2x1xf16>) -> tensor<2x2xf32>
// CHECK: qgraph.linear %{{.*}}, %[[M]] {name = "fc/offsets", qgraph.part}
// FUSED-LABEL: @dequantized
// FUSED: qgraph.linear {{.*}} {name = "fc/offsets", qgraph.part} : (tensor<3x2xf32>, tensor<2x2xf32>)
// FUSED: qgraph.quantized_linear {{.*}}tensor<2x4xui4>
func.func @dequantized(%x: tensor<3x4xf32>) -> tensor<3x2xf32> {
  %q = qgraph.constant dense<1> : tensor<2x4xui4>
  %sc = qgraph.constant dense<3> : tensor<2x2xui6>
  %d = qgraph.constant dense<0.5> : tensor<2x1xf16>
  %s = qgraph.dequantize %sc scale %d {block = array<i64: 1, 0>} : (tensor<2x2xui6>, tensor<2x1xf16>) -> tensor<2x2xf32>
  %mc = qgraph.constant dense<5> : tensor<2x2xui6>
  %e = qgraph.constant dense<-0.25> : tensor<2x1xf16>
  %m = qgraph.dequantize %mc scale %e {block = array<i64: 1, 0>} : (tensor<2x2xui6>, tensor<2x1xf16>) -> tensor<2x2xf32>
  %w = qgraph.dequantize %q scale %s offset %m {block = array<i64: 1, 2>} : (tensor<2x4xui4>, tensor<2x2xf32>, tensor<2x2xf32>) -> tensor<2x4xf32>
  %y = qgraph.linear %x, %w {name = "fc"} : (tensor<3x4xf32>, tensor<2x4xf32>) -> tensor<3x2xf32>
  return %y : tensor<3x2xf32>
}
