/*===-- team.c - One thread team a library --------------------------*- C
 * -*-===*
 *
 * Thread 0 of a job is the caller; the others are workers, each pinned to one
 * CPU and woken through a mailbox of its own. An idle worker spins for a
 * bounded time and then sleeps in the kernel, so an idle process burns nothing.
 * Jobs of several sessions take turns in the order in which they came.
 *
 *===----------------------------------------------------------------------===*/
#include "internal.h"
#include <sched.h>
#include <signal.h>
#include <stdlib.h>

typedef void (*job_fn)(void *arg, int64_t thread, int64_t threads);

typedef struct worker {
  /* The mailbox: written by the caller whose turn it is, published by `mail`.
   */
  _Alignas(64) _Atomic uint32_t mail;
  _Atomic uint32_t sleeping;
  job_fn job; /* NULL: end */
  void *arg;
  int64_t thread, threads, spin_ns;
  int cpu; /* where it is pinned, or -1 */
  struct library_team *team;
  pthread_t handle;
} worker;

struct library_team {
  quantc_team base;
  /* Changed by whose turn it is. */
  int64_t n_workers;
  int64_t cpus; /* allowed when the last worker was started */
  worker *workers[QUANTC_RT_MAX_THREADS - 1];
  _Alignas(64) _Atomic uint32_t next_turn;
  _Alignas(64) _Atomic uint32_t turn;
  _Atomic uint32_t turn_sleepers;
  _Alignas(64) _Atomic uint32_t running; /* workers still in the job */
  _Atomic uint32_t running_sleepers;
};

static int team_run(quantc_team *self, job_fn job, void *arg, int64_t threads);
static struct library_team the_team = {.base = {team_run}};

/*===-- CPUs ------------------------------------------------------------===*/

enum { max_cpus = 8192 };
typedef struct {
  unsigned long bits[max_cpus / (8 * sizeof(unsigned long))];
} cpu_mask;

static bool mask_has(const cpu_mask *m, int cpu) {
  const int word = 8 * sizeof(unsigned long);
  return m->bits[cpu / word] >> (cpu % word) & 1;
}

static void mask_set(cpu_mask *m, int cpu, bool on) {
  const int word = 8 * sizeof(unsigned long);
  unsigned long bit = 1ul << (cpu % word);
  if (on)
    m->bits[cpu / word] |= bit;
  else
    m->bits[cpu / word] &= ~bit;
}

static bool get_mask(cpu_mask *m) {
  memset(m, 0, sizeof *m);
  return sched_getaffinity(0, sizeof *m, (cpu_set_t *)m) == 0;
}

int64_t quantc_rt_cpu_count(void) {
  cpu_mask m;
  int64_t n = 0;
  size_t i;
  if (get_mask(&m))
    for (i = 0; i < sizeof m.bits / sizeof *m.bits; ++i)
      n += __builtin_popcountl(m.bits[i]);
  return n > 0 ? n : 1;
}

int64_t quantc_rt_spin_ns(int64_t threads, int64_t cpus) {
  return threads > cpus ? 0 : 100000;
}

/* The CPU that worker `thread` is to live on: the thread-th of those that its
 * creator may use, or -1. */
static int cpu_of(int64_t thread, const cpu_mask *allowed, int64_t cpus) {
  int cpu;
  thread %= cpus;
  for (cpu = 0; cpu < max_cpus; ++cpu)
    if (mask_has(allowed, cpu) && thread-- == 0)
      return cpu;
  return -1;
}

static void pin(int cpu) {
  cpu_mask one;
  if (cpu < 0)
    return;
  memset(&one, 0, sizeof one);
  mask_set(&one, cpu, true);
  sched_setaffinity(0, sizeof one, (const cpu_set_t *)&one);
}

/*===-- Workers ---------------------------------------------------------===*/

static void *worker_main(void *arg) {
  worker *w = arg;
  struct library_team *team = w->team;
  uint32_t seen = 0;
  int64_t spin = 0;
  pin(w->cpu);
  for (;;) {
    quantc_rt_wait(&w->mail, seen, &w->sleeping, spin);
    ++seen;
    if (!w->job)
      return NULL;
    spin = w->spin_ns;
    w->job(w->arg, w->thread, w->threads);
    if (atomic_fetch_sub(&team->running, 1) == 1)
      quantc_rt_wake(&team->running, &team->running_sleepers);
  }
}

static void post(worker *w) {
  atomic_fetch_add(&w->mail, 1);
  quantc_rt_wake(&w->mail, &w->sleeping);
}

/* The kernel would wake a pinned worker on the caller's CPU and both would wait
 * for each other. If the caller stands on a worker's CPU it is moved off; its
 * affinity afterwards is what it was. */
