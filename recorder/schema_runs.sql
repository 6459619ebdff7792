-- What a run needs so that its time can be judged and set right later, also after a restart of the recorder.
-- Monotonic ms of this boot at which its first key frame was taken: wall time minus this is how the clock stood then.
ALTER TABLE run ADD COLUMN started_mono_ms INTEGER;
-- 1: the camera's own clock was found wrong, pictures are stamped as they arrive.
ALTER TABLE run ADD COLUMN by_arrival INTEGER NOT NULL DEFAULT 0 CHECK (by_arrival IN (0, 1));
-- How a clock that was not trusted stood against monotonic time when the recorder last looked: what it told is moved by
-- the difference once it is right, also if that happens while the recorder does not run. No row: it was trusted.
CREATE TABLE unsure_clock (
  boot_id            TEXT PRIMARY KEY,
  wall_minus_mono_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
