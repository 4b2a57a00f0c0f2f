"""The JSON Schema of what leaves the house, from its models; docs/schema holds a copy that a test compares."""

from pydantic import JsonValue

from alerts.messages import AlertEvent


def webhook_schema() -> dict[str, JsonValue]:
    """JSON Schema (2020-12) of a webhook's body."""
    schema: dict[str, JsonValue] = AlertEvent.model_json_schema(mode="serialization")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
