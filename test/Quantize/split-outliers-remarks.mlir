// Layers that stay whole say why; one without outliers says nothing.

// RUN: mkdir -p %t
// RUN: %python %S/../Inputs/make_statistics.py %t/s many/input=10,20 none/input=1,2 large/input=1,1,1,9
// RUN: quant-opt %s --split-input-file --verify-diagnostics -o /dev/null --qgraph-split-outliers="statistics=%t/s"

func.func @many(%x: tensor<?x2xf32>) -> tensor<?x1xf32> {
  %w = qgraph.constant dense<1.0> : tensor<1x2xf32>
  %o = qgraph.observe "many/input" %x : tensor<?x2xf32>
  // expected-remark@+1 {{'many' (qgraph.linear) stays whole: 2 of the 2 columns of its input exceed 6}}
  %y = qgraph.linear %o, %w {name = "many"} : (tensor<?x2xf32>, tensor<1x2xf32>) -> tensor<?x1xf32>
  return %y : tensor<?x1xf32>
}

// -----

func.func @none(%x: tensor<?x2xf32>) -> tensor<?x1xf32> {
  %w = qgraph.constant dense<1.0> : tensor<1x2xf32>
  %o = qgraph.observe "none/input" %x : tensor<?x2xf32>
  %y = qgraph.linear %o, %w {name = "none"} : (tensor<?x2xf32>, tensor<1x2xf32>) -> tensor<?x1xf32>
  return %y : tensor<?x1xf32>
}

// -----

func.func @unobserved(%x: tensor<?x2xf32>) -> tensor<?x1xf32> {
  %w = qgraph.constant dense<1.0> : tensor<1x2xf32>
  // expected-remark@+1 {{'fc' (qgraph.linear) stays whole: its input has no calibration site}}
  %y = qgraph.linear %x, %w {name = "fc"} : (tensor<?x2xf32>, tensor<1x2xf32>) -> tensor<?x1xf32>
  return %y : tensor<?x1xf32>
}

// -----

func.func @computed(%x: tensor<?x2xf32>, %w: tensor<1x2xf32>) -> tensor<?x1xf32> {
  %o = qgraph.observe "none/input" %x : tensor<?x2xf32>
  // expected-remark@+1 {{stays whole: its weight comes from argument #1 and is no constant}}
  %y = qgraph.linear %o, %w : (tensor<?x2xf32>, tensor<1x2xf32>) -> tensor<?x1xf32>
  return %y : tensor<?x1xf32>
}

// -----

func.func @large(%x: tensor<?x4xf32>) -> tensor<?x1xf32> {
  %w = qgraph.constant dense<1.0e5> : tensor<1x4xf32>
  %o = qgraph.observe "large/input" %x : tensor<?x4xf32>
  // expected-remark@+1 {{stays whole: its weight holds numbers too large for f16; format=bf16 has room for them}}
  %y = qgraph.linear %o, %w : (tensor<?x4xf32>, tensor<1x4xf32>) -> tensor<?x1xf32>
  return %y : tensor<?x1xf32>
}
