/*
 * A --config file of any bytes: it is refused with one line, or its values keep to
 * their rows.
 */
#include <assert.h>
#include <string.h>

#include "store/base/conf.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/memory_file.h"

static const struct conf_opt opts[] = {
    CONF_ROW_DATA,
    CONF_ROW_JSON,
    {"minutes", NULL, CONF_INT, "min", 1, 1440, "60", false, "how long"},
    {"token", NULL, CONF_TEXT, "TEXT", 0, 0, NULL, true, "a secret"},
};

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size_bytes)
{
    struct memory_file f = memory_file_make(data, size_bytes);
    char option[] = "--config";
    char *argv[] = {option, f.path, NULL};
    struct conf conf;
    struct err err;
    enum err_code code = conf_parse(&conf, opts, sizeof opts / sizeof opts[0], 2, argv, &err);
    if (code == ERR_OK)
        assert(conf_int(&conf, "minutes") >= 1 && conf_int(&conf, "minutes") <= 1440);
    else
        assert(memchr(err.text, '\0', sizeof err.text) != NULL &&
               strpbrk(err.text, "\n\t") == NULL);
    conf_clear(&conf);
    memory_file_close(&f);
    return 0;
}
