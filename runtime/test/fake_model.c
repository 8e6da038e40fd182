/*===-- fake_model.c - What the compiler would emit, written by hand -*- C
 * -*-===*
 *
 * A model with four entries for the runtime's own test. Linked with the
 * runtime archive it is a library like any compiled one.
 *
 *   sum(x : float32[n, 4], y : float32[n, 4]) -> z : float32[n, 4], count :
 * int64[] z = x + y of the next row (cyclic) + weight; count = n.   1 <= n <=
 * 1000 meet(rounds : int64[]) -> ok : int64[] every thread counts and meets the
 * others `rounds` times
 *   packed(a : int4[n], b : uint2[n], c : float6_e2m3fn[n]) -> a_out, b_out,
 * c_out : the same, a_raw, b_raw, c_raw : int8[n] the bytes that kernels see
 *   late(x : int64[n], words : sequence(float32[?])) -> kept : int64[k] those
 * of x that are positive, words_out : the same, maybe : optional(int64[n]) x if
 * n >
 * 2. A 77 in x ends the run, a 78 asks for more memory than there is.
 *
 *===----------------------------------------------------------------------===*/
#include "fake_model.h"
#include "quantc/abi.h"
#include <string.h>

#ifndef MODEL
#define MODEL fake
#define BIAS 0
#endif
#define STRING2(x) #x
#define STRING(x) STRING2(x)
#define CONCAT2(a, b) a##b
#define CONCAT(a, b) CONCAT2(a, b)

/*===-- sum -------------------------------------------------------------===*/

static void sum(quantc_frame *f, int64_t thread, int64_t threads) {
  const float *x = f->inputs[0], *y = f->inputs[1];
  const float *w = (const float *)f->weights;
  float *z = f->outputs[0], *sums = (float *)f->arena;
  int64_t n = f->in_dims[0], i, j;
  for (i = thread; i < n; i += threads)
    for (j = 0; j < 4; ++j)
      sums[4 * i + j] = y[4 * i + j] + w[j];
  quantc_rt_barrier(f, thread, threads);
  quantc_rt_mark(f, 0, thread);
  for (i = thread; i < n; i += threads)
    for (j = 0; j < 4; ++j)
      z[4 * i + j] = x[4 * i + j] + sums[4 * ((i + 1) % n) + j] + BIAS;
  if (thread == 0)
    *(int64_t *)f->outputs[1] = n;
  quantc_rt_barrier(f, thread, threads);
  quantc_rt_mark(f, 1, thread);
}

static void sum_shapes(quantc_frame *f) {
  f->out_dims[0] = f->in_dims[0];
  f->out_dims[1] = 4;
  if (f->in_dims[0] == 13)
    quantc_rt_fail(f, 1, f->in_dims[0], 4);
}

static int64_t sum_arena(quantc_frame *f, int64_t threads) {
  (void)threads;
  return f->in_dims[0] * 16;
}

/*===-- meet ------------------------------------------------------------===*/

static void meet(quantc_frame *f, int64_t thread, int64_t threads) {
  int64_t rounds = *(const int64_t *)f->inputs[0], i, t;
  int64_t *counts = (int64_t *)f->arena;
  counts[8 * thread] = 0;
  for (i = 1; i <= rounds; ++i) {
    counts[8 * thread]++;
    quantc_rt_barrier(f, thread, threads);
    for (t = 0; t < threads; ++t)
      if (counts[8 * t] != i)
        quantc_rt_fail(f, 2, t, i);
    quantc_rt_barrier(f, thread, threads);
  }
  if (thread == 0)
    *(int64_t *)f->outputs[0] = counts[0];
}

static void meet_shapes(quantc_frame *f) { (void)f; }

static int64_t meet_arena(quantc_frame *f, int64_t threads) {
  (void)f;
  return 64 * threads;
}

/*===-- packed ----------------------------------------------------------===*/

static void packed(quantc_frame *f, int64_t thread, int64_t threads) {
  int64_t n = f->in_dims[0], i, j;
  for (j = 0; j < 3; ++j)
    for (i = thread; i < n; i += threads)
      ((char *)f->outputs[j])[i] = ((char *)f->outputs[3 + j])[i] =
          ((const char *)f->inputs[j])[i];
}

