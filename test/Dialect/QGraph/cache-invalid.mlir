// RUN: quant-opt %s --split-input-file --verify-diagnostics

// expected-error@+1 {{a cache holds floats, not 'i8'}}
func.func private @ints() -> !qgraph.cache<i8, 2x16>

// -----

// expected-error@+1 {{a cache has at least one head of one element}}
func.func private @nothing() -> !qgraph.cache<f32, 2x0>

// -----

// expected-error@+1 {{expected heads x size}}
func.func private @three() -> !qgraph.cache<f32, 2x16x4>

// -----

func.func @load(%past: tensor<1x?x2x16xf32>) {
  // expected-error@+1 {{past is 'tensor<1x?x2x16xf32>', which does not fit '!qgraph.cache<f32, 2x16>'}}
  %0 = qgraph.cache_load %past : tensor<1x?x2x16xf32> to !qgraph.cache<f32, 2x16>
  return
}

// -----

func.func @append(%cache: !qgraph.cache<f32, 2x16>, %k: tensor<1x1x2x16xf16>) {
  // expected-error@+1 {{fresh is 'tensor<1x1x2x16xf16>', which does not fit}}
  %0 = qgraph.cache_append %cache, %k : !qgraph.cache<f32, 2x16>, tensor<1x1x2x16xf16>
  return
}

// -----

func.func @store(%cache: !qgraph.cache<f32, 2x16>) {
  // expected-error@+1 {{present is 'tensor<1x2x4x8xf32>', which does not fit}}
  %0 = qgraph.cache_store %cache : !qgraph.cache<f32, 2x16> to tensor<1x2x4x8xf32>
  return
}

// -----

func.func @one(%q: tensor<1x1x2x16xf32>, %k: !qgraph.cache<f32, 2x16>, %v: tensor<1x5x2x16xf32>) {
  // expected-error@+1 {{key and value must both be caches, or neither}}
  %0 = qgraph.attention %q, %k, %v {scale = 0.25 : f32} : (tensor<1x1x2x16xf32>, !qgraph.cache<f32, 2x16>, tensor<1x5x2x16xf32>) -> tensor<1x1x2x16xf32>
  return
}

// -----

func.func @types(%q: tensor<1x1x2x16xf32>, %k: !qgraph.cache<f16, 2x16>) {
  // expected-error@+1 {{the cache holds 'f16', and query has elements of type 'f32'}}
  %0 = qgraph.attention %q, %k, %k {scale = 0.25 : f32} : (tensor<1x1x2x16xf32>, !qgraph.cache<f16, 2x16>, !qgraph.cache<f16, 2x16>) -> tensor<1x1x2x16xf32>
  return
}

// -----

func.func @order(%q: tensor<1x1x2x16xf32>, %k: tensor<1x5x2x16xf32>) {
  // expected-error@+1 {{must be a multiple}}
  %0 = qgraph.attention %q, %k, %k {heads_first, scale = 0.25 : f32} : (tensor<1x1x2x16xf32>, tensor<1x5x2x16xf32>, tensor<1x5x2x16xf32>) -> tensor<1x1x2x16xf32>
  return
}

// -----

func.func @starts(%cache: !qgraph.cache<f32, 2x16>, %k: tensor<1x1x2x16xf32>, %at: tensor<1xf32>) {
  // expected-error@+1 {{starts is 'tensor<1xf32>', and places have integers as numbers}}
  %0 = qgraph.cache_write %cache, %k at %at : !qgraph.cache<f32, 2x16>, tensor<1x1x2x16xf32>, tensor<1xf32>
  return
}

// -----

func.func @written(%cache: !qgraph.cache<f32, 2x16>, %k: tensor<1x1x4x16xf32>, %at: tensor<1xsi64>) {
  // expected-error@+1 {{fresh is 'tensor<1x1x4x16xf32>', which does not fit '!qgraph.cache<f32, 2x16>'}}
  %0 = qgraph.cache_write %cache, %k at %at : !qgraph.cache<f32, 2x16>, tensor<1x1x4x16xf32>, tensor<1xsi64>
  return
}
