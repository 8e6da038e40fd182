/*===-- values.c - Checking and binding inputs and outputs ----------*- C
 * -*-===*/
#include "internal.h"
#include <stdio.h>

/*===-- Words for messages ----------------------------------------------===*/

enum { text_bytes = 256 };

static const char *type_name(int64_t code, int64_t bits, char *buffer) {
  static const char *const stems[] = {"int",
                                      "uint",
                                      "float",
                                      "handle",
                                      "bfloat",
                                      "complex",
                                      "bool",
                                      "float8_e3m4",
                                      "float8_e4m3",
                                      "float8_e4m3b11fnuz",
                                      "float8_e4m3fn",
                                      "float8_e4m3fnuz",
                                      "float8_e5m2",
                                      "float8_e5m2fnuz",
                                      "float8_e8m0fnu",
                                      "float6_e2m3fn",
                                      "float6_e3m2fn",
                                      "float4_e2m1fn"};
  if (code < 0 || code >= (int64_t)(sizeof stems / sizeof *stems))
    snprintf(buffer, text_bytes, "type with DLPack code %lld", (long long)code);
  else if (code >= kDLBool)
    snprintf(buffer, text_bytes, "%s", stems[code]);
  else
    snprintf(buffer, text_bytes, "%s%lld", stems[code], (long long)bits);
  return buffer;
}

static size_t print_at(char *buffer, size_t at, const char *format,
                       const char *name, int64_t number) {
  int n;
  if (at >= text_bytes)
    return at;
  n = name ? snprintf(buffer + at, text_bytes - at, format, name)
           : snprintf(buffer + at, text_bytes - at, format, (long long)number);
  return at + (n > 0 ? (size_t)n : 0);
}

/* "[batch, 128]" */
static const char *signature_dims(const quantc_entry_info *e,
                                  const quantc_tensor_info *t, char *buffer) {
  size_t at = print_at(buffer, 0, "%s", "[", 0);
  int64_t i;
  for (i = 0; i < t->rank; ++i) {
    const char *name = quantc_dim_name(e, t, i);
    at = print_at(buffer, at, i ? ", %s" : "%s",
                  name             ? name
                  : t->dims[i] < 0 ? "?"
                                   : "",
                  0);
    if (!name && t->dims[i] >= 0)
      at = print_at(buffer, at, "%lld", NULL, t->dims[i]);
  }
  print_at(buffer, at, "%s", "]", 0);
  return buffer;
}

/* "[2, 128]" */
static const char *actual_dims(const int64_t *dims, int64_t rank,
                               char *buffer) {
  size_t at = print_at(buffer, 0, "%s", "[", 0);
  int64_t i;
  for (i = 0; i < rank; ++i)
    at = print_at(buffer, at, i ? ", %lld" : "%lld", NULL, dims[i]);
  print_at(buffer, at, "%s", "]", 0);
  return buffer;
}

/*===-- Sizes -----------------------------------------------------------===*/

/* Bytes of a dense tensor, sub-byte elements packed; -1 if not addressable. */
int64_t quantc_rt_dense_bytes(const int64_t *dims, int64_t rank, int64_t bits) {
  int64_t n = bits, i;
  for (i = 0; i < rank; ++i)
    if (dims[i] == 0)
      return 0;
  for (i = 0; i < rank; ++i)
    if (__builtin_mul_overflow(n, dims[i], &n))
      return -1;
  return n / 8 + (n % 8 != 0);
}

static bool is_dense(const DLTensor *t) {
  int64_t expected = 1;
  int32_t i;
  if (!t->strides)
    return true;
  for (i = t->ndim - 1; i >= 0; --i) {
    if (t->shape[i] != 1 && t->strides[i] != expected)
      return false;
    expected *= t->shape[i];
  }
  return true;
}

