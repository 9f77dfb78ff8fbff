-- A payment of an invoice may be in dispute: Stripe tells.

ALTER TABLE billing.invoices DROP CONSTRAINT invoices_status_check;
ALTER TABLE billing.invoices ADD CONSTRAINT invoices_status_check CHECK
    (status IN ('draft', 'final', 'partially_paid', 'paid', 'payment_failed', 'disputed', 'void'));

COMMENT ON COLUMN billing.invoices.status IS
    'draft: still moving. All others never change in content: final, partially_paid, paid, payment_failed as payments say; disputed: a payment of it is, and does not count as paid while that is open; void: nothing on it is owed, it is billed again on the next one.';
