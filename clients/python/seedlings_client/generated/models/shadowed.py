from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, cast

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..models.shadowed_status import ShadowedStatus

T = TypeVar("T", bound="Shadowed")


@_attrs_define
class Shadowed:
    """Another version that sees a share of the images; its answers are only compared.

    Attributes:
        version (str): the version
        status (ShadowedStatus): only one that compares is loaded
        share (float): share of the images that it sees
        beside (None | str): the version in service; null while there is none
        agreed (int): images for which both name the same species, of all workers since the service started, for these
            two versions
        differed (int): number of images for which they do not
        agreement (float | None): agreed / (agreed + differed); null before the first image
        dropped (int): number of images that there was no time for
        failed (int): number of images for which it gave no answer
        error (None | str): why nothing is compared, what is wrong with its files, or why what was counted cannot be
            told; null if nothing
    """

    version: str
    status: ShadowedStatus
    share: float
    beside: None | str
    agreed: int
    differed: int
    agreement: float | None
    dropped: int
    failed: int
    error: None | str
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        version = self.version

        status = self.status.value

        share = self.share

        beside: None | str
        beside = self.beside

        agreed = self.agreed

        differed = self.differed

        agreement: float | None
        agreement = self.agreement

        dropped = self.dropped

        failed = self.failed

        error: None | str
        error = self.error

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "version": version,
                "status": status,
                "share": share,
                "beside": beside,
                "agreed": agreed,
                "differed": differed,
                "agreement": agreement,
                "dropped": dropped,
                "failed": failed,
                "error": error,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)
        version = d.pop("version")

        status = ShadowedStatus(d.pop("status"))

        share = d.pop("share")

        def _parse_beside(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        beside = _parse_beside(d.pop("beside"))

        agreed = d.pop("agreed")

        differed = d.pop("differed")

        def _parse_agreement(data: object) -> float | None:
            if data is None:
                return data
            return cast(float | None, data)

        agreement = _parse_agreement(d.pop("agreement"))

        dropped = d.pop("dropped")

        failed = d.pop("failed")

        def _parse_error(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        error = _parse_error(d.pop("error"))

        shadowed = cls(
            version=version,
            status=status,
            share=share,
            beside=beside,
            agreed=agreed,
            differed=differed,
            agreement=agreement,
            dropped=dropped,
            failed=failed,
            error=error,
        )

        shadowed.additional_properties = d
        return shadowed

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
