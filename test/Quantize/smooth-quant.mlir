// s = max|x|^alpha / max|w|^(1 - alpha); what makes x is divided by it, columns of the weights that
// read x are multiplied. All numbers here are powers of two, so that they are exact.

// RUN: mkdir -p %t
// RUN: %python %S/../Inputs/make_statistics.py %t/s q/input=4,-1 up/input=1,4 o/input=4,1,16,1 down/input=16,1,4 \
// RUN:   c2/input=4,1 d/input=1,16 f/input=16,1 g/input=4,16 r/input=1,4
// RUN: quant-opt %s --split-input-file --qgraph-smooth-quant="statistics=%t/s" | FileCheck %s
// RUN: quant-opt %s --split-input-file --qgraph-smooth-quant="statistics=%t/s alpha=1" | FileCheck %s --check-prefix=ALL

// Two readers: the largest weight of both counts. Channel 0: sqrt(4 / 1) = 2; channel 1:
// sqrt(1 / 4) = 0.5. The bias is divided with the gain.
// With alpha = 1 the weights do not count: s = 4, 1.

// CHECK-LABEL: @norm
// CHECK-DAG: %[[GAIN:.*]] = qgraph.constant dense<[5.000000e-01, 4.000000e+00]> : tensor<2xf32>
// CHECK-DAG: %[[BIAS:.*]] = qgraph.constant dense<[1.000000e+00, 2.000000e+00]> : tensor<2xf32>
// CHECK-DAG: %[[WQ:.*]] = qgraph.constant dense<{{\[}}[2.000000e+00, -2.000000e+00], [5.000000e-01, 2.500000e-01]]>
// CHECK-DAG: %[[WK:.*]] = qgraph.constant dense<1.000000e+00> : tensor<1x2xf32>
// CHECK: %[[N:.*]] = qgraph.norm layer %{{.*}} weight %[[GAIN]] bias %[[BIAS]]
// CHECK: %[[O:.*]] = qgraph.observe "q/input" %[[N]] {factor = dense<[5.000000e-01, 2.000000e+00]> : tensor<2xf32>}
// CHECK: qgraph.linear %[[O]], %[[WQ]] {
// CHECK: qgraph.linear %[[O]], %[[WK]] {
// ALL-LABEL: @norm
// ALL: qgraph.observe "q/input" {{.*}} {factor = dense<[2.500000e-01, 1.000000e+00]> : tensor<2xf32>}
func.func @norm(%x: tensor<?x2xf32>) -> (tensor<?x2xf32>, tensor<?x1xf32>) {
  %g = qgraph.constant dense<[1.0, 2.0]> : tensor<2xf32>
  %b = qgraph.constant dense<[2.0, 1.0]> : tensor<2xf32>
  %wq = qgraph.constant dense<[[1.0, -4.0], [0.25, 0.5]]> : tensor<2x2xf32>
  %wk = qgraph.constant dense<[[0.5, 2.0]]> : tensor<1x2xf32>
  %n = qgraph.norm layer %x weight %g bias %b {epsilon = 1.0e-5 : f32, name = "n"}
       : (tensor<?x2xf32>, tensor<2xf32>, tensor<2xf32>) -> tensor<?x2xf32>
  %o = qgraph.observe "q/input" %n : tensor<?x2xf32>
  %q = qgraph.linear %o, %wq {name = "q"} : (tensor<?x2xf32>, tensor<2x2xf32>) -> tensor<?x2xf32>
  %k = qgraph.linear %o, %wk {name = "k"} : (tensor<?x2xf32>, tensor<1x2xf32>) -> tensor<?x1xf32>
  return %q, %k : tensor<?x2xf32>, tensor<?x1xf32>
}

// -----

// A norm without a gain is given one.

// CHECK-LABEL: @gainless
// CHECK: %[[GAIN:.*]] = qgraph.constant dense<[2.000000e+00, 1.000000e+00]>
// CHECK: qgraph.norm rms %{{.*}} weight %[[GAIN]]
// CHECK: qgraph.linear {{.*}} {name = "up"}
func.func @gainless(%x: tensor<?x2xf32>) -> tensor<?x1xf32> {
  %w = qgraph.constant dense<[[4.0, 4.0]]> : tensor<1x2xf32>
  %n = qgraph.norm rms %x {epsilon = 1.0e-5 : f32} : (tensor<?x2xf32>) -> tensor<?x2xf32>
  %o = qgraph.observe "up/input" %n : tensor<?x2xf32>
  %y = qgraph.linear %o, %w {name = "up"} : (tensor<?x2xf32>, tensor<1x2xf32>) -> tensor<?x1xf32>
  return %y : tensor<?x1xf32>
}

