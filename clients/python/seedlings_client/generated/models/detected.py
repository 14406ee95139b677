from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar, cast

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

if TYPE_CHECKING:
    from ..models.answer import Answer
    from ..models.counts import Counts
    from ..models.cover import Cover
    from ..models.detected_plant import DetectedPlant
    from ..models.model_name import ModelName


T = TypeVar("T", bound="Detected")


@_attrs_define
class Detected:
    """The plants on one photo.

    Attributes:
        width (int): pixels of the photo turned upright (after its EXIF orientation)
        height (int): pixels of the photo turned upright
        plants (list[DetectedPlant]): the plants, largest first
        truncated (bool): true: there are more plants than `?max_plants=`
        counts (Counts): How many of `plants` there are, each counted once, by what can be relied upon of it.
        cover (Cover): How much of the photo is plant, as shares of its area.
        position (list[float] | None): latitude and longitude in degrees where the photo was taken, by its EXIF; null if
            it does not say
        model (ModelName): Which model answered.
        segmenter (ModelName): Which model answered.
        prediction (Answer | None | Unset): the answer to the photo as a whole, as of `POST /predict`. Absent unless
            `?prediction=` asks for it
    """

    width: int
    height: int
    plants: list[DetectedPlant]
    truncated: bool
    counts: Counts
    cover: Cover
    position: list[float] | None
    model: ModelName
    segmenter: ModelName
    prediction: Answer | None | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        from ..models.answer import Answer  # noqa: PLC0415

        width = self.width

        height = self.height

        plants = []
        for plants_item_data in self.plants:
            plants_item = plants_item_data.to_dict()
            plants.append(plants_item)

        truncated = self.truncated

        counts = self.counts.to_dict()

        cover = self.cover.to_dict()

        position: list[float] | None
        if isinstance(self.position, list):
            position = self.position

        else:
            position = self.position

        model = self.model.to_dict()

        segmenter = self.segmenter.to_dict()

        prediction: dict[str, Any] | None | Unset
        if isinstance(self.prediction, Unset):
            prediction = UNSET
        elif isinstance(self.prediction, Answer):
            prediction = self.prediction.to_dict()
        else:
            prediction = self.prediction

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "width": width,
                "height": height,
                "plants": plants,
                "truncated": truncated,
                "counts": counts,
                "cover": cover,
                "position": position,
                "model": model,
                "segmenter": segmenter,
            }
        )
        if prediction is not UNSET:
            field_dict["prediction"] = prediction

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        from ..models.answer import Answer  # noqa: PLC0415
        from ..models.counts import Counts  # noqa: PLC0415
        from ..models.cover import Cover  # noqa: PLC0415
        from ..models.detected_plant import DetectedPlant  # noqa: PLC0415
        from ..models.model_name import ModelName  # noqa: PLC0415

        d = dict(src_dict)
        width = d.pop("width")

        height = d.pop("height")

        plants = []
        _plants = d.pop("plants")
        for plants_item_data in _plants:
            plants_item = DetectedPlant.from_dict(plants_item_data)

            plants.append(plants_item)

        truncated = d.pop("truncated")

        counts = Counts.from_dict(d.pop("counts"))

        cover = Cover.from_dict(d.pop("cover"))

        def _parse_position(data: object) -> list[float] | None:
            if data is None:
                return data
            try:
                if not isinstance(data, list):
                    raise TypeError()
                position_type_0 = cast(list[float], data)

                return position_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(list[float] | None, data)

        position = _parse_position(d.pop("position"))

        model = ModelName.from_dict(d.pop("model"))

        segmenter = ModelName.from_dict(d.pop("segmenter"))

        def _parse_prediction(data: object) -> Answer | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            try:
                if not isinstance(data, dict):
                    raise TypeError()
                prediction_type_0 = Answer.from_dict(data)

                return prediction_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(Answer | None | Unset, data)

        prediction = _parse_prediction(d.pop("prediction", UNSET))

        detected = cls(
            width=width,
            height=height,
            plants=plants,
            truncated=truncated,
            counts=counts,
            cover=cover,
            position=position,
            model=model,
            segmenter=segmenter,
            prediction=prediction,
        )

        detected.additional_properties = d
        return detected

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
