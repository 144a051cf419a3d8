"""Texts that would do something if a page took them for anything but text."""

VECTORS = (
    "<script>window.pwned=1</script>",
    "<img src=x onerror=window.pwned=1>",
    "<svg/onload=window.pwned=1>",
    '"><script>window.pwned=1</script>',
    "'><img src=x onerror=window.pwned=1>",
    "</q></article></main><h1 id=owned>Owned</h1>",
    "<iframe srcdoc='<script>parent.pwned=1</script>'></iframe>",
    "javascript:window.pwned=1",
    "<a href=javascript:window.pwned=1 id=owned>click</a>",
    "<style>body{display:none}</style>",
    "<link rel=stylesheet href=//evil.example/x.css>",
    "<meta http-equiv=refresh content='0;url=//evil.example/'>",
    "<base href=//evil.example/>",
    "<form action=//evil.example/><input name=text></form>",
    "<template><script>window.pwned=1</script></template>",
    "<!-- --><script>window.pwned=1</script>",
    "<![CDATA[<script>window.pwned=1</script>]]>",
    "{{ 7 * 7 }} {% if 1 %}x{% endif %} ${7*7} #{7*7}",
    "&lt;script&gt;window.pwned=1&lt;/script&gt;",
    "&#60;script&#62;window.pwned=1&#60;/script&#62;",
    "<details open ontoggle=window.pwned=1>x</details>",
    "<video><source onerror=window.pwned=1></video>",
    "<math><mi xlink:href='javascript:window.pwned=1'>x</mi></math>",
    "\N{RIGHT-TO-LEFT OVERRIDE}txet desrever \N{POP DIRECTIONAL FORMATTING} and on",
    "e" + "\N{COMBINING ACUTE ACCENT}" * 40 + " stacked marks",
)

WRAPPERS = (
    "{}",
    "Look: {} Nice, isn't it?",
    "{0} {0}",
    "\N{PILE OF POO}\N{ZERO WIDTH JOINER}\N{FAMILY} {}",
    "line one\nline two {}\n\nline four",
    "{}\\u003cscript\\u003ewindow.pwned=1\\u003c/script\\u003e",
    "`{}` ```{}```",
    "[{}](javascript:window.pwned=1)",
    "ＦＵＬＬ ｗｉｄｔｈ {}",
    "a{}" + "W" * 120,
    "%3Cscript%3E {} %00 %0d%0aSet-Cookie: a=b",
    "' OR 1=1 -- {} \"; FLUSHALL\r\nFLUSHALL\r\n",
)


def texts() -> list[str]:
    """300 texts: every vector in every wrapper."""
    found = [
        wrapper.replace("{0}", vector).replace("{}", vector)
        for vector in VECTORS
        for wrapper in WRAPPERS
    ]
    assert len(set(found)) == 300
    return found
