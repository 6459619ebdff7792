-- gateway.db, the part of gateway.access: people, the facts of the school, logins, open grants, the audit.
-- Owner: vuon-gateway alone; others ask over <run>/gateway.sock. Times: UTC milliseconds, spans half open.
-- Ids are public ids (16 characters, 80 random bits). Columns named *_sealed hold personal data, sealed with
-- <state>/keys/seal.key and the context '<table>.<column>:<id>', so a value cannot be moved unnoticed.

-- What is so for the whole box: one row.
CREATE TABLE access_state (
  id              INTEGER PRIMARY KEY CHECK (id = 1),
  facts_version   INTEGER NOT NULL DEFAULT 0,  -- grows with every change of facts, in its transaction
  accepted_ms     INTEGER,                     -- the principal signed the acceptance sheet
  accepted_by     TEXT,
  sharing_stopped INTEGER NOT NULL DEFAULT 0 CHECK (sharing_stopped IN (0, 1))
) STRICT;
INSERT INTO access_state (id) VALUES (1);

-- Adopted cameras as the recorder named them; a camera that is gone is removed here.
CREATE TABLE access_camera (
  id TEXT PRIMARY KEY CHECK (length(id) = 16)
) STRICT, WITHOUT ROWID;

CREATE TABLE person (
  id          TEXT PRIMARY KEY CHECK (length(id) = 16),
  role        TEXT NOT NULL CHECK (role IN ('principal', 'teacher', 'guardian', 'observer', 'authority_it', 'installer')),
  disabled    INTEGER NOT NULL DEFAULT 0 CHECK (disabled IN (0, 1)),
  name_sealed BLOB NOT NULL,
  created_ms  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE child (
  id          TEXT PRIMARY KEY CHECK (length(id) = 16),
  name_sealed BLOB NOT NULL,
  created_ms  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE class (
  id         TEXT PRIMARY KEY CHECK (length(id) = 16),
  name       TEXT NOT NULL CHECK (length(name) BETWEEN 1 AND 80),
  created_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Dated links. A link that ends keeps its row: who could see whom, when, stays known.
CREATE TABLE class_camera (
  id       INTEGER PRIMARY KEY,
  class    TEXT NOT NULL REFERENCES class (id),
  camera   TEXT NOT NULL,
  since_ms INTEGER NOT NULL,
  until_ms INTEGER
) STRICT;

CREATE TABLE guardian (
  id       INTEGER PRIMARY KEY,
  person   TEXT NOT NULL REFERENCES person (id),
  child    TEXT NOT NULL REFERENCES child (id),
  kind     TEXT NOT NULL DEFAULT 'parent',
  since_ms INTEGER NOT NULL,
  until_ms INTEGER
) STRICT;

CREATE TABLE enrolment (
  id       INTEGER PRIMARY KEY,
  child    TEXT NOT NULL REFERENCES child (id),
  class    TEXT NOT NULL REFERENCES class (id),
  since_ms INTEGER NOT NULL,
  until_ms INTEGER
) STRICT;

CREATE TABLE teaching (
  id       INTEGER PRIMARY KEY,
  person   TEXT NOT NULL REFERENCES person (id),
  class    TEXT NOT NULL REFERENCES class (id),
  since_ms INTEGER NOT NULL,
  until_ms INTEGER
) STRICT;

-- A family's yes for one purpose; until_ms is the withdrawal. No row is no answer, which is not consent.
CREATE TABLE consent (
  id           INTEGER PRIMARY KEY,
  child        TEXT NOT NULL REFERENCES child (id),
  purpose      TEXT NOT NULL CHECK (purpose IN ('view', 'record', 'observe')),
  text_version TEXT NOT NULL,
  since_ms     INTEGER NOT NULL,
  until_ms     INTEGER
) STRICT;

-- The principal settled how the class goes on although this child has no consent.
CREATE TABLE resolution (
  id       INTEGER PRIMARY KEY,
  child    TEXT NOT NULL REFERENCES child (id),
  class    TEXT NOT NULL REFERENCES class (id),
  since_ms INTEGER NOT NULL,
  until_ms INTEGER
) STRICT;

-- Dates that are not like their weekday.
CREATE TABLE calendar_day (
  date       TEXT PRIMARY KEY CHECK (date GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]'),
  open       INTEGER NOT NULL CHECK (open IN (0, 1)),
  as_weekday INTEGER CHECK (as_weekday BETWEEN 0 AND 6),  -- 0 = Monday; a make-up day runs like another
  label      TEXT NOT NULL DEFAULT ''                     -- name of the holiday, shown to guardians
) STRICT, WITHOUT ROWID;

-- days: bit n set = weekday n, Monday = bit 0. Minutes of the local day, half open, up to 1440.
CREATE TABLE viewing_window (
  id        INTEGER PRIMARY KEY,
  class     TEXT NOT NULL REFERENCES class (id),
  days      INTEGER NOT NULL CHECK (days BETWEEN 1 AND 127),
  start_min INTEGER NOT NULL CHECK (start_min BETWEEN 0 AND 1439),
  end_min   INTEGER NOT NULL CHECK (end_min BETWEEN start_min + 1 AND 1440)
) STRICT;

CREATE TABLE plan_block (
  id               INTEGER PRIMARY KEY,
  class            TEXT NOT NULL REFERENCES class (id),
  days             INTEGER NOT NULL CHECK (days BETWEEN 1 AND 127),
  start_min        INTEGER NOT NULL CHECK (start_min BETWEEN 0 AND 1439),
  end_min          INTEGER NOT NULL CHECK (end_min BETWEEN start_min + 1 AND 1440),
  kind             TEXT NOT NULL,
  guardian_visible INTEGER NOT NULL CHECK (guardian_visible IN (0, 1)),
  CHECK (guardian_visible = 0 OR kind NOT IN ('nap', 'toilet', 'changing'))
) STRICT;

-- "Tạm ẩn hình": guardians do not see the class.
CREATE TABLE pause (
  id            INTEGER PRIMARY KEY,
  class         TEXT NOT NULL REFERENCES class (id),
  by            TEXT NOT NULL,
  since_ms      INTEGER NOT NULL,
  until_ms      INTEGER,
  reason_sealed BLOB                           -- asked afterwards; free text of the teacher
) STRICT;

-- Nobody sees the camera live; it records.
CREATE TABLE privacy (
  id       INTEGER PRIMARY KEY,
  camera   TEXT NOT NULL,
  by       TEXT NOT NULL,
  since_ms INTEGER NOT NULL,
  until_ms INTEGER
) STRICT;

-- A wish to copy recorded time out of the box; approved by a second person.
CREATE TABLE export_order (
  id           TEXT PRIMARY KEY CHECK (length(id) = 16),
  camera       TEXT NOT NULL,
  from_ms      INTEGER NOT NULL,
  to_ms        INTEGER NOT NULL CHECK (to_ms > from_ms),
  requester    TEXT NOT NULL REFERENCES person (id),
  approver     TEXT REFERENCES person (id) CHECK (approver <> requester),
  why_sealed   BLOB NOT NULL,
  requested_ms INTEGER NOT NULL,
  approved_ms  INTEGER
) STRICT, WITHOUT ROWID;

-- A phone or browser bound to a guardian by a slip.
CREATE TABLE device (
  id         TEXT PRIMARY KEY CHECK (length(id) = 16),
  person     TEXT NOT NULL REFERENCES person (id),
  label      TEXT NOT NULL CHECK (length(label) <= 80),
  created_ms INTEGER NOT NULL,
  ended_ms   INTEGER
) STRICT, WITHOUT ROWID;

-- A login. The token is 256 random bits; only its SHA-256 is here.
CREATE TABLE login_session (
  id            TEXT PRIMARY KEY CHECK (length(id) = 16),
  token_hash    BLOB NOT NULL UNIQUE CHECK (length(token_hash) = 32),
  person        TEXT NOT NULL REFERENCES person (id),
  device        TEXT REFERENCES device (id),
  label         TEXT NOT NULL CHECK (length(label) <= 80),
  created_ms    INTEGER NOT NULL,
  last_seen_ms  INTEGER NOT NULL,              -- written once a minute at most
  ended_ms      INTEGER
) STRICT, WITHOUT ROWID;

-- One-use codes; the code is 80 random bits, only a hash is here. `prefix` (its first 20 bits) finds the row.
CREATE TABLE login_code (
  id         TEXT PRIMARY KEY CHECK (length(id) = 16),
  prefix     TEXT NOT NULL,
  code_hash  BLOB NOT NULL CHECK (length(code_hash) = 32),
  person     TEXT NOT NULL REFERENCES person (id),
  created_ms INTEGER NOT NULL,
  expires_ms INTEGER NOT NULL,
  tries      INTEGER NOT NULL DEFAULT 0,
  closed_ms  INTEGER                           -- used, replaced or tried too often
) STRICT, WITHOUT ROWID;
CREATE INDEX login_code_prefix ON login_code (prefix) WHERE closed_ms IS NULL;

-- Invitation slips of guardians: a 128-bit one-use secret, only its hash is here.
CREATE TABLE slip (
  id          TEXT PRIMARY KEY CHECK (length(id) = 16),
  secret_hash BLOB NOT NULL UNIQUE CHECK (length(secret_hash) = 32),
  person      TEXT NOT NULL REFERENCES person (id),
  created_by  TEXT NOT NULL,
  created_ms  INTEGER NOT NULL,
  expires_ms  INTEGER NOT NULL,
  used_ms     INTEGER,
  ended_ms    INTEGER                          -- replaced by a newer slip or taken back
) STRICT, WITHOUT ROWID;

-- Grants of streams that are open, so that a restarted gateway knows what live reports.
CREATE TABLE open_grant (
  id        TEXT PRIMARY KEY CHECK (length(id) = 16),
  person    TEXT NOT NULL,
  device    TEXT NOT NULL,
  action    TEXT NOT NULL,
  camera    TEXT NOT NULL,
  issued_ms INTEGER NOT NULL,
  audit_seq INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- The audit: hash(n) = SHA-256(context, n, hash(n-1), body_hash), body_hash = SHA-256(salt, body).
-- The body stands apart so that one day personal data can be erased without breaking the chain.
CREATE TABLE audit (
  seq       INTEGER PRIMARY KEY,
  previous  BLOB NOT NULL CHECK (length(previous) = 32),
  body_hash BLOB NOT NULL CHECK (length(body_hash) = 32),
  hash      BLOB NOT NULL CHECK (length(hash) = 32)
) STRICT;
CREATE TABLE audit_body (
  seq     INTEGER PRIMARY KEY REFERENCES audit (seq),
  salt    BLOB NOT NULL CHECK (length(salt) = 16),
  body    TEXT NOT NULL CHECK (json_valid(body)),
  -- Found by, not stored: read out of the body that the hash covers.
  at_ms   INTEGER GENERATED ALWAYS AS (json_extract(body, '$.at_ms')) VIRTUAL,
  person  TEXT GENERATED ALWAYS AS (json_extract(body, '$.person')) VIRTUAL,
  object  TEXT GENERATED ALWAYS AS (json_extract(body, '$.object')) VIRTUAL
) STRICT;
CREATE INDEX audit_body_person ON audit_body (person, seq);
CREATE INDEX audit_body_object ON audit_body (object, seq);
CREATE TRIGGER audit_no_update BEFORE UPDATE ON audit
BEGIN
  SELECT RAISE (ABORT, 'the audit is append-only');
END;
CREATE TRIGGER audit_no_delete BEFORE DELETE ON audit
BEGIN
  SELECT RAISE (ABORT, 'the audit is append-only');
END;
CREATE TRIGGER audit_body_no_update BEFORE UPDATE ON audit_body
BEGIN
  SELECT RAISE (ABORT, 'the audit is append-only');
END;
CREATE TRIGGER audit_body_no_delete BEFORE DELETE ON audit_body
BEGIN
  SELECT RAISE (ABORT, 'the audit is append-only');
END;

-- Signed heads of the chain; also sent upstream, so a rewritten chain on the box contradicts them.
CREATE TABLE audit_checkpoint (
  seq       INTEGER PRIMARY KEY,
  hash      BLOB NOT NULL CHECK (length(hash) = 32),
  signature BLOB NOT NULL CHECK (length(signature) = 64),
  at_ms     INTEGER NOT NULL
) STRICT;
CREATE TRIGGER audit_checkpoint_no_update BEFORE UPDATE ON audit_checkpoint
BEGIN
  SELECT RAISE (ABORT, 'the audit is append-only');
END;
CREATE TRIGGER audit_checkpoint_no_delete BEFORE DELETE ON audit_checkpoint
BEGIN
  SELECT RAISE (ABORT, 'the audit is append-only');
END;
