-- cameras.db, continued: an order for the whole box can wait for a disk for weeks (`recorder.erasures`).

-- 1: the school's private keys are gone; it is done once, before any disk, so that keys made afterwards stay.
ALTER TABLE erasure ADD COLUMN keys_gone INTEGER NOT NULL DEFAULT 0 CHECK (keys_gone IN (0, 1));
-- The newest camera that it is about: what is adopted while it waits is another school's. NULL: all.
ALTER TABLE erasure ADD COLUMN last_camera INTEGER;
