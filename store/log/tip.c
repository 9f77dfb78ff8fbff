#include "store/log/tip.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "store/base/buf.h"
#include "store/base/time.h"
#include "store/log/day.h"
#include "store/log/reader.h"
#include "store/log/tail.h"

enum { TIP_RECENT_DAYS = 2, TIP_BLOCK_BYTES = 512 /* the unit of st_blocks */ };

/* Room on the disk, not length: a file may have holes, or room in reserve. */
static enum err_code
add_files(const char *directory, const int32_t *recent, size_t recent_count, struct log_tip *tip,
          struct err *err)
{
    DIR *dir = opendir(directory);
    if (dir == NULL)
        return err_set_errno(err, errno, "cannot read the log directory %s", directory);
    for (struct dirent *e; (e = readdir(dir)) != NULL;) {
        struct stat st;
        if (fstatat(dirfd(dir), e->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(st.st_mode))
            continue; /* pruned meanwhile, or not ours */
        uint64_t bytes = (uint64_t)st.st_blocks * TIP_BLOCK_BYTES;
        tip->bytes += bytes;
        for (size_t i = 0; i < recent_count; i++) {
            char date[TIME_TEXT_BYTES];
            time_format_day(recent[i], date);
            if (strncmp(e->d_name, date, strlen(date)) == 0)
                tip->recent_bytes += bytes;
        }
    }
    closedir(dir);
    return ERR_OK;
}

/* Where a day begins and, if ends is not NULL, ends.  *ret_used false: it has no meta yet. */
static enum err_code
read_day(const char *directory, int32_t number, struct day_tip starts[LOG_STREAMS],
         struct day_tip *ends, bool *ret_used, struct err *err)
{
    struct day day;
    enum err_code code = day_open(&day, directory, number, false, err);
    *ret_used = code == ERR_OK;
    if (code != ERR_OK)
        return code == ERR_NOT_FOUND ? ERR_OK : code;
    memcpy(starts, day.start, sizeof day.start);
    if (ends != NULL)
        code = day_tips_read(&day, ends, err);
    day_close(&day);
    return code;
}

/*
 * The tail is read first: what the writer moves into the day meanwhile is then
 * behind the day's end, and not counted twice.
 */
static enum err_code
read_ends(const char *directory, const int32_t *days, size_t count, struct log_tip *tip,
          struct err *err)
{
    struct day_tip starts[LOG_STREAMS], ends[LOG_STREAMS] = {{.next_seq = 1}, {.next_seq = 1}};
    struct buf tail;
    size_t records;
    bool used = false;
    struct frame_codec *codec = frame_codec_new();
    buf_init(&tail, TAIL_BLOCKS * TAIL_BLOCK_BYTES);
    enum err_code code = codec == NULL ? err_set(err, ERR_LIMIT, "no memory for zstd")
                                       : tail_read(directory, &tail, err);
    for (size_t i = count; code == ERR_OK && i > 0 && !used; i--)
        code = read_day(directory, days[i - 1], starts, ends, &used, err);
    if (code == ERR_OK)
        (void)tail_follow((struct bytes){tail.data, tail.size_bytes}, codec, ends, &records);
    frame_codec_free(codec);
    buf_clear(&tail);
    used = false;
    for (size_t i = 0; code == ERR_OK && i < count && !used; i++)
        code = read_day(directory, days[i], starts, NULL, &used, err);
    for (int s = 0; s < LOG_STREAMS; s++) {
        tip->next_seq[s] = ends[s].next_seq;
        tip->first_seq[s] = used ? starts[s].next_seq : ends[s].next_seq;
    }
    return code;
}

enum err_code
log_origin_read(const char *directory, struct log_origin *ret, bool *ret_begun, struct err *err)
{
    int32_t *days = NULL;
    size_t count = 0;
    struct day day;
    enum err_code code = day_list(directory, &days, &count, err);
    *ret_begun = false;
    for (size_t i = 0; code == ERR_OK && i < count && !*ret_begun; i++) {
        code = day_open(&day, directory, days[i], false, err);
        *ret_begun = code == ERR_OK;
        if (code == ERR_NOT_FOUND)
            code = ERR_OK; /* made but never used */
    }
    free(days);
    if (!*ret_begun)
        return code;
    memcpy(ret->identity, day.identity, sizeof ret->identity);
    memcpy(ret->start, day.start, sizeof ret->start);
    day_close(&day);
    return ERR_OK;
}

enum err_code
log_received_after(const char *directory, uint64_t after_seq, int64_t *ret_utc_ms, struct err *err)
{
    struct log_reader *reader;
    struct frame frame;
    struct buf room;
    bool more = false;
    buf_init(&room, FRAME_RAW_BYTES_MAX);
    enum err_code code = log_reader_open(directory, LOG_EVENTS, after_seq, &reader, err);
    if (code != ERR_OK)
        return code;
    code = log_reader_next_stored(reader, &room, &frame, &more, err);
    if (code == ERR_OK)
        *ret_utc_ms = more ? frame.receive_utc_ms : 0;
    log_reader_close(reader);
    buf_clear(&room);
    return code;
}

enum err_code
log_tip_read(const char *directory, struct log_tip *ret, struct err *err)
{
    int32_t *days = NULL;
    size_t count = 0;
    struct log_tip tip = {.bytes = 0};
    struct day_tip starts[LOG_STREAMS];
    bool used = false;
    enum err_code code = day_list(directory, &days, &count, err);
    if (code == ERR_OK)
        code = read_ends(directory, days, count, &tip, err);
    size_t recent = count < TIP_RECENT_DAYS ? count : TIP_RECENT_DAYS;
    const int32_t *newest = recent > 0 ? days + count - recent : days;
    if (code == ERR_OK)
        code = add_files(directory, newest, recent, &tip, err);
    if (code == ERR_OK && recent > 0)
        code = read_day(directory, newest[0], starts, NULL, &used, err);
    if (code == ERR_OK && used)
        code = log_received_after(directory, starts[LOG_EVENTS].next_seq - 1,
                                  &tip.recent_from_utc_ms, err);
    tip.day_count = count;
    if (code == ERR_OK)
        *ret = tip;
    free(days);
    return code;
}
