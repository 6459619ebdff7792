-- cameras.db: what the recorder knows about its cameras and about what it did.
-- Owner: vuon-recorder alone; others ask over <run>/recorder.sock. Times: UTC milliseconds unless named otherwise.
-- Integers stay inside; `public_id` (16 characters, 80 random bits) is what others see.

-- One-line facts of this database.
CREATE TABLE fact (
  name  TEXT PRIMARY KEY CHECK (name IN ('box_id', 'journal_id', 'boot_id', 'next_run')),
  value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- A footage disk that was in use at this path: it is never made anew there, its absence is a fault.
CREATE TABLE volume (
  path      TEXT PRIMARY KEY,
  public_id TEXT NOT NULL CHECK (length(public_id) = 16),  -- as its marker file says
  first_ms  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- A camera that was adopted. A removed one keeps its row while footage of it may exist.
CREATE TABLE camera (
  id           INTEGER PRIMARY KEY AUTOINCREMENT,
  public_id    TEXT NOT NULL UNIQUE CHECK (length(public_id) = 16),
  name         TEXT NOT NULL CHECK (length(name) BETWEEN 1 AND 80),
  driver       TEXT NOT NULL,               -- onvif, rtsp, simulated, file
  address      TEXT NOT NULL,               -- where it answered last
  port         INTEGER NOT NULL CHECK (port BETWEEN 1 AND 65535),
  -- Identity: never one of the three alone (a swapped camera keeps its address, a moved one its serial).
  endpoint     TEXT NOT NULL DEFAULT '',    -- WS-Discovery endpoint reference
  mac          TEXT NOT NULL DEFAULT '',
  serial       TEXT NOT NULL DEFAULT '',
  manufacturer TEXT NOT NULL DEFAULT '',
  model        TEXT NOT NULL DEFAULT '',
  firmware     TEXT NOT NULL DEFAULT '',
  username     TEXT,                        -- NULL: the camera asks for no login
  password     BLOB,                        -- sealed with <state>/keys/seal.key, context 'camera:<public id>'
  login_mode   TEXT NOT NULL DEFAULT '',    -- learned: how this camera wants its login
  login_state  TEXT NOT NULL DEFAULT 'untried' CHECK (login_state IN ('untried', 'accepted', 'refused')),
  added_ms     INTEGER NOT NULL,
  removed_ms   INTEGER,
  CHECK ((username IS NULL) = (password IS NULL))
) STRICT;

-- One encoding of a camera that is recorded. `id` is also the name of its folder on a volume.
CREATE TABLE stream (
  id          INTEGER PRIMARY KEY AUTOINCREMENT,
  camera_id   INTEGER NOT NULL REFERENCES camera (id),
  role        TEXT NOT NULL CHECK (role IN ('main', 'sub')),
  host        TEXT NOT NULL,
  port        INTEGER NOT NULL CHECK (port BETWEEN 1 AND 65535),
  path        TEXT NOT NULL CHECK (path NOT LIKE '%@%:%@%'), -- with query, never with user info
  codec       TEXT NOT NULL DEFAULT '',     -- as the camera claims; the bitstream is believed where they differ
  width       INTEGER NOT NULL DEFAULT 0,
  height      INTEGER NOT NULL DEFAULT 0,
  fps         REAL NOT NULL DEFAULT 0,
  bitrate_bps INTEGER NOT NULL DEFAULT 0,
  token       TEXT NOT NULL DEFAULT '',     -- ONVIF profile token
  UNIQUE (camera_id, role)
) STRICT;

-- One RTSP session without a gap; ids come from fact.next_run and are never used twice, whatever the clock says.
CREATE TABLE run (
  id           INTEGER PRIMARY KEY,
  stream_id    INTEGER NOT NULL REFERENCES stream (id),
  started_ms   INTEGER NOT NULL,            -- wall time of its first key frame as the clock then said
  offset_ms    INTEGER NOT NULL DEFAULT 0,  -- true time = written time + offset
  time_trusted INTEGER NOT NULL CHECK (time_trusted IN (0, 1)),
  boot_id      TEXT NOT NULL,
  ended_ms     INTEGER,                     -- NULL: runs now, or the recorder was killed
  cause        TEXT                         -- why it ended: a gap cause
) STRICT;
CREATE INDEX run_stream ON run (stream_id, started_ms);

-- Time in which a recording stream has no footage. At most one open row (end_ms NULL) a stream.
-- An unsure time was written by a clock that was not trusted: it moves when that clock is set right. Until then
-- an unsure end may lie before a start that is known from footage; after another boot nothing is known any more.
CREATE TABLE gap (
  id        INTEGER PRIMARY KEY,
  stream_id INTEGER NOT NULL REFERENCES stream (id),
  start_ms  INTEGER NOT NULL,
  end_ms    INTEGER CHECK (end_ms >= start_ms OR unsure != 0),
  unsure    INTEGER NOT NULL DEFAULT 0 CHECK (unsure BETWEEN 0 AND 3), -- 1: the start, 2: the end
  cause     TEXT NOT NULL CHECK (cause IN ('camera', 'network', 'login', 'disk', 'power', 'clock', 'overload',
                                           'recorder_restart', 'recorder_stopped', 'paused'))
) STRICT;
CREATE INDEX gap_stream ON gap (stream_id, start_ms);
CREATE UNIQUE INDEX gap_open ON gap (stream_id) WHERE end_ms IS NULL;

-- An order not to delete a span of footage. Copied to <volume>/holds.json so that a moved disk keeps them.
CREATE TABLE hold (
  id        INTEGER PRIMARY KEY,
  public_id TEXT NOT NULL UNIQUE CHECK (length(public_id) = 16),
  camera_id INTEGER NOT NULL REFERENCES camera (id),
  start_ms  INTEGER NOT NULL,
  end_ms    INTEGER NOT NULL CHECK (end_ms > start_ms),
  until_ms  INTEGER NOT NULL,               -- footage is held until then
  who       TEXT NOT NULL,                  -- public id of the person
  why       TEXT NOT NULL,
  placed_ms INTEGER NOT NULL
) STRICT;

-- What happened, in order. AUTOINCREMENT: a sequence number is never used twice, also after rows are trimmed.
CREATE TABLE journal (
  seq          INTEGER PRIMARY KEY AUTOINCREMENT,
  id           TEXT NOT NULL,               -- UUIDv7
  type         TEXT NOT NULL,               -- gateway.core.events
  at_ms        INTEGER NOT NULL,
  time_trusted INTEGER NOT NULL CHECK (time_trusted IN (0, 1)),
  mono_ms      INTEGER NOT NULL,
  subject      TEXT NOT NULL,               -- public id of the camera, empty for the box
  data         TEXT NOT NULL                -- JSON object
) STRICT;
