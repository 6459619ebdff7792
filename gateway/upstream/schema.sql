-- Part of gateway.db: what happened on this box, and what of it still has to reach the hub.
-- All times are UTC milliseconds since 1970.

create table event (
  -- order of arrival on this box; never reused, so a pruned event leaves a hole, not a double
  number integer primary key autoincrement,
  -- UUIDv7, for people and links
  id text not null unique check (length(id) = 36),
  -- registered type, e.g. camera.state.v1
  type text not null check (type like '%.v_'),
  at_ms integer not null,
  -- 0 while the clock could not be trusted: order by number, not by time
  time_trusted integer not null check (time_trusted in (0, 1)),
  -- monotonic milliseconds of the boot the event was made in
  mono_ms integer not null,
  -- public id of the camera, class or person concerned; empty for the box
  subject text not null default '',
  -- JSON object of the type's fields
  data text not null check (json_valid(data))
);

create index event_at on event (at_ms);

-- One row per lane: a numbered stream to the hub.
create table lane (
  name text primary key check (name in ('alarm', 'report', 'routine')),
  -- renewed when the hub knows another history than we do (this box was restored from an old image),
  -- or when we cannot go on where the hub stands (what it needs is pruned)
  stream text not null unique check (length(stream) = 36),
  -- number before the stream's first document
  base integer not null default 0 check (base >= 0),
  -- last number given out; never lowered, so that no number is used twice
  last integer not null default 0 check (last >= base),
  -- last number the hub has for certain
  acked integer not null default 0 check (acked between base and last)
) without rowid;

-- The documents of a lane. Acknowledged ones stay for a while, because a hub restored from its backup
-- asks for them again.
create table outbox (
  lane text not null references lane (name),
  seq integer not null check (seq > 0),
  -- event id, to find out that the hub has another history than we
  id text not null,
  -- null while the clock could not be trusted: such a document never decides what is old
  at_ms integer,
  -- CloudEvents 1.0 JSON as it is sent
  body text not null check (json_valid(body)),
  primary key (lane, seq)
) without rowid;

-- How far the recorder's journal has been copied. A new journal id starts again at 0.
create table journal_cursor (
  journal text primary key,
  seq integer not null check (seq >= 0),
  -- event id at `seq`: another one there means that the recorder's database was restored from an old image
  id text not null
) without rowid;

-- Single values: `gateway`, the id the hub gave us, and `claim`, SHA-256 of the claim it was given for.
create table upstream_meta (
  key text primary key,
  value text not null
) without rowid;
