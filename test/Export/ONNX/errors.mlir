// RUN: quant-translate --export-onnx --split-input-file --verify-diagnostics %s -o /dev/null

func.func @main(%x: tensor<4x6xf32>, %s: tensor<4x1xf32>, %b: tensor<16xf32>) -> (tensor<4x6xui4>, tensor<4x6xsi3>) {
  // expected-error @below {{cannot be exported to ONNX: 'qgraph.quantize': ONNX has no operator that finds the nearest code of a codebook}}
  %0 = qgraph.quantize %x scale %s codebook %b {block = array<i64: 1, 0>} : (tensor<4x6xf32>, tensor<4x1xf32>, tensor<16xf32>) -> tensor<4x6xui4>
  // expected-error @below {{cannot be exported to ONNX: 'qgraph.quantize': ONNX has no element type si3}}
  %1 = qgraph.quantize %x scale %s {block = array<i64: 1, 0>} : (tensor<4x6xf32>, tensor<4x1xf32>) -> tensor<4x6xsi3>
  return %0, %1 : tensor<4x6xui4>, tensor<4x6xsi3>
}

// -----

func.func @main(%x: tensor<?x6xf32>) -> tensor<?x3xf32> {
  // expected-error @below {{cannot be exported to ONNX: node 'r' (Reshape, version 25): a dimension of its result is not known}}
  %0 = onnx.node "Reshape"(%x) {name = "r", version = 25 : i64} : (tensor<?x6xf32>) -> tensor<?x3xf32>
  return %0 : tensor<?x3xf32>
}

// -----

// expected-error @below {{cannot be exported to ONNX: no version of the standard operators from 21 to}}
module {
  func.func @main(%x: tensor<2xf32>) -> tensor<2xf32> {
    %0 = onnx.node "Relu"(%x) {name = "strange", node_attributes = {alpha = 1.0 : f32}, version = 14 : i64} : (tensor<2xf32>) -> tensor<2xf32>
    %1 = onnx.node "Cast"(%0) {version = 13 : i64} : (tensor<2xf32>) -> tensor<2xf32>
    return %1 : tensor<2xf32>
  }
}

// -----

module {
  func.func @a(%x: tensor<2xf32>) -> tensor<2xf32> {
    return %x : tensor<2xf32>
  }
  // expected-error @below {{a model has one public function, and there are two}}
  func.func @b(%x: tensor<2xf32>) -> tensor<2xf32> {
    return %x : tensor<2xf32>
  }
}
