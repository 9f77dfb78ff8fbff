#include <criterion/criterion.h>
#include <string.h>
#include <sys/stat.h>

#include "billing/notify/message.h"
#include "billing/notify/mime.h"
#include "billing/notify/notify.h"
#include "billing/notify/send.h"
#include "store/base/base64.h"
#include "store/base/time.h"
#include "tests/billing/office.h"

TestSuite(billing_notify, .init = office_open, .fini = office_close);

static struct err err;

/* ---- the settings file ---- */

static const char *
file_of(const char *json, mode_t mode)
{
    const char *path = office_book(json);
    cr_assert_eq(chmod(path, mode), 0);
    return path;
}

#define SMTP "'smtp': {'host': 'mail.example.com', 'from': 'b@example.com'}"
#define HOOK "'secrets': ['whsec_MTIzNDU2Nzg5MDEyMzQ1Ng==']"
#define FILE_OF(rest) "{'format': 'gbill-notify/1', " rest "}"

Test(billing_notify, destinations_of_everyone_come_before_an_organizations_own)
{
    struct notify_conf *c;
    struct notify_destination d;
    const char *path = file_of(
        FILE_OF(SMTP
                ", 'everyone': [{'name': 'ops', 'email': 'ops@example.com'}], "
                "'organizations': {'acme': [{'name': 'hook', 'webhook': 'https://a.example/x', "
                "" HOOK "}]}"),
        0600);
    cr_assert_eq(notify_conf_load(path, &c, &err), ERR_OK, "%s", err.text);
    cr_expect(notify_conf_at(c, str_of("acme"), 0, &d) && d.kind == NOTIFY_EMAIL);
    cr_expect(notify_conf_at(c, str_of("acme"), 1, &d) && d.kind == NOTIFY_WEBHOOK);
    cr_expect_eq(d.secret_count, 1);
    cr_expect_eq(d.secrets[0].key_bytes, 16);
    cr_expect_arr_eq(d.secrets[0].key, "1234567890123456", 16);
    cr_expect_not(notify_conf_at(c, str_of("acme"), 2, &d));
    cr_expect(notify_conf_at(c, str_of("other"), 0, &d));
    cr_expect_not(notify_conf_at(c, str_of("other"), 1, &d));
    cr_expect(notify_conf_find(c, str_of("acme"), "hook", &d));
    cr_expect_not(notify_conf_find(c, str_of("other"), "hook", &d));
    cr_expect_eq(notify_conf_smtp(c)->port, 587);
    notify_conf_free(c);
}