// -----

// Values to output projection. Two query heads of two channels share one head of values, so
// channels 0 and 2, and 1 and 3, share a factor: max|x| 16 and 1, max|w| 4 and 4, s = 2 and 0.5.

// CHECK-LABEL: @values
// CHECK-DAG: %[[WV:.*]] = qgraph.constant dense<{{\[}}[5.000000e-01, 5.000000e-01], [4.000000e+00, 4.000000e+00]]>
// CHECK-DAG: %[[BV:.*]] = qgraph.constant dense<[1.500000e+00, 1.000000e+01]>
// CHECK-DAG: %[[WO:.*]] = qgraph.constant dense<{{\[}}[2.000000e+00, 2.000000e+00, 8.000000e+00, 5.000000e-01]]>
// CHECK: %[[V:.*]] = qgraph.linear %{{.*}}, %[[WV]] bias %[[BV]] {name = "v"}
// CHECK: qgraph.attention
// CHECK: qgraph.observe "o/input" {{.*}} {factor = dense<[5.000000e-01, 2.000000e+00, 5.000000e-01, 2.000000e+00]> : tensor<4xf32>}
// CHECK: qgraph.linear %{{.*}}, %[[WO]] {name = "o"}
func.func @values(%x: tensor<1x?x2xf32>, %q: tensor<1x?x2x2xf32>, %k: tensor<1x?x1x2xf32>, %n: index) -> tensor<1x?x1xf32> {
  %wv = qgraph.constant dense<[[1.0, 1.0], [2.0, 2.0]]> : tensor<2x2xf32>
  %bv = qgraph.constant dense<[3.0, 5.0]> : tensor<2xf32>
  %wo = qgraph.constant dense<[[1.0, 4.0, 4.0, 1.0]]> : tensor<1x4xf32>
  %v = qgraph.linear %x, %wv bias %bv {name = "v"} : (tensor<1x?x2xf32>, tensor<2x2xf32>, tensor<2xf32>) -> tensor<1x?x2xf32>
  %h = onnx.node "Reshape"(%v) dims(%n) {version = 25 : i64} : (tensor<1x?x2xf32>) -> tensor<1x?x1x2xf32>
  %a = qgraph.attention %q, %k, %h {scale = 0.5 : f32}
       : (tensor<1x?x2x2xf32>, tensor<1x?x1x2xf32>, tensor<1x?x1x2xf32>) -> tensor<1x?x2x2xf32>
  %j = onnx.node "Reshape"(%a) dims(%n) {version = 25 : i64} : (tensor<1x?x2x2xf32>) -> tensor<1x?x4xf32>
  %o = qgraph.observe "o/input" %j : tensor<1x?x4xf32>
  %y = qgraph.linear %o, %wo {name = "o"} : (tensor<1x?x4xf32>, tensor<1x4xf32>) -> tensor<1x?x1xf32>
  return %y : tensor<1x?x1xf32>
}

// -----

// Through a gate: the other factor of the product comes out of a sigmoid, which passes nothing.
// s = 4, 1, 2.

