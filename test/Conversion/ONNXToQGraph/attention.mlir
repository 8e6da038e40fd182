// Attention: [B, S, H, D] inside, so that the transposes of the model go.

// RUN: quant-opt %s --convert-onnx-to-qgraph --canonicalize --cse --split-input-file | FileCheck %s

// The operator on [B, H, S, D], between the reshapes and transposes that torch
// writes.

// CHECK-LABEL: func.func @operator
// CHECK-NOT:     Transpose
// CHECK:         %[[Q:.*]] = onnx.node "Reshape"(%arg0)
// CHECK:         %[[K:.*]] = onnx.node "Reshape"(%arg1)
// CHECK:         %[[A:.*]] = qgraph.attention %[[Q]], %[[K]], %[[K]] mask %arg2 {scale = 2.500000e-01 : f32}
// CHECK-SAME:      (tensor<2x?x3x16xf32>, tensor<2x?x3x16xf32>, tensor<2x?x3x16xf32>, tensor<2x1x1x?xi1>)
// CHECK-NOT:     Transpose
// CHECK:         onnx.node "Reshape"(%[[A]])
func.func @operator(%x: tensor<2x?x48xf32> {onnx.dims = ["", "s", ""]}, %y: tensor<2x?x48xf32> {onnx.dims = ["", "s", ""]},
                    %m: tensor<2x1x1x?xi1> {onnx.dims = ["", "", "", "s"]}) -> tensor<*xf32> {
  %heads = qgraph.constant dense<[0, 0, 3, 16]> : tensor<4xsi64>
  %flat = qgraph.constant dense<[0, 0, 48]> : tensor<3xsi64>
  %0 = onnx.node "Reshape"(%x, %heads) {version = 14 : i64} : (tensor<2x?x48xf32>, tensor<4xsi64>) -> tensor<*xf32>
  %q = onnx.node "Transpose"(%0) {version = 13 : i64, node_attributes = {perm = [0 : si64, 2 : si64, 1 : si64, 3 : si64]}} : (tensor<*xf32>) -> tensor<*xf32>
  %1 = onnx.node "Reshape"(%y, %heads) {version = 14 : i64} : (tensor<2x?x48xf32>, tensor<4xsi64>) -> tensor<*xf32>
  %k = onnx.node "Transpose"(%1) {version = 13 : i64, node_attributes = {perm = [0 : si64, 2 : si64, 1 : si64, 3 : si64]}} : (tensor<*xf32>) -> tensor<*xf32>
  %a = onnx.node "Attention"(%q, %k, %k, %m) {version = 23 : i64}
    : (tensor<*xf32>, tensor<*xf32>, tensor<*xf32>, tensor<2x1x1x?xi1>) -> tensor<*xf32>
  %2 = onnx.node "Transpose"(%a) {version = 13 : i64, node_attributes = {perm = [0 : si64, 2 : si64, 1 : si64, 3 : si64]}} : (tensor<*xf32>) -> tensor<*xf32>
  %3 = onnx.node "Reshape"(%2, %flat) {version = 14 : i64} : (tensor<*xf32>, tensor<3xsi64>) -> tensor<*xf32>
  return %3 : tensor<*xf32>
}

// -----

// The operator on [B, S, H * D], fewer heads for keys and values, causal.

// CHECK-LABEL: func.func @grouped
// CHECK:         qgraph.attention %{{.*}}, %{{.*}}, %{{.*}} {causal, scale = 2.500000e-01 : f32}
// CHECK-SAME:      (tensor<1x5x4x16xf32>, tensor<1x5x2x16xf32>, tensor<1x5x2x16xf32>) -> tensor<1x5x4x16xf32>
// CHECK:         onnx.node "Reshape"({{.*}} -> tensor<1x5x64xf32>
func.func @grouped(%q: tensor<1x5x64xf32>, %k: tensor<1x5x32xf32>) -> tensor<*xf32> {
  %0 = onnx.node "Attention"(%q, %k, %k) {version = 23 : i64, node_attributes =
      {is_causal = 1 : si64, q_num_heads = 4 : si64, kv_num_heads = 2 : si64}}
    : (tensor<1x5x64xf32>, tensor<1x5x32xf32>, tensor<1x5x32xf32>) -> tensor<*xf32>
  return %0 : tensor<*xf32>
}

