"""Sentences about whether the service does its work."""

from typing import Final

from alerts.sentences.template import Template

TEMPLATES: Final[dict[str, Template]] = {
    "work_not_done": Template(
        en="the service does not do its work; calls for help may not get through",
        zh="系统未正常工作，呼救可能无法送达",
    ),
    "work_not_done_presses": Template(
        en="no test press has come through since {through}",
        zh="自{through}起测试呼叫未能送达",
    ),
    "work_not_done_calls": Template(en="presses or falls are not judged", zh="呼叫或跌倒未被处理"),
    "work_not_done_looks": Template(en="homes are not looked at", zh="住所未被检查"),
    "work_not_done_telling": Template(en="escalation stands still", zh="逐级通知已停滞"),
    "work_not_done_messages": Template(en="messages are not sent", zh="消息未被发送"),
    "work_done_again": Template(en="the service does its work again", zh="系统已恢复正常工作"),
}