// CHECK-LABEL: @gate
// CHECK-DAG: %[[WG:.*]] = qgraph.constant dense<1.000000e+00> : tensor<3x2xf32>
// CHECK-DAG: %[[WU:.*]] = qgraph.constant dense<{{\[}}[2.500000e-01, 2.500000e-01], [1.000000e+00, 1.000000e+00], [5.000000e-01, 5.000000e-01]]>
// CHECK-DAG: %[[WD:.*]] = qgraph.constant dense<{{\[}}[4.000000e+00, 1.000000e+00, 2.000000e+00]]>
// CHECK: qgraph.linear %{{.*}}, %[[WG]] {name = "gate"}
// CHECK: qgraph.linear %{{.*}}, %[[WU]] {name = "up"}
// CHECK: qgraph.linear %{{.*}}, %[[WD]] {name = "down"}
func.func @gate(%x: tensor<?x2xf32>, %n: index) -> tensor<?x1xf32> {
  %one = qgraph.constant dense<1.0> : tensor<3x2xf32>
  %also = qgraph.constant dense<1.0> : tensor<3x2xf32>
  %wd = qgraph.constant dense<[[1.0, 1.0, 1.0]]> : tensor<1x3xf32>
  %g = qgraph.linear %x, %one {name = "gate"} : (tensor<?x2xf32>, tensor<3x2xf32>) -> tensor<?x3xf32>
  %s = onnx.node "Sigmoid"(%g) dims(%n) {version = 13 : i64} : (tensor<?x3xf32>) -> tensor<?x3xf32>
  %t = onnx.node "Mul"(%g, %s) dims(%n) {version = 14 : i64} : (tensor<?x3xf32>, tensor<?x3xf32>) -> tensor<?x3xf32>
  %u = qgraph.linear %x, %also {name = "up"} : (tensor<?x2xf32>, tensor<3x2xf32>) -> tensor<?x3xf32>
  %p = onnx.node "Mul"(%t, %u) dims(%n) {version = 14 : i64} : (tensor<?x3xf32>, tensor<?x3xf32>) -> tensor<?x3xf32>
  %o = qgraph.observe "down/input" %p : tensor<?x3xf32>
  %y = qgraph.linear %o, %wd {name = "down"} : (tensor<?x3xf32>, tensor<1x3xf32>) -> tensor<?x1xf32>
  return %y : tensor<?x1xf32>
}

// -----

// Convolutions, through a ReLU and a pool; the second one is depthwise: a column of the result
// reads one channel.

// CHECK-LABEL: @conv
// CHECK-DAG: %[[W1:.*]] = qgraph.constant dense<{{\[\[\[}}[5.000000e-01]]], {{\[\[}}[2.000000e+00]]]]> : tensor<2x1x1x1xf32>
// CHECK-DAG: %[[B1:.*]] = qgraph.constant dense<[1.500000e+00, 6.000000e+00]> : tensor<2xf32>
// CHECK-DAG: %[[W2:.*]] = qgraph.constant dense<2.000000e+00> : tensor<2x1x1x1xf32>
// CHECK: qgraph.conv %{{.*}}, %[[W1]] bias %[[B1]]
// CHECK: qgraph.conv %{{.*}}, %[[W2]] {
func.func @conv(%x: tensor<1x4x4x1xf32>) -> tensor<1x2x2x2xf32> {
  %w1 = qgraph.constant dense<1.0> : tensor<2x1x1x1xf32>
  %b1 = qgraph.constant dense<3.0> : tensor<2xf32>
  %w2 = qgraph.constant dense<[[[[1.0]]], [[[4.0]]]]> : tensor<2x1x1x1xf32>
  %a = qgraph.conv %x, %w1 bias %b1 {name = "c1", strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>}
       : (tensor<1x4x4x1xf32>, tensor<2x1x1x1xf32>, tensor<2xf32>) -> tensor<1x4x4x2xf32>
  %r = onnx.node "Relu"(%a) {version = 14 : i64} : (tensor<1x4x4x2xf32>) -> tensor<1x4x4x2xf32>
  %p = onnx.node "MaxPool"(%r) {node_attributes = {channels_last = 1 : si64, kernel_shape = [2 : si64, 2 : si64], strides = [2 : si64, 2 : si64]}, version = 12 : i64}
       : (tensor<1x4x4x2xf32>) -> tensor<1x2x2x2xf32>
  %o = qgraph.observe "c2/input" %p : tensor<1x2x2x2xf32>
  %y = qgraph.conv %o, %w2 {name = "c2", strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, groups = 2 : i64}
       : (tensor<1x2x2x2xf32>, tensor<2x1x1x1xf32>) -> tensor<1x2x2x2xf32>
  return %y : tensor<1x2x2x2xf32>
}

// -----

// A residual stream: all that is added to it, and all that reads it, has the factors. f/input and
// g/input are the same channels: max|x| = 16, 16; max|w| of both readers = 1, 4.

