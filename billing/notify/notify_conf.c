#include "billing/notify/notify_conf.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "store/base/base64.h"
#include "store/base/json.h"
#include "store/base/time.h"
#include "store/base/utf8.h"
#include "store/event/event.h"
#include "store/tables/outbox.h"

enum {
    ADDRESS_BYTES_MAX = 254,
    URL_BYTES_MAX = 2000,
    SECRET_BYTES_MIN = 16,
    DEAD_AFTER_DAYS_DEFAULT = 3,
    DEAD_AFTER_DAYS_MAX = 30,
    TIMEOUT_S_DEFAULT = 10,
    TIMEOUT_S_MAX = 60,
    BACKOFF_MS_DEFAULT = 30000,
    BACKOFF_MS_MAX = 3600000,
    PORT_STARTTLS = 587,
    PORT_TLS = 465,
    PORT_PLAIN = 25,
};

struct notify_conf {
    json_t *root; /* owns every text */
    struct notify_smtp smtp;
    const json_t *everyone, *organizations; /* NULL: none */
    const char *ca_file;
    int64_t timeout_s, dead_after_days, backoff_ms;
    unsigned allow;
};

/* ---- single values ---- */

static bool
plain_text(const char *text, size_t bytes_max)
{
    size_t n = strlen(text);
    return n > 0 && n <= bytes_max && utf8_text_ok((const uint8_t *)text, n);
}

/* One address as SMTP and a header can carry it: printable ASCII, one @, nothing that quotes. */
static bool
address_ok(const char *text)
{
    size_t n = strlen(text), at = 0;
    for (size_t i = 0; i < n; i++) {
        if (text[i] <= ' ' || text[i] > '~' || strchr("<>()[],;:\\\"", text[i]) != NULL)
            return false;
        at += text[i] == '@';
    }
    return n <= ADDRESS_BYTES_MAX && at == 1 && text[0] != '@' && text[n - 1] != '@';
}

static bool
host_ok(const char *text)
{
    size_t n = strlen(text);
    for (size_t i = 0; i < n; i++) {
        if (text[i] <= ' ' || text[i] > '~' || strchr("/@?#<>\\\"", text[i]) != NULL)
            return false;
    }
    return n > 0 && n < 100;
}

/* What curl will make of the rest is its matter; a user or password in a URL is refused here. */
static bool
url_ok(const char *text, unsigned allow)
{
    bool https = strncmp(text, "https://", 8) == 0;
    bool http = strncmp(text, "http://", 7) == 0 && (allow & NET_LOOPBACK_HTTP) != 0;
    size_t n = strlen(text);
    if ((!https && !http) || n > URL_BYTES_MAX)
        return false;
    const char *host = text + (https ? 8 : 7);
    size_t host_bytes = strcspn(host, "/?#");
    for (size_t i = 0; i < n; i++) {
        if (text[i] <= ' ' || text[i] > '~')
            return false;
    }
    return host_bytes > 0 && memchr(host, '@', host_bytes) == NULL;
}

static enum err_code
get_flag(const json_t *object, const char *where, const char *key, bool *ret, struct err *err)
{
    const json_t *value = json_object_get(object, key);
    if (value == NULL || json_is_null(value))
        return ERR_OK;
    if (!json_is_boolean(value))
        return err_set(err, ERR_CONFIG, "%s: \"%s\" must be true or false", where, key);
    *ret = json_is_true(value);
    return ERR_OK;
}

/* ---- destinations ---- */

static enum err_code
read_secret(const char *text, struct notify_destination *d, struct err *err)
{
    static const char prefix[] = "whsec_";
    size_t skip = sizeof prefix - 1, bytes;
    if (d->secret_count == NOTIFY_SECRETS_MAX)
        return err_set(err, ERR_CONFIG, "more than %d secrets", NOTIFY_SECRETS_MAX);
    if (strncmp(text, prefix, skip) != 0 ||
        !base64_decode(str_of(text + skip), d->secrets[d->secret_count].key,
                       NOTIFY_SECRET_BYTES_MAX, &bytes) ||
        bytes < SECRET_BYTES_MIN)
        return err_set(err, ERR_CONFIG,
                       "secret %zu is not whsec_ and the base64 of %d to %d bytes; make one with: "
                       "echo whsec_$(head -c 32 /dev/urandom | base64 -w0)",
                       d->secret_count + 1, SECRET_BYTES_MIN, NOTIFY_SECRET_BYTES_MAX);
    d->secrets[d->secret_count++].key_bytes = bytes;
    return ERR_OK;
}

