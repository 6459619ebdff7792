-- Guests' visits ("dự giờ"): why they come and who asked them in, what the teacher said, how it ended, the way in.

ALTER TABLE observation ADD COLUMN reason_sealed BLOB;
ALTER TABLE observation ADD COLUMN invited_sealed BLOB;
ALTER TABLE observation ADD COLUMN refused_by TEXT;      -- the teacher who said no, or took her assent back
ALTER TABLE observation ADD COLUMN refused_ms INTEGER;
ALTER TABLE observation ADD COLUMN ended_ms INTEGER;     -- ended before its time, or called off

-- A one-use code that lets in for one visit, and the login that it became: both end with that visit.
CREATE TABLE guest_code (
  code        TEXT PRIMARY KEY REFERENCES login_code (id),
  observation TEXT NOT NULL REFERENCES observation (id)
) STRICT, WITHOUT ROWID;
CREATE TABLE guest_login (
  session     TEXT PRIMARY KEY REFERENCES login_session (id),
  observation TEXT NOT NULL REFERENCES observation (id)
) STRICT, WITHOUT ROWID;