// CHECK-LABEL: @residual
// CHECK-DAG: %[[T:.*]] = qgraph.constant dense<{{\[}}[2.500000e-01, 5.000000e-01], [5.000000e-01, 1.000000e+00]]> : tensor<2x2xf32>
// CHECK-DAG: %[[WF:.*]] = qgraph.constant dense<{{\[}}[1.000000e+00, 5.000000e-01], [2.000000e+00, 1.000000e+00]]> : tensor<2x2xf32>
// CHECK-DAG: %[[WG:.*]] = qgraph.constant dense<{{\[}}[4.000000e+00, 8.000000e+00]]> : tensor<1x2xf32>
// CHECK-DAG: %[[C:.*]] = qgraph.constant dense<[2.500000e-01, 5.000000e-01]> : tensor<2xf32>
// CHECK: qgraph.embedding %[[T]]
// CHECK: qgraph.linear %{{.*}}, %[[WF]] {name = "f"}
// CHECK: onnx.node "Add"(%{{.*}}, %[[C]])
// CHECK: qgraph.linear %{{.*}}, %[[WG]] {name = "g"}
func.func @residual(%i: tensor<?xsi64>, %n: index) -> tensor<?x1xf32> {
  %t = qgraph.constant dense<[[1.0, 1.0], [2.0, 2.0]]> : tensor<2x2xf32>
  %wf = qgraph.constant dense<1.0> : tensor<2x2xf32>
  %wg = qgraph.constant dense<[[1.0, 4.0]]> : tensor<1x2xf32>
  %c = qgraph.constant dense<1.0> : tensor<f32>
  %x = qgraph.embedding %t, %i : (tensor<2x2xf32>, tensor<?xsi64>) -> tensor<?x2xf32>
  %f = qgraph.observe "f/input" %x : tensor<?x2xf32>
  %y = qgraph.linear %f, %wf {name = "f"} : (tensor<?x2xf32>, tensor<2x2xf32>) -> tensor<?x2xf32>
  %r = onnx.node "Relu"(%y) dims(%n) {version = 14 : i64} : (tensor<?x2xf32>) -> tensor<?x2xf32>
  %b = onnx.node "Add"(%r, %c) dims(%n) {version = 14 : i64} : (tensor<?x2xf32>, tensor<f32>) -> tensor<?x2xf32>
  %a = onnx.node "Add"(%x, %b) dims(%n) {version = 14 : i64} : (tensor<?x2xf32>, tensor<?x2xf32>) -> tensor<?x2xf32>
  %g = qgraph.observe "g/input" %a : tensor<?x2xf32>
  %z = qgraph.linear %g, %wg {name = "g"} : (tensor<?x2xf32>, tensor<1x2xf32>) -> tensor<?x1xf32>
  return %z : tensor<?x1xf32>
}

// -----

// A rotary embedding mixes channels d and d + 2, so they share a factor: max|x| 16 and 1, max|w| 4
// and 4, s = 2 and 0.5.

// CHECK-LABEL: @rotary
// CHECK: qgraph.constant dense<{{\[}}[5.000000e-01, 5.000000e-01], [2.000000e+00, 2.000000e+00], [5.000000e-01, 5.000000e-01], [2.000000e+00, 2.000000e+00]]>
// CHECK: qgraph.observe "o/input" {{.*}} {factor = dense<[5.000000e-01, 2.000000e+00, 5.000000e-01, 2.000000e+00]> : tensor<4xf32>}
func.func @rotary(%x: tensor<8x2xf32>, %cos: tensor<8x4xf32>, %sin: tensor<8x4xf32>) -> tensor<8x1xf32> {
  %wk = qgraph.constant dense<1.0> : tensor<4x2xf32>
  %wr = qgraph.constant dense<[[1.0, 4.0, 4.0, 1.0]]> : tensor<1x4xf32>
  %k = qgraph.linear %x, %wk {name = "k"} : (tensor<8x2xf32>, tensor<4x2xf32>) -> tensor<8x4xf32>
  %a = onnx.node "Slice"(%k) {node_attributes = {axes = [1 : si64], ends = [2 : si64], starts = [0 : si64], steps = [1 : si64]}, version = 13 : i64} : (tensor<8x4xf32>) -> tensor<8x2xf32>
  %b = onnx.node "Slice"(%k) {node_attributes = {axes = [1 : si64], ends = [4 : si64], starts = [2 : si64], steps = [1 : si64]}, version = 13 : i64} : (tensor<8x4xf32>) -> tensor<8x2xf32>
  %n = onnx.node "Neg"(%b) {version = 13 : i64} : (tensor<8x2xf32>) -> tensor<8x2xf32>
  %c = onnx.node "Concat"(%n, %a) {node_attributes = {axis = 1 : si64}, version = 13 : i64} : (tensor<8x2xf32>, tensor<8x2xf32>) -> tensor<8x4xf32>
  %d = onnx.node "Mul"(%k, %cos) {version = 14 : i64} : (tensor<8x4xf32>, tensor<8x4xf32>) -> tensor<8x4xf32>
  %e = onnx.node "Mul"(%c, %sin) {version = 14 : i64} : (tensor<8x4xf32>, tensor<8x4xf32>) -> tensor<8x4xf32>
  %r = onnx.node "Add"(%d, %e) {version = 14 : i64} : (tensor<8x4xf32>, tensor<8x4xf32>) -> tensor<8x4xf32>
  %o = qgraph.observe "o/input" %r : tensor<8x4xf32>
  %y = qgraph.linear %o, %wr {name = "r"} : (tensor<8x4xf32>, tensor<1x4xf32>) -> tensor<8x1xf32>
  return %y : tensor<8x1xf32>
}

