/*===-- abi.h - Between generated code and the runtime --------------*- C
 * -*-===*
 *
 * What the compiler emits and the runtime reads, and what generated code calls.
 * A user's program includes runtime.h only. Everything is made of 8-byte
 * fields, on 64-bit little-endian machines, so that both sides agree on offsets
 * without sharing a compiler.
 *
 *===----------------------------------------------------------------------===*/
#ifndef QUANTC_ABI_H
#define QUANTC_ABI_H

#include "quantc/runtime.h"

#ifdef __cplusplus
extern "C" {
#endif

/*===-- Sequences and optionals -----------------------------------------===*/

/* To generated code every value is one or more tensors ("parts"), inputs and
 * outputs of the frame are counted by parts:
 *   a tensor        itself
 *   a sequence      data: all elements' data, dense, in any order, dims [n];
 *                   table: int64 [elements, QUANTC_LIST_WIDTH], one row for each
 *                   of {rank, first element in data, dims, zeros}
 *   an optional     flag: int64, 0 = missing; then the parts of its content, of
 *                   no elements if it is missing */
enum { QUANTC_LIST_RANK = 8, QUANTC_LIST_WIDTH = QUANTC_LIST_RANK + 2 };

/*===-- The frame of a run ----------------------------------------------===*/

typedef struct quantc_barrier_state
    quantc_barrier_state; /* runtime/src/barrier.c */

/* Memory of one tensor whose size is only known while the schedule runs. */
typedef struct quantc_slot {
  char *data;     /* 64-byte aligned, or NULL as long as there is none */
  int64_t bytes;  /* of it; it never shrinks */
  int64_t failed; /* whether the last quantc_rt_allocate got none */
} quantc_slot;

/* What the entry reads, field i at byte 8 * i. FIXED: LowerToKernels reads it
 * by offset; a new field is added at the end and raises QUANTC_ABI_VERSION. */
typedef struct quantc_frame {
  /* Elements of less than 8 bits are one a byte here, whatever the caller has:
   * signed integers sign-extended, all others their code. */
  void **inputs;          /* 0: data of each input, byte_offset applied */
  void **outputs;         /* 1: data of each output */
  const int64_t *in_dims; /* 2: all inputs' dims, one after another */
  int64_t *out_dims;      /* 3: all outputs' dims, likewise */
  const char *weights;    /* 4: data section, 64-byte aligned */
  char *arena;            /* 5: arena() bytes, 64-byte aligned */
  quantc_barrier_state *barrier; /* 6 */
  uint64_t *profile;             /* 7: NULL, or {ns, calls} of each layer */
  int64_t error;            /* 8: the first failed check's code, 0 = none */
  void **kernels;           /* 9: the level's kernel table */
  int64_t error_a, error_b; /* 10, 11: the failed check's values */
  uint64_t mark;            /* 12: time of the last mark, ns */
  /* 13: quantc_entry_desc.n_slots of them; those of outputs whose dims shapes()
   * does not know (-1) come first, slot i for output i. */
  quantc_slot *heap;
  void **leave; /* 14: the jmp_buf of each thread */
} quantc_frame;

enum {
  QUANTC_FRAME_INPUTS = 0,
  QUANTC_FRAME_OUTPUTS = 1,
  QUANTC_FRAME_IN_DIMS = 2,
  QUANTC_FRAME_OUT_DIMS = 3,
  QUANTC_FRAME_WEIGHTS = 4,
  QUANTC_FRAME_ARENA = 5,
  QUANTC_FRAME_BARRIER = 6,
  QUANTC_FRAME_PROFILE = 7,
  QUANTC_FRAME_ERROR = 8,
  QUANTC_FRAME_KERNELS = 9
};

/*===-- What generated code calls ---------------------------------------===*/

/* Defined in the runtime archive with hidden visibility. */

/* Returns when all `threads` threads of the run have called it as often. */
void quantc_rt_barrier(quantc_frame *frame, int64_t thread, int64_t threads);

/* Thread 0, in a profiled run: adds the time since the last mark to `layer`. */
void quantc_rt_mark(quantc_frame *frame, int64_t layer, int64_t thread);

/* Records a failed check unless one is recorded already. Code c > 0 is the
 * check whose text is quantc_entry_desc.checks[c - 1]. The run goes on to its
 * end (threads meet at barriers), without reading or writing out of bounds. */
void quantc_rt_fail(quantc_frame *frame, int64_t code, int64_t a, int64_t b);

/* Ends the run with an error. All threads of the team call it in one place, with
 * the same values. Code c > 0 as in quantc_rt_fail, or one of these. */
enum {
  QUANTC_FAIL_SIZE = -1,  /* a computed size is negative or too large */
  QUANTC_FAIL_MEMORY = -2 /* there are no `a` bytes left */
};
void quantc_rt_leave(quantc_frame *frame, int64_t code, int64_t a, int64_t b,
                     int64_t thread) __attribute__((noreturn));

/* All threads: makes slot `slot` of the heap `bytes` bytes large; what it held
 * is lost unless `keep`. Leaves where it cannot. */
void quantc_rt_allocate(quantc_frame *frame, int64_t slot, int64_t bytes,
                        int64_t keep, int64_t thread, int64_t threads);

/* Thread 0, between barriers: exchanges the memory of two slots. */
void quantc_rt_exchange(quantc_frame *frame, int64_t a, int64_t b,
                        int64_t thread);

/*===-- Descriptors -----------------------------------------------------===*/

typedef struct quantc_level_desc {
  const char *name;  /* a name that QUANTC_ISA takes: "avx2" */
  int64_t rank;      /* the highest that runs is taken */
  uint64_t features; /* bits of cpu_features.def, of the library's machine */
  /* Run by every thread of the team. */
  void (*entry)(quantc_frame *, int64_t thread, int64_t threads);
  /* Writes out_dims from in_dims; sets error where dimensions do not fit. The
   * entry itself writes those that are -1 then. */
  void (*shapes)(quantc_frame *);
  /* Bytes of arena for in_dims; negative where they are too large. */
  int64_t (*arena)(quantc_frame *, int64_t threads);
  void **kernels; /* mutable */
  int64_t n_kernels;
} quantc_level_desc;

typedef struct quantc_entry_desc {
  quantc_entry_info info;
  int64_t n_levels;
  const quantc_level_desc *levels;
  int64_t n_checks;
  const char *const *checks; /* texts; "%a" and "%b" stand for the values */
  int64_t n_slots;           /* of quantc_frame.heap */
} quantc_entry_desc;

typedef struct quantc_model_desc {
  int64_t abi_version; /* QUANTC_ABI_VERSION of the compiler */
  const char *name;
  const char *manifest; /* JSON, or NULL */
  int64_t n_entries;
  const quantc_entry_desc *entries;
  int64_t weights_bytes;        /* of the data section; 0 = no weights */
  uint64_t weights_hash;        /* quantc_hash of the data section */
  const char *weights_embedded; /* 64-byte aligned, or NULL: in a file */
  const char *weights_file; /* beside the library; NULL if embedded or none */
} quantc_model_desc;

/* Emitted by Package, hidden, one per library. */
extern const quantc_model_desc quantc_rt_description;

/* The library's model, for NAME_model(). Defined in the archive, hidden. */
quantc_model *quantc_rt_model(void);

/* What quantc_load finds with dlsym: "quantc_entry", the same model. */
typedef quantc_model *(*quantc_entry_fn)(void);

/*===-- CPU features ----------------------------------------------------===*/

enum {
#define QUANTC_CPU_FEATURE(ARCH, NAME, BIT, LLVM)                              \
  QUANTC_##ARCH##_##NAME##_BIT = (BIT),
#include "quantc/cpu_features.def"
  QUANTC_CPU_FEATURE_END = 64
};

#ifdef __cplusplus
}
#endif
#endif /* QUANTC_ABI_H */
