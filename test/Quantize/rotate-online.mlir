// What no merged rotation reaches is rotated while the model runs, once for all layers that read it.

// RUN: quant-opt %s --qgraph-rotate=online=needed -o %t.mlir --weights-out=%t.safetensors 2>&1 | FileCheck %s --check-prefix=REMARK
// RUN: FileCheck %s --input-file=%t.mlir
// RUN: quant-opt %s --qgraph-rotate="online=needed online-block=8" --weights-out=%t.more.safetensors | FileCheck %s --check-prefix=BLOCK
// RUN: quant-opt %s --qgraph-rotate="online=needed keep-float=^(a|second)$" --weights-out=%t.more.safetensors 2>&1 | FileCheck %s --check-prefix=KEEP
// RUN: quant-opt %s --qgraph-rotate 2>&1 | FileCheck %s --check-prefix=NONE
// RUN: quant-opt %t.mlir --qgraph-rotate=online=needed --weights-out=%t.twice.safetensors 2>&1 | FileCheck %s --check-prefix=TWICE

// It is no layer of the model: what comes behind observes and quantizes its result, and not itself.
// RUN: quant-opt %s --qgraph-rotate=online=needed --qgraph-insert-observers --qgraph-quantize-weights="cost-model=false set=rotation=si4 require-match=false" --qgraph-quantize-activations --weights-out=%t.more.safetensors 2>%t.remarks | FileCheck %s --check-prefix=QUANTIZED
// RUN: FileCheck %s --check-prefix=QUIET < %t.remarks

// REMARK: the input of 'a' (qgraph.linear) is rotated while the model runs, in blocks of 16: 768 multiply-adds a row, 22.2 % of those of the 2 layers that read it

// CHECK-LABEL: func @gate
// CHECK-DAG: %[[A:.*]] = qgraph.constant #qgraph.weight<"{{.*}}", "a.weight@rotate"{{.*}}> : tensor<32x48xf32>
// CHECK-DAG: %[[C:.*]] = qgraph.constant #qgraph.weight<"{{.*}}", "b.weight@rotate"{{.*}}> : tensor<40x48xf32>
// CHECK-DAG: %[[R:.*]] = qgraph.constant #qgraph.weight<"{{.*}}", "rotation-16@rotate"> : tensor<16x16xf32>
// CHECK-DAG: %[[M:.*]] = onnx.node "Mul"(%arg0, %arg1)
// CHECK-DAG: %[[S:.*]] = onnx.node "Reshape"(%[[M]]) dims(%{{.*}}) {{.*}} : (tensor<2x?x48xf32>) -> tensor<2x?x3x16xf32>
// CHECK: %[[P:.*]] = qgraph.linear %[[S]], %[[R]] {name = "a/rotation", qgraph.part}
// CHECK: %[[X:.*]] = onnx.node "Reshape"(%[[P]]) dims(%{{.*}}) {{.*}} : (tensor<2x?x3x16xf32>) -> tensor<2x?x48xf32>
// CHECK: qgraph.linear %[[X]], %[[A]] bias %{{.*}} {name = "a"}
// CHECK: qgraph.linear %[[X]], %[[C]] {name = "b"}
// CHECK: onnx.node "Relu"(%[[M]])
// CHECK-NOT: Reshape

// BLOCK: qgraph.linear %{{.*}} {name = "a/rotation", qgraph.part} : (tensor<2x?x6x8xf32>, tensor<8x8xf32>)

// Only b's columns count then, 40: the block is at most 10.
// KEEP: the input of 'a' (qgraph.linear) is not rotated: no rotation passes onnx.node "Mul"; nor while the model runs: keep-float '^(a|second)$' matches it
// KEEP: the input of 'b' (qgraph.linear) is rotated while the model runs, in blocks of 8: 384 multiply-adds a row, 20.0 % of those of the layer that reads it
// KEEP: %[[M:.*]] = onnx.node "Mul"
// KEEP-DAG: qgraph.linear %[[M]], %{{.*}} {name = "a"}
// KEEP-DAG: qgraph.linear %{{.*}} {name = "b/rotation", qgraph.part}

// NONE: the input of 'a' (qgraph.linear) is not rotated: no rotation passes onnx.node "Mul"{{$}}
// NONE-NOT: @rotate
// NONE-NOT: Reshape

// What has been made is not taken for a layer whose own input may be rotated.
// TWICE: qgraph.linear {{.*}} {name = "a/rotation", qgraph.part}
// TWICE-NOT: rotation/rotation

// QUANTIZED: onnx.node "Mul"
// QUANTIZED-NOT: qgraph.observe
// QUANTIZED: %[[R:.*]] = qgraph.constant #qgraph.weight<"{{.*}}", "rotation-16@rotate"> : tensor<16x16xf32>
// QUANTIZED: qgraph.linear %{{.*}}, %[[R]] {name = "a/rotation", qgraph.part}
// QUANTIZED: %[[X:.*]] = onnx.node "Reshape"
// QUANTIZED: %[[O:.*]] = qgraph.observe "a/input" %[[X]]
// QUANTIZED: qgraph.quantize %[[O]]
// QUANTIZED: qgraph.linear {{.*}} {name = "a"} : (tensor<2x?x48xf32>, tensor<32x48xf32>
// QUIET-NOT: rotation

func.func @gate(%g: tensor<2x?x48xf32>, %u: tensor<2x?x48xf32>, %n: index) -> (tensor<2x?x32xf32>, tensor<2x?x40xf32>, tensor<2x?x48xf32>) {
  %w = qgraph.constant dense<1.0> : tensor<32x48xf32>
  %v = qgraph.constant dense<2.0> : tensor<40x48xf32>
  %c = qgraph.constant dense<1.0> : tensor<32xf32>
  %m = onnx.node "Mul"(%g, %u) dims(%n) {version = 14 : i64} : (tensor<2x?x48xf32>, tensor<2x?x48xf32>) -> tensor<2x?x48xf32>
  %a = qgraph.linear %m, %w bias %c {name = "a"} : (tensor<2x?x48xf32>, tensor<32x48xf32>, tensor<32xf32>) -> tensor<2x?x32xf32>
  %b = qgraph.linear %m, %v {name = "b"} : (tensor<2x?x48xf32>, tensor<40x48xf32>) -> tensor<2x?x40xf32>
  %r = onnx.node "Relu"(%m) dims(%n) {version = 14 : i64} : (tensor<2x?x48xf32>) -> tensor<2x?x48xf32>
  return %a, %b, %r : tensor<2x?x32xf32>, tensor<2x?x40xf32>, tensor<2x?x48xf32>
}
