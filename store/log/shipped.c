#include "store/log/shipped.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "store/base/file.h"
#include "store/base/json.h"
#include "store/base/time.h"

static const char *const stream_keys[LOG_STREAMS] = {"events", "quarantine"};

/* The file's collectors; none where there is no file. */
static enum err_code
load(const char *data, char path[FILE_PATH_BYTES_MAX], json_t **ret_root, json_t **ret_collectors,
     struct err *err)
{
    *ret_root = *ret_collectors = NULL;
    enum err_code code = file_path(path, data, "shipped.json", err);
    if (code == ERR_OK)
        code = json_file_load(path, ret_root, NULL, err);
    if (code == ERR_NOT_FOUND) {
        *ret_root = json_pack("{s:[]}", "collectors");
        code = *ret_root == NULL ? err_set(err, ERR_LIMIT, "no memory for %s", path) : ERR_OK;
    }
    if (code == ERR_OK)
        code = json_get_array(*ret_root, path, "collectors", ret_collectors, err);
    return code;
}

/* One collector's line; *ret_last of each stream. */
static enum err_code
read_line(const json_t *line, const char *path, const char **ret_to, const char **ret_log,
          uint64_t ret_last[LOG_STREAMS], struct err *err)
{
    enum err_code code = json_get_text(line, path, "to", ret_to, err);
    if (code == ERR_OK)
        code = json_get_text(line, path, "log", ret_log, err);
    for (int s = 0; code == ERR_OK && s < LOG_STREAMS; s++) {
        int64_t last = 0; /* absent: nothing is there, so nothing may go */
        code = json_get_int_opt(line, path, stream_keys[s], 0, INT64_MAX, &last, err);
        ret_last[s] = (uint64_t)last;
    }
    return code;
}

static enum err_code
write_file(const char *path, const json_t *root, struct err *err)
{
    char *text = json_dumps(root, JSON_INDENT(1) | JSON_PRESERVE_ORDER);
    if (text == NULL)
        return err_set(err, ERR_LIMIT, "no memory for %s", path);
    struct bytes bytes = {(const uint8_t *)text, strlen(text)};
    enum err_code code = file_replace(path, 0640, bytes, err);
    free(text);
    return code;
}

enum err_code
shipped_note(const char *data, const uint8_t identity[HASH_SHA256_BYTES], const char *to,
             const struct day_tip tip[LOG_STREAMS], struct err *err)
{
    char path[FILE_PATH_BYTES_MAX], log[HASH_SHA256_TEXT_BYTES];
    json_t *root, *collectors, *kept = json_array(), *line;
    bool is_same = false;
    size_t i;
    hash_hex(identity, HASH_SHA256_BYTES, log);
    enum err_code code = load(data, path, &root, &collectors, err);
    json_array_foreach (collectors, i, line) {
        const char *line_to, *line_log;
        uint64_t last[LOG_STREAMS];
        if (code == ERR_OK)
            code = read_line(line, path, &line_to, &line_log, last, err);
        if (code != ERR_OK || strcmp(line_log, log) != 0)
            continue;
        if (strcmp(line_to, to) != 0)
            json_array_append(kept, line);
        else
            is_same = last[LOG_EVENTS] == tip[LOG_EVENTS].next_seq - 1 &&
                      last[LOG_QUARANTINE] == tip[LOG_QUARANTINE].next_seq - 1;
    }
    if (code == ERR_OK && !is_same) {
        json_array_append_new(
            kept, json_pack("{s:s, s:s, s:I, s:I}", "to", to, "log", log, stream_keys[LOG_EVENTS],
                            (json_int_t)tip[LOG_EVENTS].next_seq - 1, stream_keys[LOG_QUARANTINE],
                            (json_int_t)tip[LOG_QUARANTINE].next_seq - 1));
        json_object_set(root, "collectors", kept);
        code = write_file(path, root, err);
    }
    json_decref(kept);
    json_decref(root);
    return code;
}

enum err_code
shipped_check(const char *data, const struct log_day_span *days, size_t count, bool *ret_some,
              struct err *err)
{
    char path[FILE_PATH_BYTES_MAX], log[HASH_SHA256_TEXT_BYTES], date[TIME_TEXT_BYTES];
    json_t *root, *collectors, *line;
    size_t i;
    *ret_some = false;
    enum err_code code = load(data, path, &root, &collectors, err);
    json_array_foreach (collectors, i, line) {
        const char *to, *line_log;
        uint64_t last[LOG_STREAMS];
        if (code == ERR_OK)
            code = read_line(line, path, &to, &line_log, last, err);
        for (size_t d = 0; code == ERR_OK && d < count; d++) {
            hash_hex(days[d].identity, HASH_SHA256_BYTES, log);
            if (strcmp(line_log, log) != 0)
                continue;
            *ret_some = true;
            if (days[d].last_seq[LOG_EVENTS] <= last[LOG_EVENTS] &&
                days[d].last_seq[LOG_QUARANTINE] <= last[LOG_QUARANTINE])
                continue;
            time_format_day(days[d].number, date);
            code = err_set(err, ERR_CONFLICT,
                           "%s is not shipped yet: its last event is %" PRIu64
                           ", the collector %s has them up to %" PRIu64
                           "; run gbill ship, or take that collector out of %s if it is no more",
                           date, days[d].last_seq[LOG_EVENTS], to, last[LOG_EVENTS], path);
        }
    }
    json_decref(root);
    return code;
}
