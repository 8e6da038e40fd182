"""A tile of 16 rows by 2 panels of bytes over K values: wide_tile.py K"""

import sys

sums = ", ".join(["%v"] * 32)
types = ", ".join(["vector<16xi32>"] * 32)
print(f"""
func.func @main(%a: memref<?x?xi8>, %p: memref<?xi8>, %m: index, %k: index, %o: index, %s: index,
                %v: vector<16xi32>) -> ({types}) {{
  %n = arith.constant {sys.argv[1]} : index
  %0:32 = qkernel.tile_dot %a[%m, %k], %p[%o] stride %s length %n init({sums})
          {{format = "si8", panels = 2 : i64, rows = 16 : i64}} : memref<?x?xi8>, memref<?xi8>, {types}
  return {", ".join(f"%0#{i}" for i in range(32))} : {types}
}}""")
