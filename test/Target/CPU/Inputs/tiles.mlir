// One tile of each format, for the tests of the levels: two rows of 16 columns.
func.func @f32(%a: memref<?x?xf32>, %p: memref<?xi8>, %m: index, %k: index, %o: index, %s: index,
               %v: vector<16xf32>) -> (vector<16xf32>, vector<16xf32>) {
  %c8 = arith.constant 8 : index
  %0:2 = qkernel.tile_dot %a[%m, %k], %p[%o] stride %s length %c8 init(%v, %v)
         {format = "f32", panels = 1 : i64, rows = 2 : i64} : memref<?x?xf32>, memref<?xi8>, vector<16xf32>, vector<16xf32>
  return %0#0, %0#1 : vector<16xf32>, vector<16xf32>
}
func.func @si8(%a: memref<?x?xi8>, %p: memref<?xi8>, %m: index, %k: index, %o: index, %s: index,
               %v: vector<16xi32>) -> (vector<16xi32>, vector<16xi32>) {
  %c48 = arith.constant 48 : index
  %0:2 = qkernel.tile_dot %a[%m, %k], %p[%o] stride %s length %c48 init(%v, %v)
         {format = "si8", panels = 1 : i64, rows = 2 : i64} : memref<?x?xi8>, memref<?xi8>, vector<16xi32>, vector<16xi32>
  return %0#0, %0#1 : vector<16xi32>, vector<16xi32>
}
func.func @si4(%a: memref<?x?xi8>, %p: memref<?xi8>, %m: index, %k: index, %o: index, %s: index,
               %v: vector<16xi32>) -> (vector<16xi32>, vector<16xi32>) {
  %c32 = arith.constant 32 : index
  %0:2 = qkernel.tile_dot %a[%m, %k], %p[%o] stride %s length %c32 init(%v, %v)
         {format = "si4", panels = 1 : i64, rows = 2 : i64} : memref<?x?xi8>, memref<?xi8>, vector<16xi32>, vector<16xi32>
  return %0#0, %0#1 : vector<16xi32>, vector<16xi32>
}
