/*===-- load.c - quantc_load, all of libquantc-rt -------------------*- C
 * -*-===*/
#include "quantc/runtime.h"
#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#if defined(__x86_64__)
enum { our_machine = EM_X86_64 };
#elif defined(__aarch64__)
enum { our_machine = EM_AARCH64 };
#else
#error "quantc's runtime knows x86-64 and AArch64"
#endif

__attribute__((format(printf, 3, 4))) static int
fail(quantc_error *err, quantc_status status, const char *format, ...) {
  va_list args;
  if (!err)
    return -1;
  err->status = status;
  va_start(args, format);
  vsnprintf(err->message, sizeof err->message, format, args);
  va_end(args);
  return -1;
}

static const char *machine_name(int machine) {
  return machine == EM_X86_64    ? "x86-64"
         : machine == EM_AARCH64 ? "AArch64"
                                 : "another machine";
}

/* The dynamic loader trusts a file's headers and may die of a cut-off one, so
 * they are checked first. */
static int check_elf(const char *path, int fd, quantc_error *err) {
  struct stat status;
  Elf64_Ehdr header;
  Elf64_Phdr segment;
  uint64_t size;
  int i;
  if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode))
    return fail(err, QUANTC_ERROR_LIBRARY, "'%s' is not a regular file", path);
  size = (uint64_t)status.st_size;
  if (pread(fd, &header, sizeof header, 0) != (ssize_t)sizeof header ||
      memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 ||
      header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_type != ET_DYN ||
      header.e_phentsize != sizeof segment)
    return fail(err, QUANTC_ERROR_LIBRARY,
                "'%s' is not a library that quantc compiled: it is no 64-bit "
                "ELF shared object",
                path);
  if (header.e_machine != our_machine)
    return fail(err, QUANTC_ERROR_LIBRARY,
                "'%s' was compiled for %s and this machine is %s; compile the "
                "model with another --target",
                path, machine_name(header.e_machine),
                machine_name(our_machine));
  for (i = 0; i < header.e_phnum; ++i) {
    off_t at = (off_t)(header.e_phoff + (uint64_t)i * sizeof segment);
    if (pread(fd, &segment, sizeof segment, at) != (ssize_t)sizeof segment ||
        segment.p_offset > size || segment.p_filesz > size - segment.p_offset)
      return fail(err, QUANTC_ERROR_LIBRARY,
                  "'%s' is cut off or damaged: it has %llu bytes and its "
                  "headers name more",
                  path, (unsigned long long)size);
  }
  return 0;
}

static void *open_library(const char *path, quantc_error *err) {
  char *local = NULL;
  void *handle;
  int fd = open(path, O_RDONLY | O_CLOEXEC), bad;
  if (fd < 0) {
    fail(err, QUANTC_ERROR_LIBRARY, "cannot open the library '%s': %s", path,
         strerror(errno));
    return NULL;
  }
  bad = check_elf(path, fd, err);
  close(fd);
  if (bad)
    return NULL;
  /* dlopen looks for a name without a slash in the system's folders. */
  if (!strchr(path, '/')) {
    local = malloc(strlen(path) + 3);
    if (!local) {
      fail(err, QUANTC_ERROR_MEMORY, "out of memory");
      return NULL;
    }
    memcpy(local, "./", 2);
    memcpy(local + 2, path, strlen(path) + 1);
  }
  handle = dlopen(local ? local : path, RTLD_NOW | RTLD_LOCAL);
  free(local);
  if (!handle)
    fail(err, QUANTC_ERROR_LIBRARY, "cannot load the library '%s': %s", path,
         dlerror());
  return handle;
}

quantc_model *quantc_load(const char *path, const char *weights,
                          quantc_error *err) {
  void *handle = open_library(path, err);
  quantc_model *(*entry)(void) = NULL;
  quantc_model *model;
  if (!handle)
    return NULL;
  *(void **)&entry = dlsym(handle, "quantc_entry");
  if (!entry) {
    fail(err, QUANTC_ERROR_LIBRARY,
         "'%s' is not a library that quantc compiled: it has no symbol "
         "'quantc_entry'",
         path);
    dlclose(handle);
    return NULL;
  }
  model = entry();
  if (model->api->abi_version != QUANTC_ABI_VERSION) {
    fail(err, QUANTC_ERROR_LIBRARY,
         "'%s' was compiled for version %lld of the C interface and this "
         "program speaks version %d; compile the model again",
         path, (long long)model->api->abi_version, QUANTC_ABI_VERSION);
    dlclose(handle);
    return NULL;
  }
  if (model->api->attach(model, weights, err)) {
    dlclose(handle);
    return NULL;
  }
  return model;
}

int quantc_unload(quantc_model *model, quantc_error *err) {
  Dl_info info;
  void *handle;
  if (!model)
    return 0;
  if (model->api->detach(model, err))
    return -1;
  /* A loader's handle can be had again from an address in the library. */
  if (!dladdr((void *)(uintptr_t)model->api->attach, &info))
    return 0;
  handle = dlopen(info.dli_fname, RTLD_NOW | RTLD_NOLOAD);
  if (handle) {
    dlclose(handle);
    dlclose(handle);
  }
  return 0;
}
