#include "reports/usage_print.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

enum { SHOWN_DIGITS = 6, PICO_DIGITS = 12 };

enum measure {
    CALLS,
    FAILED,
    INPUT,
    CACHE_READ,
    CACHE_WRITE,
    CACHE_WRITE_1H,
    OUTPUT,
    REASONING,
    CREDITS,
    AVG_LATENCY,
    COST,
    UNPRICED,
    ESTIMATED,
    AUDIO_INPUT,
    AUDIO_CACHE_READ,
    AUDIO_OUTPUT,
    IMAGE_INPUT,
    IMAGE_CACHE_READ,
    IMAGE_OUTPUT,
    WEB_SEARCHES,
    WEB_FETCHES,
    FILE_SEARCHES,
    CODE_SESSIONS
};

static const struct print_column measures[] = {
    [CALLS] = {"calls", PRINT_WHOLE},
    [FAILED] = {"failed", PRINT_WHOLE},
    [INPUT] = {"input", PRINT_WHOLE},
    [CACHE_READ] = {"cacheRead", PRINT_WHOLE},
    [CACHE_WRITE] = {"cacheWrite", PRINT_WHOLE},
    [CACHE_WRITE_1H] = {"cacheWrite1h", PRINT_WHOLE},
    [OUTPUT] = {"output", PRINT_WHOLE},
    [REASONING] = {"reasoning", PRINT_WHOLE},
    [CREDITS] = {"credits", PRINT_WHOLE},
    [AVG_LATENCY] = {"avgLatencyMs", PRINT_WHOLE},
    [COST] = {"cost", PRINT_AMOUNT},
    [UNPRICED] = {"unpricedCalls", PRINT_WHOLE},
    [ESTIMATED] = {"estimatedCalls", PRINT_WHOLE},
    [AUDIO_INPUT] = {"audioInput", PRINT_WHOLE},
    [AUDIO_CACHE_READ] = {"audioCacheRead", PRINT_WHOLE},
    [AUDIO_OUTPUT] = {"audioOutput", PRINT_WHOLE},
    [IMAGE_INPUT] = {"imageInput", PRINT_WHOLE},
    [IMAGE_CACHE_READ] = {"imageCacheRead", PRINT_WHOLE},
    [IMAGE_OUTPUT] = {"imageOutput", PRINT_WHOLE},
    [WEB_SEARCHES] = {"webSearches", PRINT_WHOLE},
    [WEB_FETCHES] = {"webFetches", PRINT_WHOLE},
    [FILE_SEARCHES] = {"fileSearches", PRINT_WHOLE},
    [CODE_SESSIONS] = {"codeSessions", PRINT_WHOLE},
};

static const struct {
    enum measure columns[USAGE_PRINT_MEASURES_MAX];
    size_t count;
} kinds[] = {
    [USAGE_PRINT_USAGE] =
        {{CALLS,          FAILED,           INPUT,        CACHE_READ,    CACHE_WRITE,
          CACHE_WRITE_1H, OUTPUT,           REASONING,    CREDITS,       AVG_LATENCY,
          AUDIO_INPUT,    AUDIO_CACHE_READ, AUDIO_OUTPUT, IMAGE_INPUT,   IMAGE_CACHE_READ,
          IMAGE_OUTPUT,   WEB_SEARCHES,     WEB_FETCHES,  FILE_SEARCHES, CODE_SESSIONS},
         20},
    [USAGE_PRINT_COSTS] = {{CALLS, CREDITS, COST, UNPRICED, ESTIMATED}, 5},
};

uint64_t
usage_print_latency_ms(const struct usage_row *row)
{
    /* Rounding down twice is rounding down once, so the half is added between. */
    return row->calls == 0 ? 0 : (row->latency_us / row->calls + 500) / 1000;
}

void
usage_print_bar(uint64_t value, uint64_t most, char text[USAGE_PRINT_BAR_BYTES])
{
    uint64_t eighths = 0;
    if (most > 0)
        eighths = (uint64_t)((money_sum)value * (8 * USAGE_PRINT_BAR_CELLS) / most);
    if (value > 0 && most > 0 && eighths == 0)
        eighths = 1;
    assert(eighths <= 8 * USAGE_PRINT_BAR_CELLS);
    char *p = text;
    /* U+2588 is a full cell, U+2589 seven eighths, ... U+258F one. */
    for (; eighths > 0; p += 3) {
        uint64_t here = eighths < 8 ? eighths : 8;
        memcpy(p, "\xe2\x96", 2);
        p[2] = (char)(0x90 - here);
        eighths -= here;
    }
    *p = '\0';
}

static void
put_cost(struct print *p, const struct usage_row *row)
{
    char text[MONEY_TEXT_BYTES];
    /* A missing price is a state of its own, never an amount of zero. */
    if (row->calls > 0 && row->unpriced_calls == row->calls) {
        if (p->form == PRINT_JSON_LINES)
            print_null(p);
        else
            print_amount(p, p->form == PRINT_TABLE ? "unpriced" : "");
        return;
    }
    if (p->form == PRINT_TABLE)
        money_format_fixed(row->cost_pico, PICO_DIGITS, SHOWN_DIGITS, text);
    else
        money_format(row->cost_pico, PICO_DIGITS, text);
    print_amount(p, text);
}

