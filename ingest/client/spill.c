/*
 * The file grows at its tail and is consumed at its head; once all of it is
 * acknowledged it is cut back to its head block.  A record is marked as done in
 * place, which alone decides whether it is sent again; the head block only saves
 * looking at records that are done.  So whatever write a crash swallows, the worst
 * is that something is sent twice, which counts once.
 */
#include "ingest/client/spill.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "ingest/client/spill_record.h"
#include "store/base/hash.h"

enum {
    HEAD_SLOTS = 2,
    HEAD_SLOT_EVERY_BYTES = 512, /* no sector holds two */
    HEAD_SLOT_BYTES = 32,
    GIVE_BACK_BYTES = 1024 * 1024,
    PAGE_BYTES = 4096,
};

static const char head_magic[] = "GBSPILL1";

static bool
write_all(int fd, const void *data, size_t size_bytes, uint64_t at)
{
    const uint8_t *p = data;
    while (size_bytes > 0) {
        ssize_t n = pwrite(fd, p, size_bytes, (off_t)at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        p += n;
        size_bytes -= (size_t)n;
        at += (uint64_t)n;
    }
    return true;
}

/* Write the slot that is not the newest one. */
static bool
write_head(struct spill *spill)
{
    uint8_t slot[HEAD_SLOT_BYTES];
    memcpy(slot, head_magic, 8);
    put_le64(slot + 8, spill->generation + 1);
    put_le64(slot + 16, spill->head);
    put_le64(slot + 24, hash_mem(slot, 24));
    uint64_t at = (spill->generation + 1) % HEAD_SLOTS * HEAD_SLOT_EVERY_BYTES;
    if (!write_all(spill->fd, slot, sizeof slot, at))
        return false;
    spill->generation++;
    spill->written_head = spill->head;
    return true;
}

/* The newest whole slot of a head block; false: there is none. */
static bool
read_head(struct spill *spill, const uint8_t block[SPILL_HEAD_BYTES])
{
    bool found = false;
    for (size_t i = 0; i < HEAD_SLOTS; i++) {
        const uint8_t *slot = block + i * HEAD_SLOT_EVERY_BYTES;
        uint64_t generation = get_le64(slot + 8), head = get_le64(slot + 16);
        if (memcmp(slot, head_magic, 8) != 0 || get_le64(slot + 24) != hash_mem(slot, 24) ||
            generation % HEAD_SLOTS != i || head < SPILL_HEAD_BYTES)
            continue;
        if (found && generation < spill->generation)
            continue;
        spill->generation = generation;
        spill->head = head;
        found = true;
    }
    spill->written_head = spill->head;
    return found;
}

static bool
is_zero(const uint8_t *data, size_t size_bytes)
{
    for (size_t i = 0; i < size_bytes; i++) {
        if (data[i] != 0)
            return false;
    }
    return true;
}

/* The name of a new file shall outlive the machine, as its contents shall. */
static enum err_code
sync_folder(const struct spill *spill, struct err *err)
{
    char folder[sizeof spill->path];
    snprintf(folder, sizeof folder, "%s", spill->path);
    char *slash = strrchr(folder, '/');
    if (slash != NULL)
        slash[slash == folder ? 1 : 0] = '\0';
    int fd = open(slash != NULL ? folder : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int failed = fd < 0 || fsync(fd) != 0 ? errno : 0;
    if (fd >= 0)
        close(fd);
    return failed == 0 ? ERR_OK
                       : err_set_errno(err, failed, "%s: cannot flush its folder", spill->path);
}

static enum err_code
make_new(struct spill *spill, struct err *err)
{
    spill->head = spill->cursor = spill->tail = SPILL_HEAD_BYTES;
    /* Both slots, so that neither's loss is the file's. */
    if (ftruncate(spill->fd, SPILL_HEAD_BYTES) != 0 || !write_head(spill) || !write_head(spill) ||
        fdatasync(spill->fd) != 0)
        return err_set_errno(err, errno, "%s: cannot make the spill file", spill->path);
    return sync_folder(spill, err);
}

static enum err_code
open_locked(struct spill *spill, struct err *err)
{
    struct stat st;
    uint8_t block[SPILL_HEAD_BYTES] = {0};
    if (fstat(spill->fd, &st) != 0)
        return err_set_errno(err, errno, "%s", spill->path);
    if (!S_ISREG(st.st_mode))
        return err_set(err, ERR_CORRUPT, "%s is no regular file; name another spill file",
                       spill->path);
    if (flock(spill->fd, LOCK_EX | LOCK_NB) != 0)
        return errno == EWOULDBLOCK
                   ? err_set(err, ERR_BUSY,
                             "%s: another process, or another client of this one, has this spill "
                             "file open; give each of them a file of its own",
                             spill->path)
                   : err_set_errno(err, errno, "%s: cannot lock it", spill->path);
    if (fstat(spill->fd, &st) != 0 || pread(spill->fd, block, sizeof block, 0) < 0)
        return err_set_errno(err, errno, "%s: cannot read it", spill->path);
    /* Zeros and nothing more: the machine went down while the file was being made. */
    if (st.st_size <= SPILL_HEAD_BYTES && is_zero(block, sizeof block))
        return make_new(spill, err);
    if (!read_head(spill, block))
        return err_set(err, ERR_CORRUPT,
                       "%s is no spill file of gbill, or its head is damaged; move it away or "
                       "name another",
                       spill->path);
    spill->tail = (uint64_t)st.st_size;
    if (spill->head > spill->tail)
        spill->head = SPILL_HEAD_BYTES;
    if (spill->tail < SPILL_HEAD_BYTES)
        spill->tail = SPILL_HEAD_BYTES;
    spill->cursor = spill->head;
    return ERR_OK;
}

enum err_code
spill_open(struct spill *spill, const char *path, uint64_t bytes_max, struct err *err)
{
    *spill = (struct spill){.fd = -1, .bytes_max = bytes_max, .can_punch = true};
    if (strlen(path) > SPILL_PATH_BYTES_MAX)
        return err_set(err, ERR_LIMIT, "the spill file's path has %zu bytes, limit is %d",
                       strlen(path), SPILL_PATH_BYTES_MAX);
    snprintf(spill->path, sizeof spill->path, "%s", path);
    spill->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0600);
    if (spill->fd < 0)
        return err_set_errno(err, errno, "%s: cannot open the spill file", path);
    enum err_code code = open_locked(spill, err);
    if (code != ERR_OK) {
        close(spill->fd);
        spill->fd = -1;
    }
    return code;
}

void
spill_close(struct spill *spill, bool is_ours)
{
    if (spill->fd < 0)
        return;
    if (is_ours)
        (void)flock(spill->fd, LOCK_UN);
    close(spill->fd);
    spill->fd = -1;
}

/* Append [from, to) to <path>.damaged, flushed; false if it cannot be kept. */
static bool
keep_damaged(const struct spill *spill, uint64_t from, uint64_t to, uint8_t *scratch)
{
    char path[sizeof spill->path + 16];
    struct stat st;
    snprintf(path, sizeof path, "%s.damaged", spill->path);
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return false;
    bool ok = fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
              (uint64_t)st.st_size + (to - from) <= spill->bytes_max;
    uint64_t at = ok ? (uint64_t)st.st_size : 0;
    while (ok && from < to) {
        size_t want = to - from < CHUNK_BYTES_MAX ? (size_t)(to - from) : CHUNK_BYTES_MAX;
        ssize_t n = pread(spill->fd, scratch, want, (off_t)from);
        ok = n > 0 && write_all(fd, scratch, (size_t)n, at);
        from += ok ? (uint64_t)n : 0;
        at += ok ? (uint64_t)n : 0;
    }
    ok = ok && fsync(fd) == 0;
    close(fd);
    return ok;
}

/*
 * Take [from, to) out of the way of later readers, once it is kept elsewhere.  If
 * that fails it stays, and is stepped over each time.
 */
static void
set_damaged_aside(struct spill *spill, uint64_t from, uint64_t to, uint8_t *scratch)
{
    spill->damaged_bytes += to - from;
    if (!keep_damaged(spill, from, to, scratch)) {
        spill->has_unkept = true;
        return;
    }
    if (to == spill->tail) {
        if (ftruncate(spill->fd, (off_t)from) == 0)
            spill->tail = from;
        return;
    }
    uint8_t head[SPILL_RECORD_HEAD_BYTES];
    if (to - from >= sizeof head && to - from - sizeof head <= UINT32_MAX) {
        spill_record_skip(head, (uint32_t)(to - from - sizeof head));
        (void)write_all(spill->fd, head, sizeof head, from);
    }
}

/* Give back what stands before head: all, or whole pages now and then. */
static void
give_back(struct spill *spill)
{
    if (spill->head == spill->tail && spill->tail > SPILL_HEAD_BYTES) {
        uint64_t end = spill->tail;
        spill->head = SPILL_HEAD_BYTES;
        /* The head block first: it must never point into records to come. */
        bool cut = write_head(spill) && ftruncate(spill->fd, SPILL_HEAD_BYTES) == 0;
        spill->head = spill->cursor = spill->tail = cut ? SPILL_HEAD_BYTES : end;
        spill->live_events = 0;
        return;
    }
    if (spill->head - spill->written_head < GIVE_BACK_BYTES)
        return;
    uint64_t from = (spill->written_head + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES;
    uint64_t to = spill->head / PAGE_BYTES * PAGE_BYTES;
    if (write_head(spill) && to > from && spill->can_punch)
        spill->can_punch = fallocate(spill->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                                     (off_t)from, (off_t)(to - from)) == 0;
}

/* Where what is done, or damaged and kept, at a place before the cursor ends; 0: it must stay. */
static uint64_t
end_of_done(const struct spill *spill, uint64_t at)
{
    struct spill_item item;
    uint8_t head[SPILL_RECORD_HEAD_BYTES];
    if (pread(spill->fd, head, sizeof head, (off_t)at) == sizeof head &&
        spill_record_parse(head, &item) && at + sizeof head + item.body_bytes <= spill->cursor)
        return item.kind == SPILL_LIVE ? 0 : at + sizeof head + item.body_bytes;
    return spill->has_unkept ? 0 : spill_record_find(spill->fd, at + 1, spill->cursor);
}

/* Step head over all that is done, at most to the cursor. */
static void
advance_head(struct spill *spill)
{
    uint64_t end;
    while (spill->head < spill->cursor && (end = end_of_done(spill, spill->head)) != 0)
        spill->head = end;
    give_back(spill);
}

enum err_code
spill_recover(struct spill *spill, uint8_t *message, struct err *err)
{
    struct spill_item item;
    uint64_t at = spill->head, damaged_at = 0;
    while (at < spill->tail) {
        uint64_t next = spill_record_next(spill->fd, at, spill->tail, message, &item);
        if (item.kind == SPILL_DAMAGED) {
            damaged_at = damaged_at != 0 ? damaged_at : at;
            set_damaged_aside(spill, at, next, message);
        } else if (item.kind == SPILL_LIVE) {
            spill->live_events += item.event_count;
        }
        at = next;
    }
    spill->found_events = spill->live_events;
    if (spill->damaged_bytes == 0)
        return ERR_OK;
    return err_set(err, ERR_CORRUPT,
                   "%s: %" PRIu64 " bytes from offset %" PRIu64
                   " on are no whole record (a crash while one was written, or a failing disk); "
                   "they are kept in %s.damaged, the %" PRIu64 " whole events are sent",
                   spill->path, spill->damaged_bytes, damaged_at, spill->path, spill->live_events);
}

enum err_code
spill_append(struct spill *spill, const struct chunk *chunk, uint64_t *ret_at, struct err *err)
{
    assert(chunk->is_sealed);
    uint8_t head[SPILL_RECORD_HEAD_BYTES];
    struct bytes body = {chunk->message, chunk->size_bytes};
    uint64_t whole_bytes = sizeof head + body.size_bytes;
    uint64_t begin = spill->can_punch ? spill->head : SPILL_HEAD_BYTES;
    if (spill->tail - begin + whole_bytes > spill->bytes_max)
        return err_set(err, ERR_LIMIT,
                       "%s: the spill file is full (%" PRIu64 " bytes); start gbill-agent, or "
                       "raise spill_bytes",
                       spill->path, spill->bytes_max);
    spill_record_head(head, chunk->id, chunk->event_count, body);
    if (!write_all(spill->fd, head, sizeof head, spill->tail) ||
        !write_all(spill->fd, body.data, body.size_bytes, spill->tail + sizeof head)) {
        int e = errno;
        /* If not even this works, the rest of a record is taken for damage later, as it is. */
        if (ftruncate(spill->fd, (off_t)spill->tail) != 0)
            e = errno;
        return err_set_errno(err, e, "%s: cannot write to the spill file", spill->path);
    }
    *ret_at = spill->tail;
    spill->tail += whole_bytes;
    spill->live_events += chunk->event_count;
    spill->is_unsynced = true;
    return ERR_OK;
}

enum err_code
spill_sync(struct spill *spill, struct err *err)
{
    if (spill->is_unsynced && fdatasync(spill->fd) != 0)
        return err_set_errno(err, errno, "%s: cannot flush the spill file", spill->path);
    spill->is_unsynced = false;
    return ERR_OK;
}

/* What has become damaged since spill_recover() was counted there. */
static void
forget_events(struct spill *spill, uint64_t count)
{
    spill->live_events -= count < spill->live_events ? count : spill->live_events;
}

bool
spill_read(struct spill *spill, struct spill_record *ret, uint8_t *message)
{
    struct spill_item item;
    while (spill->cursor < spill->tail) {
        uint64_t at = spill->cursor;
        spill->cursor = spill_record_next(spill->fd, at, spill->tail, message, &item);
        if (item.kind == SPILL_DAMAGED) {
            forget_events(spill, item.event_count);
            set_damaged_aside(spill, at, spill->cursor, message);
            spill->cursor = spill->cursor < spill->tail ? spill->cursor : spill->tail;
        }
        if (item.kind != SPILL_LIVE)
            continue;
        *ret = (struct spill_record){
            .at = at, .message_bytes = item.body_bytes, .event_count = item.event_count};
        memcpy(ret->id, item.id, CHUNK_ID_BYTES);
        return true;
    }
    /* What was left was done or damaged. */
    advance_head(spill);
    return false;
}

void
spill_rewind(struct spill *spill)
{
    spill->cursor = spill->head;
}

void
spill_done(struct spill *spill, const struct spill_record *record)
{
    uint8_t mark[SPILL_MARK_BYTES];
    spill_record_mark(mark, record->id);
    /* If it cannot be marked it is sent again one day, and counts once. */
    (void)write_all(spill->fd, mark, sizeof mark, record->at + SPILL_MARK_AT);
    forget_events(spill, record->event_count);
    advance_head(spill);
}
