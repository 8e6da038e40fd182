/*===-- barrier.c - What generated code calls -----------------------*- C
 * -*-===*/
#include "internal.h"
#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <sched.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static inline void relax(void) {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#else
  __asm__ volatile("yield");
#endif
}

uint64_t quantc_rt_now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

void quantc_rt_wait(_Atomic uint32_t *word, uint32_t old,
                    _Atomic uint32_t *sleepers, int64_t spin_ns) {
  uint64_t start = 0;
  int i;
  for (;;) {
    /* Looking at the clock costs as much as a few looks at the word. */
    for (i = 0; i < 64; ++i) {
      if (atomic_load_explicit(word, memory_order_acquire) != old)
        return;
      relax();
    }
    if (spin_ns == 0) { /* more threads than CPUs: somebody else must run */
      for (i = 0; i < 4; ++i) {
        sched_yield();
        if (atomic_load_explicit(word, memory_order_acquire) != old)
          return;
      }
      break;
    }
    if (!start)
      start = quantc_rt_now();
    else if ((int64_t)(quantc_rt_now() - start) > spin_ns)
      break;
  }
  /* Either we see the new word here, or who changed it sees us (both sides
     are sequentially consistent); the kernel compares once more. */
  atomic_fetch_add(sleepers, 1);
  while (atomic_load(word) == old)
    syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, old, NULL, NULL, 0);
  atomic_fetch_sub(sleepers, 1);
}

void quantc_rt_wake(_Atomic uint32_t *word, _Atomic uint32_t *sleepers) {
  if (atomic_load(sleepers) != 0)
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
}

void quantc_rt_barrier(quantc_frame *frame, int64_t thread, int64_t threads) {
  struct quantc_barrier_state *b = frame->barrier;
  uint32_t epoch;
  (void)thread;
  if (threads == 1)
    return;
  /* The epoch cannot advance before this thread arrives. */
  epoch = atomic_load_explicit(&b->epoch, memory_order_relaxed);
  if (atomic_fetch_add_explicit(&b->arrived, 1, memory_order_acq_rel) ==
      (uint32_t)threads - 1) {
    atomic_store_explicit(&b->arrived, 0, memory_order_relaxed);
    atomic_store(&b->epoch, epoch + 1);
    quantc_rt_wake(&b->epoch, &b->sleepers);
    return;
  }
  quantc_rt_wait(&b->epoch, epoch, &b->sleepers, b->spin_ns);
}

void quantc_rt_mark(quantc_frame *frame, int64_t layer, int64_t thread) {
  uint64_t now;
  if (!frame->profile || thread != 0)
    return;
  now = quantc_rt_now();
  frame->profile[2 * layer] += now - frame->mark;
  frame->profile[2 * layer + 1] += 1;
  frame->mark = now;
}

void quantc_rt_fail(quantc_frame *frame, int64_t code, int64_t a, int64_t b) {
  int64_t none = 0;
  /* Read after the threads have joined, so the order of the stores is free. */
  if (__atomic_compare_exchange_n(&frame->error, &none, code, 0,
                                  __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
    frame->error_a = a;
    frame->error_b = b;
  }
}
