-- What the policy asks about beyond hours and consent: sessions of observers, a class's own rules, minutes watched.

-- "Dự giờ": a guest watches one class for a while. Without the teacher's assent nothing is shown.
CREATE TABLE observation (
  id          TEXT PRIMARY KEY CHECK (length(id) = 16),
  person      TEXT NOT NULL REFERENCES person (id),
  class       TEXT NOT NULL REFERENCES class (id),
  since_ms    INTEGER NOT NULL,
  until_ms    INTEGER NOT NULL CHECK (until_ms >= since_ms),
  created_by  TEXT NOT NULL,
  assented_by TEXT,                            -- the teacher of the class, or the console with her word on paper
  assented_ms INTEGER
) STRICT, WITHOUT ROWID;

-- What narrows a class's viewing; a class without a row is narrowed by nothing.
CREATE TABLE class_rules (
  class           TEXT PRIMARY KEY REFERENCES class (id),
  on_site_only    INTEGER NOT NULL DEFAULT 0 CHECK (on_site_only IN (0, 1)),
  daily_minutes   INTEGER CHECK (daily_minutes BETWEEN 0 AND 1440),
  adaptation_days INTEGER CHECK (adaptation_days BETWEEN 1 AND 366)
) STRICT, WITHOUT ROWID;

-- When a guardian was shown video; kept for the days that a limit is counted over.
CREATE TABLE viewed (
  id       INTEGER PRIMARY KEY,
  person   TEXT NOT NULL,
  since_ms INTEGER NOT NULL,
  until_ms INTEGER NOT NULL
) STRICT;
CREATE INDEX viewed_until ON viewed (until_ms);
