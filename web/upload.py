"""One file of a form, taken out of the request in memory.

Owns the reading of `multipart/form-data` (RFC 7578) with one file. Invariant: nothing of the file touches a disk: the
framework's own reader puts what is over a megabyte into a temporary file, and these files hold children's names.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from starlette.requests import Request

from gateway.core.errors import BadInput
from web.bodies import Body

_BOUNDARY = re.compile(r'boundary="?([0-9A-Za-z\'()+_,./:=? -]{1,70}?)"?(?:;|$)')
_NAME = re.compile(r'\bname="([^"]{1,40})"')
_FILE = re.compile(r'\bfilename="([^"]{0,200})"')


class Upload(NamedTuple):
    """What a person chose."""

    name: str
    data: bytes


class FileBody(Body):
    """A form with one file in it: the instance is a route's FastAPI dependency, named after its guard."""

    media = "multipart/form-data"

    def __init__(self, field: str) -> None:
        self.field = field

    async def __call__(self, request: Request) -> Upload | BadInput:
        """Return the file, or what is wrong: the page that the form is on says it."""
        try:
            return await file_of(request, self.field)
        except BadInput as error:
            return error

    def schema(self) -> dict[str, Any]:
        """Return an object with that file."""
        file = {"type": "string", "format": "binary"}
        return {"type": "object", "required": [self.field], "properties": {self.field: file}}


async def file_of(request: Request, field: str) -> Upload:
    """Return the file of a field; BadInput if there is none."""
    boundary = _BOUNDARY.search(request.headers.get("content-type", ""))
    if boundary is None:
        raise BadInput("no form with a file", case="import_no_file", key=field)
    for part in (b"\r\n" + await request.body()).split(b"\r\n--" + boundary[1].encode())[1:-1]:
        head, blank, data = part.removeprefix(b"\r\n").partition(b"\r\n\r\n")
        said = head.decode("utf-8", "replace")
        name, file = _NAME.search(said), _FILE.search(said)
        if blank and name is not None and name[1] == field and file is not None and data:
            return Upload(file[1], data)
    raise BadInput("no file was chosen", case="import_no_file", key=field)
