"""What becomes of an uploaded file by itself: review, slides made into pages, transcoding (tables 4-11, 4-34, 4-56)."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from orchestrator.emulator.behaviours.base import Moment
from orchestrator.emulator.faults import PARSING, REVIEW
from orchestrator.emulator.records import Asset, AssetState, File, FileState, Making
from orchestrator.emulator.refusals import error_facts
from orchestrator.emulator.tables import Kind
from orchestrator.metastudio.conditions.asset import METADATA

#: Members of the metadata that only the service fills in.
SERVICE_MADE = frozenset({"ppt_analysis_status", "video_transcoding_status", "error_info"})

_AUTOMATIC, _MANUAL, _FROZEN = "AUTOMATIC_REVIEW_REJECT", "MANUAL_REVIEW_REJECT", "BLOCK"
_PICTURE_REJECTED, _FILE_REJECTED, _BAD_FORMAT = "MSS.10001019", "MSS.20010114", "MSS.10001034"
#: Seconds in the queue, and at work for a slide and for a video.
_QUEUE_S, _PAGE_S, _TRANSCODE_S = 0.5, 0.2, 1.0
#: So many slides at most are made into pages (table 4-11).
_MAX_PAGES = 50
#: States of the two kinds of conversion: waiting, at work, done.
_PARSING_STATES = ("WAITING", "CONVERTING", "SUCCEEDED")
_TRANSCODING_STATES = ("WAITING", "TRANSCODING", "SUCCEEDED")
_WITH_ERROR = frozenset({"PPT", "IMAGE", "VIDEO", "AUDIO"})
_CODECS = {
    "IMAGE": ("codec", {"png": "png", "jpg": "jpeg", "jpeg": "jpeg", "gif": "gif", "bmp": "bmp"}),
    "AUDIO": ("audio_codec", {"mp3": "mp3", "aac": "aac", "flac": "flac"}),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    """A file under review, by the file's id."""

    id: str
    ends_at: datetime
    rejected: bool = False
    #: Why: a code of the table of error codes, or `MANUAL_REVIEW_REJECT`, or `BLOCK` for a frozen asset.
    verdict: str | None = None
    #: The automatic review leaves it to people, who never come to it.
    stuck: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversion:
    """A main file being made into pages, or transcoded, by the file's id."""

    id: str
    asset_id: str
    starts_at: datetime
    ends_at: datetime
    at_work: bool = False
    fails: bool = False
    code: str | None = None
    stuck: bool = False


# -- review ------------------------------------------------------------------------------------------


def hand_to_review(moment: Moment, file: File) -> None:
    """Lets an uploaded file wait for its review; without a delay it is over at once."""
    doom = moment.doom(REVIEW)
    review = Review(
        id=file.id,
        ends_at=moment.after(moment.config.review_s),
        rejected=doom is not None and not doom.stuck,
        verdict=doom.code if doom else None,
        stuck=doom is not None and doom.stuck,
    )
    moment.world.files.put(replace(file, state=FileState.UPLOADED, updated_at=moment.now))
    if review.ends_at <= moment.now:
        _end_review(moment, review)
    else:
        moment.world[REVIEWS].put(review)


def _end_review(moment: Moment, review: Review) -> None:
    moment.world[REVIEWS].drop(review.id)
    file = moment.world.files.get(review.id)
    if file is None or file.state is not FileState.UPLOADED:
        return
    if review.stuck:
        moment.world.files.put(replace(file, state=FileState.REVIEW, updated_at=moment.now))
    elif review.rejected:
        _reject(moment, file, review.verdict)
    else:
        _accept(moment, file)


def _accept(moment: Moment, file: File) -> None:
    file = moment.world.files.put(replace(file, state=FileState.CREATED, updated_at=moment.now))
    asset = moment.world.assets.get(file.asset_id)
    if file.category != "MAIN" or asset is None:
        return
    if standing(asset) is AssetState.CREATING:
        asset = put_into(asset, AssetState.ACTIVED)
    moment.world.assets.put(with_meta(replace(asset, updated_at=moment.now), _known_of(asset, file)))
    convert(moment, asset.id)