static enum err_code
read_secrets(const json_t *object, struct notify_destination *d, struct err *err)
{
    json_t *secrets;
    size_t i;
    json_t *item;
    enum err_code code = json_get_array(object, "webhook", "secrets", &secrets, err);
    if (code != ERR_OK)
        return code;
    json_array_foreach (secrets, i, item) {
        if (!json_is_string(item))
            return err_set(err, ERR_CONFIG, "secret %zu is no text", i + 1);
        code = read_secret(json_string_value(item), d, err);
        if (code != ERR_OK)
            return code;
    }
    return d->secret_count > 0 ? ERR_OK
                               : err_set(err, ERR_CONFIG, "a webhook needs at least one secret");
}

static enum err_code
read_address(const struct notify_conf *conf, const json_t *object, struct notify_destination *d,
             struct err *err)
{
    static const char *const keys[] = {
        [NOTIFY_EMAIL] = "email", [NOTIFY_SLACK] = "slack", [NOTIFY_WEBHOOK] = "webhook"};
    unsigned found = 0;
    for (int kind = NOTIFY_EMAIL; kind <= NOTIFY_WEBHOOK; kind++) {
        const json_t *value = json_object_get(object, keys[kind]);
        if (!json_is_string(value))
            continue;
        d->kind = (enum notify_kind)kind;
        d->address = json_string_value(value);
        found++;
    }
    if (found != 1)
        return err_set(err, ERR_CONFIG, "needs one of \"email\", \"slack\" and \"webhook\"");
    if (d->kind == NOTIFY_EMAIL && !address_ok(d->address))
        return err_set(err, ERR_CONFIG, "\"email\" is no address such as ops@example.com");
    if (d->kind == NOTIFY_EMAIL && conf->smtp.host == NULL)
        return err_set(err, ERR_CONFIG, "mail needs a server: add \"smtp\"");
    if (d->kind != NOTIFY_EMAIL && !url_ok(d->address, conf->allow))
        return err_set(err, ERR_CONFIG,
                       "\"%s\" is no https URL without user and password (http only to this "
                       "machine, with \"allowLoopbackHttp\")",
                       keys[d->kind]);
    return ERR_OK;
}

static enum err_code
read_destination(const struct notify_conf *conf, const json_t *object,
                 struct notify_destination *ret, struct err *err)
{
    static const char *const allowed[] = {"name", "email", "slack", "webhook", "secrets", NULL};
    struct notify_destination d = {0};
    enum err_code code = json_only_keys(object, "destination", allowed, err);
    if (code == ERR_OK)
        code = json_get_text(object, "destination", "name", &d.name, err);
    if (code == ERR_OK && !plain_text(d.name, OUTBOX_DESTINATION_BYTES_MAX))
        code = err_set(err, ERR_CONFIG, "\"name\" has 1 to %d bytes", OUTBOX_DESTINATION_BYTES_MAX);
    if (code == ERR_OK)
        code = err_wrap(err, read_address(conf, object, &d, err), "\"%s\"", d.name);
    if (code == ERR_OK && d.kind == NOTIFY_WEBHOOK)
        code = err_wrap(err, read_secrets(object, &d, err), "\"%s\"", d.name);
    if (code == ERR_OK)
        *ret = d;
    return code;
}

bool
notify_conf_at(const struct notify_conf *conf, struct str organization, size_t index,
               struct notify_destination *ret)
{
    size_t everyone = json_array_size(conf->everyone);
    const json_t *object = json_array_get(conf->everyone, index);
    char name[EVENT_TEXT_BYTES_MAX + 1];
    struct err err;
    if (index >= everyone) {
        snprintf(name, sizeof name, "%.*s", STR_ARG(organization));
        object = json_array_get(json_object_get(conf->organizations, name), index - everyone);
    }
    if (object == NULL)
        return false;
    enum err_code code = read_destination(conf, object, ret, &err);
    assert(code == ERR_OK); /* all were read when the file was loaded */
    return true;
}

bool
notify_conf_find(const struct notify_conf *conf, struct str organization, const char *name,
                 struct notify_destination *ret)
{
    for (size_t i = 0; notify_conf_at(conf, organization, i, ret); i++) {
        if (strcmp(ret->name, name) == 0)
            return true;
    }
    return false;
}

