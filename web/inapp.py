"""Browsers inside other apps: who they are, by what they say of themselves.

Owns the list. Invariants: pure; an app that is not listed is caught by what its browser cannot do (the page looks for
that before it asks for anything); the list never decides who may see something, only which words a person is shown.
"""

from __future__ import annotations

import re

IN_APP: tuple[tuple[str, str], ...] = (
    (r"\bZalo\b|ZaloTheme|ZaloLanguage", "Zalo"),
    (r"MESSENGER|MessengerForiOS|MessengerLite|Orca-Android", "Messenger"),
    (r"Instagram", "Instagram"),
    (r"FBAN/|FBAV/|FB_IAB|FBIOS", "Facebook"),
    (r"musical_ly|BytedanceWebview|TikTok|trill_", "TikTok"),
    (r"\bViber\b", "Viber"),
    (r"\bLine/", "LINE"),
    (r"MicroMessenger", "WeChat"),
    (r"Snapchat", "Snapchat"),
    (r"Telegram-Android", "Telegram"),
)
"""Patterns and names, the first that fits; Messenger and Instagram also say that they are Facebook's."""
_ANDROID_VIEW = re.compile(r"Android.*; wv\)")
_IOS = re.compile(r"iPhone|iPad|iPod")


def in_app(agent: str) -> str | None:
    """Return the app whose inner browser this is ("" for one without a known name), None for a real browser."""
    for pattern, name in IN_APP:
        if re.search(pattern, agent):
            return name
    if _ANDROID_VIEW.search(agent):
        return ""
    if _IOS.search(agent) and "AppleWebKit" in agent and "Safari/" not in agent:
        return ""
    return None


def system_of(agent: str) -> str:
    """Return ios, android or other: which steps lead out of an app."""
    if _IOS.search(agent):
        return "ios"
    return "android" if "Android" in agent else "other"


def device_label(agent: str) -> str:
    """Return what a person recognises their device by: "Android · Chrome", "iPhone · Safari"; "" for an unknown one."""
    systems = (
        ("iPhone", "iPhone"),
        ("iPad", "iPad"),
        ("Android", "Android"),
        ("Windows", "Windows"),
        ("Mac OS X", "Mac"),
    )
    browsers = (
        ("coc_coc_browser", "Cốc Cốc"),
        ("SamsungBrowser", "Samsung Internet"),
        ("EdgA?/|Edg/|EdgiOS", "Edge"),
        ("OPR/|OPT/", "Opera"),
        ("FxiOS|Firefox", "Firefox"),
        ("CriOS|Chrome/", "Chrome"),
        ("Safari/", "Safari"),
    )
    system = next((name for mark, name in systems if mark in agent), "Linux" if "Linux" in agent else "")
    browser = next((name for mark, name in browsers if re.search(mark, agent)), "")
    return " · ".join(part for part in (system, browser) if part)
