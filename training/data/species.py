"""The twelve species of the report's data: scientific names, EPPO codes, crop or weed.

Names and codes as in the EPPO Global Database (https://gd.eppo.int).
"""

from models_store.manifest import Species

_TABLE = """
Black-grass               | Alopecurus myosuroides       | ALOMY | weed
Charlock                  | Sinapis arvensis             | SINAR | weed
Cleavers                  | Galium aparine               | GALAP | weed
Common Chickweed          | Stellaria media              | STEME | weed
Common wheat              | Triticum aestivum            | TRZAX | crop
Fat Hen                   | Chenopodium album            | CHEAL | weed
Loose Silky-bent          | Apera spica-venti            | APESV | weed
Maize                     | Zea mays                     | ZEAMX | crop
Scentless Mayweed         | Tripleurospermum inodorum    | MATIN | weed
Shepherds Purse           | Capsella bursa-pastoris      | CAPBP | weed
Small-flowered Cranesbill | Geranium pusillum            | GERPU | weed
Sugar beet                | Beta vulgaris                | BEAVA | crop
"""


def known() -> dict[str, Species]:
    """Name → species, for the twelve."""
    rows = [[cell.strip() for cell in line.split("|")] for line in _TABLE.strip().splitlines()]
    return {name: Species(name=name, scientific_name=latin, eppo_code=code, group=group) for name, latin, code, group in rows}


def describe(names: list[str]) -> list[Species]:
    """The species of these names, in order; one that is not among the twelve has its name alone."""
    table = known()
    return [table.get(name, Species(name=name)) for name in names]