// -----

// Queries with factors have keys with their inverses: s = 0.5, 1.

// CHECK-LABEL: @scores
// CHECK-DAG: %[[WQ:.*]] = qgraph.constant dense<{{\[}}[2.000000e+00, 2.000000e+00], [1.000000e+00, 1.000000e+00]]>
// CHECK-DAG: %[[WK:.*]] = qgraph.constant dense<{{\[}}[5.000000e-01, 5.000000e-01], [1.000000e+00, 1.000000e+00]]>
// CHECK: qgraph.linear %arg0, %[[WQ]] {name = "q"}
// CHECK: qgraph.linear %arg0, %[[WK]] {name = "k"}
func.func @scores(%x: tensor<1x8x2xf32>, %v: tensor<1x8x1x2xf32>) -> (tensor<1x8x1xf32>, tensor<1x8x1x2xf32>) {
  %wq = qgraph.constant dense<1.0> : tensor<2x2xf32>
  %wk = qgraph.constant dense<1.0> : tensor<2x2xf32>
  %w = qgraph.constant dense<4.0> : tensor<1x2xf32>
  %q = qgraph.linear %x, %wq {name = "q"} : (tensor<1x8x2xf32>, tensor<2x2xf32>) -> tensor<1x8x2xf32>
  %k = qgraph.linear %x, %wk {name = "k"} : (tensor<1x8x2xf32>, tensor<2x2xf32>) -> tensor<1x8x2xf32>
  %qh = onnx.node "Reshape"(%q) {version = 25 : i64} : (tensor<1x8x2xf32>) -> tensor<1x8x1x2xf32>
  %kh = onnx.node "Reshape"(%k) {version = 25 : i64} : (tensor<1x8x2xf32>) -> tensor<1x8x1x2xf32>
  %a = qgraph.attention %qh, %kh, %v {scale = 0.5 : f32}
       : (tensor<1x8x1x2xf32>, tensor<1x8x1x2xf32>, tensor<1x8x1x2xf32>) -> tensor<1x8x1x2xf32>
  %o = qgraph.observe "up/input" %q : tensor<1x8x2xf32>
  %y = qgraph.linear %o, %w {name = "up"} : (tensor<1x8x2xf32>, tensor<1x2xf32>) -> tensor<1x8x1xf32>
  return %y, %a : tensor<1x8x1xf32>, tensor<1x8x1x2xf32>
}

// -----

// The same of two matrix products written out; what goes out of the first is not touched.

