"""Reading an import file: every fault named, nothing let through."""

import csv
import io
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.registry import discover
from registry.errors import ImportRefused
from registry.importing import COLUMNS, DeviceRow, HomeKey, ImportRow, read_rows

DRIVERS = ("native", "chirpstack")


def rows(text: str, **options: Any) -> tuple[ImportRow, ...]:
    return read_rows(text.encode(), **{"drivers": DRIVERS, **options})


def faults(text: str | bytes, **options: Any) -> list[str]:
    data = text.encode() if isinstance(text, str) else text
    with pytest.raises(ImportRefused) as refused:
        read_rows(data, **{"drivers": DRIVERS, **options})
    return [str(fault) for fault in refused.value.faults]


def test_a_full_row_is_read_as_it_stands() -> None:
    header = ",".join(COLUMNS)
    row = "上海市/长宁区/江苏路街道/万村, 12号301室 ,王秀英,Asia/Urumqi,meter-7,chirpstack,LXZ-20,3600,0.5,10,gw-3"
    assert rows(f"{header}\n{row}\n") == (
        ImportRow(
            line=2,
            home=HomeKey("上海市/长宁区/江苏路街道/万村", "12号301室"),
            time_zone="Asia/Urumqi",
            resident="王秀英",
            device=DeviceRow(
                name="meter-7",
                driver="chirpstack",
                model="LXZ-20",
                interval_s=3600,
                litres_per_pulse=0.5,
                resolution_l=10.0,
                gateway="gw-3",
            ),
        ),
    )


def test_empty_cells_and_absent_columns_take_defaults() -> None:
    (row,) = rows("area,home,device,interval_s,resident\nA,1,m,,\n")
    assert row.time_zone == "Asia/Shanghai"
    assert row.resident is None
    assert row.device == DeviceRow(name="m", driver="native", model=None, interval_s=900, litres_per_pulse=None)
    assert rows("area,home\nA,1\n", default_time_zone="UTC")[0].time_zone == "UTC"


def test_a_friendly_name_may_take_in_several_levels_of_a_topic() -> None:
    (row,) = rows("area,home,device,driver\nA,1,hall/sos,chirpstack\n")
    assert row.device is not None
    assert row.device.name == "hall/sos"


def test_an_eui_off_a_label_becomes_the_name_that_messages_carry() -> None:
    known = discover()
    text = "area,home,device,driver\nA,1,24-E1-24-53-5B-31-60-56,chirpstack\nA,2,70B3D57ED0001234,things_stack\n"
    read = read_rows(text.encode(), drivers=known.by_name, naming=known.installed_name)
    assert [row.device and row.device.name for row in read] == ["24e124535b316056", "eui-70b3d57ed0001234"]
    twice = "area,home,device,driver\nA,1,24E124535B316056,chirpstack\nA,2,24e124535b316056,chirpstack\n"
    assert faults(twice, drivers=known.by_name, naming=known.installed_name) == [
        "line 3, device: '24e124535b316056' is in another home in line 2"
    ]
    wrong = "area,home,device,driver\nA,1,hall,chirpstack\nA,1,hall,chirpstak\n"
    assert faults(wrong, drivers=known.by_name, naming=known.installed_name) == [
        "line 2, device: 'hall' is no DevEUI: a device is known by the 16 hex digits on its label",
        "line 3, driver: there is no driver 'chirpstak'; did you mean 'chirpstack'?",
    ]


def test_an_interval_of_nought_is_a_device_that_reports_only_when_something_happens() -> None:
    (row,) = rows("area,home,device,interval_s\nA,1,btn,0\n")
    assert row.device is not None
    assert row.device.interval_s is None


