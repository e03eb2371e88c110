"""Assets: what belongs to which asset type (reference chapter 4)."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Final

from orchestrator.metastudio.conditions.base import Unmet, holds_for

if TYPE_CHECKING:
    from orchestrator.metastudio.models.digital_asset import (
        CreateDigitalAssetRequestBody,
        SystemProperty,
        UpdateDigitalAssetRequestBody,
    )

#: The member of `asset_extra_meta` that an asset type takes (table 4-3); the reference names none for other types.
METADATA: Final[Mapping[str, str]] = {
    "HUMAN_MODEL": "human_model_meta",
    "HUMAN_MODEL_2D": "human_model_2d_meta",
    "SCENE": "scene_meta",
    "ANIMATION": "animation_meta",
    "MATERIAL": "material_meta",
    "VOICE_MODEL": "voice_model_meta",
    "VIDEO": "video_meta",
    "IMAGE": "image_meta",
    "PPT": "ppt_meta",
    "AUDIO": "audio_meta",
}

_COMMON: Final = frozenset({"MAIN", "COVER", "OTHER"})
#: The categories of files that an asset of a type takes (table 4-178, the wider one where its notes disagree); the
#: reference names none for other types.
FILE_CATEGORIES: Final[Mapping[str, frozenset[str]]] = {
    **dict.fromkeys(("SCENE", "ANIMATION", "VIDEO", "IMAGE", "MATERIAL"), _COMMON),
    "PPT": _COMMON | {"PAGE"},
    "HUMAN_MODEL": _COMMON | {"WHOLE_MODEL", "USER_MODIFIED_MODEL"},
    "VOICE_MODEL": frozenset({"MAIN", "SAMPLE", "OTHER"}),
    "HUMAN_MODEL_2D": _COMMON | {"SAMPLE"},
    "BUSINESS_CARD_TEMPLET": frozenset({"MAIN", "COVER"}),
}

_FLAGS: Final = frozenset({"BACKGROUND_IMG", "MATERIAL_IMG", "MATERIAL_VIDEO"})


@holds_for("CreateDigitalAssetRequestBody", "UpdateDigitalAssetRequestBody")
def metadata_matches_type(
    asset: "CreateDigitalAssetRequestBody | UpdateDigitalAssetRequestBody",
) -> Iterator[Unmet]:
    """The metadata is that of the asset type; the service would drop any other silently. Tables 4-3, 4-61."""
    wanted = METADATA.get(asset.asset_type or "")
    if wanted is None or asset.asset_extra_meta is None:
        return
    for name, value in asset.asset_extra_meta:
        if value is not None and name != wanted:
            yield Unmet(
                ("asset_extra_meta", name),
                f"{name} doesn't belong to asset_type {asset.asset_type}, which takes {wanted}",
            )


@holds_for("CreateDigitalAssetRequestBody")
def cover_is_of_a_video(asset: "CreateDigitalAssetRequestBody") -> Iterator[Unmet]:
    """Covers are generated for video assets only. Table 4-3."""
    if asset.is_need_generate_cover and asset.asset_type != "VIDEO":
        yield Unmet(
            ("is_need_generate_cover",),
            f"is_need_generate_cover is for asset_type VIDEO only, not for {asset.asset_type}",
        )


@holds_for("SystemProperty")
def flag_is_yes(of: "SystemProperty") -> Iterator[Unmet]:
    """The properties that mark an image or a video as usable have the value Yes. Tables 4-24, 4-82."""
    if of.key in _FLAGS and of.action != "DELETE" and of.value not in {None, "Yes"}:
        yield Unmet(("value",), f"value has to be Yes when key is {of.key}")
