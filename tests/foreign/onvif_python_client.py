"""PyPI's onvif-python (its package is called `onvif`, as onvif-zeep's) against a camera.

HOST PORT USER on argv, the password in PASSWORD; prints JSON.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

from onvif import ONVIFClient

OF_THE_DEVICE = (
    "GetSystemDateAndTime", "GetHostname", "GetScopes", "GetUsers", "GetNetworkInterfaces", "GetNTP", "GetDNS",
    "GetNetworkDefaultGateway", "GetNetworkProtocols", "GetServiceCapabilities", "GetWsdlUrl", "GetRelayOutputs",
    "GetDiscoveryMode",
)  # fmt: skip
OF_THE_MEDIA = (
    "GetVideoSources", "GetVideoSourceConfigurations", "GetVideoEncoderConfigurations", "GetServiceCapabilities",
    "GetAudioSources", "GetOSDs",
)  # fmt: skip
OF_MEDIA2 = ("GetVideoEncoderConfigurations", "GetVideoEncoderConfigurationOptions", "GetMasks")
OF_THE_LENS = ("GetImagingSettings", "GetOptions", "GetMoveOptions", "GetStatus")


def events(client: Any) -> bool:
    """Subscribe, pull, renew and end it."""
    service = client.events()
    service.GetEventProperties()
    subscription = service.CreatePullPointSubscription()
    pulled = client.pullpoint(subscription).PullMessages(Timeout="PT1S", MessageLimit=5)
    manager = client.subscription(subscription)
    manager.Renew(TerminationTime="PT60S")
    manager.Unsubscribe()
    return pulled.CurrentTime is not None


def main(host: str, port: str, username: str) -> None:
    client = ONVIFClient(host, int(port), username, os.environ["PASSWORD"])
    device, media = client.devicemgmt(), client.media()
    about = device.GetDeviceInformation()
    for service, questions in ((device, OF_THE_DEVICE), (media, OF_THE_MEDIA), (client.media2(), OF_MEDIA2)):
        for question in questions:
            getattr(service, question)()
    device.GetCapabilities(Category="All")
    device.GetServices(IncludeCapability=True)
    lens, imaging = media.GetVideoSources()[0].token, client.imaging()
    for question in OF_THE_LENS:
        getattr(imaging, question)(VideoSourceToken=lens)
    profiles = [profile.token for profile in media.GetProfiles()]
    assert profiles == [profile.token for profile in client.media2().GetProfiles(Type=["All"])]
    setup = {"Stream": "RTP-Unicast", "Transport": {"Protocol": "RTSP"}}
    told = {
        "manufacturer": about.Manufacturer,
        "serial": about.SerialNumber,
        "profiles": profiles,
        "uris": [media.GetStreamUri(ProfileToken=token, StreamSetup=setup).Uri for token in profiles],
        "snapshot": media.GetSnapshotUri(ProfileToken=profiles[0]).Uri,
        "events": events(client),
        "asked": len(OF_THE_DEVICE + OF_THE_MEDIA + OF_MEDIA2 + OF_THE_LENS) + 2,
    }
    sys.stdout.write(json.dumps(told))


if __name__ == "__main__":
    main(*sys.argv[1:4])
