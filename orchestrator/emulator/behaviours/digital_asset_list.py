"""Digital assets: the list with its filters, and summaries (reference 4.1.2, 4.1.8)."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, get_args

from orchestrator.emulator.behaviours.base import Call, compact
from orchestrator.emulator.behaviours.digital_asset import asset_info, shown_url
from orchestrator.emulator.behaviours.digital_asset_processing import meta_of
from orchestrator.emulator.catalog import system_assets
from orchestrator.emulator.records import Asset, AssetState
from orchestrator.metastudio.models.digital_asset import (
    CreateDigitalAssetRequestBody,
    HumanModelAssetMeta,
    ListAssetSummarysReq,
    VoiceModelAssetMeta,
)

Test = Callable[[Asset], bool]

_STATES = tuple(state.value for state in AssetState)
_SERVICES = ("VIDEO_2D", "LIVE_2D", "CHAT_2D")
_SORT_KEYS = ("create_time", "update_time", "asset_order")
#: What a walking avatar is told by (table 4-34); its metadata has no member for that.
_WALKING = "WALKING"
_OWN_VOICES = "HUAWEI_METASTUDIO"


def list_assets(call: Call) -> dict[str, Any]:
    """Assets that fit every filter, a page of them."""
    tests = list(_tests(call))
    source = call.text("asset_source", ("SYSTEM", "CUSTOMIZATION", "ALL")) or "CUSTOMIZATION"
    key = call.text("sort_key", _SORT_KEYS) or "create_time"
    descending = call.text("sort_dir", ("asc", "desc")) == "desc"
    assets, window = call.world.assets, call.window()
    if source == "CUSTOMIZATION" and key == "create_time" and not tests:
        count = assets.placed
        page: Sequence[Asset] = assets.stretch(window.start, window.stop, newest_first=descending)
    else:
        rows = assets.selected(
            tuple(sorted(pair for pair in call.query if pair[0] not in {"limit", "offset"})),
            lambda: _sorted(_chosen(call, source, tests), key, descending=descending),
        )
        count, page = len(rows), rows[window]
    return {"count": count, "assets": [asset_info(call, asset) for asset in page]}


def list_asset_summary(call: Call) -> dict[str, Any]:
    """Short forms of the assets that are named; ids that nobody has are left out, as in the reference's example."""
    system = system_assets(call.config.region)
    named = dict.fromkeys(call.body_as(ListAssetSummarysReq).asset_ids)
    found = (call.world.assets.get(asset_id) or system.get(asset_id) for asset_id in named)
    alive = (asset for asset in found if asset is not None and asset.state is not AssetState.DELETED)
    return {"asset_list": [_summary(call, asset) for asset in alive]}


def _summary(call: Call, asset: Asset) -> dict[str, Any]:
    files = call.world.files_of(asset.id)
    urls = {file.category: url for file in files if (url := shown_url(call, asset, file)) is not None}
    # A picture is its own cover.
    cover = urls.get("COVER") or (urls.get("MAIN") if asset.type == "IMAGE" else None)
    return compact(
        {
            "asset_id": asset.id,
            "asset_name": asset.name,
            "asset_state": asset.state.value,
            "asset_type": asset.type,
            "cover_url": cover,
            "thumbnail_url": cover,
        }
    )


# -- what is looked at, and its order ----------------------------------------------------------------


def _chosen(call: Call, source: str, tests: Sequence[Test]) -> list[Asset]:
    return [asset for asset in _candidates(call, source) if all(test(asset) for test in tests)]


def _candidates(call: Call, source: str) -> Iterator[Asset]:
    """The assets that may fit, in the order of their making."""
    system, own = system_assets(call.config.region), call.world.assets
    ids = dict.fromkeys(call.items("asset_id"))
    if source in {"SYSTEM", "ALL"}:
        yield from system.values()
    if source == "SYSTEM":
        return
    if ids:
        yield from sorted(filter(None, map(own.get, ids)), key=_made)
    elif AssetState.DELETED in call.items("asset_state"):
        yield from sorted(own, key=_made)
    else:
        yield from own.stretch(0, own.placed)


def _made(asset: Asset) -> tuple[Any, int]:
    return asset.created_at, asset.serial


def _sorted(rows: list[Asset], key: str, *, descending: bool) -> Sequence[Asset]:
    if key == "asset_order":
        # Of the same number the newest goes first (table 4-3), whatever the direction.
        newest_first = sorted(rows, key=_made, reverse=True)
        return sorted(newest_first, key=lambda asset: asset.order or 0, reverse=descending)
    rows.sort(key=_made if key == "create_time" else lambda asset: asset.updated_at)
    return rows[::-1] if descending else rows


# -- filters -----------------------------------------------------------------------------------------


def _tests(call: Call) -> Iterator[Test]:
    """A test for each filter that the query has."""
    yield from _tests_of_all(call)
    yield from _tests_of_use(call)
    yield from _tests_of_text(call)
    yield from _tests_of_voices(call)
    yield from _tests_of_avatars(call)


