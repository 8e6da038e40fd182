// Layers whose inputs are not rotated say what is in the way; nothing is changed for them.

// RUN: quant-opt %s --split-input-file --verify-diagnostics --qgraph-rotate | FileCheck %s
// CHECK-NOT: @rotate

func.func @layer_norm(%i: tensor<?xsi64>) -> tensor<?x2xf32> {
  %t = qgraph.constant dense<1.0> : tensor<3x4xf32>
  %w = qgraph.constant dense<1.0> : tensor<2x4xf32>
  %e = qgraph.embedding %t, %i : (tensor<3x4xf32>, tensor<?xsi64>) -> tensor<?x4xf32>
  %h = qgraph.norm layer %e {epsilon = 1.0e-5 : f32, name = "ln"} : (tensor<?x4xf32>) -> tensor<?x4xf32>
  // expected-remark@+1 {{the input of 'fc' (qgraph.linear) is not rotated: 'ln' (qgraph.norm) subtracts the mean of the channels}}
  %y = qgraph.linear %h, %w {name = "fc"} : (tensor<?x4xf32>, tensor<2x4xf32>) -> tensor<?x2xf32>
  return %y : tensor<?x2xf32>
}

// -----

func.func @output(%i: tensor<?xsi64>) -> (tensor<?x2xf32>, tensor<?x4xf32>) {
  %t = qgraph.constant dense<1.0> : tensor<3x4xf32>
  %w = qgraph.constant dense<1.0> : tensor<2x4xf32>
  %e = qgraph.embedding %t, %i : (tensor<3x4xf32>, tensor<?xsi64>) -> tensor<?x4xf32>
  // expected-remark@+1 {{is not rotated: an output of the model has them}}
  %y = qgraph.linear %e, %w {name = "fc"} : (tensor<?x4xf32>, tensor<2x4xf32>) -> tensor<?x2xf32>
  return %y, %e : tensor<?x2xf32>, tensor<?x4xf32>
}

// -----

// A norm behind the addition whose result is added again: its gain has no place.

func.func @post_norm(%i: tensor<?xsi64>, %n: index) -> tensor<?x4xf32> {
  %t = qgraph.constant dense<1.0> : tensor<3x4xf32>
  %g = qgraph.constant dense<2.0> : tensor<4xf32>
  %w = qgraph.constant dense<1.0> : tensor<4x4xf32>
  %e = qgraph.embedding %t, %i : (tensor<3x4xf32>, tensor<?xsi64>) -> tensor<?x4xf32>
  %h = qgraph.norm rms %e weight %g {epsilon = 1.0e-5 : f32, name = "post"} : (tensor<?x4xf32>, tensor<4xf32>) -> tensor<?x4xf32>
  // expected-remark@+1 {{is not rotated: the gain of 'post' (qgraph.norm) cannot be put into onnx.node "Add"}}
  %y = qgraph.linear %h, %w {name = "fc"} : (tensor<?x4xf32>, tensor<4x4xf32>) -> tensor<?x4xf32>
  %a = onnx.node "Add"(%h, %y) dims(%n) {version = 14 : i64} : (tensor<?x4xf32>, tensor<?x4xf32>) -> tensor<?x4xf32>
  return %a : tensor<?x4xf32>
}

// -----

func.func @quantized(%i: tensor<?xsi64>) -> tensor<?x2xf32> {
  %t = qgraph.constant dense<1.0> : tensor<3x4xf32>
  %c = qgraph.constant dense<1> : tensor<2x4xsi8>
  %s = qgraph.constant dense<1.0> : tensor<2x1xf32>
  %w = qgraph.dequantize %c scale %s {block = array<i64: 1, 0>} : (tensor<2x4xsi8>, tensor<2x1xf32>) -> tensor<2x4xf32>
  %e = qgraph.embedding %t, %i : (tensor<3x4xf32>, tensor<?xsi64>) -> tensor<?x4xf32>
  // expected-remark@+1 {{is not rotated: the weight of 'fc' (qgraph.linear) is quantized already}}
  %y = qgraph.linear %e, %w {name = "fc"} : (tensor<?x4xf32>, tensor<2x4xf32>) -> tensor<?x2xf32>
  return %y : tensor<?x2xf32>
}

// -----

// Sites come after rotations.

func.func @observed(%i: tensor<?xsi64>) -> tensor<?x2xf32> {
  %t = qgraph.constant dense<1.0> : tensor<3x4xf32>
  %w = qgraph.constant dense<1.0> : tensor<2x4xf32>
  %e = qgraph.embedding %t, %i : (tensor<3x4xf32>, tensor<?xsi64>) -> tensor<?x4xf32>
  %o = qgraph.observe "fc/input" %e : tensor<?x4xf32>
  // expected-remark@+1 {{is not rotated: no rotation passes qgraph.observe}}
  %y = qgraph.linear %o, %w {name = "fc"} : (tensor<?x4xf32>, tensor<2x4xf32>) -> tensor<?x2xf32>
  return %y : tensor<?x2xf32>
}
