/* What a process does to one folder, written down in order; and disks that fail when told to.
 *
 * Preloaded (LD_PRELOAD) into a program under test. EDGE_SHIM_ROOT names the folder. With
 * EDGE_SHIM_LOG every change below it is appended there, operations of all processes in one order:
 * an flock spans each operation and its line. tools/faultlab/disk_image.py reads the log and says
 * what a disk may hold if the power goes after any of its lines. EDGE_SHIM_EIO is the share of
 * fsync calls that fail with EIO; EDGE_SHIM_READONLY names a file: while it exists, everything below
 * the folder is read-only (EROFS), as after ext4's errors=remount-ro. EDGE_SHIM_CLOCK names a file
 * with the seconds by which the wall clock is wrong, read at each look at it; monotonic time is not
 * touched.
 *
 * cc -shared -fPIC -O2 -o disk_shim.so disk_shim.c -ldl -lpthread
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define FDS 4096
#define REAL(name) __typeof__(&name) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

struct head { /* of one log line; followed by `a` and `b` bytes */
    uint8_t op, pad[3];
    uint32_t a, b, spare;
    uint64_t ino, at;
};

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static char root[4096];
static const char *readonly;
static size_t root_length;
static int log_fd = -1, clock_fd = -1;
static double eio;
static unsigned seed;
static char tracked[FDS];

__attribute__((constructor)) static void start(void)
{
    const char *path = getenv("EDGE_SHIM_ROOT"), *log = getenv("EDGE_SHIM_LOG");
    const char *share = getenv("EDGE_SHIM_EIO"), *clock = getenv("EDGE_SHIM_CLOCK");
    if (clock != NULL) {
        int fd = open(clock, O_RDONLY);
        clock_fd = fcntl(fd, F_DUPFD_CLOEXEC, 900);
        close(fd);
    }
    if (path == NULL || realpath(path, root) == NULL)
        return;
    root_length = strlen(root);
    readonly = getenv("EDGE_SHIM_READONLY");
    eio = share ? atof(share) : 0.0;
    seed = (unsigned)getpid();
    if (log == NULL)
        return;
    int fd = open(log, O_WRONLY | O_APPEND | O_CREAT, 0600);
    /* Out of the way of programs that close or count the low ones. */
    log_fd = fcntl(fd, F_DUPFD_CLOEXEC, 900);
    close(fd);
}

static int below(const char *path)
{
    return root_length && strncmp(path, root, root_length) == 0
        && (path[root_length] == '/' || path[root_length] == 0);
}

/* The absolute form of a path relative to a directory descriptor; 0 where it lies elsewhere. */
static int locate(int folder, const char *path, char *full)
{
    char link[64];
    if (root_length == 0 || path == NULL)
        return 0;
    if (path[0] == '/') {
        snprintf(full, 8192, "%s", path);
        return below(full);
    }
    if (folder == AT_FDCWD) {
        if (getcwd(full, 4096) == NULL)
            return 0;
    } else {
        snprintf(link, sizeof link, "/proc/self/fd/%d", folder);
        ssize_t n = readlink(link, full, 4095);
        if (n < 0)
            return 0;
        full[n] = 0;
    }
    size_t n = strlen(full);
    snprintf(full + n, 8192 - n, "/%s", path);
    return below(full);
}

static void enter(void)
{
    pthread_mutex_lock(&mutex);
    if (log_fd >= 0)
        flock(log_fd, LOCK_EX);
}

static void leave(void)
{
    int kept = errno;
    if (log_fd >= 0)
        flock(log_fd, LOCK_UN);
    pthread_mutex_unlock(&mutex);
    errno = kept;
}

static void tell(char op, uint64_t ino, uint64_t at, const void *a, size_t na, const void *b, size_t nb)
{
    int kept = errno;
    struct head head = {(uint8_t)op, {0}, (uint32_t)na, (uint32_t)nb, 0, ino, at};
    struct iovec parts[3] = {{&head, sizeof head}, {(void *)a, na}, {(void *)b, nb}};
    static ssize_t (*real)(int, const struct iovec *, int);
    if (real == NULL)
        real = (ssize_t(*)(int, const struct iovec *, int))dlsym(RTLD_NEXT, "writev");
    if (log_fd >= 0 && real(log_fd, parts, 3) != (ssize_t)(sizeof head + na + nb)) {
        fprintf(stderr, "disk_shim: the log cannot be written\n");
        _exit(97);
    }
    errno = kept;
}