// -----

// Decomposed, K transposed by [0, 2, 3, 1] at once, the quotient by sqrt(D),
// the mask added.

// CHECK-LABEL: func.func @decomposed
// CHECK-NOT:     Transpose
// CHECK:         qgraph.attention %arg0, %arg1, %arg1 mask %arg2 {scale = 2.500000e-01 : f32}
// CHECK-NOT:     Transpose
// CHECK:         return
func.func @decomposed(%x: tensor<2x5x3x16xf32>, %y: tensor<2x7x3x16xf32>, %m: tensor<2x1x5x7xf32>) -> tensor<*xf32> {
  %four = qgraph.constant dense<4.0> : tensor<f32>
  %q = onnx.node "Transpose"(%x) {version = 13 : i64, node_attributes = {perm = [0 : si64, 2 : si64, 1 : si64, 3 : si64]}} : (tensor<2x5x3x16xf32>) -> tensor<*xf32>
  %k = onnx.node "Transpose"(%y) {version = 13 : i64, node_attributes = {perm = [0 : si64, 2 : si64, 3 : si64, 1 : si64]}} : (tensor<2x7x3x16xf32>) -> tensor<*xf32>
  %v = onnx.node "Transpose"(%y) {version = 13 : i64, node_attributes = {perm = [0 : si64, 2 : si64, 1 : si64, 3 : si64]}} : (tensor<2x7x3x16xf32>) -> tensor<*xf32>
  %s = onnx.node "MatMul"(%q, %k) {version = 13 : i64} : (tensor<*xf32>, tensor<*xf32>) -> tensor<*xf32>
  %d = onnx.node "Div"(%s, %four) {version = 14 : i64} : (tensor<*xf32>, tensor<f32>) -> tensor<*xf32>
  %a = onnx.node "Add"(%d, %m) {version = 14 : i64} : (tensor<*xf32>, tensor<2x1x5x7xf32>) -> tensor<*xf32>
  %p = onnx.node "Softmax"(%a) {version = 13 : i64} : (tensor<*xf32>) -> tensor<*xf32>
  %o = onnx.node "MatMul"(%p, %v) {version = 13 : i64} : (tensor<*xf32>, tensor<*xf32>) -> tensor<*xf32>
  %r = onnx.node "Transpose"(%o) {version = 13 : i64, node_attributes = {perm = [0 : si64, 2 : si64, 1 : si64, 3 : si64]}} : (tensor<*xf32>) -> tensor<*xf32>
  return %r : tensor<*xf32>
}

// -----

// As torch.onnx decomposes it: the root of the scale on both operands, K
// transposed with batch and heads merged, NaN replaced.

