#include "rollup/committer.h"

#include <pthread.h>
#include <stdlib.h>

struct committer {
    struct tables *tables;
    pthread_t thread;
    bool started;
    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t changed;
    bool stop;
    struct fold *fold; /* being written; NULL: none */
    struct cursor cursor;
    struct balance sum;
    enum err_code code;
    struct err err;
};

static enum err_code
write_fold(struct committer *c, struct balance *sum, struct err *err)
{
    struct tables_txn *txn;
    enum err_code code = fold_prepare(c->fold, err);
    if (code == ERR_OK)
        code = tables_begin(c->tables, TABLES_WRITE, &txn, err);
    if (code != ERR_OK)
        return code;
    code = fold_write(c->fold, txn, sum, err);
    if (code == ERR_OK)
        code = cursor_put(txn, &c->cursor, err);
    if (code == ERR_OK)
        return tables_commit(txn, err);
    tables_abort(txn);
    return code;
}

static void *
work(void *argument)
{
    struct committer *c = argument;
    pthread_mutex_lock(&c->lock);
    while (!c->stop) {
        if (c->fold == NULL) {
            pthread_cond_wait(&c->changed, &c->lock);
            continue;
        }
        pthread_mutex_unlock(&c->lock);
        struct balance sum = {0};
        struct err err;
        enum err_code code = write_fold(c, &sum, &err);
        pthread_mutex_lock(&c->lock);
        if (code == ERR_OK)
            balance_sum(&c->sum, &sum);
        else
            c->err = err;
        c->code = code;
        c->fold = NULL;
        pthread_cond_broadcast(&c->changed);
    }
    pthread_mutex_unlock(&c->lock);
    return NULL;
}

enum err_code
committer_open(struct tables *tables, struct committer **ret, struct err *err)
{
    struct committer *c = calloc(1, sizeof *c);
    if (c == NULL)
        return err_set(err, ERR_LIMIT, "no memory");
    c->tables = tables;
    pthread_mutex_init(&c->lock, NULL);
    pthread_cond_init(&c->changed, NULL);
    *ret = c;
    return ERR_OK;
}

void
committer_close(struct committer *committer)
{
    struct committer *c = committer;
    if (c == NULL)
        return;
    if (c->started) {
        pthread_mutex_lock(&c->lock);
        c->stop = true;
        pthread_cond_broadcast(&c->changed);
        pthread_mutex_unlock(&c->lock);
        pthread_join(c->thread, NULL);
    }
    pthread_mutex_destroy(&c->lock);
    pthread_cond_destroy(&c->changed);
    free(c);
}

enum err_code
committer_start(struct committer *committer, struct fold *fold, const struct cursor *cursor,
                struct err *err)
{
    struct committer *c = committer;
    if (!c->started && pthread_create(&c->thread, NULL, work, c) != 0)
        return err_set(err, ERR_LIMIT, "no thread to write tables with");
    c->started = true;
    pthread_mutex_lock(&c->lock);
    c->cursor = *cursor;
    c->fold = fold;
    pthread_cond_broadcast(&c->changed);
    pthread_mutex_unlock(&c->lock);
    return ERR_OK;
}

enum err_code
committer_wait(struct committer *committer, struct balance *ret_sum, struct err *err)
{
    struct committer *c = committer;
    pthread_mutex_lock(&c->lock);
    while (c->fold != NULL)
        pthread_cond_wait(&c->changed, &c->lock);
    pthread_mutex_unlock(&c->lock);
    balance_sum(ret_sum, &c->sum);
    c->sum = (struct balance){0};
    if (c->code != ERR_OK)
        *err = c->err;
    return c->code;
}
