#include "rollup/price/price_diff.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "store/base/money.h"
#include "store/base/time.h"

enum { DIFF_BYTES_MAX = 256 * 1024 * 1024, NAME_BYTES_MAX = 200 };

/* A member that is no object and no array, with the way to it: ">272000 input". */
struct leaf {
    const char *name;
    const char *value;
    struct leaf *next;
};

/* A dated row of a model, of whichever list. */
struct row {
    const json_t *json;
    const char *list;  /* "prices" */
    const char *owner; /* the organization that pays it, or "" */
    int64_t from_ms, recorded_ms;
    const json_t *retracted; /* or NULL */
    bool seen;               /* of the old book: the new one has it */
};

struct rows {
    struct row *rows;
    size_t count;
};

struct diff {
    const struct price_version *before, *after;
    void (*told)(void *context, const struct price_change *change);
    void *context;
    struct price_diff result;
    int64_t newest_ms;  /* of the old book */
    struct arena arena; /* of one model */
    struct price_change change;
};

/* What tells two rows of one list apart, beside their times; the rest is what they say. */
static const char *const identity_keys[] = {"tier", "id", NULL};
static const char *const time_keys[] = {"from", "recorded", "retracted", "note", NULL};
static const char *const head_keys[] = {"provider", "model", "overrides", "note", NULL};
static const char *const book_keys[] = {"models", "note", NULL};
static const char *const band_keys[] = {"input_tokens", "op", NULL};

static const struct {
    const char *text;
    bool breaks;
} kinds[] = {
#define PRICE_CHANGE_ROW(name, breaks, text) [PRICE_##name] = {text, breaks},
    PRICE_CHANGES(PRICE_CHANGE_ROW)
#undef PRICE_CHANGE_ROW
};

const char *
price_change_name(enum price_change_kind kind)
{
    assert(kind < PRICE_CHANGE_KINDS);
    return kinds[kind].text;
}

bool
price_change_breaks(enum price_change_kind kind)
{
    assert(kind < PRICE_CHANGE_KINDS);
    return kinds[kind].breaks;
}

static enum err_code
full(struct err *err)
{
    return err_set(err, ERR_LIMIT, "the comparison takes more memory than it may");
}

static bool
is_one_of(const char *key, const char *const *keys)
{
    while (*keys != NULL && strcmp(*keys, key) != 0)
        keys++;
    return *keys != NULL;
}

/* ---- Leaves. ---- */

