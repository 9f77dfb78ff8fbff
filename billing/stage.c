#include "billing/stage.h"

#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "store/base/file.h"
#include "store/tables/organization.h"

enum { NOTICE_BYTES_MAX = 1024 };

void
stage_notice(const struct stage_notices *notices, enum stage_notice notice, const char *fmt, ...)
{
    char text[NOTICE_BYTES_MAX];
    va_list ap;
    if (notices->line == NULL)
        return;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    notices->line(notices->context, notice, text);
}

enum err_code
stage_open(struct stage *stage, const char *data_directory, const char *plans_path,
           const char *lock_name, const char *who, struct err *err)
{
    char path[FILE_PATH_BYTES_MAX];
    *stage = (struct stage){.data_directory = data_directory, .lock_fd = -1};
    enum err_code code = plan_book_load(plans_path, &stage->book, err);
    if (code == ERR_OK)
        code = file_path(path, data_directory, "tables.mdb", err);
    /* Opening for writing would make the file, and hide a misspelt --data. */
    if (code == ERR_OK && access(path, F_OK) != 0)
        code = err_set(err, ERR_NOT_FOUND,
                       "%s: nothing is folded here yet; run gbill rollup --data %s, or name "
                       "another --data",
                       path, data_directory);
    if (code == ERR_OK)
        code = file_path(path, data_directory, lock_name, err);
    if (code == ERR_OK)
        code = file_lock(path, who, &stage->lock_fd, err);
    if (code == ERR_OK)
        code = tables_open(data_directory, TABLES_WRITE, &stage->tables, err);
    return code;
}

void
stage_close(struct stage *stage)
{
    tables_abort(stage->txn);
    tables_close(stage->tables);
    plan_book_free(stage->book);
    if (stage->lock_fd >= 0)
        close(stage->lock_fd);
    *stage = (struct stage){.lock_fd = -1};
}

enum err_code
stage_walk(struct stage *stage,
           enum err_code (*visit)(void *context, uint32_t organization, struct err *err),
           void *context, struct err *err)
{
    uint32_t organization = 0;
    bool more = true;
    enum err_code code = ERR_OK;
    while (code == ERR_OK && more) {
        code = tables_begin(stage->tables, TABLES_WRITE, &stage->txn, err);
        if (code != ERR_OK)
            break;
        /* A rollup may have moved it between two transactions. */
        stage->cursor = cursor_get(stage->txn);
        for (int i = 0; code == ERR_OK && more && i < STAGE_TXN_ORGANIZATIONS; i++) {
            more = organization_next(stage->txn, organization, &organization);
            if (more)
                code = visit(context, organization, err);
        }
        if (code != ERR_OK)
            break;
        struct tables_txn *txn = stage->txn;
        stage->txn = NULL;
        code = tables_commit(txn, err);
    }
    return code;
}
