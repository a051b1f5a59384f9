/* A disk that can fail, between a process and the files of one folder: for LD_PRELOAD.
 *
 * For each file it keeps what a power failure would leave: an image that changes when the file is synced, and a mark for each
 * sector that was written since. Both lie in files, so they outlive the process as the kernel's cache would. What a power
 * failure leaves of the marked sectors is for the caller to decide.
 *
 * POWER_DIR     the folder whose files are watched named stoa.db* (not *-shm, which is no more than memory)
 * POWER_STATE   where the images and marks are kept
 * POWER_CUT_AT  the number of the operation before which the process is killed
 * POWER_FAIL    kind:from:to, separated by commas: operations from (inclusive) to (exclusive) fail.
 *               full: no space for a write; write: writes fail; sync: syncs fail, and what was not on disk never gets there;
 *               folder: as sync, but only syncs of the folder itself
 * POWER_LIE     syncs do nothing and report success
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SECTOR = 512, SECTORS = 1 << 17, FILES = 16, FDS = 1024, NAME = 64 };

/* The layout of a .marks file. */
struct marks {
    uint64_t size;    /* of the image */
    uint64_t entry;   /* the folder's entry is on disk */
    uint64_t removed; /* the file was removed, but that is not on disk */
    unsigned char dirty[SECTORS];
};

