// RUN: quant-opt %s --convert-qkernel-to-llvm | FileCheck %s --implicit-check-not="qkernel.{{buffer|dim|set_dim|call|barrier|mark|check}}"

// The frame's fields are 8 bytes each, by number (quantc/abi.h).

// CHECK: module attributes {qkernel.kernels = [@relu, @copy]}
// CHECK-DAG: func.func private @quantc_rt_barrier(!llvm.ptr, i64, i64)
// CHECK-DAG: func.func private @quantc_rt_mark(!llvm.ptr, i64, i64)
// CHECK-DAG: func.func private @quantc_rt_fail(!llvm.ptr, i64, i64, i64)

func.func private @relu(!llvm.ptr, memref<?x8xf32>, memref<?x8xf32>)
func.func private @copy(!llvm.ptr, memref<?x8xf32>)

// CHECK-LABEL: func.func @dims(
// CHECK-SAME: %[[F:.*]]: !llvm.ptr)
func.func @dims(%f: !llvm.ptr) -> index {
  // in_dims is field 2, out_dims field 3.
  // CHECK: %[[P:.*]] = llvm.getelementptr %[[F]][2] : (!llvm.ptr) -> !llvm.ptr, i64
  // CHECK: %[[DIMS:.*]] = llvm.load %[[P]] : !llvm.ptr -> !llvm.ptr
  // CHECK: %[[E:.*]] = llvm.getelementptr %[[DIMS]][5]
  // CHECK: %[[V:.*]] = llvm.load %[[E]] : !llvm.ptr -> i64
  // CHECK: %[[D:.*]] = arith.index_cast %[[V]] : i64 to index
  %0 = qkernel.dim %f[5]
  // CHECK: %[[P3:.*]] = llvm.getelementptr %[[F]][3]
  // CHECK: %[[OUT:.*]] = llvm.load %[[P3]]
  // CHECK: llvm.getelementptr %[[OUT]][1]
  // CHECK: llvm.store
  qkernel.set_dim %f[1], %0
  return %0 : index
}

// CHECK-LABEL: func.func @buffers(
// CHECK-SAME: %[[F:.*]]: !llvm.ptr, %[[O:.*]]: index, %[[M:.*]]: index)
func.func @buffers(%f: !llvm.ptr, %o: index, %m: index) -> (memref<?x8xf32>, memref<4xi8>) {
  // The arena is field 5; a dense descriptor of [m, 8] with strides [8, 1].
  // CHECK: llvm.getelementptr %[[F]][5]
  // CHECK: %[[OFFSET:.*]] = arith.index_cast %[[O]] : index to i64
  // CHECK: llvm.getelementptr %{{.*}}[%[[OFFSET]]] : (!llvm.ptr, i64) -> !llvm.ptr, i8
  // CHECK: %[[SIZE:.*]] = arith.index_cast %[[M]] : index to i64
  // CHECK: llvm.insertvalue %[[SIZE]], %{{.*}}[3, 0]
  // CHECK: unrealized_conversion_cast {{.*}} to memref<?x8xf32>
  %0 = qkernel.buffer arena %f offset(%o) sizes(%m) : memref<?x8xf32>
  // Inputs are field 0, an array of pointers.
  // CHECK: llvm.getelementptr %[[F]][0]
  // CHECK: %[[INPUTS:.*]] = llvm.load
  // CHECK: llvm.getelementptr %[[INPUTS]][3]
  %1 = qkernel.buffer input %f {index = 3 : i64} : memref<4xi8>
  return %0, %1 : memref<?x8xf32>, memref<4xi8>
}

// CHECK-LABEL: func.func @calls(
// CHECK-SAME: %[[F:.*]]: !llvm.ptr, %[[T:.*]]: index, %[[N:.*]]: index
func.func @calls(%f: !llvm.ptr, %t: index, %n: index, %x: memref<?x8xf32>, %ok: i1) {
  // Through the table of the frame, field 9: the first kernel, then the second.
  // CHECK: llvm.getelementptr %[[F]][9]
  // CHECK: %[[TABLE:.*]] = llvm.load
  // CHECK: llvm.getelementptr %[[TABLE]][0]
  // CHECK: %[[CALLEE:.*]] = builtin.unrealized_conversion_cast
  // CHECK: call_indirect %[[CALLEE]](%[[F]], %{{.*}}, %{{.*}})
  qkernel.call @relu[%f](%x, %x) : memref<?x8xf32>, memref<?x8xf32>
  // CHECK: call @quantc_rt_barrier(%[[F]], %{{.*}}, %{{.*}})
  qkernel.barrier %f, %t, %n
  // CHECK: llvm.getelementptr %{{.*}}[1]
  // CHECK: call_indirect
  qkernel.call @copy[%f](%x) : memref<?x8xf32>
  // CHECK: %[[L:.*]] = arith.constant 7 : i64
  // CHECK: call @quantc_rt_mark(%[[F]], %[[L]], %{{.*}})
  qkernel.mark %f[7], %t
  // CHECK: %[[BAD:.*]] = arith.xori %{{.*}}, %true
  // CHECK: scf.if %[[BAD]]
  // CHECK: call @quantc_rt_fail(%[[F]], %c1_i64, %{{.*}}, %{{.*}})
  qkernel.check %f, %ok, 1, %t, %n
  return
}
