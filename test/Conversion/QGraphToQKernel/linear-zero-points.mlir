// Zero points in the packed linear, and stored weights beside a float input.

// RUN: quant-opt %s --lower-to-kernels --canonicalize --cse --split-input-file | FileCheck %s

// A ui8 input is copied minus 128 (its top bit flipped); its sums take the zero points of the weights,
// its own zero point the sums of the weights.

// CHECK-LABEL: func.func private @linear_si8_16x16(
// CHECK:         arith.xori %{{.*}} : vector<16xi8>
// CHECK:         vector.reduction <add>
// CHECK:         arith.muli %{{.*}}, %c-1_i32
// Zero points as they are stored, then the sums of the columns.
// CHECK:         arith.extui %{{.*}} : vector<16xi8> to vector<16xi32>
// CHECK:         vector.bitcast %{{.*}} : vector<64xi8> to vector<16xi32>
// CHECK:         %[[SHIFT:.*]] = arith.subi %{{.*}}, %c128_i32
// CHECK:         arith.muli {{.*}} : vector<16xi32>
// CHECK:         arith.muli {{.*}} : vector<16xi32>
// CHECK:         %[[INIT:.*]] = arith.subi {{.*}} : vector<16xi32>
// CHECK:         qkernel.tile_dot {{.*}} init(%[[INIT]]) {format = "si8", panels = 1 : i64, rows = 1 : i64}
module attributes {qkernel.target = #qkernel.target<arch = "x86_64", level = "avx512vnni", unsigned_weights = true, tiles = [<"si8", 1 x 1>]>} {
func.func @main(%q: tensor<?x16xui8>, %s: tensor<1x1xf32>, %z: tensor<1x1xui8>, %p: tensor<464xui8>) -> tensor<?x16xf32> {
  %0 = qkernel.linear %q scale %s zero_point %z, %p {column_sums, format = "si8", group = 0, input_group = 0, k = 16, n = 16, weight_zero_points}
       : (tensor<?x16xui8>, tensor<1x1xf32>, tensor<1x1xui8>, tensor<464xui8>) -> tensor<?x16xf32>
  return %0 : tensor<?x16xf32>
}
}

// -----

// Nibbles are unpacked to panels of floats in scratch, 256 values of k at a time: the dot product is
// one of floats.

// CHECK-LABEL: func.func private @linear_si4_g32_512x16(
// CHECK-SAME:    %[[SCRATCH:[^:]*]]: memref<?xi8>, %[[X:[^:]*]]: memref<?x512xf32>
// CHECK:         scf.for %[[K:.*]] = %c0 to %c512 step %c256
// CHECK:           scf.for %{{.*}} = %c0 to %c256 step %c8
// CHECK:             vector.bitcast %{{.*}} : vector<64xi8> to vector<16xi32>
// CHECK-COUNT-8:     vector.store %{{.*}}, %[[SCRATCH]]
// CHECK:           qkernel.tile_dot %[[X]][%{{.*}}, %[[K]]], %[[SCRATCH]][%c0] stride %c16384 length %c256
// CHECK-SAME:        {format = "f32"
module attributes {qkernel.target = #qkernel.target<arch = "x86_64", level = "avx512vnni", unsigned_weights = true, tiles = [<"f32", 1 x 1>]>} {
func.func @main(%x: tensor<?x512xf32>, %p: tensor<4672xui8>) -> tensor<?x16xf32> {
  %0 = qkernel.linear %x, %p {format = "si4", group = 32, input_group = 0, k = 512, n = 16, scale_type = f16}
       : (tensor<?x512xf32>, tensor<4672xui8>) -> tensor<?x16xf32>
  return %0 : tensor<?x16xf32>
}
}
