-- cameras.db, version 3: what we changed on cameras, so that it can be taken back.

-- One setting that one order changed on a camera. Written before the camera is asked, completed afterwards: a row
-- without `applied` belongs to an order that was cut off, and nobody knows whether the camera took it.
-- Settings and texts are those of drivers.settings; no text of any setting carries a password.
CREATE TABLE setting_change (
  id        INTEGER PRIMARY KEY AUTOINCREMENT,
  order_id  INTEGER NOT NULL,                -- the rows of one order; newer orders have greater numbers
  camera_id INTEGER NOT NULL REFERENCES camera (id),
  at_ms     INTEGER NOT NULL,
  who       TEXT NOT NULL,                   -- role or account that asked
  setting   TEXT NOT NULL,                   -- e.g. main.gop
  before    TEXT NOT NULL,
  after     TEXT NOT NULL,
  read_back TEXT,                            -- what the camera showed afterwards
  applied   INTEGER CHECK (applied IN (0, 1)),
  why       TEXT NOT NULL DEFAULT '',        -- code, when it was not applied
  undone_ms INTEGER                          -- when it was taken back
) STRICT;
CREATE INDEX setting_change_camera ON setting_change (camera_id, order_id);

-- The login a camera had before the gateway made a user of its own there: an undo needs it, nothing else does.
CREATE TABLE former_login (
  camera_id INTEGER PRIMARY KEY REFERENCES camera (id),
  username  TEXT NOT NULL,
  password  BLOB NOT NULL,                   -- sealed, context 'former:<public id>'
  at_ms     INTEGER NOT NULL
) STRICT;

-- A camera that is removed is forgotten with all its passwords.
CREATE TRIGGER former_login_forgotten AFTER UPDATE OF removed_ms ON camera WHEN NEW.removed_ms IS NOT NULL
BEGIN
  DELETE FROM former_login WHERE camera_id = NEW.id;
END;
