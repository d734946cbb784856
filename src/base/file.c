/* SPDX-License-Identifier: Apache-2.0 */
/* file.c - mapping, and temporary-sync-rename. Knows POSIX; knows no format. */
#define _POSIX_C_SOURCE 200809L /* O_CLOEXEC, pwrite, fsync */
#include "file.h"

#include "fault.h"

#include <errno.h>    /* errno, EINTR */
#include <fcntl.h>    /* open */
#include <stdbool.h>  /* bool */
#include <stdio.h>    /* snprintf, rename */
#include <string.h>   /* memcpy, strerror, strrchr */
#include <sys/mman.h> /* mmap */
#include <sys/stat.h> /* fstat */
#include <unistd.h>   /* close, write */

enum { BUFFER_BYTES = 1 << 18 };

static fg_status io_error(const char *path, const char *what)
{
    const int code = errno;
    return fgi_fail(FG_IO, "%s: %s: %s", path, what, strerror(code));
}

static fg_status map_descriptor(int fd, const char *path, fgi_map *out)
{
    struct stat info;
    if (fstat(fd, &info) != 0) return io_error(path, "cannot be examined");
    if (S_ISDIR(info.st_mode)) return fgi_fail(FG_IO, "%s: is a directory, not a file", path);
    if (!S_ISREG(info.st_mode))
        return fgi_fail(FG_IO, "%s: is not a regular file, so it cannot be mapped", path);
    *out = (fgi_map){.data = NULL, .bytes = (int64_t)info.st_size};
    if (info.st_size == 0) return FG_OK;
    void *data = fgi_fault(FGI_FAULT_READ)
                     ? MAP_FAILED
                     : mmap(NULL, (size_t)info.st_size, PROT_READ, MAP_SHARED, fd, 0);
    if (data == MAP_FAILED) return io_error(path, "cannot be mapped");
    out->data = data;
    return FG_OK;
}

fg_status fgi_map_open(const char *path, fgi_map *out)
{
    const int fd = fgi_fault(FGI_FAULT_READ) ? -1 : open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) return io_error(path, "cannot be opened");
    const fg_status s = map_descriptor(fd, path, out);
    close(fd); /* the mapping keeps the file */
    return s;
}

void fgi_map_close(fgi_map *map)
{
    if (map->data) munmap((void *)(uintptr_t)map->data, (size_t)map->bytes);
    *map = (fgi_map){0};
}

struct fgi_writer {
    char *path, *temporary;
    unsigned char *buffer;
    int64_t buffered, written; /* bytes waiting, bytes already in the file */
    int fd;
    fg_status failed;
    bool committed;
};

static fg_status write_all(fgi_writer *w, const unsigned char *data, int64_t bytes)
{
    while (bytes > 0) {
        const ssize_t done = fgi_fault(FGI_FAULT_WRITE) ? -1 : write(w->fd, data, (size_t)bytes);
        if (done < 0 && errno == EINTR) continue;
        if (done < 0) return w->failed = io_error(w->path, "cannot be written");
        data += done;
        bytes -= done;
        w->written += done;
    }
    return FG_OK;
}

static fg_status flush(fgi_writer *w)
{
    const int64_t bytes = w->buffered;
    w->buffered = 0;
    return write_all(w, w->buffer, bytes);
}

fg_status fgi_writer_open(const char *path, fgi_writer **out)
{
    fgi_writer *w;
    FG_TRY(fgi_alloc_zero(NULL, 1, sizeof *w, &w));
    w->fd = -1;
    const size_t length = strlen(path), temporary_bytes = length + 32;
    fg_status s = fgi_alloc(NULL, (int64_t)length + 1, 1, &w->path);
    if (s == FG_OK) s = fgi_alloc(NULL, (int64_t)temporary_bytes, 1, &w->temporary);
    if (s == FG_OK) s = fgi_alloc(NULL, BUFFER_BYTES, 1, &w->buffer);
    if (s == FG_OK) {
        memcpy(w->path, path, length + 1);
        /* beside the target, so that the rename cannot cross file systems; O_EXCL, so that two writers never share */
        for (int attempt = 0; w->fd < 0 && attempt < 100; attempt++) {
            snprintf(w->temporary, temporary_bytes, "%s.tmp-%ld-%d", path, (long)getpid(), attempt);
            w->fd = fgi_fault(FGI_FAULT_WRITE)
                        ? -1
                        : open(w->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
            if (w->fd < 0 && errno != EEXIST) break;
        }
        if (w->fd < 0) s = io_error(path, "cannot be created");
    }
    if (s != FG_OK) {
        fgi_writer_close(w);
        return s;
    }
    *out = w;
    return FG_OK;
}

fg_status fgi_writer_write(fgi_writer *w, const void *data, int64_t bytes)
{
    if (w->failed != FG_OK) return w->failed;
    if (w->buffered + bytes > BUFFER_BYTES) FG_TRY(flush(w));
    if (bytes > BUFFER_BYTES) return write_all(w, data, bytes);
    if (bytes > 0) memcpy(w->buffer + w->buffered, data, (size_t)bytes);
    w->buffered += bytes;
    return FG_OK;
}

fg_status fgi_writer_patch(fgi_writer *w, int64_t offset, const void *data, int64_t bytes)
{
    FGI_ASSERT(offset + bytes <= fgi_writer_offset(w));
    if (w->failed != FG_OK) return w->failed;
    FG_TRY(flush(w));
    const unsigned char *from = data;
    while (bytes > 0) {
        const ssize_t done =
            fgi_fault(FGI_FAULT_WRITE) ? -1 : pwrite(w->fd, from, (size_t)bytes, (off_t)offset);
        if (done < 0 && errno == EINTR) continue;
        if (done < 0) return w->failed = io_error(w->path, "cannot be written");
        from += done;
        offset += done;
        bytes -= done;
    }
    return FG_OK;
}

int64_t fgi_writer_offset(const fgi_writer *w)
{
    return w->written + w->buffered;
}

/* Makes the rename itself durable. A file system that cannot sync a folder is not an error. */
static void sync_folder(const char *path)
{
    char folder[4096] = ".";
    const char *slash = strrchr(path, '/');
    if (slash && (size_t)(slash - path) + 2 <= sizeof folder)
        snprintf(folder, sizeof folder, "%.*s", slash == path ? 1 : (int)(slash - path), path);
    const int fd = open(folder, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return;
    (void)fsync(fd);
    close(fd);
}

fg_status fgi_writer_commit(fgi_writer *w)
{
    if (w->failed != FG_OK) return w->failed;
    FG_TRY(flush(w));
    if (fgi_fault(FGI_FAULT_WRITE) || fsync(w->fd) != 0)
        return w->failed = io_error(w->path, "cannot be synced");
    if (fgi_fault(FGI_FAULT_WRITE) || rename(w->temporary, w->path) != 0)
        return w->failed = io_error(w->path, "cannot be renamed into place");
    w->committed = true;
    sync_folder(w->path);
    return FG_OK;
}

void fgi_writer_close(fgi_writer *w)
{
    if (!w) return;
    if (w->fd >= 0) {
        close(w->fd);
        if (!w->committed) unlink(w->temporary);
    }
    fgi_free(w->path);
    fgi_free(w->temporary);
    fgi_free(w->buffer);
    fgi_free(w);
}
