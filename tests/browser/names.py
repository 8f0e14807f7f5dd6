"""Names that are hard to show: too long, in any script, or written to break out of a page.

Markup in a hostile name carries the attribute `pwned`, and its scripts set `window.pwned`.
"""

LONG = [
    "W" * 100,
    "Lakshmi Narayanan Subramanian Venkataraman Iyer-Krishnamoorthy of Thiruvananthapuram and Tiruchirapalli"[:100],
    ("कृष्णमूर्तिवेंकटरामनसुब्रमण्यन" * 4)[:100],
    ("தமிழ்செல்விவேங்கடசுப்பிரமணியன்" * 4)[:100],
    ("عائشہ صدیقہ بیگم بنت محمد یوسف خان " * 3)[:99],
]

_ELEMENTS = [
    "<script>window.pwned=1</script>",
    "<script src=//evil.example/x.js pwned></script>",
    "<img src=x onerror=window.pwned=1 pwned>",
    "<svg pwned><animate onbegin=window.pwned=1 attributeName=x dur=1s></svg>",
    "<iframe srcdoc='<script>top.pwned=1</script>' pwned></iframe>",
    "<style pwned>*{display:none!important}</style>",
    "<meta http-equiv=refresh content='0;url=//evil.example' pwned>",
    "<base href=//evil.example/ pwned>",
    "<form action=//evil.example pwned><button>Sign in</button></form>",
    "<object data=javascript:window.pwned=1 pwned></object>",
    "<embed src=javascript:window.pwned=1 pwned>",
    "<link rel=stylesheet href=//evil.example/x.css pwned>",
    "<a href='javascript:window.pwned=1' pwned>free</a>",
    "<input autofocus onfocus=window.pwned=1 pwned>",
    "<details open ontoggle=window.pwned=1 pwned>",
    "<math pwned><mtext></form><mglyph><style></math><img src=x onerror=window.pwned=1>",
    "<noscript><p title='</noscript><img src=x onerror=window.pwned=1 pwned>'>",
]
_ENDS = [
    "\"'><svg onload=window.pwned=1 pwned>",
    '" autofocus onfocus="window.pwned=1" pwned="',
    "' autofocus onfocus='window.pwned=1' pwned='",
    "` onclick=`window.pwned=1` pwned=`",
    "x onfocus=window.pwned=1 autofocus tabindex=1 pwned",
    "</td></tr></table><h1 pwned>gone</h1>",
    "</textarea></select></title></style></script><h1 pwned>gone</h1>",
    "]]><!--<![CDATA[ -->",
]
_OF_LIBRARIES = [
    "<div hx-get=/dashboard/sign-in hx-trigger=load pwned></div>",
    "<b hx-on:click=window.pwned=1 hx-on::load=window.pwned=1 pwned></b>",
    "<div data-hx-post=/dashboard/sign-out data-hx-trigger=load pwned></div>",
    "' hx-vals='js:{pwned: window.pwned=1}' pwned='",
    "{{ 7*7 }}{% raise %}{# gone #}${7*7}#{7*7}<%= 7*7 %>",
    "%(name)s %s {0} {time} $1 \\1",
    '", "role": "admin", "$where": "1", "__proto__": {"x": "',
    "=cmd|' /C calc'!A0",
]
_LETTERS = [
    "javascript:window.pwned=1",
    "data:text/html,<script>top.pwned=1</script>",
    "&lt;b&gt;&amp;&#60;b pwned&#62;",
    "\\u003cb pwned\\u003e %00 \\x00 &#0;",
    "\u202egnp.exe\u202c",
    "A\u200bs\u200dh\u2060a\ufeff",
    "a" + "\u0301\u0323\u0334" * 10,
    "आशा<b pwned>वर्मा</b> & “राव” \u0967\u0968",
]
HOSTILE = [*_ELEMENTS, *_ENDS, *_OF_LIBRARIES, *_LETTERS]
"""Of forty kinds and one more."""
ALL_HOSTILE = " ".join(HOSTILE)
