"""The footage key and cipher that this machine is to use: what the recorder gets from its roof.

Owns the choice of the cipher by the processor and where the key is looked for. Invariants: a box that cannot
say what its processor has uses AES, which every library has; the recorder never waits for a key.
"""

from __future__ import annotations

import os
from pathlib import Path

from gateway.core.clock import Clock
from gateway.core.config import Config
from gateway.core.secrets import SealKey, load_seal_key
from recorder.keyplace import credentials_folder
from recorder.keystore import KeyStore
from recorder.segment import ENC_AES256GCM, ENC_CHACHA20

CPUINFO = Path("/proc/cpuinfo")


def cipher_of(cpuinfo: str) -> int:
    """Return ChaCha20-Poly1305 for a processor that lists its features and no AES among them, else AES-256-GCM.

    With AES instructions AES is about twice as fast, without them ChaCha20 is four times (docs/design/keys.md).
    """
    lines = [line.partition(":") for line in cpuinfo.splitlines()]
    features = [rest.split() for name, _, rest in lines if name.strip() in {"flags", "Features"}]
    return ENC_CHACHA20 if features and not all("aes" in item for item in features) else ENC_AES256GCM


def cipher_here(path: Path = CPUINFO) -> int:
    """Return the cipher for this machine."""
    try:
        return cipher_of(path.read_text(encoding="ascii", errors="replace"))
    except OSError:
        return ENC_AES256GCM


def keys_of(config: Config, clock: Clock) -> tuple[SealKey, KeyStore | None]:
    """Return what seals the recorder's own columns, and the loaded key of the footage (None: it is not encrypted).

    OSError, ConfigError; blocks.
    """
    seal = load_seal_key(config.paths.keys / "recorder-seal.key")
    if not config.recording.encrypt:
        return seal, None
    keys = KeyStore(
        config.paths.keys,
        config.recording.unlock,
        clock,
        credentials=credentials_folder(os.environ),
        footage=[volume.path for volume in config.volumes],
    )
    keys.load()
    return seal, keys
