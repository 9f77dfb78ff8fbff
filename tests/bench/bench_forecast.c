/*
 * tests/bench/bench_forecast.c - how far gbill forecast is off: the product's own code, with
 * its own settings, held against what came.
 *
 *   bench_forecast NAB-DIRECTORY TRACES-DIRECTORY SEED [by-distance]
 *
 * Rolling origins: every 25 hours (so that each hour of the day has its turn) what is known is
 * cut off, and what the next 6 hours to 28 days add up to is forecast: what a month has left.
 * A series' error is the sum of all errors in parts of the sum of all that came (WAPE), a
 * group's the mean of its series'.  Against it:
 *
 *   naive           the last 24 hours go on
 *   seasonal naive  the last week repeats (the last day, before there is a week)
 *   prorated        the mean of all that is known goes on; what most dashboards do
 *
 * Series with at least a week known; those with less, from 8 hours on, are the group "cold".
 *
 *   traces     Azure's two LLM services and both together: calls, tokens, cost.  They are an
 *              hour long, so a second stands for an hour: five months without day and night
 *   tweets     NAB realTweets: messages that name a company, summed by the hour.  Traffic
 *   traffic    NAB realTraffic: sensors on a road.  No counts, so an hour has the mean of its
 *              values, and a gap the value before it
 *   adexchange NAB realAdExchange: what a click and a thousand views cost, by the hour
 *   spending   made-up organizations with harm at three times the usual (spending.h)
 */
#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "reports/forecast/outlook.h"
#include "store/base/time.h"
#include "tests/bench/spending.h"

enum {
    LINE_BYTES_MAX = 256,
    PATH_BYTES_MAX = 512,
    HOURS_MAX = 9600,
    COLD_HOURS_MIN = 8,
    KNOWN_HOURS_MIN = 7 * 24,
    ORIGIN_STEP_HOURS = 25,
    ORGANIZATIONS = 10,
    SPENDING_TIMES = 3,
};

static const size_t distances[] = {6, 24, 48, 96, 168, 240, 336, 504, 672};
enum { DISTANCES = sizeof distances / sizeof distances[0] };

enum method { OURS, NAIVE, SEASONAL, PRORATED, METHODS };

struct tally {
    double missed[METHODS], actual;
    int count, inside;
};

struct group {
    const char *name;
    int series, count, inside;
    double error[METHODS]; /* summed over series */
    struct tally at[DISTANCES];
};

static double
sum(const double *hours, size_t from, size_t to)
{
    double s = 0;
    for (size_t i = from; i < to; i++)
        s += hours[i];
    return s;
}

static void
try_one(const double *hours, size_t known, size_t left, struct tally *t)
{
    static struct outlook_room room;
    struct outlook o;
    size_t from = known > OUTLOOK_HISTORY_HOURS ? known - OUTLOOK_HISTORY_HOURS : 0;
    size_t day = known >= 24 ? 24 : known, season = known >= KNOWN_HOURS_MIN ? 168 : day;
    double actual = sum(hours, known, known + left), seasonal = 0;
    outlook_make(&room, hours + from, known - from, left, &o);
    const struct outlook_point *p = &o.points[o.point_count - 1];
    for (size_t i = 0; i < left; i++)
        seasonal += hours[known - season + i % season];
    const double expected[METHODS] = {
        [OURS] = p->expected,
        [NAIVE] = sum(hours, known - day, known) * (double)left / (double)day,
        [SEASONAL] = seasonal,
        [PRORATED] = sum(hours, 0, known) * (double)left / (double)known,
    };
    for (int m = 0; m < METHODS; m++)
        t->missed[m] += fabs(expected[m] - actual);
    t->actual += actual;
    t->count++;
    t->inside += actual >= p->low && actual <= p->high;
}

static void
add(struct tally *sum, const struct tally *more)
{
    for (int m = 0; m < METHODS; m++)
        sum->missed[m] += more->missed[m];
    sum->actual += more->actual;
    sum->count += more->count;
    sum->inside += more->inside;
}

/* A series whose known part begins to be of use at `from`, up to `to` hours. */
static void
score_between(struct group *g, const double *hours, size_t count, size_t from, size_t to)
{
    struct tally at[DISTANCES] = {0}, all = {0};
    for (size_t known = from; known < count && known < to; known += ORIGIN_STEP_HOURS) {
        for (int d = 0; d < DISTANCES && known + distances[d] <= count; d++)
            try_one(hours, known, distances[d], &at[d]);
    }
    for (int d = 0; d < DISTANCES; d++) {
        add(&all, &at[d]);
        add(&g->at[d], &at[d]);
    }
    if (all.actual <= 0)
        return;
    g->series++;
    g->count += all.count;
    g->inside += all.inside;
    for (int m = 0; m < METHODS; m++)
        g->error[m] += all.missed[m] / all.actual;
}

