-- hub.db: many boxes, their events and the state of every camera; never a picture or a person's name.
-- Every table's key begins with the gateway. All times are UTC milliseconds since 1970 by the hub's clock
-- unless the column says otherwise.

-- A claim lets one box of one site enrol, once.
create table claim (
  -- SHA-256 of the code: the code itself is shown once and kept nowhere
  code_hash blob primary key check (length(code_hash) = 32),
  -- the school site, as the authority calls it
  site text not null check (length(site) between 1 and 200),
  expires_at integer not null,
  -- the box that used it; null while unused
  gateway text references gateway (id)
) without rowid;

create table gateway (
  -- public id, given at enrolment
  id text primary key check (length(id) = 16),
  site text not null check (length(site) between 1 and 200),
  -- raw Ed25519 key that signs every request of this box
  public_key blob not null unique check (length(public_key) = 32),
  enrolled_at integer not null,
  -- when a signed request last came; null before the first
  last_seen_at integer,
  -- last box.summary and box.started, null before the first
  cameras integer,
  recording integer,
  viewers integer,
  version text
) without rowid;

-- How far each stream of a box has arrived. Moves in the transaction that inserts the events.
create table cursor (
  gateway text not null references gateway (id),
  stream text not null check (length(stream) = 36),
  lane text not null check (lane in ('alarm', 'report', 'routine')),
  -- 1, 2, 3 … as the box announced its streams: a lane in order is `order by cursor.number, event.seq`
  number integer not null check (number > 0),
  acked integer not null check (acked >= 0),
  -- event id at `acked`, so that a box restored from an old image notices; empty before the first event
  last_id text not null default '',
  primary key (gateway, stream),
  unique (gateway, number)
) without rowid;

create table event (
  gateway text not null references gateway (id),
  stream text not null,
  seq integer not null check (seq > 0),
  id text not null,
  -- CloudEvents type, e.g. vn.vuon.camera.state.v1
  type text not null,
  subject text not null,
  -- the box's time, RFC 3339; order by it only where the box trusted its clock
  time text not null,
  time_trusted integer not null check (time_trusted in (0, 1)),
  -- monotonic ms of the box's boot, to repair times from before its clock was set
  mono_ms integer not null,
  received_at integer not null,
  -- JSON object of the type's fields
  data text not null check (json_valid(data)),
  primary key (gateway, stream, seq)
) without rowid;

-- A box restored from an old image sends some events again under a new stream: kept once.
create unique index event_id on event (gateway, id);

-- Documents that are no event of ours: kept to be looked at, so that one bad document cannot stop a school.
create table quarantine (
  gateway text not null references gateway (id),
  stream text not null,
  seq integer not null,
  received_at integer not null,
  -- sequence, attribute, data, time, too_long, not_an_object
  why text not null,
  -- the document, cut to 8 KiB
  body text not null,
  primary key (gateway, stream, seq)
) without rowid;

-- What the board shows of each camera: folded from its events.
create table camera (
  gateway text not null references gateway (id),
  -- public id at its box
  camera text not null check (length(camera) = 16),
  -- 1, 2, 3 … in the order of adoption: its name on the board, because names stay in the school
  number integer not null check (number > 0),
  -- up, down, login_refused, silent, connecting
  state text not null check (state in ('up', 'down', 'login_refused', 'silent', 'connecting')),
  -- error code of the state, or gap cause while it is up and not recorded; empty when well
  why text not null default '',
  -- since when it is well, or since when it is not
  since_at integer not null,
  recording integer not null default 0 check (recording in (0, 1)),
  -- 1 once the school removed it: a straggling event must not bring it back
  removed integer not null default 0 check (removed in (0, 1)),
  primary key (gateway, camera)
) without rowid;

-- Conditions that boxes say are so now: raised and cleared by their events.
create table condition (
  gateway text not null references gateway (id),
  -- registered code, e.g. volume.missing
  code text not null,
  -- public id of a camera, or `box`
  about text not null,
  since_at integer not null,
  primary key (gateway, code, about)
) without rowid;

-- One-use sign-in codes of the authority's staff, and their sessions; only hashes are stored.
create table code (
  code_hash blob primary key check (length(code_hash) = 32),
  expires_at integer not null
) without rowid;

create table session (
  token_hash blob primary key check (length(token_hash) = 32),
  started_at integer not null,
  seen_at integer not null
) without rowid;
