/*===-- heap.c - Tensors of sizes that the run finds out ------------*- C
 * -*-===*
 *
 * The arena is as large as the inputs' dimensions say. What is only known while
 * the schedule runs (how many elements are not zero, how often a loop has run)
 * has a slot of its own here. Slots only grow, and are kept from run to run, so
 * a run that is no larger than an earlier one allocates nothing.
 *
 *===----------------------------------------------------------------------===*/
#include "internal.h"
#include <setjmp.h>
#include <stdlib.h>

/* What grows a little each time (a loop's results) is moved seldom. */
static int64_t with_room(const quantc_slot *s, int64_t bytes) {
  int64_t grown = s->bytes + s->bytes / 2;
  bytes = bytes > grown ? bytes : grown;
  return (bytes + 127) / 64 * 64;
}

static bool grow(quantc_slot *s, int64_t bytes, bool keep) {
  void *data = NULL;
  if (s->data && bytes <= s->bytes)
    return true;
  if (bytes > INT64_MAX / 4)
    return false;
  bytes = with_room(s, bytes);
  if (!keep) { /* so that the peak is the larger one and not the sum */
    free(s->data);
    s->data = NULL;
  }
  if (posix_memalign(&data, 64, (size_t)bytes) != 0) {
    if (!keep)
      s->bytes = 0;
    return false;
  }
  if (s->data) {
    memcpy(data, s->data, (size_t)s->bytes);
    free(s->data);
  }
  s->data = data;
  s->bytes = bytes;
  return true;
}

void quantc_rt_allocate(quantc_frame *frame, int64_t slot, int64_t bytes,
                        int64_t keep, int64_t thread, int64_t threads) {
  quantc_slot *s = &frame->heap[slot];
  if (bytes < 0)
    quantc_rt_leave(frame, QUANTC_FAIL_SIZE, bytes, 0, thread);
  if (thread == 0)
    s->failed = !grow(s, bytes, keep != 0);
  quantc_rt_barrier(frame, thread, threads);
  if (s->failed)
    quantc_rt_leave(frame, QUANTC_FAIL_MEMORY, bytes, 0, thread);
}

void quantc_rt_exchange(quantc_frame *frame, int64_t a, int64_t b,
                        int64_t thread) {
  quantc_slot other;
  if (thread != 0)
    return;
  other = frame->heap[a];
  frame->heap[a] = frame->heap[b];
  frame->heap[b] = other;
}

void quantc_rt_leave(quantc_frame *frame, int64_t code, int64_t a, int64_t b,
                     int64_t thread) {
  quantc_rt_fail(frame, code, a, b);
  longjmp(*(jmp_buf *)frame->leave[thread], 1);
}

void quantc_rt_free_heap(quantc_slot *heap, int64_t n) {
  int64_t i;
  for (i = 0; i < n; ++i)
    free(heap[i].data);
}
