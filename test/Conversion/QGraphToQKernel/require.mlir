// RUN: quant-opt %s --lower-to-kernels --canonicalize --cse | FileCheck %s

// What the walk assumed is checked before the run, with a text of its own; the
// entry knows nothing of it. Floats of inputs are read as they are.

// CHECK-LABEL: func.func @main
// CHECK-SAME:  qkernel.checks = ["%a of %b", "%a and %b do not fit"]
// CHECK-NOT:   qgraph.require
// CHECK-NOT:   qkernel.check
// CHECK:       qkernel.input_value %{{.*}}[1, 0] : f32
func.func @main(%x: tensor<?xf32>, %scale: tensor<1xf32>, %n: tensor<1xsi32>) -> tensor<?xf32> {
  %c0 = arith.constant 0 : index
  %d = tensor.dim %x, %c0 : tensor<?xf32>
  %e = qgraph.element %n[0] : tensor<1xsi32>
  %s = qgraph.element %scale[0] : tensor<1xf32>
  %i = arith.fptosi %s : f32 to i64
  %m = arith.index_cast %i : i64 to index
  %r = arith.muli %d, %m : index
  qgraph.require %e, %d, "%a of %b"
  qgraph.require %r, %e or_one, "%a and %b do not fit"
  %0 = onnx.node "Tile"(%x) dims(%r) {version = 13 : i64} : (tensor<?xf32>) -> tensor<?xf32>
  return %0 : tensor<?xf32>
}

// CHECK-LABEL: func.func @main_shapes
// CHECK: %[[FIRST:.*]] = arith.cmpi eq, %[[E:.*]], %[[D:.*]] : index
// CHECK: qkernel.check %{{.*}}, %[[FIRST]], 6, %[[E]], %[[D]]
// CHECK: %[[SAME:.*]] = arith.cmpi eq, %[[R:.*]], %[[E]]
// CHECK: %[[ONE:.*]] = arith.cmpi eq, %[[R]], %c1
// CHECK: arith.ori %[[SAME]], %[[ONE]]
// CHECK: %[[OTHER:.*]] = arith.cmpi eq, %[[E]], %c1
// CHECK: %[[FITS:.*]] = arith.ori %{{.*}}, %[[OTHER]]
// CHECK: qkernel.check %{{.*}}, %[[FITS]], 7, %[[R]], %[[E]]
// CHECK: arith.cmpi ult, %[[R]], %c2147483648