static void tell_path(char op, uint64_t ino, const char *path, const char *more)
{
    tell(op, ino, 0, path, strlen(path), more, more ? strlen(more) : 0);
}

static uint64_t inode(int fd)
{
    struct stat st;
    return fstat(fd, &st) == 0 ? (uint64_t)st.st_ino : 0;
}

static int frozen(void)
{
    if (readonly == NULL || access(readonly, F_OK) != 0)
        return 0;
    errno = EROFS;
    return 1;
}

static int is_tracked(int fd) { return fd >= 0 && fd < FDS && tracked[fd]; }

static int open_as(int (*real)(int, const char *, int, ...), int folder, const char *path, int flags, mode_t mode)
{
    char full[8192];
    struct stat st;
    if (!locate(folder, path, full))
        return real(folder, path, flags, mode);
    if ((flags & (O_WRONLY | O_RDWR | O_CREAT | O_TRUNC)) && frozen())
        return -1;
    enter();
    int fresh = (flags & O_CREAT) && lstat(full, &st) != 0;
    int fd = real(folder, path, flags, mode);
    if (fd >= 0) {
        if (fd < FDS)
            tracked[fd] = 1;
        if (fresh)
            tell_path('C', inode(fd), full, NULL);
        else if (flags & O_TRUNC)
            tell('T', inode(fd), 0, NULL, 0, NULL, 0);
    }
    leave();
    return fd;
}

#define OPENAT(name)                                                                                \
    int name(int folder, const char *path, int flags, ...)                                           \
    {                                                                                               \
        va_list rest;                                                                               \
        va_start(rest, flags);                                                                      \
        mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, mode_t) : 0;                     \
        va_end(rest);                                                                               \
        return open_as((int (*)(int, const char *, int, ...))dlsym(RTLD_NEXT, "openat"), folder,    \
                       path, flags, mode);                                                          \
    }
#define OPEN(name)                                                                                  \
    int name(const char *path, int flags, ...)                                                       \
    {                                                                                               \
        va_list rest;                                                                               \
        va_start(rest, flags);                                                                      \
        mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, mode_t) : 0;                     \
        va_end(rest);                                                                               \
        return open_as((int (*)(int, const char *, int, ...))dlsym(RTLD_NEXT, "openat"), AT_FDCWD,  \
                       path, flags, mode);                                                          \
    }
OPENAT(openat)
OPENAT(openat64)
OPEN(open)
OPEN(open64)

int close(int fd)
{
    REAL(close);
    if (fd >= 0 && fd < FDS)
        tracked[fd] = 0;
    return real(fd);
}

static ssize_t wrote(int fd, const void *data, ssize_t n, off_t at)
{
    if (n > 0)
        tell('W', inode(fd), (uint64_t)at, NULL, 0, data, (size_t)n);
    return n;
}

ssize_t write(int fd, const void *data, size_t size)
{
    REAL(write);
    if (!is_tracked(fd))
        return real(fd, data, size);
    if (frozen())
        return -1;
    enter();
    ssize_t n = real(fd, data, size);
    if (n > 0)
        wrote(fd, data, n, lseek(fd, 0, SEEK_CUR) - n);
    leave();
    return n;
}

#define PWRITE(name)                                                                                \
    ssize_t name(int fd, const void *data, size_t size, off_t at)                                    \
    {                                                                                               \
        REAL(name);                                                                                 \
        if (!is_tracked(fd))                                                                        \
            return real(fd, data, size, at);                                                        \
        if (frozen())                                                                               \
            return -1;                                                                              \
        enter();                                                                                    \
        ssize_t n = wrote(fd, data, real(fd, data, size, at), at);                                  \
        leave();                                                                                    \
        return n;                                                                                   \
    }
PWRITE(pwrite)
PWRITE(pwrite64)