@pytest.mark.parametrize(
    "text",
    [
        "\ufeffarea,home\nA,1\n",
        "area,home\r\nA,1\r\n",
        "\n\narea,home\n\n  ,\nA,1\n\n",
        "Area , HOME\nA,1",
        'home,area\n"1","A"\n',
    ],
    ids=["byte order mark", "CRLF", "blank lines", "case and spaces in the header", "quotes and another order"],
)
def test_harmless_variations_are_read(text: str) -> None:
    assert [row.home for row in rows(text)] == [HomeKey("A", "1")]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("area,home,devise\nA,1,x\n", ["line 1: unknown column 'devise'; did you mean 'device'?"]),
        ("area,home,floor\nA,1,x\n", [f"line 1: unknown column 'floor'; known are {', '.join(COLUMNS)}"]),
        ("home,device\n1,m\n", ["line 1: the column 'area' is missing"]),
        ("area,home,home\nA,1,2\n", ["line 1: the column 'home' stands there twice"]),
        ("area;home\nA;1\n", ["line 1: columns must be separated by commas"]),
        ("area,home\n", ["the file has a header but no rows"]),
        ("area,home\nA,1,x\n", ["line 2: has 3 cells, the header has 2"]),
        ("area,home\n,1\nA,\n", [
            "line 2, area: is empty; it is a path such as city/district/street/community",
            "line 3, home: is empty",
        ]),
        ("area,home\nA//B,1\n", [
            "line 2, area: 'A//B' has an empty part; it is a path such as city/district/street/community"
        ]),
        ("area,home,time_zone\nA,1,Shanghai\n", [
            "line 2, time_zone: 'Shanghai' is not a time zone; an example is Asia/Shanghai"
        ]),
        ("area,home,time_zone\nA,1,Asia\n", [
            "line 2, time_zone: 'Asia' is not a time zone; an example is Asia/Shanghai"
        ]),
        ("area,home,device,driver\nA,1,m,chirpstak\n", [
            "line 2, driver: there is no driver 'chirpstak'; did you mean 'chirpstack'?"
        ]),
        ("area,home,device\nA,1,a/b\n", [
            "line 2, device: 'a/b' has / in it, which an MQTT topic level cannot have"
        ]),
        ("area,home,model\nA,1,x\n", ["line 2, model: is filled, but the row names no device"]),
        ("area,home,device,interval_s\nA,1,m,soon\n", [
            "line 2, interval_s: 'soon' is not a whole number of seconds up to 2678400"
            " (0: the device reports only when something happens)"
        ]),
        ("area,home,device,litres_per_pulse\nA,1,m,nan\n", [
            "line 2, litres_per_pulse: 'nan' is not a number of litres above 0, such as 1 or 0.5"
        ]),
        ("area,home\nA,1\nA,1\n", ["line 3: is the same as line 2"]),
        ("area,home,device\nA,1,m\nA,2,m\n", ["line 3, device: 'm' is in another home in line 2"]),
        ("area,home,device,model,resident\nA,1,m,x,p\nA,1,m,y,q\n", [
            "line 3, device: 'm' is described otherwise in line 2"
        ]),
        ("area,home,time_zone,resident\nA,1,UTC,p\nA,1,,q\n", [
            "line 3, time_zone: Asia/Shanghai here, UTC for the same home in line 2"
        ]),
        ('area,home\nA,"1\n', ["line 2: is not CSV: unexpected end of data"]),
    ],
)  # fmt: skip
def test_each_fault_is_named_with_its_place_and_what_would_be_right(text: str, expected: list[str]) -> None:
    assert faults(text) == expected


def test_all_faults_come_at_once_in_the_order_of_the_file() -> None:
    text = "area,home,device,driver,time_zone\nA,1,m,nativ,Mars\nA,2,ok,,\n,3,,,\n"
    assert [fault.partition(":")[0] for fault in faults(text)] == [
        "line 2, time_zone",
        "line 2, driver",
        "line 4, area",
    ]


def test_a_quoted_line_break_does_not_shift_line_numbers() -> None:
    assert faults('area,home,resident\nA,1,"p\nq"\n,2,\n') == [
        "line 2, resident: has a line break or a control character in it",
        "line 4, area: is empty; it is a path such as city/district/street/community",
    ]


def test_text_that_is_not_utf8_says_what_it_may_be() -> None:
    gbk = "area,home\n上海市,一号\n".encode("gb18030")
    assert faults(gbk) == [
        "line 2: is not UTF-8 text; it may be GBK: save it as 'CSV UTF-8', or say --encoding gb18030"
    ]
    assert read_rows(gbk, drivers=DRIVERS, encoding="gb18030")[0].home == HomeKey("上海市", "一号")
    assert faults("area,home\nA,1\n".encode("utf-16")) == [
        "the file is UTF-16 text: save it as 'CSV UTF-8', or say --encoding utf-16"
    ]
    assert faults(b"area,home\n", encoding="utf-9") == ["there is no encoding named 'utf-9': try utf-8 or gb18030"]


def test_an_empty_file_says_what_belongs_in_it() -> None:
    assert faults(b"") == [f"the file is empty; its first line must name the columns: {','.join(COLUMNS)}"]


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    try:
        assert read_rows(b"area,home,device\n" + data, drivers=DRIVERS)
    except ImportRefused as refused:
        assert refused.faults


@given(st.lists(st.lists(st.text(max_size=12), min_size=9, max_size=9), min_size=1, max_size=5))
def test_any_cells_are_read_or_refused_and_what_passes_is_sound(cells: list[list[str]]) -> None:
    text = io.StringIO(newline="")
    csv.writer(text).writerows([COLUMNS, *cells])
    try:
        passed = read_rows(text.getvalue().encode("utf-8", "replace"), drivers=DRIVERS)
    except ImportRefused as refused:
        assert refused.faults
        return
    for row in passed:
        assert row.home.name
        assert all(row.home.area.split("/"))
        assert row.device is None or (row.device.driver in DRIVERS and not set("+#\0") & set(row.device.name))
        assert row.device is None or row.device.driver != "native" or "/" not in row.device.name
