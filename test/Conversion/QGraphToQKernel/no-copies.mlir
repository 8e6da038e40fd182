// RUN: quant-opt %s --set-target-level=level=avx512vnni --lower-to-kernels --lower-tile-dot --canonicalize --cse -o %t.mlir
// RUN: FileCheck %s < %t.mlir
// RUN: quant-opt %t.mlir --convert-qkernel-to-llvm --convert-scf-to-cf --expand-strided-metadata --lower-affine --convert-vector-to-llvm --convert-to-llvm --reconcile-unrealized-casts --build-kernel-table | FileCheck %s --check-prefix=LLVM

// No memory is allocated or copied in a run: tensors have their places before.
// CHECK: func.func @main
// CHECK-NOT: memref.copy
// CHECK-NOT: memref.alloc(
// CHECK-NOT: memref.dealloc
// CHECK-NOT: bufferization.

// And nothing outside is called but the runtime.
// LLVM-NOT: @malloc
// LLVM-NOT: @memrefCopy
// LLVM-NOT: llvm.func @{{[a-z]*f}}(
// LLVM: llvm.func @main(
// LLVM-NOT: unrealized_conversion_cast
func.func @main(%a: tensor<?x?x64xf32>, %t: tensor<?x1x1x?xi1>, %g: tensor<64xf32>, %p: tensor<4608xui8>) -> tensor<?x?x4x16xf32> {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %b = tensor.dim %a, %c0 : tensor<?x?x64xf32>
  %s = tensor.dim %a, %c1 : tensor<?x?x64xf32>
  %shape = qgraph.constant dense<[0, 0, 4, 16]> : tensor<4xsi64>
  %0:2 = qgraph.rows {
    %n = qgraph.norm layer %a weight %g {epsilon = 1.0e-5 : f32} : (tensor<?x?x64xf32>, tensor<64xf32>) -> tensor<?x?x64xf32>
    %sc = qgraph.choose_params symmetric %n {block = array<i64: 1, 1, 0>, stored = si8} : tensor<?x?x64xf32> -> tensor<?x?x1xf32>
    %q = qgraph.quantize %n scale %sc {block = array<i64: 1, 1, 0>} : (tensor<?x?x64xf32>, tensor<?x?x1xf32>) -> tensor<?x?x64xsi8>
    qgraph.yield %sc, %q : tensor<?x?x1xf32>, tensor<?x?x64xsi8>
  } : tensor<?x?x1xf32>, tensor<?x?x64xsi8>
  %1 = qkernel.linear %0#1 scale %0#0, %p {format = "si8", group = 0, input_group = 0, k = 64, n = 64, epilogue = [#qgraph.step<"Gelu">]}
       : (tensor<?x?x64xsi8>, tensor<?x?x1xf32>, tensor<4608xui8>) -> tensor<?x?x64xf32>
  %2 = onnx.node "Reshape"(%1, %shape) dims(%b, %s) {version = 14 : i64} : (tensor<?x?x64xf32>, tensor<4xsi64>) -> tensor<?x?x4x16xf32>
  %3 = qgraph.attention %2, %2, %2 mask %t {scale = 0.25 : f32} : (tensor<?x?x4x16xf32>, tensor<?x?x4x16xf32>, tensor<?x?x4x16xf32>, tensor<?x1x1x?xi1>) -> tensor<?x?x4x16xf32>
  return %3 : tensor<?x?x4x16xf32>
}
