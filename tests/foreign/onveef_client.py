"""PyPI's onveef against a camera: HOST PORT USER on argv, the password in PASSWORD; prints JSON.

Its pull of messages fails inside its own HTTP client whatever the camera says (0.6.0), so that a
subscription is only made and ended.
"""

from __future__ import annotations

import json
import os
import sys

from onveef import OnvifClient

QUESTIONS = (
    "get_hostname", "get_network_interfaces", "get_users", "get_network_protocols", "get_network_default_gateway",
    "get_relay_outputs", "get_dns", "get_ntp", "get_scopes", "get_endpoint_reference", "get_video_sources",
    "get_video_encoder_configurations", "get_audio_encoder_configurations", "get_audio_sources",
    "events_get_event_properties", "get_certificates", "get_osds",
)  # fmt: skip
OF_THE_LENS = ("imaging_get_settings", "imaging_get_options_parsed", "imaging_get_status", "imaging_get_move_options")


def main(host: str, port: str, username: str) -> None:
    with OnvifClient(host, int(port), username, os.environ["PASSWORD"], verify_tls=False) as camera:
        about = camera.get_device_information()
        profiles = [str(profile["token"]) for profile in camera.get_profiles()]
        for question in QUESTIONS:
            getattr(camera, question)()
        lens = camera.get_video_sources()[0]["token"]
        for question in OF_THE_LENS:
            getattr(camera, question)(video_source_token=lens)
        picture, kind = camera.get_snapshot(profile_token=profiles[0])
        subscription = camera.events_create_pull_point()["subscription_url"]
        camera.events_unsubscribe(subscription_url=subscription)
        told = {
            "manufacturer": about["Manufacturer"],
            "serial": about["SerialNumber"],
            "profiles": profiles,
            "uris": [camera.get_stream_uri(profile_token=token) for token in profiles],
            "snapshot": camera.get_snapshot_uri(profile_token=profiles[0]),
            "jpeg": picture[:3] == b"\xff\xd8\xff" and kind == "image/jpeg",
            "asked": len(QUESTIONS) + len(OF_THE_LENS),
        }
    sys.stdout.write(json.dumps(told))


if __name__ == "__main__":
    main(*sys.argv[1:4])
