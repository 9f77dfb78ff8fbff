-- The root of every closed day of the log: who has a copy of these rows can tell, whatever
-- happens to the log, whether a byte of it was changed afterwards (schemas/log.md, "Roots").
--
-- It is about no organization, so there is no row-level security: every reader may check.

CREATE TABLE billing.log_days (
    log_identity     text NOT NULL,
    day              date NOT NULL,
    first_seq        bigint NOT NULL,
    last_seq         bigint NOT NULL,
    events           bigint NOT NULL,
    quarantined      bigint NOT NULL,
    frames           bigint NOT NULL,
    chain            text NOT NULL,
    quarantine_chain text NOT NULL,
    PRIMARY KEY (log_identity, day)
);

COMMENT ON TABLE billing.log_days IS
    'The root of every closed UTC day of receipt of the log. A row never changes; gbill log verify --days must give the same chains.';
COMMENT ON COLUMN billing.log_days.log_identity IS
    'Which log: its identity, hexadecimal, as in publish_state.';
COMMENT ON COLUMN billing.log_days.day IS
    'The UTC day on which the events were received.';
COMMENT ON COLUMN billing.log_days.first_seq IS
    'The number of the day''s first event.';
COMMENT ON COLUMN billing.log_days.last_seq IS
    'The number of its last event; first_seq - 1 if only quarantined ones came.';
COMMENT ON COLUMN billing.log_days.events IS
    'Events received, retries among them: last_seq - first_seq + 1.';
COMMENT ON COLUMN billing.log_days.quarantined IS
    'What was received and broke the event contract.';
COMMENT ON COLUMN billing.log_days.frames IS
    'Commits, of events and of quarantined ones counted apart.';
COMMENT ON COLUMN billing.log_days.chain IS
    'SHA-256 chain of the events at the end of the day, hexadecimal.';
COMMENT ON COLUMN billing.log_days.quarantine_chain IS
    'SHA-256 chain of the quarantine at the end of the day, hexadecimal; zeros if nothing was ever quarantined.';

CREATE OR REPLACE FUNCTION billing.grant_reader() RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog
AS $$
BEGIN
    GRANT USAGE ON SCHEMA billing TO gbill_reader;
    GRANT SELECT ON billing.usage_hourly, billing.usage_monthly, billing.limits_snapshots,
                    billing.invoices, billing.invoice_lines, billing.publish_state,
                    billing.log_days
        TO gbill_reader;
END
$$;

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'gbill_reader') THEN
        PERFORM billing.grant_reader();
    END IF;
END
$$;
