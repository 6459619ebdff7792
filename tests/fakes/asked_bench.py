"""A simulated camera's services without sockets, asked as the ONVIF client asks: by the service's WSDL."""

from __future__ import annotations

from lxml import etree

from drivers.onvif.documents import MEDIA2_WSDL, SHARED
from drivers.onvif.written import Ask, written
from drivers.simulated.markup import Xml, local, parse
from drivers.simulated.soap import SERVICE_PATHS, read_request, reply
from tests.fakes.simulated_bench import Bench

WSDL = {"trt": "media.wsdl", "tr2": MEDIA2_WSDL}


def asking(bench: Bench, prefix: str) -> Ask:
    """Return the `Ask` of one service; what zeep writes is read by the camera as from the wire."""

    def ask(operation: str, **parameters: object) -> etree._Element:
        message = etree.tostring(written(SHARED.get(WSDL[prefix]), operation, parameters))
        request = read_request(parse(message), SERVICE_PATHS[prefix])
        assert request.prefix == prefix
        made = bench.tables[prefix][operation](request)
        assert isinstance(made, Xml)
        return next(item for item in parse(reply(request, made)).iter() if local(item) == f"{operation}Response")

    return ask
