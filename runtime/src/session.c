/*===-- session.c - Opening, running and closing a session ----------*- C
 * -*-===*/
#include "fpenv.h"
#include "internal.h"
#include <errno.h>
#include <setjmp.h>
#include <stdlib.h>
#include <sys/mman.h>

/*===-- Memory ----------------------------------------------------------===*/

int quantc_rt_grow(quantc_block *block, int64_t bytes, const char *what,
                   quantc_error *err) {
  const int64_t page = 65536, huge = 2 << 20;
  void *data;
  if (bytes <= block->bytes)
    return 0;
  if (bytes > INT64_MAX - page)
    return quantc_rt_error(err, QUANTC_ERROR_MEMORY,
                           "the %s of a run this large do not fit in memory",
                           what);
  bytes = (bytes + page - 1) / page * page;
  /* First give back, so that the peak is the larger one and not the sum. */
  quantc_rt_free_block(block);
  data = mmap(NULL, (size_t)bytes, PROT_READ | PROT_WRITE,
              MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (data == MAP_FAILED)
    return quantc_rt_error(err, QUANTC_ERROR_MEMORY,
                           "cannot get %lld bytes for the %s of the run: %s",
                           (long long)bytes, what, strerror(errno));
  if (bytes >= huge)
    madvise(data, (size_t)bytes, MADV_HUGEPAGE);
  block->data = data;
  block->bytes = bytes;
  return 0;
}

void quantc_rt_free_block(quantc_block *block) {
  if (block->data)
    munmap(block->data, (size_t)block->bytes);
  block->data = NULL;
  block->bytes = 0;
}

/*===-- Opening ---------------------------------------------------------===*/

static const quantc_entry_desc *find_entry(const char *name,
                                           quantc_error *err) {
  const quantc_model_desc *desc = &quantc_rt_description;
  int64_t i;
  if (!name)
    return &desc->entries[0];
  for (i = 0; i < desc->n_entries; ++i)
    if (strcmp(desc->entries[i].info.name, name) == 0)
      return &desc->entries[i];
  quantc_rt_error(err, QUANTC_ERROR_ARGUMENT,
                  "model '%s' has no entry '%s'; it has ", desc->name, name);
  for (i = 0; i < desc->n_entries; ++i)
    quantc_rt_append(err, "%s'%s'", i ? ", " : "", desc->entries[i].info.name);
  return NULL;
}

/* Dimensions of the parts of all values: a sequence's have three. */
static int64_t total_rank(const quantc_tensor_info *infos, int64_t n) {
  int64_t i, sum = 0;
  for (i = 0; i < n; ++i)
    sum += infos[i].kind == QUANTC_SEQUENCE ? 3 : infos[i].rank;
  return sum;
}

/* The next `n` words of the one block that a session is. */
static void *take(int64_t **at, int64_t n) {
  void *p = *at;
  *at += n;
  return p;
}

static quantc_rt_session *allocate(const quantc_entry_desc *entry,
                                   int64_t threads, bool profile) {
  const quantc_entry_info *e = &entry->info;
  int64_t n_in = quantc_rt_parts(e->inputs, e->n_inputs, NULL);
  int64_t n_out = quantc_rt_parts(e->outputs, e->n_outputs, NULL);
  const int64_t part_words = sizeof(quantc_rt_part) / 8;
  int64_t layers = profile ? 2 * e->n_layers : 0;
  int64_t slot_words = sizeof(quantc_slot) / 8 * entry->n_slots;
  int64_t words = (3 + part_words) * n_in + (5 + part_words) * n_out +
                  total_rank(e->inputs, e->n_inputs) +
                  total_rank(e->outputs, e->n_outputs) + 1 + 3 * e->n_symbols +
                  layers + slot_words + threads;
  size_t fixed = (sizeof(quantc_rt_session) + 63) / 64 * 64;
  size_t bytes = fixed + sizeof(struct quantc_barrier_state) + 8 * words;
  quantc_rt_session *s = NULL;
  int64_t *at;
  if (posix_memalign((void **)&s, 64, bytes) != 0)
    return NULL;
  memset(s, 0, bytes);
  s->barrier = (struct quantc_barrier_state *)((char *)s + fixed);
  at = (int64_t *)(s->barrier + 1);
  s->n_in_parts = n_in;
  s->n_out_parts = n_out;
  s->in_parts = take(&at, part_words * n_in);
  s->out_parts = take(&at, part_words * n_out);
  quantc_rt_parts(e->inputs, e->n_inputs, s->in_parts);
  quantc_rt_parts(e->outputs, e->n_outputs, s->out_parts);
  s->input_data = take(&at, n_in);
  s->in_bytes = take(&at, n_in);
  s->in_flags = take(&at, n_in);
  s->output_data = take(&at, n_out);
  s->out_bytes = take(&at, n_out);
  s->packed_data = take(&at, n_out);
  s->out_unpacked = take(&at, n_out);
  s->out_late = take(&at, n_out);
  s->in_dims = take(&at, total_rank(e->inputs, e->n_inputs));
  /* One more, so that a scalar's shape has an address of its own. */
  s->out_dims = take(&at, total_rank(e->outputs, e->n_outputs) + 1);
  s->out_dims_end = at;
  s->symbol_value = take(&at, e->n_symbols);
  s->symbol_input = take(&at, e->n_symbols);
  s->symbol_dim = take(&at, e->n_symbols);
  s->frame.heap = take(&at, slot_words);
  s->frame.leave = take(&at, threads);
  if (profile)
    s->profile = take(&at, layers);
  return s;
}

quantc_session *quantc_rt_open(quantc_model *model, const quantc_options *given,
                               quantc_error *err) {
  quantc_options options;
  const quantc_entry_desc *entry;
  const quantc_level_desc *level;
  const char *weights;
  quantc_rt_session *s;
  (void)model;
  memset(&options, 0, sizeof options);
  if (given)
    options = *given;
  if (options.threads < 0 || options.threads > QUANTC_RT_MAX_THREADS) {
    quantc_rt_error(err, QUANTC_ERROR_ARGUMENT,
                    "quantc_options.threads is %lld; it must be 1 to %d, or 0 "
                    "for as many as there are CPUs",
                    (long long)options.threads, QUANTC_RT_MAX_THREADS);
    return NULL;
  }
  if (options.threads == 0) {
    options.threads = quantc_rt_cpu_count();
    if (options.threads > QUANTC_RT_MAX_THREADS)
      options.threads = QUANTC_RT_MAX_THREADS;
  }
  entry = find_entry(options.entry, err);
  if (!entry)
    return NULL;
  /* Before any thread starts: it asks the kernel for AMX's tile state. */
  level = quantc_rt_pick_level(entry, err);
  if (!level)
    return NULL;
  weights = quantc_rt_acquire(err);
  if (!weights)
    return NULL;
  s = allocate(entry, options.threads, options.profile != 0);
  if (!s) {
    quantc_rt_error(err, QUANTC_ERROR_MEMORY, "out of memory");
    quantc_rt_release();
    return NULL;
  }
  s->base.api = &quantc_rt_api;
  s->entry = entry;
  s->level = level;
  s->threads = options.threads;
  s->team = options.team ? options.team : quantc_rt_team();
  s->barrier->spin_ns = quantc_rt_spin_ns(s->threads, quantc_rt_cpu_count());
  s->frame.inputs = s->input_data;
  s->frame.outputs = s->output_data;
  s->frame.in_dims = s->in_dims;
  s->frame.out_dims = s->out_dims;
  s->frame.weights = weights;
  s->frame.barrier = s->barrier;
  s->frame.profile = (uint64_t *)s->profile;
  s->frame.kernels = level->kernels;
  if (!options.team && quantc_rt_team_reserve(s->threads, err)) {
    quantc_rt_close(&s->base);
    return NULL;
  }
  return &s->base;
}

void quantc_rt_close(quantc_session *session) {
  quantc_rt_session *s = (quantc_rt_session *)session;
  quantc_rt_free_block(&s->arena);
  quantc_rt_free_block(&s->outputs);
  quantc_rt_free_block(&s->copies);
  quantc_rt_free_block(&s->unpacked);
  quantc_rt_free_block(&s->items);
  quantc_rt_free_heap(s->frame.heap, s->entry->n_slots);
  free(s);
  quantc_rt_release();
}

/*===-- Running ---------------------------------------------------------===*/

/* The text of the check that failed, its %a and %b filled in. */
static int report_check(quantc_rt_session *s, quantc_error *err) {
  const quantc_entry_desc *entry = s->entry;
  int64_t code = s->frame.error;
  const char *text, *next;
  quantc_rt_error(err, QUANTC_ERROR_MODEL,
                  "model '%s': ", quantc_rt_description.name);
  if (code == QUANTC_FAIL_SIZE) {
    quantc_rt_append(err, "a tensor whose size is computed from the data has a "
                          "negative dimension, or too many elements");
    return -1;
  }
  if (code == QUANTC_FAIL_MEMORY) {
    if (err)
      err->status = QUANTC_ERROR_MEMORY;
    quantc_rt_append(
        err,
        "cannot get %lld bytes for a tensor whose size is computed "
        "from the data",
        (long long)s->frame.error_a);
    return -1;
  }
  if (code < 1 || code > entry->n_checks) {
    quantc_rt_append(err, "check %lld failed at run time (%lld, %lld)",
                     (long long)code, (long long)s->frame.error_a,
                     (long long)s->frame.error_b);
    return -1;
  }
  for (text = entry->checks[code - 1]; *text; text = next) {
    if (text[0] == '%' && (text[1] == 'a' || text[1] == 'b')) {
      quantc_rt_append(
          err, "%lld",
          (long long)(text[1] == 'a' ? s->frame.error_a : s->frame.error_b));
      next = text + 2;
      continue;
    }
    for (next = text + 1; *next && *next != '%'; ++next)
      ;
    quantc_rt_append(err, "%.*s", (int)(next - text), text);
  }
  return -1;
}

static void job(void *arg, int64_t thread, int64_t threads) {
  quantc_rt_session *s = arg;
  uint64_t mode = quantc_rt_set_fp_mode(QUANTC_RT_FP_DEFAULT);
  jmp_buf left; /* by quantc_rt_leave */
  s->frame.leave[thread] = &left;
  if (_setjmp(left) == 0)
    s->level->entry(&s->frame, thread, threads);
  quantc_rt_set_fp_mode(mode);
}

int quantc_rt_run(quantc_session *session, const quantc_value *inputs,
                  int64_t n_inputs, quantc_value *outputs, int64_t n_outputs,
                  quantc_error *err) {
  quantc_rt_session *s = (quantc_rt_session *)session;
  int64_t arena;
  if (quantc_rt_bind_inputs(s, inputs, n_inputs, err))
    return -1;
  s->frame.error = 0;
  s->level->shapes(&s->frame);
  if (s->frame.error)
    return report_check(s, err);
  if (quantc_rt_bind_outputs(s, outputs, n_outputs, err))
    return -1;
  arena = s->level->arena(&s->frame, s->threads);
  if (s->frame.error)
    return report_check(s, err);
  if (arena < 0)
    return quantc_rt_error(err, QUANTC_ERROR_MEMORY,
                           "model '%s': the run is too large to address",
                           quantc_rt_description.name);
  if (quantc_rt_grow(&s->arena, arena, "intermediate values", err))
    return -1;
  s->frame.arena = s->arena.data;
  if (s->profile)
    s->frame.mark = quantc_rt_now();
  if (s->team->run(s->team, job, s, s->threads))
    return quantc_rt_error(err, QUANTC_ERROR_MEMORY,
                           "the thread team cannot run %lld threads at once",
                           (long long)s->threads);
  if (s->frame.error)
    return report_check(s, err);
  return quantc_rt_finish_outputs(s, outputs, err);
}
