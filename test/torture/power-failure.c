/*
 * Records what programs do to the files below a directory, so that a test can tell what a disk would have after a power
 * failure: loaded with LD_PRELOAD, it writes a record of each call that changes files or waits for the disk to a log.
 *
 * POWER_ROOT     the directory, without symbolic links
 * POWER_LOG      the log: records as in `struct record`, each followed by its two paths and its data
 * POWER_CONTROL  a file of 4096 bytes: byte 0 is set when the power goes, which stops every call for good;
 *                the 32-bit number at byte 8 counts the calls under way
 *
 * A call is recorded after it was made and before its caller goes on. A sync is recorded with the length of the log when it
 * began: it covers what was recorded before. Names that end in -shm are left out, which SQLite makes anew after a crash, and
 * the file `reserve`, which holds nothing.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#ifndef FICLONE
#define FICLONE _IOW(0x94, 9, int)
#endif

enum { CREATE = 1, WRITE, TRUNCATE, RENAME, LINK, UNLINK, MKDIR, RMDIR, SYNC_FILE, SYNC_DIRECTORY, SYNC_ALL };

struct record {
  uint32_t length; /* of all of it */
  uint32_t kind;
  uint64_t inode;
  uint64_t offset; /* of a write, the size of a truncation, the length of the log of a sync */
  uint32_t first;  /* lengths of the paths and of the data */
  uint32_t second;
  uint32_t data;
  uint32_t truncated; /* CREATE: the file was emptied */
};

static const char *root;
static size_t root_length;
static int log_file = -1;
static volatile unsigned char *cut;
static _Atomic int *under_way;

#define REAL(name) ((__typeof__(&name))real(#name))

static void *real(const char *name) {
  void *found = dlsym(RTLD_NEXT, name);
  if (found == NULL) abort();
  return found;
}

__attribute__((constructor)) static void start(void) {
  const char *log = getenv("POWER_LOG"), *control = getenv("POWER_CONTROL");
  root = getenv("POWER_ROOT");
  if (root == NULL || log == NULL || control == NULL) return;
  root_length = strlen(root);
  int control_file = REAL(open)(control, O_RDWR | O_CLOEXEC);
  if (control_file < 0) abort();
  unsigned char *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, control_file, 0);
  if (page == MAP_FAILED) abort();
  REAL(close)(control_file);
  cut = page;
  under_way = (_Atomic int *)(page + 8);
  int opened = REAL(open)(log, O_WRONLY | O_APPEND | O_CLOEXEC);
  /* Out of the way of programs that expect to get low numbers. */
  log_file = fcntl(opened, F_DUPFD_CLOEXEC, 900);
  if (log_file < 0) abort();
  REAL(close)(opened);
}

/* A call begins; when the power is gone it never does. */
static void begin(void) {
  atomic_fetch_add(under_way, 1);
  if (*cut) {
    atomic_fetch_sub(under_way, 1);
    for (;;) pause();
  }
}

static void end(void) {
  int saved = errno;
  atomic_fetch_sub(under_way, 1);
  errno = saved;
}

static uint64_t log_length(void) {
  struct stat found;
  return fstat(log_file, &found) == 0 ? (uint64_t)found.st_size : 0;
}

static void note(uint32_t kind, uint64_t inode, uint64_t offset, const char *first, const char *second,
                 const struct iovec *data, int parts, size_t size, uint32_t truncated) {
  int saved = errno;
  struct record record = {.kind = kind, .inode = inode, .offset = offset, .truncated = truncated};
  record.first = first == NULL ? 0 : (uint32_t)strlen(first);
  record.second = second == NULL ? 0 : (uint32_t)strlen(second);
  record.data = (uint32_t)size;
  record.length = (uint32_t)sizeof record + record.first + record.second + record.data;
  struct iovec all[IOV_MAX];
  int count = 0;
  all[count++] = (struct iovec){&record, sizeof record};
  if (record.first > 0) all[count++] = (struct iovec){(void *)first, record.first};
  if (record.second > 0) all[count++] = (struct iovec){(void *)second, record.second};
  for (int part = 0; part < parts && size > 0; part++) {
    if (count == IOV_MAX) abort();
    size_t length = data[part].iov_len < size ? data[part].iov_len : size;
    all[count++] = (struct iovec){data[part].iov_base, length};
    size -= length;
  }
  if (REAL(writev)(log_file, all, count) != (ssize_t)record.length) abort();
  errno = saved;
}

