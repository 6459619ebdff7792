"""onvif-zeep's camera, made cheap and safe.

Owns `SharedCamera`: onvif-zeep's table of services over our documents, our transport and our login.
Invariants: constructing one sends nothing and subscribes to nothing (the original connects and opens
a pull-point); it calls only addresses given to `use`, and the
transport refuses any other host.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from threading import RLock
from typing import Any

from zeep import Client

from drivers.onvif.documents import SETTINGS, WSDL_FOLDER, Documents, ONVIFCamera, ONVIFError, ONVIFService
from drivers.onvif.session import UsernameToken
from drivers.onvif.transport import CameraTransport
from gateway.core.errors import CameraUnsupported


class SharedCamera(ONVIFCamera):  # type: ignore[misc]  # onvif-zeep has no annotations
    """One camera's services by name ("devicemgmt", "media", ...); for one thread at a time."""

    def __init__(self, transport: CameraTransport, token: UsernameToken, documents: Documents, device_url: str) -> None:
        # Not the base's __init__: it connects, subscribes, and removes http_proxy from our environment.
        self.host, self.port = transport.host, transport.port
        self.user = self.passwd = None
        self.wsdl_dir = str(WSDL_FOLDER)
        self.transport = transport
        self.services: dict[str, ONVIFService] = {}
        self.services_lock = RLock()
        self.xaddrs: dict[str, str] = {}
        self._token, self._documents, self._device_url = token, documents, device_url

    def use(self, xaddrs: Mapping[str, str]) -> None:
        """Take the camera's own list of services (namespace -> URL, at the camera we reached)."""
        self.xaddrs = dict(xaddrs)
        self.services.clear()

    def get_definition(self, name: str, portType: str | None = None) -> tuple[str, str, str]:  # noqa: N803 - the base's
        """Return URL, WSDL path and binding of a service; the device service is where we found it."""
        url, wsdl, binding = super().get_definition(name, portType)
        return (self._device_url if name == "devicemgmt" else url), wsdl, binding

    def create_onvif_service(self, name: str, from_template: bool = True, portType: str | None = None) -> ONVIFService:  # noqa: ARG002, N803 - the base's signature
        """Return the service over the shared document."""
        url, wsdl, binding = self.get_definition(name.lower(), portType)
        document = self._documents.get(Path(wsdl).name)
        client = Client(document, wsse=self._token, transport=self.transport, settings=SETTINGS)  # type: ignore[no-untyped-call]  # zeep is not annotated
        service = ONVIFService(url, None, None, wsdl, zeep_client=client, binding_name=binding)
        with self.services_lock:
            self.services[name] = service
        return service

    def operation(self, service: str, operation: str) -> Any:
        """Return zeep's callable for one operation.

        It is called directly: onvif-zeep's wrapper hides the error and, after a TypeError in the
        reply, sends the request (and the login) a second time.

        Raises:
            CameraUnsupported: the camera has no such service, or the service no such operation.

        """
        try:
            known = self.services.get(service) or self.create_onvif_service(service)
            return known.ws_client[operation]
        except (ONVIFError, AttributeError) as error:
            raise CameraUnsupported("the camera has no such service", service=service) from error
