-- Forecasts: what a month will have come to at its end.

CREATE TABLE billing.forecasts (
    organization_id     text NOT NULL,
    month               date NOT NULL,
    currency            text NOT NULL,
    cost                numeric NOT NULL,
    expected_cost       numeric NOT NULL,
    low_cost            numeric NOT NULL,
    high_cost           numeric NOT NULL,
    cost_cents          bigint NOT NULL,
    expected_cost_cents bigint NOT NULL,
    calls               bigint NOT NULL,
    expected_calls      bigint NOT NULL,
    low_calls           bigint NOT NULL,
    high_calls          bigint NOT NULL,
    tokens              bigint NOT NULL,
    expected_tokens     bigint NOT NULL,
    low_tokens          bigint NOT NULL,
    high_tokens         bigint NOT NULL,
    unpriced_calls      bigint NOT NULL,
    method              text NOT NULL,
    history_days        integer NOT NULL,
    tested              integer NOT NULL,
    days                jsonb NOT NULL,
    log_position        bigint NOT NULL,
    created_at          timestamptz NOT NULL,
    PRIMARY KEY (organization_id, month)
);

COMMENT ON TABLE billing.forecasts IS
    'What each organization''s month will have come to at its end. The row of the month under way is brought up to date; one of a month that has ended stays what was expected last.';
COMMENT ON COLUMN billing.forecasts.organization_id IS
    'The organization.';
COMMENT ON COLUMN billing.forecasts.month IS
    'Its first day, in UTC.';
COMMENT ON COLUMN billing.forecasts.currency IS
    'ISO 4217 code of the amounts.';
COMMENT ON COLUMN billing.forecasts.cost IS
    'What the month''s calls cost so far, exact.';
COMMENT ON COLUMN billing.forecasts.expected_cost IS
    'What they are expected to have cost at its end.';
COMMENT ON COLUMN billing.forecasts.low_cost IS
    'Four months in five end from here on; never less than cost.';
COMMENT ON COLUMN billing.forecasts.high_cost IS
    'Four months in five end up to here.';
COMMENT ON COLUMN billing.forecasts.cost_cents IS
    'cost in whole cents, rounded half away from zero.';
COMMENT ON COLUMN billing.forecasts.expected_cost_cents IS
    'expected_cost in whole cents.';
COMMENT ON COLUMN billing.forecasts.calls IS
    'Calls of the month so far.';
COMMENT ON COLUMN billing.forecasts.expected_calls IS
    'Calls expected at its end.';
COMMENT ON COLUMN billing.forecasts.low_calls IS
    'Their interval, as of the cost: from here on.';
COMMENT ON COLUMN billing.forecasts.high_calls IS
    'Up to here.';
COMMENT ON COLUMN billing.forecasts.tokens IS
    'Tokens (AI credits) of the month so far.';
COMMENT ON COLUMN billing.forecasts.expected_tokens IS
    'Tokens expected at its end.';
COMMENT ON COLUMN billing.forecasts.low_tokens IS
    'Their interval: from here on.';
COMMENT ON COLUMN billing.forecasts.high_tokens IS
    'Up to here.';
COMMENT ON COLUMN billing.forecasts.unpriced_calls IS
    'Calls of the month whose model has no price: they are in no cost.';
COMMENT ON COLUMN billing.forecasts.method IS
    'What the days to come were taken from: rate, day or week.';
COMMENT ON COLUMN billing.forecasts.history_days IS
    'Days since the first call, at most those that were looked at.';
COMMENT ON COLUMN billing.forecasts.tested IS
    'Own past forecasts of the cost whose errors the interval rests on; few: it is a guess, and wide.';
COMMENT ON COLUMN billing.forecasts.days IS
    'The way there: [{"day": "2026-11-29", "cost": "1.5", "low": "1.2", "high": "2"}], cost since the month''s first instant at the end of each day from created_at on; the last is the month''s.';
COMMENT ON COLUMN billing.forecasts.log_position IS
    'The number of the last event that the sums take into account.';
COMMENT ON COLUMN billing.forecasts.created_at IS
    'When this was expected.';

ALTER TABLE billing.forecasts ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_organization ON billing.forecasts FOR SELECT USING
    (organization_id = current_setting('billing.organization_id', true));

-- As 006 has it: a table with row-level security may be read, row by row.
DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'gbill_reader') THEN
        PERFORM billing.grant_reader();
    END IF;
END
$$;
