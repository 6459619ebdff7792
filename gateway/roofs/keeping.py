"""The configured keeping times in the recorder's words."""

from __future__ import annotations

from gateway.core.config_retention import Retention
from recorder.rules import Keep, NamedRule, RuleBook


def rule_book(keep: Retention) -> RuleBook:
    """Translate `[retention]` with its rules."""
    default = Keep(keep.days, keep.sub_days, keep.event_days, keep.max_bytes_per_stream)
    rules = [
        NamedRule(
            Keep(rule.days, rule.sub_days, rule.event_days, rule.max_bytes_per_stream), rule.cameras, rule.classes
        )
        for rule in keep.rules
    ]
    return RuleBook(default, tuple(rules))