/* Copies a strided tensor of whole-byte elements to dense row-major order. */
static char *copy_dense(char *to, const char *from, const int64_t *dims,
                        const int64_t *strides, int64_t rank, int64_t size) {
  int64_t i;
  if (rank == 0) {
    memcpy(to, from, (size_t)size);
    return to + size;
  }
  if (rank == 1 && strides[0] == 1) {
    memcpy(to, from, (size_t)(dims[0] * size));
    return to + dims[0] * size;
  }
  for (i = 0; i < dims[0]; ++i)
    to = copy_dense(to, from + i * strides[0] * size, dims + 1, strides + 1,
                    rank - 1, size);
  return to;
}

char *quantc_rt_copy_dense(char *to, const DLTensor *from, int64_t size) {
  const char *data = (const char *)from->data + from->byte_offset;
  int64_t bytes = quantc_rt_dense_bytes(from->shape, from->ndim, size * 8);
  if (!is_dense(from))
    return copy_dense(to, data, from->shape, from->strides, from->ndim, size);
  memcpy(to, data, (size_t)bytes);
  return to + bytes;
}

/*===-- Checks that inputs and outputs share ----------------------------===*/

static int check_count(const quantc_tensor_info *infos, int64_t expected,
                       int64_t given, bool null, const char *what,
                       quantc_error *err) {
  int64_t i;
  if (given == expected && !(null && given > 0))
    return 0;
  quantc_rt_error(err, QUANTC_ERROR_ARGUMENT,
                  "model '%s' has %lld %ss and is given %lld; they are ",
                  quantc_rt_description.name, (long long)expected, what,
                  (long long)(null ? 0 : given));
  for (i = 0; i < expected; ++i)
    quantc_rt_append(err, "%s'%s'", i ? ", " : "", infos[i].name);
  return -1;
}

int quantc_rt_check_tensor(const quantc_entry_info *e,
                           const quantc_tensor_info *info,
                           const quantc_value *v, const char *what,
                           quantc_error *err) {
  const DLTensor *t = &v->tensor;
  char a[text_bytes], b[text_bytes], c[text_bytes];
  if (v->kind != QUANTC_TENSOR)
    return quantc_rt_error(
        err, QUANTC_ERROR_ARGUMENT,
        "%s '%s' is given as %s; the model has a tensor there, %s%s", what,
        info->name,
        v->kind == QUANTC_SEQUENCE ? "a sequence"
        : v->kind == QUANTC_NONE   ? "none"
                                   : "a value of unknown kind",
        type_name(info->code, info->bits, a), signature_dims(e, info, b));
  if (t->device.device_type != kDLCPU)
    return quantc_rt_error(err, QUANTC_ERROR_ARGUMENT,
                           "%s '%s' lies on DLPack device type %d; copy it to "
                           "the CPU (device type %d)",
                           what, info->name, (int)t->device.device_type,
                           (int)kDLCPU);
  if (t->dtype.code != info->code || t->dtype.bits != info->bits)
    return quantc_rt_error(
        err, QUANTC_ERROR_ARGUMENT, "%s '%s' is %s; the model has %s%s there",
        what, info->name, type_name(t->dtype.code, t->dtype.bits, a),
        type_name(info->code, info->bits, b), signature_dims(e, info, c));
  if (t->dtype.lanes != 1)
    return quantc_rt_error(err, QUANTC_ERROR_ARGUMENT,
                           "%s '%s' has elements of %u lanes; only 1 is taken",
                           what, info->name, (unsigned)t->dtype.lanes);
  if (info->rank >= 0 && t->ndim != info->rank)
    return quantc_rt_error(
        err, QUANTC_ERROR_ARGUMENT,
        "%s '%s' has %d dimensions; the model has %lld there: %s%s", what,
        info->name, (int)t->ndim, (long long)info->rank,
        type_name(info->code, info->bits, a), signature_dims(e, info, b));
  if (t->ndim > 0 && !t->shape)
    return quantc_rt_error(err, QUANTC_ERROR_ARGUMENT,
                           "%s '%s' has no shape (a null pointer)", what,
                           info->name);
  return 0;
}

/*===-- Inputs ----------------------------------------------------------===*/

