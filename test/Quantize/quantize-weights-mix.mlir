// Layers of a transformer have formats by what they do, which the graph tells.

// RUN: quant-opt %s --split-input-file --qgraph-quantize-weights="cost-model=false format=si8 mix=values=si2,fused=si3,down=si5,output=si6" 2>/dev/null | FileCheck %s
// RUN: quant-opt %s --split-input-file --qgraph-quantize-weights="cost-model=false format=si8 mix=down@first-1=si5,values@first-eighth=si2 set=head=float require-match=false" 2>&1 | FileCheck %s --check-prefix=PLACES

// CHECK-LABEL: @gated
// CHECK: xsi8>
// CHECK: {name = "q"}
// CHECK: xsi8>
// CHECK: {name = "k"}
// CHECK: xsi2>
// CHECK: {name = "v"}
// CHECK: xsi8>
// CHECK: {name = "o"}
// CHECK: xsi8>
// CHECK: {name = "gate"}
// CHECK: xsi8>
// CHECK: {name = "up"}
// CHECK: xsi5>
// CHECK: {name = "down"}
// CHECK: xsi5>
// CHECK: {name = "down2"}
// CHECK: xsi6>
// CHECK: {name = "head"}

// The first of two; an eighth of one layer is none; set comes before.
// PLACES: 'head' (qgraph.linear) stays float: set 'head' says so
// PLACES-LABEL: @gated
// PLACES: xsi8>
// PLACES: {name = "v"}
// PLACES: xsi5>
// PLACES: {name = "down"}
// PLACES: xsi8>
// PLACES: {name = "down2"}
func.func @gated(%x: tensor<1x3x8xf32>, %past: tensor<1x2x1x8xf32>, %g: tensor<8xf32>) -> (tensor<1x3x8xf32>, tensor<1x5x1x8xf32>) {
  %w = qgraph.constant dense<1.0> : tensor<8x8xf32>
  %q = qgraph.linear %x, %w {name = "q"} : (tensor<1x3x8xf32>, tensor<8x8xf32>) -> tensor<1x3x8xf32>
  %k = qgraph.linear %x, %w {name = "k"} : (tensor<1x3x8xf32>, tensor<8x8xf32>) -> tensor<1x3x8xf32>
  %v = qgraph.linear %x, %w {name = "v"} : (tensor<1x3x8xf32>, tensor<8x8xf32>) -> tensor<1x3x8xf32>
  %qh = onnx.node "Reshape"(%q) {version = 25 : i64} : (tensor<1x3x8xf32>) -> tensor<1x3x1x8xf32>
  %kh = onnx.node "Reshape"(%k) {version = 25 : i64} : (tensor<1x3x8xf32>) -> tensor<1x3x1x8xf32>
  %vh = onnx.node "Reshape"(%v) {version = 25 : i64} : (tensor<1x3x8xf32>) -> tensor<1x3x1x8xf32>
  // The cache is a result of the model, too.
  %va = onnx.node "Concat"(%past, %vh) {node_attributes = {axis = 1 : si64}, version = 13 : i64} : (tensor<1x2x1x8xf32>, tensor<1x3x1x8xf32>) -> tensor<1x5x1x8xf32>
  %ka = onnx.node "Concat"(%past, %kh) {node_attributes = {axis = 1 : si64}, version = 13 : i64} : (tensor<1x2x1x8xf32>, tensor<1x3x1x8xf32>) -> tensor<1x5x1x8xf32>
  %a = qgraph.attention %qh, %ka, %va {scale = 0.5 : f32} : (tensor<1x3x1x8xf32>, tensor<1x5x1x8xf32>, tensor<1x5x1x8xf32>) -> tensor<1x3x1x8xf32>
  %ar = onnx.node "Reshape"(%a) {version = 25 : i64} : (tensor<1x3x1x8xf32>) -> tensor<1x3x8xf32>
  %o = qgraph.linear %ar, %w {name = "o"} : (tensor<1x3x8xf32>, tensor<8x8xf32>) -> tensor<1x3x8xf32>
  %x1 = onnx.node "Add"(%x, %o) {version = 14 : i64} : (tensor<1x3x8xf32>, tensor<1x3x8xf32>) -> tensor<1x3x8xf32>
  %n1 = qgraph.norm rms %x1 weight %g {epsilon = 9.99999974E-6 : f32} : (tensor<1x3x8xf32>, tensor<8xf32>) -> tensor<1x3x8xf32>
  %gate = qgraph.linear %n1, %w {name = "gate"} : (tensor<1x3x8xf32>, tensor<8x8xf32>) -> tensor<1x3x8xf32>
  %up = qgraph.linear %n1, %w {name = "up"} : (tensor<1x3x8xf32>, tensor<8x8xf32>) -> tensor<1x3x8xf32>
  %s = onnx.node "Sigmoid"(%gate) {version = 13 : i64} : (tensor<1x3x8xf32>) -> tensor<1x3x8xf32>
  %m = onnx.node "Mul"(%s, %up) {version = 14 : i64} : (tensor<1x3x8xf32>, tensor<1x3x8xf32>) -> tensor<1x3x8xf32>
  %d = qgraph.linear %m, %w {name = "down"} : (tensor<1x3x8xf32>, tensor<8x8xf32>) -> tensor<1x3x8xf32>
  %x2 = onnx.node "Add"(%d, %x1) {version = 14 : i64} : (tensor<1x3x8xf32>, tensor<1x3x8xf32>) -> tensor<1x3x8xf32>
  %r = onnx.node "Relu"(%up) {version = 14 : i64} : (tensor<1x3x8xf32>) -> tensor<1x3x8xf32>
  %d2 = qgraph.linear %r, %w {name = "down2"} : (tensor<1x3x8xf32>, tensor<8x8xf32>) -> tensor<1x3x8xf32>
  %x3 = onnx.node "Add"(%d2, %x2) {version = 14 : i64} : (tensor<1x3x8xf32>, tensor<1x3x8xf32>) -> tensor<1x3x8xf32>
  %n2 = qgraph.norm rms %x3 weight %g {epsilon = 9.99999974E-6 : f32} : (tensor<1x3x8xf32>, tensor<8xf32>) -> tensor<1x3x8xf32>
  %h = qgraph.linear %n2, %w {name = "head"} : (tensor<1x3x8xf32>, tensor<8x8xf32>) -> tensor<1x3x8xf32>
  %t = onnx.node "Tanh"(%h) {version = 13 : i64} : (tensor<1x3x8xf32>) -> tensor<1x3x8xf32>
  return %t, %ka : tensor<1x3x8xf32>, tensor<1x5x1x8xf32>
}