static void leave_worker_cpus(struct library_team *team, int64_t threads) {
  cpu_mask mine, others;
  int64_t i;
  int here = sched_getcpu();
  for (i = 0; i < threads - 1 && team->workers[i]->cpu != here; ++i)
    ;
  if (i == threads - 1 || !get_mask(&mine))
    return;
  others = mine;
  for (i = 0; i < threads - 1; ++i)
    if (team->workers[i]->cpu >= 0)
      mask_set(&others, team->workers[i]->cpu, false);
  /* Fails if no CPU is left, and then they share. */
  if (sched_setaffinity(0, sizeof others, (const cpu_set_t *)&others) == 0)
    sched_setaffinity(0, sizeof mine, (const cpu_set_t *)&mine);
}

/* Signals are the program's business: workers are started with all blocked. */
static int start_workers(struct library_team *team, int64_t n) {
  sigset_t all, old;
  cpu_mask allowed;
  int failed = 0;
  if (team->n_workers >= n)
    return 0;
  get_mask(&allowed);
  team->cpus = quantc_rt_cpu_count();
  sigfillset(&all);
  /* Faults are for the program's handlers, whichever thread they happen in;
   * blocked, they would kill it at once. */
  sigdelset(&all, SIGBUS);
  sigdelset(&all, SIGSEGV);
  sigdelset(&all, SIGILL);
  sigdelset(&all, SIGFPE);
  sigdelset(&all, SIGTRAP);
  pthread_sigmask(SIG_SETMASK, &all, &old);
  while (team->n_workers < n && !failed) {
    worker *w = NULL;
    if (posix_memalign((void **)&w, 64, sizeof *w) != 0) {
      failed = 1;
      break;
    }
    memset(w, 0, sizeof *w);
    w->team = team;
    w->thread = team->n_workers + 1;
    w->cpu = cpu_of(w->thread, &allowed, team->cpus);
    if (pthread_create(&w->handle, NULL, worker_main, w) != 0) {
      free(w);
      failed = 1;
      break;
    }
    team->workers[team->n_workers++] = w;
  }
  pthread_sigmask(SIG_SETMASK, &old, NULL);
  return failed;
}

/*===-- Turns -----------------------------------------------------------===*/

static void take_turn(struct library_team *team) {
  uint32_t mine = atomic_fetch_add(&team->next_turn, 1), now;
  while ((now = atomic_load_explicit(&team->turn, memory_order_acquire)) !=
         mine)
    quantc_rt_wait(&team->turn, now, &team->turn_sleepers, 20000);
}

static void end_turn(struct library_team *team) {
  atomic_fetch_add(&team->turn, 1);
  quantc_rt_wake(&team->turn, &team->turn_sleepers);
}

static int team_run(quantc_team *self, job_fn job, void *arg, int64_t threads) {
  struct library_team *team = (struct library_team *)self;
  int64_t i, spin_ns;
  uint32_t left;
  if (threads < 1 || threads > QUANTC_RT_MAX_THREADS)
    return -1;
  if (threads == 1) {
    job(arg, 0, 1);
    return 0;
  }
  take_turn(team);
  if (start_workers(team, threads - 1)) {
    end_turn(team);
    return -1;
  }
  spin_ns = quantc_rt_spin_ns(threads, team->cpus);
  if (spin_ns)
    leave_worker_cpus(team, threads);
  atomic_store(&team->running, (uint32_t)threads - 1);
  for (i = 0; i < threads - 1; ++i) {
    worker *w = team->workers[i];
    w->job = job;
    w->arg = arg;
    w->threads = threads;
    w->spin_ns = spin_ns;
    post(w);
  }
  job(arg, 0, threads);
  while ((left = atomic_load_explicit(&team->running, memory_order_acquire)))
    quantc_rt_wait(&team->running, left, &team->running_sleepers, spin_ns);
  end_turn(team);
  return 0;
}

quantc_team *quantc_rt_team(void) { return &the_team.base; }

int quantc_rt_team_reserve(int64_t threads, quantc_error *err) {
  int failed;
  take_turn(&the_team);
  failed = start_workers(&the_team, threads - 1);
  end_turn(&the_team);
  if (failed)
    return quantc_rt_error(err, QUANTC_ERROR_MEMORY,
                           "cannot start %lld threads: the system refused one; "
                           "ask for fewer in quantc_options.threads",
                           (long long)threads);
  return 0;
}

void quantc_rt_team_stop(void) {
  take_turn(&the_team);
  while (the_team.n_workers > 0) {
    worker *w = the_team.workers[--the_team.n_workers];
    w->job = NULL;
    post(w);
    pthread_join(w->handle, NULL);
    free(w);
  }
  end_turn(&the_team);
}
