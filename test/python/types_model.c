/* A model of two entries for the tests of the Python package, written by hand
 * as the compiler would emit it and linked with the runtime archive.
 *
 *   copy(a : bfloat16[n], b : float8_e4m3fn[n], c : int4[n], d : bool[n],
 *        e : float64[2, n]) -> the same, as a_out ... e_out
 *   address(x : float32[n]) -> at : int64[]      where the runtime reads x
 */
#include "quantc/abi.h"
#include <stdint.h>

static void copy_bytes(void *to, const void *from, int64_t n) {
  int64_t i;
  for (i = 0; i < n; ++i)
    ((char *)to)[i] = ((const char *)from)[i];
}

static void copy(quantc_frame *f, int64_t thread, int64_t threads) {
  int64_t n = f->in_dims[0];
  (void)threads;
  if (thread != 0)
    return;
  copy_bytes(f->outputs[0], f->inputs[0], 2 * n);
  copy_bytes(f->outputs[1], f->inputs[1], n);
  copy_bytes(f->outputs[2], f->inputs[2], n); /* one a byte for kernels */
  copy_bytes(f->outputs[3], f->inputs[3], n);
  copy_bytes(f->outputs[4], f->inputs[4], 16 * n);
}

static void copy_shapes(quantc_frame *f) {
  int i;
  for (i = 0; i < 6; ++i)
    f->out_dims[i] = f->in_dims[i];
}

static void address(quantc_frame *f, int64_t thread, int64_t threads) {
  (void)threads;
  if (thread == 0)
    *(int64_t *)f->outputs[0] = (int64_t)(intptr_t)f->inputs[0];
}

static void no_shapes(quantc_frame *f) { (void)f; }

static int64_t no_arena(quantc_frame *f, int64_t threads) {
  (void)f;
  (void)threads;
  return 0;
}

static void *kernels[1];
static const quantc_symbol_info symbols[] = {{"n", 0, INT64_MAX}};
static const int64_t dims_n[] = {-1}, dims_2n[] = {2, -1};
#define TYPES(suffix)                                                          \
  {                                                                            \
      {"a" suffix, QUANTC_TENSOR, kDLBfloat, 16, 1, dims_n},                   \
      {"b" suffix, QUANTC_TENSOR, kDLFloat8_e4m3fn, 8, 1, dims_n},             \
      {"c" suffix, QUANTC_TENSOR, kDLInt, 4, 1, dims_n},                       \
      {"d" suffix, QUANTC_TENSOR, kDLBool, 8, 1, dims_n},                      \
      {"e" suffix, QUANTC_TENSOR, kDLFloat, 64, 2, dims_2n},                   \
  }
static const quantc_tensor_info copy_inputs[] = TYPES(""),
                                copy_outputs[] = TYPES("_out");
static const quantc_tensor_info address_inputs[] = {
    {"x", QUANTC_TENSOR, kDLFloat, 32, 1, dims_n}};
static const quantc_tensor_info address_outputs[] = {
    {"at", QUANTC_TENSOR, kDLInt, 64, 0, NULL}};

static const quantc_level_desc copy_levels[] = {
    {"avx2", 1, 0, copy, copy_shapes, no_arena, kernels, 1}};
static const quantc_level_desc address_levels[] = {
    {"avx2", 1, 0, address, no_shapes, no_arena, kernels, 1}};
static const quantc_entry_desc entries[] = {
    {{"copy", 5, copy_inputs, 5, copy_outputs, 1, symbols, 0, NULL},
     1,
     copy_levels,
     0,
     NULL},
    {{"address", 1, address_inputs, 1, address_outputs, 1, symbols, 0, NULL},
     1,
     address_levels,
     0,
     NULL}};

const quantc_model_desc quantc_rt_description = {QUANTC_ABI_VERSION,
                                                 "types",
                                                 "{\"made\": \"by hand\"}",
                                                 2,
                                                 entries,
                                                 0,
                                                 0,
                                                 NULL,
                                                 NULL};

__attribute__((visibility("default"))) quantc_model *types_model(void);
quantc_model *types_model(void) { return quantc_rt_model(); }
