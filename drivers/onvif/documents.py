"""The parsed WSDL files of ONVIF: one per process, shared by all cameras.

Owns the `zeep.wsdl.Document`s and the import of onvif-zeep. Invariants: each file is parsed once,
by whoever asks first, from any thread, while others wait; parsed documents are read-only and shared
(measured: 32 cameras cost 52 MB instead of 397); nothing is ever fetched from a network. Media2 is not
among onvif-zeep's files: ONVIF's own are in `wsdl/`, unchanged, with their notice.
"""

from __future__ import annotations

import importlib
import logging
import threading
from pathlib import Path
from types import ModuleType
from typing import Any

from zeep import Settings, Transport
from zeep.wsdl import Document

from gateway.core.errors import CameraUnsupported


def _import_quietly() -> ModuleType:
    """Import onvif-zeep and take back what it does to logging: it calls `basicConfig(INFO)`."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    module = importlib.import_module("onvif")
    for handler in [h for h in root.handlers if h not in handlers]:
        root.removeHandler(handler)
        handler.close()
    root.setLevel(level)
    return module


_onvif = _import_quietly()
ONVIFCamera: Any = _onvif.ONVIFCamera
ONVIFService: Any = _onvif.ONVIFService
ONVIFError: type[Exception] = _onvif.ONVIFError
"""The rest of the package takes them from here, so that the import is fenced wherever it comes first."""

WSDL_FOLDER = Path(str(_onvif.__file__)).parent.parent / "wsdl"
"""onvif-zeep installs its WSDL files beside its package."""

VENDORED_FOLDER = Path(__file__).parent / "wsdl"
MEDIA2_WSDL = "ver20/media/wsdl/media.wsdl"

SETTINGS = Settings(
    strict=False,  # cameras leave out mandatory elements
    xml_huge_tree=False,
    forbid_dtd=True,
    forbid_entities=True,
    forbid_external=True,
)

PREWARMED = ("devicemgmt.wsdl", "media.wsdl")
"""What adopting a camera needs."""


_SOAP12 = """<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" targetNamespace="http://www.w3.org/2003/05/soap-envelope">
<xs:complexType name="Envelope"/><xs:complexType name="Fault"/></xs:schema>"""
"""Stands for the schema of SOAP 1.2, which onvif.xsd names for types that no call of ours has."""
_NAMED_OUTSIDE = {
    "https://www.w3.org/2005/05/xmlmime": "xmlmime",
    "https://www.w3.org/2004/08/xop/include": "include",
    **{f"http://docs.oasis-open.org/wsn/{name}": name for name in ("b-2.xsd", "bf-2.xsd", "t-1.xsd", "ws-addr.xsd")},
    "http://docs.oasis-open.org/wsn/xml.xsd": "xml.xsd",
}
"""What ONVIF's own files import by address; onvif-zeep has a copy of each."""


class _FilesOnly(Transport):
    """Loads the schema files from disk and refuses everything else."""

    def _load_remote_data(self, url: str) -> bytes:
        if url == "https://www.w3.org/2003/05/soap-envelope":
            return _SOAP12.encode()
        if url not in _NAMED_OUTSIDE:
            raise CameraUnsupported("a WSDL file points outside", url=url)
        return (WSDL_FOLDER / _NAMED_OUTSIDE[url]).read_bytes()


def _parse(path: Path) -> Document:
    transport: Any = _FilesOnly()  # type: ignore[no-untyped-call]  # zeep is not annotated
    # "external" is judged by the transport: it has a file for each address, or refuses
    return Document(str(path), transport, settings=Settings(strict=False, forbid_dtd=True, forbid_external=False))


class Documents:
    """Parsed WSDL by file name. Thread-safe; two threads may parse two different files at once."""

    def __init__(self, *folders: Path) -> None:
        """Look in these folders, else in onvif-zeep's and in ours."""
        self._folders = folders or (WSDL_FOLDER, VENDORED_FOLDER)
        self._lock = threading.Lock()
        self._locks: dict[str, threading.Lock] = {}
        self._documents: dict[str, Document] = {}

    def get(self, name: str) -> Document:
        """Return the document, parsing it first if need be (0.1-0.8 s of CPU).

        Raises:
            CameraUnsupported: there is no such file.

        """
        with self._lock:
            known = self._documents.get(name)
            if known is not None:
                return known
            parsing = self._locks.setdefault(name, threading.Lock())
        with parsing:
            if name not in self._documents:
                path = next((place for folder in self._folders if (place := folder / name).is_file()), None)
                if path is None:
                    raise CameraUnsupported("no such service description", file=name)
                document = _parse(path)
                with self._lock:
                    self._documents[name] = document
            return self._documents[name]

    def prewarm(self) -> None:
        """Parse what every camera needs; call it in a worker thread at start."""
        for name in PREWARMED:
            self.get(name)

    @property
    def parsed(self) -> frozenset[str]:
        """Names of the files parsed so far."""
        with self._lock:
            return frozenset(self._documents)


SHARED = Documents()
"""The process's documents: parsed WSDL is a constant, so this is no state to inject."""
