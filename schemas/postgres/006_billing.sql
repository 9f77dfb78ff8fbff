-- Plans with versions, subscriptions, and invoices of any billing period.
--
-- Invoices were one per calendar month; now each is for the time from the one before
-- to its own end.  Nothing here is the truth: the two tables are made anew, and so
-- that the next gbill publish sends all rows, it is told that it never published here.

DROP TABLE billing.invoice_lines;
DROP TABLE billing.invoices;
DELETE FROM billing.publish_state;

CREATE TABLE billing.plans (
    plan       text NOT NULL,
    version    integer NOT NULL,
    name       text NOT NULL,
    sort_order integer NOT NULL,
    is_default boolean NOT NULL,
    currency   text NOT NULL,
    valid_from timestamptz,
    terms      jsonb NOT NULL,
    PRIMARY KEY (plan, version)
);

COMMENT ON TABLE billing.plans IS
    'The plan book in use: one row per version of every plan that is for all. Custom plans are not here, since every reader sees all rows.';
COMMENT ON COLUMN billing.plans.plan IS
    'Id of the plan, as limits_snapshots and subscriptions name it.';
COMMENT ON COLUMN billing.plans.version IS
    'Versions of a plan count from 1, by date.';
COMMENT ON COLUMN billing.plans.name IS
    'For people.';
COMMENT ON COLUMN billing.plans.sort_order IS
    'An upgrade is to a plan with a higher one.';
COMMENT ON COLUMN billing.plans.is_default IS
    'The plan of an organization without a subscription.';
COMMENT ON COLUMN billing.plans.currency IS
    'ISO 4217 code of its amounts.';
COMMENT ON COLUMN billing.plans.valid_from IS
    'From when on this version holds, until the next; NULL: from ever on.';
COMMENT ON COLUMN billing.plans.terms IS
    'Limits, rate limits, charges and periods, as the plan book has them (schemas/plans.md).';

CREATE TABLE billing.subscriptions (
    organization_id text NOT NULL,
    plan            text NOT NULL,
    status          text NOT NULL CHECK (status IN ('none', 'trialing', 'active', 'paused')),
    currency        text NOT NULL,
    tax_percent     numeric NOT NULL,
    period_start    timestamptz NOT NULL,
    period_end      timestamptz NOT NULL,
    usage_start     timestamptz NOT NULL,
    usage_end       timestamptz NOT NULL,
    trial_end       timestamptz,
    next_change_at  timestamptz,
    next_plan       text,
    PRIMARY KEY (organization_id)
);

COMMENT ON TABLE billing.subscriptions IS
    'Which plan an organization is on: one row for each that ever had a subscription.';
COMMENT ON COLUMN billing.subscriptions.organization_id IS
    'The organization.';
COMMENT ON COLUMN billing.subscriptions.plan IS
    'The plan that is held; without a subscription the default plan.';
COMMENT ON COLUMN billing.subscriptions.status IS
    'active; trialing: held, but no fee runs yet; paused: held, but the default plan''s limits hold and no fee runs; none: cancelled, or never begun.';
COMMENT ON COLUMN billing.subscriptions.currency IS
    'ISO 4217 code of the organization''s invoices.';
COMMENT ON COLUMN billing.subscriptions.tax_percent IS
    'Tax that is added to its invoices, in percent.';
COMMENT ON COLUMN billing.subscriptions.period_start IS
    'First instant of the billing period at hand.';
COMMENT ON COLUMN billing.subscriptions.period_end IS
    'First instant behind it.';
COMMENT ON COLUMN billing.subscriptions.usage_start IS
    'First instant of the period that AI credits are counted in.';
COMMENT ON COLUMN billing.subscriptions.usage_end IS
    'First instant behind it.';
COMMENT ON COLUMN billing.subscriptions.trial_end IS
    'When its trial ends or ended; NULL: it had none.';
COMMENT ON COLUMN billing.subscriptions.next_change_at IS
    'When the next change that is known takes effect; NULL: none is known.';
