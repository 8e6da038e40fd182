// The values of an attention, head by head; a past that comes from outside only with an option.

// RUN: quant-opt %s --qgraph-rotate 2>&1 | FileCheck %s --check-prefix=PAST
// RUN: quant-opt %s --qgraph-rotate=rotate-cache=true 2>&1 | FileCheck %s --check-prefix=ROTATED

// PAST: the input of 'o' (qgraph.linear) is not rotated: an {{in|out}}put of the model has them
// PAST: %[[W:.*]] = qgraph.constant dense<1.000000e+00> : tensor<4x3xf32>
// PAST: qgraph.linear %{{.*}}, %[[W]] {name = "v"}

// Equal rows of ones: R makes them 1 + 1 and 1 - 1 over the root of 2, with signs.
// ROTATED: the input of 'v' (qgraph.linear) is not rotated: an input of the model has them
// ROTATED: %[[W:.*]] = qgraph.constant dense<{{\[\[}}{{.*}}1.41421354{{.*}}> : tensor<4x3xf32>
// ROTATED: %[[V:.*]] = qgraph.constant dense<{{\[\[}}{{.*}}1.41421354{{.*}}> : tensor<5x8xf32>
// ROTATED: qgraph.linear %{{.*}}, %[[W]] {name = "v"}
// ROTATED: qgraph.linear %{{.*}}, %[[V]] {name = "o"}

func.func @main(%x: tensor<1x6x3xf32>, %q: tensor<1x6x4x2xf32>, %k: tensor<1x2x7x2xf32>, %past: tensor<1x2x1x2xf32>)
    -> (tensor<1x6x5xf32>, tensor<1x2x7x2xf32>) {
  %w = qgraph.constant dense<1.0> : tensor<4x3xf32>
  %u = qgraph.constant dense<1.0> : tensor<5x8xf32>
  %v = qgraph.linear %x, %w {name = "v"} : (tensor<1x6x3xf32>, tensor<4x3xf32>) -> tensor<1x6x4xf32>
  %h = onnx.node "Reshape"(%v) {version = 25 : i64} : (tensor<1x6x4xf32>) -> tensor<1x6x2x2xf32>
  %t = onnx.node "Transpose"(%h) {node_attributes = {perm = [0 : si64, 2 : si64, 1 : si64, 3 : si64]}, version = 25 : i64} : (tensor<1x6x2x2xf32>) -> tensor<1x2x6x2xf32>
  %c = onnx.node "Concat"(%past, %t) {node_attributes = {axis = 2 : si64}, version = 13 : i64} : (tensor<1x2x1x2xf32>, tensor<1x2x6x2xf32>) -> tensor<1x2x7x2xf32>
  %a = qgraph.attention %q, %k, %c {heads_first, scale = 1.0 : f32} : (tensor<1x6x4x2xf32>, tensor<1x2x7x2xf32>, tensor<1x2x7x2xf32>) -> tensor<1x6x4x2xf32>
  %m = onnx.node "Reshape"(%a) {version = 25 : i64} : (tensor<1x6x4x2xf32>) -> tensor<1x6x8xf32>
  %o = qgraph.linear %m, %u {name = "o"} : (tensor<1x6x8xf32>, tensor<5x8xf32>) -> tensor<1x6x5xf32>
  return %o, %c : tensor<1x6x5xf32>, tensor<1x2x7x2xf32>
}
