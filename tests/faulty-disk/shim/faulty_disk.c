/* faulty_disk: a library for LD_PRELOAD that makes a disk fail, makes it slow, moves the calendar's clock,
 * and records what a process asks of its files. For tests; nothing of it is in a release.
 *
 * FAULTY_DISK_CONTROL=FILE   rules, read anew at each call; a missing file is no rules. One a line:
 *     fail sync|write|WHICH ERROR PATH   the call fails with that error (EIO, ENOSPC, EROFS, EACCES, EDQUOT)
 *     slow sync|write|WHICH MILLIS PATH  the call first waits so long
 *     clock SECONDS                      is added to CLOCK_REALTIME, may be negative
 *   WHICH is fsync, fdatasync, sync_file_range, fallocate or create; `sync` is the first three of them,
 *   `write` is every write, fallocate and create. PATH is a part of the file's path; without it every file
 *   below FAULTY_DISK_PATHS is meant. The first rule that fits counts.
 * FAULTY_DISK_TAPE=FILE      each call that changes a file or a name is recorded here when it has returned.
 * FAULTY_DISK_PATHS=PART     only files whose path has this part in it are touched or recorded.
 *
 * A record of the tape, all numbers little-endian (see src/tape.rs):
 *     u32 bytes of the record, u32 kind, i64 result (or -errno), u64 begun, u64 ended (CLOCK_MONOTONIC, ns),
 *     u64 inode, u64 offset, u64 size of the file afterwards, u32 path bytes, u32 other path bytes,
 *     u32 body bytes, u32 0; path, other path, body
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum kind { CREATE = 1, WRITE = 2, SYNC = 3, SYNC_RANGE = 4, RESIZE = 5, RENAME = 6, UNLINK = 7, MAKE_DIRECTORY = 8 };

static const char *control_file, *paths;
static int tape = -1;

__attribute__((constructor)) static void begin(void) {
    control_file = getenv("FAULTY_DISK_CONTROL");
    paths = getenv("FAULTY_DISK_PATHS");
    const char *name = getenv("FAULTY_DISK_TAPE");
    if (name) {
        tape = (int)syscall(SYS_openat, AT_FDCWD, name, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
        if (tape < 0) abort();
    }
}

static uint64_t now(void) {
    struct timespec at;
    syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &at);
    return (uint64_t)at.tv_sec * 1000000000u + (uint64_t)at.tv_nsec;
}

/* Where an open file is; empty if it is no file with a name (a socket, a pipe) or none of ours. */
static const char *path_of(int fd, char *path) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = syscall(SYS_readlinkat, AT_FDCWD, link, path, PATH_MAX - 1);
    path[length > 0 && path[0] == '/' ? length : 0] = 0;
    if (paths && !strstr(path, paths)) path[0] = 0;
    return path;
}

static const char *path_at(int directory, const char *name, char *path) {
    if (name[0] == '/') {
        snprintf(path, PATH_MAX, "%s", name);
    } else if (directory == AT_FDCWD) {
        char here[PATH_MAX / 2] = "";
        syscall(SYS_getcwd, here, sizeof here);
        snprintf(path, PATH_MAX, "%s/%s", here, name);
    } else {
        char base[PATH_MAX];
        path_of(directory, base);
        snprintf(path, PATH_MAX, "%.2000s/%.2000s", base, name);
    }
    if (paths && !strstr(path, paths)) path[0] = 0;
    return path;
}

static int error_of(const char *name) {
    if (!strcmp(name, "ENOSPC")) return ENOSPC;
    if (!strcmp(name, "EROFS")) return EROFS;
    if (!strcmp(name, "EACCES")) return EACCES;
    if (!strcmp(name, "EDQUOT")) return EDQUOT;
    return EIO;
}

static size_t rules(char *text, size_t most) {
    text[0] = 0;
    if (!control_file) return 0;
    int fd = (int)syscall(SYS_openat, AT_FDCWD, control_file, O_RDONLY | O_CLOEXEC, 0);
    if (fd < 0) return 0;
    ssize_t length = syscall(SYS_read, fd, text, most - 1);
    syscall(SYS_close, fd);
    text[length > 0 ? length : 0] = 0;
    return length > 0 ? (size_t)length : 0;
}

/* Does what the rules say of this call on this file. Nonzero: the errno it is to fail with. */
static int fault(const char *call, const char *class, const char *path) {
    char text[4096], *rest = text, *line;
    if (!path[0] || !rules(text, sizeof text)) return 0;
    while ((line = strsep(&rest, "\n"))) {
        char verb[16] = "", which[32] = "", what[16] = "", part[1024] = "";
        if (sscanf(line, "%15s %31s %15s %1023s", verb, which, what, part) < 3) continue;
        if (strcmp(which, call) && strcmp(which, class)) continue;
        if (part[0] && !strstr(path, part)) continue;
        if (!strcmp(verb, "fail")) return error_of(what);
        if (!strcmp(verb, "slow")) {
            long millis = strtol(what, NULL, 10);
            struct timespec wait = {millis / 1000, millis % 1000 * 1000000};
            while (syscall(SYS_nanosleep, &wait, &wait) && errno == EINTR) {
            }
            return 0;
        }
    }
    return 0;
}

