/* A disk and a clock that misbehave on request, between a process and the C library.
 *
 * Preloaded into the server by the tests of this folder, and into PostgreSQL by those of several
 * nodes. It owns two files: a journal, to which
 * every change below FAULTS_ROOT is appended in the order in which it happened, with its bytes and
 * with when each sync began and ended; and a page of control words, by which a test makes writes
 * fail with ENOSPC or EROFS, syncs with EIO, and the wall clock jump.
 *
 * Kept: a change stands in the journal before the call that made it returns, and a sync only after
 * the disk has confirmed it. Shared memory (*-shm) is not journalled: it does not outlive a power
 * cut. It never changes what is read, and never touches files outside FAULTS_ROOT.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

/* Words of the control page, in this order; layer.rs has the same list. */
struct control {
  int64_t full;        /* 1: nothing grows; 2: only shared memory does not */
  int64_t sync_fails;  /* how many more syncs fail */
  int64_t sync_of;     /* 0: of any file; 1: of the write-ahead log; 2: of the database */
  int64_t read_only;   /* nothing can be written, made or removed */
  int64_t clock_s;     /* added to the wall clock, in seconds */
  int64_t refused;     /* calls that were told ENOSPC or EROFS */
  int64_t unsynced;    /* syncs that were told EIO */
  int64_t stepped;     /* readings of the clock that were wrong */
};

struct record {
  uint32_t magic, op;
  uint64_t file, at;
  uint32_t length, flags;
};

enum { MAGIC = 0x4b454556 };
enum { OPEN = 1, WRITE, TRUNCATE, SYNC_BEGIN, SYNC_END, SYNC_FAILED, UNLINK, RENAME, MKDIR };
enum { CREATED = 1, DIRECTORY = 2 };
enum { PLAIN = 1, SHARED_MEMORY = 2, LOG = 3, DATABASE = 4, FOLDER = 5 };
enum { HANDLES = 65536 };

static struct control none, *control = &none;
static const char *root;
static size_t root_length;
static int journal = -1;
static uint64_t syncs;
static struct { uint64_t inode; int kind; } handles[HANDLES];
static pthread_mutex_t order = PTHREAD_MUTEX_INITIALIZER;
static int (*real_clock)(clockid_t, struct timespec *);

__attribute__((constructor)) static void begin(void) {
  real_clock = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
  /* A copy: PostgreSQL writes its title over its environment. */
  root = getenv("FAULTS_ROOT");
  root = root ? strdup(root) : 0;
  root_length = root ? strlen(root) : 0;
  const char *path = getenv("FAULTS_CONTROL");
  if (path) {
    int fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC, 0);
    if (fd < 0) abort();
    void *page = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    syscall(SYS_close, fd);
    if (page == MAP_FAILED) abort();
    control = page;
  }
  path = getenv("FAULTS_JOURNAL");
  if (path) {
    int flags = O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC;
    journal = (int)syscall(SYS_openat, AT_FDCWD, path, flags, 0600);
    if (journal < 0) abort();
  }
}

static int64_t word(int64_t *of) { return __atomic_load_n(of, __ATOMIC_SEQ_CST); }
static void count(int64_t *of) { __atomic_add_fetch(of, 1, __ATOMIC_SEQ_CST); }

static int refuse(int error) {
  count(&control->refused);
  errno = error;
  return -1;
}

static void note(uint32_t op, uint64_t file, uint64_t at, const void *data, size_t length,
                 uint32_t flags) {
  if (journal < 0) return;
  int kept = errno;
  struct record head = {MAGIC, op, file, at, (uint32_t)length, flags};
  struct iovec parts[2] = {{&head, sizeof head}, {(void *)data, length}};
  if (syscall(SYS_writev, journal, parts, 2) != (long)(sizeof head + length)) abort();
  errno = kept;
}

static int is_ours(const char *path) {
  return root && strncmp(path, root, root_length) == 0 &&
         (path[root_length] == '/' || path[root_length] == 0);
}

/* Where a path leads below the root. */
static const char *below(const char *path) {
  path += root_length;
  while (*path == '/') path++;
  return path;
}

static int ends(const char *path, const char *with) {
  size_t a = strlen(path), b = strlen(with);
  return a >= b && strcmp(path + a - b, with) == 0;
}

static int kind_of(int fd) { return fd >= 0 && fd < HANDLES ? handles[fd].kind : 0; }

