#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fixture.h"
#include "server.h"
#include "store/postgres/migrate.h"
#include "store/postgres/publish_state.h"
#include "store/postgres/published.h"
#include "store/tables/invoice.h"

static char database[32], directory[128], url[256];
static struct migrate migrate;
static struct err err;

static void
run_shell(const char *command)
{
    cr_assert_eq(system(command), 0, "%s", command);
}

static void
set_up(void)
{
    char command[512];
    snprintf(database, sizeof database, "migrate_%d", (int)getpid());
    server_create(database, NULL);
    snprintf(url, sizeof url, "%s", server_url(database));
    snprintf(directory, sizeof directory, "%s", fixture_directory());
    snprintf(command, sizeof command, "cp %s/postgres/*.sql %s", GBILL_SCHEMAS_DIR, directory);
    run_shell(command);
}

static void
tear_down(void)
{
    migrate_clear(&migrate);
    fixture_clear();
}

TestSuite(postgres_migrate, .init = set_up, .fini = tear_down);

static void
put_file(const char *name, const char *text)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    FILE *f = fopen(path, "w");
    cr_assert_not_null(f);
    cr_assert_geq(fputs(text, f), 0);
    cr_assert_eq(fclose(f), 0);
}

static enum err_code
run_migrate(bool dry_run)
{
    const struct migrate_options options = {
        .database = url, .directory = directory, .dry_run = dry_run, .lock_wait_s = 1};
    migrate_clear(&migrate);
    return migrate_run(&options, &migrate, &err);
}

static void
must_migrate(void)
{
    cr_assert_eq(run_migrate(false), ERR_OK, "%s", err.text);
}

static const char *
applied(void)
{
    return server_value(url, "SELECT string_agg(version || name, ' ' ORDER BY version) FROM "
                             "billing.schema_migrations");
}

Test(postgres_migrate, publish_knows_the_newest_file)
{
    cr_assert_eq(migrate_read(directory, &migrate, &err), ERR_OK, "%s", err.text);
    cr_assert_eq(migrate.count, PUBLISH_SCHEMA_VERSION);
}

Test(postgres_migrate, an_empty_database_gets_every_file_and_a_second_run_does_nothing)
{
    must_migrate();
    for (size_t i = 0; i < migrate.count; i++)
        cr_assert_eq(migrate.files[i].state, MIGRATE_NOW);
    cr_assert_str_eq(
        applied(),
        "1tables 2row_security 3token_classes 4log_days 5budgets 6billing 7spikes 8rate_limits 9forecasts 10recommendations 11disputed");
    char before[512];
    snprintf(before, sizeof before, "%s",
             server_value(url, "SELECT string_agg(ctid::text || xmin || applied_at, ' ') FROM "
                               "billing.schema_migrations"));
    must_migrate();
    for (size_t i = 0; i < migrate.count; i++)
        cr_assert_eq(migrate.files[i].state, MIGRATE_BEFORE);
    cr_assert_str_eq(server_value(url, "SELECT string_agg(ctid::text || xmin || applied_at, ' ') "
                                       "FROM billing.schema_migrations"),
                     before);
}

Test(postgres_migrate, a_dry_run_says_what_is_pending_and_changes_nothing)
{
    cr_assert_eq(run_migrate(true), ERR_OK, "%s", err.text);
    cr_assert_eq(migrate.count, PUBLISH_SCHEMA_VERSION);
    cr_assert_eq(migrate.files[0].state, MIGRATE_PENDING);
    cr_assert_str_eq(server_value(url, "SELECT to_regnamespace('billing') IS NULL"), "t");
}

Test(postgres_migrate, a_new_file_alone_is_applied)
{
    must_migrate();
    put_file("012_more.sql", "CREATE TABLE billing.more (n integer);\n");
    must_migrate();
    cr_assert_eq(migrate.files[9].state, MIGRATE_BEFORE);
    cr_assert_eq(migrate.files[11].state, MIGRATE_NOW);
    cr_assert_str_eq(
        applied(),
        "1tables 2row_security 3token_classes 4log_days 5budgets 6billing 7spikes 8rate_limits 9forecasts 10recommendations 11disputed 12more");
}