Test(billing_notify, what_the_settings_must_not_say_is_named_without_its_secrets)
{
    static const struct {
        const char *json, *says;
    } cases[] = {
        {FILE_OF("'everyon': []"), "everyon"},
        {"{'format': 'gbill-notify/2'}", "gbill-notify/1"},
        {FILE_OF("'everyone': [{'name': 'm', 'email': 'ops@example.com'}]"), "add \"smtp\""},
        {FILE_OF(SMTP ", 'everyone': [{'name': 'm', 'email': 'a@b\\r\\nBcc: x@y'}]"), "no address"},
        {FILE_OF(SMTP ", 'everyone': [{'name': 'm', 'email': 'a@b,c@d'}]"), "no address"},
        {FILE_OF("'everyone': [{'name': 's', 'slack': 'http://hooks.example/SECRET'}]"), "https"},
        {FILE_OF("'everyone': [{'name': 's', 'slack': 'https://me:SECRET@hooks.example/'}]"),
         "https"},
        {FILE_OF("'everyone': [{'name': 's', 'slack': 'file:///etc/passwd'}]"), "https"},
        {FILE_OF("'everyone': [{'name': 'w', 'webhook': 'https://a.example/'}]"), "secrets"},
        {FILE_OF("'everyone': [{'name': 'w', 'webhook': 'https://a.example/', 'secrets': []}]"),
         "at least one secret"},
        {FILE_OF("'everyone': [{'name': 'w', 'webhook': 'https://a.example/', "
                 "'secrets': ['SECRET']}]"),
         "whsec_"},
        {FILE_OF("'everyone': [{'name': 'w', 'webhook': 'https://a.example/', 'slack': "
                 "'https://b.example'}]"),
         "one of"},
        {FILE_OF("'everyone': [{'name': 'x', 'slack': 'https://a.example/'}, {'name': 'x', "
                 "'slack': 'https://b.example/'}]"),
         "are named \"x\""},
        {FILE_OF("'everyone': [{'name': 'x', 'slack': 'https://a.example/'}], 'organizations': "
                 "{'acme': [{'name': 'x', 'slack': 'https://b.example/'}]}"),
         "acme are named \"x\""},
        {FILE_OF("'smtp': {'host': 'm', 'from': 'b@c', 'security': 'none', 'user': 'u', "
                 "'password': 'SECRET'}"),
         "without TLS"},
        {FILE_OF("'smtp': {'host': 'm:25', 'from': 'b@c/d', 'security': 'ssl'}"), "starttls"},
        {FILE_OF("'smtp': {'host': 'm/x', 'from': 'b@c'}"), "host"},
        {FILE_OF("'deadAfterDays': 0"), "deadAfterDays"},
        {FILE_OF("'allowLoopbackHttp': 'yes'"), "true or false"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct notify_conf *c = NULL;
        enum err_code code = notify_conf_load(file_of(cases[i].json, 0600), &c, &err);
        cr_expect_eq(code, ERR_CONFIG, "%s", cases[i].json);
        cr_expect_not_null(strstr(err.text, cases[i].says), "%s: %s", cases[i].json, err.text);
        cr_expect_null(strstr(err.text, "SECRET"), "%s", err.text);
    }
    struct notify_conf *c = NULL;
    cr_expect_eq(notify_conf_load(file_of(FILE_OF("'everyone': []"), 0604), &c, &err), ERR_CONFIG);
    cr_expect_not_null(strstr(err.text, "chmod o="), "%s", err.text);
    cr_expect_eq(notify_conf_load("/nonexistent", &c, &err), ERR_NOT_FOUND);
}

/* ---- messages ---- */

static struct alert
an_alert(void)
{
    return (struct alert){.organization = 1,
                          .month = 682,
                          .number = 2,
                          .kind = ALERT_THRESHOLD,
                          .percent = 80,
                          .name = "warning",
                          .currency = "USD",
                          .has_budget = true,
                          .budget_minor = 10000,
                          .spend_pico = 84 * (money_sum)MONEY_PICO_PER_UNIT + 125000000000,
                          .at_ms = 1795508130500};
}

Test(billing_notify, titles_are_words)
{
    char title[MESSAGE_TITLE_BYTES];
    struct alert a = an_alert();
    const struct message_about about = {.organization = str_of("acme"), .alert = &a};
    message_title(&about, title);
    cr_expect_str_eq(title,
                     "acme: 80 % (warning) of the budget of 2026-11 reached: 84.13 of 100.00 USD");
    a.kind = ALERT_RECOVERED;
    a.name[0] = '\0';
    a.has_budget = false;
    message_title(&about, title);
    cr_expect_str_eq(title,
                     "acme: below 80 % of the budget of 2026-11 again: 84.13 USD, and no budget "
                     "is set any more");
    a.kind = ALERT_FORECAST;
    a.has_budget = true;
    memcpy(a.currency, "JPY", 4);
    a.forecast_pico = 12000 * (money_sum)MONEY_PICO_PER_UNIT;
    message_title(&about, title);
    cr_expect_str_eq(title,
                     "acme: 80 % of the budget of 2026-11 will be spent at this rate: 12000 of "
                     "10000 JPY");
}

static struct spike
a_spike(void)
{
    return (struct spike){.subject = {SPIKE_USER, 0, 7},
                          .from_hour = 498796,
                          .to_hour = 498800,
                          .measures = 1U << SPIKE_COST | 1U << SPIKE_CALLS,
                          .threshold_percent = 200,
                          .actual = {80, 8000, 200 * (money_sum)MONEY_PICO_PER_UNIT},
                          .usual = {40, 4000, 40 * (money_sum)MONEY_PICO_PER_UNIT},
                          .currency = "USD",
                          .noticed_ms = 1795508130500,
                          .text = "user u<7> spent 200.00 USD, where 40.00 is usual (500 %). Most "
                                  "of it: project p (100 %)."};
}

Test(billing_notify, a_spike_is_told_by_its_own_words_and_figures)
{
    char title[MESSAGE_TITLE_BYTES];
    struct spike spike = a_spike();
    const struct message_about about = {.organization = str_of("acme"),
                                        .spike = &spike,
                                        .id = str_of("0123"),
                                        .value = str_of("u<7>")};
    struct buf out;
    buf_init(&out, MESSAGE_BYTES_MAX);
    message_title(&about, title);
    cr_expect_str_eq(title, "acme: usage spike: user u<7> spent 200.00 USD, where 40.00 is usual "
                            "(500 %)");
    cr_assert_eq(message_webhook(&about, &out, &err), ERR_OK);
    cr_assert(buf_append(&out, "", 1));
    cr_expect_str_eq(
        (char *)out.data,
        "{\"type\":\"usage.spike\",\"timestamp\":\"2026-11-24T08:15:30.500Z\",\"data\":{\"spikeId\":"
        "\"0123\",\"organizationId\":\"acme\",\"scope\":\"user\",\"provider\":\"\",\"value\":\"u<7>\","
        "\"from\":\"2026-11-26T04:00:00.000Z\",\"to\":\"2026-11-26T08:00:00.000Z\",\"measures\":["
        "\"cost\",\"calls\"],\"burst\":false,\"threshold\":200,\"currency\":\"USD\",\"actual\":{"
        "\"cost\":\"200\",\"tokens\":8000,\"calls\":80},\"usual\":{\"cost\":\"40\",\"tokens\":4000,"
        "\"calls\":40},\"logPosition\":0,\"text\":\"user u<7> spent 200.00 USD, where 40.00 is usual "
        "(500 %). Most of it: project p (100 %).\"}}");
    buf_clear(&out);
    cr_assert_eq(message_slack(&about, &out, &err), ERR_OK);
    cr_assert(buf_append(&out, "", 1));
    cr_expect_not_null(strstr((char *)out.data, "user u&lt;7&gt; spent"), "%s", (char *)out.data);
    buf_clear(&out);
    memset(spike.text, 'x', SPIKE_TEXT_BYTES_MAX);
    memcpy(spike.text + MESSAGE_TITLE_BYTES - 1 - strlen("acme: usage spike: ") - 1, "\u00e4", 2);
    message_title(&about, title);
    cr_expect_eq(strlen(title), MESSAGE_TITLE_BYTES - 2, "no character is cut");
}

static char *
mail_with(const char *organization, const char *from_name, struct buf *out)
{
    const struct alert a = an_alert();
    const struct message_about about = {.organization = str_of(organization), .alert = &a};
    const struct message_mail m = {.from = "billing@example.com",
                                   .from_name = from_name,
                                   .to = "ops@example.com",
                                   .key = "msg_0123"};
    buf_init(out, MESSAGE_BYTES_MAX);
    cr_assert_eq(message_mail(&about, &m, out, &err), ERR_OK, "%s", err.text);
    cr_assert(buf_append(out, "", 1));
    return (char *)out->data;
}

/* The words of a mail's subject, put together; each is checked. */
static void
decode_subject(const char *mail, char decoded[512])
{
    const char *at = strstr(mail, "\r\nSubject: ") + 11;
    size_t used = 0;
    while (strncmp(at, "=?UTF-8?B?", 10) == 0) {
        const char *end = strstr(at + 10, "?=");
        size_t bytes;
        cr_assert_leq(end + 2 - at, 75);
        cr_assert(base64_decode((struct str){at + 10, (size_t)(end - at - 10)},
                                (unsigned char *)decoded + used, 511 - used, &bytes));
        cr_expect_neq((unsigned char)decoded[used] >> 6, 2, "begins within a character");
        used += bytes;
        at = end + 2;
        if (strncmp(at, "\r\n ", 3) == 0)
            at += 3;
    }
    decoded[used] = '\0';
}

/* The contract lets no such name in; the mail must not rely on it. */
Test(billing_notify, no_name_can_break_a_header)
{
    static const char *const names[] = {"a\r\nBcc: evil@example.com",
                                        "a\nX: y",
                                        "a\rX: y",
                                        "a\r\n\r\nbody",
                                        "\x01\x7f",
                                        "=?UTF-8?B?DQo=?=",
                                        "\xff\xfe broken \xc3"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct buf out;
        char *mail = mail_with(names[i], names[i], &out), decoded[512];
        char *end = strstr(mail, "\r\n\r\n");
        cr_assert_not_null(end);
        end[2] = '\0';
        unsigned lines = 0;
        for (char *line = mail; *line != '\0'; lines++) {
            char *next = strstr(line, "\r\n");
            cr_assert_leq(next - line, 998);
            for (char *p = line; p < next; p++)
                cr_expect(*p >= ' ' && *p <= '~', "header byte %02x", (unsigned char)*p);
            line = next + 2;
        }
        cr_expect_null(strstr(mail, "\r\nBcc"));
        cr_expect_null(strstr(mail, "\r\nX:"));
        decode_subject(mail, decoded);
        cr_expect_not_null(strstr(decoded, "of the budget"));
        for (const char *p = decoded; *p != '\0'; p++)
            cr_expect((unsigned char)*p >= ' ' && *p != 0x7f, "decoded byte %02x", *p);
        cr_expect_geq(lines, 8);
        buf_clear(&out);
    }
}

Test(billing_notify, encoded_words_are_short_and_cut_between_characters)
{
    struct buf out;
    char *mail = mail_with("ÄÖÜäöüßÄÖÜäöüßÄÖÜäöüß日本語組織", NULL, &out);
    char decoded[512];
    decode_subject(mail, decoded);
    cr_expect_str_eq(decoded,
                     "ÄÖÜäöüßÄÖÜäöüßÄÖÜäöüß日本語組織: 80 % (warning) of the budget of 2026-11 "
                     "reached: 84.13 of 100.00 USD");
    cr_expect_not_null(strstr(mail, "\r\nDate: Tue, 24 Nov 2026 08:15:30 +0000\r\n"));
    cr_expect_not_null(strstr(mail, "\r\nMessage-ID: <msg_0123@example.com>\r\n"));
    buf_clear(&out);
}

Test(billing_notify, the_same_alert_gives_the_same_bytes)
{
    struct buf a, b;
    const struct alert alert = an_alert();
    const struct message_about about = {.organization = str_of("acme"), .alert = &alert};
    buf_init(&a, MESSAGE_BYTES_MAX);
    buf_init(&b, MESSAGE_BYTES_MAX);
    cr_assert_eq(message_webhook(&about, &a, &err), ERR_OK);
    cr_assert_eq(message_webhook(&about, &b, &err), ERR_OK);
    cr_expect_eq(a.size_bytes, b.size_bytes);
    cr_expect_arr_eq(a.data, b.data, a.size_bytes);
    buf_clear(&a);
    buf_clear(&b);
}

/* The example of the Standard Webhooks specification. */
Test(billing_notify, a_signature_is_the_standards)
{
    struct notify_destination d = {.secret_count = 1};
    struct buf text;
    size_t bytes;
    cr_assert(base64_decode(str_of("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"), d.secrets[0].key,
                            sizeof d.secrets[0].key, &bytes));
    d.secrets[0].key_bytes = bytes;
    buf_init(&text, 512);
    const struct str body = str_of("{\"test\": 2432232314}");
    cr_assert_eq(send_sign(&d, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330,
                           (struct bytes){(const uint8_t *)body.data, body.size_bytes}, &text,
                           &err),
                 ERR_OK);
    cr_expect_eq(text.size_bytes, 47);
    cr_expect_arr_eq(text.data, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=", 47);
    buf_clear(&text);
}

Test(billing_notify, waits_double_and_differ_and_obey_the_receiver)
{
    int64_t base = 30000;
    for (uint64_t id = 1; id < 200; id++) {
        int64_t expected = base;
        for (uint32_t attempt = 1; attempt < 40; attempt++) {
            int64_t wait = notify_backoff_ms(base, id, attempt, 0);
            cr_assert(wait >= expected * 3 / 4 && wait <= expected * 5 / 4, "%lld",
                      (long long)wait);
            expected = expected * 2 > 6 * TIME_HOUR_MS ? 6 * TIME_HOUR_MS : expected * 2;
        }
    }
    cr_expect_neq(notify_backoff_ms(base, 1, 5, 0), notify_backoff_ms(base, 2, 5, 0));
    cr_expect_eq(notify_backoff_ms(base, 1, 1, 7200), 7200 * 1000);
    cr_expect_eq(notify_backoff_ms(base, 1, 1, INT64_MAX), 86400 * 1000);
}

/* ---- the outbox ---- */

Test(billing_notify, an_entry_waits_until_it_is_done)
{
    struct tables_txn *txn = office_begin();
    struct outbox_entry e = {.organization = office_number("acme"),
                             .month = 682,
                             .alert = 1,
                             .created_ms = 5,
                             .since_ms = 5,
                             .due_ms = 100,
                             .destination = "hook"},
                        other = e, got;
    struct outbox_due_scan due;
    char about[OUTBOX_ABOUT_BYTES], key[OUTBOX_KEY_BYTES], again[OUTBOX_KEY_BYTES];
    other.due_ms = 50;
    cr_assert_eq(outbox_add(txn, &e, &err), ERR_OK);
    cr_assert_eq(outbox_add(txn, &other, &err), ERR_OK);
    cr_expect_eq(e.id, 1);
    cr_expect_eq(other.id, 2);
    outbox_due_begin(&due, txn);
    cr_expect_not(outbox_due_next(&due, 49));
    outbox_due_end(&due);
    outbox_due_begin(&due, txn);
    cr_expect(outbox_due_next(&due, 100) && due.id == 2);
    cr_expect(outbox_due_next(&due, 100) && due.id == 1);
    cr_expect_not(outbox_due_next(&due, 100));
    outbox_due_end(&due);
    outbox_about(txn, &e, about);
    outbox_key(about, e.destination, key);
    e.attempts = 3;
    e.due_ms = 900;
    snprintf(e.result, sizeof e.result, "HTTP 500");
    cr_assert_eq(outbox_change(txn, &e, &err), ERR_OK);
    other.state = OUTBOX_SENT;
    other.done_ms = 60;
    cr_assert_eq(outbox_change(txn, &other, &err), ERR_OK);
    cr_expect_eq(tables_count(txn, TABLE_OUTBOX_DUE), 1);
    cr_assert(outbox_get(txn, 1, &got));
    cr_expect_eq(memcmp(&got.result, "HTTP 500", 9), 0);
    cr_expect_eq(got.due_ms, 900);
    cr_expect_eq(got.attempts, 3);
    outbox_about(txn, &got, about);
    outbox_key(about, got.destination, again);
    cr_expect_str_eq(key, again, "the key is the same at every attempt");
    cr_assert_eq(outbox_forget(txn, 1, &err), ERR_OK);
    cr_assert_eq(outbox_forget(txn, 2, &err), ERR_OK);
    cr_expect_eq(tables_count(txn, TABLE_OUTBOX) + tables_count(txn, TABLE_OUTBOX_DUE), 0);
    cr_assert_eq(outbox_add(txn, &e, &err), ERR_OK);
    cr_expect_eq(e.id, 3, "numbers are never used again");
    office_commit();
}

Test(billing_notify, an_entry_of_a_spike_has_the_spikes_own_key)
{
    struct tables_txn *txn = office_begin();
    struct outbox_entry e = {.kind = OUTBOX_SPIKE,
                             .organization = office_number("acme"),
                             .found_hour = 498796,
                             .subject = {SPIKE_USER, 0, office_number("u7")},
                             .destination = "hook"},
                        got;
    const struct spike row = {
        .organization = e.organization, .found_hour = e.found_hour, .subject = e.subject};
    char id[SPIKE_ID_BYTES], about[OUTBOX_ABOUT_BYTES], alert[OUTBOX_ABOUT_BYTES];
    cr_assert_eq(outbox_add(txn, &e, &err), ERR_OK);
    cr_assert(outbox_get(txn, e.id, &got));
    cr_expect_eq(got.kind, OUTBOX_SPIKE);
    cr_expect_eq(got.found_hour, e.found_hour);
    cr_expect_eq(memcmp(&got.subject, &e.subject, sizeof e.subject), 0);
    spike_id(txn, &row, id);
    outbox_about(txn, &got, about);
    cr_expect_str_eq(about, id);
    got.kind = OUTBOX_ALERT;
    outbox_about(txn, &got, alert);
    cr_expect_str_neq(alert, id);
    office_commit();
}

Test(billing_notify, what_was_done_long_ago_is_forgotten)
{
    const char *path = file_of(FILE_OF("'everyone': []"), 0600);
    struct tables_txn *txn = office_begin();
    const char *const done[] = {"2026-08-01", "2026-09-15", "2026-10-20", "2026-11-20"};
    for (size_t i = 0; i < 8; i++) {
        struct outbox_entry e = {.organization = office_number("acme"), .destination = "x"};
        cr_assert_eq(outbox_add(txn, &e, &err), ERR_OK);
        e.state = i % 2 == 0 ? OUTBOX_SENT : OUTBOX_DEAD;
        e.done_ms = ms_of(done[i / 2]);
        cr_assert_eq(outbox_change(txn, &e, &err), ERR_OK);
    }
    office_commit();
    struct clock clock = clock_fixed(ms_of("2026-11-24"));
    const struct notify_options o = {
        .data_directory = office_directory(), .conf_path = path, .clock = &clock};
    struct notify_result r;
    cr_assert_eq(notify_run(&o, &r, &err), ERR_OK, "%s", err.text);
    cr_expect_eq(r.forgotten, 4); /* three that were sent, and one that was dead for 90 days */
    cr_assert_eq(notify_run(&o, &r, &err), ERR_OK, "%s", err.text);
    cr_expect_eq(r.forgotten, 0);
}
