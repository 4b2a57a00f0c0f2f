"""What answers mean: whatever somebody types, it is understood or asked back, never guessed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.replies.meaning import AskWhich, Means, NothingOpen, ToldOf, Understood, Wish, choose, understand


@pytest.mark.parametrize(
    "text",
    [
        "1",
        "１",
        " 1 ",
        "1.",
        "1。",
        "【张三】1",
        "1【街道办】",
        "1收到",
        "1 收到",
        "收到",
        "已收到，谢谢",
        "好的收到",
        "收到谢谢",
        "张三 收到",
        "收到 13800000000",
        "知道了",
        "好的",
        "ok",
        "Ok thanks",
        "ACK",
        "ack li wei",
        "1 Li Wei",
        "Got it!",
        "1\n--\nLi Wei, 13800000000",
        "1 李伟 302室",
    ],
)
def test_acknowledged(text: str) -> None:
    assert understand(text) == Understood(wish=Wish.ACKNOWLEDGE)


@pytest.mark.parametrize(
    "text",
    [
        "2",
        "２",
        "出发",
        "已出发，10分钟到",
        "在路上",
        "在路上10分钟",
        "收到，马上去",
        "好的，我去",
        "omw",
        "On my way",
        "OK, on my way!",
        "I'm on my way",
        "got it, i'm coming",
        "on the way, 10 min",
        "1 出发",
    ],
)
def test_on_the_way(text: str) -> None:
    expected = Wish.UNCLEAR if text == "1 出发" else Wish.ON_THE_WAY
    assert understand(text) == Understood(wish=expected)


@pytest.mark.parametrize("text", ["3", "到了", "我到了", "已到达", "arrived", "I'm here", "on scene", "收到，到了"])
def test_on_the_scene(text: str) -> None:
    assert understand(text) == Understood(wish=Wish.ON_SCENE)


@pytest.mark.parametrize(
    "text", ["0", "０", "不能", "去不了", "收到，去不了", "没空", "cannot", "I can't", "I can’t", "sorry no", "unable"]
)
def test_cannot(text: str) -> None:
    assert understand(text) == Understood(wish=Wish.DECLINE)


@pytest.mark.parametrize(
    "text",
    [
        "1 017",
        "017 1",
        "1#017",
        "1017",
        "１　０１７",
        "#017: 1",
        "收到017",
        "017 收到",
        "1\n017",
        "1,017",
        "ACK 017",
        "1-017【张三】",
    ],
)
def test_with_the_code_of_an_alert(text: str) -> None:
    assert understand(text) == Understood(wish=Wish.ACKNOWLEDGE, code="017")


def test_with_the_whole_number_of_an_alert() -> None:
    assert understand("2 12017") == Understood(wish=Wish.ON_THE_WAY, code="12017")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   ",
        "hello",
        "没收到",
        "没 收到",
        "收到吗",
        "收到？",
        "1?",
        "1 2",
        "1 不能",
        "1 0",
        "不在路上",
        "not on the way",
        "not coming",
        "nobody here",
        "no problem, coming",
        "2号楼",
        "3楼",
        "3min",
        "回1接警 2出发 0不能",
        "我在开车稍后回复",
        "1 017 018",
        "收到 不在家",
        "4",
        "13800000000",
        "017",
    ],
)
def test_asked_back_rather_than_guessed(text: str) -> None:
    assert understand(text) == Understood(wish=Wish.UNCLEAR)


@pytest.mark.parametrize(
    ("text", "wish"),
    [
        ("平安", Wish.ACKNOWLEDGE),
        ("我没事，谢谢", Wish.ACKNOWLEDGE),
        ("I'm fine", Wish.ACKNOWLEDGE),
        ("救命", Wish.DECLINE),
        ("需要帮助", Wish.DECLINE),
        ("help!", Wish.DECLINE),
        ("没事吗", Wish.UNCLEAR),
        ("1 救命", Wish.UNCLEAR),
    ],
)
def test_a_resident_who_is_asked_first(text: str, wish: Wish) -> None:
    assert understand(text).wish is wish


@pytest.mark.parametrize("text", ["TD", "td", "退订", "STOP"])
def test_whoever_wants_no_more_is_not_asked_back(text: str) -> None:
    assert understand(text).wish is Wish.NO_MORE


@given(st.one_of(st.text(), st.text(alphabet="0123 #,.\n收到不能出发没【】[]ack?'１２０", max_size=30)))
def test_no_text_is_too_much(text: str) -> None:
    understood = understand(text)
    assert understood.code is None or (understood.code.isascii() and understood.code.isdigit())
    assert understood.code is None or understood.wish not in {Wish.UNCLEAR, Wish.NO_MORE}


@given(
    code=st.integers(0, 999).map("{:03d}".format), digit=st.sampled_from("0123"), joint=st.sampled_from(" #-,.:\u3000")
)
def test_a_digit_and_a_code_in_any_order(code: str, digit: str, joint: str) -> None:
    assert understand(f"{digit}{joint}{code}") == understand(f"{code}{joint}{digit}")
    assert understand(f"{digit}{joint}{code}").code == code


def told(*numbers: int) -> list[ToldOf]:
    return [ToldOf(alert_id=number) for number in numbers]


def test_the_only_one_is_meant() -> None:
    assert choose(None, told(1017)) == Means(alert_id=1017)


def test_of_several_the_one_that_was_named() -> None:
    assert choose("017", told(1018, 1017)) == Means(alert_id=1017)
    assert choose("1018", told(1018, 1017)) == Means(alert_id=1018)


def test_of_several_none_is_guessed() -> None:
    assert choose(None, told(1018, 1017)) == AskWhich(codes=("018", "017"))


def test_a_code_that_none_has_is_asked_back_even_with_one_open() -> None:
    assert choose("999", told(1017)) == AskWhich(codes=("017",))


def test_those_that_share_a_code_are_told_apart_by_their_whole_number() -> None:
    asked = choose("017", told(2017, 1017, 18))
    assert asked == AskWhich(codes=("2017", "1017", "018"))
    assert choose("2017", told(2017, 1017, 18)) == Means(alert_id=2017)


def test_nothing_is_open() -> None:
    assert choose(None, []) == NothingOpen()
    assert choose("017", []) == NothingOpen()


@given(numbers=st.lists(st.integers(1, 100_000), unique=True, min_size=1, max_size=8))
def test_whatever_is_asked_back_can_be_answered(numbers: list[int]) -> None:
    asked = choose("nothing", told(*numbers))
    assert isinstance(asked, AskWhich)
    assert len(set(asked.codes)) == len(numbers)
    for number, code in zip(numbers, asked.codes, strict=True):
        chosen = choose(code, told(*numbers))
        assert chosen == Means(alert_id=number)
