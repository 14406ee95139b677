"""Errors: their statuses, and what a client is told."""

from service import errors

KINDS = errors.ServiceError.__subclasses__()


def test_the_table_in_front_names_every_kind_with_its_status() -> None:
    table = errors.__doc__ or ""
    for kind in KINDS:
        if kind.__module__ == errors.__name__:
            assert f"─ {kind.__name__} " in table
            assert f" {kind.status} " in next(line for line in table.splitlines() if f"─ {kind.__name__} " in line)


def test_a_program_can_tell_kinds_apart() -> None:
    slugs = [kind.slug for kind in KINDS if kind.__module__ == errors.__name__]
    assert len(set(slugs)) == len(slugs)


def test_a_problem_says_what_to_do() -> None:
    assert errors.problem(errors.QueueFull("64 images are waiting already; try again later")) == {
        "type": "urn:seedlings:queue-full",
        "title": "Too many requests at once",
        "status": 429,
        "detail": "64 images are waiting already; try again later",
    }


def test_headers_that_go_with_a_status() -> None:
    assert errors.QueueFull("", retry_after_s=0.2).headers == {"Retry-After": "1"}
    assert errors.NotReady("", retry_after_s=1.2).headers == {"Retry-After": "2"}
    assert errors.BodyTooLarge("").headers == {"Connection": "close"}
    assert errors.Unauthorized("").headers == {"WWW-Authenticate": "Bearer"}
