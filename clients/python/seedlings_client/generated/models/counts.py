from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from attrs import define as _attrs_define
from attrs import field as _attrs_field

if TYPE_CHECKING:
    from ..models.counts_group import CountsGroup
    from ..models.counts_kind import CountsKind
    from ..models.counts_species import CountsSpecies


T = TypeVar("T", bound="Counts")


@_attrs_define
class Counts:
    """How many of `plants` there are, each counted once, by what can be relied upon of it.

    Attributes:
        species (CountsSpecies): species → plants of which it can be relied upon
        kind (CountsKind): kind → plants of which no more than it can be relied upon
        group (CountsGroup): crop or weed → plants of which no more than it can be relied upon
        unknown (int): plants of which nothing can be relied upon, and clumps
    """

    species: CountsSpecies
    kind: CountsKind
    group: CountsGroup
    unknown: int
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        species = self.species.to_dict()

        kind = self.kind.to_dict()

        group = self.group.to_dict()

        unknown = self.unknown

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "species": species,
                "kind": kind,
                "group": group,
                "unknown": unknown,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        from ..models.counts_group import CountsGroup  # noqa: PLC0415
        from ..models.counts_kind import CountsKind  # noqa: PLC0415
        from ..models.counts_species import CountsSpecies  # noqa: PLC0415

        d = dict(src_dict)
        species = CountsSpecies.from_dict(d.pop("species"))

        kind = CountsKind.from_dict(d.pop("kind"))

        group = CountsGroup.from_dict(d.pop("group"))

        unknown = d.pop("unknown")

        counts = cls(
            species=species,
            kind=kind,
            group=group,
            unknown=unknown,
        )

        counts.additional_properties = d
        return counts

    @property
    def additional_keys(self) -> list[str]:
        return list(self.additional_properties.keys())

    def __getitem__(self, key: str) -> Any:
        return self.additional_properties[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self.additional_properties[key] = value

    def __delitem__(self, key: str) -> None:
        del self.additional_properties[key]

    def __contains__(self, key: str) -> bool:
        return key in self.additional_properties