// CHECK-LABEL: func.func @torch
// CHECK-NOT:     Transpose
// CHECK:         qgraph.attention %arg0, %arg1, %arg1 {scale = 2.500000e-01 : f32}
// CHECK-NOT:     Transpose
// CHECK:         return
func.func @torch(%x: tensor<?x?x3x16xf32> {onnx.dims = ["b", "s", "", ""]}, %y: tensor<?x?x3x16xf32> {onnx.dims = ["b", "s", "", ""]}) -> tensor<*xf32> {
  %root = qgraph.constant dense<0.5> : tensor<f32>
  %zero = qgraph.constant dense<0.0> : tensor<f32>
  %three = qgraph.constant dense<3> : tensor<1xsi64>
  %sixteen = qgraph.constant dense<16> : tensor<1xsi64>
  %minus = qgraph.constant dense<-1> : tensor<1xsi64>
  %b = onnx.node "Shape"(%x) {version = 15 : i64, node_attributes = {end = 1 : si64}} : (tensor<?x?x3x16xf32>) -> tensor<1xsi64>
  %t = onnx.node "Shape"(%x) {version = 15 : i64, node_attributes = {start = 1 : si64, end = 2 : si64}} : (tensor<?x?x3x16xf32>) -> tensor<1xsi64>
  %merge = onnx.node "Concat"(%minus, %t, %sixteen) {version = 13 : i64, node_attributes = {axis = 0 : si64}} : (tensor<1xsi64>, tensor<1xsi64>, tensor<1xsi64>) -> tensor<3xsi64>
  %split = onnx.node "Concat"(%b, %three, %sixteen, %t) {version = 13 : i64, node_attributes = {axis = 0 : si64}} : (tensor<1xsi64>, tensor<1xsi64>, tensor<1xsi64>, tensor<1xsi64>) -> tensor<4xsi64>
  %q = onnx.node "Transpose"(%x) {version = 13 : i64, node_attributes = {perm = [0 : si64, 2 : si64, 1 : si64, 3 : si64]}} : (tensor<?x?x3x16xf32>) -> tensor<*xf32>
  %k = onnx.node "Transpose"(%y) {version = 13 : i64, node_attributes = {perm = [0 : si64, 2 : si64, 1 : si64, 3 : si64]}} : (tensor<?x?x3x16xf32>) -> tensor<*xf32>
  %k3 = onnx.node "Reshape"(%k, %merge) {version = 14 : i64} : (tensor<*xf32>, tensor<3xsi64>) -> tensor<*xf32>
  %kt3 = onnx.node "Transpose"(%k3) {version = 13 : i64, node_attributes = {perm = [0 : si64, 2 : si64, 1 : si64]}} : (tensor<*xf32>) -> tensor<*xf32>
  %kt = onnx.node "Reshape"(%kt3, %split) {version = 14 : i64} : (tensor<*xf32>, tensor<4xsi64>) -> tensor<*xf32>
  %qs = onnx.node "Mul"(%q, %root) {version = 14 : i64} : (tensor<*xf32>, tensor<f32>) -> tensor<*xf32>
  %ks = onnx.node "Mul"(%kt, %root) {version = 14 : i64} : (tensor<*xf32>, tensor<f32>) -> tensor<*xf32>
  %s = onnx.node "MatMul"(%qs, %ks) {version = 13 : i64} : (tensor<*xf32>, tensor<*xf32>) -> tensor<*xf32>
  %p = onnx.node "Softmax"(%s) {version = 13 : i64} : (tensor<*xf32>) -> tensor<*xf32>
  %n = onnx.node "IsNaN"(%p) {version = 13 : i64} : (tensor<*xf32>) -> tensor<*xi1>
  %w = onnx.node "Where"(%n, %zero, %p) {version = 16 : i64} : (tensor<*xi1>, tensor<f32>, tensor<*xf32>) -> tensor<*xf32>
  %o = onnx.node "MatMul"(%w, %k) {version = 13 : i64} : (tensor<*xf32>, tensor<*xf32>) -> tensor<*xf32>
  %r = onnx.node "Transpose"(%o) {version = 13 : i64, node_attributes = {perm = [0 : si64, 2 : si64, 1 : si64, 3 : si64]}} : (tensor<*xf32>) -> tensor<*xf32>
  return %r : tensor<*xf32>
}

// -----

// A mask that selects minus infinity stays a condition; one that selects a
// number is added.

