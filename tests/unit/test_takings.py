"""How far a history has been read: every entry once, in whatever order they are committed."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from alerts.life.takings import Seen


@given(st.lists(st.tuples(st.integers(0, 6), st.booleans()), max_size=40))
def test_each_entry_counts_once_though_lower_numbers_may_show_later(entries: list[tuple[int, bool]]) -> None:
    # In the order of their numbers: begun that many readings after the one before; committed one reading later or not.
    begun, shows_at = 0, {}
    for number, (later, slow) in enumerate(entries, 1):
        begun += later
        shows_at[number] = begun + slow
    seen, counted = Seen(0, 0), Counter[int]()
    for reading in range(begun + 3):
        newest = max((number for number, at in shows_at.items() if at <= reading), default=0)
        found = [number for number, at in shows_at.items() if at <= reading and number > seen.settled]
        counted.update(set(found) - seen.counted)
        seen = seen.after(found, newest)
    assert counted == Counter(dict.fromkeys(shows_at, 1))
    assert all(number > seen.settled for number in seen.counted)
