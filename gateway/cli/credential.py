"""The box's footage key as a systemd credential: sealed to the TPM where there is one.

Owns the two runs of systemd-creds(1) and the order around them. Invariants: absolute path, argument list, the key on
standard input and never in an argument; the sealed credential is read back before the plain file is overwritten and
removed; only systemd's unit of the recorder is given a sealed key, so nothing is sealed for a recorder that was started
otherwise; where the tool is missing or fails, the key stays where it was and that is said.
"""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Literal

from gateway.core.errors import BadInput
from gateway.core.secrets import read_private
from recorder.keyplace import shred

SYSTEMD_CREDS = Path("/usr/bin/systemd-creds")
CREDSTORE = Path("/etc/credstore.encrypted")
UNIT = "vuon-recorder.service"
RUN_S = 60
Sealed = Literal["tpm", "host"]


def check_unit(pid: int, proc: Path = Path("/proc")) -> None:
    """Raise BadInput unless the recorder with this pid is systemd's unit: nobody else is given the sealed key."""
    try:
        groups = (proc / str(pid) / "cgroup").read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        groups = ""
    if not any(UNIT in line.split("/") for line in groups.splitlines()):
        raise BadInput("the recorder does not run as systemd's unit", case="seal_unit", key="pid", pid=pid)


def seal_credential(key_file: Path, tool: Path, store: Path = CREDSTORE) -> Sealed:
    """Move a key file into systemd's credential store and return by what it is sealed; BadInput with the reason."""
    if not tool.exists():
        raise BadInput(f"{tool} is missing", case="no_credentials", path=str(tool))
    if not key_file.exists():
        raise BadInput(f"{key_file} is not there", case="no_key_file", path=str(key_file))
    private = read_private(key_file)
    kind: Sealed = "tpm" if _run(tool, ["has-tpm2", "--quiet"]).returncode == 0 else "host"
    name = f"vuon-footage-{kind}.key"
    with_key = "host+tpm2" if kind == "tpm" else "host"
    store.mkdir(mode=0o700, parents=True, exist_ok=True)
    target = store / name
    fresh = store / f"{name}.new"
    fresh.unlink(missing_ok=True)
    _checked(_run(tool, ["encrypt", f"--with-key={with_key}", f"--name={name}", "-", str(fresh)], private))
    opened = _checked(_run(tool, ["decrypt", f"--name={name}", str(fresh), "-"]))
    if opened != private:
        fresh.unlink()
        raise BadInput("what was sealed does not open", case="credential", why="decrypt")
    fresh.replace(target)
    shred(key_file)
    return kind


def _run(tool: Path, arguments: list[str], data: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    command = [str(tool), *arguments]
    try:
        return subprocess.run(command, input=data, capture_output=True, timeout=RUN_S, check=False, env={"LC_ALL": "C"})
    except subprocess.TimeoutExpired as error:
        raise BadInput("systemd-creds does not answer", case="credential", why=f"{RUN_S} s") from error


def _checked(done: subprocess.CompletedProcess[bytes]) -> bytes:
    if done.returncode != 0:
        lines = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise BadInput("systemd-creds failed", case="credential", why=lines[-1] if lines else str(done.returncode))
    return done.stdout
