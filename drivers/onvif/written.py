"""Requests written by a service's own description, answers read by our tolerant parser.

Owns the path of everything that changes a camera: zeep builds the request from the WSDL, so that order,
names and types are those a strict camera expects; the answer is read raw, so that a camera that breaks
the same description is understood all the same. Blocking; for one thread at a time.
"""

from __future__ import annotations

from typing import Protocol

import zeep.exceptions
from lxml import etree
from zeep.wsdl import Document

from gateway.core.errors import BadInput


class Ask(Protocol):
    """Makes one call of a service: parameters in, the element of the answer out; raises `CameraError`."""

    def __call__(self, operation: str, **parameters: object) -> etree._Element:
        """Make the call, logging in if the camera asks for it."""


def written(document: Document, operation: str, parameters: dict[str, object]) -> etree._Element:
    """Return a new SOAP envelope for one operation of a service.

    Raises:
        BadInput: the description knows no such operation, or not with these parameters.

    """
    try:
        binding = next(iter(document.bindings.values()))
        envelope: etree._Element = binding.get(operation).create(**parameters).content  # type: ignore[no-untyped-call]  # zeep is not annotated
    except (zeep.exceptions.Error, LookupError, TypeError, ValueError) as error:
        raise BadInput("the request contradicts the service's description", operation=operation) from error
    return envelope
