#include "reports/usage_report.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "reports/usage_walk.h"

static enum err_code
too_many_groups(const struct usage_query *query, struct err *err)
{
    char words[128];
    size_t used = 0;
    for (size_t i = 0; i < query->grouping.count; i++)
        used += (size_t)snprintf(words + used, sizeof words - used, "%s%s", i > 0 ? "," : "",
                                 dimension_word(query->grouping.by[i]));
    return err_set(err, ERR_LIMIT,
                   "more than %zu rows --by %s; name fewer columns, one --org, or a shorter time "
                   "with --from and --to",
                   query->groups_max, words);
}

static enum err_code
add_row(struct usage_report *r, const struct usage_query *query, const struct usage_key *key,
        const struct usage_row *row, struct err *err)
{
    uint32_t group[DIMENSIONS] = {0};
    for (size_t i = 0; i < r->grouping.count; i++)
        group[i] = dimension_of(r->grouping.by[i], key);
    struct usage_row *sum = map_at(&r->groups, group, map_hash(&r->groups, group));
    if (sum == NULL)
        return err_set(err, ERR_LIMIT, "no memory for %zu rows; name fewer columns in --by",
                       r->groups.count);
    if (r->groups.count > query->groups_max)
        return too_many_groups(query, err);
    usage_row_add(sum, row);
    usage_row_add(&r->total, row);
    if (row->unpriced_calls > 0 && r->unpriced.organization == 0)
        r->unpriced = *key;
    return ERR_OK;
}

static enum err_code
sum_hours(struct usage_report *r, struct tables_txn *txn, const struct usage_query *query,
          struct err *err)
{
    struct usage_range range = {query->organization, query->from_hour, query->to_hour};
    struct usage_walk walk;
    enum err_code code = usage_walk_begin(&walk, txn, &range, err);
    while (code == ERR_OK && usage_walk_next(&walk))
        code = add_row(r, query, &walk.key, &walk.row, err);
    enum err_code read = usage_walk_end(&walk, code == ERR_OK ? err : NULL);
    return code == ERR_OK ? read : code;
}

static const uint32_t *
group_of(const struct usage_report *r, size_t group)
{
    return (const uint32_t *)(const void *)map_key(&r->groups, (uint32_t)group);
}

static enum err_code
add_names(struct usage_report *r, struct tables_txn *txn, struct err *err)
{
    enum err_code code = names_add(&r->names, txn, r->unpriced.provider, err);
    if (code == ERR_OK)
        code = names_add(&r->names, txn, r->unpriced.model, err);
    for (size_t i = 0; code == ERR_OK && i < r->groups.count; i++) {
        const uint32_t *group = group_of(r, i);
        for (size_t c = 0; code == ERR_OK && c < r->grouping.count; c++) {
            if (!dimension_is_time(r->grouping.by[c]))
                code = names_add(&r->names, txn, group[c], err);
        }
    }
    return code == ERR_OK ? names_rank(&r->names, err) : code;
}

static int
compare_cells(const void *a, const void *b, void *context)
{
    const struct usage_report *r = context;
    const uint32_t *x = r->cells + *(const uint32_t *)a * r->grouping.count;
    const uint32_t *y = r->cells + *(const uint32_t *)b * r->grouping.count;
    for (size_t c = 0; c < r->grouping.count; c++) {
        if (x[c] != y[c])
            return x[c] < y[c] ? -1 : 1;
    }
    return 0;
}

static enum err_code
sort_rows(struct usage_report *r, struct err *err)
{
    size_t columns = r->grouping.count, rows = r->groups.count;
    r->cells = malloc((rows * columns + 1) * sizeof *r->cells);
    r->order = malloc((rows + 1) * sizeof *r->order);
    if (r->cells == NULL || r->order == NULL)
        return err_set(err, ERR_LIMIT, "no memory to sort %zu rows; name fewer columns in --by",
                       rows);
    for (size_t i = 0; i < rows; i++) {
        const uint32_t *group = group_of(r, i);
        r->order[i] = (uint32_t)i;
        for (size_t c = 0; c < columns; c++)
            r->cells[i * columns + c] = dimension_is_time(r->grouping.by[c])
                                            ? group[c]
                                            : names_rank_of(&r->names, group[c]);
    }
    qsort_r(r->order, rows, sizeof *r->order, compare_cells, r);
    return ERR_OK;
}

enum err_code
usage_report_make(struct tables_txn *txn, const struct usage_query *query, struct usage_report *ret,
                  struct err *err)
{
    assert(query->grouping.count > 0 && query->grouping.count <= DIMENSIONS);
    assert(query->groups_max > 0 && query->groups_max <= USAGE_REPORT_GROUPS_MAX);
    assert(query->from_hour < query->to_hour);
    struct usage_report r = {.grouping = query->grouping};
    map_init(&r.groups, DIMENSIONS * sizeof(uint32_t), sizeof(struct usage_row));
    names_init(&r.names);
    enum err_code code = sum_hours(&r, txn, query, err);
    if (code == ERR_OK)
        code = add_names(&r, txn, err);
    if (code == ERR_OK)
        code = sort_rows(&r, err);
    if (code == ERR_OK)
        *ret = r;
    else
        usage_report_clear(&r);
    return code;
}

void
usage_report_clear(struct usage_report *report)
{
    map_clear(&report->groups);
    names_clear(&report->names);
    free(report->cells);
    free(report->order);
    report->cells = NULL;
    report->order = NULL;
}

struct str
usage_report_cell(const struct usage_report *report, size_t row, size_t column,
                  char text[TIME_TEXT_BYTES])
{
    uint32_t cell = report->cells[report->order[row] * report->grouping.count + column];
    switch (report->grouping.by[column]) {
    case DIMENSION_HOUR:
        time_format_hour(cell, text);
        memcpy(text + strlen(text), ":00Z", sizeof ":00Z");
        return str_of(text);
    case DIMENSION_DAY:
        time_format_day(cell, text);
        return str_of(text);
    case DIMENSION_MONTH:
        time_format_month((int32_t)cell, text);
        return str_of(text);
    default:
        return report->names.ranked[cell];
    }
}

struct str
usage_report_name(struct usage_report *report, uint32_t number)
{
    return report->names.ranked[names_rank_of(&report->names, number)];
}
