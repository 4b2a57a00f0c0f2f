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
}
