"""Sentences to begin with, from three domains; written for this page. Their buttons are named in the page's texts."""

from __future__ import annotations

#: Text by its key under "examples" in the page's texts.
EXAMPLES = {
    "navigation_syria": "2023年，俄罗斯在叙利亚部署了克拉苏哈-4S干扰机，对北约无人机的GPS信号实施压制干扰。"
    "美国海军随后为驱逐舰加装了抗干扰天线，以抵御欺骗式干扰。",
    "navigation_baltic": "演习期间，北约的侦察机在加里宁格勒附近失去了GPS信号，机组改用惯性导航返航；"
    "芬兰的地面监测站记录到了来自波罗的海方向的欺骗干扰。",
    "medicine_case": "患者男，56岁，因反复胸闷三天入院，心电图提示急性下壁心肌梗死，给予阿司匹林和氯吡格雷口服，"
    "并行冠状动脉造影检查。",
    "medicine_children": "儿童支原体肺炎常见发热和刺激性干咳，胸部X线可见肺门淋巴结肿大，治疗首选阿奇霉素。",
    "news_business": "华夏银行上海分行行长王立新昨日在浦东出席论坛时说，该行将与复旦大学合作，参与《长江商报》发起的调查。",
    "news_sport": "上赛季效力于山东鲁能的中场队员李明，本周随国家队飞赴东京，备战与日本队的亚洲杯小组赛。",
}