// CHECK-LABEL: func.func @selected
// CHECK:         qgraph.attention %{{.*}}, %{{.*}}, %{{.*}} mask %arg1 {scale
// CHECK-SAME:      tensor<1x1x5x5xi1>
// CHECK:         %[[M:.*]] = onnx.node "Where"(%arg1
// CHECK:         qgraph.attention %{{.*}}, %{{.*}}, %{{.*}} mask %[[M]] {scale
func.func @selected(%x: tensor<2x3x5x16xf32>, %m: tensor<1x1x5x5xi1>) -> (tensor<*xf32>, tensor<*xf32>) {
  %inf = qgraph.constant dense<0xFF800000> : tensor<f32>
  %big = qgraph.constant dense<-1.0e9> : tensor<f32>
  %k = onnx.node "Transpose"(%x) {version = 13 : i64, node_attributes = {perm = [0 : si64, 1 : si64, 3 : si64, 2 : si64]}} : (tensor<2x3x5x16xf32>) -> tensor<*xf32>
  %s = onnx.node "MatMul"(%x, %k) {version = 13 : i64} : (tensor<2x3x5x16xf32>, tensor<*xf32>) -> tensor<*xf32>
  %a = onnx.node "Where"(%m, %s, %inf) {version = 16 : i64} : (tensor<1x1x5x5xi1>, tensor<*xf32>, tensor<f32>) -> tensor<*xf32>
  %p = onnx.node "Softmax"(%a) {version = 13 : i64} : (tensor<*xf32>) -> tensor<*xf32>
  %o = onnx.node "MatMul"(%p, %x) {version = 13 : i64} : (tensor<*xf32>, tensor<2x3x5x16xf32>) -> tensor<*xf32>
  %b = onnx.node "Where"(%m, %s, %big) {version = 16 : i64} : (tensor<1x1x5x5xi1>, tensor<*xf32>, tensor<f32>) -> tensor<*xf32>
  %r = onnx.node "Softmax"(%b) {version = 13 : i64} : (tensor<*xf32>) -> tensor<*xf32>
  %u = onnx.node "MatMul"(%r, %x) {version = 13 : i64} : (tensor<*xf32>, tensor<2x3x5x16xf32>) -> tensor<*xf32>
  return %o, %u : tensor<*xf32>, tensor<*xf32>
}

// -----

// The softmax is over another dimension: no attention.

// CHECK-LABEL: func.func @other_axis
// CHECK-NOT:     qgraph.attention
// CHECK:         qgraph.matmul
// CHECK:         onnx.node "Softmax"
// CHECK:         qgraph.matmul
func.func @other_axis(%x: tensor<2x3x5x5xf32>) -> tensor<*xf32> {
  %s = onnx.node "MatMul"(%x, %x) {version = 13 : i64} : (tensor<2x3x5x5xf32>, tensor<2x3x5x5xf32>) -> tensor<*xf32>
  %p = onnx.node "Softmax"(%s) {version = 13 : i64, node_attributes = {axis = 2 : si64}} : (tensor<*xf32>) -> tensor<*xf32>
  %o = onnx.node "MatMul"(%p, %x) {version = 13 : i64} : (tensor<*xf32>, tensor<2x3x5x5xf32>) -> tensor<*xf32>
  return %o : tensor<*xf32>
}

// -----

// A cache that comes and goes as tensors stands before the new keys and values.

// CHECK-LABEL: func.func @cache
// CHECK:         %[[KV:.*]] = onnx.node "Concat"(%arg1, %arg0)
// CHECK:         %[[A:.*]] = qgraph.attention %{{.*}}, %{{.*}}, %{{.*}} {scale
// CHECK-SAME:      (tensor<1x1x2x16xf32>, tensor<1x5x2x16xf32>, tensor<1x5x2x16xf32>)
// CHECK:         return %{{.*}}, %[[KV]]
func.func @cache(%q: tensor<1x2x1x16xf32>, %past: tensor<1x2x4x16xf32>) -> (tensor<*xf32>, tensor<*xf32>) {
  %none = onnx.none
  %0:3 = onnx.node "Attention"(%q, %q, %q, %none, %past, %past) {version = 23 : i64}
    : (tensor<1x2x1x16xf32>, tensor<1x2x1x16xf32>, tensor<1x2x1x16xf32>, none, tensor<1x2x4x16xf32>, tensor<1x2x4x16xf32>) -> (tensor<*xf32>, tensor<*xf32>, tensor<*xf32>)
  return %0#0, %0#1 : tensor<*xf32>, tensor<*xf32>
}

// -----

// Half precision is computed in f32.

// CHECK-LABEL: func.func @half
// CHECK-DAG:     %[[Q:.*]] = onnx.node "Cast"({{.*}} -> tensor<1x4x2x8xf32>
// CHECK-DAG:     %[[M:.*]] = onnx.node "Cast"(%arg1) {{.*}} -> tensor<1x1x4x4xf32>
// CHECK:         %[[A:.*]] = qgraph.attention %[[Q]], %[[Q]], %[[Q]] mask %[[M]] {{.*}} -> tensor<1x4x2x8xf32>
// CHECK:         onnx.node "Cast"(%[[A]]) {{.*}} -> tensor<1x4x2x8xf16>
func.func @half(%x: tensor<1x2x4x8xf16>, %m: tensor<1x1x4x4xf16>) -> tensor<*xf16> {
  %0 = onnx.node "Attention"(%x, %x, %x, %m) {version = 23 : i64}
    : (tensor<1x2x4x8xf16>, tensor<1x2x4x8xf16>, tensor<1x2x4x8xf16>, tensor<1x1x4x4xf16>) -> tensor<*xf16>
  return %0 : tensor<*xf16>
}

