/* Loaded into m365stage by the scenario `power_cut`: writes down what it does to the disk, takes a copy of the index
 * whenever that is durable, and ends the process at a given step. What came after the last barrier can then be taken back,
 * as a power cut might. Environment: POWERCUT_LOG, POWERCUT_INDEX (stage.root), POWERCUT_SAFE (folder for copies),
 * POWERCUT_STEP.
 *
 * Records, each field ended by a zero byte: R from to saved | C path | M path | D path | W inode | S. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static pthread_mutex_t one_at_a_time = PTHREAD_MUTEX_INITIALIZER;
static int log_fd = -1;
static long steps, last_step;
static dev_t device;

__attribute__((constructor)) static void begin(void) {
    struct stat root;
    log_fd = REAL(open)(getenv("POWERCUT_LOG"), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    last_step = atol(getenv("POWERCUT_STEP"));
    if (stat(getenv("POWERCUT_INDEX"), &root) == 0) device = root.st_dev;
}

static void enter(void) {
    pthread_mutex_lock(&one_at_a_time);
    if (++steps == last_step) kill(getpid(), SIGKILL);
}

static void leave(void) { pthread_mutex_unlock(&one_at_a_time); }

static void path_of(int folder, const char *name, char *out) {
    char link[64];
    out[0] = 0;
    if (name[0] != '/') {
        snprintf(link, sizeof link, folder == AT_FDCWD ? "/proc/self/cwd" : "/proc/self/fd/%d", folder);
        ssize_t n = readlink(link, out, PATH_MAX);
        out[n > 0 ? n : 0] = '/';
        out[n > 0 ? n + 1 : 1] = 0;
    }
    strncat(out, name, PATH_MAX);
}

static void record(const char *kind, const char *a, const char *b, const char *c) {
    static char line[4 * PATH_MAX];
    const char *field[] = {kind, a, b, c};
    size_t n = 0;
    for (int i = 0; i < 4 && field[i]; ++i) {
        size_t size = strlen(field[i]) + 1;
        memcpy(line + n, field[i], size);
        n += size;
    }
    if (REAL(write)(log_fd, line, n) < 0) abort();
}

/* The index as it would be found after a power cut: copied while nobody writes it. */
static void save_index(void) {
    static const char *const files[] = {"index.db", "index.db-wal"};
    static char from[PATH_MAX], to[PATH_MAX], bytes[1 << 16];
    for (int i = 0; i < 2; ++i) {
        snprintf(from, sizeof from, "%s/%s", getenv("POWERCUT_INDEX"), files[i]);
        snprintf(to, sizeof to, "%s/%s", getenv("POWERCUT_SAFE"), files[i]);
        int in = REAL(open)(from, O_RDONLY | O_CLOEXEC);
        unlink(to);
        if (in < 0) continue;
        int out = REAL(open)(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        for (ssize_t n; (n = read(in, bytes, sizeof bytes)) > 0;) {
            if (REAL(write)(out, bytes, (size_t)n) != n) abort();
        }
        close(in);
        close(out);
    }
}

static int move(int from_folder, const char *from, int to_folder, const char *to, unsigned flags) {
    static char source[2 * PATH_MAX], target[2 * PATH_MAX], saved[PATH_MAX];
    static long number;
    enter();
    path_of(from_folder, from, source);
    path_of(to_folder, to, target);
    snprintf(saved, sizeof saved, "%s/%ld-%d", getenv("POWERCUT_SAFE"), ++number, getpid());
    int kept = linkat(to_folder, to, AT_FDCWD, saved, 0) == 0;
    int done = REAL(renameat2)(from_folder, from, to_folder, to, flags);
    if (done == 0) record("R", source, target, kept ? saved : "");
    leave();
    return done;
}

int renameat(int a, const char *from, int b, const char *to) { return move(a, from, b, to, 0); }
int renameat2(int a, const char *from, int b, const char *to, unsigned flags) { return move(a, from, b, to, flags); }

int openat(int folder, const char *name, int flags, ...) {
    static char path[2 * PATH_MAX];
    va_list more;
    va_start(more, flags);
    mode_t mode = flags & O_CREAT ? va_arg(more, mode_t) : 0;
    va_end(more);
    if (!(flags & O_CREAT)) return REAL(openat)(folder, name, flags);
    enter();
    path_of(folder, name, path);
    int is_new = faccessat(folder, name, F_OK, AT_SYMLINK_NOFOLLOW) != 0;
    int fd = REAL(openat)(folder, name, flags, mode);
    if (fd >= 0 && is_new) record("C", path, 0, 0);
    leave();
    return fd;
}

int mkdirat(int folder, const char *name, mode_t mode) {
    static char path[2 * PATH_MAX];
    enter();
    path_of(folder, name, path);
    int done = REAL(mkdirat)(folder, name, mode);
    if (done == 0) record("M", path, 0, 0);
    leave();
    return done;
}

int unlinkat(int folder, const char *name, int flags) {
    static char path[2 * PATH_MAX];
    enter();
    path_of(folder, name, path);
    int done = REAL(unlinkat)(folder, name, flags);
    if (done == 0 && flags & AT_REMOVEDIR) record("D", path, 0, 0);
    leave();
    return done;
}

ssize_t write(int fd, const void *bytes, size_t size) {
    struct stat facts;
    if (fstat(fd, &facts) == 0 && S_ISREG(facts.st_mode) && facts.st_dev == device) {
        char inode[32];
        snprintf(inode, sizeof inode, "%lu", (unsigned long)facts.st_ino);
        enter();
        ssize_t done = REAL(write)(fd, bytes, size);
        record("W", inode, 0, 0);
        leave();
        return done;
    }
    return REAL(write)(fd, bytes, size);
}

ssize_t pwrite64(int fd, const void *bytes, size_t size, off64_t at) {
    enter();
    ssize_t done = REAL(pwrite64)(fd, bytes, size, at);
    leave();
    return done;
}

static int barrier(int (*real)(int), int fd, int everything) {
    enter();
    int done = real(fd);
    if (done == 0) {
        save_index();
        if (everything) record("S", 0, 0, 0);
    }
    leave();
    return done;
}

int syncfs(int fd) { return barrier(REAL(syncfs), fd, 1); }
int fdatasync(int fd) { return barrier(REAL(fdatasync), fd, 0); }
int fsync(int fd) { return barrier(REAL(fsync), fd, 0); }
