"""Sentences about water: inactivity, leaks, flow."""

from typing import Final

from alerts.sentences.template import Template

TEMPLATES: Final[dict[str, Template]] = {
    "inactivity_dry": Template(
        en=(
            "no water for {dry_s:duration} ({used_l:litres} in that time); "
            "limit {limit_l:litres} in {window_s:duration}; meter heard {heard_s:duration} ago"
        ),
        zh=(
            "已{dry_s:duration}未正常用水（其间用水{used_l:litres}）；下限为{window_s:duration}内{limit_l:litres}；"
            "水表{heard_s:duration}前有上报"
        ),
    ),
    "inactivity_over": Template(
        en=(
            "no water for {dry_s:duration} ({used_l:litres} in that time); "
            "limit {limit_l:litres} in {window_s:duration}; it is over"
        ),
        zh="曾{dry_s:duration}未正常用水（其间用水{used_l:litres}）；下限为{window_s:duration}内{limit_l:litres}；现已恢复",
    ),
    "sign_of_life": Template(
        en="sign of life: water was used again",
        zh="已恢复用水，有生活迹象",
    ),
}
