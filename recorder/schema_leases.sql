-- Addresses that the box gave on the camera network. A MAC keeps its address for ever: a camera that changes its
-- address after a power cut is a camera that nobody finds.
CREATE TABLE address_lease (
  mac      TEXT PRIMARY KEY CHECK (length(mac) = 17),  -- lower case, with colons
  address  TEXT NOT NULL UNIQUE,
  since_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