static uint64_t
whole_of(enum measure measure, const struct usage_row *row)
{
    switch (measure) {
    case CALLS:
        return row->calls;
    case FAILED:
        return row->failed_calls;
    case INPUT:
        return row->tokens[EVENT_INPUT];
    case CACHE_READ:
        return row->tokens[EVENT_CACHE_READ];
    case CACHE_WRITE:
        return row->tokens[EVENT_CACHE_WRITE];
    case CACHE_WRITE_1H:
        return row->tokens[EVENT_CACHE_WRITE_1H];
    case OUTPUT:
        return row->tokens[EVENT_OUTPUT];
    case REASONING:
        return row->reasoning_tokens;
    case CREDITS:
        return usage_row_credits(row);
    case AVG_LATENCY:
        return usage_print_latency_ms(row);
    case UNPRICED:
        return row->unpriced_calls;
    case ESTIMATED:
        return row->estimated_calls;
    case AUDIO_INPUT:
        return row->tokens[EVENT_INPUT_AUDIO];
    case AUDIO_CACHE_READ:
        return row->tokens[EVENT_CACHE_READ_AUDIO];
    case AUDIO_OUTPUT:
        return row->tokens[EVENT_OUTPUT_AUDIO];
    case IMAGE_INPUT:
        return row->tokens[EVENT_INPUT_IMAGE];
    case IMAGE_CACHE_READ:
        return row->tokens[EVENT_CACHE_READ_IMAGE];
    case IMAGE_OUTPUT:
        return row->tokens[EVENT_OUTPUT_IMAGE];
    case WEB_SEARCHES:
        return row->fees[EVENT_WEB_SEARCH];
    case WEB_FETCHES:
        return row->fees[EVENT_WEB_FETCH];
    case FILE_SEARCHES:
        return row->fees[EVENT_FILE_SEARCH];
    case CODE_SESSIONS:
        return row->fees[EVENT_CODE_SESSION];
    case COST:
        break;
    }
    assert(0 && "no whole number");
    return 0;
}

/* A table leaves out what no call of the report has; a program always gets every column. */
static bool
is_shown(enum measure m, const struct usage_report *r, enum print_form form)
{
    return form != PRINT_TABLE || m < AUDIO_INPUT || whole_of(m, &r->total) > 0;
}

/* r is looked at for a table only. */
static void
put_measures(struct print *p, enum usage_print_kind kind, const struct usage_report *r,
             const struct usage_row *row)
{
    for (size_t i = 0; i < kinds[kind].count; i++) {
        enum measure m = kinds[kind].columns[i];
        if (m == COST)
            put_cost(p, row);
        else if (is_shown(m, r, p->form))
            print_whole(p, whole_of(m, row));
    }
}

size_t
usage_print_columns(enum usage_print_kind kind,
                    struct print_column columns[USAGE_PRINT_MEASURES_MAX])
{
    for (size_t i = 0; i < kinds[kind].count; i++)
        columns[i] = measures[kinds[kind].columns[i]];
    return kinds[kind].count;
}

void
usage_print_measures(struct print *p, enum usage_print_kind kind, const struct usage_row *row)
{
    assert(p->form != PRINT_TABLE);
    put_measures(p, kind, NULL, row);
}

static size_t
columns_of(const struct usage_report *r, enum usage_print_kind kind, enum print_form form,
           bool bars, struct print_column columns[PRINT_COLUMNS_MAX])
{
    size_t n = 0;
    for (size_t i = 0; i < r->grouping.count; i++)
        columns[n++] = (struct print_column){dimension_title(r->grouping.by[i]), PRINT_TEXT};
    for (size_t i = 0; i < kinds[kind].count; i++) {
        if (is_shown(kinds[kind].columns[i], r, form))
            columns[n++] = measures[kinds[kind].columns[i]];
    }
    if (bars)
        columns[n++] = (struct print_column){"", PRINT_TEXT};
    return n;
}

static void
put_group(struct print *p, const struct usage_report *r, size_t row)
{
    for (size_t c = 0; c < r->grouping.count; c++) {
        char text[TIME_TEXT_BYTES];
        struct str cell = usage_report_cell(r, row, c, text);
        print_text(p, cell.size_bytes == 0 && p->form == PRINT_TABLE ? str_of("-") : cell);
    }
}

static void
put_bar(struct print *p, uint64_t value, uint64_t most)
{
    char text[USAGE_PRINT_BAR_BYTES];
    usage_print_bar(value, most, text);
    print_text(p, str_of(text));
}

void
usage_print(const struct usage_report *report, enum usage_print_kind kind, enum print_form form,
            bool bars, FILE *out)
{
    struct print_column columns[PRINT_COLUMNS_MAX];
    struct print p;
    uint64_t most = 0;
    bars = bars && form == PRINT_TABLE;
    size_t rows = usage_report_rows(report);
    for (size_t i = 0; bars && i < rows; i++) {
        uint64_t credits = usage_row_credits(usage_report_row(report, i));
        most = credits > most ? credits : most;
    }
    print_begin(&p, out, form, columns, columns_of(report, kind, form, bars, columns));
    for (size_t i = 0; i < rows; i++) {
        const struct usage_row *row = usage_report_row(report, i);
        put_group(&p, report, i);
        put_measures(&p, kind, report, row);
        if (bars)
            put_bar(&p, usage_row_credits(row), most);
    }
    if (form == PRINT_TABLE) {
        for (size_t c = 0; c < report->grouping.count; c++)
            print_text(&p, str_of(c == 0 ? "total" : ""));
        put_measures(&p, kind, report, &report->total);
        if (bars)
            print_text(&p, str_of(""));
    }
    print_end(&p);
}
