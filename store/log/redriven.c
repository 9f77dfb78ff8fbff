#include "store/log/redriven.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store/base/file.h"
#include "store/base/time.h"

enum { FILE_BYTES_MAX = 256 * 1024 * 1024, LINE_BYTES_MAX = 96 };

static const char file_name[] = "redriven.jsonl";

static int
compare(const void *a, const void *b)
{
    const struct redriven *x = a, *y = b;
    int order = (x->number > y->number) - (x->number < y->number);
    return order != 0 ? order : (x->at_utc_ms > y->at_utc_ms) - (x->at_utc_ms < y->at_utc_ms);
}

static bool
read_line(const char *line, struct redriven *ret)
{
    static const char head[] = "{\"number\":", middle[] = ",\"at\":\"";
    char *end;
    if (strncmp(line, head, sizeof head - 1) != 0)
        return false;
    ret->number = strtoull(line + sizeof head - 1, &end, 10);
    if (strncmp(end, middle, sizeof middle - 1) != 0)
        return false;
    const char *at = end + sizeof middle - 1, *quote = strchr(at, '"');
    return quote != NULL && time_parse((struct str){at, (size_t)(quote - at)}, &ret->at_utc_ms);
}

enum err_code
redriven_read(const char *data_directory, struct list *ret, struct err *err)
{
    char path[FILE_PATH_BYTES_MAX];
    struct bytes text;
    list_init(ret, sizeof(struct redriven));
    enum err_code code = file_path(path, data_directory, file_name, err);
    if (code == ERR_OK)
        code = file_read(path, FILE_BYTES_MAX, &text, err);
    if (code != ERR_OK)
        return code == ERR_NOT_FOUND ? ERR_OK : code;
    for (char *line = (char *)(uintptr_t)text.data; line != NULL && *line != '\0';) {
        char *end = strchr(line, '\n');
        struct redriven one;
        if (end != NULL)
            *end++ = '\0';
        if (read_line(line, &one) && !list_add(ret, &one)) {
            code = err_set(err, ERR_LIMIT, "%s: no memory for it", path);
            break;
        }
        line = end;
    }
    free((void *)(uintptr_t)text.data);
    if (ret->count > 1)
        qsort(ret->items, ret->count, ret->item_bytes, compare);
    return code;
}

bool
redriven_find(const struct list *redriven, uint64_t number, int64_t *ret_at_utc_ms)
{
    const struct redriven *all = redriven->items;
    size_t low = 0, high = redriven->count;
    /* The first behind all lines of this number. */
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (all[middle].number <= number)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == 0 || all[low - 1].number != number)
        return false;
    *ret_at_utc_ms = all[low - 1].at_utc_ms;
    return true;
}

enum err_code
redriven_add(const char *data_directory, const uint64_t *numbers, size_t count, int64_t at_utc_ms,
             struct err *err)
{
    char path[FILE_PATH_BYTES_MAX], at[TIME_TEXT_BYTES];
    time_format_ms(at_utc_ms, at);
    enum err_code code = file_path(path, data_directory, file_name, err);
    if (code != ERR_OK)
        return code;
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
    if (fd < 0)
        return err_set_errno(err, errno, "cannot open %s", path);
    for (size_t i = 0; code == ERR_OK && i < count; i++) {
        char line[LINE_BYTES_MAX];
        int n =
            snprintf(line, sizeof line, "{\"number\":%" PRIu64 ",\"at\":\"%s\"}\n", numbers[i], at);
        ssize_t done = write(fd, line, (size_t)n);
        if (done != n)
            code = err_set_errno(err, done < 0 ? errno : ENOSPC, "cannot write %s", path);
    }
    if (code == ERR_OK && fsync(fd) != 0)
        code = err_set_errno(err, errno, "cannot flush %s", path);
    close(fd);
    return code;
}
