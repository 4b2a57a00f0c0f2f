"""Sentences about SOS and falls."""

from typing import Final

from alerts.sentences.template import Template

TEMPLATES: Final[dict[str, Template]] = {
    "sos_pressed": Template(
        en="SOS button {device} was pressed",
        zh="SOS按钮{device}被按下",
    ),
    "sos_pressed_late": Template(
        en="SOS button {device} was pressed {age_s:duration} ago; the message came late",
        zh="SOS按钮{device}在{age_s:duration}前被按下，消息迟到",
    ),
    "sos_unknown_device": Template(
        en="SOS button {device} was pressed; it is not installed in any home",
        zh="SOS按钮{device}被按下，该设备未安装在任何住所",
    ),
    "sos_unknown_device_late": Template(
        en=(
            "SOS button {device} was pressed {age_s:duration} ago; it is not installed in any home, "
            "and the message came late"
        ),
        zh="SOS按钮{device}在{age_s:duration}前被按下，该设备未安装在任何住所，消息迟到",
    ),
    "fall_detected": Template(
        en="{device} detected a fall",
        zh="{device}检测到跌倒",
    ),
    "fall_detected_late": Template(
        en="{device} detected a fall {age_s:duration} ago; the message came late",
        zh="{device}在{age_s:duration}前检测到跌倒，消息迟到",
    ),
    "fall_cancelled": Template(
        en="{device} detected a fall; it was cancelled on the device {after_s:duration} later",
        zh="{device}检测到跌倒，{after_s:duration}后在设备上被取消",
    ),
    "fall_unknown_device": Template(
        en="{device} detected a fall; it is not installed in any home",
        zh="{device}检测到跌倒，该设备未安装在任何住所",
    ),
    "fall_unknown_device_late": Template(
        en=(
            "{device} detected a fall {age_s:duration} ago; it is not installed in any home, and the message came late"
        ),
        zh="{device}在{age_s:duration}前检测到跌倒，该设备未安装在任何住所，消息迟到",
    ),
    "fall_motion": Template(
        en="the movement of {device} looks like a fall",
        zh="{device}的运动数据疑似跌倒",
    ),
    "fall_motion_late": Template(
        en="the movement of {device} looked like a fall {age_s:duration} ago; the message came late",
        zh="{device}在{age_s:duration}前的运动数据疑似跌倒，消息迟到",
    ),
    "fall_motion_unknown_device": Template(
        en="the movement of {device} looks like a fall; it is not installed in any home",
        zh="{device}的运动数据疑似跌倒，该设备未安装在任何住所",
    ),
    "fall_motion_unknown_device_late": Template(
        en=(
            "the movement of {device} looked like a fall {age_s:duration} ago; it is not installed in any home, "
            "and the message came late"
        ),
        zh="{device}在{age_s:duration}前的运动数据疑似跌倒，该设备未安装在任何住所，消息迟到",
    ),
    "motion_lying_still": Template(
        en="impact {impact_g} g, then lying still; confidence {confidence_pct} %",
        zh="撞击{impact_g} g，随后躺卧不动；置信度{confidence_pct}%",
    ),
    "motion_lying_moving": Template(
        en="impact {impact_g} g, then lying and moving; confidence {confidence_pct} %",
        zh="撞击{impact_g} g，随后躺卧并有动作；置信度{confidence_pct}%",
    ),
    "motion_still": Template(
        en="impact {impact_g} g, then still; confidence {confidence_pct} %",
        zh="撞击{impact_g} g，随后静止；置信度{confidence_pct}%",
    ),
    "motion_moving": Template(
        en="impact {impact_g} g, then moving; confidence {confidence_pct} %",
        zh="撞击{impact_g} g，随后有动作；置信度{confidence_pct}%",
    ),
    "motion_impact": Template(
        en="impact {impact_g} g, what came after was not recorded; confidence {confidence_pct} %",
        zh="撞击{impact_g} g，其后无记录；置信度{confidence_pct}%",
    ),
    "motion_no_fall": Template(
        en="its acceleration does not look like a fall (impact {impact_g} g, confidence {confidence_pct} %)",
        zh="加速度数据不像跌倒（撞击{impact_g} g，置信度{confidence_pct}%）",
    ),
    "motion_unknown": Template(
        en="its acceleration was recorded too briefly to tell",
        zh="加速度记录过短，无法判断",
    ),
    "possible_fall_flow": Template(
        en="water has run for {ran_s:duration} ({used_l:litres}) since {at} in the night",
        zh="夜间{at}起持续用水{ran_s:duration}（{used_l:litres}）",
    ),
    "possible_fall_visit": Template(
        en="up at {at} in the night, and no sign of life by {by} ({silent_s:duration} since)",
        zh="夜间{at}起身用水后，至{by}仍无生活迹象（已{silent_s:duration}）",
    ),
    "possible_fall_over": Template(
        en="sign of life after the night",
        zh="夜间之后已有生活迹象",
    ),
    "possible_fall_away": Template(
        en="the home is marked as absent",
        zh="该住所已登记为外出",
    ),
    "call_number": Template(
        en="call number {times} in this case",
        zh="本案第{times}次呼叫",
    ),
    "marked_absent_hospital": Template(
        en="the home is marked as absent until {until}: hospital",
        zh="该住所登记为外出（住院）至{until}",
    ),
    "marked_absent_travel": Template(
        en="the home is marked as absent until {until}: travel",
        zh="该住所登记为外出（旅行）至{until}",
    ),
    "marked_absent_family": Template(
        en="the home is marked as absent until {until}: with family",
        zh="该住所登记为外出（在亲属家）至{until}",
    ),
    "marked_absent_other": Template(
        en="the home is marked as absent until {until}",
        zh="该住所登记为外出至{until}",
    ),
    "followed_by_water": Template(
        en="water ran {after_s:duration} later",
        zh="{after_s:duration}后有用水",
    ),
    "followed_by_motion": Template(
        en="motion {after_s:duration} later",
        zh="{after_s:duration}后有活动",
    ),
    "followed_by_press": Template(
        en="button pressed {after_s:duration} later",
        zh="{after_s:duration}后按过按钮",
    ),
    "followed_by_nothing": Template(
        en="no sign of life in the {silent_s:duration} since",
        zh="此后{silent_s:duration}内无生活迹象",
    ),
}
