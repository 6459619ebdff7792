-- Why a line of a countersigned sheet did not count: `became` says that it did not. NULL: from before this was kept.
ALTER TABLE consent_sheet_line ADD COLUMN why TEXT CHECK (why IN ('newer', 'signer'));
