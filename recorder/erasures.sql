-- cameras.db, continued: orders to erase footage for good, and what they found (`recorder.erasures`).

-- Written before anything is erased, so that a kill in the middle is finished at the next start. It names no
-- person and no camera but by id: the camera's own row is gone at the end.
CREATE TABLE erasure (
  id         INTEGER PRIMARY KEY AUTOINCREMENT,
  public_id  TEXT NOT NULL UNIQUE CHECK (length(public_id) = 16),
  camera     TEXT NOT NULL CHECK (camera = '' OR length(camera) = 16), -- empty: everything on the box
  who        TEXT NOT NULL,                 -- public id of the person, or console
  holds      INTEGER NOT NULL,              -- how many orders to keep were lifted by it
  ordered_ms INTEGER NOT NULL,
  state      TEXT NOT NULL DEFAULT 'ordered' CHECK (state IN ('ordered', 'dropped', 'done')),
  done_ms    INTEGER
) STRICT;

-- What lay on one disk when its turn came; counted once, before the first key was erased.
CREATE TABLE erasure_volume (
  erasure_id INTEGER NOT NULL REFERENCES erasure (id),
  volume     TEXT NOT NULL CHECK (length(volume) = 16),
  keys       INTEGER NOT NULL,
  files      INTEGER NOT NULL,
  bytes      INTEGER NOT NULL,
  done_ms    INTEGER,                       -- NULL: not finished, or the disk is away
  PRIMARY KEY (erasure_id, volume)
) STRICT, WITHOUT ROWID;