/* Dimension `dim` of input `input` against the signature. */
static int check_dim(quantc_rt_session *s, int64_t input, int64_t dim,
                     const DLTensor *t, quantc_error *err) {
  const quantc_entry_info *e = &s->entry->info;
  const quantc_tensor_info *info = &e->inputs[input];
  int64_t want = info->dims[dim], have = t->shape[dim], symbol = -1 - want;
  char a[text_bytes], b[text_bytes];
  if (have < 0)
    return quantc_rt_error(err, QUANTC_ERROR_ARGUMENT,
                           "input '%s' has a negative dimension: %s",
                           info->name, actual_dims(t->shape, t->ndim, a));
  if (want >= 0) {
    if (have == want)
      return 0;
    return quantc_rt_error(
        err, QUANTC_ERROR_ARGUMENT,
        "input '%s' has shape %s; its dimension %lld must be %lld: %s",
        info->name, actual_dims(t->shape, t->ndim, a), (long long)dim,
        (long long)want, signature_dims(e, info, b));
  }
  if (info->optional)
    return 0;
  if (have < e->symbols[symbol].min || have > e->symbols[symbol].max) {
    quantc_rt_error(err, QUANTC_ERROR_ARGUMENT,
                    "input '%s' has shape %s; its dimension %lld ('%s') must "
                    "be at least %lld",
                    info->name, actual_dims(t->shape, t->ndim, a),
                    (long long)dim, e->symbols[symbol].name,
                    (long long)e->symbols[symbol].min);
    if (e->symbols[symbol].max != INT64_MAX)
      quantc_rt_append(err, " and at most %lld",
                       (long long)e->symbols[symbol].max);
    return -1;
  }
  if (s->symbol_input[symbol] < 0) {
    s->symbol_value[symbol] = have;
    s->symbol_input[symbol] = input;
    s->symbol_dim[symbol] = dim;
    return 0;
  }
  if (s->symbol_value[symbol] == have)
    return 0;
  return quantc_rt_error(
      err, QUANTC_ERROR_ARGUMENT,
      "dimension '%s' is %lld in input '%s' (dimension %lld) and %lld in input "
      "'%s' (dimension %lld); they must be equal",
      e->symbols[symbol].name, (long long)s->symbol_value[symbol],
      e->inputs[s->symbol_input[symbol]].name, (long long)s->symbol_dim[symbol],
      (long long)have, info->name, (long long)dim);
}

static bool overlaps(const char *ours, int64_t size, const char *data,
                     int64_t bytes) {
  uintptr_t a = (uintptr_t)ours, b = (uintptr_t)data;
  return ours && bytes > 0 && b < a + (uintptr_t)size &&
         a < b + (uintptr_t)bytes;
}

/* Whether data lies where the session gives memory to outputs. */
static bool is_an_output(const quantc_rt_session *s, const char *data,
                         int64_t bytes) {
  int64_t i;
  if (overlaps(s->outputs.data, s->outputs.bytes, data, bytes))
    return true;
  for (i = 0; i < s->n_out_parts; ++i)
    if (s->out_late[i] &&
        overlaps(s->frame.heap[i].data, s->frame.heap[i].bytes, data, bytes))
      return true;
  return false;
}

/* Checks part `i` of the inputs, a tensor, and notes its dims, bytes and, where
 * it can be read in place, its address (else NULL, and *copied grows by the
 * room that it needs).
 */
