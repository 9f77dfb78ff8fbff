#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>

#include "ingest/gate.h"
#include "ingest/peers.h"
#include "store/base/file.h"

/*
 * The words of a line are cut up in place; a rule points into the text.
 * Format: schemas/peers.md.
 */
struct line {
    const char *path;
    int number;
    char *rest;
};

static enum err_code
wrong(const struct line *l, struct err *err, const char *what, const char *word)
{
    return err_set(err, ERR_CONFIG, "%s:%d: %s%s%s%s; see schemas/peers.md", l->path, l->number,
                   what, word != NULL ? " \"" : "", word != NULL ? word : "",
                   word != NULL ? "\"" : "");
}

/* The next word, or NULL at the line's end or a comment. */
static char *
next_word(struct line *l)
{
    char *word = l->rest + strspn(l->rest, " \t\r");
    if (*word == '\0' || *word == '#')
        return NULL;
    l->rest = word + strcspn(word, " \t\r");
    if (*l->rest != '\0')
        *l->rest++ = '\0';
    return word;
}

static bool
read_whole(const char *word, int64_t max, int64_t *ret)
{
    char *end;
    errno = 0;
    long long n = strtoll(word, &end, 10);
    if (word[0] < '0' || word[0] > '9' || *end != '\0' || errno != 0 || n > max)
        return false;
    *ret = n;
    return true;
}

static enum err_code
read_who(struct line *l, const char *sort, struct peer_rule *rule, struct err *err)
{
    const char *who = next_word(l);
    int64_t uid;
    bool is_user = strcmp(sort, "user") == 0;
    rule->is_host = strcmp(sort, "host") == 0;
    if (!rule->is_host && !is_user && strcmp(sort, "uid") != 0)
        return wrong(l, err, "a rule begins with uid, user or host, not", sort);
    if (who == NULL)
        return wrong(l, err, "a name must follow", sort);
    if (strcmp(who, "*") == 0 && !is_user) {
        rule->is_any = true;
    } else if (rule->is_host) {
        rule->host = str_of(who);
    } else if (is_user) {
        const struct passwd *p = getpwnam(who);
        if (p == NULL)
            return wrong(l, err, "this machine has no user", who);
        rule->uid = p->pw_uid;
    } else {
        if (!read_whole(who, (int64_t)PEERS_NO_UID - 1, &uid))
            return wrong(l, err, "uid must be a whole number or *, not", who);
        rule->uid = (uint32_t)uid;
    }
    return ERR_OK;
}

static int
compare(const void *a, const void *b)
{
    return str_compare(*(const struct str *)a, *(const struct str *)b);
}

static enum err_code
read_orgs(struct line *l, char *list, struct peer_rule *rule, struct err *err)
{
    size_t count = 1;
    if (strcmp(list, "*") == 0)
        return ERR_OK;
    for (const char *p = list; *p != '\0'; p++)
        count += *p == ',';
    rule->orgs = calloc(count, sizeof *rule->orgs);
    if (rule->orgs == NULL)
        return err_set(err, ERR_LIMIT, "no memory for the peers file");
    for (char *p = list; p != NULL;) {
        char *comma = strchr(p, ',');
        if (comma != NULL)
            *comma = '\0';
        if (*p == '\0')
            return wrong(l, err, "an organization's name is empty", NULL);
        rule->orgs[rule->org_count++] = str_of(p);
        p = comma != NULL ? comma + 1 : NULL;
    }
    qsort(rule->orgs, rule->org_count, sizeof *rule->orgs, compare);
    return ERR_OK;
}

static enum err_code
read_pair(struct line *l, const char *word, char *value, struct peer_rule *rule, bool *ret_for,
          struct err *err)
{
    if (value == NULL)
        return wrong(l, err, "a value must follow", word);
    if (strcmp(word, "for") == 0) {
        if (*ret_for)
            return wrong(l, err, "given twice:", word);
        *ret_for = true;
        return read_orgs(l, value, rule, err);
    }
    if (strcmp(word, "quota") == 0) {
        if (!read_whole(value, PEERS_QUOTA_MAX, &rule->quota_per_s) || rule->quota_per_s == 0)
            return wrong(l, err, "quota must be 1 to 1000000000 events per second, not", value);
        return ERR_OK;
    }
    if (strcmp(word, "key-file") == 0 && rule->is_host && !rule->is_any && rule->key.data == NULL)
        return err_wrap(err, gate_read_key(value, &rule->key, err), "%s:%d", l->path, l->number);
    return wrong(l, err, "expected for, quota, or once for one host key-file, not", word);
}

static enum err_code
read_rule(struct peers *peers, struct line *l, const char *sort, struct err *err)
{
    struct peer_rule *rule = &peers->rules[peers->rule_count];
    bool has_for = false;
    if (peers->rule_count == PEERS_RULES_MAX)
        return err_set(err, ERR_LIMIT, "%s has over %d rules", l->path, PEERS_RULES_MAX);
    *rule = (struct peer_rule){.line = l->number};
    peers->rule_count++; /* counted at once, so that what it holds is freed */
    enum err_code code = read_who(l, sort, rule, err);
    for (char *word; code == ERR_OK && (word = next_word(l)) != NULL;)
        code = read_pair(l, word, next_word(l), rule, &has_for, err);
    peers->has_quotas = peers->has_quotas || rule->quota_per_s > 0;
    if (code == ERR_OK && !has_for)
        code = wrong(l, err,
                     "a rule says for which organizations: \"for acme,globex\" or "
                     "\"for *\"",
                     NULL);
    for (size_t i = 0; code == ERR_OK && i + 1 < peers->rule_count; i++) {
        const struct peer_rule *r = &peers->rules[i];
        if (r->is_host == rule->is_host && r->is_any == rule->is_any && r->uid == rule->uid &&
            str_equal(r->host, rule->host))
            code = err_set(err, ERR_CONFIG, "%s:%d: this peer has a rule already, in line %d",
                           l->path, l->number, r->line);
    }
    return code;
}

enum err_code
peers_open(struct peers *peers, const char *path, struct err *err)
{
    *peers = (struct peers){.path = path};
    if (path == NULL)
        return ERR_OK;
    enum err_code code = file_read(path, PEERS_FILE_BYTES_MAX, &peers->text, err);
    if (code != ERR_OK)
        return err_wrap(err, code, "peers file");
    peers->rules = calloc(PEERS_RULES_MAX, sizeof *peers->rules);
    if (peers->rules == NULL)
        return err_set(err, ERR_LIMIT, "no memory for the peers file");
    struct line l = {.path = path};
    for (char *p = (char *)(uintptr_t)peers->text.data; code == ERR_OK && p != NULL;) {
        char *newline = strchr(p, '\n');
        if (newline != NULL)
            *newline = '\0';
        l.number++;
        l.rest = p;
        char *sort = next_word(&l);
        if (sort != NULL)
            code = read_rule(peers, &l, sort, err);
        p = newline != NULL ? newline + 1 : NULL;
    }
    return code;
}

void
peers_close(struct peers *peers)
{
    while (peers->all != NULL) {
        struct peer *p = peers->all;
        peers->all = p->next;
        free(p);
    }
    for (size_t i = 0; i < peers->rule_count; i++) {
        free(peers->rules[i].orgs);
        gate_free_key(&peers->rules[i].key);
    }
    free(peers->rules);
    free((void *)(uintptr_t)peers->text.data);
    *peers = (struct peers){.path = NULL};
}