// -----

// One layer makes queries, keys and values.

// CHECK-LABEL: @fused
// CHECK: xsi3>
// CHECK: {name = "qkv"}
func.func @fused(%x: tensor<1x3x4xf32>) -> tensor<1x3x1x4xf32> {
  %w = qgraph.constant dense<1.0> : tensor<12x4xf32>
  %y = qgraph.linear %x, %w {name = "qkv"} : (tensor<1x3x4xf32>, tensor<12x4xf32>) -> tensor<1x3x12xf32>
  %h = onnx.node "Reshape"(%y) {version = 25 : i64} : (tensor<1x3x12xf32>) -> tensor<1x3x3x4xf32>
  %q = onnx.node "Slice"(%h) {node_attributes = {axes = [2 : si64], ends = [1 : si64], starts = [0 : si64], steps = [1 : si64]}, version = 13 : i64} : (tensor<1x3x3x4xf32>) -> tensor<1x3x1x4xf32>
  %k = onnx.node "Slice"(%h) {node_attributes = {axes = [2 : si64], ends = [2 : si64], starts = [1 : si64], steps = [1 : si64]}, version = 13 : i64} : (tensor<1x3x3x4xf32>) -> tensor<1x3x1x4xf32>
  %v = onnx.node "Slice"(%h) {node_attributes = {axes = [2 : si64], ends = [3 : si64], starts = [2 : si64], steps = [1 : si64]}, version = 13 : i64} : (tensor<1x3x3x4xf32>) -> tensor<1x3x1x4xf32>
  %a = qgraph.attention %q, %k, %v {scale = 0.5 : f32} : (tensor<1x3x1x4xf32>, tensor<1x3x1x4xf32>, tensor<1x3x1x4xf32>) -> tensor<1x3x1x4xf32>
  return %a : tensor<1x3x1x4xf32>
}

// -----

// What has no attention is no transformer: all layers are as the others.

// CHECK-LABEL: @perceptron
// CHECK: xsi8>
// CHECK: {name = "up"}
// CHECK: xsi8>
// CHECK: {name = "down"}
func.func @perceptron(%x: tensor<3x8xf32>, %g: tensor<8xf32>) -> tensor<3x8xf32> {
  %w = qgraph.constant dense<1.0> : tensor<8x8xf32>
  %u = qgraph.linear %x, %w {name = "up"} : (tensor<3x8xf32>, tensor<8x8xf32>) -> tensor<3x8xf32>
  %r = onnx.node "Relu"(%u) {version = 14 : i64} : (tensor<3x8xf32>) -> tensor<3x8xf32>
  %d = qgraph.linear %r, %w {name = "down"} : (tensor<3x8xf32>, tensor<8x8xf32>) -> tensor<3x8xf32>
  %s = onnx.node "Add"(%d, %x) {version = 14 : i64} : (tensor<3x8xf32>, tensor<3x8xf32>) -> tensor<3x8xf32>
  %n = qgraph.norm rms %s weight %g {epsilon = 9.99999974E-6 : f32} : (tensor<3x8xf32>, tensor<8xf32>) -> tensor<3x8xf32>
  return %n : tensor<3x8xf32>
}
