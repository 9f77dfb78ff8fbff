-- Who may read what.
--
-- Every table of organizations' data has row-level security: a reader sees the
-- rows of one organization, the one it has set:
--
--     GRANT gbill_reader TO app;              -- once, by an administrator
--     BEGIN;
--     SET LOCAL billing.organization_id = 'org-17';
--     SELECT * FROM billing.usage_monthly;    -- only org-17's
--     COMMIT;
--
-- Without the setting a reader sees nothing.  The owner of the tables (the role
-- that ran gbill migrate) and superusers see all, and gbill publish writes as
-- that owner.  A trusted service that reads all organizations needs a role with
-- BYPASSRLS that is a member of gbill_reader.

DO $$
DECLARE
    t text;
BEGIN
    FOREACH t IN ARRAY ARRAY['usage_hourly', 'usage_monthly', 'limits_snapshots',
                             'invoices', 'invoice_lines']
    LOOP
        EXECUTE format('ALTER TABLE billing.%I ENABLE ROW LEVEL SECURITY', t);
        EXECUTE format('CREATE POLICY own_organization ON billing.%I FOR SELECT USING '
                       '(organization_id = current_setting(''billing.organization_id'', true))',
                       t);
    END LOOP;
END
$$;

-- What gbill_reader may do, for when the role is made later than these tables.
CREATE FUNCTION billing.grant_reader() RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog
AS $$
BEGIN
    GRANT USAGE ON SCHEMA billing TO gbill_reader;
    GRANT SELECT ON billing.usage_hourly, billing.usage_monthly, billing.limits_snapshots,
                    billing.invoices, billing.invoice_lines, billing.publish_state
        TO gbill_reader;
END
$$;
REVOKE ALL ON FUNCTION billing.grant_reader() FROM PUBLIC;
COMMENT ON FUNCTION billing.grant_reader() IS
    'Lets the role gbill_reader read the published tables; gbill migrate calls it where it may make the role.';

DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'gbill_reader') THEN
        CREATE ROLE gbill_reader NOLOGIN;
    END IF;
EXCEPTION
    WHEN insufficient_privilege THEN
        RAISE NOTICE 'may not create the role gbill_reader; an administrator can: CREATE ROLE gbill_reader NOLOGIN, then as the owner: SELECT billing.grant_reader()';
    WHEN duplicate_object OR unique_violation THEN
        NULL; -- another database of this server was migrated at the same moment
END
$$;

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'gbill_reader') THEN
        PERFORM billing.grant_reader();
    END IF;
END
$$;
