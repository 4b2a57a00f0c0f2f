"""Sentences about the service's own hearing."""

from typing import Final

from alerts.sentences.template import Template

TEMPLATES: Final[dict[str, Template]] = {
    "hearing_late": Template(
        en="the service is {lag_s:duration} behind the broker",
        zh="系统落后于消息服务器{lag_s:duration}",
    ),
    "hearing_lost": Template(
        en="the service has heard nothing for {lag_s:duration}: homes are unprotected",
        zh="系统已{lag_s:duration}收不到消息：住所处于无保护状态",
    ),
    "hearing_clocks_differ": Template(
        en="the clocks of service and database differ by {difference_s:duration}: silence is not judged",
        zh="系统与数据库时钟相差{difference_s:duration}：暂停静默判断",
    ),
    "hearing_recovered": Template(
        en="the service hears the broker again",
        zh="系统已恢复接收消息",
    ),
}
