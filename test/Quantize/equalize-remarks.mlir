// Tensors that are not equalized say why.

// RUN: quant-opt %s --split-input-file --verify-diagnostics --qgraph-equalize -o /dev/null

func.func @sigmoid(%x: tensor<?x2xf32>, %n: index) -> tensor<?x1xf32> {
  %w = qgraph.constant dense<1.0> : tensor<2x2xf32>
  %v = qgraph.constant dense<1.0> : tensor<1x2xf32>
  // expected-remark@+1 {{the input of 'a' (qgraph.linear) is not equalized: an input of the model has them}}
  %a = qgraph.linear %x, %w {name = "a"} : (tensor<?x2xf32>, tensor<2x2xf32>) -> tensor<?x2xf32>
  %s = onnx.node "Sigmoid"(%a) dims(%n) {name = "s", version = 13 : i64} : (tensor<?x2xf32>) -> tensor<?x2xf32>
  // expected-remark@+1 {{the input of 'b' (qgraph.linear) is not equalized: they cannot pass 's' (onnx.node "Sigmoid"): it is not homogeneous}}
  %b = qgraph.linear %s, %v {name = "b"} : (tensor<?x2xf32>, tensor<1x2xf32>) -> tensor<?x1xf32>
  return %b : tensor<?x1xf32>
}

// -----

func.func @norm(%x: tensor<?x2xf32>) -> tensor<?x1xf32> {
  %v = qgraph.constant dense<1.0> : tensor<1x2xf32>
  %h = qgraph.norm rms %x {epsilon = 1.0e-5 : f32} : (tensor<?x2xf32>) -> tensor<?x2xf32>
  // expected-remark@+1 {{the input of 'b' (qgraph.linear) is not equalized: no layer makes it}}
  %b = qgraph.linear %h, %v {name = "b"} : (tensor<?x2xf32>, tensor<1x2xf32>) -> tensor<?x1xf32>
  return %b : tensor<?x1xf32>
}

// -----

// An average over positions and then over the channels: what mixes them is in the way.

func.func @mean(%x: tensor<?x2xf32>, %n: index) -> (tensor<?x1xf32>, tensor<?x1xf32>) {
  %w = qgraph.constant dense<1.0> : tensor<2x2xf32>
  %v = qgraph.constant dense<1.0> : tensor<1x2xf32>
  // expected-remark@+1 {{an input of the model has them}}
  %a = qgraph.linear %x, %w {name = "a"} : (tensor<?x2xf32>, tensor<2x2xf32>) -> tensor<?x2xf32>
  %m = onnx.node "ReduceMean"(%a) dims(%n) {name = "m", node_attributes = {axes = [1 : si64], keepdims = 1 : si64}, version = 18 : i64} : (tensor<?x2xf32>) -> tensor<?x1xf32>
  // expected-remark@+1 {{they cannot pass 'm' (onnx.node "ReduceMean"): it combines elements of several channels}}
  %b = qgraph.linear %a, %v {name = "b"} : (tensor<?x2xf32>, tensor<1x2xf32>) -> tensor<?x1xf32>
  return %b, %m : tensor<?x1xf32>, tensor<?x1xf32>
}
