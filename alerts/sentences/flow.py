"""Sentences about water that flows: leaks, water left running, much of it in a day; how soon its lack is noticed."""

from typing import Final

from alerts.sentences.template import Template

TEMPLATES: Final[dict[str, Template]] = {
    "leak": Template(
        en=(
            "suspected leak: water has not stopped at meter {device} for {flow_s:duration}; "
            "{used_l:litres} in that time, never less than {least_l:litres} in an hour"
        ),
        zh=(
            "疑似漏水：水表{device}已连续{flow_s:duration}未停水；其间用水{used_l:litres}，每小时不少于{least_l:litres}"
        ),
    ),
    "leak_over": Template(
        en=(
            "suspected leak, now over: water did not stop at meter {device} for {flow_s:duration}; "
            "{used_l:litres} in that time, never less than {least_l:litres} in an hour"
        ),
        zh=(
            "曾疑似漏水，现已停止：水表{device}曾连续{flow_s:duration}未停水；"
            "其间用水{used_l:litres}，每小时不少于{least_l:litres}"
        ),
    ),
    "flow_running": Template(
        en="water has been running at meter {device} for {flow_s:duration} on end ({used_l:litres} in that time)",
        zh="水表{device}已连续出水{flow_s:duration}（其间用水{used_l:litres}）",
    ),
    "flow_running_over": Template(
        en="water ran at meter {device} for {flow_s:duration} on end ({used_l:litres} in that time); it is over",
        zh="水表{device}曾连续出水{flow_s:duration}（其间用水{used_l:litres}）；现已停止",
    ),
    "flow_stopped": Template(
        en="the water has stopped",
        zh="水流已停止",
    ),
    "high_use": Template(
        en="more water than usual on {day}: at least {used_l:litres}; limit {limit_l:litres} in a day",
        zh="{day}用水偏多：至少{used_l:litres}；每日上限为{limit_l:litres}",
    ),
    "high_use_over": Template(
        en="within the daily limit again",
        zh="日用水量已恢复到上限以内",
    ),
    "monitoring_use_hidden": Template(
        en="at meter {device} {base_l:litres} flow every hour without a stop: use is hidden by it",
        zh="水表{device}每小时持续流出{base_l:litres}：无法分辨是否有人用水",
    ),
    "monitoring_never_still": Template(
        en=(
            "meter {device} has not stood still for 3 h in {lasted_s:duration}: by its steps of {step_l:litres}, "
            "use cannot be told from a constant flow"
        ),
        zh=(
            "水表{device}在{lasted_s:duration}内从未静止满3小时：最小读数为{step_l:litres}，无法区分有人用水与持续出水"
        ),
    ),
    "latency_by": Template(
        en=(
            "if somebody fell now, the missing use of water would be noticed by {by} at the latest: the meter reads "
            "every {interval_s:duration}, readings arrive up to {delay_s:duration} later, and "
            "{line_s:duration} without use are too long"
        ),
        zh=(
            "如果此刻有人跌倒，最迟{by}会因无人用水而被发现：水表每{interval_s:duration}读数一次，"
            "读数最多迟到{delay_s:duration}，{line_s:duration}未用水即视为异常"
        ),
    ),
    "latency_already": Template(
        en="no water is used for too long already: it has been noticed",
        zh="已因长时间未用水而报警",
    ),
    "latency_no_meter": Template(
        en="a fall now would not be noticed by water: no water meter is installed",
        zh="此刻跌倒无法通过用水发现：未安装水表",
    ),
    "latency_away": Template(
        en="a fall now would not be noticed by water: nobody is expected home until {until}",
        zh="此刻跌倒无法通过用水发现：已登记外出至{until}",
    ),
    "latency_incident": Template(
        en="a fall now would not be noticed by water: the area or a gateway has failed",
        zh="此刻跌倒无法通过用水发现：所在片区或网关故障",
    ),
    "latency_deaf": Template(
        en="a fall now would not be noticed by water: the service does not hear the devices",
        zh="此刻跌倒无法通过用水发现：系统收不到设备消息",
    ),
    "latency_meter_silent": Template(
        en="a fall now would not be noticed by water: nothing usable from meter {device} for {silent_s:duration}",
        zh="此刻跌倒无法通过用水发现：水表{device}已{silent_s:duration}没有可用读数",
    ),
    "latency_impaired": Template(
        en="a fall now would not be noticed by water: use cannot be told from what meter {device} shows",
        zh="此刻跌倒无法通过用水发现：无法从水表{device}的读数判断用水",
    ),
}