static int do_open(const char *path, int flags, mode_t mode) {
  if (!is_ours(path)) return (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
  int writes = (flags & O_ACCMODE) != O_RDONLY || (flags & (O_CREAT | O_TRUNC));
  if (writes && word(&control->read_only)) return refuse(EROFS);
  pthread_mutex_lock(&order);
  int fresh = syscall(SYS_faccessat, AT_FDCWD, path, F_OK) != 0;
  if (fresh && (flags & O_CREAT) && word(&control->full) == 1) {
    pthread_mutex_unlock(&order);
    return refuse(ENOSPC);
  }
  int fd = (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
  struct stat about;
  if (fd >= 0 && fd < HANDLES && fstat(fd, &about) == 0) {
    int folder = S_ISDIR(about.st_mode);
    handles[fd].inode = about.st_ino;
    handles[fd].kind = folder                      ? FOLDER
                       : ends(path, "-shm")        ? SHARED_MEMORY
                       : ends(path, "keel.db-wal") ? LOG
                       : ends(path, "keel.db")     ? DATABASE
                                                   : PLAIN;
    const char *name = below(path);
    if (handles[fd].kind != SHARED_MEMORY)
      note(OPEN, about.st_ino, 0, name, strlen(name),
           (fresh ? CREATED : 0) | (folder ? DIRECTORY : 0));
    if ((flags & O_TRUNC) && !fresh && handles[fd].kind != SHARED_MEMORY)
      note(TRUNCATE, about.st_ino, 0, "", 0, 0);
  }
  pthread_mutex_unlock(&order);
  return fd;
}

#define WITH_MODE(flags, mode)                       \
  mode_t mode = 0;                                   \
  if ((flags) & (O_CREAT | O_TMPFILE)) {             \
    va_list rest;                                    \
    va_start(rest, flags);                           \
    mode = (mode_t)va_arg(rest, int);                \
    va_end(rest);                                    \
  }

int open(const char *path, int flags, ...) {
  WITH_MODE(flags, mode)
  return do_open(path, flags, mode);
}
int open64(const char *path, int flags, ...) {
  WITH_MODE(flags, mode)
  return do_open(path, flags, mode);
}
int __open_2(const char *path, int flags) { return do_open(path, flags, 0); }
int __open64_2(const char *path, int flags) { return do_open(path, flags, 0); }

static int do_openat(int folder, const char *path, int flags, mode_t mode) {
  if (folder == AT_FDCWD || path[0] == '/') return do_open(path, flags, mode);
  return (int)syscall(SYS_openat, folder, path, flags, mode);
}
int openat(int at, const char *path, int flags, ...) {
  WITH_MODE(flags, mode)
  return do_openat(at, path, flags, mode);
}
int openat64(int at, const char *path, int flags, ...) {
  WITH_MODE(flags, mode)
  return do_openat(at, path, flags, mode);
}

int close(int fd) {
  if (kind_of(fd)) handles[fd].kind = 0;
  return (int)syscall(SYS_close, fd);
}

/* A write that is nobody's business. */
static ssize_t plainly(int fd, const void *data, size_t length, off_t at) {
  if (at < 0) return syscall(SYS_write, fd, data, length);
  return syscall(SYS_pwrite64, fd, data, length, at);
}

/* A write at a place, or at the handle's own where `at` is negative. */
static ssize_t do_write(int fd, const void *data, size_t length, off_t at) {
  int kind = kind_of(fd);
  if (!kind || !length) return plainly(fd, data, length, at);
  if (word(&control->read_only)) return refuse(EROFS);
  pthread_mutex_lock(&order);
  struct stat before;
  fstat(fd, &before);
  off_t place = at;
  if (at < 0) {
    int appends = (int)syscall(SYS_fcntl, fd, F_GETFL) & O_APPEND;
    place = appends ? before.st_size : syscall(SYS_lseek, fd, 0, SEEK_CUR);
  }
  int64_t full = word(&control->full);
  int grows = place + (off_t)length > before.st_size;
  if (grows && (full == 1 || (full == 2 && kind == SHARED_MEMORY))) {
    /* A large write still finds some room: what is full is found out in its middle. */
    if (length < 4096) {
      pthread_mutex_unlock(&order);
      return refuse(ENOSPC);
    }
    length = 2048;
    count(&control->refused);
  }
  ssize_t done = plainly(fd, data, length, at);
  if (done > 0 && kind != SHARED_MEMORY)
    note(WRITE, handles[fd].inode, (uint64_t)place, data, (size_t)done, 0);
  pthread_mutex_unlock(&order);
  return done;
}

ssize_t write(int fd, const void *data, size_t length) {
  return do_write(fd, data, length, -1);
}
ssize_t pwrite(int fd, const void *data, size_t length, off_t at) {
  return do_write(fd, data, length, at);
}
ssize_t pwrite64(int fd, const void *data, size_t length, off64_t at) {
  return do_write(fd, data, length, at);
}

ssize_t writev(int fd, const struct iovec *parts, int number) {
  if (!kind_of(fd)) return syscall(SYS_writev, fd, parts, number);
  /* The first part alone is a short write, which every caller has to bear. */
  for (int i = 0; i < number; i++)
    if (parts[i].iov_len) return do_write(fd, parts[i].iov_base, parts[i].iov_len, -1);
  return 0;
}

static ssize_t do_pwritev(int fd, const struct iovec *parts, int number, off_t at) {
  if (!kind_of(fd)) return syscall(SYS_pwritev, fd, parts, number, (long)at, 0L);
  for (int i = 0; i < number; i++)
    if (parts[i].iov_len) return do_write(fd, parts[i].iov_base, parts[i].iov_len, at);
  return 0;
}
ssize_t pwritev(int fd, const struct iovec *parts, int number, off_t at) {
  return do_pwritev(fd, parts, number, at);
}
ssize_t pwritev64(int fd, const struct iovec *parts, int number, off64_t at) {
  return do_pwritev(fd, parts, number, at);
}

/* Only told apart where it would grow a file; that is never journalled. Answers with the error. */
static int do_fallocate(int fd, off_t at, off_t length) {
  struct stat before;
  if (kind_of(fd) && word(&control->full) == 1 && fstat(fd, &before) == 0 &&
      at + length > before.st_size) {
    count(&control->refused);
    return ENOSPC;
  }
  return syscall(SYS_fallocate, fd, 0, at, length) == 0 ? 0 : errno;
}
int posix_fallocate(int fd, off_t at, off_t length) { return do_fallocate(fd, at, length); }
int posix_fallocate64(int fd, off64_t at, off64_t length) { return do_fallocate(fd, at, length); }

static int do_truncate(int fd, off_t size) {
  int kind = kind_of(fd);
  if (!kind) return (int)syscall(SYS_ftruncate, fd, size);
  if (word(&control->read_only)) return refuse(EROFS);
  pthread_mutex_lock(&order);
  int done = (int)syscall(SYS_ftruncate, fd, size);
  if (done == 0 && kind != SHARED_MEMORY)
    note(TRUNCATE, handles[fd].inode, (uint64_t)size, "", 0, 0);
  pthread_mutex_unlock(&order);
  return done;
}
int ftruncate(int fd, off_t size) { return do_truncate(fd, size); }
int ftruncate64(int fd, off64_t size) { return do_truncate(fd, size); }

static int do_sync(int fd, long how) {
  int kind = kind_of(fd);
  if (!kind || kind == SHARED_MEMORY) return (int)syscall(how, fd);
  int64_t of = word(&control->sync_of);
  uint64_t inode = handles[fd].inode, number = __atomic_add_fetch(&syncs, 1, __ATOMIC_SEQ_CST);
  pthread_mutex_lock(&order);
  note(SYNC_BEGIN, inode, number, "", 0, 0);
  pthread_mutex_unlock(&order);
  int meant = of == 0 || (of == 1 && kind == LOG) || (of == 2 && kind == DATABASE);
  if (meant && word(&control->sync_fails) > 0 &&
      __atomic_fetch_sub(&control->sync_fails, 1, __ATOMIC_SEQ_CST) > 0) {
    count(&control->unsynced);
    note(SYNC_FAILED, inode, number, "", 0, 0);
    errno = EIO;
    return -1;
  }
  int done = (int)syscall(how, fd);
  if (done == 0) note(SYNC_END, inode, number, "", 0, 0);
  return done;
}
int fsync(int fd) { return do_sync(fd, SYS_fsync); }
int fdatasync(int fd) { return do_sync(fd, SYS_fdatasync); }

int unlink(const char *path) {
  if (!is_ours(path)) return (int)syscall(SYS_unlinkat, AT_FDCWD, path, 0);
  if (word(&control->read_only)) return refuse(EROFS);
  pthread_mutex_lock(&order);
  int done = (int)syscall(SYS_unlinkat, AT_FDCWD, path, 0);
  const char *name = below(path);
  if (done == 0 && !ends(path, "-shm")) note(UNLINK, 0, 0, name, strlen(name), 0);
  pthread_mutex_unlock(&order);
  return done;
}

int rename(const char *from, const char *to) {
  if (!is_ours(from) || !is_ours(to))
    return (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
  if (word(&control->read_only)) return refuse(EROFS);
  pthread_mutex_lock(&order);
  int done = (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
  if (done == 0) {
    char both[8192];
    size_t one = strlen(below(from)), other = strlen(below(to));
    if (one + other + 1 > sizeof both) abort();
    memcpy(both, below(from), one + 1);
    memcpy(both + one + 1, below(to), other);
    note(RENAME, 0, 0, both, one + 1 + other, 0);
  }
  pthread_mutex_unlock(&order);
  return done;
}

int mkdir(const char *path, mode_t mode) {
  if (!is_ours(path)) return (int)syscall(SYS_mkdirat, AT_FDCWD, path, mode);
  if (word(&control->read_only)) return refuse(EROFS);
  pthread_mutex_lock(&order);
  int done = (int)syscall(SYS_mkdirat, AT_FDCWD, path, mode);
  const char *name = below(path);
  if (done == 0) note(MKDIR, 0, 0, name, strlen(name), 0);
  pthread_mutex_unlock(&order);
  return done;
}

int clock_gettime(clockid_t of, struct timespec *now) {
  int done = real_clock ? real_clock(of, now) : (int)syscall(SYS_clock_gettime, of, now);
  int64_t off = word(&control->clock_s);
  if (done == 0 && off && (of == CLOCK_REALTIME || of == CLOCK_REALTIME_COARSE)) {
    now->tv_sec += off;
    count(&control->stepped);
  }
  return done;
}
