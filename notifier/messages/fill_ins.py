"""What a template leaves for whoever writes: words in square brackets, such as [date], and links to example.com."""

import re

# A link's words, and a picture's, stand before a bracket. A backslash makes a bracket plain.
_FILL_IN = re.compile(r"(?<!\\)\[([a-z][^\[\]\n]{0,60})\](?!\()")
_EXAMPLE = re.compile(r"https?://(?:www\.)?example\.com\b")
#: No more of them are named.
MAX_NAMED = 5


def warnings(text: str) -> list[str]:
    """A sentence for what is left to be filled in, and one for links that lead nowhere."""
    found = []
    if names := list(dict.fromkeys(_FILL_IN.findall(text))):
        more = " and more" if len(names) > MAX_NAMED else ""
        found.append(f"Still to be filled in: {', '.join(f'[{name}]' for name in names[:MAX_NAMED])}{more}.")
    if _EXAMPLE.search(text):
        found.append("A link still leads to example.com. Replace it with your own page.")
    return found
