-- Part of cameras.db: logins given to cameras that are not adopted yet.
-- Written before a camera is told its password, deleted when it is adopted.
CREATE TABLE pending_login (
  address  TEXT PRIMARY KEY,   -- where the camera was
  username TEXT NOT NULL,
  password BLOB NOT NULL,      -- sealed with <state>/keys/recorder-seal.key, context 'pending:<address>'
  made_ms  INTEGER NOT NULL
) STRICT;
