/*===-- error.c - Errors are values with a message ------------------*- C
 * -*-===*/
#include "internal.h"
#include <stdarg.h>
#include <stdio.h>

static void append(quantc_error *err, const char *format, va_list args) {
  size_t used = strlen(err->message);
  vsnprintf(err->message + used, sizeof err->message - used, format, args);
}

int quantc_rt_error(quantc_error *err, quantc_status status, const char *format,
                    ...) {
  va_list args;
  if (!err)
    return -1;
  err->status = status;
  err->message[0] = 0;
  va_start(args, format);
  append(err, format, args);
  va_end(args);
  return -1;
}

void quantc_rt_append(quantc_error *err, const char *format, ...) {
  va_list args;
  if (!err)
    return;
  va_start(args, format);
  append(err, format, args);
  va_end(args);
}