static void
score(struct group *g, struct group *cold, const double *hours, size_t count)
{
    score_between(g, hours, count, KNOWN_HOURS_MIN, count);
    score_between(cold, hours, count, COLD_HOURS_MIN, KNOWN_HOURS_MIN);
}

static void
print_group(const struct group *g, bool by_distance)
{
    double n = g->series;
    printf(
        "forecast  %-13s error %5.1f %%, naive %5.1f %%, seasonal naive %5.1f %%, prorated %5.1f %%; "
        "80 %% interval holds %.1f %%; %d series, %d forecasts\n",
        g->name, 100 * g->error[OURS] / n, 100 * g->error[NAIVE] / n, 100 * g->error[SEASONAL] / n,
        100 * g->error[PRORATED] / n, 100.0 * g->inside / g->count, g->series, g->count);
    for (int d = 0; by_distance && d < DISTANCES; d++) {
        const struct tally *t = &g->at[d];
        if (t->count == 0)
            continue;
        printf("forecast    %4zu hours ahead", distances[d]);
        for (int m = 0; m < METHODS; m++)
            printf("  %5.1f %%", 100 * t->missed[m] / t->actual);
        printf("  holds %5.1f %%\n", 100.0 * t->inside / t->count);
    }
}

/* All groups, each as much as the others. */
static void
print_all(const struct group *groups, int count)
{
    double error[METHODS] = {0}, inside = 0;
    for (int i = 0; i < count; i++) {
        for (int m = 0; m < METHODS; m++)
            error[m] += groups[i].error[m] / groups[i].series / count;
        inside += (double)groups[i].inside / groups[i].count / count;
    }
    printf(
        "forecast  %-13s error %5.1f %%, naive %5.1f %%, seasonal naive %5.1f %%, prorated %5.1f %%; "
        "80 %% interval holds %.1f %%\n",
        "all of these", 100 * error[OURS], 100 * error[NAIVE], 100 * error[SEASONAL],
        100 * error[PRORATED], 100 * inside);
}

/* ---- where the series come from ---- */

static void
end(const char *what, const char *name)
{
    fprintf(stderr, "bench_forecast: %s: %s\n", name, what);
    exit(1);
}

static FILE *
open_csv(const char *path)
{
    char line[LINE_BYTES_MAX];
    FILE *f = fopen(path, "r");
    if (f == NULL || fgets(line, sizeof line, f) == NULL)
        end("cannot be read", path);
    return f;
}

/* A line's time, and what is behind its first comma. */
static int64_t
read_line(const char *line, const char **ret_rest, const char *path)
{
    const char *comma = strchr(line, ',');
    int64_t ms = 0;
    if (comma == NULL || !time_parse((struct str){line, (size_t)(comma - line)}, &ms))
        end("a line has no time and value", path);
    *ret_rest = comma + 1;
    return ms;
}

static size_t
read_nab(const char *path, bool mean, double hours[HOURS_MAX])
{
    static double values[HOURS_MAX];
    char line[LINE_BYTES_MAX];
    const char *rest;
    int64_t first = -1;
    size_t count = 0;
    FILE *f = open_csv(path);
    memset(values, 0, sizeof values);
    memset(hours, 0, HOURS_MAX * sizeof hours[0]);
    while (fgets(line, sizeof line, f) != NULL) {
        int64_t hour = read_line(line, &rest, path) / TIME_HOUR_MS;
        first = first < 0 ? hour : first;
        if (hour < first || hour - first >= HOURS_MAX)
            end("its times are out of order, or too long", path);
        count = (size_t)(hour - first) + 1;
        hours[count - 1] += strtod(rest, NULL);
        values[count - 1]++;
    }
    fclose(f);
    for (size_t i = 0; mean && i < count; i++)
        hours[i] = values[i] > 0 ? hours[i] / values[i] : hours[i - 1];
    return count;
}

