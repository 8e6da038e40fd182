// RUN: quant-opt %s --lower-to-kernels --verify-diagnostics --split-input-file

// All of them in one run.
func.func @main(%x: tensor<4xf64>, %s: tensor<4x4xf32>) -> (tensor<4xf64>, tensor<4xf32>) {
  // expected-error @below {{cannot be compiled: BitwiseNot is not there for operands of type tensor<4xf64> and a result of type tensor<4xf64>}}
  // expected-note @below {{ONNX node 'first', ai.onnx.BitwiseNot version 18}}
  %0 = onnx.node "BitwiseNot"(%x) {name = "first", version = 18 : i64} : (tensor<4xf64>) -> tensor<4xf64>
  // expected-error @below {{cannot be compiled: there is no kernel for Unique}}
  // expected-note @below {{ONNX node 'second', ai.onnx.Unique version 11}}
  %1 = onnx.node "Unique"(%s) {name = "second", version = 11 : i64} : (tensor<4x4xf32>) -> tensor<4xf32>
  return %0, %1 : tensor<4xf64>, tensor<4xf32>
}

// -----

func.func @main(%x: tensor<4x4xf32>, %axes: tensor<?xsi64>) -> tensor<4x1xf32> {
  // expected-error @below {{cannot be compiled: ReduceSum needs a fixed number of axes}}
  // expected-note @below {{ONNX node}}
  %0 = onnx.node "ReduceSum"(%x, %axes) {version = 13 : i64} : (tensor<4x4xf32>, tensor<?xsi64>) -> tensor<4x1xf32>
  return %0 : tensor<4x1xf32>
}
