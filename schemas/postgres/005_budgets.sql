-- Budgets: the settings as the apps know them, what was reported, and whom invoices are
-- charged back to.

CREATE TABLE billing.budget_settings (
    id               varchar NOT NULL PRIMARY KEY,
    organization_id  varchar NOT NULL UNIQUE,
    monthly_budget   bigint,
    alert_thresholds jsonb NOT NULL,
    spike_detection  jsonb NOT NULL,
    email_alerts     boolean NOT NULL,
    auto_limits      jsonb NOT NULL,
    created_at       timestamptz NOT NULL,
    updated_at       timestamptz NOT NULL
);

COMMENT ON TABLE billing.budget_settings IS
    'Budget settings as each organization''s newest budget event has them; what it left out is at its default.';
COMMENT ON COLUMN billing.budget_settings.id IS
    'The row''s id: the organization''s, since it has one row.';
COMMENT ON COLUMN billing.budget_settings.organization_id IS
    'The organization.';
COMMENT ON COLUMN billing.budget_settings.monthly_budget IS
    'For a calendar month (UTC), in cents; NULL: no budget.';
COMMENT ON COLUMN billing.budget_settings.alert_thresholds IS
    'Percentages of the budget: an array, or a map from names to them.';
COMMENT ON COLUMN billing.budget_settings.spike_detection IS
    'Whether spikes are looked for, and the percentage of the usual that is one.';
COMMENT ON COLUMN billing.budget_settings.email_alerts IS
    'Whether mails may be sent.';
COMMENT ON COLUMN billing.budget_settings.auto_limits IS
    'Whether the organization is paused at a percentage of its budget, and at which.';
COMMENT ON COLUMN billing.budget_settings.created_at IS
    'Time of the organization''s first budget event.';
COMMENT ON COLUMN billing.budget_settings.updated_at IS
    'Time of the one that holds.';

CREATE TABLE billing.budget_alerts (
    organization_id text NOT NULL,
    month           date NOT NULL,
    alert           integer NOT NULL,
    id              text NOT NULL UNIQUE,
    kind            text NOT NULL,
    percent         integer NOT NULL,
    threshold       text NOT NULL,
    currency        text NOT NULL,
    budget_minor    bigint,
    spend           numeric NOT NULL,
    spend_minor     bigint NOT NULL,
    forecast        numeric,
    log_position    bigint NOT NULL,
    created_at      timestamptz NOT NULL,
    PRIMARY KEY (organization_id, month, alert)
);

COMMENT ON TABLE billing.budget_alerts IS
    'What was reported of the budgets: one row per crossing; a row never changes.';
COMMENT ON COLUMN billing.budget_alerts.organization_id IS
    'The organization.';
COMMENT ON COLUMN billing.budget_alerts.month IS
    'The calendar month (UTC) whose spend it is about, by its first day.';
COMMENT ON COLUMN billing.budget_alerts.alert IS
    'Number within organization and month, from 1, in the order of reporting.';
COMMENT ON COLUMN billing.budget_alerts.id IS
    'The alert''s id, as in messages about it (alertId).';
COMMENT ON COLUMN billing.budget_alerts.kind IS
    'threshold, recovered, paused, resumed or forecast; later versions may add some.';
COMMENT ON COLUMN billing.budget_alerts.percent IS
    'Percentage of the budget: the threshold; of paused and resumed the one that pauses at, 0 if none does any more.';
COMMENT ON COLUMN billing.budget_alerts.threshold IS
    'The threshold''s name in the settings; empty: it has none.';
COMMENT ON COLUMN billing.budget_alerts.currency IS
    'ISO 4217 code of the amounts.';
COMMENT ON COLUMN billing.budget_alerts.budget_minor IS
    'The budget then, in minor units (cents); NULL: there was none any more.';
COMMENT ON COLUMN billing.budget_alerts.spend IS
    'What was spent in the month then, exact.';
COMMENT ON COLUMN billing.budget_alerts.spend_minor IS
    'The same in minor units, rounded half away from zero.';
COMMENT ON COLUMN billing.budget_alerts.forecast IS
    'What the whole month was expected to cost; NULL for other kinds than forecast.';
COMMENT ON COLUMN billing.budget_alerts.log_position IS
    'The number of the last event that spend takes into account.';
COMMENT ON COLUMN billing.budget_alerts.created_at IS
    'When it was noticed.';

CREATE TABLE billing.chargeback (
    organization_id text NOT NULL,
    period_start    timestamptz NOT NULL,
    dimension       text NOT NULL,
    value           text NOT NULL,
    period_end      timestamptz NOT NULL,
    final           boolean NOT NULL,
    currency        text NOT NULL,
    amount_minor    bigint NOT NULL,
    calls           bigint NOT NULL,
    credits         bigint NOT NULL,
    llm_cost        numeric NOT NULL,
    PRIMARY KEY (organization_id, period_start, dimension, value)
);

COMMENT ON TABLE billing.chargeback IS
    'Every invoice in parts: by project, and once more by user. The parts of a dimension add up to the invoice''s total.';
COMMENT ON COLUMN billing.chargeback.organization_id IS
    'The invoice''s organization.';
COMMENT ON COLUMN billing.chargeback.period_start IS
    'First instant of the invoice''s time.';
COMMENT ON COLUMN billing.chargeback.dimension IS
    'project or user.';
COMMENT ON COLUMN billing.chargeback.value IS
    'The project or user; empty: what has none.';
COMMENT ON COLUMN billing.chargeback.period_end IS
    'First instant behind the invoice''s time.';
COMMENT ON COLUMN billing.chargeback.final IS
    'The invoice is final: the row never changes again.';
COMMENT ON COLUMN billing.chargeback.currency IS
    'ISO 4217 code of amount_minor.';
COMMENT ON COLUMN billing.chargeback.amount_minor IS
    'This part of the invoice''s total, in minor units.';
COMMENT ON COLUMN billing.chargeback.calls IS
    'Its calls in that time.';
COMMENT ON COLUMN billing.chargeback.credits IS
    'Its AI credits.';
COMMENT ON COLUMN billing.chargeback.llm_cost IS
    'What the providers charged for its calls, exact: what the total was split by.';

DO $$
DECLARE
    t text;
BEGIN
    FOREACH t IN ARRAY ARRAY['budget_settings', 'budget_alerts', 'chargeback']
    LOOP
        EXECUTE format('ALTER TABLE billing.%I ENABLE ROW LEVEL SECURITY', t);
        EXECUTE format('CREATE POLICY own_organization ON billing.%I FOR SELECT USING '
                       '(organization_id = current_setting(''billing.organization_id'', true))',
                       t);
    END LOOP;
END
$$;

-- Every table with row-level security may be read, row by row, and the two that are about no
-- organization: so that a new table needs its policy and nothing here.
CREATE OR REPLACE FUNCTION billing.grant_reader() RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog
AS $$
DECLARE
    t regclass;
BEGIN
    GRANT USAGE ON SCHEMA billing TO gbill_reader;
    FOR t IN SELECT oid FROM pg_class
             WHERE relnamespace = 'billing'::regnamespace AND relkind = 'r'
                   AND (relrowsecurity OR relname IN ('publish_state', 'log_days'))
    LOOP
        EXECUTE format('GRANT SELECT ON %s TO gbill_reader', t);
    END LOOP;
END
$$;

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'gbill_reader') THEN
        PERFORM billing.grant_reader();
    END IF;
END
$$;
