#include "store/log/tail.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "store/base/file.h"
#include "store/base/hash.h"

#define TAIL_MAGIC UINT32_C(0x31544247) /* "GBT1" */

enum {
    TAIL_BYTES = TAIL_BLOCKS * TAIL_BLOCK_BYTES,
    TAIL_CHECKED_BYTES = 16, /* of the head */
    TAIL_MODE = 0640,
};

/* Whole blocks. */
static size_t
record_bytes(size_t frames_bytes)
{
    size_t n = TAIL_HEAD_BYTES + frames_bytes + TAIL_BLOCK_BYTES - 1;
    return n - n % TAIL_BLOCK_BYTES;
}

/* Give the file all its blocks, so that no append makes it longer.  False: no room. */
static bool
fill(int fd)
{
    static uint8_t zeros[16 * TAIL_BLOCK_BYTES]; /* not const: they would lie in the program */
    off_t size = lseek(fd, 0, SEEK_END);
    for (off_t at = size - size % TAIL_BLOCK_BYTES; at < TAIL_BYTES;) {
        size_t want = TAIL_BYTES - at < (off_t)sizeof zeros ? (size_t)(TAIL_BYTES - at)
                                                            : sizeof zeros;
        ssize_t n = pwrite(fd, zeros, want, at);
        if (n <= 0)
            return false;
        at += n;
    }
    return true;
}

enum err_code
tail_open(const char *directory, struct tail *ret, struct err *err)
{
    char path[FILE_PATH_BYTES_MAX];
    *ret = (struct tail){.fd = -1};
    buf_init(&ret->records, TAIL_BYTES);
    enum err_code code = file_path(path, directory, "tail", err);
    if (code != ERR_OK)
        return code;
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, TAIL_MODE);
    if (fd < 0)
        return errno == ENOSPC || errno == EDQUOT
                   ? ERR_OK
                   : err_set_errno(err, errno, "cannot open %s", path);
    if (!fill(fd)) {
        close(fd);
        return ERR_OK;
    }
    if (fsync(fd) != 0)
        code = err_set_errno(err, errno, "cannot flush %s", path);
    if (code == ERR_OK)
        code = file_sync_directory(directory, err);
    if (code == ERR_OK)
        ret->fd = fd;
    else
        close(fd);
    return code;
}

void
tail_close(struct tail *tail)
{
    if (tail->fd >= 0)
        close(tail->fd);
    tail->fd = -1;
    buf_clear(&tail->records);
}

bool
tail_has_room(const struct tail *tail, size_t frames_bytes)
{
    return tail->fd >= 0 && tail->record_count < TAIL_RECORDS_MAX &&
           tail->records.size_bytes + record_bytes(frames_bytes) <= TAIL_BYTES;
}

/* Put a record behind the others, in memory. */
static bool
lay_out(struct buf *records, const struct tail_record *record)
{
    static const uint8_t zeros[TAIL_BLOCK_BYTES];
    size_t frames_bytes = 0, start = records->size_bytes;
    for (int s = 0; s < LOG_STREAMS; s++)
        frames_bytes += record->frames[s].size_bytes;
    size_t all = record_bytes(frames_bytes);
    bool ok = buf_reserve(records, all) && buf_append(records, zeros, TAIL_HEAD_BYTES);
    for (int s = 0; ok && s < LOG_STREAMS; s++)
        ok = buf_append(records, record->frames[s].data, record->frames[s].size_bytes);
    if (!ok || !buf_append(records, zeros, start + all - records->size_bytes)) {
        records->size_bytes = start;
        return false;
    }
    uint8_t *h = records->data + start;
    put_le32(h, TAIL_MAGIC);
    for (int s = 0; s < LOG_STREAMS; s++)
        put_le32(h + 4 + 4 * s, (uint32_t)record->frames[s].size_bytes);
    put_le64(h + TAIL_CHECKED_BYTES,
             hash_checksum((struct bytes){h, TAIL_CHECKED_BYTES},
                           (struct bytes){h + TAIL_HEAD_BYTES, frames_bytes}));
    return true;
}

static bool
write_all(int fd, const uint8_t *data, size_t size_bytes, size_t at_bytes)
{
    while (size_bytes > 0) {
        ssize_t n = pwrite(fd, data, size_bytes, (off_t)at_bytes);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        data += n;
        at_bytes += (size_t)n;
        size_bytes -= (size_t)n;
    }
    return true;
}

enum err_code
tail_append(struct tail *tail, const struct tail_record *record, struct err *err)
{
    static const uint8_t no_head[TAIL_HEAD_BYTES];
    size_t start = tail->records.size_bytes;
    if (!lay_out(&tail->records, record))
        return err_set(err, ERR_LIMIT, "no memory for a record of the log's tail");
    const uint8_t *data = tail->records.data + start;
    if (!write_all(tail->fd, data, tail->records.size_bytes - start, start) ||
        fdatasync(tail->fd) != 0) {
        enum err_code code =
            err_set(err, ERR_IO, "cannot flush the log's tail: %s", strerror(errno));
        /* So that no reader takes for flushed what may not be. */
        (void)write_all(tail->fd, no_head, sizeof no_head, start);
        tail->records.size_bytes = start;
        return code;
    }
    tail->record_count++;
    return ERR_OK;
}

void
tail_empty(struct tail *tail)
{
    tail->records.size_bytes = 0;
    tail->record_count = 0;
}

/* How much a record takes, as its head says; 0: there is none. */
static size_t
record_size(struct bytes at)
{
    uint64_t frames_bytes = 0;
    if (at.size_bytes < TAIL_HEAD_BYTES || get_le32(at.data) != TAIL_MAGIC)
        return 0;
    for (int s = 0; s < LOG_STREAMS; s++)
        frames_bytes += get_le32(at.data + 4 + 4 * s);
    return frames_bytes <= TAIL_BYTES ? record_bytes(frames_bytes) : 0;
}

