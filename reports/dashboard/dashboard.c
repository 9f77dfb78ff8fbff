#include "reports/dashboard/dashboard.h"

#include <inttypes.h>
#include <stdlib.h>

#include "store/base/time.h"

static enum err_code
read_month(const char *month, int64_t now_ms, struct board_query *query, struct err *err)
{
    int64_t ms = time_month_start_ms(time_month(now_ms));
    if (month != NULL &&
        (!time_parse(str_of(month), &ms) || time_month_start_ms(time_month(ms)) != ms))
        return err_set(err, ERR_USAGE, "--month %.64s is no month such as 2026-11", month);
    query->from_day = (uint32_t)(ms / TIME_DAY_MS);
    query->to_day = (uint32_t)(time_month_start_ms(time_month(ms) + 1) / TIME_DAY_MS);
    return ERR_OK;
}

static enum err_code
read_day(const char *option, const char *text, uint32_t *ret, struct err *err)
{
    int64_t ms;
    if (!time_parse(str_of(text), &ms) || ms % TIME_DAY_MS != 0)
        return err_set(err, ERR_USAGE,
                       "%s %.64s is no day such as 2026-11-24; a dashboard shows whole days, UTC",
                       option, text);
    *ret = (uint32_t)(ms / TIME_DAY_MS);
    return ERR_OK;
}

static enum err_code
read_days(const char *from, const char *to, struct board_query *query, struct err *err)
{
    uint32_t from_day = 0, to_day = 0;
    if (from == NULL || to == NULL)
        return err_set(err, ERR_USAGE, "--from and --to come together; --%s is missing",
                       from == NULL ? "from" : "to");
    enum err_code code = read_day("--from", from, &from_day, err);
    if (code == ERR_OK)
        code = read_day("--to", to, &to_day, err);
    if (code != ERR_OK)
        return code;
    if (to_day <= from_day)
        return err_set(err, ERR_USAGE,
                       "--to %.64s is not behind --from %.64s; --to names the first day no longer "
                       "counted",
                       to, from);
    if (to_day - from_day > BOARD_DAYS_MAX)
        return err_set(err, ERR_USAGE,
                       "--from %.64s --to %.64s are %" PRIu32
                       " days, the limit is %d; ask for fewer",
                       from, to, to_day - from_day, BOARD_DAYS_MAX);
    query->from_day = from_day;
    query->to_day = to_day;
    return ERR_OK;
}

enum err_code
dashboard_time(const char *month, const char *from, const char *to, int64_t now_ms,
               struct board_query *query, struct err *err)
{
    bool days = from != NULL || to != NULL;
    if (month != NULL && days)
        return err_set(err, ERR_USAGE,
                       "--month %.64s and --from or --to exclude each other; give one", month);
    enum err_code code = days ? read_days(from, to, query, err)
                              : read_month(month, now_ms, query, err);
    if (code == ERR_OK)
        query->now_ms = now_ms;
    return code;
}

enum err_code
dashboard_make(struct tables_txn *txn, const struct board_query *query, struct buf *buf,
               struct err *err)
{
    struct board *board = calloc(1, sizeof *board);
    if (board == NULL)
        return err_set(err, ERR_LIMIT, "no memory for a dashboard of %zu bytes", sizeof *board);
    enum err_code code = board_make(txn, query, board, err);
    if (code == ERR_OK)
        code = dashboard_draw(board, buf, err);
    board_clear(board);
    free(board);
    return code;
}
