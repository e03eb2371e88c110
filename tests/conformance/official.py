"""The official Python SDK as the judge: it signs and sends, and its models have to read the whole answer."""

import json
import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from huaweicloudsdkcore.auth.credentials import BasicCredentials  # type: ignore[import-untyped] # ships no types
from huaweicloudsdkcore.exceptions.exceptions import (  # type: ignore[import-untyped] # ships no types
    ServiceResponseException,
)
from huaweicloudsdkmetastudio import v1  # type: ignore[import-untyped] # ships no types

from tests.conformance.document import complaints

#: Fields that the document has and SDK 3.1.219 has not, by SDK model (spec/CROSSCHECK.md, fields that differ).
DOCUMENT_ONLY: Mapping[str, frozenset[str]] = {
    "AssetExtraMeta": frozenset({"human_model_meta", "animation_meta", "scene_meta"}),
    "ShowVideoScriptResponse": frozenset({"scene_asset_id"}),
    "VideoConfig": frozenset({"disable_system_watermark"}),
    "BackgroundConfigInfo": frozenset(
        {"background_title", "human_position_2d", "human_size_2d", "background_cover_url"}
    ),
    "ShootScript": frozenset({"animation_config", "emotion_config"}),
    "ShootScriptItem": frozenset({"start_time", "end_time"}),
}
_PLAIN = frozenset({"str", "int", "float", "bool", "object", "bson"})


class Official:
    """Calls operations through the SDK: `sdk.show_asset(asset_id=...)`, with `body` as JSON.

    Each answer is checked against the document's schema, and read by the SDK's models without loss. `called` names the
    operations that were answered with a success.
    """

    def __init__(self, client: Any) -> None:
        """`client` is the SDK's own, of a tenant."""
        self.client = client
        self.called: set[str] = set()
        self.refused = Refused(self)

    def __getattr__(self, operation: str) -> Callable[..., Any]:
        def call(body: Any = None, **parameters: Any) -> Any:
            answer = self.send(operation, body, parameters)
            raw = answer.raw_content
            value = json.loads(raw) if raw else None
            wrong = complaints(operation, answer.status_code, value)
            wrong += lost(value, answer, "")
            assert wrong == [], f"{operation}: {wrong} in {value}"
            self.called.add(operation)
            return answer

        return call

    def send(self, operation: str, body: Any, parameters: Mapping[str, Any]) -> Any:
        """The SDK's answer, unchecked."""
        method = getattr(self.client, operation)
        name = "".join(part.capitalize() for part in operation.split("_")) + "Request"
        sent = dict(parameters)
        if body is not None:
            sent["body"] = built(getattr(v1, name).openapi_types["body"], body)
        with warnings.catch_warnings():
            # A value that its models cannot convert is only warned about.
            warnings.simplefilter("error")
            return method(getattr(v1, name)(**sent))


class Refused:
    """Calls that have to be refused: `sdk.refused.show_asset(asset_id="none")` is the status and the code."""

    def __init__(self, official: Official) -> None:
        """Calls as `official` does."""
        self._official = official

    def __getattr__(self, operation: str) -> Callable[..., tuple[int, str]]:
        def call(body: Any = None, **parameters: Any) -> tuple[int, str]:
            try:
                self._official.send(operation, body, parameters)
            except ServiceResponseException as caught:
                refusal = caught
            else:
                raise AssertionError(f"{operation} is not refused")
            assert refusal.request_id
            assert refusal.error_msg
            return refusal.status_code, refusal.error_code

        return call


def client_of(endpoint: str, credentials: BasicCredentials) -> Any:
    """The SDK's client."""
    return v1.MetaStudioClient.new_builder().with_credentials(credentials).with_endpoint(endpoint).build()


def built(kind: str, value: Any) -> Any:
    """`value` as the SDK's model `kind`, so that the SDK writes the request itself.

    Raises:
        AssertionError: the model lacks a field.
    """
    if kind.startswith("list["):
        return [built(kind[5:-1], one) for one in value]
    if kind in _PLAIN or not (types := getattr(v1, kind).openapi_types):
        return value
    names = {key: name for name, key in getattr(v1, kind).attribute_map.items()}
    unknown = set(value) - set(names)
    assert not unknown, f"{kind} of the SDK has no {', '.join(sorted(unknown))}"
    return getattr(v1, kind)(**{names[key]: built(types[names[key]], one) for key, one in value.items()})


def lost(value: Any, read: Any, where: str) -> Iterator[str]:
    """Where the SDK's `read` does not hold what `value`, the JSON that it was read from, holds."""
    if isinstance(value, list):
        if not isinstance(read, list) or len(read) != len(value):
            yield f"{where}: not read as a list"
            return
        for number, one in enumerate(value):
            yield from lost(one, read[number], f"{where}/{number}")
    elif isinstance(value, dict) and hasattr(read, "attribute_map"):
        names = {key: name for name, key in read.attribute_map.items()}
        for key, one in value.items():
            if key in names:
                held = getattr(read, names[key])
                yield from lost(one, held, f"{where}/{key}")
                yield from _out_of_range(read, names[key], one, f"{where}/{key}")
            elif key not in DOCUMENT_ONLY.get(type(read).__name__, ()):
                yield f"{where}/{key}: unknown to {type(read).__name__}"
    elif value is not None and (value != read or isinstance(value, bool) != isinstance(read, bool)):
        yield f"{where}: {value!r} is read as {read!r}"


def _out_of_range(model: Any, name: str, value: Any, where: str) -> Iterator[str]:
    """A value that is none of those that the SDK lists for the field."""
    prefix = f"{name.upper()}_"
    listed = {
        one for key, one in vars(type(model)).items() if key.startswith(prefix) and isinstance(one, str)
    }
    if listed and isinstance(value, str) and value not in listed:
        yield f"{where}: {value} is none of the SDK's {', '.join(sorted(listed))}"
