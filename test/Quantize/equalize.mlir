// f = sqrt(r2 / r1): both the rows that make a channel and the columns that read it get the largest
// weight sqrt(r1 r2). All numbers here are powers of two.

// RUN: quant-opt %s --split-input-file --qgraph-equalize | FileCheck %s

// r1 = 1, 16; r2 = 4, 1: f = 2, 0.25. A Clip at 6 becomes one by channels.

// CHECK-LABEL: @clipped
// CHECK-DAG: %[[W1:.*]] = qgraph.constant dense<{{\[}}[2.000000e+00, 1.000000e+00], [4.000000e+00, 2.000000e+00]]>
// CHECK-DAG: %[[B1:.*]] = qgraph.constant dense<[1.600000e+01, 2.000000e+00]>
// CHECK-DAG: %[[ZERO:.*]] = qgraph.constant dense<0.000000e+00> : tensor<f32>
// CHECK-DAG: %[[SIX:.*]] = qgraph.constant dense<[1.200000e+01, 1.500000e+00]> : tensor<2xf32>
// CHECK-DAG: %[[W2:.*]] = qgraph.constant dense<{{\[}}[2.000000e+00, 4.000000e+00]]>
// CHECK: %[[A:.*]] = qgraph.linear %arg0, %[[W1]] bias %[[B1]] {name = "a"}
// CHECK: onnx.node "Max"(%[[A]], %[[ZERO]])
// CHECK: onnx.node "Min"(%{{.*}}, %[[SIX]])
// CHECK: qgraph.linear %{{.*}}, %[[W2]] {name = "b"}
func.func @clipped(%x: tensor<?x2xf32>, %n: index) -> tensor<?x1xf32> {
  %w1 = qgraph.constant dense<[[1.0, 0.5], [16.0, 8.0]]> : tensor<2x2xf32>
  %b1 = qgraph.constant dense<8.0> : tensor<2xf32>
  %w2 = qgraph.constant dense<[[4.0, 1.0]]> : tensor<1x2xf32>
  %zero = qgraph.constant dense<0.0> : tensor<f32>
  %six = qgraph.constant dense<6.0> : tensor<f32>
  %a = qgraph.linear %x, %w1 bias %b1 {name = "a"} : (tensor<?x2xf32>, tensor<2x2xf32>, tensor<2xf32>) -> tensor<?x2xf32>
  %l = onnx.node "Max"(%a, %zero) dims(%n) {version = 13 : i64} : (tensor<?x2xf32>, tensor<f32>) -> tensor<?x2xf32>
  %r = onnx.node "Min"(%l, %six) dims(%n) {version = 13 : i64} : (tensor<?x2xf32>, tensor<f32>) -> tensor<?x2xf32>
  %b = qgraph.linear %r, %w2 {name = "b"} : (tensor<?x2xf32>, tensor<1x2xf32>) -> tensor<?x1xf32>
  return %b : tensor<?x1xf32>
}

// -----

// Two convolutions in a row: a depthwise one makes and reads a channel by the same weight.
// r = 1, 16 | 4, 4 | 16, 1: where the iterations end, all three have the same largest weight.

// CHECK-LABEL: @depthwise
// CHECK-COUNT-2: qgraph.constant dense<{{\[\[\[\[(3\.99|4\.00)[0-9e+]*\]\]\], \[\[\[(3\.99|4\.00)[0-9e+]*\]\]\]\]}}> : tensor<2x1x1x1xf32>
func.func @depthwise(%x: tensor<1x4x4x1xf32>) -> tensor<1x4x4x1xf32> {
  %w1 = qgraph.constant dense<[[[[1.0]]], [[[16.0]]]]> : tensor<2x1x1x1xf32>
  %w2 = qgraph.constant dense<4.0> : tensor<2x1x1x1xf32>
  %w3 = qgraph.constant dense<[[[[16.0, 1.0]]]]> : tensor<1x1x1x2xf32>
  %a = qgraph.conv %x, %w1 {name = "c1", strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>}
       : (tensor<1x4x4x1xf32>, tensor<2x1x1x1xf32>) -> tensor<1x4x4x2xf32>
  %r = onnx.node "Relu"(%a) {version = 14 : i64} : (tensor<1x4x4x2xf32>) -> tensor<1x4x4x2xf32>
  %b = qgraph.conv %r, %w2 {name = "c2", strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, groups = 2 : i64}
       : (tensor<1x4x4x2xf32>, tensor<2x1x1x1xf32>) -> tensor<1x4x4x2xf32>
  %s = onnx.node "Relu"(%b) {version = 14 : i64} : (tensor<1x4x4x2xf32>) -> tensor<1x4x4x2xf32>
  %c = qgraph.conv %s, %w3 {name = "c3", strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>}
       : (tensor<1x4x4x2xf32>, tensor<1x1x1x2xf32>) -> tensor<1x4x4x1xf32>
  return %c : tensor<1x4x4x1xf32>
}
