/* Below SQLite and the account file: every change of a file in the state directory, and of the account file, passes
 * through here. It is counted, may be made to fail, and is written down in the order in which it took effect.
 *
 * Preloaded into the daemon (LD_PRELOAD). What is to fail is said in a control file, which the test writes and all
 * lives of the daemon share: see control.rs for its words. The trace's format is in trace.rs.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum kind { WRITE = 1, SYNC = 2, NAME = 4 };
enum word { KINDS, FAIL_AT, ERROR, FOR_EVER, SEEN, FAILED, HAS_BUDGET, BUDGET, WORDS };
enum record { R_WRITE = 1, R_TRUNCATE, R_SYNC, R_LOST_SYNC, R_CREATE, R_RENAME, R_UNLINK, R_LINK };

static pthread_mutex_t in_order = PTHREAD_MUTEX_INITIALIZER;
static volatile int64_t *control;
static int trace = -1;
static char root[PATH_MAX];

__attribute__((constructor)) static void begin(void)
{
    const char *file = getenv("FAULTS_CONTROL"), *records = getenv("FAULTS_TRACE"), *dir = getenv("FAULTS_ROOT");
    if (!file || !dir)
        return;
    int fd = syscall(SYS_openat, AT_FDCWD, file, O_RDWR | O_CLOEXEC, 0);
    void *mapped = fd < 0 ? MAP_FAILED : mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (mapped == MAP_FAILED || strlen(dir) >= sizeof root) {
        fprintf(stderr, "faults: cannot use the control file %s\n", file);
        abort();
    }
    syscall(SYS_close, fd);
    strcpy(root, dir);
    if (records) {
        fd = syscall(SYS_openat, AT_FDCWD, records, O_WRONLY | O_APPEND | O_CLOEXEC, 0);
        /* Out of the way of the descriptors that a child is handed. */
        trace = fcntl(fd, F_DUPFD_CLOEXEC, 500);
        syscall(SYS_close, fd);
    }
    control = mapped;
}

/* The path below the root, if it is one that matters. */
static const char *watched(const char *path)
{
    size_t length = strlen(root);
    if (!control || strncmp(path, root, length) != 0)
        return NULL;
    path += length;
    if (*path == 0)
        return ".";
    path++;
    if (strcmp(path, "state") == 0 || strcmp(path, "user_pass.txt") == 0 || strcmp(path, ".user_pass.txt.new") == 0)
        return path;
    return strncmp(path, "state/", 6) == 0 ? path : NULL;
}

static const char *watched_fd(int fd, char *buffer)
{
    char link[64];
    if (!control)
        return NULL;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    long length = syscall(SYS_readlinkat, AT_FDCWD, link, buffer, PATH_MAX - 1);
    if (length <= 0 || buffer[0] != '/')
        return NULL;
    buffer[length] = 0;
    return strstr(buffer, " (deleted)") ? NULL : watched(buffer);
}

static void record(enum record what, const char *path, uint64_t offset, const void *data, uint64_t length)
{
    if (trace < 0)
        return;
    uint32_t path_length = strlen(path);
    unsigned char head[21];
    head[0] = what;
    memcpy(head + 1, &path_length, 4);
    memcpy(head + 5, &offset, 8);
    memcpy(head + 13, &length, 8);
    struct iovec parts[3] = {{head, sizeof head}, {(void *)path, path_length}, {(void *)data, data ? length : 0}};
    if (syscall(SYS_writev, trace, parts, 3) < 0)
        abort();
}

/* Counts an operation; what it is to fail with: 0 nothing, -1 short, else an error number. */
static int fault(enum kind kind)
{
    if (!(control[KINDS] & kind))
        return 0;
    int64_t seen = ++control[SEEN];
    if (!control[FAIL_AT] || seen < control[FAIL_AT] || (seen > control[FAIL_AT] && !control[FOR_EVER]))
        return 0;
    control[FAILED]++;
    return control[ERROR];
}

static int fails(enum kind kind)
{
    int error = fault(kind);
    if (error <= 0)
        return 0;
    errno = error;
    return 1;
}

static int64_t size_of(const char *path)
{
    struct stat found;
    return syscall(SYS_newfstatat, AT_FDCWD, path, &found, 0) == 0 && S_ISREG(found.st_mode) && found.st_nlink == 1
               ? found.st_size
               : 0;
}

