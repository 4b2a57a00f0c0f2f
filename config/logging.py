"""Logs: one line per event on standard error, for a person or as JSON. Passwords inside URLs are blotted out."""

import logging
import re
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any, Final, Literal, TextIO

import structlog

# The password in scheme://user:password@host; it may itself contain all but the characters that would end it.
_PASSWORD: Final = re.compile(r"(?P<before>[a-z][a-z0-9+.-]*://[^\s:/@]*:)[^\s/]*(?=@)", re.IGNORECASE)
_LIBPQ_PASSWORD: Final = re.compile(r"\bpassword=('(?:[^'\\]|\\.)*'|\S+)", re.IGNORECASE)
_WEBHOOK_SECRET: Final = re.compile(r"\bwhsec_[A-Za-z0-9+/=]+")


def redacted(text: str) -> str:
    """The text without the passwords of URLs and connection strings and without webhook secrets."""
    text = _PASSWORD.sub(r"\g<before>***", text)
    text = _LIBPQ_PASSWORD.sub("password=***", text)
    return _WEBHOOK_SECRET.sub("whsec_***", text)


def _redact(value: Any) -> Any:
    if isinstance(value, str):
        return redacted(value)
    if isinstance(value, Mapping):
        return {key: _redact(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_redact(item) for item in value]
    if isinstance(value, BaseException):
        return redacted(f"{type(value).__name__}: {value}")
    return value


def _redact_event(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    return {key: _redact(value) for key, value in event.items()}


def configure(
    *,
    format_: Literal["console", "json"] = "console",
    level: Literal["debug", "info", "warning", "error"] = "info",
    role: str | None = None,
    stream: TextIO | None = None,
) -> None:
    """Sets up structlog, and the standard library's logging beneath it, for this process.

    Args:
        format_: lines for a person, or one JSON object a line.
        level: what is less than this is not written.
        role: stands in every line, where several roles write to one place.
        stream: where to; None takes standard error.
    """
    stream = stream or sys.stderr
    renderer: list[structlog.typing.Processor]
    if format_ == "json":
        renderer = [structlog.processors.format_exc_info, _redact_event, structlog.processors.JSONRenderer()]
    else:
        # Tracebacks are made text first, so that they are redacted as well.
        renderer = [
            structlog.processors.format_exc_info,
            _redact_event,
            structlog.dev.ConsoleRenderer(colors=stream.isatty()),
        ]
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    number = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=[*shared, *renderer],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.WriteLoggerFactory(stream),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.add_logger_name],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    # Libraries tell of every request they make at level info, addresses and all.
    root.setLevel(max(number, logging.WARNING))
    structlog.contextvars.clear_contextvars()
    if role is not None:
        structlog.contextvars.bind_contextvars(role=role)
