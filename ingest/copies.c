#include "ingest/copies.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "ingest/ship.h"
#include "store/log/frame.h"
#include "store/log/reader.h"

enum err_code
copies_open(struct copies *c, const char *data, struct err *err)
{
    *c = (struct copies){.uses = 0};
    list_init(&c->frames, sizeof(struct log_copy_frame));
    c->codec = frame_codec_new();
    if (c->codec == NULL)
        return err_set(err, ERR_LIMIT, "no memory for zstd");
    return file_path(c->directory, data, "hosts", err);
}

static void
close_one(struct copy *copy)
{
    log_writer_close(copy->writer);
    *copy = (struct copy){.host = ""};
}

void
copies_close(struct copies *c)
{
    for (size_t i = 0; i < COPIES_OPEN_MAX; i++)
        close_one(&c->open[i]);
    list_clear(&c->frames);
    frame_codec_free(c->codec);
    c->codec = NULL;
}

/* ---- which copy ---- */

static enum err_code
check_room(const struct copies *c, struct err *err)
{
    size_t count = 0;
    DIR *dir = opendir(c->directory);
    if (dir == NULL)
        return err_set_errno(err, errno, "cannot read %s", c->directory);
    for (struct dirent *e; (e = readdir(dir)) != NULL;)
        count += e->d_name[0] != '.';
    closedir(dir);
    return count < COPIES_MAX ? ERR_OK
                              : err_set(err, ERR_LIMIT,
                                        "%s holds %zu hosts, limit is %d: remove those that are "
                                        "gone, or start another collector",
                                        c->directory, count, COPIES_MAX);
}

static enum err_code
open_one(struct copies *c, struct copy *copy, const char *host, const struct log_origin *origin,
         struct err *err)
{
    char path[FILE_PATH_BYTES_MAX], log[FILE_PATH_BYTES_MAX];
    enum err_code code = file_make_directory(c->directory, err);
    if (code == ERR_OK)
        code = file_path(path, c->directory, host, err);
    if (code == ERR_OK)
        code = file_path(log, path, "log", err);
    if (code == ERR_OK && access(path, F_OK) != 0)
        code = check_room(c, err);
    if (code == ERR_OK)
        code = file_make_directory(path, err);
    if (code == ERR_OK)
        code = log_writer_open_copy(log, origin, c->codec, &copy->writer, err);
    if (code != ERR_OK)
        return code;
    snprintf(copy->host, sizeof copy->host, "%s", host);
    copy->origin = *origin;
    return ERR_OK;
}

enum err_code
copies_take(struct copies *c, const char *host, const struct log_origin *origin, struct copy **ret,
            struct err *err)
{
    struct copy *copy = &c->open[0]; /* the one that it is, or that is used least lately */
    for (size_t i = 0; i < COPIES_OPEN_MAX; i++) {
        struct copy *other = &c->open[i];
        if (strcmp(other->host, host) == 0) {
            copy = other;
            break;
        }
        if (other->used < copy->used)
            copy = other;
    }
    enum err_code code = ERR_OK;
    /* Of a copy that holds nothing yet another start may be asked for, too. */
    bool same = memcmp(&copy->origin, origin, sizeof *origin) == 0;
    if (strcmp(copy->host, host) != 0 || !same) {
        close_one(copy);
        code = open_one(c, copy, host, origin, err);
    }
    if (code != ERR_OK)
        return code;
    copy->used = ++c->uses;
    *ret = copy;
    return ERR_OK;
}

/* ---- frames ---- */

/* The copy has this number: has it the same frame?  A chain says that of all before it, too. */
static enum err_code
check_duplicate(const struct copies *c, const struct copy *copy, enum log_stream stream,
                const struct frame *f, struct err *err)
{
    char path[FILE_PATH_BYTES_MAX], log[FILE_PATH_BYTES_MAX];
    struct log_reader *reader = NULL;
    struct buf room;
    struct frame stored;
    bool more = false;
    buf_init(&room, FRAME_RAW_BYTES_MAX);
    enum err_code code = file_path(path, c->directory, copy->host, err);
    if (code == ERR_OK)
        code = file_path(log, path, "log", err);
    if (code == ERR_OK)
        code = log_reader_open(log, stream, f->first_seq - 1, &reader, err);
    if (code == ERR_OK)
        code = log_reader_next_stored(reader, &room, &stored, &more, err);
    if (code == ERR_OK && more &&
        (stored.first_seq != f->first_seq ||
         memcmp(stored.chain, f->chain, sizeof stored.chain) != 0))
        code = err_set(err, ERR_CONFLICT,
                       "what came for %" PRIu64 " of %s is not what the copy of %s has there: "
                       "its log has another history",
                       f->first_seq, stream == LOG_EVENTS ? "the events" : "the quarantine",
                       copy->host);
    log_reader_close(reader);
    buf_clear(&room);
    /* Pruned here: nothing to compare with, and nothing is written. */
    return code == ERR_NOT_FOUND ? ERR_OK : code;
}

/* Those that are new go to c->frames. */
static enum err_code
sort_out(struct copies *c, const struct copy *copy, struct bytes rest, struct copies_counts *counts,
         bool *ret_gap, struct err *err)
{
    const struct day_tip *tips = log_writer_tips(copy->writer);
    struct frame old[LOG_STREAMS] = {{.event_count = 0}}; /* the last that is there */
    bool begun[LOG_STREAMS] = {false};
    enum err_code code = ERR_OK;
    c->frames.count = 0;
    while (code == ERR_OK && rest.size_bytes > 0) {
        struct log_copy_frame next;
        struct frame f;
        if (!ship_next_frame(&rest, &next))
            return err_set(err, ERR_INPUT, "what came from %s is no frame of a log", copy->host);
        code = frame_decode(next.frame, &f, err);
        if (code != ERR_OK)
            return err_set(err, ERR_INPUT, "what came from %s is no sound frame of a log",
                           copy->host);
        if (!begun[next.stream] && f.first_seq < tips[next.stream].next_seq) {
            old[next.stream] = f;
            counts->duplicates++;
            continue;
        }
        *ret_gap = *ret_gap || (!begun[next.stream] && f.first_seq > tips[next.stream].next_seq);
        begun[next.stream] = true;
        *(next.stream == LOG_EVENTS ? &counts->events : &counts->quarantined) += f.event_count;
        counts->frames++;
        if (!list_add(&c->frames, &next))
            return err_set(err, ERR_LIMIT, "no memory for frames");
    }
    for (int s = 0; code == ERR_OK && s < LOG_STREAMS; s++) {
        if (old[s].event_count > 0)
            code = check_duplicate(c, copy, (enum log_stream)s, &old[s], err);
    }
    return code;
}

enum err_code
copies_append(struct copies *c, struct copy *copy, int32_t day, struct bytes frames,
              struct copies_counts *counts, struct err *err)
{
    struct copies_counts more = *counts;
    bool gap = false;
    enum err_code code = sort_out(c, copy, frames, &more, &gap, err);
    if (code != ERR_OK || gap)
        return code;
    if (c->frames.count > 0)
        code = log_writer_append_frames(copy->writer, day, c->frames.items, c->frames.count, err);
    if (code == ERR_OK)
        *counts = more;
    return code;
}
