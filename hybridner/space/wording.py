"""What the page says, in Chinese and English. A sentence that is missing in one language is an error when this is imported."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Language = Literal["zh", "en"]


@dataclass(frozen=True)
class Wording:
    """One language. Braces are slots for `str.format`."""

    title: str
    subtitle: str
    about: str
    about_domain: str
    about_members: str
    to_settings: str
    tab_text: str
    tab_file: str
    text: str
    text_hint: str
    examples: str
    analyse: str
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
    use_llm_info: str
    endpoint: str
    llm_model: str
    key: str
    key_info: str
    extra: str
    extra_info: str
    file: str
    file_info: str
    read_file: str
    drop: str
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
    preview_free: str
    preview: str
    preview_calls: str
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
    file_unit: str
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
    review_types: str
    review_columns: tuple[str, str, str, str]
    review_complete: str
    review_keep: str
    review_download: str
    review_kept: str
    review_nothing: str
    review_word: str
    review_type: str
    review_twice: str
    api: str
    privacy: str


ZH = Wording(
    title="中文命名实体识别",
    subtitle="几个模型读同一句话，投票认出实体，并说明有多大把握；拿不准的片段可以再请大模型判断。",
    about="当前模型认识{domain} {labels} 类实体",
    about_domain="“{domain}”领域的",
    about_members="投票的成员：{members}。其他领域的文本也只会往这些类型里套，请留意不确定度。",
    to_settings="设置与大模型 ↓",
    tab_text="文本",
    tab_file="文件",
    text="待分析的文本",
    text_hint="输入或粘贴中文文本（最多 {limit} 字），或点下面的示例；按 Shift+Enter 分析",
    examples="示例",
    analyse="分析",
    strategy="组合策略",
    strategy_info="怎样把各成员的投票合成一个标签",
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
    decoding="解码方式",
    decodings={"flat": "平铺（互不重叠）", "nested": "可嵌套"},
    uncertainty="不确定度 u 的算法",
    uncertainties={
        "spanner": "SpanNER（论文）",
        "combined": "组合后的概率",
        "score": "1 − 得分",
        "disagreement": "成员分歧",
        "entropy": "熵",
    },
    threshold="阈值 τ",
    threshold_info="不确定度 u 高于 τ 的片段会交给大模型；拖动滑块，马上看到是哪些、要花多少钱",
    llm="大模型（可选）",
    use_llm="请大模型判断拿不准的片段",
    use_llm_info="填好接口地址和模型名，再点“分析”",
    endpoint="接口地址（兼容 OpenAI，通常以 /v1 结尾）",
    llm_model="模型名",
    key="密钥",
    key_info="只留在本页面，刷新即清除；只随请求发往上面的地址，不记录、不保存",
    extra="附加请求字段（JSON，可留空）",
    extra_info="例如关闭思考模式，否则思考过程会占满输出长度，得不到答案",
    file="上传文件",
    file_info=".txt 每行一条文本；.jsonl 每行一个带 text 字段的对象。最多 {texts} 条、{characters} 字、{megabytes} MB。"
    "只用本地模型，按当前的策略、解码方式和阈值处理。",
    read_file="处理文件",
    drop="把文件拖到这里，或点击选择",
    download="下载结果（JSON Lines）",
    before="标注好的文本会出现在这里。",
    none_found="没有找到实体。",
    legend="图例",
    legend_doubt="拿不准（u > τ）",
    legend_hint="不是实体，但会被询问",
    legend_llm="由大模型决定",
    columns=("实体", "类型", "位置", "得分", "不确定度", "投票", "由谁决定"),
    source_local="集成模型",
    source_llm="大模型（{model}）",
    source_held="集成模型（大模型说：{label}）",
    review="待复核",
    kinds={"entity": "实体", "lost": "落选的提议", "near_miss": "险些入选的片段"},
    tip_type="类型：{label}",
    tip_score="得分 {score:.3f}　不确定度 {uncertainty:.3f}",
    tip_votes="投票：",
    tip_no_vote="不是实体",
    tip_decided="由谁决定：{source}",
    tip_llm="大模型没有给出答案：{error}",
    tip_hint="{kind}，目前不算实体",
    tip_routed="u > τ：会交给大模型",
    preview_none="τ = {threshold:.2f}：{candidates} 个候选片段都由本地模型决定",
    preview_free="不用询问大模型，花费为零。",
    preview="τ = {threshold:.2f}：{candidates} 个候选片段中有 {routed} 个会交给大模型（{kinds}）",
    preview_calls="预计调用 {calls} 次，输入 {tokens_in} 词元，输出 {tokens_out} 词元；",
    preview_cost="费用约 {cost:.5f} {currency}（按 {model} 的价目）。",
    preview_no_price="{model} 的价格未知。",
    preview_over="一次分析最多 {limit} 次调用，另有 {over} 个片段不会询问。",
    asking="本地结果如下，正在询问大模型…",
    asked="已询问大模型：调用 {calls} 次，改动 {changed} 个片段，用去 {tokens} 词元{cost}。",
    nothing_to_ask="没有 u > τ 的片段，不需要询问大模型。",
    llm_failed="大模型对 {failed} 个片段没有给出答案：{reason}。",
    llm_refused="接口拒绝了请求，请检查密钥和模型名（{reason}）。",
    llm_dead="连不上这个接口，请检查地址（{reason}）。",
    llm_slow="大模型没有及时回答（{reason}）。",
    no_llm_model="请先填写大模型的接口地址和模型名。",
    local_stands="下面是本地模型的结果。",
    file_done="处理完毕：{texts} 条文本，{entities} 个实体，其中 {review} 个待复核（u > {threshold:.2f}）。",
    file_progress="正在处理",
    file_unit="条",
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
    review_info="改正词或类型；不是实体的，去掉“正确”的勾；漏掉的实体写在没有编号的行里。"
    "下载的文件可交给 hybridner learn 继续训练。",
    review_types="可用的类型：",
    review_columns=("编号", "词", "类型", "正确"),
    review_complete="全文已看完，表中没有的都不是实体",
    review_keep="保存本条复核",
    review_download="下载复核结果（JSON Lines）",
    review_kept="已保存，共 {texts} 条文本。",
    review_nothing="请先分析一条文本。",
    review_word="文本里没有“{word}”。",
    review_type="没有“{type}”这一类型；可用的有：{types}。",
    review_twice="“{word}”在表中出现了两次。",
    api="通过 API 使用",
    privacy="文本和结果只留在内存里，约一小时后清除",
)

EN = Wording(
    title="Chinese NER",
    subtitle="Several models read the sentence, vote on its entities and say how sure they are; "
    "an LLM can decide what they doubt.",
    about="This model knows {labels} entity types{domain}",
    about_domain=" of the domain “{domain}”",
    about_members="Its members: {members}. It fits texts of other domains into the same types, so mind the uncertainty.",
    to_settings="Settings and LLM ↓",
    tab_text="Text",
    tab_file="File",
    text="Text to read",
    text_hint="Type or paste Chinese text (up to {limit} characters), or take an example below; Shift+Enter analyses",
    examples="Examples",
    analyse="Analyse",
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
    threshold_info="Spans with uncertainty u above τ go to the LLM; move the slider to see which, and what that costs",
    llm="LLM (optional)",
    use_llm="Ask an LLM about doubtful spans",
    use_llm_info="Fill in endpoint and model, then analyse",
    endpoint="Endpoint (OpenAI-compatible, usually ends in /v1)",
    llm_model="Model",
    key="Key",
    key_info="Stays in this page and is gone after a reload; "
    "sent only to the endpoint above with each request, never logged or stored",
    extra="Further request fields (JSON, may be empty)",
    extra_info="Such as those that switch off thinking, which would leave no room for the answer",
    file="Upload a file",
    file_info=".txt has one text per line; .jsonl one object with a text per line. Up to {texts} texts, {characters} characters, "
    "{megabytes} MB. Read by the local model alone, with the strategy, decoding and threshold as set.",
    read_file="Read the file",
    drop="Drop a file here, or click to choose one",
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
    review="review",
    kinds={"entity": "entities", "lost": "outvoted", "near_miss": "near misses"},
    tip_type="Type: {label}",
    tip_score="Score {score:.3f}   uncertainty {uncertainty:.3f}",
    tip_votes="Votes:",
    tip_no_vote="no entity",
    tip_decided="Decided by: {source}",
    tip_llm="The LLM gave no answer: {error}",
    tip_hint="{kind}; no entity as it stands",
    tip_routed="u > τ: would go to the LLM",
    preview_none="τ = {threshold:.2f}: all {candidates} candidate spans stay local",
    preview_free="Nothing to ask, nothing to pay.",
    preview="τ = {threshold:.2f}: {routed} of {candidates} candidate spans would go to the LLM ({kinds})",
    preview_calls="Calls: {calls}; tokens: about {tokens_in} in, {tokens_out} out; ",
    preview_cost="about {cost:.5f} {currency} at {model}'s price.",
    preview_no_price="price of {model} unknown.",
    preview_over="One analysis makes at most {limit} calls; {over} more spans would not be asked about.",
    asking="This is the local result; asking the LLM…",
    asked="The LLM was asked. Calls: {calls}; spans changed: {changed}; tokens used: {tokens}{cost}.",
    nothing_to_ask="No span has u > τ, so there is nothing to ask.",
    llm_failed="The LLM gave no answer for {failed} spans: {reason}.",
    llm_refused="The endpoint refused; check the key and the model's name ({reason}).",
    llm_dead="Nobody answers at this endpoint; check its address ({reason}).",
    llm_slow="The LLM did not answer in time ({reason}).",
    no_llm_model="Fill in the LLM's endpoint and model first.",
    local_stands="Below is the local result.",
    file_done="Done: {texts} texts, {entities} entities, {review} of them to be reviewed (u > {threshold:.2f}).",
    file_progress="Reading",
    file_unit="texts",
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
    review_info="Correct words or types, untick what is no entity, and write what was missed into rows without a number. "
    "hybridner learn trains on the download.",
    review_types="Known types: ",
    review_columns=("No.", "Word", "Type", "Right"),
    review_complete="I have read it all: what is not in the table is no entity",
    review_keep="Keep this review",
    review_download="Download reviews (JSON Lines)",
    review_kept="Kept; {texts} texts so far.",
    review_nothing="Analyse a text first.",
    review_word="“{word}” does not occur in the text.",
    review_type="There is no type “{type}”; known are {types}.",
    review_twice="“{word}” stands in the table twice.",
    api="Use via API",
    privacy="texts and results stay in memory and go after about an hour",
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
