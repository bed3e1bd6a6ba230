"""Watching: being told when a method of an object is called, for a while, without changing what it does."""

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def watched(
    owner: Any, name: str, note: Callable[[float, float], None], *, now: Callable[[], float]
) -> Iterator[None]:
    """Tell `note` when each call of a method of `owner` begins and ends, while inside.

    Args:
        owner: Any object; one without the method is left alone.
        name: Of the method.
        note: Is given the times of begin and end.
        now: The clock; it may wait for a device first.
    """
    original = getattr(owner, name, None)
    if original is None:
        yield
        return
    was_own = name in vars(owner)

    # With the method's own signature: pipelines look at which arguments their scheduler takes.
    @functools.wraps(original)
    def told(*args: Any, **kwargs: Any) -> Any:
        begin = now()
        result = original(*args, **kwargs)
        note(begin, now())
        return result

    setattr(owner, name, told)
    try:
        yield
    finally:
        if was_own:
            setattr(owner, name, original)
        else:
            delattr(owner, name)
