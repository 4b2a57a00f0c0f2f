"""What the roles measure, told from the code."""

import importlib
from datetime import UTC, datetime

from prometheus_client.metrics import MetricWrapperBase

from ingest.metrics import IngestMetrics

MODULES = (
    "rules.metrics",
    "alerts.metrics",
    "alerts.escalation.metrics",
    "alerts.replies.answering",
    "alerts.web.callbacks",
    "anju.proof.metrics",
    "anju.keeping.metrics",
)
SUFFIXES = {"counter": "_total", "gauge": "", "histogram": ""}


def measured() -> dict[str, tuple[str, ...]]:
    """Every metric of ours with its labels."""
    found: dict[str, tuple[str, ...]] = {}
    for module in MODULES:
        for metric in vars(importlib.import_module(module)).values():
            if isinstance(metric, MetricWrapperBase):
                (family,) = metric.describe()
                found[family.name + SUFFIXES[family.type]] = tuple(metric._labelnames)
    for family in IngestMetrics(lambda: datetime.now(UTC)).collect():
        found[family.name + SUFFIXES[family.type]] = tuple(vars(family)["_labelnames"])
    return found
