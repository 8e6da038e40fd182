// Layers that are not smoothed say why, and what would help.

// RUN: mkdir -p %t
// RUN: %python %S/../Inputs/make_statistics.py %t/s fc/input=4,1 narrow=1,2,3
// RUN: quant-opt %s --split-input-file --verify-diagnostics -o /dev/null --qgraph-smooth-quant="statistics=%t/s"

func.func @argument(%x: tensor<?x2xf32>) -> tensor<?x1xf32> {
  %w = qgraph.constant dense<1.0> : tensor<1x2xf32>
  %o = qgraph.observe "fc/input" %x : tensor<?x2xf32>
  // expected-remark@+1 {{'fc' (qgraph.linear) is not smoothed: an input of the model has them; insert-multiply=true multiplies its input while the model runs}}
  %y = qgraph.linear %o, %w {name = "fc"} : (tensor<?x2xf32>, tensor<1x2xf32>) -> tensor<?x1xf32>
  return %y : tensor<?x1xf32>
}

// -----

func.func @output(%x: tensor<?x2xf32>) -> (tensor<?x1xf32>, tensor<?x2xf32>) {
  %w = qgraph.constant dense<1.0> : tensor<1x2xf32>
  %n = qgraph.norm rms %x {epsilon = 1.0e-5 : f32} : (tensor<?x2xf32>) -> tensor<?x2xf32>
  %o = qgraph.observe "fc/input" %n : tensor<?x2xf32>
  // expected-remark@+1 {{'fc' (qgraph.linear) is not smoothed: an output of the model has them}}
  %y = qgraph.linear %o, %w {name = "fc"} : (tensor<?x2xf32>, tensor<1x2xf32>) -> tensor<?x1xf32>
  return %y, %n : tensor<?x1xf32>, tensor<?x2xf32>
}

// -----

// A norm behind a residual addition divides by a sum over all channels.

func.func @post_norm(%x: tensor<?x2xf32>, %n: index) -> tensor<?x2xf32> {
  %w = qgraph.constant dense<1.0> : tensor<2x2xf32>
  %h = qgraph.norm rms %x {epsilon = 1.0e-5 : f32} : (tensor<?x2xf32>) -> tensor<?x2xf32>
  %o = qgraph.observe "fc/input" %h : tensor<?x2xf32>
  // expected-remark@+1 {{'fc' (qgraph.linear) is not smoothed: they cannot pass 'last' (qgraph.norm): it divides by a sum over the channels}}
  %y = qgraph.linear %o, %w {name = "fc"} : (tensor<?x2xf32>, tensor<2x2xf32>) -> tensor<?x2xf32>
  %a = onnx.node "Add"(%h, %y) dims(%n) {version = 14 : i64} : (tensor<?x2xf32>, tensor<?x2xf32>) -> tensor<?x2xf32>
  %z = qgraph.norm rms %a {epsilon = 1.0e-5 : f32, name = "last"} : (tensor<?x2xf32>) -> tensor<?x2xf32>
  return %z : tensor<?x2xf32>
}

// -----

// GELU(s x) is not s GELU(x).

func.func @gelu(%x: tensor<?x2xf32>, %n: index) -> tensor<?x1xf32> {
  %w = qgraph.constant dense<1.0> : tensor<1x2xf32>
  %h = qgraph.norm rms %x {epsilon = 1.0e-5 : f32} : (tensor<?x2xf32>) -> tensor<?x2xf32>
  %g = onnx.node "Gelu"(%h) dims(%n) {name = "act", version = 20 : i64} : (tensor<?x2xf32>) -> tensor<?x2xf32>
  %o = qgraph.observe "fc/input" %g : tensor<?x2xf32>
  // expected-remark@+1 {{'fc' (qgraph.linear) is not smoothed: they cannot pass 'act' (onnx.node "Gelu"): it is not homogeneous}}
  %y = qgraph.linear %o, %w {name = "fc"} : (tensor<?x2xf32>, tensor<1x2xf32>) -> tensor<?x1xf32>
  return %y : tensor<?x1xf32>
}

// -----