def _reject(moment: Moment, file: File, verdict: str | None) -> None:
    asset = moment.world.assets.get(file.asset_id)
    usual = _PICTURE_REJECTED if asset is not None and asset.type == "IMAGE" else _FILE_REJECTED
    error = _error(verdict if verdict in error_facts() else usual)
    reason = error["error_msg"]
    frozen = verdict == _FROZEN
    state = FileState.BLOCK if frozen else FileState.FAILED
    moment.world.files.put(replace(file, state=state, reason=reason, updated_at=moment.now))
    if file.category != "MAIN" or asset is None or standing(asset) is not AssetState.CREATING:
        return
    asset = put_into(asset, AssetState.BLOCK if frozen else AssetState.FAILED)
    fail_type = None if frozen else _MANUAL if verdict == _MANUAL else _AUTOMATIC
    asset = replace(asset, fail_type=fail_type, reason=reason, updated_at=moment.now)
    moment.world.assets.put(with_meta(asset, {"error_info": error} if asset.type in _WITH_ERROR else {}))


def _known_of(asset: Asset, file: File) -> dict[str, Any]:
    """What the service extracts from a main file and can be known without a look into it."""
    known: dict[str, Any] = {}
    if asset.type in _CODECS:
        name, codecs = _CODECS[asset.type]
        codec = codecs.get(file.type.lower())
        known = {} if codec is None else {name: codec}
    return {**known, "size": file.size} if asset.type == "IMAGE" else known


# -- conversion --------------------------------------------------------------------------------------


def convert(moment: Moment, asset_id: str) -> None:
    """Lets a video wait for its transcoding, slides for their parsing if that is wanted and hasn't been done."""
    asset, file = moment.world.assets.get(asset_id), moment.world.main_file(asset_id)
    if asset is None or file is None or asset.type not in {"PPT", "VIDEO"}:
        return
    meta = meta_of(asset)
    if asset.type == "PPT" and not (
        meta.get("auto_analysis") and meta.get("ppt_analysis_status") in {None, "INITIALIZE"}
    ):
        return
    doom = moment.doom(PARSING)
    work_s = _PAGE_S * _slides(file) if asset.type == "PPT" else _TRANSCODE_S
    conversion = Conversion(
        id=file.id,
        asset_id=asset.id,
        starts_at=moment.after(_QUEUE_S),
        ends_at=moment.after(_QUEUE_S + work_s),
        fails=doom is not None and not doom.stuck,
        code=doom.code if doom else None,
        stuck=doom is not None and doom.stuck,
    )
    moment.world[CONVERSIONS].put(conversion)
    _show_progress(moment, asset, file, 0)


def stop_conversion(moment: Moment, file: File) -> None:
    """Gives up what was under way for a file that is gone."""
    moment.world[REVIEWS].drop(file.id)
    moment.world[CONVERSIONS].drop(file.id)


def _conversion_due(conversion: Conversion) -> datetime | None:
    if not conversion.at_work:
        return conversion.starts_at
    return None if conversion.stuck else conversion.ends_at


def _go_on(moment: Moment, conversion: Conversion) -> None:
    world = moment.world
    asset, file = world.assets.get(conversion.asset_id), world.files.get(conversion.id)
    if asset is None or asset.state is AssetState.DELETED or file is None:
        world[CONVERSIONS].drop(conversion.id)
        return
    if not conversion.at_work:
        world[CONVERSIONS].put(replace(conversion, at_work=True))
        if asset.type == "PPT" and not (conversion.fails or conversion.stuck):
            _begin_pages(moment, asset, file)
        _show_progress(moment, asset, file, 1)
        return
    world[CONVERSIONS].drop(conversion.id)
    if conversion.fails:
        code = conversion.code if conversion.code in error_facts() else _BAD_FORMAT
        _show_progress(moment, asset, file, None, {"error_info": _error(code)})
    elif asset.type == "PPT":
        _show_progress(moment, asset, file, 2, _end_pages(moment, asset, file))
    else:
        _show_progress(moment, asset, file, 2)
        _make_cover(moment, asset)


def _show_progress(
    moment: Moment, asset: Asset, file: File, step: int | None, more: dict[str, Any] | None = None
) -> None:
    """Writes down how far a conversion is; None: it failed."""
    states = _PARSING_STATES if asset.type == "PPT" else _TRANSCODING_STATES
    state = "FAILED" if step is None else states[step]
    name = "ppt_analysis_status" if asset.type == "PPT" else "video_transcoding_status"
    changed = with_meta(asset, {name: state, **(more or {})})
    moment.world.assets.put(replace(changed, updated_at=moment.now))
    if asset.type == "VIDEO":
        moment.world.files.put(replace(file, transcoding=state))


