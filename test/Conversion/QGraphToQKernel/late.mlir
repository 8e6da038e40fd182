// RUN: quant-opt %s --lower-to-kernels --canonicalize --cse --split-input-file | FileCheck %s

// A size that the model computes: read by every thread behind a barrier, memory
// of the session's heap (slot 0, of output 0), its dimension written by thread 0.
// Nothing of it is computed before the run.

// CHECK-LABEL: func.func @computed
// CHECK-SAME:  (%[[F:.*]]: !llvm.ptr, %[[T:.*]]: index, %[[N:.*]]: index)
// CHECK-SAME:  qkernel.slots = 1
// CHECK: qkernel.call @add_si64
// CHECK: qkernel.barrier
// CHECK: %[[V:.*]] = memref.load %{{.*}}[%c1] : memref<2xi64>
// CHECK: %[[D:.*]] = arith.index_cast %[[V]]
// CHECK: %[[FITS:.*]] = arith.cmpi eq, %[[D]], %c4
// CHECK: qkernel.require %[[F]], %[[FITS]], 6, %[[D]], %c4, %[[T]]
// CHECK: %[[BYTES:.*]] = arith.select %{{.*}}, %{{.*}}, %c-1
// CHECK: qkernel.allocate %[[F]][0], %[[BYTES]], %[[T]], %[[N]]
// CHECK: %[[H:.*]] = qkernel.heap %[[F]][0] sizes(%[[D]]) : memref<?xf32>
// CHECK: qkernel.call @expand_f32[%[[F]]](%[[T]], %[[N]], %{{.*}}, %[[H]])
// CHECK: scf.if
// CHECK:   qkernel.set_dim %[[F]][0], %[[D]]
func.func @computed(%x: tensor<2xsi64>, %y: tensor<1xf32>) -> tensor<?xf32> {
  %c4 = arith.constant 4 : index
  %0 = onnx.node "Add"(%x, %x) {version = 14 : i64} : (tensor<2xsi64>, tensor<2xsi64>) -> tensor<2xsi64>
  %d = qgraph.element %0[1] : tensor<2xsi64>
  qgraph.require %d, %c4, "%a is not %b"
  %1 = onnx.node "Expand"(%y) dims(%d) {version = 13 : i64} : (tensor<1xf32>) -> tensor<?xf32>
  return %1 : tensor<?xf32>
}
// CHECK-LABEL: func.func @computed_shapes
// CHECK-NEXT: arith.constant -1
// CHECK-NEXT: qkernel.set_dim %{{.*}}[0], %c-1
// CHECK-NEXT: return
// CHECK-LABEL: func.func @computed_arena
// CHECK: arith.constant 64 : i64

// -----

// Both branches write where the result lives, in the arena, since its size is
// known; all threads go the same way, and meet before and behind.

// CHECK-LABEL: func.func @branch
// CHECK-NOT: qkernel.slots
// CHECK: %[[C:.*]] = arith.cmpi ne
// CHECK: scf.if %[[C]] {
// CHECK:   %[[A:.*]] = qkernel.buffer arena %{{.*}} offset(%[[O:.*]]) : memref<4xf32>
// CHECK:   qkernel.call @relu_f32{{.*}}%[[A]])
// CHECK:   qkernel.barrier
// CHECK: } else {
// CHECK:   qkernel.call @neg_f32
// CHECK:   qkernel.barrier
// CHECK: }
// CHECK: qkernel.call @abs_f32
func.func @branch(%c: tensor<i1>, %x: tensor<4xf32>) -> tensor<4xf32> {
  %e = qgraph.element %c[0] : tensor<i1>
  %0 = qgraph.if %e {
    %1 = onnx.node "Relu"(%x) {version = 14 : i64} : (tensor<4xf32>) -> tensor<4xf32>
    qgraph.yield %1 : tensor<4xf32>
  } else {
    %1 = onnx.node "Neg"(%x) {version = 13 : i64} : (tensor<4xf32>) -> tensor<4xf32>
    qgraph.yield %1 : tensor<4xf32>
  } : tensor<4xf32>
  %2 = onnx.node "Abs"(%0) {version = 13 : i64} : (tensor<4xf32>) -> tensor<4xf32>
  return %2 : tensor<4xf32>
}

// -----

// A loop: the initial value is copied to the slot that is carried; an iteration
// writes another one, and the two are exchanged between barriers. Pieces stand
// one behind the other.

// CHECK-LABEL: func.func @loop
// CHECK: qkernel.allocate %{{.*}}[[[C:.*]]], %c16
// CHECK: qkernel.call @identity_f32
// CHECK: qkernel.barrier
// CHECK: %[[W:.*]] = scf.while (%{{.*}} = %c0)
// CHECK: do {
// CHECK: ^bb0(%[[I:.*]]: index):
// CHECK:   qkernel.allocate %{{.*}}[[[S:.*]]], %c16
// CHECK:   qkernel.heap %{{.*}}[[[C]]] : memref<4xf32>
// CHECK:   qkernel.call @relu_f32
// CHECK:   %[[OFFSET:.*]] = arith.muli %[[I]], %c16
// CHECK:   qkernel.allocate %{{.*}}[[[P:.*]]], %{{.*}} keep
// CHECK:   qkernel.heap %{{.*}}[[[P]]] offset(%[[OFFSET]]) : memref<4xf32>
// CHECK:   qkernel.barrier
// CHECK:   qkernel.exchange %{{.*}}[[[C]], [[S]]]
// CHECK:   qkernel.barrier
// CHECK:   scf.yield
// CHECK: qkernel.heap %{{.*}}[[[P]]] sizes(%[[W]]) : memref<?x4xf32>
func.func @loop(%n: tensor<si64>, %x: tensor<4xf32>) -> (tensor<4xf32>, tensor<?x4xf32>) {
  %one = arith.constant 1 : index
  %trips = qgraph.element %n[0] : tensor<si64>
  %0:2 = qgraph.loop %trips while %one init(%x : tensor<4xf32>) {
  ^bb0(%i: index, %a: tensor<4xf32>):
    %1 = onnx.node "Relu"(%a) {version = 14 : i64} : (tensor<4xf32>) -> tensor<4xf32>
    qgraph.yield %one, %1, %1 : index, tensor<4xf32>, tensor<4xf32>
  } : tensor<4xf32>, tensor<?x4xf32>
  return %0#0, %0#1 : tensor<4xf32>, tensor<?x4xf32>
}
