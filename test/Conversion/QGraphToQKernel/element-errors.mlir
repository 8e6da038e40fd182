// RUN: quant-opt %s --lower-to-kernels --verify-diagnostics

func.func @computed(%x: tensor<2xsi64>, %y: tensor<?xf32>) -> tensor<?xf32> {
  %0 = onnx.node "Add"(%x, %x) {version = 14 : i64} : (tensor<2xsi64>, tensor<2xsi64>) -> tensor<2xsi64>
  // expected-error @below {{the element is computed by the model itself}}
  %d = qgraph.element %0[0] : tensor<2xsi64>
  %1 = onnx.node "Expand"(%y) dims(%d) {version = 13 : i64} : (tensor<?xf32>) -> tensor<?xf32>
  return %1 : tensor<?xf32>
}