// -----

// A window is what the function body makes a mask of.

// CHECK-LABEL: func.func @window
// CHECK-NOT:     qgraph.attention
// CHECK:         onnx.node "Softmax"
func.func @window(%x: tensor<1x2x4x8xf32>) -> tensor<*xf32> {
  %0 = onnx.node "Attention"(%x, %x, %x) {version = 25 : i64, node_attributes = {left_window_size = 1 : si64, right_window_size = 1 : si64}}
    : (tensor<1x2x4x8xf32>, tensor<1x2x4x8xf32>, tensor<1x2x4x8xf32>) -> tensor<*xf32>
  return %0 : tensor<*xf32>
}

// -----

// A window is not qgraph.attention's: the function body, whose mask has it.

// CHECK-LABEL: func.func @window
// CHECK-NOT:     "Attention"
// CHECK:         return
func.func @window(%q: tensor<1x1x5x16xf32>) -> tensor<*xf32> {
  %0 = onnx.node "Attention"(%q, %q, %q) {version = 25 : i64, node_attributes = {left_window_size = 1 : si64}}
    : (tensor<1x1x5x16xf32>, tensor<1x1x5x16xf32>, tensor<1x1x5x16xf32>) -> tensor<*xf32>
  return %0 : tensor<*xf32>
}

// -----

// Heads that a model repeats for its groups of queries are read where they are.

// CHECK-LABEL: func.func @repeated
// CHECK-SAME:    %[[Q:[^:]*]]: tensor<2x4x?x8xf32>
// CHECK-SAME:    %[[K:[^:]*]]: tensor<2x2x?x8xf32>
// CHECK-NOT:     "Expand"
// CHECK-DAG:     %[[QT:.*]] = onnx.node "Transpose"(%[[Q]])
// CHECK-DAG:     %[[KT:.*]] = onnx.node "Transpose"(%[[K]]) {{.*}} -> tensor<2x?x2x8xf32>
// CHECK:         qgraph.attention %[[QT]], %[[KT]], %[[KT]]
// CHECK-SAME:      (tensor<2x?x4x8xf32>, tensor<2x?x2x8xf32>, tensor<2x?x2x8xf32>)
func.func @repeated(%q: tensor<2x4x?x8xf32>, %k: tensor<2x2x?x8xf32>) -> tensor<*xf32> {
  %axis = qgraph.constant dense<2> : tensor<1xsi64>
  %twice = qgraph.constant dense<[1, 1, 2, 1, 1]> : tensor<5xsi64>
  %join = qgraph.constant dense<[0, 4, -1, 8]> : tensor<4xsi64>
  %0 = onnx.node "Unsqueeze"(%k, %axis) {version = 13 : i64} : (tensor<2x2x?x8xf32>, tensor<1xsi64>) -> tensor<*xf32>
  %1 = onnx.node "Expand"(%0, %twice) {version = 13 : i64} : (tensor<*xf32>, tensor<5xsi64>) -> tensor<*xf32>
  %2 = onnx.node "Reshape"(%1, %join) {version = 14 : i64} : (tensor<*xf32>, tensor<4xsi64>) -> tensor<*xf32>
  %3 = onnx.node "Attention"(%q, %2, %2) {version = 23 : i64} : (tensor<2x4x?x8xf32>, tensor<*xf32>, tensor<*xf32>) -> tensor<*xf32>
  return %3 : tensor<*xf32>
}

// -----

// All heads repeated in turn, 0 1 0 1, are no groups.

