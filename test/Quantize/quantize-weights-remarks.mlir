// RUN: quant-opt %s --split-input-file --verify-diagnostics -o /dev/null \
// RUN:   --qgraph-quantize-weights="keep-float=^head set='fc[34]=float;fc4=si4,group-size=2' require-match=false"

// Every layer that stays float says why, and what would help.

func.func @too_small(%x: tensor<?x4xf32>) -> tensor<?x2xf32> {
  %w = qgraph.constant dense<1.0> : tensor<2x4xf32>
  // expected-remark@+1 {{'fc1' (qgraph.linear) stays float: with 2 x 4 weights it is too small for it to pay}}
  %y = qgraph.linear %x, %w {name = "fc1"} : (tensor<?x4xf32>, tensor<2x4xf32>) -> tensor<?x2xf32>
  return %y : tensor<?x2xf32>
}

// -----

func.func @not_constant(%x: tensor<?x4xf32>, %w: tensor<2x4xf32>) -> tensor<?x2xf32> {
  // expected-remark@+1 {{qgraph.linear stays float: its weight comes from argument #1 and is known only while the model runs; fold it into a constant before the import}}
  %y = qgraph.linear %x, %w : (tensor<?x4xf32>, tensor<2x4xf32>) -> tensor<?x2xf32>
  return %y : tensor<?x2xf32>
}

// -----

func.func @kept(%x: tensor<?x4xf32>) -> tensor<?x2xf32> {
  %w = qgraph.constant dense<1.0> : tensor<2x4xf32>
  // expected-remark@+1 {{'head/fc' (qgraph.linear) stays float: keep-float '^head' matches it}}
  %y = qgraph.linear %x, %w {name = "head/fc"} : (tensor<?x4xf32>, tensor<2x4xf32>) -> tensor<?x2xf32>
  return %y : tensor<?x2xf32>
}

// -----

// The last entry of `set` that matches decides; here fc3 has the first only.

func.func @set_float(%x: tensor<?x4xf32>) -> tensor<?x2xf32> {
  %w = qgraph.constant dense<1.0> : tensor<2x4xf32>
  // expected-remark@+1 {{'fc3' (qgraph.linear) stays float: set 'fc[34]' says so}}
  %y = qgraph.linear %x, %w {name = "fc3"} : (tensor<?x4xf32>, tensor<2x4xf32>) -> tensor<?x2xf32>
  // fc4 is rounded, small as it is: its format was asked for.
  %z = qgraph.linear %x, %w {name = "fc4"} : (tensor<?x4xf32>, tensor<2x4xf32>) -> tensor<?x2xf32>
  return %y : tensor<?x2xf32>
}

// -----

func.func @not_finite(%x: tensor<?x2xf32>) -> tensor<?x1xf32> {
  %w = qgraph.constant dense<[[1.0, 0x7F800000]]> : tensor<1x2xf32>
  // expected-remark@+1 {{stays float: its weight holds infinities or NaN}}
  %y = qgraph.linear %x, %w : (tensor<?x2xf32>, tensor<1x2xf32>) -> tensor<?x1xf32>
  return %y : tensor<?x1xf32>
}

// -----

func.func @small_table(%i: tensor<?xsi64>) -> tensor<?x2xf32> {
  %t = qgraph.constant dense<1.0> : tensor<3x2xf32>
  // expected-remark@+1 {{'types' (qgraph.embedding) stays float: its table has only 24 bytes}}
  %y = qgraph.embedding %t, %i {name = "types"} : (tensor<3x2xf32>, tensor<?xsi64>) -> tensor<?x2xf32>
  return %y : tensor<?x2xf32>
}
