"""Sentences about devices that need a technician: batteries, tampering, clocks, meters, buttons nobody tries."""

from typing import Final

from alerts.sentences.template import Template

TEMPLATES: Final[dict[str, Template]] = {
    "battery_low": Template(
        en="battery low: {devices}",
        zh="电池电量低：{devices}",
    ),
    "battery_fine": Template(
        en="batteries charged or exchanged",
        zh="电池已充电或更换",
    ),
    "tamper": Template(
        en="tampered with: {devices}",
        zh="设备可能被拆动：{devices}",
    ),
    "clock_ahead": Template(
        en="the clock of {device} is {off_s:duration} ahead",
        zh="{device}的时钟快{off_s:duration}",
    ),
    "clock_behind": Template(
        en="the clock of {device} is {off_s:duration} behind",
        zh="{device}的时钟慢{off_s:duration}",
    ),
    "clock_refused": Template(
        en=(
            "for {refused_s:duration} all readings of {device} have been refused for their impossible "
            "times: is its clock set?"
        ),
        zh="{device}的读数因时间异常已被拒收{refused_s:duration}，请检查时钟设置",
    ),
    "clock_right": Template(
        en="the clock is right again",
        zh="时钟已恢复正常",
    ),
    "meter_fell": Template(
        en=(
            "meter {device} fell from {before_l:litres} to {after_l:litres}: reset or exchanged "
            "without a new installation?"
        ),
        zh="水表{device}读数由{before_l:litres}降至{after_l:litres}：是否被清零或更换而未登记？",
    ),
    "meter_leapt": Template(
        en="meter {device} leapt from {before_l:litres} to {after_l:litres}, more than can flow: was it exchanged?",
        zh="水表{device}读数由{before_l:litres}跳至{after_l:litres}，超出可能的流量：是否已更换？",
    ),
    "meter_dry": Template(
        en="meter {device} says that there is air in it",
        zh="水表{device}报告管内无水",
    ),
    "meter_backflow": Template(
        en="meter {device} says that water runs through it backwards",
        zh="水表{device}报告水流反向",
    ),
    "meter_out_of_order": Template(
        en="{device} says that it is out of order",
        zh="{device}报告自身故障",
    ),
    "test_overdue": Template(
        en="{device} was last tested {untried_s:duration} ago; a test is asked for every {limit_s:duration}",
        zh="{device}距上次测试已{untried_s:duration}，要求每{limit_s:duration}测试一次",
    ),
    "test_overdue_never": Template(
        en=(
            "{device} was installed {untried_s:duration} ago and never tested; a test is asked for "
            "every {limit_s:duration}"
        ),
        zh="{device}安装已{untried_s:duration}，从未测试，要求每{limit_s:duration}测试一次",
    ),
    "test_overdue_no_more": Template(
        en="tested, or no longer asked for",
        zh="已测试，或不再要求测试",
    ),
    "check_overdue": Template(
        en="{device} was last used {untried_s:duration} ago; a check is asked for every {limit_s:duration}",
        zh="{device}已{untried_s:duration}未使用，要求每{limit_s:duration}检查一次",
    ),
    "check_overdue_never": Template(
        en=(
            "{device} was installed {untried_s:duration} ago and never used; a check is asked for "
            "every {limit_s:duration}"
        ),
        zh="{device}安装已{untried_s:duration}，从未使用，要求每{limit_s:duration}检查一次",
    ),
    "check_overdue_no_more": Template(
        en="checked, or no longer asked for",
        zh="已检查，或不再要求检查",
    ),
}