static void put(char **at, const void *value, size_t bytes) {
    memcpy(*at, value, bytes);
    *at += bytes;
}

static void record(enum kind kind, int fd, const char *path, const char *other, int64_t result, uint64_t begun,
                   uint64_t offset, const void *body, size_t body_bytes) {
    if (tape < 0 || !path[0]) return;
    int kept = errno;
    struct stat status = {0};
    if (fd >= 0 ? fstat(fd, &status) : lstat(path, &status)) memset(&status, 0, sizeof status);
    uint32_t path_bytes = (uint32_t)strlen(path), other_bytes = (uint32_t)strlen(other), zero = 0;
    uint32_t bytes = 72 + path_bytes + other_bytes + (uint32_t)body_bytes, number = kind;
    uint32_t body_length = (uint32_t)body_bytes;
    uint64_t ended = now(), inode = status.st_ino, size = (uint64_t)status.st_size;
    char head[72], *at = head;
    put(&at, &bytes, 4), put(&at, &number, 4), put(&at, &result, 8), put(&at, &begun, 8), put(&at, &ended, 8);
    put(&at, &inode, 8), put(&at, &offset, 8), put(&at, &size, 8);
    put(&at, &path_bytes, 4), put(&at, &other_bytes, 4), put(&at, &body_length, 4), put(&at, &zero, 4);
    struct iovec parts[4] = {{head, sizeof head}, {(void *)path, path_bytes}, {(void *)other, other_bytes},
                             {(void *)body, body_bytes}};
    /* One call: records of several threads never mix. A tape with a hole would prove nothing. */
    if (syscall(SYS_writev, tape, parts, 4) != (long)bytes) abort();
    errno = kept;
}

#define REAL(name) \
    static __typeof__(&name) real; \
    if (!real) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

#define FAIL_IF(error) \
    do { \
        int found = (error); \
        if (found) { \
            errno = found; \
            return -1; \
        } \
    } while (0)

#define RESULT(value) ((value) < 0 ? -(int64_t)errno : (int64_t)(value))

