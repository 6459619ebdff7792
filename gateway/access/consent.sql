-- Consent in full. An answer is a row of `consent`: `given` 1 is a yes, 0 a no; it stands until until_ms, when whoever
-- gave it answers again. A withdrawal is a no that ended a yes.
ALTER TABLE consent ADD COLUMN given INTEGER NOT NULL DEFAULT 1 CHECK (given IN (0, 1));
ALTER TABLE consent ADD COLUMN withdrawal INTEGER NOT NULL DEFAULT 0 CHECK (withdrawal IN (0, 1));
ALTER TABLE consent ADD COLUMN person TEXT REFERENCES person (id);   -- the guardian; NULL: the family, on paper
ALTER TABLE consent ADD COLUMN via TEXT NOT NULL DEFAULT 'school' CHECK (via IN ('phone', 'paper', 'school'));
ALTER TABLE consent ADD COLUMN entered_by TEXT;                      -- who put it in: person, or 'console'
ALTER TABLE consent ADD COLUMN text_scope INTEGER NOT NULL DEFAULT 1;
ALTER TABLE consent ADD COLUMN text_sha256 TEXT;                     -- of consent_shown; NULL: from before texts were kept
ALTER TABLE consent ADD COLUMN asked_ms INTEGER;                     -- when the question was first shown, if on a phone
ALTER TABLE consent ADD COLUMN sheet TEXT REFERENCES consent_sheet (id);
CREATE INDEX consent_child ON consent (child, purpose);

-- Why a class goes on without this child's consent. NULL: the principal settled it; 'standing': a withdrawal that does
-- not pause by itself, until the principal decides.
ALTER TABLE resolution ADD COLUMN how TEXT CHECK (how IN ('standing'));

-- A text of the school's own. What the program brings is version '1' of each purpose.
CREATE TABLE consent_edition (
  id           INTEGER PRIMARY KEY,
  purpose      TEXT NOT NULL CHECK (purpose IN ('view', 'record', 'observe')),
  version      TEXT NOT NULL,
  scope        INTEGER NOT NULL CHECK (scope >= 1),   -- grows when a text asks for more: families are asked anew
  vi           TEXT NOT NULL,
  en           TEXT NOT NULL,
  published_ms INTEGER NOT NULL,
  published_by TEXT NOT NULL,
  UNIQUE (purpose, version)
) STRICT;

-- Every text as it was shown, with the school's name and facts filled in: never changed, found by its hash.
CREATE TABLE consent_shown (
  sha256   TEXT PRIMARY KEY CHECK (length(sha256) = 64),
  purpose  TEXT NOT NULL,
  version  TEXT NOT NULL,
  scope    INTEGER NOT NULL,
  vi       TEXT NOT NULL,
  en       TEXT NOT NULL,
  first_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Who was shown which question when, for the first time.
CREATE TABLE consent_asked (
  person   TEXT NOT NULL REFERENCES person (id),
  child    TEXT NOT NULL REFERENCES child (id),
  sha256   TEXT NOT NULL REFERENCES consent_shown (sha256),
  asked_ms INTEGER NOT NULL,
  PRIMARY KEY (person, child, sha256)
) STRICT, WITHOUT ROWID;

-- On what the school bases recording; the newest row counts.
CREATE TABLE consent_basis (
  id        INTEGER PRIMARY KEY,
  basis     TEXT NOT NULL CHECK (basis IN ('regulation', 'consent')),
  reference TEXT NOT NULL CHECK (length(reference) <= 120),  -- number and date of the regulation
  set_ms    INTEGER NOT NULL,
  set_by    TEXT NOT NULL
) STRICT;

-- A signed sheet of a class, put in by the teacher. Nothing of it counts until it is countersigned.
CREATE TABLE consent_sheet (
  id         TEXT PRIMARY KEY CHECK (length(id) = 16),
  class      TEXT NOT NULL REFERENCES class (id),
  day        TEXT NOT NULL CHECK (day GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]'),
  day_ms     INTEGER NOT NULL,                              -- its local midnight, UTC
  scan       TEXT NOT NULL CHECK (length(scan) BETWEEN 1 AND 40),
  entered_by TEXT NOT NULL,
  entered_ms INTEGER NOT NULL,
  signed_by  TEXT,
  signed_ms  INTEGER,
  dropped_by TEXT,
  dropped_ms INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX consent_sheet_class ON consent_sheet (class, entered_ms);
CREATE TABLE consent_sheet_line (
  sheet       TEXT NOT NULL REFERENCES consent_sheet (id),
  child       TEXT NOT NULL REFERENCES child (id),
  purpose     TEXT NOT NULL CHECK (purpose IN ('view', 'record', 'observe')),
  given       INTEGER NOT NULL CHECK (given IN (0, 1)),
  person      TEXT REFERENCES person (id),
  text_sha256 TEXT NOT NULL REFERENCES consent_shown (sha256),
  became      TEXT CHECK (became IN ('counted', 'newer')),  -- 'newer': the guardian had answered later than the paper
  PRIMARY KEY (sheet, child, purpose)
) STRICT, WITHOUT ROWID;

-- Something the principal has to settle with a family.
CREATE TABLE consent_case (
  id            TEXT PRIMARY KEY CHECK (length(id) = 16),
  child         TEXT NOT NULL REFERENCES child (id),
  class         TEXT REFERENCES class (id),                 -- NULL: the child was in none
  purpose       TEXT NOT NULL CHECK (purpose IN ('view', 'record', 'observe')),
  kind          TEXT NOT NULL CHECK (kind IN ('withdrawal', 'repeat', 'refusal', 'disagree')),
  waits         INTEGER NOT NULL CHECK (waits IN (0, 1)),   -- the class is closed to guardians until it is settled
  opened_ms     INTEGER NOT NULL,
  due_ms        INTEGER NOT NULL,
  closed_ms     INTEGER,
  closed_by     TEXT,
  remedy        TEXT CHECK (remedy IN ('angle', 'mask', 'room', 'talked', 'agreed')),
  agreed_sealed BLOB                                        -- what was agreed, in the principal's words
) STRICT, WITHOUT ROWID;
CREATE INDEX consent_case_open ON consent_case (child) WHERE closed_ms IS NULL;
