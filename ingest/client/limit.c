#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "ingest/client/client.h"
#include "ingest/client/limit_message.h"
#include "ingest/client/line.h"
#include "ingest/client/local.h"
#include "store/base/clock.h"
#include "store/event/event.h"

#define NS_PER_MS ((int64_t)1000000)

enum op { OP_CHECK, OP_RESERVE, OP_RELEASE, OP_BOARD };

/* A kept connection, the last that was used; -1: there is none. */
static int
take_line(struct gbill *client)
{
    pthread_mutex_lock(&client->mutex);
    int fd = client->line_count > 0 ? client->lines[--client->line_count] : -1;
    pthread_mutex_unlock(&client->mutex);
    return fd;
}

static void
keep_line(struct gbill *client, int fd)
{
    pthread_mutex_lock(&client->mutex);
    bool kept = client->line_count < LINES_MAX;
    if (kept)
        client->lines[client->line_count++] = fd;
    pthread_mutex_unlock(&client->mutex);
    if (!kept)
        close(fd);
}

/* To ask again is to ask the same, so a kept connection may turn out to be of an agent that has
   ended; a new one may not. */
static enum err_code
ask_agent(struct gbill *client, struct bytes question, int64_t deadline_ns, uint8_t *room,
          struct bytes *ret_answer, int *ret_fd, struct err *err)
{
    for (;;) {
        bool was_lost = false;
        int fd = take_line(client);
        bool is_kept = fd >= 0;
        enum err_code code = ERR_OK;
        if (!is_kept)
            code = line_dial(&client->wire.address, deadline_ns, &fd, err);
        if (code != ERR_OK)
            return code;
        code = line_ask(fd, question, deadline_ns, room, ret_answer, ret_fd, &was_lost, err);
        if (code == ERR_OK)
            keep_line(client, fd);
        if (code == ERR_OK || !is_kept || !was_lost)
            return code;
    }
}

static enum err_code
check_text(const char *name, const char *text, struct err *err)
{
    size_t n = text != NULL ? strlen(text) : 1;
    if (n > 0 && n <= EVENT_TEXT_BYTES_MAX)
        return ERR_OK;
    return err_set(err, ERR_INPUT, "%s has %zu bytes, must have 1 to %d", name, n,
                   EVENT_TEXT_BYTES_MAX);
}

/* The text becomes tokens before anybody is asked: neither the agent nor its board knows of it. */
static enum err_code
count_text(struct gbill_limit_question *q, struct err *err)
{
    struct gbill_err why;
    uint64_t count = 0;
    if (q->counter == NULL || q->model == NULL)
        return err_set(err, ERR_USAGE, "a text needs a counter and a model");
    enum gbill_code code = gbill_tokens_count(q->counter, q->model, q->text, q->text_bytes,
                                              GBILL_SPECIAL_TEXT, &count, &why);
    if (code == GBILL_NOT_FOUND)
        count = q->text_bytes;
    else if (code != GBILL_OK)
        return err_set(err, code == GBILL_CORRUPT ? ERR_CORRUPT : ERR_LIMIT, "%s", why.text);
    q->tokens += count;
    q->max_tokens += q->max_tokens > 0 ? count : 0;
    return ERR_OK;
}

static enum err_code
check_question(enum op op, const struct gbill_limit_question *q, uint32_t timeout_ms,
               struct err *err)
{
    if (timeout_ms == 0)
        return err_set(err, ERR_USAGE, "timeout_ms is 0: an answer takes some time");
    if (q->organization_id == NULL)
        return err_set(err, ERR_INPUT, "organization_id is missing");
    if (op == OP_RELEASE && q->hold == NULL)
        return err_set(err, ERR_INPUT, "hold is missing: which reservation?");
    if (op != OP_RELEASE && q->max_tokens > 0 && q->max_tokens < q->tokens)
        return err_set(err, ERR_INPUT,
                       "max_tokens is %" PRIu64 ", less than tokens (%" PRIu64
                       "): it is the most that the call can use, tokens its estimate; 0: the same",
                       q->max_tokens, q->tokens);
    enum err_code code = check_text("organization_id", q->organization_id, err);
    if (code == ERR_OK)
        code = check_text("action", q->action, err);
    if (code == ERR_OK)
        code = check_text("hold", q->hold, err);
    return code;
}