bool
tail_next(struct bytes *rest, struct tail_record *ret)
{
    const uint8_t *h = rest->data;
    const size_t all = record_size(*rest);
    if (all == 0 || all > rest->size_bytes)
        return false;
    uint64_t sizes[LOG_STREAMS], frames_bytes = 0;
    for (int s = 0; s < LOG_STREAMS; s++) {
        sizes[s] = get_le32(h + 4 + 4 * s);
        frames_bytes += sizes[s];
    }
    struct bytes frames = {h + TAIL_HEAD_BYTES, frames_bytes};
    if (get_le64(h + TAIL_CHECKED_BYTES) !=
        hash_checksum((struct bytes){h, TAIL_CHECKED_BYTES}, frames))
        return false;
    for (int s = 0; s < LOG_STREAMS; s++) {
        ret->frames[s] = (struct bytes){frames.data, sizes[s]};
        frames.data += sizes[s];
    }
    *rest = (struct bytes){rest->data + all, rest->size_bytes - all};
    return true;
}

size_t
tail_follow(struct bytes records, struct frame_codec *codec, struct day_tip tips[LOG_STREAMS],
            size_t *ret_count)
{
    struct bytes rest = records;
    struct tail_record record;
    size_t followed = 0;
    *ret_count = 0;
    while (tail_next(&rest, &record)) {
        struct day_tip next[LOG_STREAMS];
        bool follows = true;
        memcpy(next, tips, sizeof next);
        for (int s = 0; follows && s < LOG_STREAMS; s++)
            follows = record.frames[s].size_bytes == 0 ||
                      day_tip_go_on(&next[s], codec, record.frames[s]);
        if (!follows)
            break;
        memcpy(tips, next, sizeof next);
        followed = records.size_bytes - rest.size_bytes;
        ++*ret_count;
    }
    return followed;
}

static enum err_code
open_to_read(const char *directory, int *ret_fd, struct err *err)
{
    char path[FILE_PATH_BYTES_MAX];
    *ret_fd = -1;
    enum err_code code = file_path(path, directory, "tail", err);
    if (code != ERR_OK)
        return code;
    *ret_fd = open(path, O_RDONLY | O_CLOEXEC);
    if (*ret_fd < 0 && errno != ENOENT)
        return err_set_errno(err, errno, "cannot open %s", path);
    return ERR_OK;
}

/* Append up to size_bytes of the file from where out ends in it; less at the file's end. */
static enum err_code
read_behind(int fd, size_t size_bytes, struct buf *out, const char *directory, struct err *err)
{
    const size_t end = out->size_bytes + size_bytes;
    if (!buf_reserve(out, size_bytes))
        return err_set(err, ERR_LIMIT, "no memory for the log's tail");
    while (out->size_bytes < end) {
        ssize_t n =
            pread(fd, out->data + out->size_bytes, end - out->size_bytes, (off_t)out->size_bytes);
        if (n < 0 && errno != EINTR)
            return err_set_errno(err, errno, "cannot read the log's tail in %s", directory);
        if (n == 0)
            break;
        out->size_bytes += n > 0 ? (size_t)n : 0;
    }
    return ERR_OK;
}

enum err_code
tail_read(const char *directory, struct buf *out, struct err *err)
{
    int fd;
    out->size_bytes = 0;
    enum err_code code = open_to_read(directory, &fd, err);
    if (code != ERR_OK || fd < 0)
        return code;
    code = read_behind(fd, TAIL_BYTES, out, directory, err);
    close(fd);
    return code;
}

/* The record behind those in out, if it goes on where the tips stand; else out is as it was. */
static enum err_code
read_record(int fd, struct frame_codec *codec, struct day_tip tips[LOG_STREAMS], struct buf *out,
            bool *ret_more, const char *directory, struct err *err)
{
    const size_t start = out->size_bytes;
    size_t count = 0, all = 0;
    enum err_code code = ERR_OK;
    if (start < TAIL_BYTES)
        code = read_behind(fd, TAIL_BLOCK_BYTES, out, directory, err);
    if (code == ERR_OK)
        all = record_size((struct bytes){out->data + start, out->size_bytes - start});
    if (all > TAIL_BLOCK_BYTES && all <= TAIL_BYTES - start)
        code = read_behind(fd, all - TAIL_BLOCK_BYTES, out, directory, err);
    if (code == ERR_OK && all > 0)
        (void)tail_follow((struct bytes){out->data + start, out->size_bytes - start}, codec, tips,
                          &count);
    *ret_more = count > 0;
    if (count == 0)
        out->size_bytes = start;
    return code;
}

enum err_code
tail_read_on(const char *directory, struct frame_codec *codec, struct day_tip tips[LOG_STREAMS],
             struct buf *records, struct err *err)
{
    int fd;
    enum err_code code = open_to_read(directory, &fd, err);
    if (code != ERR_OK || fd < 0)
        return code;
    for (bool more = true; code == ERR_OK && more;)
        code = read_record(fd, codec, tips, records, &more, directory, err);
    close(fd);
    return code;
}

enum err_code
tail_flush(const char *directory, struct err *err)
{
    int fd;
    enum err_code code = open_to_read(directory, &fd, err);
    if (code != ERR_OK || fd < 0)
        return code;
    if (fdatasync(fd) != 0)
        code = err_set_errno(err, errno, "cannot flush the log's tail in %s", directory);
    close(fd);
    return code;
}
