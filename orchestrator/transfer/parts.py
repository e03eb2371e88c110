"""Which bytes of a file go into which part. Pure."""

from orchestrator.errors import RetryClass
from orchestrator.transfer.errors import TransferError

#: Most parts that one large file may have (reference 4.2.4, `file_multipart_count`).
MAX_PARTS = 100
#: Most bytes that one PUT may carry.
MAX_PUT_BYTES = 5 * 1024**3


def part_plan(size: int, part_bytes: int) -> list[tuple[int, int]]:
    """(offset, length) of each part of a file of `size` bytes, in order.

    As few parts of about `part_bytes` as hold it, at most 100 of at most 5 GiB: a file too large for 100 such parts gets
    larger ones. An empty file is one empty part. Raises `TransferError` above 500 GiB.
    """
    wanted = -(-size // max(1, min(part_bytes, MAX_PUT_BYTES)))
    return split(size, max(1, min(wanted, MAX_PARTS)))


def split(size: int, count: int) -> list[tuple[int, int]]:
    """(offset, length) of `count` parts of equal length (give or take a byte) that together are `size` bytes.

    Depends on nothing but its arguments, so that an upload taken up again cuts the file where the first try did.
    Raises `TransferError` when a part would exceed 5 GiB or there are more than 100.
    """
    base, longer = divmod(size, count)
    if count > MAX_PARTS or base + bool(longer) > MAX_PUT_BYTES:
        raise TransferError(
            f"A file of {size} bytes in {count} parts is too large.",
            hint="The limit is 100 parts of 5 GiB each.",
            retry=RetryClass.NEVER,
        )
    plan: list[tuple[int, int]] = []
    offset = 0
    for index in range(count):
        length = base + (index < longer)
        plan.append((offset, length))
        offset += length
    return plan