static int is_below(const char *path) {
  if (log_file < 0 || strncmp(path, root, root_length) != 0) return 0;
  if (path[root_length] != '/' && path[root_length] != '\0') return 0;
  size_t length = strlen(path);
  if (length >= 4 && strcmp(path + length - 4, "-shm") == 0) return 0;
  return strcmp(path + root_length, "/reserve") != 0;
}

/* The absolute path. Returns whether it is below the root. */
static int locate(int directory, const char *path, char *located) {
  if (log_file < 0 || path == NULL) return 0;
  if (path[0] == '/') {
    snprintf(located, PATH_MAX, "%s", path);
  } else {
    char base[PATH_MAX], link[64];
    if (directory == AT_FDCWD) {
      if (getcwd(base, sizeof base) == NULL) return 0;
    } else {
      snprintf(link, sizeof link, "/proc/self/fd/%d", directory);
      ssize_t length = readlink(link, base, sizeof base - 1);
      if (length < 0) return 0;
      base[length] = '\0';
    }
    if (snprintf(located, PATH_MAX, "%s/%s", base, path) >= PATH_MAX) return 0;
  }
  size_t length = strlen(located);
  while (length > 1 && located[length - 1] == '/') located[--length] = '\0';
  return is_below(located);
}

/* The path that an open file had when it was opened, or has now. Returns whether it is below the root. */
static int locate_file(int file, char *located, struct stat *found) {
  if (log_file < 0 || fstat(file, found) != 0) return 0;
  if (!S_ISREG(found->st_mode) && !S_ISDIR(found->st_mode)) return 0;
  char link[64];
  snprintf(link, sizeof link, "/proc/self/fd/%d", file);
  ssize_t length = readlink(link, located, PATH_MAX - 1);
  if (length < 0) return 0;
  located[length] = '\0';
  return is_below(located);
}

/* Records the whole content of a file, as if it had just been written. */
static void note_content(int file, uint64_t inode) {
  static const size_t piece = 1 << 16;
  char buffer[1 << 16];
  for (off_t at = 0;;) {
    ssize_t count = pread(file, buffer, piece, at);
    if (count <= 0) return;
    struct iovec part = {buffer, (size_t)count};
    note(WRITE, inode, (uint64_t)at, NULL, NULL, &part, 1, (size_t)count, 0);
    at += count;
  }
}

/* ---- opening ---- */

typedef int open_at(int, const char *, int, ...);

static int open_recorded(const char *name, int directory, const char *path, int flags, mode_t mode) {
  open_at *call = (open_at *)real(name);
  char located[PATH_MAX];
  if ((flags & (O_CREAT | O_TRUNC)) == 0 || !locate(directory, path, located)) return call(directory, path, flags, mode);
  begin();
  int file = call(directory, path, flags, mode);
  struct stat found;
  if (file >= 0 && fstat(file, &found) == 0 && S_ISREG(found.st_mode)) {
    note(CREATE, found.st_ino, 0, located, NULL, NULL, 0, 0, (flags & O_TRUNC) != 0);
  }
  end();
  return file;
}

#define OPENING(flags)                                   \
  mode_t mode = 0;                                       \
  if (((flags) & (O_CREAT | __O_TMPFILE)) != 0) {        \
    va_list rest;                                        \
    va_start(rest, flags);                               \
    mode = va_arg(rest, mode_t);                         \
    va_end(rest);                                        \
  }

