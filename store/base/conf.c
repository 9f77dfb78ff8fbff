#include "store/base/conf.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store/base/file.h"

enum { CONF_FILE_BYTES_MAX = 64 * 1024 };

static const struct conf_opt *
find(const struct conf *conf, const char *key, size_t key_bytes, size_t *ret_index)
{
    for (size_t i = 0; i < conf->opt_count; i++) {
        const struct conf_opt *o = &conf->opts[i];
        if (strlen(o->key) == key_bytes && memcmp(o->key, key, key_bytes) == 0) {
            *ret_index = i;
            return o;
        }
    }
    return NULL;
}

static enum err_code
set(struct conf *conf, size_t i, const char *text, const char *source, struct err *err)
{
    const struct conf_opt *o = &conf->opts[i];
    struct conf_value v = {.text = text};
    if (o->type == CONF_INT) {
        char *end;
        errno = 0;
        v.number = strtoll(text, &end, 10);
        if (*text == '\0' || *end != '\0' || errno != 0)
            return err_set(err, ERR_CONFIG, "%s: %s is \"%s\", must be a whole number of %s",
                           source, o->key, text, o->unit);
        if (v.number < o->min || v.number > o->max)
            return err_set(err, ERR_CONFIG,
                           "%s: %s is %" PRId64 ", must lie in %" PRId64 " to %" PRId64 " %s",
                           source, o->key, v.number, o->min, o->max, o->unit);
    } else if (o->type == CONF_FLAG) {
        v.number = strcmp(text, "true") == 0 ? 1 : 0;
        if (v.number == 0 && strcmp(text, "false") != 0)
            return err_set(err, ERR_CONFIG, "%s: %s is \"%s\", must be true or false", source,
                           o->key, text);
    }
    conf->values[i] = v;
    return ERR_OK;
}

/* key = value, # comment; cuts the text up in place. */
static enum err_code
set_from_file(struct conf *conf, const char *path, struct err *err)
{
    struct bytes text = {0};
    enum err_code code = file_read(path, CONF_FILE_BYTES_MAX, &text, err);
    if (code != ERR_OK)
        return code;
    char *p = (char *)(uintptr_t)text.data;
    conf->file_text = p;
    for (int line = 1; p != NULL && *p != '\0'; line++) {
        char *next = strchr(p, '\n');
        if (next != NULL)
            *next++ = '\0';
        p += strspn(p, " \t");
        char *equals = strchr(p, '=');
        if (*p != '\0' && *p != '#') {
            size_t i, key_bytes = strcspn(p, " \t=");
            if (equals == NULL || find(conf, p, key_bytes, &i) == NULL)
                return err_set(err, ERR_CONFIG, "%s:%d: \"%.40s\" is no setting of this command",
                               path, line, p);
            char *value = equals + 1 + strspn(equals + 1, " \t");
            size_t end = strlen(value);
            while (end > 0 && strchr(" \t\r", value[end - 1]) != NULL)
                value[--end] = '\0';
            code = set(conf, i, value, path, err);
            if (code != ERR_OK)
                return err_wrap(err, code, "line %d", line);
        }
        p = next;
    }
    return ERR_OK;
}

/* "--config FILE" or "--config=FILE" must be read before the other flags. */
static const char *
config_file(int argc, char *const *argv)
{
    for (int i = 0; i < argc; i++) {
        if (strcmp(argv[i], "--config") == 0)
            return i + 1 < argc ? argv[i + 1] : NULL;
        if (strncmp(argv[i], "--config=", 9) == 0)
            return argv[i] + 9;
    }
    return NULL;
}

static enum err_code
set_from_flag(struct conf *conf, int argc, char *const *argv, int *i, struct err *err)
{
    const char *name = argv[*i] + 2;
    size_t key_bytes = strcspn(name, "="), index;
    const char *value = name[key_bytes] == '=' ? name + key_bytes + 1 : NULL;
    const struct conf_opt *o = find(conf, name, key_bytes, &index);
    bool is_config = key_bytes == 6 && memcmp(name, "config", 6) == 0;
    if (o == NULL && !is_config)
        return err_set(err, ERR_USAGE, "unknown option --%.*s; see --help", (int)key_bytes, name);
    if (o != NULL && o->type == CONF_FLAG)
        return set(conf, index, value != NULL ? value : "true", "command line", err);
    if (value == NULL) {
        if (*i + 1 >= argc)
            return err_set(err, ERR_USAGE, "option --%s needs a value (%s); see --help", name,
                           o != NULL ? o->unit : "FILE");
        value = argv[++*i];
    }
    return o == NULL ? ERR_OK : set(conf, index, value, "command line", err);
}

/* -o is --output, for every command that writes a file; there are no other short ones. */
static enum err_code
set_from_short(struct conf *conf, int argc, char *const *argv, int *i, struct err *err)
{
    size_t index;
    if (strcmp(argv[*i], "-o") != 0 || find(conf, "output", strlen("output"), &index) == NULL)
        return err_set(err, ERR_USAGE, "unknown option %s; see --help", argv[*i]);
    if (*i + 1 >= argc)
        return err_set(err, ERR_USAGE, "option -o needs a value (%s); see --help",
                       conf->opts[index].unit);
    return set(conf, index, argv[++*i], "command line", err);
}

