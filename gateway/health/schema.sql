-- Part of gateway.db: the conditions that are raised now, so that a restart neither raises one twice nor
-- forgets to clear it. Written in the transaction of the events that say so.

create table condition (
  -- registered code, e.g. camera.down
  code text not null check (length(code) > 0),
  -- public id of a camera, or `box`
  subject text not null check (length(subject) > 0),
  -- UTC ms since when it holds, by the box's clock
  since_ms integer not null,
  primary key (code, subject)
) without rowid;
