// Layers that keep their offsets say why.

// RUN: quant-opt %s --split-input-file --verify-diagnostics -o /dev/null --qgraph-split-offsets

func.func @short(%x: tensor<?x5xf32>, %q: tensor<1x5xui4>, %s: tensor<1x3xf32>) -> tensor<?x1xf32> {
  %w = qgraph.dequantize %q scale %s offset %s {block = array<i64: 1, 2>} : (tensor<1x5xui4>, tensor<1x3xf32>, tensor<1x3xf32>) -> tensor<1x5xf32>
  // expected-remark@+1 {{'fc' (qgraph.linear) keeps its weight's offsets: its groups of 2 do not divide K = 5}}
  %y = qgraph.linear %x, %w {name = "fc"} : (tensor<?x5xf32>, tensor<1x5xf32>) -> tensor<?x1xf32>
  return %y : tensor<?x1xf32>
}

// -----

func.func @tensor(%x: tensor<?x4xf32>, %q: tensor<2x4xui4>, %s: tensor<1x1xf32>) -> tensor<?x2xf32> {
  %w = qgraph.dequantize %q scale %s offset %s {block = array<i64: 0, 0>} : (tensor<2x4xui4>, tensor<1x1xf32>, tensor<1x1xf32>) -> tensor<2x4xf32>
  // expected-remark@+1 {{keeps its weight's offsets: its weight's columns share offsets}}
  %y = qgraph.linear %x, %w : (tensor<?x4xf32>, tensor<2x4xf32>) -> tensor<?x2xf32>
  return %y : tensor<?x2xf32>
}

// -----

func.func @book(%x: tensor<?x4xf32>, %q: tensor<2x4xui4>, %s: tensor<2x1xf32>, %b: tensor<16xf32>) -> tensor<?x2xf32> {
  %w = qgraph.dequantize %q scale %s offset %s codebook %b {block = array<i64: 1, 0>} : (tensor<2x4xui4>, tensor<2x1xf32>, tensor<2x1xf32>, tensor<16xf32>) -> tensor<2x4xf32>
  // expected-remark@+1 {{keeps its weight's offsets: its weight's codes are no integers to sum}}
  %y = qgraph.linear %x, %w : (tensor<?x4xf32>, tensor<2x4xf32>) -> tensor<?x2xf32>
  return %y : tensor<?x2xf32>
}