static void
try_nab(struct group *g, struct group *cold, const char *directory, const char *folder, bool mean)
{
    static double hours[HOURS_MAX];
    char path[PATH_BYTES_MAX];
    struct dirent **names;
    snprintf(path, sizeof path, "%s/%s", directory, folder);
    int n = scandir(path, &names, NULL, alphasort);
    if (n < 0)
        end("cannot be read", path);
    for (int i = 0; i < n; i++) {
        if (strstr(names[i]->d_name, ".csv") != NULL) {
            snprintf(path, sizeof path, "%s/%s/%.200s", directory, folder, names[i]->d_name);
            score(g, cold, hours, read_nab(path, mean, hours));
        }
        free(names[i]);
    }
    free(names);
}

/* Two services and both, each: calls, tokens, cost by gpt-4o's prices. */
enum { SERVICES = 2, TRACES = 3, MEASURES = 3, TRACE_HOUR_MS = 1000 };

static void
try_traces(struct group *g, struct group *cold, const char *directory)
{
    static const char *const names[SERVICES] = {"AzureLLMInferenceTrace_conv.csv",
                                                "AzureLLMInferenceTrace_code.csv"};
    static double hours[TRACES][MEASURES][HOURS_MAX];
    size_t count[TRACES] = {0};
    for (int k = 0; k < SERVICES; k++) {
        char path[PATH_BYTES_MAX], line[LINE_BYTES_MAX], *comma;
        const char *rest;
        int64_t first = -1;
        snprintf(path, sizeof path, "%s/%s", directory, names[k]);
        FILE *f = open_csv(path);
        while (fgets(line, sizeof line, f) != NULL) {
            int64_t ms = read_line(line, &rest, path);
            double in = strtod(rest, &comma), out = strtod(comma + 1, NULL);
            first = first < 0 ? ms : first;
            size_t at = (size_t)((ms - first) / TRACE_HOUR_MS);
            if (ms < first || at >= HOURS_MAX)
                end("its times are out of order, or too long", path);
            for (int trace = k; trace < TRACES; trace += SERVICES - k) {
                hours[trace][0][at]++;
                hours[trace][1][at] += in + out;
                hours[trace][2][at] += 2.5 * in + 10 * out;
                count[trace] = at > count[trace] ? at : count[trace]; /* the last is not whole */
            }
        }
        fclose(f);
    }
    for (int trace = 0; trace < TRACES; trace++) {
        for (int m = 0; m < MEASURES; m++)
            score(g, cold, hours[trace][m], count[trace]);
    }
}

static void
try_spending(struct group *g, struct group *cold, uint64_t seed)
{
    static double hours[MEASURES][SPENDING_HOURS];
    spending_seed(seed);
    for (int i = 0; i < ORGANIZATIONS; i++) {
        struct spending o;
        struct series_set set;
        series_set_init(&set);
        spending_make(&o, &set, SPENDING_TIMES, true);
        memset(hours, 0, sizeof hours);
        const struct series *all = set.all.items;
        const struct series_point *points = all[0].points.items;
        for (size_t k = 0; k < all[0].points.count; k++) {
            uint32_t at = points[k].hour - SPENDING_FIRST_HOUR;
            hours[0][at] = (double)points[k].figures.calls;
            hours[1][at] = (double)points[k].figures.tokens;
            hours[2][at] = (double)points[k].figures.cost_pico;
        }
        for (int m = 0; m < MEASURES; m++)
            score(g, cold, hours[m], SPENDING_HOURS);
        series_set_clear(&set);
    }
}

int
main(int argc, char **argv)
{
    static struct group groups[] = {{.name = "traces"},
                                    {.name = "tweets"},
                                    {.name = "traffic"},
                                    {.name = "adexchange"}},
                        spending = {.name = "spending"}, cold = {.name = "cold"},
                        spending_cold = {.name = "spending cold"};
    enum { GROUPS = sizeof groups / sizeof groups[0] };
    bool by_distance = argc > 4;
    if (argc < 4) {
        fprintf(stderr,
                "usage: bench_forecast NAB-DIRECTORY TRACES-DIRECTORY SEED [by-distance]\n");
        return 2;
    }
    try_traces(&groups[0], &cold, argv[2]);
    try_nab(&groups[1], &cold, argv[1], "realTweets", false);
    try_nab(&groups[2], &cold, argv[1], "realTraffic", true);
    try_nab(&groups[3], &cold, argv[1], "realAdExchange", true);
    try_spending(&spending, &spending_cold, strtoull(argv[3], NULL, 10));
    for (int i = 0; i < GROUPS; i++)
        print_group(&groups[i], by_distance);
    print_all(groups, GROUPS);
    print_group(&cold, by_distance);
    print_group(&spending, by_distance);
    print_group(&spending_cold, by_distance);
    return 0;
}