int open(const char *path, int flags, ...) {
  OPENING(flags)
  return open_recorded("openat", AT_FDCWD, path, flags, mode);
}
int open64(const char *path, int flags, ...) {
  OPENING(flags)
  return open_recorded("openat64", AT_FDCWD, path, flags, mode);
}
int openat(int directory, const char *path, int flags, ...) {
  OPENING(flags)
  return open_recorded("openat", directory, path, flags, mode);
}
int openat64(int directory, const char *path, int flags, ...) {
  OPENING(flags)
  return open_recorded("openat64", directory, path, flags, mode);
}

/* ---- data ---- */

#define WRITING(file, made, at, iov, parts)                                                  \
  char located[PATH_MAX];                                                                    \
  struct stat found;                                                                         \
  if (!locate_file(file, located, &found) || !S_ISREG(found.st_mode)) return made;           \
  begin();                                                                                   \
  ssize_t count = made;                                                                      \
  if (count > 0) note(WRITE, found.st_ino, (uint64_t)(at), NULL, NULL, iov, parts, (size_t)count, 0); \
  end();                                                                                     \
  return count;

ssize_t write(int file, const void *data, size_t size) {
  struct iovec one = {(void *)data, size};
  WRITING(file, REAL(write)(file, data, size), lseek(file, 0, SEEK_CUR) - count, &one, 1)
}
ssize_t writev(int file, const struct iovec *data, int parts) {
  WRITING(file, REAL(writev)(file, data, parts), lseek(file, 0, SEEK_CUR) - count, data, parts)
}
ssize_t pwrite(int file, const void *data, size_t size, off_t offset) {
  struct iovec one = {(void *)data, size};
  WRITING(file, REAL(pwrite)(file, data, size, offset), offset, &one, 1)
}
ssize_t pwrite64(int file, const void *data, size_t size, off64_t offset) {
  struct iovec one = {(void *)data, size};
  WRITING(file, REAL(pwrite64)(file, data, size, offset), offset, &one, 1)
}
ssize_t pwritev(int file, const struct iovec *data, int parts, off_t offset) {
  WRITING(file, REAL(pwritev)(file, data, parts, offset), offset, data, parts)
}
ssize_t pwritev64(int file, const struct iovec *data, int parts, off64_t offset) {
  WRITING(file, REAL(pwritev64)(file, data, parts, offset), offset, data, parts)
}

static int truncate_recorded(const char *name, int file, off64_t size) {
  int (*call)(int, off64_t) = (int (*)(int, off64_t))real(name);
  char located[PATH_MAX];
  struct stat found;
  if (!locate_file(file, located, &found)) return call(file, size);
  begin();
  int result = call(file, size);
  if (result == 0) note(TRUNCATE, found.st_ino, (uint64_t)size, NULL, NULL, NULL, 0, 0, 0);
  end();
  return result;
}
int ftruncate(int file, off_t size) { return truncate_recorded("ftruncate", file, size); }
int ftruncate64(int file, off64_t size) { return truncate_recorded("ftruncate64", file, size); }

int ioctl(int file, unsigned long request, ...) {
  va_list rest;
  va_start(rest, request);
  void *argument = va_arg(rest, void *);
  va_end(rest);
  char located[PATH_MAX];
  struct stat found;
  if (request != FICLONE || !locate_file(file, located, &found)) return REAL(ioctl)(file, request, argument);
  begin();
  int result = REAL(ioctl)(file, request, argument);
  if (result == 0) note_content((int)(intptr_t)argument, found.st_ino);
  end();
  return result;
}

/* ---- names ---- */

