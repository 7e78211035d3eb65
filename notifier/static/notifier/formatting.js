// The buttons over the texts of a notification: they write Markdown and placeholders at the cursor, and Ctrl+Z takes
// back what they wrote, as it does what was typed.

// Replaces a part of a text and selects a part of what was put there.
function replace(field, start, end, text, selected = [text.length, text.length]) {
  field.focus();
  field.setSelectionRange(start, end);
  // Deprecated, and the only way that the browser can take back. Where it writes nothing, it goes in all the same.
  const isDone = document.execCommand(...(text ? ["insertText", false, text] : ["delete"]));
  if (!isDone && (text || start !== end)) {
    field.setRangeText(text, start, end, "end");
    field.dispatchEvent(new Event("input", { bubbles: true }));
  }
  field.setSelectionRange(start + selected[0], start + selected[1]);
}

function selection(field) {
  const { selectionStart: start, selectionEnd: end, value } = field;
  return { start, end, value, words: value.slice(start, end) };
}

// Between two marks, or out of them where it stands between them already.
function bold(field) {
  const { start, end, value, words } = selection(field);
  const mark = "**";
  if (value.slice(start - 2, start) === mark && value.slice(end, end + 2) === mark) {
    replace(field, start - 2, end + 2, words, [0, words.length]);
    return;
  }
  // Markdown takes no mark beside a blank.
  const inner = words.trim() || "bold";
  const lead = words.trim() ? words.length - words.trimStart().length : 0;
  const tail = words.trim() ? words.slice(words.trimEnd().length) : words.slice(lead);
  const text = `${words.slice(0, lead)}${mark}${inner}${mark}${tail}`;
  replace(field, start, end, text, [lead + 2, lead + 2 + inner.length]);
}

const ADDRESS = "https://";

// Whatever is missing is selected, so that one goes on by typing it.
function link(field) {
  const { start, end, words } = selection(field);
  const isAddress = /^https?:\/\/\S+$/.test(words);
  const said = isAddress || !words.trim() ? "words" : words;
  const text = `[${said}](${isAddress ? words : ADDRESS})`;
  const address = said.length + 3;
  replace(field, start, end, text, said === "words" ? [1, 1 + said.length] : [address, address + ADDRESS.length]);
}

// Put before each line of the selection, or taken away where each has it.
function prefix(mark, anyMark) {
  return (field) => {
    const { start, end, value } = selection(field);
    const first = value.lastIndexOf("\n", start - 1) + 1;
    const next = value.indexOf("\n", Math.max(first, end > start && value[end - 1] === "\n" ? end - 1 : end));
    const last = next === -1 ? value.length : next;
    const lines = value.slice(first, last).split("\n");
    const written = lines.filter((line) => line.trim());
    const isMarked = written.length > 0 && written.every((line) => line.startsWith(mark));
    const isAlone = lines.length === 1;
    const text = lines.map((line) => {
      if (isMarked) return line.startsWith(mark) ? line.slice(mark.length) : line;
      return line.trim() || isAlone ? `${mark}${line.replace(anyMark, "")}` : line;
    }).join("\n");
    replace(field, first, last, text, isAlone ? undefined : [0, text.length]);
  };
}

// A block has a line of its own, with an empty one around it.
function block(field, text, selected = [text.length, text.length]) {
  const { start, end, value } = selection(field);
  const before = value.slice(0, start);
  const after = value.slice(end);
  const above = before.trim() === "" || before.endsWith("\n\n") ? "" : before.endsWith("\n") ? "\n" : "\n\n";
  const below = after.trim() === "" || after.startsWith("\n\n") ? "" : after.startsWith("\n") ? "\n" : "\n\n";
  const shift = above.length;
  replace(field, start, end, `${above}${text}${below}`, [shift + selected[0], shift + selected[1]]);
}

function button(field) {
  const { words } = selection(field);
  const said = words.trim() && !words.includes("\n") ? words.trim() : "Book now";
  const address = said.length + 3;
  const selected = said === words.trim() ? [address, address + ADDRESS.length] : [1, 1 + said.length];
  block(field, `[${said}](${ADDRESS}){.button}`, selected);
}

const FORMATS = { bold, link, list: prefix("- ", /^(?:[-*+] |\d+[.)] |#{1,6} )/), heading: prefix("# ", /^(?:#{1,6} |[-*+] )/), button };
const KEYS = { b: "bold", k: "link" };

const text = document.getElementById("id_email_body");

document.addEventListener("click", (event) => {
  const pressed = event.target.closest("button[data-format], button[data-placeholder], button[data-markdown], button[data-opens]");
  const menu = pressed?.closest(".insert-menu");
  if (pressed?.dataset.format) FORMATS[pressed.dataset.format](text);
  if (pressed?.dataset.opens) {
    const dialog = document.getElementById(pressed.dataset.opens);
    const term = dialog.querySelector("input");
    term.value = "";
    dialog.showModal();
    term.focus();
  }
  if (pressed?.dataset.placeholder) {
    const field = document.getElementById(menu.dataset.for);
    const { start, end } = selection(field);
    menu.hidePopover();
    replace(field, start, end, pressed.dataset.placeholder);
  }
  if (pressed?.dataset.markdown) {
    pressed.closest("dialog").close();
    block(text, pressed.dataset.markdown);
  }
});

text.addEventListener("keydown", (event) => {
  const format = KEYS[event.key.toLowerCase()];
  if (!format || !(event.ctrlKey || event.metaKey) || event.altKey || event.shiftKey) return;
  event.preventDefault();
  FORMATS[format](text);
});

// --- The menus of placeholders: the browser opens and closes them, and gives the focus back ---
for (const menu of document.querySelectorAll(".insert-menu")) {
  const opener = document.querySelector(`[popovertarget="${menu.id}"]`);
  menu.addEventListener("toggle", (event) => {
    if (event.newState !== "open") return;
    const { bottom, right } = opener.getBoundingClientRect();
    // From where it has all the room that it may take.
    menu.style.left = "0";
    menu.style.top = `${bottom + scrollY + 4}px`;
    menu.style.left = `${Math.max(8, right + scrollX - menu.offsetWidth)}px`;
    menu.querySelector("button").focus({ preventScroll: true });
  });
}

// --- The toolbar is one stop of the Tab key, and arrows go from one button to the next ---
for (const toolbar of document.querySelectorAll(".toolbar")) {
  toolbar.hidden = false;
  const stops = [...toolbar.querySelectorAll(":scope > button")];
  const stopAt = (chosen) => {
    for (const stop of stops) stop.tabIndex = stop === chosen ? 0 : -1;
  };
  if (stops.length < 2) continue;
  stopAt(stops[0]);
  toolbar.addEventListener("focusin", (event) => {
    if (stops.includes(event.target)) stopAt(event.target);
  });
  toolbar.addEventListener("keydown", (event) => {
    const place = stops.indexOf(event.target);
    const next = { ArrowRight: place + 1, ArrowLeft: place - 1, Home: 0, End: stops.length - 1 }[event.key];
    if (place === -1 || next === undefined) return;
    event.preventDefault();
    stops[(next + stops.length) % stops.length].focus();
  });
}
