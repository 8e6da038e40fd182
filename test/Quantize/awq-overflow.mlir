// Samples whose values are finite, but not what the layers make of them.

// RUN: %python %S/../Inputs/make_samples.py %t "x=1,1,1,1;3e38,3e38,3e38,3e38"
// RUN: not quant-opt %s --qgraph-quantize-weights="format=si4 cost-model=false keep-original=true" \
// RUN:   --qgraph-insert-observers --qgraph-awq=data=%t 2>&1 | FileCheck %s
// CHECK: error: qgraph-awq: site 'fc2/input': sample 1 gives NaN or infinities there; take it out of the data

func.func @main(%x: tensor<?x4xf32> {onnx.name = "x"}) -> tensor<?x2xf32> {
  %w = qgraph.constant dense<1.0> : tensor<4x4xf32>
  %v = qgraph.constant dense<1.0> : tensor<2x4xf32>
  %y = qgraph.linear %x, %w {name = "fc1"} : (tensor<?x4xf32>, tensor<4x4xf32>) -> tensor<?x4xf32>
  %z = qgraph.linear %y, %v {name = "fc2"} : (tensor<?x4xf32>, tensor<2x4xf32>) -> tensor<?x2xf32>
  return %z : tensor<?x2xf32>
}
