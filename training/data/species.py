"""The twelve species of the report's data: scientific names, EPPO codes, kinds.

A kind ends in the group, crop or weed. Names and codes as in the EPPO Global Database (https://gd.eppo.int).
"""

from models_store.manifest import Species

_TABLE = """
Black-grass               | Alopecurus myosuroides       | ALOMY | grass weed
Charlock                  | Sinapis arvensis             | SINAR | broadleaf weed
Cleavers                  | Galium aparine               | GALAP | broadleaf weed
Common Chickweed          | Stellaria media              | STEME | broadleaf weed
Common wheat              | Triticum aestivum            | TRZAX | grass crop
Fat Hen                   | Chenopodium album            | CHEAL | broadleaf weed
Loose Silky-bent          | Apera spica-venti            | APESV | grass weed
Maize                     | Zea mays                     | ZEAMX | grass crop
Scentless Mayweed         | Tripleurospermum inodorum    | MATIN | broadleaf weed
Shepherds Purse           | Capsella bursa-pastoris      | CAPBP | broadleaf weed
Small-flowered Cranesbill | Geranium pusillum            | GERPU | broadleaf weed
Sugar beet                | Beta vulgaris                | BEAVA | broadleaf crop
"""


def known() -> dict[str, Species]:
    """Name → species, for the twelve."""
    rows = [[cell.strip() for cell in line.split("|")] for line in _TABLE.strip().splitlines()]
    return {
        name: Species(name=name, scientific_name=latin, eppo_code=code, group=kind.split()[1], kind=kind)
        for name, latin, code, kind in rows
    }


def describe(names: list[str]) -> list[Species]:
    """The species of these names, in order; one that is not among the twelve has its name alone."""
    table = known()
    return [table.get(name, Species(name=name)) for name in names]
