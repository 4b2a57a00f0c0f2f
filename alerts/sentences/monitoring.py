"""Sentences about devices, meters and rules that cannot watch."""

from typing import Final

from alerts.sentences.template import Template

TEMPLATES: Final[dict[str, Template]] = {
    "monitoring_silent": Template(
        en="nothing heard from {device} for {silent_s:duration}; limit {limit_s:duration}",
        zh="{device}已{silent_s:duration}没有上报，上限为{limit_s:duration}",
    ),
    "monitoring_never_heard": Template(
        en="nothing heard from {device} since it was installed {silent_s:duration} ago; limit {limit_s:duration}",
        zh="{device}自{silent_s:duration}前安装以来从未上报，上限为{limit_s:duration}",
    ),
    "monitoring_heard_again": Template(
        en="heard from again",
        zh="设备已恢复上报",
    ),
    "monitoring_no_water_reading": Template(
        en="meter {device} is heard, but has sent no usable water reading for {uncovered_s:duration}",
        zh="水表{device}在线，但已{uncovered_s:duration}没有可用的用水读数",
    ),
    "monitoring_pulses_unknown": Template(
        en=(
            "meter {device} counts pulses, and the litres per pulse of its installation are missing: use is not judged"
        ),
        zh="水表{device}按脉冲计数，但安装信息缺少每脉冲升数：无法判断用水",
    ),
    "monitoring_meter_too_coarse": Template(
        en="meter {device} moves in steps of {step_l:litres}: less than {limit_l:litres} cannot be told by it",
        zh="水表{device}的最小读数为{step_l:litres}：无法判断用水是否少于{limit_l:litres}",
    ),
    "monitoring_meter_seems_coarse": Template(
        en=(
            "meter {device} has lately shown nothing but multiples of {step_l:litres}: while it does, less than "
            "{limit_l:litres} cannot be told by it"
        ),
        zh="水表{device}近期读数均为{step_l:litres}的整数倍：在此情况下无法判断用水是否少于{limit_l:litres}",
    ),
    "monitoring_valve_shut": Template(
        en="the valve of meter {device} is shut: use is not judged",
        zh="水表{device}的阀门已关闭：无法判断用水",
    ),
    "monitoring_covered_again": Template(
        en="usable readings again",
        zh="读数已恢复可用",
    ),
    "monitoring_rule_failed": Template(
        en="rule {rule} failed for this home {failures} times in a row; it is tried again in {retry_s:duration}",
        zh="规则{rule}对该住所连续失败{failures}次，{retry_s:duration}后重试",
    ),
    "monitoring_rule_recovered": Template(
        en="rule {rule} works again",
        zh="规则{rule}已恢复",
    ),
}
