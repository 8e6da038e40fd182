// RUN: quant-opt %s --convert-onnx-to-qgraph --split-input-file --verify-diagnostics

func.func @ranks(%c: tensor<i1>, %x: tensor<2xf32>, %y: tensor<2x2xf32>) -> !onnx.unknown {
  // expected-error@+1 {{cannot be handled: its branches give tensor<2xf32> and tensor<2x2xf32> as result 0; they must have one type and rank}}
  %0 = onnx.node "If"(%c) subgraphs {
    onnx.return %x : tensor<2xf32>
  }, {
    onnx.return %y : tensor<2x2xf32>
  } {version = 19 : i64, subgraph_names = ["then_branch", "else_branch"]} : (tensor<i1>) -> !onnx.unknown
  return %0 : !onnx.unknown
}

// -----

func.func @carried(%m: tensor<si64>, %x: tensor<2xf32>) -> !onnx.unknown {
  %none = onnx.none
  // expected-error@+1 {{carried tensor 0 is tensor<?xf32> before an iteration and tensor<1x?xf32> after it; its type and rank must stay}}
  %0 = onnx.node "Loop"(%m, %none, %x) subgraphs {
  ^bb0(%i: tensor<si64>, %c: tensor<i1>, %a: !onnx.unknown):
    %axes = qgraph.constant dense<0> : tensor<1xsi64>
    %1 = onnx.node "Unsqueeze"(%a, %axes) {version = 13 : i64} : (!onnx.unknown, tensor<1xsi64>) -> !onnx.unknown
    onnx.return %c, %1 : tensor<i1>, !onnx.unknown
  } {version = 19 : i64, subgraph_names = ["body"]} : (tensor<si64>, none, tensor<2xf32>) -> !onnx.unknown
  return %0 : !onnx.unknown
}

// -----

// A node inside a body is reported once, whatever is tried.

func.func @inside(%m: tensor<si64>, %x: tensor<2xf32>) -> !onnx.unknown {
  %none = onnx.none
  %0 = onnx.node "Loop"(%m, %none, %x) subgraphs {
  ^bb0(%i: tensor<si64>, %c: tensor<i1>, %a: !onnx.unknown):
    // expected-error@+1 {{(Strange, domain 'ai.onnx', version 1)}}
    %1 = onnx.node "Strange"(%a) {version = 1 : i64} : (!onnx.unknown) -> !onnx.unknown
    onnx.return %c, %1 : tensor<i1>, !onnx.unknown
  } {version = 19 : i64, subgraph_names = ["body"]} : (tensor<si64>, none, tensor<2xf32>) -> !onnx.unknown
  return %0 : !onnx.unknown
}

// -----

func.func @sequence(%x: tensor<2xf32>) -> !onnx.unknown {
  %0 = onnx.node "SequenceConstruct"(%x) {version = 11 : i64} : (tensor<2xf32>) -> !onnx.unknown
  // expected-error@+1 {{it is given a sequence or an optional, and takes tensors}}
  %1 = onnx.node "Relu"(%0) {version = 14 : i64} : (!onnx.unknown) -> !onnx.unknown
  return %1 : !onnx.unknown
}