static enum err_code
set_from_defaults_and_env(struct conf *conf, const char *path, struct err *err)
{
    enum err_code code = ERR_OK;
    for (size_t i = 0; code == ERR_OK && i < conf->opt_count; i++) {
        if (conf->opts[i].def != NULL)
            code = set(conf, i, conf->opts[i].def, "default", err);
    }
    if (code == ERR_OK && path != NULL)
        code = set_from_file(conf, path, err);
    for (size_t i = 0; code == ERR_OK && i < conf->opt_count; i++) {
        const char *env = conf->opts[i].env != NULL ? getenv(conf->opts[i].env) : NULL;
        if (env != NULL && *env != '\0')
            code = set(conf, i, env, conf->opts[i].env, err);
    }
    return code;
}

enum err_code
conf_parse(struct conf *conf, const struct conf_opt *opts, size_t opt_count, int argc,
           char *const *argv, struct err *err)
{
    assert(opt_count <= CONF_OPTS_MAX);
    *conf = (struct conf){.opts = opts, .opt_count = opt_count};
    enum err_code code = set_from_defaults_and_env(conf, config_file(argc, argv), err);
    bool options_ended = false;
    for (int i = 0; code == ERR_OK && i < argc; i++) {
        const char *a = argv[i];
        if (!options_ended && (strcmp(a, "--help") == 0 || strcmp(a, "-h") == 0)) {
            conf->help = true;
        } else if (!options_ended && strcmp(a, "--print-config") == 0) {
            conf->print_config = true;
        } else if (!options_ended && strcmp(a, "--") == 0) {
            options_ended = true;
        } else if (!options_ended && a[0] == '-' && a[1] == '-') {
            code = set_from_flag(conf, argc, argv, &i, err);
        } else if (!options_ended && a[0] == '-' && a[1] != '\0') {
            code = set_from_short(conf, argc, argv, &i, err);
        } else if (conf->arg_count == CONF_ARGS_MAX) {
            code = err_set(err, ERR_USAGE, "more than %d arguments", CONF_ARGS_MAX);
        } else {
            conf->args[conf->arg_count++] = a;
        }
    }
    return code;
}

void
conf_clear(struct conf *conf)
{
    free(conf->file_text);
    conf->file_text = NULL;
}

static const struct conf_value *
value_of(const struct conf *conf, const char *key, enum conf_type type)
{
    size_t i;
    const struct conf_opt *o = find(conf, key, strlen(key), &i);
    assert(o != NULL && o->type == type);
    return &conf->values[i];
}

const char *
conf_text(const struct conf *conf, const char *key)
{
    return value_of(conf, key, CONF_TEXT)->text;
}

int64_t
conf_int(const struct conf *conf, const char *key)
{
    return value_of(conf, key, CONF_INT)->number;
}

bool
conf_flag(const struct conf *conf, const char *key)
{
    return value_of(conf, key, CONF_FLAG)->number != 0;
}

const char *
conf_data_dir(const struct conf *conf)
{
    const char *set_to = conf_text(conf, "data");
    if (set_to != NULL)
        return set_to;
    return geteuid() == 0 ? "/var/lib/gbill" : "./gbill-data";
}

void
conf_print_help(const struct conf_opt *opts, size_t opt_count, FILE *out)
{
    fputs("\nOptions:\n", out);
    for (size_t i = 0; i < opt_count; i++) {
        const struct conf_opt *o = &opts[i];
        char flag[64];
        snprintf(flag, sizeof flag, "%s--%s%s%s", strcmp(o->key, "output") == 0 ? "-o, " : "",
                 o->key, o->unit != NULL ? " " : "", o->unit != NULL ? o->unit : "");
        fprintf(out, "  %-22s %s", flag, o->help);
        if (o->type == CONF_INT)
            fprintf(out, " (%" PRId64 " to %" PRId64 ", default %s)", o->min, o->max,
                    o->def != NULL ? o->def : "none");
        else if (o->type == CONF_TEXT && o->def != NULL)
            fprintf(out, " (default %s)", o->def);
        if (o->env != NULL)
            fprintf(out, " [%s]", o->env);
        fputc('\n', out);
    }
    fputs("  --config FILE          read settings from a file of key = value lines\n"
          "  --print-config         print the settings in force as such a file, and exit\n"
          "  --help                 print this and exit\n",
          out);
}

void
conf_print(const struct conf *conf, FILE *out)
{
    for (size_t i = 0; i < conf->opt_count; i++) {
        const struct conf_opt *o = &conf->opts[i];
        const struct conf_value *v = &conf->values[i];
        if (v->text == NULL)
            fprintf(out, "# %s is not set\n", o->key);
        else if (o->secret)
            fprintf(out, "# %s is set (secret, not shown)\n", o->key);
        else
            fprintf(out, "%s = %s\n", o->key, v->text);
    }
}