#define SYNC_LIKE(name) \
    int name(int fd) { \
        REAL(name); \
        char path[PATH_MAX]; \
        path_of(fd, path); \
        uint64_t begun = now(); \
        int error = fault(#name, "sync", path), result = error ? -1 : real(fd); \
        if (error) errno = error; \
        record(SYNC, fd, path, "", RESULT(result), begun, 0, "", 0); \
        return result; \
    }
SYNC_LIKE(fsync)
SYNC_LIKE(fdatasync)

int sync_file_range(int fd, off64_t offset, off64_t bytes, unsigned flags) {
    REAL(sync_file_range);
    char path[PATH_MAX];
    path_of(fd, path);
    uint64_t begun = now();
    int error = fault("sync_file_range", "sync", path), result = error ? -1 : real(fd, offset, bytes, flags);
    if (error) errno = error;
    record(SYNC_RANGE, fd, path, "", RESULT(result), begun, (uint64_t)offset, "", 0);
    return result;
}

ssize_t write(int fd, const void *body, size_t bytes) {
    REAL(write);
    char path[PATH_MAX];
    if (!path_of(fd, path)[0]) return real(fd, body, bytes);
    uint64_t begun = now();
    FAIL_IF(fault("write", "write", path));
    ssize_t result = real(fd, body, bytes);
    /* Where it went is known afterwards, also of a file that is appended to. */
    off_t end = result < 0 ? 0 : (off_t)syscall(SYS_lseek, fd, 0, SEEK_CUR);
    if (result > 0) record(WRITE, fd, path, "", result, begun, (uint64_t)(end - result), body, (size_t)result);
    return result;
}

#define PWRITE_LIKE(name, offset_type) \
    ssize_t name(int fd, const void *body, size_t bytes, offset_type offset) { \
        REAL(name); \
        char path[PATH_MAX]; \
        if (!path_of(fd, path)[0]) return real(fd, body, bytes, offset); \
        uint64_t begun = now(); \
        FAIL_IF(fault("write", "write", path)); \
        ssize_t result = real(fd, body, bytes, offset); \
        if (result > 0) record(WRITE, fd, path, "", result, begun, (uint64_t)offset, body, (size_t)result); \
        return result; \
    }
PWRITE_LIKE(pwrite, off_t)
PWRITE_LIKE(pwrite64, off64_t)

ssize_t writev(int fd, const struct iovec *parts, int count) {
    REAL(writev);
    char path[PATH_MAX];
    if (!path_of(fd, path)[0]) return real(fd, parts, count);
    /* One part at a time, through `write`: a short result is a caller's everyday business. */
    for (int part = 0; part < count; part++)
        if (parts[part].iov_len) return write(fd, parts[part].iov_base, parts[part].iov_len);
    return 0;
}

#define RESIZE_LIKE(name, size_type) \
    int name(int fd, size_type size) { \
        REAL(name); \
        char path[PATH_MAX]; \
        path_of(fd, path); \
        uint64_t begun = now(); \
        FAIL_IF(fault("resize", "write", path)); \
        int result = real(fd, size); \
        record(RESIZE, fd, path, "", RESULT(result), begun, (uint64_t)size, "", 0); \
        return result; \
    }
RESIZE_LIKE(ftruncate, off_t)
RESIZE_LIKE(ftruncate64, off64_t)

#define ALLOCATE_LIKE(name, offset_type) \
    int name(int fd, int mode, offset_type offset, offset_type bytes) { \
        REAL(name); \
        char path[PATH_MAX]; \
        path_of(fd, path); \
        uint64_t begun = now(); \
        FAIL_IF(fault("fallocate", "write", path)); \
        int result = real(fd, mode, offset, bytes); \
        record(RESIZE, fd, path, "", RESULT(result), begun, (uint64_t)(offset + bytes), "", 0); \
        return result; \
    }
ALLOCATE_LIKE(fallocate, off_t)
ALLOCATE_LIKE(fallocate64, off64_t)

static int opened(int directory, const char *name, int flags, mode_t mode) {
    char path[PATH_MAX];
    if (!(flags & (O_CREAT | O_TRUNC)) || !path_at(directory, name, path)[0])
        return (int)syscall(SYS_openat, directory, name, flags, mode);
    uint64_t begun = now();
    int there = syscall(SYS_faccessat, AT_FDCWD, path, F_OK) == 0;
    if (!there) FAIL_IF(fault("create", "write", path));
    int fd = (int)syscall(SYS_openat, directory, name, flags, mode);
    if (fd >= 0 && !there) record(CREATE, fd, path, "", 0, begun, 0, "", 0);
    if (fd >= 0 && there && (flags & O_TRUNC)) record(RESIZE, fd, path, "", 0, begun, 0, "", 0);
    return fd;
}

#define MODE_OF(flags) \
    mode_t mode = 0; \
    if ((flags) & (O_CREAT | O_TMPFILE)) { \
        va_list more; \
        va_start(more, flags); \
        mode = va_arg(more, mode_t); \
        va_end(more); \
    }

int open(const char *name, int flags, ...) {
    MODE_OF(flags)
    return opened(AT_FDCWD, name, flags, mode);
}
int open64(const char *name, int flags, ...) {
    MODE_OF(flags)
    return opened(AT_FDCWD, name, flags | O_LARGEFILE, mode);
}
int openat(int directory, const char *name, int flags, ...) {
    MODE_OF(flags)
    return opened(directory, name, flags, mode);
}
int openat64(int directory, const char *name, int flags, ...) {
    MODE_OF(flags)
    return opened(directory, name, flags | O_LARGEFILE, mode);
}

static int renamed(int from_directory, const char *from, int to_directory, const char *to, unsigned flags) {
    char path[PATH_MAX], other[PATH_MAX];
    path_at(from_directory, from, path), path_at(to_directory, to, other);
    uint64_t begun = now();
    FAIL_IF(fault("rename", "write", path));
    int result = (int)syscall(SYS_renameat2, from_directory, from, to_directory, to, flags);
    record(RENAME, -1, path, other, RESULT(result), begun, 0, "", 0);
    return result;
}

int rename(const char *from, const char *to) { return renamed(AT_FDCWD, from, AT_FDCWD, to, 0); }

int renameat(int from_directory, const char *from, int to_directory, const char *to) {
    return renamed(from_directory, from, to_directory, to, 0);
}

int renameat2(int from_directory, const char *from, int to_directory, const char *to, unsigned flags) {
    return renamed(from_directory, from, to_directory, to, flags);
}

int unlink(const char *name) {
    REAL(unlink);
    char path[PATH_MAX];
    path_at(AT_FDCWD, name, path);
    uint64_t begun = now();
    int result = real(name);
    record(UNLINK, -1, path, "", RESULT(result), begun, 0, "", 0);
    return result;
}

int mkdir(const char *name, mode_t mode) {
    REAL(mkdir);
    char path[PATH_MAX];
    path_at(AT_FDCWD, name, path);
    uint64_t begun = now();
    FAIL_IF(fault("create", "write", path));
    int result = real(name, mode);
    record(MAKE_DIRECTORY, -1, path, "", RESULT(result), begun, 0, "", 0);
    return result;
}

/* Seconds added to the calendar; looked up at most every 20 ms: the time is asked for very often. */
static long clock_moved(void) {
    static uint64_t looked;
    static long seconds;
    uint64_t at = now();
    if (!control_file || at - looked < 20000000) return seconds;
    char text[4096], *rest = text, *line;
    long found = 0;
    rules(text, sizeof text);
    while ((line = strsep(&rest, "\n"))) sscanf(line, "clock %ld", &found);
    seconds = found;
    looked = at;
    return found;
}

int clock_gettime(clockid_t which, struct timespec *at) {
    REAL(clock_gettime);
    int result = real(which, at);
    if (!result && (which == CLOCK_REALTIME || which == CLOCK_REALTIME_COARSE)) at->tv_sec += clock_moved();
    return result;
}