def _tests_of_all(call: Call) -> Iterator[Test]:
    states = frozenset(call.items("asset_state", _STATES))
    # What is deleted for good is there for those who ask for it by name.
    if states:
        yield lambda asset: asset.state in states
    if ids := frozenset(call.items("asset_id")):
        yield lambda asset: asset.id in ids and (asset.state is not AssetState.DELETED or bool(states))
    if kinds := frozenset(call.items("asset_type", _types())):
        yield lambda asset: asset.type in kinds
    if (start := call.time("start_time")) is not None:
        yield lambda asset: asset.created_at >= start
    if (end := call.time("end_time")) is not None:
        yield lambda asset: asset.created_at <= end


def _tests_of_use(call: Call) -> Iterator[Test]:
    if properties := call.items("system_property"):
        yield lambda asset: all(_has_property(asset, pair) for pair in properties)
    if services := frozenset(call.items("supported_service", _SERVICES)):
        yield lambda asset: not services.isdisjoint(asset.services)
    if (engine := call.text("render_engine", ("UE", "MetaEngine"))) is not None:
        yield lambda asset: asset.properties.get("RENDER_ENGINE") == engine
    if (style := call.text("style_id", _literals(HumanModelAssetMeta, "style_id"))) is not None:
        yield lambda asset: style in {asset.properties.get("STYLE_ID"), meta_of(asset).get("style_id")}
    role = call.text("role", ("SHARER", "SHAREE"))
    if role is not None:
        # One tenant alone: nobody shares anything with it.
        yield lambda asset: role == "SHARER" and asset.shared is not None


def _tests_of_text(call: Call) -> Iterator[Test]:
    accurate = frozenset(call.items("accurate_query_field"))
    tags = call.items("tag")
    every = call.text("tag_combination_type", ("INTERSECTION", "UNION_SET")) == "INTERSECTION"
    name = call.text("name")
    if name is not None:
        exact_name = not accurate.isdisjoint({"name", "asset_name"})
        yield lambda asset: _matches(name, (asset.name,), exact=exact_name)
    if tags:
        exact, combine = not accurate.isdisjoint({"tag", "tags"}), all if every else any
        yield lambda asset: combine(_matches(tag, asset.tags, exact=exact) for tag in tags)


def _tests_of_voices(call: Call) -> Iterator[Test]:
    if sexes := frozenset(call.items("sex", _literals(VoiceModelAssetMeta, "sex"))):
        yield lambda asset: not sexes.isdisjoint(_sexes(asset))
    if languages := frozenset(call.items("language")):
        yield lambda asset: _is_voice(asset) and meta_of(asset).get("language", "UNKNOW") in languages
    if (realtime := call.flag("is_realtime_voice")) is not None:
        yield lambda asset: _is_voice(asset) and meta_of(asset).get("is_realtime_voice", True) is realtime
    if (provider := call.text("voice_provider")) is not None:
        yield lambda asset: _is_voice(asset) and _provider(asset) == provider


def _tests_of_avatars(call: Call) -> Iterator[Test]:
    for parameter, member in (
        ("action_editable", "is_action_editable"),
        ("is_with_action_library", "is_with_action_library"),
    ):
        if (wanted := call.flag(parameter)) is not None:
            yield _avatar_test(member, wanted)
    if (movable := call.flag("is_movable")) is not None:
        yield lambda asset: _is_avatar(asset) and (_WALKING in asset.tags) is movable
    if (version := call.text("human_model_2d_version")) is not None:
        # V3_2 of table 4-18 is V3.2 in chapter 8.
        wire = version.replace(".", "_")
        yield lambda asset: _is_avatar(asset) and meta_of(asset).get("model_version", "V2") == wire
    if (device := call.text("include_device_name")) is not None:
        yield lambda asset: device in (meta_of(asset).get("device_names") or ())
    if (other := call.text("exclude_device_name")) is not None:
        yield lambda asset: other not in (meta_of(asset).get("device_names") or ())


def _avatar_test(member: str, wanted: bool) -> Test:
    return lambda asset: _is_avatar(asset) and meta_of(asset).get(member, False) is wanted


def _is_voice(asset: Asset) -> bool:
    return asset.type == "VOICE_MODEL"


def _is_avatar(asset: Asset) -> bool:
    return asset.type in {"HUMAN_MODEL_2D", "HUMAN_MODEL"}


def _sexes(asset: Asset) -> Iterable[str]:
    """The sex of a voice; avatars have it among their tags (table 4-34)."""
    return (meta_of(asset).get("sex", "UNKNOW"),) if _is_voice(asset) else asset.tags


def _provider(asset: Asset) -> str:
    external = meta_of(asset).get("external_voice_meta") or {}
    return str(external.get("provider") or _OWN_VOICES)


def _has_property(asset: Asset, pair: str) -> bool:
    key, colon, value = pair.partition(":")
    return key in asset.properties and (not colon or asset.properties[key] == value)


def _matches(wanted: str, values: Iterable[str], *, exact: bool) -> bool:
    if exact:
        return wanted in values
    folded = wanted.casefold()
    return any(folded in value.casefold() for value in values)


def _types() -> tuple[str, ...]:
    return _literals(CreateDigitalAssetRequestBody, "asset_type")


def _literals(model: Any, field: str) -> tuple[str, ...]:
    """The values that the reference lists for a field."""
    annotation = model.model_fields[field].annotation
    found = get_args(annotation)
    nested = (value for part in found for value in get_args(part)) if type(None) in found else found
    return tuple(value for value in nested if isinstance(value, str))


BEHAVIOURS = (list_assets, list_asset_summary)
