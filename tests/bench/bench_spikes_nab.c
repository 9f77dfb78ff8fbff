#include "tests/bench/bench_spikes.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "reports/spikes/detector.h"
#include "store/base/list.h"
#include "store/base/time.h"

/*
 * The Numenta Anomaly Benchmark's score (Lavin and Ahmad 2015, arXiv 1510.03336).
 *
 * Every true anomaly has a window.  The first alarm in it earns a sigmoid of how early it
 * is, 1 at the window's first value and 0 at its last; a window without alarm costs the
 * weight of a miss.  An alarm outside costs the weight of a false one, times a sigmoid of
 * how far it lies behind the last window.  The first 15 % of a series (750 values at most)
 * are for learning and not scored.  The sum is set between a detector that says nothing (0)
 * and one that finds every window at once (100).
 *
 * Where the paper and its authors' program differ, this follows the program: positions are
 * counted in values, an early hit is scaled to exactly 1, and more than three windows behind
 * one an alarm costs its full weight.  It differs from both in one thing: the threshold is
 * the product's own, where they search the best one for each detector over the whole corpus.
 */
enum { WINDOWS_MAX = 16, LINE_BYTES_MAX = 256, PROBATION_MAX = 750 };

static const char *const profiles[] = {"standard", "reward_low_FP_rate", "reward_low_FN_rate"};
enum { PROFILES = 3 };

struct value {
    int64_t at_s;
    double value;
    bool alarm;
};

struct window {
    size_t first, last;
};

struct weights {
    double hit, false_alarm, miss;
};

struct tally {
    double sum[PROFILES], least[PROFILES], most[PROFILES];
    int windows, hits, false_alarms;
};

static void
end(const char *what, const char *name)
{
    fprintf(stderr, "bench_spikes: %s: %s\n", name, what);
    exit(1);
}

static json_t *
read_json(const char *directory, const char *name)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    json_t *root = json_load_file(path, 0, NULL);
    if (root == NULL)
        end("cannot be read as JSON", path);
    return root;
}

static int64_t
time_of(const char *text, size_t size_bytes)
{
    int64_t utc_ms;
    if (!time_parse((struct str){text, size_bytes}, &utc_ms))
        end("no time", text);
    return utc_ms / 1000;
}

static void
read_series(const char *directory, const char *name, struct list *values)
{
    char path[512], line[LINE_BYTES_MAX];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    FILE *f = fopen(path, "r");
    if (f == NULL || fgets(line, sizeof line, f) == NULL)
        end("cannot be read", path);
    while (fgets(line, sizeof line, f) != NULL) {
        const char *comma = strchr(line, ',');
        if (comma == NULL)
            end("a line without a comma", path);
        const struct value v = {time_of(line, (size_t)(comma - line)), strtod(comma + 1, NULL),
                                false};
        if (!list_add(values, &v))
            end("no memory", path);
    }
    fclose(f);
}

static size_t
index_of(const struct list *values, const json_t *time)
{
    const struct value *v = values->items;
    int64_t at_s = time_of(json_string_value(time), json_string_length(time));
    for (size_t i = 0; i < values->count; i++) {
        if (v[i].at_s == at_s)
            return i;
    }
    end("a window's time is not in its series", json_string_value(time));
    return 0;
}

