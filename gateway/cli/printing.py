"""A page of ours as PDF, by a browser without a window.

Owns the one run of it. Invariants: the browser gets a folder and a profile of its own that are gone afterwards,
no name it can resolve, no argument from a page; it ends within `PRINT_S`; who has no browser is told so.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from gateway.core.errors import BadInput

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
PRINT_S = 120
OPTIONS = (
    "--headless",
    "--disable-gpu",
    "--disable-extensions",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--host-resolver-rules=MAP * ~NOTFOUND",
    "--no-pdf-header-footer",
)


def find_browser() -> str | None:
    """Return a browser that can print, None without one."""
    return next((path for name in BROWSERS if (path := shutil.which(name)) is not None), None)


def pdf_of(html: str, browser: str, *, timeout_s: float = PRINT_S) -> bytes:
    """Return a page as PDF; BadInput if the browser does not print it in time."""
    with tempfile.TemporaryDirectory(prefix="vuon-print-") as folder:
        page, out = Path(folder, "page.html"), Path(folder, "page.pdf")
        page.write_text(html, encoding="utf-8")
        arguments = [browser, *OPTIONS, f"--user-data-dir={folder}/profile", f"--print-to-pdf={out}", page.as_uri()]
        if os.geteuid() == 0:  # its own sandbox does not run as root; the page is ours and loads nothing
            arguments.insert(1, "--no-sandbox")
        env = {"PATH": os.environ.get("PATH", os.defpath), "HOME": folder, "LC_ALL": "C.UTF-8", "TZ": "UTC"}
        try:
            done = subprocess.run(arguments, capture_output=True, timeout=timeout_s, check=False, env=env, cwd=folder)
        except subprocess.TimeoutExpired as error:
            raise _not_printed(browser, f"{timeout_s:g} s") from error
        if done.returncode != 0 or not out.exists():
            raise _not_printed(browser, str(done.returncode))
        return out.read_bytes()


def _not_printed(browser: str, why: str) -> BadInput:
    return BadInput(f"{browser} did not print: {why}", case="print", key="pdf", browser=browser, why=why)
