// RUN: quant-opt %s --build-kernel-table | FileCheck %s
// RUN: echo "module {}" | quant-opt --build-kernel-table | FileCheck %s --check-prefix=NONE

// The table has the order of qkernel.kernels and can be written: a kernel may be
// replaced while the library is loaded.
// CHECK: llvm.mlir.global external @kernels() {{.*}}: !llvm.array<2 x ptr> {
// CHECK: %[[P:.*]] = llvm.mlir.poison
// CHECK: %[[B:.*]] = llvm.mlir.addressof @b
// CHECK: %[[T:.*]] = llvm.insertvalue %[[B]], %[[P]][0]
// CHECK: %[[A:.*]] = llvm.mlir.addressof @a
// CHECK: %[[U:.*]] = llvm.insertvalue %[[A]], %[[T]][1]
// CHECK: llvm.return %[[U]]
// NONE-NOT: llvm.mlir.global
module attributes {qkernel.kernels = [@b, @a]} {
  llvm.func @a()
  llvm.func @b()
}
