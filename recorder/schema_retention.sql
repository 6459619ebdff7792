-- cameras.db, continued: what retention has to know besides the cameras (`recorder.retentiondb`).

-- Footage of an event: kept for the rule's event days after its end, unless the disk needs the room.
CREATE TABLE pin (
  id        INTEGER PRIMARY KEY AUTOINCREMENT,
  public_id TEXT NOT NULL UNIQUE CHECK (length(public_id) = 16),
  camera_id INTEGER NOT NULL REFERENCES camera (id),
  start_ms  INTEGER NOT NULL,
  end_ms    INTEGER NOT NULL CHECK (end_ms > start_ms),
  kind      TEXT NOT NULL CHECK (kind IN ('tamper', 'input', 'marked')),
  who       TEXT NOT NULL DEFAULT '',   -- public id of the person who marked it; empty: the camera reported it
  placed_ms INTEGER NOT NULL
) STRICT;
CREATE INDEX pin_camera ON pin (camera_id, start_ms);

-- Which cameras show which class, as the gateway told last: rules name classes, and hold without the gateway too.
CREATE TABLE camera_class (
  id   TEXT PRIMARY KEY CHECK (length(id) = 16),  -- the class's public id
  name BLOB NOT NULL                              -- sealed with <state>/keys/recorder-seal.key, context 'class:<id>'
) STRICT, WITHOUT ROWID;
CREATE TABLE camera_class_member (
  class_id TEXT NOT NULL REFERENCES camera_class (id) ON DELETE CASCADE,
  camera   TEXT NOT NULL CHECK (length(camera) = 16),  -- the camera's public id
  PRIMARY KEY (class_id, camera)
) STRICT, WITHOUT ROWID;

-- Holds that a disk brought with it in its holds.json and this database never knew: of a database that was lost or
-- came back from an old copy. They hold like ours until somebody lifts them.
CREATE TABLE found_hold (
  public_id TEXT NOT NULL CHECK (length(public_id) = 16),
  stream    INTEGER NOT NULL,
  start_ms  INTEGER NOT NULL,
  end_ms    INTEGER NOT NULL CHECK (end_ms > start_ms),
  until_ms  INTEGER NOT NULL,
  found_ms  INTEGER NOT NULL,
  PRIMARY KEY (public_id, stream)
) STRICT, WITHOUT ROWID;

-- Holds that were lifted: a disk that was away then still has them in its copy.
CREATE TABLE lifted_hold (
  public_id TEXT PRIMARY KEY CHECK (length(public_id) = 16),
  lifted_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- How much longer nothing goes by age, because the clock jumped: it must survive a restart of the recorder.
CREATE TABLE calm (
  id     INTEGER PRIMARY KEY CHECK (id = 1),
  left_s INTEGER NOT NULL CHECK (left_s >= 0)
) STRICT;
