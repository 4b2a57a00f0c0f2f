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
    "inactivity_dry_over": Template(
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
    "inactivity_silent": Template(
        en=(
            "no water for {dry_s:duration}; this home is hardly ever without it for {limit_s:duration} at this time; "
            "meter heard {heard_s:duration} ago"
        ),
        zh="已{dry_s:duration}未用水；该住所此时段极少超过{limit_s:duration}不用水；水表{heard_s:duration}前有上报",
    ),
    "inactivity_silent_over": Template(
        en=(
            "no water for {dry_s:duration}; this home is hardly ever without it for {limit_s:duration} at this time; "
            "it is over"
        ),
        zh="曾{dry_s:duration}未用水；该住所此时段极少超过{limit_s:duration}不用水；现已恢复",
    ),
    "inactivity_first_use": Template(
        en="no water for {dry_s:duration}: none today by {by}; meter heard {heard_s:duration} ago",
        zh="已{dry_s:duration}未用水：今日{by}前无首次用水；水表{heard_s:duration}前有上报",
    ),
    "inactivity_first_use_over": Template(
        en="no water for {dry_s:duration}: none that day by {by}; it is over",
        zh="曾{dry_s:duration}未用水：当日{by}前无首次用水；现已恢复",
    ),
    "inactivity_line_moved": Template(
        en="no longer too long: the limit for this home was changed",
        zh="该住所的界限已调整，不再视为异常",
    ),
    "inactivity_away": Template(
        en="nobody is expected home until {until}",
        zh="已登记外出，预计{until}前无人在家",
    ),
    "leak_found_by_person": Template(
        en="a person found a leak, seeing to alert {alert}",
        zh="处理警报{alert}时由人员发现漏水",
    ),
}