/* A small disk: files may grow by what the budget has left. */
static int has_room(int64_t growth)
{
    if (!control[HAS_BUDGET])
        return 1;
    if (growth > control[BUDGET] && growth > 0) {
        errno = ENOSPC;
        return 0;
    }
    control[BUDGET] -= growth;
    return 1;
}

static int64_t size_of_fd(int fd)
{
    struct stat found;
    return syscall(SYS_fstat, fd, &found) == 0 ? found.st_size : 0;
}

static ssize_t put(int fd, const void *data, size_t length, int64_t offset, int at_offset, const char *path)
{
    int flags = syscall(SYS_fcntl, fd, F_GETFL);
    int64_t size = size_of_fd(fd);
    if (!at_offset)
        offset = flags & O_APPEND ? size : syscall(SYS_lseek, fd, 0, SEEK_CUR);
    int error = fault(WRITE);
    if (error > 0) {
        errno = error;
        return -1;
    }
    if (error < 0 && length > 1)
        length /= 2;
    int64_t end = offset + (int64_t)length;
    if (!has_room(end > size ? end - size : 0))
        return -1;
    ssize_t written = at_offset ? syscall(SYS_pwrite64, fd, data, length, offset) : syscall(SYS_write, fd, data, length);
    if (written > 0)
        record(R_WRITE, path, offset, data, written);
    return written;
}

ssize_t write(int fd, const void *data, size_t length)
{
    char buffer[PATH_MAX];
    const char *path = watched_fd(fd, buffer);
    if (!path)
        return syscall(SYS_write, fd, data, length);
    pthread_mutex_lock(&in_order);
    ssize_t written = put(fd, data, length, 0, 0, path);
    pthread_mutex_unlock(&in_order);
    return written;
}

ssize_t writev(int fd, const struct iovec *parts, int count)
{
    char buffer[PATH_MAX];
    if (!watched_fd(fd, buffer) || count == 0)
        return syscall(SYS_writev, fd, parts, count);
    /* May write less than it was asked to. */
    return write(fd, parts[0].iov_base, parts[0].iov_len);
}

ssize_t pwrite64(int fd, const void *data, size_t length, off64_t offset)
{
    char buffer[PATH_MAX];
    const char *path = watched_fd(fd, buffer);
    if (!path)
        return syscall(SYS_pwrite64, fd, data, length, offset);
    pthread_mutex_lock(&in_order);
    ssize_t written = put(fd, data, length, offset, 1, path);
    pthread_mutex_unlock(&in_order);
    return written;
}

ssize_t pwrite(int fd, const void *data, size_t length, off_t offset)
{
    return pwrite64(fd, data, length, offset);
}

static int sync_with(int fd, long call)
{
    char buffer[PATH_MAX];
    const char *path = watched_fd(fd, buffer);
    if (!path)
        return syscall(call, fd);
    pthread_mutex_lock(&in_order);
    int result = -1;
    if (fails(SYNC))
        record(R_LOST_SYNC, path, 0, NULL, 0);
    else if ((result = syscall(call, fd)) == 0)
        record(R_SYNC, path, 0, NULL, 0);
    pthread_mutex_unlock(&in_order);
    return result;
}

int fsync(int fd)
{
    return sync_with(fd, SYS_fsync);
}

int fdatasync(int fd)
{
    return sync_with(fd, SYS_fdatasync);
}

int ftruncate64(int fd, off64_t length)
{
    char buffer[PATH_MAX];
    const char *path = watched_fd(fd, buffer);
    if (!path)
        return syscall(SYS_ftruncate, fd, length);
    pthread_mutex_lock(&in_order);
    int64_t growth = length - size_of_fd(fd);
    int result = fails(NAME) || !has_room(growth) ? -1 : syscall(SYS_ftruncate, fd, length);
    if (result == 0)
        record(R_TRUNCATE, path, length, NULL, 0);
    pthread_mutex_unlock(&in_order);
    return result;
}

int ftruncate(int fd, off_t length)
{
    return ftruncate64(fd, length);
}

