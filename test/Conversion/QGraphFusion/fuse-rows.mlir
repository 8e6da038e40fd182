// RUN: quant-opt %s --split-input-file --qgraph-fuse-rows | FileCheck %s

// A norm with the quantization behind it; the norm has another reader, so it is yielded.

// CHECK-LABEL: @norm
// CHECK: %[[R:.*]]:3 = qgraph.rows {
// CHECK-NEXT: %[[N:.*]] = qgraph.norm layer %arg0
// CHECK-NEXT: %[[S:.*]] = qgraph.choose_params symmetric %[[N]]
// CHECK-NEXT: %[[Q:.*]] = qgraph.quantize %[[N]] scale %[[S]]
// CHECK-NEXT: qgraph.yield %[[N]], %[[S]], %[[Q]]
// CHECK-NEXT: } {name = "ln"} : tensor<?x64xf32>, tensor<?x1xf32>, tensor<?x64xsi8>
// CHECK-NEXT: qgraph.quantized_linear %[[R]]#2 scale %[[R]]#1, {{.*}} epilogue(%[[R]]#0)
func.func @norm(%x: tensor<?x64xf32>, %w: tensor<64x64xsi8>, %t: tensor<64x1xf32>) -> tensor<?x64xf32> {
  %n = qgraph.norm layer %x {epsilon = 1.0e-5 : f32, name = "ln"} : (tensor<?x64xf32>) -> tensor<?x64xf32>
  %s = qgraph.choose_params symmetric %n {block = array<i64: 1, 0>, stored = si8} : tensor<?x64xf32> -> tensor<?x1xf32>
  %q = qgraph.quantize %n scale %s {block = array<i64: 1, 0>} : (tensor<?x64xf32>, tensor<?x1xf32>) -> tensor<?x64xsi8>
  %y = qgraph.quantized_linear %q scale %s, %w scale %t epilogue(%n) {epilogue = [#qgraph.step<"Add", operand = 0>], input_block = array<i64: 1, 0>, weight_block = array<i64: 1, 0>} : (tensor<?x64xsi8>, tensor<?x1xf32>, tensor<64x64xsi8>, tensor<64x1xf32>, tensor<?x64xf32>) -> tensor<?x64xf32>
  return %y : tensor<?x64xf32>
}

// -----

// The embeddings of BERT: positions are broadcast over the batch, so they are made outside.

// CHECK-LABEL: @embeddings
// CHECK: %[[P:.*]] = qgraph.embedding {{.*}} -> tensor<1x?x64xf32>
// CHECK-NEXT: %[[R:.*]]:2 = qgraph.rows {
// CHECK-NEXT: qgraph.embedding
// CHECK-NEXT: qgraph.embedding
// CHECK-NEXT: onnx.node "Add"
// CHECK-NEXT: onnx.node "Add"(%{{.*}}, %[[P]])
// CHECK-NEXT: qgraph.norm
// CHECK-NEXT: qgraph.choose_params
// CHECK-NEXT: qgraph.quantize
// CHECK-NEXT: qgraph.yield
// CHECK: return %[[R]]#0, %[[R]]#1
func.func @embeddings(%ids: tensor<?x?xsi64> {onnx.dims = ["batch", "seq"]}, %types: tensor<?x?xsi64> {onnx.dims = ["batch", "seq"]},
                      %pos: tensor<1x?xsi64> {onnx.dims = ["", "seq"]},
                      %tw: tensor<50x64xsi8>, %sw: tensor<50x1xf32>, %tt: tensor<2x64xf32>, %tp: tensor<99x64xf32>) -> (tensor<?x?x2xf32>, tensor<?x?x64xsi8>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %a = tensor.dim %ids, %c0 : tensor<?x?xsi64>
  %b = tensor.dim %ids, %c1 : tensor<?x?xsi64>
  %0 = qgraph.embedding %tw, %ids scale %sw : (tensor<50x64xsi8>, tensor<?x?xsi64>, tensor<50x1xf32>) -> tensor<?x?x64xf32>
  %1 = qgraph.embedding %tt, %types : (tensor<2x64xf32>, tensor<?x?xsi64>) -> tensor<?x?x64xf32>
  %2 = onnx.node "Add"(%0, %1) dims(%a, %b) {version = 14 : i64} : (tensor<?x?x64xf32>, tensor<?x?x64xf32>) -> tensor<?x?x64xf32>
  %3 = qgraph.embedding %tp, %pos : (tensor<99x64xf32>, tensor<1x?xsi64>) -> tensor<1x?x64xf32>
  %4 = onnx.node "Add"(%2, %3) dims(%a, %b) {version = 14 : i64} : (tensor<?x?x64xf32>, tensor<1x?x64xf32>) -> tensor<?x?x64xf32>
  %5 = qgraph.norm layer %4 {epsilon = 1.0e-5 : f32} : (tensor<?x?x64xf32>) -> tensor<?x?x64xf32>
  %6 = qgraph.choose_params symmetric %5 {block = array<i64: 1, 1, 32>, stored = si8} : tensor<?x?x64xf32> -> tensor<?x?x2xf32>
  %7 = qgraph.quantize %5 scale %6 {block = array<i64: 1, 1, 32>} : (tensor<?x?x64xf32>, tensor<?x?x2xf32>) -> tensor<?x?x64xsi8>
  return %6, %7 : tensor<?x?x2xf32>, tensor<?x?x64xsi8>
}

// -----

// An op outside reads the first member and makes what the last reads: it has to run between
// the two, so they are no group. What follows it is one.

// CHECK-LABEL: @between
// CHECK: %[[N:.*]] = qgraph.norm
// CHECK-NEXT: %[[L:.*]] = qgraph.linear %[[N]]
// CHECK-NEXT: qgraph.rows {
// CHECK-NEXT: onnx.node "Add"(%[[N]], %[[L]])
// CHECK-NEXT: onnx.node "Tanh"
func.func @between(%x: tensor<4x8xf32>, %w: tensor<8x8xf32>) -> tensor<4x8xf32> {
  %n = qgraph.norm rms %x {epsilon = 1.0e-5 : f32} : (tensor<4x8xf32>) -> tensor<4x8xf32>
  %l = qgraph.linear %n, %w : (tensor<4x8xf32>, tensor<8x8xf32>) -> tensor<4x8xf32>
  %0 = onnx.node "Add"(%n, %l) {version = 14 : i64} : (tensor<4x8xf32>, tensor<4x8xf32>) -> tensor<4x8xf32>
  %1 = onnx.node "Tanh"(%0) {version = 13 : i64} : (tensor<4x8xf32>) -> tensor<4x8xf32>
  return %1 : tensor<4x8xf32>
}

// -----

// Two groups that are sound alone but would wait for each other: a1 -> b1 and b2 -> a2.
// The second of the two joins is not made.

// CHECK-LABEL: @crossing
// CHECK-COUNT-1: qgraph.rows
// CHECK-NOT: qgraph.rows
func.func @crossing(%x: tensor<4x8xf32>, %z: tensor<4x8xf32>, %w: tensor<8x8xf32>) -> (tensor<4x8xf32>, tensor<4x8xf32>) {
  %a1 = onnx.node "Tanh"(%x) {version = 13 : i64} : (tensor<4x8xf32>) -> tensor<4x8xf32>
  %b2 = onnx.node "Relu"(%z) {version = 14 : i64} : (tensor<4x8xf32>) -> tensor<4x8xf32>
  %la = qgraph.linear %a1, %w : (tensor<4x8xf32>, tensor<8x8xf32>) -> tensor<4x8xf32>
  %lb = qgraph.linear %b2, %w : (tensor<4x8xf32>, tensor<8x8xf32>) -> tensor<4x8xf32>
  %a2 = onnx.node "Sub"(%a1, %lb) {version = 14 : i64} : (tensor<4x8xf32>, tensor<4x8xf32>) -> tensor<4x8xf32>
  %b1 = onnx.node "Sub"(%b2, %la) {version = 14 : i64} : (tensor<4x8xf32>, tensor<4x8xf32>) -> tensor<4x8xf32>
  return %a2, %b1 : tensor<4x8xf32>, tensor<4x8xf32>
}

// -----

// A reader that stood between the members stands behind the group afterwards.

// CHECK-LABEL: @reordered
// CHECK: %[[R:.*]]:2 = qgraph.rows
// CHECK: qgraph.linear %[[R]]#0
func.func @reordered(%x: tensor<4x8xf32>, %w: tensor<8x8xf32>) -> (tensor<4x8xf32>, tensor<4x8xf32>) {
  %n = qgraph.norm rms %x {epsilon = 1.0e-5 : f32} : (tensor<4x8xf32>) -> tensor<4x8xf32>
  %l = qgraph.linear %n, %w : (tensor<4x8xf32>, tensor<8x8xf32>) -> tensor<4x8xf32>
  %t = onnx.node "Tanh"(%n) {version = 13 : i64} : (tensor<4x8xf32>) -> tensor<4x8xf32>
  return %l, %t : tensor<4x8xf32>, tensor<4x8xf32>
}

// -----

// Not rows: one scale for all, a row of unknown length, integers, a lone op.

// CHECK-LABEL: @not_rows
// CHECK-NOT: qgraph.rows
func.func @not_rows(%x: tensor<4x8xf32>, %d: tensor<4x?xf32>, %i: tensor<4x8xsi64>, %n: index) -> (tensor<4x8xsi8>, tensor<4x?xf32>, tensor<4x8xsi64>, tensor<4x8xf32>) {
  %s = qgraph.choose_params symmetric %x {block = array<i64: 0, 0>, stored = si8} : tensor<4x8xf32> -> tensor<1x1xf32>
  %q = qgraph.quantize %x scale %s {block = array<i64: 0, 0>} : (tensor<4x8xf32>, tensor<1x1xf32>) -> tensor<4x8xsi8>
  %0 = onnx.node "Tanh"(%d) dims(%n) {version = 13 : i64} : (tensor<4x?xf32>) -> tensor<4x?xf32>
  %1 = onnx.node "Relu"(%0) dims(%n) {version = 14 : i64} : (tensor<4x?xf32>) -> tensor<4x?xf32>
  %2 = onnx.node "Add"(%i, %i) {version = 14 : i64} : (tensor<4x8xsi64>, tensor<4x8xsi64>) -> tensor<4x8xsi64>
  %3 = onnx.node "Mul"(%2, %i) {version = 14 : i64} : (tensor<4x8xsi64>, tensor<4x8xsi64>) -> tensor<4x8xsi64>
  %4 = onnx.node "Tanh"(%x) {version = 13 : i64} : (tensor<4x8xf32>) -> tensor<4x8xf32>
  return %q, %1, %3, %4 : tensor<4x8xsi8>, tensor<4x?xf32>, tensor<4x8xsi64>, tensor<4x8xf32>
}

// -----

// What row kernels do not do: other formulas than the two, real offsets, packed tables.

// CHECK-LABEL: @other_formulas
// CHECK-NOT: qgraph.rows
func.func @other_formulas(%x: tensor<4x8xf32>, %i: tensor<4xsi64>, %t: tensor<9x8xsi4>, %ts: tensor<9x1xf32>, %o: tensor<4x1xf32>) -> (tensor<4x8xsi8>, tensor<4x8xf32>, tensor<4x8xsi8>) {
  %s = qgraph.choose_params signed_scale %x {block = array<i64: 1, 0>, stored = si8} : tensor<4x8xf32> -> tensor<4x1xf32>
  %q = qgraph.quantize %x scale %s {block = array<i64: 1, 0>} : (tensor<4x8xf32>, tensor<4x1xf32>) -> tensor<4x8xsi8>
  %e = qgraph.embedding %t, %i scale %ts : (tensor<9x8xsi4>, tensor<4xsi64>, tensor<9x1xf32>) -> tensor<4x8xf32>
  %r = onnx.node "Relu"(%e) {version = 14 : i64} : (tensor<4x8xf32>) -> tensor<4x8xf32>
  %n = qgraph.choose_params symmetric %x {block = array<i64: 1, 0>, stored = si8} : tensor<4x8xf32> -> tensor<4x1xf32>
  %p = qgraph.quantize %x scale %n offset %o {block = array<i64: 1, 0>} : (tensor<4x8xf32>, tensor<4x1xf32>, tensor<4x1xf32>) -> tensor<4x8xsi8>
  return %q, %r, %p : tensor<4x8xsi8>, tensor<4x8xf32>, tensor<4x8xsi8>
}