static void packed_shapes(quantc_frame *f) {
  int i;
  for (i = 0; i < 6; ++i)
    f->out_dims[i] = f->in_dims[0];
}

static int64_t packed_arena(quantc_frame *f, int64_t threads) {
  (void)f;
  (void)threads;
  return 0;
}

/*===-- late ------------------------------------------------------------===*/

static void late(quantc_frame *f, int64_t thread, int64_t threads) {
  const int64_t *x = f->inputs[0];
  int64_t n = f->in_dims[0], kept = 0, i;
  for (i = 0; i < n; ++i) {
    kept += x[i] > 0;
    if (x[i] == 77)
      quantc_rt_leave(f, 1, i, 0, thread);
    if (x[i] == 78)
      quantc_rt_allocate(f, 5, INT64_C(1) << 60, 0, thread, threads);
    if (x[i] == 79)
      quantc_rt_allocate(f, 5, -1, 0, thread, threads);
  }
  /* Kept where it grows, and moved by an exchange. */
  for (i = 0; i <= kept; ++i) {
    quantc_rt_allocate(f, 5, 8 * (i + 1), 1, thread, threads);
    if (thread == 0)
      ((int64_t *)f->heap[5].data)[i] = i;
    quantc_rt_barrier(f, thread, threads);
  }
  if (((int64_t *)f->heap[5].data)[kept] != kept ||
      ((int64_t *)f->heap[5].data)[0] != 0)
    quantc_rt_fail(f, 2, thread, kept);
  quantc_rt_barrier(f, thread, threads);
  quantc_rt_exchange(f, 0, 5, thread);
  quantc_rt_allocate(f, 0, 8 * kept, 0, thread, threads);
  if (thread != 0)
    return;
  f->out_dims[0] = kept;
  kept = 0;
  for (i = 0; i < n; ++i)
    if (x[i] > 0)
      ((int64_t *)f->heap[0].data)[kept++] = x[i];
  memcpy(f->outputs[1], f->inputs[1], 4 * (size_t)f->in_dims[1]);
  memcpy(f->outputs[2], f->inputs[2],
         8 * QUANTC_LIST_WIDTH * (size_t)f->in_dims[2]);
  *(int64_t *)f->outputs[3] = n > 2;
  memcpy(f->outputs[4], x, 8 * (size_t)f->out_dims[4]);
}

static void late_shapes(quantc_frame *f) {
  f->out_dims[0] = -1;
  f->out_dims[1] = f->in_dims[1];
  f->out_dims[2] = f->in_dims[2];
  f->out_dims[3] = QUANTC_LIST_WIDTH;
  f->out_dims[4] = f->in_dims[0] > 2 ? f->in_dims[0] : 0;
}

static int64_t late_arena(quantc_frame *f, int64_t threads) {
  (void)f;
  (void)threads;
  return 0;
}

/*===-- Tables ----------------------------------------------------------===*/

static void *kernels[1];
static const quantc_symbol_info sum_symbols[] = {{"n", 1, 1000}};
static const int64_t sum_dims[] = {-1, 4};
static const quantc_tensor_info sum_inputs[] = {
    {"x", QUANTC_TENSOR, kDLFloat, 32, 2, sum_dims, 0},
    {"y", QUANTC_TENSOR, kDLFloat, 32, 2, sum_dims, 0}};
static const quantc_tensor_info sum_outputs[] = {
    {"z", QUANTC_TENSOR, kDLFloat, 32, 2, sum_dims, 0},
    {"count", QUANTC_TENSOR, kDLInt, 64, 0, NULL, 0}};
static const char *const sum_layers[] = {"add", "rotate"};
static const quantc_tensor_info meet_inputs[] = {
    {"rounds", QUANTC_TENSOR, kDLInt, 64, 0, NULL, 0}};
static const quantc_tensor_info meet_outputs[] = {
    {"ok", QUANTC_TENSOR, kDLInt, 64, 0, NULL, 0}};
