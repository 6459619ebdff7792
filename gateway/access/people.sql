-- Lists of a school: what an import or the roll-over of a school year wrote, so that it can be undone for a week;
-- which column of a list holds what, as people corrected it; the responsible persons of the unit.

-- One row an act. `inverse_sealed` holds the rows as they were (names and phone numbers sealed in it once more);
-- it is emptied when the act can no longer be undone.
CREATE TABLE roster_act (
  id             TEXT PRIMARY KEY CHECK (length(id) = 16),
  kind           TEXT NOT NULL CHECK (kind IN ('import', 'rollover')),
  by             TEXT NOT NULL,
  at_ms          INTEGER NOT NULL,
  counts         TEXT NOT NULL CHECK (json_valid(counts)),
  inverse_sealed BLOB,
  undone_ms      INTEGER
) STRICT, WITHOUT ROWID;

-- By the headings of a list (a hash); column number to field, as JSON.
CREATE TABLE roster_columns (
  signature TEXT PRIMARY KEY CHECK (length(signature) = 32),
  fields    TEXT NOT NULL CHECK (json_valid(fields)),
  used_ms   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- The two persons of the unit who answer for the cameras, by decision of the school; dated, so that a statement of
-- a past day names those of that day. Dates are local days, `until_day` is the last one.
CREATE TABLE responsible (
  id            TEXT PRIMARY KEY CHECK (length(id) = 16),
  name_sealed   BLOB NOT NULL,
  title         TEXT NOT NULL CHECK (length(title) BETWEEN 1 AND 80),
  decision      TEXT NOT NULL CHECK (length(decision) BETWEEN 1 AND 80),
  decision_day  TEXT NOT NULL CHECK (decision_day GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]'),
  since_day     TEXT NOT NULL CHECK (since_day GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]'),
  until_day     TEXT CHECK (until_day >= since_day),
  created_ms    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
