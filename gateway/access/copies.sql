-- A wish that a span of footage is not deleted. The recorder keeps it; the reason stays here, sealed.
CREATE TABLE footage_hold (
  id           TEXT PRIMARY KEY CHECK (length(id) = 16), -- also the hold's id in the recorder
  camera       TEXT NOT NULL,
  from_ms      INTEGER NOT NULL,
  to_ms        INTEGER NOT NULL CHECK (to_ms > from_ms),
  until_ms     INTEGER NOT NULL,
  placed_by    TEXT NOT NULL,                   -- person, or 'console'
  why_sealed   BLOB NOT NULL,
  placed_ms    INTEGER NOT NULL,
  told_ms      INTEGER,                         -- the end the recorder has confirmed; NULL: it did not answer yet
  lifted_ms    INTEGER,
  lifted_by    TEXT,
  lift_why_sealed BLOB,
  gone         INTEGER NOT NULL DEFAULT 0 CHECK (gone IN (0, 1)) -- the recorder does not hold it any more
) STRICT, WITHOUT ROWID;
CREATE INDEX footage_hold_live ON footage_hold (gone) WHERE gone = 0;

-- What became of an order.
ALTER TABLE export_order ADD COLUMN hold TEXT REFERENCES footage_hold (id);
ALTER TABLE export_order ADD COLUMN request_row INTEGER;    -- audit rows of the wish and the approval
ALTER TABLE export_order ADD COLUMN approve_row INTEGER;
ALTER TABLE export_order ADD COLUMN done_ms INTEGER;        -- signed and offered
ALTER TABLE export_order ADD COLUMN manifest_sha256 TEXT CHECK (length(manifest_sha256) = 64);
ALTER TABLE export_order ADD COLUMN ended_ms INTEGER;       -- nobody can fetch it, or approve it, from then on
ALTER TABLE export_order ADD COLUMN ended_how TEXT CHECK (ended_how IN ('refused', 'cancelled', 'failed', 'expired'));
ALTER TABLE export_order ADD COLUMN ended_by TEXT;
ALTER TABLE export_order ADD COLUMN end_why_sealed BLOB;
