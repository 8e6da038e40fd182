/*===-- model.c - The library's model and its function table --------*- C
 * -*-===*/
#include "internal.h"

static quantc_model the_model = {&quantc_rt_api};

/* What attach, open, close and detach change. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static quantc_weights weights;
static int64_t n_loads, n_sessions;

/* With `lock` held. */
static int attach_locked(const char *path, quantc_error *err) {
  const quantc_model_desc *desc = &quantc_rt_description;
  if (desc->abi_version != QUANTC_ABI_VERSION)
    return quantc_rt_error(err, QUANTC_ERROR_LIBRARY,
                           "model '%s' was compiled for version %lld of the C "
                           "interface and linked with a runtime of version %d",
                           desc->name, (long long)desc->abi_version,
                           QUANTC_ABI_VERSION);
  if (weights.data)
    return 0;
  return quantc_rt_map_weights(desc, path, &weights, err);
}

static int attach(quantc_model *model, const char *path, quantc_error *err) {
  int64_t i;
  int result;
  (void)model;
  for (i = 0; i < quantc_rt_description.n_entries; ++i)
    if (!quantc_rt_pick_level(&quantc_rt_description.entries[i], err))
      return -1;
  pthread_mutex_lock(&lock);
  result = attach_locked(path, err);
  n_loads += result == 0;
  pthread_mutex_unlock(&lock);
  return result;
}

static int detach(quantc_model *model, quantc_error *err) {
  int result = 0;
  (void)model;
  pthread_mutex_lock(&lock);
  if (n_loads <= 1 && n_sessions > 0) {
    result = quantc_rt_error(err, QUANTC_ERROR_ARGUMENT,
                             "model '%s' has %lld open sessions: close them "
                             "before the model is unloaded",
                             quantc_rt_description.name, (long long)n_sessions);
  } else {
    if (n_loads > 0)
      --n_loads;
    if (n_loads == 0) {
      quantc_rt_team_stop();
      quantc_rt_unmap_weights(&weights);
    }
  }
  pthread_mutex_unlock(&lock);
  return result;
}

const char *quantc_rt_acquire(quantc_error *err) {
  const char *data = NULL;
  pthread_mutex_lock(&lock);
  if (attach_locked(NULL, err) == 0) {
    data = weights.data;
    ++n_sessions;
  }
  pthread_mutex_unlock(&lock);
  return data;
}

void quantc_rt_release(void) {
  pthread_mutex_lock(&lock);
  --n_sessions;
  pthread_mutex_unlock(&lock);
}

static const char *model_name(const quantc_model *m) {
  (void)m;
  return quantc_rt_description.name;
}

static const char *model_manifest(const quantc_model *m) {
  (void)m;
  return quantc_rt_description.manifest;
}

static int64_t entry_count(const quantc_model *m) {
  (void)m;
  return quantc_rt_description.n_entries;
}

static const quantc_entry_info *entry_at(const quantc_model *m, int64_t i) {
  (void)m;
  if (i < 0 || i >= quantc_rt_description.n_entries)
    return NULL;
  return &quantc_rt_description.entries[i].info;
}

static quantc_team *team_of(quantc_model *m) {
  (void)m;
  return quantc_rt_team();
}

static int64_t weights_bytes(const quantc_model *m) {
  (void)m;
  return quantc_rt_description.weights_bytes;
}

static const quantc_rt_session *impl(const quantc_session *s) {
  return (const quantc_rt_session *)s;
}

static const quantc_entry_info *entry_of(const quantc_session *s) {
  return &impl(s)->entry->info;
}

static const char *isa_of(const quantc_session *s) {
  return impl(s)->level->name;
}

static int64_t threads_of(const quantc_session *s) { return impl(s)->threads; }

static int64_t memory_of(const quantc_session *s) {
  int64_t i, heap = 0;
  for (i = 0; i < impl(s)->entry->n_slots; ++i)
    heap += impl(s)->frame.heap[i].bytes;
  return impl(s)->arena.bytes + impl(s)->outputs.bytes + impl(s)->copies.bytes +
         impl(s)->unpacked.bytes + impl(s)->items.bytes + heap;
}

static const quantc_layer_time *profile(quantc_session *s, int reset) {
  quantc_rt_session *session = (quantc_rt_session *)s;
  if (session->profile && reset)
    memset(session->profile, 0,
           sizeof *session->profile * session->entry->info.n_layers);
  return session->profile;
}

const quantc_api quantc_rt_api = {
    .abi_version = QUANTC_ABI_VERSION,
    .size = sizeof(quantc_api),
    .attach = attach,
    .detach = detach,
    .open = quantc_rt_open,
    .run = quantc_rt_run,
    .close = quantc_rt_close,
    .name = model_name,
    .manifest = model_manifest,
    .entry_count = entry_count,
    .entry_at = entry_at,
    .team_of = team_of,
    .entry_of = entry_of,
    .isa_of = isa_of,
    .threads_of = threads_of,
    .memory_of = memory_of,
    .profile = profile,
    .weights_bytes = weights_bytes,
};

quantc_model *quantc_rt_model(void) { return &the_model; }

__attribute__((visibility("default"))) quantc_model *quantc_entry(void);
quantc_model *quantc_entry(void) { return &the_model; }
