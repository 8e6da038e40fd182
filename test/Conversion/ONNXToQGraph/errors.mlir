// Every node that cannot be handled is reported, in one run.

// RUN: quant-opt %s --convert-onnx-to-qgraph --split-input-file --verify-diagnostics

func.func @all(%x: tensor<?x4xf32>, %n: tensor<?xsi64>) -> tensor<*xf32> {
  // expected-error@+1 {{node 'strange' (Strange, domain 'ai.onnx', version 1) of ('tensor<?x4xf32>') cannot be handled: there is no such operator in this version}}
  %0 = onnx.node "Strange"(%x) {version = 1 : i64, name = "strange"} : (tensor<?x4xf32>) -> tensor<*xf32>
  // What follows from it is not reported again.
  %1 = onnx.node "Relu"(%0) {version = 14 : i64} : (tensor<*xf32>) -> tensor<*xf32>
  // expected-error-re@+1 {{node (Custom, domain 'my.own', version 3){{.*}}or name a library that has this one (--plugin)}}
  %2 = onnx.node "Custom"(%1) {domain = "my.own", version = 3 : i64} : (tensor<*xf32>) -> tensor<*xf32>
  // expected-error@+1 {{node 'reshape' (Reshape, domain 'ai.onnx', version 14) of ('tensor<?x4xf32>', 'tensor<?xsi64>') cannot be handled: its shape is computed from data}}
  %3 = onnx.node "Reshape"(%x, %n) {version = 14 : i64, name = "reshape"} : (tensor<?x4xf32>, tensor<?xsi64>) -> tensor<*xf32>
  return %2 : tensor<*xf32>
}

// -----

func.func @shapes(%x: tensor<2x3xf32>, %y: tensor<4x5xf32>) -> tensor<*xf32> {
  // expected-error@+1 {{cannot be handled: the inner dimensions of its operands differ}}
  %0 = onnx.node "MatMul"(%x, %y) {version = 13 : i64} : (tensor<2x3xf32>, tensor<4x5xf32>) -> tensor<*xf32>
  // expected-error@+1 {{cannot be handled: its operands cannot be broadcast together}}
  %1 = onnx.node "Add"(%x, %y) {version = 14 : i64} : (tensor<2x3xf32>, tensor<4x5xf32>) -> tensor<*xf32>
  %to = qgraph.constant dense<[5, -1]> : tensor<2xsi64>
  %six = qgraph.constant dense<[7]> : tensor<1xsi64>
  // expected-error@+1 {{cannot be handled: the numbers of elements differ}}
  %2 = onnx.node "Reshape"(%x, %six) {version = 14 : i64} : (tensor<2x3xf32>, tensor<1xsi64>) -> tensor<*xf32>
  // expected-error@+1 {{cannot be handled: axis 2 is out of range for a tensor of rank 2}}
  %3 = onnx.node "ReduceMax"(%x) {version = 13 : i64, node_attributes = {axes = [2 : si64]}} : (tensor<2x3xf32>) -> tensor<*xf32>
  // expected-error@+1 {{cannot be handled: its operands differ in dimension 0}}
  %4 = onnx.node "Concat"(%x, %y) {version = 13 : i64, node_attributes = {axis = 1 : si64}} : (tensor<2x3xf32>, tensor<4x5xf32>) -> tensor<*xf32>
  return %0 : tensor<*xf32>
}

// -----

// expected-error@+1 {{input 0 of type 'tensor<*xf32>': only tensors of known rank can be inputs}}
func.func @unranked(%x: tensor<*xf32>) -> tensor<*xf32> {
  %0 = onnx.node "Relu"(%x) {version = 14 : i64} : (tensor<*xf32>) -> tensor<*xf32>
  return %0 : tensor<*xf32>
}
