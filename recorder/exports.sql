-- An order to copy footage out of the box (`recorder.exportbook`). No picture is stored: a finished order holds
-- what fixes every byte of the copy, and the bytes are made from the held footage when somebody fetches them.
CREATE TABLE export_job (
  id         TEXT PRIMARY KEY CHECK (length(id) = 16), -- the order's id, given by the gateway
  camera_id  INTEGER NOT NULL REFERENCES camera (id),
  hold       TEXT NOT NULL,                 -- the hold that keeps its footage
  start_ms   INTEGER NOT NULL,
  end_ms     INTEGER NOT NULL CHECK (end_ms > start_ms),
  queued_ms  INTEGER NOT NULL,
  state      TEXT NOT NULL CHECK (state IN ('queued', 'measured', 'ready', 'failed', 'cancelled', 'expired')),
  why        TEXT NOT NULL DEFAULT '',      -- error code: why it waits or failed
  ready_ms   INTEGER,
  expires_ms INTEGER,                       -- nobody can fetch it from then on
  facts      BLOB NOT NULL,                 -- what the gateway says of it; this and what follows is sealed
  plan       BLOB,                          -- which records; settled once
  measured   BLOB,
  manifest   BLOB,
  signature  BLOB
) STRICT, WITHOUT ROWID;

-- The head of one film of a measured order: tables of sizes and times, sealed.
CREATE TABLE export_film (
  job    TEXT NOT NULL REFERENCES export_job (id) ON DELETE CASCADE, -- an erased camera takes its orders with it
  number INTEGER NOT NULL,
  head   BLOB NOT NULL,
  PRIMARY KEY (job, number)
) STRICT, WITHOUT ROWID;
