"""What the page says, in Chinese and English. A sentence that is missing in one language is an error when this is imported."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Language = Literal["zh", "en"]


@dataclass(frozen=True)
class Wording:
    """One language. Braces are slots for `str.format`."""

    subtitle: str
    about_model: str
    tab_text: str
    tab_file: str
    text: str
    text_hint: str
    examples: str
    analyse: str
    settings: str
    strategy: str
    strategy_info: str
    strategies: dict[str, str]
    decoding: str
    decodings: dict[str, str]
    uncertainty: str
    uncertainties: dict[str, str]
    threshold: str
    threshold_info: str
    llm: str
    use_llm: str
    endpoint: str
    llm_model: str
    key: str
    key_info: str
    extra: str
    extra_info: str
    file: str
    file_info: str
    read_file: str
    download: str
    before: str
    none_found: str
    legend: str
    legend_doubt: str
    legend_hint: str
    legend_llm: str
    columns: tuple[str, str, str, str, str, str, str]
    source_local: str
    source_llm: str
    source_held: str
    review: str
    kinds: dict[str, str]
    tip_type: str
    tip_score: str
    tip_votes: str
    tip_no_vote: str
    tip_decided: str
    tip_llm: str
    tip_hint: str
    tip_routed: str
    preview_none: str
    preview: str
    preview_cost: str
    preview_no_price: str
    preview_over: str
    asking: str
    asked: str
    nothing_to_ask: str
    llm_failed: str
    llm_refused: str
    llm_dead: str
    llm_slow: str
    no_llm_model: str
    local_stands: str
    file_done: str
    file_progress: str
    file_first: str
    empty_text: str
    long_text: str
    bad_endpoint: str
    endpoint_not_allowed: str
    no_file: str
    big_file: str
    many_texts: str
    many_characters: str
    long_line: str
    unreadable_file: str
    bad_json_line: str
    empty_file: str
    bad_extra: str
    review_title: str
    review_info: str
    review_columns: tuple[str, str, str, str]
    review_complete: str
    review_keep: str
    review_download: str
    review_kept: str
    review_nothing: str
    review_word: str
    review_type: str
    review_twice: str


ZH = Wording(
    subtitle="面向专业领域的中文命名实体识别：四个成员投票，拿不准的片段再请大模型判断",
    about_model="当前模型：{domain}，{labels} 类实体，成员 {members}",
    tab_text="文本",
    tab_file="文件",
    text="待分析的文本",
    text_hint="输入或粘贴中文文本，最多 {limit} 字；Shift+Enter 直接分析",
    examples="示例",
    analyse="分析",
    settings="设置",
    strategy="组合策略",
    strategy_info="成员的投票怎样合成一个标签",
    strategies={
        "score": "票数 × 得分（论文）",
        "majority": "多数票",
        "f1": "按 F1 加权投票",
        "class_f1": "按各类 F1 加权投票",
        "score_f1": "得分 + F1（SpanNER）",
        "mean": "平均概率",
        "pool": "对数线性池",
        "svm": "堆叠：SVM",
        "forest": "堆叠：随机森林",
        "xgboost": "堆叠：XGBoost",
    },
    decoding="解码",
    decodings={"flat": "平面（不重叠）", "nested": "嵌套"},
    uncertainty="不确定度 u 的算法",
    uncertainties={
        "spanner": "SpanNER（论文）",
        "combined": "组合策略的概率",
        "score": "得分",
        "disagreement": "成员分歧",
        "entropy": "熵",
    },
    threshold="阈值 τ",
    threshold_info="不确定度 u 大于 τ 的片段会交给大模型；拖动即可看到哪些会被交出去、要花多少钱",
    llm="大模型",
    use_llm="请大模型判断拿不准的片段",
    endpoint="接口地址（OpenAI 兼容，通常以 /v1 结尾）",
    llm_model="模型名",
    key="密钥",
    key_info="只留在本页面里，刷新即清除；仅随本次请求发往上面的地址，不记录、不保存",
    extra="附加请求字段（JSON，可留空）",
    extra_info="例如关闭思考：会思考的模型不关闭就没有余地作答",
    file="上传文件",
    file_info=".txt 每行一条文本；.jsonl 每行一个带 text 字段的对象。最多 {texts} 条、{characters} 字、{megabytes} MB。"
    "只用本地模型，按当前的策略、解码和阈值处理。",
    read_file="处理文件",
    download="下载结果（JSON Lines）",
    before="分析之后，标注好的文本会出现在这里。",
    none_found="没有找到实体。",
    legend="图例",
    legend_doubt="不确定（u > τ）",
    legend_hint="不是实体，但会被询问",
    legend_llm="由大模型决定",
    columns=("实体", "类型", "位置", "得分", "不确定度", "投票", "由谁决定"),
    source_local="集成模型",
    source_llm="大模型（{model}）",
    source_held="集成模型（大模型说：{label}）",
    review="待复核",
    kinds={"entity": "实体", "lost": "被否决的提议", "near_miss": "差一点的片段"},
    tip_type="类型：{label}",
    tip_score="得分 {score:.3f}　不确定度 {uncertainty:.3f}",
    tip_votes="投票：",
    tip_no_vote="不是实体",
    tip_decided="由谁决定：{source}",
    tip_llm="大模型没有给出答案：{error}",
    tip_hint="{kind}，目前不算实体",
    tip_routed="u > τ：会交给大模型",
    preview_none="τ = {threshold:.2f}：{candidates} 个候选片段都留给本地模型，不用询问，花费为零。",
    preview="τ = {threshold:.2f}：{candidates} 个候选片段中 {routed} 个会交给大模型（{kinds}），"
    "约 {calls} 次调用、输入 {tokens_in}、输出 {tokens_out} 个词元",
    preview_cost="，约 {cost:.5f} {currency}（按 {model} 的价目）。",
    preview_no_price="；{model} 的价格未知。",
    preview_over="一次分析最多 {limit} 次调用，另有 {over} 个片段不会询问。",
    asking="本地结果如下，正在询问大模型…",
    asked="已询问大模型：{calls} 次调用，改变了 {changed} 个片段，用了 {tokens} 个词元{cost}。",
    nothing_to_ask="没有 u > τ 的片段，不需要询问大模型。",
    llm_failed="大模型对 {failed} 个片段没有给出答案：{reason}。",
    llm_refused="接口拒绝了请求，请检查密钥和模型名（{reason}）。",
    llm_dead="连不上这个接口，请检查地址（{reason}）。",
    llm_slow="大模型没有及时回答（{reason}）。",
    no_llm_model="请先填写大模型的接口地址和模型名。",
    local_stands="下面是本地模型的结果。",
    file_done="完成：{texts} 条文本，{entities} 个实体，其中 {review} 个待复核。",
    file_progress="正在读第 {done} / {total} 条",
    file_first="前 {count} 条：",
    empty_text="请输入文本。",
    long_text="文本有 {count} 字，最多 {limit} 字；请分段，或用“文件”一栏。",
    bad_endpoint="接口地址应以 http:// 或 https:// 开头，并且不含用户名和密码。",
    endpoint_not_allowed="公开页面只能询问这些地址（https）：{hosts}。其他接口请在自己的电脑上运行 hybridner space。",
    no_file="请先选择文件。",
    big_file="文件有 {count} 字节，最多 {limit} 字节。",
    many_texts="文件的文本超过 {limit} 条。",
    many_characters="文件合计超过 {limit} 字。",
    long_line="第 {line} 行有 {count} 字，最多 {limit} 字。",
    unreadable_file="文件既不是 UTF-8 也不是 GB18030 编码的文本。",
    bad_json_line="第 {line} 行应是带有字符串字段 text 的 JSON 对象。",
    empty_file="文件里没有文本。",
    bad_extra="附加请求字段应是一个 JSON 对象，例如 {{}}。",
    review_title="复核：告诉模型哪些对、哪些错",
    review_info="改正词或类型，去掉错误实体的勾，漏掉的实体另起一行（编号留空）。下载的文件可用于 hybridner learn。",
    review_columns=("编号", "词", "类型", "正确"),
    review_complete="全文都看过了：表中没有的都不是实体",
    review_keep="记下这条文本",
    review_download="下载复核结果（JSON Lines）",
    review_kept="已记下，共 {texts} 条文本。",
    review_nothing="请先分析一条文本。",
    review_word="文本里没有“{word}”。",
    review_type="没有“{type}”这一类型；可用的有：{types}。",
    review_twice="“{word}”在表中出现了两次。",
)

EN = Wording(
    subtitle="Chinese named entities of specialised domains: four members vote, an LLM is asked about what they doubt",
    about_model="This model: {domain}, {labels} entity types, members {members}",
    tab_text="Text",
    tab_file="File",
    text="Text to read",
    text_hint="Type or paste Chinese text, up to {limit} characters; Shift+Enter analyses it",
    examples="Examples",
    analyse="Analyse",
    settings="Settings",
    strategy="Strategy",
    strategy_info="How the members' votes become one label",
    strategies={
        "score": "votes × score (the paper)",
        "majority": "majority",
        "f1": "votes by F1",
        "class_f1": "votes by each type's F1",
        "score_f1": "score + F1 (SpanNER)",
        "mean": "mean probability",
        "pool": "log-linear pool",
        "svm": "stacking: SVM",
        "forest": "stacking: random forest",
        "xgboost": "stacking: XGBoost",
    },
    decoding="Decoding",
    decodings={"flat": "Flat (no overlap)", "nested": "Nested"},
    uncertainty="Uncertainty u is",
    uncertainties={
        "spanner": "SpanNER's (the paper)",
        "combined": "by the strategy",
        "score": "1 − score",
        "disagreement": "disagreement",
        "entropy": "entropy",
    },
    threshold="Threshold τ",
    threshold_info="Spans with uncertainty u above τ go to the LLM; move it to see which, and what that would cost",
    llm="LLM",
    use_llm="Ask an LLM about doubtful spans",
    endpoint="Endpoint (OpenAI-compatible, usually ends in /v1)",
    llm_model="Model",
    key="Key",
    key_info="Stays in this page and is gone after a reload; "
    "sent only to the endpoint above with each request, never logged or stored",
    extra="Further request fields (JSON, may be empty)",
    extra_info="Such as those that switch off thinking: a model that thinks has no room left for its answer",
    file="Upload a file",
    file_info=".txt has one text per line; .jsonl one object with a text per line. Up to {texts} texts, {characters} characters, "
    "{megabytes} MB. Read by the local model alone, with the strategy, decoding and threshold as set.",
    read_file="Read the file",
    download="Download (JSON Lines)",
    before="The text with its entities marked will appear here.",
    none_found="No entity found.",
    legend="Legend",
    legend_doubt="doubtful (u > τ)",
    legend_hint="no entity, but would be asked about",
    legend_llm="decided by the LLM",
    columns=("Entity", "Type", "Position", "Score", "Uncertainty", "Votes", "Decided by"),
    source_local="ensemble",
    source_llm="LLM ({model})",
    source_held="ensemble (LLM said: {label})",
    review="needs review",
    kinds={"entity": "entities", "lost": "outvoted", "near_miss": "near misses"},
    tip_type="Type: {label}",
    tip_score="Score {score:.3f}   uncertainty {uncertainty:.3f}",
    tip_votes="Votes:",
    tip_no_vote="no entity",
    tip_decided="Decided by: {source}",
    tip_llm="The LLM gave no answer: {error}",
    tip_hint="{kind}; no entity as it stands",
    tip_routed="u > τ: would go to the LLM",
    preview_none="τ = {threshold:.2f}: all {candidates} candidate spans stay local; nothing to ask, nothing to pay.",
    preview="τ = {threshold:.2f}: {routed} of {candidates} candidate spans would go to the LLM ({kinds}), about {calls} calls, "
    "{tokens_in} tokens in and {tokens_out} out",
    preview_cost=", about {cost:.5f} {currency} (at {model}'s price).",
    preview_no_price="; price of {model} unknown.",
    preview_over="One analysis makes at most {limit} calls; {over} more spans would not be asked about.",
    asking="This is the local result; asking the LLM…",
    asked="The LLM was asked: {calls} calls, {changed} spans changed, {tokens} tokens used{cost}.",
    nothing_to_ask="No span has u > τ, so there is nothing to ask.",
    llm_failed="The LLM gave no answer for {failed} spans: {reason}.",
    llm_refused="The endpoint refused; check the key and the model's name ({reason}).",
    llm_dead="Nobody answers at this endpoint; check its address ({reason}).",
    llm_slow="The LLM did not answer in time ({reason}).",
    no_llm_model="Fill in the LLM's endpoint and model first.",
    local_stands="Below is the local result.",
    file_done="Done: {texts} texts, {entities} entities, {review} of them need review.",
    file_progress="Reading text {done} of {total}",
    file_first="The first {count}:",
    empty_text="Enter a text first.",
    long_text="The text has {count} characters; the limit is {limit}. Split it, or use the file tab.",
    bad_endpoint="The endpoint should start with http:// or https:// and hold no user name or password.",
    endpoint_not_allowed="A public page asks only these hosts (https): {hosts}. "
    "For others run `hybridner space` on your own computer.",
    no_file="Choose a file first.",
    big_file="The file has {count} bytes; the limit is {limit}.",
    many_texts="The file has more than {limit} texts.",
    many_characters="The file has more than {limit} characters in all.",
    long_line="Line {line} has {count} characters; the limit is {limit}.",
    unreadable_file="The file is text in neither UTF-8 nor GB18030.",
    bad_json_line="Line {line} should be a JSON object with a string called text.",
    empty_file="The file holds no text.",
    bad_extra="Further request fields should be one JSON object, such as {{}}.",
    review_title="Review: say what is right and what is wrong",
    review_info="Correct words or types, untick what is no entity, add missed ones as rows without a number. "
    "The download is what hybridner learn reads.",
    review_columns=("No.", "Word", "Type", "Right"),
    review_complete="I have read it all: what is not in the table is no entity",
    review_keep="Keep this text",
    review_download="Download reviews (JSON Lines)",
    review_kept="Kept; {texts} texts so far.",
    review_nothing="Analyse a text first.",
    review_word="“{word}” does not occur in the text.",
    review_type="There is no type “{type}”; known are {types}.",
    review_twice="“{word}” stands in the table twice.",
)

WORDINGS: dict[str, Wording] = {"zh": ZH, "en": EN}


def wording(language: object) -> Wording:
    """The wording of a language; Chinese for one we do not have."""
    return WORDINGS.get(str(language), ZH)


def preferred_language(accept_language: str | None) -> Language:
    """Chinese or English, whichever a browser's Accept-Language header names first; Chinese when it names neither."""
    for part in (accept_language or "").lower().split(","):
        for language in ("zh", "en"):
            if part.strip().startswith(language):
                return language
    return "zh"
