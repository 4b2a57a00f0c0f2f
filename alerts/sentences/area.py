"""Sentences about areas and gateways of which many homes fell silent or dry together."""

from typing import Final

from alerts.sentences.template import Template

TEMPLATES: Final[dict[str, Template]] = {
    "area_silent": Template(
        en=(
            "nothing heard from {homes} of {watched} homes since about {since}: network or power may have failed;"
            " they are unprotected"
        ),
        zh="约{since}起，{watched}户中有{homes}户没有上报：可能是网络或电力故障；这些住所目前没有保护",
    ),
    "area_gateway_silent": Template(
        en=(
            "nothing heard from {homes} of {watched} homes behind gateway {gateway} since about {since}:"
            " they are unprotected"
        ),
        zh="约{since}起，网关{gateway}下{watched}户中有{homes}户没有上报：这些住所目前没有保护",
    ),
    "area_dry": Template(
        en=(
            "no water used in {homes} of {watched} homes looked at since about {since}: the water may be shut off; they"
            " are unprotected"
        ),
        zh="约{since}起，查看的{watched}户中有{homes}户没有用水：可能已停水；这些住所目前没有保护",
    ),
    "area_heard_again": Template(
        en="most homes are heard from again",
        zh="大部分住所已恢复上报",
    ),
    "area_used_again": Template(
        en="most homes use water again",
        zh="大部分住所已恢复用水",
    ),
    "area_part_of_another": Template(
        en="part of an incident that is told elsewhere",
        zh="属于另一起已通报的片区事件",
    ),
    "monitoring_part_of_area": Template(
        en="part of an incident of the area or the gateway",
        zh="属于片区或网关事件",
    ),
    "inactivity_part_of_area": Template(
        en="part of an incident of the area: the water may be shut off",
        zh="属于片区事件：可能已停水",
    ),
}
