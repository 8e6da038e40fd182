/* A sentence embedder as the compiler would emit it, for embed.c's test:
 * out[b, 0] = sum of input_ids[b], out[b, 1] = sum of attention_mask[b]. */
#include "quantc/abi.h"

static void run(quantc_frame *f, int64_t thread, int64_t threads) {
  const int64_t *ids = f->inputs[0], *mask = f->inputs[1];
  float *out = f->outputs[0];
  int64_t rows = f->in_dims[0], columns = f->in_dims[1], i, j;
  for (i = thread; i < rows; i += threads) {
    out[2 * i] = out[2 * i + 1] = 0;
    for (j = 0; j < columns; ++j) {
      out[2 * i] += (float)ids[i * columns + j];
      out[2 * i + 1] += (float)mask[i * columns + j];
    }
  }
  quantc_rt_barrier(f, thread, threads);
}

static void shapes(quantc_frame *f) {
  f->out_dims[0] = f->in_dims[0];
  f->out_dims[1] = 2;
}

static int64_t arena(quantc_frame *f, int64_t threads) {
  (void)f;
  (void)threads;
  return 0;
}

static void *kernels[1];
static const quantc_symbol_info symbols[] = {{"batch", 1, INT64_MAX},
                                             {"sequence", 1, INT64_MAX}};
static const int64_t in_dims[] = {-1, -2}, out_dims[] = {-1, 2};
static const quantc_tensor_info inputs[] = {
    {"input_ids", QUANTC_TENSOR, kDLInt, 64, 2, in_dims},
    {"attention_mask", QUANTC_TENSOR, kDLInt, 64, 2, in_dims},
    {"token_type_ids", QUANTC_TENSOR, kDLInt, 64, 2, in_dims}};
static const quantc_tensor_info outputs[] = {
    {"out", QUANTC_TENSOR, kDLFloat, 32, 2, out_dims}};
static const quantc_level_desc levels[] = {
    {"avx2", 1, 0, run, shapes, arena, kernels, 1}};
static const quantc_entry_desc entries[] = {
    {{"main", 3, inputs, 1, outputs, 2, symbols, 0, NULL}, 1, levels, 0, NULL}};

const quantc_model_desc quantc_rt_description = {
    QUANTC_ABI_VERSION, "sum", "{}", 1, entries, 0, 0, NULL, NULL};