static const quantc_symbol_info packed_symbols[] = {{"n", 0, INT64_MAX}};
static const int64_t packed_dims[] = {-1};
static const quantc_tensor_info packed_inputs[] = {
    {"a", QUANTC_TENSOR, kDLInt, 4, 1, packed_dims, 0},
    {"b", QUANTC_TENSOR, kDLUInt, 2, 1, packed_dims, 0},
    {"c", QUANTC_TENSOR, kDLFloat6_e2m3fn, 6, 1, packed_dims, 0}};
static const quantc_tensor_info packed_outputs[] = {
    {"a_out", QUANTC_TENSOR, kDLInt, 4, 1, packed_dims, 0},
    {"b_out", QUANTC_TENSOR, kDLUInt, 2, 1, packed_dims, 0},
    {"c_out", QUANTC_TENSOR, kDLFloat6_e2m3fn, 6, 1, packed_dims, 0},
    {"a_raw", QUANTC_TENSOR, kDLInt, 8, 1, packed_dims, 0},
    {"b_raw", QUANTC_TENSOR, kDLInt, 8, 1, packed_dims, 0},
    {"c_raw", QUANTC_TENSOR, kDLInt, 8, 1, packed_dims, 0}};
static const quantc_symbol_info late_symbols[] = {{"n", 0, INT64_MAX},
                                                  {"k", 0, INT64_MAX}};
static const int64_t late_dims[] = {-2};
static const quantc_tensor_info late_inputs[] = {
    {"x", QUANTC_TENSOR, kDLInt, 64, 1, packed_dims, 0},
    {"words", QUANTC_SEQUENCE, kDLFloat, 32, 1, packed_dims, 0}};
static const quantc_tensor_info late_outputs[] = {
    {"kept", QUANTC_TENSOR, kDLInt, 64, 1, late_dims, 0},
    {"words_out", QUANTC_SEQUENCE, kDLFloat, 32, -1, NULL, 0},
    {"maybe", QUANTC_TENSOR, kDLInt, 64, 1, packed_dims, 1}};
static const char *const checks[] = {
    "dimension 'n' is %a and may not be, by %b", "thread %a missed round %b"};

/* The second level needs a feature that no CPU has. */
static const quantc_level_desc sum_levels[] = {
    {"avx2", 1, 0, sum, sum_shapes, sum_arena, kernels, 1},
    {"avx512", 2, UINT64_C(1) << 63, sum, sum_shapes, sum_arena, kernels, 1}};
static const quantc_level_desc meet_levels[] = {
    {"avx2", 1, 0, meet, meet_shapes, meet_arena, kernels, 1}};
static const quantc_level_desc packed_levels[] = {
    {"avx2", 1, 0, packed, packed_shapes, packed_arena, kernels, 1}};
static const quantc_level_desc late_levels[] = {
    {"avx2", 1, 0, late, late_shapes, late_arena, kernels, 1}};
static const quantc_entry_desc entries[] = {
    {{"sum", 2, sum_inputs, 2, sum_outputs, 1, sum_symbols, 2, sum_layers},
     2,
     sum_levels,
     2,
     checks,
     0},
    {{"meet", 1, meet_inputs, 1, meet_outputs, 0, NULL, 0, NULL},
     1,
     meet_levels,
     2,
     checks,
     0},
    {{"packed", 3, packed_inputs, 6, packed_outputs, 1, packed_symbols, 0,
      NULL},
     1,
     packed_levels,
     0,
     NULL,
     0},
    {{"late", 2, late_inputs, 3, late_outputs, 2, late_symbols, 0, NULL},
     1,
     late_levels,
     2,
     checks,
     6}};

const quantc_model_desc quantc_rt_description = {QUANTC_ABI_VERSION,
                                                 STRING(MODEL),
                                                 "{}",
                                                 4,
                                                 entries,
                                                 16,
                                                 WEIGHTS_HASH,
                                                 NULL,
                                                 "weights.safetensors"};

__attribute__((visibility("default")))
quantc_model *CONCAT(MODEL, _model)(void);
quantc_model *CONCAT(MODEL, _model)(void) { return quantc_rt_model(); }
