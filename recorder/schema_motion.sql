-- cameras.db: how much moved in front of a camera, hour by hour (recorder/motion.py). Goes with the hour's footage.
CREATE TABLE motion (
  camera_id INTEGER NOT NULL REFERENCES camera (id),
  hour      INTEGER NOT NULL,                                -- hours since 1970 (UTC, true time)
  levels    BLOB    NOT NULL CHECK (length(levels) = 360),   -- one byte per 10 s: 0 nothing seen, else level + 1
  PRIMARY KEY (camera_id, hour)
) STRICT, WITHOUT ROWID;