Test(postgres_migrate, a_file_that_fails_leaves_nothing_of_itself_and_names_its_line)
{
    put_file("012_bad.sql", "CREATE TABLE billing.half (n integer);\n-- \xc3\xa9\nSELEC 1;\n");
    cr_assert_eq(run_migrate(false), ERR_CONFIG);
    cr_assert_not_null(strstr(err.text, "012_bad.sql: line 3: syntax error"), "%s", err.text);
    cr_assert_str_eq(
        applied(),
        "1tables 2row_security 3token_classes 4log_days 5budgets 6billing 7spikes 8rate_limits 9forecasts 10recommendations 11disputed");
    cr_assert_str_eq(server_value(url, "SELECT to_regclass('billing.half') IS NULL"), "t");
    put_file("012_bad.sql", "CREATE TABLE billing.half (n integer);\n");
    must_migrate();
}

Test(postgres_migrate, a_file_that_ends_its_transaction_is_refused)
{
    put_file("012_commit.sql", "CREATE TABLE billing.half (n integer); COMMIT;\n");
    cr_assert_eq(run_migrate(false), ERR_CONFIG);
    cr_assert_not_null(strstr(err.text, "012_commit.sql ends its transaction"), "%s", err.text);
    cr_assert_str_eq(
        applied(),
        "1tables 2row_security 3token_classes 4log_days 5budgets 6billing 7spikes 8rate_limits 9forecasts 10recommendations 11disputed");
}

Test(postgres_migrate, an_applied_file_that_changed_is_refused_even_in_a_dry_run)
{
    char command[256];
    must_migrate();
    snprintf(command, sizeof command, "echo '-- later' >> %s/001_tables.sql", directory);
    run_shell(command);
    for (int dry = 0; dry < 2; dry++) {
        cr_assert_eq(run_migrate(dry == 1), ERR_CONFLICT);
        cr_assert_not_null(strstr(err.text, "001_tables.sql was changed after it was applied"),
                           "%s", err.text);
    }
}

Test(postgres_migrate, a_database_of_a_newer_program_is_refused)
{
    must_migrate();
    char sql[128], says[128];
    snprintf(sql, sizeof sql, "INSERT INTO billing.schema_migrations VALUES (%d, 'later', '')",
             PUBLISH_SCHEMA_VERSION + 1);
    snprintf(says, sizeof says, "migration %03d_later, this gbill knows %d",
             PUBLISH_SCHEMA_VERSION + 1, PUBLISH_SCHEMA_VERSION);
    server_run(url, sql);
    cr_assert_eq(run_migrate(false), ERR_CONFLICT);
    cr_assert_not_null(strstr(err.text, says), "%s", err.text);
}

