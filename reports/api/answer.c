#include "reports/api/answer.h"

#include <stdio_ext.h>
#include <stdlib.h>

#include "store/base/print.h"

bool
answer_begin(struct answer *answer)
{
    *answer = (struct answer){.status = 200, .type = "application/json"};
    answer->out = open_memstream(&answer->text, &answer->size_bytes);
    if (answer->out == NULL)
        return false;
    /* One thread at a time has it, so no lock is taken for each word. */
    (void)__fsetlocking(answer->out, FSETLOCKING_BYCALLER);
    return true;
}

bool
answer_end(struct answer *answer)
{
    bool whole = fclose(answer->out) == 0;
    answer->out = NULL;
    return whole;
}

void
answer_clear(struct answer *answer)
{
    if (answer->out != NULL)
        fclose(answer->out);
    answer->out = NULL;
    if (answer->file != NULL)
        fclose(answer->file);
    answer->file = NULL;
    free(answer->text);
    answer->text = NULL;
}

static const char *
title_of(unsigned status)
{
    switch (status) {
    case 400:
        return "Bad Request";
    case 401:
        return "Unauthorized";
    case 403:
        return "Forbidden";
    case 404:
        return "Not Found";
    case 405:
        return "Method Not Allowed";
    case 413:
        return "Content Too Large";
    case 415:
        return "Unsupported Media Type";
    case 422:
        return "Unprocessable Content";
    case 429:
        return "Too Many Requests";
    case 503:
        return "Service Unavailable";
    default:
        return "Internal Server Error";
    }
}

void
answer_problem(struct answer *answer, unsigned status, const char *code, const char *detail,
               const char *remedy)
{
    rewind(answer->out);
    if (answer->file != NULL)
        fclose(answer->file);
    answer->file = NULL;
    answer->status = status;
    answer->type = "application/problem+json";
    answer->code = code;
    fprintf(answer->out,
            "{\"type\":\"about:blank\",\"title\":\"%s\",\"status\":%u,\"code\":\"%s\",\"detail\":",
            title_of(status), status, code);
    print_json_text(answer->out, str_of(detail));
    fputs(",\"remedy\":", answer->out);
    print_json_text(answer->out, str_of(remedy));
    fputs("}\n", answer->out);
}

void
answer_error(struct answer *answer, enum err_code code, const struct err *err)
{
    if (code == ERR_USAGE || code == ERR_INPUT)
        answer_problem(answer, 400, "bad_request", err->text, "see /api/billing/openapi.json");
    else if (code == ERR_NOT_FOUND)
        answer_problem(answer, 404, "not_found", err->text,
                       "ask again once events of this organization have been folded");
    else if (code == ERR_LIMIT)
        answer_problem(answer, 400, "too_much", err->text, "ask for less at a time");
    else if (err_retry_helps(code)) {
        answer_problem(answer, 503, "unavailable", err->text, "ask again");
        answer->retry_s = 1;
    } else
        answer_problem(answer, 500, "internal", "the server could not read its tables",
                       "tell the operator, who finds the reason in the server's log");
}
