// RUN: quant-opt %s --convert-qkernel-to-llvm | FileCheck %s

// CHECK: func.func private @quantc_rt_leave(!llvm.ptr, i64, i64, i64, i64)
// CHECK: func.func private @quantc_rt_exchange(!llvm.ptr, i64, i64, i64)
// CHECK: func.func private @quantc_rt_allocate(!llvm.ptr, i64, i64, i64, i64, i64)
// CHECK-LABEL: func.func @late
func.func @late(%frame: !llvm.ptr, %thread: index, %threads: index, %bytes: index, %n: index, %ok: i1) -> memref<?x4xf32> {
  // CHECK: %[[SLOT:.*]] = arith.constant 2 : i64
  // CHECK: %[[KEEP:.*]] = arith.constant 1 : i64
  // CHECK: call @quantc_rt_allocate(%arg0, %[[SLOT]], %{{.*}}, %[[KEEP]], %{{.*}}, %{{.*}})
  qkernel.allocate %frame[2], %bytes, %thread, %threads keep
  // CHECK: call @quantc_rt_exchange
  qkernel.exchange %frame[2, 3], %thread
  // CHECK: scf.if
  // CHECK: call @quantc_rt_leave
  qkernel.require %frame, %ok, 7, %n, %bytes, %thread
  // The pointer of slot 2, behind two of three words each.
  // CHECK: %[[P:.*]] = llvm.getelementptr %arg0[13]
  // CHECK: %[[HEAP:.*]] = llvm.load %[[P]]
  // CHECK: %[[S:.*]] = llvm.getelementptr %[[HEAP]][6]
  // CHECK: %[[DATA:.*]] = llvm.load %[[S]]
  // CHECK: llvm.getelementptr %[[DATA]][%{{.*}}] {{.*}} i8
  %0 = qkernel.heap %frame[2] offset(%bytes) sizes(%n) : memref<?x4xf32>
  return %0 : memref<?x4xf32>
}