static int bind_input(quantc_rt_session *s, int64_t i, const quantc_value *v,
                      int64_t *dims, int64_t *copied, quantc_error *err) {
  const quantc_entry_info *e = &s->entry->info;
  const quantc_tensor_info *info = s->in_parts[i].info;
  const DLTensor *t = &v->tensor;
  char *data = t->data ? (char *)t->data + t->byte_offset : NULL;
  char a[text_bytes];
  int64_t d, bytes;
  bool dense;
  if (quantc_rt_check_tensor(e, info, v, "input", err))
    return -1;
  for (d = 0; d < info->rank; ++d) {
    if (check_dim(s, s->in_parts[i].value, d, t, err))
      return -1;
    dims[d] = t->shape[d];
  }
  bytes = quantc_rt_dense_bytes(dims, info->rank, info->bits);
  if (bytes < 0)
    return quantc_rt_error(err, QUANTC_ERROR_ARGUMENT,
                           "input '%s' of shape %s is too large to address",
                           info->name, actual_dims(t->shape, t->ndim, a));
  if (!data && bytes > 0)
    return quantc_rt_error(err, QUANTC_ERROR_ARGUMENT,
                           "input '%s' of shape %s has no data (a null "
                           "pointer)",
                           info->name, actual_dims(t->shape, t->ndim, a));
  s->in_bytes[i] =
      info->bits < 8 ? quantc_rt_dense_bytes(dims, info->rank, 8) : bytes;
  s->input_data[i] = data;
  if (bytes == 0)
    return 0;
  dense = is_dense(t);
  if (dense && is_an_output(s, data, bytes))
    return quantc_rt_error(err, QUANTC_ERROR_ARGUMENT,
                           "input '%s' lies in memory that the session gave an "
                           "output of its last run, which this run overwrites; "
                           "copy it, or give that output memory of your own",
                           info->name);
  if (dense && info->bits >= 8 && (uintptr_t)data % (info->bits / 8) == 0)
    return 0;
  if (!dense && info->bits < 8)
    return quantc_rt_error(err, QUANTC_ERROR_ARGUMENT,
                           "input '%s' has packed elements of %lld bits and "
                           "strides; only dense ones are taken",
                           info->name, (long long)info->bits);
  bytes = s->in_bytes[i];
  if (bytes < 0 || bytes > INT64_MAX / 4 || *copied > INT64_MAX / 4)
    return quantc_rt_error(err, QUANTC_ERROR_MEMORY,
                           "input '%s' is too large to copy", info->name);
  s->input_data[i] = NULL;
  *copied += (bytes + 63) / 64 * 64;
  return 0;
}

/* One tensor that stands for an input, or for a part of it. */
static int bind_part(quantc_rt_session *s, int64_t i, const quantc_value *v,
                     int64_t *dims, int64_t *copied, quantc_error *err) {
  static const char nothing[64];
  const quantc_rt_part *part = &s->in_parts[i];
  if (part->role == part_flag) {
    s->in_flags[i] = v->kind != QUANTC_NONE;
    s->input_data[i] = &s->in_flags[i];
    s->in_bytes[i] = 8;
    return 0;
  }
  if (part->role == part_table)
    return 0; /* with the data, before it */
  if (part->info->optional && v->kind == QUANTC_NONE) {
    memset(dims, 0, sizeof *dims * (size_t)part->rank);
    s->input_data[i] = (void *)nothing;
    s->in_bytes[i] = 0;
    if (part->role == part_data)
      return quantc_rt_bind_list(s, i, v, dims, copied, err);
    return 0;
  }
  if (part->role == part_data)
    return quantc_rt_bind_list(s, i, v, dims, copied, err);
  return bind_input(s, i, v, dims, copied, err);
}

int quantc_rt_bind_inputs(quantc_rt_session *s, const quantc_value *inputs,
                          int64_t n, quantc_error *err) {
  const quantc_entry_info *e = &s->entry->info;
  int64_t *dims = s->in_dims, copied = 0, i;
  char *at;
  if (check_count(e->inputs, e->n_inputs, n, !inputs, "input", err))
    return -1;
  for (i = 0; i < e->n_symbols; ++i)
    s->symbol_input[i] = -1;
  for (i = 0; i < s->n_in_parts; ++i) {
    if (bind_part(s, i, &inputs[s->in_parts[i].value], dims, &copied, err))
      return -1;
    dims += s->in_parts[i].rank;
  }
  if (copied == 0)
    return 0;
  if (quantc_rt_grow(&s->copies, copied, "copies of inputs", err))
    return -1;
  at = s->copies.data;
  for (i = 0; i < s->n_in_parts; ++i) {
    const quantc_rt_part *part = &s->in_parts[i];
    const quantc_value *v = &inputs[part->value];
    const DLTensor *t = &v->tensor;
    if (s->input_data[i] || s->in_bytes[i] == 0)
      continue;
    s->input_data[i] = at;
    if (part->role == part_data)
      quantc_rt_copy_list(v, part->info, at);
    else if (part->role == part_table)
      quantc_rt_fill_table(v, (int64_t *)at);
    else if (part->bits < 8)
      quantc_rt_unpack(at, (const char *)t->data + t->byte_offset,
                       s->in_bytes[i], part->bits, part->info->code == kDLInt);
    else /* with strides, or only misaligned */
      quantc_rt_copy_dense(at, t, part->bits / 8);
    at += (s->in_bytes[i] + 63) / 64 * 64;
  }
  return 0;
}