// CHECK-LABEL: func.func @repeated_in_turn
// CHECK:         "Expand"
// CHECK:         qgraph.attention
// CHECK-SAME:      (tensor<2x?x4x8xf32>, tensor<2x?x4x8xf32>, tensor<2x?x4x8xf32>)
func.func @repeated_in_turn(%q: tensor<2x4x?x8xf32>, %k: tensor<2x2x?x8xf32>) -> tensor<*xf32> {
  %axis = qgraph.constant dense<1> : tensor<1xsi64>
  %twice = qgraph.constant dense<[1, 2, 1, 1, 1]> : tensor<5xsi64>
  %join = qgraph.constant dense<[0, 4, -1, 8]> : tensor<4xsi64>
  %0 = onnx.node "Unsqueeze"(%k, %axis) {version = 13 : i64} : (tensor<2x2x?x8xf32>, tensor<1xsi64>) -> tensor<*xf32>
  %1 = onnx.node "Expand"(%0, %twice) {version = 13 : i64} : (tensor<*xf32>, tensor<5xsi64>) -> tensor<*xf32>
  %2 = onnx.node "Reshape"(%1, %join) {version = 14 : i64} : (tensor<*xf32>, tensor<4xsi64>) -> tensor<*xf32>
  %3 = onnx.node "Attention"(%q, %2, %2) {version = 23 : i64} : (tensor<2x4x?x8xf32>, tensor<*xf32>, tensor<*xf32>) -> tensor<*xf32>
  return %3 : tensor<*xf32>
}

// -----

// FlexAttention's subgraphs stand between its products; one that adds a mask is
// attention again.

// CHECK-LABEL: func.func @flex
// CHECK-DAG:     %[[S:.*]] = qgraph.matmul %{{.*}}, %{{.*}} {transpose_rhs} : (tensor<1x2x3x4xf32>, tensor<1x2x5x4xf32>) -> tensor<1x2x3x5xf32>
// CHECK:         %[[T:.*]] = onnx.node "Tanh"(%[[S]])
// CHECK:         %[[P:.*]] = onnx.node "Softmax"(%[[T]])
// CHECK:         %[[N:.*]] = onnx.node "Neg"(%[[P]])
// CHECK:         qgraph.matmul %[[N]], %arg2
// CHECK:         qgraph.attention %{{.*}}, %{{.*}}, %{{.*}} mask %arg3 {scale = 0.49999997 : f32}
// CHECK-NOT:     Softmax
func.func @flex(%q: tensor<1x2x3x4xf32>, %k: tensor<1x2x5x4xf32>, %v: tensor<1x2x5x4xf32>, %m: tensor<1x1x3x5xf32>)
    -> (!onnx.unknown, !onnx.unknown) {
  %0 = onnx.node "FlexAttention"(%q, %k, %v) subgraphs {
  ^bb0(%s: tensor<1x2x3x5xf32>):
    %t = onnx.node "Tanh"(%s) {version = 13 : i64} : (tensor<1x2x3x5xf32>) -> !onnx.unknown
    onnx.return %t : !onnx.unknown
  }, {
  ^bb0(%p: tensor<1x2x3x5xf32>):
    %n = onnx.node "Neg"(%p) {version = 13 : i64} : (tensor<1x2x3x5xf32>) -> !onnx.unknown
    onnx.return %n : !onnx.unknown
  } {version = 1 : i64, domain = "ai.onnx.preview", subgraph_names = ["score_mod", "prob_mod"]}
    : (tensor<1x2x3x4xf32>, tensor<1x2x5x4xf32>, tensor<1x2x5x4xf32>) -> !onnx.unknown
  %1 = onnx.node "FlexAttention"(%q, %k, %v) subgraphs {
  ^bb0(%s: tensor<1x2x3x5xf32>):
    %t = onnx.node "Add"(%s, %m) {version = 14 : i64} : (tensor<1x2x3x5xf32>, tensor<1x1x3x5xf32>) -> !onnx.unknown
    onnx.return %t : !onnx.unknown
  } {version = 1 : i64, domain = "ai.onnx.preview", subgraph_names = ["score_mod"]}
    : (tensor<1x2x3x4xf32>, tensor<1x2x5x4xf32>, tensor<1x2x5x4xf32>) -> !onnx.unknown
  return %0, %1 : !onnx.unknown, !onnx.unknown
}
