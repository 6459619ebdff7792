"""The school's footage key over its life: made, unlocked, locked, handed over, replaced.

Owns `<state>/keys/footage.json` and what it means for the key in memory. Invariants: recording never waits for a
key: without a private half the box goes on writing to the public ones; each change is one replaced card, so a
cut at any instant leaves the old state or the new; after a hand-over or rotation the former key still opens former
footage and nothing that is written from then on; whoever changes anything proves again that he may, by the
passphrase or by a recovery sheet. All methods block (argon2id, disk): worker threads, one at a time.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from gateway.core.clock import Clock
from gateway.core.errors import BadInput, KeyLocked, PassphraseRefused
from gateway.core.keysheet import RecoveryKey, decode_sheet
from gateway.core.model import Secret
from recorder.keycard import PLACES, Holder, KeptKey, KeyCard, keep, kept_context, read_card, write_card
from recorder.keyplace import BoxKeys, Place
from recorder.onedisk import shared
from recorder.passphrase import Kdf, TryGate, normalised, open_private, seal_private
from recorder.school import RandomBytes, SchoolKey, public_of, recipient_id, unwrap

CARD_NAME = "footage.json"
MAX_FORMER = 1_000
Unlock = Literal["box", "passphrase"]


@dataclass(frozen=True, slots=True)
class Proof:
    """What somebody brings: a passphrase, or the text of a recovery sheet."""

    passphrase: Secret | None = None
    sheet: Secret | None = None


class KeyStore:
    """Entered by `load`; `school` is what the disks wrap their keys to."""

    def __init__(
        self,
        folder: Path,
        unlock: Unlock,
        clock: Clock,
        *,
        credentials: Path | None = None,
        footage: Sequence[Path] = (),
        kdf: Kdf | None = None,
        random_bytes: RandomBytes = os.urandom,
    ) -> None:
        self.folder, self.mode, self._footage = folder, unlock, tuple(footage)
        self._clock, self._kdf, self._random_bytes = clock, kdf, random_bytes
        self._box = BoxKeys(folder, credentials)
        self._gate = TryGate(clock)
        self._lock = threading.Lock()
        self._card: KeyCard
        self.school: SchoolKey
        self.place = Place.NOWHERE
        self._sealed: dict[str, bytes] = {}
        """Public halves of the systemd credentials, which only root can take away."""

    def load(self) -> SchoolKey:
        """Read the card, or make the first key; take the private half if the box has it. OSError, ConfigError."""
        card = read_card(self.folder / CARD_NAME)
        if card is None:
            card = self._first()
        self._card = card
        self.school = SchoolKey(card.recipients)
        found = self._box.find(card.school)
        self._box.drop_prepared()
        self._sealed = self._box.sealed()
        if card.passphrase is not None:
            self.place = Place.PASSPHRASE
            self._box.clear()  # a cut may have left what the passphrase replaced
        elif found is not None:
            private, self.place = found
            self._open(card, private)
        return self.school

    def _first(self) -> KeyCard:
        private = self._box.first()
        if private is None:
            private = self._random_bytes(32)
            self._box.prepare(private)
            self._box.promote()
        card = KeyCard(public_of(private), self._clock.now_ms())
        write_card(self.folder / CARD_NAME, card)
        return card

    def status(self) -> dict[str, Any]:
        """Say how things are, without any secret."""
        card = self._card
        return {
            "mode": self.mode,
            "unlocked": self.school.unlocked,
            "place": self.place.value,
            "disk": shared(self.folder, self._footage),
            "passphrase_set": card.passphrase is not None,
            "since_ms": card.since_ms,
            "former": len(card.former),
            "left_sealed": [
                name for name, public in self._sealed.items() if card.passphrase is not None or public != card.school
            ],
            "holders": [{"place": item.place, "since_ms": item.since_ms} for item in card.holders],
        }

    # --- opening and closing ---

    def unlock(self, proof: Proof) -> None:
        """Open the past; PassphraseRefused, BadInput for a mistyped sheet."""
        with self._lock:
            private = self._prove(proof)
            card = self._card
            if self.mode == "box" and self.place in {Place.PASSPHRASE, Place.NOWHERE}:
                # The configuration says that the box may read by itself: from now on it can.
                self._box.prepare(private)
                self._commit(replace(card, passphrase=None))
                self._box.promote()
                self.place = Place.FILE
            self._open(self._card, private)

    def lock(self) -> None:
        """Forget the private half; BadInput where it lies on the box, since that would be a pretence."""
        with self._lock:
            if self.place is not Place.PASSPHRASE:
                raise BadInput("the key lies on the box: there is nothing to lock", case="lock", key="unlock")
            self.school.lock()

    # --- changes ---

    def set_passphrase(self, proof: Proof | None, new: Secret) -> None:
        """Set another passphrase for the same key; the first one makes a new key, since the old lay on the box.

        `proof` is needed once there is a passphrase. BadInput in a box that is not to have one.
        """
        normalised(new)
        with self._lock:
            if self.mode != "passphrase":
                raise BadInput('unlock = "box": there is no passphrase', case="no_passphrase", key="unlock")
            if self._card.passphrase is None and self.school.unlocked:
                self._turn(self._private(), new)
                return
            private = self._prove(proof or Proof())
            sealed = seal_private(new, private, self._card.school, self._kdf, self._random_bytes)
            self._commit(replace(self._card, passphrase=sealed))
            self._settle(private)

    def turn(self, proof: Proof | None, new: Secret | None) -> None:
        """Begin a new school key (rotation; with `new` passphrase: hand-over). The old passphrase opens nothing new."""
        if new is not None:
            normalised(new)
        with self._lock:
            wanted = self.mode == "passphrase"
            if wanted and new is None:
                new = proof.passphrase if proof is not None else None
            if wanted is (new is None):
                raise BadInput("a new key needs a passphrase exactly where one is used", case="turn", key="passphrase")
            proven = self._card.passphrase is not None or not self.school.unlocked
            self._turn(self._prove(proof or Proof()) if proven else self._private(), new)

    def set_holder(self, proof: Proof | None, place: int, public: bytes) -> None:
        """Make somebody a recovery holder, or replace the one in this place; the key file of new hours names him.

        A former holder's sheet opens what was written while he was one, until that expires, and nothing later.
        """
        if place not in PLACES or len(public) != 32 or public in self._card.recipients:
            raise BadInput("a recovery holder has place 1 or 2 and a key of 32 bytes of his own", key="holder")
        with self._lock:
            proven = self._card.passphrase is not None or not self.school.unlocked
            private = self._prove(proof or Proof()) if proven else self._private()
            others = tuple(item for item in self._card.holders if item.place != place)
            added = Holder(place, public, self._clock.now_ms())
            holders = tuple(sorted((*others, added), key=lambda item: item.place))
            self._commit(self._kept_by(replace(self._card, holders=holders), private))
            self._open(self._card, private)

    def destroy(self) -> None:
        """Take every private key of the box away and begin with a new one: what was written before stays shut.

        The recovery holders go too. Part of erasing the whole box, after the key files on the disks. A systemd
        credential is root's to remove: `left_sealed` names it.
        """
        with self._lock:
            self.school.lock()
            private = self._random_bytes(32)
            self._box.prepare(private)
            self._commit(KeyCard(public_of(private), self._clock.now_ms()))
            self._box.promote()
            self.place = Place.FILE
            self._open(self._card, private)

    # --- inside ---

    def _prove(self, proof: Proof) -> bytes:
        """Return the school's private key for a passphrase or sheet; counts what is wrong."""
        sheet = decode_sheet(proof.sheet.reveal()) if proof.sheet is not None else None
        with self._gate.guess():
            if sheet is not None:
                return self._by_sheet(sheet)
            if proof.passphrase is None or self._card.passphrase is None:
                raise PassphraseRefused("no passphrase opens this key", reason="wrong", case="key_no_passphrase")
            return open_private(self._card.passphrase, proof.passphrase, self._card.school)

    def _by_sheet(self, sheet: RecoveryKey) -> bytes:
        card, mine = self._card, recipient_id(public_of(sheet.private))
        wrapped = card.current.wrapped if card.current is not None else ()
        item = next((item for item in wrapped if item.recipient == mine), None)
        if item is None:
            raise PassphraseRefused(
                "this sheet is not one of the school's holders", reason="wrong", case="key_wrong_sheet"
            )
        return unwrap(sheet.private, item, kept_context(card.school))

    def _private(self) -> bytes:
        """Return the private half that the box has; KeyLocked if it has none."""
        found = self._box.find(self._card.school)
        if found is None:
            raise KeyLocked("the school's key is not on the box", case="key_shut")
        return found[0]

    def _formers(self, card: KeyCard, private: bytes) -> list[tuple[bytes, bytes]]:
        """Return (public, private) of the earlier keys."""
        mine = recipient_id(card.school)
        found = []
        for kept in card.former:
            item = next((item for item in kept.wrapped if item.recipient == mine), None)
            if item is not None:
                found.append((kept.public, unwrap(private, item, kept.context)))
        return found

    def _open(self, card: KeyCard, private: bytes) -> None:
        self.school.change(card.recipients)
        self.school.unlock(private, tuple(former for _, former in self._formers(card, private)))

    def _kept_by(self, card: KeyCard, private: bytes) -> KeyCard:
        """Return a card whose kept keys are wrapped to its own recipients."""
        wrapped = self._wrap_to(card.recipients)
        holders = card.recipients[1:]
        current = self._wrap_to(holders)(card.school, private) if holders else None
        former = tuple(wrapped(public, key) for public, key in self._formers(self._card, private))
        return replace(card, current=current, former=former)

    def _wrap_to(self, recipients: tuple[bytes, ...]) -> Callable[[bytes, bytes], KeptKey]:
        return lambda public, private: keep(public, private, recipients, self._random_bytes)

    def _turn(self, old: bytes, new: Secret | None) -> None:
        before, private = self._card, self._random_bytes(32)
        if len(before.former) >= MAX_FORMER:
            raise BadInput("the key was changed too often", key="former", limit=MAX_FORMER)
        public = public_of(private)
        box = seal_private(new, private, public, self._kdf, self._random_bytes) if new is not None else None
        card = KeyCard(public, self._clock.now_ms(), box, before.holders)
        olds = [(before.school, old), *self._formers(before, old)]
        wrapped, holders = self._wrap_to(card.recipients), card.recipients[1:]
        current = self._wrap_to(holders)(public, private) if holders else None
        card = replace(card, current=current, former=tuple(wrapped(*item) for item in olds))
        if box is None:
            self._box.prepare(private)
        self._commit(card)
        self._settle(private)

    def _settle(self, private: bytes) -> None:
        """Bring the files of the box in line with the card just written, and open it."""
        if self._card.passphrase is not None:
            self.place = Place.PASSPHRASE
            self._box.clear()
        else:
            self._box.promote()
            self.place = Place.FILE
        self._open(self._card, private)

    def _commit(self, card: KeyCard) -> None:
        write_card(self.folder / CARD_NAME, card)
        self._card = card
        self.school.change(card.recipients)
