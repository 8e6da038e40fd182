// Where a format does not suit a layer, and says so.

// RUN: quant-opt %s --split-input-file --verify-diagnostics --qgraph-quantize-weights="cost-model=false format=f16" -o /dev/null

func.func @too_large(%x: tensor<?x2xf32>) -> tensor<?x1xf32> {
  %w = qgraph.constant dense<[[1.0, 1.0e5]]> : tensor<1x2xf32>
  // expected-remark @+1 {{'fc' (qgraph.linear) stays float: its weight holds numbers too large for f16; set with its name and another format quantizes it}}
  %y = qgraph.linear %x, %w {name = "fc"} : (tensor<?x2xf32>, tensor<1x2xf32>) -> tensor<?x1xf32>
  return %y : tensor<?x1xf32>
}

// -----

func.func @convolution(%x: tensor<1x4x4x1xf32>) -> tensor<1x4x4x1xf32> {
  %w = qgraph.constant dense<0.5> : tensor<1x1x1x1xf32>
  // expected-remark @+1 {{stays float: convolutions have kernels for si8 and f32 weights, not for f16}}
  %y = qgraph.conv %x, %w {strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, groups = 1 : i64, name = "conv"} : (tensor<1x4x4x1xf32>, tensor<1x1x1x1xf32>) -> tensor<1x4x4x1xf32>
  return %y : tensor<1x4x4x1xf32>
}