/*===-- Outputs ---------------------------------------------------------===*/

/* The caller's own memory for output `i`. */
static int check_given(const quantc_rt_session *s, int64_t i,
                       const quantc_value *v, const int64_t *dims,
                       quantc_error *err) {
  const quantc_entry_info *e = &s->entry->info;
  const quantc_tensor_info *info = &e->outputs[i];
  const DLTensor *t = &v->tensor;
  char *data = (char *)t->data + t->byte_offset;
  char a[text_bytes], b[text_bytes];
  if (quantc_rt_check_tensor(e, info, v, "output", err))
    return -1;
  if (info->rank > 0 &&
      memcmp(t->shape, dims, sizeof *dims * (size_t)info->rank) != 0)
    return quantc_rt_error(err, QUANTC_ERROR_ARGUMENT,
                           "output '%s' is given memory of shape %s; this run "
                           "makes %s",
                           info->name, actual_dims(t->shape, t->ndim, a),
                           actual_dims(dims, info->rank, b));
  if (!is_dense(t))
    return quantc_rt_error(err, QUANTC_ERROR_ARGUMENT,
                           "output '%s' is given memory with strides; only "
                           "dense row-major memory is written",
                           info->name);
  if (info->bits >= 8 && (uintptr_t)data % (info->bits / 8) != 0)
    return quantc_rt_error(err, QUANTC_ERROR_ARGUMENT,
                           "output '%s' is given memory that is not aligned to "
                           "its elements",
                           info->name);
  return 0;
}

/* Whether the caller brings memory. What an earlier run put into the value is
 * the session's, known by its shape, and perhaps no longer there. */
static bool is_given(const quantc_rt_session *s, const quantc_value *v) {
  if (v->kind != QUANTC_TENSOR)
    return v->kind != QUANTC_NONE;
  return v->tensor.data != NULL &&
         !(v->tensor.shape >= s->out_dims && v->tensor.shape < s->out_dims_end);
}

static bool is_late(const int64_t *dims, int64_t rank) {
  int64_t i;
  for (i = 0; i < rank; ++i)
    if (dims[i] < 0)
      return true;
  return false;
}

/* The session's memory, as a tensor. */
static void fill(const quantc_tensor_info *info, quantc_value *v, char *data,
                 int64_t *dims) {
  *v = quantc_tensor(data, dims, (int32_t)info->rank, (int)info->code,
                     (int)info->bits);
}

/* What the caller brings for a part, or NULL: only of a plain tensor. */
static const quantc_value *given_for(const quantc_rt_session *s, int64_t i,
                                     const quantc_value *outputs) {
  const quantc_rt_part *part = &s->out_parts[i];
  const quantc_value *v = &outputs[part->value];
  return part->role == part_tensor && !part->info->optional && is_given(s, v)
             ? v
             : NULL;
}