static enum err_code
check_list(const struct notify_conf *conf, const json_t *list, const char *where, struct err *err)
{
    struct notify_destination d;
    enum err_code code = ERR_OK;
    if (!json_is_array(list))
        return err_set(err, ERR_CONFIG, "%s: must be a list of destinations", where);
    for (size_t i = 0; code == ERR_OK && i < json_array_size(list); i++)
        code = err_wrap(err, read_destination(conf, json_array_get(list, i), &d, err), "%s[%zu]",
                        where, i);
    return code;
}

/* Names say which entry of the outbox goes where. */
static enum err_code
check_names(const struct notify_conf *conf, const char *organization, struct err *err)
{
    struct notify_destination a, b;
    for (size_t i = 0; notify_conf_at(conf, str_of(organization), i, &a); i++) {
        for (size_t j = 0; j < i && notify_conf_at(conf, str_of(organization), j, &b); j++) {
            if (strcmp(a.name, b.name) == 0)
                return err_set(err, ERR_CONFIG, "two destinations of %s are named \"%s\"",
                               organization[0] == '\0' ? "everyone" : organization, a.name);
        }
    }
    return ERR_OK;
}

static enum err_code
check_destinations(const struct notify_conf *conf, struct err *err)
{
    const char *organization;
    json_t *list;
    enum err_code code = conf->everyone == NULL ? ERR_OK
                                                : check_list(conf, conf->everyone, "everyone", err);
    if (code == ERR_OK)
        code = check_names(conf, "", err);
    json_object_foreach ((json_t *)(uintptr_t)conf->organizations, organization, list) {
        if (code == ERR_OK)
            code = err_wrap(err, check_list(conf, list, organization, err), "organizations");
        if (code == ERR_OK)
            code = check_names(conf, organization, err);
    }
    return code;
}

/* ---- the file ---- */

static enum err_code
read_security(const json_t *object, struct notify_smtp *s, struct err *err)
{
    static const char *const words[] = {
        [NET_STARTTLS] = "starttls", [NET_TLS] = "tls", [NET_PLAIN] = "none"};
    static const int64_t ports[] = {
        [NET_STARTTLS] = PORT_STARTTLS, [NET_TLS] = PORT_TLS, [NET_PLAIN] = PORT_PLAIN};
    const char *word = words[NET_STARTTLS];
    enum err_code code = json_get_text_opt(object, "smtp", "security", &word, err);
    if (code != ERR_OK)
        return code;
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (strcmp(words[i], word) == 0) {
            s->security = (enum net_security)i;
            s->port = ports[i];
            return json_get_int_opt(object, "smtp", "port", 1, 65535, &s->port, err);
        }
    }
    return err_set(err, ERR_CONFIG, "smtp: \"security\" is starttls, tls or none, not \"%s\"",
                   word);
}

static enum err_code
read_smtp(const json_t *object, struct notify_smtp *s, struct err *err)
{
    static const char *const allowed[] = {"host",     "port", "security", "user",
                                          "password", "from", "fromName", NULL};
    enum err_code code = json_only_keys(object, "smtp", allowed, err);
    if (code == ERR_OK)
        code = json_get_text(object, "smtp", "host", &s->host, err);
    if (code == ERR_OK)
        code = read_security(object, s, err);
    if (code == ERR_OK)
        code = json_get_text_opt(object, "smtp", "user", &s->user, err);
    if (code == ERR_OK)
        code = json_get_text_opt(object, "smtp", "password", &s->password, err);
    if (code == ERR_OK)
        code = json_get_text(object, "smtp", "from", &s->from, err);
    if (code == ERR_OK)
        code = json_get_text_opt(object, "smtp", "fromName", &s->from_name, err);
    if (code != ERR_OK)
        return code;
    if (!host_ok(s->host))
        return err_set(err, ERR_CONFIG,
                       "smtp: \"host\" is no host name; the port has a key of "
                       "its own");
    if (!address_ok(s->from))
        return err_set(err, ERR_CONFIG, "smtp: \"from\" is no address such as billing@example.com");
    if (s->from_name != NULL && !plain_text(s->from_name, 200))
        return err_set(err, ERR_CONFIG, "smtp: \"fromName\" has 1 to 200 bytes");
    if ((s->user == NULL) != (s->password == NULL))
        return err_set(err, ERR_CONFIG, "smtp: \"user\" and \"password\" go together");
    if (s->password != NULL && s->security == NET_PLAIN)
        return err_set(err, ERR_CONFIG,
                       "smtp: a password is not sent without TLS; set "
                       "\"security\" to starttls or tls");
    return ERR_OK;
}