static int rename_recorded(int from_directory, const char *from, int to_directory, const char *to, unsigned flags) {
  char first[PATH_MAX], second[PATH_MAX];
  int inside = locate(from_directory, from, first), here = locate(to_directory, to, second);
  if (!inside && !here) return REAL(renameat2)(from_directory, from, to_directory, to, flags);
  begin();
  int result = REAL(renameat2)(from_directory, from, to_directory, to, flags);
  if (result == 0) note(RENAME, 0, 0, first, second, NULL, 0, 0, 0);
  end();
  return result;
}
int rename(const char *from, const char *to) { return rename_recorded(AT_FDCWD, from, AT_FDCWD, to, 0); }
int renameat(int from_directory, const char *from, int to_directory, const char *to) {
  return rename_recorded(from_directory, from, to_directory, to, 0);
}
int renameat2(int from_directory, const char *from, int to_directory, const char *to, unsigned flags) {
  return rename_recorded(from_directory, from, to_directory, to, flags);
}

int linkat(int from_directory, const char *from, int to_directory, const char *to, int flags) {
  char first[PATH_MAX], second[PATH_MAX];
  int inside = locate(from_directory, from, first);
  if (!locate(to_directory, to, second)) return REAL(linkat)(from_directory, from, to_directory, to, flags);
  begin();
  int result = REAL(linkat)(from_directory, from, to_directory, to, flags);
  struct stat found;
  if (result == 0 && stat(second, &found) == 0) {
    note(LINK, found.st_ino, 0, inside ? first : NULL, second, NULL, 0, 0, 0);
    int file = inside ? -1 : REAL(open)(second, O_RDONLY | O_CLOEXEC);
    if (file >= 0) {
      note_content(file, found.st_ino);
      REAL(close)(file);
    }
  }
  end();
  return result;
}
int link(const char *from, const char *to) { return linkat(AT_FDCWD, from, AT_FDCWD, to, 0); }

static int remove_recorded(int directory, const char *path, int flags) {
  char located[PATH_MAX];
  if (!locate(directory, path, located)) return REAL(unlinkat)(directory, path, flags);
  begin();
  int result = REAL(unlinkat)(directory, path, flags);
  if (result == 0) note((flags & AT_REMOVEDIR) != 0 ? RMDIR : UNLINK, 0, 0, located, NULL, NULL, 0, 0, 0);
  end();
  return result;
}
int unlink(const char *path) { return remove_recorded(AT_FDCWD, path, 0); }
int unlinkat(int directory, const char *path, int flags) { return remove_recorded(directory, path, flags); }
int rmdir(const char *path) { return remove_recorded(AT_FDCWD, path, AT_REMOVEDIR); }

int mkdirat(int directory, const char *path, mode_t mode) {
  char located[PATH_MAX];
  if (!locate(directory, path, located)) return REAL(mkdirat)(directory, path, mode);
  begin();
  int result = REAL(mkdirat)(directory, path, mode);
  if (result == 0) note(MKDIR, 0, 0, located, NULL, NULL, 0, 0, 0);
  end();
  return result;
}
int mkdir(const char *path, mode_t mode) { return mkdirat(AT_FDCWD, path, mode); }

/* ---- waiting for the disk ---- */

/* Nothing of the real disk matters here: the call itself is left out, which makes trials quick. */
static int sync_recorded(const char *name, int file, int everything) {
  char located[PATH_MAX];
  struct stat found;
  if (!locate_file(file, located, &found)) return ((int (*)(int))real(name))(file);
  begin();
  uint64_t length = log_length();
  /* About as long as a disk takes, so that much happens meanwhile. */
  usleep(1000);
  if (everything) note(SYNC_ALL, 0, length, NULL, NULL, NULL, 0, 0, 0);
  else if (S_ISDIR(found.st_mode)) note(SYNC_DIRECTORY, 0, length, located, NULL, NULL, 0, 0, 0);
  else note(SYNC_FILE, found.st_ino, length, NULL, NULL, NULL, 0, 0, 0);
  end();
  return 0;
}
int fsync(int file) { return sync_recorded("fsync", file, 0); }
int fdatasync(int file) { return sync_recorded("fdatasync", file, 0); }
int syncfs(int file) { return sync_recorded("syncfs", file, 1); }
