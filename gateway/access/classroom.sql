-- gateway.db, what belongs to a class room: wishes for one more pause, the sheet on the wall, the notice to staff.
-- Owner: vuon-gateway alone. Times: UTC milliseconds. Columns named *_sealed as in schema.sql.

-- The sixth pause of a day needs the principal: a wish that she grants or refuses, or that runs out by itself.
CREATE TABLE pause_request (
  id          INTEGER PRIMARY KEY,
  class       TEXT NOT NULL REFERENCES class (id),
  by          TEXT NOT NULL,                   -- a teacher's id, or 'wall'
  minutes     INTEGER NOT NULL CHECK (minutes BETWEEN 1 AND 15),
  at_ms       INTEGER NOT NULL,
  answered_ms INTEGER,
  answered_by TEXT,
  pause       INTEGER REFERENCES pause (id)    -- the pause that came of it; NULL = refused
) STRICT;

-- The printed QR of a class room, which opens "Tạm ẩn hình" without a login; only a hash of its secret is here.
CREATE TABLE wall_sheet (
  id          INTEGER PRIMARY KEY,
  class       TEXT NOT NULL REFERENCES class (id),
  secret_hash BLOB NOT NULL UNIQUE CHECK (length(secret_hash) = 32),
  created_by  TEXT NOT NULL,
  created_ms  INTEGER NOT NULL,
  ended_ms    INTEGER                          -- replaced by a newer sheet, or taken back
) STRICT;
CREATE UNIQUE INDEX wall_sheet_one ON wall_sheet (class) WHERE ended_ms IS NULL;

-- Who of the staff has read which version of the notice about cameras.
CREATE TABLE staff_notice (
  id          INTEGER PRIMARY KEY,
  person      TEXT NOT NULL REFERENCES person (id),
  version     TEXT NOT NULL,
  signed_ms   INTEGER NOT NULL,                -- when the box took note of it
  on_date     TEXT,                            -- on paper: the day of the signature
  scan_sealed BLOB,                            -- on paper: number of the scanned sheet
  by          TEXT NOT NULL                    -- who entered it: the teacher, the principal, or 'console'
) STRICT;
CREATE INDEX staff_notice_person ON staff_notice (person, version);
