// RUN: quant-opt %s --qgraph-lower-cache --verify-diagnostics

func.func @argument(%cache: !qgraph.cache<f32, 2x16>) -> tensor<1x2x4x16xf32> {
  // expected-error@+1 {{reads a cache that comes from no cache_load}}
  %0 = qgraph.cache_store %cache : <f32, 2x16> to tensor<1x2x4x16xf32>
  return %0 : tensor<1x2x4x16xf32>
}
