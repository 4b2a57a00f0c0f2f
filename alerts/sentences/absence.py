"""Sentences about absences."""

from typing import Final

from alerts.sentences.template import Template

TEMPLATES: Final[dict[str, Template]] = {
    "absence_use": Template(
        en=(
            "water was used although nobody should be home: {used_l:litres} since {since}; "
            "absence {absence} is noted until {until}: has it ended?"
        ),
        zh="登记外出期间有用水：自{since}起用水{used_l:litres}；外出登记{absence}至{until}：是否已提前返家？",
    ),
    "absence_use_over": Template(
        en="water was used while nobody should have been home: {used_l:litres} from {since} on; it is over",
        zh="登记外出期间曾有用水：自{since}起用水{used_l:litres}；外出已结束",
    ),
    "absence_no_more": Template(
        en="no absence is noted any more",
        zh="外出登记已结束",
    ),
    "absence_check": Template(
        en=(
            "no sign of life since the absence ended at {until}, in {quiet_s:duration} that the meter covers: "
            "is anybody back? meter heard {heard_s:duration} ago"
        ),
        zh=(
            "外出登记于{until}结束后，在水表覆盖的{quiet_s:duration}内没有生活迹象：是否已返家？"
            "水表{heard_s:duration}前有上报"
        ),
    ),
    "absence_check_over": Template(
        en="no sign of life for {quiet_s:duration} after the absence ended at {until}; it is over",
        zh="外出登记于{until}结束后曾有{quiet_s:duration}没有生活迹象；现已恢复",
    ),
    "absence_back": Template(
        en="sign of life since the absence ended",
        zh="外出结束后已有生活迹象",
    ),
    "absence_goes_on": Template(
        en="nobody is expected home until {until}",
        zh="已登记外出，预计{until}前无人在家",
    ),
}