static const char *
leaf_value(struct arena *arena, const json_t *value)
{
    char text[32];
    if (json_is_string(value))
        return json_string_value(value);
    if (json_is_integer(value))
        snprintf(text, sizeof text, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
    else
        snprintf(text, sizeof text, "%s",
                 json_is_true(value)    ? "true"
                 : json_is_false(value) ? "false"
                 : json_is_null(value)  ? "null"
                                        : "a number");
    return arena_text(arena, str_of(text));
}

/* Bands are known by their threshold, other elements by their place. */
static void
element_name(char name[NAME_BYTES_MAX], const char *before, const json_t *element, size_t i)
{
    const char *op = json_string_value(json_object_get(element, "op"));
    const json_t *tokens = json_object_get(element, "input_tokens");
    if (op != NULL && json_is_integer(tokens))
        snprintf(name, NAME_BYTES_MAX, "%s%" JSON_INTEGER_FORMAT " ", op,
                 json_integer_value(tokens));
    else
        snprintf(name, NAME_BYTES_MAX, "%s%zu ", before, i);
}

/* The one scope there is: said of every band, it says nothing; another one would be told. */
static bool
is_usual(const char *key, const json_t *value)
{
    const char *text = json_string_value(value);
    return text != NULL && strcmp(key, "scope") == 0 && strcmp(text, "request") == 0;
}

/*
 * Append the leaves of value behind *end; without the members in leave_out.  Recursion is bounded
 * by the depth that the loader lets a book have.
 */
static bool
flatten(struct arena *arena, const json_t *value, const char *name, const char *const *leave_out,
        struct leaf ***end)
{
    char inner[NAME_BYTES_MAX];
    json_t *object = (json_t *)(uintptr_t)value; /* Jansson's iterators change nothing */
    static const char *const nothing[] = {NULL};
    for (size_t i = 0; i < json_array_size(value); i++) {
        const json_t *element = json_array_get(value, i);
        element_name(inner, name, element, i);
        if (!flatten(arena, element, inner, band_keys, end))
            return false;
    }
    for (void *it = json_object_iter(object); it != NULL; it = json_object_iter_next(object, it)) {
        const char *key = json_object_iter_key(it);
        if (is_one_of(key, leave_out) || is_usual(key, json_object_iter_value(it)))
            continue;
        bool plain = strcmp(key, "rates") == 0 || strcmp(key, "bands") == 0;
        bool deep = json_is_object(json_object_iter_value(it)) ||
                    json_is_array(json_object_iter_value(it));
        snprintf(inner, sizeof inner, "%s%s%s", name, plain ? "" : key, deep && !plain ? " " : "");
        if (!flatten(arena, json_object_iter_value(it), inner, nothing, end))
            return false;
    }
    if (json_is_object(value) || json_is_array(value))
        return true;
    struct leaf *leaf = arena_alloc(arena, sizeof *leaf);
    if (leaf == NULL)
        return false;
    leaf->name = arena_text(arena, str_of(name));
    leaf->value = leaf_value(arena, value);
    **end = leaf;
    *end = &leaf->next;
    return leaf->name != NULL && leaf->value != NULL;
}

static const struct leaf *
leaf_find(const struct leaf *list, const char *name)
{
    while (list != NULL && strcmp(list->name, name) != 0)
        list = list->next;
    return list;
}

static bool
same_value(const char *a, const char *b)
{
    int64_t x, y;
    if (strcmp(a, b) == 0)
        return true;
    return money_parse(str_of(a), 6, &x) && money_parse(str_of(b), 6, &y) && x == y;
}

/* ---- Words. ---- */

/* What does not fit is cut; the text ends in an ellipsis then. */
static void __attribute__((format(printf, 2, 3)))
say(struct price_change *change, const char *fmt, ...)
{
    size_t used = strlen(change->text);
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(change->text + used, sizeof change->text - used, fmt, args);
    va_end(args);
    if (n >= 0 && (size_t)n >= sizeof change->text - used)
        memcpy(change->text + sizeof change->text - 4, "...", 4);
}

/* " (was 4, +25 %)": to a tenth of a percent. */
static void
say_was(struct price_change *change, const char *was, const char *now)
{
    int64_t a, b;
    char text[MONEY_TEXT_BYTES];
    say(change, " (was %s", was);
    if (money_parse(str_of(was), 6, &a) && money_parse(str_of(now), 6, &b) && a > 0) {
        money_format(money_divide(((money_sum)b - a) * 1000, a), 1, text);
        say(change, ", %s%s %%", b > a ? "+" : "", text);
    }
    say(change, ")");
}

static void
say_comma(struct price_change *change)
{
    if (change->text[0] != '\0')
        say(change, ", ");
}

/* The leaves of now, each with what it was; all of them or only those that changed. */
static size_t
say_leaves(struct price_change *change, const struct leaf *was, const struct leaf *now, bool all)
{
    size_t changed = 0;
    for (const struct leaf *l = now; l != NULL; l = l->next) {
        const struct leaf *old = leaf_find(was, l->name);
        bool same = old != NULL && same_value(old->value, l->value);
        changed += !same;
        if (same && !all)
            continue;
        say_comma(change);
        say(change, "%s %s", l->name, l->value);
        if (!same && old != NULL)
            say_was(change, old->value, l->value);
        else if (!same && was != NULL)
            say(change, " (new)");
    }
    for (const struct leaf *l = was; l != NULL; l = l->next) {
        if (leaf_find(now, l->name) != NULL)
            continue;
        changed++;
        say_comma(change);
        say(change, "no %s (was %s)", l->name, l->value);
    }
    return changed;
}

static struct price_change *
change_new(struct diff *d, enum price_change_kind kind)
{
    d->change.kind = kind;
    d->change.row = d->change.from = d->change.recorded = "";
    d->change.text[0] = '\0';
    return &d->change;
}

static void
tell(struct diff *d)
{
    d->result.count[d->change.kind]++;
    d->result.broken += price_change_breaks(d->change.kind);
    d->told(d->context, &d->change);
}

static bool
name_row(struct diff *d, const struct row *row)
{
    char name[2 * NAME_BYTES_MAX];
    int used = snprintf(name, sizeof name, "%s%s%s", row->owner, row->owner[0] != '\0' ? " " : "",
                        row->list);
    for (const char *const *key = identity_keys; *key != NULL; key++) {
        const char *value = json_string_value(json_object_get(row->json, *key));
        if (value != NULL && used >= 0 && (size_t)used < sizeof name)
            used += snprintf(name + used, sizeof name - (size_t)used, " %s", value);
    }
    const char *from = json_string_value(json_object_get(row->json, "from"));
    d->change.row = arena_text(&d->arena, str_of(name));
    d->change.from = from != NULL ? from : "";
    d->change.recorded = json_string_value(json_object_get(row->json, "recorded"));
    return d->change.row != NULL;
}

/* ---- Rows. ---- */

static int64_t
time_number(const json_t *text)
{
    int64_t ms = PRICE_SINCE_EVER;
    bool ok = !json_is_string(text) || time_parse(str_of(json_string_value(text)), &ms);
    assert(ok); /* the loader took it */
    return ms;
}

static int64_t
time_of(const json_t *row, const char *key)
{
    return time_number(json_object_get(row, key));
}

/* A list of dated rows: prices, aliases and what the book may have more. */
static bool
is_rows(const json_t *value)
{
    return json_is_array(value) && json_object_get(json_array_get(value, 0), "recorded") != NULL;
}

static size_t
count_rows(json_t *object)
{
    size_t count = 0;
    for (void *it = json_object_iter(object); it != NULL; it = json_object_iter_next(object, it)) {
        if (is_rows(json_object_iter_value(it)))
            count += json_array_size(json_object_iter_value(it));
    }
    return count;
}

static void
add_rows(struct rows *rows, json_t *object, const char *owner)
{
    for (void *it = json_object_iter(object); it != NULL; it = json_object_iter_next(object, it)) {
        const json_t *list = json_object_iter_value(it);
        for (size_t i = 0; is_rows(list) && i < json_array_size(list); i++) {
            const json_t *row = json_array_get(list, i);
            rows->rows[rows->count++] =
                (struct row){.json = row,
                             .list = json_object_iter_key(it),
                             .owner = owner,
                             .from_ms = time_of(row, "from"),
                             .recorded_ms = time_of(row, "recorded"),
                             .retracted = json_object_get(row, "retracted")};
        }
    }
}

/* The rows of a model for everyone, then those of each organization. */
static bool
rows_of(struct diff *d, json_t *model, struct rows *ret)
{
    const json_t *overrides = json_object_get(model, "overrides");
    size_t count = count_rows(model);
    for (size_t i = 0; i < json_array_size(overrides); i++)
        count += count_rows(json_array_get(overrides, i));
    *ret = (struct rows){arena_alloc(&d->arena, (count + 1) * sizeof *ret->rows), 0};
    if (ret->rows == NULL)
        return false;
    add_rows(ret, model, "");
    for (size_t i = 0; i < json_array_size(overrides); i++) {
        json_t *override = json_array_get(overrides, i);
        add_rows(ret, override, json_string_value(json_object_get(override, "organization")));
    }
    return true;
}

static bool
same_identity(const struct row *a, const struct row *b)
{
    if (strcmp(a->list, b->list) != 0 || strcmp(a->owner, b->owner) != 0)
        return false;
    for (const char *const *key = identity_keys; *key != NULL; key++) {
        const json_t *x = json_object_get(a->json, *key), *y = json_object_get(b->json, *key);
        if (x != y && !json_equal(x, y))
            return false;
    }
    return true;
}

/* The old row that is this one; searched from where the one before it was found. */
static struct row *
find_row(const struct rows *old, const struct row *row, size_t *hint)
{
    for (size_t n = 0; n < old->count; n++) {
        struct row *o = &old->rows[(*hint + n) % old->count];
        if (o->from_ms == row->from_ms && o->recorded_ms == row->recorded_ms &&
            same_identity(o, row)) {
            *hint = (*hint + n + 1) % old->count;
            return o;
        }
    }
    return NULL;
}

/* What the row takes the place of: the same tier, the latest from that is not later than its own. */
static const struct row *
find_former(const struct rows *old, const struct row *row)
{
    const struct row *best = NULL;
    for (size_t i = 0; i < old->count; i++) {
        const struct row *o = &old->rows[i];
        if (o->from_ms <= row->from_ms && o->retracted == NULL && same_identity(o, row) &&
            (best == NULL || o->from_ms > best->from_ms ||
             (o->from_ms == best->from_ms && o->recorded_ms > best->recorded_ms)))
            best = o;
    }
    return best;
}

static bool
leaves_of(struct diff *d, const struct row *row, struct leaf **ret)
{
    struct leaf **end = ret;
    char name[NAME_BYTES_MAX] = "";
    json_t *shown = json_copy((json_t *)(uintptr_t)row->json);
    bool ok = shown != NULL;
    *ret = NULL;
    for (const char *const *key = identity_keys; ok && *key != NULL; key++)
        json_object_del(shown, *key);
    ok = ok && flatten(&d->arena, shown, name, time_keys, &end);
    json_decref(shown);
    return ok;
}

static bool
tell_added(struct diff *d, const struct rows *old, const struct row *row)
{
    struct leaf *was = NULL, *now = NULL;
    const struct row *former = find_former(old, row);
    struct price_change *c =
        change_new(d, row->recorded_ms > d->newest_ms ? PRICE_ROW_ADDED : PRICE_ROW_IN_THE_PAST);
    if (!name_row(d, row) || !leaves_of(d, row, &now) ||
        (former != NULL && !leaves_of(d, former, &was)))
        return false;
    say_leaves(c, was, now, true);
    if (c->kind == PRICE_ROW_IN_THE_PAST) {
        say_comma(c);
        say(c, "recorded no later than what the old book had");
    }
    tell(d);
    return true;
}

/* A row of both books: it may only have become retracted. */
static bool
tell_kept(struct diff *d, const struct row *old, const struct row *row)
{
    struct leaf *was = NULL, *now = NULL;
    if (!leaves_of(d, old, &was) || !leaves_of(d, row, &now))
        return false;
    struct price_change *c = change_new(d, PRICE_ROW_EDITED);
    size_t changed = say_leaves(c, was, now, false);
    const char *before = json_string_value(old->retracted);
    const char *after = json_string_value(row->retracted);
    if (before != NULL &&
        (after == NULL || time_number(old->retracted) != time_number(row->retracted))) {
        changed++;
        say_comma(c);
        say(c, "retracted %s (was %s)", after != NULL ? after : "no more", before);
    }
    if (changed > 0) {
        if (!name_row(d, row))
            return false;
        tell(d);
    }
    if (before != NULL || after == NULL)
        return true;
    bool past = time_number(row->retracted) <= d->newest_ms;
    c = change_new(d, past ? PRICE_RETRACTED_IN_THE_PAST : PRICE_ROW_RETRACTED);
    if (!name_row(d, row))
        return false;
    say(c, "retracted %s%s", after, past ? ", no later than what the old book had" : "");
    say_leaves(c, NULL, now, true);
    tell(d);
    return true;
}

static bool
diff_rows(struct diff *d, json_t *before, json_t *after)
{
    struct rows old = {NULL, 0}, new = {NULL, 0};
    size_t hint = 0;
    if (!rows_of(d, before, &old) || !rows_of(d, after, &new))
        return false;
    for (size_t i = 0; i < new.count; i++) {
        struct row *o = find_row(&old, &new.rows[i], &hint);
        if (o != NULL)
            o->seen = true;
        if (!(o != NULL ? tell_kept(d, o, &new.rows[i]) : tell_added(d, &old, &new.rows[i])))
            return false;
    }
    for (size_t i = 0; i < old.count; i++) {
        struct leaf *was;
        if (old.rows[i].seen)
            continue;
        struct price_change *c = change_new(d, PRICE_ROW_DELETED);
        if (!name_row(d, &old.rows[i]) || !leaves_of(d, &old.rows[i], &was))
            return false;
        say_leaves(c, NULL, was, true);
        tell(d);
    }
    return true;
}

/* ---- Models and the book. ---- */

/* Members that are neither rows nor names. */
static bool
diff_members(struct diff *d, enum price_change_kind kind, json_t *before, json_t *after,
             const char *const *leave_out)
{
    struct leaf *list[2] = {NULL, NULL};
    json_t *side[2] = {before, after};
    for (size_t s = 0; s < 2; s++) {
        struct leaf **end = &list[s];
        for (void *it = json_object_iter(side[s]); it != NULL;
             it = json_object_iter_next(side[s], it)) {
            const char *key = json_object_iter_key(it);
            char name[NAME_BYTES_MAX];
            snprintf(name, sizeof name, "%s", key);
            if (!is_one_of(key, leave_out) && !is_rows(json_object_iter_value(it)) &&
                !flatten(&d->arena, json_object_iter_value(it), name, time_keys, &end))
                return false;
        }
    }
    if (say_leaves(change_new(d, kind), list[0], list[1], false) > 0)
        tell(d);
    return true;
}

static json_t *
json_of(const struct price_version *version, const struct price_model *model)
{
    return json_array_get(json_object_get(version->root, "models"),
                          (size_t)(model - version->book->models));
}

static const struct price_model *
find_model(const struct price_version *version, const struct price_model *model)
{
    const struct price_id *id = price_book_find(version->book, model->provider, model->model);
    return id != NULL ? id->model : NULL;
}

static bool
diff_model(struct diff *d, const struct price_model *model)
{
    const struct price_model *old = find_model(d->before, model);
    json_t *after = json_of(d->after, model);
    d->change.provider = model->provider;
    d->change.model = model->model;
    if (old != NULL) {
        json_t *before = json_of(d->before, old);
        return diff_members(d, PRICE_MODEL_EDITED, before, after, head_keys) &&
               diff_rows(d, before, after);
    }
    struct price_change *c = change_new(d, PRICE_MODEL_ADDED);
    say(c, "%zu prices, %zu aliases", json_array_size(json_object_get(after, "prices")),
        json_array_size(json_object_get(after, "aliases")));
    tell(d);
    return diff_rows(d, NULL, after);
}

enum err_code
price_diff_run(const struct price_version *before, const struct price_version *after,
               void (*told)(void *context, const struct price_change *change), void *context,
               struct price_diff *ret, struct err *err)
{
    struct diff d = {.before = before, .after = after, .told = told, .context = context};
    d.newest_ms = price_book_newest(before->book);
    arena_init(&d.arena, DIFF_BYTES_MAX);
    d.change.provider = d.change.model = str_of("");
    bool ok = diff_members(&d, PRICE_BOOK_EDITED, before->root, after->root, book_keys);
    for (size_t i = 0; ok && i < after->book->model_count; i++) {
        ok = diff_model(&d, &after->book->models[i]);
        arena_clear(&d.arena);
    }
    for (size_t i = 0; ok && i < before->book->model_count; i++) {
        const struct price_model *model = &before->book->models[i];
        if (find_model(after, model) != NULL)
            continue;
        d.change.provider = model->provider;
        d.change.model = model->model;
        struct price_change *c = change_new(&d, PRICE_MODEL_DELETED);
        say(c, "with all its rows");
        tell(&d);
    }
    arena_clear(&d.arena);
    if (!ok)
        return full(err);
    *ret = d.result;
    return ERR_OK;
}

/* ---- A book and its JSON. ---- */

enum err_code
price_version_load(const char *path, struct price_version *ret, struct err *err)
{
    uint8_t sha256[HASH_SHA256_BYTES];
    *ret = (struct price_version){NULL, NULL};
    enum err_code code = price_book_load(path, &ret->book, err);
    if (code == ERR_OK)
        code = json_file_load(path, &ret->root, sha256, err);
    if (code == ERR_OK && memcmp(sha256, ret->book->sha256, sizeof sha256) != 0)
        code = err_set(err, ERR_CONFLICT, "%s changed while it was read; try again", path);
    return code;
}

void
price_version_clear(struct price_version *version)
{
    price_book_free(version->book);
    json_decref(version->root);
    *version = (struct price_version){NULL, NULL};
}

static int64_t
later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static int64_t
newest_of(const struct price_when *w)
{
    return later(w->recorded_ms, w->retracted_ms != PRICE_NEVER ? w->retracted_ms : INT64_MIN);
}

static int64_t
newest_of_tiers(const struct price_rows *tiers, int64_t newest)
{
    for (size_t t = 0; t < PRICE_TIERS; t++) {
        for (size_t r = 0; r < tiers[t].count; r++)
            newest = later(newest, newest_of(&tiers[t].rows[r].when));
    }
    return newest;
}

int64_t
price_book_newest(const struct price_book *book)
{
    int64_t newest = INT64_MIN;
    for (size_t i = 0; i < book->model_count; i++) {
        const struct price_model *model = &book->models[i];
        newest = newest_of_tiers(model->tiers, newest);
        for (size_t o = 0; o < model->override_count; o++)
            newest = newest_of_tiers(model->overrides[o].tiers, newest);
    }
    for (size_t i = 0; i < book->id_count; i++) {
        for (const struct price_alias *a = book->ids[i].aliases; a != NULL; a = a->next)
            newest = later(newest, newest_of(&a->when));
    }
    return newest;
}