int fallocate64(int fd, int mode, off64_t offset, off64_t length)
{
    char buffer[PATH_MAX];
    const char *path = watched_fd(fd, buffer);
    if (!path)
        return syscall(SYS_fallocate, fd, mode, offset, length);
    pthread_mutex_lock(&in_order);
    int64_t size = size_of_fd(fd), end = offset + length;
    int result = fails(WRITE) || !has_room(end > size ? end - size : 0)
                     ? -1
                     : syscall(SYS_fallocate, fd, mode, offset, length);
    if (result == 0)
        record(R_TRUNCATE, path, end > size ? end : size, NULL, 0);
    pthread_mutex_unlock(&in_order);
    return result;
}

int fallocate(int fd, int mode, off_t offset, off_t length)
{
    return fallocate64(fd, mode, offset, length);
}

int posix_fallocate64(int fd, off64_t offset, off64_t length)
{
    return fallocate64(fd, 0, offset, length) == 0 ? 0 : errno;
}

int posix_fallocate(int fd, off_t offset, off_t length)
{
    return posix_fallocate64(fd, offset, length);
}

static int open_with(int dir, const char *name, int flags, mode_t mode)
{
    const char *path = flags & (O_CREAT | O_TRUNC) ? watched(name) : NULL;
    if (!path)
        return syscall(SYS_openat, dir, name, flags, mode);
    pthread_mutex_lock(&in_order);
    int is_new = syscall(SYS_faccessat, AT_FDCWD, name, F_OK) != 0;
    int64_t size = flags & O_TRUNC ? size_of(name) : 0;
    int fd = is_new && fails(NAME) ? -1 : syscall(SYS_openat, dir, name, flags, mode);
    if (fd >= 0 && is_new)
        record(R_CREATE, path, 0, NULL, 0);
    else if (fd >= 0 && flags & O_TRUNC) {
        has_room(-size);
        record(R_TRUNCATE, path, 0, NULL, 0);
    }
    pthread_mutex_unlock(&in_order);
    return fd;
}

static mode_t mode_of(int flags, va_list arguments)
{
    return flags & (O_CREAT | O_TMPFILE) ? va_arg(arguments, int) : 0;
}

int open(const char *name, int flags, ...)
{
    va_list arguments;
    va_start(arguments, flags);
    mode_t mode = mode_of(flags, arguments);
    va_end(arguments);
    return open_with(AT_FDCWD, name, flags, mode);
}

int open64(const char *name, int flags, ...)
{
    va_list arguments;
    va_start(arguments, flags);
    mode_t mode = mode_of(flags, arguments);
    va_end(arguments);
    return open_with(AT_FDCWD, name, flags, mode);
}

int unlink(const char *name)
{
    const char *path = watched(name);
    if (!path)
        return syscall(SYS_unlink, name);
    pthread_mutex_lock(&in_order);
    int is_there = syscall(SYS_faccessat, AT_FDCWD, name, F_OK) == 0;
    int64_t size = size_of(name);
    int result = is_there && fails(NAME) ? -1 : syscall(SYS_unlink, name);
    if (result == 0) {
        has_room(-size);
        record(R_UNLINK, path, 0, NULL, 0);
    }
    pthread_mutex_unlock(&in_order);
    return result;
}

int rename(const char *old_name, const char *new_name)
{
    const char *path = watched(old_name), *new_path = watched(new_name);
    if (!path || !new_path)
        return syscall(SYS_rename, old_name, new_name);
    pthread_mutex_lock(&in_order);
    int64_t replaced = size_of(new_name);
    int result = fails(NAME) ? -1 : syscall(SYS_rename, old_name, new_name);
    if (result == 0) {
        has_room(-replaced);
        record(R_RENAME, path, 0, new_path, strlen(new_path));
    }
    pthread_mutex_unlock(&in_order);
    return result;
}

int linkat(int old_dir, const char *old_name, int new_dir, const char *new_name, int flags)
{
    const char *path = watched(old_name), *new_path = watched(new_name);
    if (!path || !new_path)
        return syscall(SYS_linkat, old_dir, old_name, new_dir, new_name, flags);
    pthread_mutex_lock(&in_order);
    int result = fails(NAME) ? -1 : syscall(SYS_linkat, old_dir, old_name, new_dir, new_name, flags);
    if (result == 0)
        record(R_LINK, path, 0, new_path, strlen(new_path));
    pthread_mutex_unlock(&in_order);
    return result;
}
