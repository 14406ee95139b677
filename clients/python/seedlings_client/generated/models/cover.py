from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from attrs import define as _attrs_define
from attrs import field as _attrs_field

T = TypeVar("T", bound="Cover")


@_attrs_define
class Cover:
    """How much of the photo is plant, as shares of its area.

    Attributes:
        all_ (float): of all plants, however small, also of those that are not listed
        crop (float): of listed plants that can be relied upon to be crops; there may be more where `truncated` is true
        weed (float): of listed plants that can be relied upon to be weeds; there may be more where `truncated` is true
        unknown (float): the rest of `all`: of other plants, of clumps, and of what is not listed, as it has no name
    """

    all_: float
    crop: float
    weed: float
    unknown: float
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        all_ = self.all_

        crop = self.crop

        weed = self.weed

        unknown = self.unknown

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "all": all_,
                "crop": crop,
                "weed": weed,
                "unknown": unknown,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)
        all_ = d.pop("all")

        crop = d.pop("crop")

        weed = d.pop("weed")

        unknown = d.pop("unknown")

        cover = cls(
            all_=all_,
            crop=crop,
            weed=weed,
            unknown=unknown,
        )

        cover.additional_properties = d
        return cover

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
