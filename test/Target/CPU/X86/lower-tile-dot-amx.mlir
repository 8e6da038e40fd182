// RUN: split-file %s %t
// RUN: %python %S/../Inputs/wide_tile.py 100 > %t/100.mlir
// RUN: %python %S/../Inputs/wide_tile.py 60 > %t/60.mlir
// RUN: quant-opt %t/100.mlir --set-target-level=level=amx --lower-tile-dot --canonicalize --cse | FileCheck %t/checks --check-prefix=LONG --implicit-check-not=qkernel.tile_dot
// RUN: quant-opt %t/60.mlir --set-target-level=level=amx --lower-tile-dot --canonicalize --cse | FileCheck %t/checks --check-prefix=SHORT --implicit-check-not=amx.
// RUN: quant-opt %S/../Inputs/tiles.mlir --set-target-level=level=amx --lower-tile-dot --canonicalize --cse | FileCheck %t/checks --check-prefix=TAIL --implicit-check-not=amx.

//--- checks
// 16 rows by two panels: whole steps of 64 values by tiles, one of A and two of B.
// LONG: memref.alloca() {alignment = 64 : i64} : memref<16x16xi32>
// LONG-COUNT-2: amx.tile_zero
// LONG-COUNT-1: amx.tile_load %arg0
// LONG: amx.tile_muli %[[A:.*]], %{{.*}} zext, %{{.*}}
// LONG: amx.tile_muli %[[A]], %{{.*}} zext, %{{.*}}
// LONG-NOT: amx.tile_muli
// LONG-COUNT-2: amx.tile_store
// What is left of K, 36 values, by words, eight rows at a time.
// LONG: scf.for %{{.*}} = %c64 to %c100 step %c4 iter_args
// LONG-COUNT-16: vpdpbusd
// LONG: scf.for %{{.*}} = %c64 to %c100 step %c4 iter_args
// LONG-COUNT-16: vpdpbusd
// LONG-NOT: vpdpbusd

// Less than a tile of K.
// SHORT-COUNT-2: scf.for %{{.*}} = %c0 to %c60 step %c4 iter_args

// Fewer rows than a tile, and nibbles.
// TAIL-LABEL: @si8
// TAIL-COUNT-8: vpdpbusd.512
// TAIL-LABEL: @si4
// TAIL-COUNT-4: vpdpbusd.512
