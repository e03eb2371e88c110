"""The sample pipeline and its table, as installed or in a checkout."""

import csv
from pathlib import Path

import orchestrator
from orchestrator.errors import UsageError

_PIPELINE = "product-video.yaml"
_TABLE = "products.csv"


def sample_pipeline() -> Path:
    """The sample definition: inside the installed package, or in `pipelines/` beside a checkout's."""
    package = Path(orchestrator.__file__).parent
    for folder in (package / "samples", package.parent / "pipelines"):
        if (folder / _PIPELINE).is_file():
            return folder / _PIPELINE
    raise UsageError(
        "The sample pipeline is not installed.", hint="Install the package again, or work in a checkout."
    )


def write_table(to: Path, rows: int) -> None:
    """A table of `rows` products: the sample's, over and over, each with a sku and a title of its own."""
    with (sample_pipeline().parent / _TABLE).open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        products = list(reader)
        columns = list(reader.fieldnames or ())
    with to.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        for number in range(rows):
            product = dict(products[number % len(products)])
            if lap := number // len(products):
                product["sku"] = f"{product['sku']}-{lap + 1}"
                product["title"] = f"{product['title']} {lap + 1}"
            writer.writerow(product)
