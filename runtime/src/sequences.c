/*===-- sequences.c - Sequences and optionals as tensors ------------*- C
 * -*-===*/
#include "internal.h"

int64_t quantc_rt_parts(const quantc_tensor_info *infos, int64_t n,
                        quantc_rt_part *parts) {
  int64_t i, count = 0;
  for (i = 0; i < n; ++i) {
    const quantc_tensor_info *info = &infos[i];
    bool list = info->kind == QUANTC_SEQUENCE;
    quantc_rt_part all[3] = {{info, i, part_flag, 64, 0},
                             {info, i, part_tensor, info->bits, info->rank},
                             {info, i, part_table, 64, 2}};
    int first = info->optional ? 0 : 1, last = list ? 3 : 2, k;
    if (list) {
      all[1].role = part_data;
      all[1].rank = 1;
    }
    for (k = first; k < last; ++k, ++count)
      if (parts)
        parts[count] = all[k];
  }
  return count;
}

/*===-- Inputs ----------------------------------------------------------===*/

/* Element `i` of a sequence: a tensor of the type that all have. */
static int check_item(quantc_rt_session *s, const quantc_tensor_info *info,
                      const quantc_value *v, int64_t i, quantc_error *err) {
  const DLTensor *t = &v->items[i].tensor;
  int64_t d;
  if (quantc_rt_check_tensor(&s->entry->info, info, &v->items[i],
                             "an element of", err))
    return -1;
  if (t->ndim > QUANTC_LIST_RANK)
    return quantc_rt_error(err, QUANTC_ERROR_ARGUMENT,
                           "element %lld of '%s' has %d dimensions; at most %d "
                           "are taken",
                           (long long)i, info->name, (int)t->ndim,
                           QUANTC_LIST_RANK);
  for (d = 0; d < t->ndim; ++d) {
    bool fits = t->shape[d] >= 0;
    if (info->rank >= 0 && info->dims[d] >= 0)
      fits = t->shape[d] == info->dims[d];
    if (!fits)
      return quantc_rt_error(
          err, QUANTC_ERROR_ARGUMENT,
          "element %lld of '%s' is %lld long in dimension %lld, which does not "
          "fit the model",
          (long long)i, info->name, (long long)t->shape[d], (long long)d);
  }
  if (!t->data && quantc_rt_dense_bytes(t->shape, t->ndim, 8) != 0)
    return quantc_rt_error(err, QUANTC_ERROR_ARGUMENT,
                           "element %lld of '%s' has no data (a null pointer)",
                           (long long)i, info->name);
  return 0;
}

int quantc_rt_bind_list(quantc_rt_session *s, int64_t p, const quantc_value *v,
                        int64_t *dims, int64_t *copied, quantc_error *err) {
  const quantc_tensor_info *info = s->in_parts[p].info;
  int64_t i, elements = 0, n = v->kind == QUANTC_SEQUENCE ? v->n_items : 0;
  if (v->kind != QUANTC_SEQUENCE && !(info->optional && v->kind == QUANTC_NONE))
    return quantc_rt_error(
        err, QUANTC_ERROR_ARGUMENT,
        "input '%s' is given as %s; the model has a sequence "
        "of tensors there",
        info->name, v->kind == QUANTC_NONE ? "none" : "a tensor");
  if (n < 0 || (n > 0 && !v->items))
    return quantc_rt_error(err, QUANTC_ERROR_ARGUMENT,
                           "sequence '%s' has %lld items at a null pointer",
                           info->name, (long long)n);
  for (i = 0; i < n; ++i) {
    const DLTensor *t = &v->items[i].tensor;
    int64_t count;
    if (check_item(s, info, v, i, err))
      return -1;
    count = quantc_rt_dense_bytes(t->shape, t->ndim, 8);
    if (count < 0 || count > INT64_MAX / 64 || elements > INT64_MAX / 64)
      return quantc_rt_error(err, QUANTC_ERROR_MEMORY,
                             "sequence '%s' is too large to copy", info->name);
    elements += count;
  }
  dims[0] = elements;
  dims[1] = n;
  dims[2] = QUANTC_LIST_WIDTH;
  s->in_bytes[p] = elements * info->bits / 8;
  s->in_bytes[p + 1] = n * QUANTC_LIST_WIDTH * 8;
  s->input_data[p] = s->input_data[p + 1] = NULL;
  *copied +=
      (s->in_bytes[p] + 63) / 64 * 64 + (s->in_bytes[p + 1] + 63) / 64 * 64;
  return 0;
}

void quantc_rt_copy_list(const quantc_value *v, const quantc_tensor_info *info,
                         char *to) {
  int64_t i;
  for (i = 0; i < v->n_items; ++i)
    if (quantc_rt_dense_bytes(v->items[i].tensor.shape, v->items[i].tensor.ndim,
                              8) > 0)
      to = quantc_rt_copy_dense(to, &v->items[i].tensor, info->bits / 8);
}

void quantc_rt_fill_table(const quantc_value *v, int64_t *rows) {
  int64_t i, d, offset = 0;
  for (i = 0; i < v->n_items; ++i, rows += QUANTC_LIST_WIDTH) {
    const DLTensor *t = &v->items[i].tensor;
    memset(rows, 0, 8 * QUANTC_LIST_WIDTH);
    rows[0] = t->ndim;
    rows[1] = offset;
    for (d = 0; d < t->ndim; ++d)
      rows[2 + d] = t->shape[d];
    offset += quantc_rt_dense_bytes(t->shape, t->ndim, 8);
  }
}

/*===-- Outputs ---------------------------------------------------------===*/

int quantc_rt_finish_values(quantc_rt_session *s, quantc_value *outputs,
                            quantc_error *err) {
  int64_t i, k, total = 0, *dims = s->out_dims;
  quantc_value *items;
  /* All tables first: the items of all sequences are one block. */
  for (i = 0; i < s->n_out_parts; dims += s->out_parts[i++].rank)
    if (s->out_parts[i].role == part_table)
      total += dims[0];
  if (quantc_rt_grow(&s->items, total * (int64_t)sizeof(quantc_value),
                     "items of sequences", err))
    return -1;
  items = (quantc_value *)s->items.data;
  dims = s->out_dims;
  for (i = 0; i < s->n_out_parts; dims += s->out_parts[i++].rank) {
    const quantc_rt_part *part = &s->out_parts[i];
    const quantc_tensor_info *info = part->info;
    quantc_value *v = &outputs[part->value];
    bool missing =
        info->optional && part->role != part_flag &&
        *(const int64_t *)
                s->output_data[i - (part->role == part_table ? 2 : 1)] == 0;
    if (part->role == part_tensor && info->optional) {
      memset(v, 0, sizeof *v);
      if (!missing)
        *v = quantc_tensor(s->output_data[i], dims, (int32_t)info->rank,
                           (int)info->code, (int)info->bits);
    }
    if (part->role != part_table)
      continue;
    memset(v, 0, sizeof *v);
    if (missing)
      continue;
    v->kind = QUANTC_SEQUENCE;
    v->items = items;
    v->n_items = dims[0];
    for (k = 0; k < dims[0]; ++k) {
      int64_t *row = (int64_t *)s->output_data[i] + k * QUANTC_LIST_WIDTH;
      char *data = (char *)s->output_data[i - 1] + row[1] * info->bits / 8;
      *items++ = quantc_tensor(data, row + 2, (int32_t)row[0], (int)info->code,
                               (int)info->bits);
    }
  }
  return 0;
}