COMMENT ON COLUMN billing.subscriptions.next_plan IS
    'The plan in force from then on.';

CREATE TABLE billing.invoices (
    organization_id text NOT NULL,
    period_start    timestamptz NOT NULL,
    period_end      timestamptz NOT NULL,
    status          text NOT NULL CHECK (status IN ('draft', 'final', 'partially_paid', 'paid',
                                                    'payment_failed', 'void')),
    number          bigint,
    currency        text NOT NULL,
    total_minor     bigint NOT NULL,
    tax_minor       bigint NOT NULL,
    credit_minor    bigint NOT NULL,
    due_minor       bigint NOT NULL,
    paid_minor      bigint NOT NULL,
    credits_used    bigint NOT NULL,
    llm_cost        numeric NOT NULL,
    llm_cost_cents  bigint NOT NULL,
    unpriced_calls  bigint NOT NULL,
    log_position    bigint NOT NULL,
    log_chain       text NOT NULL,
    price_book      text NOT NULL,
    plan_book       text NOT NULL,
    finalized_at    timestamptz,
    PRIMARY KEY (organization_id, period_start)
);

COMMENT ON TABLE billing.invoices IS
    'Invoices: an organization''s follow each other without a gap, each from the end of the one before to its own, the billing instant. A negative total is a credit note.';
COMMENT ON COLUMN billing.invoices.organization_id IS
    'The organization that is billed.';
COMMENT ON COLUMN billing.invoices.period_start IS
    'First instant of the invoice''s time.';
COMMENT ON COLUMN billing.invoices.period_end IS
    'First instant behind it: when it is drawn up.';
COMMENT ON COLUMN billing.invoices.status IS
    'draft: still moving. All others never change in content: final, partially_paid, paid, payment_failed as payments say; void: nothing on it is owed, it is billed again on the next one.';
COMMENT ON COLUMN billing.invoices.number IS
    'The invoice''s number, 1, 2, 3 ... without gaps; NULL while a draft.';
COMMENT ON COLUMN billing.invoices.currency IS
    'ISO 4217 code of all its minor units and of the lines.';
COMMENT ON COLUMN billing.invoices.total_minor IS
    'The total in minor units (cents), the sum of the lines'' amount_minor.';
COMMENT ON COLUMN billing.invoices.tax_minor IS
    'The tax that is part of the total.';
COMMENT ON COLUMN billing.invoices.credit_minor IS
    'What earlier credit notes take off what is to be paid.';
COMMENT ON COLUMN billing.invoices.due_minor IS
    'What is to be paid: total_minor - credit_minor; 0 of a credit note.';
COMMENT ON COLUMN billing.invoices.paid_minor IS
    'What payments say was paid; of a credit note, what was given back.';
COMMENT ON COLUMN billing.invoices.credits_used IS
    'AI credits that the organization used in the invoice''s time.';
COMMENT ON COLUMN billing.invoices.llm_cost IS
    'What the providers charged for its calls, exact; for information, no part of the total.';
COMMENT ON COLUMN billing.invoices.llm_cost_cents IS
    'llm_cost in whole cents, rounded half away from zero.';
COMMENT ON COLUMN billing.invoices.unpriced_calls IS
    'Calls that llm_cost misses since no price is known.';
COMMENT ON COLUMN billing.invoices.log_position IS
    'The number of the last event that it was computed from. With the four columns that follow gbill invoice verify computes it again, to the same bytes.';
COMMENT ON COLUMN billing.invoices.log_chain IS
    'The log''s SHA-256 chain at that position, hexadecimal.';
COMMENT ON COLUMN billing.invoices.price_book IS
    'SHA-256 of the price book, hexadecimal.';
COMMENT ON COLUMN billing.invoices.plan_book IS
    'SHA-256 of the plan book, hexadecimal.';
COMMENT ON COLUMN billing.invoices.finalized_at IS
    'When it became final; NULL while a draft.';