static enum err_code
read_root(struct notify_conf *c, struct err *err)
{
    static const char *const allowed[] = {"format",
                                          "smtp",
                                          "caFile",
                                          "timeoutSeconds",
                                          "deadAfterDays",
                                          "backoffMs",
                                          "allowLoopbackHttp",
                                          "allowPrivateAddresses",
                                          "everyone",
                                          "organizations",
                                          NULL};
    const char *format;
    json_t *smtp = NULL, *organizations = NULL;
    bool http = false, private = false;
    enum err_code code = json_only_keys(c->root, "the file", allowed, err);
    if (code == ERR_OK)
        code = json_get_text(c->root, "the file", "format", &format, err);
    if (code == ERR_OK && strcmp(format, "gbill-notify/1") != 0)
        code = err_set(err, ERR_CONFIG, "\"format\" is \"%s\", must be gbill-notify/1", format);
    if (code == ERR_OK)
        code = json_get_object_opt(c->root, "the file", "smtp", &smtp, err);
    if (code == ERR_OK && smtp != NULL)
        code = read_smtp(smtp, &c->smtp, err);
    if (code == ERR_OK)
        code = json_get_text_opt(c->root, "the file", "caFile", &c->ca_file, err);
    if (code == ERR_OK)
        code = json_get_int_opt(c->root, "the file", "timeoutSeconds", 1, TIMEOUT_S_MAX,
                                &c->timeout_s, err);
    if (code == ERR_OK)
        code = json_get_int_opt(c->root, "the file", "deadAfterDays", 1, DEAD_AFTER_DAYS_MAX,
                                &c->dead_after_days, err);
    if (code == ERR_OK)
        code = json_get_int_opt(c->root, "the file", "backoffMs", 1, BACKOFF_MS_MAX, &c->backoff_ms,
                                err);
    if (code == ERR_OK)
        code = get_flag(c->root, "the file", "allowLoopbackHttp", &http, err);
    if (code == ERR_OK)
        code = get_flag(c->root, "the file", "allowPrivateAddresses", &private, err);
    if (code == ERR_OK)
        code = json_get_object_opt(c->root, "the file", "organizations", &organizations, err);
    if (code != ERR_OK)
        return code;
    c->allow = (http ? NET_LOOPBACK_HTTP : 0) | (private ? NET_PRIVATE : 0);
    c->everyone = json_object_get(c->root, "everyone");
    c->organizations = organizations;
    return check_destinations(c, err);
}

/* The file holds passwords. */
static enum err_code
check_mode(const char *path, struct err *err)
{
    struct stat st;
    if (stat(path, &st) != 0)
        return err_set_errno(err, errno, "cannot open %s", path);
    if ((st.st_mode & S_IRWXO) != 0)
        return err_set(err, ERR_CONFIG,
                       "%s: holds secrets, but everyone may read it; run chmod o= %s", path, path);
    return ERR_OK;
}

enum err_code
notify_conf_load(const char *path, struct notify_conf **ret, struct err *err)
{
    enum err_code code = check_mode(path, err);
    if (code != ERR_OK)
        return code;
    struct notify_conf *c = calloc(1, sizeof *c);
    if (c == NULL)
        return err_set(err, ERR_LIMIT, "no memory");
    c->timeout_s = TIMEOUT_S_DEFAULT;
    c->dead_after_days = DEAD_AFTER_DAYS_DEFAULT;
    c->backoff_ms = BACKOFF_MS_DEFAULT;
    code = json_file_load(path, &c->root, NULL, err);
    if (code == ERR_OK)
        code = err_wrap(err, read_root(c, err), "%s", path);
    if (code == ERR_OK)
        *ret = c;
    else
        notify_conf_free(c);
    return code;
}

void
notify_conf_free(struct notify_conf *conf)
{
    if (conf == NULL)
        return;
    json_decref(conf->root);
    free(conf);
}

const struct notify_smtp *
notify_conf_smtp(const struct notify_conf *conf)
{
    return &conf->smtp;
}

struct net_options
notify_conf_net(const struct notify_conf *conf)
{
    int64_t timeout_ms = conf->timeout_s * 1000;
    return (struct net_options){timeout_ms, timeout_ms, conf->ca_file};
}

unsigned
notify_conf_allow(const struct notify_conf *conf)
{
    return conf->allow;
}

int64_t
notify_conf_dead_after_ms(const struct notify_conf *conf)
{
    return conf->dead_after_days * TIME_DAY_MS;
}

int64_t
notify_conf_backoff_ms(const struct notify_conf *conf)
{
    return conf->backoff_ms;
}
