// insert-multiply, clone-shared and scale-cache; alpha=auto and max-factor.

// RUN: mkdir -p %t
// RUN: %python %S/../Inputs/make_weights.py %t/w.safetensors w=16x8xf32 t=8x16xf32 other=16x8xf32
// RUN: %python %S/../Inputs/make_statistics.py %t/s fc/input=4,1 o/input=4,1 wide=8 tied=8
// RUN: quant-opt %s --weights-dir=%t -o %t/out.mlir --qgraph-smooth-quant="statistics=%t/s insert-multiply=true scale-cache=true" \
// RUN:   2> %t/remarks
// RUN: FileCheck %s < %t/out.mlir
// RUN: FileCheck %s --check-prefix=REMARK < %t/remarks
// RUN: quant-opt %s --weights-dir=%t -o %t/clone.mlir --qgraph-smooth-quant="statistics=%t/s clone-shared=true max-factor=1.5 alpha=1" 2> /dev/null
// RUN: FileCheck %s --check-prefix=CLONE < %t/clone.mlir
// Any number of threads writes the same file.
// RUN: quant-opt %s --weights-dir=%t --mlir-disable-threading -o %t/one.mlir \
// RUN:   --qgraph-smooth-quant="statistics=%t/s insert-multiply=true scale-cache=true" 2> /dev/null
// RUN: cmp %t/one.mlir.safetensors %t/out.mlir.safetensors

// The product stands before the site; the other readers of the value, and of the site, read what
// they read: x.

// CHECK-LABEL: @multiply
// CHECK: %[[S:.*]] = qgraph.constant dense<[5.000000e-01, 1.000000e+00]> : tensor<2xf32>
// CHECK: %[[P:.*]] = onnx.node "Mul"(%arg0, %[[S]]) dims(%{{.*}}) {version = 14 : i64} : (tensor<?x2xf32>, tensor<2xf32>) -> tensor<?x2xf32>
// CHECK: %[[O:.*]] = qgraph.observe "fc/input" %[[P]] {factor = dense<[5.000000e-01, 1.000000e+00]> : tensor<2xf32>}
// CHECK: qgraph.linear %[[O]], %{{.*}} {name = "fc"}
// CHECK: onnx.node "Exp"(%arg0)
// REMARK: remark: the input of 'fc' (qgraph.linear) is multiplied while the model runs: they cannot pass onnx.node "Exp": it is not homogeneous
func.func @multiply(%x: tensor<?x2xf32>, %n: index) -> (tensor<?x1xf32>, tensor<?x2xf32>) {
  %w = qgraph.constant dense<1.0> : tensor<1x2xf32>
  %o = qgraph.observe "fc/input" %x : tensor<?x2xf32>
  %y = qgraph.linear %o, %w {name = "fc"} : (tensor<?x2xf32>, tensor<1x2xf32>) -> tensor<?x1xf32>
  %e = onnx.node "Exp"(%o) dims(%n) {version = 13 : i64} : (tensor<?x2xf32>) -> tensor<?x2xf32>
  return %y, %e : tensor<?x1xf32>, tensor<?x2xf32>
}

// With scale-cache the values that are kept have the factors: what is past had them, too.

