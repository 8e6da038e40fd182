// A merged rotation comes first: the stream's readers have nothing to pay. The last layer's weight
// has both, the stream's on its rows and the one of the running model on its columns.

// RUN: quant-opt %s --qgraph-rotate=online=needed -o %t.mlir --weights-out=%t.safetensors 2>&1 | FileCheck %s --check-prefix=REMARK
// RUN: FileCheck %s --input-file=%t.mlir
// REMARK: the input of 'down' (qgraph.linear) is rotated while the model runs, in blocks of 16: 768 multiply-adds a row, 25.0 % of those of the layer that reads it
// REMARK-NOT: remark:

// CHECK: %[[E:.*]] = qgraph.embedding
// CHECK: %[[N:.*]] = qgraph.norm rms %[[E]]
// CHECK: qgraph.linear %[[N]], %{{.*}} {name = "up"}
// CHECK: qgraph.linear %{{.*}} {name = "down/rotation", qgraph.part} : (tensor<?x3x16xf32>, tensor<16x16xf32>)
// CHECK: %[[X:.*]] = onnx.node "Reshape"
// CHECK: qgraph.linear %[[X]], %{{.*}} {name = "down"}
// CHECK-NOT: qgraph.part

func.func @stream(%i: tensor<?xsi64>, %n: index) -> tensor<?x48xf32> {
  %t = qgraph.constant dense<1.0> : tensor<3x64xf32>
  %g = qgraph.constant dense<1.0> : tensor<64xf32>
  %w = qgraph.constant dense<1.0> : tensor<48x64xf32>
  %v = qgraph.constant dense<1.0> : tensor<64x48xf32>
  %e = qgraph.embedding %t, %i : (tensor<3x64xf32>, tensor<?xsi64>) -> tensor<?x64xf32>
  %h = qgraph.norm rms %e weight %g {epsilon = 1.0e-5 : f32} : (tensor<?x64xf32>, tensor<64xf32>) -> tensor<?x64xf32>
  %y = qgraph.linear %h, %w {name = "up"} : (tensor<?x64xf32>, tensor<48x64xf32>) -> tensor<?x48xf32>
  %r = onnx.node "Relu"(%y) dims(%n) {version = 14 : i64} : (tensor<?x48xf32>) -> tensor<?x48xf32>
  %z = qgraph.linear %r, %v {name = "down"} : (tensor<?x48xf32>, tensor<64x48xf32>) -> tensor<?x64xf32>
  %a = onnx.node "Add"(%e, %z) dims(%n) {version = 14 : i64} : (tensor<?x64xf32>, tensor<?x64xf32>) -> tensor<?x64xf32>
  %m = qgraph.norm rms %a weight %g {epsilon = 1.0e-5 : f32} : (tensor<?x64xf32>, tensor<64xf32>) -> tensor<?x64xf32>
  %o = qgraph.linear %m, %w {name = "head"} : (tensor<?x64xf32>, tensor<48x64xf32>) -> tensor<?x48xf32>
  return %o : tensor<?x48xf32>
}
