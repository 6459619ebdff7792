-- cameras.db, continued: what a person knows of a camera and no measurement tells (`recorder.checklist`).

-- What the installer entered or approved of a camera. No row, or NULL: nobody said.
CREATE TABLE checklist (
  camera_id    INTEGER PRIMARY KEY REFERENCES camera (id),
  qcvn         TEXT NOT NULL DEFAULT '' CHECK (length(qcvn) <= 80), -- number of its certificate of conformity
  needs_mask   INTEGER CHECK (needs_mask IN (0, 1)), -- part of its picture must be hidden
  view_role    TEXT CHECK (view_role IN ('main', 'sub')),
  view_outline BLOB CHECK (length(view_outline) = 576), -- edges on 32x18 cells of the approved picture
  view_detail  REAL,
  view_ms      INTEGER,
  CHECK ((view_role IS NULL) = (view_outline IS NULL))
) STRICT;