int quantc_rt_bind_outputs(quantc_rt_session *s, quantc_value *outputs,
                           int64_t n, quantc_error *err) {
  const quantc_entry_info *e = &s->entry->info;
  int64_t *dims = s->out_dims, need = 0, unpacked = 0, i;
  char *at;
  char a[text_bytes];
  if (check_count(e->outputs, e->n_outputs, n, !outputs, "output", err))
    return -1;
  for (i = 0; i < s->n_out_parts; dims += s->out_parts[i++].rank) {
    const quantc_rt_part *part = &s->out_parts[i];
    const quantc_value *given = given_for(s, i, outputs);
    int64_t bytes = quantc_rt_dense_bytes(dims, part->rank, part->bits);
    int64_t wide =
        part->bits < 8 ? quantc_rt_dense_bytes(dims, part->rank, 8) : 0;
    s->out_late[i] = is_late(dims, part->rank);
    if (s->out_late[i]) {
      s->out_bytes[i] = s->out_unpacked[i] = 0;
      continue;
    }
    if (bytes < 0 || bytes > INT64_MAX / 4 || need > INT64_MAX / 4 ||
        wide < 0 || wide > INT64_MAX / 4 || unpacked > INT64_MAX / 4)
      return quantc_rt_error(err, QUANTC_ERROR_MEMORY,
                             "output '%s' of shape %s is too large to address",
                             part->info->name,
                             actual_dims(dims, part->rank, a));
    s->out_bytes[i] = bytes;
    s->out_unpacked[i] = wide;
    unpacked += (wide + 63) / 64 * 64;
    if (!given)
      need += (bytes + 63) / 64 * 64;
    else if (check_given(s, part->value, given, dims, err))
      return -1;
  }
  /* A result without elements has an address too. */
  if (quantc_rt_grow(&s->outputs, need + 64, "outputs", err))
    return -1;
  if (quantc_rt_grow(&s->unpacked, unpacked, "outputs before packing", err))
    return -1;
  at = s->outputs.data;
  dims = s->out_dims;
  for (i = 0; i < s->n_out_parts; dims += s->out_parts[i++].rank) {
    const quantc_rt_part *part = &s->out_parts[i];
    const quantc_value *given = given_for(s, i, outputs);
    if (s->out_late[i]) {
      s->output_data[i] = NULL; /* it is made on the heap */
    } else if (given) {
      s->output_data[i] =
          (char *)given->tensor.data + given->tensor.byte_offset;
    } else {
      if (part->role == part_tensor && !part->info->optional)
        fill(part->info, &outputs[part->value], at, dims);
      s->output_data[i] = at;
      at += (s->out_bytes[i] + 63) / 64 * 64;
    }
  }
  at = s->unpacked.data;
  for (i = 0; i < s->n_out_parts; ++i) {
    if (s->out_unpacked[i] == 0)
      continue;
    s->packed_data[i] = s->output_data[i];
    s->output_data[i] = at;
    at += (s->out_unpacked[i] + 63) / 64 * 64;
  }
  return 0;
}

/* An output that the run has made on the heap, one element of less than 8 bits
 * a byte: given to the caller as it lies there, or copied to his memory. */
static int finish_late(quantc_rt_session *s, int64_t i, int64_t *dims,
                       quantc_value *outputs, quantc_error *err) {
  const quantc_rt_part *part = &s->out_parts[i];
  const quantc_value *given = given_for(s, i, outputs);
  int64_t bytes = quantc_rt_dense_bytes(dims, part->rank, part->bits);
  char *data = s->frame.heap[i].data, *to = data;
  s->output_data[i] = data;
  s->out_bytes[i] = bytes;
  if (part->role != part_tensor || part->info->optional)
    return 0;
  if (given && check_given(s, part->value, given, dims, err))
    return -1;
  if (given)
    to = (char *)given->tensor.data + given->tensor.byte_offset;
  if (part->bits < 8)
    quantc_rt_pack(to, data, quantc_rt_dense_bytes(dims, part->rank, 8),
                   part->bits);
  else if (given)
    memcpy(to, data, (size_t)bytes);
  if (!given)
    fill(part->info, &outputs[part->value], data, dims);
  return 0;
}

int quantc_rt_finish_outputs(quantc_rt_session *s, quantc_value *outputs,
                             quantc_error *err) {
  int64_t *dims = s->out_dims, i;
  for (i = 0; i < s->n_out_parts; dims += s->out_parts[i++].rank) {
    if (s->out_late[i]) {
      if (finish_late(s, i, dims, outputs, err))
        return -1;
    } else if (s->out_unpacked[i] > 0) {
      quantc_rt_pack(s->packed_data[i], s->output_data[i], s->out_unpacked[i],
                     s->out_parts[i].bits);
    }
  }
  return quantc_rt_finish_values(s, outputs, err);
}
