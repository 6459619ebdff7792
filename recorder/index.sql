-- index.db of one volume: which segment files exist and which time they cover.
-- A cache: every row is derived from the files (and the clock offset of its run), `vuon reindex` makes it again.
-- Times: *_ms are UTC milliseconds; begin and end are true time = the run's own time + offset.

CREATE TABLE segment (
  id          INTEGER PRIMARY KEY,
  stream      INTEGER NOT NULL CHECK (stream >= 1),
  run         INTEGER NOT NULL CHECK (run >= 1),
  start_ms    INTEGER NOT NULL CHECK (start_ms >= 0),          -- the run's own time, as in the file's name
  offset_ms   INTEGER NOT NULL,                                -- true time minus the run's own time
  begin_ms    INTEGER NOT NULL CHECK (begin_ms = start_ms + offset_ms),
  end_ms      INTEGER NOT NULL CHECK (end_ms BETWEEN begin_ms AND begin_ms + 7200000),
  size_bytes  INTEGER NOT NULL CHECK (size_bytes > 0),         -- the whole file
  frames      INTEGER NOT NULL CHECK (frames >= 0),
  config      INTEGER NOT NULL,                                -- CRC-32C of the parameter sets
  flags       INTEGER NOT NULL DEFAULT 0 CHECK (flags BETWEEN 0 AND 7), -- 1 suspect, 2 recovered, 4 missing
  gops        BLOB    NOT NULL,                                -- packed table of records (recorder/rows.py)
  UNIQUE (stream, start_ms, run)
);
CREATE INDEX segment_time ON segment (stream, begin_ms, end_ms, size_bytes);
CREATE INDEX segment_oldest ON segment (begin_ms);
CREATE INDEX segment_run ON segment (run);

-- Files whose rows are gone and whose bytes may still be there: start-up finishes what was cut short.
CREATE TABLE garbage (
  stream   INTEGER NOT NULL,
  start_ms INTEGER NOT NULL,
  run      INTEGER NOT NULL,
  PRIMARY KEY (stream, start_ms, run)
) WITHOUT ROWID;

-- Sums per stream and UTC day of begin_ms, kept by triggers: quotas and the timeline never add up a million rows.
CREATE TABLE stream_day (
  stream      INTEGER NOT NULL,
  day         INTEGER NOT NULL,                                -- days since 1970
  segments    INTEGER NOT NULL CHECK (segments >= 0),
  size_bytes  INTEGER NOT NULL CHECK (size_bytes >= 0),
  recorded_ms INTEGER NOT NULL CHECK (recorded_ms >= 0),
  PRIMARY KEY (stream, day)
) WITHOUT ROWID;

CREATE TRIGGER segment_added AFTER INSERT ON segment BEGIN
  INSERT INTO stream_day VALUES (new.stream, new.begin_ms / 86400000, 1, new.size_bytes, new.end_ms - new.begin_ms)
  ON CONFLICT (stream, day) DO UPDATE SET segments = segments + 1, size_bytes = size_bytes + excluded.size_bytes,
    recorded_ms = recorded_ms + excluded.recorded_ms;
END;

CREATE TRIGGER segment_removed AFTER DELETE ON segment BEGIN
  UPDATE stream_day SET segments = segments - 1, size_bytes = size_bytes - old.size_bytes,
    recorded_ms = recorded_ms - (old.end_ms - old.begin_ms)
  WHERE stream = old.stream AND day = old.begin_ms / 86400000;
  DELETE FROM stream_day WHERE stream = old.stream AND day = old.begin_ms / 86400000 AND segments = 0;
END;

CREATE TRIGGER segment_moved AFTER UPDATE OF begin_ms, end_ms, size_bytes, stream ON segment BEGIN
  UPDATE stream_day SET segments = segments - 1, size_bytes = size_bytes - old.size_bytes,
    recorded_ms = recorded_ms - (old.end_ms - old.begin_ms)
  WHERE stream = old.stream AND day = old.begin_ms / 86400000;
  DELETE FROM stream_day WHERE stream = old.stream AND day = old.begin_ms / 86400000 AND segments = 0;
  INSERT INTO stream_day VALUES (new.stream, new.begin_ms / 86400000, 1, new.size_bytes, new.end_ms - new.begin_ms)
  ON CONFLICT (stream, day) DO UPDATE SET segments = segments + 1, size_bytes = size_bytes + excluded.size_bytes,
    recorded_ms = recorded_ms + excluded.recorded_ms;
END;
