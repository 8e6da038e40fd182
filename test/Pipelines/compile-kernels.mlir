// The kernel pipeline ends in the LLVM dialect on every level, the plain way and
// the fast one; what is left of ours are attributes of the module and of entries.

// RUN: quant-opt %s --set-target-level=level=avx2 --compile-kernels=plain=true | FileCheck %s --check-prefixes=CHECK,X86
// RUN: quant-opt %s --set-target-level=level=avx2 --compile-kernels | FileCheck %s --check-prefixes=CHECK,X86
// RUN: quant-opt %s --set-target-level=level=avx2vnni --compile-kernels | FileCheck %s --check-prefixes=CHECK,X86
// RUN: quant-opt %s --set-target-level=level=avx512 --compile-kernels | FileCheck %s --check-prefixes=CHECK,X86
// RUN: quant-opt %s --set-target-level=level=avx512vnni --compile-kernels | FileCheck %s --check-prefixes=CHECK,X86
// RUN: quant-opt %s --set-target-level=level=amx --compile-kernels | FileCheck %s --check-prefixes=CHECK,X86,AMX
// RUN: quant-opt %s --set-target-level=level=neon --compile-kernels | FileCheck %s --check-prefixes=CHECK,ARM
// RUN: quant-opt %s --set-target-level=level=dotprod --compile-kernels | FileCheck %s --check-prefixes=CHECK,ARM

// X86: #qkernel.target<arch = "x86_64"
// X86-SAME: unsigned_weights = true
// ARM: #qkernel.target<arch = "aarch64"
// ARM-SAME: unsigned_weights = false

// CHECK: llvm.func @main(%{{.*}}: !llvm.ptr, %{{.*}}: i64, %{{.*}}: i64) attributes
// CHECK: llvm.func @main_shapes(%{{.*}}: !llvm.ptr)
// CHECK: llvm.func @main_arena(%{{.*}}: !llvm.ptr, %{{.*}}: i64) -> i64
// AMX: llvm.x86.tdpbsud.internal
// CHECK: llvm.mlir.global external @kernels
// CHECK-NOT: unrealized_conversion_cast
// CHECK-NOT: {{ (arith|math|memref|vector|scf|cf|func|qkernel|qgraph|affine|ub)\.}}
func.func @main(%x: tensor<?x64xf32>, %q: tensor<?x64xsi8>, %s: tensor<?x1xf32>, %w: tensor<16x64xsi8>, %t: tensor<16x1xf32>, %p: tensor<2304xui8>)
    -> (tensor<?x1xf32>, tensor<?x64xsi8>, tensor<?x16xf32>, tensor<?x32xf32>, tensor<?x?xf32>) {
  %0 = qgraph.choose_params symmetric %x {block = array<i64: 1, 0>, stored = si8} : tensor<?x64xf32> -> tensor<?x1xf32>
  %1 = qgraph.quantize %x scale %0 {block = array<i64: 1, 0>} : (tensor<?x64xf32>, tensor<?x1xf32>) -> tensor<?x64xsi8>
  %2 = qgraph.quantized_linear %q scale %s, %w scale %t {input_block = array<i64: 1, 0>, weight_block = array<i64: 1, 0>}
       : (tensor<?x64xsi8>, tensor<?x1xf32>, tensor<16x64xsi8>, tensor<16x1xf32>) -> tensor<?x16xf32>
  %3 = qkernel.linear %q scale %s, %p {format = "si8", group = 0, input_group = 0, k = 64, n = 32, epilogue = [#qgraph.step<"Gelu">]}
       : (tensor<?x64xsi8>, tensor<?x1xf32>, tensor<2304xui8>) -> tensor<?x32xf32>
  %4 = qgraph.matmul %x, %x {transpose_rhs} : (tensor<?x64xf32>, tensor<?x64xf32>) -> tensor<?x?xf32>
  return %0, %1, %2, %3, %4 : tensor<?x1xf32>, tensor<?x64xsi8>, tensor<?x16xf32>, tensor<?x32xf32>, tensor<?x?xf32>
}