// CHECK-LABEL: @cache
// CHECK-DAG: %[[WV:.*]] = qgraph.constant dense<{{\[}}[5.000000e-01, 5.000000e-01], [1.000000e+00, 1.000000e+00]]>
// CHECK-DAG: %[[WO:.*]] = qgraph.constant dense<{{\[}}[2.000000e+00, 1.000000e+00]]>
// CHECK: qgraph.linear %arg0, %[[WV]] {name = "v"}
// CHECK: qgraph.linear %{{.*}}, %[[WO]] {name = "o"}
func.func @cache(%x: tensor<1x?x2xf32>, %past: tensor<1x1x?x2xf32>, %k: tensor<1x1x?x2xf32>, %q: tensor<1x?x1x2xf32>, %n: index)
    -> (tensor<1x?x1xf32>, tensor<1x1x?x2xf32>) {
  %w = qgraph.constant dense<1.0> : tensor<2x2xf32>
  %wo = qgraph.constant dense<1.0> : tensor<1x2xf32>
  %v = qgraph.linear %x, %w {name = "v"} : (tensor<1x?x2xf32>, tensor<2x2xf32>) -> tensor<1x?x2xf32>
  %h = onnx.node "Reshape"(%v) dims(%n) {version = 25 : i64} : (tensor<1x?x2xf32>) -> tensor<1x?x1x2xf32>
  %c = qgraph.cache_load %past : tensor<1x1x?x2xf32> to <f32, 1x2>
  %d = qgraph.cache_append %c, %h : <f32, 1x2>, tensor<1x?x1x2xf32>
  %kc = qgraph.cache_load %k : tensor<1x1x?x2xf32> to <f32, 1x2>
  %a = qgraph.attention %q, %kc, %d {scale = 0.5 : f32}
       : (tensor<1x?x1x2xf32>, !qgraph.cache<f32, 1x2>, !qgraph.cache<f32, 1x2>) -> tensor<1x?x1x2xf32>
  %j = onnx.node "Reshape"(%a) dims(%n) {version = 25 : i64} : (tensor<1x?x1x2xf32>) -> tensor<1x?x2xf32>
  %o = qgraph.observe "o/input" %j : tensor<1x?x2xf32>
  %y = qgraph.linear %o, %wo {name = "o"} : (tensor<1x?x2xf32>, tensor<1x2xf32>) -> tensor<1x?x1xf32>
  %present = qgraph.cache_store %d : <f32, 1x2> to tensor<1x1x?x2xf32>
  return %y, %present : tensor<1x?x1xf32>, tensor<1x1x?x2xf32>
}

// A weight of a store is a new entry beside the old one. One that others read is not touched,
// unless it may be copied: then the other reader keeps the old entry.

// CHECK-LABEL: @stored
// CHECK: #qgraph.weight<"out.mlir.safetensors", "w@smooth-quant"> : tensor<16x8xf32>
// CHECK-NOT: @smooth-quant
// REMARK: 'tied' (qgraph.linear) is not smoothed: its constant 'other' is read by others, too; clone-shared=true gives it one of its own
// CLONE-LABEL: @stored
// CLONE-DAG: #qgraph.weight<"clone.mlir.safetensors", "w@smooth-quant"> : tensor<16x8xf32>
// CLONE-DAG: #qgraph.weight<"clone.mlir.safetensors", "other@smooth-quant"> : tensor<16x8xf32>
// CLONE: qgraph.observe "tied" %{{.*}} {factor = dense<[{{(1.500000e\+00|0.666666686|1.000000e\+00)}},
func.func @stored(%x: tensor<?x8xf32>) -> (tensor<?x16xf32>, tensor<?x16xf32>, tensor<?x16xf32>) {
  %w = qgraph.constant #qgraph.weight<"w.safetensors", "w"> : tensor<16x8xf32>
  %n = qgraph.norm rms %x {epsilon = 1.0e-5 : f32, name = "n"} : (tensor<?x8xf32>) -> tensor<?x8xf32>
  %o = qgraph.observe "wide" %n : tensor<?x8xf32>
  %y = qgraph.linear %o, %w {name = "wide"} : (tensor<?x8xf32>, tensor<16x8xf32>) -> tensor<?x16xf32>
  %v = qgraph.constant #qgraph.weight<"w.safetensors", "other"> : tensor<16x8xf32>
  %m = qgraph.norm rms %x {epsilon = 1.0e-5 : f32, name = "m"} : (tensor<?x8xf32>) -> tensor<?x8xf32>
  %p = qgraph.observe "tied" %m : tensor<?x8xf32>
  %z = qgraph.linear %p, %v {name = "tied"} : (tensor<?x8xf32>, tensor<16x8xf32>) -> tensor<?x16xf32>
  %s = qgraph.linear %x, %v {name = "again"} : (tensor<?x8xf32>, tensor<16x8xf32>) -> tensor<?x16xf32>
  return %y, %z, %s : tensor<?x16xf32>, tensor<?x16xf32>, tensor<?x16xf32>
}
