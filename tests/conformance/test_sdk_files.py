"""Files and object storage through the official SDK (reference 4.2)."""

from tests.conformance.flows import PIXEL, asset, file_body, got, md5_of, put, put_file, transferred
from tests.conformance.official import Official


def test_a_file_is_uploaded_confirmed_and_downloaded(sdk: Official) -> None:
    """The asset becomes usable, and its file is what was sent; ranges are served."""
    asset_id = asset(sdk)
    made = sdk.create_file(file_body(asset_id, PIXEL, "kettle.png"))
    put_file(made.upload_url, PIXEL)
    sdk.confirm_file_upload({"state": "CREATED"}, file_id=made.file_id)
    shown = sdk.show_asset(asset_id=asset_id)
    (file,) = shown.files
    assert (shown.asset_state, file.state, file.file_size) == ("ACTIVED", "CREATED", len(PIXEL))
    assert file.file_md5 == md5_of(PIXEL)
    assert got(file.download_url) == PIXEL
    status, part, headers = transferred("GET", file.download_url, headers={"Range": "bytes=1-3"})
    assert (status, part) == (206, PIXEL[1:4])
    assert headers["Content-Range"] == f"bytes 1-3/{len(PIXEL)}"


def test_what_was_not_uploaded_cannot_be_confirmed(sdk: Official) -> None:
    """Nor does storage take other bytes than the digest promised."""
    made = sdk.create_file(file_body(asset(sdk), PIXEL, "kettle.png"))
    assert sdk.refused.confirm_file_upload({"state": "CREATED"}, file_id=made.file_id)[0] == 400
    status, text, _ = transferred("PUT", made.upload_url, b"x" * len(PIXEL), {"Content-MD5": md5_of(PIXEL)})
    assert status == 400, text
    sdk.confirm_file_upload({"state": "CANCELLED"}, file_id=made.file_id)


def test_a_large_file_comes_in_parts(sdk: Official) -> None:
    """It is whole once all parts are there, in their order."""
    asset_id = asset(sdk, asset_type="COMMON_FILE")
    parts = [b"a" * 1000, b"b" * 1000, b"c" * 10]
    made = sdk.create_large_file(
        {
            "asset_id": asset_id,
            "file_name": "big.bin",
            "file_type": "bin",
            "file_size": 2010,
            "asset_file_category": "MAIN",
            "file_multipart_count": 3,
        }
    )
    assert len(made.upload_urls) == 3
    for url, part in zip(reversed(made.upload_urls), reversed(parts), strict=True):
        put(url, part)
    sdk.confirm_file_upload({"state": "CREATED"}, file_id=made.file_id)
    (file,) = sdk.show_asset(asset_id=asset_id).files
    assert got(file.download_url) == b"".join(parts)


def test_a_file_is_deleted(sdk: Official) -> None:
    """It can't be used afterwards."""
    asset_id = asset(sdk)
    made = sdk.create_file(file_body(asset_id, PIXEL, "cover.png", "COVER"))
    put_file(made.upload_url, PIXEL)
    sdk.confirm_file_upload({"state": "CREATED"}, file_id=made.file_id)
    sdk.delete_file(file_id=made.file_id)
    assert [file for file in sdk.show_asset(asset_id=asset_id).files or () if file.state == "CREATED"] == []
    assert sdk.refused.delete_file(file_id="none")[0] == 404
