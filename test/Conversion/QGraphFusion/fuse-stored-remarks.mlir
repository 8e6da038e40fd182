// RUN: quant-opt %s --split-input-file --qgraph-fuse-quantized --qgraph-fuse-epilogue --verify-diagnostics -o /dev/null

func.func @per_channel(%q: tensor<1x4x4x8xsi8>, %s: tensor<1x1x1x8xf32>, %w: tensor<8x1x1x8xsi8>, %t: tensor<8x1x1x1xf32>) -> tensor<1x4x4x8xf32> {
  %0 = qgraph.dequantize %q scale %s {block = array<i64: 0, 0, 0, 1>} : (tensor<1x4x4x8xsi8>, tensor<1x1x1x8xf32>) -> tensor<1x4x4x8xf32>
  %1 = qgraph.dequantize %w scale %t {block = array<i64: 1, 0, 0, 0>} : (tensor<8x1x1x8xsi8>, tensor<8x1x1x1xf32>) -> tensor<8x1x1x8xf32>
  // expected-remark @+1 {{is computed on float values: the qgraph.dequantize of its input is in the way: its scales differ along dimension 3; the integer sum of a convolution needs one scale}}
  %2 = qgraph.conv %0, %1 {strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>} : (tensor<1x4x4x8xf32>, tensor<8x1x1x8xf32>) -> tensor<1x4x4x8xf32>
  return %2 : tensor<1x4x4x8xf32>
}

// -----

func.func @two_readers(%x: tensor<4x6xf32>, %w: tensor<8x6xf32>) -> (tensor<4x8xsi8>, tensor<4x8xf32>) {
  %s = qgraph.constant dense<0.5> : tensor<1x1xf32>
  // expected-remark @+1 {{'fc' (qgraph.linear) does not store its result by itself: other ops read the float values too}}
  %0 = qgraph.linear %x, %w {name = "fc"} : (tensor<4x6xf32>, tensor<8x6xf32>) -> tensor<4x8xf32>
  %1 = qgraph.quantize %0 scale %s {block = array<i64: 0, 0>} : (tensor<4x8xf32>, tensor<1x1xf32>) -> tensor<4x8xsi8>
  return %1, %0 : tensor<4x8xsi8>, tensor<4x8xf32>
}

// -----

func.func @no_step(%q: tensor<4x8xsi8>) -> tensor<4xf32> {
  %s = qgraph.constant dense<0.5> : tensor<1x1xf32>
  // expected-remark @+1 {{the codes of argument #0 are dequantized for onnx.node "ReduceMean", which is no step of a layer}}
  %0 = qgraph.dequantize %q scale %s {block = array<i64: 0, 0>} : (tensor<4x8xsi8>, tensor<1x1xf32>) -> tensor<4x8xf32>
  %1 = onnx.node "ReduceMean"(%0) {node_attributes = {axes = [1 : si64], keepdims = 0 : si64}, version = 18 : i64} : (tensor<4x8xf32>) -> tensor<4xf32>
  return %1 : tensor<4xf32>
}