struct file {
    char name[NAME];
    struct marks *marks;
    int image;
    unsigned failed; /* syncs that failed in this process */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct file files[FILES];
static struct file *by_fd[FDS];
/* How many of its file's failed syncs a descriptor was told of. One that is opened later is told of none of them: the sync that
 * found a failure reported it, and what somebody was told of is not kept for newcomers (errseq_t). */
static unsigned seen[FDS];
static char is_folder[FDS];
static char folder[PATH_MAX], state[PATH_MAX];
static long operations, cut_at;
static const char *failures;
static int lies;

#define REAL(result, name, ...)                                                                                        \
    static result (*real_##name)(__VA_ARGS__);                                                                         \
    if (!real_##name) real_##name = (result(*)(__VA_ARGS__))dlsym(RTLD_NEXT, #name)

static int raw_open(const char *path, int flags, mode_t mode) {
    REAL(int, open, const char *, int, ...);
    return real_open(path, flags, mode);
}

static void fail(const char *what) {
    fprintf(stderr, "power: %s: %s\n", what, strerror(errno));
    abort();
}

/* The files of the state are our own; reading and writing them is not watched. */
static struct file *attach(const char *name, int copy_from) {
    struct file *file = NULL;
    char path[PATH_MAX + NAME + 8];
    for (int i = 0; i < FILES && !file; i++)
        if (!files[i].marks) file = &files[i];
    if (!file || strlen(name) >= NAME) fail("too many files");
    strcpy(file->name, name);
    snprintf(path, sizeof path, "%s/%s.image", state, name);
    int is_new = access(path, F_OK) != 0;
    file->image = raw_open(path, O_RDWR | O_CREAT, 0600);
    snprintf(path, sizeof path, "%s/%s.marks", state, name);
    int marks = raw_open(path, O_RDWR | O_CREAT, 0600);
    if (file->image < 0 || marks < 0 || ftruncate(marks, sizeof(struct marks)) != 0) fail(path);
    file->marks = mmap(NULL, sizeof(struct marks), PROT_READ | PROT_WRITE, MAP_SHARED, marks, 0);
    if (file->marks == MAP_FAILED) fail("mmap");
    close(marks);
    /* What is there at the beginning is on disk. */
    if (is_new && copy_from >= 0) {
        char buffer[1 << 16];
        ssize_t count;
        while ((count = pread(copy_from, buffer, sizeof buffer, file->marks->size)) > 0) {
            if (pwrite(file->image, buffer, count, file->marks->size) != count) fail("image");
            file->marks->size += count;
        }
        file->marks->entry = 1;
    }
    return file;
}

static struct file *find(const char *name) {
    for (int i = 0; i < FILES; i++)
        if (files[i].marks && strcmp(files[i].name, name) == 0) return &files[i];
    return NULL;
}

static void detach(struct file *file) {
    char path[PATH_MAX + NAME + 8];
    munmap(file->marks, sizeof(struct marks));
    close(file->image);
    snprintf(path, sizeof path, "%s/%s.image", state, file->name);
    remove(path);
    snprintf(path, sizeof path, "%s/%s.marks", state, file->name);
    remove(path);
    for (int fd = 0; fd < FDS; fd++)
        if (by_fd[fd] == file) by_fd[fd] = NULL;
    memset(file, 0, sizeof *file);
}

__attribute__((constructor)) static void begin(void) {
    const char *dir = getenv("POWER_DIR"), *kept = getenv("POWER_STATE"), *cut = getenv("POWER_CUT_AT");
    if (!dir || !kept) return;
    snprintf(folder, sizeof folder, "%s", dir);
    snprintf(state, sizeof state, "%s", kept);
    cut_at = cut ? atol(cut) : 0;
    failures = getenv("POWER_FAIL");
    lies = getenv("POWER_LIE") != NULL;
    DIR *entries = opendir(state);
    if (!entries) fail(state);
    for (struct dirent *entry; (entry = readdir(entries));) {
        char *end = strstr(entry->d_name, ".marks");
        if (!end) continue;
        *end = 0;
        attach(entry->d_name, -1);
    }
    closedir(entries);
}

/* The name within the folder, or none if the file is not watched. */
static const char *watched(const char *path) {
    size_t length = strlen(folder), whole = strlen(path);
    if (!length || strncmp(path, folder, length) != 0 || path[length] != '/') return NULL;
    const char *name = path + length + 1;
    if (!*name || strchr(name, '/')) return NULL;
    if (whole > 4 && strcmp(path + whole - 4, "-shm") == 0) return NULL;
    if (strncmp(name, "stoa.db", 7) != 0) return NULL;
    return name;
}

/* Counts an operation; what kind of failure is due, if any. */
static int due(const char *kind) {
    operations++;
    if (operations == cut_at) {
        kill(getpid(), SIGKILL);
        for (;;) pause();
    }
    for (const char *at = failures; at && *at;) {
        char found[16];
        long from, to;
        if (sscanf(at, "%15[a-z]:%ld:%ld", found, &from, &to) != 3) fail("POWER_FAIL");
        if (operations >= from && operations < to) {
            if (strcmp(found, "full") == 0 && strcmp(kind, "write") == 0) return ENOSPC;
            if (strcmp(found, kind) == 0) return EIO;
            if (strcmp(found, "sync") == 0 && strcmp(kind, "folder") == 0) return EIO;
        }
        at = strchr(at, ',');
        if (at) at++;
    }
    return 0;
}

static void mark(struct file *file, off_t from, size_t count) {
    if (!count) return;
    size_t last = (from + count - 1) / SECTOR;
    if (last >= SECTORS) fail("the file is too large");
    for (size_t sector = from / SECTOR; sector <= last; sector++) file->marks->dirty[sector] = 1;
}

static void settle(struct file *file, int fd) {
    struct stat stat;
    if (fstat(fd, &stat) != 0) fail("fstat");
    for (off_t sector = 0; sector * SECTOR < stat.st_size; sector++) {
        char buffer[SECTOR];
        if (!file->marks->dirty[sector]) continue;
        ssize_t count = pread(fd, buffer, SECTOR, sector * SECTOR);
        REAL(ssize_t, pwrite, int, const void *, size_t, off_t);
        if (count < 0 || real_pwrite(file->image, buffer, count, sector * SECTOR) != count) fail("image");
    }
    REAL(int, ftruncate, int, off_t);
    if (real_ftruncate(file->image, stat.st_size) != 0) fail("image");
    file->marks->size = stat.st_size;
    memset(file->marks->dirty, 0, SECTORS);
}

static int watch_open(const char *path, int flags, mode_t mode) {
    const char *name = watched(path);
    if (!name) {
        int fd = raw_open(path, flags, mode);
        if (fd >= 0 && fd < FDS && *folder && strcmp(path, folder) == 0) is_folder[fd] = 1;
        return fd;
    }
    pthread_mutex_lock(&lock);
    int is_new = access(path, F_OK) != 0, fd = -1, error = 0;
    if (is_new && (flags & O_CREAT)) error = due("write");
    if (!error) fd = raw_open(path, flags, mode);
    else errno = error;
    if (fd >= FDS) fail("too many descriptors");
    if (fd >= 0) {
        struct file *file = find(name);
        if (file && is_new) {
            detach(file);
            file = NULL;
        }
        by_fd[fd] = file ? file : attach(name, is_new ? -1 : fd);
        seen[fd] = by_fd[fd]->failed;
    }
    pthread_mutex_unlock(&lock);
    return fd;
}

static mode_t mode_of(int flags, va_list arguments) {
    return flags & (O_CREAT | O_TMPFILE) ? va_arg(arguments, mode_t) : 0;
}

int open(const char *path, int flags, ...) {
    va_list arguments;
    va_start(arguments, flags);
    mode_t mode = mode_of(flags, arguments);
    va_end(arguments);
    return watch_open(path, flags, mode);
}

int open64(const char *path, int flags, ...) {
    va_list arguments;
    va_start(arguments, flags);
    mode_t mode = mode_of(flags, arguments);
    va_end(arguments);
    return watch_open(path, flags, mode);
}

int close(int fd) {
    REAL(int, close, int);
    if (fd >= 0 && fd < FDS) {
        by_fd[fd] = NULL;
        is_folder[fd] = 0;
    }
    return real_close(fd);
}

static struct file *file_of(int fd) {
    return fd >= 0 && fd < FDS ? by_fd[fd] : NULL;
}

ssize_t pwrite(int fd, const void *bytes, size_t count, off_t at) {
    REAL(ssize_t, pwrite, int, const void *, size_t, off_t);
    struct file *file = file_of(fd);
    if (!file) return real_pwrite(fd, bytes, count, at);
    pthread_mutex_lock(&lock);
    ssize_t written = -1;
    int error = due("write");
    if (error) errno = error;
    else {
        written = real_pwrite(fd, bytes, count, at);
        if (written > 0) mark(file, at, written);
    }
    pthread_mutex_unlock(&lock);
    return written;
}

ssize_t pwrite64(int fd, const void *bytes, size_t count, off_t at) {
    return pwrite(fd, bytes, count, at);
}

ssize_t write(int fd, const void *bytes, size_t count) {
    REAL(ssize_t, write, int, const void *, size_t);
    if (!file_of(fd)) return real_write(fd, bytes, count);
    off_t at = lseek(fd, 0, SEEK_CUR);
    ssize_t written = pwrite(fd, bytes, count, at);
    if (written > 0) lseek(fd, at + written, SEEK_SET);
    return written;
}

int ftruncate(int fd, off_t size) {
    REAL(int, ftruncate, int, off_t);
    if (!file_of(fd)) return real_ftruncate(fd, size);
    pthread_mutex_lock(&lock);
    int error = due("write"), result = -1;
    if (error) errno = error;
    else result = real_ftruncate(fd, size);
    pthread_mutex_unlock(&lock);
    return result;
}

int ftruncate64(int fd, off_t size) {
    return ftruncate(fd, size);
}

/* SQLite writes zeros itself where this is not to be had. */
int fallocate(int fd, int mode, off_t from, off_t count) {
    REAL(int, fallocate, int, int, off_t, off_t);
    if (!file_of(fd)) return real_fallocate(fd, mode, from, count);
    errno = EOPNOTSUPP;
    return -1;
}

static void settle_folder(void) {
    for (int i = 0; i < FILES; i++) {
        if (!files[i].marks) continue;
        if (files[i].marks->removed) detach(&files[i]);
        else files[i].marks->entry = 1;
    }
}

int fsync(int fd) {
    REAL(int, fsync, int);
    struct file *file = file_of(fd);
    int of_folder = fd >= 0 && fd < FDS && is_folder[fd];
    if (!file && !of_folder) return real_fsync(fd);
    pthread_mutex_lock(&lock);
    int error = due(of_folder ? "folder" : "sync");
    if (!lies && !error) {
        if (of_folder) settle_folder();
        else settle(file, fd);
    }
    if (file) {
        /* As Linux does: the pages count as clean from now on, and everybody who has the file open is told once. */
        if (error) {
            memset(file->marks->dirty, 0, SECTORS);
            file->failed++;
        }
        if (seen[fd] != file->failed) error = EIO;
        seen[fd] = file->failed;
    }
    pthread_mutex_unlock(&lock);
    if (error) errno = error;
    return error ? -1 : 0;
}

int fdatasync(int fd) {
    REAL(int, fdatasync, int);
    return file_of(fd) || (fd >= 0 && fd < FDS && is_folder[fd]) ? fsync(fd) : real_fdatasync(fd);
}

int unlink(const char *path) {
    REAL(int, unlink, const char *);
    const char *name = watched(path);
    if (!name) return real_unlink(path);
    pthread_mutex_lock(&lock);
    int error = due("write"), result = -1;
    if (error) errno = error;
    else result = real_unlink(path);
    struct file *file = find(name);
    if (result == 0 && file) {
        if (file->marks->entry) file->marks->removed = 1;
        else detach(file);
    }
    pthread_mutex_unlock(&lock);
    return result;
}

int rename(const char *from, const char *to) {
    REAL(int, rename, const char *, const char *);
    errno = ENOSYS;
    if (watched(from) || watched(to)) fail("renames are not modelled");
    return real_rename(from, to);
}

int link(const char *from, const char *to) {
    REAL(int, link, const char *, const char *);
    errno = ENOSYS;
    if (watched(from) || watched(to)) fail("links are not modelled");
    return real_link(from, to);
}
