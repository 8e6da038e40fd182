// RUN: quant-opt %s --qgraph-quantize-weights="format=si8 granularity=channel" --qgraph-quantize-activations="granularity=token" --qgraph-fuse-quantized --qgraph-fuse-rows --qgraph-pack-weights --lower-to-kernels --weights-out=%t.safetensors | FileCheck %s

// Each layer's rows are quantized by one kernel with two results. Their sizes are
// written once a chain, not once for each way through it: that took 2^40 steps.

// CHECK-LABEL: func.func @chain
// CHECK-COUNT-40: qkernel.call @linear_
// CHECK-NOT: qkernel.call @linear_
module attributes {qkernel.target = #qkernel.target<arch = "x86_64", level = "avx2",
    unsigned_weights = true, tiles = [<"f32", 6 x 1>, <"si8", 4 x 1>, <"si4", 4 x 1>]>} {
func.func @chain(%x: tensor<?x64xf32>) -> tensor<?x64xf32> {
  %w = qgraph.constant dense<0.5> : tensor<64x64xf32>
  %0 = qgraph.linear %x, %w : (tensor<?x64xf32>, tensor<64x64xf32>) -> tensor<?x64xf32>
  %1 = qgraph.linear %0, %w : (tensor<?x64xf32>, tensor<64x64xf32>) -> tensor<?x64xf32>
  %2 = qgraph.linear %1, %w : (tensor<?x64xf32>, tensor<64x64xf32>) -> tensor<?x64xf32>
  %3 = qgraph.linear %2, %w : (tensor<?x64xf32>, tensor<64x64xf32>) -> tensor<?x64xf32>
  %4 = qgraph.linear %3, %w : (tensor<?x64xf32>, tensor<64x64xf32>) -> tensor<?x64xf32>
  %5 = qgraph.linear %4, %w : (tensor<?x64xf32>, tensor<64x64xf32>) -> tensor<?x64xf32>
  %6 = qgraph.linear %5, %w : (tensor<?x64xf32>, tensor<64x64xf32>) -> tensor<?x64xf32>
  %7 = qgraph.linear %6, %w : (tensor<?x64xf32>, tensor<64x64xf32>) -> tensor<?x64xf32>
  %8 = qgraph.linear %7, %w : (tensor<?x64xf32>, tensor<64x64xf32>) -> tensor<?x64xf32>
  %9 = qgraph.linear %8, %w : (tensor<?x64xf32>, tensor<64x64xf32>) -> tensor<?x64xf32>
  %10 = qgraph.linear %9, %w : (tensor<?x64xf32>, tensor<64x64xf32>) -> tensor<?x64xf32>
  %11 = qgraph.linear %10, %w : (tensor<?x64xf32>, tensor<64x64xf32>) -> tensor<?x64xf32>
  %12 = qgraph.linear %11, %w : (tensor<?x64xf32>, tensor<64x64xf32>) -> tensor<?x64xf32>
  %13 = qgraph.linear %12, %w : (tensor<?x64xf32>, tensor<64x64xf32>) -> tensor<?x64xf32>
  %14 = qgraph.linear %13, %w : (tensor<?x64xf32>, tensor<64x64xf32>) -> tensor<?x64xf32>
  %15 = qgraph.linear %14, %w : (tensor<?x64xf32>, tensor<64x64xf32>) -> tensor<?x64xf32>
  %16 = qgraph.linear %15, %w : (tensor<?x64xf32>, tensor<64x64xf32>) -> tensor<?x64xf32>
  %17 = qgraph.linear %16, %w : (tensor<?x64xf32>, tensor<64x64xf32>) -> tensor<?x64xf32>
  %18 = qgraph.linear %17, %w : (tensor<?x64xf32>, tensor<64x64xf32>) -> tensor<?x64xf32>
  %19 = qgraph.linear %18, %w : (tensor<?x64xf32>, tensor<64x64xf32>) -> tensor<?x64xf32>
  %20 = qgraph.linear %19, %w : (tensor<?x64xf32>, tensor<64x64xf32>) -> tensor<?x64xf32>
  %21 = qgraph.linear %20, %w : (tensor<?x64xf32>, tensor<64x64xf32>) -> tensor<?x64xf32>
  %22 = qgraph.linear %21, %w : (tensor<?x64xf32>, tensor<64x64xf32>) -> tensor<?x64xf32>
  %23 = qgraph.linear %22, %w : (tensor<?x64xf32>, tensor<64x64xf32>) -> tensor<?x64xf32>
  %24 = qgraph.linear %23, %w : (tensor<?x64xf32>, tensor<64x64xf32>) -> tensor<?x64xf32>
  %25 = qgraph.linear %24, %w : (tensor<?x64xf32>, tensor<64x64xf32>) -> tensor<?x64xf32>
  %26 = qgraph.linear %25, %w : (tensor<?x64xf32>, tensor<64x64xf32>) -> tensor<?x64xf32>
  %27 = qgraph.linear %26, %w : (tensor<?x64xf32>, tensor<64x64xf32>) -> tensor<?x64xf32>
  %28 = qgraph.linear %27, %w : (tensor<?x64xf32>, tensor<64x64xf32>) -> tensor<?x64xf32>
  %29 = qgraph.linear %28, %w : (tensor<?x64xf32>, tensor<64x64xf32>) -> tensor<?x64xf32>
  %30 = qgraph.linear %29, %w : (tensor<?x64xf32>, tensor<64x64xf32>) -> tensor<?x64xf32>
  %31 = qgraph.linear %30, %w : (tensor<?x64xf32>, tensor<64x64xf32>) -> tensor<?x64xf32>
  %32 = qgraph.linear %31, %w : (tensor<?x64xf32>, tensor<64x64xf32>) -> tensor<?x64xf32>
  %33 = qgraph.linear %32, %w : (tensor<?x64xf32>, tensor<64x64xf32>) -> tensor<?x64xf32>
  %34 = qgraph.linear %33, %w : (tensor<?x64xf32>, tensor<64x64xf32>) -> tensor<?x64xf32>
  %35 = qgraph.linear %34, %w : (tensor<?x64xf32>, tensor<64x64xf32>) -> tensor<?x64xf32>
  %36 = qgraph.linear %35, %w : (tensor<?x64xf32>, tensor<64x64xf32>) -> tensor<?x64xf32>
  %37 = qgraph.linear %36, %w : (tensor<?x64xf32>, tensor<64x64xf32>) -> tensor<?x64xf32>
  %38 = qgraph.linear %37, %w : (tensor<?x64xf32>, tensor<64x64xf32>) -> tensor<?x64xf32>
  %39 = qgraph.linear %38, %w : (tensor<?x64xf32>, tensor<64x64xf32>) -> tensor<?x64xf32>
  return %39 : tensor<?x64xf32>
}
}