// CHECK-LABEL: @products
// CHECK-DAG: %[[WQ:.*]] = qgraph.constant dense<{{\[}}[2.000000e+00, 2.000000e+00], [1.000000e+00, 1.000000e+00]]>
// CHECK-DAG: %[[WK:.*]] = qgraph.constant dense<{{\[}}[5.000000e-01, 5.000000e-01], [1.000000e+00, 1.000000e+00]]>
// CHECK: qgraph.linear %arg0, %[[WQ]] {name = "q"}
// CHECK: qgraph.linear %arg0, %[[WK]] {name = "k"}
func.func @products(%x: tensor<8x2xf32>) -> (tensor<8x1xf32>, tensor<8x8xf32>) {
  %wq = qgraph.constant dense<1.0> : tensor<2x2xf32>
  %wk = qgraph.constant dense<1.0> : tensor<2x2xf32>
  %w = qgraph.constant dense<4.0> : tensor<1x2xf32>
  %q = qgraph.linear %x, %wq {name = "q"} : (tensor<8x2xf32>, tensor<2x2xf32>) -> tensor<8x2xf32>
  %k = qgraph.linear %x, %wk {name = "k"} : (tensor<8x2xf32>, tensor<2x2xf32>) -> tensor<8x2xf32>
  %s = qgraph.matmul %q, %k {transpose_rhs} : (tensor<8x2xf32>, tensor<8x2xf32>) -> tensor<8x8xf32>
  %o = qgraph.observe "up/input" %q : tensor<8x2xf32>
  %y = qgraph.linear %o, %w {name = "up"} : (tensor<8x2xf32>, tensor<1x2xf32>) -> tensor<8x1xf32>
  return %y, %s : tensor<8x1xf32>, tensor<8x8xf32>
}

// -----

// Four query heads, two heads of values: heads 0 and 1, and 2 and 3, share. s = 2, 2, 4, 4.

// CHECK-LABEL: @groups
// CHECK-DAG: %[[WV:.*]] = qgraph.constant dense<{{\[}}[5.000000e-01, 5.000000e-01], [2.500000e-01, 2.500000e-01]]>
// CHECK-DAG: %[[WO:.*]] = qgraph.constant dense<{{\[}}[2.000000e+00, 2.000000e+00, 4.000000e+00, 4.000000e+00]]>
// CHECK: qgraph.linear %{{.*}}, %[[WV]] {name = "v"}
// CHECK: qgraph.linear %{{.*}}, %[[WO]] {name = "o"}
func.func @groups(%x: tensor<1x8x2xf32>, %q: tensor<1x8x4x1xf32>, %k: tensor<1x2x8x1xf32>) -> tensor<1x8x1xf32> {
  %wv = qgraph.constant dense<1.0> : tensor<2x2xf32>
  %wo = qgraph.constant dense<1.0> : tensor<1x4xf32>
  %v = qgraph.linear %x, %wv {name = "v"} : (tensor<1x8x2xf32>, tensor<2x2xf32>) -> tensor<1x8x2xf32>
  %h = onnx.node "Reshape"(%v) {version = 25 : i64} : (tensor<1x8x2xf32>) -> tensor<1x8x2x1xf32>
  %t = onnx.node "Transpose"(%h) {node_attributes = {perm = [0 : si64, 2 : si64, 1 : si64, 3 : si64]}, version = 25 : i64} : (tensor<1x8x2x1xf32>) -> tensor<1x2x8x1xf32>
  %a = qgraph.attention %q, %k, %t {heads_first, scale = 0.5 : f32}
       : (tensor<1x8x4x1xf32>, tensor<1x2x8x1xf32>, tensor<1x2x8x1xf32>) -> tensor<1x8x4x1xf32>
  %j = onnx.node "Reshape"(%a) {version = 25 : i64} : (tensor<1x8x4x1xf32>) -> tensor<1x8x4xf32>
  %o = qgraph.observe "o/input" %j : tensor<1x8x4xf32>
  %y = qgraph.linear %o, %wo {name = "o"} : (tensor<1x8x4xf32>, tensor<1x4xf32>) -> tensor<1x8x1xf32>
  return %y : tensor<1x8x1xf32>
}

// -----

// Rows 2 and 3 of a fused projection, whose other rows stay.

// CHECK-LABEL: @fused
// CHECK: qgraph.constant dense<{{\[}}[1.000000e+00, 1.000000e+00], [1.000000e+00, 1.000000e+00], [2.000000e+00, 2.000000e+00], [1.000000e+00, 1.000000e+00]]>
func.func @fused(%x: tensor<8x2xf32>) -> (tensor<8x1xf32>, tensor<8x2xf32>) {
  %w = qgraph.constant dense<1.0> : tensor<4x2xf32>
  %v = qgraph.constant dense<4.0> : tensor<1x2xf32>
  %p = qgraph.linear %x, %w {name = "p"} : (tensor<8x2xf32>, tensor<4x2xf32>) -> tensor<8x4xf32>
  %a = onnx.node "Slice"(%p) {node_attributes = {axes = [1 : si64], ends = [2 : si64], starts = [0 : si64], steps = [1 : si64]}, version = 13 : i64} : (tensor<8x4xf32>) -> tensor<8x2xf32>
  %b = onnx.node "Slice"(%p) {node_attributes = {axes = [1 : si64], ends = [4 : si64], starts = [2 : si64], steps = [1 : si64]}, version = 13 : i64} : (tensor<8x4xf32>) -> tensor<8x2xf32>
  %o = qgraph.observe "up/input" %b : tensor<8x2xf32>
  %y = qgraph.linear %o, %v {name = "up"} : (tensor<8x2xf32>, tensor<1x2xf32>) -> tensor<8x1xf32>
  return %y, %a : tensor<8x1xf32>, tensor<8x2xf32>
}