func.func @softmax(%x: tensor<?x2xf32>, %n: index) -> tensor<?x1xf32> {
  %w = qgraph.constant dense<1.0> : tensor<1x2xf32>
  %h = qgraph.norm rms %x {epsilon = 1.0e-5 : f32} : (tensor<?x2xf32>) -> tensor<?x2xf32>
  %g = onnx.node "Softmax"(%h) dims(%n) {node_attributes = {axis = 1 : si64}, version = 13 : i64} : (tensor<?x2xf32>) -> tensor<?x2xf32>
  %o = qgraph.observe "fc/input" %g : tensor<?x2xf32>
  // expected-remark@+1 {{they cannot pass onnx.node "Softmax": it is not linear within a channel}}
  %y = qgraph.linear %o, %w {name = "fc"} : (tensor<?x2xf32>, tensor<1x2xf32>) -> tensor<?x1xf32>
  return %y : tensor<?x1xf32>
}

// -----

func.func @weight(%x: tensor<?x2xf32>, %w: tensor<1x2xf32>) -> tensor<?x1xf32> {
  %h = qgraph.norm rms %x {epsilon = 1.0e-5 : f32} : (tensor<?x2xf32>) -> tensor<?x2xf32>
  %o = qgraph.observe "fc/input" %h : tensor<?x2xf32>
  // expected-remark@+1 {{they cannot pass 'fc' (qgraph.linear): its operand from argument #1 is known only while the model runs}}
  %y = qgraph.linear %o, %w {name = "fc"} : (tensor<?x2xf32>, tensor<1x2xf32>) -> tensor<?x1xf32>
  return %y : tensor<?x1xf32>
}

// -----

func.func @no_site(%x: tensor<?x2xf32>) -> tensor<?x1xf32> {
  %w = qgraph.constant dense<1.0> : tensor<1x2xf32>
  %h = qgraph.norm rms %x {epsilon = 1.0e-5 : f32} : (tensor<?x2xf32>) -> tensor<?x2xf32>
  // expected-remark@+1 {{'fc' (qgraph.linear) is not smoothed: its input has no calibration site; --qgraph-insert-observers puts one there}}
  %y = qgraph.linear %h, %w {name = "fc"} : (tensor<?x2xf32>, tensor<1x2xf32>) -> tensor<?x1xf32>
  return %y : tensor<?x1xf32>
}

// -----

func.func @unseen_site(%x: tensor<?x2xf32>) -> tensor<?x1xf32> {
  %w = qgraph.constant dense<1.0> : tensor<1x2xf32>
  %h = qgraph.norm rms %x {epsilon = 1.0e-5 : f32} : (tensor<?x2xf32>) -> tensor<?x2xf32>
  %o = qgraph.observe "expert7/input" %h : tensor<?x2xf32>
  // expected-remark@+1 {{'fc' (qgraph.linear) is not smoothed: there are no statistics of the site 'expert7/input'}}
  %y = qgraph.linear %o, %w {name = "fc"} : (tensor<?x2xf32>, tensor<1x2xf32>) -> tensor<?x1xf32>
  return %y : tensor<?x1xf32>
}

// -----

func.func @other_channels(%x: tensor<?x2xf32>) -> tensor<?x1xf32> {
  %w = qgraph.constant dense<1.0> : tensor<1x2xf32>
  %h = qgraph.norm rms %x {epsilon = 1.0e-5 : f32} : (tensor<?x2xf32>) -> tensor<?x2xf32>
  %o = qgraph.observe "narrow" %h : tensor<?x2xf32>
  // expected-remark@+1 {{the statistics of the site 'narrow' are of 3 channels, but it has 2}}
  %y = qgraph.linear %o, %w {name = "fc"} : (tensor<?x2xf32>, tensor<1x2xf32>) -> tensor<?x1xf32>
  return %y : tensor<?x1xf32>
}

// -----

// What is kept for the next run is an output.