static enum err_code
name_hold(struct gbill *client, enum op op, const struct gbill_limit_question *q,
          char hold[GBILL_TEXT_BYTES], struct err *err)
{
    if (q->hold != NULL || op == OP_CHECK) {
        snprintf(hold, GBILL_TEXT_BYTES, "%s", op == OP_CHECK ? "" : q->hold);
        return ERR_OK;
    }
    const struct clock clock = clock_system();
    pthread_mutex_lock(&client->mutex);
    enum err_code code = client_make_id(client, clock_now_ms(&clock), hold, err);
    pthread_mutex_unlock(&client->mutex);
    return code;
}

static enum err_code
ask_op(struct gbill *client, enum op op, const struct gbill_limit_question *q, const char *hold,
       int64_t deadline_ns, struct gbill_limit_answer *ret, int *ret_fd, struct err *err)
{
    static const char *const names[] = {"check", "reserve", "release", "board"};
    struct bytes answer;
    uint8_t room[LIMIT_ANSWER_BYTES_MAX];
    struct buf question;
    enum err_code code = ERR_OK;
    buf_init(&question, LIMIT_QUESTION_BYTES_MAX);
    if (!limit_message_pack(names[op], q, hold, &question))
        code = err_set(err, ERR_IO, "out of memory for a question");
    if (code == ERR_OK)
        code = ask_agent(client, (struct bytes){question.data, question.size_bytes}, deadline_ns,
                         room, &answer, ret_fd, err);
    if (code == ERR_OK)
        code = limit_message_read(answer, ret, err);
    buf_clear(&question);
    return code;
}

/* Without one, or with an agent that has none, every check goes over the socket: no harm. */
static void
fetch_board(struct gbill *client, const struct gbill_limit_question *q, int64_t deadline_ns)
{
    struct gbill_limit_answer answer;
    struct err err;
    int fd = -1;
    enum err_code code = ask_op(client, OP_BOARD, q, NULL, deadline_ns, &answer, &fd, &err);
    if (code == ERR_OK && fd >= 0)
        local_take(&client->local, fd);
    else if (fd >= 0)
        close(fd);
}

static enum gbill_code
ask(struct gbill *client, enum op op, const struct gbill_limit_question *question,
    uint32_t timeout_ms, struct gbill_limit_answer *ret, struct gbill_err *out)
{
    struct gbill_limit_question whole = *question;
    const struct gbill_limit_question *const q = &whole;
    const struct clock clock = clock_system();
    struct err err;
    char hold[GBILL_TEXT_BYTES];
    int64_t now_ns = clock_monotonic_ns(), deadline_ns = now_ns + timeout_ms * NS_PER_MS;
    enum err_code code = client_check_owner(client, &err);
    if (code == ERR_OK)
        code = check_question(op, q, timeout_ms, &err);
    if (code == ERR_OK && q->text != NULL && op != OP_RELEASE)
        code = count_text(&whole, &err);
    if (code == ERR_OK && op == OP_CHECK &&
        local_answer(&client->local, q, clock_now_ms(&clock), now_ns / NS_PER_MS, ret))
        return GBILL_OK;
    if (code == ERR_OK && op == OP_CHECK && local_wants(&client->local, now_ns / NS_PER_MS))
        fetch_board(client, q, deadline_ns);
    if (code == ERR_OK)
        code = name_hold(client, op, q, hold, &err);
    if (code == ERR_OK)
        code = ask_op(client, op, q, op == OP_CHECK ? NULL : hold, deadline_ns, ret, NULL, &err);
    if (code == ERR_OK)
        memcpy(ret->hold, hold, sizeof ret->hold);
    return client_give(code, &err, out);
}

enum gbill_code
gbill_limit_check(struct gbill *client, const struct gbill_limit_question *question,
                  uint32_t timeout_ms, struct gbill_limit_answer *ret_answer, struct gbill_err *err)
{
    return ask(client, OP_CHECK, question, timeout_ms, ret_answer, err);
}

enum gbill_code
gbill_limit_reserve(struct gbill *client, const struct gbill_limit_question *question,
                    uint32_t timeout_ms, struct gbill_limit_answer *ret_answer,
                    struct gbill_err *err)
{
    return ask(client, OP_RESERVE, question, timeout_ms, ret_answer, err);
}

enum gbill_code
gbill_limit_release(struct gbill *client, const struct gbill_limit_question *question,
                    uint32_t timeout_ms, struct gbill_limit_answer *ret_answer,
                    struct gbill_err *err)
{
    return ask(client, OP_RELEASE, question, timeout_ms, ret_answer, err);
}