Test(postgres_migrate, gaps_twins_odd_names_and_empty_directories_are_refused)
{
    static const struct {
        const char *file, *says;
    } cases[] = {
        {"013_x.sql", "migration 012 is missing, 013_x is there"},
        {"002_twin.sql", "two migrations have the number 002"},
        {"000_x.sql", "two migrations have the number 000"},
        {"6_x.sql", "named NNN_name.sql"},
        {"0006_x.sql", "named NNN_name.sql"},
        {"006_X.sql", "named NNN_name.sql"},
        {"006_.sql", "named NNN_name.sql"},
        {"006x.sql", "named NNN_name.sql"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char path[256];
        put_file(cases[i].file, "SELECT 1;\n");
        cr_assert_eq(run_migrate(true), ERR_CONFIG, "%s", cases[i].file);
        if (strcmp(cases[i].file, "000_x.sql") != 0)
            cr_assert_not_null(strstr(err.text, cases[i].says), "%s: %s", cases[i].file, err.text);
        snprintf(path, sizeof path, "%s/%s", directory, cases[i].file);
        cr_assert_eq(unlink(path), 0);
    }
    put_file("README.md", "no migration\n");
    cr_assert_eq(run_migrate(true), ERR_OK, "%s", err.text);
    snprintf(directory, sizeof directory, "%s", fixture_directory());
    cr_assert_eq(run_migrate(true), ERR_CONFIG);
    cr_assert_not_null(strstr(err.text, "holds no NNN_name.sql"), "%s", err.text);
    snprintf(directory, sizeof directory, "/nonexistent");
    cr_assert_eq(run_migrate(true), ERR_NOT_FOUND);
}

Test(postgres_migrate, it_waits_for_another_migrate_and_gives_up_in_time)
{
    char command[512];
    snprintf(command, sizeof command,
             "psql -X -q '%s' -c 'SELECT pg_advisory_lock(444032707692), pg_sleep(4)' >/dev/null & "
             "sleep 0.5",
             url);
    run_shell(command);
    cr_assert_eq(run_migrate(false), ERR_BUSY);
    cr_assert_not_null(strstr(err.text, "another gbill publish or migrate has held its lock for "
                                        "1 s"),
                       "%s", err.text);
    sleep(4);
    must_migrate();
}

Test(postgres_migrate, every_table_and_column_is_explained)
{
    must_migrate();
    cr_assert_str_eq(server_value(url,
                                  "SELECT coalesce(string_agg(c.relname, ' '), '') FROM pg_class c "
                                  "WHERE c.relnamespace = 'billing'::regnamespace AND "
                                  "relkind = 'r' AND obj_description(c.oid) IS NULL"),
                     "");
    cr_assert_str_eq(
        server_value(url, "SELECT coalesce(string_agg(c.relname || '.' || attname, ' '), '') "
                          "FROM pg_class c JOIN pg_attribute a ON attrelid = c.oid "
                          "WHERE c.relnamespace = 'billing'::regnamespace AND "
                          "relkind = 'r' AND attnum > 0 AND "
                          "col_description(c.oid, attnum) IS NULL"),
        "");
}

Test(postgres_migrate, an_invoice_may_have_every_status_that_there_is)
{
    must_migrate();
    const char *const check =
        server_value(url, "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = "
                          "'invoices_status_check'");
    for (int s = 0; s < INVOICE_STATUSES; s++) {
        char name[32];
        snprintf(name, sizeof name, "'%s'", invoice_status_name((enum invoice_status)s));
        cr_expect_not_null(strstr(check, name), "%s is not in %s", name, check);
    }
}

Test(postgres_migrate, a_plain_owner_may_migrate_and_publish)
{
    char role[48], sql[256];
    struct publish_result result;
    snprintf(role, sizeof role, "owner_%d", (int)getpid());
    snprintf(sql, sizeof sql, "CREATE ROLE %s LOGIN; ALTER DATABASE %s OWNER TO %s", role, database,
             role);
    server_run(url, sql);
    snprintf(url, sizeof url, "%s", server_url_as(database, role, NULL));
    must_migrate();
    const char *data = fixture_directory();
    fixture_fill(data);
    result = fixture_must_publish(data, url, false);
    cr_assert_eq(result.counts[0].written, 24, "row-level security does not bind the owner");
}

/* ---- who may read what ---- */

static const char *
reader_url(void)
{
    static bool made;
    char role[48], sql[256];
    snprintf(role, sizeof role, "app_%d", (int)getpid());
    if (!made) {
        must_migrate();
        const char *data = fixture_directory();
        fixture_fill(data);
        fixture_must_publish(data, url, false);
        snprintf(sql, sizeof sql, "CREATE ROLE %s LOGIN; GRANT gbill_reader TO %s", role, role);
        server_run(url, sql);
        made = true;
    }
    return server_url_as(database, role, NULL);
}

static const char *const secured[] = {
    "usage_hourly",  "usage_monthly",   "limits_snapshots", "invoices",
    "invoice_lines", "budget_settings", "budget_alerts",    "chargeback",
    "subscriptions", "usage_spikes",    "forecasts",        "optimization_recommendations",
    "efficiency"};
enum { SECURED = sizeof secured / sizeof secured[0] };

Test(postgres_migrate, a_reader_sees_the_organization_it_set_and_no_other)
{
    static const char *const acme[SECURED] = {"12", "2", "4", "2", "6", "1", "2",
                                              "3",  "1", "1", "1", "1", "1"};
    static const char *const globex[SECURED] = {"12", "2", "4", "0", "0", "1", "0",
                                                "0",  "0", "0", "0", "0", "0"};
    for (size_t i = 0; i < SECURED; i++) {
        char sql[256];
        snprintf(sql, sizeof sql,
                 "SET billing.organization_id = 'acme'; SELECT count(*) FROM "
                 "billing.%s",
                 secured[i]);
        cr_assert_str_eq(server_value(reader_url(), sql), acme[i], "%s", secured[i]);
        snprintf(sql, sizeof sql,
                 "SET billing.organization_id = 'globex'; SELECT count(*) FROM "
                 "billing.%s WHERE organization_id IN ('acme', 'globex')",
                 secured[i]);
        cr_assert_str_eq(server_value(reader_url(), sql), globex[i], "%s", secured[i]);
    }
}

Test(postgres_migrate, a_reader_without_the_setting_sees_nothing)
{
    for (size_t i = 0; i < SECURED; i++) {
        char sql[256];
        snprintf(sql, sizeof sql, "SELECT count(*) FROM billing.%s", secured[i]);
        cr_assert_str_eq(server_value(reader_url(), sql), "0", "%s", secured[i]);
        snprintf(sql, sizeof sql,
                 "BEGIN; SET LOCAL billing.organization_id = 'acme'; COMMIT; "
                 "SELECT count(*) FROM billing.%s",
                 secured[i]);
        cr_assert_str_eq(server_value(reader_url(), sql), "0", "%s", secured[i]);
    }
    cr_assert_str_eq(server_value(reader_url(), "SELECT log_position FROM billing.publish_state"),
                     "100");
}

Test(postgres_migrate, grants_that_are_made_anew_are_of_every_published_table)
{
    must_migrate();
    server_run(url, "REVOKE ALL ON ALL TABLES IN SCHEMA billing FROM gbill_reader; "
                    "SELECT billing.grant_reader()");
    for (size_t i = 0; i < PUBLISHED_COUNT; i++) {
        char sql[160];
        snprintf(sql, sizeof sql,
                 "SELECT has_table_privilege('gbill_reader', 'billing.%s', 'SELECT')",
                 published[i].name);
        cr_assert_str_eq(server_value(url, sql), "t", "%s", published[i].name);
    }
}

Test(postgres_migrate, a_reader_can_write_nothing)
{
    static const char own[] = "SET billing.organization_id = 'acme'";
    static const char *const verbs[] = {"DELETE FROM billing.%s", "TRUNCATE billing.%s CASCADE",
                                        "UPDATE billing.%s SET organization_id = 'acme'",
                                        "INSERT INTO billing.%s SELECT * FROM billing.%s",
                                        "ALTER TABLE billing.%s DISABLE ROW LEVEL SECURITY"};
    for (size_t i = 0; i < SECURED; i++) {
        for (size_t v = 0; v < 5; v++) {
            char sql[256];
            snprintf(sql, sizeof sql, verbs[v], secured[i], secured[i]);
            cr_assert_str_eq(server_failure(reader_url(), own, sql), "42501", "%s", sql);
        }
    }
    cr_assert_str_eq(server_failure(reader_url(), own, "DELETE FROM billing.publish_state"),
                     "42501");
    cr_assert_str_eq(server_failure(reader_url(), own, "DELETE FROM billing.log_days"), "42501");
    cr_assert_str_eq(server_failure(reader_url(), own, "SELECT FROM billing.schema_migrations"),
                     "42501");
    cr_assert_str_eq(server_failure(reader_url(), own, "SELECT billing.grant_reader()"), "42501");
    cr_assert_str_eq(server_failure(reader_url(), own, "CREATE TABLE billing.mine ()"), "42501");
}