CREATE TABLE billing.invoice_lines (
    organization_id text NOT NULL,
    period_start    timestamptz NOT NULL,
    line            integer NOT NULL,
    kind            text NOT NULL CHECK (kind IN ('plan_fee', 'usage', 'commitment', 'adjustment',
                                                  'tax')),
    plan            text NOT NULL,
    charge          text NOT NULL,
    corrects        bigint,
    description     text NOT NULL,
    quantity        numeric NOT NULL,
    unit_price      numeric NOT NULL,
    amount          numeric NOT NULL,
    amount_minor    bigint NOT NULL,
    line_start      timestamptz NOT NULL,
    line_end        timestamptz NOT NULL,
    PRIMARY KEY (organization_id, period_start, line),
    FOREIGN KEY (organization_id, period_start) REFERENCES billing.invoices ON DELETE CASCADE
);

COMMENT ON TABLE billing.invoice_lines IS
    'The lines of the invoices.';
COMMENT ON COLUMN billing.invoice_lines.organization_id IS
    'The invoice''s organization.';
COMMENT ON COLUMN billing.invoice_lines.period_start IS
    'The invoice''s first instant.';
COMMENT ON COLUMN billing.invoice_lines.line IS
    'Number of the line, from 1.';
COMMENT ON COLUMN billing.invoice_lines.kind IS
    'plan_fee, usage (what a plan charges for use), commitment (what is missing to committed use), adjustment (a credit or debit) or tax.';
COMMENT ON COLUMN billing.invoice_lines.plan IS
    'Plan that charges; empty where none does.';
COMMENT ON COLUMN billing.invoice_lines.charge IS
    'Id of the charge in the plan; empty where there is none.';
COMMENT ON COLUMN billing.invoice_lines.corrects IS
    'Number of the invoice whose charge this line corrects; NULL: it charges for the first time.';
COMMENT ON COLUMN billing.invoice_lines.description IS
    'What the reader of the invoice sees.';
COMMENT ON COLUMN billing.invoice_lines.quantity IS
    'Units that are charged for; of a fee the seconds or days of its period.';
COMMENT ON COLUMN billing.invoice_lines.unit_price IS
    'Price of one, exact, in the plan''s currency; 0 where the line has no single one.';
COMMENT ON COLUMN billing.invoice_lines.amount IS
    'The amount before rounding, exact to 12 decimals.';
COMMENT ON COLUMN billing.invoice_lines.amount_minor IS
    'The amount in minor units (cents), rounded half away from zero: what is charged.';
COMMENT ON COLUMN billing.invoice_lines.line_start IS
    'First instant of the time that the line is for.';
COMMENT ON COLUMN billing.invoice_lines.line_end IS
    'First instant behind it.';

ALTER TABLE billing.limits_snapshots
    ADD COLUMN remaining bigint,
    DROP CONSTRAINT limits_snapshots_state_check,
    ADD CONSTRAINT limits_snapshots_state_check
        CHECK (state IN ('ok', 'warning', 'critical', 'reached', 'exceeded', 'paused'));
COMMENT ON COLUMN billing.limits_snapshots.remaining IS
    'What is left of the limit, 0 beyond it; NULL: unlimited.';
COMMENT ON COLUMN billing.limits_snapshots.period_start IS
    'AI credits: first instant of the period they are counted in.';

DO $$
DECLARE
    t text;
BEGIN
    FOREACH t IN ARRAY ARRAY['invoices', 'invoice_lines', 'subscriptions']
    LOOP
        EXECUTE format('ALTER TABLE billing.%I ENABLE ROW LEVEL SECURITY', t);
        EXECUTE format('CREATE POLICY own_organization ON billing.%I FOR SELECT USING '
                       '(organization_id = current_setting(''billing.organization_id'', true))',
                       t);
    END LOOP;
END
$$;

-- As 005 has it, and the plans, which are about no organization either.
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
                   AND (relrowsecurity OR relname IN ('publish_state', 'log_days', 'plans'))
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
