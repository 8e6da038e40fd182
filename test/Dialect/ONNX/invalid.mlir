// RUN: quant-opt %s --verify-diagnostics --split-input-file

func.func @op_type(%x: tensor<4xf32>) {
  // expected-error @+1 {{has no op_type}}
  %0 = onnx.node ""(%x) {version = 14 : i64} : (tensor<4xf32>) -> tensor<4xf32>
  return
}

// -----

func.func @version(%x: tensor<4xf32>) {
  // expected-error @+1 {{has version 0; the first version of an operator is 1}}
  %0 = onnx.node "Relu"(%x) {version = 0 : i64} : (tensor<4xf32>) -> tensor<4xf32>
  return
}

// -----

func.func @input_type(%x: memref<4xf32>) {
  // expected-error @+1 {{input 0 has type 'memref<4xf32>', which is neither a tensor nor none}}
  %0 = onnx.node "Relu"(%x) {version = 14 : i64} : (memref<4xf32>) -> tensor<4xf32>
  return
}

// -----

func.func @output_type(%x: tensor<4xf32>) {
  // expected-error @+1 {{output 0 has type 'index', which is neither a tensor nor none}}
  %0 = onnx.node "Relu"(%x) {version = 14 : i64} : (tensor<4xf32>) -> index
  return
}

// -----

func.func @dims(%x: tensor<?x?xf32>, %n: index) {
  // expected-error @+1 {{has 1 dims for the 2 dynamic dimensions of its results}}
  %0 = onnx.node "Relu"(%x) dims(%n) {version = 14 : i64} : (tensor<?x?xf32>) -> tensor<?x?xf32>
  return
}

// -----

func.func @attribute(%x: tensor<4xf32>) {
  // expected-error @+1 {{attribute "axis" is 1 : i64; an ONNX attribute is an si64, an f32, a string, a tensor, a type or an array of these}}
  %0 = onnx.node "Softmax"(%x) {node_attributes = {axis = 1 : i64}, version = 13 : i64} : (tensor<4xf32>) -> tensor<4xf32>
  return
}

// -----

func.func @attribute_list(%x: tensor<4xf32>) {
  // expected-error @+1 {{attribute "axes" is [1]; an ONNX attribute is}}
  %0 = onnx.node "ReduceSum"(%x) {node_attributes = {axes = [1 : i64]}, version = 11 : i64} : (tensor<4xf32>) -> tensor<4xf32>
  return
}

// -----

func.func @names(%x: tensor<i1>) {
  // expected-error @+1 {{has 1 subgraphs and 0 subgraph_names}}
  %0 = onnx.node "If"(%x) subgraphs {
    onnx.return %x : tensor<i1>
  } {version = 16 : i64} : (tensor<i1>) -> tensor<i1>
  return
}

// -----

func.func @empty_subgraph(%x: tensor<i1>) {
  // expected-error @+1 {{subgraph 0 has 0 blocks; it must have one}}
  %0 = onnx.node "If"(%x) subgraphs {} {subgraph_names = ["then_branch"], version = 16 : i64}
    : (tensor<i1>) -> tensor<i1>
  return
}

// -----

func.func @terminator(%x: tensor<i1>) {
  // expected-error @+1 {{subgraph 0 does not end with onnx.return}}
  %0 = onnx.node "If"(%x) subgraphs {
    llvm.unreachable
  } {subgraph_names = ["then_branch"], version = 16 : i64} : (tensor<i1>) -> tensor<i1>
  return
}
