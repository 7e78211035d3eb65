// Makes the form live: placeholders go in at the cursor, and the preview follows what is typed.
// Without it the placeholders are a list to copy from, and the buttons show the same in the frame.

const PAUSE_MILLISECONDS = 500;
const TEXTS = ["id_subject", "id_preheader", "id_email_body", "id_sms_body"];

const form = document.getElementById("notification_form");
const preview = document.getElementById("preview");
const button = document.getElementById("show-preview");

let lastText = null;

function insert(placeholder) {
  const field = lastText ?? TEXTS.map((id) => document.getElementById(id)).find(Boolean);
  field.focus();
  field.setRangeText(`{{ ${placeholder} }}`, field.selectionStart, field.selectionEnd, "end");
  field.dispatchEvent(new Event("input", { bubbles: true }));
}

function makeButtons() {
  for (const code of document.querySelectorAll("code[data-placeholder]")) {
    const insertButton = document.createElement("button");
    insertButton.type = "button";
    insertButton.className = "placeholder";
    insertButton.textContent = code.textContent;
    insertButton.title = "Insert at the cursor";
    insertButton.addEventListener("click", () => insert(code.dataset.placeholder));
    code.replaceWith(insertButton);
  }
}

function theme() {
  return document.documentElement.dataset.theme ?? "auto";
}

function hidden(name, value) {
  const input = form.elements[name] ?? form.appendChild(document.createElement("input"));
  Object.assign(input, { type: "hidden", name, value });
}

// A frame that has loaded something keeps each new page in the browser's history, and "back" would go through all of
// them. One that is new has none to keep: so each preview gets a frame of its own, shown in place of the last.
let frames = 0;

function show(load) {
  const old = preview.querySelectorAll("iframe");
  const frame = document.createElement("iframe");
  frames += 1;
  frame.title = "Preview";
  frame.name = `preview-${frames}`;
  frame.classList.toggle("coming", old.length > 0);
  preview.append(frame);
  frame.addEventListener("load", () => {
    for (const other of old) other.remove();
    frame.classList.remove("coming");
  });
  load(frame);
}

let isForNewFrame = false;

function showDraft() {
  hidden("live", "1");
  hidden("theme", theme());
  show((frame) => {
    button.formTarget = frame.name;
    isForNewFrame = true;
    form.requestSubmit(button);
    isForNewFrame = false;
  });
}

function showSaved() {
  const address = new URL(preview.dataset.src, location.href);
  address.searchParams.set("theme", theme());
  show((frame) => { frame.src = address; });
}

const refresh = button ? showDraft : showSaved;

let pause;

function refreshSoon() {
  clearTimeout(pause);
  pause = setTimeout(refresh, PAUSE_MILLISECONDS);
}

makeButtons();
for (const id of TEXTS) document.getElementById(id)?.addEventListener("focus", (event) => { lastText = event.target; });
if (button) {
  button.hidden = true;
  document.getElementById("checks").hidden = false;
  form.addEventListener("input", refreshSoon);
  // The Enter key presses the form's first button, which is that of the preview.
  form.addEventListener("submit", (event) => {
    if (event.submitter !== button || isForNewFrame) return;
    event.preventDefault();
    refresh();
  });
}
refresh();
// The theme is chosen, or remembered, by a script of its own.
new MutationObserver(refreshSoon).observe(document.documentElement, { attributeFilter: ["data-theme"] });
