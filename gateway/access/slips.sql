-- The phone number the school holds for a guardian; `id` is the person. Only its last digits are ever compared or shown.
CREATE TABLE guardian_phone (
  id           TEXT PRIMARY KEY CHECK (length(id) = 16) REFERENCES person (id),
  phone_sealed BLOB NOT NULL,
  changed_ms   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- The same slip is also good by a short code that can be typed (60 random bits, only a hash is here).
ALTER TABLE slip ADD COLUMN code_hash BLOB;
ALTER TABLE slip ADD COLUMN tries INTEGER NOT NULL DEFAULT 0;    -- wrong last digits of the phone number
ALTER TABLE slip ADD COLUMN checked INTEGER NOT NULL DEFAULT 0;  -- handed over in person after a look at an identity card
CREATE UNIQUE INDEX slip_code ON slip (code_hash) WHERE code_hash IS NOT NULL;

-- A device opens nothing before somebody of the school approved it.
ALTER TABLE device ADD COLUMN approved_ms INTEGER;
ALTER TABLE device ADD COLUMN approved_by TEXT;
ALTER TABLE device ADD COLUMN refused_ms INTEGER;
ALTER TABLE device ADD COLUMN why_sealed BLOB;                   -- why it was refused, for its guardian
ALTER TABLE device ADD COLUMN slip TEXT;                         -- what bound it
ALTER TABLE device ADD COLUMN replaces TEXT;                     -- the device that ends when this one is approved
UPDATE device SET approved_ms = created_ms, approved_by = 'console';

-- Public keys (ECDSA P-256, uncompressed point) that browsers of a device made; the private halves cannot leave them.
CREATE TABLE device_key (
  id         TEXT PRIMARY KEY CHECK (length(id) = 16),
  device     TEXT NOT NULL REFERENCES device (id),
  point      BLOB NOT NULL UNIQUE CHECK (length(point) = 65),
  kind       TEXT NOT NULL CHECK (kind IN ('browser', 'app')),   -- the app on the home screen has a store of its own
  created_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX device_key_device ON device_key (device);

-- A session of a bound browser proves the key again and again; both NULL: a session without a key.
ALTER TABLE login_session ADD COLUMN key TEXT;
ALTER TABLE login_session ADD COLUMN proven_ms INTEGER;
