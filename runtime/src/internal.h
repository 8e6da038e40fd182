/*===-- internal.h - What the runtime's files share -----------------*- C
 * -*-===*
 *
 * All symbols are hidden (-fvisibility=hidden): every compiled model carries
 * its own copy of the runtime, and copies in one process never meet.
 *
 *===----------------------------------------------------------------------===*/
#ifndef QUANTC_RUNTIME_INTERNAL_H
#define QUANTC_RUNTIME_INTERNAL_H

#include "quantc/abi.h"
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

_Static_assert(sizeof(void *) == 8, "the frame is made of 8-byte fields");

/*===-- error.c ---------------------------------------------------------===*/

/* Begins a message; the return value is -1, for `return quantc_rt_error(...)`.
 */
int quantc_rt_error(quantc_error *err, quantc_status status, const char *format,
                    ...) __attribute__((format(printf, 3, 4)));

/* Adds to a message; what does not fit is cut off. */
void quantc_rt_append(quantc_error *err, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/*===-- cpu.c -----------------------------------------------------------===*/

/* Bits of cpu_features.def that this machine and its kernel let a process use.
 * AMX counts only once the kernel has granted its tile state, which is asked
 * for here when `wanted` has an AMX bit. */
uint64_t quantc_rt_cpu_features(uint64_t wanted);

/* The level to run: the one that QUANTC_ISA names, or the highest-ranked that
 * runs. NULL and a message that says what there is and what is lacking. */
const quantc_level_desc *quantc_rt_pick_level(const quantc_entry_desc *entry,
                                              quantc_error *err);

/*===-- barrier.c -------------------------------------------------------===*/

struct quantc_barrier_state {
  _Alignas(64) _Atomic uint32_t arrived;
  _Alignas(64) _Atomic uint32_t epoch;
  _Atomic uint32_t sleepers;
  int64_t spin_ns; /* how long to spin before sleeping */
};

/* Spins for spin_ns, then sleeps, until *word is no longer `old`. `sleepers`
 * counts who sleeps, so that the other side wakes only when it must. */
void quantc_rt_wait(_Atomic uint32_t *word, uint32_t old,
                    _Atomic uint32_t *sleepers, int64_t spin_ns);

/* After *word was changed with memory_order_seq_cst: wakes all who sleep on it.
 */
void quantc_rt_wake(_Atomic uint32_t *word, _Atomic uint32_t *sleepers);

uint64_t quantc_rt_now(void); /* monotonic, ns */

/*===-- heap.c ----------------------------------------------------------===*/

void quantc_rt_free_heap(quantc_slot *heap, int64_t n);

/*===-- team.c ----------------------------------------------------------===*/

#define QUANTC_RT_MAX_THREADS 1024

/* CPUs that this process may use, at least 1. */
int64_t quantc_rt_cpu_count(void);

/* How long threads of a run of `threads` threads spin before they sleep. */
int64_t quantc_rt_spin_ns(int64_t threads, int64_t cpus);

/* The library's team; starts no thread. */
quantc_team *quantc_rt_team(void);

/* Starts what `threads` threads need now rather than in the first run. */
int quantc_rt_team_reserve(int64_t threads, quantc_error *err);

/* Ends all workers. No run may be under way. */
void quantc_rt_team_stop(void);

/*===-- weights.c -------------------------------------------------------===*/

typedef struct quantc_weights {
  const char *data; /* 64-byte aligned data section */
  void *map;        /* what to unmap, or NULL */
  size_t map_bytes;
} quantc_weights;

int quantc_rt_map_weights(const quantc_model_desc *desc, const char *path,
                          quantc_weights *weights, quantc_error *err);
void quantc_rt_unmap_weights(quantc_weights *weights);

/*===-- session.c -------------------------------------------------------===*/

/* Memory that only grows, page-aligned. */
typedef struct quantc_block {
  char *data;
  int64_t bytes;
} quantc_block;

/* A tensor that generated code sees (abi.h). */
typedef enum { part_tensor, part_flag, part_data, part_table } quantc_rt_role;
typedef struct quantc_rt_part {
  const quantc_tensor_info *info; /* of the value */
  int64_t value;                  /* its number */
  int64_t role;                   /* a quantc_rt_role */
  int64_t bits, rank;             /* of this tensor */
} quantc_rt_part;

struct quantc_rt_session {
  quantc_session base;
  const quantc_entry_desc *entry;
  const quantc_level_desc *level;
  quantc_team *team;
  int64_t threads;
  quantc_frame frame;
  quantc_block arena, outputs, copies, unpacked, items;
  /* What follows is counted by parts, symbols and dims excepted. */
  quantc_rt_part *in_parts, *out_parts;
  int64_t n_in_parts, n_out_parts;
  int64_t *in_flags;
  void **input_data, **output_data;
  void **packed_data; /* where output_data[i] is packed to after the run */
  int64_t *in_dims, *out_dims, *out_dims_end;
  int64_t *in_bytes, *out_bytes; /* as kernels, as the caller has them */
  int64_t *out_unpacked; /* bytes of s->unpacked, 0 for types of whole bytes */
  int64_t *out_late;     /* whether the run itself finds the dims */
  int64_t *symbol_value, *symbol_input, *symbol_dim;
  quantc_layer_time *profile; /* or NULL */
  struct quantc_barrier_state *barrier;
};
typedef struct quantc_rt_session quantc_rt_session;

quantc_session *quantc_rt_open(quantc_model *model,
                               const quantc_options *options,
                               quantc_error *err);
int quantc_rt_run(quantc_session *session, const quantc_value *inputs,
                  int64_t n_inputs, quantc_value *outputs, int64_t n_outputs,
                  quantc_error *err);
void quantc_rt_close(quantc_session *session);

/*===-- values.c --------------------------------------------------------===*/

/* Checks inputs against the signature; fills in_dims, in_bytes, input_data and
 * the symbols. Strided and packed inputs are copied into s->copies. */
int quantc_rt_bind_inputs(quantc_rt_session *s, const quantc_value *inputs,
                          int64_t n, quantc_error *err);

/* Checks outputs against out_dims; fills out_bytes and output_data, with memory
 * of s->outputs where the caller gave none. Kernels write outputs of less than
 * 8 bits into s->unpacked. */
int quantc_rt_bind_outputs(quantc_rt_session *s, quantc_value *outputs,
                           int64_t n, quantc_error *err);

/* After the run: s->unpacked to where the caller reads; outputs whose size the
 * run has found. */
int quantc_rt_finish_outputs(quantc_rt_session *s, quantc_value *outputs,
                             quantc_error *err);

/*===-- sequences.c -----------------------------------------------------===*/

/* The parts of n values; returns how many. parts may be NULL. */
int64_t quantc_rt_parts(const quantc_tensor_info *infos, int64_t n,
                        quantc_rt_part *parts);

/* Checks input `p` (a data part) and its table, which follows it; notes dims
 * and bytes; *copied grows by the room that both need. */
int quantc_rt_bind_list(quantc_rt_session *s, int64_t p, const quantc_value *v,
                        int64_t *dims, int64_t *copied, quantc_error *err);
/* The data, resp. the table, of a list. */
void quantc_rt_copy_list(const quantc_value *v, const quantc_tensor_info *info,
                         char *to);
void quantc_rt_fill_table(const quantc_value *v, int64_t *rows);

/* After the run: outputs that are no plain tensors, from their parts. */
int quantc_rt_finish_values(quantc_rt_session *s, quantc_value *outputs,
                            quantc_error *err);

/* Helpers of values.c. */
int quantc_rt_check_tensor(const quantc_entry_info *e,
                           const quantc_tensor_info *info,
                           const quantc_value *v, const char *what,
                           quantc_error *err);
int64_t quantc_rt_dense_bytes(const int64_t *dims, int64_t rank, int64_t bits);
char *quantc_rt_copy_dense(char *to, const DLTensor *from, int64_t size);

/* Makes a block at least `bytes` large; its contents are lost if it grows. */
int quantc_rt_grow(quantc_block *block, int64_t bytes, const char *what,
                   quantc_error *err);
void quantc_rt_free_block(quantc_block *block);

/*===-- packing.c -------------------------------------------------------===*/

/* `n` elements of `bits` bits, 1 to 7: packed to one a byte, and back. */
void quantc_rt_unpack(void *data, const void *packed, int64_t n, int64_t bits,
                      bool is_signed);
void quantc_rt_pack(void *packed, const void *data, int64_t n, int64_t bits);

/*===-- model.c ---------------------------------------------------------===*/

extern const quantc_api quantc_rt_api;

/* Counts open sessions; attaches the model first if nobody has. Returns the
 * data section of the weights, or NULL and *err. */
const char *quantc_rt_acquire(quantc_error *err);
void quantc_rt_release(void);

#endif /* QUANTC_RUNTIME_INTERNAL_H */
