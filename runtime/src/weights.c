/*===-- weights.c - The weights file, mapped and checked ------------*- C
 * -*-===*
 *
 * A safetensors file: 8 bytes N, little-endian; N bytes of JSON; the data
 * section, which Package lays out so that it starts at a multiple of 64. Only
 * the data section's size and hash matter here.
 *
 *===----------------------------------------------------------------------===*/
#include "internal.h"
#include "quantc/hash.h"
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

/* Some address for a model without weights. */
static const _Alignas(64) char no_weights[64];

/* The path of `file` beside this library, for free(); NULL: out of memory. */
static char *beside_library(const char *file) {
  Dl_info info;
  const char *slash = NULL;
  size_t folder = 0;
  char *path;
  if (dladdr(&quantc_rt_description, &info) && info.dli_fname)
    slash = strrchr(info.dli_fname, '/');
  if (slash)
    folder = (size_t)(slash - info.dli_fname) + 1;
  path = malloc(folder + strlen(file) + 1);
  if (!path)
    return NULL;
  if (folder)
    memcpy(path, info.dli_fname, folder);
  memcpy(path + folder, file, strlen(file) + 1);
  return path;
}

static int check(const quantc_model_desc *desc, const char *path,
                 const char *map, uint64_t bytes, quantc_weights *w,
                 quantc_error *err) {
  uint64_t header, start;
  if (bytes < 8)
    return quantc_rt_error(err, QUANTC_ERROR_WEIGHTS,
                           "'%s' is no safetensors file: it has %llu bytes",
                           path, (unsigned long long)bytes);
  memcpy(&header, map, 8);
  start = 8 + header;
  if (header > bytes - 8 || start % 64 != 0 || map[8] != '{')
    return quantc_rt_error(err, QUANTC_ERROR_WEIGHTS,
                           "'%s' is no weights file that quantc wrote: its "
                           "safetensors header is damaged",
                           path);
  if (bytes - start != (uint64_t)desc->weights_bytes)
    return quantc_rt_error(
        err, QUANTC_ERROR_WEIGHTS,
        "'%s' is not the weights file of model '%s': it holds %llu bytes of "
        "data where the model needs %llu; give the file that was compiled "
        "together with the library",
        path, desc->name, (unsigned long long)(bytes - start),
        (unsigned long long)desc->weights_bytes);
  if (quantc_hash(map + start, bytes - start) != desc->weights_hash)
    return quantc_rt_error(
        err, QUANTC_ERROR_WEIGHTS,
        "'%s' is not the weights file of model '%s', or it is damaged: its "
        "hash differs; give the file that was compiled together with the "
        "library",
        path, desc->name);
  w->data = map + start;
  return 0;
}

static int map_file(const quantc_model_desc *desc, const char *path,
                    quantc_weights *w, quantc_error *err) {
  off_t bytes;
  void *map;
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0)
    return quantc_rt_error(err, QUANTC_ERROR_WEIGHTS,
                           "cannot open '%s', the weights of model '%s': %s; "
                           "put the file beside the library or pass its path",
                           path, desc->name, strerror(errno));
  bytes = lseek(fd, 0, SEEK_END);
  if (bytes <= 0) {
    close(fd);
    return quantc_rt_error(err, QUANTC_ERROR_WEIGHTS,
                           "'%s', the weights of model '%s', is empty or not a "
                           "regular file",
                           path, desc->name);
  }
  map = mmap(NULL, (size_t)bytes, PROT_READ, MAP_PRIVATE, fd, 0);
  close(fd);
  if (map == MAP_FAILED)
    return quantc_rt_error(err, QUANTC_ERROR_WEIGHTS,
                           "cannot map '%s', the weights of model '%s': %s",
                           path, desc->name, strerror(errno));
  if (check(desc, path, map, (uint64_t)bytes, w, err)) {
    munmap(map, (size_t)bytes);
    return -1;
  }
  w->map = map;
  w->map_bytes = (size_t)bytes;
  return 0;
}

int quantc_rt_map_weights(const quantc_model_desc *desc, const char *path,
                          quantc_weights *weights, quantc_error *err) {
  char *own = NULL;
  int result;
  memset(weights, 0, sizeof *weights);
  if (desc->weights_bytes == 0 || desc->weights_embedded) {
    weights->data =
        desc->weights_embedded ? desc->weights_embedded : no_weights;
    return 0;
  }
  if (!path) {
    path = own = beside_library(desc->weights_file);
    if (!path)
      return quantc_rt_error(err, QUANTC_ERROR_MEMORY, "out of memory");
  }
  result = map_file(desc, path, weights, err);
  free(own);
  return result;
}

void quantc_rt_unmap_weights(quantc_weights *weights) {
  if (weights->map)
    munmap(weights->map, weights->map_bytes);
  memset(weights, 0, sizeof *weights);
}
