// One site a tensor, named after the first layer that reads it; the fingerprint is of the layers'
// names and weights, whatever the dimensions are.

// RUN: quant-opt %s --split-input-file --qgraph-insert-observers --verify-diagnostics | FileCheck %s
// RUN: quant-opt %s --split-input-file --qgraph-insert-observers --qgraph-remove-observers | FileCheck %s --check-prefix=GONE
// GONE-NOT: qgraph.observe

// CHECK: module attributes {qgraph.fingerprint = "[[PRINT:[0-9A-F]+]]"}
// CHECK: %[[O:.*]] = qgraph.observe "fc1/input" %arg0 : tensor<?x4xf32>
// CHECK: %[[Y:.*]] = qgraph.linear %[[O]],
// CHECK: %[[P:.*]] = qgraph.observe "fc1/input-2" %[[Y]] : tensor<?x2xf32>
// CHECK: qgraph.linear %[[O]],
// CHECK: qgraph.linear %[[P]],
func.func @main(%x: tensor<?x4xf32>) -> (tensor<?x2xf32>, tensor<?x2xf32>) {
  %w = qgraph.constant dense<1.0> : tensor<2x4xf32>
  %v = qgraph.constant dense<2.0> : tensor<2x2xf32>
  %y = qgraph.linear %x, %w {name = "fc1"} : (tensor<?x4xf32>, tensor<2x4xf32>) -> tensor<?x2xf32>
  %z = qgraph.linear %x, %w {name = "fc2"} : (tensor<?x4xf32>, tensor<2x4xf32>) -> tensor<?x2xf32>
  %t = qgraph.linear %y, %v {name = "fc1"} : (tensor<?x2xf32>, tensor<2x2xf32>) -> tensor<?x2xf32>
  return %z, %t : tensor<?x2xf32>, tensor<?x2xf32>
}

// -----

// Pinned dimensions: the same model.
// CHECK: module attributes {qgraph.fingerprint = "[[PRINT]]"}
func.func @main(%x: tensor<8x4xf32>) -> (tensor<8x2xf32>, tensor<8x2xf32>) {
  %w = qgraph.constant dense<1.0> : tensor<2x4xf32>
  %v = qgraph.constant dense<2.0> : tensor<2x2xf32>
  %y = qgraph.linear %x, %w {name = "fc1"} : (tensor<8x4xf32>, tensor<2x4xf32>) -> tensor<8x2xf32>
  %z = qgraph.linear %x, %w {name = "fc2"} : (tensor<8x4xf32>, tensor<2x4xf32>) -> tensor<8x2xf32>
  %t = qgraph.linear %y, %v {name = "fc1"} : (tensor<8x2xf32>, tensor<2x2xf32>) -> tensor<8x2xf32>
  return %z, %t : tensor<8x2xf32>, tensor<8x2xf32>
}

// -----

// Other weights: another model. A layer in a branch is not observed.
// CHECK-NOT: [[PRINT]]
// CHECK: qgraph.fingerprint
// CHECK-LABEL: @branch
// CHECK-NOT: qgraph.observe
func.func @branch(%x: tensor<8x4xf32>, %c: index) -> tensor<8x2xf32> {
  %r = qgraph.if %c {
    %w = qgraph.constant dense<3.0> : tensor<2x4xf32>
    // expected-remark @+1 {{'fc1' (qgraph.linear) is in a branch or loop: its input is not observed}}
    %y = qgraph.linear %x, %w {name = "fc1"} : (tensor<8x4xf32>, tensor<2x4xf32>) -> tensor<8x2xf32>
    qgraph.yield %y : tensor<8x2xf32>
  } else {
    %z = qgraph.constant dense<0.0> : tensor<8x2xf32>
    qgraph.yield %z : tensor<8x2xf32>
  } : tensor<8x2xf32>
  return %r : tensor<8x2xf32>
}