#define FTRUNCATE(name)                                                                             \
    int name(int fd, off_t size)                                                                     \
    {                                                                                               \
        REAL(name);                                                                                 \
        if (!is_tracked(fd))                                                                        \
            return real(fd, size);                                                                  \
        if (frozen())                                                                               \
            return -1;                                                                              \
        enter();                                                                                    \
        int code = real(fd, size);                                                                  \
        if (code == 0)                                                                              \
            tell('T', inode(fd), (uint64_t)size, NULL, 0, NULL, 0);                                 \
        leave();                                                                                    \
        return code;                                                                                \
    }
FTRUNCATE(ftruncate)
FTRUNCATE(ftruncate64)

/* A failed sync: the kernel marks the pages clean, and what they held is never written. */
#define SYNC(name)                                                                                  \
    int name(int fd)                                                                                 \
    {                                                                                               \
        REAL(name);                                                                                 \
        if (!is_tracked(fd))                                                                        \
            return real(fd);                                                                        \
        enter();                                                                                    \
        int fails = eio > 0.0 && rand_r(&seed) < eio * RAND_MAX;                                    \
        /* Nothing is really synced: what would be lost is worked out from the log. */              \
        tell(fails ? 'F' : 'S', inode(fd), 0, NULL, 0, NULL, 0);                                    \
        leave();                                                                                    \
        if (log_fd < 0 && !fails)                                                                   \
            return real(fd);                                                                        \
        errno = EIO;                                                                                \
        return fails ? -1 : 0;                                                                      \
    }
SYNC(fsync)
SYNC(fdatasync)

static int two(char op, int code, const char *a, const char *b, int inside)
{
    if (code == 0 && inside)
        tell_path(op, 0, a, b);
    leave();
    return code;
}

int renameat(int fa, const char *a, int fb, const char *b)
{
    REAL(renameat);
    char one[8192], other[8192];
    int inside = locate(fa, a, one) | locate(fb, b, other);
    if (inside && frozen())
        return -1;
    enter();
    return two('R', real(fa, a, fb, b), one, other, inside);
}

int rename(const char *a, const char *b) { return renameat(AT_FDCWD, a, AT_FDCWD, b); }

int linkat(int fa, const char *a, int fb, const char *b, int flags)
{
    REAL(linkat);
    char one[8192], other[8192];
    int inside = locate(fa, a, one) | locate(fb, b, other);
    if (inside && frozen())
        return -1;
    enter();
    return two('L', real(fa, a, fb, b, flags), one, other, inside);
}

int link(const char *a, const char *b) { return linkat(AT_FDCWD, a, AT_FDCWD, b, 0); }

int unlinkat(int folder, const char *path, int flags)
{
    REAL(unlinkat);
    char full[8192];
    int inside = locate(folder, path, full);
    if (inside && frozen())
        return -1;
    enter();
    return two('U', real(folder, path, flags), full, NULL, inside);
}

int unlink(const char *path) { return unlinkat(AT_FDCWD, path, 0); }
int rmdir(const char *path) { return unlinkat(AT_FDCWD, path, AT_REMOVEDIR); }

int mkdirat(int folder, const char *path, mode_t mode)
{
    REAL(mkdirat);
    char full[8192];
    struct stat st;
    int inside = locate(folder, path, full);
    if (inside && frozen())
        return -1;
    enter();
    int code = real(folder, path, mode);
    if (code == 0 && inside && stat(full, &st) == 0)
        tell_path('M', (uint64_t)st.st_ino, full, NULL);
    leave();
    return code;
}

int mkdir(const char *path, mode_t mode) { return mkdirat(AT_FDCWD, path, mode); }

/* Seconds to add to the wall clock. */
static double wrong_by(void)
{
    char text[64] = "";
    if (clock_fd < 0 || pread(clock_fd, text, sizeof text - 1, 0) <= 0)
        return 0.0;
    return atof(text);
}

int clock_gettime(clockid_t which, struct timespec *now)
{
    REAL(clock_gettime);
    int code = real(which, now);
    if (code == 0 && which == CLOCK_REALTIME)
        now->tv_sec += (time_t)wrong_by();
    return code;
}

time_t time(time_t *out)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (out != NULL)
        *out = now.tv_sec;
    return now.tv_sec;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone)
{
    struct timespec exact;
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &exact);
    now->tv_sec = exact.tv_sec;
    now->tv_usec = exact.tv_nsec / 1000;
    return 0;
}
