#include "ingest/replay_lines.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { READ_BYTES = 64 * 1024 };

enum err_code
replay_lines_open(struct replay_lines *lines, const char *path, bool is_csv, struct err *err)
{
    *lines = (struct replay_lines){.name = path, .is_csv = is_csv, .fd = -1, .line = 1};
    buf_init(&lines->text, REPLAY_LINE_BYTES_MAX + READ_BYTES);
    if (!buf_reserve(&lines->text, REPLAY_LINE_BYTES_MAX + READ_BYTES))
        return err_set(err, ERR_IO, "%s: out of memory for a line", path);
    if (strcmp(path, "-") == 0) {
        lines->name = "standard input";
        lines->fd = STDIN_FILENO;
        return ERR_OK;
    }
    lines->fd = open(path, O_RDONLY | O_CLOEXEC);
    if (lines->fd < 0)
        return err_set_errno(err, errno, "cannot open %s", path);
    lines->owns_fd = true;
    struct stat st;
    if (fstat(lines->fd, &st) == 0 && S_ISDIR(st.st_mode))
        return err_set(err, ERR_INPUT, "%s is a directory, must be a file", path);
    return ERR_OK;
}

void
replay_lines_close(struct replay_lines *lines)
{
    if (lines->owns_fd)
        close(lines->fd);
    buf_clear(&lines->text);
    *lines = (struct replay_lines){.fd = -1};
}

/* Read on; the line being read moves to the front of the buffer. */
static enum err_code
fill(struct replay_lines *lines, struct err *err)
{
    buf_drop(&lines->text, lines->at);
    lines->at = 0;
    size_t room = lines->text.cap_bytes - lines->text.size_bytes;
    assert(room > 0);
    ssize_t n;
    do
        n = read(lines->fd, lines->text.data + lines->text.size_bytes, room);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return err_set_errno(err, errno, "cannot read %s", lines->name);
    lines->text.size_bytes += (size_t)n;
    lines->ended = n == 0;
    return ERR_OK;
}

enum state { FIELD_START, PLAIN, QUOTED, QUOTE_IN_QUOTED };

/* A quote opens a field only at the field's beginning; elsewhere it is a character. */
static enum state
csv_step(enum state state, uint8_t c)
{
    if (state == QUOTED)
        return c == '"' ? QUOTE_IN_QUOTED : QUOTED;
    if (c == '"' && (state == FIELD_START || state == QUOTE_IN_QUOTED))
        return QUOTED;
    return c == ',' ? FIELD_START : PLAIN;
}

struct extent {
    bool found;      /* text ends with a line end */
    bool is_quoted;  /* not found, and a quote is open */
    size_t end;      /* where the line end's LF stands, if found */
    uint64_t inside; /* LFs before it */
    size_t first;    /* behind the first LF, if there is any */
};

static struct extent
measure(const struct replay_lines *lines)
{
    struct extent x = {0};
    enum state state = FIELD_START;
    for (size_t i = lines->at; i < lines->text.size_bytes; i++) {
        uint8_t c = lines->text.data[i];
        if (c == '\n') {
            if (x.first == 0)
                x.first = i + 1;
            if (!lines->is_csv || state != QUOTED) {
                x.found = true;
                x.end = i;
                return x;
            }
            x.inside++;
        }
        state = csv_step(state, c);
    }
    x.is_quoted = lines->is_csv && state == QUOTED;
    return x;
}

static void
give(struct replay_lines *lines, size_t end, size_t next, uint64_t line_count,
     struct replay_line *ret)
{
    size_t size = end - lines->at;
    if (size > 0 && lines->text.data[end - 1] == '\r')
        size--;
    *ret = (struct replay_line){.line = lines->line, .text = {lines->text.data + lines->at, size}};
    if (size > REPLAY_LINE_BYTES_MAX)
        ret->defect = "the line has more than 1048576 bytes";
    lines->at = next;
    lines->line += line_count;
}

/* Drop the rest of a line that does not fit in the buffer. */
static enum err_code
skip_line(struct replay_lines *lines, struct err *err)
{
    for (;;) {
        const uint8_t *lf =
            memchr(lines->text.data + lines->at, '\n', lines->text.size_bytes - lines->at);
        if (lf != NULL) {
            lines->at = (size_t)(lf - lines->text.data) + 1;
            return ERR_OK;
        }
        lines->at = lines->text.size_bytes;
        if (lines->ended)
            return ERR_OK;
        enum err_code code = fill(lines, err);
        if (code != ERR_OK)
            return code;
    }
}

/* A record that never ends: give up on its first line only. */
static enum err_code
give_defect(struct replay_lines *lines, const struct extent *x, struct replay_line *ret,
            struct err *err)
{
    *ret = (struct replay_line){
        .line = lines->line,
        .defect = x->is_quoted ? "a quote is opened and never closed (within 1048576 bytes)"
                               : "the line has more than 1048576 bytes"};
    lines->line++;
    if (x->first > 0) {
        lines->at = x->first;
        return ERR_OK;
    }
    return skip_line(lines, err);
}

static void
step_over_bom(struct replay_lines *lines)
{
    if (lines->line == 1 && lines->text.size_bytes - lines->at >= 3 &&
        memcmp(lines->text.data + lines->at, "\xef\xbb\xbf", 3) == 0)
        lines->at += 3;
}

enum err_code
replay_lines_next(struct replay_lines *lines, struct replay_line *ret, struct err *err)
{
    for (;;) {
        step_over_bom(lines);
        struct extent x = measure(lines);
        if (x.found) {
            lines->resume_at = x.first;
            lines->resume_line = lines->line + 1;
            give(lines, x.end, x.end + 1, x.inside + 1, ret);
            return ERR_OK;
        }
        size_t left = lines->text.size_bytes - lines->at;
        if (lines->ended && left == 0) {
            *ret = (struct replay_line){.end = true};
            return ERR_OK;
        }
        if (lines->ended && !x.is_quoted) {
            size_t end = lines->text.size_bytes;
            lines->resume_at = x.first > 0 ? x.first : end;
            lines->resume_line = lines->line + 1;
            give(lines, end, end, x.inside + 1, ret);
            return ERR_OK;
        }
        if (lines->ended || left > REPLAY_LINE_BYTES_MAX)
            return give_defect(lines, &x, ret, err);
        enum err_code code = fill(lines, err);
        if (code != ERR_OK)
            return code;
    }
}

void
replay_lines_resume(struct replay_lines *lines)
{
    lines->at = lines->resume_at;
    lines->line = lines->resume_line;
}
