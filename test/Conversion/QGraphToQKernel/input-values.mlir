// RUN: quant-opt %s --lower-to-kernels | FileCheck %s
// RUN: quant-opt %s --lower-to-kernels --convert-qkernel-to-llvm | FileCheck %s --check-prefix=LLVM

// A shape that an input gives as its values is read from the frame before the
// run: by the entry, by the shapes and by the size of the arena.

// CHECK-LABEL: func.func @main
// CHECK: %[[V:.*]] = qkernel.input_value %[[F:.*]][1, 1] : i64
// CHECK: %[[D:.*]] = arith.index_cast %[[V]] : i64 to index
// CHECK: qkernel.buffer output %[[F]] sizes(%{{.*}}, %[[D]])
func.func @main(%x: tensor<?x1xf32>, %shape: tensor<2xsi64>) -> tensor<?x?xf32> {
  %d0 = qgraph.element %shape[0] : tensor<2xsi64>
  %d1 = qgraph.element %shape[1] : tensor<2xsi64>
  %0 = onnx.node "Expand"(%x) dims(%d0, %d1) {version = 13 : i64}
       : (tensor<?x1xf32>) -> tensor<?x?xf32>
  return %0 : tensor<?x?xf32>
}

// CHECK-LABEL: func.func @main_shapes
// CHECK: %[[V:.*]] = qkernel.input_value %[[F:.*]][1, 0] : i64
// CHECK: %[[D:.*]] = arith.index_cast %[[V]]
// CHECK: %[[OK:.*]] = arith.cmpi ult, %[[D]]
// CHECK: qkernel.check %[[F]], %[[OK]], 2, %[[D]]
// CHECK: qkernel.set_dim %[[F]][0], %[[D]]

// LLVM-LABEL: func.func @main_shapes
// LLVM: %[[I:.*]] = llvm.getelementptr %{{.*}}[0]
// LLVM: %[[INPUTS:.*]] = llvm.load %[[I]]
// LLVM: %[[P:.*]] = llvm.getelementptr %[[INPUTS]][1]
// LLVM: %[[DATA:.*]] = llvm.load %[[P]]
// LLVM: %[[E:.*]] = llvm.getelementptr %[[DATA]][0]{{.*}}i64
// LLVM: llvm.load %[[E]] : !llvm.ptr -> i64
