"""Sentences to show a model with, each for the domain that it is from: another model would make confident nonsense of it."""

from __future__ import annotations

import re

#: What a domain's name holds, and sentences of that domain; written for this project.
_BY_DOMAIN: dict[str, tuple[str, ...]] = {
    "导航|navigation": (
        "2023年，俄罗斯在叙利亚部署了克拉苏哈-4S干扰机，对北约无人机的GPS信号实施压制干扰。"
        "美国海军随后为驱逐舰加装了抗干扰天线，以抵御欺骗式干扰。",
        "演习期间，北约的侦察机在加里宁格勒附近失去了GPS信号，机组改用惯性导航返航；芬兰的地面监测站记录到了来自波罗的海方向的欺骗干扰。",
        "2018年11月，挪威外交部称，“三叉戟接点”演习期间科拉半岛方向的干扰使芬马克郡民航客机的GPS接收机失锁。",
        "以色列军方在地中海东部启用导航欺骗，多艘商船的自动识别系统显示其停在贝鲁特机场；北斗和伽利略双频接收机受影响较小。",
        "2011年12月，伊朗称用欺骗信号诱降了美军RQ-170哨兵无人机，外界对其是否破解了军用M码信号存疑。",
        "乌克兰在2024年为攻击无人机换装了控制辐射方向图天线，以对抗俄军“极地-21”系统在前线的大范围压制。",
    ),
    "医|medic|clinic": (
        "患者男，56岁，因反复胸闷三天入院，心电图提示急性下壁心肌梗死，给予阿司匹林和氯吡格雷口服，并行冠状动脉造影检查。",
        "儿童支原体肺炎常见发热和刺激性干咳，胸部X线可见肺门淋巴结肿大，治疗首选阿奇霉素。",
    ),
    "新闻|news": (
        "华夏银行上海分行行长王立新昨日在浦东出席论坛时说，该行将与复旦大学合作，参与《长江商报》发起的调查。",
        "上赛季效力于山东鲁能的中场队员李明，本周随国家队飞赴东京，备战与日本队的亚洲杯小组赛。",
    ),
}


def domain_examples(domain: str) -> tuple[str, ...]:
    """Sentences of a domain; none where it is not known.

    >>> domain_examples("儿科医学")[1][:7]
    '儿童支原体肺炎'

    Args:
        domain: as a label set names it, in Chinese or English.
    """
    return next((texts for pattern, texts in _BY_DOMAIN.items() if re.search(pattern, domain, re.IGNORECASE)), ())