static int
compare_steps(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

/* The median of the first steps: a few values may be missing. */
static int64_t
step_of(const struct list *values)
{
    enum { STEPS = 100 };
    const struct value *v = values->items;
    int64_t steps[STEPS];
    size_t count = values->count - 1 < STEPS ? values->count - 1 : STEPS;
    for (size_t i = 0; i < count; i++)
        steps[i] = v[i + 1].at_s - v[i].at_s;
    qsort(steps, count, sizeof steps[0], compare_steps);
    return steps[count / 2];
}

static void
detect(struct list *values)
{
    static struct detector d;
    struct value *v = values->items;
    detector_init(&d, step_of(values));
    for (size_t i = 0; i < values->count; i++) {
        v[i].alarm = detector_judge(&d, v[i].at_s, v[i].value).alarm;
        detector_learn(&d, false);
    }
}

/* 1 far before 0, -1 far behind it. */
static double
sigmoid(double position)
{
    return position > 3 ? -1 : 2 / (1 + exp(5 * position)) - 1;
}

/* What a false alarm at i costs, from 0 to 1, or earns right behind a window. */
static double
false_part(size_t i, const struct window *before)
{
    if (before == NULL)
        return -1;
    return sigmoid((double)(i - before->last) / (double)(before->last - before->first));
}

static double
score(const struct list *values, const struct window *windows, size_t window_count,
      const struct weights *w, struct tally *count)
{
    const struct value *v = values->items;
    size_t probation = (size_t)(0.15 * (double)values->count), next = 0;
    const struct window *before = NULL;
    double sum = 0;
    bool hit = false;
    probation = probation < PROBATION_MAX ? probation : PROBATION_MAX;
    for (size_t i = 0; i < values->count; i++) {
        const struct window *in = next < window_count && i >= windows[next].first ? &windows[next]
                                                                                  : NULL;
        bool alarm = v[i].alarm && i >= probation;
        if (alarm && in != NULL && !hit) {
            double left = (double)(in->last - i + 1), wide = (double)(in->last - in->first + 1);
            sum += w->hit * sigmoid(-left / wide) / sigmoid(-1);
            hit = true;
        } else if (alarm && in == NULL) {
            sum += w->false_alarm * false_part(i, before);
            count->false_alarms++;
        }
        if (in == NULL || i < in->last)
            continue;
        sum -= hit ? 0 : w->miss;
        count->hits += hit;
        before = in;
        hit = false;
        next++;
    }
    return sum;
}

static void
score_series(const char *directory, const char *name, const json_t *limits,
             const struct weights *weights, struct tally *t)
{
    struct list values;
    struct window windows[WINDOWS_MAX];
    size_t count = json_array_size(limits);
    list_init(&values, sizeof(struct value));
    read_series(directory, name, &values);
    if (count > WINDOWS_MAX || values.count < 2)
        end("too many windows, or too few values", name);
    for (size_t i = 0; i < count; i++) {
        const json_t *limit = json_array_get(limits, i);
        windows[i].first = index_of(&values, json_array_get(limit, 0));
        windows[i].last = index_of(&values, json_array_get(limit, 1));
    }
    detect(&values);
    for (int p = 0; p < PROFILES; p++) {
        struct tally each = {.windows = 0};
        t->sum[p] += score(&values, windows, count, &weights[p], &each);
        t->least[p] -= weights[p].miss * (double)count;
        t->most[p] += weights[p].hit * (double)count;
        t->hits += p == 0 ? each.hits : 0;
        t->false_alarms += p == 0 ? each.false_alarms : 0;
    }
    t->windows += (int)count;
    list_clear(&values);
}

static struct weights
weights_of(const json_t *root, const char *profile)
{
    const json_t *m = json_object_get(json_object_get(root, profile), "CostMatrix");
    if (m == NULL)
        end("no such profile", profile);
    return (struct weights){json_number_value(json_object_get(m, "tpWeight")),
                            json_number_value(json_object_get(m, "fpWeight")),
                            json_number_value(json_object_get(m, "fnWeight"))};
}

void
bench_spikes_nab(const char *directory)
{
    json_t *limits = read_json(directory, "windows.json"),
           *matrix = read_json(directory, "profiles.json"), *windows;
    struct weights weights[PROFILES];
    struct tally t = {.windows = 0};
    const char *name;
    int series = 0;
    for (int p = 0; p < PROFILES; p++)
        weights[p] = weights_of(matrix, profiles[p]);
    json_object_foreach (limits, name, windows) {
        score_series(directory, name, windows, weights, &t);
        series++;
    }
    printf("spikes  NAB, %d series:", series);
    for (int p = 0; p < PROFILES; p++)
        printf(" %s %.1f%s", profiles[p], 100 * (t.sum[p] - t.least[p]) / (t.most[p] - t.least[p]),
               p < PROFILES - 1 ? "," : "");
    printf("; %d of %d windows found, %d false alarms\n", t.hits, t.windows, t.false_alarms);
    json_decref(limits);
    json_decref(matrix);
}
