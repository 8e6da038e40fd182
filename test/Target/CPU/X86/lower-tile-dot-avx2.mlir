// RUN: quant-opt %S/../Inputs/tiles.mlir --set-target-level=level=avx2 --lower-tile-dot --canonicalize --cse | FileCheck %s --implicit-check-not=qkernel.tile_dot

// Four steps of k a turn, one fused multiply-add a row and step, in index order.
// CHECK-LABEL: func.func @f32
// CHECK: scf.for %[[K:.*]] = %c0 to %c8 step %c4 iter_args(%[[S0:.*]] = %{{.*}}, %[[S1:.*]] = %{{.*}})
// CHECK: %[[A0:.*]] = math.fma %{{.*}}, %[[W0:.*]], %[[S0]] : vector<16xf32>
// CHECK: %[[B0:.*]] = math.fma %{{.*}}, %[[W0]], %[[S1]] : vector<16xf32>
// CHECK: %[[A1:.*]] = math.fma %{{.*}}, %[[W1:.*]], %[[A0]]
// CHECK: %[[B1:.*]] = math.fma %{{.*}}, %[[W1]], %[[B0]]
// CHECK-COUNT-4: math.fma
// CHECK: scf.yield

// Bytes: vpmaddubsw would saturate, so they are widened, even and odd ones apart.
// CHECK-LABEL: func.func @si8
// CHECK: %[[WIDE:.*]] = vector.bitcast %{{.*}} : vector<32xi8> to vector<16xi16>
// CHECK: arith.andi %[[WIDE]], %cst
// CHECK: arith.shrui %[[WIDE]], %cst_0
// CHECK-NOT: pmadd.ub.sw
// CHECK-COUNT-8: "llvm.x86.avx2.pmadd.wd"
// CHECK-NOT: "llvm.x86.avx2.pmadd.wd"
// CHECK: scf.yield

// Nibbles, unsigned: vpmaddubsw is exact, vpmaddwd by ones adds the pairs.
// CHECK-LABEL: func.func @si4
// CHECK: arith.andi %{{.*}} : vector<64xi8>
// The shift is one of 16 bits.
// CHECK: arith.shrui %{{.*}} : vector<32xi16>
// CHECK: %[[P:.*]] = llvm.call_intrinsic "llvm.x86.avx2.pmadd.ub.sw"
// CHECK: llvm.call_intrinsic "llvm.x86.avx2.pmadd.wd"(%[[P]], %cst)
// CHECK-COUNT-7: "llvm.x86.avx2.pmadd.ub.sw"
// CHECK-NOT: "llvm.x86.avx2.pmadd.ub.sw"
