/* A disk whose syncs of the write-ahead log take SLOW_SYNC_MS each, between a process and the C
 * library: what the server can write in a second is then the same on every machine. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static int is_log(int file) {
  char link[64], path[4096];
  snprintf(link, sizeof link, "/proc/self/fd/%d", file);
  ssize_t length = readlink(link, path, sizeof path);
  return length > 4 && memcmp(path + length - 4, "-wal", 4) == 0;
}

static void wait_if_log(int file) {
  const char *ms = getenv("SLOW_SYNC_MS");
  if (ms == NULL || !is_log(file)) return;
  long time = atol(ms);
  struct timespec left = {time / 1000, time % 1000 * 1000000};
  while (nanosleep(&left, &left) != 0) {
  }
}

int fsync(int file) {
  int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fsync");
  wait_if_log(file);
  return real(file);
}

int fdatasync(int file) {
  int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
  wait_if_log(file);
  return real(file);
}
