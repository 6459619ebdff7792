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
  acked integer not null check (acked >= 0),
  -- event id at `acked`, so that a box restored from an old image notices
  last_id text not null default '',
  primary key (gateway, stream)
) without rowid;

create table event (
  gateway text not null references gateway (id),
  stream text not null,
  seq integer not null check (seq > 0),
  id text not null,
  -- CloudEvents type, e.g. vn.vuon.camera.state.v1
  type text not null,
  subject text not null,
  -- the box's time, RFC 3339
  time text not null,
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
  state text not null,
  -- error code or gap cause of the state; empty when well
  why text not null default '',
  -- since when, the box's time in UTC ms
  since_at integer not null,
  recording integer not null default 0 check (recording in (0, 1)),
  primary key (gateway, camera)
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