def _begin_pages(moment: Moment, asset: Asset, file: File) -> None:
    count, words = _slides(file), _words(file)
    for number in range(1, min(count, _MAX_PAGES) + 1):
        title, text = words[number - 1] if words else ("", "")
        shown = {"title": title or asset.name, "text": f"{text}\n\n{number} / {count}".strip()}
        _add_made(moment, asset, "PAGE", f"page-{number}.png", shown)


def _end_pages(moment: Moment, asset: Asset, file: File) -> dict[str, Any]:
    """Publishes the pages; what the metadata says of them."""
    begun = (f for f in moment.world.files_of(asset.id) if f.category == "PAGE" and is_derived(f))
    pages = [moment.world.files.put(_published(page, moment.now)) for page in begun]
    numbered = [{"page_no": number, "file_id": page.id} for number, page in enumerate(_by_page(pages), 1)]
    return {"page_count": _slides(file), "pages": numbered}


def _by_page(pages: Iterable[File]) -> list[File]:
    return sorted(pages, key=lambda page: (len(page.name), page.name))


def _make_cover(moment: Moment, asset: Asset) -> None:
    present = any(file.category == "COVER" and file.state.live for file in moment.world.files_of(asset.id))
    if asset.wants_cover and not present:
        cover = _add_made(moment, asset, "COVER", "cover.jpg", {"title": asset.name})
        moment.world.files.put(_published(cover, moment.now))


def _add_made(moment: Moment, asset: Asset, category: str, name: str, params: dict[str, Any]) -> File:
    return moment.world.add_file(
        File(
            id=moment.world.new_id(),
            asset_id=asset.id,
            name=name,
            type=name.rpartition(".")[2],
            category=category,
            state=FileState.CREATING,
            created_at=moment.now,
            updated_at=moment.now,
            make=Making("page", params),
        )
    )


def _published(file: File, at: datetime) -> File:
    return replace(file, state=FileState.CREATED, updated_at=at)


def _words(file: File) -> tuple[tuple[str, str], ...]:
    """Title and text of each slide; empty for what is no presentation of today."""
    return (file.segments[0].slides or ()) if len(file.segments) == 1 else ()


def _slides(file: File) -> int:
    """How many slides a file has; of one that is no presentation of today some number, by its digest."""
    if words := _words(file):
        return len(words)
    digest = file.md5 or "".join(segment.md5_hex for segment in file.segments)
    return 1 + sum(digest.encode()) % 8


def is_derived(file: File) -> bool:
    """Whether the service made the file out of the main file."""
    return file.make is not None and file.make.what == "page"


# -- records -----------------------------------------------------------------------------------------


def standing(asset: Asset) -> AssetState:
    """The state of an asset, for one in the recycle bin the state that it would be restored to."""
    return asset.state if asset.state_before is None else asset.state_before


def put_into(asset: Asset, state: AssetState) -> Asset:
    """The asset in another state, which one in the recycle bin has once it is restored."""
    return replace(asset, state=state) if asset.state_before is None else replace(asset, state_before=state)


def meta_of(asset: Asset) -> dict[str, Any]:
    """The metadata of an asset's own type; empty for one without."""
    member = (asset.extra_meta or {}).get(METADATA.get(asset.type, ""))
    return member if isinstance(member, dict) else {}


def with_meta(asset: Asset, values: dict[str, Any]) -> Asset:
    """The asset with more in the metadata of its own type."""
    if not values or asset.type not in METADATA:
        return asset
    own = {METADATA[asset.type]: {**meta_of(asset), **values}}
    return replace(asset, extra_meta={**(asset.extra_meta or {}), **own})


def _error(code: str | None) -> dict[str, str]:
    facts = error_facts()[code or _FILE_REJECTED]
    return {"error_code": facts.code, "error_msg": facts.message}


REVIEWS = Kind("review", Review, due_at=lambda review: review.ends_at, on_due=_end_review)
CONVERSIONS = Kind("conversion", Conversion, due_at=_conversion_due, on_due=_go_on)
KINDS = (REVIEWS, CONVERSIONS)