func.func @cache(%x: tensor<1x?x2xf32>, %past: tensor<1x1x?x2xf32>, %k: tensor<1x1x?x2xf32>, %q: tensor<1x?x1x2xf32>, %n: index, %t: index)
    -> (tensor<1x?x1xf32>, tensor<1x1x?x2xf32>) {
  %w = qgraph.constant dense<1.0> : tensor<2x2xf32>
  %wo = qgraph.constant dense<1.0> : tensor<1x2xf32>
  // expected-remark@+1 {{'v' (qgraph.linear) is not smoothed}}
  %v = qgraph.linear %x, %w {name = "v"} : (tensor<1x?x2xf32>, tensor<2x2xf32>) -> tensor<1x?x2xf32>
  %h = onnx.node "Reshape"(%v) dims(%n) {version = 25 : i64} : (tensor<1x?x2xf32>) -> tensor<1x?x1x2xf32>
  %c = qgraph.cache_load %past : tensor<1x1x?x2xf32> to <f32, 1x2>
  %d = qgraph.cache_append %c, %h : <f32, 1x2>, tensor<1x?x1x2xf32>
  %kc = qgraph.cache_load %k : tensor<1x1x?x2xf32> to <f32, 1x2>
  %a = qgraph.attention %q, %kc, %d {scale = 0.5 : f32}
       : (tensor<1x?x1x2xf32>, !qgraph.cache<f32, 1x2>, !qgraph.cache<f32, 1x2>) -> tensor<1x?x1x2xf32>
  %j = onnx.node "Reshape"(%a) dims(%n) {version = 25 : i64} : (tensor<1x?x1x2xf32>) -> tensor<1x?x2xf32>
  %o = qgraph.observe "fc/input" %j : tensor<1x?x2xf32>
  // expected-remark@+1 {{an output of the model has them (what is kept for the next run; scale-cache=true allows it)}}
  %y = qgraph.linear %o, %wo {name = "o"} : (tensor<1x?x2xf32>, tensor<1x2xf32>) -> tensor<1x?x1xf32>
  %present = qgraph.cache_store %d : <f32, 1x2> to tensor<1x1x?x2xf32>
  return %y, %present : tensor<1x?x1xf32>, tensor<1x1x?x2xf32>
}

// -----

// Behind a past whose length is not known.

func.func @past(%x: tensor<?x2xf32>, %past: tensor<?x2xf32>, %t: index) -> tensor<?x1xf32> {
  %w = qgraph.constant dense<1.0> : tensor<1x2xf32>
  %h = qgraph.norm rms %x {epsilon = 1.0e-5 : f32} : (tensor<?x2xf32>) -> tensor<?x2xf32>
  %c = onnx.node "Concat"(%past, %h) dims(%t) {node_attributes = {axis = 0 : si64}, version = 13 : i64} : (tensor<?x2xf32>, tensor<?x2xf32>) -> tensor<?x2xf32>
  %o = qgraph.observe "fc/input" %c : tensor<?x2xf32>
  // expected-remark@+1 {{'fc' (qgraph.linear) is not smoothed: an input of the model has them}}
  %y = qgraph.linear %o, %w {name = "fc"} : (tensor<?x2xf32>, tensor<1x2xf32>) -> tensor<?x1xf32>
  return %y : tensor<?x1xf32>
}

// -----

func.func @region(%x: tensor<?x2xf32>, %c: index, %k: index) -> tensor<?x1xf32> {
  %w = qgraph.constant dense<1.0> : tensor<1x2xf32>
  %h = qgraph.norm rms %x {epsilon = 1.0e-5 : f32} : (tensor<?x2xf32>) -> tensor<?x2xf32>
  %o = qgraph.observe "fc/input" %h : tensor<?x2xf32>
  %r = qgraph.if %c {
    qgraph.yield %o : tensor<?x2xf32>
  } else {
    %m = tensor.dim %x, %k : tensor<?x2xf32>
    %n = onnx.node "Neg"(%x) dims(%m) {version = 13 : i64} : (tensor<?x2xf32>) -> tensor<?x2xf32>
    qgraph.yield %n : tensor<?x2xf32>
  } : tensor<?x2xf32>
  // expected-remark@+1 {{'fc' (qgraph.linear) is not smoothed: they go out of a region}}
  %y = qgraph.linear %o, %w {name = "fc"} : (tensor<?x2xf32>, tensor<1x2xf32>) -> tensor<?x1xf32>
  // expected-remark@+1 {{they cannot pass qgraph.if: it has no rule for factors}}
  %z = qgraph.linear %r, %w {name = "again"} : (tensor<?x2xf32>, tensor<1x2xf32>) -> tensor<?x1xf32>
  return %y : tensor<?x1xf32>
}
