from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar, cast

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

if TYPE_CHECKING:
    from ..models.answer_probabilities import AnswerProbabilities
    from ..models.model_name import ModelName
    from ..models.statement import Statement


T = TypeVar("T", bound="Answer")


@_attrs_define
class Answer:
    """What is on the photo.

    Attributes:
        answer (None | Statement): the narrowest statement that can be relied upon. null: none can be, or the photo is
            unfamiliar; ask a person
        species (str): the most probable species
        scientific_name (None | str): its scientific name; null if the model does not know
        eppo_code (None | str): its code of the European and Mediterranean Plant Protection Organization; null if
            unknown
        probability (float): the probability of that species, 0 to 1
        group (None | str): crop or weed; null if the model does not know
        confident (bool): true: the species can be relied upon, that is, `answer` is of the rank species. Its
            probability reaches the model's threshold, and the photo is not unfamiliar
        threshold (float | None): the probability from which on an answer is confident: the model's, or `?threshold=` if
            that is higher. null: the model has none, and nothing is confident
        ood_score (float | None): how far the photo is from those that the model was trained on, as a Mahalanobis
            distance; higher is stranger. null if unknown
        ood_limit (float | None): a photo with a higher `ood_score` is not familiar; null if unknown
        crop (list[float]): the square that was looked at: x, y, width and height in pixels of the whole photo turned
            upright, x from the left, y from the top. The central one, unless `?crop=` asks for another one or for the plant
        probabilities (AnswerProbabilities): the probability of each species, in the order of `/species`; the sum is 1.
            With `?top_k=`: of the k best, best first
        model (ModelName): Which model answered.
        promise (float | None | Unset): at least this share of what `answer` says is right on photos like the validation
            images, at 95% certainty. Absent if the model states none
        familiar (bool | None | Unset): false: the photo is unlike the images that the model was trained on. Absent if
            the model cannot tell
    """

    answer: None | Statement
    species: str
    scientific_name: None | str
    eppo_code: None | str
    probability: float
    group: None | str
    confident: bool
    threshold: float | None
    ood_score: float | None
    ood_limit: float | None
    crop: list[float]
    probabilities: AnswerProbabilities
    model: ModelName
    promise: float | None | Unset = UNSET
    familiar: bool | None | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        from ..models.statement import Statement  # noqa: PLC0415

        answer: dict[str, Any] | None
        if isinstance(self.answer, Statement):
            answer = self.answer.to_dict()
        else:
            answer = self.answer

        species = self.species

        scientific_name: None | str
        scientific_name = self.scientific_name

        eppo_code: None | str
        eppo_code = self.eppo_code

        probability = self.probability

        group: None | str
        group = self.group

        confident = self.confident

        threshold: float | None
        threshold = self.threshold

        ood_score: float | None
        ood_score = self.ood_score

        ood_limit: float | None
        ood_limit = self.ood_limit

        crop = self.crop

        probabilities = self.probabilities.to_dict()

        model = self.model.to_dict()

        promise: float | None | Unset
        if isinstance(self.promise, Unset):
            promise = UNSET
        else:
            promise = self.promise

        familiar: bool | None | Unset
        if isinstance(self.familiar, Unset):
            familiar = UNSET
        else:
            familiar = self.familiar

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "answer": answer,
                "species": species,
                "scientific_name": scientific_name,
                "eppo_code": eppo_code,
                "probability": probability,
                "group": group,
                "confident": confident,
                "threshold": threshold,
                "ood_score": ood_score,
                "ood_limit": ood_limit,
                "crop": crop,
                "probabilities": probabilities,
                "model": model,
            }
        )
        if promise is not UNSET:
            field_dict["promise"] = promise
        if familiar is not UNSET:
            field_dict["familiar"] = familiar

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        from ..models.answer_probabilities import AnswerProbabilities  # noqa: PLC0415
        from ..models.model_name import ModelName  # noqa: PLC0415
        from ..models.statement import Statement  # noqa: PLC0415

        d = dict(src_dict)

        def _parse_answer(data: object) -> None | Statement:
            if data is None:
                return data
            try:
                if not isinstance(data, dict):
                    raise TypeError()
                answer_type_0 = Statement.from_dict(data)

                return answer_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(None | Statement, data)

        answer = _parse_answer(d.pop("answer"))

        species = d.pop("species")

        def _parse_scientific_name(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        scientific_name = _parse_scientific_name(d.pop("scientific_name"))

        def _parse_eppo_code(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        eppo_code = _parse_eppo_code(d.pop("eppo_code"))

        probability = d.pop("probability")

        def _parse_group(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        group = _parse_group(d.pop("group"))

        confident = d.pop("confident")

        def _parse_threshold(data: object) -> float | None:
            if data is None:
                return data
            return cast(float | None, data)

        threshold = _parse_threshold(d.pop("threshold"))

        def _parse_ood_score(data: object) -> float | None:
            if data is None:
                return data
            return cast(float | None, data)

        ood_score = _parse_ood_score(d.pop("ood_score"))

        def _parse_ood_limit(data: object) -> float | None:
            if data is None:
                return data
            return cast(float | None, data)

        ood_limit = _parse_ood_limit(d.pop("ood_limit"))

        crop = cast(list[float], d.pop("crop"))

        probabilities = AnswerProbabilities.from_dict(d.pop("probabilities"))

        model = ModelName.from_dict(d.pop("model"))

        def _parse_promise(data: object) -> float | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(float | None | Unset, data)

        promise = _parse_promise(d.pop("promise", UNSET))

        def _parse_familiar(data: object) -> bool | None | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            return cast(bool | None | Unset, data)

        familiar = _parse_familiar(d.pop("familiar", UNSET))

        answer = cls(
            answer=answer,
            species=species,
            scientific_name=scientific_name,
            eppo_code=eppo_code,
            probability=probability,
            group=group,
            confident=confident,
            threshold=threshold,
            ood_score=ood_score,
            ood_limit=ood_limit,
            crop=crop,
            probabilities=probabilities,
            model=model,
            promise=promise,
            familiar=familiar,
        )

        answer.additional_properties = d
        return answer

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