// -----

// Queries and keys behind a rotation of channels d and d + 2: their factors come in pairs, those of
// the keys are the inverses. s = 2, 0.5, 2, 0.5 as in @rotary.

// CHECK-LABEL: @rotated
// CHECK-DAG: %[[WQ:.*]] = qgraph.constant dense<{{\[}}[5.000000e-01, 5.000000e-01], [2.000000e+00, 2.000000e+00], [5.000000e-01, 5.000000e-01], [2.000000e+00, 2.000000e+00]]>
// CHECK-DAG: %[[WK:.*]] = qgraph.constant dense<{{\[}}[2.000000e+00, 2.000000e+00], [5.000000e-01, 5.000000e-01], [2.000000e+00, 2.000000e+00], [5.000000e-01, 5.000000e-01]]>
// CHECK: qgraph.linear %arg0, %[[WQ]] {name = "q"}
// CHECK: qgraph.linear %arg0, %[[WK]] {name = "k"}
func.func @rotated(%x: tensor<8x2xf32>, %cos: tensor<8x4xf32>, %sin: tensor<8x4xf32>) -> (tensor<8x1xf32>, tensor<8x8xf32>) {
  %wq = qgraph.constant dense<1.0> : tensor<4x2xf32>
  %wk = qgraph.constant dense<1.0> : tensor<4x2xf32>
  %wr = qgraph.constant dense<[[1.0, 4.0, 4.0, 1.0]]> : tensor<1x4xf32>
  %q = qgraph.linear %x, %wq {name = "q"} : (tensor<8x2xf32>, tensor<4x2xf32>) -> tensor<8x4xf32>
  %k = qgraph.linear %x, %wk {name = "k"} : (tensor<8x2xf32>, tensor<4x2xf32>) -> tensor<8x4xf32>
  %a = onnx.node "Slice"(%k) {node_attributes = {axes = [1 : si64], ends = [2 : si64], starts = [0 : si64], steps = [1 : si64]}, version = 13 : i64} : (tensor<8x4xf32>) -> tensor<8x2xf32>
  %b = onnx.node "Slice"(%k) {node_attributes = {axes = [1 : si64], ends = [4 : si64], starts = [2 : si64], steps = [1 : si64]}, version = 13 : i64} : (tensor<8x4xf32>) -> tensor<8x2xf32>
  %n = onnx.node "Neg"(%b) {version = 13 : i64} : (tensor<8x2xf32>) -> tensor<8x2xf32>
  %c = onnx.node "Concat"(%n, %a) {node_attributes = {axis = 1 : si64}, version = 13 : i64} : (tensor<8x2xf32>, tensor<8x2xf32>) -> tensor<8x4xf32>
  %d = onnx.node "Mul"(%k, %cos) {version = 14 : i64} : (tensor<8x4xf32>, tensor<8x4xf32>) -> tensor<8x4xf32>
  %e = onnx.node "Mul"(%c, %sin) {version = 14 : i64} : (tensor<8x4xf32>, tensor<8x4xf32>) -> tensor<8x4xf32>
  %r = onnx.node "Add"(%d, %e) {version = 14 : i64} : (tensor<8x4xf32>, tensor<8x4xf32>) -> tensor<8x4xf32>
  %s = qgraph.matmul %q, %r {transpose_rhs} : (tensor<8x4xf32>, tensor<8x4xf32>) -> tensor<8x8xf32>
  %o = qgraph.observe "o/input" %q : tensor<8x4xf32>
  %y = qgraph.linear %o, %wr {name = "r"} : (tensor<8x4xf32>, tensor<1x4xf32>) -> tensor<8x1xf32>
  return %y, %s : tensor<8x1xf32>, tensor<8x8xf32>
}
